"""What takes the whole terminal for a while: full-screen pages, the editor, the shell after Ctrl-Z."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from prompt_toolkit.application import Application
from prompt_toolkit.application.current import set_app
from prompt_toolkit.application.run_in_terminal import in_terminal
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import BaseStyle

from ei.commands.base import Chosen, Comparing, Form, Offer
from ei.platform import can_suspend, suspend

if TYPE_CHECKING:
    from ei.terminal.device import Device
    from ei.terminal.pager import Page
    from ei.terminal.scrollback import LiveRenderer
    from ei.terminal.theme import Theme

# The picker, the pages and the editor are not needed before the prompt: they are imported where they are used.

Result = TypeVar("Result")


class Takeover:
    """Gives the terminal of an application away, to one after the other, and takes it back.

    The live part is erased meanwhile and comes back as it was; what is committed meanwhile is printed then.
    """

    def __init__(
        self,
        app: Application[Any],
        renderer: LiveRenderer,
        style: Callable[[], BaseStyle],
        color_depth: ColorDepth | None,
        editor: str | None,
    ) -> None:
        self._app = app
        self._renderer = renderer
        self._style = style
        self._color_depth = color_depth
        self._editor = editor
        self._terminal = asyncio.Lock()
        self._page: Application[Any] | None = None
        self._stopped = False

    @property
    def active(self) -> bool:
        """Whether somebody else has the terminal now."""
        return self._terminal.locked()

    async def pick(self, offer: Offer) -> Chosen | None:
        import gc

        from ei.terminal.picker import Rows, picker

        began = asyncio.get_running_loop().time()
        rows = Rows(offer)
        # While thousands of rows are held a full collection takes longer than a key may: they are left out of it, and
        # what became garbage meanwhile is collected once the page is closed.
        gc.freeze()
        try:
            return await self._full_screen(lambda device: picker(device, rows), began)
        finally:
            gc.unfreeze()
            gc.collect()
            gc.freeze()

    async def browse(self, pages: Sequence[Page], index: int, *, choosing: bool) -> int | None:
        from ei.terminal.pager import pager

        return await self._full_screen(lambda device: pager(device, pages, index, choosing=choosing))

    async def compare(self, comparing: Comparing, theme: Theme) -> int | None:
        from ei.terminal.comparing import comparison

        return await self._full_screen(lambda device: comparison(device, comparing, theme))

    async def form(self, form: Form) -> Mapping[str, str] | None:
        from ei.terminal.form_page import form_page

        return await self._full_screen(lambda device: form_page(device, form))

    async def edit(self, text: str, suffix: str) -> str | None:
        from ei.terminal.editor import edit_text, editor_command

        command = editor_command(self._editor)
        async with self._given_away():
            edited = await asyncio.to_thread(edit_text, command, text, suffix)
        return None if edited == text else edited

    async def edit_file(self, path: Path, line: int = 0) -> None:
        from ei.terminal.editor import edit_file, editor_command

        command = editor_command(self._editor)
        async with self._given_away():
            await asyncio.to_thread(edit_file, command, path, line)

    async def suspend(self) -> None:
        """Stops the program until the shell continues it; nothing where the platform cannot."""
        if can_suspend():
            async with self._given_away():
                self._stopped = True
                suspend()

    def was_suspended(self) -> bool:
        """Whether it was `suspend` that stopped the program which goes on now; asked once each time it goes on."""
        stopped, self._stopped = self._stopped, False
        return stopped or self.active

    def leave_page(self) -> None:
        """Closes the full-screen page that is open, without a result."""
        page = self._page
        if page is not None and page.future is not None and not page.future.done():
            page.exit()

    @contextlib.asynccontextmanager
    async def _given_away(self) -> AsyncIterator[None]:
        async with self._terminal:
            with set_app(self._app):
                async with in_terminal():
                    self._renderer.away = True
                    try:
                        yield
                    finally:
                        self._renderer.away = False

    async def _full_screen(self, make: Callable[[Device], Application[Result]], began: float | None = None) -> Result:
        """Runs a page. began: when, by the loop's clock, this use of the terminal did; None for now."""
        from ei.terminal.device import Device

        # A lone Escape is told apart by a timer of the application that read it; one that still runs would take
        # the first key of the page.
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(self._app.ttimeoutlen * 1.2 - (now - (now if began is None else began)))
        async with self._given_away():
            self._page = page = make(Device(self._app.input, self._app.output, self._style(), self._color_depth))
            try:
                return await page.run_async(set_exception_handler=False, handle_sigint=False)
            finally:
                self._page = None
