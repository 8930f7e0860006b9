"""Testing a model: what counts as working, what is remembered, and what is told of a server that cannot."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ei.engine.syncing import sync
from ei.engine.testing import Findings, estimate, examine
from ei.errors import ProviderError, RefusedKeyError, UnreachableError
from ei.models.interactions import REASONING
from ei.models.reference import ModelId
from ei.models.values import Model
from tests.bench_session import Bench, bench
from tests.llama import Llama, started_llama
from tests.wire import Answer, Hang, Request, Status, ToolUse, WireServer
from tests.wire import Model as Listed
from tests.wire_formats import Scripted

PARIS = json.dumps({"name": "Paris", "country": "France", "languages": ["French"], "is_capital": True})
CALL = ToolUse("weather", '{"city": "Paris"}')


def able(request: Request) -> Answer:
    """A model that can do all of it, on both wires."""
    names = [tool.get("name") or tool["function"]["name"] for tool in request.body.get("tools", [])]
    if names == ["reply"]:
        return Answer(tools=[ToolUse("reply", PARIS)], usage=(30, 20))
    if names:
        return Answer(tools=[CALL], usage=(40, 10))
    return Answer(PARIS if "response_format" in request.body else "Hello", usage=(12, 2))


async def examined(b: Bench, model: str = "local:tiny") -> Findings:
    resolution = b.services.chooser.named(model, b.session.persona, REASONING)
    return await examine(b.services, resolution)


def works(found: Findings) -> list[bool | None]:
    return [probe.works for probe in found.probes]


def told(found: Findings) -> list[str]:
    return [probe.told for probe in found.probes]


@pytest.mark.parametrize("provider", ["local", "anthropic"])
async def test_a_model_that_can_all_of_it_is_told_and_remembered(tmp_path: Path, provider: str) -> None:
    with WireServer() as server:
        server.always(able)
        async with bench(
            tmp_path,
            EI_LLM_BASE_URL=server.url,
            EI_ANTHROPIC_BASE_URL=server.anthropic_url,
            EI_ANTHROPIC_API_KEY="k",
        ) as b:
            id = f"{provider}:tiny"
            b.services.registry.add(Model(provider, "tiny"))
            found = await examined(b, id)
            assert works(found) == [True, True, True]
            assert told(found) == ["Hello", PARIS, 'weather({"city": "Paris"})']
            assert found.capabilities == {"structured_output": True, "tools": True}
            assert (found.output_tokens, found.estimated, found.cost) == (
                (32, False, None) if provider == "anthropic" else (14, False, 0)
            )
            stored = b.services.registry.get(id)
            assert stored is not None
            assert stored.capabilities == frozenset({"tools", "structured_output"})
            change = b.services.registry.log(1)[0]
            assert (change.what, change.before, change.after, change.by) == (
                "capabilities", "", "structured_output tools", "test",
            )  # fmt: skip


async def test_each_of_the_three_is_a_recorded_call(tmp_path: Path) -> None:
    with WireServer() as server:
        server.always(able)
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            await examined(b)
            calls = b.services.calls.calls()
            assert [(c.triggered_by, c.outcome, c.input_tokens, c.conversation) for c in calls] == [
                ("test", "complete", 40, None), ("test", "complete", 12, None), ("test", "complete", 12, None),
            ]  # fmt: skip


def without(*fields: str) -> Scripted:
    """A server that refuses requests with these fields."""

    def answer(request: Request) -> Answer | Status:
        field = next((field for field in fields if field in request.body), "")
        return Status(400, f"{field} is not supported by this model") if field else able(request)

    return answer


async def test_a_server_that_refuses_tools_and_json_does_not_have_them(tmp_path: Path) -> None:
    with WireServer() as server:
        server.always(without("tools", "response_format"))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            b.services.registry.add(Model("local", "tiny", capabilities=frozenset({"tools", "vision"})))
            found = await examined(b)
            assert works(found) == [True, False, False]
            assert told(found)[2] == ("local:tiny does not accept tools (400): tools is not supported by this model")
            assert found.capabilities == {"structured_output": False, "tools": False}
            stored = b.services.registry.get("local:tiny")
            assert stored is not None
            assert stored.capabilities == frozenset({"vision"})
            # A word, a schema, any JSON, a tool: nothing is asked again without what it was asked for.
            assert [sorted({"tools", "response_format"} & chat.body.keys()) for chat in server.chats] == [
                [], ["response_format"], ["response_format"], ["tools"],
            ]  # fmt: skip


async def test_a_server_that_knows_only_any_json_is_given_the_schema_in_words(tmp_path: Path) -> None:
    def answer(request: Request) -> Answer | Status:
        if request.body.get("response_format", {}).get("type") == "json_schema":
            return Status(400, "This response_format type is unavailable now")
        return able(request)

    with WireServer() as server:
        server.always(answer)
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            assert works(await examined(b)) == [True, True, True]
            asked = server.chats[2]
            assert asked.body["response_format"] == {"type": "json_object"}
            assert '"languages"' in asked.messages[0][1]


async def test_llama_cpps_refusal_under_500_is_not_taken_for_a_busy_server(tmp_path: Path) -> None:
    def answer(request: Request) -> Answer | Status:
        return Status(500, "tools param requires --jinja flag") if "tools" in request.body else able(request)

    with WireServer() as server:
        server.always(answer)
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            assert works(await examined(b)) == [True, True, False]
            assert len(server.chats) == 3


async def test_a_model_that_answers_in_prose_shows_nothing_and_loses_nothing(tmp_path: Path) -> None:
    with WireServer() as server:
        server.reply("Paris is lovely.")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            b.services.registry.add(Model("local", "tiny", capabilities=frozenset({"tools"})))
            found = await examined(b)
            assert works(found) == [True, False, False]
            assert told(found)[1:] == ["no JSON: Paris is lovely.", "called no tool: Paris is lovely."]
            assert found.capabilities == {}
            stored = b.services.registry.get("local:tiny")
            assert stored is not None
            assert stored.capabilities == frozenset({"tools"})


@pytest.mark.parametrize(
    ("json_text", "call", "said"),
    [
        ("[1]", ToolUse("weather", "{"), ["no object: [1]", "arguments that do not fit: weather({)"]),
        (
            '{"name": "Paris"}',
            ToolUse("weather", '{"town": "Paris"}'),
            [
                'JSON that does not fit the schema: {"name": "Paris"}',
                'arguments that do not fit: weather({"town": "Paris"})',
            ],
        ),
        ("[" * 100_000, ToolUse("delete_all", "{}"), ["no JSON: [", "called delete_all, which there is not"]),
        ("", ToolUse("weather", "[" * 100_000, pieces=5000), ["no text came", "arguments that do not fit"]),
    ],
)
async def test_what_does_not_fit_does_not_work(tmp_path: Path, json_text: str, call: ToolUse, said: list[str]) -> None:
    with WireServer() as server:
        server.script("Hello", Answer(json_text, chunks=5000), Answer(tools=[call]))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            found = await examined(b)
            assert works(found) == [True, False, False]
            assert all(text.startswith(start) for text, start in zip(told(found)[1:], said, strict=True))


async def test_a_model_that_gives_no_word_is_one_sentence(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script(Status(401, "no"))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            with pytest.raises(RefusedKeyError, match="^local asks for an API key"):
                await examined(b)
            (call,) = b.services.calls.calls()
            assert (call.outcome, call.status, call.triggered_by) == ("failed", 401, "test")
    async with bench(tmp_path) as b:
        with pytest.raises(UnreachableError, match="^Nothing answers at"):
            await examined(b)
        assert b.services.learned.get("local:tiny") == {}


async def test_what_fails_after_the_word_is_told_and_proves_nothing(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script("Hello", Status(402, "no credit"))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            found = await examined(b)
            assert works(found) == [True, None, None]
            assert told(found)[1:] == ["local wants to be paid first (402).", "not asked"]
            assert (found.capabilities, len(server.chats)) == ({}, 2)


async def test_what_was_learned_to_be_rejected_is_tried_anew_and_the_rest_left_out(tmp_path: Path) -> None:
    with WireServer() as server:
        server.always(able)
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            b.services.learned.set("local:tiny", "rejects", ["tools", "response_format", "max_tokens"])
            assert works(await examined(b)) == [True, True, True]
            assert all("max_tokens" not in chat.body for chat in server.chats)


async def test_reasoning_that_is_seen_is_remembered(tmp_path: Path) -> None:
    with WireServer() as server:
        server.always(Answer("Hello", reasoning="They want a word."))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            assert (await examined(b)).capabilities == {"reasoning": True}


async def test_speed_is_measured_where_a_reply_is_long_enough(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script("Hello", Answer(PARIS, delay=0.02))
        server.reply("no")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            found = await examined(b)
            assert found.first_token_ms is not None
            assert found.tokens_per_second is not None
            assert 10 < found.tokens_per_second < 100


async def test_the_companion_says_that_it_cannot(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        found = await examined(b, "builtin:eliza")
        assert works(found) == [True, False, False]
        assert told(found)[1:] == ["the built-in companion answers by rules"] * 2
        assert found.cost == 0


async def test_stopping_it_records_what_was_under_way(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script("Hello", Hang("begun"))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            testing = asyncio.create_task(examined(b))
            await asyncio.to_thread(server.wait_for, 2)
            await asyncio.sleep(0.1)
            testing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await testing
            stopped, first = b.services.calls.calls()
            assert (stopped.outcome, stopped.triggered_by, first.outcome) == ("cancelled", "test", "complete")


async def test_what_a_test_showed_outlasts_the_lists(tmp_path: Path) -> None:
    with WireServer() as server:
        server.always(able)
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            await examined(b)  # before any list names it
            server.models(Listed("tiny", {"type": "vlm", "capabilities": []}))
            await sync(b.services, ["local"])
            stored = b.services.registry.get("local:tiny")
            assert stored is not None
            assert stored.capabilities is not None
            assert {"tools", "structured_output"} <= stored.capabilities
            entries = len(b.services.registry.log())
            await sync(b.services, ["local"])
            assert len(b.services.registry.log()) == entries
            b.services.registry.set_tier("local:tiny", "fast")
            choice = b.services.chooser.named({"tier": "fast", "needs": ["tools"]}, b.session.persona, REASONING)
            assert str(choice.model) == "local:tiny"


async def test_a_later_test_changes_what_an_earlier_one_found(tmp_path: Path) -> None:
    with WireServer() as server:
        server.always(able)
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            b.services.registry.add(Model("local", "tiny"))
            await examined(b)
            server.always(without("tools"))
            await examined(b)
            assert b.services.learned.get("local:tiny")["tested"] == {"structured_output": True, "tools": False}
            stored = b.services.registry.get("local:tiny")
            assert stored is not None
            assert stored.capabilities == frozenset({"structured_output"})


async def test_an_estimate_knows_what_is_free_and_what_nobody_knows(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_OPENAI_API_KEY="k") as b:
        here = estimate(b.services, ModelId("local", "tiny"))
        assert (here.cost, here.free) == (0, True)
        paid = estimate(b.services, ModelId("openai", "gpt-4o"))
        assert paid.cost is not None
        assert not paid.free
        assert 400 < paid.tokens < 1000
        assert paid.cost > 1_000_000
        assert estimate(b.services, ModelId("openai", "nobody-knows")).cost is None


async def test_a_model_that_is_not_there_names_the_nearest(tmp_path: Path) -> None:
    with WireServer(strict_models=True) as server:
        server.models("tiny-7b")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            with pytest.raises(ProviderError) as caught:
                await examined(b, "local:tiny-7")
            assert caught.value.hint == "Did you mean tiny-7b?"


@pytest.fixture(scope="module")
def llama() -> Iterator[Llama]:
    yield from started_llama()


@pytest.mark.llama
@pytest.mark.parametrize("provider", ["local", "anthropic"])
async def test_a_real_server_whose_model_says_one_thing_only_gives_words_and_the_json_it_is_held_to(
    tmp_path: Path, llama: Llama, provider: str
) -> None:
    async with bench(
        tmp_path, EI_LLM_BASE_URL=llama.url, EI_ANTHROPIC_BASE_URL=llama.anthropic_url, EI_ANTHROPIC_API_KEY="k"
    ) as b:
        found = await examined(b, f"{provider}:tiny")
        word, held, called = works(found)
        assert (word, called) == (True, False)
        assert told(found)[0].startswith("Hello! I am a tiny model made for tests.")
        assert told(found)[2].startswith("called no tool: Hello! I am a tiny model")
        # Held to a schema by its server's grammar, this model may or may not find the end of a text.
        assert found.capabilities == ({"structured_output": True} if held else {})
        assert not found.estimated
        assert found.first_token_ms is not None
