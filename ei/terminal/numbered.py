"""A list to choose from where there are only lines: rows with numbers, narrowed by words."""

from __future__ import annotations

from collections.abc import Sequence

from ei.commands.base import Choice, Chosen, Offer
from ei.terminal.matcher import Matcher
from ei.terminal.safe import safe

SHOWN = 60
"""Rows that are printed at once; words narrow what is more."""


class Numbered:
    """What is printed of an offer, and what a line typed below it means."""

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self._found: Sequence[Choice] = offer.choices
        if offer.query:
            self._narrow(offer.query)

    def rows(self) -> list[str]:
        """The title and the rows that are found; as many as can be read."""
        out = [self._offer.title]
        for number, choice in enumerate(self._found[:SHOWN], 1):
            parts = (choice.label, choice.detail, *choice.cells, choice.dimmed)
            current = "  (current)" * (choice.key == self._offer.current)
            out.append(f"{number:>3}  {'  '.join(part for part in parts if part)}{current}")
        if not self._found:
            out.append("Nothing fits.")
        elif len(self._found) > SHOWN:
            out.append(f"{len(self._found) - SHOWN:,} more: words narrow the list")
        return [" ".join(safe(row).splitlines()) for row in out]

    @property
    def prompt(self) -> str:
        """What is asked for."""
        ways = "".join(f', "NUMBER {way.name}" for {way.label}' for way in self._offer.ways)
        words = ", words to narrow" if len(self._offer.choices) > SHOWN or self._offer.query else ""
        return f"Number or name{words}{ways}, empty to leave:"

    def answer(self, line: str) -> Chosen | None:
        """What was chosen; None where nothing was, and `rows` are then those in which the words are."""
        name, _, way = line.rpartition(" ")
        if name and way in {each.name for each in self._offer.ways}:
            key = self._key(name.strip())
            if key is not None:
                return Chosen(key, way)
        key = self._key(line)
        if key is not None:
            return Chosen(key)
        self._narrow(line)
        return None

    def _key(self, text: str) -> str | None:
        if text.isdecimal() and 0 < int(text) <= min(len(self._found), SHOWN):
            return self._found[int(text) - 1].key
        named = (choice.key for choice in self._offer.choices if text in (choice.key, choice.label))
        return next(named, None)

    def _narrow(self, query: str) -> None:
        self._found = [self._offer.choices[index] for index in Matcher(self._offer.choices).find(query)]
