"""Picking a model: which rows there are, what they say, and where the one that was chosen is set."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from ei.commands.base import Choice, Chosen, Offer
from ei.commands.picking import HEADINGS, price, window
from ei.models.values import Model, Prices
from ei.usage.values import Call
from tests.bench_session import Bench, bench, text_of
from tests.wire import Hang, WireServer
from tests.wire import Model as Listed

BILLION = 1_000_000_000
HAIKU = Model(
    "anthropic",
    "claude-haiku-4-5",
    "Claude Haiku 4.5",
    prices=Prices(BILLION, None, None, 5 * BILLION, "provider"),
    context=200_000,
    capabilities=frozenset({"tools", "vision"}),
)


async def offered(b: Bench, line: str = "/model pick") -> Offer:
    """What the picker shows; the person leaves it."""
    b.ui.keys.append(None)
    assert text_of(await b.command(line)) == ""
    return b.ui.offers[-1]


def rows(offer: Offer) -> dict[str, Choice]:
    """The rows by key; of two, the first."""
    return {choice.key: choice for choice in reversed(offer.choices)}


def cells(choice: Choice) -> dict[str, str]:
    """What stands under each heading."""
    return dict(zip((heading.name for heading in HEADINGS), choice.cells, strict=True))


def groups(offer: Offer) -> Mapping[str, list[str]]:
    """Keys by the first word of their group, in the order shown."""
    out: dict[str, list[str]] = {}
    for choice in offer.choices:
        out.setdefault(choice.group.split()[0], []).append(choice.key)
    return out


def called(b: Bench, id: str, number: int = 0) -> None:
    provider, _, model = id.partition(":")
    b.services.calls.record(
        Call(1_000_000 + number, "reasoning", provider, model, "complete", output_tokens=200,
             first_token_ms=400, total_ms=2900)
    )  # fmt: skip


async def test_where_no_list_was_fetched_yet_the_providers_are_asked_first(tmp_path: Path) -> None:
    with WireServer() as server:
        server.models("tiny", Listed("huge", {"context_length": 131_072}), Listed("whisper-1"))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="local:tiny") as b:
            offer = await offered(b)
            found = rows(offer)
            assert groups(offer)["local"] == ["local:tiny", "local:huge"]
            assert cells(found["local:huge"])["ctx"] == "128k"
            assert b.services.registry.get("local:huge") is not None
            asked = len(server.requests)
            await offered(b)
            assert len(server.requests) == asked


async def test_a_provider_that_gives_no_list_in_time_is_a_row_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ei.commands.picking.LISTS_SECONDS", 0.3)
    with WireServer() as server:
        server.list_behaviour = Hang()
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b, asyncio.timeout(5):
            found = rows(await offered(b))
            assert found["local:google/gemma-3-12b"].dimmed == "local gave no list within 0.3 s."
            assert found["ollama:qwen3:8b"].dimmed == "Nothing answers at http://127.0.0.1:9/v1."
            assert (
                found["google:gemini-2.5-pro"].dimmed
                == "google has no API key yet: set EI_GOOGLE_API_KEY, or: /provider google"
            )


async def test_a_server_here_that_answers_only_now_is_asked_for_its_list(tmp_path: Path) -> None:
    with WireServer() as server:
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            await b.command("/models sync builtin")
            server.models("new-here")
            assert groups(await offered(b))["local"] == ["local:new-here"]


async def test_a_row_says_tier_context_price_abilities_speed_and_where_the_data_goes(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_ANTHROPIC_API_KEY="k") as b:
        b.services.registry.add(HAIKU)
        called(b, HAIKU.id)
        offer = await offered(b)
        row = rows(offer)[HAIKU.id]
        assert cells(row) == {
            "tier": "fast*",
            "ctx": "200k",
            "$ in/out": "$1/$5",
            "can": "tv",
            "speed": "80/s",
            "data": "Anthropic",
        }
        assert offer.facts is not None
        assert offer.facts(HAIKU.id) == (
            "Claude Haiku 4.5 · fast, its default · 200k context · $1/$5 per million tokens · tools, vision · "
            "seen here: 0.4 s, 80/s · data goes to api.anthropic.com"
        )
        assert any(
            choice.group == "anthropic · Anthropic Claude · data goes to api.anthropic.com" for choice in offer.choices
        )


async def test_a_provider_at_another_address_is_named_by_it(tmp_path: Path) -> None:
    proxy = {"EI_ANTHROPIC_API_KEY": "k", "EI_ANTHROPIC_BASE_URL": "https://proxy.example.org"}
    async with bench(tmp_path, **proxy) as b:
        b.services.registry.add(HAIKU)
        assert cells(rows(await offered(b))[HAIKU.id])["data"] == "proxy.example.org"


async def test_models_without_a_key_are_dimmed_and_those_that_cannot_be_used_are_not_there(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_OPENAI_API_KEY="k") as b:
        registry = b.services.registry
        for name in ("gpt-5.1", "off", "embed"):
            registry.add(Model("openai", name, chat=name != "embed"))
        registry.set_disabled("openai:off")
        registry.add(HAIKU)
        for number, name in enumerate(("openai:off", "openai:embed", HAIKU.id)):
            called(b, name, number)
        offer = await offered(b)
        assert groups(offer)["openai"] == ["openai:gpt-5.1"]
        assert groups(offer)["recent"] == [HAIKU.id]
        assert (
            rows(offer)[HAIKU.id].dimmed
            == "anthropic has no API key yet: set EI_ANTHROPIC_API_KEY, or: /provider anthropic"
        )


async def test_what_was_used_lately_comes_before_the_providers_newest_first(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        for number in range(7):
            called(b, f"local:m{number}", number)
        offer = await offered(b)
        assert groups(offer)["recent"] == [f"local:m{number}" for number in (6, 5, 4, 3, 2)]
        order = list(groups(offer))
        assert order.index("tiers") < order.index("recent") < order.index("local")


async def test_tiers_and_profiles_are_rows_that_say_what_they_are_today(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_OPENAI_API_KEY="k") as b:
        b.services.registry.add(Model("local", "llama-3.2-1b"))
        settings = '{"precise": {"model": "openai:gpt-5.1"}, "lost": {"model": "tier:premium"}}'
        await b.command(f"/settings llm_profiles {settings}")
        found = rows(await offered(b))
        assert found["tier:fast"].label == "tier:fast → local:llama-3.2-1b"
        assert cells(found["tier:fast"])["$ in/out"] == "free"
        assert found["tier:premium"].dimmed.startswith("No model fits tier:premium")
        assert found["profile:precise"].label == "profile:precise → openai:gpt-5.1"
        assert found["profile:lost"].dimmed.startswith("No model fits tier:premium")


async def test_the_reference_in_use_is_the_current_row_also_where_no_list_has_it(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.services.registry.add(Model("local", "llama-3.2-1b"))
        await b.command("/model tier:fast")
        offer = await offered(b)
        assert (offer.current, offer.title) == ("tier:fast", "Model for ei · now tier:fast, today local:llama-3.2-1b")
        await b.command("/model local:unlisted")
        offer = await offered(b)
        assert (offer.current, offer.choices[0].key, offer.choices[0].group) == (
            "local:unlisted", "local:unlisted", "in use",
        )  # fmt: skip
        b.services.registry.set_disabled("local:llama-3.2-1b")
        await b.command("/model local:llama-3.2-1b")
        assert (await offered(b)).choices[0].dimmed == "you disabled it"


async def test_it_opens_also_where_what_is_written_cannot_be_read(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_LLM_MODEL="nonsense:x") as b:
        b.services.registry.add(Model("local", "tiny"))
        offer = await offered(b)
        assert (offer.title, offer.current) == ("Model for ei", "")


@pytest.mark.parametrize(
    ("way", "told"),
    [
        ("", "Model for ei set to: local:tiny"),
        ("here", "Model for this conversation with ei set to: local:tiny"),
        ("once", "Model for the next reply of ei: local:tiny"),
    ],
)
async def test_it_is_set_for_the_persona_the_conversation_or_the_next_reply(
    tmp_path: Path, way: str, told: str
) -> None:
    async with bench(tmp_path) as b:
        b.services.registry.add(Model("local", "tiny"))
        b.ui.keys = [Chosen("local:tiny", way)]
        assert text_of(await b.command("/models")).splitlines()[0] == told
        assert [(way.name, way.letter) for way in b.ui.offers[0].ways] == [("here", "t"), ("once", "o")]
        assert b.ui.offers[0].enter == "for ei"


async def test_enter_means_what_the_flag_of_the_command_says(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.services.registry.add(Model("local", "tiny"))
        b.ui.keys = ["local:tiny"]
        told = text_of(await b.command("/model --once pick"))
        assert told.splitlines()[0] == "Model for the next reply of ei: local:tiny"
        assert (b.ui.offers[0].enter, [way.name for way in b.ui.offers[0].ways]) == ("next reply", ["here"])


async def test_models_opens_it_narrowed_and_a_shell_prints_the_table(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.services.registry.add(Model("local", "tiny"))
        assert (await offered(b, "/models tiny  LOCAL")).query == "tiny LOCAL"
        assert "local:tiny" in text_of(await b.command("/models tiny", shell=True))
        b.ui.interactive = False
        assert "local:tiny" in text_of(await b.command("/models tiny"))


@pytest.mark.parametrize(
    ("context", "shown"),
    [(None, "?"), (131_072, "128k"), (128_000, "128k"), (1_048_576, "1M"), (1_000_000, "1M"), (8192, "8k")],
)
def test_a_context_is_said_in_a_few_letters(context: int | None, shown: str) -> None:
    assert window(context) == shown


@pytest.mark.parametrize(
    ("prices", "here", "shown"),
    [
        (Prices(3 * BILLION, None, None, 15 * BILLION, "provider"), False, "$3/$15"),
        (Prices(75_000_000, None, None, None, "provider"), False, "$0.075/?"),
        (Prices(), False, "?"),
        (Prices(), True, "free"),
        (Prices(0, None, None, 0, "provider"), False, "free"),
        (Prices(BILLION, None, None, BILLION, "person"), True, "$1/$1"),
    ],
)
def test_a_price_is_both_ways_per_million_tokens(prices: Prices, here: bool, shown: str) -> None:
    assert price(prices, here) == shown


async def test_what_a_model_can_and_its_maker_calls_it_are_found_too(tmp_path: Path) -> None:
    from ei.terminal.matcher import Matcher

    async with bench(tmp_path, EI_ANTHROPIC_API_KEY="k") as b:
        b.services.registry.add(HAIKU)
        b.services.registry.add(replace(HAIKU, name="claude-opus-9", label="Opus", capabilities=frozenset()))
        choices = (await offered(b)).choices
        for query in ("vision 4.5", "cloud $1/$5 tools", "anthropic haiku", "hku45"):
            assert [choices[index].key for index in Matcher(choices).find(query)] == [HAIKU.id]


async def test_a_model_with_spaces_in_its_name_can_be_chosen_and_is_asked(tmp_path: Path) -> None:
    with WireServer() as server:
        server.models("Llama 3 8B Instruct")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            b.ui.keys.append("local:Llama 3 8B Instruct")
            await b.command("/model pick")
            assert (await b.say("Hi")).model == "local:Llama 3 8B Instruct"
            assert server.last.body["model"] == "Llama 3 8B Instruct"
