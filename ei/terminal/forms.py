"""A one-line question in place of the input line, whose half-typed text comes back after."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout.containers import ConditionalContainer, HSplit, Window
from prompt_toolkit.layout.controls import BufferControl, FormattedTextControl
from prompt_toolkit.layout.dimension import Dimension
from prompt_toolkit.layout.processors import ConditionalProcessor, PasswordProcessor

from ei.errors import CancelledError
from ei.terminal.width import wrap


class Question:
    """The line that asks. opened, closed: move the keyboard's focus to it and back. columns: the terminal's width."""

    def __init__(self, opened: Callable[[], None], closed: Callable[[], None], columns: Callable[[], int]) -> None:
        self._opened = opened
        self._closed = closed
        self._columns = columns
        self._lock = asyncio.Lock()
        self._future: asyncio.Future[str] | None = None
        self._prompt = ""
        self._secret = False
        self._shown = False
        self.buffer = Buffer(multiline=False, name="form")
        hidden = ConditionalProcessor(PasswordProcessor("•"), Condition(lambda: self._secret and not self._shown))
        self.window = Window(
            BufferControl(self.buffer, input_processors=[hidden], focusable=True, key_bindings=self._bindings()),
            height=Dimension(min=1, max=4),
            wrap_lines=True,
            dont_extend_height=True,
            get_line_prefix=self._prefix,
        )
        self.container = ConditionalContainer(
            HSplit([self._heading(), self.window, Window(FormattedTextControl(self._keys), height=1)]),
            filter=Condition(lambda: self.active),
        )

    @property
    def active(self) -> bool:
        return self._future is not None

    async def ask(self, prompt: str, default: str = "", *, secret: bool = False) -> str:
        """One line of text; several questions wait for each other. Raises CancelledError when the person leaves."""
        async with self._lock:
            self._future = asyncio.get_running_loop().create_future()
            self._prompt, self._secret, self._shown = prompt, secret, False
            self.buffer.reset(Document(default))
            self._opened()
            try:
                return await self._future
            finally:
                self._future = None
                self.buffer.reset()  # a secret must not stay in the undo stack
                self._closed()

    def cancel(self) -> None:
        """Ends the question that waits, as if the person had left it."""
        if self._future is not None and not self._future.done():
            self._future.set_exception(CancelledError("Left unanswered."))

    def _heading(self) -> ConditionalContainer:
        """The rows of a long question, all but the last: that one stands before what is typed."""
        rows = FormattedTextControl(lambda: [("class:form.prompt", "\n".join(self._question()[:-1]))])
        above = Window(rows, dont_extend_height=True)
        return ConditionalContainer(above, filter=Condition(lambda: len(self._question()) > 1))

    def _question(self) -> list[str]:
        return wrap(self._prompt, max(self._columns() - 1, 1))

    def _prefix(self, line: int, wrapped: int) -> StyleAndTextTuples:
        return [("class:form.prompt", f"{self._question()[-1]} ")] if line == 0 and wrapped == 0 else []

    def _keys(self) -> StyleAndTextTuples:
        show = f" · Ctrl-T {'hides' if self._shown else 'shows'} it" if self._secret else ""
        return [("class:form.keys", f"Enter answers · Esc leaves{show}")]

    def _bindings(self) -> KeyBindings:
        keys = KeyBindings()
        here = has_focus(self.buffer)

        @keys.add("enter", filter=here)
        @keys.add("c-j", filter=here)
        def _(event: KeyPressEvent) -> None:
            if self._future is not None and not self._future.done():
                self._future.set_result(self.buffer.text)

        @keys.add("escape", filter=here, eager=True)
        @keys.add("c-c", filter=here)
        @keys.add("<sigint>", filter=here)
        def _(event: KeyPressEvent) -> None:
            self.cancel()

        @keys.add("c-d", filter=here & Condition(lambda: not self.buffer.text))
        def _(event: KeyPressEvent) -> None:
            self.cancel()

        @keys.add("c-t", filter=here & Condition(lambda: self._secret))
        def _(event: KeyPressEvent) -> None:
            self._shown = not self._shown

        @keys.add(Keys.BracketedPaste, filter=here)
        def _(event: KeyPressEvent) -> None:
            self.buffer.insert_text(" ".join(event.data.replace("\r\n", "\n").replace("\r", "\n").split("\n")).strip())

        return keys
