"""What the session tells, drawn on the screen: messages, replies as they grow, what was switched to, the toolbar."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from ei.commands.pull_rows import in_short
from ei.commands.words import spent
from ei.engine.events import (
    Elsewhere,
    Event,
    GivenBack,
    Leave,
    MessageSent,
    Opened,
    Pulling,
    QueueChanged,
    Refused,
    SettingsChanged,
    Told,
    TurnEnded,
    TurnNotice,
    TurnReasoning,
    TurnRetrying,
    TurnStarted,
    TurnSwitched,
    TurnText,
    TurnTextWasReasoning,
)
from ei.engine.session import Session
from ei.errors import EiError
from ei.models.interactions import REASONING
from ei.personas.values import BrokenPersona
from ei.terminal.pulls import PullRows
from ei.terminal.safe import safe
from ei.terminal.screen import Screen
from ei.terminal.theme import Theme
from ei.terminal.toolbar import Status
from ei.terminal.toolbar import toolbar as draw_toolbar
from ei.terminal.width import cell_width, clip, wrap
from ei.usage.values import Spent

NAMES_SECONDS = 1.0
"""How long names of personas are taken as they were: every drawing needs them, and they stand in files."""


class View:
    """Draws one session on one screen.

    theme: gives the theme in use. start: runs a coroutine beside the drawing.
    """

    def __init__(
        self,
        session: Session,
        theme: Callable[[], Theme],
        screen: Screen,
        start: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self.waiting = False
        """Whether a message waits its turn in the conversation in front."""
        self._session = session
        self._theme = theme
        self._screen = screen
        self._start = start
        self._replies: dict[str, Any] = {}
        self._names: Mapping[str, str] = {}
        self._names_until = 0.0
        self._spent = (Spent(), Spent())
        self._limit: int | None = None
        self._model = ""
        self._private = False
        self._instead: dict[str, tuple[str, str]] = {}
        self._looks = 0
        self._failures: set[str] = set()
        self._pulls = PullRows(screen, self.say)
        session.listen(self.take)

    def take(self, event: Event) -> None:
        """Draws what an event tells."""
        try:
            self._draw(event)
        except Exception as exc:
            # What cannot be drawn is no fault of the reply, which goes on and is kept; it is said once.
            if repr(exc) not in self._failures:
                self._failures.add(repr(exc))
                self.failed(exc)

    def say(self, text: str, style: str = "meta") -> None:
        """A line of the program's own."""
        self._screen.commit([self._theme().paint(row, style) for row in wrap(safe(text), self._screen.columns)])

    def complain(self, error: EiError) -> None:
        """What went wrong, and what to do."""
        self.say(error.sentence, "error")
        if error.hint:
            self.say(error.hint, "meta")

    def echo(self, text: str) -> None:
        """The command that was given."""
        self._screen.commit(["", self._theme().paint(clip(f"> {safe(text)}", self._screen.columns), "user")])

    def failed(self, error: BaseException) -> None:
        """One sentence for the person, the traceback for the log."""
        import traceback

        self._session.services.log("".join(traceback.format_exception(error)))
        path = self._session.services.config.paths.log
        self.say(f"Something went wrong in ei itself ({type(error).__name__}). The details are in {path}.", "error")

    def greet(self) -> None:
        """The first line of all, and what is amiss with settings and personas."""
        services = self._session.services
        entries = services.library.all()
        broken = [entry for entry in entries if isinstance(entry, BrokenPersona)]
        count = len(entries) - len(broken)
        self.say(f"ei · {count} persona{'s' if count != 1 else ''} · /help for commands")
        for entry in broken:
            self.say(f"{entry.name} is broken: {entry.error}", "error")
        for warning in services.config.current().warnings:
            self.say(warning, "warn")

    def prompt(self) -> list[tuple[str, str]]:
        """What stands before the input line."""
        name = self._session.persona.name
        style = self._theme().persona_style(name, tuple(dict.fromkeys(self.people().values())))
        return [(style, name), ("class:prompt", " ❯ ")]

    def toolbar(self, width: int) -> Any:
        """The line at the bottom, at most so wide."""
        session = self._session
        running = [r.info.speaker for id, r in session.running().items() if r.info and not self._is_front(id)]
        model, _, why = self._model.partition("\n")
        here, today = self._spent
        status = Status(
            session.persona.name,
            model,
            why,
            session.context_tokens,
            self._limit,
            spent(here.cost, here.unknown, here.calls),
            spent(today.cost, today.unknown, today.calls),
            session.unread,
            tuple(dict.fromkeys(running)),
            session.incognito,
            private=self._private,
            pulls=in_short(session.pulls.running),
        )
        return draw_toolbar(status, width)

    def forget_names(self) -> None:
        """Personas may have come or gone."""
        self._names_until = 0.0

    def people(self) -> Mapping[str, str]:
        """Names and aliases in lower case, with the persona's name."""
        if time.monotonic() >= self._names_until:
            personas = self._session.services.library.personas()
            self._names = {
                name.lower(): persona.name for persona in personas for name in (persona.name, *persona.aliases)
            }
            self._names_until = time.monotonic() + NAMES_SECONDS
        return self._names

    def look_at_model(self) -> None:
        """Notes which model would answer now, for the toolbar: as soon as it is known."""
        self._start(self._look_at_model())

    async def _look_at_model(self) -> None:
        session = self._session
        self._looks += 1
        look = self._looks
        once = session.pending_once
        private = self._private
        try:
            private = bool(await session.privacy())
            # In a thread: a tier is looked up among thousands of models.
            peek = session.services.chooser.peek
            request = session.request if once is None else once
            found = await session.in_thread(
                peek, session.persona, session.conversation, REASONING, request, private=private
            )
            why = found.rank.value if not found.path or found.reference.startswith("{") else found.reference
            seen = f"{found.model}\n{why if once is None else 'next reply'}"
        except EiError as exc:
            seen = f"{exc.sentence}\n"
        asked, answered = self._instead.get(session.conversation.id if session.conversation else "", ("", ""))
        if seen.startswith(f"{asked}\n") and asked:
            seen = f"{answered}\nfallback"
        if look == self._looks:
            self._model, self._private = seen, private
            self._screen.refresh()

    async def count(self) -> None:
        """Counts what was spent, for the toolbar."""
        session = self._session
        calls = session.services.calls
        with contextlib.suppress(EiError):
            today = await session.on_main(calls.spent_today)
            here = None
            if session.conversation is not None and not session.incognito:
                here = await session.on_main(calls.spent, conversation=session.conversation.id)
            self._spent = (here or Spent(), today)
            with contextlib.suppress(EiError):
                self._limit = await session.context_limit()
            await self._look_at_model()

    # Inside -----------------------------------------------------------------------------------------------------

    def _draw(self, event: Event) -> None:
        from ei.terminal import replies

        match event:
            case MessageSent(message):
                if self._is_front(message.conversation):
                    self._commit(replies.message_rows(self._look(), message, self._gutter(), self._screen.columns))
            case TurnStarted(turn):
                self._instead.pop(turn.conversation, None)
                live = self._replies[turn.conversation] = replies.LiveReply(turn, self._look)
                if self._is_front(turn.conversation):
                    self._commit(live.show(self._gutter(turn.speaker), self._screen.columns))
                    self._screen.set_tail(live.tail)
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
            case TurnSwitched(turn):
                self._replies[turn.conversation].switched(turn)
                self._instead[turn.conversation] = turn.instead_of, turn.model
                self.look_at_model()
            case TurnNotice(turn, text, quiet):
                if self._is_front(turn.conversation):
                    self._commit(self._replies[turn.conversation].notice(text, quiet=quiet))
                elif not quiet:
                    self.say(f"{turn.speaker}: {text}", "warn")
            case TurnEnded(turn, message, outcome, error):
                live = self._replies.pop(turn.conversation)
                if self._is_front(turn.conversation):
                    self._screen.set_tail(None)
                    rows = [] if live.shown else live.show(self._gutter(turn.speaker), self._screen.columns)
                    self._commit([*rows, *live.end(message, outcome, error)])
                elif error is not None:
                    self.say(f"{turn.speaker}: {error}", "error")
                self._start(self.count())
            case Refused(conversation, speaker, error):
                if self._is_front(conversation):
                    self.complain(error)
                else:
                    self.say(f"{speaker}: {error}", "error")
            case QueueChanged(conversation, waiting):
                if self._is_front(conversation):
                    self.waiting = bool(waiting)
                    self._screen.set_queued([message.text for message in waiting])
            case GivenBack(text):
                if text:
                    self._screen.set_text(text if not self._screen.text else f"{text}\n{self._screen.text}")
                self.waiting = False
                self._screen.set_queued(())
            case Opened():
                self._opened(event)
            case Elsewhere(conversation, messages):
                if self._is_front(conversation):
                    gutter = self._gutter(*(message.author for message in messages))
                    for message in messages:
                        self._commit(replies.message_rows(self._look(), message, gutter, self._screen.columns))
            case Told(text, style):
                if self._is_asking():
                    self._screen.commit([""])  # between a message and its reply
                self.say(text, {"dim": "meta"}.get(style, style))
            case Pulling(pull):
                self._pulls.take(pull)
            case SettingsChanged():
                self._screen.set_style(self._theme().prompt_styles())
                self.look_at_model()
            case Leave():
                self._screen.exit()

    def _opened(self, event: Opened) -> None:
        from ei.terminal import replies

        self._names_until = 0.0
        for live in self._replies.values():
            live.hide()
        self._screen.set_tail(None)
        self._screen.set_queued(())
        self.waiting = False
        rows = ["", self._rule(event.persona)]
        recap = int(str(self._session.services.config.last_good().get("display.recap")))
        live = self._replies.get(event.conversation) if event.conversation else None
        shown = [m for m in event.recap if live is None or m.id != live.turn.id]
        shown = shown[-recap:] if recap else []
        if event.total > len(shown) and event.total:
            left = event.total - len(shown)
            rows.append(self._theme().paint(f"… {left:,} earlier message{'s' if left != 1 else ''}", "meta"))
        gutter = self._gutter(*(message.author for message in shown))
        for message in shown:
            rows += replies.message_rows(self._look(), message, gutter, self._screen.columns)
        if live is not None:
            rows += live.show(self._gutter(live.turn.speaker), self._screen.columns)
            self._screen.set_tail(live.tail)
        self._commit(rows)
        self.look_at_model()
        self._start(self.count())

    def _is_front(self, conversation: str) -> bool:
        front = self._session.conversation
        return front is not None and front.id == conversation

    def _is_asking(self) -> bool:
        front = self._session.conversation
        running = self._session.running().get(front.id) if front is not None else None
        return running is not None and running.info is None

    def _commit(self, rows: Sequence[str]) -> None:
        if rows:
            self._screen.commit(rows)

    def _rule(self, name: str) -> str:
        theme = self._theme()
        line = max(self._screen.columns - cell_width(name) - 4, 2)
        title = (
            f"\x1b[{code}m{safe(name)}\x1b[0m"
            if (code := theme.persona(name, tuple(self.people().values())))
            else safe(name)
        )
        return f"{theme.paint('──', 'meta')} {title} {theme.paint('─' * line, 'meta')}"

    def _look(self) -> Any:
        from ei.terminal.replies import Look

        config = self._session.services.config.last_good()
        people = tuple(dict.fromkeys(self.people().values()))
        return Look(self._theme(), bool(config.get("display.reply_line")), str(config.get("display.reasoning")), people)

    def _gutter(self, *speakers: str) -> int:
        from ei.terminal.replies import gutter_of

        return gutter_of((self._session.persona.name, *speakers), self._screen.columns)
