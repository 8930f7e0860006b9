"""What Tab offers: commands and their arguments, personas after `@`, files where a command takes one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ei.commands.base import Command
from ei.errors import EiError

if TYPE_CHECKING:
    from ei.engine.session import Session

Suggestion = tuple[str, str, int]
MOST = 200
TAKES_FILES = ("export",)


def suggester(session: Session, commands: Sequence[Command]) -> Callable[[str], Sequence[Suggestion]]:
    """Text before the cursor -> (word, what it means, where in the text the word begins)."""
    return lambda before: suggest(session, commands, before)


def suggest(session: Session, commands: Sequence[Command], before: str) -> Sequence[Suggestion]:
    """As `suggester`; an argument's candidates are those that begin with, then those that contain, what is typed."""
    if "\n" in before or before.startswith("//"):
        return ()
    if match := re.fullmatch(r"@([\w-]*)", before):
        people = [(p.name, p.short_description) for p in session.services.library.personas()]
        return [(f"@{name} ", meaning, 0) for name, meaning in _fitting(people, match[1])]
    if not before.startswith("/"):
        return ()
    if match := re.fullmatch(r"/([\w?-]*)", before):
        names = [(command.name, command.summary) for command in commands]
        names += [(alias, f"/{command.name}") for command in commands for alias in command.aliases if match[1]]
        return [(f"/{name} ", meaning, 0) for name, meaning in _fitting(names, match[1], inside=False)]
    name, _, rest = before[1:].partition(" ")
    command = next((c for c in commands if name.lower() in (c.name, *c.aliases)), None)
    if command is None:
        return ()
    words = rest.split(" ")
    start = len(before) - len(words[-1])
    typed = [word for word in words[:-1] if word] + [words[-1]]
    found: list[tuple[str, str]] = []
    if command.complete is not None:
        try:
            found = _fitting(command.complete(session, typed), words[-1])
        except EiError:
            found = []
    if not found and command.name in TAKES_FILES:
        found = _files(words[-1])
    return [(word, meaning, start) for word, meaning in found[:MOST]]


def _fitting(pairs: Sequence[tuple[str, str]], typed: str, *, inside: bool = True) -> list[tuple[str, str]]:
    low = typed.lower()
    first = [pair for pair in pairs if pair[0].lower().startswith(low)]
    return first + [pair for pair in pairs if low in pair[0].lower() and pair not in first] if inside and low else first


def _files(typed: str) -> list[tuple[str, str]]:
    start = "" if typed.endswith("/") or not typed else Path(typed).name
    prefix = typed[: len(typed) - len(start)]
    try:
        path = Path(typed).expanduser()
        folder = path if typed.endswith("/") or not typed else path.parent
        names = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except (OSError, RuntimeError):  # RuntimeError: nobody is called as the `~name` says
        return []
    return [
        (f"{prefix}{entry.name}{'/' if entry.is_dir() else ''}", "folder" if entry.is_dir() else "file")
        for entry in names
        if entry.name.startswith(start) and (start or not entry.name.startswith("."))
    ]
