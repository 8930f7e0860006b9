"""Finding rows of a picker by what is typed."""

from __future__ import annotations

import itertools

from ei.commands.base import Choice
from ei.terminal.matcher import Matcher

MODELS = [
    Choice("a", "gpt-4o", "OpenAI, 128k", "openai"),
    Choice("b", "gpt-4o-mini", "OpenAI, 128k, cheap", "openai"),
    Choice("c", "gemini-2.5-pro", "Google, 1M", "google"),
    Choice("d", "claude-haiku-4-5", "Anthropic, cheap", "anthropic"),
]


def found(query: str) -> str:
    return "".join(MODELS[index].key for index in Matcher(MODELS).find(query))


def test_nothing_typed_finds_all_in_their_order() -> None:
    assert found("") == found("  ") == "abcd"


def test_words_are_found_in_labels_details_and_groups_in_any_order_and_case() -> None:
    assert found("CHEAP openai") == "b"
    assert found("google") == "c"


def test_a_label_that_begins_with_the_word_comes_first() -> None:
    assert found("gpt-4o") == "ab"
    assert found("4-5") == "d"


def test_letters_with_gaps_are_found_where_no_row_holds_the_words() -> None:
    assert found("gpt4o") == "ab"
    assert found("hku45") == "d"
    assert found("xyz") == ""


def test_typing_on_and_deleting_give_the_same_as_typing_at_once() -> None:
    matcher = Matcher(MODELS)
    for query in itertools.accumulate("gpt4om"):
        step = matcher.find(query)
        assert step == Matcher(MODELS).find(query)
    assert matcher.find("g") == Matcher(MODELS).find("g")


def test_characters_that_mean_something_to_patterns_are_plain_letters() -> None:
    assert found("2.5") == "c"
    assert found("2*5+") == ""
    assert found("[^a]") == ""
