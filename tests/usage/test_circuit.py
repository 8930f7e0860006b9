"""When a provider is left alone, for how long, and what ends it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ei.storage.database import Database
from ei.usage.circuit import CLOSED, Circuit, circuit_of, circuits, is_down, spoken
from ei.usage.store import CallStore
from ei.usage.values import Call

NOW = 1_700_000_000_000
FAILED = Call(0, "reasoning", "groq", "m", "failed", attempt=1, total_ms=1000, status=503, error="BusyError")
ANSWERED = Call(0, "reasoning", "groq", "m", "complete", first_token_ms=5, total_ms=1000)


def at(call: Call, seconds_ago: float) -> Call:
    """The call, ended so many seconds ago."""
    return replace(call, started_ms=NOW - round(seconds_ago * 1000) - 1000)


def row(count: int, seconds_ago: float = 0, call: Call = FAILED) -> list[Call]:
    """So many failures, ten seconds apart, the newest first."""
    return [at(call, seconds_ago + 10 * n) for n in range(count)]


@pytest.mark.parametrize(
    ("failures", "seconds_ago", "left"),
    [
        (4, 0, 0),
        (5, 0, 30),
        (5, 6, 24),
        (5, 30, 0),
        (6, 0, 60),
        (7, 20, 100),
        (9, 0, 480),
        (10, 0, 900),
        (40, 0, 900),
        (40, 899, 1),
    ],
)
def test_five_failures_in_a_row_open_it_for_a_time_that_doubles(failures: int, seconds_ago: int, left: int) -> None:
    assert circuit_of(row(failures, seconds_ago), NOW) == Circuit(failures, left * 1000)


def test_attempts_of_one_try_lengthen_it_once() -> None:
    again = [replace(call, attempt=4 - n) for n, call in enumerate(row(4))]
    assert circuit_of([*again, *row(5, 60)], NOW) == Circuit(9, 60_000)


def test_a_server_on_this_machine_is_left_alone_for_five_seconds() -> None:
    assert circuit_of(row(20), NOW, here=True).open_ms == 5000
    assert circuit_of(row(20, 5), NOW, here=True).open_ms == 0


@pytest.mark.parametrize(
    "call",
    [
        ANSWERED,
        replace(FAILED, status=400, error="ProviderError"),
        replace(FAILED, status=401, error="RefusedKeyError"),
        replace(FAILED, status=404, error="UnknownModelError"),
        replace(FAILED, status=None, error="CutOffError", first_token_ms=3),
        replace(ANSWERED, outcome="cancelled"),
    ],
)
def test_a_server_that_answers_is_up(call: Call) -> None:
    assert circuit_of([at(call, 1), *row(9, 10)], NOW) == CLOSED
    assert circuit_of([*row(4), at(call, 50), *row(9, 60)], NOW) == Circuit(4)


@pytest.mark.parametrize(
    "call",
    [
        replace(FAILED, status=None, error="MissingKeyError"),
        replace(FAILED, status=None, error="ProviderError"),
        replace(FAILED, status=None, error=None, outcome="cancelled"),
    ],
)
def test_a_call_that_asked_nobody_or_was_stopped_says_nothing(call: Call) -> None:
    assert circuit_of([at(call, 0), *row(5, 6)], NOW) == Circuit(5, 24_000)


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [(code, "BusyError", True) for code in (408, 429, 500, 502, 503, 529)]
    + [(None, error, True) for error in ("UnreachableError", "CutOffError")]
    + [(code, "ProviderError", False) for code in (400, 401, 402, 403, 404, 413, 422)]
    + [(None, error, False) for error in ("MissingKeyError", "ProviderError", None)],
)
def test_what_says_that_a_server_is_down(status: int | None, error: str | None, expected: bool) -> None:
    assert is_down(status, error) is expected


def test_what_happened_more_than_an_hour_ago_is_forgotten() -> None:
    assert circuit_of(row(9, 3600), NOW) == CLOSED


def test_a_429_within_a_minute_is_told_until_something_is_answered() -> None:
    limited = at(replace(FAILED, status=429), 12)
    assert circuit_of([limited], NOW) == Circuit(1, 0, 12_000)
    assert circuit_of([limited], NOW).words == "rate-limited 12 s ago"
    assert circuit_of([at(ANSWERED, 3), limited], NOW) == CLOSED
    assert circuit_of([at(replace(FAILED, status=429), 60)], NOW).words == ""


def test_every_provider_is_told_apart() -> None:
    calls = [*row(6, 36), at(replace(ANSWERED, provider="openai"), 1), *row(5, 0, replace(FAILED, provider="local"))]
    found = circuits(calls, NOW, lambda name: name == "local")
    assert {name: circuit.words for name, circuit in found.items()} == {
        "groq": "circuit open for 24 s after 6 failures",
        "openai": "",
        "local": "circuit open for 5 s after 5 failures",
    }


def test_durations_are_spoken() -> None:
    assert [spoken(ms) for ms in (1, 1000, 119_000, 119_001, 900_000)] == ["1 s", "1 s", "119 s", "2 min", "15 min"]


def test_the_newest_calls_of_one_provider_come_from_the_store() -> None:
    database = Database(None)
    store = CallStore(database)
    for seconds in (50, 40, 30, 20):
        store.record(at(FAILED, seconds))
        store.record(at(replace(FAILED, provider="x"), seconds))
    found = store.recent("groq", NOW - 45_000, 2)
    assert [(NOW - call.started_ms, call.provider) for call in found] == [(21_000, "groq"), (31_000, "groq")]
    database.close()
