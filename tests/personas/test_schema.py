"""The JSON Schema that editors check a system.jsonc by says what the program reads."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import ei.personas
from ei.errors import ConfigError
from ei.models.interactions import PLANNING, REASONING, SUBAGENTS
from ei.personas.values import CONCEPT_TYPES, Concept, Persona, persona_from_data

SCHEMA: Any = json.loads(Path(ei.personas.__path__[0], "persona.schema.json").read_text("utf-8"))
CONCEPT = SCHEMA["definitions"]["concept"]["properties"]


def test_the_schema_knows_every_key_that_is_read() -> None:
    read = {field.name for field in fields(Persona)} - {"name", "path"}
    assert set(SCHEMA["properties"]) == read | {"$schema"}
    assert set(CONCEPT) == {field.name for field in fields(Concept)}
    assert tuple(CONCEPT["type"]["enum"]) == CONCEPT_TYPES
    assert set(SCHEMA["properties"]["models"]["properties"]) == {i.name for i in (REASONING, SUBAGENTS, PLANNING)}


@pytest.mark.parametrize("key", ["level_current", "level_ideal", "sentiment"])
def test_the_schema_has_the_bounds_and_defaults_of_the_reader(key: str) -> None:
    for bound, beyond in ((CONCEPT[key]["minimum"], -0.01), (CONCEPT[key]["maximum"], 0.01)):
        persona_from_data("x", {"concepts": [{"name": "a", key: bound}]}, Path("x"))
        with pytest.raises(ConfigError):
            persona_from_data("x", {"concepts": [{"name": "a", key: bound + beyond}]}, Path("x"))
    concept = persona_from_data("x", {"concepts": [{"name": "a"}]}, Path("x")).concepts[0]
    assert getattr(concept, key) == CONCEPT[key]["default"]
