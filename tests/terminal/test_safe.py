"""Untrusted text: nothing that moves a cursor, hides or reorders text comes out, however it was cut into chunks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ei.terminal.safe import Sanitizer, safe

FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

SEQUENCES = (
    "\x1b[31m",
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x1b]52;c;aGk=\x1b\\",
    "\x1b]8;;http://evil\x1b\\",
    "\x1bPq#0\x1b\\",
    "\x1b_apc\x1b\\",
    "\x1b^pm\x1b\\",
    "\x1bXsos\x1b\\",
    "\x1bc",
    "\x1b",
    "\x9b31m",
    "\x9d52;c;eA==\x9c",
    "\x90q\x9c",
    "\r\n",
    "\r",
    "\b\b",
    "\x7f",
    "\x00",
    "\u202e",
    "\u2066",
    "\U0001f3f4",
    "\U000e0067",
    "\U000e007f",
    "\u200d",
    "\ufe0f",
    "\ufe01",
    "\U000e0101",
    "\ud83d",
    "\ude00",
    "\udb40",
    "\udc67",
    "\u200b",
    "\u2028",
    "❤",
    "👨",
    "漢",
)

hostile = st.lists(st.one_of(st.sampled_from(SEQUENCES), st.text(max_size=5))).map("".join)


def cut(text: str, places: Sequence[int]) -> list[str]:
    ends = sorted({place % (len(text) + 1) for place in places} | {0, len(text)})
    return [text[start:end] for start, end in pairwise(ends)]


@settings(deadline=None)
@given(hostile, st.lists(st.integers(0, 1000)))
def test_no_control_character_ever_comes_out_and_chunks_do_not_matter(text: str, places: list[int]) -> None:
    sanitizer = Sanitizer()
    chunks = [sanitizer.feed(chunk) for chunk in cut(text, places)] + [sanitizer.finish()]
    assert not any(FORBIDDEN.search(chunk) for chunk in chunks)
    assert "".join(chunks) == safe(text)


@settings(deadline=None)
@given(hostile)
def test_what_is_safe_stays_as_it_is(text: str) -> None:
    assert safe(safe(text)) == safe(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("\x1b]52;c;aGk=\x07", "␛]52;c;aGk=␇"),
        ("\x1b]8;;http://a\x1b\\b", "␛]8;;http://a␛\\b"),
        ("\x9b31m", "⟨U+009B⟩31m"),
        ("a\x00b\x08\x0b\x0c\x7f", "a␀b␈␋␌␡"),
        ("a\r\nb\rc\n\td", "a\nb\nc\n\td"),
        ("a\u2028b", "a\nb"),
        ("user\u202etxt.exe", "user⟨U+202E⟩txt.exe"),
        ("\u2067x\u2069", "⟨U+2067⟩x⟨U+2069⟩"),
        ("hi\U000e0068\U000e0069", "hi⟨U+E0068⟩⟨U+E0069⟩"),
        ("pa\u200bss\u2060wo\ufeffrd", "password"),
        ("a\u200db", "ab"),
        ("😀\ufe01\ufe02\U000e0105", "😀\ufe01⟨U+FE02⟩⟨U+E0105⟩"),
        ("\ud83d\ude00 \ud83d", "😀 \ufffd"),
        ("\udb40\udc41", "⟨U+E0041⟩"),
    ],
)
def test_what_could_deceive_is_shown(text: str, shown: str) -> None:
    assert safe(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "plain text, naïve café",
        "❤️ ☁️ 1️⃣ ©️",
        "👨‍👩‍👧‍👦 👩🏽‍💻 🏳️‍🌈 ❤️‍🔥",
        "🇩🇪🇫🇷",
        "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "क्‍ष می‌خواهم",
        "葛\U000e0100城市",
        "שלום مرحبا",
    ],
)
def test_what_people_write_is_left_alone(text: str) -> None:
    assert safe(text) == text


def test_a_terminal_shows_hostile_text_and_does_nothing_else() -> None:
    screen = pyte.Screen(60, 4)
    stream = pyte.Stream(screen)
    stream.feed(safe("one\x1b[2J\x1b[1;1H\x1b]0;owned\x07\rtwo\x9b5A").replace("\n", "\r\n"))
    assert screen.display[0].rstrip() == "one␛[2J␛[1;1H␛]0;owned␇"
    assert screen.display[1].rstrip() == "two⟨U+009B⟩5A"
    assert screen.title == ""
