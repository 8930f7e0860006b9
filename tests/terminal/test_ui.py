"""How commands ask on the live screen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.drive import Terminal
from tests.terminal.stages import enter, stage


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with stage() as terminal:
        yield terminal


def test_a_question_and_its_answer_stay_and_nothing_in_them_reaches_the_terminal(terminal: Terminal) -> None:
    enter(terminal, "ui confirm")
    terminal.wait_for("y yes")
    assert any("It costs" in line and "much." in line for line in terminal.screen)
    enter(terminal, "/yes")
    terminal.wait_for("ui True")
    assert any(line.startswith("Really") and line.endswith("yes") for line in terminal.screen)
    assert b"\x1b[31m?" not in terminal.raw
    assert b"\x07" not in terminal.raw


def test_a_list_shows_labels_made_harmless_and_why_a_row_is_dimmed(terminal: Terminal) -> None:
    enter(terminal, "ui choose")
    terminal.wait_for("no key")
    assert b"\x1bpha" not in terminal.raw
    terminal.press("enter")
    terminal.wait_for("ui a")


def test_pages_are_drawn_as_markdown(terminal: Terminal) -> None:
    enter(terminal, "ui browse")
    terminal.wait_for("Variants · one 1 of 2")
    terminal.wait_for("First")
    terminal.press("right")
    terminal.wait_for("Variants · two 2 of 2")
    terminal.wait_for("second")
    assert not any("**" in line for line in terminal.screen)
    terminal.press("enter")
    terminal.wait_for("ui 1")


def test_a_default_is_there_to_be_changed(terminal: Terminal) -> None:
    enter(terminal, "ui ask")
    terminal.wait_for("Name? Nina")
    enter(terminal, " B")
    terminal.wait_for("ui Nina B")


def test_progress_is_a_line_while_it_lasts(terminal: Terminal) -> None:
    enter(terminal, "ui progress")
    terminal.wait_for("loading half")
    terminal.wait_for("ui loaded")


def test_a_reply_is_drawn_in_the_scrollback(terminal: Terminal) -> None:
    enter(terminal, "ui show")
    terminal.wait_for("a line")
    terminal.wait_for("lena")
    terminal.wait_for("ui True")
