"""The chat: what the person types goes to the session, what the session tells is drawn on the screen."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

from ei.commands.base import Command, Invocation
from ei.commands.conversation import short
from ei.commands.parse import Say, Use, parse_line, words_of
from ei.commands.table import all_commands
from ei.engine.events import (
    Elsewhere,
    Event,
    GivenBack,
    Leave,
    MessageSent,
    Opened,
    QueueChanged,
    Refused,
    SettingsChanged,
    Told,
    TurnEnded,
    TurnNotice,
    TurnReasoning,
    TurnRetrying,
    TurnStarted,
    TurnText,
    TurnTextWasReasoning,
)
from ei.engine.session import Session
from ei.errors import CancelledError, EiError
from ei.models.interactions import REASONING
from ei.terminal.safe import safe
from ei.terminal.screen import Screen
from ei.terminal.suggest import suggester
from ei.terminal.theme import Theme
from ei.terminal.toolbar import Status, spent
from ei.terminal.toolbar import toolbar as draw_toolbar
from ei.terminal.ui import TerminalUi
from ei.terminal.width import clip, wrap
from ei.usage.values import Spent

HISTORY = 1000
ORDER_SECONDS = 5.0
"""How long a line may hold up the next one where it neither ends nor waits for somebody."""
RECLAIM_SECONDS = 15.0
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
        self._theme = theme
        self._commands: tuple[Command, ...] = all_commands()
        self._suggest = suggester(session, self._commands)
        self._replies: dict[str, Any] = {}
        self._work: asyncio.Queue[str] = asyncio.Queue()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._spent = (Spent(), Spent())
        self._limit: int | None = None
        self._typed: list[str] = []
        self._model = ""
        self._waiting = False
        self._ending = False
        self._failures: set[str] = set()
        self._commanding: asyncio.Future[Any] | None = None
        session.listen(self._hear)

    async def begin(self, conversation: str | None = None, *, incognito: bool = False) -> None:
        """Goes to where the conversation is, and takes lines from now on. Raises EiError where it cannot."""
        session = self.session
        if conversation is not None:
            await session.db(session.store.find, conversation)
        self._say(self._banner(), "meta")
        for warning in session.services.config.current().warnings:
            self._say(warning, "warn")
        if incognito:
            await session.set_incognito(True)
        else:
            await session.open(None, conversation)
        self.begun = True
        self._start(self._in_order())
        self._start(self._after_prompt())
        self._start(self._reclaim())

    async def end(self) -> None:
        """Stops what runs, keeping its text, closes everything, and prints how to come back."""
        session = self.session
        self._ending = True
        await self._drop_tasks()
        await session.close()
        await self._drop_tasks()  # those that the last replies began when they ended
        while not self._work.empty():
            self._say(f"Not sent: {self._work.get_nowait()}", "warn")
        if self.begun and session.conversation is not None and not session.incognito:
            self._say(f"To come back here: ei --resume {short(session.conversation.id)}", "meta")
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
            await asyncio.wait(
                {self._start(self._line(text, goes_on.set)), waits},
                timeout=ORDER_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
            waits.cancel()

    async def _line(self, text: str, goes_on: Callable[[], None]) -> None:
        """Does what the line says. goes_on: called where the next line need not wait for the end of this one."""
        try:
            said = parse_line(text, self._commands, self._people())
        except EiError as exc:
            self._echo(text)
            self._complain(exc)
            return
        try:
            if isinstance(said, Use):
                self._echo(text)
                await self._command(said.command, said.text, goes_on)
            else:
                await self._send(text, said)
        except EiError as exc:
            self._complain(exc)
        except asyncio.CancelledError:
            raise
        except Exception as exc:
            self.failed(exc)

    async def _send(self, text: str, said: Say) -> None:
        try:
            await self.session.send(said.text, said.to)
        except EiError as exc:
            # Nothing that was typed is lost: what could not be kept is on the input line again.
            self.screen.set_text(text if not self.screen.text else f"{text}\n{self.screen.text}")
            self._complain(exc)

    async def _command(self, command: Command, text: str, goes_on: Callable[[], None]) -> None:
        why = command.available(self.session) if command.available else ""
        if why:
            self._say(why, "warn")
            return
        call = Invocation(self.session, TerminalUi(self.screen, self._theme, goes_on), text, words_of(text))
        self._commanding = work = asyncio.ensure_future(command.run(call))
        try:
            reply = await work
        except CancelledError:
            self._say("Left as it was.", "meta")
            return
        except asyncio.CancelledError:
            if work.cancelled() and not self._ending:
                self._say("Stopped.", "meta")
                return
            raise
        self.ui.show(reply)
        self._look_at_model()

    def complete(self, before: str) -> Sequence[tuple[str, str, int]]:
        """What Tab offers after that text."""
        return self._suggest(before)

    def interrupt(self) -> bool:
        """Stops the reply in front, or a command, or takes back what waits; False when there was none of it."""
        if self.session.stop():
            return True
        if self._commanding is not None and not self._commanding.done() and self.screen.pending_card is None:
            self._commanding.cancel()
            return True
        if self._waiting:
            self._start(self._give_back())
            return True
        return False

    async def _give_back(self) -> None:
        self._take(GivenBack(await self.session.give_back()))

    def _people(self) -> Mapping[str, str]:
        out: dict[str, str] = {}
        for persona in self.session.services.library.personas():
            for name in (persona.name, *persona.aliases):
                out[name.lower()] = persona.name
        return out

    def history(self) -> Sequence[str]:
        stored = self.session.services.conversations.recent_inputs(HISTORY)
        return [*reversed(stored), *self._typed]

    # What the session tells ---------------------------------------------------------------------------------

    def _hear(self, event: Event) -> None:
        try:
            self._take(event)
        except Exception as exc:
            # What cannot be drawn is no fault of the reply, which goes on and is kept; it is said once.
            if repr(exc) not in self._failures:
                self._failures.add(repr(exc))
                self.failed(exc)

    def _take(self, event: Event) -> None:
        from ei.terminal import replies

        match event:
            case MessageSent(message):
                if self._is_front(message.conversation):
                    self._commit(replies.message_rows(self._look(), message, self._gutter(), self.screen.columns))
            case TurnStarted(turn):
                live = self._replies[turn.conversation] = replies.LiveReply(turn, self._look)
                if self._is_front(turn.conversation):
                    self._commit(live.show(self._gutter(turn.speaker), self.screen.columns))
                    self.screen.set_tail(live.tail)
            case TurnText(turn, text):
                self._commit(self._replies[turn.conversation].text(text))
            case TurnReasoning(turn, text):
                self._replies[turn.conversation].reasoning(text)
            case TurnTextWasReasoning(turn):
                self._commit(self._replies[turn.conversation].text_was_reasoning())
            case TurnRetrying(turn, sentence, seconds):
                live = self._replies[turn.conversation]
                live.waiting(seconds)
                if self._is_front(turn.conversation):
                    self._commit(live.notice(sentence))
            case TurnNotice(turn, text):
                if self._is_front(turn.conversation):
                    self._commit(self._replies[turn.conversation].notice(text))
                else:
                    self._say(f"{turn.speaker}: {text}", "warn")
            case TurnEnded(turn, message, outcome, error):
                live = self._replies.pop(turn.conversation)
                if self._is_front(turn.conversation):
                    self.screen.set_tail(None)
                    rows = [] if live.shown else live.show(self._gutter(turn.speaker), self.screen.columns)
                    self._commit([*rows, *live.end(message, outcome, error)])
                elif error is not None:
                    self._say(f"{turn.speaker}: {error}", "error")
                self._start(self._count())
            case Refused(conversation, speaker, error):
                if self._is_front(conversation):
                    self._complain(error)
                else:
                    self._say(f"{speaker}: {error}", "error")
            case QueueChanged(conversation, waiting):
                if self._is_front(conversation):
                    self._waiting = bool(waiting)
                    self.screen.set_queued([message.text for message in waiting])
            case GivenBack(text):
                if text:
                    self.screen.set_text(text if not self.screen.text else f"{text}\n{self.screen.text}")
                self._waiting = False
                self.screen.set_queued(())
            case Opened():
                self._opened(event)
            case Elsewhere(conversation, messages):
                if self._is_front(conversation):
                    gutter = self._gutter(*(message.author for message in messages))
                    for message in messages:
                        self._commit(replies.message_rows(self._look(), message, gutter, self.screen.columns))
            case Told(text, style):
                self._say(text, {"dim": "meta"}.get(style, style))
            case SettingsChanged():
                self.screen.set_style(self._theme().prompt_styles())
                self._look_at_model()
            case Leave():
                self.screen.exit()

    def _opened(self, event: Opened) -> None:
        from ei.terminal import replies

        for live in self._replies.values():
            live.hide()
        self.screen.set_tail(None)
        self.screen.set_queued(())
        self._waiting = False
        rows = ["", self._rule(event.persona)]
        recap = int(str(self.session.services.config.last_good().get("display.recap")))
        live = self._replies.get(event.conversation) if event.conversation else None
        shown = [m for m in event.recap if live is None or m.id != live.turn.id]
        shown = shown[-recap:] if recap else []
        if event.total > len(shown) and event.total:
            left = event.total - len(shown)
            rows.append(self._theme().paint(f"… {left:,} earlier message{'s' if left != 1 else ''}", "meta"))
        gutter = self._gutter(*(message.author for message in shown))
        for message in shown:
            rows += replies.message_rows(self._look(), message, gutter, self.screen.columns)
        if live is not None:
            rows += live.show(self._gutter(live.turn.speaker), self.screen.columns)
            self.screen.set_tail(live.tail)
        self._commit(rows)
        self._look_at_model()
        self._start(self._count())

    # What is drawn ------------------------------------------------------------------------------------------

    def _is_front(self, conversation: str) -> bool:
        front = self.session.conversation
        return front is not None and front.id == conversation

    def _commit(self, rows: Sequence[str]) -> None:
        if rows:
            self.screen.commit(rows)

    def _say(self, text: str, style: str = "meta", indent: int = 0) -> None:
        width = max(self.screen.columns - indent, 20)
        rows = [" " * indent + self._theme().paint(row, style) for row in wrap(safe(text), width)]
        self.screen.commit(rows)

    def _complain(self, error: EiError) -> None:
        self._say(error.sentence, "error")
        if error.hint:
            self._say(error.hint, "meta")

    def _echo(self, text: str) -> None:
        self.screen.commit(["", self._theme().paint(clip(f"> {safe(text)}", self.screen.columns), "user")])

    def failed(self, error: BaseException) -> None:
        """One sentence for the person, the traceback for the log."""
        import traceback

        self.session.services.log("".join(traceback.format_exception(error)))
        path = self.session.services.config.paths.log
        self._say(f"Something went wrong in ei itself ({type(error).__name__}). The details are in {path}.", "error")

    def _banner(self) -> str:
        count = len(self.session.services.library.all())
        return f"ei · {count} persona{'s' if count != 1 else ''} · /help for commands"

    def _rule(self, name: str) -> str:
        theme = self._theme()
        line = max(self.screen.columns - len(name) - 4, 2)
        title = (
            f"\x1b[{code}m{safe(name)}\x1b[0m"
            if (code := theme.persona(name, tuple(self._people().values())))
            else safe(name)
        )
        return f"{theme.paint('──', 'meta')} {title} {theme.paint('─' * line, 'meta')}"

    def _look(self) -> Any:
        from ei.terminal.replies import Look

        config = self.session.services.config.last_good()
        people = tuple(dict.fromkeys(self._people().values()))
        return Look(self._theme(), bool(config.get("display.reply_line")), str(config.get("display.reasoning")), people)

    def _gutter(self, *speakers: str) -> int:
        from ei.terminal.replies import gutter_of

        return gutter_of((self.session.persona.name, *speakers), self.screen.columns)

    def prompt(self) -> list[tuple[str, str]]:
        name = self.session.persona.name
        style = self._theme().persona_style(name, tuple(dict.fromkeys(self._people().values())))
        return [(style, name), ("class:prompt", " ❯ ")]

    def toolbar(self, width: int) -> Any:
        session = self.session
        running = [r.info.speaker for id, r in session.running().items() if r.info and not self._is_front(id)]
        model, _, why = self._model.partition("\n")
        here, today = self._spent
        status = Status(
            session.persona.name,
            model,
            why,
            session.context_tokens,
            self._limit,
            spent(here.cost, here.unknown),
            spent(today.cost, today.unknown),
            session.unread,
            tuple(dict.fromkeys(running)),
            session.incognito,
        )
        return draw_toolbar(status, width)

    def _look_at_model(self) -> None:
        session = self.session
        try:
            found = session.services.chooser.peek(session.persona, session.conversation, REASONING)
            self._model = f"{found.model}\n{found.rank.value}"
        except EiError as exc:
            self._model = f"{exc.sentence}\n"
        if session.pending_once is not None:
            self._model = f"{session.pending_once}\nnext reply"
        self.screen.refresh()

    # Beside it ----------------------------------------------------------------------------------------------

    async def _after_prompt(self) -> None:
        """What the first reply will need, loaded while the person reads or types."""
        session = self.session
        await asyncio.sleep(0.05)
        if await self._theme.find_background(self.screen):
            self.screen.set_style(self._theme().prompt_styles())
        found = await session.services.chooser.look()
        self._look_at_model()
        await self._count()
        if session.services.state.get(WELCOMED) is None and not self._typed:
            from ei.terminal.welcome import welcome

            self.ui.show(welcome(session, found))
            session.services.state.set(WELCOMED, True)
        with contextlib.suppress(EiError):
            name = (await session.resolution()).model.provider
            await asyncio.to_thread(self._load, name)
        from ei.engine.syncing import sync_if_old

        for news in await sync_if_old(session.services):
            self._say(news.text, "warn")

    def _load(self, provider: str) -> None:
        from ei.terminal.markdown import render

        render("```python\npass\n```", 40, self._theme())
        with contextlib.suppress(EiError):
            self.session.services.providers.warm(provider)

    async def _count(self) -> None:
        session = self.session
        calls = session.services.calls
        with contextlib.suppress(EiError):
            today = await session.on_main(calls.spent_today)
            here = None
            if session.conversation is not None and not session.incognito:
                here = await session.on_main(calls.spent, conversation=session.conversation.id)
            self._spent = (here or Spent(), today)
            self._limit = await session.context_limit()
            self._look_at_model()

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
            self.failed(error)
