"""The file of a new persona."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ei import jsonc
from ei.personas.drafts import GUARD_RAILS, draft_text
from ei.personas.values import persona_from_data

TOPIC = {"name": "Looms & cards", "description": "Punched.", "type": "topic", "level_ideal": 0.9}


def test_a_draft_is_a_persona_with_guard_rails_first_and_ids_made() -> None:
    text = draft_text("ada", "Counts.", "Speaks\nplainly.", [TOPIC, TOPIC], "2026-11-20T09:00:00Z")
    persona = persona_from_data("ada", jsonc.loads(text), Path("system.jsonc"))
    assert (persona.short_description, persona.long_description) == ("Counts.", "Speaks\nplainly.")
    assert persona.last_updated == "2026-11-20T09:00:00Z"
    assert [concept.id for concept in persona.concepts] == [
        *[rule["id"] for rule in GUARD_RAILS],
        "ada-looms-cards",
        "ada-looms-cards-2",
    ]
    assert text.startswith("// ada: Counts.\n")


def test_a_draft_with_rules_of_its_own_gets_no_others() -> None:
    value: Any = jsonc.loads(draft_text("ada", "", "", [{"name": "Be kind", "type": "static", "id": "x"}]))
    assert value["concepts"] == [{"name": "Be kind", "type": "static", "id": "x"}]


@given(st.text(), st.text(), st.text(min_size=1))
def test_no_text_breaks_out_of_its_place(short: str, long: str, name: str) -> None:
    value: Any = jsonc.loads(draft_text("ada", short, long, [{"name": name, "type": "topic"}]))
    assert (value["short_description"], value["long_description"]) == (short, long)
    assert value["concepts"][-1]["name"] == name


def test_places_to_fill_in_are_only_those_of_the_template() -> None:
    value: Any = jsonc.loads(draft_text("ada", "<<long>>", "<<short>> \\1", [TOPIC]))
    assert (value["short_description"], value["long_description"]) == ("<<long>>", "<<short>> \\1")
