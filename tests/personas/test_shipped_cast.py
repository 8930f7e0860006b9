"""The personas that ship with ei."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import json5
import pytest

from ei.engine.context import system_prompt
from ei.personas.values import Persona, persona_from_data

CAST = Path(__file__).parents[2] / "personas"
NAMES = sorted(path.parent.name for path in CAST.glob("*/system.jsonc"))


def load(name: str) -> Persona:
    path = CAST / name / "system.jsonc"
    return persona_from_data(name, json5.loads(path.read_text("utf-8")), path)


def test_at_least_the_four_promised_ones_ship() -> None:
    assert {"ei", "mike", "lena", "beta"} <= set(NAMES)


def test_no_name_or_alias_belongs_to_two() -> None:
    words = [word.casefold() for name in NAMES for word in (name, *load(name).aliases)]
    assert sorted(words) == sorted(set(words))


@pytest.mark.parametrize("name", NAMES)
class TestEach:
    def test_it_has_no_model_of_its_own_but_shows_how_to_set_one(self, name: str) -> None:
        assert (load(name).model, dict(load(name).models)) == (None, {})
        assert re.search(
            r'^  // "model": "\w+:[^"]+",$', (CAST / name / "system.jsonc").read_text("utf-8"), re.MULTILINE
        )

    def test_its_comments_explain_every_key(self, name: str) -> None:
        text = (CAST / name / "system.jsonc").read_text("utf-8")
        comments = "\n".join(line for line in text.splitlines() if line.lstrip().startswith("//"))
        wanted = ("Other names", "models", "parameters", "level_current", "level_ideal", "sentiment", "ISO 8601")
        assert [word for word in wanted if word not in comments] == []

    def test_its_concepts_have_an_id_each_and_are_neither_few_nor_many(self, name: str) -> None:
        ids = [concept.id for concept in load(name).concepts]
        assert len(ids) == len(set(ids))
        assert all(re.fullmatch(rf"{name}-(?:static|persona|person|topic)-[a-z-]+", id) for id in ids)
        assert 8 <= len(ids) <= 14

    def test_an_id_says_the_type_of_its_concept(self, name: str) -> None:
        assert [c.id.split("-")[1] for c in load(name).concepts] == [c.type for c in load(name).concepts]

    @pytest.mark.parametrize("rule", ["human-contact", "never-diagnose", "honesty", "danger"])
    def test_it_carries_the_guard_rails(self, name: str, rule: str) -> None:
        assert f"{name}-static-{rule}" in [concept.id for concept in load(name).concepts]

    def test_its_prompt_is_short_enough_for_a_small_local_model(self, name: str) -> None:
        prompt = system_prompt(load(name), datetime(2026, 11, 20, 9))
        assert len(prompt) < 4 * 1400

    def test_when_it_was_changed_is_a_time_that_can_be_read(self, name: str) -> None:
        assert datetime.fromisoformat(load(name).last_updated).tzinfo is not None
