"""/set: parameters for now, for a conversation, for a persona; and what the model that gets them receives."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ei.commands.base import Reply, Table
from ei.commands.parameters import EFFORTS, complete_set
from ei.engine.syncing import sync
from ei.errors import UsageError
from tests.bench_session import Bench, bench, text_of
from tests.wire import Model, WireServer


@asynccontextmanager
async def talking(
    home: Path, settings: Mapping[str, object] | None = None, **more: str
) -> AsyncIterator[tuple[Bench, WireServer]]:
    """A session with a server whose model is `tiny`; settings: of the person."""
    with WireServer() as server:
        if settings is not None:
            (home / "settings.jsonc").write_text(json.dumps(settings), "utf-8")
            more["EI_CONFIG"] = str(home / "settings.jsonc")
        async with bench(home, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny", **more) as b:
            yield b, server


async def said(b: Bench, line: str) -> str:
    return text_of(await b.command(line))


async def refused(b: Bench, line: str) -> str:
    with pytest.raises(UsageError) as caught:
        await b.command(line)
    return str(caught.value)


def rows(reply: Reply) -> dict[str, tuple[str, ...]]:
    """The rows of a reply's table by their first column."""
    table = next(item for item in reply.items if isinstance(item, Table))
    return {row[0]: row[1:] for row in table.rows}


async def test_a_parameter_set_for_now_is_sent_until_it_is_cleared(tmp_path: Path) -> None:
    async with talking(tmp_path) as (b, server):
        await b.say("Hi")
        assert "temperature" not in server.last.body
        assert await said(b, "/set temperature 0.3") == "temperature for ei is 0.3 for now, until you leave."
        await b.say("Hi")
        assert server.last.body["temperature"] == 0.3
        await b.command("/new")
        await b.say("Hi")
        assert server.last.body["temperature"] == 0.3
        assert await said(b, "/set temp --clear") == "temperature for now cleared. The model's own counts."
        await b.say("Hi")
        assert "temperature" not in server.last.body


async def test_what_is_for_now_is_of_the_persona_in_front_and_ends_with_the_program(tmp_path: Path) -> None:
    async with talking(tmp_path) as (b, server):
        await b.command("/set temperature 0.3")
        await b.session.switch("mike")
        await b.say("Hi")
        assert "temperature" not in server.last.body
        await b.say("And you?", "ei")
        assert server.last.body["temperature"] == 0.3
    async with talking(tmp_path) as (b, server):
        await b.session.switch("ei")
        await b.say("Hi")
        assert "temperature" not in server.last.body


async def test_a_parameter_kept_with_a_conversation_is_that_conversations_alone(tmp_path: Path) -> None:
    async with talking(tmp_path) as (b, server):
        assert await said(b, "/set max_tokens 500 --here") == "max_tokens for this conversation with ei set to 500."
        await b.say("Hi")
        assert server.last.body["max_tokens"] == 500
        await b.say("And you?", "mike")
        assert "max_tokens" not in server.last.body
        id = b.session.conversation.id if b.session.conversation else ""
        await b.command("/new")
        await b.say("Hi")
        assert "max_tokens" not in server.last.body
    async with talking(tmp_path) as (b, server):
        await b.session.resume(id)
        await b.say("Hi")
        assert server.last.body["max_tokens"] == 500
        assert await said(b, "/set --clear --here") == "All parameters for this conversation cleared."
        await b.say("Hi")
        assert "max_tokens" not in server.last.body


async def test_a_parameter_kept_with_a_persona_stands_in_its_file_beside_the_comments(tmp_path: Path) -> None:
    async with talking(tmp_path) as (b, server):
        path = b.services.library.path_of("ei")
        before = path.read_text("utf-8")
        assert await said(b, "/set temperature 0.3 --persona") == "temperature for ei set to 0.3."
        await b.say("Hi")
        assert server.last.body["temperature"] == 0.3
        written = path.read_text("utf-8")
        assert '"parameters": {' in written
        assert [line for line in before.splitlines() if "//" in line and line not in written] == []
        assert await said(b, "/set temperature --clear --persona") == (
            "temperature for ei cleared. The model's own counts."
        )
        await b.say("Hi")
        assert "temperature" not in server.last.body


async def test_a_later_place_wins_and_one_that_is_overruled_says_so(tmp_path: Path) -> None:
    settings = {
        "interactions": {"reasoning": {"temperature": 0.1}},
        "llm_profiles": [{"id": "cool", "model": "local:tiny", "temperature": 0.2}],
    }
    async with talking(tmp_path, settings) as (b, server):

        async def sent() -> object:
            await b.say("Hi")
            return server.last.body["temperature"]

        assert await sent() == 0.1
        await b.command("/model profile:cool")
        assert await sent() == 0.2
        await b.command("/set temperature 0.3 --persona")
        assert await sent() == 0.3
        await b.command("/set temperature 0.4 --here")
        assert await sent() == 0.4
        await b.command("/set temperature 0.5")
        assert await sent() == 0.5
        assert await said(b, "/set temperature 0.6 --here") == (
            "temperature for this conversation with ei set to 0.6.\n"
            "0.5 still wins; it comes from what is set for now. /set temperature --clear ends that."
        )
        assert await said(b, "/set temperature 0.7 --persona") == (
            "temperature for ei set to 0.7.\n"
            "0.5 still wins; it comes from what is set for now. /set temperature --clear ends that."
        )
        assert await said(b, "/set --clear") == "All parameters for now cleared."
        assert await sent() == 0.6
        assert await said(b, "/set temperature --clear --here") == (
            "temperature for this conversation cleared. Using 0.7 from ei's system.jsonc."
        )


async def test_the_list_tells_every_parameter_its_value_and_where_it_comes_from(tmp_path: Path) -> None:
    settings = {"llm_profiles": [{"id": "wild", "model": "local:tiny", "extra_params": {"min_p": 0.1}}]}
    async with talking(tmp_path, settings) as (b, _):
        own = ("-", "the model's own")
        names = ("temperature", "top_p", "max_tokens", "seed", "stop", "reasoning_effort")
        assert rows(await b.command("/set")) == dict.fromkeys(names, own)
        await b.command("/model profile:wild")
        await b.command("/set top_p 0.9")
        await b.command('/set stop "THE END" --here')
        await b.command("/set seed 7 --persona")
        reply = await b.command("/set")
        assert rows(reply) == {
            "temperature": ("0.7", "profile:wild, by default"),
            "top_p": ("0.9", "for now"),
            "max_tokens": own,
            "seed": ("7", "ei's system.jsonc"),
            "stop": ("THE END", "this conversation"),
            "reasoning_effort": own,
            "min_p": ("0.1", "extra_params of the profile"),
        }
        assert isinstance(reply.data, list)
        assert reply.data[0] == {
            "parameter": "temperature",
            "value": 0.7,
            "where": "profile:wild, by default",
            "chosen": False,
            "sent": 0.7,
        }
        assert rows(await b.command("/set top_p")) == {"top_p": ("0.9", "for now")}


async def test_what_the_model_does_not_take_is_said_where_it_is_set_and_listed(tmp_path: Path) -> None:
    async with talking(tmp_path, EI_OPENAI_API_KEY="k") as (b, _):
        await b.command("/model openai:o3")
        sentence = "openai:o3 does not take temperature; it is left out."
        assert (await said(b, "/set temperature 0.3")).splitlines()[1] == sentence
        shown = rows(await b.command("/set"))
        assert shown["temperature"] == ("0.3", "for now", "does not take it")
        assert shown["top_p"] == ("-", "the model's own", "does not take it")
        assert shown["seed"] == ("-", "the model's own", "")


async def test_a_reply_longer_than_the_model_writes_is_cut_to_what_it_does(tmp_path: Path) -> None:
    with WireServer() as router:
        router.models(Model("small", {"context_length": 32768, "top_provider": {"max_completion_tokens": 4096}}))
        async with talking(tmp_path, EI_OPENROUTER_API_KEY="k", EI_OPENROUTER_BASE_URL=router.url) as (b, _):
            await sync(b.services)
            await b.command("/model openrouter:small")
            most = b.services.registry.get("openrouter:small")
            assert most is not None
            assert most.max_output == 4096
            told = await said(b, "/set max_tokens 10,000")
            sentence = "openrouter:small writes at most 4,096 tokens; max_tokens of 10,000 is cut to that."
            assert told.splitlines()[1] == sentence
            assert rows(await b.command("/set"))["max_tokens"] == ("10000", "for now", "writes at most 4,096")
            await b.say("Hi")
            await b.say("Hi")
            assert router.last.body["max_tokens"] == 4096
            assert b.told().count(sentence) == 1


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("temperature 1", "temperature", 1),
        ("TEMP 0.25", "temperature", 0.25),
        ("temperature=0.5", "temperature", 0.5),
        ("top-p 1", "top_p", 1),
        ("max 1_000", "max_tokens", 1000),
        ("seed -3", "seed", -3),
        ("stop END", "stop", "END"),
        (r'stop "###" "\n\n"', "stop", ["###", "\n\n"]),
        ("effort HIGH", "reasoning_effort", "high"),
    ],
)
async def test_names_and_values_are_read_as_people_write_them(
    tmp_path: Path, line: str, name: str, value: object
) -> None:
    async with talking(tmp_path) as (b, server):
        await b.command(f"/set {line}")
        await b.say("Hi")
        assert server.last.body[name] == value


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/set temperature 3", "temperature is a number from 0 to 2. For example: /set temperature 0.3"),
        ("/set temperature warm", "temperature is a number from 0 to 2. For example: /set temperature 0.3"),
        ("/set temperature nan", "temperature is a number from 0 to 2. For example: /set temperature 0.3"),
        ("/set temperature 0.3 0.4", "temperature is a number from 0 to 2. For example: /set temperature 0.3"),
        ("/set top_p 2", "top_p is a number from 0 to 1. For example: /set top_p 0.9"),
        ("/set max_tokens 0", "max_tokens is a whole number of at least 1. For example: /set max_tokens 500"),
        ("/set max_tokens 1.5", "max_tokens is a whole number of at least 1. For example: /set max_tokens 500"),
        ("/set seed x", "seed is a whole number. For example: /set seed 1"),
        ('/set stop ""', 'stop is one text or several, none of them empty. For example: /set stop "THE END"'),
        (
            "/set reasoning_effort much",
            f"reasoning_effort is one of: {', '.join(EFFORTS)}. For example: /set reasoning_effort low",
        ),
        ("/set temprature 1", 'There is no parameter "temprature". Did you mean temperature?'),
        (
            "/set colour 1",
            'There is no parameter "colour". There are: temperature, top_p, max_tokens, seed, stop, reasoning_effort.',
        ),
        ("/set temperature 1 --here --persona", "--here and --persona do not go together. See /help set."),
        ("/set temperature 1 --clear", "--clear takes no value. To set one: /set temperature VALUE"),
        ("/set temperature --here", "Which value? For example: /set temperature 0.3 --here"),
        ("/set --clear --persona", "Which parameter? For example: /set temperature --clear --persona"),
    ],
)
async def test_what_cannot_be_set_is_one_sentence_and_changes_nothing(tmp_path: Path, line: str, sentence: str) -> None:
    async with talking(tmp_path) as (b, _):
        assert await refused(b, line) == sentence
        assert b.session.parameters_now("ei") == {}


async def test_what_is_set_is_listed_although_no_model_is_meant(tmp_path: Path) -> None:
    async with talking(tmp_path) as (b, _):
        await b.command("/model tier:premium")
        told = await said(b, "/set temperature 0.3")
        assert told.splitlines()[0] == "temperature for ei is 0.3 for now, until you leave."
        assert told.splitlines()[1].startswith("What would answer is not known: No model fits tier:premium")
        assert rows(await b.command("/set"))["temperature"] == ("0.3", "for now")


async def test_names_values_and_places_are_offered(tmp_path: Path) -> None:
    async with talking(tmp_path) as (b, _):
        names = [word for word, _ in complete_set(b.session, ("",))]
        assert names == ["temperature", "top_p", "max_tokens", "seed", "stop", "reasoning_effort"]
        assert [word for word, _ in complete_set(b.session, ("effort", "l"))][:3] == ["none", "minimal", "low"]
        assert [word for word, _ in complete_set(b.session, ("temperature", "0.3", "-"))] == [
            "--here",
            "--persona",
            "--clear",
        ]


async def test_the_prompt_shows_what_would_be_sent_and_from_where(tmp_path: Path) -> None:
    settings = {"llm_profiles": [{"id": "wild", "model": "local:tiny", "extra_params": {"min_p": 0.1}}]}
    async with talking(tmp_path, settings) as (b, _):
        await b.command("/model profile:wild")
        await b.command("/set max_tokens 500")
        reply = await b.command("/prompt")
        assert (
            text_of(reply)
            .splitlines()[-1]
            .endswith(
                "; to local:tiny, temperature 0.7 (profile:wild, by default), max_tokens 500 (for now),"
                " min_p 0.1 (extra_params)"
            )
        )
        assert isinstance(reply.data, dict)
        assert reply.data["parameters"] == {"temperature": 0.7, "max_tokens": 500}
        assert reply.data["parameters_from"] == {"temperature": "profile:wild, by default", "max_tokens": "for now"}
        assert reply.data["extra_params"] == {"min_p": 0.1}
