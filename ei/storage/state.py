"""Small things to remember per owner: a name and a JSON value."""

from __future__ import annotations

import json

from ei.storage.database import Database

ACTIVE_PERSONA = "active_persona"
"""The name under which the persona in front is kept."""


class StateStore:
    """Names and values that outlive the program (which persona was last, which hints were shown)."""

    def __init__(self, database: Database, owner: str = "local") -> None:
        self._database = database
        self._owner = owner

    def get(self, name: str, default: object = None) -> object:
        """The value under name, or default."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT value FROM state WHERE owner = ? AND name = ?", (self._owner, name)
            ).fetchone()
        return default if row is None else json.loads(row[0])

    def set(self, name: str, value: object) -> None:
        """Keeps a JSON-ready value; None forgets the name."""
        with self._database.transaction() as connection:
            if value is None:
                connection.execute("DELETE FROM state WHERE owner = ? AND name = ?", (self._owner, name))
            else:
                connection.execute(
                    "INSERT INTO state (owner, name, value) VALUES (?, ?, ?)"
                    " ON CONFLICT (owner, name) DO UPDATE SET value = excluded.value",
                    (self._owner, name, json.dumps(value)),
                )
