"""/models in all its forms, over a real registry, real servers and a real shell."""

from __future__ import annotations

from pathlib import Path

import pytest

from ei.commands.base import Table
from ei.commands.registry import complete_models
from ei.errors import EiError, NotFoundError, UsageError
from ei.models.values import Model
from tests.bench_session import NOBODY, Bench, bench, text_of
from tests.run_ei import Ei
from tests.wire import Model as Listed
from tests.wire import WireServer

CLAUDES = ("claude-haiku-4-5", "claude-sonnet-5", "claude-opus-4-7")


async def said(b: Bench, line: str, *, shell: bool = False) -> str:
    return text_of(await b.command(line, shell=shell))


async def refused(b: Bench, line: str, kind: type[EiError] = UsageError) -> str:
    with pytest.raises(kind) as caught:
        await b.command(line)
    return str(caught.value)


def table(reply: object) -> Table:
    return next(item for item in reply.items if isinstance(item, Table))  # type: ignore[attr-defined]


def facts(reply: object) -> dict[str, str]:
    """What `show` tells, by name."""
    return {row[0]: row[1] for row in table(reply).rows}


async def with_models(b: Bench, *models: Model) -> None:
    for model in models:
        b.services.registry.add(model)


async def test_before_the_first_sync_it_says_what_to_do(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        assert await said(b, "/models --all") == "No models are known yet: /models sync asks the providers."
        assert await said(b, "/models", shell=True) == "No models are known yet: ei models sync asks the providers."


async def test_a_sync_shows_a_line_for_each_provider_and_then_they_are_listed(tmp_path: Path) -> None:
    with WireServer() as local, WireServer(list_shape="pages") as claude:
        local.models("google/gemma-3-12b")
        claude.models(*CLAUDES)
        async with bench(
            tmp_path,
            EI_LLM_BASE_URL=local.url,
            EI_ANTHROPIC_API_KEY="k",
            EI_ANTHROPIC_BASE_URL=claude.anthropic_url,
        ) as b:
            reply = await b.command("/models sync")
            rows = [(row[0], row[1], row[3]) for row in table(reply).rows]
            assert rows == [
                ("local", "1", ""),
                ("ollama", "-", f"Nothing answers at {NOBODY}."),
                ("anthropic", "3", ""),
                ("builtin", "1", ""),
            ]
            assert text_of(reply).splitlines()[-1] == "5 new, 0 changed, 0 gone."
            listed = await b.command("/models", shell=True)
            assert table(listed).columns == (
                "model",
                "tier",
                "context",
                "$ in",
                "$ out",
                "can",
                "speed",
                "where",
                "state",
            )
            assert table(listed).rows[0] == (
                "local:google/gemma-3-12b", "balanced*", "", "free", "free", "?", "", "local", "",
            )  # fmt: skip
            assert table(listed).rows[1] == (
                "anthropic:claude-haiku-4-5", "fast*", "200k", "1", "5", "tv", "", "cloud", "",
            )  # fmt: skip
            assert table(listed).current == 0
            assert [row[0] for row in table(await b.command("/models OPUS vision", shell=True)).rows] == [
                "anthropic:claude-opus-4-7"
            ]
            assert (await said(b, "/models claude-sonet", shell=True)) == (
                "No model has claude-sonet in it. Near it: claude-sonnet-5, claude-opus-4-7, claude-haiku-4-5."
            )


async def test_a_sync_of_some_providers_asks_no_others(tmp_path: Path) -> None:
    with WireServer() as local:
        async with bench(tmp_path, EI_LLM_BASE_URL=local.url) as b:
            reply = await b.command("/models sync lmstudio")
            assert [row[0] for row in table(reply).rows] == ["local"]
            assert await refused(b, "/models sync opanai") == 'Unknown provider "opanai". Did you mean openai?'


async def test_a_long_list_is_cut_and_says_so(tmp_path: Path) -> None:
    with WireServer() as local:
        local.models(*(f"m-{n}" for n in range(100)), Listed("whisper-1"))
        async with bench(tmp_path, EI_LLM_BASE_URL=local.url) as b:
            await b.command("/models sync local")
            reply = await b.command("/models", shell=True)
            assert len(table(reply).rows) == 60
            assert text_of(reply).splitlines()[-1] == "40 more. ei models WORDS narrows, ei models --all shows all."
            assert isinstance(reply.data, list)
            assert len(reply.data) == 100
            everything = table(await b.command("/models --all")).rows
            assert (len(everything), everything[-1][-1]) == (101, "no chat")


async def test_everything_known_of_one_is_shown_with_who_uses_it(tmp_path: Path) -> None:
    with WireServer() as server:
        server.reply("Hi", usage=(10, 2))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="local:tiny-7b") as b:
            await b.say("Hello")
            server.models(Listed("tiny-7b", {"max_model_len": 4096}), "tiny-8b")
            await b.command("/models sync local")
            reply = await b.command("/models show tiny-7b")
            shown = facts(reply)
            assert shown["tier"] == "balanced: 7 billion parameters"
            assert (shown["price"], shown["context"]) == ("free", "4,096 tokens")
            assert (shown["used by"], shown["state"]) == ("EI_LLM_MODEL", "ready")
            assert shown["seen here"].endswith(", 1 calls")
            assert isinstance(reply.data, dict)
            assert (reply.data["context"], reply.data["used_by"]) == (4096, ["EI_LLM_MODEL"])
            server.models("tiny-8b")
            told = await said(b, "/models sync local")
            assert "local:tiny-7b is no longer in the list of local. It is used by EI_LLM_MODEL" in told
            gone = await said(b, "/models show local:tiny-7b")
            assert "state | gone" in gone
            assert gone.endswith("Near it: local:tiny-8b. To change: /models replace local:tiny-7b local:tiny-8b")


async def test_a_model_is_named_by_its_id_an_alias_or_the_only_words_that_fit(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await with_models(
            b, Model("x", "grok-4", aliases=("grok-latest",)), Model("x", "grok-4-fast"), Model("mine", "m")
        )
        for text in ("x:grok-4", "xai:grok-4", "grok-4", "grok-latest", "xai:grok-latest"):
            assert facts(await b.command(f"/models show {text}"))["model"] == "x:grok-4"
        assert await refused(b, "/models show GROK") == (
            '"GROK" fits 2 models. Give more of its name: x:grok-4, x:grok-4-fast'
        )
        assert "The registry has no model grok-5. Did you mean" in await refused(b, "/models show grok-5")
        assert await refused(b, "/models show") == "Which model? /models show M"


async def test_what_no_list_names_is_added_changed_and_taken_out(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        line = "/models add azure:my-gpt-5 --context 128k --max-output=4096 --tools --vision --label Ours"
        assert await said(b, line) == "azure:my-gpt-5 is added, smart: OpenAI's full size."
        stored = b.services.registry.get("azure:my-gpt-5")
        assert stored is not None
        assert (stored.context, stored.max_output, stored.capabilities, stored.label, stored.chat) == (
            128_000, 4096, frozenset({"tools", "vision"}), "Ours", True,
        )  # fmt: skip
        assert await said(b, "/models add local:vectors --embeddings") == "local:vectors is added."
        vectors = b.services.registry.get("local:vectors")
        assert vectors is not None
        assert (vectors.chat, vectors.tier) == (False, "")
        assert await said(b, "/models remove azure:my-gpt-5") == "azure:my-gpt-5 is taken out."
        assert [model.id for model in b.services.registry.all()] == ["local:vectors"]


async def test_what_is_not_said_of_an_added_model_is_filled_from_what_is_known(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        told = (await said(b, "/models add anthropic:claude-haiku-4-5")).splitlines()
        assert told == [
            f"anthropic:claude-haiku-4-5 is added, fast: {b.services.registry.all()[0].tier_reason}.",
            "Known of it: 200,000 tokens of context; $1 in, $0.1 cached, $5 out (genai-prices); can "
            + ", ".join(sorted(b.services.registry.all()[0].capabilities or ())).replace("_", " ")
            + ".",
        ]
        stored = b.services.registry.get("anthropic:claude-haiku-4-5")
        assert stored is not None
        assert (stored.context, stored.prices.source, stored.label) == (200_000, "genai-prices", "Claude Haiku 4.5")
        assert {"tools", "vision"} <= (stored.capabilities or set())
        told = (
            await said(b, "/models add anthropic:claude-sonnet-4-5 --context 50k --tools --label Mine")
        ).splitlines()
        assert "context" not in told[1]
        given = b.services.registry.get("anthropic:claude-sonnet-4-5")
        assert given is not None
        assert (given.context, given.capabilities, given.label) == (50_000, frozenset({"tools"}), "Mine")
        assert given.prices.source == "genai-prices"


async def test_what_was_learned_here_and_why_its_tier_is_what_it_is_are_shown(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await with_models(b, Model("openai", "gpt-5.1"))
        b.services.learned.set("openai:gpt-5.1", "rejects", ["temperature"])
        reply = await b.command("/models show gpt-5.1")
        shown = facts(reply)
        assert shown["tier"].endswith("smart, its default: OpenAI's full size")
        assert "temperature" in shown["learned here"]
        assert isinstance(reply.data, dict)
        assert (reply.data["learned"], reply.data["tier_reason"]) == (
            {"rejects": ["temperature"]},
            "OpenAI's full size",
        )


async def test_tier_price_default_and_disabling_are_set_and_given_back(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await with_models(b, Model("openai", "gpt-5.1"), Model("openai", "gpt-5.2"))
        assert await said(b, "/models tier gpt-5.1 Fast") == "openai:gpt-5.1 is fast now: you set it."
        assert await said(b, "/models tier gpt-5.1 auto") == "openai:gpt-5.1 is smart now: OpenAI's full size."
        assert await said(b, "/models price gpt-5.1 1.25 $10 0.125") == (
            "openai:gpt-5.1 costs $1.25 in, $0.125 cached, $10 out per million tokens."
        )
        assert "price auto" not in await said(b, "/models show gpt-5.1")
        assert (await said(b, "/models price gpt-5.1 auto")).startswith("The price of openai:gpt-5.1 is what lists say")
        assert await said(b, "/models default gpt-5.1") == "openai:gpt-5.1 is the default of the tier smart now."
        assert await said(b, "/models disable gpt-5.1") == "openai:gpt-5.1 is left alone from now on."
        listed = await b.command("/models gpt-5.1", shell=True)
        assert [row[-1] for row in table(listed).rows] == ["disabled, added, no key"]
        assert await said(b, "/models enable gpt-5.1") == "openai:gpt-5.1 may be chosen again."


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("/models tier gpt-5.1", "Which model, and which tier of fast, balanced, smart, premium?"),
        ("/models tier gpt-5.1 clever", 'There is no tier "clever". There are: fast, balanced, smart, premium.'),
        ("/models price gpt-5.1 cheap", "Which model, and at what price?"),
        ("/models price gpt-5.1 -1 2", '"-1" is no price.'),
        ("/models price gpt-5.1 nan 2", '"nan" is no price.'),
        ("/models add", "Which model?"),
        ("/models add azure:x --context lots", "--context takes a number of tokens, not lots."),
        ("/models add azure:x --contxt 1", "There is no option --contxt. Did you mean --context?"),
        ("/models add nobody:x", 'Unknown provider "nobody".'),
        ("/models --al", "There is no option --al. Did you mean --all?"),
        ("/models log --limit -3", "--limit takes a number of changes, not -3."),
    ],
)
async def test_what_makes_no_sense_is_refused_in_one_sentence(tmp_path: Path, line: str, told: str) -> None:
    async with bench(tmp_path) as b:
        await with_models(b, Model("openai", "gpt-5.1"))
        assert (await refused(b, line)).startswith(told)


async def test_a_model_from_a_list_cannot_be_taken_out(tmp_path: Path) -> None:
    with WireServer() as server:
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            await b.command("/models sync local")
            assert "comes from its provider's list" in await refused(b, "/models remove tiny")
            assert await refused(b, "/models remove nobody:x", EiError)
            with pytest.raises(NotFoundError):
                b.services.registry.remove_added("local:nobody")


async def test_the_log_tells_when_what_from_to_and_by_whom(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        assert await said(b, "/models log") == "Nothing was changed yet."
        await with_models(b, Model("openai", "gpt-5.1"), Model("openai", "gpt-4o"))
        await b.command("/models disable gpt-5.1")
        reply = await b.command("/models log openai:gpt-5.1")
        assert [row[1:] for row in table(reply).rows] == [
            ("openai:gpt-5.1", "disabled", "no", "yes", "hand"),
            ("openai:gpt-5.1", "default", "yes", "no", "hand"),
            ("openai:gpt-5.1", "added", "", "", "hand"),
        ]
        assert len(table(await b.command("/models log --limit 1")).rows) == 1


async def test_words_are_completed(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await with_models(b, Model("openai", "gpt-5.1"))
        assert [word for word, _ in complete_models(b.session, [""])][:3] == ["sync", "show", "add"]
        assert complete_models(b.session, ["show", "g"]) == [("openai:gpt-5.1", "")]
        assert [word for word, _ in complete_models(b.session, ["tier", "m", ""])][-2:] == ["premium", "auto"]
        await with_models(b, Model("openai", "gpt-5.2"))
        await b.command("/model openai:gpt-5.1")
        assert complete_models(b.session, ["replace", ""]) == [
            ("openai:gpt-5.1", "used by ei"),
            ("--undo", "take it back"),
        ]
        assert complete_models(b.session, ["replace", "openai:gpt-5.1", ""]) == [("openai:gpt-5.2", "smart")]
        await b.command("/models pay groq")
        assert complete_models(b.session, ["pay", "--not", ""]) == [("groq", "allowed now")]
        assert ("openai:gpt-5.1", "") in complete_models(b.session, ["pay", ""])


def test_a_shell_gets_text_or_one_json_value(tmp_path: Path) -> None:
    with WireServer(list_shape="pages") as server:
        server.models(*CLAUDES)
        ei = Ei(tmp_path, EI_ANTHROPIC_API_KEY="k", EI_ANTHROPIC_BASE_URL=server.anthropic_url)
        synced = ei("models", "sync", "anthropic", "--json").json
        assert (synced["new"], synced["providers"][0]["models"], synced["news"]) == (3, 3, [])
        rows = ei("models", "haiku", "--json").json
        assert [(row["model"], row["tier"], row["input_usd"], row["output_usd"]) for row in rows] == [
            ("anthropic:claude-haiku-4-5", "fast", 1.0, 5.0)
        ]
        assert ei("models", "tier", "haiku", "smart", "--json").json["tier"] == "smart"
        logged = ei("models", "log", "--limit", "1", "--json").json
        assert len(logged) == 1
        assert "claude-opus-4-7" in ei("models").out
