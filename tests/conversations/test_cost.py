"""What is done at every turn costs the same in a long conversation as in a short one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ei.conversations.store import ConversationStore
from ei.conversations.values import State
from ei.messages import TextPart
from ei.storage.database import Database

LONG, SHORT = 4000, 300

WORK: dict[str, Callable[[ConversationStore, str], object]] = {
    "get": lambda store, id: store.get(id),
    "path": lambda store, id: store.path(id, 50),
    "page before": lambda store, id: store.path(id, 5, before=store.get(id).head),
    "append": lambda store, id: store.append(id, store.get(id).head, "user", "", [TextPart("x")]),
    "stream": lambda store, id: store.finish(
        store.append(id, store.get(id).head, "assistant", "ei", [], State.STREAMING, lease_owner="a", lease_ms=1).id,
        State.COMPLETE,
    ),
    "undo and redo": lambda store, id: (store.undo(id), store.redo(id)),
    "mark_read": lambda store, id: store.mark_read(id),
    "streaming": lambda store, id: store.streaming(id),
    "queue": lambda store, id: store.unqueue(store.queue(id, [TextPart("x")]).id),
    "queued": lambda store, id: store.queued(id),
    "list": lambda store, id: store.list(limit=1),
    "unread": lambda store, id: store.unread(),
    "reclaim": lambda store, id: store.reclaim(),
    "search": lambda store, id: store.search("word"),
    "recent_inputs": lambda store, id: store.recent_inputs(5),
    "stats": lambda store, id: store.stats(),
}


def steps(messages: int, work: Callable[[ConversationStore, str], object]) -> int:
    """Hundreds of steps that SQLite's machine makes for work in a conversation of so many messages."""
    database = Database(None)
    store = ConversationStore(database)
    id = store.create("ei").id
    store.set_current("ei", id)
    with database.transaction() as connection:
        connection.executemany(
            "INSERT INTO message (key, id, conversation, parent, depth, role, state, created_ms, updated_ms, text)"
            " VALUES (?, ?, 1, ?, ?, ?, 'complete', 0, 0, 'x')",
            ((key, str(key), key - 1, key, "assistant" if key % 2 else "user") for key in range(1, messages + 1)),
        )
        connection.execute("UPDATE conversation SET head = ?, read_key = ?", (messages, messages))
    counted = [0]

    def count() -> None:
        counted[0] += 1

    with database.read() as connection:
        connection.set_progress_handler(count, 100)
    work(store, id)
    database.close()
    return counted[0]


@pytest.mark.parametrize("name", WORK)
def test_the_length_of_a_conversation_does_not_matter(name: str) -> None:
    long, short = steps(LONG, WORK[name]), steps(SHORT, WORK[name])
    assert long <= 1.2 * short + 5
