"""Whether a provider is left alone for now, because it failed again and again: pure, from its calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import ceil

from ei.usage.values import Call

OPENS_AT = 5
"""So many failures in a row, and a provider is left alone."""
FIRST_MS = 30_000
LONGEST_MS = 15 * 60_000
HERE_MS = 5_000
"""A server on this machine is left alone for so long only: asking it costs nothing."""
LIMITED_MS = 60_000
"""For so long after it said 429 a provider counts as rate-limited."""
WINDOW_MS = 60 * 60_000
"""What happened before that says nothing of now."""
NEWEST = 60
"""So many calls of a provider are looked at."""

_LATER = (408, 409, 425, 429)
_DOWN = ("UnreachableError", "BusyError", "CutOffError")


@dataclass(frozen=True, slots=True)
class Circuit:
    """How a provider stands by its newest calls. failures: in a row, up to now. open_ms: for how long from now it is
    left alone, 0 when it is not. limited_ms: how long ago it said that too much was asked, None when it did not
    lately."""

    failures: int = 0
    open_ms: int = 0
    limited_ms: int | None = None

    @property
    def is_open(self) -> bool:
        return self.open_ms > 0

    @property
    def words(self) -> str:
        """What a list says of it: `circuit open for 24 s after 6 failures`, `rate-limited 12 s ago`, or ""."""
        if self.is_open:
            return f"circuit open for {spoken(self.open_ms)} after {self.failures} failures"
        return "" if self.limited_ms is None else f"rate-limited {spoken(self.limited_ms)} ago"


CLOSED = Circuit()


def circuit_of(calls: Iterable[Call], now_ms: int, here: bool = False) -> Circuit:
    """How one provider stands. calls: its own, newest first. now_ms: since 1970. here: it runs on this machine.

    Opened by OPENS_AT failures in a row, for FIRST_MS from the end of the last one, doubled by each further try up to
    LONGEST_MS; the attempts of one try count as one.
    """
    failed: list[Call] = []
    for call in calls:
        if call.started_ms < now_ms - WINDOW_MS or (answered := _answered(call)):
            break
        if answered is False:
            failed.append(call)
    if not failed:
        return CLOSED
    limited = next((_age(call, now_ms) for call in failed if call.status == 429), LIMITED_MS)
    further = sum((call.attempt or 1) == 1 for call in failed[:-OPENS_AT])
    alone = HERE_MS if here else min(FIRST_MS << min(further, 10), LONGEST_MS)
    left = alone - _age(failed[0], now_ms) if len(failed) >= OPENS_AT else 0
    return Circuit(len(failed), max(left, 0), limited if limited < LIMITED_MS else None)


def circuits(calls: Iterable[Call], now_ms: int, here: Callable[[str], bool]) -> Mapping[str, Circuit]:
    """How every provider stands that was asked lately. calls: newest first. here: whether one runs on this machine."""
    by_provider: dict[str, list[Call]] = {}
    for call in calls:
        newest = by_provider.setdefault(call.provider, [])
        if len(newest) < NEWEST:
            newest.append(call)
    return {name: circuit_of(found, now_ms, here(name)) for name, found in by_provider.items()}


def is_down(status: int | None, error: str | None) -> bool:
    """Whether what a call was answered with says that its server cannot answer anybody now.

    status: HTTP status, None where there was none; error: the name of the error's class.
    """
    if status is None:
        return error in _DOWN
    return status in _LATER or status >= 500


def spoken(milliseconds: int) -> str:
    """A duration in a few words: `24 s`, `4 min`."""
    seconds = ceil(milliseconds / 1000)
    return f"{seconds} s" if seconds < 120 else f"{ceil(seconds / 60)} min"


def _answered(call: Call) -> bool | None:
    """Whether the server answered, be it with a refusal; None where the call says nothing of it."""
    if call.outcome == "complete" or call.first_token_ms is not None:
        return True
    if call.outcome == "cancelled":
        return None
    if is_down(call.status, call.error):
        return False
    return True if call.status is not None else None


def _age(call: Call, now_ms: int) -> int:
    """How long ago it ended."""
    return max(now_ms - call.started_ms - (call.total_ms or 0), 0)
