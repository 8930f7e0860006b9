"""A model that is gone: one sentence, the nearest active ones, the command that mends it, and no substitute."""

from __future__ import annotations

from pathlib import Path

from ei.engine.missing import replacing, successors
from ei.engine.syncing import sync
from ei.models.values import Model, Prices
from tests.bench_session import Bench, bench
from tests.wire import Model as Listed
from tests.wire import WireServer

DOLLAR = 1_000_000_000


async def error_of(b: Bench, text: str) -> str:
    await b.session.send(text)
    ended = await b.ended()
    assert ended.message.text == ""
    return str(ended.error)


async def test_a_hardcoded_model_that_is_gone_fails_and_names_the_nearest_active_ones(tmp_path: Path) -> None:
    with WireServer(strict_models=True) as server:
        server.models("qwen3-8b", "qwen2-7b", "llama-70b")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            await sync(b.services, ["local"])
            await b.command("/model local:qwen2-7b")
            server.models("qwen3-8b", "llama-70b")
            assert await error_of(b, "Hello") == (
                'local has no model "qwen2-7b". Nearest now: qwen3-8b, llama-70b. '
                "To change it everywhere: /models replace local:qwen2-7b local:qwen3-8b"
            )
            await sync(b.services, ["local"])
            assert await error_of(b, "Hello") == (
                'local has no model "qwen2-7b". Nearest now: qwen3-8b, llama-70b. '
                "To change it everywhere: /models replace local:qwen2-7b local:qwen3-8b"
            )
            assert {request.model for request in server.chats} == {"qwen2-7b"}
            await b.command("/models replace local:qwen2-7b local:qwen3-8b", yes=True)
            assert (await b.say("Hello")).text == "Hello there."


async def test_what_the_registry_calls_gone_is_asked_all_the_same(tmp_path: Path) -> None:
    with WireServer() as server:
        server.models("old-7b", "new-7b")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="local:old-7b") as b:
            await sync(b.services, ["local"])
            server.models("new-7b")
            await sync(b.services, ["local"])
            assert (await b.say("Hello")).text == "Hello there."
            assert server.last.model == "old-7b"


async def test_a_model_asked_for_once_is_chosen_and_not_replaced(tmp_path: Path) -> None:
    with WireServer(strict_models=True) as server:
        server.models("gemma-3-12b")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            await b.command("/model --once local:gemma-3-12")
            assert await error_of(b, "Hello") == (
                'local has no model "gemma-3-12". Did you mean gemma-3-12b? To choose it: /model local:gemma-3-12b'
            )


async def test_where_nothing_is_like_it_the_error_says_where_to_look(tmp_path: Path) -> None:
    with WireServer(strict_models=True) as server:
        server.models(Listed("zzz"))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="local:gemma-3-12b") as b:
            assert await error_of(b, "Hello") == ('local has no model "gemma-3-12b". See what it has: /model --list')


def test_the_nearest_tier_comes_before_the_likest_name_and_what_will_end_soon_is_not_named() -> None:
    old = Model("x", "grok-3", tier="smart", prices=Prices(2 * DOLLAR, None, None, 6 * DOLLAR))
    models = (
        old,
        Model("x", "grok-3-mini", tier="fast"),
        Model("x", "grok-4", tier="smart", prices=Prices(3 * DOLLAR, None, None, 9 * DOLLAR)),
        Model("x", "grok-4-lite", tier="balanced", prices=Prices(DOLLAR, None, None, DOLLAR)),
        Model("x", "grok-2", tier="smart", shutdown="2027-01-01"),
        Model("x", "grok-2-vision", tier="smart", active=False),
        Model("x", "grok-embed", chat=False),
        Model("openai", "grok-3", tier="smart"),
    )
    assert [model.name for model in successors(old, models)] == ["grok-4", "grok-4-lite", "grok-3-mini"]
    assert replacing(old, models, cheaper=True) == "/models replace x:grok-3 x:grok-4-lite"
    assert replacing(old, (old,)) == "/models replace x:grok-3 NEW"
