"""How a command of the shell asks a person at a terminal: a line is printed on stderr, a line is read."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence

from ei.commands.base import Choice, Chosen, Comparing, Form, Offer, Reply
from ei.errors import CancelledError
from ei.terminal.numbered import Numbered
from ei.terminal.plain import PlainUi
from ei.terminal.safe import safe

POLL_SECONDS = 0.05
YES, NO = ("y", "yes"), ("n", "no", "")


class AskingUi(PlainUi):
    """A PlainUi that asks. stdout carries the reply alone, so questions go to stderr."""

    @property
    def interactive(self) -> bool:
        return True

    async def confirm(self, question: str, details: Sequence[str] = ()) -> bool:
        """Asks until it is yes or no; an empty line and the end of the input mean no."""
        if self._yes:
            return True
        _say("\n".join([question, *details]) + "\n")
        while True:
            answer = (_line("yes or no? [no] ") or "").lower()
            if answer in YES or answer in NO:
                return answer in YES

    async def ask(self, prompt: str, default: str = "") -> str:
        if self._yes and default:
            return default
        answer = _line(f"{prompt} [{default}] " if default else f"{prompt} ")
        if answer is None:
            raise CancelledError("Left unanswered.")
        return answer or default

    async def secret(self, prompt: str) -> str:
        from getpass import getpass

        with _interruptible():
            try:
                return getpass(f"{safe(prompt)} ", stream=sys.stderr).strip()
            except EOFError:
                raise CancelledError("Left unanswered.") from None

    async def choose(self, title: str, choices: Sequence[Choice], current: str = "") -> str | None:
        """A numbered list; a number, a key or a label chooses, an empty line leaves."""
        chosen = await self.pick(Offer(title, choices, current))
        return None if chosen is None else chosen.key

    async def pick(self, offer: Offer) -> Chosen | None:
        """The same, narrowed by words; the name of a way behind the number chooses in that way."""
        listed = Numbered(offer)
        _say("\n".join(listed.rows()) + "\n")
        while answer := _line(f"{listed.prompt} "):
            chosen = listed.answer(answer)
            if chosen is not None:
                return chosen
            _say("\n".join(listed.rows()) + "\n")
        return None

    async def form(self, form: Form) -> Mapping[str, str] | None:
        """One question after the other."""
        from ei.terminal.form_lines import by_lines

        return await by_lines(form, lambda text: _say(f"{text}\n"), self.ask, self.secret)

    async def compare(self, comparing: Comparing) -> int | None:
        """The replies one after the other once all have ended, then a number; nothing is asked where JSON is wanted."""
        from ei.commands.comparing import answers

        with self.progress(f"Asking {len(comparing.columns)} models"):
            while comparing.running:  # noqa: ASYNC110 - nothing is drawn meanwhile
                await asyncio.sleep(POLL_SECONDS)
        if self._quiet:
            return None
        self.show(Reply(answers(comparing.columns)))
        pickable = {str(n): n - 1 for n, column in enumerate(comparing.columns, 1) if column.pickable}
        choices = [Choice(n, comparing.columns[index].name) for n, index in pickable.items()]
        chosen = await self.choose("Which one to go on with?", choices) if choices else None
        return None if chosen is None else pickable[chosen]


def _say(text: str) -> None:
    sys.stderr.write(safe(text))
    sys.stderr.flush()


def _line(prompt: str) -> str | None:
    """What is typed until Enter, None at the end of the input. Raises CancelledError on Ctrl-C."""
    _say(prompt)
    with _interruptible():
        line = sys.stdin.readline()
    return line.strip() if line else None


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Lets Ctrl-C break off a read: an event loop would notice it only when the line is there."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        raise CancelledError("Left unanswered.") from None
    finally:
        signal.signal(signal.SIGINT, before)
