"""Cell widths: one answer for what we draw, and for prompt_toolkit."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ei.terminal.width import Clusters, break_row, cell_width, chop, clip, clusters, pad, walked, wrap

PIECES = (
    "a", " ", "word", "中", "、", "한", "é", "e\u0301",
    "❤️", "❤", "👨‍👩‍👧‍👦", "🇩🇪", "🇫", "👍🏽", "1️⃣", "\u0301", "\u200d",
    "क्षि", "ᄀ", "ᅡ", "😀", "(", "）",
)  # fmt: skip
mixed = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("", 0),
        ("hello", 5),
        ("中文", 4),
        ("❤️", 2),
        ("❤", 1),
        ("👨‍👩‍👧‍👦", 2),
        ("🇩🇪", 2),
        ("👍🏽", 2),
        ("1️⃣", 2),
        ("e\u0301", 1),
        ("각", 2),
        ("🏳️‍🌈!", 3),
    ],
)
def test_a_cluster_is_as_wide_as_it_is_drawn(text: str, cells: int) -> None:
    assert cell_width(text) == cells


@settings(deadline=None)
@given(mixed)
def test_the_width_of_a_text_is_that_of_its_clusters(text: str) -> None:
    assert "".join(clusters(text)) == text
    assert cell_width(text) == sum(cell_width(cluster) for cluster in clusters(text))


def test_a_hostile_cluster_is_taken_apart() -> None:
    assert max(map(len, clusters("a" + "\u0301" * 1000))) == 32


@settings(deadline=None)
@given(mixed, st.integers(2, 20))
def test_rows_fit_and_lose_only_spaces(text: str, width: int) -> None:
    rows = wrap(text, width)
    assert all(cell_width(row) <= width for row in rows)
    assert "".join(rows).replace(" ", "") == text.replace(" ", "")


@settings(deadline=None)
@given(mixed, st.integers(2, 20))
def test_chopped_rows_fit_and_lose_nothing(text: str, width: int) -> None:
    rows = chop(text, width)
    assert all(cell_width(row) <= width for row in rows)
    assert "".join(rows) == text


@settings(deadline=None)
@given(mixed, st.integers(0, 12))
def test_clipped_text_fits(text: str, width: int) -> None:
    assert cell_width(clip(text, width)) <= width
    assert cell_width(pad(text, width)) == width


@pytest.mark.parametrize(
    ("text", "width", "rows"),
    [
        ("the quick brown fox", 10, ["the quick", "brown fox"]),
        ("exactly ten", 7, ["exactly", "ten"]),
        ("a  b", 1, ["a", "b"]),
        ("a\tb c", 5, ["a   b", "c"]),
        ("unbreakable", 4, ["unbr", "eaka", "ble"]),
        ("one\n\ntwo", 9, ["one", "", "two"]),
        ("你好世界", 5, ["你好", "世界"]),
        ("你好，世界", 4, ["你", "好，", "世界"]),
        ("ab 中文", 5, ["ab 中", "文"]),
        ("안녕 하세요", 6, ["안녕", "하세요"]),
    ],
)
def test_text_is_wrapped_at_spaces_and_around_cjk_characters(text: str, width: int, rows: list[str]) -> None:
    assert wrap(text, width) == rows


def test_a_row_is_not_ended_while_its_last_cluster_may_grow() -> None:
    assert break_row("abcde", 4, final=False) is None
    assert break_row("abcde", 4) == (4, 4)
    assert break_row("abcd 👨", 6, final=False) is None


def test_clip_keeps_whole_clusters() -> None:
    assert clip("a👨‍👩‍👧‍👦b", 3) == "a…"
    assert clip("hello", 5) == "hello"


def test_clusters_walk_as_one_character() -> None:
    text = walked("a❤️👨‍👩‍👧b")
    assert list(text) == ["a", "❤️", "👨‍👩‍👧", "b"]
    assert [list(char) for char in text] == [["a"], ["❤️"], ["👨‍👩‍👧"], ["b"]]
    assert isinstance(text.split("\n")[0], Clusters)
    assert type(walked("plain")) is str


AGREE = """
from prompt_toolkit.layout.controls import FormattedTextControl
from prompt_toolkit.layout.containers import Window, WritePosition
from prompt_toolkit.layout.mouse_handlers import MouseHandlers
from prompt_toolkit.layout.screen import Screen
from prompt_toolkit.utils import get_cwidth
from ei.terminal.width import cell_width, install, walked

texts = ["❤️", "👨‍👩‍👧‍👦", "🇩🇪🇫🇷", "👍🏽", "1️⃣ x", "中文", "plain"]
install()
for text in texts:
    assert get_cwidth(text) == cell_width(text), text
screen = Screen()
window = Window(FormattedTextControl([("", walked("❤️a👨‍👩‍👧‍👦b"))]))
window.write_to_screen(screen, MouseHandlers(), WritePosition(0, 0, 20, 1), "", True, None)
row = screen.data_buffer[0]
assert [row[x].char for x in (0, 2, 3, 5)] == ["❤️", "a", "👨‍👩‍👧‍👦", "b"]
"""


def test_prompt_toolkit_agrees_once_installed() -> None:
    subprocess.run([sys.executable, "-c", AGREE], check=True)
