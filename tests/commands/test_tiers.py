"""Tiers as a person meets them: set, explained, opted in, with real servers that list models."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ei.commands.models import known_references
from ei.engine.syncing import sync
from tests.bench_session import Bench, bench, text_of
from tests.wire import WireServer


@asynccontextmanager
async def two_providers(home: Path, settings: dict[str, object] | None = None) -> AsyncIterator[Bench]:
    """A server of this machine with a small model, and one that takes money with a small and a large one."""
    with WireServer() as local, WireServer(key="k") as claude:
        local.models("google/gemma-3-4b", "big-70b")
        claude.models("claude-haiku-4-5", "claude-opus-4-7")
        if settings is not None:
            (home / "settings.jsonc").write_text(json.dumps(settings), "utf-8")
        async with bench(
            home,
            EI_CONFIG=str(home / "settings.jsonc"),
            EI_LLM_BASE_URL=local.url,
            EI_ANTHROPIC_API_KEY="k",
            EI_ANTHROPIC_BASE_URL=claude.anthropic_url,
        ) as b:
            await sync(b.services)
            yield b


async def said(b: Bench, line: str) -> str:
    return text_of(await b.command(line))


async def test_a_tier_answers_with_what_it_means_today_and_says_so(tmp_path: Path) -> None:
    async with two_providers(tmp_path) as b:
        assert await said(b, "/model tier:fast") == (
            "Model for ei set to: tier:fast\ntier:fast is local:google/gemma-3-4b today (4 billion parameters)"
        )
        reply = await b.say("Hi")
        assert (reply.model, reply.reference) == ("local:google/gemma-3-4b", "tier:fast")
        assert (await said(b, "/model")).splitlines()[0] == "Current model for ei: local:google/gemma-3-4b"


async def test_another_model_in_the_tier_shows_in_the_next_reply(tmp_path: Path) -> None:
    async with two_providers(tmp_path) as b:
        await b.command("/model tier:fast")
        b.services.registry.set_tier("local:big-70b", "fast")
        b.services.registry.set_default("local:big-70b")
        assert (await b.say("Hi")).model == "local:big-70b"


async def test_why_shows_who_lost_and_why(tmp_path: Path) -> None:
    async with two_providers(tmp_path, {"models": {"paid": ["anthropic"]}}) as b:
        b.services.registry.set_tier("local:big-70b", "fast")
        await b.command("/model tier:fast@anthropic")
        why = await said(b, "/model why")
        assert "tier:fast@anthropic is anthropic:claude-haiku-4-5 today" in why
        lost = [line for line in why.splitlines() if "anthropic is preferred" in line]
        assert [line.split()[0] for line in lost] == ["local:big-70b", "local:google/gemma-3-4b"]


async def test_a_tier_in_which_nothing_fits_is_set_and_says_what_to_do(tmp_path: Path) -> None:
    async with two_providers(tmp_path) as b:
        sentence = (
            "No model fits tier:premium: the 1 that would do costs money or may (anthropic)."
            " Allow a provider or a model: /models pay anthropic"
        )
        assert await said(b, "/model tier:premium") == f"Model for ei set to: tier:premium\n{sentence}"
        with pytest.raises(Exception, match="No model fits tier:premium"):
            await b.say("Hi")
        assert "it costs money, and nobody allowed that" in await said(b, "/model why")


async def test_a_persona_and_an_interaction_may_say_what_a_tier_means(tmp_path: Path) -> None:
    async with two_providers(tmp_path, {"interactions": {"reasoning": {"tiers": {"fast": "local:of-all"}}}}) as b:
        await b.command("/model tier:fast")
        assert (await b.say("Hi")).model == "local:of-all"


async def test_what_can_be_typed_is_offered(tmp_path: Path) -> None:
    async with two_providers(tmp_path) as b:
        offered = [reference for reference, _ in known_references(b.session)]
        assert offered[:4] == ["tier:fast", "tier:balanced", "tier:smart", "tier:premium"]
        assert "anthropic:claude-opus-4-7" in offered
        assert "local:big-70b" in offered
