"""Connections, transactions, the writer thread, and what is said when something is wrong."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from ei.errors import DiskFullError, StorageError
from ei.storage.database import Database
from ei.storage.migrate import SCHEMA_VERSION
from ei.storage.state import StateStore


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "data" / "ei.db")
    yield database
    database.close()


def remembered(database: Database) -> object:
    return StateStore(database).get("a")


def test_nothing_is_opened_before_it_is_needed(database: Database, tmp_path: Path) -> None:
    assert not (tmp_path / "data").exists()
    database.open()
    assert (tmp_path / "data" / "ei.db").exists()


def test_a_transaction_is_kept_whole_or_not_at_all(database: Database) -> None:
    StateStore(database).set("a", 1)

    def half() -> None:
        with database.transaction() as connection:
            connection.execute("UPDATE state SET value = '2'")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert remembered(database) == 1


def test_a_second_opening_finds_what_the_first_one_wrote(tmp_path: Path) -> None:
    for expected in (None, 1):
        database = Database(tmp_path / "ei.db")
        assert remembered(database) == expected
        StateStore(database).set("a", 1)
        database.close()


def test_one_reading_sees_one_moment_while_others_write(database: Database) -> None:
    StateStore(database).set("a", 1)
    with database.read() as connection:
        before = connection.execute("SELECT value FROM state").fetchall()
        writer = threading.Thread(target=StateStore(database).set, args=("a", 2))
        writer.start()
        writer.join()
        assert connection.execute("SELECT value FROM state").fetchall() == before
    assert remembered(database) == 2


def test_submitted_work_runs_in_order_on_one_thread_and_gives_futures(database: Database) -> None:
    done: list[tuple[int, str]] = []
    futures: list[Future[None]] = [
        database.submit(lambda number=number: done.append((number, threading.current_thread().name)))  # type: ignore[misc]
        for number in range(20)
    ]
    for future in futures:
        future.result()
    assert [number for number, _ in done] == list(range(20))
    assert len({name for _, name in done}) == 1
    with pytest.raises(StorageError):
        database.submit(_fail, database).result()


def _fail(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("SELECT * FROM nothing")


def test_closing_waits_for_what_was_submitted_and_ends_all_use(database: Database) -> None:
    database.submit(time.sleep, 0.05)
    last = database.submit(StateStore(database).set, "a", 1)
    database.close()
    database.close()
    assert last.done()
    with pytest.raises(StorageError, match="closed"):
        remembered(database)
    with pytest.raises(StorageError, match="closed"):
        database.submit(print)


def test_many_threads_may_come_and_go(database: Database) -> None:
    """Each has its own connection, which is closed after the thread has ended."""
    for _ in range(30):
        thread = threading.Thread(target=remembered, args=(database,))
        thread.start()
        thread.join()
    assert len(database._open) <= 2


def test_a_database_in_memory_is_shared_by_threads_and_writes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    database = Database(None)
    threads = [threading.Thread(target=StateStore(database).set, args=(str(n), n)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    database.submit(StateStore(database).set, "a", 1).result()
    with database.read() as connection:
        assert connection.execute("SELECT count(*) FROM state").fetchone() == (9,)
    assert database.scrub()
    database.close()
    assert list(tmp_path.iterdir()) == []


if os.name == "posix":

    def test_only_the_owner_may_read_the_files(database: Database, tmp_path: Path) -> None:
        StateStore(database).set("a", 1)
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "data").iterdir()}
        assert modes == {"ei.db": 0o600, "ei.db-wal": 0o600, "ei.db-shm": 0o600}
        assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700

    def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
        (tmp_path / "ei.db").touch(0o644)
        database = Database(tmp_path / "ei.db")
        database.open()
        database.close()
        assert (tmp_path / "ei.db").stat().st_mode & 0o777 == 0o600

    def test_a_folder_that_cannot_be_written_is_one_sentence() -> None:
        """As root everything can be written, so a process without rights tries."""
        code = """
import os, sys, tempfile
from pathlib import Path
import ei.storage.database as d
folder = Path(tempfile.mkdtemp())
folder.chmod(0o555)
try:
    if os.geteuid() == 0:
        os.seteuid(65534)
    for path in (folder / "ei.db", folder / "below" / "ei.db"):
        try:
            d.Database(path).open()
        except d.StorageError as error:
            print(error.sentence.replace(str(folder), "FOLDER"), error.hint)
finally:
    os.seteuid(os.getuid())
    folder.rmdir()
"""
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        hint = "Check who may write that folder, or give ei another one: EI_DATA_PATH."
        assert out.splitlines() == [
            f"FOLDER/ei.db cannot be opened for writing. {hint}",
            f"FOLDER/below/ei.db cannot be opened for writing. {hint}",
        ]

    def test_a_file_that_may_not_grow_is_one_sentence_and_keeps_what_was_there(tmp_path: Path) -> None:
        """The system refuses to write beyond 300 KB, as it does on a full disk."""
        code = """
import resource, sys
from pathlib import Path
from ei.storage.database import Database
from ei.storage.state import StateStore
from ei.errors import StorageError
database = Database(Path(sys.argv[1]))
state = StateStore(database)
state.set("before", 1)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    for number in range(100):
        state.set(f"big{number}", "x" * 20_000)
except StorageError as error:
    print(error.sentence)
print(state.get("before"))
"""
        path = tmp_path / "ei.db"
        out = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True).stdout
        sentence, before = out.splitlines()
        assert str(path) in sentence
        assert before == "1"
        database = Database(path)
        assert StateStore(database).get("before") == 1
        database.close()


def test_a_full_disk_is_one_sentence_and_what_is_there_stays_readable(database: Database) -> None:
    state = StateStore(database)
    state.set("a", 1)
    with database.read() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(DiskFullError) as caught:
        state.set("b", "x" * 100_000)
    assert caught.value.sentence == f"The disk is full: {database.path} could not be written."
    assert (state.get("a"), state.get("b")) == (1, None)
    state.set("a", 2)
    assert state.get("a") == 2


def test_a_database_that_another_program_holds_is_busy_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "ei.db"
    database = Database(path, busy_seconds=0.1)
    database.open()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        assert remembered(database) is None
        with pytest.raises(StorageError, match="busy: another program has held it for 0.1 s"):
            StateStore(database).set("a", 1)
    finally:
        other.close()
    StateStore(database).set("a", 1)
    database.close()


@pytest.mark.parametrize(
    "content", [b"this is no database, it is a letter. " * 200, b"SQLite format 3\0" + b"\7" * 9000]
)
def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ei.db"
    path.write_bytes(content)
    database = Database(path)
    with pytest.raises(StorageError) as caught:
        database.open()
    assert caught.value.sentence.startswith(f"{path} is damaged or is not a database")
    assert caught.value.hint.startswith("Move it away")
    database.close()
    assert path.read_bytes() == content


def test_a_folder_in_place_of_the_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be opened for writing"):
        Database(tmp_path).open()


def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ei.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE recipes (name TEXT)")
    other.close()
    database = Database(path)
    with pytest.raises(StorageError, match="is a database of another program"):
        database.open()
    database.close()
    other = sqlite3.connect(path)
    assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("recipes",)]
    other.close()


def test_a_newer_schema_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "ei.db"
    database = Database(path)
    with database.transaction() as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    database.close()
    database = Database(path)
    with pytest.raises(StorageError) as caught:
        database.open()
    assert caught.value.sentence == f"{path} was written by a newer ei (schema 99; this one knows {SCHEMA_VERSION})."
    assert caught.value.hint.startswith("Update ei")
    database.close()


def test_a_commit_is_synced_to_the_disk(database: Database) -> None:
    with database.read() as connection:
        settings = [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "temp_store")
        ]
    full, memory = 2, 2
    assert settings == ["wal", full, 1, 1, memory]


def test_scrubbing_says_so_when_another_program_is_reading(tmp_path: Path) -> None:
    path = tmp_path / "ei.db"
    database = Database(path, busy_seconds=0.1)
    StateStore(database).set("a", 1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT * FROM state").fetchall()
    StateStore(database).set("a", 2)
    assert not database.scrub()
    other.close()
    assert database.scrub()
    assert (tmp_path / "ei.db-wal").stat().st_size == 0
    database.close()


def test_loading_the_database_loads_neither_asyncio_nor_threads_pools() -> None:
    code = (
        "import sys, ei.storage.database, ei.conversations.store, ei.usage.store, ei.usage.learned, ei.storage.state;"
        "print(sorted({'asyncio', 'concurrent.futures', 'importlib.metadata'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
