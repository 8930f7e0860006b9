"""What is being installed, drawn: a row with a bar above the input line while it runs, one line when it has ended."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from ei.commands.pull_rows import end_line, pull_row

if TYPE_CHECKING:
    from ei.engine.pulled import Pull
    from ei.terminal.frames import Status
    from ei.terminal.screen import Screen

SPINNER = 2
"""Cells before the row."""


class PullRows:
    """The rows of one screen. say: prints a line in a style."""

    def __init__(self, screen: Screen, say: Callable[[str, str], None]) -> None:
        self._screen = screen
        self._say = say
        self._rows: dict[str, tuple[AbstractContextManager[Status], Status]] = {}

    def take(self, pull: Pull) -> None:
        """Draws how far a pull is."""
        row = self._rows.get(pull.name)
        if not pull.running:
            if row is not None:
                del self._rows[pull.name]
                row[0].__exit__(None, None, None)
            self._say(*end_line(pull))
            return
        if pull.state == "waiting" and row is None:
            return  # of many, only those that are being fetched have a row
        if row is None:
            shown = self._screen.status(f"Pulling {pull.shown}")
            row = self._rows[pull.name] = shown, shown.__enter__()
        row[1].label = pull_row(pull, max(self._screen.columns - SPINNER, 1))
        row[1].update("")
