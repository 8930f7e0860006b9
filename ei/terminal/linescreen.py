"""The screen of a terminal that only takes lines (TERM=dumb, an editor's shell): the same calls, without drawing."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ParamSpec, TextIO, TypeVar

from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.formatted_text.utils import fragment_list_to_text

from ei.commands.base import Choice, Chosen, Comparing, Form, Offer, Reply
from ei.errors import CancelledError, NeedsAnswerError
from ei.platform import leaves_in_order, wait_for_input
from ei.terminal.background import Background
from ei.terminal.cards import Card, Cards
from ei.terminal.editor import edit_file, edit_text, editor_command
from ei.terminal.frames import Status, Tail
from ei.terminal.numbered import Numbered
from ei.terminal.pager import Page
from ei.terminal.scrollback import plain
from ei.terminal.theme import Theme

P = ParamSpec("P")
T = TypeVar("T")
COLUMNS = 80
_QUIET_SECONDS = 0.2
"""The prompt comes back when nothing was printed for so long."""

_CHUNK = 65536
_LEAVE_SECONDS = 2.0
_ANSWERS = {"y": True, "yes": True, "/yes": True, "n": False, "no": False, "/no": False}


class LineScreen:
    """Reads lines and prints rows; takes the arguments of `Screen` and leaves out what it cannot do."""

    def __init__(
        self,
        *,
        prompt: Callable[[], StyleAndTextTuples],
        on_submit: Callable[[str], None],
        on_interrupt: Callable[[], bool] = lambda: False,
        on_error: Callable[[BaseException], None] | None = None,
        editor: str | None = None,
        source: TextIO | None = None,
        target: TextIO | None = None,
        **_: Any,
    ) -> None:
        self._prompt = prompt
        self._on_submit = on_submit
        self._on_interrupt = on_interrupt
        self._on_error = on_error
        self._editor = editor
        self._source = source or sys.stdin
        self._target = target or sys.stdout
        self._cards = Cards(lambda: None)
        self._asked: asyncio.Future[str] | None = None
        self._lock = asyncio.Lock()
        self._reading = threading.Lock()
        self._left: asyncio.Event | None = None
        self._prompting: asyncio.TimerHandle | None = None
        self._at_prompt = False
        self._unfinished = False
        self._interrupted_at = float("-inf")

    @property
    def columns(self) -> int:
        return COLUMNS

    @property
    def text(self) -> str:
        """Always "": what is being typed is the terminal's own until Enter."""
        return ""

    def set_text(self, text: str) -> None:
        """Says what would be put on the input line; it cannot be put there."""
        if text:
            self.commit([f"Not sent: {text}"])

    def insert(self, text: str) -> None:
        self.set_text(text)

    def commit(self, rows: Sequence[str]) -> None:
        """Prints rows without their colours."""
        self._write(("\n" if self._at_prompt else "") + "".join(f"{plain(row).rstrip()}\n" for row in rows))
        self._at_prompt = False
        self._ask_again()

    def set_tail(self, source: Tail | None) -> None:
        """Rows are printed once they are finished; until the last one is, no prompt comes between them."""
        self._unfinished = source is not None
        self._ask_again()

    def set_queued(self, texts: Sequence[str]) -> None:
        """Nothing: what is typed stays where it was typed."""

    def set_style(self, style: Mapping[str, str]) -> None:
        """Nothing: there are no colours."""

    def refresh(self) -> None:
        """Nothing: nothing is drawn twice."""

    def hint(self, text: str, seconds: float = _LEAVE_SECONDS) -> None:
        self.commit([text])

    def send(self, sequence: str) -> None:
        """Nothing: the terminal knows no sequences."""

    def clear(self) -> None:
        """Nothing: what was printed stays."""

    async def background(self, timeout: float = 1.0) -> Background | None:
        return None

    def status(self, label: str) -> AbstractContextManager[Status]:
        """Says the label once."""

        @contextlib.contextmanager
        def said() -> Iterator[Status]:
            self.commit([f"{label} …"])
            yield Status(label, lambda: None)

        return said()

    @property
    def pending_card(self) -> Card | None:
        return self._cards.current

    def answer_card(self, yes: bool) -> bool:
        return self._cards.answer(yes)

    async def confirm(self, question: str, details: Sequence[str] = ()) -> bool:
        self.commit([question, *details, "(yes or no)"])
        return await self._cards.ask(question, details)

    async def ask(self, prompt: str, default: str = "") -> str:
        """The next line; an empty one means the default. Raises CancelledError on Ctrl-C."""
        async with self._lock:
            self.commit([f"{prompt} [{default}]" if default else prompt])
            self._asked = asyncio.get_running_loop().create_future()
            try:
                return await self._asked or default
            finally:
                self._asked = None

    async def secret(self, prompt: str) -> str:
        """Refused: what is typed here would be shown. Raises NeedsAnswerError."""
        raise NeedsAnswerError("This terminal cannot hide what is typed.", "Set the key in the environment instead.")

    async def choose(self, title: str, choices: Sequence[Choice], current: str = "") -> str | None:
        """A numbered list; an empty line leaves it."""
        chosen = await self.pick(Offer(title, choices, current))
        return None if chosen is None else chosen.key

    async def pick(self, offer: Offer) -> Chosen | None:
        """The same, narrowed by words; the name of a way behind the number chooses in that way."""
        listed = Numbered(offer)
        self.commit(listed.rows())
        while answer := (await self.ask(listed.prompt)).strip():
            chosen = listed.answer(answer)
            if chosen is not None:
                return chosen
            self.commit(listed.rows())
        return None

    async def form(self, form: Form) -> Mapping[str, str] | None:
        """One question after the other; what may not be shown is not asked for."""
        from ei.terminal.form_lines import by_lines

        return await by_lines(form, lambda text: self.commit([text]), self.ask, None)

    async def view(self, title: str, rows: Sequence[str] | Tail) -> None:
        self.commit([title, *(rows(COLUMNS) if callable(rows) else rows)])

    async def browse(self, pages: Sequence[Page], index: int = 0) -> int | None:
        """All pages one after the other, then a number."""
        for number, page in enumerate(pages, 1):
            rows = page.rows(COLUMNS) if callable(page.rows) else page.rows
            self.commit([f"[{number}] {page.title}", *rows, ""])
        answer = (await self.ask("Number, empty to leave:")).strip()
        return int(answer) - 1 if answer.isdecimal() and 0 < int(answer) <= len(pages) else None

    async def compare(self, comparing: Comparing, theme: Theme) -> int | None:
        """All replies one after the other once they have ended, then a number."""
        from ei.commands.comparing import answers
        from ei.terminal.tables import render_reply

        while comparing.running:  # noqa: ASYNC110 - a terminal of lines shows nothing meanwhile
            await asyncio.sleep(_QUIET_SECONDS)
        self.commit(render_reply(Reply(answers(comparing.columns, numbered=True)), COLUMNS, theme))
        numbers = {str(n): n - 1 for n, column in enumerate(comparing.columns, 1) if column.pickable}
        while numbers and (answer := (await self.ask("Number to go on with, empty to leave:")).strip()):
            if answer in numbers:
                return numbers[answer]
        return None

    async def edit(self, text: str, suffix: str = ".md") -> str | None:
        edited = await asyncio.to_thread(self._alone, edit_text, editor_command(self._editor), text, suffix)
        return None if edited == text else edited

    async def edit_file(self, path: Path, line: int = 0) -> None:
        await asyncio.to_thread(self._alone, edit_file, editor_command(self._editor), path, line)

    async def run(self) -> None:
        """Reads lines until `exit` or the end of the input."""
        loop = asyncio.get_running_loop()
        self._left = asyncio.Event()
        # A thread that waits for a line cannot be stopped; a daemon does not hold up the end.
        threading.Thread(target=self._read, args=(loop,), daemon=True).start()
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(signal.SIGINT, self._interrupt)
        self._ask_again()
        try:
            with leaves_in_order(loop, self.exit):
                await self._left.wait()
        finally:
            with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
                loop.remove_signal_handler(signal.SIGINT)
            if self._prompting is not None:
                self._prompting.cancel()
            self._cards.cancel(CancelledError("The program is being left."))

    def exit(self) -> None:
        if self._left is not None:
            self._left.set()

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        # The loop may be closed by then.
        with contextlib.suppress(RuntimeError):
            for line in self._lines():
                loop.call_soon_threadsafe(self._line, line)
            loop.call_soon_threadsafe(self.exit)

    def _lines(self) -> Iterator[str]:
        """What is typed, line by line, but for what is typed while `_alone` works."""
        rest, decoder = "", codecs.getincrementaldecoder(self._source.encoding or "utf-8")(errors="replace")
        # OSError: the terminal went away.
        with contextlib.suppress(OSError), open(self._source.fileno(), "rb", buffering=0, closefd=False) as source:
            while True:
                wait_for_input(source.fileno())
                with self._reading:
                    # Whoever held the lock meanwhile may have read it.
                    if not wait_for_input(source.fileno(), 0):
                        continue
                    data = source.read(_CHUNK)
                if not data:
                    break
                *lines, rest = (rest + decoder.decode(data)).split("\n")
                for line in lines:
                    yield line.rstrip("\r")
        if rest:
            yield rest

    def _alone(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Does work that reads the terminal itself, in a thread."""
        with self._reading:
            return work(*args, **kwargs)

    def _line(self, line: str) -> None:
        self._at_prompt = False
        self._ask_again()
        if self._asked is not None and not self._asked.done():
            self._asked.set_result(line)
        elif self._cards.current is not None and (answer := _ANSWERS.get(line.strip().lower())) is not None:
            self._cards.answer(answer)
        elif line.strip():
            try:
                self._on_submit(line)
            except Exception as error:
                if self._on_error is None:
                    raise
                self._on_error(error)

    def _interrupt(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._asked is not None and not self._asked.done():
            self._asked.set_exception(CancelledError("Left unanswered."))
        elif not self._on_interrupt():
            if now - self._interrupted_at <= _LEAVE_SECONDS:
                self.exit()
                return
            self._interrupted_at = now
            self.commit(["Ctrl-C again leaves"])

    def _ask_again(self) -> None:
        if self._left is None or self._at_prompt:
            return
        if self._prompting is not None:
            self._prompting.cancel()
        if self._unfinished:
            return
        self._prompting = asyncio.get_running_loop().call_later(_QUIET_SECONDS, self._show_prompt)

    def _show_prompt(self) -> None:
        self._write(fragment_list_to_text(self._prompt()))
        self._at_prompt = True

    def _write(self, text: str) -> None:
        encoding = self._target.encoding or "utf-8"
        with contextlib.suppress(OSError):  # the terminal went away
            self._target.write(text.encode(encoding, errors="replace").decode(encoding))
            self._target.flush()
