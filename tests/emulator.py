"""A terminal's screen for tests: pyte with a scrollback, an alternate screen, and windows that reflow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyte
import pyte.modes
from wcwidth import iter_graphemes, wcswidth

_SYNCHRONIZED = 2026 << 5
_ALTERNATE = (47 << 5, 1047 << 5, 1049 << 5)

Line = Any
"""pyte's row: a mapping of columns to characters."""


class Emulator(pyte.HistoryScreen):
    """What a terminal shows. answer: takes what the terminal sends back to the program.

    reflow: a narrower window wraps the rows that are too long, as most terminals do; else they are cut.
    """

    def __init__(self, columns: int, rows: int, *, answer: Callable[[str], None], reflow: bool = True) -> None:
        self._answer = answer
        self._reflow = reflow
        self._main: tuple[dict[int, Line], tuple[int, int]] | None = None
        self._drawing = False
        super().__init__(columns, rows, history=200_000)

    @property
    def alternate(self) -> bool:
        return self._main is not None

    @property
    def in_frame(self) -> bool:
        """Whether a synchronized update has begun and not ended: a terminal shows nothing of it yet."""
        return _SYNCHRONIZED in self.mode

    def visible(self) -> list[str]:
        return [_text(self.buffer[y], self.columns) for y in range(self.lines)]

    def past(self) -> list[str]:
        return [_text(line, max(line, default=-1) + 1) for line in self.history.top]

    def write_process_input(self, data: str) -> None:
        self._answer(data)

    def set_mode(self, *modes: int, **kwargs: Any) -> None:
        super().set_mode(*modes, **kwargs)
        if kwargs.get("private") and any(mode << 5 in _ALTERNATE for mode in modes) and self._main is None:
            self._main = (dict(self.buffer), (self.cursor.x, self.cursor.y))
            self.buffer.clear()

    def reset_mode(self, *modes: int, **kwargs: Any) -> None:
        super().reset_mode(*modes, **kwargs)
        if kwargs.get("private") and any(mode << 5 in _ALTERNATE for mode in modes) and self._main is not None:
            lines, (self.cursor.x, self.cursor.y) = self._main
            self._main = None
            self.buffer.clear()
            self.buffer.update(lines)

    def draw(self, data: str) -> None:
        # Terminals of today draw a grapheme cluster as one character; pyte takes it apart.
        self._drawing = True
        try:
            for cluster in iter_graphemes(data):
                if len(cluster) == 1 or "\x1b" in cluster:
                    super().draw(cluster)
                else:
                    self._draw_cluster(cluster)
        finally:
            self._drawing = False

    def _draw_cluster(self, cluster: str) -> None:
        width = wcswidth(cluster)
        super().draw("\u3042" if width == 2 else "x")
        line = self._line()
        at = self.cursor.x - max(width, 1)
        line[at] = line[at]._replace(data=cluster)

    def carriage_return(self) -> None:
        if self._drawing:
            self._line().wraps = True
        super().carriage_return()

    def index(self) -> None:
        bottom = self.margins.bottom if self.margins else self.lines - 1
        if self._main is not None and self.cursor.y == bottom:
            pyte.Screen.index(self)
            return
        super().index()

    def erase_in_line(self, how: int = 0, private: bool = False) -> None:
        super().erase_in_line(how, private)
        if how in (0, 2):
            self._line().wraps = False

    def erase_in_display(self, how: int = 0, *args: Any, **kwargs: Any) -> None:
        # tmux and others take this for clearing the screen, and keep what was there.
        if how == 0 and (self.cursor.x, self.cursor.y) == (0, 0) and self._main is None:
            used = [y for y in range(self.lines) if self._used(y)]
            self.history.top.extend(self.buffer.pop(y) for y in range(max(used, default=-1) + 1))
        super().erase_in_display(how, *args, **kwargs)
        for y in range(self.cursor.y if how == 0 else 0, self.lines):
            line: Line = self.buffer[y]
            line.wraps = False

    def resize(self, lines: int | None = None, columns: int | None = None) -> None:
        rows, width = lines or self.lines, columns or self.columns
        if self._main is not None:
            super().resize(rows, width)
            return
        top = list(self.history.top)
        last = max([self.cursor.y, *(y for y in range(self.lines) if self._used(y))])
        drawn = [self.buffer[y] for y in range(last + 1)]
        cursor_row = len(top) + self.cursor.y
        everything = top + drawn
        if self._reflow and width != self.columns:
            everything, cursor_row, column = _rewrap(everything, cursor_row, self.cursor.x, width, self._blank_line)
        else:
            column = min(self.cursor.x, width - 1)
        start = min(max(len(everything) - rows, 0), cursor_row)
        self.lines, self.columns = rows, width
        self.set_margins()
        self.history.top.clear()
        self.history.top.extend(everything[:start])
        self.buffer.clear()
        for y, line in enumerate(everything[start : start + rows]):
            self.buffer[y] = line
        self.cursor.y = min(cursor_row - start, rows - 1)
        self.cursor.x = column
        self.dirty.update(range(rows))

    def _used(self, y: int) -> bool:
        return bool(_text(self.buffer[y], self.columns))

    def _line(self) -> Line:
        return self.buffer[self.cursor.y]

    def _blank_line(self) -> Line:
        return type(self.buffer[0])(self.default_char)


def _rewrap(
    lines: list[Line], cursor_row: int, cursor_column: int, width: int, blank: Callable[[], Line]
) -> tuple[list[Line], int, int]:
    """Joins rows that were wrapped, and wraps them anew; follows the cursor."""
    result: list[Line] = []
    blank_cell = blank().default
    new_row, new_column = 0, 0
    at = 0
    while at < len(lines):
        cells: list[Any] = []
        cursor_at: int | None = None
        while True:
            line = lines[at]
            wraps = getattr(line, "wraps", False) and at + 1 < len(lines)
            if at == cursor_row:
                cursor_at = len(cells) + cursor_column
            end = max((x for x in line if line[x] != blank_cell), default=-1) + 1
            cells.extend(line[x] for x in range(end))
            at += 1
            if not wraps:
                break
        first = len(result)
        starts = [0]
        for index in range(len(cells)):
            wide = index + 1 < len(cells) and cells[index + 1].data == ""
            if index - starts[-1] + (2 if wide else 1) > width and cells[index].data != "":
                starts.append(index)
        for number, start in enumerate(starts):
            row = blank()
            stop = starts[number + 1] if number + 1 < len(starts) else len(cells)
            for x, cell in enumerate(cells[start:stop]):
                row[x] = cell
            row.wraps = number + 1 < len(starts)
            result.append(row)
        if cursor_at is not None:
            piece = max(number for number, start in enumerate(starts) if start <= cursor_at)
            new_row, new_column = first + piece, cursor_at - starts[piece]
            while new_column >= width:
                new_row, new_column = new_row + 1, new_column - width
            while new_row >= len(result):
                result.append(blank())
    return result, new_row, new_column


def _text(line: Line, width: int) -> str:
    return "".join(line[x].data for x in range(width)).rstrip()
