"""The chat: what the person types takes effect in the session, line by line; what the session tells is the view's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from ei.commands.base import Command, Invocation
from ei.commands.parse import Say, parse_line, words_of
from ei.commands.table import all_commands
from ei.engine.events import GivenBack
from ei.engine.session import Session
from ei.errors import CancelledError, EiError, StorageError
from ei.storage.ids import short
from ei.terminal.passphrase import by_ui
from ei.terminal.screen import Screen
from ei.terminal.suggest import suggester
from ei.terminal.theme import Theme
from ei.terminal.ui import TerminalUi
from ei.terminal.view import View

HISTORY = 1000
ORDER_SECONDS = 5.0
"""How long a line may hold up the next one where it neither ends nor waits for somebody."""
RECLAIM_SECONDS = 15.0
SEND_SECONDS = 2.0
"""How long leaving waits for a message that is being stored."""
WELCOMED = "welcomed"


class Themes(Protocol):
    """Gives the theme in use; `find_background` asks the terminal, and tells whether that changed the theme."""

    def __call__(self) -> Theme: ...

    async def find_background(self, screen: Screen) -> bool: ...


class Repl:
    """One person at one terminal.

    theme: gives the theme in use. screen: where it is drawn, and whose callbacks lead here.
    """

    def __init__(self, session: Session, theme: Themes, screen: Screen) -> None:
        self.session = session
        self.screen = screen
        self.begun = False
        self.ui = TerminalUi(screen, theme)
        session.may_cost_more = self.ui.confirm
        self._theme = theme
        self._commands: tuple[Command, ...] = all_commands()
        self._suggest = suggester(session, self._commands)
        self._work: asyncio.Queue[str] = asyncio.Queue()
        self._order: asyncio.Task[None] | None = None
        self._unsent: dict[asyncio.Task[Any], str] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._typed: list[str] = []
        self._ending = False
        self._commanding: asyncio.Future[Any] | None = None
        self.view = View(session, theme, screen, self._start)

    async def begin(self, conversation: str | None = None, *, incognito: bool = False) -> None:
        """Goes to where the conversation is, and takes lines from now on. Raises EiError where it cannot."""
        session = self.session
        session.services.keys.passphrase = by_ui(self.ui)
        if conversation is not None:
            await session.db(session.store.find, conversation)
        self.view.greet()
        if incognito:
            await session.set_incognito(True)
        else:
            await session.open(None, conversation)
        self.begun = True
        self._order = self._start(self._in_order())
        self._start(self._after_prompt())
        self._start(self._reclaim())

    async def end(self) -> None:
        """Stops what runs, keeping its text, closes everything, and prints how to come back."""
        session = self.session
        self._ending = True
        if self._order is not None:
            self._order.cancel()
        if self._unsent:
            await asyncio.wait(tuple(self._unsent), timeout=SEND_SECONDS)
        await self._drop_tasks()
        await session.close()
        await self._drop_tasks()  # those that the last replies began when they ended
        for text in (*self._unsent.values(), *(self._work.get_nowait() for _ in range(self._work.qsize()))):
            self.view.say(f"Not sent: {text}", "warn")
        if self.begun and session.conversation is not None and not session.incognito:
            self.view.say(f"To come back here: ei --resume {short(session.conversation.id)}", "meta")
        await session.services.providers.close()
        session.services.database.close()

    async def _drop_tasks(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # What the person does -----------------------------------------------------------------------------------

    def submit(self, text: str) -> None:
        """Takes a line; lines take effect in the order typed."""
        self._typed.append(text)
        self._work.put_nowait(text)

    async def _in_order(self) -> None:
        while True:
            text = await self._work.get()
            goes_on = asyncio.Event()
            waits = asyncio.ensure_future(goes_on.wait())
            line = self._start(self._line(text, goes_on.set))
            self._unsent[line] = text
            await asyncio.wait(
                {line, waits},
                timeout=ORDER_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
            waits.cancel()

    async def _line(self, text: str, goes_on: Callable[[], None]) -> None:
        """Does what the line says. goes_on: called where the next line need not wait for the end of this one."""
        try:
            said = parse_line(text, self._commands, self.view.people())
        except EiError as exc:
            self._taken()
            self.view.echo(text)
            self.view.complain(exc)
            return
        try:
            if isinstance(said, Say):
                await self._send(text, said)
            elif not self._ending:
                self._taken()
                self.view.echo(text)
                await self._command(said.command, said.text, goes_on)
        except EiError as exc:
            self.view.complain(exc)
        except asyncio.CancelledError:
            raise
        except Exception as exc:
            self._taken()
            self.view.failed(exc)

    def _taken(self) -> None:
        """The line of this task had its effect, or the person was told why not."""
        task = asyncio.current_task()
        if task is not None:
            self._unsent.pop(task, None)

    async def _send(self, text: str, said: Say) -> None:
        try:
            await self.session.send(said.text, said.to)
            self._taken()
        except EiError as exc:
            if self._ending:  # there is no input line any more: `end` says what was not sent
                self.view.complain(exc)
                return
            # Nothing that was typed is lost: what could not be kept is on the input line again.
            self._taken()
            self.screen.set_text(text if not self.screen.text else f"{text}\n{self.screen.text}")
            self.view.complain(exc)

    async def _command(self, command: Command, text: str, goes_on: Callable[[], None]) -> None:
        why = command.available(self.session) if command.available else ""
        if why:
            self.view.say(why, "warn")
            return
        call = Invocation(self.session, TerminalUi(self.screen, self._theme, goes_on), text, words_of(text))
        self._commanding = work = asyncio.ensure_future(command.run(call))
        try:
            reply = await work
            self.view.forget_names()
        except CancelledError:
            self.view.say("Left as it was.", "meta")
            return
        except asyncio.CancelledError:
            if work.cancelled() and not self._ending:
                self.view.say("Stopped.", "meta")
                return
            raise
        self.ui.show(reply)
        self.view.look_at_model()

    def complete(self, before: str) -> Sequence[tuple[str, str, int]]:
        """What Tab offers after that text."""
        return self._suggest(before)

    def interrupt(self) -> bool:
        """Stops the reply in front, or a command, takes back what waits, or stops the pull begun last.

        False when there was none of it.
        """
        if self.session.stop():
            return True
        if self._commanding is not None and not self._commanding.done() and self.screen.pending_card is None:
            self._commanding.cancel()
            return True
        if self.view.waiting:
            self._start(self._give_back())
            return True
        pulls = self.session.pulls.running
        if pulls and not self.screen.text and self.screen.pending_card is None:
            self._start(self._stop_pull(pulls[-1].name))
            return True
        return False

    async def _stop_pull(self, name: str) -> None:
        await self.session.pulls.stop(name)

    async def _give_back(self) -> None:
        self.view.take(GivenBack(await self.session.give_back()))

    def history(self) -> Sequence[str]:
        stored = self.session.services.conversations.recent_inputs(HISTORY)
        return [*reversed(stored), *self._typed]

    # Beside it ----------------------------------------------------------------------------------------------

    async def _after_prompt(self) -> None:
        """What the first reply will need, loaded while the person reads or types."""
        session = self.session
        await asyncio.sleep(0.05)
        if await self._theme.find_background(self.screen):
            self.screen.set_style(self._theme().prompt_styles())
        found = await session.services.chooser.look(private=bool(await session.privacy()))
        self.view.look_at_model()
        await self.view.count()
        state = session.services.state
        # Where it cannot be read or kept, the next message says so.
        with contextlib.suppress(StorageError):
            if await session.on_main(state.get, WELCOMED) is None and not self._typed:
                from ei.terminal.welcome import welcome

                self.ui.show(welcome(session, found))
                await session.on_main(state.set, WELCOMED, True)
        with contextlib.suppress(EiError):
            name = (await session.resolution()).model.provider
            await asyncio.to_thread(self._load, name)
        from ei.engine.syncing import keep_synced

        # A chat may be left open for days.
        await keep_synced(session.services, lambda news: self.view.say(news.text, "warn"))

    def _load(self, provider: str) -> None:
        from ei.terminal.markdown import render

        render("```python\npass\n```", 40, self._theme())
        with contextlib.suppress(EiError):
            self.session.services.providers.warm(provider)
            if not self.session.services.chooser.stays_here(provider):
                from ei.models.metadata import known
                from ei.models.reference import ModelId

                known(ModelId(provider, ""))  # the price list is read when it is first asked

    async def _reclaim(self) -> None:
        """Ends what another ei left behind when it was killed, and takes up deletions that could not finish."""
        store = self.session.services.conversations
        with contextlib.suppress(EiError):
            await self.session.on_main(store.clean_up)
        while True:
            with contextlib.suppress(EiError):
                await self.session.on_main(store.reclaim)
            await asyncio.sleep(RECLAIM_SECONDS)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.view.failed(error)
