"""The live screen: replies go up, questions wait, and the input line is always alive."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.cursor_shapes import ModalCursorShapeConfig
from prompt_toolkit.document import Document
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.input import Input
from prompt_toolkit.input.typeahead import store_typeahead
from prompt_toolkit.input.vt100_parser import Vt100Parser
from prompt_toolkit.key_binding.key_processor import KeyPress
from prompt_toolkit.output import ColorDepth, Output
from prompt_toolkit.styles import BaseStyle, Style

from ei.commands.base import Choice, Chosen, Comparing, Form, Offer
from ei.errors import CancelledError
from ei.platform import leaves_in_order, told_when_continued
from ei.terminal.background import Background, by_asking
from ei.terminal.cards import Card, Cards
from ei.terminal.completion import Complete, FunctionCompleter
from ei.terminal.folds import Folds
from ei.terminal.forms import Question
from ei.terminal.frames import Frames, Status, Tail
from ei.terminal.keys import Actions, input_bindings
from ei.terminal.layout import STYLE, build_layout
from ei.terminal.scrollback import LiveRenderer
from ei.terminal.takeover import Takeover
from ei.terminal.typed import Typed
from ei.terminal.width import clip, install

if TYPE_CHECKING:
    from ei.terminal.pager import Page
    from ei.terminal.theme import Theme

_LEAVE_SECONDS = 2.0
_QUEUED_ROWS = 5
_ANSWERS = {"/yes": True, "yes": True, "y": True, "/no": False, "no": False, "n": False}


class Screen:
    """A terminal with a scrollback, a live tail, cards, and an input line.

    prompt, toolbar: prompt_toolkit fragments, (style, text) pairs; toolbar gets the width.
    complete: see completion.Complete. history: what was typed before, the newest last; asked once, when needed.
    on_submit: gets each text that is sent. on_interrupt: Ctrl-C; tells whether it stopped something.
    on_error: gets what a callback raised. editor: the command that $VISUAL or $EDITOR gives.
    reflows: whether the terminal wraps anew what it shows when its window changes. frames: whether to mark frames.
    typed: keys that were pressed before there was a screen, as a terminal sends them. gap: empty rows above the
    input line.
    All methods belong to the event loop's thread.
    """

    def __init__(
        self,
        *,
        prompt: Callable[[], StyleAndTextTuples],
        toolbar: Callable[[int], StyleAndTextTuples],
        on_submit: Callable[[str], None],
        on_interrupt: Callable[[], bool] = lambda: False,
        on_picker: Callable[[], None] = lambda: None,
        on_error: Callable[[BaseException], None] | None = None,
        complete: Complete | None = None,
        history: Callable[[], Sequence[str]] = tuple,
        style: Mapping[str, str] | None = None,
        editing_mode: Literal["emacs", "vi"] = "emacs",
        ctrl_j: Literal["newline", "send"] = "newline",
        editor: str | None = None,
        input: Input | None = None,
        output: Output | None = None,
        color_depth: ColorDepth | None = None,
        reflows: bool = True,
        frames: bool = True,
        typed: str = "",
        gap: int = 0,
    ) -> None:
        install()  # prompt_toolkit measures text as the rest of the screen does
        self._prompt = prompt
        self._toolbar = toolbar
        self._on_submit = on_submit
        self._on_interrupt = on_interrupt
        self._on_error = on_error
        self._left = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._queued: tuple[str, ...] = ()
        self._statuses: list[Status] = []
        self._hint = ("", 0.0)
        self._interrupted_at = float("-inf")
        self._folds = Folds()
        self._history = Typed(history)
        self._cards = Cards(self.refresh)
        self._form = Question(self._focus_form, self._focus_input, lambda: self.columns)
        self._buffer = Buffer(
            multiline=True,
            history=self._history,
            completer=FunctionCompleter(complete) if complete else None,
            name="input",
        )
        actions = Actions(
            submit=self._submit,
            interrupt=self._interrupt,
            leave=self.exit,
            picker=on_picker,
            editor=lambda: self._start(self._edit_input()),
            clear=self.clear,
            suspend=lambda: self._start(self._takeover.suspend()),
            paste=self._paste,
            answer=self.answer_card,
            takes_answers=self._cards.takes_keys,
        )
        self._layout = build_layout(
            buffer=self._buffer,
            bindings=input_bindings(self._buffer, actions, ctrl_j_sends=ctrl_j == "send"),
            form=self._form,
            folds=self._folds,
            prompt=prompt,
            cards=lambda: self._cards.fragments(self._rows() // 3, self.columns),
            status=lambda: self._frames.status_rows(),
            queued=self._queued_rows,
            toolbar=self._toolbar_row,
            rows=self._rows,
        )
        self._app: Application[None] = Application(
            layout=self._layout,
            style=_style(style),
            include_default_pygments_style=False,
            editing_mode=EditingMode.VI if editing_mode == "vi" else EditingMode.EMACS,
            erase_when_done=True,
            color_depth=color_depth,
            cursor=ModalCursorShapeConfig() if editing_mode == "vi" else None,
            input=input,
            output=output,
        )
        self._app.ttimeoutlen = 0.05
        self._app.renderer = self._renderer = LiveRenderer(
            self._app.renderer.style, self._app.output, reflows=reflows, frames=frames
        )
        self._frames = Frames(self._app, self._renderer, gap)
        if typed:
            _press(self._app, typed)
        self._takeover = Takeover(
            self._app, self._renderer, lambda: self._app.style or _style(None), color_depth, editor
        )

    # What is drawn

    @property
    def columns(self) -> int:
        """The width of the terminal in cells."""
        return self._frames.columns

    def commit(self, rows: Sequence[str]) -> None:
        """Puts ANSI rows (without line ends) into the scrollback, above everything that is alive.

        A row may be wider than the terminal, which then wraps it. Before `run` rows wait; after it they are printed.
        """
        self._frames.commit(rows)

    def set_tail(self, source: Tail | None) -> None:
        """Shows the rows that source(width) gives, asked at most 20 times a second; None takes the tail away."""
        self._frames.set_tail(source)

    def set_queued(self, texts: Sequence[str]) -> None:
        """Shows messages that wait to be sent, dimmed, one row each."""
        self._queued = tuple(texts)
        self.refresh()

    def set_style(self, style: Mapping[str, str]) -> None:
        """Takes other styles for the live part."""
        self._app.style = _style(style)
        self._renderer.redraw()
        self.refresh()

    def refresh(self) -> None:
        """Draws the live part again: the prompt or the toolbar has something new to say."""
        self._app.invalidate()

    def hint(self, text: str, seconds: float = _LEAVE_SECONDS) -> None:
        """Shows a few words instead of the toolbar for a while."""
        loop = asyncio.get_running_loop()
        self._hint = (text, loop.time() + seconds)
        loop.call_later(seconds + 0.01, self.refresh)
        self.refresh()

    def send(self, sequence: str) -> None:
        """Sends the terminal a sequence that draws nothing and moves nothing (a clipboard, a title)."""
        self._app.output.write_raw(sequence)
        self._app.output.flush()

    async def background(self, timeout: float = 1.0) -> Background | None:
        """Asks the terminal whether it is dark or light, while typing goes on; None when it does not tell."""
        return await by_asking(self._app.input, self._app.output, timeout)

    def clear(self) -> None:
        """Clears the screen and keeps the live part."""
        self._renderer.clear()
        self.refresh()

    def status(self, label: str) -> AbstractContextManager[Status]:
        """Shows a line of progress while the block runs."""
        return self._frames.status(label)

    # The input line

    @property
    def text(self) -> str:
        """What is typed and not sent, folds opened."""
        return self._folds.expand(self._buffer.text)

    def set_text(self, text: str) -> None:
        """Replaces what is typed; the cursor goes to its end. Can be undone by the person."""
        self._buffer.save_to_undo_stack()
        self._buffer.document = Document(text, len(text))
        self.refresh()

    def insert(self, text: str) -> None:
        """Inserts text at the cursor."""
        self._buffer.insert_text(text)

    # Questions

    @property
    def pending_card(self) -> Card | None:
        """The question that waits for yes or no, or None."""
        return self._cards.current

    def answer_card(self, yes: bool) -> bool:
        """Answers the oldest question that waits; False when there is none."""
        return self._cards.answer(yes)

    async def confirm(self, question: str, details: Sequence[str] = ()) -> bool:
        """A card above the input line: y, n on an empty line, or a typed /yes, /no settles it."""
        return await self._cards.ask(question, details)

    async def ask(self, prompt: str, default: str = "") -> str:
        """One line of text, asked in place of the input line. Raises CancelledError when the person leaves it."""
        return await self._form.ask(prompt, default)

    async def secret(self, prompt: str) -> str:
        """One line that shows as dots (Ctrl-T shows it). Raises CancelledError when the person leaves it."""
        return await self._form.ask(prompt, secret=True)

    async def choose(self, title: str, choices: Sequence[Choice], current: str = "") -> str | None:
        """A full-screen list, narrowed by typing; the key of the row, or None when the person left."""
        chosen = await self.pick(Offer(title, choices, current))
        return None if chosen is None else chosen.key

    async def pick(self, offer: Offer) -> Chosen | None:
        """The same with columns, and with more keys that choose."""
        return await self._takeover.pick(offer)

    async def form(self, form: Form) -> Mapping[str, str] | None:
        """Lines to type into, full-screen; what was typed by their keys, or None when the person left."""
        return await self._takeover.form(form)

    async def view(self, title: str, rows: Sequence[str] | Tail) -> None:
        """Rows to scroll through, full-screen."""
        from ei.terminal.pager import Page

        await self._takeover.browse((Page(title, rows),), 0, choosing=False)

    async def browse(self, pages: Sequence[Page], index: int = 0) -> int | None:
        """Pages to leaf through, full-screen; the one on which Enter was pressed, or None."""
        return await self._takeover.browse(pages, index, choosing=True)

    async def compare(self, comparing: Comparing, theme: Theme) -> int | None:
        """Replies side by side while they come, full-screen; the one that was picked, or None."""
        return await self._takeover.compare(comparing, theme)

    async def edit(self, text: str, suffix: str = ".md") -> str | None:
        """Opens the editor on text; None when nothing was changed. Raises ConfigError without an editor."""
        return await self._takeover.edit(text, suffix)

    async def edit_file(self, path: Path, line: int = 0) -> None:
        """Opens the editor on a file. Raises ConfigError without an editor."""
        await self._takeover.edit_file(path, line)

    # Running

    async def run(self) -> None:
        """Shows the screen until `exit`. A terminal that goes away ends it too."""
        loop = asyncio.get_running_loop()
        before = loop.get_exception_handler()
        if self._on_error is not None:
            loop.set_exception_handler(self._report)
        try:
            self._frames.start()
            # EOFError, OSError: the terminal went away.
            with (
                leaves_in_order(loop, self.exit),
                told_when_continued(loop, self._continued),
                contextlib.suppress(EOFError, OSError),
            ):
                if not self._left:
                    await self._app.run_async(set_exception_handler=False)
        finally:
            loop.set_exception_handler(before)
            self._cards.cancel(CancelledError("The program is being left."))
            self._form.cancel()
            for task in list(self._tasks):
                task.cancel()
            with contextlib.suppress(OSError):
                self._frames.stop()

    def exit(self) -> None:
        """Takes the live part away and ends `run`."""
        self._left = True
        self._takeover.leave_page()
        self._frames.finish()
        if self._app.is_running and self._app.future is not None and not self._app.future.done():
            self._app.exit()

    # Rows

    def _rows(self) -> int:
        return self._app.output.get_size().rows

    def _queued_rows(self) -> StyleAndTextTuples:
        rows = [clip(f"queued  {' '.join(text.split())}", self.columns) for text in self._queued[:_QUEUED_ROWS]]
        if len(self._queued) > _QUEUED_ROWS:
            rows.append(f"… and {len(self._queued) - _QUEUED_ROWS} more")
        return [("class:queued", "\n".join(rows))] if rows else []

    def _toolbar_row(self) -> StyleAndTextTuples:
        text, until = self._hint
        if text and asyncio.get_running_loop().time() < until:
            return [("class:hint", f" {text}")]
        return self._toolbar(self.columns)

    # Keys

    def _submit(self) -> None:
        text = self.text
        if not text.strip():
            return
        if (answer := _ANSWERS.get(text.strip().lower())) is not None and self.answer_card(answer):
            self._buffer.reset()
            return
        self._history.remember(text)
        self._buffer.reset()
        self._folds.clear()
        self._on_submit(text)

    def _paste(self, data: str) -> None:
        text = data.replace("\r\n", "\n").replace("\r", "\n")
        text = "".join(char for char in text if char in "\n\t" or (ord(char) >= 32 and not 127 <= ord(char) < 160))
        self._buffer.insert_text(self._folds.fold(text))

    def _interrupt(self) -> None:
        if self._takeover.active or self._on_interrupt():
            return
        if self._buffer.text:
            self.set_text("")
            return
        if self.answer_card(False):
            return
        now = asyncio.get_running_loop().time()
        if now - self._interrupted_at <= _LEAVE_SECONDS:
            self.exit()
            return
        self._interrupted_at = now
        self.hint("Ctrl-C again leaves")

    async def _edit_input(self) -> None:
        text = self.text
        edited = await self.edit(text)
        if edited is not None:
            self.set_text(edited)

    def _continued(self) -> None:
        """Somebody else stopped us: the shell has used the terminal since."""
        if not self._takeover.was_suspended():
            self._app.input.raw_mode().__enter__()  # the one of the run gives the terminal back at its end
            self._renderer.forget()
            self.refresh()

    def _focus_form(self) -> None:
        self._layout.focus(self._form.window)
        self.refresh()

    def _focus_input(self) -> None:
        self._layout.focus(self._buffer)
        self.refresh()

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            if self._on_error is None:
                raise error
            self._on_error(error)

    def _report(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        assert self._on_error is not None
        self._on_error(error if isinstance(error, BaseException) else RuntimeError(str(context.get("message"))))


def _press(app: Application[Any], typed: str) -> None:
    """Makes these keys the first that the application gets; what the terminal showed of them on this row goes away."""
    keys: list[KeyPress] = []
    parser = Vt100Parser(keys.append)
    parser.feed(typed)
    parser.flush()
    store_typeahead(app.input, keys)
    app.output.write_raw("\r\x1b[K")


def _style(style: Mapping[str, str] | None) -> BaseStyle:
    return Style.from_dict({**STYLE, **(style or {})})
