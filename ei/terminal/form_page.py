"""A full-screen form: lines to type into, choices to go through, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.data_structures import Size
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import Layout, ScrollablePane
from prompt_toolkit.layout.containers import Container, HSplit, ScrollOffsets, VSplit, Window
from prompt_toolkit.layout.controls import BufferControl, FormattedTextControl
from prompt_toolkit.layout.dimension import Dimension
from prompt_toolkit.layout.processors import AfterInput, ConditionalProcessor, PasswordProcessor

from ei.commands.base import Choice, Field, Form
from ei.terminal.device import Device
from ei.terminal.safe import safe
from ei.terminal.width import cell_width, clip, pad, wrap

_MARK = 2
_GAP = 2
_WIDEST = 18
"""Cells that labels have at most."""
_ABOUT = 4
"""Rows that what stands above the lines has at most."""
_BELOW = 3
_LOW = 17
"""Rows of a window below which what stands above the lines is left out."""
SAVE = "Save"


class _Row:
    """One line of the form on the screen."""

    def __init__(self, field: Field, shown: Callable[[], bool], changed: Callable[[], None]) -> None:
        self.field = field
        self._at = next((i for i, choice in enumerate(field.choices) if choice.key == field.value), 0)
        self._changed = changed
        self.buffer = Buffer(multiline=False, document=Document(field.value), on_text_changed=lambda _: changed())
        self.window = self._choice() if field.kind == "choice" else self._text(shown)

    @property
    def value(self) -> str:
        if self.field.kind == "choice":
            return self.field.choices[self._at].key if self.field.choices else ""
        return self.buffer.text.strip()

    @property
    def problem(self) -> str:
        if self.field.kind == "choice" and self.field.choices and (why := self.field.choices[self._at].dimmed):
            return why
        return self.field.problem(self.value)

    def turn(self, by: int) -> None:
        """The next of the choices that can be chosen, or the one before."""
        for _ in self.field.choices:
            self._at = (self._at + by) % len(self.field.choices)
            if not self.field.choices[self._at].dimmed:
                break
        self._changed()

    def _text(self, shown: Callable[[], bool]) -> Window:
        hidden = ConditionalProcessor(
            PasswordProcessor("•"), Condition(lambda: self.field.kind == "secret" and not shown())
        )
        example = ConditionalProcessor(
            AfterInput(safe(self.field.example), style="class:form.example"), Condition(lambda: not self.buffer.text)
        )
        return Window(
            BufferControl(self.buffer, input_processors=[hidden, example], key_bindings=self._keys()), height=1
        )

    def _choice(self) -> Window:
        return Window(
            FormattedTextControl(self._chosen, focusable=True, key_bindings=self._keys(), show_cursor=False), height=1
        )

    def _chosen(self) -> StyleAndTextTuples:
        choice: Choice | None = self.field.choices[self._at] if self.field.choices else None
        if choice is None:
            return []
        rest: StyleAndTextTuples = [("class:form.example", f"  {safe(choice.detail)}")] if choice.detail else []
        return [("", f"‹ {safe(choice.label)} ›"), *rest]

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        if self.field.kind != "choice":

            @keys.add(Keys.BracketedPaste)
            def _(event: KeyPressEvent) -> None:
                self.buffer.insert_text(" ".join(event.data.split()))

            return keys

        @keys.add("right")
        @keys.add("space")
        def _(event: KeyPressEvent) -> None:
            self.turn(1)

        @keys.add("left")
        def _(event: KeyPressEvent) -> None:
            self.turn(-1)

        return keys


class _Sheet:
    """The form as it is being filled in."""

    def __init__(self, form: Form, size: Callable[[], Size]) -> None:
        self._form = form
        self._size = size
        self._shown = False
        self._told = ""
        self._leaving = False
        self.rows = [_Row(field, lambda: self._shown, self._edited) for field in form.fields]
        self._first = self.values
        self._label = min(max((cell_width(safe(field.label)) for field in form.fields), default=0), _WIDEST)
        self._save = Window(
            FormattedTextControl(lambda: [("class:form.save", f"[ {SAVE} ]")], focusable=True, show_cursor=False),
            height=1,
        )
        self.stops = [*(row.window for row in self.rows), self._save]
        self.layout = Layout(self._container(), focused_element=self.stops[0])

    @property
    def values(self) -> dict[str, str]:
        return {row.field.key: row.value for row in self.rows}

    @property
    def at(self) -> int:
        """Which of the stops has the keyboard."""
        return next((i for i, window in enumerate(self.stops) if self.layout.has_focus(window)), 0)

    def move(self, by: int) -> None:
        """To another line."""
        self._told = ""
        self._go(max(0, min(self.at + by, len(self.stops) - 1)))

    def enter(self) -> None:
        """To the next line, unless something is wrong with this one."""
        if why := self.rows[self.at].problem:
            self._told = why
        else:
            self.move(1)

    def toggle(self) -> None:
        self._shown = not self._shown

    def problem(self) -> bool:
        """Whether something is wrong; it is said, and its line has the keyboard then."""
        for index, row in enumerate(self.rows):
            if why := row.problem:
                self._point(index, why)
                return True
        key, why = self._form.problem(self.values)
        if why:
            self._point(next((i for i, row in enumerate(self.rows) if row.field.key == key), 0), why)
        return bool(why)

    def may_leave(self) -> bool:
        """Whether nothing is lost by leaving; else it is said, and the next time it may be."""
        if self._leaving or self.values == self._first:
            return True
        self._leaving = True
        self._told = "Not saved. Esc again leaves without saving."
        return False

    def _edited(self) -> None:
        self._told = ""
        self._leaving = False

    def _point(self, index: int, why: str) -> None:
        self._go(index)
        self._told = why

    def _go(self, index: int) -> None:
        self.layout.focus(self.stops[index])

    def _container(self) -> Container:
        lines = HSplit([*(self._line(row, index) for index, row in enumerate(self.rows)), self._end()])
        return HSplit(
            [
                Window(FormattedTextControl(self._title), height=1),
                Window(FormattedTextControl(self._about), height=self._about_height, dont_extend_height=True),
                ScrollablePane(lines, scroll_offsets=ScrollOffsets(), show_scrollbar=False),
                Window(FormattedTextControl(self._below), height=_BELOW),
                Window(FormattedTextControl(self._keys), height=Dimension(min=1, max=2), wrap_lines=True,
                       dont_extend_height=True),
            ]
        )  # fmt: skip

    def _line(self, row: _Row, index: int) -> Container:
        def label() -> StyleAndTextTuples:
            here = self.at == index
            style = "class:form.prompt" if here else "class:form.label"
            text = pad(clip(safe(row.field.label), self._label), self._label)
            return [(style, f"{'❯' if here else ' '} {text}{' ' * _GAP}")]

        width = _MARK + self._label + _GAP
        return VSplit([Window(FormattedTextControl(label), width=width, height=1), row.window])

    def _end(self) -> Container:
        def mark() -> StyleAndTextTuples:
            return [("class:form.prompt", "❯ " if self.at == len(self.rows) else "  ")]

        return VSplit([Window(FormattedTextControl(mark), width=_MARK, height=1), self._save])

    def _title(self) -> StyleAndTextTuples:
        return [("class:picker.title", clip(safe(self._form.title), max(self._size().columns, 1)))]

    @property
    def _low(self) -> bool:
        return self._size().rows < _LOW

    def _about_rows(self) -> list[str]:
        if self._low:
            return []
        width = max(self._size().columns, 1)
        return [row for line in self._form.about for row in wrap(safe(line), width)][:_ABOUT]

    def _about(self) -> StyleAndTextTuples:
        return [("class:form.keys", "\n".join(self._about_rows()))]

    def _about_height(self) -> Dimension:
        return Dimension.exact(0 if self._low else len(self._about_rows()) + 1)

    def _below(self) -> StyleAndTextTuples:
        """What is wrong, else what the line means."""
        width = max(self._size().columns, 1)
        index = self.at
        text, style = self._told, "class:form.problem"
        if not text:
            text = self.rows[index].field.hint if index < len(self.rows) else "Enter saves."
            style = "class:form.keys"
        return [(style, "\n" + "\n".join(wrap(safe(text), width)[: _BELOW - 1]))]

    def _keys(self) -> StyleAndTextTuples:
        return [("class:form.keys", "\n".join(wrap(self._ways(), max(self._size().columns, 1))[:2]))]

    def _ways(self) -> str:
        index = self.at
        kind = self.rows[index].field.kind if index < len(self.rows) else ""
        more = {"choice": " · ←→ changes", "secret": f" · Ctrl-T {'hides' if self._shown else 'shows'} it"}
        enter = "Enter goes on" if kind else "Enter saves"
        return f"{enter} · ↑↓ move{more.get(kind, '')} · Ctrl-S saves · Esc leaves"


def form_page(device: Device, form: Form) -> Application[Mapping[str, str] | None]:
    """The application; its result is what was typed, by the keys of the lines, or None when the person left."""
    sheet = _Sheet(form, device.output.get_size)
    return device.page(sheet.layout, _bindings(sheet))


def _bindings(sheet: _Sheet) -> KeyBindings:
    keys = KeyBindings()

    def save(event: KeyPressEvent) -> None:
        if not sheet.problem():
            event.app.exit(result=sheet.values)

    @keys.add("enter", eager=True)
    @keys.add("c-j", eager=True)
    def _(event: KeyPressEvent) -> None:
        if sheet.at == len(sheet.rows):
            save(event)
        else:
            sheet.enter()

    @keys.add("down", eager=True)
    @keys.add("tab", eager=True)
    @keys.add("c-n", eager=True)
    def _(event: KeyPressEvent) -> None:
        sheet.move(1)

    @keys.add("up", eager=True)
    @keys.add("s-tab", eager=True)
    @keys.add("c-p", eager=True)
    def _(event: KeyPressEvent) -> None:
        sheet.move(-1)

    keys.add("c-s", eager=True)(save)

    @keys.add("c-t", eager=True)
    def _(event: KeyPressEvent) -> None:
        sheet.toggle()

    @keys.add("escape", eager=True)
    @keys.add("c-c", eager=True)
    @keys.add("<sigint>", eager=True)
    def _(event: KeyPressEvent) -> None:
        if sheet.may_leave():
            event.app.exit(result=None)

    return keys
