"""`ei ask`: one question, one reply on stdout, an exit code; all else goes to stderr."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ei.app import build, configuration, open_session
from ei.conversations.values import State
from ei.engine.events import (
    Event,
    Refused,
    Told,
    TurnEnded,
    TurnNotice,
    TurnRetrying,
    TurnStarted,
    TurnText,
    TurnTextWasReasoning,
)
from ei.engine.session import Session
from ei.errors import ConfigError, EiError, ExitCode, UsageError
from ei.models.reference import parse
from ei.terminal.safe import Sanitizer, safe

LARGEST_FILE = 20_000_000


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    files: tuple[str, ...] = ()
    persona: str | None = None
    model: str | None = None
    resume: str | None = None
    json: bool = False
    no_save: bool = False


def ask(question: Question) -> int:
    """Asks and prints; returns the exit code. Raises EiError before anything was sent."""
    piped = "" if sys.stdin is None or sys.stdin.isatty() else _read_stdin()
    text = compose(question.text, piped, [(name, _read(name)) for name in question.files])
    if not text:
        raise UsageError("There is nothing to ask.", 'For example: ei ask "what is a puddle?"')
    return asyncio.run(_ask(question, text))


def compose(text: str, piped: str, files: list[tuple[str, str]]) -> str:
    """The question, then what came through the pipe, then each file under its name."""
    blocks = [text.strip(), piped.strip("\n")]
    blocks += [f"--- {name} ---\n{content.rstrip()}" for name, content in files]
    return "\n\n".join(block for block in blocks if block.strip())


async def _ask(question: Question, text: str) -> int:
    services = build(configuration())
    try:
        session = open_session(services, question.persona)
        if question.model is not None:
            session.once(str(parse(question.model, services.chooser.names())))
        return await _answer(session, question, text)
    finally:
        await services.providers.close()
        services.database.close()


async def _answer(session: Session, question: Question, text: str) -> int:
    printer = _Printer(question.json)
    session.listen(printer.take)
    loop = asyncio.get_running_loop()
    warm = asyncio.create_task(_warm(session, question))
    if question.no_save:
        once = session.pending_once
        await session.set_incognito(True)
        session.once(once)
    elif question.resume:
        once = session.pending_once
        await session.resume(question.resume)
        session.once(once)
    else:
        session.conversation = await session.db(session.store.create, session.persona.name)
    await session.send(text)
    assert session.conversation is not None
    id = session.conversation.id
    with contextlib.suppress(NotImplementedError, ValueError):
        loop.add_signal_handler(signal.SIGINT, lambda: session.stop(id))
    printer.on_closed = lambda: session.stop(id)
    try:
        ended = await session.finished(id)
    except EiError as exc:
        if question.json:
            print(json.dumps(_refused(session, question, exc), ensure_ascii=False))
            return int(exc.exit_code)
        raise
    finally:
        await warm
        await session.close()
    if question.json and not printer.closed:
        print(json.dumps(_data(ended, id, saved=not question.no_save), ensure_ascii=False), flush=True)
    return _code(ended, printer)


async def _warm(session: Session, question: Question) -> None:
    """Loads the SDK in a thread while the database and the files are read."""
    with contextlib.suppress(EiError):
        written = session.pending_once
        model = parse(written, session.services.chooser.names()) if written else None
        name = model.provider if model else (await session.resolution()).model.provider
        await asyncio.to_thread(session.services.providers.warm, name)


def _code(ended: TurnEnded, printer: _Printer) -> int:
    if printer.closed:
        return ExitCode.OK
    if ended.error is not None:
        if not printer.json:
            print(f"ei: {safe(ended.error.sentence)}", file=sys.stderr)
            if ended.error.hint:
                print(f"    {safe(ended.error.hint)}", file=sys.stderr)
        return ended.error.exit_code
    return ExitCode.CANCELLED if ended.message.state is State.CANCELLED else ExitCode.OK


def _data(ended: TurnEnded, conversation: str, *, saved: bool) -> Mapping[str, object]:
    usage, outcome, error = ended.outcome.usage, ended.outcome, ended.error
    return {
        "content": ended.message.text,
        "reasoning": ended.message.reasoning or None,
        "persona": ended.turn.speaker,
        "model": ended.turn.model,
        "reference": ended.turn.reference,
        "status": ended.message.state.value,
        "error": {"message": error.sentence, "hint": error.hint} if error else None,
        "usage": {
            "input_tokens": usage.input_tokens,
            "cached_tokens": usage.cached_tokens,
            "output_tokens": usage.output_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
            "estimated": usage.estimated,
        },
        "cost_usd": None if outcome.cost is None else outcome.cost / 1_000_000_000,
        "first_token_ms": outcome.first_token_ms,
        "total_ms": outcome.total_ms,
        "conversation_id": conversation if saved else None,
        "message_id": ended.message.id if saved else None,
    }


def _refused(session: Session, question: Question, error: EiError) -> Mapping[str, object]:
    return {
        "content": "",
        "reasoning": None,
        "persona": session.persona.name,
        "model": None,
        "reference": question.model,
        "status": "failed",
        "error": {"message": error.sentence, "hint": error.hint},
        "usage": None,
        "cost_usd": None,
        "first_token_ms": None,
        "total_ms": None,
        "conversation_id": session.conversation.id if session.conversation and not question.no_save else None,
        "message_id": None,
    }


class _Printer:
    """Writes the reply's text as it comes, made harmless; everything else to stderr."""

    def __init__(self, json: bool) -> None:
        self.json = json
        self.closed = False
        self.on_closed: Callable[[], object] = lambda: None
        self._sanitizer = Sanitizer()
        self._last = ""

    def take(self, event: Event) -> None:
        match event:
            case TurnStarted():
                self._sanitizer, self._last = Sanitizer(), ""
            case TurnText(_, text) if not self.json:
                self._write(self._sanitizer.feed(text))
            case TurnTextWasReasoning() if not self.json and self._last:
                self._note("what stands above was the model's reasoning")
            case TurnEnded() if not self.json:
                self._write(self._sanitizer.finish())
                if self._last and not self._last.endswith("\n"):
                    self._write("\n")
            case TurnNotice(_, text):
                self._note(text)
            case TurnRetrying(_, sentence, _):
                self._note(sentence)
            case Told(text, style) if style != "dim":
                self._note(text)
            case Refused():
                pass
            case _:
                pass

    def _write(self, text: str) -> None:
        if not text or self.closed:
            return
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
            self._last = text
        except BrokenPipeError:
            # Nobody reads on: what is not wanted is not paid for.
            self.closed = True
            self.on_closed()
            from ei.cli import drop_stdout

            drop_stdout()

    def _note(self, text: str) -> None:
        with contextlib.suppress(OSError):
            print(f"ei: {safe(text)}", file=sys.stderr, flush=True)


def _read_stdin() -> str:
    data = sys.stdin.buffer.read(LARGEST_FILE + 1)
    return _decode(data, "What came through the pipe")


def _read(name: str) -> str:
    try:
        with Path(name).expanduser().open("rb") as file:
            return _decode(file.read(LARGEST_FILE + 1), name)
    except OSError as exc:
        raise ConfigError(f"{name} cannot be read: {exc.strerror or exc}.", "Check its name.") from exc


def _decode(data: bytes, name: str) -> str:
    if len(data) > LARGEST_FILE:
        raise UsageError(f"{name} is larger than 20 MB.", "Send a part of it.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise UsageError(f"{name} is not UTF-8 text.", "Only text can be sent.") from exc
    if "\x00" in text:
        raise UsageError(f"{name} is not text.", "Only text can be sent.")
    return text
