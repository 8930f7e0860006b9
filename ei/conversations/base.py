"""What every part of the store stands on: a database, an owner, a clock."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from ei.storage.database import Database


class StoreBase:
    """database: shared with the other stores. clock: seconds since 1970."""

    def __init__(self, database: Database, owner: str, clock: Callable[[], float]) -> None:
        self._database = database
        self._owner = owner
        self._clock = clock

    @property
    def database(self) -> Database:
        """Where it keeps everything; its writer thread runs what must not hold up the caller."""
        return self._database

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    def _persona_key(self, connection: sqlite3.Connection, name: str) -> int:
        """The key of a persona's row, made when it is new."""
        connection.execute(
            "INSERT INTO persona (owner, name) VALUES (?, ?) ON CONFLICT (owner, name) DO NOTHING", (self._owner, name)
        )
        return self._known_persona(connection, name) or 0

    def _known_persona(self, connection: sqlite3.Connection, name: str) -> int | None:
        row = connection.execute("SELECT key FROM persona WHERE owner = ? AND name = ?", (self._owner, name)).fetchone()
        return None if row is None else int(row[0])
