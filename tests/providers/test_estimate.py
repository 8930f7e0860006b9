"""Token counts guessed from text."""

from __future__ import annotations

from ei.messages import Usage
from ei.providers.estimate import estimate_prompt, estimate_tokens, estimated_usage
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
