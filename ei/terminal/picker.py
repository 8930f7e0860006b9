"""A full-screen list to choose from, narrowed by typing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import Layout
from prompt_toolkit.layout.containers import HSplit, Window
from prompt_toolkit.layout.controls import BufferControl

from ei.commands.base import Choice, Chosen, Heading, Offer
from ei.terminal.device import Device
from ei.terminal.matcher import Matcher
from ei.terminal.safe import safe
from ei.terminal.still import Row, StillRows
from ei.terminal.width import cell_width, clip, pad, wrap

_LEAST_DETAIL = 6
"""Cells below which a detail says nothing."""
_LABELS = 36
"""Cells that labels get before any column does, where they need them."""
_WIDEST = 16
"""Cells that a column has at most."""
_GAP = 2
_MARK = 3
_FACTS = 2
_KEYS = "class:picker.keys"
_LOW = 14
"""Rows of a window below which only the list and what is typed are shown."""


@dataclass(frozen=True, slots=True)
class Column:
    """Where a heading's cells stand: which of a row's cells, from which cell of the screen on, how many."""

    index: int
    start: int
    width: int
    right: bool


@dataclass(frozen=True, slots=True)
class Grid:
    """How a row is laid out: the cells that labels have before the columns begin."""

    label: int
    columns: tuple[Column, ...]


def grid(width: int, labels: int, headings: Sequence[Heading], widths: Sequence[int]) -> Grid:
    """The columns that fit a width beside labels of so many cells; the least needed are left out first.

    widths: cells that each column needs.
    """
    room = width - _MARK
    kept = list(range(len(headings)))

    def taken() -> int:
        return sum(widths[index] + _GAP for index in kept)

    while kept and room - taken() < min(labels, _LABELS):
        kept.remove(max(kept, key=lambda index: headings[index].spare))
    label = max(min(labels, room - taken()), 0)
    columns, start = [], _MARK + label
    for index in kept:
        columns.append(Column(index, start + _GAP, widths[index], headings[index].right))
        start += _GAP + widths[index]
    return Grid(label, tuple(columns))


class Rows:
    """The rows of an offer, of which those that fit the window are drawn: that cost does not grow with the list."""

    def __init__(self, offer: Offer) -> None:
        choices = offer.choices
        self.offer = offer
        self.found: list[int] = list(range(len(choices)))
        self.at = 0
        self.height = 10
        self._grouped = True
        self._top = 0
        self._matcher = Matcher(choices)
        self._labels = max((cell_width(choice.label) for choice in choices), default=0)
        columns = zip(*(choice.cells for choice in choices if choice.cells), strict=True)
        needed = [max(map(cell_width, set(column))) for column in columns] or [0] * len(offer.headings)
        self._widths = [
            min(max(len(heading.name), width), _WIDEST) for heading, width in zip(offer.headings, needed, strict=True)
        ]
        self._grids: dict[int, Grid] = {}
        self.narrow(offer.query)

    def narrow(self, query: str) -> None:
        """Shows the rows in which the words are, best first; without any, all of them in their groups."""
        self._grouped = not query.strip()
        self.at, self._top = 0, 0
        if self._grouped:
            self.found = list(range(len(self.offer.choices)))
            keys = (choice.key for choice in self.offer.choices)
            self.at = next((at for at, key in enumerate(keys) if key == self.offer.current), 0)
        else:
            self.found = self._matcher.find(query)

    def chosen(self) -> Choice | None:
        return self.offer.choices[self.found[self.at]] if self.found else None

    def move(self, by: int) -> None:
        self.at = max(0, min(self.at + by, len(self.found) - 1))

    def grid(self, width: int) -> Grid:
        if width not in self._grids:
            self._grids[width] = grid(width, self._labels, self.offer.headings, self._widths)
        return self._grids[width]

    def head(self, width: int) -> str:
        """The headings as they stand over the columns."""
        laid = self.grid(width)
        row = " " * (_MARK + laid.label)
        for column in laid.columns:
            row += " " * (column.start - len(row)) + _placed(self.offer.headings[column.index].name, column)
        return row.rstrip()

    def legend(self, width: int) -> str:
        """What the letters in the columns that are shown mean."""
        shown = (self.offer.headings[column.index].legend for column in self.grid(width).columns)
        return " · ".join(legend for legend in shown if legend)

    def draw(self, width: int, height: int) -> list[Row]:
        """The rows that fit a window."""
        self.height = height
        self._scroll(height)
        rows: list[Row] = []
        group = None
        for position in range(self._top, len(self.found)):
            if len(rows) >= height:
                break
            choice = self.offer.choices[self.found[position]]
            if self._grouped and choice.group and choice.group != group:
                rows.append((("class:picker.group", clip(_one_line(choice.group), width)),))
                group = choice.group
                if len(rows) >= height:
                    break
            rows.append(self._row(choice, position == self.at, width))
        return rows or [(("class:picker.dimmed", clip("  nothing fits", width)),)]

    def _scroll(self, height: int) -> None:
        self._top = min(self._top, self.at)
        while self._top < self.at and self._rows_until(self.at) > height:
            self._top += max(1, (self.at - self._top) // 2 if self.at - self._top > height else 1)

    def _rows_until(self, position: int) -> int:
        """Rows from the top one to a position, headings counted; a far one counts as too many."""
        if position - self._top > 2 * self.height:
            return position
        rows, group = 0, None
        for each in range(self._top, position + 1):
            choice = self.offer.choices[self.found[each]]
            rows += 1 + int(self._grouped and bool(choice.group) and choice.group != group)
            group = choice.group
        return rows

    def _row(self, choice: Choice, here: bool, width: int) -> Row:
        """A row as wide as the window at most.

        A label that is too long for its place is written over the columns beside it: it says most, and is cut last.
        Why a row cannot be used says more than its columns.
        """
        laid = self.grid(width)
        base = "class:picker.dimmed" if choice.dimmed else "class:picker.row"
        if here:
            base += " class:picker.selected"
        mark = "●" if choice.key == self.offer.current else " "
        label = clip(_one_line(choice.label), max(width - _MARK, 1))
        row = [(f"{base} class:picker.mark", f"{'❯' if here else ' '}{mark} "), (base, label)]
        at = _MARK + cell_width(label)
        beside = _one_line(choice.dimmed or ("" if choice.cells else choice.detail))
        if beside:
            start = max(at, _MARK + laid.label) + _GAP
            if start + cell_width(beside) > width:
                start = at + _GAP
            if width - start >= _LEAST_DETAIL:
                style = "class:picker.reason" if choice.dimmed else "class:picker.detail"
                text = clip(beside, width - start)
                row.append((f"{base} {style}", " " * (start - at) + text))
                at = start + cell_width(text)
        elif choice.cells:
            text = ""
            for column in laid.columns:
                if column.start >= at + len(text) + (1 if not text else 0):
                    text += " " * (column.start - at - cell_width(text))
                    text += _placed(_one_line(choice.cells[column.index]), column)
            row.append((f"{base} class:picker.detail", text))
            at += cell_width(text)
        if here:
            row.append((base, " " * (width - at)))
        return tuple(row)


def _placed(cell: str, column: Column) -> str:
    cell = clip(cell, column.width)
    return " " * (column.width - cell_width(cell)) + cell if column.right else pad(cell, column.width)


def _one_line(text: str) -> str:
    """A text made harmless, on one row."""
    return text if text.isascii() and text.isprintable() else " ".join(safe(text).split())


def _wrapped(text: str, width: int, most: int) -> list[str]:
    """At most so many rows of a text; what is left over is cut."""
    rows = wrap(text, max(width, 1))
    return rows if len(rows) <= most else [*rows[: most - 1], clip(" ".join(rows[most - 1 :]), width)]


def _packed(parts: Sequence[str], width: int) -> list[str]:
    """The parts beside each other, in as many rows as that takes."""
    rows: list[str] = []
    for part in parts:
        if rows and cell_width(rows[-1]) + 3 + cell_width(part) <= width:
            rows[-1] += f" · {part}"
        else:
            rows.append(clip(part, width))
    return rows


def picker(device: Device, rows: Rows) -> Application[Chosen | None]:
    """The application; its result is the row that was chosen and how, or None.

    Enter on a dimmed row chooses it too: why it cannot be used now is told by whoever asked.
    """
    offer = rows.offer
    search = Buffer(
        multiline=False, document=Document(offer.query), on_text_changed=lambda b: rows.narrow(b.text), name="picker"
    )
    title = _one_line(offer.title)
    keys = (
        f"Enter {_one_line(offer.enter)}",
        *(f"Ctrl-{way.letter.upper()} {_one_line(way.label)}" for way in offer.ways),
        "Esc leaves",
        "↑↓ PgUp PgDn move",
    )

    def head(width: int) -> str:
        count = f"{len(rows.found):,} of {len(offer.choices):,}"
        return clip(f"{pad(title, min(cell_width(title), max(width - len(count) - 3, 0)))} · {count}", width)

    def below(width: int, height: int) -> list[Row]:
        chosen = rows.chosen()
        high = device.output.get_size().rows >= _LOW
        first = [((_KEYS, clip(rows.head(width), width)),)] if high and offer.headings else []
        last: list[Row] = []
        legend = rows.legend(width)
        if high and legend:
            last.append(((_KEYS, clip(legend, width)),))
        if high and offer.facts is not None:
            said = _one_line(offer.facts(chosen.key)) if chosen is not None else ""
            facts = _wrapped(said, width, _FACTS)
            last += [(("class:picker.facts", fact),) for fact in [*facts, *[""] * _FACTS][:_FACTS]]
        last += [((_KEYS, row),) for row in _packed(keys, width)]
        room = max(height - len(first) - len(last), 1)
        listed = rows.draw(width, room)
        return [*first, *listed, *[()] * (room - len(listed)), *last]

    prompt = Window(
        BufferControl(search), height=1, get_line_prefix=lambda line, wrapped: [("class:picker.prompt", "search ❯ ")]
    )
    above = StillRows(lambda width, height: [(("class:picker.title", head(width)),)], most=lambda width: 1)
    layout = Layout(HSplit([above, prompt, StillRows(below)]), focused_element=search)
    return device.page(layout, _bindings(rows))


_MOVES: Mapping[str, int] = {"up": -1, "c-p": -1, "down": 1, "c-n": 1, "tab": 1, "s-tab": -1}


def _bindings(rows: Rows) -> KeyBindings:
    offer = rows.offer
    keys = KeyBindings()

    def moves(name: str, by: Callable[[], int]) -> None:
        @keys.add(name, eager=True)
        def _(event: KeyPressEvent) -> None:
            rows.move(by())

    for name, step in _MOVES.items():
        moves(name, lambda step=step: step)  # type: ignore[misc]
    moves("pageup", lambda: -max(rows.height - 1, 1))
    moves("pagedown", lambda: max(rows.height - 1, 1))
    moves("c-home", lambda: -len(offer.choices))
    moves("c-end", lambda: len(offer.choices))

    def chooses(way: str, *names: str) -> None:
        def handler(event: KeyPressEvent) -> None:
            chosen = rows.chosen()
            if chosen is not None:
                event.app.exit(result=Chosen(chosen.key, way))

        for name in names:
            keys.add(name, eager=True)(handler)

    chooses("", "enter", "c-j")
    for way in offer.ways:
        chooses(way.name, f"c-{way.letter}")

    @keys.add("escape", eager=True)
    @keys.add("c-c", eager=True)
    @keys.add("c-g", eager=True)
    def _(event: KeyPressEvent) -> None:
        event.app.exit(result=None)

    return keys
