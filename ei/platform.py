"""What differs between Linux, macOS and Windows: locks, files written whole, signals, the clipboard."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from subprocess import Popen

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(descriptor: int, path: Path) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
        os.close(descriptor)
        # A file that another process has open cannot be removed there: then it stays, which is harmless.
        with contextlib.suppress(OSError):
            path.unlink()

    def sync_folder(folder: Path) -> None:
        """Makes a rename in folder survive a power cut (Windows does so by itself)."""

    @contextlib.contextmanager
    def typed_ahead() -> Iterator[str]:
        """What is typed before a program reads it waits as it is (Windows keeps keys, not lines). Gives ""."""
        yield ""

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        # flock belongs to the open file, not to the process: it keeps two threads apart as well.
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(descriptor: int, path: Path) -> None:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)

    @contextlib.contextmanager
    def typed_ahead() -> Iterator[str]:
        """What is typed inside, before anybody reads it, waits as it is: not shown, and Enter stays Enter.

        Gives what was typed before that, when the terminal made every Enter a line feed; put right again.
        """
        import select
        import termios

        try:
            before = termios.tcgetattr(0)
            waiting = termios.tcgetattr(0)
            waiting[0] &= ~termios.ICRNL
            waiting[3] &= ~(termios.ECHO | termios.ICANON)
            waiting[6][termios.VMIN], waiting[6][termios.VTIME] = 1, 0
            termios.tcsetattr(0, termios.TCSANOW, waiting)
            typed = os.read(0, 65536) if select.select([0], [], [], 0)[0] else b""
        except (termios.error, OSError):
            yield ""
            return
        try:
            yield typed.decode("utf-8", "ignore").replace("\n", "\r")
        finally:
            with contextlib.suppress(termios.error, OSError):
                termios.tcsetattr(0, termios.TCSADRAIN, before)

    def sync_folder(folder: Path) -> None:
        """Makes a rename in folder survive a power cut. Raises OSError."""
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            # Some network file systems cannot sync a folder; the file itself is safe already.
            with contextlib.suppress(OSError):
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def lock_file(path: Path, timeout: float = 10.0) -> Iterator[None]:
    """Holds the lock file at path, alone among all threads and processes; it is removed afterwards.

    A process that dies gives its lock back. Raises TimeoutError after `timeout` seconds, OSError where the file
    cannot be made.
    """
    deadline = time.monotonic() + timeout
    pause = 0.001
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            locked = _try_lock(descriptor) and _is_at(descriptor, path)
        except BaseException:
            os.close(descriptor)
            raise
        if locked:
            break
        os.close(descriptor)
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path} is locked")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.02)
    try:
        yield
    finally:
        _unlock(descriptor, path)


def write_file(path: Path, data: bytes, mode: int | None = None) -> None:
    """Replaces the file at path by data, or leaves it as it was: written beside it, synced, renamed.

    mode: permission bits, from the first byte on; None takes what the process gives to new files. Hold a lock: the
    file beside it has a fixed name, so that one left by a process that died is written over. Raises OSError.
    """
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(beside, flags, 0o666 if mode is None else mode & 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            beside.chmod(mode)
        _replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is still the one at path: who held the lock before may have removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _replace(source: Path, target: Path) -> None:
    # Windows refuses while somebody reads the target (an editor, a virus scanner): that is over in a moment.
    for pause in (0.01, 0.05, 0.2):
        try:
            source.replace(target)
            return
        except PermissionError:
            if sys.platform != "win32":
                raise
            time.sleep(pause)
    source.replace(target)


def is_running(number: int) -> bool:
    """Whether there is a process of that number on this machine."""
    if sys.platform == "win32":
        import ctypes

        # Asking os.kill would end it there. 0x1000: only to look at it; 259: it has not ended.
        kernel, code = ctypes.windll.kernel32, ctypes.c_ulong()
        handle = kernel.OpenProcess(0x1000, False, number)
        if not handle:
            return bool(kernel.GetLastError() == 5)  # there, but not to be looked at
        kernel.GetExitCodeProcess(handle, ctypes.byref(code))
        kernel.CloseHandle(handle)
        return code.value == 259
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return number > 0


def end_group(process: Popen[bytes]) -> None:
    """Ends a process that was started in a session of its own, at once, with all that it started (on Windows alone)."""
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        elif process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)


def others_may_read(mode: int) -> bool:
    """Whether these permission bits let others than its owner at a file; Windows tells nothing by them."""
    return os.name == "posix" and bool(mode & 0o077)


def split_command(command: str) -> list[str]:
    """A command line as its arguments, as this system writes one. Raises ValueError for a quote that is not closed."""
    import shlex

    if os.name != "nt":
        return shlex.split(command)
    # A backslash in a path is no quote there.
    return [argument.strip('"') for argument in shlex.split(command, posix=False)]


def can_suspend() -> bool:
    """Whether a program can be stopped by its terminal and come back (Ctrl-Z)."""
    return sys.platform != "win32"


def suspend() -> None:
    """Stops this program and those in its group until the shell continues them, as a terminal does on Ctrl-Z."""
    if sys.platform != "win32":
        os.kill(0, signal.SIGTSTP)


@contextlib.contextmanager
def leaves_in_order(loop: AbstractEventLoop, leave: Callable[[], None]) -> Iterator[None]:
    """Calls leave when the program is asked to end or its terminal is closed, where signals tell so."""
    added: list[int] = []
    if sys.platform != "win32":
        for wanted in (signal.SIGTERM, signal.SIGHUP):
            # Only the main thread can have them.
            with contextlib.suppress(ValueError, RuntimeError):
                loop.add_signal_handler(wanted, leave)
                added.append(wanted)
    try:
        yield
    finally:
        for number in added:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def told_when_continued(loop: AbstractEventLoop, continued: Callable[[], None]) -> Iterator[None]:
    """Calls continued after the program was stopped and goes on, where programs can be stopped."""
    if sys.platform == "win32":
        yield
        return
    try:
        loop.add_signal_handler(signal.SIGCONT, continued)
    except (ValueError, RuntimeError):  # only the main thread can have signals
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGCONT)


def pipe_encoding(environ: Mapping[str, str]) -> str | None:
    """The encoding of text for a pipe or a file; None leaves it to Python, which follows the locale.

    Windows' locale is a code page that lacks most characters: there it is UTF-8, unless somebody chose another.
    """
    return None if sys.platform != "win32" or environ.get("PYTHONIOENCODING") else "utf-8"


def wait_for_input(descriptor: int, seconds: float | None = None) -> bool:
    """Waits until there is something to read, for ever or so long; False when nothing came.

    Windows cannot tell: there it is always True, at once.
    """
    if sys.platform == "win32":
        return True
    import select

    return bool(select.select([descriptor], [], [], seconds)[0])


def clipboard_commands() -> tuple[tuple[str, ...], ...]:
    """Programs that put what they read on the clipboard, the likeliest first; not all are installed."""
    if sys.platform == "win32":
        return (("clip.exe",),)
    if sys.platform == "darwin":
        return (("pbcopy",),)
    return (
        ("wl-copy",),
        ("xclip", "-selection", "clipboard"),
        ("xsel", "--clipboard", "--input"),
        ("clip.exe",),
    )
