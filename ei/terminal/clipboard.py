"""Puts text on the person's clipboard, by a program of the system or through the terminal."""

from __future__ import annotations

import asyncio
import base64
import shutil
import subprocess
from collections.abc import Callable

from ei.platform import clipboard_commands

_SECONDS = 2.0
_LONGEST = 100_000
"""Terminals drop a longer OSC 52 without a word."""


async def copy_text(text: str, send: Callable[[str], None] | None = None) -> bool:
    """Tries the system's programs, then `send` with the sequence that asks the terminal (xterm's OSC 52).

    The programs run beside the loop; `send` is called in its thread.
    """
    if await asyncio.to_thread(_by_a_program, text):
        return True
    encoded = base64.b64encode(text.encode("utf-8", errors="replace")).decode("ascii")
    if send is None or len(encoded) > _LONGEST:
        return False
    send(f"\x1b]52;c;{encoded}\x07")
    return True


def _by_a_program(text: str) -> bool:
    return any(shutil.which(command[0]) is not None and _runs(command, text) for command in clipboard_commands())


def _runs(command: tuple[str, ...], text: str) -> bool:
    # clip.exe reads UTF-16 with its mark; the others read bytes as they are.
    data = text.encode("utf-16") if command[0] == "clip.exe" else text.encode("utf-8", errors="replace")
    try:
        # Some go on living to serve the selection: they must not hold our pipes.
        ended = subprocess.run(
            command,
            input=data,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ended.returncode == 0
