"""Cells in columns: how wide each column may be, and the rows that cells of styled text make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ei.terminal.flow import Runs, plain, wrapped
from ei.terminal.width import cell_width

Align = Literal["left", "right", "center"]
GAP = 2
"""Cells between two columns."""


def natural(cell: Runs) -> int:
    """The cells that a cell takes when nothing of it is wrapped."""
    return max(map(cell_width, plain(cell).split("\n")))


def fit(wanted: Sequence[int], available: int, floor: int = 8) -> list[int] | None:
    """Widths of columns, none wider than wanted, that with their gaps fit in available cells.

    The widest give way first, none below floor; None where even that does not fit.
    """
    room = available - GAP * (len(wanted) - 1)
    if sum(wanted) <= room:
        return list(wanted)
    if sum(min(width, floor) for width in wanted) > room:
        return None
    low, high = floor, max(wanted)
    while low < high:
        middle = (low + high + 1) // 2
        if sum(min(width, middle) for width in wanted) <= room:
            low = middle
        else:
            high = middle - 1
    widths = [min(width, low) for width in wanted]
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
