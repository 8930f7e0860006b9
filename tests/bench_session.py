"""A session over a real database, real persona files and a real HTTP server: for tests of engine and commands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ei.app import build, open_session
from ei.commands.base import (
    Choice,
    Chosen,
    Comparing,
    Document,
    Form,
    Invocation,
    Line,
    Offer,
    Page,
    Progress,
    Reply,
    Table,
)
from ei.commands.parse import Use, parse_line, words_of
from ei.commands.table import all_commands
from ei.config import ConfigFile
from ei.conversations.values import Message
from ei.engine.events import Event, Told, TurnEnded, TurnNotice, TurnText
from ei.engine.services import Services
from ei.engine.session import Session
from ei.errors import NeedsAnswerError

T = TypeVar("T")
NOBODY = "http://127.0.0.1:9/v1"
"""Where nothing answers (the discard port)."""


class _Progress:
    def update(self, text: str) -> None:
        """Nobody looks."""


@dataclass
class ScriptedUi:
    """Answers what is asked from lists, and keeps what was asked and shown."""

    yes: list[bool] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    keys: list[str | Chosen | None] = field(default_factory=list)
    typed: list[Mapping[str, str] | None] = field(default_factory=list)
    """What is typed into forms: the lines that are changed."""
    forms: list[Form] = field(default_factory=list)
    edits: list[str | None] = field(default_factory=list)
    chosen: list[int | None] = field(default_factory=list)
    picked: list[int | None] = field(default_factory=list)
    compared: list[Comparing] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    offered: list[Sequence[Choice]] = field(default_factory=list)
    offers: list[Offer] = field(default_factory=list)
    pages: list[Sequence[Page]] = field(default_factory=list)
    shown: list[Reply] = field(default_factory=list)
    copied: list[str] = field(default_factory=list)
    interactive: bool = True

    def _take(self, question: str, answers: list[T]) -> T:
        self.asked.append(question)
        if not answers:
            raise NeedsAnswerError(f"Nobody answers: {question}")
        return answers.pop(0)

    async def confirm(self, question: str, details: Sequence[str] = ()) -> bool:
        return self._take("\n".join([question, *details]), self.yes)

    async def ask(self, prompt: str, default: str = "") -> str:
        return self._take(prompt, self.texts)

    async def secret(self, prompt: str) -> str:
        return self._take(prompt, self.texts)

    async def choose(self, title: str, choices: Sequence[Choice], current: str = "") -> str | None:
        self.offered.append(choices)
        taken = self._take(title, self.keys)
        return taken.key if isinstance(taken, Chosen) else taken

    async def pick(self, offer: Offer) -> Chosen | None:
        """A key alone was chosen by Enter."""
        self.offers.append(offer)
        self.offered.append(offer.choices)
        taken = self._take(offer.title, self.keys)
        return Chosen(taken) if isinstance(taken, str) else taken

    async def form(self, form: Form) -> Mapping[str, str] | None:
        """Raises AssertionError where something is wrong with what is typed."""
        self.forms.append(form)
        typed = self._take(form.title, self.typed)
        if typed is None:
            return None
        values = {field.key: typed.get(field.key, field.value) for field in form.fields}
        problems = [problem for field in form.fields if (problem := field.problem(values[field.key]))]
        problems.append(form.problem(values)[1])
        assert problems == [""], problems
        return values

    async def edit(self, text: str, suffix: str = ".md") -> str | None:
        return self._take(text, self.edits)

    async def edit_file(self, path: Path, line: int = 0) -> None:
        text = self._take(str(path), self.edits)
        if text is not None:
            path.write_text(text, "utf-8")

    async def browse(self, title: str, pages: Sequence[Page], index: int) -> int | None:
        self.pages.append(pages)
        return self._take(title, self.chosen)

    async def compare(self, comparing: Comparing) -> int | None:
        """Waits until all have ended."""
        self.compared.append(comparing)
        while comparing.running:  # noqa: ASYNC110 - the view looks at it now and then, too
            await asyncio.sleep(0.01)
        return self._take(comparing.title, self.picked)

    def answer(self, yes: bool) -> bool:
        return False

    def progress(self, label: str) -> AbstractContextManager[Progress]:
        return nullcontext(_Progress())

    def show(self, reply: Reply) -> None:
        self.shown.append(reply)

    async def copy(self, text: str) -> bool:
        self.copied.append(text)
        return True


class Bench:
    """A session with everything it told, and short ways to talk and to give commands."""

    def __init__(self, services: Services, session: Session) -> None:
        self.services = services
        self.session = session
        self.ui = ScriptedUi()
        self.events: list[Event] = []
        session.listen(self.events.append)

    async def say(self, text: str, to: str = "") -> Message:
        """Sends a text and gives the reply as it was stored. Raises what kept it from beginning."""
        await self.session.send(text, to)
        return (await self.ended()).message

    async def ended(self) -> TurnEnded:
        """Waits for the reply that is under way in the conversation in front."""
        assert self.session.conversation is not None
        return await self.session.finished(self.session.conversation.id)

    async def until(self, happened: Callable[[], bool]) -> None:
        """Waits until something told makes it so; at most 10 seconds."""
        async with asyncio.timeout(10):
            while not happened():  # noqa: ASYNC110 - what is waited for is of many kinds
                await asyncio.sleep(0.01)

    async def command(self, line: str, *, shell: bool = False, yes: bool = False) -> Reply:
        """Gives a slash command and returns its reply."""
        use = parse_line(line, all_commands())
        assert isinstance(use, Use), line
        call = Invocation(self.session, self.ui, use.text, words_of(use.text), yes=yes, shell=shell)
        return await use.command.run(call)

    async def path(self) -> list[tuple[str, str]]:
        """(author or "you", text) of the current path."""
        assert self.session.conversation is not None
        messages = await self.session.db(self.session.store.path, self.session.conversation.id)
        return [(message.author or "you", message.text) for message in messages]

    def told(self) -> list[str]:
        """Lines told outside replies, and notices inside them but for quiet ones."""
        told = (event for event in self.events if isinstance(event, Told | TurnNotice))
        return [event.text for event in told if isinstance(event, Told) or not event.quiet]

    def streamed(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TurnText))


def text_of(reply: Reply) -> str:
    """A reply as plain lines."""
    out: list[str] = []
    for item in reply.items:
        match item:
            case Line(text):
                out.append(text)
            case Table(_, rows):
                out += [" | ".join(row) for row in rows]
            case Document(text):
                out.append(text)
    return "\n".join(out)


def variables(home: Path, **more: str) -> dict[str, str]:
    """An environment of its own: folders below `home`, nothing that answers, and what is given."""
    return {
        "EI_DATA_PATH": str(home / "data"),
        "EI_CONFIG": str(home / "config"),
        "EI_LLM_BASE_URL": NOBODY,
        "EI_OLLAMA_BASE_URL": NOBODY,
        **more,
    }


@asynccontextmanager
async def bench(home: Path, persona: str | None = None, **more: str) -> AsyncIterator[Bench]:
    """A session in `home`; more: environment variables."""
    services = build(ConfigFile(variables(home, **more), None))
    session = open_session(services, persona)
    found = Bench(services, session)
    try:
        await session.open()
        yield found
    finally:
        await session.close()
        await services.providers.close()
        services.database.close()
