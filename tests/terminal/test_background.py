"""Telling a dark terminal from a light one."""

from __future__ import annotations

import pytest
from prompt_toolkit.input.vt100_parser import Vt100Parser
from prompt_toolkit.key_binding.key_processor import KeyPress

from ei.terminal.background import AnswerFilter, by_colour, by_variable
from tests.terminal.stages import enter, input_line, stage


@pytest.mark.parametrize(
    ("value", "expected"),
    [("15;0", "dark"), ("0;15", "light"), ("0;default;15", "light"), ("0;7", "light"), ("7;8", "dark"), ("", None)],
)
def test_colorfgbg_tells_the_background(value: str, expected: str | None) -> None:
    assert by_variable(value) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("rgb:0000/0000/0000", "dark"),
        ("rgb:ffff/ffff/ffff", "light"),
        ("rgb:f/f/e", "light"),
        ("rgb:1e1e/1e1e/2e2e", "dark"),
        ("rgba:fdfd/f6f6/e3e3/ffff", "light"),
        ("#fdf6e3", "light"),
        ("nonsense", None),
    ],
)
def test_a_colour_is_dark_or_light(answer: str, expected: str | None) -> None:
    assert by_colour(answer) == expected


def typed(*chunks: str) -> tuple[str, list[str]]:
    """What reaches the keys, and the answers, of chunks fed one after the other."""
    keys: list[KeyPress] = []
    answers: list[str] = []
    parser = AnswerFilter(Vt100Parser(keys.append))
    parser.found = answers.append
    for chunk in chunks:
        parser.feed(chunk)
    parser.flush()
    return "".join(key.data for key in keys), answers


ANSWER = "\x1b]11;rgb:0000/0000/0000\x1b\\"


def test_an_answer_between_keys_is_taken_out_wherever_it_is_cut() -> None:
    assert typed("ab" + ANSWER + "cd") == ("abcd", ["rgb:0000/0000/0000"])
    for cut in range(2, len(ANSWER)):
        assert typed("ab" + ANSWER[:cut], ANSWER[cut:] + "cd") == ("abcd", ["rgb:0000/0000/0000"])


def test_other_keys_pass() -> None:
    assert typed("\x1b]") == ("\x1b]", [])
    assert typed("\x1b[A", "x") == ("\x1b[Ax", [])
    assert typed("\x1b", "]", "y")[1] == []


def test_the_terminal_is_asked_while_a_person_types() -> None:
    with stage() as terminal:
        terminal.type("ask_back")
        terminal.press("ctrl-u")
        enter(terminal, "background")
        terminal.type("typed meanwhile")
        terminal.wait_for("background dark")
        terminal.wait_for(lambda t: input_line(t) == "you> typed meanwhile")


def test_a_terminal_that_does_not_tell_its_colour_is_not_waited_for() -> None:
    with stage(answers=False) as terminal:
        enter(terminal, "background")
        terminal.type("typed meanwhile")
        terminal.wait_for("you> typed meanwhile", timeout=0.9)
        terminal.wait_for("background None")
        terminal.type("\x1b]11;rgb:ffff/ffff/ffff\x07 on")
        terminal.wait_for(lambda t: input_line(t) == "you> typed meanwhile on")
