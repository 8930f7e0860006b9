"""What was learned of a model."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ei.storage.database import Database
from ei.usage.learned import LearnedStore


def test_what_was_learned_of_a_model_is_kept_by_name() -> None:
    database = Database(None)
    learned = LearnedStore(database)
    assert learned.get("x:y") == {}
    learned.set("x:y", "dropped", ["temperature"])
    learned.set("x:y", "context", 4096)
    learned.set("x:z", "context", 1)
    learned.set("x:y", "dropped", ["temperature", "seed"])
    assert learned.get("x:y") == {"context": 4096, "dropped": ["temperature", "seed"]}
    learned.set("x:y", "context", None)
    assert learned.get("x:y") == {"dropped": ["temperature", "seed"]}
    database.close()


def test_a_change_is_made_of_what_is_there_and_none_of_them_is_lost(tmp_path: Path) -> None:
    database = Database(tmp_path / "ei.db")
    learned = LearnedStore(database)

    def one_more(before: object) -> object:
        return 1 if not isinstance(before, int) else before + 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: learned.change("x:y", "count", one_more), range(40)))
    assert learned.get("x:y") == {"count": 40}
    learned.change("x:y", "count", lambda before: None)
    assert learned.get("x:y") == {}
    database.close()
