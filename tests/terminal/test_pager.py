"""The head of a full-screen page, at any width."""

from __future__ import annotations

import pytest

from ei.terminal.pager import head_of

TITLE = "Variants of lena's reply · anthropic:claude-haiku-4-5 · 1.2 s · ↑812 ↓43 · $0.0014 · 2 min ago · in use"


@pytest.mark.parametrize(
    ("width", "most", "rows"),
    [
        (120, 3, [TITLE + " 2 of 3"]),
        (
            60,
            3,
            [
                "Variants of lena's reply · anthropic:claude-haiku-4-5",
                "1.2 s · ↑812 ↓43 · $0.0014 · 2 min ago · in use 2 of 3",
            ],
        ),
        (
            30,
            3,
            ["Variants of lena's reply", "anthropic:claude-haiku-4-5", "1.2 s · ↑812 ↓43 · $0.… 2 of 3"],
        ),
        (20, 1, ["Variants of … 2 of 3"]),
        (4, 1, ["… 2…"]),
    ],
)
def test_a_title_is_broken_between_its_facts_and_the_number_stays(width: int, most: int, rows: list[str]) -> None:
    assert head_of(TITLE, " 2 of 3", width, most) == rows


def test_one_page_has_no_number() -> None:
    assert head_of("Settings", "", 40, 3) == ["Settings"]
