"""The store of budgets, and of what is set aside for requests under way: no two of them can overshoot together."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ei.platform import is_running
from ei.storage.database import Database
from ei.storage.ids import uuid7
from ei.usage.budget import (
    SCOPES,
    WARN_AT,
    Budget,
    Fit,
    Held,
    Quote,
    Standing,
    Wish,
    applies,
    fitted,
    most_tokens,
    period_of,
    unbounded,
)
from ei.usage.store import insert, quote_of, settled
from ei.usage.values import Call

LEASE_MS = 20_000
GONE_MS = 3_600_000
"""A lease that ended so long ago was its owner's, whatever program has the process's number now."""
DAY_MS = 86_400_000
"""A call may have begun so long before its money was set aside: its question waited for an answer."""
_COLUMNS = "scope, name, amount, then_do, reference, warned"
_QUOTE = "provider, model, input_tokens, input_price, output_price, fixed, hides"


@dataclass(frozen=True, slots=True)
class Reserved:
    """What was set aside. id: "" where nothing had to be. fit: what the request may cost, None where it does not
    matter."""

    id: str = ""
    fit: Fit | None = None


class BudgetStore:
    """Safe from any thread, and beside other processes. clock: seconds since 1970.

    lease_owner: this process, as `PID-…`; is_running: whether a process of that number is.
    """

    def __init__(
        self,
        database: Database,
        lease_owner: str = "",
        owner: str = "local",
        clock: Callable[[], float] = time.time,
        is_running: Callable[[int], bool] = is_running,
    ) -> None:
        self._database = database
        self._lease_owner = lease_owner
        self._owner = owner
        self._clock = clock
        self._is_running = is_running

    # What may be spent --------------------------------------------------------------------------------------

    def set(self, budget: Budget) -> None:
        """Sets a budget in place of the one of that scope and name; the person is warned of it anew."""
        row = (budget.amount, budget.then, json.dumps(budget.reference) if budget.reference is not None else "")
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO budget (owner, scope, name, amount, then_do, reference, warned)"
                " VALUES (?, ?, ?, ?, ?, ?, '') ON CONFLICT (owner, scope, name) DO UPDATE SET"
                " amount = excluded.amount, then_do = excluded.then_do, reference = excluded.reference, warned = ''",
                (self._owner, budget.scope, budget.name, *row),
            )

    def clear(self, scope: str, name: str = "") -> bool:
        """Takes a budget away; False where there was none."""
        with self._database.transaction() as connection:
            return bool(
                connection.execute(
                    "DELETE FROM budget WHERE owner = ? AND scope = ? AND name = ?", (self._owner, scope, name)
                ).rowcount
            )

    def any(self) -> bool:
        """Whether there is a budget at all."""
        with self._database.read() as connection:
            return connection.execute("SELECT 1 FROM budget WHERE owner = ?", (self._owner,)).fetchone() is not None

    def standings(self) -> tuple[Standing, ...]:
        """How every budget stands now, the day first."""
        with self._database.transaction() as connection:
            self._settle_gone(connection)
            return self._standings(connection, self._all(connection))

    def allow(self, model: str, allowed: bool = True) -> bool:
        """Lets a model (`provider:model`) be used although its price is not known, or no longer; False: no change."""
        with self._database.transaction() as connection:
            if allowed:
                statement = "INSERT INTO budget_allowed (owner, model) VALUES (?, ?) ON CONFLICT DO NOTHING"
            else:
                statement = "DELETE FROM budget_allowed WHERE owner = ? AND model = ?"
            return bool(connection.execute(statement, (self._owner, model)).rowcount)

    def allowed(self) -> tuple[str, ...]:
        """The models that may be used although their price is not known."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT model FROM budget_allowed WHERE owner = ? ORDER BY model", (self._owner,)
            ).fetchall()
        return tuple(row[0] for row in rows)

    def to_warn(self) -> tuple[Standing, ...]:
        """The budgets of which WARN_AT per cent are spent and the person was not told in this period; now it is."""
        with self._database.transaction() as connection:
            found = [one for one in self._standings(connection, self._all(connection)) if one.percent >= WARN_AT]
            new = [one for one in found if one.budget.warned != one.period.key]
            connection.executemany(
                "UPDATE budget SET warned = ? WHERE owner = ? AND scope = ? AND name = ?",
                [(one.period.key, self._owner, one.budget.scope, one.budget.name) for one in new],
            )
        return tuple(new)

    # What is set aside --------------------------------------------------------------------------------------

    def reserve(self, wish: Wish, quote: Quote, *, approved: bool = False) -> Reserved | Held:
        """Sets aside what a request may cost at most, unless a budget has too little left.

        approved: the person lets this one through whatever is left. Nothing is set aside where no budget applies, the
        request is free, or its price is not known and the person allowed that.
        """
        with self._database.transaction() as connection:
            found = [budget for budget in self._all(connection) if applies(budget, wish, quote.provider)]
            if not found or quote.free or (not quote.known and self._is_allowed(connection, quote)):
                return Reserved()
            self._settle_gone(connection)
            fit = fitted(quote, self._standings(connection, found))
            if isinstance(fit, Held):
                if not approved or not quote.known:
                    return fit
                fit = unbounded(quote)
            now_ms = int(self._clock() * 1000)
            id = uuid7(now_ms)
            connection.execute(
                "INSERT INTO reservation (id, owner, amount, created_ms, lease_owner, lease_until_ms, interaction,"
                f" triggered_by, persona, conversation, message, {_QUOTE}, approved)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    id, self._owner, fit.amount, now_ms, self._lease_owner, now_ms + LEASE_MS, wish.interaction,
                    wish.trigger, wish.persona, wish.conversation, wish.message, quote.provider, quote.model,
                    quote.input_tokens, quote.input_price, quote.output_price, quote.fixed, quote.hides, approved,
                ),
            )  # fmt: skip
            return Reserved(id, fit)

    def again(self, id: str) -> Reserved | Held:
        """Sets the same aside once more: the request is sent again, and the first time may have cost something."""
        with self._database.transaction() as connection:
            row = connection.execute(
                f"SELECT {_QUOTE}, amount, approved, interaction, triggered_by, persona, conversation, message"
                " FROM reservation WHERE id = ?",
                (id,),
            ).fetchone()
            if row is None:
                return Reserved()
            quote, amount, approved, wish = quote_of(row), row[7], row[8], Wish(*row[9:])
            found = [budget for budget in self._all(connection) if applies(budget, wish, quote.provider)]
            short = tuple(one for one in self._standings(connection, found) if one.left < amount)
            if short and not approved:
                return Held(short, amount)
            now_ms = int(self._clock() * 1000)
            new = uuid7(now_ms)
            same = f"owner, amount, lease_owner, interaction, triggered_by, persona, conversation, message, {_QUOTE}"
            connection.execute(
                f"INSERT INTO reservation (id, created_ms, lease_until_ms, approved, {same})"
                f" SELECT ?, ?, ?, approved, {same} FROM reservation WHERE id = ?",
                (new, now_ms, now_ms + LEASE_MS, id),
            )
            return Reserved(new)

    def release(self, id: str) -> None:
        """Gives back what was set aside for a request that cost nothing."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM reservation WHERE id = ?", (id,))

    def renew(self) -> int:
        """Says that this process still needs what it has set aside; how many requests that is for."""
        with self._database.transaction() as connection:
            return connection.execute(
                "UPDATE reservation SET lease_until_ms = ? WHERE lease_owner = ?",
                (int(self._clock() * 1000) + LEASE_MS, self._lease_owner),
            ).rowcount

    # Inside -------------------------------------------------------------------------------------------------

    def _all(self, connection: sqlite3.Connection) -> list[Budget]:
        rows = connection.execute(f"SELECT {_COLUMNS} FROM budget WHERE owner = ?", (self._owner,)).fetchall()
        found = [_budget(row) for row in rows]
        return sorted(found, key=lambda budget: (SCOPES.index(budget.scope), budget.name))

    def _standings(self, connection: sqlite3.Connection, budgets: list[Budget]) -> tuple[Standing, ...]:
        now = self._clock()
        return tuple(self._standing(connection, budget, now) for budget in budgets)

    def _standing(self, connection: sqlite3.Connection, budget: Budget, now: float) -> Standing:
        period = period_of(budget.scope, now)
        where, values = "owner = ?", [self._owner]
        if budget.name:
            where += f" AND {budget.scope} = ?"
            values.append(budget.name)
        spent, unknown = connection.execute(
            "SELECT coalesce(sum(coalesce(assumed, cost, 0)), 0), count(*) - count(coalesce(assumed, cost)) FROM calls"
            f" WHERE {where} AND started_ms >= ? AND coalesce(reserved_ms, started_ms) >= ?",
            (*values, period.start_ms - DAY_MS, period.start_ms),
        ).fetchone()
        reserved = connection.execute(
            f"SELECT coalesce(sum(amount), 0) FROM reservation WHERE {where} AND created_ms >= ?",
            (*values, period.start_ms),
        ).fetchone()[0]
        return Standing(budget, period, spent, reserved, unknown)

    def _is_allowed(self, connection: sqlite3.Connection, quote: Quote) -> bool:
        return (
            connection.execute(
                "SELECT 1 FROM budget_allowed WHERE owner = ? AND model = ?",
                (self._owner, f"{quote.provider}:{quote.model}"),
            ).fetchone()
            is not None
        )

    def _settle_gone(self, connection: sqlite3.Connection) -> None:
        """Puts a call in the place of what a process that is gone had set aside, by the text that it saved."""
        now_ms = int(self._clock() * 1000)
        rows = connection.execute(
            "SELECT id, lease_owner, lease_until_ms, created_ms, interaction, triggered_by, provider, model, persona,"
            " conversation, message, hides FROM reservation WHERE owner = ? AND lease_until_ms < ?",
            (self._owner, now_ms),
        ).fetchall()
        for id, lease_owner, until_ms, created_ms, *about, hides in rows:
            if until_ms > now_ms - GONE_MS and self._lives(lease_owner):
                continue
            interaction, trigger, provider, model, persona, conversation, message = about
            call = Call(
                created_ms,
                interaction,
                provider,
                model,
                "cancelled",
                persona=persona if conversation else None,
                conversation=conversation,
                message=message,
                triggered_by=trigger,
                error="Gone",
            )
            call = settled(connection, self._owner, call, id, _written(connection, message, bool(hides)))
            insert(connection, self._owner, replace(call, id=id))

    def _lives(self, lease_owner: str) -> bool:
        number = lease_owner.partition("-")[0]
        return number.isdigit() and self._is_running(int(number))


def _written(connection: sqlite3.Connection, message: str | None, hides: bool) -> int | None:
    """No more tokens than these were saved of a reply; None where nobody can say what it took."""
    row = connection.execute("SELECT text, parts FROM message WHERE id = ?", (message,)).fetchone()
    if row is None:
        return None
    parts = json.loads(row[1]) if row[1] else []
    texts = [row[0], *(str(part.get("text", "")) for part in parts if part.get("type") == "reasoning")]
    if (hides and len(texts) == 1) or not any(texts):
        return None
    return most_tokens(texts)


def _budget(row: tuple[Any, ...]) -> Budget:
    scope, name, amount, then, reference, warned = row
    return Budget(scope, amount, name, then, json.loads(reference) if reference else None, warned)
