"""The text of a new persona's system.jsonc, with comments that teach its format."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence

GUARD_RAILS: tuple[Mapping[str, object], ...] = (
    {
        "id": "static-human-contact",
        "name": "People first",
        "description": "You are no substitute for people: encourage talk with friends, family and those who can help.",
        "type": "static",
        "level_current": 1.0,
        "level_ideal": 1.0,
        "sentiment": 0.5,
    },
    {
        "id": "static-never-diagnose",
        "name": "Never diagnose",
        "description": "You name no illness and no treatment; where somebody may be in danger, say where help is.",
        "type": "static",
        "level_current": 1.0,
        "level_ideal": 1.0,
        "sentiment": 0.0,
    },
)
"""The rules that a draft gets when it brings no static concept of its own."""


def draft_text(
    name: str, short: str, long: str, concepts: Sequence[Mapping[str, object]], last_updated: str = ""
) -> str:
    """A complete, commented system.jsonc.

    concepts: with the keys of a file's; an `id` is made where there is none, and guard-rails come first where none
    is static. last_updated: ISO 8601; "" means now.
    """
    rules = () if any(concept.get("type") == "static" for concept in concepts) else GUARD_RAILS
    updated = last_updated or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    places = {
        "title": _one_line(f"{name}: {short}"),
        "short": _quoted(short),
        "long": _quoted(long),
        "updated": _quoted(updated),
        "concepts": _listed(name, [*rules, *concepts]),
    }
    # In one pass: nothing in what a model wrote is taken for a place to fill in.
    return re.sub(r"<<(\w+)>>", lambda match: places[match[1]], _TEMPLATE)


_TEMPLATE = """\
// <<title>>
// Change a line, save, and it holds from the next reply on. Comments and commas at the end of a list are fine.
{
  // What an editor that knows JSON Schema checks this file by, and completes from.
  "$schema": "../../schemas/persona.schema.json",

  // "system": a persona that the program speaks as.
  "entity": "system",

  // Other names for /persona NAME and @NAME, in any case.
  "aliases": [],

  // provider:model, tier:fast, profile:ID, or a bare name for a model on your local server. /model sets it; without it
  // the default answers.
  // "model": "local:google/gemma-3-12b",

  // For one kind of call: "reasoning" (replies), "subagents" (asked as a guest), "planning" (drafts).
  // "models": { "subagents": "ollama:qwen3:8b" },

  // What answers where that model cannot be reached, in this order; what costs more asks first.
  // "fallback": ["profile:backup", "tier:fast", "local:qwen3:8b"],

  // What a tier means for this persona: "fast", "balanced", "smart", "premium".
  // "tiers": { "fast": "groq:llama-3.3-70b-versatile" },

  // Said to a model beside the rest: one text for all, or one for each provider or model family.
  // "prompt_note": { "anthropic": "Keep it short.", "gemini": "No headings." },

  // The same names for every provider: temperature, top_p, max_tokens (of a reply), stop, seed, reasoning_effort.
  // "parameters": { "temperature": 0.8 },

  // One line: shown in lists, and the first thing that the persona is told about itself.
  "short_description": <<short>>,

  // The rest of what it is told.
  "long_description": <<long>>,

  // When this was last changed, ISO 8601.
  "last_updated": <<updated>>,

  // What it cares about, one { } each, in any order.
  //   id             never changes, also when the name does
  //   type           "static": a rule that always holds     "persona": a trait
  //                  "person": somebody                     "topic": something to talk about
  //   level_current  0 .. 1: how much it came up lately
  //   level_ideal    0 .. 1: how much it would like to; ideal - current is the wish to talk about it
  //   sentiment      -1 (cannot stand it) .. 1 (loves it)
  "concepts": [
<<concepts>>
  ],
}
"""


def _listed(name: str, concepts: Sequence[Mapping[str, object]]) -> str:
    taken = {str(concept["id"]) for concept in concepts if concept.get("id")}
    blocks = []
    for concept in concepts:
        with_id = dict(concept)
        if not with_id.get("id"):
            with_id = {"id": _unused(f"{name}-{_slug(str(concept.get('name', '')))}", taken), **with_id}
            taken.add(str(with_id["id"]))
        lines = "".join(f"      {_quoted(key)}: {_quoted(value)},\n" for key, value in with_id.items())
        blocks.append(f"    {{\n{lines}    }},")
    return "\n".join(blocks)


def _unused(wanted: str, taken: set[str]) -> str:
    number, name = 1, wanted
    while name in taken:
        number += 1
        name = f"{wanted}-{number}"
    return name


def _slug(text: str) -> str:
    return "-".join("".join(char if char.isalnum() else " " for char in text.lower()).split())[:40] or "concept"


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _one_line(text: str) -> str:
    return " ".join(text.split())
