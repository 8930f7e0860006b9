"""Small things to remember."""

from __future__ import annotations

from ei.storage.database import Database
from ei.storage.state import StateStore


def test_a_value_comes_back_as_it_was_until_it_is_forgotten() -> None:
    database = Database(None)
    state = StateStore(database)
    assert state.get("place", "nowhere") == "nowhere"
    state.set("place", {"persona": "lena", "rows": [1, 2.5, None, "ü"]})
    assert state.get("place") == {"persona": "lena", "rows": [1, 2.5, None, "ü"]}
    state.set("place", "here")
    assert state.get("place") == "here"
    state.set("place", None)
    assert state.get("place") is None
    database.close()


def test_owners_do_not_see_each_other() -> None:
    database = Database(None)
    with database.transaction() as connection:
        connection.execute("INSERT INTO owner (id, created_ms) VALUES ('other', 0)")
    StateStore(database).set("a", 1)
    StateStore(database, "other").set("a", 2)
    assert (StateStore(database).get("a"), StateStore(database, "other").get("a")) == (1, 2)
    database.close()
