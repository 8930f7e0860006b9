"""Whatever is done in whatever order, the tree stays sound."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ei.conversations import tree
from ei.conversations.store import ConversationStore
from ei.conversations.values import Message, State
from ei.messages import TextPart
from ei.storage.database import Database
from tests.conversations.helpers import Clock, say, stream

OPERATIONS = (
    "ask", "ask", "ask", "answer", "answer", "answer", "variant", "variant", "choose", "undo", "undo", "redo",
    "delete", "delete", "queue", "send", "stream", "finish", "reclaim", "fork",
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 1000)), max_size=40))
def test_random_operations_keep_the_tree_sound(operations: list[tuple[str, int]]) -> None:
    database, clock = Database(None), Clock()
    store = ConversationStore(database, clock=clock)
    id = store.create("ei").id
    deleted: set[str] = set()
    for number, (operation, pick) in enumerate(operations):
        before = [message.id for message in store.path(id)]
        messages = store.messages(id)
        some = messages[pick % len(messages)] if messages else None
        word = f"word{number}end"
        match operation:
            case "ask":
                say(store, id, word)
            case "answer":
                say(store, id, word, "assistant", "ei")
            case "variant" if some:
                store.add_variant(some.id, [TextPart(word)])
            case "choose" if some:
                store.choose(some.id)
                assert some.id in [message.id for message in store.path(id)]
            case "undo":
                taken = store.undo(id)
                assert [m.id for m in (*store.path(id), *taken)] == before
            case "redo":
                brought = store.redo(id)
                assert [m.id for m in store.path(id)] == [*before, *(m.id for m in brought)]
            case "delete" if some:
                store.delete_message(some.id)
                deleted.add(some.text)
                if before and before[-1] != some.id:
                    assert [m.id for m in store.path(id)] == [one for one in before if one != some.id]
            case "queue":
                store.queue(id, [TextPart(word)])
            case "send" if queued := store.queued(id):
                one = queued[pick % len(queued)]
                store.send_queued(one.id, store.get(id).head)
            case "stream":
                reply = stream(store, id, lease_ms=pick)
                store.save_stream(reply.id, [TextPart(word)], "here", pick)
            case "finish" if live := store.streaming(id):
                store.finish(live.id, State.COMPLETE)
            case "reclaim":
                store.reclaim()
            case "fork":
                fork = store.fork(id, some.id if some else None)
                assert fork.messages == len(store.path(fork.id))
        check(store, database, id, deleted)
    database.close()


def check(store: ConversationStore, database: Database, id: str, deleted: set[str]) -> None:
    messages = {message.id: message for message in store.messages(id)}
    conversation = store.get(id)
    path = store.path(id)

    assert len({message.key for message in messages.values()}) == len(messages)
    for message in messages.values():
        above = messages[message.parent] if message.parent else None
        assert message.depth == (above.depth + 1 if above else 1)
        assert above is None or above.key < message.key
        beside = variants(messages, message)
        assert (message.variants, message.variant) == (len(beside), beside.index(message.id) + 1)

    assert conversation.head == (path[-1].id if path else None)
    assert conversation.messages == len(path)
    assert [message.depth for message in path] == list(range(1, len(path) + 1))
    assert path == tuple(messages[message.id] for message in path)

    with database.read() as connection:
        key, head = connection.execute("SELECT key, head FROM conversation WHERE id = ?", (id,)).fetchone()
        way = tree.path_keys(connection, tree.newest_below(connection, key, 0))
        assert head == 0 or head in way
        lower = head
        redo = "SELECT head FROM redo WHERE conversation = ? ORDER BY position DESC"
        for (again,) in connection.execute(redo, (key,)).fetchall():
            above_again = tree.path_keys(connection, again)
            assert again != lower
            assert lower == 0 or lower in above_again
            lower = again
        choices = "SELECT parent, child FROM choice WHERE conversation = ?"
        for parent, child in connection.execute(choices, (key,)).fetchall():
            found = connection.execute(
                "SELECT parent FROM message WHERE key = ? AND conversation = ?", (child, key)
            ).fetchone()
            assert found == (parent,)

    for message in messages.values():
        if message.text:
            hits = [hit.message.id for hit in store.search(f'"{message.text}"')]
            assert (message.id in hits) == message.state.ended
    for text in deleted:
        assert id not in [hit.message.conversation for hit in store.search(f'"{text}"')]


def variants(messages: dict[str, Message], message: Message) -> list[str]:
    return [one.id for one in messages.values() if (one.parent, one.role) == (message.parent, message.role)]
