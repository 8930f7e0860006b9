"""Replies that stream above the input line, on a pseudo-terminal."""

from __future__ import annotations

import itertools
import random
import re
import time

import pytest

from tests.drive import Terminal
from tests.terminal.stages import count, enter, input_line, stage


def blocks_of(terminal: Terminal) -> list[str]:
    return [line.split(" x")[0] for line in terminal.everything if line.startswith("block")]


def expected_blocks(blocks: int, rows: int) -> list[str]:
    return [f"block {block} row {row}" for block in range(blocks) for row in range(rows)]


def test_each_of_300_blocks_is_there_once_and_in_order_while_keys_are_typed() -> None:
    with stage(columns=100, rows=12) as terminal:
        enter(terminal, "stream 300 3")
        typed = ""
        letters = itertools.cycle("abcdefghij klmnop")
        while "stream ended" not in terminal.screen:
            letter = next(letters)
            terminal.type(letter)
            typed += letter
            if len(typed) > 40:
                terminal.press("ctrl-u")
                typed = ""
            time.sleep(0.01)
        terminal.settle()
        assert blocks_of(terminal) == expected_blocks(300, 3)
        assert input_line(terminal) == f"you> {typed}".rstrip()
        others = [line for line in terminal.everything if line and not line.startswith(("block", "you>", "toolbar"))]
        assert others == ["welcome", "stream ended"]


def test_keys_pressed_in_bursts_during_a_stream_all_arrive() -> None:
    with stage() as terminal:
        enter(terminal, "stream 60 5")
        terminal.wait_for("block 1")
        for _ in range(20):
            terminal.type("0123456789")
            terminal.press("left", "right", "alt-enter", "backspace")
        terminal.wait_for("stream ended")
        terminal.press("enter")
        sent = "0123456789" * 20
        terminal.wait_for(lambda t: f"sent '{sent}'" in "".join(t.everything))
        assert blocks_of(terminal) == expected_blocks(60, 5)


def newest(terminal: Terminal) -> int:
    """How many rows of the tail are there, if they are the newest ones and at the top of the screen; else 0."""
    rows = [line for line in terminal.screen if line]
    tail = [line for line in rows if line.startswith("tail")]
    expected = [f"tail {n}" for n in range(30 - len(tail), 30)]
    return len(tail) if tail == expected == rows[: len(tail)] else 0


def test_a_tail_longer_than_the_screen_shows_its_newest_rows() -> None:
    with stage(rows=10) as terminal:
        enter(terminal, "tail 30")
        terminal.wait_for(lambda t: newest(t) >= 7 and "toolbar 60" in t.screen)
        shown = newest(terminal)
        terminal.type("one\\")
        terminal.press("enter")
        terminal.type("two")
        terminal.wait_for("     two")
        terminal.wait_for(lambda t: newest(t) == shown - 1)
        terminal.press("ctrl-c")
        terminal.wait_for(lambda t: newest(t) == shown)
        enter(terminal, "tail 0")
        terminal.wait_for(lambda t: not any("tail 29" in line for line in t.screen))
        assert count(terminal, "tail") == 0


def test_only_the_rows_that_changed_are_written_again() -> None:
    with stage() as terminal:
        enter(terminal, "grow 400")
        terminal.wait_for("steady 9")
        terminal.wait_for("grown 399")
        assert terminal.raw.count(b"steady 4") <= 3


@pytest.mark.parametrize("reflow", [True, False], ids=["terminal reflows", "terminal cuts"])
def test_resizing_during_a_stream_leaves_no_ghosts_and_repeats_no_rows(reflow: bool) -> None:
    options = [] if reflow else ["cuts"]
    with stage(*options, rows=20, reflow=reflow) as terminal:
        enter(terminal, "stream 60 3")
        sizes = random.Random(5)
        terminal.type("half typed text that is rather long")
        while "stream ended" not in "\n".join(terminal.everything):
            terminal.resize(sizes.randint(40, 100), sizes.randint(14, 30))
            time.sleep(0.15)
        terminal.resize(110, 24)
        terminal.wait_for("toolbar 110")
        terminal.settle()
        assert [line for line in terminal.everything if line.startswith("toolbar")] == ["toolbar 110"]
        assert count(terminal, "you>") == 1
        assert input_line(terminal) == "you> half typed text that is rather long"
        found = [re.sub(r" x.*", "", line) for line in terminal.everything if line.startswith("block")]
        assert found == expected_blocks(60, 3)


def test_a_narrower_window_wraps_the_live_part_and_leaves_no_ghost_of_it() -> None:
    with stage(columns=100, rows=20) as terminal:
        enter(terminal, "bulk 30")
        enter(terminal, "wide 4")
        terminal.wait_for("wide 3")
        terminal.type("z" * 80)
        terminal.wait_for("z" * 80)
        for columns in (70, 35, 90, 40, 100):
            terminal.resize(columns, 20)
            terminal.wait_for(f"toolbar {columns}")
            terminal.settle()
            assert count(terminal, "toolbar") == 1
            assert count(terminal, "you>") == 1
            assert [line[:6] for line in terminal.everything if "wide" in line] == [f"wide {n}" for n in range(4)]
            assert "".join(terminal.everything).count("z") == 80


def test_a_row_wider_than_the_terminal_is_wrapped_by_the_terminal_itself() -> None:
    with stage(columns=40) as terminal:
        enter(terminal, "commit " + "w" * 100)
        terminal.wait_for(lambda t: "w" * 20 in t.screen)
        assert [line for line in terminal.screen if line.startswith("w") and "welcome" not in line] == [
            "w" * 40,
            "w" * 40,
            "w" * 20,
        ]
        terminal.resize(120, 16)
        terminal.wait_for("w" * 100)


def test_5000_rows_at_once_all_arrive() -> None:
    with stage() as terminal:
        enter(terminal, "bulk 5000")
        terminal.wait_for("bulk 4999")
        assert [line for line in terminal.everything if line.startswith("bulk")] == [f"bulk {n}" for n in range(5000)]


def test_rows_of_a_frame_and_its_tail_arrive_in_one_synchronized_update() -> None:
    with stage() as terminal:
        enter(terminal, "stream 10 3")
        terminal.wait_for("stream ended")
        terminal.settle()
        raw = terminal.raw
        assert raw.count(b"\x1b[?2026h") == raw.count(b"\x1b[?2026l") > 2


def test_wide_characters_and_emoji_in_the_tail_do_not_move_the_input_line() -> None:
    with stage() as terminal:
        enter(terminal, "emoji on")
        terminal.wait_for("❤")
        terminal.type("typed")
        terminal.wait_for("you> typed")
        terminal.settle()
        assert [line for line in terminal.screen if line.startswith(("you>", "toolbar"))] == [
            "you> typed",
            "toolbar 60",
        ]


def test_what_is_committed_after_leaving_is_printed() -> None:
    with stage() as terminal:
        enter(terminal, "later")
        terminal.press("ctrl-d")
        terminal.wait_exit()
        assert [line for line in terminal.everything if line] == ["welcome", "at the end", "left in order", "after"]


def test_queued_messages_take_a_row_each_above_the_input_line() -> None:
    with stage() as terminal:
        enter(terminal, "queue one,two")
        expected = ["queued  one", "queued  two"]
        terminal.wait_for(lambda t: [line for line in t.screen if "queued" in line] == expected)
        enter(terminal, "queue " + ",".join(["long words " * 20] * 9))
        terminal.wait_for("… and 4 more")
        assert count(terminal, "queued  long words") == 5


def test_progress_is_shown_and_goes_away() -> None:
    with stage() as terminal:
        enter(terminal, "work 0.6")
        terminal.wait_for("working")
        terminal.wait_for("working half done")
        terminal.wait_for("work done")
        terminal.settle()
        assert count(terminal, "working") == 0
