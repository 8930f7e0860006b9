"""How far a download has come: bytes over all its layers, how fast they come, how long it will still take."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

WINDOW_SECONDS = 8.0
"""Speed is that of the last seconds: a server that slows down shows, one hiccup does not."""
LEAST_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class PullProgress:
    """status: what the server does, in its words. total, completed: bytes, as far as sizes are known by now.

    speed: bytes per second, seconds_left: both None while nobody can tell.
    """

    status: str = ""
    total: int = 0
    completed: int = 0
    speed: float | None = None
    seconds_left: float | None = None

    @property
    def percent(self) -> int | None:
        """0 to 100, rounded down, so that 100 means all; None while no size is known."""
        return self.completed * 100 // self.total if self.total else None

    @property
    def missing(self) -> int:
        """Bytes that are still to come, of those whose size is known."""
        return self.total - self.completed


class PullMeter:
    """Adds up what a server tells line by line. Layers come one after the other, each with its own size.

    What a layer had when it was first spoken of came in an earlier pull, and is no speed of this one.
    """

    def __init__(self) -> None:
        self._layers: dict[str, tuple[int, int]] = {}
        self._had: dict[str, int] = {}
        self._seen: deque[tuple[float, int]] = deque()

    def take(
        self, now: float, status: str, digest: str = "", total: int | None = None, completed: int | None = None
    ) -> PullProgress:
        """The progress after one more line. now: seconds of any clock that only goes forward."""
        if digest and total is not None and total > 0:
            before = self._layers.get(digest, (0, 0))[1]
            came = before if completed is None else max(0, min(completed, total))
            self._layers[digest] = total, came
            if completed is not None:
                self._had.setdefault(digest, came)
        return self._progress(now, status)

    def _progress(self, now: float, status: str) -> PullProgress:
        total = sum(total for total, _ in self._layers.values())
        completed = sum(came for _, came in self._layers.values())
        came = completed - sum(self._had.values())
        self._seen.append((now, came))
        while len(self._seen) > 2 and now - self._seen[1][0] >= WINDOW_SECONDS:
            self._seen.popleft()
        since, came_then = self._seen[0]
        if now - since < LEAST_SECONDS:
            return PullProgress(status, total, completed)
        # A server that begins a part again counts backwards for a moment.
        speed = max(0.0, (came - came_then) / (now - since))
        left = (total - completed) / speed if speed > 0 else None
        return PullProgress(status, total, completed, speed, left)
