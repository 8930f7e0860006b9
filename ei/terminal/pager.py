"""Full-screen pages of finished rows to scroll through, one beside the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prompt_toolkit.application import Application
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import Layout
from prompt_toolkit.layout.containers import HSplit, Window
from prompt_toolkit.layout.controls import FormattedTextControl, UIContent, UIControl

from ei.terminal.device import Device
from ei.terminal.theme import fragments
from ei.terminal.width import cell_width, clip

Rows = Sequence[str] | Callable[[int], Sequence[str]]
"""ANSI rows, or a function of the width that gives them."""


HEAD_ROWS = 3
"""The most rows of a title."""
ROOMY = 12
"""Where the terminal has fewer rows the title gets one."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page: what its head says (facts parted by ` · `), and its rows."""

    title: str
    rows: Rows


class _Body(UIControl):
    def __init__(self, pages: Sequence[Page], index: int) -> None:
        self.pages = pages
        self.index = index
        self.top = 0
        self.height = 10
        self.count = 0
        self._made: tuple[int, int, Sequence[str]] | None = None

    def rows(self, width: int) -> Sequence[str]:
        if self._made is None or self._made[:2] != (self.index, width):
            rows = self.pages[self.index].rows
            self._made = (self.index, width, rows(width) if callable(rows) else rows)
        return self._made[2]

    def is_focusable(self) -> bool:
        return True

    def create_content(self, width: int, height: int) -> UIContent:
        rows = self.rows(width)
        self.height, self.count = height, len(rows)
        self.scroll(0)
        shown: list[StyleAndTextTuples] = [[*fragments(row)] for row in rows[self.top : self.top + height]]
        return UIContent(get_line=lambda line: shown[line], line_count=len(shown), show_cursor=False)

    def scroll(self, by: int) -> None:
        self.top = max(0, min(self.top + by, self.count - self.height))

    def turn(self, by: int) -> None:
        if len(self.pages) > 1:
            self.index = (self.index + by) % len(self.pages)
            self.top = 0


def pager(device: Device, pages: Sequence[Page], index: int, *, choosing: bool) -> Application[int | None]:
    """The application; its result is the page on which Enter was pressed (with choosing), or None."""
    body = _Body(pages, index)

    def head_rows() -> list[str]:
        number = f" {body.index + 1} of {len(pages)}" if len(pages) > 1 else ""
        size = device.output.get_size()
        return head_of(pages[body.index].title, number, size.columns, HEAD_ROWS if size.rows >= ROOMY else 1)

    def head() -> StyleAndTextTuples:
        return [("class:pager.title", "\n".join(head_rows()))]

    def foot() -> StyleAndTextTuples:
        end = min(body.top + body.height, body.count)
        said = [f"rows {body.top + 1}-{end} of {body.count}"]
        said += ["←→ other"] * (len(pages) > 1) + ["Enter chooses"] * choosing + ["q leaves"]
        while len(said) > 1 and cell_width(" · ".join(said)) > device.output.get_size().columns:
            said.pop(0)
        return [("class:pager.keys", " · ".join(said))]

    layout = Layout(
        HSplit(
            [
                Window(FormattedTextControl(head), height=lambda: len(head_rows())),
                Window(body, wrap_lines=False, always_hide_cursor=True),
                Window(FormattedTextControl(foot), height=1),
            ]
        )
    )
    return device.page(layout, _bindings(body, choosing))


def head_of(title: str, number: str, width: int, most: int) -> list[str]:
    """A title with its page's number as rows of at most width cells, at most so many; broken between its facts.

    Where they are too many the last ones are left out; the number stays.
    """
    *facts, last = title.split(" · ")
    rows: list[str] = []
    for fact in (*facts, last + number):
        if rows and cell_width(rows[-1]) + cell_width(fact) + 3 <= width:
            rows[-1] += f" · {fact}"
        else:
            rows.append(fact)
    kept = rows[:most]
    if len(rows) > most or cell_width(kept[-1]) > width:
        kept[-1] = clip(kept[-1].removesuffix(number), max(width - cell_width(number), 1)) + number
    return [clip(row, width) for row in kept]


def _bindings(body: _Body, choosing: bool) -> KeyBindings:
    keys = KeyBindings()

    def on(*names: str) -> Callable[[Callable[[], None]], None]:
        def register(action: Callable[[], None]) -> None:
            for name in names:

                @keys.add(name, eager=True)
                def _(event: KeyPressEvent) -> None:
                    action()

        return register

    on("up", "k", "c-p")(lambda: body.scroll(-1))
    on("down", "j", "c-n")(lambda: body.scroll(1))
    on("pageup", "b", "c-b")(lambda: body.scroll(1 - body.height))
    on("pagedown", "space", "c-f")(lambda: body.scroll(body.height - 1))
    on("home", "g")(lambda: body.scroll(-body.count))
    on("end", "G")(lambda: body.scroll(body.count))
    on("left", "p", "s-tab")(lambda: body.turn(-1))
    on("right", "n", "tab")(lambda: body.turn(1))

    @keys.add("enter", eager=True)
    @keys.add("c-j", eager=True)
    def _(event: KeyPressEvent) -> None:
        event.app.exit(result=body.index if choosing else None)

    @keys.add("q", eager=True)
    @keys.add("escape", eager=True)
    @keys.add("c-c", eager=True)
    def _(event: KeyPressEvent) -> None:
        event.app.exit(result=None)

    return keys
