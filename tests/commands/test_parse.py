"""What a typed line means."""

from __future__ import annotations

import pytest

from ei.commands.parse import Say, Use, find_command, options, parse_line, words_of
from ei.commands.table import all_commands
from ei.errors import UsageError

COMMANDS = all_commands()
PERSONAS = {"lena": "lena", "storyteller": "lena", "mike": "mike", "mira": "mira"}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("hello", Say("hello")),
        ("hello\nthere ", Say("hello\nthere")),
        ("\n    def f():\n        pass\n\n", Say("    def f():\n        pass")),
        ("  //etc/hosts//", Say("  /etc/hosts//")),
        ("  @lena   hello ", Say("hello", "lena")),
        ("//etc/hosts is a file", Say("/etc/hosts is a file")),
        ("/etc/hosts is a file", Say("/etc/hosts is a file")),
        ("@lena what do you think?", Say("what do you think?", "lena")),
        ("@Storyteller, go on", Say("go on", "lena")),
        ("@le hello", Say("hello", "lena")),
        ("@nobody hello", Say("@nobody hello")),
        ("@lena", Say("@lena")),
        ("write to me@lena.org", Say("write to me@lena.org")),
    ],
)
def test_text_is_text_and_a_guest_is_asked_by_name(line: str, expected: Say) -> None:
    assert parse_line(line, COMMANDS, PERSONAS) == expected


def test_a_beginning_that_fits_two_guests_lists_both() -> None:
    with pytest.raises(UsageError, match="@mi could be mike or mira"):
        parse_line("@mi hello", COMMANDS, PERSONAS)


@pytest.mark.parametrize(
    ("line", "name", "rest"), [("  /model google:x ", "model", "google:x"), ("/EXIT", "quit", ""), ("/?", "help", "")]
)
def test_a_slash_and_a_name_is_a_command(line: str, name: str, rest: str) -> None:
    found = parse_line(line, COMMANDS)
    assert isinstance(found, Use)
    assert (found.command.name, found.text) == (name, rest)


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("modle", "Did you mean /model or /models?"),
        ("pers", "Did you mean /persona or /personas?"),
        ("zzzz", "See /help."),
    ],
)
def test_an_unknown_command_suggests_the_nearest(typed: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_command(typed, COMMANDS)
    assert caught.value.sentence == f"There is no command /{typed}."
    assert caught.value.hint.startswith(hint)


def test_names_and_aliases_are_all_different() -> None:
    names = [name for command in COMMANDS for name in (command.name, *command.aliases)]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b", ("a", "b")),
        ('--idea "a calm pilot" x', ("--idea", "a calm pilot", "x")),
        ("it's open", ("it's", "open")),
        ("C:\\Users\\x", ("C:\\Users\\x",)),
        ("", ()),
    ],
)
def test_arguments_are_split_as_a_shell_does_and_never_lost(text: str, words: tuple[str, ...]) -> None:
    assert words_of(text) == words


def test_options_are_taken_apart_and_an_unknown_one_is_refused() -> None:
    found = options(("--with=a:b", "x", "--here", "--", "--y"), ("--here",), ("--with",))
    assert (dict(found.values), set(found.flags), found.rest) == ({"--with": "a:b"}, {"--here"}, ("x", "--y"))
    with pytest.raises(UsageError, match="There is no option --heer") as caught:
        options(("--heer",), ("--here",))
    assert caught.value.hint == "Did you mean --here?"
    with pytest.raises(UsageError, match="--with needs a value"):
        options(("--with",), (), ("--with",))


def test_a_name_that_is_nearly_a_personas_is_asked_about_and_sent_as_it_is_after_a_space() -> None:
    people = {"lena": "lena", "mike": "mike"}
    with pytest.raises(UsageError) as caught:
        parse_line("@lenna are you there?", (), people)
    assert str(caught.value) == (
        "There is no persona lenna. Did you mean @lena? To send the line as it is, begin it with a space."
    )
    assert parse_line(" @lenna are you there?", (), people) == Say(" @lenna are you there?")
    assert parse_line("@home all is well", (), people) == Say("@home all is well")
