"""Types real keys into a real program on a pseudo-terminal, and shows the screen that a person would see."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import select
import signal as signals
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import pyte

from tests.emulator import Emulator

KEYS: Mapping[str, str] = {
    "enter": "\r",
    "alt-enter": "\x1b\r",
    "tab": "\t",
    "shift-tab": "\x1b[Z",
    "escape": "\x1b",
    "backspace": "\x7f",
    "delete": "\x1b[3~",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "home": "\x1b[H",
    "end": "\x1b[F",
    "page-up": "\x1b[5~",
    "page-down": "\x1b[6~",
    "f1": "\x1bOP",
    "f2": "\x1bOQ",
    "f3": "\x1bOR",
    "f4": "\x1bOS",
    "space": " ",
}
"""What a terminal sends for a key; "ctrl-x" and "alt-x" are worked out."""


class Terminal:
    """A program on its own pseudo-terminal, with a screen, a scrollback, and keys to press.

    answers: whether cursor-position and colour requests of the program are answered, as most terminals do.
    reflow: whether narrowing the window wraps the rows that are too long (most do) or cuts them (xterm does).
    emulate: False only records the bytes (for measurements; `screen` is empty then).
    """

    def __init__(
        self,
        command: Sequence[str],
        columns: int = 80,
        rows: int = 24,
        env: Mapping[str, str] | None = None,
        cwd: Path | str | None = None,
        *,
        answers: bool = True,
        reflow: bool = True,
        emulate: bool = True,
        background: str = "0000/0000/0000",
    ) -> None:
        self.columns = columns
        self.rows = rows
        self.chunks: list[tuple[float, bytes]] = []
        self._answers = answers
        self._emulate = emulate
        self._background = background
        self._changed = threading.Condition(threading.RLock())
        self._emulator = Emulator(columns, rows, answer=self._answer, reflow=reflow)
        self._stream = pyte.ByteStream(self._emulator)
        self._ended = False
        self._reader_stops = False
        self._master, slave = os.openpty()
        self._set_size()
        self._process = subprocess.Popen(
            list(command),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=dict(env) if env is not None else {**os.environ, "TERM": "xterm-256color"},
            cwd=cwd,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, name="terminal-reader", daemon=True)
        self._reader.start()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def screen(self) -> list[str]:
        """The rows that are visible now, without trailing blanks."""
        with self._changed:
            return self._emulator.visible()

    @property
    def cells(self) -> list[list[pyte.screens.Char]]:
        """The rows that are visible now, cell by cell, with colours and attributes; "" follows a wide character."""
        with self._changed:
            return [[self._emulator.buffer[y][x] for x in range(self.columns)] for y in range(self.rows)]

    @property
    def everything(self) -> list[str]:
        """The scrollback, then the screen."""
        with self._changed:
            return self._emulator.past() + self._emulator.visible()

    @property
    def cursor(self) -> tuple[int, int]:
        """Column and row of the cursor, from 0."""
        with self._changed:
            return self._emulator.cursor.x, self._emulator.cursor.y

    @property
    def raw(self) -> bytes:
        """Every byte the program wrote."""
        with self._changed:
            return b"".join(chunk for _, chunk in self.chunks)

    @property
    def in_frame(self) -> bool:
        """Whether the program is in the middle of drawing a frame (synchronized update, mode 2026)."""
        with self._changed:
            return self._emulator.in_frame

    @property
    def alternate(self) -> bool:
        """Whether the program shows its full-screen page now."""
        with self._changed:
            return self._emulator.alternate

    def type(self, text: str) -> None:
        """Sends text as a person types it, in one go."""
        self._write(text.encode())

    def paste(self, text: str) -> None:
        """Sends text as a terminal pastes it: bracketed, lines ended by carriage returns."""
        self.type("\x1b[200~" + text.replace("\n", "\r") + "\x1b[201~")

    def press(self, *keys: str) -> None:
        """Presses keys by name: "enter", "ctrl-c", "f2", "alt-enter", "page-up", "x"."""
        for key in keys:
            self.type(_sequence(key))

    def wait_for(self, wanted: str | Callable[[Terminal], object], timeout: float = 10.0) -> None:
        """Waits until a text is on the screen, or a condition holds; AssertionError with the screen otherwise."""
        deadline = time.monotonic() + timeout
        while True:
            if _holds(self, wanted):
                return
            left = deadline - time.monotonic()
            if left <= 0 or (self._ended and not _holds(self, wanted)):
                raise AssertionError(f"waited {timeout} s for {wanted!r}; the screen is\n{self.picture()}")
            with self._changed:
                self._changed.wait(min(left, 0.1))

    def settle(self, quiet: float = 0.15, timeout: float = 10.0) -> None:
        """Waits until nothing was written for `quiet` seconds."""
        deadline = time.monotonic() + timeout
        count = -1
        while time.monotonic() < deadline:
            with self._changed:
                now = len(self.chunks)
            if now == count or self._ended:
                return
            count = now
            time.sleep(quiet)

    def wait_exit(self, timeout: float = 10.0) -> int:
        """Waits until the program has left; gives its exit code (negative: the signal that ended it)."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s; the screen is\n{self.picture()}") from None
        self._reader.join(1.0)
        return code

    def echo_latency(self, key: str, timeout: float = 5.0) -> float:
        """Seconds from pressing a one-letter key until the program writes that letter."""
        with self._changed:
            seen = len(self.chunks)
        start = time.perf_counter()
        self.type(key)
        wanted = key.encode()
        while time.perf_counter() - start < timeout:
            with self._changed:
                for moment, chunk in self.chunks[seen:]:
                    if wanted in chunk and moment >= start:
                        return moment - start
                seen = len(self.chunks)
                self._changed.wait(0.05)
        raise AssertionError(f"{key!r} was not echoed in {timeout} s")

    def resize(self, columns: int, rows: int) -> None:
        """Changes the window's size, as a person who drags its corner."""
        with self._changed:
            # What the program wrote for the old size is shown in the old size.
            while select.select([self._master], [], [], 0)[0] and self._take(self._master):
                pass
            self.columns, self.rows = columns, rows
            self._set_size()
            self._emulator.resize(rows, columns)

    def kill(self, signal: int = signals.SIGKILL) -> None:
        """Sends a signal to the program."""
        self._process.send_signal(signal)

    def cook(self) -> None:
        """Makes the terminal echo and collect lines, as a shell does when it takes over."""
        modes = termios.tcgetattr(self._master)
        modes[3] |= termios.ECHO | termios.ICANON | termios.ISIG
        termios.tcsetattr(self._master, termios.TCSANOW, modes)

    def picture(self) -> str:
        """The screen in a frame, for messages."""
        edge = "+" + "-" * self.columns + "+"
        return "\n".join([edge, *(f"|{line.ljust(self.columns)}|" for line in self.screen), edge])

    def hang_up(self, timeout: float = 10.0) -> int:
        """Takes the terminal away, as closing its window does; gives the exit code."""
        master, self._master = self._master, -1
        self._reader_stops = True
        self._reader.join(2.0)
        os.close(master)
        return self._process.wait(timeout)

    def close(self) -> None:
        """Ends the program and gives the pseudo-terminal back."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signals.SIGKILL)
            self._process.wait()
        self._reader.join(2.0)
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def _set_size(self) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows, self.columns, 0, 0))

    def _write(self, data: bytes) -> None:
        while data:
            written = os.write(self._master, data[:512])
            data = data[written:]

    def _answer(self, data: str) -> None:
        if self._answers:
            self._write(data.encode())

    def _read(self) -> None:
        master = self._master
        while not self._reader_stops:
            try:
                ready, _, _ = select.select([master], [], [], 0.1)
            except (OSError, ValueError):
                break
            if ready:
                with self._changed:
                    # Somebody who resizes may have taken it meanwhile.
                    if select.select([master], [], [], 0)[0] and not self._take(master):
                        break
            elif self._process.poll() is not None:
                break
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _take(self, master: int) -> bool:
        """Reads what there is and shows it; False when the program has left."""
        try:
            data = os.read(master, 65536)
        except OSError as error:
            if error.errno not in (errno.EIO, errno.EBADF):
                raise
            return False
        if not data:
            return False
        self.chunks.append((time.perf_counter(), data))
        if self._emulate:
            self._stream.feed(data)
        if b"\x1b]11;?" in data:
            self._answer(f"\x1b]11;rgb:{self._background}\x1b\\")
        self._changed.notify_all()
        return True


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _holds(terminal: Terminal, wanted: str | Callable[[Terminal], object]) -> bool:
    if terminal.in_frame:
        return False
    if callable(wanted):
        return bool(wanted(terminal))
    return any(wanted in line for line in terminal.screen)


def _sequence(key: str) -> str:
    if key in KEYS:
        return KEYS[key]
    if match := re.fullmatch(r"ctrl-(.)", key):
        return chr(ord(match[1].upper()) & 0x1F)
    if match := re.fullmatch(r"alt-(.+)", key):
        return "\x1b" + _sequence(match[1])
    if len(key) == 1:
        return key
    raise KeyError(f"no key is called {key!r}")
