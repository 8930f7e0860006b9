"""What a command answers, as rows for the terminal: lines, tables and documents, made harmless and fitted in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import compress, zip_longest

from ei.commands.base import Document, Item, Line, Reply, Table
from ei.terminal import grid
from ei.terminal.flow import Runs, folded, paint, plain, wrapped
from ei.terminal.safe import safe
from ei.terminal.theme import Theme
from ei.terminal.width import cell_width

_LAST = 12
"""Cells that the last column keeps before the others give way too."""
_EASY = 20
"""Cells that the last column should have as long as another can be spared."""
_MARK = "› "


def render_reply(reply: Reply, width: int, theme: Theme) -> list[str]:
    """The rows of all items, each at most width cells; a table with a title or a document is set apart by a blank."""
    return render_items(reply.items, width, theme)


def render_items(items: Iterable[Item], width: int, theme: Theme) -> list[str]:
    """The same for items that are not in a Reply."""
    rows: list[str] = []
    for item in items:
        if isinstance(item, Line):
            rows += render_line(item, width, theme)
            continue
        if rows and rows[-1] and (isinstance(item, Document) or item.title):
            rows.append("")
        rows += render_table(item, width, theme) if isinstance(item, Table) else render_document(item, width, theme)
    return rows


def render_line(line: Line, width: int, theme: Theme) -> list[str]:
    """A line in its style, wrapped; where it begins with spaces its other rows do too."""
    rows: list[str] = []
    for text in safe(line.text).expandtabs(4).split("\n"):
        body = text.lstrip(" ")
        margin = " " * min(len(text) - len(body), width // 2)
        styled = wrapped([(body, theme.sgr(line.style))], width - len(margin))
        rows += [margin + paint(row) if row else "" for row in styled]
    return rows


def render_table(table: Table, width: int, theme: Theme) -> list[str]:
    """Columns under their headings, the row in use marked and bold; a column with nothing in it is left out.

    Where they do not fit the last column wraps, then the widest ones; then those that can be spared are left out;
    where even that is too wide, each row becomes lines of `heading: cell`.
    """
    rows = [paint(row) for row in wrapped([(safe(table.title), theme.sgr("title"))], width)] if table.title else []
    if not table.rows:
        return rows
    whole = table = _chosen(table, [any(cells) for cells in zip_longest(*table.rows, fillvalue="")])
    margin = len(_MARK) if table.current is not None else 0
    spare = [name for name in table.spare if name in table.columns]
    while True:
        heads, body = _styled(table, theme)
        columns = list(zip(heads, *body, strict=True))
        widths = _fit(columns, width - margin)
        easy = min(_EASY, max(map(grid.natural, columns[-1])))
        if widths is not None and (not spare or (widths[-1] >= easy and _is_whole(table, columns, widths))):
            break
        if not spare:
            return rows + _stacked(whole, *_styled(whole, theme), width, theme)
        name = spare.pop(0)
        table = _chosen(table, [column != name for column in table.columns])
    if any(table.columns):
        rows += [" " * margin + paint(row) for row in grid.row(heads, widths)]
    for index, cells in enumerate(body):
        for level, row in enumerate(grid.row(cells, widths)):
            marked = index == table.current and level == 0
            rows.append((theme.paint(_MARK, "marker") if marked else " " * margin) + paint(row))
    return rows


def render_document(document: Document, width: int, theme: Theme) -> list[str]:
    """Markdown laid out; JSONC and other languages coloured, their long lines wrapped as far in as they begin."""
    if document.language == "markdown":
        from ei.terminal.markdown import render

        return render(document.text, width, theme)
    text = safe(document.text).expandtabs(4).rstrip("\n")
    if document.language == "text":
        return [paint(row) for row in wrapped([(text, "")], width)]
    from ei.terminal.highlight import highlighted

    return [paint(row) for line in highlighted(text, document.language, theme) for row in _indented(line, width)]


def _indented(line: Runs, width: int) -> list[Runs]:
    text = plain(line)
    margin = len(text) - len(text.lstrip(" "))
    if cell_width(text) <= width or margin > width // 2:
        return folded(line, width)
    rest, drop = [], margin
    for part, sgr in line:
        if kept := part[drop:]:
            rest.append((kept, sgr))
        drop = max(drop - len(part), 0)
    return [[(" " * margin, ""), *row] for row in wrapped(rest, width - margin)]


def _cell(text: str, sgr: str) -> Runs:
    clean = safe(text).replace("\t", " ")
    return [(clean, sgr)] if clean else []


def _chosen(table: Table, kept: Sequence[bool]) -> Table:
    """The table with these columns only."""
    return replace(
        table,
        columns=tuple(compress(table.columns, kept)),
        rows=tuple(tuple(compress(row, kept)) for row in table.rows),
    )


def _styled(table: Table, theme: Theme) -> tuple[list[Runs], list[list[Runs]]]:
    count = max(len(table.columns), *(len(row) for row in table.rows))
    heads = [_cell(text, theme.sgr("dim")) for text in _filled(table.columns, count)]
    body = []
    for index, texts in enumerate(table.rows):
        style = "title" if index == table.current else "plain"
        body.append([_cell(text, theme.sgr(style)) for text in _filled(texts, count)])
    return heads, body


def _filled(texts: tuple[str, ...], count: int) -> tuple[str, ...]:
    return texts + ("",) * (count - len(texts))


def _is_whole(table: Table, columns: list[tuple[Runs, ...]], widths: list[int]) -> bool:
    """Whether the column that is not to be wrapped is not."""
    if table.whole not in table.columns:
        return True
    index = table.columns.index(table.whole)
    return widths[index] >= max(map(grid.natural, columns[index]))


def _fit(columns: list[tuple[Runs, ...]], available: int) -> list[int] | None:
    """Widths of columns: the last gives way first, down to `_LAST` cells, then the widest."""
    wanted = [max(1, *map(grid.natural, column)) for column in columns]
    left = available - sum(wanted[:-1]) - grid.GAP * (len(wanted) - 1)
    if left >= min(wanted[-1], max(_LAST, *map(grid.longest, columns[-1]))):
        return [*wanted[:-1], min(wanted[-1], left)]
    return grid.fit(columns, available)


def _stacked(table: Table, heads: list[Runs], body: list[list[Runs]], width: int, theme: Theme) -> list[str]:
    rows: list[str] = []
    for index, cells in enumerate(body):
        if index:
            rows.append("")
        mark: Runs = [(_MARK, theme.sgr("marker"))] if index == table.current else []
        for head, cell in zip(heads, cells, strict=True):
            if cell:
                name: Runs = [*head, (": ", theme.sgr("dim"))] if head else []
                rows += [paint(row) for row in wrapped([*mark, *name, *cell], width)]
                mark = []
    return rows
