"""Deleting leaves nothing behind."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from ei.conversations.store import ConversationStore
from ei.conversations.values import Deleted, State
from ei.errors import NotFoundError, UsageError
from ei.messages import Part, ReasoningPart, ReplyInfo, TextPart
from ei.storage.database import Database
from ei.usage.store import CallStore
from ei.usage.values import Call
from tests.conversations.helpers import files_with, say, stream, talk, texts

SECRET = "xylocarp"


def call(store: CallStore, conversation: str, message: str, persona: str = "ei") -> None:
    store.record(
        Call(
            started_ms=1,
            interaction="reasoning",
            provider="x",
            model="y",
            outcome="complete",
            persona=persona,
            conversation=conversation,
            message=message,
            cost=5,
        )
    )


def noise(store: ConversationStore, personas: tuple[str, ...] = ("ei", "lena", "mike"), seed: int = 1) -> None:
    """Conversations that grow and shrink, so that rows move between pages."""
    chance = random.Random(seed)
    ids = [store.create(persona).id for persona in personas for _ in range(3)]
    for number in range(120):
        id = chance.choice(ids)
        say(store, id, f"noise {number} " * chance.randint(1, 60))
        reply = stream(store, id)
        for length in (50, 300, 900):
            store.save_stream(reply.id, [ReasoningPart("hm"), TextPart("word " * length)], "here", 60_000)
        store.finish(reply.id, State.COMPLETE, [TextPart("word " * chance.randint(1, 900))])
        if number % 7 == 0:
            store.undo(id)


def test_the_words_of_a_deleted_message_are_in_no_file(store: ConversationStore, tmp_path: Path) -> None:
    noise(store)
    id = store.create("ei").id
    say(store, id, "a")
    reply = stream(store, id)
    for length in (1, 100, 500):
        parts: tuple[Part, ...] = (ReasoningPart(f"{SECRET} thought"), TextPart(f"{SECRET} " * length))
        store.save_stream(reply.id, parts, "here", 60_000)
    info = ReplyInfo(profile=f"{SECRET}profile", resolution=(f"{SECRET}profile: by hand",) * 40)
    store.finish(reply.id, State.COMPLETE, [ReasoningPart(SECRET), TextPart(f"the {SECRET} " * 40)], info=info)
    noise(store, seed=2)
    assert files_with(tmp_path, SECRET)
    deleted = store.delete_message(reply.id)
    assert (deleted.messages, deleted.clean) == (1, True)
    assert files_with(tmp_path, SECRET) == []
    assert store.search(SECRET) == ()


def test_the_words_of_a_deleted_conversation_are_in_no_file(store: ConversationStore, tmp_path: Path) -> None:
    noise(store)
    id = store.create("ei", f"About {SECRET}", model_here=SECRET).id
    talk(store, id, (SECRET, f"Ah, {SECRET}!"), (f"{SECRET} " * 2000, "yes"))
    store.undo(id)
    store.queue(id, [TextPart(SECRET)])
    noise(store, seed=2)
    before = len(store.list(limit=100))
    assert store.delete_conversation(id).clean
    assert files_with(tmp_path, SECRET) == []
    assert len(store.list(limit=100)) == before - 1
    with pytest.raises(NotFoundError):
        store.get(id)


def test_the_words_of_a_deleted_persona_are_in_no_file(store: ConversationStore, tmp_path: Path) -> None:
    noise(store)
    name = f"persona-{SECRET}"
    for _ in range(3):
        talk(store, store.create(name).id, (f"{SECRET} one", f"{SECRET} two"))
    other = store.create("ei").id
    talk(store, other, ("a", "b"))
    say(store, other, f"As a guest: {SECRET}", "assistant", name)
    noise(store, seed=2)
    described = store.describe_deletion(persona=name)
    deleted = store.delete_persona(name)
    assert (deleted.conversations, deleted.messages, deleted.guest_replies, deleted.clean) == (3, 6, 1, True)
    assert described == Deleted(3, 6, 0, 1, deleted.first_ms, deleted.last_ms, clean=False)
    assert files_with(tmp_path, SECRET) == []
    assert texts(store.path(other)) == ["a", "b"]
    assert name not in store.stats()


def test_bytes_that_moved_between_pages_go_too(store: ConversationStore, tmp_path: Path) -> None:
    """SQLite leaves copies of rows in the gaps of pages when rows beside them grow: many small rows show it."""
    chance = random.Random(3)
    ids = [store.create("ei").id for _ in range(6)]
    live = []
    for number in range(500):
        reply = stream(store, chance.choice(ids))
        store.save_stream(reply.id, [TextPart(f"{SECRET}{number:03d} " + "x " * chance.randint(0, 20))], "here", 60_000)
        live.append(reply.id)
        grows = chance.choice(live)
        text = store.message(grows).text
        store.save_stream(grows, [TextPart(text + "y " * chance.randint(1, 300))], "here", 60_000)
    gone = chance.sample(live, 250)
    words = [store.message(id).text.split()[0] for id in gone]
    with store._database.transaction() as connection:
        for id in gone[1:]:
            store._delete_one(connection, id)
    assert store.delete_message(gone[0]).clean
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert [word for word in words if word.encode() in content] == []


def test_a_deletion_that_could_not_clean_says_so_and_is_cleaned_later(tmp_path: Path) -> None:
    database = Database(tmp_path / "ei.db", busy_seconds=0.1)
    store = ConversationStore(database)
    id = store.create("ei").id
    message = say(store, id, SECRET)
    other = sqlite3.connect(tmp_path / "ei.db", isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM message").fetchone()
    assert not store.delete_message(message.id).clean
    assert (store.search(SECRET), store.remains(), store.clean_up()) == ((), True, False)
    other.close()
    database.close()
    database = Database(tmp_path / "ei.db")
    store = ConversationStore(database)
    assert store.clean_up()
    assert not store.remains()
    assert files_with(tmp_path, SECRET) == []
    database.close()


def test_calls_stay_and_no_longer_say_what_they_were_for(store: ConversationStore, database: Database) -> None:
    calls = CallStore(database)
    id, other = store.create("ei").id, store.create("lena").id
    said = talk(store, id, ("a", "b"), ("c", "d"))
    theirs = talk(store, other, ("e", "f"))
    for conversation, message in ((id, said[1]), (id, said[3]), (other, theirs[1])):
        call(calls, conversation, message.id, "ei" if conversation == id else "lena")
    assert store.describe_deletion(message=said[1].id).calls == 1
    assert store.delete_message(said[1].id).calls == 1
    assert {(c.conversation, c.message, c.persona) for c in calls.calls()} == {
        (id, None, "ei"),
        (id, said[3].id, "ei"),
        (other, theirs[1].id, "lena"),
    }
    assert store.delete_conversation(id).calls == 2
    assert store.delete_persona("lena").calls == 1
    assert {(c.conversation, c.message, c.persona) for c in calls.calls()} == {(None, None, None)}
    assert calls.spent().cost == 15


def test_what_followed_a_deleted_message_moves_up(store: ConversationStore) -> None:
    id = store.create("ei").id
    said = talk(store, id, ("a", "b"), ("c", "d"))
    store.delete_message(said[1].id)
    assert [(m.text, m.depth) for m in store.path(id)] == [("a", 1), ("c", 2), ("d", 3)]
    store.delete_message(said[0].id)
    assert [(m.text, m.depth, m.parent is None) for m in store.path(id)] == [("c", 1, True), ("d", 2, False)]
    assert store.get(id).first_line == "c"


def test_deleting_the_head_shows_another_variant_or_what_was_before(store: ConversationStore) -> None:
    id = store.create("ei").id
    _, answer = talk(store, id, ("a", "b"))
    other = store.add_variant(answer.id, [TextPart("B")])
    store.delete_message(other.id)
    assert [(m.text, m.variants) for m in store.path(id)] == [("a", 1), ("b", 1)]
    store.delete_message(answer.id)
    assert texts(store.path(id)) == ["a"]
    store.delete_message(store.path(id)[0].id)
    assert (store.path(id), store.get(id).head) == ((), None)


def test_redo_still_works_after_a_deletion(store: ConversationStore) -> None:
    id = store.create("ei").id
    said = talk(store, id, ("a", "b"), ("c", "d"), ("e", "f"))
    store.undo(id)
    store.undo(id)
    store.delete_message(said[3].id)
    store.delete_message(said[0].id)
    store.delete_message(said[5].id)
    assert texts(store.path(id)) == ["b"]
    assert texts(store.redo(id)) == ["c"]
    assert texts(store.redo(id)) == ["e"]
    assert texts(store.path(id)) == ["b", "c", "e"]


def test_the_chosen_branch_stays_chosen_when_a_message_above_goes(store: ConversationStore) -> None:
    id = store.create("ei").id
    first, answer = talk(store, id, ("a", "b"))
    store.add_variant(answer.id, [TextPart("B")])
    store.choose(answer.id)
    say(store, id, "c")
    store.add_variant(first.id, [TextPart("A")])
    store.choose(answer.id)
    store.delete_message(first.id)
    assert texts(store.path(id)) == ["b", "c"]
    assert texts(store.siblings(answer.id)) == ["b", "B"]


def test_what_is_not_there_cannot_be_deleted(store: ConversationStore) -> None:
    for delete in (store.delete_message, store.delete_conversation, lambda id: store.describe_deletion(message=id)):
        with pytest.raises(NotFoundError):
            delete("nothing")
    with pytest.raises(UsageError):
        store.describe_deletion()
    assert store.delete_persona("nobody") == Deleted(clean=True)


def test_a_deleted_conversation_is_nobodys_current_one_and_nobodys_origin(store: ConversationStore) -> None:
    id = store.create("ei").id
    say(store, id, "a")
    fork = store.fork(id)
    store.set_current("ei", id)
    described = store.describe_deletion(conversation=id)
    deleted = store.delete_conversation(id)
    assert (described.conversations, described.messages) == (deleted.conversations, deleted.messages) == (1, 1)
    assert store.current("ei") is None
    assert store.get(fork.id).forked_from == ""
