"""How a command asks on the live screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from ei.commands.base import Choice, Chosen, Comparing, Form, Offer, Page, Progress, Reply
from ei.terminal import pager
from ei.terminal.clipboard import copy_text
from ei.terminal.safe import safe
from ei.terminal.screen import Screen
from ei.terminal.theme import Theme
from ei.terminal.width import wrap


class TerminalUi:
    """The Ui of ei.commands.base on a Screen.

    theme: gives the theme in use now. waits: called where somebody is waited for, so that other lines need not.
    """

    def __init__(self, screen: Screen, theme: Callable[[], Theme], waits: Callable[[], None] = lambda: None) -> None:
        self._screen = screen
        self._theme = theme
        self._waits = waits

    @property
    def interactive(self) -> bool:
        return True

    async def confirm(self, question: str, details: Sequence[str] = ()) -> bool:
        """Waits for the answer on a card; the question stays in the scrollback with it."""
        self._waits()
        yes = await self._screen.confirm(safe(question), [safe(line) for line in details])
        told = wrap(f"{safe(question)} {'yes' if yes else 'no'}", self._screen.columns)
        self._screen.commit([self._theme().paint(row, "dim") for row in told])
        return yes

    def answer(self, yes: bool) -> bool:
        return self._screen.answer_card(yes)

    async def ask(self, prompt: str, default: str = "") -> str:
        self._waits()
        return await self._screen.ask(safe(prompt), default)

    async def secret(self, prompt: str) -> str:
        self._waits()
        return await self._screen.secret(safe(prompt))

    async def choose(self, title: str, choices: Sequence[Choice], current: str = "") -> str | None:
        chosen = await self.pick(Offer(title, choices, current))
        return None if chosen is None else chosen.key

    async def pick(self, offer: Offer) -> Chosen | None:
        """What a row holds is made harmless when it is drawn: of thousands most never are."""
        self._waits()
        return await self._screen.pick(offer)

    async def form(self, form: Form) -> Mapping[str, str] | None:
        self._waits()
        return await self._screen.form(form)

    async def edit(self, text: str, suffix: str = ".md") -> str | None:
        self._waits()
        return await self._screen.edit(text, suffix)

    async def edit_file(self, path: Path, line: int = 0) -> None:
        self._waits()
        await self._screen.edit_file(path, line)

    async def browse(self, title: str, pages: Sequence[Page], index: int) -> int | None:
        drawn = [pager.Page(f"{safe(title)} · {safe(page.title)}", partial(self._draw, page)) for page in pages]
        self._waits()
        return await self._screen.browse(drawn, index)

    async def compare(self, comparing: Comparing) -> int | None:
        self._waits()
        return await self._screen.compare(comparing, self._theme())

    def progress(self, label: str) -> AbstractContextManager[Progress]:
        self._waits()
        return self._screen.status(safe(label))

    def show(self, reply: Reply) -> None:
        from ei.terminal.tables import render_reply

        self._screen.commit(render_reply(reply, self._screen.columns, self._theme()))

    async def copy(self, text: str) -> bool:
        return await copy_text(text, self._screen.send)

    def _draw(self, page: Page, width: int) -> Sequence[str]:
        from ei.terminal.markdown import render

        return render(page.text, width, self._theme())
