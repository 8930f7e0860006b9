"""Cells in columns: how wide each column may be, and the rows that cells of styled text make."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Literal

from ei.terminal.flow import Runs, plain, wrapped
from ei.terminal.width import cell_width

Align = Literal["left", "right", "center"]
GAP = 2
"""Cells between two columns."""
LONGEST_WORD = 24
"""Cells. A word up to this long is not broken to fit a column."""


def natural(cell: Runs) -> int:
    """The cells that a cell takes when nothing of it is wrapped."""
    return max(map(cell_width, plain(cell).split("\n")))


def longest(cell: Runs) -> int:
    """The cells of a cell's longest word, but no more than `LONGEST_WORD`."""
    return min(LONGEST_WORD, max(map(cell_width, plain(cell).split()), default=0))


def fit(columns: Sequence[Sequence[Runs]], available: int) -> list[int] | None:
    """Widths for columns of cells that with their gaps fit in available cells.

    The widest give way first, none below its longest word; None where even that does not fit.
    """
    wanted = [max(1, *map(natural, column)) for column in columns]
    floors = [max(1, *map(longest, column)) for column in columns]
    return _shared(wanted, floors, available - GAP * (len(columns) - 1))


def widened(widths: Sequence[int], columns: Sequence[Sequence[Runs]], available: int) -> list[int]:
    """Widths for the further rows of a table whose first ones have these: wider where they need it and there is room.

    A column gives way to another only where a word would be broken otherwise.
    """
    wanted = [max(width, *map(natural, column)) for width, column in zip(widths, columns, strict=True)]
    floors = [max(1, *map(longest, column)) for column in columns]
    room = available - GAP * (len(columns) - 1)
    if sum(wanted) > room and all(floor <= width for floor, width in zip(floors, widths, strict=True)):
        return list(widths)
    return _shared(wanted, floors, room) or list(widths)


def _shared(wanted: Sequence[int], floors: Sequence[int], room: int) -> list[int] | None:
    if sum(wanted) <= room:
        return list(wanted)
    if sum(floors) > room:
        return None

    def at(level: int) -> list[int]:
        return [max(floor, min(width, level)) for width, floor in zip(wanted, floors, strict=True)]

    level = bisect_right(range(max(wanted) + 1), room, key=lambda level: sum(at(level))) - 1
    widths = at(level)
    spare = room - sum(widths)
    for index, width in enumerate(wanted):
        if spare and width > widths[index]:
            widths[index] += 1
            spare -= 1
    return widths


def row(cells: Sequence[Runs], widths: Sequence[int], aligns: Sequence[Align] = ()) -> list[Runs]:
    """The rows that one row of cells takes: each cell wrapped in its column, no spaces at the end of a row."""
    columns = [wrapped(cell, width) for cell, width in zip(cells, widths, strict=True)]
    rows: list[Runs] = []
    for level in range(max(map(len, columns), default=0)):
        line: Runs = []
        owed = 0
        for index, (column, width) in enumerate(zip(columns, widths, strict=True)):
            runs = column[level] if level < len(column) else []
            spare = width - sum(cell_width(text) for text, _ in runs)
            align = aligns[index] if index < len(aligns) else "left"
            before = spare if align == "right" else spare // 2 if align == "center" else 0
            if runs:
                if owed + before:
                    line.append((" " * (owed + before), ""))
                line += runs
                owed = spare - before
            else:
                owed += width
            owed += GAP
        rows.append(line)
    return rows
