"""What was learned of a model."""

from __future__ import annotations

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
