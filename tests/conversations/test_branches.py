"""Ways through a conversation."""

from __future__ import annotations

import pytest

from ei.conversations.store import ConversationStore
from ei.conversations.values import Kept, State
from ei.errors import NotFoundError, UsageError
from ei.messages import ReplyInfo, TextPart
from ei.storage.database import Database
from tests.conversations.helpers import say, stream, talk, texts


def test_what_is_private_stays_so_in_copies_until_the_person_lets_it_go(store: ConversationStore) -> None:
    id = store.create("ei").id
    talk(store, id, ("a", "b"))
    secret = store.append(id, store.get(id).head, "user", "", [TextPart("c")], to="otto", private=True)
    waiting = store.queue(id, [TextPart("d")], to="otto", private=True)
    assert (secret.private, waiting.private, store.send_queued(waiting.id, secret.id).private) == (True, True, True)
    assert (store.get(id).private, store.get(id).private_messages) == (False, 2)
    store.set_private(id, True)
    copy = store.fork(id)
    assert (copy.private, copy.private_messages) == (True, 2)
    assert store.keeping(copy.id, ["otto", "mike"]) == Kept(True, 2, ("otto",))
    store.set_private(copy.id, False)
    assert store.keeping(copy.id, ["otto", "mike"]) == Kept()
    assert store.keeping(store.fork(copy.id).id, ["otto"]) == Kept()
    assert store.keeping(id) == Kept(True, 2)
    later = store.append(copy.id, store.get(copy.id).head, "user", "", [TextPart("e")], to="otto")
    assert (later.private, store.keeping(copy.id, ["otto"])) == (False, Kept(people=("otto",)))
    store.copy_persona("ei", "copy")
    assert [found.private for found in store.list("copy")] == [found.private for found in store.list("ei")]


def test_choosing_goes_back_to_where_that_branch_was_left(store: ConversationStore) -> None:
    id = store.create("ei").id
    question, answer = talk(store, id, ("a", "b"))
    talk(store, id, ("c", "d"))
    other = store.add_variant(answer.id, [TextPart("B")])
    talk(store, id, ("C", "D"))
    assert texts(store.path(id)) == ["a", "B", "C", "D"]
    chosen = store.choose(answer.id)
    assert texts(store.path(id)) == ["a", "b", "c", "d"]
    assert chosen == store.get(id)
    store.choose(other.id)
    assert texts(store.path(id)) == ["a", "B", "C", "D"]
    store.choose(question.id)
    assert texts(store.path(id)) == ["a", "B", "C", "D"]


def test_an_older_variant_stays_chosen_below_a_choice_further_up(store: ConversationStore) -> None:
    id = store.create("ei").id
    first, answer = talk(store, id, ("a", "b"))
    store.add_variant(answer.id, [TextPart("B")])
    store.choose(answer.id)
    store.add_variant(first.id, [TextPart("A")])
    store.choose(first.id)
    assert texts(store.path(id)) == ["a", "b"]


def test_a_message_off_the_path_can_be_chosen(store: ConversationStore) -> None:
    id = store.create("ei").id
    first, _, _, deep = talk(store, id, ("a", "b"), ("c", "d"))
    store.add_variant(first.id, [TextPart("A")])
    store.choose(deep.id)
    assert texts(store.path(id)) == ["a", "b", "c", "d"]


def test_undo_takes_back_the_last_turn_and_redo_brings_it_back(store: ConversationStore) -> None:
    id = store.create("ei").id
    talk(store, id, ("a", "b"), ("c", "d"))
    say(store, id, "e", "assistant", "lena")
    assert texts(store.undo(id)) == ["c", "d", "e"]
    assert texts(store.undo(id)) == ["a", "b"]
    assert store.undo(id) == ()
    assert (store.path(id), store.get(id).head, store.get(id).can_redo) == ((), None, True)
    assert texts(store.redo(id)) == ["a", "b"]
    assert texts(store.redo(id)) == ["c", "d", "e"]
    assert store.redo(id) == ()
    assert texts(store.path(id)) == ["a", "b", "c", "d", "e"]
    assert not store.get(id).can_redo


def test_what_was_taken_back_can_be_redone_after_a_restart(store: ConversationStore, database: Database) -> None:
    id = store.create("ei").id
    talk(store, id, ("a", "b"), ("c", "d"))
    store.undo(id)
    assert database.path is not None
    database.close()
    again = Database(database.path)
    store = ConversationStore(again)
    assert texts(store.path(id)) == ["a", "b"]
    assert texts(store.redo(id)) == ["c", "d"]
    again.close()


def test_a_new_message_ends_redo_and_keeps_the_old_branch(store: ConversationStore) -> None:
    id = store.create("ei").id
    _, _, old, _ = talk(store, id, ("a", "b"), ("c", "d"))
    store.undo(id)
    new = say(store, id, "C")
    assert store.redo(id) == ()
    assert (new.variant, new.variants) == (2, 2)
    assert texts(store.path(id)) == ["a", "b", "C"]
    store.choose(old.id)
    assert texts(store.path(id)) == ["a", "b", "c", "d"]


def test_nothing_is_taken_back_where_the_person_said_nothing(store: ConversationStore) -> None:
    id = store.create("ei").id
    say(store, id, "Good morning!", "assistant", "ei")
    assert store.undo(id) == ()
    assert texts(store.path(id)) == ["Good morning!"]


def test_a_fork_is_a_copy_of_the_path_that_lives_on_its_own(store: ConversationStore) -> None:
    id = store.create("ei", "Rain", model_here="tier:fast").id
    said = talk(store, id, ("a", "b"), ("c", "d"))
    store.add_variant(said[1].id, [TextPart("B")])
    store.choose(said[1].id)
    store.set_last_model(id, "x:y")
    store.set_parameters(id, {"temperature": 0.3})
    fork = store.fork(id, said[2].id)
    assert fork.parameters == {"temperature": 0.3}
    assert (fork.persona, fork.title, fork.forked_from, fork.model_here, fork.last_model) == (
        "ei",
        "",
        id,
        "tier:fast",
        "x:y",
    )
    path = store.path(fork.id)
    assert texts(path) == ["a", "b", "c"]
    assert [m.created_ms for m in path] == [m.created_ms for m in said[:3]]
    assert {m.id for m in path}.isdisjoint(m.id for m in said)
    assert all(m.variants == 1 for m in path)
    say(store, fork.id, "e")
    assert texts(store.path(id)) == ["a", "b", "c", "d"]
    assert store.get(fork.id).unread == 0
    assert len(store.search("c")) == 2


def test_a_fork_takes_along_how_its_replies_came_to_be(store: ConversationStore) -> None:
    id = store.create("ei").id
    say(store, id, "a")
    info = ReplyInfo(profile="creative", cost=7)
    store.finish(stream(store, id).id, State.COMPLETE, [TextPart("b")], info=info)
    assert [m.info for m in store.path(store.fork(id).id)] == [None, info]
    assert store.copy_persona("ei", "eve") == 2
    assert [m.info for m in store.path(store.list("eve")[0].id)] == [None, info]


def test_a_fork_without_a_place_takes_all_and_ends_a_reply_that_streams(store: ConversationStore) -> None:
    id = store.create("ei").id
    say(store, id, "a")
    reply = stream(store, id)
    store.save_stream(reply.id, [TextPart("half")], "here", 10_000)
    copied = store.path(store.fork(id).id)
    assert [(m.text, m.state) for m in copied] == [("a", State.COMPLETE), ("half", State.CANCELLED)]
    assert store.message(reply.id).state is State.STREAMING
    assert store.path(store.fork(store.create("ei").id).id) == ()


def test_a_fork_is_made_in_its_own_conversation_only(store: ConversationStore) -> None:
    id, other = store.create("ei").id, store.create("ei").id
    message = say(store, other, "a")
    with pytest.raises(UsageError):
        store.fork(id, message.id)
    with pytest.raises(NotFoundError):
        store.fork(id, "nothing")


def test_a_persona_can_be_copied_with_its_history(store: ConversationStore) -> None:
    id = store.create("ei", "Rain").id
    said = talk(store, id, ("a", "b"), ("c", "d"))
    store.add_variant(said[1].id, [TextPart("B")])
    store.choose(said[1].id)
    say(store, id, "e", "assistant", "lena")
    store.create("ei")
    store.set_current("ei", id)
    assert store.copy_persona("ei", "eve") == 2
    copy = store.current("eve")
    assert copy is not None
    assert (copy.title, copy.persona) == ("Rain", "eve")
    assert [(m.text, m.author) for m in store.path(copy.id)] == [
        ("a", ""),
        ("b", "eve"),
        ("c", ""),
        ("d", "eve"),
        ("e", "lena"),
    ]
    assert texts(store.siblings(store.path(copy.id)[1].id)) == ["b", "B"]
    assert len(store.list("ei")) == len(store.list("eve")) == 1
    assert [hit.persona for hit in store.search("b", persona="eve")] == ["eve", "eve"]
