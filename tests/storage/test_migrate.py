"""The schema: applied once, also when two programs start at the same moment."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

from ei.storage.database import Database
from ei.storage.migrate import MIGRATIONS, SCHEMA_VERSION, statements
from ei.storage.state import StateStore

OPEN = """
import sys
from pathlib import Path
from ei.storage.database import Database
from ei.storage.state import StateStore
sys.stdin.readline()
database = Database(Path(sys.argv[1]))
StateStore(database).set(sys.argv[2], 1)
database.close()
"""


def test_the_version_in_the_program_is_that_of_the_last_file() -> None:
    numbers = sorted(int(path.name[:4]) for path in MIGRATIONS.glob("*.sql"))
    assert numbers == list(range(1, SCHEMA_VERSION + 1))


def test_programs_that_start_at_the_same_moment_make_one_database(tmp_path: Path) -> None:
    for attempt in range(3):
        path = tmp_path / str(attempt) / "ei.db"
        programs = [
            subprocess.Popen(
                [sys.executable, "-c", OPEN, str(path), str(number)],
                stdin=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for number in range(3)
        ]
        for program in programs:
            assert program.stdin is not None
            program.stdin.write("\n")
            program.stdin.flush()
        assert [program.communicate()[1] for program in programs] == ["", "", ""]
        connection = sqlite3.connect(path)
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(SCHEMA_VERSION,)]
        assert connection.execute("SELECT count(*) FROM state").fetchone() == (3,)
        connection.close()


def test_statements_are_cut_at_their_ends_only() -> None:
    script = "CREATE TABLE a (b TEXT DEFAULT ';'); -- one; two\nINSERT INTO a\nVALUES ('x;y');\n"
    assert [" ".join(statement.split()) for statement in statements(script)] == [
        "CREATE TABLE a (b TEXT DEFAULT ';'); -- one; two",
        "INSERT INTO a VALUES ('x;y');",
    ]


def test_an_older_database_is_brought_up_to_date_and_keeps_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "ei.db"
    connection = sqlite3.connect(path)
    first = min(MIGRATIONS.glob("*.sql"))
    for statement in statements(first.read_text("utf-8")):
        connection.execute(statement)
    connection.execute("CREATE TABLE schema_version (version BIGINT NOT NULL)")
    connection.execute("INSERT INTO schema_version (version) VALUES (1)")
    connection.execute("INSERT INTO state (name, value) VALUES ('kept', '7')")
    connection.commit()
    connection.close()
    database = Database(path)
    assert StateStore(database).get("kept") == 7
    with database.read() as read:
        assert read.execute("SELECT version FROM schema_version").fetchone() == (SCHEMA_VERSION,)
        assert read.execute("SELECT count(*) FROM model").fetchone() == (0,)
    database.close()
