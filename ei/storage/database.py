"""The database: connections, transactions, one writer thread, errors in words."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from ei.errors import DiskFullError, StorageError
from ei.storage.migrate import migrate

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

P = ParamSpec("P")
T = TypeVar("T")

BUSY_SECONDS = 5.0
NO_ROOM_BYTES = 1 << 20
"""Below this much free space a failed write is called a full disk, whatever the system called it."""
BIG_BYTES = 256 << 20
"""Above this size a database is rebuilt by way of a temporary file instead of memory."""


class Database:
    """One SQLite database, usable from any thread; nothing is opened before it is needed.

    path: the file, or None for one in memory that never touches the disk (chats that are not saved).
    Every method raises StorageError (DiskFullError when there is no room) with a sentence for the person.

    A commit is on the disk when `transaction` ends (WAL with synchronous=FULL): it survives kill -9 and a power
    cut. That is one fsync per commit; replies are saved once a second, so it is never felt.
    """

    def __init__(self, path: Path | None, busy_seconds: float = BUSY_SECONDS) -> None:
        self.path = path
        self._busy_seconds = busy_seconds
        self._local = threading.local()
        self._lock = threading.RLock()
        self._opening = threading.Lock()
        self._open: list[tuple[threading.Thread, sqlite3.Connection]] = []
        self._ready = False
        self._closed = False
        self._writer: ThreadPoolExecutor | None = None

    @property
    def name(self) -> str:
        """What it is called in texts: its path, or "memory"."""
        return "memory" if self.path is None else str(self.path)

    def open(self) -> None:
        """Opens and migrates now, so that a problem shows now. Opening twice does nothing."""
        with self._errors():
            self._connection()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing: committed at the end, rolled back on any exception. Not to be nested."""
        with self._errors(), self._lock:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    with suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """One unchanging view of the database for several queries; waits for no writer. Not to be nested."""
        with self._errors():
            if self.path is None:
                self._lock.acquire()
            try:
                connection = self._connection()
                connection.execute("BEGIN")
                try:
                    yield connection
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
            finally:
                if self.path is None:
                    self._lock.release()

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Runs function on the one writer thread, in the order of submitting, and gives a future of what it returns."""
        with self._opening:
            if self._closed:
                raise StorageError("The database is closed.")
            if self._writer is None:
                # Loaded late: 10 ms that the prompt need not wait for.
                from concurrent.futures import ThreadPoolExecutor

                self._writer = ThreadPoolExecutor(1, thread_name_prefix="ei-writer")
            return self._writer.submit(function, *args, **kwargs)

    def scrub(self) -> bool:
        """Leaves nothing of deleted rows in the file: rebuilds it and empties the write-ahead log.

        `secure_delete` zeroes what is deleted, but when SQLite moves rows between pages it leaves their old bytes
        in the gaps of the page they came from, and a later deletion does not find those (measured: one in 200).
        Only a rebuilt file is clean. False: another program is reading, or there is no room; try again later.
        """
        if self.path is None:
            return True
        with self._errors(), self._lock:
            connection = self._connection()
            try:
                big = self.path.stat().st_size > BIG_BYTES
                connection.execute(f"PRAGMA temp_store = {'FILE' if big else 'MEMORY'}")
                connection.execute("VACUUM")
            except sqlite3.OperationalError as exc:
                if _primary_code(exc) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL):
                    raise
                return False
            finally:
                connection.execute("PRAGMA temp_store = MEMORY")
            busy: int = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            return not busy

    def close(self) -> None:
        """Waits for what was submitted, then closes every connection. Closing twice does nothing."""
        with self._opening:
            self._closed = True
            writer = self._writer
        if writer is not None:
            writer.shutdown()
        with self._opening:
            while self._open:
                self._open.pop()[1].close()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is not None and not self._closed:
            return connection
        with self._opening:
            if self._closed:
                raise StorageError("The database is closed.")
            if self.path is None and self._open:
                connection = self._open[0][1]
            else:
                self._close_those_of_dead_threads()
                connection = self._connect()
                self._open.append((threading.current_thread(), connection))
            self._local.connection = connection
            return connection

    def _close_those_of_dead_threads(self) -> None:
        if self.path is None:
            return
        for entry in [entry for entry in self._open if not entry[0].is_alive()]:
            self._open.remove(entry)
            entry[1].close()

    def _connect(self) -> sqlite3.Connection:
        if self.path is not None and not self._ready:
            try:
                _make_file(self.path)
            except OSError as exc:
                if exc.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise self._full() from exc
                raise self._unwritable() from exc
        # isolation_level None: we say BEGIN ourselves. Other threads only ever close it, or hold the lock.
        connection = sqlite3.connect(
            self.path or ":memory:", timeout=self._busy_seconds, isolation_level=None, check_same_thread=False
        )
        try:
            # temp_store: a sort that spills to a file would write what people said into the system's temp folder.
            for pragma in ("foreign_keys = ON", "secure_delete = ON", "synchronous = FULL", "temp_store = MEMORY"):
                connection.execute(f"PRAGMA {pragma}")
            if not self._ready:
                if self.path is not None:
                    self._use_wal(connection)
                migrate(connection, self.name)
                self._ready = True
        except BaseException:
            connection.close()
            raise
        return connection

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        """Switching asks for the file alone and does not wait by itself: another ei may be switching right now."""
        deadline = time.monotonic() + self._busy_seconds
        while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                return  # a network folder may keep its own mode, and works
            except sqlite3.OperationalError as exc:
                if _primary_code(exc) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turns what SQLite and the system say into a sentence for the person."""
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError):
            raise  # our own mistakes
        except sqlite3.Error as exc:
            raise self._explain(exc) from exc

    def _explain(self, exc: sqlite3.Error) -> StorageError:
        code = _primary_code(exc)
        if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and self._no_room()):
            return self._full()
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return StorageError(
                f"The database {self.name} is busy: another program has held it for {self._busy_seconds:g} s.",
                "Try again; if it stays, close that program.",
            )
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return StorageError(
                f"{self.name} is damaged or is not a database: {exc}.",
                "Move it away to start anew; `sqlite3 FILE .recover` may save what is in it.",
            )
        if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
            return self._unwritable()
        if "no such module: fts5" in str(exc):
            return StorageError(
                "The SQLite of this Python was built without full-text search (FTS5).", "Use a Python from python.org."
            )
        if code == sqlite3.SQLITE_IOERR:
            return StorageError(f"{self.name} could not be read or written: {exc}.", "Check the disk, then try again.")
        return StorageError(f"The database {self.name} failed: {exc}.")

    def _full(self) -> DiskFullError:
        return DiskFullError(f"The disk is full: {self.name} could not be written.", "Make room, then try again.")

    def _unwritable(self) -> StorageError:
        return StorageError(
            f"{self.name} cannot be opened for writing.",
            "Check who may write that folder, or give ei another one: EI_DATA_PATH.",
        )

    def _no_room(self) -> bool:
        if self.path is None:
            return False
        try:
            return shutil.disk_usage(self.path.parent).free < NO_ROOM_BYTES
        except OSError:
            return False


def _make_file(path: Path) -> None:
    """The folder (0700) and the file (0600): the file of a new database is never open to others, not even once."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name != "posix":
        return
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    if path.stat().st_mode & 0o077:
        with suppress(OSError):
            path.chmod(0o600)


def _primary_code(exc: sqlite3.Error) -> int:
    """SQLite's primary result code (https://sqlite.org/rescode.html), 0 where Python gave none."""
    return getattr(exc, "sqlite_errorcode", 0) & 0xFF
