"""Tiers: by family, by size on this machine, by price; and which model of a tier comes first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ei.models.tiers import assign, billions
from ei.models.values import Model, Prices


@pytest.mark.parametrize(
    ("id", "tier"),
    [
        ("anthropic:claude-haiku-4-5", "fast"),
        ("anthropic:claude-sonnet-5", "smart"),
        ("anthropic:claude-opus-4-7", "premium"),
        ("openrouter:anthropic/claude-opus-4.7", "premium"),
        ("openai:gpt-5.1", "smart"),
        ("openai:gpt-5.1-mini", "balanced"),
        ("openai:gpt-5-nano", "fast"),
        ("openai:gpt-5.2-pro", "premium"),
        ("openai:o3", "smart"),
        ("openai:o3-pro", "premium"),
        ("openai:o4-mini-2025-04-16", "balanced"),
        ("openai:gpt-4o", "balanced"),
        ("openai:gpt-4o-mini", "fast"),
        ("openai:ft:gpt-4o-mini:me::1", "fast"),
        ("google:gemini-2.5-pro", "smart"),
        ("google:gemini-2.5-flash", "balanced"),
        ("google:gemini-2.5-flash-lite", "fast"),
        ("x:grok-4", "smart"),
        ("x:grok-4-fast-reasoning", "fast"),
        ("groq:llama-3.3-70b-versatile", "balanced"),
        ("groq:llama-3.1-8b-instant", "fast"),
        ("mistral:mistral-large-latest", "smart"),
        ("mistral:ministral-8b-latest", "fast"),
        ("deepseek:deepseek-chat", "balanced"),
        ("deepseek:deepseek-reasoner", "smart"),
        ("builtin:eliza", ""),
        ("local:google/gemma-3-12b", "balanced"),
        ("local:deepseek-r1-distill-qwen-32b", "smart"),
        ("ollama:qwen3:0.6b", "fast"),
        ("ollama:qwen3:8b", "balanced"),
        ("ollama:gpt-oss:120b", "premium"),
        ("ollama:deepseek-r1:latest", ""),
        ("mine:unheard-of", ""),
        ("mine:unheard-of-9b", "balanced"),
    ],
)
def test_a_family_or_a_size_tells_the_tier(id: str, tier: str) -> None:
    provider, _, name = id.partition(":")
    assert assign([Model(provider, name)])[0].tier == tier


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("qwen3:8b", 8),
        ("google/gemma-3-12b", 12),
        ("mixtral-8x7b", 56),
        ("qwen3-30b-a3b", 30),
        ("gemma3n:e4b", 4),
        ("smollm2:135m", 0.135),
        ("phi-3.5-mini-3.8B-instruct", 3.8),
        ("llama 8.0B Q4_K_M", 8),
        ("gpt-4o", None),
        ("a2b4c", None),
    ],
)
def test_the_number_of_parameters_is_read_from_a_name(name: str, size: float | None) -> None:
    assert billions(name) == size


def test_a_label_tells_the_size_where_the_name_does_not() -> None:
    assert (
        assign([Model("ollama", "deepseek-r1:latest", "qwen2 7.6B Q4_K_M")])[0].tier_reason == "7.6 billion parameters"
    )


def test_where_no_family_is_known_the_price_within_its_provider_tells() -> None:
    models = [Model("mine", f"m{n}", prices=Prices(1, None, None, n * 1_000_000_000)) for n in range(1, 9)]
    assert [model.tier for model in assign(models)] == ["fast"] * 2 + ["balanced"] * 2 + ["smart"] * 2 + ["premium"] * 2
    assert assign(models)[0].tier_reason == "$1 out is in the cheapest quarter of mine's prices"
    assert [model.tier for model in assign(models[:3])] == ["", "", ""]
    same = [replace(model, prices=Prices(1, None, None, 5)) for model in models]
    assert {model.tier for model in assign(same)} == {""}


def test_what_does_not_chat_has_no_tier() -> None:
    model = assign([Model("openai", "gpt-5-embeddings", chat=False)])[0]
    assert (model.tier, model.tier_reason) == ("", "it does not chat")


def first_of(*models: Model) -> str:
    return next(model.name for model in assign(models) if model.default)


def test_the_newest_settled_model_of_a_tier_comes_first() -> None:
    def gpt(name: str, created_ms: int | None = None) -> Model:
        return Model("openai", name, created_ms=created_ms)

    assert first_of(gpt("gpt-5"), gpt("gpt-5.1")) == "gpt-5.1"
    assert first_of(gpt("gpt-5", 9), gpt("gpt-5.1", 8)) == "gpt-5"
    assert first_of(gpt("gpt-5.1", 8), gpt("gpt-6-preview", 9)) == "gpt-5.1"
    assert first_of(gpt("gpt-6-preview", 9)) == "gpt-6-preview"
    assert first_of(gpt("gpt-5.1", 8), gpt("gpt-5.1-2026-01-01", 8)) == "gpt-5.1"
    assert first_of(gpt("gpt-5"), replace(gpt("gpt-5.1"), active=False)) == "gpt-5"
    assert first_of(gpt("gpt-5"), replace(gpt("gpt-5.1"), shutdown="2027-01-01")) == "gpt-5"


def test_each_provider_has_a_default_for_each_of_its_tiers() -> None:
    models = [Model("openai", "gpt-5"), Model("openai", "gpt-5-nano"), Model("anthropic", "claude-sonnet-5")]
    assert [model.default for model in assign(models)] == [True, True, True]


def test_what_the_person_set_stays() -> None:
    own = Model("openai", "gpt-5", tier="fast", by_hand=frozenset({"tier", "default"}), default=True)
    assert assign([own, Model("openai", "gpt-5-nano")])[0] == replace(own, tier_reason="you set it")
