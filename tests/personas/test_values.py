"""What a system.jsonc may say, and how a wrong one is refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ei.errors import ConfigError
from ei.personas.values import Concept, Persona, persona_from_data

PATH = Path("personas/lena/system.jsonc")


def test_a_full_file_becomes_a_persona() -> None:
    data = {
        "$schema": "x",
        "entity": "system",
        "aliases": ["story", " teller "],
        "model": {"exact": "anthropic:claude-haiku-4-5"},
        "models": {"reasoning": "local:a", "planning": None},
        "parameters": {"temperature": 1, "max_tokens": 300, "stop": ["END"], "their_own": [1]},
        "short_description": "A storyteller.",
        "long_description": "Tells stories.",
        "last_updated": "2026-11-20T09:00:00Z",
        "private": True,
        "fallback": ["profile:backup", {"tier": "fast"}],
        "tiers": {"fast": "groq:llama", "smart": None},
        "prompt_note": {"anthropic": "Keep it short."},
        "concepts": [
            {
                "id": "c1",
                "name": "Rain",
                "description": "On roofs.",
                "type": "topic",
                "level_current": 0,
                "level_ideal": 0.75,
                "sentiment": -1,
                "last_updated": "2026-11-19",
                "colour": "grey",
            }
        ],
        "unknown": {"kept": True},
    }
    assert persona_from_data("lena", data, PATH) == Persona(
        name="lena",
        path=PATH,
        aliases=("story", "teller"),
        model={"exact": "anthropic:claude-haiku-4-5"},
        models={"reasoning": "local:a"},
        short_description="A storyteller.",
        long_description="Tells stories.",
        last_updated="2026-11-20T09:00:00Z",
        concepts=(Concept("c1", "Rain", "On roofs.", "topic", 0.0, 0.75, -1.0, "2026-11-19"),),
        parameters={"temperature": 1, "max_tokens": 300, "stop": ["END"], "their_own": [1]},
        private=True,
        fallback=("profile:backup", {"tier": "fast"}),
        tiers={"fast": "groq:llama"},
        prompt_note={"anthropic": "Keep it short."},
    )


def test_an_empty_object_is_a_persona_with_nothing_to_say() -> None:
    assert persona_from_data("lena", {}, PATH) == Persona("lena", PATH)


def test_a_concept_needs_only_a_name() -> None:
    persona = persona_from_data("lena", {"concepts": [{"name": "Rain"}]}, PATH)
    assert persona.concepts == (Concept("Rain", "Rain", "", "topic", 0.0, 0.5, 0.0),)


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        ([], 'the whole must be an object, { "short_description": … }'),
        ({"entity": 1}, "entity must be text in quotes"),
        ({"aliases": "story"}, "aliases must be a list, [ … ]"),
        ({"aliases": ["a", " "]}, "aliases[1] must be text in quotes"),
        ({"short_description": ["x"]}, "short_description must be text in quotes"),
        ({"models": ["x"]}, "models must be an object, { … }"),
        ({"private": "yes"}, "private must be true or false"),
        ({"concepts": {}}, "concepts must be a list, [ … ]"),
        ({"concepts": ["x"]}, "concepts[0] must be an object, { … }"),
        ({"concepts": [{}]}, "concepts[0].name must be text in quotes"),
        (
            {"concepts": [{"name": "a", "type": "Topic"}]},
            'concepts[0].type must be one of "static", "persona", "person", "topic"',
        ),
        ({"concepts": [{"name": "a"}, {"name": "b", "type": ["x"]}]}, "concepts[1].type must be one of"),
        ({"concepts": [{"name": "a", "level_ideal": 1.5}]}, "concepts[0].level_ideal must be a number from 0 to 1"),
        ({"concepts": [{"name": "a", "level_ideal": True}]}, "concepts[0].level_ideal must be a number from 0 to 1"),
        ({"concepts": [{"name": "a", "level_ideal": None}]}, "concepts[0].level_ideal must be a number from 0 to 1"),
        ({"concepts": [{"name": "a", "level_current": math.nan}]}, "concepts[0].level_current must be a number"),
        ({"concepts": [{"name": "a", "sentiment": "0.5"}]}, "concepts[0].sentiment must be a number from -1 to 1"),
        ({"parameters": {"temperature": 3}}, "parameters.temperature must be a number from 0 to 2"),
        ({"parameters": {"max_tokens": 0}}, "parameters.max_tokens must be a whole number of at least 1"),
        ({"parameters": {"seed": 1.5}}, "parameters.seed must be a whole number"),
        ({"parameters": {"stop": [1]}}, "parameters.stop must be text, or a list of texts"),
        ({"fallback": "tier:fast"}, "fallback must be a list, [ … ]"),
        ({"fallback": ["tier:fast", 1]}, "fallback[1] must be text such as"),
        ({"fallback": [""]}, "fallback[0] must be a model reference, such as"),
        ({"tiers": ["fast"]}, "tiers must be an object, { … }"),
        ({"tiers": {"quick": "x:y"}}, "tiers.quick must be named like a tier: fast, balanced, smart, premium"),
        ({"tiers": {"fast": 1}}, "tiers.fast must be text such as"),
        ({"prompt_note": ["x"]}, "prompt_note must be text, or an object of texts by provider or model family"),
        ({"prompt_note": {"openai": 1}}, "prompt_note must be text, or an object of texts"),
        ({"parameters": {"reasoning_effort": 1}}, "parameters.reasoning_effort must be text in quotes"),
    ],
)
def test_what_does_not_fit_is_refused_with_file_and_key(data: object, wrong: str) -> None:
    with pytest.raises(ConfigError) as caught:
        persona_from_data("lena", data, PATH)
    assert caught.value.sentence.startswith(f"{PATH}: {wrong}")
    assert caught.value.hint == "Mend it: /persona edit lena"


@pytest.mark.parametrize(("data", "key"), [({"model": 5}, "model"), ({"models": {"tools": ["x"]}}, "models.tools")])
def test_a_model_is_text_or_an_object(data: object, key: str) -> None:
    with pytest.raises(ConfigError, match=rf"{key} must be text such as "):
        persona_from_data("lena", data, PATH)
