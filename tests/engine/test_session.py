"""Talking through a session: replies, recording, models, queues, guests, two at once."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from ei.conversations.values import State
from ei.engine.events import Elsewhere, GivenBack, Opened, TurnReasoning, TurnRetrying
from ei.errors import UsageError
from tests.bench_session import bench
from tests.wire import Answer, Cut, Hang, Status, WireServer


async def test_a_reply_streams_in_and_is_kept_with_the_model_that_wrote_it(tmp_path: Path) -> None:
    with WireServer() as server:
        server.reply("Hello there, friend.", usage=(12, 4))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="local:tiny") as b:
            message = await b.say("Hi")
            assert (message.text, message.state, message.model) == (
                "Hello there, friend.",
                State.COMPLETE,
                "local:tiny",
            )
            assert (message.reference, message.resolved_by) == ("local:tiny", "environment")
            assert b.streamed() == "Hello there, friend."
            assert await b.path() == [("you", "Hi"), ("ei", "Hello there, friend.")]
            (call,) = b.services.calls.calls()
            assert (call.provider, call.model, call.input_tokens, call.output_tokens) == ("local", "tiny", 12, 4)
            assert (call.outcome, call.cost, call.estimated, call.message) == ("complete", 0, False, message.id)


async def test_the_prompt_goes_first_and_no_message_goes_twice(tmp_path: Path) -> None:
    with WireServer() as server:
        server.reply("yes")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.say("one")
            await b.say("two")
        sent = server.requests[-1].messages
        assert [role for role, _ in sent] == ["system", "user", "assistant", "user"]
        assert [text for _, text in sent[1:]] == ["one", "yes", "two"]


async def test_personas_use_different_models_at_the_same_time(tmp_path: Path) -> None:
    with WireServer() as slow, WireServer() as quick:
        slow.reply("A long tale told slowly.", delay=0.1)
        quick.reply("Done.")
        async with bench(
            tmp_path, "lena", EI_LLM_BASE_URL=slow.url, EI_OPENAI_API_KEY="k", EI_OPENAI_BASE_URL=quick.url
        ) as b:
            await b.command("/model local:story")
            await b.session.send("Tell me a story")
            lena = b.session.conversation
            await b.session.switch("mike")
            await b.command("/model openai:gpt-x")
            reply = await b.say("Fix it")
            assert (reply.text, reply.model) == ("Done.", "openai:gpt-x")
            assert lena is not None
            assert lena.id in b.session.running()
            ended = await b.session.finished(lena.id)
            assert (ended.message.text, ended.message.model) == ("A long tale told slowly.", "local:story")
            await asyncio.sleep(0.05)
            assert b.session.unread == {"lena": 1}
            await b.session.switch("lena")
            assert b.session.unread == {}


async def test_coming_back_finds_everything_and_the_persona_that_was_in_front(tmp_path: Path) -> None:
    async with bench(tmp_path, "lena", EI_LLM_MODEL="builtin:eliza") as b:
        reply = await b.say("I like rain")
    async with bench(tmp_path, EI_LLM_MODEL="builtin:eliza") as b:
        assert b.session.persona.name == "lena"
        opened = next(event for event in b.events if isinstance(event, Opened))
        assert [message.text for message in opened.recap] == ["I like rain", reply.text]


async def test_without_anything_set_the_companion_answers_and_says_so_once(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.say("Hello")
        reply = await b.say("I feel sad")
        assert (reply.model, reply.resolved_by) == ("builtin:eliza", "built in")
        assert [text for text in b.told() if "built-in companion" in text] == [b.told()[0]]
        assert b.services.calls.calls()[0].cost == 0


async def test_a_guest_answers_under_her_name_from_her_own_model(tmp_path: Path) -> None:
    with WireServer() as server:
        server.reply("So it seems.")
        async with bench(tmp_path, "mike", EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="base") as b:
            b.services.library.set_value("lena", ("model",), "local:story")
            await b.say("The lamp is broken")
            reply = await b.say("What do you think?", "lena")
            assert (reply.author, reply.model) == ("lena", "local:story")
            after = await b.say("And you?")
            assert (after.author, after.model) == ("mike", "local:base")
        guest, host = server.requests[1], server.requests[2]
        assert [text for _, text in guest.messages[1:]] == [
            "(to Mike) The lamp is broken\n\nMike said: So it seems.\n\nWhat do you think?"
        ]
        assert "Lena said: So it seems." in host.messages[-1][1]


async def test_a_message_sent_during_a_reply_waits_and_goes_when_it_has_ended(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script(Answer("First reply here.", delay=0.1))
        server.reply("Second.")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.session.send("one")
            await b.session.send("two")
            assert b.session.conversation is not None
            waiting = b.services.conversations.queued(b.session.conversation.id)
            assert [message.text for message in waiting] == ["two"]
            await b.ended()
            await b.ended()
            assert await b.path() == [("you", "one"), ("ei", "First reply here."), ("you", "two"), ("ei", "Second.")]


async def test_stopping_keeps_the_text_so_far_and_gives_back_what_waited(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script(Hang("Once upon a time"))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.session.send("a story")
            await b.until(lambda: "time" in b.streamed())
            await b.session.send("longer, please")
            ended_soon = asyncio.create_task(b.ended())
            assert b.session.stop()
            ended = await ended_soon
            await asyncio.sleep(0.1)
            assert (ended.message.state, ended.message.text) == (State.CANCELLED, "Once upon a time")
            assert [event.text for event in b.events if isinstance(event, GivenBack)] == ["longer, please"]
            assert await b.path() == [("you", "a story"), ("ei", "Once upon a time")]
            assert b.services.calls.calls()[0].outcome == "cancelled"
        assert server.requests[0].client_left


async def test_a_cut_reply_is_kept_as_failed_and_continue_goes_on(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script(Cut("The beginning"), Answer(" and the end."))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.session.send("go")
            ended = await b.ended()
            assert (ended.message.state, ended.message.text) == (State.FAILED, "The beginning")
            assert ended.error is not None
            await b.session.go_on()
            after = await b.ended()
            assert (after.message.state, after.message.text) == (State.COMPLETE, " and the end.")
            assert await b.path() == [("you", "go"), ("ei", "The beginning"), ("ei", " and the end.")]
        assert "Go on exactly where it stopped" in server.requests[1].messages[-1][1]


async def test_a_busy_provider_is_asked_again_and_every_attempt_is_a_row(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script(Status(529, retry_after=0.05), Status(503, retry_after=0.05), Answer("At last."))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            assert (await b.say("Hi")).text == "At last."
            waits = [event.sentence for event in b.events if isinstance(event, TurnRetrying)]
            assert waits[0].startswith("local is busy (529). Trying again in")
            assert [call.outcome for call in b.services.calls.calls()] == ["complete", "failed", "failed"]


async def test_retry_with_another_model_keeps_the_first_reply_as_a_variant(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script(Answer("First."), Answer("Second."))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            first = await b.say("Hi")
            await b.session.retry("local:other")
            second = (await b.ended()).message
            assert (second.text, second.model, second.variant, second.variants) == ("Second.", "local:other", 2, 2)
            assert await b.path() == [("you", "Hi"), ("ei", "Second.")]
            b.ui.chosen = [0]
            await b.command("/variants")
            assert [page.text for page in b.ui.pages[0]] == ["First.", "Second."]
            assert await b.path() == [("you", "Hi"), ("ei", "First.")]
            assert (await b.session.last_of("assistant")).id == first.id


async def test_a_missing_key_keeps_the_message_and_retry_answers_it(tmp_path: Path) -> None:
    with WireServer() as server:
        server.reply("Here.")
        async with bench(tmp_path, EI_LLM_MODEL="openai:gpt-x", EI_LLM_BASE_URL=server.url) as b:
            await b.session.send("Hi")
            ended = await b.ended()
            assert ended.error is not None
            assert ended.error.sentence == "openai has no API key."
            assert "EI_OPENAI_API_KEY" in ended.error.hint
            await b.session.retry("local:tiny")
            assert (await b.ended()).message.text == "Here."
            assert (await b.path())[-1] == ("ei", "Here.")


async def test_edit_asks_again_and_keeps_the_first_question_as_a_branch(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script(Answer("One."), Answer("Two."))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.say("frist")
            await b.session.edit("first")
            await b.ended()
            assert await b.path() == [("you", "first"), ("ei", "Two.")]
            user = await b.session.last_of("user")
            assert [m.text for m in b.services.conversations.siblings(user.id)] == ["frist", "first"]


async def test_what_does_not_fit_is_left_out_from_the_oldest_and_said_once(tmp_path: Path) -> None:
    def small(request: object) -> Answer | Status:
        body = json.dumps(getattr(request, "body", {}))
        if len(body) > 9000:
            return Status(
                400,
                "the request exceeds the available context size",
                type="exceed_context_size_error",
                body={
                    "error": {
                        "code": 400,
                        "message": "the request exceeds the available context size",
                        "type": "exceed_context_size_error",
                        "n_prompt_tokens": len(body),
                        "n_ctx": 9000,
                    }
                },
            )
        return Answer("ok")

    with WireServer() as server:
        server.always(small)
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            for number in range(6):
                reply = await b.say(f"{number} " + "word " * 300)
                assert reply.text == "ok"
            last = server.requests[-1].messages
            assert last[0][0] == "system"
            assert last[-1][1].startswith("5 ")
            assert not any(text.startswith("0 ") for _, text in last)
            notices = [text for text in b.told() if "left out" in text]
            assert len(notices) == 1
            assert notices[0].endswith("so that the rest fits local:tiny.")


async def test_reasoning_is_kept_apart_and_not_sent_back(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script(Answer("<think>hidden thoughts</think>The answer."), Answer("More."))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            reply = await b.say("Hi")
            assert (reply.text, reply.reasoning) == ("The answer.", "hidden thoughts")
            assert "".join(e.text for e in b.events if isinstance(e, TurnReasoning)) == "hidden thoughts"
            await b.say("And?")
        assert "hidden" not in json.dumps(server.requests[1].body)


async def test_a_closing_tag_alone_is_learned_for_the_model(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script(Answer("I ponder.</think>Forty-two."), Answer("Again I ponder.</think>Forty-three."))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            first = await b.say("Hi")
            assert (first.text, first.reasoning) == ("Forty-two.", "I ponder.")
            b.events.clear()
            second = await b.say("And?")
            assert (second.text, second.reasoning) == ("Forty-three.", "Again I ponder.")
            assert b.streamed() == "Forty-three."


async def test_what_was_learned_of_reasoning_is_unlearned_when_the_model_stops_doing_it(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script(Answer("I ponder.</think>Forty-two."), Answer("No thoughts."), Answer("None again."))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.say("Hi")
            second = await b.say("And?")
            assert (second.text, second.reasoning) == ("No thoughts.", "")
            b.events.clear()
            third = await b.say("And now?")
            assert (third.text, third.reasoning) == ("None again.", "")
            assert [event for event in b.events if isinstance(event, TurnReasoning)] == []


async def test_a_parameter_that_the_model_rejects_is_dropped_said_once_and_remembered(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script(
            Status(400, "Unsupported parameter: 'temperature'", param="temperature", error_code="unsupported_parameter")
        )
        server.reply("fine")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            b.services.library.set_value("ei", ("parameters",), {"temperature": 0.3})
            assert (await b.say("Hi")).text == "fine"
            assert (await b.say("Hi")).text == "fine"
            assert [text for text in b.told() if "temperature" in text] == [
                "local:tiny does not take temperature; it is left out."
            ]
        assert [("temperature" in request.body) for request in server.requests] == [True, False, False]


async def test_a_second_terminal_in_the_same_conversation_is_noticed_and_nothing_is_torn(tmp_path: Path) -> None:
    with WireServer() as server:
        server.reply("ok")
        async with (
            bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as one,
            bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as two,
        ):
            await one.say("from one")
            assert one.session.conversation is not None
            await two.session.resume(one.session.conversation.id)
            await two.say("from two")
            await one.say("one again")
            caught = [event for event in one.events if isinstance(event, Elsewhere)]
            assert [m.text for m in caught[0].messages] == ["from two", "ok"]
            assert [text for who, text in await one.path() if who == "you"] == ["from one", "from two", "one again"]


async def test_incognito_writes_no_content_anywhere(tmp_path: Path) -> None:
    with WireServer() as server:
        server.reply("a secret xylophone")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.session.set_incognito(True)
            await b.say("my private zeppelin")
            assert await b.path() == [("you", "my private zeppelin"), ("ei", "a secret xylophone")]
            (call,) = b.services.calls.calls()
            assert (call.persona, call.conversation, call.message, call.outcome) == (None, None, None, "complete")
            await b.session.set_incognito(False)
            assert b.session.conversation is None
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"zeppelin" not in written
    assert b"xylophone" not in written


async def test_resuming_says_when_another_model_would_answer_now(tmp_path: Path) -> None:
    with WireServer() as server:
        server.reply("ok")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.say("Hi")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="other") as b:
            await asyncio.sleep(0.1)
            assert b.told() == ["local:tiny answered here last; local:other would answer now (EI_LLM_MODEL)."]


async def test_nothing_to_retry_or_continue_is_said_in_one_sentence(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        for work in (b.session.retry(None), b.session.go_on(), b.session.edit("x")):
            with pytest.raises(UsageError, match="There is nothing here yet"):
                await work


async def test_a_guest_answers_with_the_model_for_being_asked(tmp_path: Path) -> None:
    with WireServer() as server:
        server.reply("ok")
        async with bench(tmp_path, "mike", EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="base") as b:
            b.services.library.set_value("lena", ("models",), {"subagents": "local:asked"})
            assert (await b.say("What do you think?", "lena")).model == "local:asked"
            assert b.services.calls.calls()[0].interaction == "subagents"
            await b.session.switch("lena")
            assert (await b.say("And here?")).model == "local:base"


async def test_taking_back_never_touches_what_this_terminal_has_not_shown(tmp_path: Path) -> None:
    with WireServer() as server:
        server.reply("ok")
        async with (
            bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as one,
            bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as two,
        ):
            await one.say("from one")
            assert one.session.conversation is not None
            await two.session.resume(one.session.conversation.id)
            await two.say("from two")
            for line in ("/undo", "/edit changed", "/retry"):
                one.session.answering.seen_head[one.session.conversation.id] = None
                with pytest.raises(UsageError, match="went on in another terminal"):
                    await one.command(line)
            assert [text for who, text in await one.path() if who == "you"] == ["from one", "from two"]


async def test_each_attempt_is_a_row_with_its_number_and_its_own_beginning(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script(Status(503, retry_after=0.3), Answer("At last."))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.say("Hi")
            last, first = b.services.calls.calls()
            assert (first.attempt, first.outcome, last.attempt, last.outcome) == (1, "failed", 2, "complete")
            assert 250 <= last.started_ms - first.started_ms <= 2000


async def test_what_went_wrong_unforeseen_is_one_sentence_and_a_traceback_in_the_log(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script(Status(418, "I am a teapot"))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.session.send("Hi")
            ended = await b.ended()
            assert ended.error is not None
            assert "teapot" in ended.error.sentence
    assert "Traceback" in (tmp_path / "data" / "ei.log").read_text("utf-8")
