"""Brings a database to the schema that this program knows, by numbered SQL files."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from ei.errors import StorageError

SCHEMA_VERSION = 5
"""The number of the last file in `migrations/`; kept here so that opening need not list them."""

MIGRATIONS = Path(__file__).with_name("migrations")


def migrate(connection: sqlite3.Connection, name: str) -> None:
    """Applies what is missing, all in one transaction; two programs starting at once do it once.

    name is the database in error texts. Raises StorageError for a schema newer than this program and for a
    database of another program.
    """
    if version_of(connection, name) == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = version_of(connection, name)
        for number, path in sorted((int(path.name[:4]), path) for path in MIGRATIONS.glob("[0-9]*.sql")):
            if version < number <= SCHEMA_VERSION:
                for statement in statements(path.read_text("utf-8")):
                    connection.execute(statement)
        connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
        connection.execute("DELETE FROM schema_version")
        connection.execute("INSERT INTO schema_version (version) VALUES (?)", (SCHEMA_VERSION,))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def version_of(connection: sqlite3.Connection, name: str) -> int:
    """The schema's number, 0 for a new database. Raises StorageError where this program cannot go on."""
    try:
        row = connection.execute("SELECT version FROM schema_version").fetchone()
    except sqlite3.OperationalError as exc:
        if "no such table" not in str(exc):
            raise
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise StorageError(
                f"{name} is a database of another program.", "Move it away, or give ei another folder: EI_DATA_PATH."
            ) from exc
        return 0
    version = int(row[0])
    if version > SCHEMA_VERSION:
        raise StorageError(
            f"{name} was written by a newer ei (schema {version}; this one knows {SCHEMA_VERSION}).",
            "Update ei, or give this one another folder: EI_DATA_PATH.",
        )
    return version


def statements(script: str) -> Iterator[str]:
    """The statements of an SQL file, one by one: `executescript` would commit the transaction around them."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
