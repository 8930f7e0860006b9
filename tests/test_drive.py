"""The pseudo-terminal that other tests type into."""

from __future__ import annotations

import sys

import pytest

from tests.drive import Terminal

ECHO = "import sys\nfor line in sys.stdin:\n    print('got', line.strip(), flush=True)\n"


def test_what_is_typed_reaches_the_program_and_its_answer_is_on_the_screen() -> None:
    with Terminal([sys.executable, "-c", ECHO]) as terminal:
        terminal.type("hello")
        terminal.press("enter")
        terminal.wait_for("got hello")
        terminal.press("ctrl-d")
        assert terminal.wait_exit() == 0


def test_rows_that_scrolled_away_are_still_in_everything() -> None:
    program = "for n in range(50): print('row', n)\ninput()"
    with Terminal([sys.executable, "-c", program], rows=10) as terminal:
        terminal.wait_for("row 49")
        assert terminal.everything[:50] == [f"row {n}" for n in range(50)]
        assert "row 0" not in terminal.screen


def test_a_narrower_window_wraps_long_rows_and_a_wider_one_joins_them() -> None:
    program = "print('a' * 30); print('b'); input()"
    with Terminal([sys.executable, "-c", program], columns=40, rows=10) as terminal:
        terminal.wait_for(lambda t: t.cursor == (0, 2))
        terminal.resize(20, 10)
        assert terminal.screen[:3] == ["a" * 20, "a" * 10, "b"]
        assert terminal.cursor == (0, 3)
        terminal.resize(40, 10)
        assert terminal.screen[:2] == ["a" * 30, "b"]
        assert terminal.cursor == (0, 2)


def test_cursor_position_requests_are_answered_or_not() -> None:
    program = (
        "import os, select, sys, tty\n"
        "tty.setraw(0)\n"
        "os.write(1, b'\\x1b[6n')\n"
        "ready = select.select([0], [], [], 0.5)[0]\n"
        "os.write(1, b'answer %d' % len(os.read(0, 99) if ready else b''))\n"
    )
    for answers, expected in ((True, "answer 6"), (False, "answer 0")):
        with Terminal([sys.executable, "-c", program], answers=answers) as terminal:
            terminal.wait_for(expected)


def test_a_full_screen_page_leaves_the_screen_as_it_was() -> None:
    program = (
        "print('before', end='\\x1b[?1049h\\x1b[2J\\x1b[Hpage', flush=True); input()\n"
        "print('\\x1b[?1049l', flush=True); input()"
    )
    with Terminal([sys.executable, "-c", program], rows=5) as terminal:
        terminal.wait_for("page")
        assert "before" not in "".join(terminal.screen)
        terminal.press("enter")
        terminal.wait_for("before")
        assert "page" not in "".join(terminal.everything)


def test_waiting_in_vain_shows_the_screen() -> None:
    with (
        Terminal([sys.executable, "-c", "print('something'); input()"]) as terminal,
        pytest.raises(AssertionError, match=r"something"),
    ):
        terminal.wait_for(lambda t: False, timeout=1.0)


def test_the_exit_code_is_the_programs() -> None:
    with Terminal([sys.executable, "-c", "raise SystemExit(7)"]) as terminal:
        assert terminal.wait_exit() == 7
