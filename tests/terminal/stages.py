"""Starts tests/terminal/programs/stage.py on a pseudo-terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.drive import Terminal

ROOT = Path(__file__).parents[2]


def stage(
    *options: str,
    columns: int = 60,
    rows: int = 16,
    answers: bool = True,
    reflow: bool = True,
    env: dict[str, str] | None = None,
) -> Terminal:
    """The stage, once it is ready. options: "vi", "ctrl-j-sends", "cuts"; "lines" is the screen of a dumb terminal."""
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), **(env or {})}
    command = [sys.executable, "-m", "tests.terminal.programs.stage", *options]
    terminal = Terminal(command, columns, rows, environment, ROOT, answers=answers, reflow=reflow)
    try:
        terminal.wait_for("you>" if "lines" in options else f"toolbar {columns}")
    except BaseException:
        terminal.close()
        raise
    return terminal


def enter(terminal: Terminal, text: str) -> None:
    """Types a line and sends it."""
    terminal.type(text)
    terminal.press("enter")


def input_line(terminal: Terminal) -> str:
    """The first row of the input line."""
    return next((line for line in terminal.screen if line.startswith("you>")), "")


def count(terminal: Terminal, text: str) -> int:
    """How many rows, on the screen and above it, hold a text."""
    return sum(text in line for line in terminal.everything)
