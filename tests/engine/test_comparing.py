"""Comparing through the session: several models at once, their places in the conversation, and what is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from ei.conversations.values import State
from ei.engine.comparing import Comparison, compare
from ei.engine.events import TurnEnded, TurnText
from ei.errors import EiError, MissingKeyError, UsageError
from tests.bench_session import Bench, bench
from tests.wire import Answer, Hang, Status, WireServer


@pytest.fixture
def server() -> Iterator[WireServer]:
    """Models `tiny`, `red`, `green` and `blue`, each of which says its name."""
    with WireServer() as started:
        for name in ("red", "green", "blue"):
            started.on(name, f"I am {name}.")
        yield started


async def done(comparison: Comparison) -> list[tuple[str, str]]:
    """(state, text) of each, once all have ended."""
    await comparison.ended()
    return [(contender.state, "".join(contender.pieces)) for contender in comparison.contenders]


def calls(b: Bench) -> list[tuple[str, str | None, bool | None, bool | None]]:
    """(model, trigger, comparing, chosen) of every call, oldest first by model."""
    return sorted((c.model, c.triggered_by, c.comparing, c.chosen) for c in b.services.calls.calls())


async def test_several_models_answer_the_last_message_at_once_and_the_one_kept_is_gone_on_with(
    tmp_path: Path, server: WireServer
) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        await b.say("Who are you?")
        b.events.clear()
        comparison = await compare(b.session, ["red", "local:green", "blue"])
        assert await done(comparison) == [(("complete"), f"I am {name}.") for name in ("red", "green", "blue")]
        kept = await comparison.keep(1)
        assert kept.picked
        assert kept.current is comparison.contenders[1]
        assert await b.path() == [("you", "Who are you?"), ("ei", "I am green.")]
        replies = await b.session.db(b.session.store.siblings, (await b.session.last_of("assistant")).id)
        assert [reply.text for reply in replies] == ["Hello there.", "I am red.", "I am green.", "I am blue."]
        assert [request.messages[1:] for request in server.chats] == [[("user", "Who are you?")]] * 4
        # What is told is the reply that was kept, whole.
        assert b.streamed() == "I am green."
        assert [e.message.variant for e in b.events if isinstance(e, TurnEnded)] == [3]
        assert b.session.conversation is not None
        assert b.session.conversation.last_model == "local:green"
        await b.say("And now?")
        assert server.last.messages[2] == ("assistant", "I am green.")


async def test_the_calls_of_a_comparison_tell_which_one_was_chosen(tmp_path: Path, server: WireServer) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        comparison = await compare(b.session, ["red", "green"], "Hello")
        await comparison.ended()
        await comparison.keep(0)
        assert calls(b) == [("green", "compare", True, False), ("red", "compare", True, True)]
        # Whichever ended first was written first.
        kept = {c.model: c.kept for c in b.services.calls.comparisons()}
        assert kept == {"local:red": True, "local:green": False}


async def test_without_a_pick_the_reply_that_was_there_stays(tmp_path: Path, server: WireServer) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        await b.say("One")
        await b.command("/continue")
        await b.ended()
        path = await b.path()
        comparison = await compare(b.session, ["red", "green"])
        await comparison.ended()
        kept = await comparison.keep(None)
        assert (kept.current, kept.picked) == (None, False)
        assert await b.path() == path
        assert b.session.conversation is not None
        assert b.session.conversation.last_model == "local:tiny"
        assert [c.chosen for c in b.services.calls.calls() if c.comparing] == [None, None]


async def test_without_a_pick_and_a_reply_before_the_first_complete_one_is_in_use(
    tmp_path: Path, server: WireServer
) -> None:
    server.on("red", Status(404, "no such model"))
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        comparison = await compare(b.session, ["red", "green", "blue"], "Hello")
        await comparison.ended()
        assert [contender.pickable for contender in comparison.contenders] == [False, True, True]
        assert "red" in comparison.contenders[0].note
        with pytest.raises(UsageError, match="local:red has no reply to go on with"):
            await comparison.keep(0)
        kept = await comparison.keep(None)
        assert kept.current is comparison.contenders[1]
        assert await b.path() == [("you", "Hello"), ("ei", "I am green.")]


async def test_stopping_keeps_the_text_and_the_conversation_is_busy_until_one_is_kept(
    tmp_path: Path, server: WireServer
) -> None:
    server.on("red", Hang("A long sto"))
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        comparison = await compare(b.session, ["red", "green"], "Hello")
        await b.until(lambda: bool(comparison.contenders[0].pieces) and comparison.contenders[1].over)
        for line in ("/undo", "/compare red green"):
            with pytest.raises(UsageError, match="A reply is under way"):
                await b.command(line)
        await b.session.send("And then?")
        assert b.session.stop()
        assert await done(comparison) == [("stopped", "A long sto"), ("complete", "I am green.")]
        with pytest.raises(UsageError, match="A reply is under way"):
            await b.command("/undo")
        await comparison.keep(1)
        await b.until(lambda: len(server.chats) == 3 and not b.session.running())
        assert [text for _, text in await b.path()] == ["Hello", "I am green.", "And then?", "Hello there."]


async def test_picking_one_stops_those_still_under_way(tmp_path: Path, server: WireServer) -> None:
    server.on("red", Hang("A long sto"))
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        comparison = await compare(b.session, ["red", "green"], "Hello")
        await b.until(lambda: bool(comparison.contenders[0].pieces) and comparison.contenders[1].over)
        await comparison.keep(1)
        message = comparison.contenders[0].message
        assert message is not None
        stopped = await b.session.db(b.session.store.message, message.id)
        assert (stopped.state, stopped.text) == (State.CANCELLED, "A long sto")


async def test_what_came_is_kept_while_it_comes_and_the_reply_before_stays_current(
    tmp_path: Path, server: WireServer
) -> None:
    server.on("red", Hang("half a"))
    server.on("green", Hang("another half"))
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        await b.say("Hello")
        comparison = await compare(b.session, ["red", "green"])
        ids = [contender.message.id for contender in comparison.contenders if contender.message is not None]

        def stored() -> list[str]:
            return [b.services.conversations.message(id).text for id in ids]

        await b.until(lambda: stored() == ["half a", "another half"])
        assert [b.services.conversations.message(id).state for id in ids] == [State.STREAMING] * 2
        assert await b.path() == [("you", "Hello"), ("ei", "Hello there.")]
        await comparison.keep(None)


async def test_tokens_and_cost_are_estimated_while_it_comes(tmp_path: Path, server: WireServer) -> None:
    text = "word " * 400
    server.on("gpt-4o", Hang(text))
    keys = {"EI_OPENAI_BASE_URL": server.url, "EI_OPENAI_API_KEY": "k"}
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny", **keys) as b:
        comparison = await compare(b.session, ["green", "openai:gpt-4o"], "Hello")
        slow = comparison.contenders[1]
        await b.until(lambda: sum(map(len, slow.pieces)) == len(text) and slow.price is not None)
        assert slow.estimated
        assert slow.input_tokens is not None
        assert slow.output_tokens is not None
        assert 450 < slow.output_tokens < 560
        comparison.stop()
        await comparison.ended()
        await comparison.keep(None)


async def test_hidden_names_are_letters_in_another_order_until_one_is_kept(tmp_path: Path, server: WireServer) -> None:
    server.on("blue", Status(404, "no such model"))
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        specs = ["red", "green", "blue"]
        comparison = await compare(b.session, specs, "Hello", blind=True, shuffle=lambda found: found.reverse())
        await comparison.ended()
        assert [contender.name for contender in comparison.contenders] == ["A", "B", "C"]
        assert [contender.note for contender in comparison.contenders] == ["It could not answer.", "", ""]
        assert {contender.cost for contender in comparison.contenders} == {0}
        await comparison.keep(2)
        assert [contender.name for contender in comparison.contenders] == ["local:blue", "local:green", "local:red"]
        assert await b.path() == [("you", "Hello"), ("ei", "I am red.")]
        assert {c.blind for c in b.services.calls.calls()} == {True}


WRONG: tuple[tuple[list[object], type[EiError], str], ...] = (
    (["red"], UsageError, "Comparing takes two models or more."),
    ([f"m{n}" for n in range(9)], UsageError, "Too many models to compare."),
    (["red", "local:red"], UsageError, "red and local:red are both local:red."),
    (["red", "red"], UsageError, "red is named twice."),
    (["red", "nobody:x"], UsageError, 'Unknown provider "nobody".'),
    (["red", "openai:gpt-4o"], MissingKeyError, "openai has no API key."),
    (["red", {"exact": 5}], UsageError, ""),
)


@pytest.mark.parametrize(("written", "kind", "sentence"), WRONG)
async def test_all_references_are_checked_before_anything_is_kept_or_sent(
    tmp_path: Path, server: WireServer, written: list[object], kind: type[EiError], sentence: str
) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        with pytest.raises(kind) as caught:
            await compare(b.session, written, "Hello")
        assert caught.value.sentence.startswith(sentence)
        assert b.session.conversation is None
        assert server.chats == []


async def test_nothing_to_ask_is_said(tmp_path: Path, server: WireServer) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
        with pytest.raises(UsageError) as caught:
            await compare(b.session, ["red", "green"])
        assert str(caught.value) == "There is nothing to ask yet. Give the text too: /compare SPEC SPEC -- TEXT"


async def test_the_fallbacks_of_a_persona_answer_in_nobodys_place(tmp_path: Path, server: WireServer) -> None:
    server.on("red", Status(503, "down"))
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        path = b.session.persona.path / "system.jsonc" if b.session.persona.path.is_dir() else b.session.persona.path
        path.write_text(path.read_text("utf-8").replace("{", '{ "fallback": ["local:blue"],', 1), "utf-8")
        (tmp_path / "config").mkdir(exist_ok=True)
        (tmp_path / "config" / "settings.jsonc").write_text('{ "retry": { "attempts": 1 } }', "utf-8")
        await b.session.refresh()
        comparison = await compare(b.session, ["red", "green"], "Hello")
        assert [state for state, _ in await done(comparison)] == ["failed", "complete"]
        assert {request.model for request in server.chats} == {"red", "green"}
        await comparison.keep(1)


async def test_in_a_chat_that_is_not_saved_nothing_is_written_of_a_comparison(
    tmp_path: Path, server: WireServer
) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        await b.command("/incognito on")
        comparison = await compare(b.session, ["red", "green"], "A private zeppelin")
        await comparison.ended()
        await comparison.keep(1)
        assert await b.path() == [("you", "A private zeppelin"), ("ei", "I am green.")]
        assert b.services.calls.comparisons() == ()
    assert all(b"zeppelin" not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


async def test_parameters_that_were_set_count_for_all_of_them(tmp_path: Path, server: WireServer) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        await b.command("/set temperature 0.25")
        comparison = await compare(b.session, ["red", "green"], "Hello")
        await comparison.ended()
        await comparison.keep(0)
        assert [request.body.get("temperature") for request in server.chats] == [0.25, 0.25]


async def test_how_each_reply_came_to_be_is_kept_with_its_comparison(tmp_path: Path, server: WireServer) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        comparison = await compare(b.session, ["red", "green"], "Hello")
        await comparison.ended()
        await comparison.keep(0)
        replies = await b.session.db(b.session.store.siblings, (await b.session.last_of("assistant")).id)
        assert [reply.info.compared for reply in replies if reply.info] == [comparison.group] * 2


async def test_a_guests_message_is_answered_by_that_guest(tmp_path: Path, server: WireServer) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        await b.say("What do you think?", "lena")
        comparison = await compare(b.session, ["red", "green"])
        await comparison.ended()
        await comparison.keep(0)
        assert await b.path() == [("you", "What do you think?"), ("lena", "I am red.")]


async def test_leaving_the_program_ends_what_is_compared_with_its_text(tmp_path: Path, server: WireServer) -> None:
    server.on("red", Hang("half a"))
    server.on("green", Answer("slowly " * 100, delay=0.05))
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        comparison = await compare(b.session, ["red", "green"], "Hello")
        await b.until(lambda: all(contender.pieces for contender in comparison.contenders))
        await asyncio.wait_for(b.session.close(), 5)
        states = [b.services.conversations.message(c.message.id) for c in comparison.contenders if c.message]
        assert [message.state for message in states] == [State.CANCELLED] * 2
        assert states[0].text == "half a"
        assert not [event for event in b.events if isinstance(event, TurnText)]
