"""A terminal that only takes lines."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drive import Terminal
from tests.terminal.stages import count, enter, stage


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with stage("lines", columns=80, rows=60, env={"TERM": "dumb"}) as terminal:
        yield terminal


def test_a_line_is_sent_and_answered_without_any_sequence(terminal: Terminal) -> None:
    enter(terminal, "hello")
    terminal.wait_for("sent 'hello'")
    terminal.wait_for(lambda t: t.screen[t.cursor[1]].startswith("you>"))
    assert b"\x1b" not in terminal.raw


def test_a_stream_prints_finished_rows_and_then_the_prompt(terminal: Terminal) -> None:
    enter(terminal, "stream 10 2")
    terminal.wait_for("stream ended")
    terminal.wait_for(lambda t: t.screen[t.cursor[1]].startswith("you>"))
    blocks = [line.split(" x")[0] for line in terminal.everything if line.startswith("block")]
    assert blocks == [f"block {block} row {row}" for block in range(10) for row in range(2)]


def test_questions_are_asked_one_line_at_a_time(terminal: Terminal) -> None:
    enter(terminal, "card delete")
    terminal.wait_for("Really delete?")
    enter(terminal, "no")
    terminal.wait_for("delete: False")
    enter(terminal, "ask Name?")
    terminal.wait_for("Name? [default]")
    terminal.press("enter")
    terminal.wait_for("answer 'default'")
    enter(terminal, "pick 3")
    terminal.wait_for("50  model-49")
    enter(terminal, "8")
    terminal.wait_for("picked 7")


def test_a_secret_is_refused_where_it_would_be_shown(terminal: Terminal) -> None:
    enter(terminal, "secret Key?")
    terminal.wait_for("NeedsAnswerError: This terminal cannot hide what is typed.")


def test_ctrl_c_stops_and_twice_leaves(terminal: Terminal) -> None:
    enter(terminal, "stream 500 5")
    terminal.wait_for("block 2")
    terminal.press("ctrl-c")
    terminal.wait_for("stopped")
    terminal.press("ctrl-c")
    terminal.wait_for("Ctrl-C again leaves")
    terminal.press("ctrl-c")
    assert terminal.wait_exit() == 0


def test_what_is_typed_into_an_editor_is_the_editors(tmp_path: Path) -> None:
    editor = tmp_path / "editor.py"
    editor.write_text(
        "import pathlib, sys\nprint('EDITING', flush=True)\n"
        "pathlib.Path(sys.argv[1]).write_text(input() + ' and ' + input())\n"
    )
    with stage("lines", columns=80, rows=60, env={"TERM": "dumb", "EDITOR": f"{sys.executable} {editor}"}) as terminal:
        enter(terminal, "edit old")
        terminal.wait_for("EDITING")
        enter(terminal, "first")
        enter(terminal, "second")
        terminal.wait_for("edited 'first and second'")
        enter(terminal, "third")
        terminal.wait_for("sent 'third'")
        assert count(terminal, "sent '") == 1


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGHUP])
def test_who_is_asked_to_end_leaves_in_order(terminal: Terminal, asked: int) -> None:
    terminal.wait_for(lambda t: t.screen[t.cursor[1]].startswith("you>"))
    terminal.kill(asked)
    assert terminal.wait_exit() == 0
    assert count(terminal, "left in order") == 1


def test_the_end_of_the_input_leaves(terminal: Terminal) -> None:
    terminal.press("ctrl-d")
    assert terminal.wait_exit() == 0
    assert count(terminal, "left in order") == 1
