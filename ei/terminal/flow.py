"""Styled text laid out in rows: runs, a wrapper that takes text as it arrives, and rows painted for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ei.terminal.theme import painted
from ei.terminal.width import break_row, cell_width, chop

Run = tuple[str, str]
"""A text and its SGR parameters ("" for none)."""

Runs = list[Run]


class SoftRow(str):
    """A painted row that the next one continues: a long line of code.

    Written over the full width without a line break after it, a terminal copies both as the one line they are.
    """

    __slots__ = ()


def paint(runs: Iterable[Run]) -> str:
    """Runs as a string for the terminal, each style reset at its end."""
    return "".join(painted(text, sgr) for text, sgr in runs)


def plain(runs: Iterable[Run]) -> str:
    """The text of runs alone."""
    return "".join(text for text, _ in runs)


class Flow:
    """Greedy word wrap of runs that arrive piece by piece; the rows do not depend on how the text was cut into pieces.

    width: cells of a row, at least 2. A newline in the text ends a row.
    """

    __slots__ = ("_done", "_skip", "_starts", "_text", "width")

    def __init__(self, width: int) -> None:
        self.width = width
        self._text = ""
        self._starts: list[tuple[int, str]] = []
        self._skip = False
        self._done: list[Runs] = []

    def copy(self) -> Flow:
        """Another in the same state."""
        twin = Flow(self.width)
        twin._text = self._text
        twin._starts = self._starts.copy()
        twin._skip = self._skip
        twin._done = self._done.copy()
        return twin

    def add(self, text: str, sgr: str = "") -> None:
        """More text in one style."""
        head, *rest = text.split("\n")
        self._append(head, sgr)
        for line in rest:
            self._end_row()
            self._append(line, sgr)

    def take(self) -> list[Runs]:
        """The rows that can no longer change, each once."""
        done, self._done = self._done, []
        return done

    def end(self) -> None:
        """The text has ended; what was unfinished becomes a row."""
        if self._text:
            self._end_row()

    def finish(self) -> list[Runs]:
        """The end, and the rows that were still to come."""
        self.end()
        return self.take()

    def resize(self, width: int) -> None:
        """Rows from now on are width cells; the unfinished one is broken anew."""
        self.width = width
        self._wrap(final=False)

    def _append(self, text: str, sgr: str) -> None:
        if self._skip:
            text = text.lstrip(" ")
        if not text:
            return
        self._skip = False
        if not self._starts or self._starts[-1][1] != sgr:
            self._starts.append((len(self._text), sgr))
        self._text += text
        self._wrap(final=False)

    def _end_row(self) -> None:
        self._text = self._text.rstrip(" ")
        self._wrap(final=True)
        if self._text or not self._skip:
            self._done.append(self._slice(len(self._text)))
        self._text = ""
        self._starts = []
        self._skip = False

    def _wrap(self, *, final: bool) -> None:
        while (cut := break_row(self._text, self.width, final=final)) is not None:
            end, resume = cut
            self._done.append(self._slice(end))
            rest = self._text[resume:].lstrip(" ")
            self._skip = not rest
            resume = len(self._text) - len(rest)
            sgr = ""
            starts: list[tuple[int, str]] = []
            for start, code in self._starts:
                if start <= resume:
                    sgr = code
                else:
                    starts.append((start - resume, code))
            self._starts = [(0, sgr), *starts] if rest else []
            self._text = rest

    def _slice(self, end: int) -> Runs:
        """The runs of the text up to end, without the spaces before it."""
        text = self._text[:end].rstrip(" ")
        runs: Runs = []
        for index, (start, sgr) in enumerate(self._starts):
            stop = self._starts[index + 1][0] if index + 1 < len(self._starts) else len(text)
            if part := text[start:stop]:
                runs.append((part, sgr))
        return runs


def wrapped(runs: Iterable[Run], width: int) -> list[Runs]:
    """The rows of a whole text; an empty one is one empty row."""
    flow = Flow(width)
    for text, sgr in runs:
        flow.add(text, sgr)
    return flow.finish() or [[]]


def folded(runs: Sequence[Run], width: int) -> list[Runs]:
    """The rows of a line of code: broken at exactly width cells, no space added or lost."""
    text = plain(runs)
    if len(text) * 2 <= width or cell_width(text) <= width:
        return [list(runs)]
    rows: list[Runs] = []
    rest = list(runs)
    for piece in chop(text, width):
        row: Runs = []
        room = len(piece)
        while room:
            part, sgr = rest[0]
            row.append((part[:room], sgr))
            if len(part) > room:
                rest[0] = (part[room:], sgr)
            else:
                rest.pop(0)
            room -= len(row[-1][0])
        rows.append(row)
    return rows
