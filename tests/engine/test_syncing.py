"""Asking real servers for their models: all at once, failures as lines, news of what is in use told once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from ei.engine.pricing import prices_of
from ei.engine.syncing import DAY_MS, News, SyncResult, keep_synced, sync, sync_if_old
from ei.models.reference import ModelId
from ei.models.values import Model, Prices
from tests.bench_session import NOBODY, Bench, bench
from tests.wire import Answer, Hang, Request, Status, WireServer
from tests.wire import Model as Listed

DOLLAR = 1_000_000_000


def priced(id: str, input: str, output: str, **more: object) -> Listed:
    """A row as OpenRouter lists it; prices in dollars per token."""
    return Listed(id, {"pricing": {"prompt": input, "completion": output}, "context_length": 1000, **more})


def outcome(result: SyncResult) -> list[tuple[str, int, str]]:
    return [(asked.provider, asked.models, asked.problem) for asked in result.asked]


def ids(b: Bench, active_only: bool = True) -> list[str]:
    return [model.id for model in b.services.registry.all(active_only)]


async def test_every_provider_that_is_ready_is_asked_and_a_failing_one_is_a_line(tmp_path: Path) -> None:
    with WireServer() as local, WireServer(key="right") as groq, WireServer(key="k", list_shape="pages") as claude:
        local.models("google/gemma-3-12b")
        claude.models("claude-haiku-4-5", "claude-sonnet-5", "claude-opus-4-7")
        groq.models("unseen")
        async with bench(
            tmp_path,
            EI_LLM_BASE_URL=local.url,
            EI_GROQ_API_KEY="wrong",
            EI_GROQ_BASE_URL=groq.url,
            EI_ANTHROPIC_API_KEY="k",
            EI_ANTHROPIC_BASE_URL=claude.anthropic_url,
        ) as b:
            told: list[str] = []
            result = await sync(b.services, progress=told.append)
            assert outcome(result) == [
                ("local", 1, ""),
                ("ollama", 0, f"Nothing answers at {NOBODY}."),
                ("anthropic", 3, ""),
                ("groq", 0, "groq refused the API key (401)."),
                ("builtin", 1, ""),
            ]
            assert (result.new, result.changed, result.gone, result.news) == (5, 0, 0, ())
            assert told[-1] == "5 of 5 providers answered"
            assert [m.tier for m in b.services.registry.all()] == ["balanced", "fast", "smart", "premium", ""]
            haiku = b.services.registry.get("anthropic:claude-haiku-4-5")
            assert haiku is not None
            assert (haiku.label, haiku.context, haiku.prices.source) == ("Claude Haiku 4.5", 200_000, "genai-prices")
            assert (haiku.prices.input, haiku.prices.output) == (DOLLAR, 5 * DOLLAR)
            again = await sync(b.services, ["anthropic"])
            assert (outcome(again), again.new, again.changed) == ([("anthropic", 3, "")], 0, 0)


async def test_all_are_asked_at_once_and_a_silent_one_holds_up_nobody_for_long(tmp_path: Path) -> None:
    with WireServer() as local, WireServer() as ollama:
        local.list_behaviour = Hang()
        async with bench(tmp_path, EI_LLM_BASE_URL=local.url, EI_OLLAMA_BASE_URL=ollama.url) as b:
            began = time.monotonic()
            result = await sync(b.services, ["local", "ollama"], seconds=0.5)
            assert outcome(result) == [("local", 0, "local gave no list within 0.5 s."), ("ollama", 1, "")]
            assert time.monotonic() - began < 5


async def test_models_that_leave_come_back_and_change_price_between_syncs_are_kept_and_told_once(
    tmp_path: Path,
) -> None:
    with WireServer(key="k", list_shape="links") as server:
        server.models(*(priced(id, "0.000001", "0.000002") for id in ("a/x", "b/y", "c/z")))
        async with bench(tmp_path, EI_OPENROUTER_API_KEY="k", EI_OPENROUTER_BASE_URL=server.url) as b:

            async def after(*models: Listed) -> list[tuple[str, str]]:
                server.models(*models)
                return [(news.kind, news.text) for news in (await sync(b.services, ["openrouter"])).news]

            await sync(b.services, ["openrouter"])
            await b.command("/model openrouter:a/x")
            await b.command("/model --here openrouter:b/y")
            conversation = b.session.conversation
            assert conversation is not None
            here = f"a conversation with ei (…{conversation.id[-8:]})"
            x = priced("a/x", "0.0000013", "0.000002")
            y = priced("b/y", "0.0000011", "0.000002", expiration_date="2027-03-01")
            prices = "costs $1.3 in, $2 out (provider) per million tokens now; it was $1 in, $2 out (provider)"
            everywhere = "To change that everywhere: /models replace openrouter:b/y openrouter:a/x"
            end = "will be gone from 2027-03-01"
            assert await after(x, y) == [
                (
                    "price",
                    f"openrouter:a/x {prices}. It is used by ei. To use another: /models replace openrouter:a/x NEW",
                ),
                (
                    "shutdown",
                    f"openrouter:b/y {end}. It is used by {here}. {everywhere}",
                ),
            ]
            assert ids(b) == ["openrouter:a/x", "openrouter:b/y"]
            assert ids(b, active_only=False) == ["openrouter:a/x", "openrouter:b/y", "openrouter:c/z"]
            assert await after(x, y) == []
            before = priced("a/x", "0.000001", "0.000002")
            for now in (before, x, before, x):
                assert [kind for kind, _ in await after(now, y)] == ["price"]
            assert [kind for kind, _ in await after(y)] == ["gone"]
            assert await after(y) == []
            assert await after(x, y) == []
            assert [kind for kind, _ in await after(y)] == ["gone"]


def googles(*ids: str) -> Callable[[Request], Status]:
    """Google's own list: one model a page, names with a prefix, the next page by a token."""

    def page(request: Request) -> Status:
        if request.path != "/v1beta/models":
            return Status(404)
        at = int(dict(parse_qsl(request.query)).get("pageToken", "0"))
        row = {
            "name": f"models/{ids[at]}",
            "inputTokenLimit": 1_048_576,
            "supportedGenerationMethods": ["generateContent"],
        }
        return Status(200, body={"models": [row]} | ({"nextPageToken": str(at + 1)} if at + 1 < len(ids) else {}))

    return page


def groks(**prices: int) -> Status:
    """xAI's fuller list: prices in cents per hundred million tokens."""
    rows = [
        {"id": id, "prompt_text_token_price": price, "completion_text_token_price": 5 * price, "aliases": [f"{id}-x"]}
        for id, price in prices.items()
    ]
    return Status(200, body={"models": rows})


async def test_every_shape_of_list_is_read_at_once_and_what_leaves_or_changes_price_in_it_is_told(
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        start = stack.enter_context
        together, router = start(WireServer(list_shape="array")), start(WireServer(list_shape="links"))
        claude, google, x = start(WireServer(list_shape="pages")), start(WireServer()), start(WireServer())
        failing, slow = start(WireServer()), start(WireServer())
        failing.list_behaviour, slow.list_behaviour = Status(503), Hang()

        def list_them(*, left: bool) -> None:
            cost = 0.3 if left else 0.2
            together.models(Listed("meta/llama-8b", {"pricing": {"input": cost, "output": cost}}), "qwen/qwen3-8b")
            router.models(*(priced(id, "0.00000015", "-1") for id in ("a/1", "b/2", "c/3")[left:]))
            claude.models("claude-haiku-4-5", "claude-sonnet-5", *([] if left else ["claude-opus-4-7"]))
            google.pages = googles("gemini-2.5-pro", *([] if left else ["gemini-2.5-flash"]))
            x.pages = groks(grok4=20000 if left else 30000)

        urls = {
            "TOGETHER": together.url,
            "OPENROUTER": router.url,
            "ANTHROPIC": claude.anthropic_url,
            "GOOGLE": f"{google.anthropic_url}/v1beta/openai",
            "XAI": x.url,
            "GROQ": failing.url,
            "MISTRAL": slow.url,
        }
        settings = {f"EI_{name}_BASE_URL": url for name, url in urls.items()}
        keys = {f"EI_{name}_API_KEY": "k" for name in urls}
        used = {
            "lena": "together:meta/llama-8b",
            "mike": "google:gemini-2.5-flash",
            "beta": "openrouter:a/1",
            "ei": {"exact": "claude:claude-opus-4-7"},
        }
        async with bench(tmp_path, **settings, **keys) as b:
            list_them(left=False)
            only = ["together", "openrouter", "anthropic", "google", "x", "groq", "mistral"]
            first = await sync(b.services, only, seconds=1.5)
            assert sorted(outcome(first)) == [
                ("anthropic", 3, ""),
                ("google", 2, ""),
                ("groq", 0, "groq is busy (503)."),
                ("mistral", 0, "mistral gave no list within 1.5 s."),
                ("openrouter", 3, ""),
                ("together", 2, ""),
                ("x", 1, ""),
            ]
            llama, grok = b.services.registry.get("together:meta/llama-8b"), b.services.registry.get("x:grok4")
            assert llama is not None
            assert grok is not None
            assert (llama.prices.input, grok.prices.input, grok.prices.output, grok.aliases) == (
                DOLLAR // 5, 3 * DOLLAR, 15 * DOLLAR, ("grok4-x",),
            )  # fmt: skip
            for name, model in used.items():
                b.services.library.set_value(name, ("model",), model)
            folder = b.services.config.paths.settings
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.write_text(
                '{"llm_profiles": [{"id": "p", "model": "tier:fast", "fallback": ["xai:grok4"]}]}', "utf-8"
            )
            list_them(left=True)
            second = await sync(b.services, only[:-2])
            assert (second.new, second.gone) == (0, 3)
            assert {news.model: (news.kind, news.text.partition("/models ")[2]) for news in second.news} == {
                "together:meta/llama-8b": ("price", "replace together:meta/llama-8b together:qwen/qwen3-8b"),
                "google:gemini-2.5-flash": ("gone", "replace google:gemini-2.5-flash google:gemini-2.5-pro"),
                "openrouter:a/1": ("gone", "replace openrouter:a/1 openrouter:c/3"),
                "anthropic:claude-opus-4-7": (
                    "gone",
                    "replace anthropic:claude-opus-4-7 anthropic:claude-sonnet-5",
                ),
                "x:grok4": ("price", "replace x:grok4 NEW"),
            }
            assert (await sync(b.services, only[:-2])).news == ()


async def test_another_name_that_the_provider_takes_for_a_model_is_that_model(tmp_path: Path) -> None:
    with WireServer() as server:
        server.pages = groks(grok4=30000, grok3=10000)
        async with bench(tmp_path, EI_XAI_API_KEY="k", EI_XAI_BASE_URL=server.url) as b:
            await sync(b.services, ["x"])
            await b.command("/model x:grok4-x")
            assert prices_of(b.services, ModelId("x", "grok4-x")).input == 3 * DOLLAR
            server.pages = groks(grok4=50000, grok3=10000)
            [news] = (await sync(b.services, ["x"])).news
            assert (news.kind, news.model) == ("price", "x:grok4-x")
            assert news.text.endswith("It is used by ei. To use another: /models replace x:grok4-x x:grok3")
            server.pages = groks(grok3=10000)
            [news] = (await sync(b.services, ["x"])).news
            assert (news.kind, news.model) == ("gone", "x:grok4-x")
            # Its name goes on as another name of a model that is there.
            server.pages = Status(200, body={"models": [{"id": "grok5", "aliases": ["grok4", "grok4-x"]}]})
            assert (await sync(b.services, ["x"])).news == ()
            await b.command("/model x:grok4")
            assert (await sync(b.services, ["x"])).news == ()


async def test_a_chat_left_open_asks_again_and_tells_what_came(tmp_path: Path) -> None:
    with WireServer() as server:
        server.models("a", "b")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="local:a") as b:
            told: list[News] = []
            keeper = asyncio.create_task(keep_synced(b.services, told.append, every=0.02))
            await b.until(lambda: bool(b.services.registry.synced()))
            server.models("b")
            with b.services.database.transaction() as connection:
                connection.execute("UPDATE synced SET at_ms = at_ms - ?", (DAY_MS + 1,))
            await b.until(lambda: bool(told))
            keeper.cancel()
            assert [(news.kind, news.model) for news in told] == [("gone", "local:a")]


async def test_a_model_that_nothing_refers_to_is_no_news(tmp_path: Path) -> None:
    with WireServer() as server:
        server.models("a", "b")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            await sync(b.services, ["local"])
            server.models("b")
            result = await sync(b.services, ["local"])
            assert (result.gone, result.news, ids(b)) == (1, (), ["local:b"])


async def test_what_is_old_is_asked_for_and_what_is_young_is_not(tmp_path: Path) -> None:
    with WireServer() as server:
        server.models("a")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="local:a") as b:
            assert await sync_if_old(b.services) == ()
            assert ids(b) == ["local:a", "builtin:eliza"]
            asked = len(server.requests)
            server.models("b")
            await sync_if_old(b.services)
            assert (len(server.requests), ids(b)) == (asked, ["local:a", "builtin:eliza"])
            with b.services.database.transaction() as connection:
                connection.execute("UPDATE synced SET at_ms = at_ms - ?", (DAY_MS + 1,))
            assert [news.kind for news in await sync_if_old(b.services)] == ["gone"]


async def test_it_is_silent_offline_and_where_settings_forbid_it(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        assert await sync_if_old(b.services) == ()
        assert ids(b) == ["builtin:eliza"]
    with WireServer() as server:
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_MODELS_SYNC="off") as b:
            assert await sync_if_old(b.services) == ()
            assert server.requests == []


async def test_nobody_is_asked_for_a_passphrase_unbidden(tmp_path: Path) -> None:
    prompts: list[str] = []

    def passphrase(prompt: str) -> str:
        prompts.append(prompt)
        return "correct horse battery"

    with WireServer(key="key-of-groq-0123456789") as groq:
        groq.models("llama-3.1-8b-instant")
        async with bench(tmp_path, EI_GROQ_BASE_URL=groq.url) as b:
            b.services.keys.passphrase = passphrase
            b.ui.texts = ["key-of-groq-0123456789"]
            await b.command("/provider key groq --to file")
        prompts.clear()
        async with bench(tmp_path, EI_GROQ_BASE_URL=groq.url) as b:
            b.services.keys.passphrase = passphrase
            await sync_if_old(b.services)
            assert (prompts, groq.requests) == ([], [])
            await asyncio.to_thread(b.services.keys.reveal, "file:groq")
            await sync_if_old(b.services)
            assert (len(prompts), "groq:llama-3.1-8b-instant" in ids(b)) == (1, True)


async def test_a_decision_made_while_lists_come_is_not_lost(tmp_path: Path) -> None:
    with WireServer() as server:
        server.models("a-9b")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            registry = b.services.registry
            await sync(b.services, ["local"])

            def meanwhile(request: object) -> Status:
                registry.set_tier("local:a-9b", "premium")
                return Status(404)

            server.pages = lambda request: meanwhile(request)
            await sync(b.services, ["local"])
            model = registry.get("local:a-9b")
            assert model is not None
            assert (model.tier, model.active) == ("premium", True)


@pytest.mark.parametrize(("own", "cost"), [(None, 7), (Prices(3 * DOLLAR, None, None, 5 * DOLLAR), 62_000)])
async def test_the_persons_own_price_wins_over_what_the_provider_says(
    tmp_path: Path, own: Prices | None, cost: int
) -> None:
    with WireServer() as server:
        server.always(Answer("Hi", usage={"prompt_tokens": 14, "completion_tokens": 4, "cost": 0.000000007}))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="local:m") as b:
            if own is not None:
                b.services.registry.add(Model("local", "m"))
                b.services.registry.set_price("local:m", own.input, own.output)
            await b.say("Hello")
            assert [call.cost for call in b.services.calls.calls()] == [cost]


async def test_a_context_added_by_hand_counts(tmp_path: Path) -> None:
    from ei.engine.pricing import context_of

    async with bench(tmp_path) as b:
        assert context_of(b.services, ModelId("azure", "mine")) is None
        b.services.registry.add(Model("azure", "mine", context=4096))
        assert context_of(b.services, ModelId("azure", "mine")) == 4096
