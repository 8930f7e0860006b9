"""Finds the rows of a list by words that are typed: those that hold them, else those with letters between."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ei.commands.base import Choice

_GAPS_FROM = 3
"""Shorter words with gaps would fit nearly every row."""


class Matcher:
    """Words may come in any order and stand anywhere in a row; a key that occurs twice is found once.

    What was found before is where the next search looks while the query is only typed on.
    """

    def __init__(self, choices: Sequence[Choice]) -> None:
        # A line for each part: letters with gaps between them are never looked for across two of them.
        self._rows = [
            f"{c.label}\n{c.words}\n{c.group}\n{c.detail}\n{c.dimmed}\n{' '.join(c.cells)}".lower() for c in choices
        ]
        # Of `tier:fast → local:x` only the name: whoever types x means the model.
        self._labels = [c.label.partition(" → ")[0].lower() for c in choices]
        self._dimmed = [bool(c.dimmed) for c in choices]
        first: dict[str, int] = {}
        for index, choice in enumerate(choices):
            first.setdefault(choice.key, index)
        self._once = list(first.values())
        self._held: tuple[str, list[int]] = ("", self._once)
        self._gapped: tuple[str, list[int]] = ("", self._once)

    def find(self, query: str) -> list[int]:
        """Indices of the rows that fit, best first; of those that fit as well, what can be chosen now."""
        query = " ".join(query.lower().split())
        if not query:
            return list(range(len(self._rows)))
        words = query.split()
        rows = self._rows
        found = self._before(self._held, query)
        for word in words:
            found = [index for index in found if word in rows[index]]
        self._held = (query, found)
        return self._ranked(found, words) if found else self._with_gaps(query, words)

    def _before(self, held: tuple[str, list[int]], query: str) -> list[int]:
        before, found = held
        return found if query.startswith(before) else self._once

    def _ranked(self, found: Sequence[int], words: Sequence[str]) -> list[int]:
        ranks: list[list[int]] = [[] for _ in range(6 * len(words) + 2)]
        labels, dimmed = self._labels, self._dimmed
        for index in found:
            label = labels[index]
            rank = 0
            for word in words:
                at = label.find(word)
                if at < 0:
                    rank += 3
                elif at and label[at - 1].isalnum():
                    rank += 2
                elif at + len(word) < len(label):
                    rank += 1
            ranks[2 * rank + dimmed[index]].append(index)
        return [index for rank in ranks for index in rank]

    def _with_gaps(self, query: str, words: Sequence[str]) -> list[int]:
        """Those that have the letters of each word in order, the closest together first."""
        tests = [(word, _gaps(word) if len(word) >= _GAPS_FROM else None) for word in words]
        ranked: list[tuple[int, int]] = []
        for index in self._before(self._gapped, query):
            row = self._rows[index]
            spread = 0
            for word, pattern in tests:
                if word in row:
                    continue
                match = pattern.search(row) if pattern is not None else None
                if match is None:
                    break
                spread += match.end() - match.start() - len(word)
            else:
                ranked.append((spread, index))
        ranked.sort()
        found = [index for _, index in ranked]
        self._gapped = (query, sorted(found))
        return found


def _gaps(word: str) -> re.Pattern[str]:
    first, *rest = map(re.escape, word)
    return re.compile(first + "".join(f"[^{letter}\n]*{letter}" for letter in rest))
