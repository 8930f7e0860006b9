"""What a typed line means: words for a persona, or a command and its arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ei.commands.base import Command
from ei.errors import FileSyntaxError, UsageError


@dataclass(frozen=True, slots=True)
class Say:
    """Text for a persona; to: the guest's name or the beginning of it, "" for the one in front."""

    text: str
    to: str = ""


@dataclass(frozen=True, slots=True)
class Use:
    command: Command
    text: str


def parse_line(line: str, commands: Sequence[Command], is_persona: Mapping[str, str] | None = None) -> Say | Use:
    """What the line means. A line that begins with `//` is text that begins with one slash.

    White space at the beginning of a text stays: it may be the indentation of something pasted.

    is_persona: names and aliases in lower case, with the persona's name; `@name` asks that one when it is there
    or is the only one that begins so, and is plain text otherwise. Raises UsageError for an unknown command, and for
    a name that is nearly a persona's, with the nearest ones.
    """
    text = line.strip()
    if text.startswith("//"):
        return Say(_as_written(line).replace("//", "/", 1))
    if text.startswith("/") and (match := re.match(r"/([A-Za-z?][\w-]*|\?)(?:\s+|$)", text)):
        return Use(find_command(match[1], commands), text[match.end() :].strip())
    if text.startswith("@") and (match := re.match(r"@([\w-]+)[,:]?\s+(?=\S)", text)):
        name = _guest(match[1].lower(), is_persona or {}, meant=line.startswith("@"))
        if name:
            return Say(text[match.end() :], name)
    return Say(_as_written(line))


def find_command(name: str, commands: Sequence[Command]) -> Command:
    """The command of that name or alias, in any case. Raises UsageError naming the nearest."""
    wanted = name.lower()
    for command in commands:
        if wanted == command.name or wanted in command.aliases:
            return command
    import difflib

    names = [n for command in commands for n in (command.name, *command.aliases)]
    near = [n for n in names if n.startswith(wanted)][:3] or difflib.get_close_matches(wanted, names, n=3, cutoff=0.6)
    hint = f"Did you mean {' or '.join('/' + n for n in near)}?" if near else "See /help."
    raise UsageError(f"There is no command /{name}.", f"{hint} (To send a line that begins with a slash, type two.)")


def words_of(text: str) -> tuple[str, ...]:
    """Arguments split as a shell splits them; where quotes do not match, at white space."""
    if not re.search(r"['\"\\]", text):
        return tuple(text.split())
    import shlex

    try:
        lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
        lexer.whitespace_split = True
        lexer.commenters = ""
        lexer.escape = ""
        return tuple(lexer)
    except ValueError:
        return tuple(text.split())


def words_with_object(text: str) -> tuple[str, ...]:
    """As `words_of`, but from the first `{` on all is one word: an object is typed as it is written in JSONC."""
    before, brace, after = text.partition("{")
    return (*words_of(before), brace + after) if brace else words_of(text)


def reference_of(word: str) -> object:
    """A model reference as typed: an object where it begins with a brace, else the text. Raises UsageError."""
    if not word.startswith("{"):
        return word
    from ei import jsonc

    try:
        return jsonc.loads(word)
    except FileSyntaxError as exc:
        raise UsageError(
            f"That object cannot be read: {exc.problem}", 'Write it like {"exact": "provider:model"}.'
        ) from exc


@dataclass(frozen=True, slots=True)
class Options:
    """Arguments taken apart: flags without a value, options with one, and the rest in order."""

    flags: frozenset[str]
    values: Mapping[str, str]
    rest: tuple[str, ...]

    def has(self, flag: str) -> bool:
        return flag in self.flags


def options(words: Sequence[str], flags: Sequence[str] = (), values: Sequence[str] = (), usage: str = "") -> Options:
    """Takes `--flag` and `--option VALUE` (or `--option=VALUE`) out of the words.

    Raises UsageError for an option that is not among them. After `--` all is taken as it is.
    """
    found: set[str] = set()
    given: dict[str, str] = {}
    rest: list[str] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        name, equals, value = word.partition("=")
        if word == "--":
            rest += queue
            break
        if word in flags:
            found.add(word)
        elif name in values:
            if not equals:
                if not queue:
                    raise UsageError(f"{name} needs a value.", usage)
                value = queue.pop(0)
            given[name] = value
        elif re.match(r"--?[A-Za-z]", word):
            import difflib

            near = difflib.get_close_matches(word, [*flags, *values], n=1, cutoff=0.5)
            raise UsageError(f"There is no option {word}.", f"Did you mean {near[0]}?" if near else usage)
        else:
            rest.append(word)
    return Options(frozenset(found), given, tuple(rest))


def _as_written(line: str) -> str:
    return line.strip("\r\n").rstrip()


def _guest(name: str, personas: Mapping[str, str], *, meant: bool) -> str:
    if name in personas:
        return personas[name]
    starts = {target for known, target in personas.items() if known.startswith(name)}
    if len(starts) > 1:
        raise UsageError(f"@{name} could be {' or '.join(sorted(starts))}.", "Type more of the name.")
    if starts:
        return starts.pop()
    import difflib

    # What was meant for one must not reach another; any other word with an @ is just text.
    near = difflib.get_close_matches(name, personas, n=1, cutoff=0.75)
    if near and meant:
        hint = f"Did you mean @{near[0]}? To send the line as it is, begin it with a space."
        raise UsageError(f"There is no persona {name}.", hint)
    return ""
