"""What was learned of a model by talking with it: dropped parameters, forms of reasoning, real names."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from ei.storage.database import Database


class LearnedStore:
    """Safe from any thread. A model is `provider:model`."""

    def __init__(self, database: Database, owner: str = "local", clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._owner = owner
        self._clock = clock

    def get(self, model: str, context_since_ms: int = 0) -> dict[str, object]:
        """All that is known of a model, by name.

        context_since_ms: a size of the context ("context") that was learned before then is left out (milliseconds
        since 1970): a server is started anew with another.
        """
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT name, value FROM learned WHERE owner = ? AND model = ?"
                " AND (name <> 'context' OR learned_ms >= ?) ORDER BY name",
                (self._owner, model, context_since_ms),
            ).fetchall()
        return {name: json.loads(value) for name, value in rows}

    def named(self, name: str) -> dict[str, object]:
        """One thing of every model of which it is known, by model."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT model, value FROM learned WHERE owner = ? AND name = ?", (self._owner, name)
            ).fetchall()
        return {model: json.loads(value) for model, value in rows}

    def set(self, model: str, name: str, value: object) -> None:
        """Keeps one thing, a JSON-ready value; None forgets it."""
        self.change(model, name, lambda before: value)

    def change(self, model: str, name: str, change: Callable[[object], object]) -> None:
        """Keeps what `change` makes of one thing as it is now (None where nothing is known), in one transaction.

        So that calls which end at the same time, also in another ei, each add what they found.
        """
        named = (self._owner, model, name)
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT value FROM learned WHERE owner = ? AND model = ? AND name = ?", named
            ).fetchone()
            value = change(None if row is None else json.loads(row[0]))
            connection.execute("DELETE FROM learned WHERE owner = ? AND model = ? AND name = ?", named)
            if value is not None:
                connection.execute(
                    "INSERT INTO learned (owner, model, name, value, learned_ms) VALUES (?, ?, ?, ?, ?)",
                    (*named, json.dumps(value), int(self._clock() * 1000)),
                )
