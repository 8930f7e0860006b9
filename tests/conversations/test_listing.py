"""Conversations as a whole."""

from __future__ import annotations

import pytest

from ei.conversations.store import ConversationStore
from ei.conversations.values import Conversation, PersonaStats, State
from ei.errors import NotFoundError, UsageError
from ei.messages import TextPart
from ei.storage.database import Database
from tests.conversations.helpers import Clock, say, stream, talk


def test_a_new_conversation_is_empty_and_comes_back_as_it_was_made(store: ConversationStore) -> None:
    made = store.create("ei", "Rain", model_here={"tier": "fast"})
    assert store.get(made.id) == made
    assert made == Conversation(
        id=made.id,
        persona="ei",
        title="Rain",
        first_line="",
        head=None,
        created_ms=made.created_ms,
        updated_ms=made.created_ms,
        messages=0,
        unread=0,
        model_here={"tier": "fast"},
    )


def test_a_name_is_the_title_else_the_first_line_of_the_current_path(store: ConversationStore) -> None:
    id = store.create("ei").id
    assert store.get(id).name == "(empty)"
    first = say(store, id, "\n  Is it raining?  \nI cannot see.")
    assert store.get(id).name == "Is it raining?"
    store.add_variant(first.id, [TextPart("Is it snowing?")])
    assert store.get(id).name == "Is it snowing?"
    store.choose(first.id)
    assert store.get(id).name == "Is it raining?"
    store.rename(id, "Weather")
    assert store.get(id).name == "Weather"
    store.rename(id, "")
    assert store.get(id).name == "Is it raining?"


def test_what_is_set_for_one_conversation_is_kept_and_cleared(store: ConversationStore) -> None:
    id = store.create("ei").id
    store.set_model_here(id, "tier:fast")
    store.set_last_model(id, "local:gemma")
    conversation = store.get(id)
    assert (conversation.model_here, conversation.last_model) == ("tier:fast", "local:gemma")
    store.set_model_here(id, None)
    assert store.get(id).model_here is None
    store.set_parameters(id, {"temperature": 0.3, "stop": ["END"]})
    assert store.get(id).parameters == {"temperature": 0.3, "stop": ["END"]}
    store.set_parameters(id, {})
    assert store.get(id).parameters == {}


def test_what_is_not_there_is_not_found(store: ConversationStore) -> None:
    for look in (
        lambda: store.get("nothing"),
        lambda: store.rename("nothing", "x"),
        lambda: store.set_current("ei", "nothing"),
        lambda: store.mark_read("nothing"),
        lambda: store.find("abcdef"),
        lambda: store.find("100%"),
    ):
        with pytest.raises(NotFoundError):
            look()


def test_a_conversation_is_found_by_its_id_or_by_its_last_characters(store: ConversationStore) -> None:
    first, second = store.create("ei"), store.create("ei")
    assert store.find(first.id) == first
    assert store.find(f" {second.id[-8:].upper()} ") == second
    with pytest.raises(UsageError, match="at least 4"):
        store.find(first.id[-3:])


def test_an_ending_that_fits_several_names_the_candidates(store: ConversationStore, database: Database) -> None:
    first, second = store.create("ei", "Rain"), store.create("lena", "Sun")
    with database.transaction() as connection:
        connection.execute("UPDATE conversation SET id = '1-aaaaffff' WHERE id = ?", (first.id,))
        connection.execute("UPDATE conversation SET id = '1-bbbbffff' WHERE id = ?", (second.id,))
    with pytest.raises(UsageError) as caught:
        store.find("ffff")
    assert caught.value.hint == "Give more characters: 1-bbbbffff lena: Sun; 1-aaaaffff ei: Rain"


def test_each_persona_has_one_current_conversation(store: ConversationStore) -> None:
    assert store.current("ei") is None
    ei, lena = store.create("ei"), store.create("lena")
    store.set_current("ei", ei.id)
    store.set_current("lena", lena.id)
    assert (store.current("ei"), store.current("lena")) == (ei, lena)
    with pytest.raises(NotFoundError, match="not with lena"):
        store.set_current("lena", ei.id)


def test_a_list_gives_the_newest_first_in_pages_and_leaves_out_empty_ones(store: ConversationStore) -> None:
    ids = [store.create("lena" if number % 3 == 0 else "ei").id for number in range(7)]
    for id in ids[:6]:
        say(store, id, "Hello")
    say(store, ids[2], "Still there?")
    order = [ids[2], ids[5], ids[4], ids[3], ids[1], ids[0]]
    assert [item.id for item in store.list()] == order
    page = store.list(limit=4)
    assert [item.id for item in page + store.list(limit=4, before_ms=page[-1].updated_ms)] == order
    assert [item.id for item in store.list("lena")] == [ids[3], ids[0]]
    assert [item.id for item in store.list("lena", empty=True)] == [ids[3], ids[0], ids[6]]
    assert store.list("nobody") == ()


def test_replies_that_end_elsewhere_are_unread_until_they_are_read(store: ConversationStore) -> None:
    ei, lena = store.create("ei").id, store.create("lena").id
    talk(store, ei, ("a", "b"))
    assert store.unread() == {"ei": 1}
    store.mark_read(ei)
    assert store.unread() == {}
    say(store, lena, "c")
    reply = stream(store, lena)
    store.mark_read(lena)
    assert store.unread() == {}
    store.finish(reply.id, State.FAILED, [TextPart("d")])
    assert (store.unread(), store.get(lena).unread) == ({"lena": 1}, 1)
    say(store, lena, "e")
    assert (store.unread(), store.get(lena).unread) == ({}, 0)


def test_stats_count_what_is_not_empty_and_know_the_last_talk(store: ConversationStore, clock: Clock) -> None:
    store.create("mike")
    for persona in ("ei", "ei", "lena"):
        say(store, store.create(persona).id, "Hello")
    stats = store.stats()
    assert {name: item.conversations for name, item in stats.items()} == {"ei": 2, "lena": 1}
    assert stats["lena"] == PersonaStats(1, int(clock.now * 1000))


def test_owners_do_not_see_each_other(store: ConversationStore, database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("INSERT INTO owner (id, created_ms) VALUES ('other', 0)")
    theirs = ConversationStore(database, "other")
    id = store.create("ei").id
    message = say(store, id, "secret")
    stream(store, id, lease_ms=1)
    assert theirs.list(empty=True) == ()
    assert theirs.search("secret") == ()
    assert theirs.recent_inputs(10) == ()
    assert theirs.reclaim(9e9) == ()
    assert theirs.stats() == {}
    for look in (lambda: theirs.get(id), lambda: theirs.message(message.id), lambda: theirs.delete_message(message.id)):
        with pytest.raises(NotFoundError):
            look()
