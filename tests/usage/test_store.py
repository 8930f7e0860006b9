"""Calls and what they cost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import fields, replace

import pytest

from ei.conversations.store import ConversationStore
from ei.messages import TextPart
from ei.storage.database import Database
from ei.usage.store import CallStore, midnight_ms
from ei.usage.values import Call, Spent


@pytest.fixture
def database() -> Iterator[Database]:
    database = Database(None)
    yield database
    database.close()


CALL = Call(started_ms=1000, interaction="reasoning", provider="x", model="y", outcome="complete")


def test_a_call_comes_back_with_every_field_and_unknown_stays_unknown(database: Database) -> None:
    store, conversations = CallStore(database), ConversationStore(database)
    id = conversations.create("ei").id
    message = conversations.append(id, None, "user", "", [TextPart("a")]).id
    full = Call(
        started_ms=2000,
        interaction="tools",
        provider="openai",
        model="gpt",
        outcome="failed",
        id="one",
        persona="ei",
        conversation=id,
        message=message,
        group="g",
        comparing=True,
        blind=False,
        chosen=True,
        triggered_by="retry",
        attempt=2,
        iteration=3,
        fallback=0,
        profile="p",
        reference="tier:fast",
        resolved_by="persona",
        input_tokens=1,
        cached_tokens=2,
        cache_write_tokens=3,
        output_tokens=4,
        reasoning_tokens=5,
        estimated=False,
        cost=0,
        cost_source="price",
        first_token_ms=6,
        total_ms=7,
        status=529,
        error="BusyError",
        reserved_ms=1999,
        assumed=8,
        approved=True,
    )
    assert all(getattr(full, field.name) is not None for field in fields(Call))
    assert store.record(full) == "one"
    made = store.record(CALL)
    assert store.calls() == (full, replace(CALL, id=made))


def test_what_was_not_saved_or_is_deleted_is_not_named(database: Database) -> None:
    store = CallStore(database)
    store.record(replace(CALL, conversation="incognito", message="gone"))
    (call,) = store.calls()
    assert (call.conversation, call.message) == (None, None)


def test_totals_add_what_is_known_and_count_what_is_not(database: Database) -> None:
    store, conversations = CallStore(database), ConversationStore(database)
    id = conversations.create("ei").id
    for number, cost in enumerate((5, None, 0, 10**15)):
        store.record(
            replace(
                CALL,
                started_ms=1000 + number,
                cost=cost,
                input_tokens=None if cost is None else 10,
                output_tokens=1,
                conversation=id if number else None,
                persona="ei" if number % 2 else "lena",
            )
        )
    assert store.spent() == Spent(4, 10**15 + 5, 1, 30, 4)
    assert store.spent(1001) == Spent(3, 10**15, 1, 20, 3)
    assert store.spent(until_ms=1001) == Spent(1, 5, 0, 10, 1)
    assert store.spent(conversation=id) == Spent(3, 10**15, 1, 20, 3)
    assert store.spent(persona="lena") == Spent(2, 5, 0, 20, 2)
    assert store.spent(message="x") == store.spent(5000) == Spent()
    assert [call.started_ms for call in store.calls(limit=2)] == [1003, 1002]


def test_today_begins_at_local_midnight(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.mktime((2026, 3, 4, 15, 30, 0, 0, 0, -1))
    midnight = time.mktime((2026, 3, 4, 0, 0, 0, 0, 0, -1))
    assert midnight_ms(now) == midnight * 1000
    store = CallStore(database, clock=lambda: now)
    for seconds, cost in ((midnight - 1, 1), (midnight, 2), (now, 4)):
        store.record(replace(CALL, started_ms=int(seconds * 1000), cost=cost))
    assert store.spent_today().cost == 6
