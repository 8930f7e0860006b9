"""Profiles as settings have them: which model each names, at whose address, with whose key."""

from __future__ import annotations

import pytest

from ei.errors import ConfigError
from ei.models.profiles import Profile, default_profile, read_profiles
from ei.models.reference import ProviderNames, parse

NAMES = ProviderNames(
    ("local", "ollama", "openai", "google", "anthropic", "groq", "mistral", "azure"),
    {"gemini": "google", "claude": "anthropic"},
)
OWN = {("openai", "env:OPENAI_API_KEY"), ("anthropic", "env:EI_ANTHROPIC_API_KEY")}


def own_key(provider: str, reference: str) -> bool:
    return (provider, reference) in OWN


def one(**row: object) -> Profile:
    """The only profile of settings that have this one, called x."""
    (found,) = read_profiles({"llm_profiles": [{"id": "x", **row}]}, NAMES, own_key).values()
    return found


def test_every_field_of_a_profile_is_read() -> None:
    row = {
        "provider_type": "oai_compatible",
        "model": "gpt-x",
        "base_url": "https://llm.example.org/v1",
        "api_key_ref": "WORK_KEY",
        "temperature": 0.2,
        "top_p": 0.9,
        "max_tokens": 500,
        "context_window": 32000,
        "extra_params": {"seed": 1},
        "fallback": ["tier:fast", {"profile": "y"}],
        "fallback_may_cost_more": True,
        "prompt_note": {"openai": "Be short."},
    }
    assert one(**row) == Profile(
        "x",
        "profile-x:gpt-x",
        "oai_compatible",
        "https://llm.example.org/v1",
        "env:WORK_KEY",
        {"temperature": 0.2, "top_p": 0.9, "max_tokens": 500},
        frozenset(),
        32000,
        {"seed": 1},
        ("tier:fast", {"profile": "y"}),
        True,
        {"openai": "Be short."},
        "settings.jsonc",
        "openai",
    )


def test_a_temperature_that_nobody_wrote_is_a_default() -> None:
    found = one(model="openai:gpt-x")
    assert (found.parameters, found.defaults) == ({"temperature": 0.7}, frozenset({"temperature"}))


@pytest.mark.parametrize(
    ("row", "model"),
    [
        ({"model": "openai:gpt-x"}, "openai:gpt-x"),
        ({"model": "google/gemma"}, "google/gemma"),
        ({"model": "tier:fast"}, "tier:fast"),
        ({"model": {"tier": "smart", "pick": "newest"}}, {"tier": "smart", "pick": "newest"}),
        ({"model": {"exact": "groq:llama"}}, "groq:llama"),
        ({"model": "claude-x", "provider_type": "anthropic"}, "anthropic:claude-x"),
        ({"model": "gemini-x", "provider_type": "gemini"}, "google:gemini-x"),
        ({"model": "gemini:gemini-x", "provider_type": "gemini"}, "google:gemini-x"),
        ({"model": "qwen3:8b", "provider_type": "local_openai"}, "local:qwen3:8b"),
        ({"model": "mistral:7b", "provider_type": "local_openai"}, "local:mistral:7b"),
        ({"model": "ollama:qwen3:8b", "provider_type": "local_openai"}, "ollama:qwen3:8b"),
        ({"model": "gpt-x", "provider_type": "oai_compatible"}, "openai:gpt-x"),
        ({"model": "groq:llama", "provider_type": "oai_compatible"}, "groq:llama"),
        ({"model": "azure/dep"}, "azure:dep"),
        ({"model": "gpt-x", "provider_type": "oai_compatible", "api_key_ref": "OPENAI_API_KEY"}, "openai:gpt-x"),
        ({"model": "gpt-x", "api_key_ref": "env:OPENAI_API_KEY"}, "openai:gpt-x"),
    ],
)
def test_a_profile_without_an_address_or_key_of_its_own_names_a_model_of_a_known_provider(
    row: dict[str, object], model: object
) -> None:
    found = one(**row)
    assert (found.model, found.provider, found.key) == (model, "", "")
    parse(found.model, NAMES)


@pytest.mark.parametrize(
    ("row", "model", "like"),
    [
        ({"model": "azure/dep", "base_url": "https://r.openai.azure.com"}, "profile-x:dep", "azure"),
        ({"model": "gpt-x", "base_url": "http://127.0.0.1:1"}, "profile-x:gpt-x", "openai"),
        ({"model": "llama3.2:3b", "base_url": "http://127.0.0.1:1"}, "profile-x:llama3.2:3b", "openai"),
        ({"model": "c", "provider_type": "anthropic", "base_url": "https://a.example"}, "profile-x:c", "anthropic"),
        ({"model": "c", "provider_type": "anthropic", "api_key_ref": "OTHER"}, "profile-x:c", "anthropic"),
        ({"model": "groq:llama", "api_key_ref": "OPENAI_API_KEY"}, "profile-x:llama", "groq"),
        ({"model": {"exact": "groq:llama"}, "api_key_ref": "OTHER"}, "profile-x:llama", "groq"),
    ],
)
def test_an_address_or_a_key_of_its_own_makes_a_provider_of_its_own(
    row: dict[str, object], model: str, like: str
) -> None:
    found = one(**row)
    assert (found.model, found.provider, found.like) == (model, "profile-x", like)


def test_profiles_may_be_an_object_by_their_ids_and_a_provider_is_written_small() -> None:
    found = read_profiles({"llm_profiles": {"Gpt4.1_x": {"model": "m", "base_url": "http://h"}}}, NAMES)
    assert found["Gpt4.1_x"].provider == "profile-gpt4.1_x"
    assert found["Gpt4.1_x"].model == "profile-gpt4.1_x:m"


def test_the_older_form_becomes_a_profile_called_default_which_is_the_default() -> None:
    settings = {"llm_config": {"default_model": "openai:gpt-x", "temperature": 0.3}}
    (found,) = read_profiles(settings, NAMES).values()
    assert (found.id, found.model, found.parameters) == ("default", "openai:gpt-x", {"temperature": 0.3})
    assert default_profile(settings) == "default"
    assert default_profile({"llm_config": {**settings["llm_config"], "default_profile_id": "x"}}) == "x"
    assert default_profile({}) is None


@pytest.mark.parametrize(
    ("profiles", "problem"),
    [
        ([{"id": "x"}], "llm_profiles.x has no model."),
        ([{"model": "a"}], "llm_profiles[0]: its id must be letters, digits"),
        ([{"id": "a b", "model": "a"}], "llm_profiles.a b: its id must be letters, digits"),
        ([{"id": "x", "model": "a"}, {"id": "x", "model": "b"}], "llm_profiles has x twice."),
        ([{"id": "a-b", "model": "a"}, {"id": "A_b", "model": "b"}], "llm_profiles has A_b beside a-b, which is"),
        ({"x": {"id": "y", "model": "a"}}, "llm_profiles.x has the id y."),
        ([{"id": "x", "model": "profile:y"}], "llm_profiles.x: its model is a profile."),
        ([{"id": "x", "model": "tier:fast", "api_key_ref": "A"}], "llm_profiles.x: a tier has no address and no key."),
        ([{"id": "x", "model": {"tier": "fast"}, "base_url": "http://h"}], "llm_profiles.x: with an address or a key"),
        (
            [{"id": "x", "model": "openai:gpt", "provider_type": "anthropic"}],
            "llm_profiles.x: its provider_type is anthropic, and its model is one of openai.",
        ),
    ],
)
def test_what_can_be_no_profile_is_refused_with_file_and_place(profiles: object, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_profiles({"llm_profiles": profiles}, NAMES)
    assert caught.value.sentence.startswith(f"settings.jsonc: {problem}")
    assert caught.value.hint.endswith("Mend it with: ei settings edit")
