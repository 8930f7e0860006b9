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

    def get(self, model: str) -> dict[str, object]:
        """All that is known of a model, by name."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT name, value FROM learned WHERE owner = ? AND model = ? ORDER BY name", (self._owner, model)
            ).fetchall()
        return {name: json.loads(value) for name, value in rows}

    def set(self, model: str, name: str, value: object) -> None:
        """Keeps one thing, a JSON-ready value; None forgets it."""
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM learned WHERE owner = ? AND model = ? AND name = ?", (self._owner, model, name)
            )
            if value is not None:
                connection.execute(
                    "INSERT INTO learned (owner, model, name, value, learned_ms) VALUES (?, ?, ?, ?, ?)",
                    (self._owner, model, name, json.dumps(value), int(self._clock() * 1000)),
                )
