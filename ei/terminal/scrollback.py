"""Draws the live part of the screen: committed rows go above it once, a tail of rows stays on top of the prompt.

    scrollback        written once, never drawn again, belongs to the terminal
    tail              our rows, only those that changed are written
    prompt_toolkit    cards, input line, menu, toolbar

The rows of ours are written raw: prompt_toolkit measures some emoji differently, and its diff of a long tail is slow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.data_structures import Point, Size
from prompt_toolkit.layout import Layout
from prompt_toolkit.layout.screen import Screen as Canvas
from prompt_toolkit.output import Output
from prompt_toolkit.renderer import CPR_Support, Renderer
from prompt_toolkit.styles import BaseStyle

from ei.terminal.width import cluster_width, clusters

_ESCAPE = re.compile(r"\x1b(?:\[[0-9;:?]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Z0-9]|.)")
_RESET = "\x1b[0m"
_BEGIN_FRAME = "\x1b[?2026h"
_END_FRAME = "\x1b[?2026l"


def plain(row: str) -> str:
    """A row of ANSI text without its escape sequences."""
    return _ESCAPE.sub("", row) if "\x1b" in row else row


def reflowed_rows(cells: Iterable[int], columns: int) -> int:
    """How many rows a terminal of `columns` makes of a row whose characters are `cells` wide each."""
    rows, at = 1, 0
    for width in cells:
        if at + width > columns:
            rows, at = rows + 1, 0
        at += width
    return rows


class LiveRenderer(Renderer):
    """prompt_toolkit's renderer with rows of ours on top, which never asks the terminal for the cursor's position.

    reflows: whether a narrower window wraps what is on the screen (most terminals do; xterm, the Linux console and
    GNU screen cut it). frames: whether to bracket each redraw as one synchronized update (mode 2026).
    """

    def __init__(
        self,
        style: BaseStyle,
        output: Output,
        *,
        reflows: bool = True,
        frames: bool = True,
    ) -> None:
        self._above: list[str] = []
        self._committed: list[str] = []
        self._tail: Sequence[str] = ()
        self._reflows = reflows
        self._frames = frames
        self._drawn_columns = 0
        self._anew = False
        self.away = False
        """Whether somebody else has the terminal: nothing is erased then, whatever the window's size becomes."""
        super().__init__(style, output)
        self.cpr_support = CPR_Support.NOT_SUPPORTED

    def take(self, committed: Iterable[str], tail: Sequence[str]) -> bool:
        """Takes rows to print above and the rows of the tail; tells whether anything has to be drawn."""
        self._committed.extend(committed)
        changed = bool(self._committed) or list(tail) != list(self._tail)
        self._tail = list(tail)
        return changed

    def forget(self) -> None:
        """Makes the next frame begin on the row where the cursor is: somebody else has used the terminal."""
        self.reset()
        self.output.write_raw("\r")

    def redraw(self) -> None:
        """Makes the next frame draw everything anew, for example in other colours."""
        self._anew = True

    def request_absolute_cursor_position(self) -> None:
        """Nothing: the layout starts where the cursor is, and a terminal that does not answer costs nothing."""

    def reset(self, _scroll: bool = False, leave_alternate_screen: bool = True) -> None:
        self._above = []
        super().reset(_scroll=False, leave_alternate_screen=leave_alternate_screen)

    def erase(self, leave_alternate_screen: bool = True) -> None:
        """Takes the live part away; what was committed and not printed yet is printed."""
        if self.away:
            return
        self._erase_live(self.output.get_size())
        self._print_committed()
        self.output.flush()
        self.reset(leave_alternate_screen=leave_alternate_screen)

    def render(self, app: Application[Any], layout: Layout, is_done: bool = False) -> None:
        size = self.output.get_size()
        if size.columns < 1 or size.rows < 1:
            return
        below = min(layout.container.preferred_height(size.columns, size.rows).preferred, size.rows)
        drawn_below = self._last_screen.height if self._last_screen else 0
        room = size.rows - below
        tail = list(self._tail[len(self._tail) - room :]) if room < len(self._tail) else list(self._tail)
        if (
            self._anew
            or self._committed
            or len(tail) != len(self._above)
            or (self._last_size is not None and self._last_size != size)
            or len(tail) + max(drawn_below, below) > size.rows
        ):
            self._begin_frame()
            self._redraw_all(tail, size)
        elif tail != self._above:
            self._begin_frame()
            self._rewrite(tail)
        else:
            super().render(app, layout, is_done)
            self._drawn_columns = size.columns
            return
        super().render(app, layout, is_done)
        self._drawn_columns = size.columns
        self._end_frame()

    def _begin_frame(self) -> None:
        if self._frames:
            self.output.write_raw(_BEGIN_FRAME)
        self.output.hide_cursor()

    def _end_frame(self) -> None:
        if self._frames:
            self.output.write_raw(_END_FRAME)
            self.output.flush()

    def _redraw_all(self, tail: list[str], size: Size) -> None:
        output = self.output
        self._erase_live(size)
        self._print_committed()
        output.disable_autowrap()
        output.write_raw("".join(f"{row}{_RESET}\r\n" for row in tail))
        self._anew = False
        self._above = tail
        self._cursor_pos = Point(x=0, y=0)
        self._last_screen = None
        self._last_style = None

    def _rewrite(self, tail: list[str]) -> None:
        """Writes the rows of the tail that changed and leaves the cursor where it was."""
        output = self.output
        changed = [index for index, row in enumerate(tail) if row != self._above[index]]
        at = len(tail) + self._cursor_pos.y
        output.reset_attributes()
        output.disable_autowrap()
        output.write_raw("\r")
        here = at
        pieces: list[str] = []
        for index in changed:
            if index < here:
                pieces.append(f"\x1b[{here - index}A")
            elif index > here:
                pieces.append(f"\x1b[{index - here}B")
            pieces.append(f"\x1b[2K{tail[index]}{_RESET}\r")
            here = index
        pieces.append(f"\x1b[{at - here}B")
        if self._cursor_pos.x:
            pieces.append(f"\x1b[{self._cursor_pos.x}C")
        output.write_raw("".join(pieces))
        self._above = tail
        self._last_style = None

    def _print_committed(self) -> None:
        if self._committed:
            self.output.enable_autowrap()
            self.output.write_raw("".join(f"{row}{_RESET}\r\n" for row in self._committed))
            self._committed = []
        self.output.enable_autowrap()

    def _erase_live(self, size: Size) -> None:
        """Erases what we drew and leaves the cursor on the first row of it.

        Never by "erase down" from the screen's first cell: some terminals take that for clearing the screen, and
        keep what is erased in their scrollback.
        """
        output = self.output
        output.write_raw("\r")
        output.cursor_up(self._rows_above_cursor(size.columns))
        output.reset_attributes()
        output.write_raw("\x1b7\x1b[2K\x1b[B\x1b[J\x1b8")

    def _rows_above_cursor(self, columns: int) -> int:
        rows = len(self._above) + self._cursor_pos.y
        if not self._reflows or columns >= self._drawn_columns:
            return rows
        rows = sum(reflowed_rows(self._shown(row), columns) for row in self._above)
        canvas = self._last_screen
        if canvas is None:
            return rows + self._cursor_pos.y
        rows += sum(reflowed_rows(self._cells(canvas, y), columns) for y in range(self._cursor_pos.y))
        before_cursor = self._cells(canvas, self._cursor_pos.y, self._cursor_pos.x)
        return rows + reflowed_rows(before_cursor, columns) - 1

    def _shown(self, row: str) -> list[int]:
        """Widths of the characters of a row of ours, as far as it was not cut at the edge."""
        widths: list[int] = []
        room = self._drawn_columns
        for cluster in clusters(plain(row)):
            room -= cluster_width(cluster)
            if room < 0:
                break
            widths.append(cluster_width(cluster))
        return widths

    def _cells(self, canvas: Canvas, y: int, stop: int | None = None) -> list[int]:
        """Widths of the characters of a row that prompt_toolkit drew, without blanks at its end."""
        row = canvas.data_buffer[y]
        has_style: Mapping[str, bool] = self._style_string_has_style or {}
        used = max((x for x, cell in row.items() if cell.char != " " or has_style.get(cell.style, False)), default=-1)
        end = used + 1 if stop is None else stop
        widths: list[int] = []
        x = 0
        while x < end:
            width = max(row[x].width, 1)
            widths.append(width)
            x += width
        return widths
