"""A home of its own for `ei`, and short ways to talk to it on a pseudo-terminal."""

from __future__ import annotations

import os
import re
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.drive import Terminal

ROOT = Path(__file__).parents[2]
NOBODY = "http://127.0.0.1:9/v1"
"""Where nothing answers (the discard port)."""

ENDED = re.compile(r"\w+:\S+ · \d+\.\d s")
"""The line of facts under a reply that has ended: which model, and how long it took."""


@dataclass
class Home:
    """Folders that no other test uses, and the variables that `ei` is started with."""

    path: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def settings(self) -> Path:
        return self.path / "config" / "settings.jsonc"

    def persona(self, name: str) -> Path:
        """The file of a persona."""
        return self.data / "personas" / name / "system.jsonc"

    def environment(self, **more: str) -> dict[str, str]:
        """Nothing of the machine's own keys and servers; `more` as given."""
        return {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self.path),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "PYTHONPATH": str(ROOT),
            "EI_DATA_PATH": str(self.data),
            "EI_CONFIG": str(self.settings),
            "EI_LLM_BASE_URL": NOBODY,
            "EI_OLLAMA_BASE_URL": NOBODY,
            "EI_MODELS_SYNC": "off",
            **self.variables,
            **more,
        }

    def ei(
        self,
        *arguments: str,
        columns: int = 100,
        rows: int = 40,
        ready: bool = True,
        most_bytes: int | None = None,
        **more: str,
    ) -> Terminal:
        """Starts the chat. ready: waits until the conversation is open; more: variables.

        most_bytes: what a file may grow to, as on a disk that becomes full.
        """
        command = [sys.executable, "-m", "ei", *arguments]
        if most_bytes is not None:
            command = ["/bin/sh", "-c", f'ulimit -f {most_bytes // 512}; exec "$@"', "sh", *command]
        terminal = Terminal(command, columns, rows, self.environment(**more), self.path)
        if ready:
            try:
                terminal.wait_for(is_open, 20)
            except BaseException:
                terminal.close()
                raise
        return terminal

    def messages(self) -> list[tuple[str, str, str, str]]:
        """(role, author, state, text) of every stored message, in the order in which they were written."""
        with closing(sqlite3.connect(self.data / "ei.db", timeout=30)) as connection:
            rows = connection.execute("SELECT role, author, state, text FROM message ORDER BY key").fetchall()
        return [(str(role), str(author), str(state), str(text)) for role, author, state, text in rows]


def is_open(terminal: Terminal) -> bool:
    """Whether the conversation is shown, and the line that follows it can be typed."""
    lines = terminal.everything
    return any(line.startswith("── ") for line in lines) and any("❯" in line for line in lines)


def say(terminal: Terminal, text: str) -> None:
    """Types a line and sends it."""
    terminal.type(text)
    terminal.press("enter")


def ended(terminal: Terminal) -> int:
    """How many replies have ended, by the lines of facts under them."""
    return sum(bool(ENDED.search(line)) for line in terminal.everything)


def ask(terminal: Terminal, text: str, timeout: float = 20) -> None:
    """Sends a line and waits until its reply has ended."""
    before = ended(terminal)
    say(terminal, text)
    terminal.wait_for(lambda t: ended(t) > before, timeout)


def shown(terminal: Terminal, text: str) -> bool:
    """Whether a text is on the screen or above it, wherever its rows were wrapped."""
    return "".join(text.split()) in "".join("".join(terminal.everything).split())


def times(terminal: Terminal, text: str) -> int:
    """In how many rows, on the screen and above it, a text stands."""
    return sum(text in line for line in terminal.everything)


def prompt_line(terminal: Terminal) -> str:
    """What is on the input line now, after the prompt."""
    line = next((line for line in reversed(terminal.screen) if "❯" in line), "")
    return line.partition("❯")[2].strip()


def toolbar(terminal: Terminal) -> str:
    """The lowest row that says something."""
    return next((line for line in reversed(terminal.screen) if line.strip()), "")
