"""Which providers are left alone now: the circuits, read from the ledger of calls that every process shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ei.engine.pricing import runs_here
from ei.engine.services import Services, on_database
from ei.errors import EiError, StorageError
from ei.usage.circuit import CLOSED, NEWEST, WINDOW_MS, Circuit, circuit_of, circuits
from ei.usage.store import CallStore

MOST = 2000
"""So many calls of the last hour are looked at, of all providers together."""


async def circuit_now(services: Services, provider: str) -> Circuit:
    """How a provider stands now; closed where the ledger cannot be read."""
    now_ms = int(services.now() * 1000)
    try:
        calls = await on_database(services.database, services.calls.recent, provider, now_ms - WINDOW_MS, NEWEST)
    except StorageError as exc:
        services.log(f"calls not read: {exc}")
        return CLOSED
    return circuit_of(calls, now_ms, runs_here(services, provider))


def down_now(calls: CallStore, now: Callable[[], float], stays_here: Callable[[str], bool]) -> Mapping[str, str]:
    """Why a provider is asked last now, in a few words, of those that are.

    now: seconds since 1970. stays_here: whether a provider runs on this machine. Reads the database: call it from a
    thread where that matters.
    """

    def here(name: str) -> bool:
        try:
            return stays_here(name)
        except EiError:
            return False

    now_ms = int(now() * 1000)
    try:
        newest = calls.calls(now_ms - WINDOW_MS, limit=MOST)
    except StorageError:
        return {}
    return {name: found.words for name, found in circuits(newest, now_ms, here).items() if found.words}
