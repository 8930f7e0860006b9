"""How a command asks and answers where there is only a pipe or a shell: nobody is asked, replies are text."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from ei.commands.base import Choice, Chosen, Comparing, Document, Form, Line, Offer, Page, Progress, Reply
from ei.errors import NeedsAnswerError
from ei.terminal.clipboard import copy_text
from ei.terminal.editor import edit_file, edit_text, editor_command
from ei.terminal.safe import safe
from ei.terminal.theme import PLAIN, Theme
from ei.terminal.width import cell_width, clip

_WIDE = 10_000
"""A pipe has no width: nothing is wrapped for it."""


class PlainUi:
    """The Ui of ei.commands.base without questions; a secret is read from a pipe.

    yes: what `--yes` says; quiet: show and progress say nothing.
    out, err: where replies and progress go. theme: for an `out` that is a terminal. editor: what $VISUAL or $EDITOR
    says.
    """

    def __init__(
        self,
        *,
        yes: bool = False,
        quiet: bool = False,
        out: TextIO | None = None,
        err: TextIO | None = None,
        theme: Theme = PLAIN,
        editor: str | None = None,
    ) -> None:
        self._yes = yes
        self._quiet = quiet
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._theme = theme
        self._editor = editor

    @property
    def interactive(self) -> bool:
        return False

    async def confirm(self, question: str, details: Sequence[str] = ()) -> bool:
        """True with `--yes`. Raises NeedsAnswerError without it."""
        if self._yes:
            return True
        raise NeedsAnswerError(question, "Nobody can be asked here: add --yes to agree.")

    def answer(self, yes: bool) -> bool:
        """False: no question ever waits here."""
        return False

    async def ask(self, prompt: str, default: str = "") -> str:
        """The default, where there is one and `--yes` was given. Raises NeedsAnswerError otherwise."""
        if self._yes and default:
            return default
        raise _nobody(prompt)

    async def secret(self, prompt: str) -> str:
        """A line of standard input. Raises NeedsAnswerError where nothing comes, or it would be seen."""
        if sys.stdin is None or sys.stdin.isatty():
            raise _nobody(prompt)
        line = str(await asyncio.to_thread(sys.stdin.readline)).strip()
        if not line:
            raise NeedsAnswerError(f"This needs an answer: {prompt}", "Send it on standard input, or use a terminal.")
        return line

    async def choose(self, title: str, choices: Sequence[Choice], current: str = "") -> str | None:
        raise _nobody(title)

    async def pick(self, offer: Offer) -> Chosen | None:
        raise _nobody(offer.title)

    async def form(self, form: Form) -> Mapping[str, str] | None:
        raise _nobody(form.title)

    async def edit(self, text: str, suffix: str = ".md") -> str | None:
        """Opens the editor where it has a terminal. Raises NeedsAnswerError elsewhere, ConfigError without one."""
        command = self._editor_here()
        edited = await asyncio.to_thread(edit_text, command, text, suffix)
        return None if edited == text else edited

    async def edit_file(self, path: Path, line: int = 0) -> None:
        """As `edit`, on a file."""
        await asyncio.to_thread(edit_file, self._editor_here(), path, line)

    async def browse(self, title: str, pages: Sequence[Page], index: int) -> int | None:
        raise _nobody(title)

    async def compare(self, comparing: Comparing) -> int | None:
        raise _nobody("which reply to go on with")

    @contextlib.contextmanager
    def progress(self, label: str) -> Iterator[Progress]:
        """One row that is drawn again, where a person looks at it, and gone at the end."""
        if self._quiet or not self._err.isatty():
            yield _Silent()
            return
        row = _Row(self._err, safe(label))
        row.update("…")
        try:
            yield row
        finally:
            row.clear()

    def show(self, reply: Reply) -> None:
        """Prints a reply, made harmless: without decoration to a pipe, wrapped and coloured to a terminal."""
        if self._quiet:
            return
        from ei.terminal.tables import render_reply

        if self._out.isatty():
            rows = render_reply(reply, shutil.get_terminal_size().columns, self._theme)
        else:
            rows = []
            for item in reply.items:
                if isinstance(item, Line | Document):
                    rows.append(safe(item.text).removesuffix("\n"))
                else:
                    rows += [row.rstrip() for row in render_reply(Reply((item,)), _WIDE, PLAIN)]
        _write(self._out, "".join(f"{row}\n" for row in rows))

    def _editor_here(self) -> list[str]:
        # Python has None for a stream that was closed.
        if sys.stdin is None or not sys.stdin.isatty() or not self._out.isatty():
            raise NeedsAnswerError("An editor needs a terminal.", "Start ei and use the command there.")
        return editor_command(self._editor)

    async def copy(self, text: str) -> bool:
        return await copy_text(text)


class _Silent:
    def update(self, text: str) -> None:
        """Nothing: a pipe has no line to draw again."""


class _Row:
    """The last row of a terminal, written over again and again with spaces and returns alone."""

    def __init__(self, stream: TextIO, label: str) -> None:
        self._stream = stream
        self._label = label
        self._drawn = ""

    def update(self, text: str) -> None:
        # Not the last column: some terminals wrap there.
        row = clip(f"{self._label} {safe(text)}".strip(), row_width())
        if row != self._drawn:
            _write(self._stream, f"\r{row}{' ' * (cell_width(self._drawn) - cell_width(row))}\r{row}")
            self._drawn = row

    def clear(self) -> None:
        # With what a terminal shows of a Ctrl-C behind it.
        _write(self._stream, f"\r{' ' * min(cell_width(self._drawn) + 2, row_width())}\r")


def row_width() -> int:
    """The cells that a row of progress may have in a shell."""
    return max(shutil.get_terminal_size().columns - 1, 1)


def _nobody(prompt: str) -> NeedsAnswerError:
    return NeedsAnswerError(f"This needs an answer: {prompt}", "Nobody can be asked here: start ei and do it there.")


def _write(stream: TextIO, text: str) -> None:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, errors="replace").decode(encoding))
    stream.flush()
