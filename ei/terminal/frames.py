"""When the live part is drawn: at most 20 times a second, with rows and tail that fit each other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.formatted_text import StyleAndTextTuples

from ei.terminal.scrollback import LiveRenderer

FRAME_SECONDS = 0.05

_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

Tail = Callable[[int], Sequence[str]]
"""Width -> the rows that are not finished yet."""


class Status:
    """One line of progress above the input line."""

    def __init__(self, label: str, changed: Callable[[], None]) -> None:
        self.label = label
        self.text = ""
        self._changed = changed

    def update(self, text: str) -> None:
        """Shows text after the label."""
        self.text = text
        self._changed()


class Frames:
    """Collects what is to be shown and hands it to the renderer, one frame at a time.

    gap: empty rows between what stands above and what is typed.
    """

    def __init__(self, app: Application[Any], renderer: LiveRenderer, gap: int = 0) -> None:
        self._app = app
        self._renderer = renderer
        self._gap: Sequence[str] = [""] * gap
        self._committed: list[str] = []
        self._tail: Tail | None = None
        self._statuses: list[Status] = []
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0
        self._polled_columns = 0
        self._state = "before"
        app.before_render += self._fit

    @property
    def columns(self) -> int:
        return self._app.output.get_size().columns

    def commit(self, rows: Sequence[str]) -> None:
        self._committed.extend(rows)
        if self._state == "after":
            self._print()
        else:
            self._wake()

    def set_tail(self, source: Tail | None) -> None:
        self._tail = source
        self._wake()

    @contextlib.contextmanager
    def status(self, label: str) -> Iterator[Status]:
        status = Status(label, self._wake)
        self._statuses.append(status)
        self._wake()
        try:
            yield status
        finally:
            self._statuses.remove(status)
            self._app.invalidate()

    def start(self) -> None:
        """From now on frames are drawn; what was committed before is in the first one."""
        self._state = "running"
        self._frame()

    def finish(self) -> None:
        """Hands over what was committed; the tail is not shown any more."""
        self._tail = None
        self._renderer.take(self._drain(), ())

    def stop(self) -> None:
        """From now on rows are printed as they come."""
        self._state = "after"
        if self._timer is not None:
            self._timer.cancel()
        self._print()

    def status_rows(self) -> StyleAndTextTuples:
        """The lines of progress, drawn."""
        spin = _SPINNER[int(self._last * 10) % len(_SPINNER)]
        rows = "\n".join(f"{spin} {status.label} {status.text}".rstrip() for status in self._statuses)
        return [("class:status", rows)] if rows else []

    def _wake(self) -> None:
        if self._state != "running" or self._timer is not None:
            return
        loop = asyncio.get_running_loop()
        delay = max(self._last + FRAME_SECONDS - loop.time(), 0.0)
        self._timer = loop.call_later(delay, self._frame)

    def _frame(self) -> None:
        self._timer = None
        self._last = asyncio.get_running_loop().time()
        rows = self._poll()
        # Rows and tail belong together: both are as of now, and only frames change what is shown of them.
        if self._renderer.take(self._drain(), rows) or self._statuses:
            self._app.invalidate()
        if self._tail is not None or self._statuses:
            self._wake()

    def _fit(self, _: Application[Any]) -> None:
        """Asks for the tail anew when it is about to be drawn in another width."""
        if self._state == "running" and self._tail is not None and self._polled_columns != self.columns:
            rows = self._poll()
            self._renderer.take(self._drain(), rows)

    def _poll(self) -> Sequence[str]:
        if self._tail is None:
            return self._gap
        source, self._tail = self._tail, None  # one that fails is not asked again
        self._polled_columns = self.columns
        rows = source(self._polled_columns)
        self._tail = source
        return [*rows, *self._gap]

    def _drain(self) -> list[str]:
        rows, self._committed = self._committed, []
        return rows

    def _print(self) -> None:
        rows = self._drain()
        if rows:
            self._app.output.write_raw("".join(f"{row}\x1b[0m\r\n" for row in rows))
            with contextlib.suppress(OSError):  # the terminal went away
                self._app.output.flush()
