"""Reasoning told from reply in one text."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ei.messages import ReasoningDelta, TextDelta, TextWasReasoning
from ei.providers.thinking import ThinkingParser


def parsed(pieces: list[str], reasoning_first: bool = False) -> tuple[str, str]:
    """(reasoning, text) as a reader of the events has them in the end."""
    parser = ThinkingParser(reasoning_first)
    reasoning = text = ""
    events = [event for piece in pieces for event in parser.feed(piece)] + parser.end()
    for event in events:
        match event:
            case ReasoningDelta(piece):
                reasoning += piece
            case TextDelta(piece):
                text += piece
            case TextWasReasoning():
                reasoning, text = reasoning + text, ""
    return reasoning, text


CASES = [
    ("Hello there.", "", "Hello there."),
    ("  Hello there. \n", "", "  Hello there. \n"),
    ("<think>Greet them.</think>Hello!", "Greet them.", "Hello!"),
    ("\n<think>\nGreet them.\n</think>\n\nHello!", "Greet them.", "Hello!"),
    ("<thinking>Greet them.</thinking> Hello!", "Greet them.", "Hello!"),
    ("<think></think>\n\nHello!", "", "Hello!"),
    ("<think>a</think>\n<think>b</think>c", "ab", "c"),
    ("<think>It never ends", "It never ends", ""),
    ("<think>", "", ""),
    ("<thi", "", "<thi"),
    ("Greet them.\n</think>\n\nHello!", "Greet them.\n", "Hello!"),
    ("Greet them.</think>Hello!</think>", "Greet them.", "Hello!</think>"),
    ("</think>\nHello!", "", "Hello!"),
    ("Models write <think> first.", "", "Models write <think> first."),
    ("They write <think> and then </think> around it.", "", "They write <think> and then </think> around it."),
    ("Close it with `</think>`, always.", "", "Close it with `</think>`, always."),
    ("```\nx</think>\n```\n", "", "```\nx</think>\n```\n"),
    ("<think>a </thinking> b</think>c", "a </thinking> b", "c"),
    ("İ<think>x</think>", "", "İ<think>x</think>"),
    ("a < b and c </ d", "", "a < b and c </ d"),
]


@pytest.mark.parametrize(("reply", "reasoning", "text"), CASES)
def test_each_form_is_told_apart(reply: str, reasoning: str, text: str) -> None:
    assert parsed([reply]) == (reasoning, text)
    assert parsed(list(reply)) == (reasoning, text)


TAGS = ["<think>", "</think>", "<thinking>", "</thinking>", "<thi"]
alphabet = st.sampled_from([*TAGS, "<", ">", "/", "think", "`", "```", "\n", " ", "a", "é", "日本"])


@given(st.lists(alphabet, max_size=25).map("".join), st.lists(st.integers(0, 60), max_size=12), st.booleans())
def test_any_split_gives_the_same(reply: str, cuts: list[int], reasoning_first: bool) -> None:
    places = sorted({min(cut, len(reply)) for cut in cuts} | {0, len(reply)})
    pieces = [reply[a:b] for a, b in pairwise(places)]
    assert parsed(pieces, reasoning_first) == parsed([reply], reasoning_first)


@given(st.text())
def test_a_text_without_tags_stays_as_it_is(reply: str) -> None:
    if "<" not in reply:
        assert parsed(list(reply)) == ("", reply)


def test_a_model_known_to_begin_with_reasoning_gives_it_as_reasoning_from_the_start() -> None:
    parser = ThinkingParser(reasoning_first=True)
    assert parser.feed("Greet") == [ReasoningDelta("Greet")]
    assert parser.feed(" them.\n</think>\n\nHello!") == [ReasoningDelta(" them."), TextDelta("Hello!")]
    assert not parser.assumed_reasoning


def test_a_model_known_to_begin_with_reasoning_may_still_write_the_opening_tag() -> None:
    assert parsed(["<think>Greet them.</think>Hello!"], reasoning_first=True) == ("Greet them.", "Hello!")


def test_text_is_given_out_as_it_comes_and_not_held_back() -> None:
    parser = ThinkingParser()
    assert [parser.feed(piece) for piece in ("Hel", "lo", " <b")] == [
        [TextDelta("Hel")],
        [TextDelta("lo")],
        [TextDelta(" <b")],
    ]
