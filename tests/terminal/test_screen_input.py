"""The input line, typed into on a pseudo-terminal."""

from __future__ import annotations

import os
import signal
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drive import Terminal
from tests.terminal.stages import ROOT, count, enter, input_line, stage


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with stage() as terminal:
        yield terminal


def test_enter_sends_what_was_typed(terminal: Terminal) -> None:
    terminal.type("hello")
    terminal.press("enter")
    terminal.wait_for("sent 'hello'")
    assert input_line(terminal) == "you>"


def test_enter_on_an_empty_line_sends_nothing(terminal: Terminal) -> None:
    terminal.press("enter", "space", "enter")
    terminal.settle()
    assert not any("sent" in line for line in terminal.screen)


def test_alt_enter_ctrl_j_and_a_backslash_make_new_lines(terminal: Terminal) -> None:
    terminal.type("one")
    terminal.press("alt-enter")
    terminal.type("two")
    terminal.press("ctrl-j")
    terminal.type("three\\")
    terminal.press("enter")
    terminal.type("four")
    terminal.wait_for("     four")
    terminal.press("enter")
    terminal.wait_for(r"sent 'one\ntwo\nthree\nfour'")


def test_ctrl_j_can_send() -> None:
    with stage("ctrl-j-sends") as terminal:
        terminal.type("hello")
        terminal.press("ctrl-j")
        terminal.wait_for("sent 'hello'")


def test_a_paste_keeps_its_lines(terminal: Terminal) -> None:
    terminal.paste("one\ntwo\tthree")
    terminal.wait_for("     two")
    terminal.press("enter")
    terminal.wait_for(r"sent 'one\ntwo\tthree'")


def test_a_pasted_escape_sequence_becomes_harmless_text(terminal: Terminal) -> None:
    terminal.paste("a\x1b[31mb\x07c\x9bd")
    terminal.press("enter")
    terminal.wait_for("sent 'a[31mbcd'")


def test_a_long_paste_is_folded_and_sent_whole(terminal: Terminal) -> None:
    lines = [f"line {n}" for n in range(40)]
    terminal.type("before ")
    terminal.paste("\n".join(lines))
    terminal.type(" after")
    terminal.wait_for("you> before [pasted 40 lines] after")
    terminal.press("enter")
    terminal.wait_for(lambda t: "line 39 after'" in "".join(t.everything))
    assert r"sent 'before line 0\nline 1\n" in "".join(terminal.everything)


def test_one_key_deletes_a_folded_paste_and_the_arrows_step_over_it(terminal: Terminal) -> None:
    terminal.paste("word\n" * 40)
    terminal.type("x")
    terminal.wait_for("[pasted 40 lines]x")
    assert terminal.cursor[0] == len("you> [pasted 40 lines]x")
    terminal.press("left", "left")
    terminal.wait_for(lambda t: t.cursor[0] == len("you> "))
    terminal.press("right", "backspace")
    terminal.wait_for(lambda t: input_line(t) == "you> x")
    terminal.press("enter")
    terminal.wait_for("sent 'x'")


def test_the_editor_gets_the_whole_text_and_gives_it_back(tmp_path: Path) -> None:
    script = tmp_path / "editor.py"
    seen = tmp_path / "seen"
    script.write_text(
        "import os, pathlib, sys\n"
        "path = pathlib.Path(sys.argv[1])\n"
        f"pathlib.Path({str(seen)!r}).write_text(f'{{path}} {{oct(os.stat(path).st_mode)}} {{path.read_text()}}')\n"
        "path.write_text('edited\\ntext\\n')\n"
    )
    with stage(env={"EDITOR": f"{sys.executable} {script}"}) as terminal:
        terminal.paste("word\n" * 40)
        terminal.press("ctrl-x", "ctrl-e")
        terminal.wait_for("     text")
        terminal.press("enter")
        terminal.wait_for(r"sent 'edited\ntext\n'")
    path, mode, text = seen.read_text().split(" ", 2)
    assert text == "word\n" * 40
    assert stat.S_IMODE(int(mode, 8)) == 0o600
    assert not Path(path).exists()


def test_an_editor_that_is_not_there_is_told_in_a_sentence() -> None:
    with stage(env={"EDITOR": "no-such-editor"}) as terminal:
        terminal.type("kept")
        terminal.press("ctrl-x", "ctrl-e")
        terminal.wait_for('The editor "no-such-editor" was not')
        assert input_line(terminal) == "you> kept"


def test_ctrl_c_stops_the_reply_then_clears_the_line_and_twice_leaves(terminal: Terminal) -> None:
    terminal.type("stream 500 5")
    terminal.press("enter")
    terminal.wait_for("block 0")
    terminal.type("half typed")
    terminal.press("ctrl-c")
    terminal.wait_for("stopped")
    assert input_line(terminal) == "you> half typed"
    terminal.press("ctrl-c")
    terminal.wait_for(lambda t: input_line(t) == "you>")
    terminal.press("ctrl-c")
    terminal.wait_for("Ctrl-C again leaves")
    terminal.press("ctrl-c")
    assert terminal.wait_exit() == 0
    assert "left in order" in "\n".join(terminal.everything)


def test_two_ctrl_c_far_apart_do_not_leave(terminal: Terminal) -> None:
    terminal.press("ctrl-c")
    terminal.wait_for("Ctrl-C again leaves")
    terminal.wait_for("toolbar 60")
    terminal.press("ctrl-c")
    terminal.type("still here")
    terminal.wait_for("you> still here")


def test_a_signal_interrupts_like_the_key(terminal: Terminal) -> None:
    terminal.type("words")
    terminal.wait_for("words")
    terminal.kill(signal.SIGINT)
    terminal.wait_for(lambda t: input_line(t) == "you>")


def test_ctrl_d_leaves_only_from_an_empty_line(terminal: Terminal) -> None:
    terminal.type("ab")
    terminal.press("home", "ctrl-d")
    terminal.wait_for(lambda t: input_line(t) == "you> b")
    terminal.press("ctrl-d", "ctrl-d")
    assert terminal.wait_exit() == 0


def test_leaving_takes_the_live_part_away(terminal: Terminal) -> None:
    terminal.press("ctrl-d")
    terminal.wait_exit()
    assert [line for line in terminal.everything if line] == ["welcome", "left in order"]


def test_being_asked_to_end_leaves_in_order(terminal: Terminal) -> None:
    terminal.kill(signal.SIGTERM)
    assert terminal.wait_exit() == 0
    assert "left in order" in terminal.everything


def test_a_terminal_that_is_closed_ends_the_program(terminal: Terminal) -> None:
    assert terminal.hang_up(timeout=5) >= 0


def test_tab_completes_and_shows_a_menu(terminal: Terminal) -> None:
    terminal.type("/per")
    terminal.press("tab")
    terminal.wait_for("you> /persona")
    terminal.press("ctrl-c")
    terminal.type("/m")
    terminal.press("tab")
    terminal.wait_for("you> /mo")
    terminal.wait_for("its mood")
    terminal.press("tab")
    terminal.wait_for("you> /model")
    terminal.press("enter")
    terminal.wait_for(lambda t: not any("its mood" in line for line in t.screen))
    assert not any("sent" in line for line in terminal.screen)
    terminal.press("enter")
    terminal.wait_for("sent '/model'")


def test_up_and_down_walk_through_lines_and_then_through_what_was_typed_before(terminal: Terminal) -> None:
    terminal.press("up")
    terminal.wait_for("you> second old line")
    terminal.press("up")
    terminal.wait_for("you> first old line")
    terminal.press("down", "down")
    terminal.wait_for(lambda t: input_line(t) == "you>")
    terminal.type("a")
    terminal.press("alt-enter")
    terminal.type("b")
    terminal.press("enter")
    terminal.wait_for(r"sent 'a\nb'")
    terminal.press("up")
    terminal.wait_for("     b")
    terminal.press("up", "up")
    terminal.wait_for("you> second old line")


def test_ctrl_r_searches_what_was_typed_before(terminal: Terminal) -> None:
    terminal.press("ctrl-r")
    terminal.type("fir")
    terminal.wait_for("you> first old line")
    terminal.press("enter", "enter")
    terminal.wait_for("sent 'first old line'")


def test_ctrl_l_clears_the_screen_and_keeps_the_live_part(terminal: Terminal) -> None:
    terminal.type("tail 2")
    terminal.press("enter")
    terminal.wait_for("tail 1")
    terminal.type("half")
    terminal.press("ctrl-l")
    terminal.wait_for(lambda t: "welcome" not in t.screen)
    terminal.settle()
    assert [line for line in terminal.screen if line] == ["tail 0", "tail 1", "you> half", "toolbar 60"]


def test_ctrl_z_suspends_and_comes_back_clean() -> None:
    program = f"{sys.executable} -m tests.terminal.programs.stage"
    shell = ["bash", "-c", f"set -m; {program}; echo was suspended; read answer; fg"]
    with Terminal(shell, 60, 16, {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}, ROOT) as terminal:
        terminal.wait_for("toolbar 60")
        terminal.type("stream 60 5")
        terminal.press("enter")
        terminal.wait_for("block 1")
        terminal.type("half")
        terminal.press("ctrl-z")
        terminal.wait_for("was suspended")
        assert not any(line.startswith(("you>", "toolbar")) for line in terminal.screen)
        terminal.press("enter")
        terminal.wait_for("toolbar 60")
        terminal.type(" typed")
        terminal.wait_for("stream ended")
        terminal.wait_for("you> half typed")
        blocks = [line.split(" x")[0] for line in terminal.everything if line.startswith("block")]
        assert blocks == [f"block {block} row {row}" for block in range(60) for row in range(5)]


def test_a_program_that_was_stopped_from_outside_has_its_keys_again(terminal: Terminal) -> None:
    terminal.type("half")
    terminal.wait_for("you> half")
    terminal.kill(signal.SIGSTOP)
    terminal.cook()
    drawn = len(terminal.raw)
    terminal.kill(signal.SIGCONT)
    terminal.wait_for(lambda t: len(t.raw) > drawn)
    terminal.type(" typed")
    terminal.wait_for("you> half typed")
    assert count(terminal, "typed") == 1


def test_vi_keys_work_and_v_opens_the_editor(tmp_path: Path) -> None:
    script = tmp_path / "editor.py"
    script.write_text("import sys, pathlib; p = pathlib.Path(sys.argv[1]); p.write_text(p.read_text().upper())")
    with stage("vi", env={"EDITOR": f"{sys.executable} {script}"}) as terminal:
        terminal.type("one two three")
        terminal.wait_for("three")
        terminal.press("escape")
        time.sleep(0.2)
        terminal.type("bdb0x")
        terminal.wait_for(lambda t: input_line(t) == "you> ne three")
        terminal.type("v")
        terminal.wait_for("you> NE THREE")
        terminal.press("enter")
        terminal.wait_for("sent 'NE THREE'")


def test_alt_enter_makes_a_new_line_with_vi_keys_too() -> None:
    with stage("vi") as terminal:
        terminal.type("one")
        terminal.press("alt-enter")
        terminal.type("two")
        terminal.wait_for("     two")
        terminal.press("enter")
        terminal.wait_for(r"sent 'one\ntwo'")


def test_a_terminal_that_does_not_answer_costs_nothing() -> None:
    with stage(answers=False) as terminal:
        terminal.type("hello")
        terminal.press("enter")
        terminal.wait_for("sent 'hello'", timeout=1)
        time.sleep(2.2)
        assert "WARNING" not in "\n".join(terminal.everything)
        assert b"\x1b[6n" not in terminal.raw


def test_what_a_callback_raises_does_not_break_the_screen(terminal: Terminal) -> None:
    terminal.type("fail")
    terminal.press("enter")
    terminal.wait_for("error: RuntimeError('on purpose')")
    terminal.type("hello")
    terminal.press("enter")
    terminal.wait_for("sent 'hello'")


def test_emoji_on_the_input_line_keep_their_columns(terminal: Terminal) -> None:
    text = "❤️👨‍👩‍👧🇩🇪中é!"
    terminal.type(text)
    terminal.wait_for("!")
    assert input_line(terminal) == f"you> {text}"
    assert terminal.cursor[0] == len("you> ") + 2 + 2 + 2 + 2 + 1 + 1
    terminal.press("left", "backspace")
    terminal.type("x")
    terminal.wait_for("x!")
    assert input_line(terminal) == "you> ❤️👨‍👩‍👧🇩🇪中x!"
    terminal.press("enter")
    terminal.wait_for("sent '❤️👨")


@pytest.mark.parametrize(("columns", "rows"), [(20, 5), (8, 3), (30, 2), (3, 8)])
def test_a_tiny_terminal_is_no_reason_to_fail(columns: int, rows: int) -> None:
    with stage(columns=60, rows=16) as terminal:
        enter(terminal, "stream 60 5")
        terminal.wait_for("block 2")
        enter(terminal, "queue one,two,three")
        enter(terminal, "card delete")
        terminal.resize(columns, rows)
        terminal.paste("several\nlines\nof text")
        time.sleep(0.5)
        terminal.press("ctrl-c")
        terminal.resize(60, 16)
        terminal.wait_for("toolbar 60")
        terminal.press("ctrl-c")
        enter(terminal, "/quit")
        assert terminal.wait_exit() == 0
        assert count(terminal, "error:") == 0
