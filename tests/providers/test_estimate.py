"""Token counts guessed from text."""

from __future__ import annotations

import pytest

from ei.messages import BlobPart, ChatMessage, TextPart, Usage
from ei.providers.estimate import (
    USUAL,
    Characters,
    Density,
    characters_of,
    density_from_data,
    density_to_data,
    estimate_prompt,
    estimate_tokens,
    estimated_usage,
    observed,
)
from tests.providers.helpers import says


def test_a_token_is_about_four_latin_letters() -> None:
    assert [estimate_tokens(text) for text in ("", "a", "abcd", "abcde", "x" * 4000)] == [0, 1, 1, 2, 1000]


def test_a_token_is_about_one_chinese_japanese_or_korean_character() -> None:
    assert [estimate_tokens(text) for text in ("日本語", "안녕", "ひらがな", "日本 ok")] == [3, 2, 4, 3]


def test_each_message_costs_a_little_more_than_its_text() -> None:
    assert estimate_prompt([says("user", "abcd"), says("assistant", "abcd")]) == 10


def test_an_estimate_is_marked_as_one() -> None:
    usage = estimated_usage([says("user", "abcd")], "abcdefgh", "abcd")
    assert usage == Usage(input_tokens=5, output_tokens=3, reasoning_tokens=1, estimated=True)


def said(text: str) -> tuple[ChatMessage, ...]:
    return (ChatMessage("user", (TextPart(text),)),)


def test_characters_are_counted_by_their_kind() -> None:
    assert characters_of("plain") == Characters(5)
    assert characters_of("Привет, 日本 é😀") == Characters(3, 7, 3)


def test_a_first_count_is_taken_as_it_is() -> None:
    found = observed(USUAL, said("x" * 1000), 304)
    assert (found.ascii, found.other, found.dense, found.counts) == (0.3, 0.4, 1.0, 1)
    assert estimate_prompt(said("x" * 1000), found) == 304


def test_later_counts_move_the_average_less_and_less() -> None:
    found = observed(USUAL, said("x" * 1000), 304)
    found = observed(found, said("x" * 1000), 204)
    assert round(found.ascii, 6) == 0.25
    for _ in range(200):
        found = observed(found, said("x" * 1000), 404)
    assert round(found.ascii, 3) == 0.4


def test_each_kind_of_character_learns_from_its_part_of_the_text() -> None:
    found = USUAL
    for _ in range(60):
        found = observed(found, said("д" * 1000), 604)
        found = observed(found, said("x" * 1000), 204)
        found = observed(found, said("x" * 500 + "д" * 500), 404)
    assert [round(value, 2) for value in (found.ascii, found.other, found.dense)] == [0.2, 0.6, 1.0]


@pytest.mark.parametrize(
    ("messages", "count"),
    [
        (said("x" * 199), 100),
        (said("x" * 1000), 20_000),
        (said("x" * 1000), 10),
        ((ChatMessage("user", (TextPart("x" * 1000), BlobPart("00", "image/png", "a"))),), 300),
        ((), 10),
    ],
    ids=["too little text", "far too many", "far too few", "an image", "nothing"],
)
def test_a_count_that_says_nothing_of_the_text_teaches_nothing(messages: tuple[ChatMessage, ...], count: int) -> None:
    assert observed(USUAL, messages, count) is USUAL


@pytest.mark.parametrize("data", [None, [], [0.2, 0.4], "x", [0, 0.4, 1, 3], [0.2, 0.4, 1.0, 0], {"ascii": 1}])
def test_what_is_no_density_is_the_usual_one(data: object) -> None:
    assert density_from_data(data) is USUAL


def test_a_density_comes_back_from_its_data() -> None:
    found = Density(0.31, 0.5, 1.25, 7)
    assert density_from_data(density_to_data(found)) == found
