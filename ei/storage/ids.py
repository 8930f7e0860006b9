"""Ids: UUIDv7 text, whose order is the order of making, and the short form that people see."""

from __future__ import annotations

import os
import threading
import time

SHORTEST_ID = 4
"""Fewest characters of an id's end that are taken for it."""


class Stamps:
    """Makes UUIDv7 that only grow (RFC 9562, section 6.2, method 2: a random counter, raised within a millisecond).

    It also grows when the clock goes back: the last millisecond is kept then. Safe from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ms = 0
        self._random = 0

    def next(self, now_ms: int | None = None) -> str:
        """A new id for now_ms (milliseconds since 1970), or for now."""
        ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
        noise = int.from_bytes(os.urandom(10))
        with self._lock:
            if ms > self._ms:
                self._ms = ms
                self._random = noise & (1 << 73) - 1  # the top bit stays free for counting up
            else:
                self._random += 1 + (noise & 0xFFFFFFFF)
                if self._random >= 1 << 74:
                    self._ms += 1
                    self._random = noise & (1 << 73) - 1
            ms, random = self._ms, self._random
        number = (ms & (1 << 48) - 1) << 80 | 7 << 76 | (random >> 62) << 64 | 2 << 62 | random & (1 << 62) - 1
        text = f"{number:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


# The one counter of this process: without it two callers could make ids out of order.
_stamps = Stamps()


def uuid7(now_ms: int | None = None) -> str:
    """A new UUIDv7 as text, greater than all that this process made before."""
    return _stamps.next(now_ms)


def short(id: str) -> str:
    """What a person sees of an id: its last 8 characters (the first ones are the time)."""
    return id[-8:]
