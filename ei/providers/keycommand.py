"""A key that a command prints: `cmd:op read …`, run without a shell."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping

from ei.errors import ConfigError
from ei.platform import end_group, split_command

MOST_BYTES = 65536


def run_for_key(command: str, seconds: float, environment: Mapping[str, str] | None = None) -> str:
    """The first line that the command prints, without its end. Raises ConfigError, which repeats nothing of what was
    printed.

    The command gets no input and no terminal; it is stopped with all that it started after `seconds`.
    """
    argv = arguments(command)
    name = argv[0]
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=None if environment is None else dict(environment),
            start_new_session=True,
        )
    except FileNotFoundError:
        raise ConfigError(f"The command {name}, which is to give a key, was not found.", "Is it installed?") from None
    except (OSError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) and exc.strerror else "it cannot be run"
        raise ConfigError(f"The command {name}, which is to give a key, could not be started: {why}.") from None
    over = threading.Event()

    def end() -> None:
        over.set()
        end_group(process)

    watch = threading.Timer(seconds, end)
    watch.daemon = True
    watch.start()
    try:
        assert process.stdout is not None
        printed = process.stdout.read(MOST_BYTES)
        if len(printed) == MOST_BYTES:
            raise ConfigError(f"The command {name} prints much more than a key.", _by_hand(name))
        code = process.wait()
    finally:
        watch.cancel()
        end_group(process)
        assert process.stdout is not None
        process.stdout.close()
        process.wait()
    if over.is_set():
        raise ConfigError(
            f"The command {name}, which is to give a key, took longer than {seconds:g} s.", _by_hand(name)
        )
    if code != 0:
        raise ConfigError(f"The command {name}, which is to give a key, failed (exit code {code}).", _by_hand(name))
    lines = printed.decode("utf-8", "replace").splitlines()
    if not lines or not lines[0].strip():
        raise ConfigError(f"The command {name}, which is to give a key, printed nothing.", _by_hand(name))
    return lines[0].strip()


def arguments(command: str) -> list[str]:
    """A command as its arguments. Raises ConfigError."""
    try:
        argv = split_command(command)
    except ValueError:
        raise ConfigError("The command that is to give a key has a quote that is not closed.") from None
    if not argv:
        raise ConfigError("The command that is to give a key is empty.")
    return argv


def _by_hand(name: str) -> str:
    return f"Run it by hand to see what it says; you may have to sign in to {name} first."
