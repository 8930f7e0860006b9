"""`ei ask`: one question, one reply on stdout, an exit code; all else goes to stderr."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ei.app import build, configuration, hiding_keys, open_session
from ei.cli import drop_stdout, printing
from ei.commands.shell import as_typed, json_text
from ei.commands.which import reference_typed
from ei.conversations.values import State
from ei.engine.events import (
    Event,
    Told,
    TurnEnded,
    TurnNotice,
    TurnRetrying,
    TurnStarted,
    TurnText,
    TurnTextWasReasoning,
)
from ei.engine.session import Session
from ei.errors import CancelledError, EiError, ExitCode, NeedsAnswerError, UsageError
from ei.models.interactions import REASONING
from ei.platform import leaves_in_order
from ei.terminal.passphrase import by_ui
from ei.terminal.safe import Sanitizer, safe

LARGEST_FILE = 20_000_000
POLL_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and of whom. files: paths of what is sent along; resume: the conversation that goes on.
    yes: another model may answer that costs more."""

    text: str
    files: tuple[str, ...] = ()
    persona: str | None = None
    model: str | None = None
    resume: str | None = None
    json: bool = False
    no_save: bool = False
    yes: bool = False


def ask(question: Question) -> int:
    """Asks and prints; returns the exit code. Raises EiError for what went wrong, unless it was printed as JSON."""
    asked = _Asked(question)
    try:
        piped = "" if sys.stdin is None or sys.stdin.isatty() else _read_stdin()
        text = compose(question.text, piped, [(name, _read(name)) for name in question.files])
        if not text:
            raise UsageError("There is nothing to ask.", 'For example: ei ask "what is a puddle?"')
        return asyncio.run(_ask(asked, text))
    except EiError as exc:
        if not question.json and isinstance(exc, CancelledError):
            return int(exc.exit_code)  # who stops it knows why it ended
        if not question.json or asked.printed:
            raise
        with printing():
            print(json_text(_refused(asked, exc), sys.stdout.encoding))
        return int(exc.exit_code)


def compose(text: str, piped: str, files: list[tuple[str, str]]) -> str:
    """The question, then what came through the pipe, then each file under its name."""
    blocks = [text.strip(), piped.strip("\n")]
    blocks += [f"--- {name} ---\n{content.rstrip()}" for name, content in files]
    return "\n\n".join(block for block in blocks if block.strip())


@dataclass
class _Asked:
    """How far it got: what a failure can tell. printed: nothing more may go to stdout."""

    question: Question
    session: Session | None = None
    printed: bool = False

    @property
    def conversation(self) -> str | None:
        conversation = self.session.conversation if self.session else None
        return conversation.id if conversation and not self.question.no_save else None


async def _ask(asked: _Asked, text: str) -> int:
    question = asked.question
    services = build(configuration())
    try:
        session = asked.session = open_session(services, question.persona if question.resume is None else None)
        if sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty():
            from ei.terminal.asking import AskingUi

            services.keys.passphrase = by_ui(AskingUi(yes=False, quiet=question.json))
        with _stoppable(session), hiding_keys(services):
            try:
                ended = await _answer(asked, session, text)
            finally:
                await session.close()
    except asyncio.CancelledError:
        raise CancelledError("Stopped.") from None
    finally:
        await services.providers.close()
        services.database.close()
    return ended


@contextlib.contextmanager
def _stoppable(session: Session) -> Iterator[None]:
    """Ctrl-C, and being told to end, stop the reply and keep its text."""
    loop, whole = asyncio.get_running_loop(), asyncio.current_task()
    assert whole is not None

    def stop() -> None:
        if not session.stop():
            whole.cancel()

    # Where a loop knows no signals it cancels the whole task itself, which keeps the text as well.
    with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
        loop.add_signal_handler(signal.SIGINT, stop)
    with leaves_in_order(loop, stop):
        yield


async def _answer(asked: _Asked, session: Session, text: str) -> int:
    question = asked.question
    printer = _Printer(question.json, session.stop)
    session.listen(printer.take)
    session.may_cost_more = _agree if question.yes else _nobody_agrees
    names = session.services.chooser.names()
    model = None if question.model is None else reference_typed(question.model, names)
    guest = await _sit_down(session, question)
    if model is not None:
        session.once(model)
    await _warm(session, guest)
    await session.send(text, guest)
    assert session.conversation is not None
    ended = await session.finished(session.conversation.id)
    asked.printed = True
    if question.json and not printer.closed:
        data = session.services.keys.redactor.hide_in(_data(ended, asked.conversation))
        with printing():
            print(json_text(data, sys.stdout.encoding))
    return _code(ended, printer)


async def _agree(question: str, details: Sequence[str]) -> bool:
    return True


async def _nobody_agrees(question: str, details: Sequence[str]) -> bool:
    raise NeedsAnswerError(" ".join([*details, question]), "Nobody can be asked here: add --yes to agree.")


async def _sit_down(session: Session, question: Question) -> str:
    """Puts the conversation in front in which it is asked; gives the name of the guest who is asked, or ""."""
    if question.resume is None:
        if question.no_save:
            await session.set_incognito(True)
        else:
            # One of its own, so that the talk that is going on in the chat stays as it is.
            session.conversation = await session.db(session.store.create, session.persona.name)
        return ""
    if question.no_save:
        raise UsageError("--resume goes on in a conversation that is saved.", "Leave --resume or --no-save out.")
    await session.db(session.store.reclaim)
    await session.join(question.resume)
    assert session.conversation is not None
    if await session.busy(session.conversation.id):
        _note("Another ei is answering in this conversation; waiting for it.")
        while await session.busy(session.conversation.id):
            await asyncio.sleep(POLL_SECONDS)
            await session.db(session.store.reclaim)
    if question.persona is None:
        return ""
    return session.services.library.find(question.persona).name


async def _warm(session: Session, guest: str) -> None:
    """Loads the SDK in a thread while the database writes; where nothing is set, only a look tells which."""
    try:
        chooser, library = session.services.chooser, session.services.library
        speaker = library.get(guest) if guest else session.persona
        request = session.pending_once
        if any(c.written is not None for c in chooser.candidates(speaker, session.conversation, REASONING, request)):
            found = await chooser.resolve(speaker, session.conversation, REASONING, request)
            await asyncio.to_thread(session.services.providers.warm, found.model.provider)
    except EiError:
        pass  # the reply itself says so
    finally:
        # What was loaded stays: looking through it for garbage again and again would be for nothing.
        gc.freeze()
        gc.enable()


def _code(ended: TurnEnded, printer: _Printer) -> int:
    if printer.closed:
        return ExitCode.OK
    if printer.error is not None:
        raise printer.error
    if ended.error is not None:
        if not printer.json:
            raise ended.error
        return ended.error.exit_code
    return ExitCode.CANCELLED if ended.message.state is State.CANCELLED else ExitCode.OK


def _data(ended: TurnEnded, conversation: str | None) -> Mapping[str, object]:
    usage, outcome, error = ended.outcome.usage, ended.outcome, ended.error
    return {
        "content": ended.message.text,
        "reasoning": ended.message.reasoning or None,
        "persona": ended.turn.speaker,
        "model": ended.turn.model,
        "reference": ended.turn.reference,
        "status": ended.message.state.value,
        "error": _told(error) if error else None,
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
        "conversation_id": conversation,
        "message_id": ended.message.id if conversation else None,
    }


def _refused(asked: _Asked, error: EiError) -> Mapping[str, object]:
    """The same names for what ended before a reply began."""
    return {
        "content": "",
        "reasoning": None,
        "persona": asked.session.persona.name if asked.session else asked.question.persona,
        "model": None,
        "reference": asked.question.model,
        "status": "cancelled" if isinstance(error, CancelledError) else "failed",
        "error": _told(error),
        "usage": dict.fromkeys(("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens"))
        | {"estimated": False},
        "cost_usd": None,
        "first_token_ms": None,
        "total_ms": None,
        "conversation_id": asked.conversation,
        "message_id": None,
    }


def _told(error: EiError) -> Mapping[str, str]:
    return {"message": error.sentence, "hint": as_typed(error.hint)}


class _Printer:
    """Writes the reply's text as it comes, made harmless; everything else to stderr.

    stop: called when what is printed reaches nobody. closed: the reader is gone; error: it cannot be printed.
    """

    def __init__(self, json: bool, stop: Callable[[], object]) -> None:
        self.json = json
        self.closed = False
        self.error: EiError | None = None
        self._stop = stop
        self._sanitizer = Sanitizer()
        self._last = ""

    def take(self, event: Event) -> None:
        match event:
            case TurnStarted():
                self._sanitizer, self._last = Sanitizer(), ""
            case TurnText(_, text) if not self.json:
                self._write(self._sanitizer.feed(text))
            case TurnTextWasReasoning() if not self.json and self._last:
                self._write("" if self._last.endswith("\n") else "\n")
                _note("What stands above was the model's reasoning.")
            case TurnEnded() if not self.json:
                self._stop = _nothing  # what is recorded now is not to be broken off
                self._write(self._sanitizer.finish())
                if self._last and not self._last.endswith("\n"):
                    self._write("\n")
            case TurnNotice(_, text, False) | TurnRetrying(_, text, _):
                _note(text)
            case Told(text, style) if style != "dim":
                _note(text)
            case _:
                pass

    def _write(self, text: str) -> None:
        if not text or self.closed or self.error:
            return
        try:
            with printing():
                sys.stdout.write(text)
            self._last = text
        except BrokenPipeError:
            # Nobody reads on: what is not wanted is not paid for.
            self.closed = True
            drop_stdout()
            self._stop()
        except EiError as exc:
            self.error = exc
            self._stop()


def _nothing() -> None:
    pass


def _note(text: str) -> None:
    with contextlib.suppress(OSError):
        print(f"ei: {safe(as_typed(text))}", file=sys.stderr, flush=True)


def _read_stdin() -> str:
    try:
        data = sys.stdin.buffer.read(LARGEST_FILE + 1)
    except OSError as exc:
        raise UsageError(f"What comes through the pipe cannot be read: {exc.strerror or exc}.") from exc
    return _decode(data, "What came through the pipe")


def _read(name: str) -> str:
    shown = safe(name)
    try:
        with Path(name).expanduser().open("rb") as file:
            return _decode(file.read(LARGEST_FILE + 1), shown)
    except (OSError, ValueError, RuntimeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else exc
        raise UsageError(f"{shown} cannot be read: {why}.", "Check its name.") from exc


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
