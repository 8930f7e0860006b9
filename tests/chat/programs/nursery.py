"""Starts `ei` again and again in no time: everything is loaded once, and each start is a fork.

Each line on stdin is a JSON object {"terminal": PATH, "arguments": [...], "environment": {...}}; the process id of
what was started is printed. Not for measuring: what is started has loaded what it will need.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import termios
import traceback
from typing import Any

import anthropic  # noqa: F401
import httpx  # noqa: F401
import openai  # noqa: F401
import rich.console  # noqa: F401

import ei.app
import ei.providers.anthropic_messages
import ei.providers.openai_chat
import ei.terminal.main
import ei.terminal.markdown
import ei.terminal.repl
import ei.terminal.replies  # noqa: F401
from ei.cli import run


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if not pid:
            begin(order)
        print(pid, flush=True)


def begin(order: dict[str, Any]) -> None:
    """Becomes the program, on its terminal."""
    code = 70
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        terminal = os.open(order["terminal"], os.O_RDWR)
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        for number in range(3):
            os.dup2(terminal, number)
        sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
        os.environ.clear()
        os.environ.update(order["environment"])
        os.chdir(order["environment"]["HOME"])
        code = run(order["arguments"])
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
