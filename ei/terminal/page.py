"""The rows of a document: its indent with the lead, bars of quotes, bullets of lists, and the room these leave."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ei.terminal.blocks import Drawn
from ei.terminal.flow import Runs, SoftRow, paint
from ei.terminal.theme import Theme
from ei.terminal.width import cell_width

NARROWEST = 16
"""Cells that text is given; indentation gives way below."""

_SGR = re.compile("\x1b\\[[0-9;]*m")


@dataclass(slots=True)
class Container:
    """An open quote, or a list item, whose first row begins with `first`.

    need: the spaces a line must begin with to go on in it. content: of those, the ones that are not its content's.
    fresh: no row of it has been drawn.
    """

    quote: bool
    first: str = ""
    need: int = 0
    content: int = 0
    fresh: bool = True


class Page:
    """Draws rows inside the open containers, `stack`, outermost first."""

    def __init__(self, width: int, theme: Theme, indent: int, lead: str) -> None:
        self.stack: list[Container] = []
        self._theme = theme
        self._wished = indent
        self._lead = lead
        self._lead_width = cell_width(_SGR.sub("", lead))
        self._any = False
        self._out: list[str] = []
        self.resize(width)

    def resize(self, width: int) -> None:
        """Another width for the rows from now on."""
        self.width = max(8, width)
        self._indent = self._wished if self.width - self._wished >= NARROWEST else 0

    def room(self) -> int:
        """The cells that are left for text."""
        return self.width - self._indent - sum(len(text) for text, _ in self._before(fresh=False))

    def quoted(self) -> bool:
        return any(container.quote for container in self.stack)

    def emit(self, row: Drawn) -> None:
        """One more row."""
        lead, self._lead = self._lead, ""
        self._any = True
        if lead and (row.flush or self._lead_width > self._indent):
            self._out.append(lead.rstrip(" "))
            lead = ""
        if row.flush:
            painted = paint(row.runs)
            self._out.append(SoftRow(painted) if row.soft else painted)
            return
        before = self._before(fresh=True, bare=not row.runs)
        for container in self.stack:
            container.fresh = False
        painted = self._margin(lead) + paint([*before, *row.runs])
        self._out.append(painted if row.runs else painted.rstrip(" "))

    def gap(self) -> None:
        """The blank row between two blocks."""
        if self._any:
            self._out.append((self._margin("") + paint(self._before(fresh=False, bare=True))).rstrip(" "))

    def show_marker(self) -> None:
        """Before rows at the left edge: a bullet that no row has shown yet gets one of its own."""
        if self._unmarked(0):
            self.emit(Drawn([]))

    def unfold(self, depth: int) -> None:
        """Closes all containers but the first depth; an item that stayed empty still shows its bullet."""
        if self._unmarked(depth):
            self.emit(Drawn([]))
        del self.stack[depth:]

    def finish(self) -> None:
        """The end; a lead that no row has shown gets one of its own."""
        if self._lead:
            self.emit(Drawn([]))

    def take(self) -> list[str]:
        """The rows since the last time."""
        out, self._out = self._out, []
        return out

    def preview(self, rows: Sequence[Drawn]) -> list[str]:
        """How rows that may still change look now."""
        if not rows and self._unmarked(0):
            rows = [Drawn([])]
        shown: list[str] = []
        fresh, lead = True, self._lead
        for row in rows:
            if lead and (row.flush or self._lead_width > self._indent):
                shown.append(lead.rstrip(" "))
                lead = ""
            if row.flush:
                shown.append(paint(row.runs))
            else:
                before = self._before(fresh=fresh, bare=not row.runs)
                shown.append(self._margin(lead) + paint([*before, *row.runs]))
                fresh, lead = False, ""
        return shown or ([lead] if lead else [])

    def _unmarked(self, depth: int) -> bool:
        return any(container.fresh and not container.quote for container in self.stack[depth:])

    def _margin(self, lead: str) -> str:
        """What stands in the indent of a row."""
        return lead + " " * (self._indent - self._lead_width) if lead else " " * self._indent

    def _before(self, *, fresh: bool, bare: bool = False) -> Runs:
        """The bars and bullets left of a row; where they leave too little room the outer ones are left out.

        bare: nothing stands right of them, so that no spaces end the row.
        """
        runs: Runs = []
        for container in self.stack:
            if container.quote:
                runs.append(("▎ ", self._theme.sgr("bar")))
            elif fresh and container.fresh:
                runs.append((container.first, self._theme.sgr("bullet")))
            else:
                runs.append((" " * len(container.first), ""))
        width = self.width - self._indent
        while runs and sum(len(text) for text, _ in runs) > max(width // 2, width - NARROWEST):
            runs.pop(0)
        while bare and runs and not runs[-1][0].strip():
            runs.pop()
        if bare and runs:
            runs[-1] = (runs[-1][0].rstrip(), runs[-1][1])
        return runs
