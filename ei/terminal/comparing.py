"""Replies side by side while they come, full-screen; one below the other where the window is narrow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from time import monotonic
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import Layout
from prompt_toolkit.layout.containers import HSplit, Window
from prompt_toolkit.layout.controls import FormattedTextControl, UIContent, UIControl

from ei.commands.base import Column, Comparing
from ei.commands.comparing import facts
from ei.terminal.device import Device
from ei.terminal.markdown import MarkdownStream
from ei.terminal.replies import FRAMES, joined
from ei.terminal.safe import safe
from ei.terminal.scrollback import plain
from ei.terminal.theme import Theme, fragments
from ei.terminal.width import cell_width, clip, wrap

LEAST = 30
"""Cells that a column has at least; where there are fewer, they stand one below the other."""
GAP = " │ "
DRAW_SECONDS = 0.05
AT_ONCE = 24_000
"""Characters that are laid out for one drawing, so that keys are answered meanwhile, also after a resize."""
FACT_ROWS = 2
NARROW = 40
"""Cells below which facts may need all their rows, which are kept free then, so that nothing jumps."""
_HINT_SECONDS = 3.0
_OVER = {"complete": "✓", "stopped": "■", "failed": "✗"}
_UNSAID = {"thinking": "thinking …", "asked": "asked …", "stopped": "Stopped before it said anything."}
_FACTS = {"complete": "good", "stopped": "warn", "failed": "error"}


class Reply:
    """The rows of one reply; each piece of its text is laid out once for a width."""

    def __init__(self, column: Column, number: int, theme: Theme) -> None:
        self.column = column
        self.top = 0
        self.behind = False
        self._number = number
        self._theme = theme
        self._width = 0
        self._restarts = 0
        self._taken = 0
        self._stream: MarkdownStream | None = None
        self._rows: list[str] = []
        self._tail: list[str] = []

    def take(self, width: int, most: int) -> None:
        """Lays out what came since the last time, from the beginning where the width is another one.

        most: about how many characters now; what is left over is for the next time (`behind`).
        """
        column = self.column
        if width != self._width or column.restarts != self._restarts:
            self._width, self._restarts = width, column.restarts
            self._taken, self._rows = 0, []
            self._stream = MarkdownStream(width, self._theme)
        over = column.state in _OVER
        pieces = column.pieces
        if self._stream is not None:
            begin, size = self._taken, 0
            while self._taken < len(pieces) and size < most:
                size += len(pieces[self._taken])
                self._taken += 1
            if self._taken > begin:
                self._rows += self._stream.feed("".join(pieces[begin : self._taken]))
            self.behind = self._taken < len(pieces)
            if over and not self.behind:
                self._rows += self._stream.finish()
                self._stream = None
        self._tail = self._stream.tail() if self._stream is not None and self._taken else []
        self._tail += self._below()

    def __len__(self) -> int:
        return len(self._rows) + len(self._tail)

    def rows(self, start: int, count: int) -> list[str]:
        """So many rows from one on."""
        end = start + count
        ready = len(self._rows)
        return self._rows[start:end] + self._tail[max(start - ready, 0) : max(end - ready, 0)]

    def name(self, width: int, *, marked: bool) -> list[str]:
        """Its number and name, wrapped into a few rows."""
        lead = f"{'❯' if marked else ' '}{self._number} "
        name = " ".join(safe(self.column.name).split())
        first, *rest = wrap(name, max(width - len(lead), 4))
        rows = [first, *([clip(" ".join(rest), width - len(lead))] if rest else [])]
        style = "marker" if marked else "title"
        return [
            self._theme.paint((lead if n == 0 else " " * len(lead)) + clip(row, width - len(lead)), style)
            for n, row in enumerate(rows)
        ]

    def facts(self, width: int) -> list[str]:
        """What it takes, or took, and how far it is."""
        state = self.column.state
        sign = _OVER.get(state) or FRAMES[int(monotonic() * 10) % len(FRAMES)]
        told = facts(self.column)
        rows = joined([f"{sign} {told[0]}", *told[1:]], width)[:FACT_ROWS]
        return [self._theme.paint(row, _FACTS.get(state, "meta")) for row in rows]

    def _below(self) -> list[str]:
        """What stands below the text so far."""
        column, theme = self.column, self._theme
        rows: list[str] = []
        if column.note:
            style = "error" if column.state == "failed" else "warn"
            rows += ["", *(theme.paint(row, style) for row in wrap(safe(column.note), self._width))]
        elif not self._taken:
            said = _UNSAID.get(column.state, "It said nothing.")
            rows += [theme.paint(said, "meta")]
        return rows if self._taken else rows[1:] if rows[:1] == [""] else rows


class Board(UIControl):
    """All replies; only the rows that the window shows are drawn. marked: the one that Enter picks."""

    def __init__(self, comparing: Comparing, theme: Theme) -> None:
        self.replies = [Reply(column, number, theme) for number, column in enumerate(comparing.columns, 1)]
        self.marked = 0
        self.stacked = False
        self._theme = theme
        self._height = self._body = 10
        self._anchor = (0, 0)
        self._sizes: list[int] = []

    def is_focusable(self) -> bool:
        return True

    def create_content(self, width: int, height: int) -> UIContent:
        count = len(self.replies)
        room = (width - len(GAP) * (count - 1)) // count
        self.stacked = room < LEAST
        self._height = height
        rows = self._below_each_other(width, height) if self.stacked else self._side_by_side(room, height)
        drawn: list[StyleAndTextTuples] = [[*fragments(row)] for row in rows[:height]]
        return UIContent(get_line=lambda line: drawn[line], line_count=len(drawn), show_cursor=False)

    def mark(self, index: int) -> None:
        """Marks one; where they stand one below the other its beginning is shown."""
        self.marked = index % len(self.replies)
        self._anchor = (self.marked, 0)

    def scroll(self, by: int, *, all: bool = False) -> None:
        """Moves the rows of the marked one, or of all."""
        if self.stacked:
            self._move(by)
            return
        for index, reply in enumerate(self.replies):
            if all or index == self.marked:
                reply.top = max(0, min(reply.top + by, len(reply) - self._body))

    @property
    def behind(self) -> bool:
        """Whether there is text that was not laid out yet."""
        return any(reply.behind for reply in self.replies)

    @property
    def page(self) -> int:
        """How many rows a page has, but for one that is seen again."""
        return max((self._height if self.stacked else self._body) - 1, 1)

    # Side by side ---------------------------------------------------------------------------------------------

    def _side_by_side(self, room: int, height: int) -> list[str]:
        theme = self._theme
        names = [reply.name(room, marked=index == self.marked) for index, reply in enumerate(self.replies)]
        told = [reply.facts(room) for reply in self.replies]
        heads = [_filled(name, max(map(len, names))) for name in names]
        high = FACT_ROWS if room < NARROW else max(map(len, told))
        heads = [head + _filled(told[index], high) for index, head in enumerate(heads)]
        self._body = max(height - len(heads[0]) - 1, 1)
        columns: list[list[str]] = []
        for index, reply in enumerate(self.replies):
            reply.take(room, AT_ONCE // len(self.replies))
            if not reply.behind:
                reply.top = max(0, min(reply.top, len(reply) - self._body))
            body = _filled(reply.rows(reply.top, self._body), self._body)
            if (below := len(reply) - reply.top - self._body) > 0:
                body[-1] = theme.paint(f"↓ {below + 1:,} more", "marker")
            rule = theme.paint("━" * room, "marker") if index == self.marked else theme.paint("─" * room, "rule")
            columns.append([*heads[index], rule, *body])
        gap = theme.paint(GAP, "rule")
        return [gap.join(_padded(cell, room) for cell in cells) for cells in zip(*columns, strict=True)]

    # One below the other --------------------------------------------------------------------------------------

    def _below_each_other(self, width: int, height: int) -> list[str]:
        heads: list[list[str]] = []
        for index, reply in enumerate(self.replies):
            reply.take(width, AT_ONCE // len(self.replies))
            style = "marker" if index == self.marked else "rule"
            rule = self._theme.paint(("━" if index == self.marked else "─") * width, style)
            heads.append([*reply.name(width, marked=index == self.marked), *reply.facts(width), rule])
        last = len(self.replies) - 1
        self._sizes = [len(head) + len(self.replies[i]) + (i < last) for i, head in enumerate(heads)]
        self._move(0)
        top, scrolled = index, offset = self._anchor
        rows: list[str] = []
        while index <= last and len(rows) < height:
            head, reply = heads[index], self.replies[index]
            rows += head[offset:]
            rows += reply.rows(max(offset - len(head), 0), height - len(rows))
            rows += [""] if index < last else []
            index, offset = index + 1, 0
        if scrolled:
            # Whose reply it is stays in sight; a page begins with a row that was seen before.
            rows[:1] = [_joined_heads(heads[top], width)]
        return rows

    def _move(self, by: int) -> None:
        if not self._sizes:
            return
        index, offset = self._anchor
        at = sum(self._sizes[:index]) + offset + by
        at = max(0, min(at, sum(self._sizes) - self._height))
        begins, index = 0, 0
        while index < len(self._sizes) - 1 and at >= begins + self._sizes[index]:
            begins += self._sizes[index]
            index += 1
        self._anchor = (index, at - begins)
        if by:
            self._mark_what_is_seen(at)

    def _mark_what_is_seen(self, at: int) -> None:
        """The mark follows where the marked one is no longer in the window."""
        begins = [sum(self._sizes[:i]) for i in range(len(self._sizes))]
        seen = [i for i, b in enumerate(begins) if b < at + self._height and b + self._sizes[i] > at]
        if seen and self.marked not in seen:
            self.marked = seen[0] if self.marked < seen[0] else seen[-1]


def comparison(device: Device, comparing: Comparing, theme: Theme) -> Application[int | None]:
    """The application; its result is the reply that was picked, or None."""
    view = _View(comparing, theme)
    layout = Layout(
        HSplit(
            [
                Window(FormattedTextControl(view.head), height=1),
                Window(view.board, wrap_lines=False, always_hide_cursor=True),
                Window(FormattedTextControl(view.foot), height=1),
            ]
        )
    )
    app: Application[int | None] = device.page(layout, _bindings(view))
    view.columns = lambda: app.output.get_size().columns

    async def draw() -> None:
        moves = True
        while True:
            before, moves = moves, comparing.running or view.board.behind or view.hinting
            if before or moves:
                app.invalidate()
            await asyncio.sleep(DRAW_SECONDS)

    app.pre_run_callables.append(lambda: _begin(app, draw()))
    return app


class _View:
    """What stands above and below the replies, and what the keys do."""

    def __init__(self, comparing: Comparing, theme: Theme) -> None:
        self.comparing = comparing
        self.board = Board(comparing, theme)
        self._theme = theme
        self.columns: Callable[[], int] = lambda: 80
        self._hint = ""
        self._hint_until = 0.0

    def head(self) -> StyleAndTextTuples:
        count = len(self.comparing.columns)
        over = sum(column.state in _OVER for column in self.comparing.columns)
        told = f"{over} of {count} done" if over < count else f"{count} replies"
        title = clip(safe(self.comparing.title), max(self.columns() - cell_width(told) - 3, 1))
        return [*fragments(self._theme.paint(title, "title") + self._theme.paint(f" · {told}", "meta"))]

    def foot(self) -> StyleAndTextTuples:
        width = self.columns()
        if self.hinting:
            return [*fragments(self._theme.paint(clip(self._hint, width), "warn"))]
        running = self.comparing.running
        forms = (
            ("←→ marks", f"Enter or 1-{len(self.comparing.columns)} picks", "↑↓ scroll", "space b all")
            + (("Ctrl-C stops",) if running else ())
            + ("Esc leaves",)
        )
        # What can be left out first stands last here.
        spare = ["space b all", "↑↓ scroll", "←→ marks"]
        shown = [form for form in forms if not (self.board.stacked and form == "space b all")]
        while len(" · ".join(shown)) > width and spare:
            shown = [form for form in shown if form != spare[0]]
            spare.pop(0)
        return [*fragments(self._theme.paint(clip(" · ".join(shown), width), "meta"))]

    @property
    def hinting(self) -> bool:
        """Whether a hint is shown, which goes away by itself."""
        return monotonic() < self._hint_until

    def hint(self, text: str) -> None:
        self._hint, self._hint_until = text, monotonic() + _HINT_SECONDS

    def pick(self, event: KeyPressEvent, index: int) -> None:
        """Ends with that reply, or says why it cannot be gone on with."""
        column = self.comparing.columns[index]
        self.board.mark(index)
        if column.pickable:
            event.app.exit(result=index)
        elif column.state in _OVER:
            self.hint(f"{index + 1} has no text to go on with.")
        else:
            self.hint(f"{index + 1} is not done yet: wait, or stop it with Ctrl-C.")


def _begin(app: Application[int | None], work: Coroutine[Any, Any, None]) -> None:
    app.create_background_task(work)


def _bindings(view: _View) -> KeyBindings:
    keys = KeyBindings()
    board = view.board

    def on(*names: str) -> Callable[[Callable[[], None]], None]:
        def register(action: Callable[[], None]) -> None:
            for name in names:

                @keys.add(name, eager=True)
                def _(event: KeyPressEvent) -> None:
                    action()

        return register

    on("left", "s-tab", "h")(lambda: board.mark(board.marked - 1))
    on("right", "tab", "l")(lambda: board.mark(board.marked + 1))
    on("up", "k", "c-p")(lambda: board.scroll(-1))
    on("down", "j", "c-n")(lambda: board.scroll(1))
    on("pageup")(lambda: board.scroll(-board.page))
    on("pagedown")(lambda: board.scroll(board.page))
    on("b", "c-b")(lambda: board.scroll(-board.page, all=True))
    on("space", "c-f")(lambda: board.scroll(board.page, all=True))
    on("home", "g")(lambda: board.scroll(-(1 << 30), all=True))
    on("end", "G")(lambda: board.scroll(1 << 30, all=True))

    for index in range(len(view.comparing.columns)):

        @keys.add(str(index + 1), eager=True)
        def _(event: KeyPressEvent, index: int = index) -> None:
            view.pick(event, index)

    @keys.add("enter", eager=True)
    @keys.add("c-j", eager=True)
    def _(event: KeyPressEvent) -> None:
        view.pick(event, board.marked)

    @keys.add("c-c", eager=True)
    def _(event: KeyPressEvent) -> None:
        if view.comparing.running:
            view.comparing.stop()
        else:
            event.app.exit(result=None)

    @keys.add("q", eager=True)
    @keys.add("escape", eager=True)
    def _(event: KeyPressEvent) -> None:
        event.app.exit(result=None)

    return keys


def _joined_heads(head: Sequence[str], width: int) -> str:
    """The name and the facts of a heading on one row, without the rule below them."""
    out, room = "", width
    for row in head[:-1]:
        size = cell_width(plain(row)) + (3 if out else 0)
        if size > room:
            break
        out += f" · {row}" if out else row
        room -= size
    return out


def _filled(rows: Sequence[str], count: int) -> list[str]:
    """So many rows, empty ones at the end."""
    return [*rows[:count], *[""] * (count - len(rows))]


def _padded(row: str, width: int) -> str:
    """A painted row filled with spaces up to that width."""
    return row + " " * max(width - cell_width(plain(row)), 0)
