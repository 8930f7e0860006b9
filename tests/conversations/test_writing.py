"""Messages: appending, variants, streaming, the queue, the path."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ei.conversations.store import ConversationStore
from ei.conversations.values import Message, State
from ei.errors import DiskFullError, HeadMovedError, NotFoundError, UsageError
from ei.messages import (
    BlobPart,
    OpaquePart,
    Part,
    ReasoningPart,
    ReplyInfo,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    info_from_data,
    info_to_data,
)
from ei.storage.database import Database
from tests.conversations.helpers import Clock, say, stream, talk, texts


def test_a_message_comes_back_as_it_was_given(store: ConversationStore) -> None:
    id = store.create("ei").id
    parts: tuple[Part, ...] = (
        ReasoningPart("hm"),
        TextPart("Rain "),
        TextPart("忍者 🥷"),
        ToolCallPart("1", "look", '{"a": 1}'),
        ToolResultPart("1", "grey"),
        BlobPart("00ff", "image/png", "sky.png"),
        OpaquePart("anthropic", {"signature": "x", "n": [1, None]}),
    )
    said = store.append(
        id, None, "assistant", "lena", parts, to="mike", model="x:y", reference="tier:fast", resolved_by="persona"
    )
    assert store.message(said.id) == said
    assert said == Message(
        key=said.key,
        id=said.id,
        conversation=id,
        parent=None,
        depth=1,
        role="assistant",
        author="lena",
        state=State.COMPLETE,
        parts=parts,
        created_ms=said.created_ms,
        to="mike",
        model="x:y",
        reference="tier:fast",
        resolved_by="persona",
    )


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("plain", "plain"),
        ("", ""),
        ("a\0b\r\n\x1b[31m", "a\0b\r\n\x1b[31m"),
        ("pair \ud83d\ude00, lone \ud83d", "pair 😀, lone \ufffd"),
        ("x" * 3_000_000, "x" * 3_000_000),
    ],
)
def test_any_text_can_be_kept(store: ConversationStore, given: str, kept: str) -> None:
    id = store.create("ei").id
    assert say(store, id, given).text == kept
    said = store.append(id, store.get(id).head, "assistant", "ei", [ReasoningPart(given), TextPart(given)])
    assert (said.reasoning, said.text) == (kept, kept)
    assert texts(store.path(id)) == [kept, kept]


def test_a_message_without_parts_stays_without(store: ConversationStore) -> None:
    said = store.append(store.create("ei").id, None, "user", "", [])
    assert store.message(said.id).parts == ()


def test_an_append_after_another_head_is_refused_and_writes_nothing(store: ConversationStore) -> None:
    id = store.create("ei").id
    first = say(store, id, "a")
    say(store, id, "b")
    for stale in (None, first.id, "nonsense"):
        with pytest.raises(HeadMovedError):
            store.append(id, stale, "user", "", [TextPart("c")])
    assert texts(store.messages(id)) == ["a", "b"]
    with pytest.raises(NotFoundError):
        store.append("nothing", None, "user", "", [])


def test_a_full_disk_loses_nothing_that_was_there(store: ConversationStore, database: Database) -> None:
    id = store.create("ei").id
    first = say(store, id, "a")
    with database.read() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(DiskFullError):
        store.append(id, first.id, "user", "", [TextPart("long " * 20_000)])
    assert store.get(id).head == first.id
    assert texts(store.path(id)) == ["a"]


def test_the_path_can_be_read_in_pages_from_its_end(store: ConversationStore) -> None:
    id = store.create("ei").id
    assert store.path(id) == ()
    said = [say(store, id, str(number)) for number in range(10)]
    assert texts(store.path(id)) == [str(number) for number in range(10)]
    page = store.path(id, 4)
    assert texts(page) == ["6", "7", "8", "9"]
    assert texts(store.path(id, 4, before=page[0].id)) == ["2", "3", "4", "5"]
    assert texts(store.path(id, 4, before=said[1].id)) == ["0"]
    assert store.path(id, 4, before=said[0].id) == ()
    assert store.path(id, 0) == ()
    assert [(message.depth, message.parent) for message in page[:2]] == [(7, said[5].id), (8, said[6].id)]


def test_a_variant_stands_beside_its_sibling_and_becomes_the_head(store: ConversationStore) -> None:
    id = store.create("ei").id
    question, answer = talk(store, id, ("a", "b"))
    other = store.add_variant(answer.id, [TextPart("c")], model="x:y")
    assert (other.parent, other.author, other.model) == (question.id, "ei", "x:y")
    assert (other.variant, other.variants) == (2, 2)
    assert texts(store.path(id)) == ["a", "c"]
    assert [(m.text, m.variant, m.variants) for m in store.siblings(answer.id)] == [("b", 1, 2), ("c", 2, 2)]
    assert store.siblings(answer.id) == store.siblings(other.id)
    assert store.get(id).head == other.id


def test_an_edit_is_a_variant_of_what_the_person_said(store: ConversationStore) -> None:
    id = store.create("ei").id
    question, _ = talk(store, id, ("a", "b"))
    edited = store.add_variant(question.id, [TextPart("A")])
    assert (edited.role, edited.parent, edited.variants) == ("user", None, 2)
    assert texts(store.path(id)) == ["A"]
    say(store, id, "B", "assistant", "ei")
    assert texts(store.path(id)) == ["A", "B"]
    assert sorted(texts(store.messages(id))) == ["A", "B", "a", "b"]


def test_only_those_of_the_same_role_are_variants(store: ConversationStore) -> None:
    id = store.create("ei").id
    question, answer = talk(store, id, ("a", "b"))
    store.undo(id)
    store.redo(id)
    store.choose(question.id)
    store.delete_message(question.id)
    say(store, id, "c")
    assert store.message(answer.id).variants == 1


def test_recent_inputs_are_the_persons_newest_texts_each_once(store: ConversationStore) -> None:
    ei, lena = store.create("ei").id, store.create("lena").id
    for number in range(30):
        talk(store, ei if number % 2 else lena, (f"question {number % 20}", "answer"))
    store.queue(ei, [TextPart("later")])
    assert store.recent_inputs(3) == ("later", "question 9", "question 8")
    assert len(store.recent_inputs(100)) == 21
    assert store.recent_inputs(0) == ()


# Streaming.


def test_a_reply_is_saved_as_it_streams_and_found_when_it_has_ended(store: ConversationStore) -> None:
    id = store.create("ei").id
    say(store, id, "a")
    reply = stream(store, id)
    assert store.save_stream(reply.id, [ReasoningPart("hm"), TextPart("The rain")], "here", 10_000)
    live = store.streaming(id)
    assert live is not None
    assert (live.id, live.text, live.reasoning, live.state) == (reply.id, "The rain", "hm", State.STREAMING)
    assert store.search("rain") == ()
    ended = store.finish(reply.id, State.COMPLETE, [TextPart("The rain stopped.")], model="x:y", resolved_by="persona")
    assert (ended.text, ended.state, ended.model, ended.resolved_by) == (
        "The rain stopped.",
        State.COMPLETE,
        "x:y",
        "persona",
    )
    assert store.streaming(id) is None
    assert [hit.message.id for hit in store.search("stopped")] == [reply.id]


def test_how_a_reply_came_to_be_is_kept_with_it(store: ConversationStore, database: Database) -> None:
    id = store.create("ei").id
    say(store, id, "a")
    reply = stream(store, id)
    assert reply.info is None
    info = ReplyInfo(
        profile="creative",
        provider_type="openai",
        resolution=("tier:fast", "groq:llama: the cheapest 忍者"),
        instead_of=("openai:gpt-5: busy (529)", "\ud83d"),
        drawn=3,
        iterations=2,
        input_tokens=0,
        estimated=True,
        cost=12_345_678_901,
        total_ms=0,
    )
    done = store.finish(reply.id, State.COMPLETE, [TextPart("b")], model="groq:llama", lease_owner="here", info=info)
    assert (done.model, done.text, done.state) == ("groq:llama", "b", State.COMPLETE)
    assert done.info == replace(info, instead_of=("openai:gpt-5: busy (529)", "\ufffd"))
    assert ConversationStore(database).message(reply.id) == done
    assert store.path(id)[0].info is None


def test_what_was_ended_without_how_it_came_to_be_says_nothing(store: ConversationStore) -> None:
    id = store.create("ei").id
    say(store, id, "a")
    assert store.finish(stream(store, id).id, State.FAILED, error="no").info is None
    assert store.finish(stream(store, id).id, State.COMPLETE, info=ReplyInfo()).info == ReplyInfo()


@pytest.mark.parametrize(
    ("data", "info"),
    [
        ({}, ReplyInfo()),
        ({"profile": "p", "of_a_later_version": {"x": 1}}, ReplyInfo(profile="p")),
        (
            {"resolution": ["a", 1], "cost": "5", "drawn": None, "estimated": 1, "iterations": True},
            ReplyInfo(resolution=("a", "1")),
        ),
    ],
)
def test_what_a_later_version_wrote_is_passed_over(data: dict[str, object], info: ReplyInfo) -> None:
    assert info_from_data(data) == info
    assert info_from_data(info_to_data(info)) == info


def test_a_reply_that_failed_keeps_its_text_and_says_why(store: ConversationStore) -> None:
    id = store.create("ei").id
    reply = stream(store, id)
    store.save_stream(reply.id, [TextPart("The ra")], "here", 10_000)
    ended = store.finish(reply.id, State.FAILED, error="cut off")
    assert (ended.text, ended.state, ended.error) == ("The ra", State.FAILED, "cut off")
    with pytest.raises(ValueError, match="no end state"):
        store.finish(reply.id, State.STREAMING)


def test_a_lease_that_ran_out_leaves_a_cancelled_reply_with_its_text(store: ConversationStore, clock: Clock) -> None:
    id = store.create("ei").id
    reply = stream(store, id, lease_ms=5_000)
    store.save_stream(reply.id, [TextPart("half a thought")], "here", 60_000)
    assert store.reclaim() == ()
    clock.now += 100
    (ended,) = store.reclaim()
    assert (ended.id, ended.text, ended.state) == (reply.id, "half a thought", State.CANCELLED)
    assert [hit.message.id for hit in store.search("thought")] == [reply.id]
    assert store.reclaim() == ()
    assert not store.save_stream(reply.id, [TextPart("half a thought more")], "here", 5_000)
    assert store.message(reply.id).text == "half a thought"


def test_who_slept_through_its_lease_may_still_bring_the_whole_reply(store: ConversationStore, clock: Clock) -> None:
    id = store.create("ei").id
    reply = stream(store, id)
    store.save_stream(reply.id, [TextPart("beginning")], "here", 1_000)
    store.reclaim(clock.now + 1_000)
    assert store.finish(reply.id, State.FAILED, [TextPart("x")], lease_owner="somebody").text == "beginning"
    assert store.finish(reply.id, State.FAILED, [TextPart("x")]).text == "beginning"
    whole = store.finish(reply.id, State.COMPLETE, [TextPart("end")], lease_owner="here")
    assert (whole.text, whole.state) == ("end", State.COMPLETE)
    assert (store.search("beginning"), len(store.search("end"))) == ((), 1)


def test_only_who_has_the_lease_saves(store: ConversationStore) -> None:
    id = store.create("ei").id
    reply = stream(store, id)
    assert not store.save_stream(reply.id, [TextPart("mine")], "elsewhere", 5_000)
    store.delete_message(reply.id)
    assert not store.save_stream(reply.id, [TextPart("gone")], "here", 5_000)
    with pytest.raises(NotFoundError):
        store.finish(reply.id, State.COMPLETE)


# The queue.


def test_what_is_queued_is_on_no_path_until_it_is_sent(store: ConversationStore) -> None:
    id = store.create("ei").id
    say(store, id, "a")
    reply = stream(store, id)
    first = store.queue(id, [TextPart("b")], to="lena", lease_owner="here")
    second = store.queue(id, [TextPart("c")], lease_owner="there")
    assert store.get(id).head == reply.id
    assert (first.state, first.depth, first.parent, first.variants) == (State.QUEUED, 0, None, 1)
    assert store.queued(id) == (first, second)
    assert store.queued(id, "there") == (second,)
    assert texts(store.path(id)) == texts(store.messages(id)) == ["a", ""]
    assert store.search("b") == ()
    store.finish(reply.id, State.COMPLETE, [TextPart("d")])
    sent = store.send_queued(first.id, reply.id)
    assert (sent.id, sent.state, sent.parent, sent.to, sent.created_ms) == (
        first.id,
        State.COMPLETE,
        reply.id,
        "lena",
        first.created_ms,
    )
    assert texts(store.path(id)) == ["a", "d", "b"]
    assert store.queued(id) == (second,)
    assert len(store.search("b")) == 1


def test_a_queued_message_is_sent_by_one_only(store: ConversationStore) -> None:
    id = store.create("ei").id
    queued = store.queue(id, [TextPart("a")])
    with pytest.raises(HeadMovedError):
        store.send_queued(queued.id, "another")
    assert store.queued(id) == (queued,)
    sent = store.send_queued(queued.id, None)
    with pytest.raises(NotFoundError):
        store.send_queued(queued.id, sent.id)
    with pytest.raises(NotFoundError):
        store.unqueue(queued.id)


def test_a_queued_message_can_be_taken_back(store: ConversationStore) -> None:
    id = store.create("ei").id
    queued = store.queue(id, [TextPart("a")])
    for use in (store.siblings, store.choose, lambda id: store.add_variant(id, []), lambda at: store.fork(id, at)):
        with pytest.raises(UsageError):
            use(queued.id)
    assert store.unqueue(queued.id) == queued
    assert store.queued(id) == ()


def test_a_chat_in_memory_writes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    database = Database(None)
    store = ConversationStore(database)
    id = store.create("ei").id
    for number in range(50):
        talk(store, id, (f"secret {number} " * 200, "answer"))
    assert len(store.search("secret")) == 20
    assert texts(database.submit(store.path, id, 1).result()) == ["answer"]
    assert store.delete_conversation(id).clean
    database.close()
    assert list(tmp_path.iterdir()) == []
