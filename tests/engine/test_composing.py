"""What a request carries beside the conversation, as real servers received it: parameters, notes, the context."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ei.engine.oneshot import complete
from ei.engine.syncing import sync
from ei.models.interactions import PLANNING
from tests.bench_session import Bench, bench
from tests.wire import Model, WireServer

LEFT_OUT = "openai:o3 does not take temperature; it is left out."


@asynccontextmanager
async def talking(
    home: Path, settings: Mapping[str, object] | None = None, model: str = "tiny", **more: str
) -> AsyncIterator[tuple[Bench, WireServer]]:
    """A session in which every provider is one server; settings: of the person."""
    with WireServer() as server:
        (home / "settings.jsonc").write_text(json.dumps(settings or {}), "utf-8")
        variables = {
            "EI_CONFIG": str(home / "settings.jsonc"),
            "EI_LLM_MODEL": model,
            "EI_LLM_BASE_URL": server.url,
            "EI_OPENAI_API_KEY": "k",
            "EI_OPENAI_BASE_URL": server.url,
            "EI_ANTHROPIC_API_KEY": "k",
            "EI_ANTHROPIC_BASE_URL": server.anthropic_url,
        }
        async with bench(home, **variables, **more) as b:
            yield b, server


def profile(**fields: object) -> dict[str, object]:
    """Settings with one profile `mine`, which is the default."""
    row = {"id": "mine", "model": "local:tiny", **fields}
    return {"llm_profiles": [row], "llm_config": {"default_profile_id": "mine"}}


async def body(b: Bench, server: WireServer, text: str = "Hi") -> Mapping[str, object]:
    """What is sent for a message."""
    await b.say(text)
    return server.last.body


def system(server: WireServer) -> str:
    """The system prompt that was received last."""
    received = server.last.body
    return str(received["system"] if "system" in received else received["messages"][0]["content"])


# Parameters -------------------------------------------------------------------------------------------------


async def test_a_profiles_parameters_and_its_extra_fields_are_in_the_body(tmp_path: Path) -> None:
    settings = profile(temperature=0.2, top_p=0.8, max_tokens=300, extra_params={"min_p": 0.05, "cache_prompt": True})
    async with talking(tmp_path, settings, model="profile:mine") as (b, server):
        sent = await body(b, server)
        assert {name: sent[name] for name in ("temperature", "top_p", "max_tokens", "min_p", "cache_prompt")} == {
            "temperature": 0.2,
            "top_p": 0.8,
            "max_tokens": 300,
            "min_p": 0.05,
            "cache_prompt": True,
        }


async def test_a_profile_brings_nothing_where_another_model_answers(tmp_path: Path) -> None:
    settings = profile(temperature=0.2, extra_params={"min_p": 0.05})
    async with talking(tmp_path, settings, model="profile:mine") as (b, server):
        b.session.once("local:other")
        sent = await body(b, server)
        assert sent["model"] == "other"
        assert not {"temperature", "min_p"} & set(sent)


async def test_a_default_of_a_profile_counts_only_where_nobody_chose(tmp_path: Path) -> None:
    settings = profile() | {"interactions": {"reasoning": {"temperature": 0.1, "max_tokens": 50}}}
    async with talking(tmp_path, settings, model="profile:mine") as (b, server):
        sent = await body(b, server)
        assert (sent["temperature"], sent["max_tokens"]) == (0.1, 50)
    async with talking(tmp_path, profile(), model="profile:mine") as (b, server):
        assert (await body(b, server))["temperature"] == 0.7


async def test_a_default_that_a_model_is_known_not_to_take_is_left_out_without_a_word(tmp_path: Path) -> None:
    async with talking(tmp_path, profile(model="openai:o3"), model="profile:mine") as (b, server):
        assert "temperature" not in await body(b, server)
        assert b.told() == []


async def test_a_default_that_a_model_rejects_is_left_out_without_a_word(tmp_path: Path) -> None:
    async with talking(tmp_path, profile(), model="profile:mine") as (b, server):
        server.rejects("temperature")
        assert "temperature" not in await body(b, server)
        assert [("temperature" in chat.body) for chat in server.chats] == [True, False]
        assert "temperature" not in await body(b, server)
        assert len(server.chats) == 3
        assert b.told() == []


@pytest.mark.parametrize("chosen", ["interaction", "profile", "persona", "here", "now"])
async def test_what_a_person_chose_is_left_out_and_said_once_in_a_conversation(tmp_path: Path, chosen: str) -> None:
    settings: dict[str, object] = profile(model="openai:o3", **({"temperature": 0.4} if chosen == "profile" else {}))
    if chosen == "interaction":
        settings["interactions"] = {"reasoning": {"temperature": 0.4}}
    async with talking(tmp_path, settings, model="profile:mine") as (b, server):
        if chosen == "persona":
            b.services.library.set_value("ei", ("parameters",), {"temperature": 0.4})
        elif chosen == "here":
            await b.command("/set temperature 0.4 --here")
        elif chosen == "now":
            await b.command("/set temperature 0.4")
        for _ in range(2):
            assert "temperature" not in await body(b, server)
        assert b.told() == [LEFT_OUT]
        await b.command("/new")
        b.events.clear()
        if chosen != "here":
            await b.say("Hi")
            assert b.told() == [LEFT_OUT]


async def test_what_a_model_rejected_once_is_said_once_and_asked_for_no_more(tmp_path: Path) -> None:
    sentence = "local:tiny does not take top_p; it is left out."
    async with talking(tmp_path) as (b, server):
        server.rejects("top_p")
        await b.command("/set top_p 0.9")
        await b.say("Hi")
        await b.say("Hi")
        assert [("top_p" in chat.body) for chat in server.chats] == [True, False, False]
        assert b.told() == [sentence]
    async with talking(tmp_path) as (b, server):
        told = await b.command("/set top_p 0.9")
        assert [getattr(item, "text", "") for item in told.items][1:] == [sentence]


async def test_what_anthropics_models_do_not_take_is_left_out_and_said_once(tmp_path: Path) -> None:
    async with talking(tmp_path, model="anthropic:claude-opus-4-7") as (b, server):
        await b.command("/set temperature 0.4")
        await b.command("/set seed 7")
        for _ in range(2):
            assert not {"temperature", "seed"} & set(await body(b, server))
        assert sorted(b.told()) == [
            "anthropic:claude-opus-4-7 does not take seed; it is left out.",
            "anthropic:claude-opus-4-7 does not take temperature; it is left out.",
        ]


async def test_a_reply_may_be_as_long_as_the_model_writes_at_most(tmp_path: Path) -> None:
    sentence = "local:tiny writes at most 900 tokens; max_tokens of 2,000 is cut to that."
    async with talking(tmp_path, profile(max_tokens=2000), model="profile:mine") as (b, server):
        server.models(Model("tiny", {"max_output_tokens": 900, "max_completion_tokens": 900}))
        await sync(b.services)
        row = b.services.registry.get("local:tiny")
        assert row is not None
        assert row.max_output == 900
        for _ in range(2):
            assert (await body(b, server))["max_tokens"] == 900
        assert b.told() == [sentence]


async def test_a_request_outside_conversations_has_its_interactions_parameters_and_its_profiles(tmp_path: Path) -> None:
    settings = profile(top_p=0.8, extra_params={"min_p": 0.05}, prompt_note="Mind the commas.") | {
        "interactions": {"planning": {"temperature": 0.1}}
    }
    async with talking(tmp_path, settings, model="profile:mine") as (b, server):
        found = await b.services.chooser.resolve(b.session.persona, None, PLANNING)
        assert await complete(b.services, found, PLANNING, "You draft.", "Go") == "Hello there."
        sent = server.last.body
        assert (sent["temperature"], sent["top_p"], sent["min_p"]) == (0.1, 0.8, 0.05)
        assert system(server) == "You draft.\n\nMind the commas."


async def test_a_request_outside_conversations_leaves_out_what_the_model_does_not_take(tmp_path: Path) -> None:
    settings = profile(model="openai:o3") | {"interactions": {"planning": {"temperature": 0.1}}}
    async with talking(tmp_path, settings, model="profile:mine") as (b, server):
        found = await b.services.chooser.resolve(b.session.persona, None, PLANNING)
        told: list[str] = []
        await complete(b.services, found, PLANNING, "You draft.", "Go", progress=told.append)
        assert "temperature" not in server.last.body
        assert told[0] == LEFT_OUT


# Notes ------------------------------------------------------------------------------------------------------


async def test_notes_of_profile_and_persona_end_the_prompt_in_this_order(tmp_path: Path) -> None:
    settings = profile(prompt_note="Write no lists.")
    async with talking(tmp_path, settings, model="profile:mine") as (b, server):
        b.services.library.set_value("ei", ("prompt_note",), {"tiny": "Short words.\nShort lines.", "openai": "No."})
        await b.say("Hi")
        assert system(server).endswith("\n\n## Keep in mind\n\nWrite no lists.\n\nShort words.\nShort lines.")
        shown = await b.command("/prompt")
        assert isinstance(shown.data, dict)
        assert shown.data["messages"][0]["content"] == system(server)
        b.session.once("openai:gpt-5.1")
        await b.say("Hi")
        assert system(server).endswith("\n\n## Keep in mind\n\nNo.")


async def test_a_guest_brings_its_own_note(tmp_path: Path) -> None:
    async with talking(tmp_path) as (b, server):
        b.services.library.set_value("ei", ("prompt_note",), "Be Ei.")
        b.services.library.set_value("mike", ("prompt_note",), "Be Mike.")
        await b.say("Hi", "mike")
        assert "Be Mike." in system(server)
        assert "Be Ei." not in system(server)


async def test_a_note_finds_its_provider_by_any_of_its_names(tmp_path: Path) -> None:
    async with talking(tmp_path, model="anthropic:claude-haiku-4-5") as (b, server):
        for name in ("anthropic", "Claude", "haiku"):
            b.services.library.set_value("ei", ("prompt_note",), {name: "A note.", "gpt": "Another."})
            await b.say("Hi")
            assert system(server).endswith("## Keep in mind\n\nA note.")
        b.services.library.set_value("ei", ("prompt_note",), {"gpt": "Another."})
        await b.say("Hi")
        assert "## Keep in mind" not in system(server)


# The context ------------------------------------------------------------------------------------------------


async def test_a_profiles_context_window_is_kept_to_however_small(tmp_path: Path) -> None:
    async with talking(tmp_path, profile(context_window=1800, max_tokens=100), model="profile:mine") as (b, server):
        for number in range(4):
            await b.say(f"{number} " + "word " * 300)
        first = next(m["content"] for m in server.last.body["messages"] if m["role"] == "user")
        assert not first.startswith("0 ")
        assert [line for line in b.told() if "left out so that the rest fits local:tiny" in line] != []


async def test_a_profiles_context_window_counts_before_what_the_registry_says(tmp_path: Path) -> None:
    async with talking(tmp_path, profile(context_window=100_000), model="profile:mine") as (b, server):
        server.models(Model("tiny", {"context_length": 2000}))
        await sync(b.services)
        for number in range(4):
            await b.say(f"{number} " + "word " * 1200)
        assert server.last.body["messages"][1]["content"].startswith("0 ")
        assert b.told() == []
        b.session.once("local:tiny")
        await b.say("Hi")
        assert not server.last.body["messages"][1]["content"].startswith("0 ")


async def test_what_a_server_said_it_holds_counts_before_a_profile_that_promises_more(tmp_path: Path) -> None:
    async with talking(tmp_path, profile(context_window=100_000), model="profile:mine") as (b, server):
        b.services.learned.set("local:tiny", "context", 3000)
        for number in range(4):
            await b.say(f"{number} " + "word " * 1200)
        assert not server.last.body["messages"][1]["content"].startswith("0 ")
