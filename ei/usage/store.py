"""The store of calls: what every request to a model took and cost."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, fields, replace
from typing import Any

from ei.storage.database import Database
from ei.storage.ids import uuid7
from ei.usage.budget import Quote, counted
from ei.usage.comparing import Compared
from ei.usage.values import Call, Measured, Spent

# Fields of Call whose column has another name (a reserved word in SQL).
RENAMED = {"group": "grouping"}
FLAGS = ("comparing", "blind", "chosen", "estimated", "approved")
FIELDS = tuple(field.name for field in fields(Call))
COLUMNS = tuple(RENAMED.get(name, name) for name in FIELDS)


class CallStore:
    """Safe from any thread. clock: seconds since 1970."""

    def __init__(self, database: Database, owner: str = "local", clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._owner = owner
        self._clock = clock

    def record(self, call: Call, reservation: str = "", written: int | None = None) -> str:
        """Keeps a call and gives its id.

        A conversation or message that is not in this database (deleted meanwhile, or of a chat that is not saved)
        is left out of the row. reservation: what was set aside for it, which is given back in the same transaction.
        written: no more tokens than these came of the reply, as in `ei.usage.budget.counted`.
        """
        with self._database.transaction() as connection:
            if reservation:
                call = settled(connection, self._owner, call, reservation, written)
            return insert(connection, self._owner, call)

    def spent(
        self,
        since_ms: int = 0,
        *,
        until_ms: int | None = None,
        conversation: str | None = None,
        message: str | None = None,
        persona: str | None = None,
    ) -> Spent:
        """Totals of the calls that started in [since_ms, until_ms), of one conversation, message, persona if given."""
        where, values = _conditions(self._owner, since_ms, until_ms, conversation, message, persona)
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT count(*), coalesce(sum(cost), 0), count(*) - count(cost), coalesce(sum(input_tokens), 0),"
                f" coalesce(sum(output_tokens), 0) FROM calls WHERE {where}",
                values,
            ).fetchone()
        return Spent(*row)

    def spent_today(self) -> Spent:
        """Totals since midnight, local time."""
        return self.spent(midnight_ms(self._clock()))

    def calls(
        self,
        since_ms: int = 0,
        *,
        until_ms: int | None = None,
        conversation: str | None = None,
        message: str | None = None,
        persona: str | None = None,
        limit: int = 1000,
    ) -> tuple[Call, ...]:
        """The calls themselves, newest first."""
        where, values = _conditions(self._owner, since_ms, until_ms, conversation, message, persona)
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {', '.join(COLUMNS)} FROM calls WHERE {where} ORDER BY started_ms DESC, key DESC LIMIT ?",
                (*values, limit),
            ).fetchall()
        return tuple(_call(row) for row in rows)

    def last_used(self, provider: str) -> Mapping[str, int]:
        """When each model of a provider was asked last, by its name, in milliseconds since 1970."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT model, max(started_ms) FROM calls WHERE owner = ? AND provider = ? GROUP BY model",
                (self._owner, provider),
            ).fetchall()
        return {str(model): int(moment) for model, moment in rows}

    def measured(self, since_ms: int = 0) -> list[Measured]:
        """What was measured of every call that started since then, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {', '.join(Measured._fields)} FROM calls WHERE owner = ? AND started_ms >= ?"
                " ORDER BY started_ms, key",
                (self._owner, since_ms),
            ).fetchall()
        return [Measured._make(row) for row in rows]

    def asked(self, conversation: str, provider: str, model: str) -> bool:
        """Whether a conversation asked that model before."""
        with self._database.read() as connection:
            return (
                connection.execute(
                    "SELECT 1 FROM calls WHERE conversation = ? AND provider = ? AND model = ? AND owner = ? LIMIT 1",
                    (conversation, provider, model, self._owner),
                ).fetchone()
                is not None
            )

    def mark_chosen(self, group: str, message: str) -> None:
        """Notes which reply of a comparison was kept; the others of it were not."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE calls SET chosen = CASE WHEN message = ? THEN 1 ELSE 0 END WHERE owner = ? AND grouping = ?",
                (message, self._owner, group),
            )

    def comparisons(self, persona: str | None = None) -> tuple[Compared, ...]:
        """Who was up against whom where one was kept, oldest first; a model that could not answer was not."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT grouping, max(coalesce(persona, '')), provider, model, coalesce(profile, ''),"
                " max(coalesce(chosen, 0)), max(coalesce(blind, 0)) FROM calls"
                " WHERE owner = ? AND comparing = 1 AND (? IS NULL OR persona = ?)"
                " AND grouping IN (SELECT grouping FROM calls WHERE owner = ? AND chosen = 1)"
                " GROUP BY grouping, provider, model, coalesce(profile, '')"
                " HAVING max(CASE WHEN outcome = 'failed' AND coalesce(chosen, 0) = 0 THEN 0 ELSE 1 END) = 1"
                " ORDER BY min(key)",
                (self._owner, persona, persona, self._owner),
            ).fetchall()
        return tuple(
            Compared(group, who, f"{provider}:{model}" + (f" (profile:{by})" if by else ""), bool(kept), bool(blind))
            for group, who, provider, model, by, kept, blind in rows
        )

    def recent(self, provider: str, since_ms: int, limit: int) -> tuple[Call, ...]:
        """The newest calls of a provider that started since then, newest first."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {', '.join(COLUMNS)} FROM calls WHERE owner = ? AND provider = ? AND started_ms >= ?"
                " ORDER BY started_ms DESC, key DESC LIMIT ?",
                (self._owner, provider, since_ms, limit),
            ).fetchall()
        return tuple(_call(row) for row in rows)


def insert(connection: sqlite3.Connection, owner: str, call: Call) -> str:
    """Writes the row of a call and gives its id. A conversation or message that is not here is left out."""
    values = dict(zip(FIELDS, astuple(call), strict=True))
    values["id"] = call.id or uuid7(call.started_ms)
    for name in ("conversation", "message"):
        found = connection.execute(f"SELECT id FROM {name} WHERE id = ?", (values[name],)).fetchone()
        values[name] = found[0] if found else None
    marks = ", ".join("?" * len(COLUMNS))
    connection.execute(
        f"INSERT INTO calls (owner, {', '.join(COLUMNS)}) VALUES (?, {marks})", (owner, *values.values())
    )
    return str(values["id"])


def settled(connection: sqlite3.Connection, owner: str, call: Call, reservation: str, written: int | None) -> Call:
    """The call with what budgets have to know of it; what was set aside for it is free again.

    Where the reservation was settled by another process, which took this one for gone, that row gives way to the call.
    """
    gone = connection.execute(
        "SELECT reserved_ms, approved, coalesce(assumed, 0) FROM calls WHERE id = ?", (reservation,)
    ).fetchone()
    if gone is not None:
        connection.execute("DELETE FROM calls WHERE id = ?", (reservation,))
        sure = call.cost is not None and not call.estimated
        return replace(
            call, reserved_ms=gone[0], approved=bool(gone[1]) or None, assumed=None if sure else int(gone[2])
        )
    row = connection.execute(
        "SELECT provider, model, input_tokens, input_price, output_price, fixed, hides, amount, created_ms, approved,"
        " persona FROM reservation WHERE id = ?",
        (reservation,),
    ).fetchone()
    if row is None:
        return call
    amount, created_ms, approved, persona = row[7:]
    connection.execute("DELETE FROM reservation WHERE id = ?", (reservation,))
    if call.persona is None and persona is not None:
        # Of a chat that is not saved a persona is only kept where it has a budget to be counted for.
        found = connection.execute(
            "SELECT 1 FROM budget WHERE owner = ? AND scope = 'persona' AND name = ?", (owner, persona)
        ).fetchone()
        call = replace(call, persona=persona if found else None)
    return replace(
        call,
        reserved_ms=created_ms,
        approved=bool(approved) or None,
        assumed=counted(quote_of(row), amount, call.cost, bool(call.estimated), written),
    )


def quote_of(row: Sequence[Any]) -> Quote:
    """The quote of a reservation. row: provider, model, input_tokens, input_price, output_price, fixed, hides, …"""
    provider, model, tokens, price, output, fixed, hides = row[:7]
    return Quote(provider, model, tokens, price, output, fixed, hides=bool(hides))


def midnight_ms(now: float) -> int:
    """The last local midnight before now (seconds since 1970), in milliseconds since 1970."""
    day = time.localtime(now)
    return int(time.mktime((day.tm_year, day.tm_mon, day.tm_mday, 0, 0, 0, 0, 0, -1)) * 1000)


def _conditions(
    owner: str,
    since_ms: int,
    until_ms: int | None,
    conversation: str | None,
    message: str | None,
    persona: str | None,
) -> tuple[str, tuple[object, ...]]:
    conditions: list[tuple[str, object]] = [("owner = ?", owner), ("started_ms >= ?", since_ms)]
    for sql, value in (
        ("started_ms < ?", until_ms),
        ("conversation = ?", conversation),
        ("message = ?", message),
        ("persona = ?", persona),
    ):
        if value is not None:
            conditions.append((sql, value))
    return " AND ".join(sql for sql, _ in conditions), tuple(value for _, value in conditions)


def _call(row: tuple[Any, ...]) -> Call:
    values = dict(zip(FIELDS, row, strict=True))
    for name in FLAGS:
        if values[name] is not None:
            values[name] = bool(values[name])
    return Call(**values)
