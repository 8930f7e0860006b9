"""The leaves of a markdown document as they arrive: paragraphs and headings, verbatim text and code, tables.

Each takes its text in any pieces, gives the rows that are final, each once, and shows what is not yet. A leaf knows
nothing of the quotes and lists around it.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import replace
from typing import NamedTuple, Protocol

from ei.terminal import grid
from ei.terminal.flow import Flow, Runs, folded, wrapped
from ei.terminal.highlight import Highlighter
from ei.terminal.inline import Inline, Looks, inline
from ei.terminal.theme import Theme
from ei.terminal.width import cell_width, chop, clip

LONG_LINE_ROWS = 4
"""A line of code longer than this many rows is drawn before its end has come."""
TABLE_PIECE = 40
"""Rows of a table that are drawn together; the columns of the first piece hold for the rest, as far as it fits them."""
TABLE_LINE = 4000
"""Characters of a table's line; a longer one is taken apart."""
MOST_COLUMNS = 40
TABLE_PREVIEW = 5
"""Lines of an unfinished table that are shown."""


class Drawn(NamedTuple):
    """One row. flush: it stands at the left edge, to be copied as it is. soft: the next row is the same line."""

    runs: Runs
    flush: bool = False
    soft: bool = False


class Leaf(Protocol):
    def text(self, chunk: str) -> None:
        """More of the current line, without a newline."""

    def newline(self) -> None:
        """The line has ended."""

    def close(self) -> None:
        """The leaf has ended."""

    def take(self) -> list[Drawn]:
        """The rows that are final, each once."""

    def tail(self) -> list[Drawn]:
        """The rows that are not, as they look now."""

    def resize(self, width: int) -> None:
        """Rows from now on are at most width cells."""


class Paragraph:
    """Wrapped text with inline styles. A newline in it stays one: replies are seldom written in filled lines."""

    def __init__(self, width: int, looks: Looks) -> None:
        self._flow = Flow(width)
        self._inline = Inline(looks, _window(width))
        self._ended = False

    def text(self, chunk: str) -> None:
        if self._ended:
            chunk, self._ended = "\n" + chunk, False
        for text, sgr in self._inline.feed(chunk.replace("\t", " ")):
            self._flow.add(text, sgr)

    def newline(self) -> None:
        self._ended = True

    def close(self) -> None:
        for text, sgr in self._inline.finish():
            self._flow.add(text, sgr)
        self._flow.end()

    def take(self) -> list[Drawn]:
        return [Drawn(runs) for runs in self._flow.take()]

    def tail(self) -> list[Drawn]:
        flow = self._flow.copy()
        for text, sgr in self._inline.peek():
            flow.add(text, sgr)
        return [Drawn(runs) for runs in flow.finish()]

    def resize(self, width: int) -> None:
        self._flow.resize(width)
        self._inline.window = _window(width)


def _window(width: int) -> int:
    """How far unfinished emphasis may reach: three rows or a long sentence, but no more than eight rows."""
    return min(8 * width, max(3 * width, 240))


class Heading(Paragraph):
    """A paragraph of one line."""


class Verbatim:
    """Lines shown as they are, at the left edge: code with a language, mathematics, indented text."""

    def __init__(self, width: int, theme: Theme, language: str = "") -> None:
        self._width = width
        self._highlighter = Highlighter(language, theme)
        self._part = ""
        self._column = 0
        self._rows: list[Drawn] = []

    def text(self, chunk: str) -> None:
        part = self._part + chunk
        if "\t" in chunk:
            part = (" " * self._column + part).expandtabs(4)[self._column :]
        while len(part) > LONG_LINE_ROWS * self._width // 2 and self._long(part):
            head = "".join(chop(part, self._width)[: LONG_LINE_ROWS - 1])
            rows = folded(self._highlighter.line(head, ended=False), self._width)
            self._rows += [Drawn(runs, flush=True, soft=True) for runs in rows]
            self._column = (self._column + len(head)) % 4
            part = part[len(head) :]
        self._part = part

    def _long(self, part: str) -> bool:
        return cell_width(part) > LONG_LINE_ROWS * self._width + 2 or len(part) > LONG_LINE_ROWS * 8 * self._width

    def newline(self) -> None:
        self._rows += self._fold(self._highlighter.line(self._part))
        self._part = ""
        self._column = 0

    def close(self) -> None:
        if self._part:
            self.newline()

    def take(self) -> list[Drawn]:
        rows, self._rows = self._rows, []
        return rows

    def tail(self) -> list[Drawn]:
        return self._fold(self._highlighter.glance(self._part)) if self._part else []

    def resize(self, width: int) -> None:
        self._width = width

    def _fold(self, line: Runs) -> list[Drawn]:
        rows = folded(line, self._width)
        return [Drawn(runs, flush=True, soft=index + 1 < len(rows)) for index, runs in enumerate(rows)]


class Table:
    """Lines that begin with `|`: a table once the second one underlines the first, until then perhaps just text."""

    def __init__(self, width: int, theme: Theme, looks: Looks) -> None:
        self._width = width
        self._theme = theme
        self._looks = looks
        self._part = ""
        self._head: str | None = None
        self._aligns: list[grid.Align] | None = None
        self._lines: list[str] = []
        self._latest: deque[str] = deque(maxlen=TABLE_PREVIEW - 1)
        self._count = 0
        self._widths: list[int] | None = None
        self._begun = False
        self._rows: list[Drawn] = []

    @property
    def waiting(self) -> bool:
        """Whether the second line is still to come, so that this may turn out to be text."""
        return self._aligns is None

    @property
    def oversize(self) -> bool:
        """Whether what might have become a table is too long to wait for."""
        return self._aligns is None and len(self._part) > TABLE_LINE // 4

    @property
    def candidate(self) -> tuple[str | None, str]:
        """(first line, None before its end; the current line) of what is no table yet."""
        return self._head, self._part

    def underlined(self) -> bool:
        """At the end of the second line: whether it makes a table of the first."""
        return self._head is not None and _UNDERLINE.fullmatch(self._part.rstrip()) is not None

    def text(self, chunk: str) -> None:
        self._part += chunk
        if self._aligns is not None:
            while len(self._part) > TABLE_LINE:
                line, self._part = self._part[:TABLE_LINE], self._part[TABLE_LINE:]
                self._add(line)

    def newline(self) -> None:
        line, self._part = self._part, ""
        if self._head is None:
            self._head = line
        elif self._aligns is None:
            self._aligns = [_align(cell) for cell in _cells(line)]
        else:
            self._add(line)

    def close(self) -> None:
        if self._part:
            self.newline()
        if self._lines or not self._begun:
            self._draw()

    def take(self) -> list[Drawn]:
        rows, self._rows = self._rows, []
        return rows

    def tail(self) -> list[Drawn]:
        shown = list(self._latest)
        if self._head is not None and not self._begun:
            shown.insert(0, self._head)
        if self._part:
            shown.append(self._part)
        dim = self._theme.sgr("dim")
        return [Drawn([(clip(line[: 4 * self._width].strip().replace("\t", " "), self._width), dim)]) for line in shown]

    def resize(self, width: int) -> None:
        self._width = width
        self._count = 0

    def _add(self, line: str) -> None:
        self._lines.append(line)
        self._latest.append(line)
        if len(self._lines) >= TABLE_PIECE:
            self._draw()

    def _draw(self) -> None:
        """Draws the lines that have gathered, the first time under the heads of their columns."""
        looks = replace(self._looks, base=self._theme.sgr("table.head"))
        heads = [_styled(cell, looks) for cell in _cells(self._head or "")]
        rows = [[_styled(cell, self._looks) for cell in _cells(line)] for line in self._lines]
        if not self._count:
            self._count = min(MOST_COLUMNS, max(1, len(heads), *(len(row) for row in rows)))
            cells = [_sized(row, self._count) for row in (heads, *rows)]
            self._widths = grid.fit(list(zip(*cells, strict=True)), self._width)
        elif self._widths is not None and rows:
            cells = [_sized(row, self._count) for row in rows]
            self._widths = grid.widened(self._widths, list(zip(*cells, strict=True)), self._width)
        heads = _sized(heads, self._count)
        rows = [_sized(row, self._count) for row in rows]
        if self._widths is None:
            self._rows += self._stacked(heads, rows)
        else:
            if not self._begun:
                self._rows += [Drawn(runs) for runs in grid.row(heads, self._widths, self._aligns or ())]
                line = (" " * grid.GAP).join("─" * width for width in self._widths)
                self._rows.append(Drawn([(line, self._theme.sgr("rule"))]))
            self._rows += [Drawn(runs) for row in rows for runs in grid.row(row, self._widths, self._aligns or ())]
        self._begun = True
        self._lines = []
        self._latest.clear()

    def _stacked(self, heads: list[Runs], rows: list[list[Runs]]) -> list[Drawn]:
        """A table too wide for its columns: each row as lines of `head: cell`."""
        found: list[Drawn] = []
        empty: list[list[Runs]] = [[[] for _ in heads]]
        for number, row in enumerate(rows or empty):
            if number or self._begun:
                found.append(Drawn([]))
            for head, cell in zip(heads, row, strict=True):
                if head or cell:
                    found += map(Drawn, wrapped([*head, (": ", self._looks.base), *cell], self._width))
        return found


_UNDERLINE = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")
_BREAK = re.compile(r"[ \t]*<br ?/?>[ \t]*", re.IGNORECASE)


def _cells(line: str) -> list[str]:
    """The cells of a table's line (GFM: a pipe after a backslash does not divide)."""
    line = line.strip()
    parts: list[str] = []
    start = at = 1 if line.startswith("|") else 0
    while at < len(line):
        if line[at] == "\\":
            at += 2
            continue
        if line[at] == "|":
            parts.append(line[start:at])
            start = at + 1
        at += 1
    if start < len(line):
        parts.append(line[start:])
    return [part.strip().replace("\\|", "|").replace("\t", " ") for part in parts]


def _align(cell: str) -> grid.Align:
    if cell.endswith(":"):
        return "center" if cell.startswith(":") else "right"
    return "left"


def _styled(cell: str, looks: Looks) -> Runs:
    return inline(_BREAK.sub("\n", cell), looks)


def _sized(cells: list[Runs], count: int) -> list[Runs]:
    """The row with exactly count cells; what is more joins the last."""
    if len(cells) > count:
        cells = [*cells[: count - 1], [run for cell in cells[count - 1 :] for run in cell]]
    return cells + [[] for _ in range(count - len(cells))]
