"""The line at the bottom: what it says, and what it leaves out where the window is narrow."""

from __future__ import annotations

import pytest

from ei.commands.words import spent
from ei.terminal.toolbar import Status, toolbar
from ei.terminal.width import cell_width

FULL = Status(
    "lena",
    "google:gemini-2.5-pro",
    "persona",
    1_100,
    1_000_000,
    "$0.01",
    "$0.41",
    {"mike": 2},
    ("ei",),
)


def text(status: Status, width: int) -> str:
    return "".join(part for _, part in toolbar(status, width))


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (100, " lena · google:gemini-2.5-pro (persona) · mike ●2 · ei … · 1.1k/1M · $0.01 today $0.41"),
        (70, " lena · google:gemini-2.5-pro · mike ●2 · ei … · 1.1k/1M · today $0.41"),
        (50, " lena · google:gemini-2.5-pro · mike ●2 · ei …"),
        (34, " lena · google:gemini-2.5-pro"),
        (24, " lena · google:gemini-2…"),
        (12, " lena"),
        (4, " le…"),
    ],
)
def test_why_is_dropped_first_then_parts_from_the_right_and_the_model_gets_shorter(width: int, expected: str) -> None:
    assert text(FULL, width) == expected
    assert cell_width(expected) <= width


def test_before_the_model_is_known_nothing_stands_for_it() -> None:
    assert text(Status("ei", ""), 60) == " ei"


def test_incognito_is_said_in_one_word_where_there_is_no_room_for_more() -> None:
    status = Status("ei", "local:tiny", incognito=True)
    assert text(status, 60) == " ei · incognito: nothing is saved · local:tiny"
    assert text(status, 30) == " ei · incognito · local:tiny"


def test_what_stays_here_is_said_before_the_model() -> None:
    status = Status("ei", "local:tiny", private=True)
    assert text(status, 60) == " ei · private: stays here · local:tiny"
    assert text(status, 24) == " ei · private"


@pytest.mark.parametrize(
    ("cost", "unknown", "calls", "expected"),
    [
        (0, 0, 0, ""),
        (0, 0, 2, "$0"),
        (0, 3, 3, "$?"),
        (10_000_000, 0, 1, "$0.01"),
        (410_000_000, 1, 2, "$0.41+?"),
    ],
)
def test_what_nobody_knows_is_a_question_mark_and_never_nothing(
    cost: int, unknown: int, calls: int, expected: str
) -> None:
    assert spent(cost, unknown, calls) == expected


def test_an_amount_of_money_is_left_out_rather_than_cut() -> None:
    status = Status("ei", "local:tiny", here="$0.0123", today="$0.4567+?")
    assert text(status, 50) == " ei · local:tiny · $0.0123 today $0.4567+?"
    assert text(status, 38) == " ei · local:tiny · today $0.4567+?"
    assert text(status, 33) == " ei · local:tiny"
