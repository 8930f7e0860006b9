"""The grammar of model references."""

from __future__ import annotations

import pytest

from ei.errors import UsageError
from ei.models.reference import ModelId, ProfileReference, ProviderNames, TierReference, exact, parse, suspicion

NAMES = ProviderNames(
    ("local", "ollama", "openai", "google", "anthropic", "x", "openrouter", "groq"),
    {"xai": "x", "gemini": "google", "claude": "anthropic", "lmstudio": "local"},
)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("google:gemini-2.5-pro", ModelId("google", "gemini-2.5-pro")),
        ("local:google/gemma-3-12b", ModelId("local", "google/gemma-3-12b")),
        ("ollama:qwen3:8b", ModelId("ollama", "qwen3:8b")),
        ("openrouter:x/y:free", ModelId("openrouter", "x/y:free")),
        ("google/gemma-3-12b", ModelId("local", "google/gemma-3-12b")),
        ("gemini:gemini-2.5-pro", ModelId("google", "gemini-2.5-pro")),
        ("xai:grok-5", ModelId("x", "grok-5")),
        ("  OpenAI:gpt-5  ", ModelId("openai", "gpt-5")),
        ({"exact": "anthropic:claude-haiku-4-5"}, ModelId("anthropic", "claude-haiku-4-5")),
    ],
)
def test_what_a_person_writes_names_one_model(written: object, expected: ModelId) -> None:
    assert parse(written, NAMES) == expected


@pytest.mark.parametrize(
    ("written", "sentence", "hint"),
    [
        (
            "llama3.2:3b",
            'Unknown provider "llama3.2".',
            "Did you mean local:llama3.2:3b or ollama:llama3.2:3b?",
        ),
        ("opnai:gpt-5", 'Unknown provider "opnai".', "Did you mean openai:gpt-5?"),
        ("antropic:", 'Unknown provider "antropic".', "Did you mean anthropic:MODEL?"),
        ("openai:", '"openai:" names a provider and no model.', "Write openai:MODEL."),
        ("", "The model reference is empty.", "Write provider:model, for example ollama:qwen3:8b."),
        (7, "A model reference is a text, not a number.", "Write provider:model."),
        (["openai:gpt-5"], "A model reference is a text, not a list.", "Write provider:model."),
    ],
)
def test_a_malformed_reference_is_refused_with_the_nearest_right_form(
    written: object, sentence: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        parse(written, NAMES)
    assert (caught.value.sentence, caught.value.hint) == (sentence, hint)


@pytest.mark.parametrize("written", ["a b:c", "openai:gpt 5", "openai:gpt\x1b[2J", "local:a\nb"])
def test_a_reference_with_white_space_or_controls_is_refused_without_repeating_controls(written: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(written, NAMES)
    assert "\x1b" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("written", [{}, {"exact": 3}, {"exact": "openai:gpt-5", "more": 1}, {"model": "x"}])
def test_an_object_that_is_no_reference_is_refused(written: object) -> None:
    with pytest.raises(UsageError, match="no model reference"):
        parse(written, NAMES)


@pytest.mark.parametrize(
    ("written", "likely"),
    [
        ("google:gemini/gemini-2.5-flash", "google:gemini-2.5-flash"),
        ("google:google:gemini-2.5-flash", "google:gemini-2.5-flash"),
        ("google:models/gemini-2.5-flash", "google:gemini-2.5-flash"),
        ("openai:openai/gpt-5", "openai:gpt-5"),
        ("openai:anthropic/claude-haiku-4-5", "anthropic:claude-haiku-4-5"),
        ("local:google/gemma-3-12b", ""),
        ("openrouter:google/gemini-2.5-flash", ""),
        ("openrouter:openrouter/auto", ""),
        ("ollama:qwen3:8b", ""),
        ("google:gemini-2.5-flash", ""),
        ("groq:openai/gpt-oss-20b", ""),
    ],
)
def test_a_doubled_provider_is_suspicious_and_routers_are_left_alone(written: str, likely: str) -> None:
    assert suspicion(exact(written, NAMES), NAMES) == likely


BILLION = 1_000_000_000


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("tier:fast", TierReference("fast")),
        ("Tier:Smart@Claude", TierReference("smart", prefer=("anthropic",))),
        ({"tier": "fast", "provider": "any"}, TierReference("fast")),
        ({"tier": "fast", "provider": "groq"}, TierReference("fast", only=("groq",))),
        ({"tier": "smart", "preferProvider": "anthropic"}, TierReference("smart", prefer=("anthropic",))),
        ({"tier": "smart", "preferProvider": ["xai", "openai"]}, TierReference("smart", prefer=("x", "openai"))),
        ({"tier": "smart", "needs": ["tools", "vision"]}, TierReference("smart", needs=frozenset({"tools", "vision"}))),
        (
            {"tier": "smart", "needs": {"capabilities": ["tools"], "context": 100_000}},
            TierReference("smart", needs=frozenset({"tools"}), context=100_000),
        ),
        ({"tier": "fast", "maxPrice": 2.5}, TierReference("fast", max_output=5 * BILLION // 2)),
        (
            {"tier": "fast", "maxPrice": {"input": 0, "output": 5}, "pick": "random"},
            TierReference("fast", max_input=0, max_output=5 * BILLION, pick="random"),
        ),
        ("profile:gpt4_creative", ProfileReference("gpt4_creative")),
        ({"profile": "two words"}, ProfileReference("two words")),
    ],
)
def test_a_tier_and_a_profile_are_references_like_any_other(written: object, expected: object) -> None:
    assert parse(written, NAMES) == expected


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("tier:quick", 'There is no tier "quick". There are: fast, balanced, smart, premium.'),
        ("tier:", 'There is no tier "". There are: fast, balanced, smart, premium.'),
        ("tier:fast@gorq", 'Unknown provider "gorq". Did you mean groq?'),
        ("profile:", '"profile:" names no profile. Write profile:ID; /profile lists them.'),
        (
            {"tier": "fast", "cheap": True},
            'A tier has no "cheap". It may say: tier, provider, preferProvider, needs, maxPrice, pick.',
        ),
        (
            {"tier": "fast", "pick": "best"},
            (
                '"pick" of a tier is one of: default, cheapest, newest, random. '
                'For example: {"tier": "fast", "pick": "cheapest"}.'
            ),
        ),
    ],
)
def test_a_tier_that_is_not_written_right_is_refused(written: object, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(written, NAMES)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("needs", ["tools", ["flight"], {"context": -1}, {"context": True}, {"length": 3}, [3]])
def test_needs_that_mean_nothing_are_refused(needs: object) -> None:
    with pytest.raises(UsageError, match='^"needs" of a tier lists what a model must be able to do'):
        parse({"tier": "fast", "needs": needs}, NAMES)


@pytest.mark.parametrize("price", ["2", -1, True, {"input": "1"}, {"reasoning": 2}, 10**6])
def test_prices_that_mean_nothing_are_refused(price: object) -> None:
    with pytest.raises(UsageError, match='^"maxPrice" of a tier is dollars per million tokens'):
        parse({"tier": "fast", "maxPrice": price}, NAMES)


@pytest.mark.parametrize("written", ["tier:fast", "profile:x"])
def test_where_one_model_must_be_named_a_tier_is_refused(written: str) -> None:
    with pytest.raises(UsageError, match=f"^{written} is no model by itself"):
        exact(written, NAMES)


def test_a_name_with_spaces_is_written_as_an_object() -> None:
    model = ModelId("local", "Llama 3 8B Instruct")
    assert model.written == {"exact": "local:Llama 3 8B Instruct"}
    assert parse(model.written, NAMES) == model
    with pytest.raises(UsageError) as caught:
        parse(str(model), NAMES)
    assert caught.value.hint == 'Write provider:model without spaces, or {"exact": "provider:a name with spaces"}.'
    assert ModelId("local", "tiny").written == "local:tiny"
