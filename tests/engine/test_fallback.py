"""What answers where the model asked for cannot: over real servers that are busy, silent, cut off or left alone."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ei.conversations.values import State
from ei.engine.comparing import compare
from ei.engine.events import TurnEnded, TurnSwitched
from ei.errors import LeftAloneError, NeedsAnswerError
from ei.models.values import Model
from ei.usage.values import Call
from tests.bench_session import NOBODY, Bench, bench, text_of
from tests.ollama import OllamaServer
from tests.wire import Cut, Hang, Status, StreamError, WireServer

MINE = "local:tiny"


@pytest.fixture
def busy() -> Iterator[WireServer]:
    """The server of groq, which is asked first."""
    with WireServer() as server:
        server.always(Status(503))
        yield server


@pytest.fixture
def backup() -> Iterator[WireServer]:
    """The server on this machine."""
    with WireServer() as server:
        server.reply("I am here.", usage=(7, 3))
        yield server


@asynccontextmanager
async def talking(
    home: Path,
    first: WireServer | str,
    backup: WireServer | str,
    fallback: Sequence[object] = (MINE,),
    *,
    settings: dict[str, object] | None = None,
    model: str = "groq:big",
    more: Mapping[str, str] | None = None,
) -> AsyncIterator[Bench]:
    """A session in which groq is asked first, and the persona ei has these fallbacks; nothing is tried twice."""
    (home / "config").mkdir(exist_ok=True)
    text = json.dumps({"retry": {"attempts": 1}, **(settings or {})})
    (home / "config" / "settings.jsonc").write_text(text, "utf-8")
    variables = {
        "EI_LLM_MODEL": model,
        "EI_GROQ_API_KEY": "k",
        "EI_GROQ_BASE_URL": first if isinstance(first, str) else first.url,
        "EI_LLM_BASE_URL": backup if isinstance(backup, str) else backup.url,
        **(more or {}),
    }
    async with bench(home, "ei", **variables) as b:
        if fallback:
            b.services.library.set_value("ei", ("fallback",), list(fallback))
        yield b


def rows(b: Bench) -> list[tuple[str, str, int | None, int | None]]:
    """(model, outcome, status, fallback) of every call, in their order."""
    found: list[Call] = sorted(b.services.calls.calls(), key=lambda call: call.id)
    return [(f"{call.provider}:{call.model}", call.outcome, call.status, call.fallback) for call in found]


def switches(b: Bench) -> list[tuple[str, str, str]]:
    """(who is asked now, instead of whom, why) of each switch."""
    return [
        (event.turn.model, event.turn.instead_of, event.why) for event in b.events if isinstance(event, TurnSwitched)
    ]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
async def test_a_busy_server_lets_the_fallback_answer_and_says_so(
    tmp_path: Path, busy: WireServer, backup: WireServer, status: int
) -> None:
    busy.always(Status(status))
    async with talking(tmp_path, busy, backup) as b:
        message = await b.say("Hello")
        assert (message.text, message.state, message.model) == ("I am here.", State.COMPLETE, MINE)
        assert (message.reference, message.resolved_by) == ("groq:big", "environment")
        why = f"groq is busy ({status})."
        assert b.told() == [f"{why} local:tiny answers instead (fallback of ei)."]
        assert switches(b) == [(MINE, "groq:big", why)]
        info = message.info
        assert info is not None
        assert info.instead_of == (f"groq:big: {why}",)
        assert (info.provider_type, info.input_tokens, info.output_tokens, info.cost) == ("openai", 7, 3, 0)
        assert rows(b) == [("groq:big", "failed", status, 0), (MINE, "complete", None, 1)]
        assert {call.reference for call in b.services.calls.calls()} == {"groq:big"}
        ended = next(event for event in b.events if isinstance(event, TurnEnded))
        assert (ended.turn.model, ended.turn.instead_of) == (MINE, "groq:big")
        assert backup.last.messages[-1] == ("user", "Hello")


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_a_refusal_is_the_persons_to_mend(
    tmp_path: Path, busy: WireServer, backup: WireServer, status: int
) -> None:
    busy.always(Status(status, "no"))
    async with talking(tmp_path, busy, backup) as b:
        message = await b.say("Hello")
        assert (message.state, message.model) == (State.FAILED, "groq:big")
        assert (backup.chats, switches(b)) == ([], [])


async def test_a_missing_key_lets_nobody_else_answer(tmp_path: Path, busy: WireServer, backup: WireServer) -> None:
    async with talking(tmp_path, busy, backup, more={"EI_GROQ_API_KEY": ""}) as b:
        message = await b.say("Hello")
        assert message.error.startswith("groq has no API key")
        assert backup.chats == []


async def test_a_fallback_without_a_key_is_passed_over(tmp_path: Path, busy: WireServer, backup: WireServer) -> None:
    async with talking(tmp_path, busy, backup, ("openai:gpt-x", MINE)) as b:
        message = await b.say("Hello")
        assert (message.text, message.model) == ("I am here.", MINE)
        assert b.told() == [
            "openai:gpt-x is passed over (fallback of ei): openai has no API key.",
            "groq is busy (503). local:tiny answers instead (fallback of ei).",
        ]
    async with talking(tmp_path, busy, backup, ("openai:gpt-x",)) as b:
        assert "groq is busy (503)" in (await b.say("Hello")).error


async def test_a_refused_connection_costs_nothing_and_lets_the_fallback_answer(
    tmp_path: Path, backup: WireServer
) -> None:
    async with talking(tmp_path, NOBODY, backup) as b:
        message = await b.say("Hello")
        assert (message.text, message.model) == ("I am here.", MINE)
        assert b.told() == [f"Nothing answers at {NOBODY}. local:tiny answers instead (fallback of ei)."]
        assert [call.cost for call in b.services.calls.calls()] == [0, 0]
        assert message.info is not None
        assert message.info.cost == 0


@pytest.mark.parametrize("behaviour", [Cut(), Cut(how="reset"), StreamError()])
async def test_what_breaks_off_before_the_first_token_lets_the_fallback_answer(
    tmp_path: Path, busy: WireServer, backup: WireServer, behaviour: Cut | StreamError
) -> None:
    busy.always(behaviour)
    async with talking(tmp_path, busy, backup) as b:
        assert (await b.say("Hello")).model == MINE


@pytest.mark.parametrize("text", ["One more", "<think>Let me"])
async def test_nobody_takes_over_after_the_first_token(
    tmp_path: Path, busy: WireServer, backup: WireServer, text: str
) -> None:
    busy.always(Cut(text))
    async with talking(tmp_path, busy, backup) as b:
        message = await b.say("Hello")
        assert (message.state, message.model, backup.chats) == (State.FAILED, "groq:big", [])
        assert message.text + message.reasoning


async def test_it_is_tried_again_before_another_is_asked(tmp_path: Path, busy: WireServer, backup: WireServer) -> None:
    busy.always(Status(503, retry_after=0.01))
    async with talking(tmp_path, busy, backup, settings={"retry": {"attempts": 3}}) as b:
        await b.say("Hello")
        assert len(busy.chats) == 3
        assert rows(b) == [("groq:big", "failed", 503, 0)] * 3 + [(MINE, "complete", None, 1)]
        assert [call.attempt for call in b.services.calls.calls()] == [1, 3, 2, 1]


async def test_fallbacks_are_asked_one_after_the_other_and_what_means_nothing_is_passed_over(
    tmp_path: Path, busy: WireServer, backup: WireServer
) -> None:
    with OllamaServer() as second:
        second.always(Status(529))
        chain = ("profile:nowhere", "groq:big", "ollama:second", {"exact": MINE})
        async with talking(tmp_path, busy, backup, chain, more={"EI_OLLAMA_BASE_URL": second.url}) as b:
            message = await b.say("Hello")
            assert (message.text, message.model) == ("I am here.", MINE)
            assert b.told() == [
                'profile:nowhere is passed over (fallback of ei): There is no profile "nowhere".',
                "groq is busy (503). ollama:second answers instead (fallback of ei).",
                "ollama is busy (529). local:tiny answers instead (fallback of ei).",
            ]
            assert message.info is not None
            assert message.info.instead_of == (
                "groq:big: groq is busy (503).",
                "ollama:second: ollama is busy (529).",
                'profile:nowhere: There is no profile "nowhere".',
            )
            assert [fallback for *_, fallback in rows(b)] == [0, 1, 2]


async def test_a_tier_may_answer_and_its_way_is_kept(tmp_path: Path, busy: WireServer, backup: WireServer) -> None:
    async with talking(tmp_path, busy, backup, ("tier:fast",)) as b:
        b.services.registry.add(Model("local", "tiny"))
        b.services.registry.set_tier(MINE, "fast")
        message = await b.say("Hello")
        assert (message.model, message.reference) == (MINE, "groq:big")
        assert message.info is not None
        assert [line.startswith("tier:fast is local:tiny today") for line in message.info.resolution] == [True]


async def test_who_is_compared_answers_or_fails(tmp_path: Path, busy: WireServer, backup: WireServer) -> None:
    async with talking(tmp_path, busy, backup) as b:
        await fail(b, 5)
        comparison = await compare(b.session, ["groq:big", "local:other"], "Hello")
        await comparison.ended()
        assert [request.model for request in (*busy.chats, *backup.chats)] == ["big", "other"]
        found = {(call.model, call.fallback, call.comparing) for call in b.services.calls.calls() if call.group}
        assert found == {("big", 0, True), ("other", 0, True)}


async def test_the_last_error_is_told_where_nobody_answers(tmp_path: Path, busy: WireServer) -> None:
    async with talking(tmp_path, busy, NOBODY) as b:
        message = await b.say("Hello")
        assert (message.state, message.model) == (State.FAILED, MINE)
        assert message.error.startswith(f"Nothing answers at {NOBODY}.")


async def test_a_model_in_use_last_is_the_one_asked_for(tmp_path: Path, busy: WireServer, backup: WireServer) -> None:
    async with talking(tmp_path, busy, backup) as b:
        await b.say("Hello")
        assert b.services.state.get("last_used_model") is None
        assert b.session.conversation is not None
        assert b.session.conversation.last_model == MINE


# The circuit.


async def fail(b: Bench, times: int, ago: float = 0) -> None:
    """So many calls of groq that failed, the last one so many seconds ago."""
    now = int((b.services.now() - ago) * 1000)
    for n in range(times):
        call = Call(now - 10 * n, "reasoning", "groq", "big", "failed", attempt=1, total_ms=0, status=503)
        b.services.calls.record(replace(call, error="BusyError"))


async def test_after_five_failures_the_fallback_is_asked_at_once(
    tmp_path: Path, busy: WireServer, backup: WireServer
) -> None:
    async with talking(tmp_path, busy, backup) as b:
        for _ in range(5):
            await b.say("Hello")
        assert len(busy.chats) == 5
        message = await b.say("Again")
        assert (message.model, len(busy.chats)) == (MINE, 5)
        assert "groq failed 5 times in a row and is left alone for another" in b.told()[-1]
        assert rows(b)[-1] == (MINE, "complete", None, 1)
        assert len(rows(b)) == 11


async def test_without_a_fallback_a_message_fails_at_once_and_retry_asks_anyway(
    tmp_path: Path, busy: WireServer, backup: WireServer
) -> None:
    async with talking(tmp_path, busy, backup, ()) as b:
        await fail(b, 6, 32)
        await b.session.send("Hello")
        ended = await b.ended()
        assert isinstance(ended.error, LeftAloneError)
        words = r"groq failed 6 times in a row and is left alone for another 2\d s\. /retry asks it anyway\."
        assert re.fullmatch(words, str(ended.error))
        assert (busy.chats, len(rows(b)), ended.outcome.cost) == ([], 6, 0)
        busy.reply("There again.")
        await b.command("/retry")
        assert (await b.ended()).message.text == "There again."
        assert (await b.say("And now?")).text == "There again."


async def test_a_provider_that_failed_is_tried_once_when_its_time_is_over(
    tmp_path: Path, busy: WireServer, backup: WireServer
) -> None:
    async with talking(tmp_path, busy, backup, (), settings={"retry": {"attempts": 4}}) as b:
        await fail(b, 5, 31)
        assert (await b.say("Hello")).state is State.FAILED
        assert len(busy.chats) == 1
        assert (await b.say("Hello")).error.startswith(
            "groq failed 6 times in a row and is left alone for another 60 s"
        )


async def test_a_server_on_this_machine_is_asked_although_it_failed(tmp_path: Path, busy: WireServer) -> None:
    async with talking(tmp_path, NOBODY, busy, (), model=MINE) as b:
        for _ in range(6):
            await b.say("Hello")
        assert len(busy.chats) == 6
        assert text_of(await b.command("/model --list")).count("circuit open for") == 1
    async with talking(tmp_path, busy, busy, ("builtin:eliza",), model=MINE) as b:
        assert (await b.say("Hello")).model == "builtin:eliza"
        assert len(busy.chats) == 6


async def test_a_fallback_that_is_left_alone_itself_is_passed_over(tmp_path: Path, backup: WireServer) -> None:
    async with talking(tmp_path, backup, NOBODY, ("groq:big", "builtin:eliza"), model=MINE) as b:
        await fail(b, 5)
        assert (await b.say("Hello")).model == "builtin:eliza"
        assert b.told()[0].startswith("groq:big is passed over (fallback of ei): groq failed 5 times in a row")
        assert backup.chats == []


async def test_lists_and_tiers_tell_who_is_left_alone(tmp_path: Path, busy: WireServer, backup: WireServer) -> None:
    async with talking(tmp_path, busy, backup) as b:
        await fail(b, 6, 32)
        listed = text_of(await b.command("/model --list"))
        assert re.search(r"groq +✓ \(API key set\), circuit open for 2\d s after 6 failures", listed)
        down = b.services.chooser.market().standings["groq"].down
        assert down.startswith("circuit open for 2")
        assert b.services.chooser.market().standings["openai"].down == ""


# What it costs.


class Person:
    """Answers what is asked about costs."""

    def __init__(self, answer: bool | None) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def __call__(self, question: str, details: Sequence[str]) -> bool:
        self.asked.append(" ".join([question, *details]))
        if self.answer is None:
            raise NeedsAnswerError(question)
        return self.answer


def priced(b: Bench, model: str, dollars: int) -> None:
    """What the person says that a model costs, in and out."""
    provider, _, name = model.partition(":")
    b.services.registry.add(Model(provider, name))
    b.services.registry.set_price(model, dollars * 10**9, dollars * 10**9)


async def test_a_fallback_that_costs_more_asks_first(tmp_path: Path, busy: WireServer, backup: WireServer) -> None:
    async with talking(tmp_path, busy, backup) as b:
        priced(b, "groq:big", 1)
        priced(b, MINE, 2)
        b.session.may_cost_more = person = Person(True)
        assert (await b.say("Hello")).model == MINE
        (question,) = person.asked
        assert question == (
            "May local:tiny answer instead (fallback of ei)? groq is busy (503). "
            "local:tiny costs $2 in, $2 out per million tokens; groq:big costs $1 in, $1 out."
        )
        person.answer = False
        message = await b.say("Hello")
        assert (message.state, message.model, len(backup.chats)) == (State.FAILED, "groq:big", 1)
        assert message.error.startswith("groq is busy (503).")


async def test_a_cheaper_one_and_one_that_is_free_are_not_asked_about(
    tmp_path: Path, busy: WireServer, backup: WireServer
) -> None:
    async with talking(tmp_path, busy, backup) as b:
        b.session.may_cost_more = person = Person(False)
        assert (await b.say("Hello")).model == MINE
        priced(b, "groq:big", 3)
        priced(b, MINE, 3)
        assert (await b.say("Hello")).model == MINE
        assert person.asked == []


@pytest.mark.parametrize(("known", "asked"), [("groq:big", "has no price"), ("openai:other", "is not known here")])
async def test_an_unknown_price_may_be_any(tmp_path: Path, busy: WireServer, known: str, asked: str) -> None:
    with WireServer() as other:
        more = {"EI_OPENAI_API_KEY": "k", "EI_OPENAI_BASE_URL": other.url}
        async with talking(tmp_path, busy, NOBODY, ("openai:other",), more=more) as b:
            priced(b, known, 1)
            b.session.may_cost_more = person = Person(True)
            assert (await b.say("Hello")).model == "openai:other"
            assert asked in person.asked[0]


async def test_where_nobody_can_be_asked_a_cheaper_one_further_on_answers(
    tmp_path: Path, busy: WireServer, backup: WireServer
) -> None:
    async with talking(tmp_path, busy, backup, ("openai:other", MINE), more={"EI_OPENAI_API_KEY": "k"}) as b:
        assert (await b.say("Hello")).model == MINE
        assert b.told()[0] == (
            "openai:other is passed over (fallback of ei): "
            "it has no price that is known here and may cost more than groq:big, and nobody can be asked."
        )


async def test_where_an_answer_was_all_that_was_missing_the_reply_fails_with_the_question(
    tmp_path: Path, busy: WireServer, backup: WireServer
) -> None:
    async with talking(tmp_path, busy, backup, ("openai:other",), more={"EI_OPENAI_API_KEY": "k"}) as b:
        b.session.may_cost_more = Person(None)
        await b.session.send("Hello")
        ended = await b.ended()
        assert isinstance(ended.error, NeedsAnswerError)
        assert rows(b) == [("groq:big", "failed", 503, 0)]


async def test_stopping_while_it_is_asked_ends_the_reply(tmp_path: Path, busy: WireServer, backup: WireServer) -> None:
    async with talking(tmp_path, busy, backup) as b:
        priced(b, MINE, 2)
        asked = asyncio.Event()

        async def wait(question: str, details: Sequence[str]) -> bool:
            asked.set()
            await asyncio.sleep(60)
            return True

        b.session.may_cost_more = wait
        await b.session.send("Hello")
        await asyncio.wait_for(asked.wait(), 10)
        assert b.session.stop()
        message = (await b.ended()).message
        assert (message.state, message.model) == (State.CANCELLED, "groq:big")
        assert rows(b) == [("groq:big", "failed", 503, 0)]


# Profiles.


async def test_a_profile_has_fallbacks_of_its_own_and_may_let_them_cost_more(
    tmp_path: Path, busy: WireServer, backup: WireServer
) -> None:
    profiles = [
        {"id": "creative", "model": "groq:big", "fallback": ["profile:calm"], "fallback_may_cost_more": True},
        {"id": "calm", "model": MINE, "temperature": 0.25},
    ]
    settings: dict[str, object] = {"llm_profiles": profiles}
    async with talking(tmp_path, busy, backup, ("builtin:eliza",), settings=settings, model="profile:creative") as b:
        priced(b, "groq:big", 1)
        priced(b, MINE, 2)
        b.session.may_cost_more = person = Person(False)
        message = await b.say("Hello")
        assert (message.text, message.model, person.asked) == ("I am here.", MINE, [])
        assert b.told() == ["groq is busy (503). local:tiny answers instead (fallback of profile:creative)."]
        assert message.info is not None
        assert (message.info.profile, message.reference) == ("calm", "profile:creative")
        assert [call.profile for call in b.services.calls.calls()] == ["calm", "creative"]
        assert backup.last.body["temperature"] == 0.25


# Each model is asked in its own way.


async def test_the_fallback_gets_what_it_can_take(tmp_path: Path, busy: WireServer) -> None:
    with WireServer(context=3000) as small:
        async with talking(tmp_path, busy, small) as b:
            busy.reply("word " * 1200)
            for _ in range(2):
                await b.say("Tell me " + "more " * 30)
            busy.always(Status(503))
            message = await b.say("And then?")
            assert (message.state, message.model) == (State.COMPLETE, MINE)
            assert small.last.messages[-1] == ("user", "And then?")
            assert [text for text in b.told() if "left out so that the rest fits local:tiny" in text]


async def test_a_reply_is_shown_to_be_the_fallbacks_while_it_comes(
    tmp_path: Path, busy: WireServer, backup: WireServer
) -> None:
    backup.always(Hang("I am"))
    async with talking(tmp_path, busy, backup) as b:
        await b.session.send("Hello")
        await b.until(lambda: b.streamed() == "I am")
        (running,) = b.session.running().values()
        assert running.info is not None
        assert running.info.model == MINE
        b.session.stop()
        message = (await b.ended()).message
        assert (message.state, message.text, message.model) == (State.CANCELLED, "I am", MINE)


async def test_the_context_of_a_server_on_this_machine_is_forgotten_after_a_day(
    tmp_path: Path, busy: WireServer, backup: WireServer
) -> None:
    from ei.engine.composing import learned_about
    from ei.models.reference import ModelId

    async with talking(tmp_path, busy, backup, more={"EI_OLLAMA_BASE_URL": "http://elsewhere.example/v1"}) as b:
        tomorrow = replace(b.services, now=lambda: b.services.now() + 86_401)
        for model, kept in (("local:tiny", None), ("groq:big", 500), ("ollama:far", 500)):
            b.services.learned.set(model, "context", 500)
            b.services.learned.set(model, "rejects", ["top_p"])
            id = ModelId(*model.split(":"))
            assert (await learned_about(b.services, id))["context"] == 500
            later = await learned_about(tomorrow, id)
            assert (later.get("context"), later["rejects"]) == (kept, ["top_p"])


async def test_a_local_server_at_another_address_is_not_free(tmp_path: Path) -> None:
    from ei.engine.pricing import cost_of_call
    from ei.messages import Usage
    from ei.models.reference import ModelId

    model, used = ModelId("local", "tiny"), Usage(10, output_tokens=10)
    async with bench(tmp_path, EI_LLM_BASE_URL="http://gpu.example:1234/v1") as b:
        assert cost_of_call(b.services, model, used) is None
    async with bench(tmp_path, EI_LLM_BASE_URL="http://127.0.0.1:1234/v1") as b:
        assert cost_of_call(b.services, model, used) == 0
