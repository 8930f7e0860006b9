"""Drafts a persona from an idea with the model that planning resolves to."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ei import jsonc
from ei.engine.oneshot import complete
from ei.engine.privacy import is_private
from ei.errors import ConfigError, EiError, FileSyntaxError
from ei.models.interactions import PLANNING
from ei.models.resolve import COMPANION, Resolution
from ei.personas.drafts import draft_text

if TYPE_CHECKING:
    from ei.engine.session import Session

INSTRUCTIONS = """You invent characters for a conversation program. Answer with one JSON object and nothing else:
{"short_description": one sentence about who it is,
 "long_description": three to six sentences, in the third person: how it talks, what it cares about, what it never does,
 "concepts": a list of 4 to 8 objects {"name", "description", "type": "persona" for a trait or "topic" for a subject,
   "level_current": 0 to 1, "level_ideal": 0 to 1 (how much it wants to talk about it), "sentiment": -1 to 1}}
No text before or after the object."""


@dataclass(frozen=True, slots=True)
class Draft:
    """text: a complete system.jsonc. problem: why the model's draft could not be used, or ""."""

    text: str
    model: str
    problem: str = ""


async def draft_persona(session: Session, name: str, idea: str, progress: Callable[[str], None]) -> Draft:
    """A persona file for `idea`, one line.

    Where the model cannot draft (the built-in companion, an answer that is no JSON, a provider that fails),
    the idea itself becomes a plain draft and `problem` says why.
    """
    private = await is_private(session.services, None, None, (session.persona,))
    resolution = await session.services.chooser.resolve(session.persona, None, PLANNING, private=bool(private))
    model = str(resolution.model)
    if resolution.model == COMPANION:
        return Draft(
            _plain(name, idea),
            model,
            "The built-in companion cannot invent a persona: this is a plain draft of your idea.",
        )

    def instead(found: Resolution) -> None:
        nonlocal model
        model = str(found.model)

    try:
        reply = await complete(
            session.services,
            resolution,
            PLANNING,
            INSTRUCTIONS,
            f"Name: {name}\nIdea: {idea}",
            progress=progress,
            people=(session.persona,),
            ask=session.may_cost_more,
            instead=instead,
        )
        return Draft(_written(name, idea, reply), model)
    except ConfigError as exc:
        return Draft(
            _plain(name, idea),
            model,
            f"{model} gave no usable draft ({exc.sentence}): this is a plain one of your idea.",
        )
    except EiError as exc:
        return Draft(
            _plain(name, idea),
            model,
            f"{exc.sentence} So this is a plain draft of your idea. "
            "Another model drafts with: /settings interactions.planning.model SPEC",
        )


def _written(name: str, idea: str, reply: str) -> str:
    match = re.search(r"\{.*\}", reply, re.DOTALL)
    if not match:
        raise ConfigError("there is no object in its answer")
    try:
        data = jsonc.loads(match[0], "the draft")
    except FileSyntaxError as exc:
        raise ConfigError(f"line {exc.line}, column {exc.column}: {exc.problem.rstrip('.')}") from exc
    if not isinstance(data, Mapping):
        raise ConfigError("there is no object in its answer")
    short, long = (_text(data.get(f"{length}_description")) for length in ("short", "long"))
    if not short and not long:
        raise ConfigError("it describes nobody")
    concepts = data.get("concepts")
    return draft_text(
        name,
        " ".join((short or idea).split()),
        long or idea,
        [_concept(concept) for concept in concepts if isinstance(concept, Mapping)]
        if isinstance(concepts, list)
        else [],
    )


def _concept(data: Mapping[str, object]) -> dict[str, object]:
    """A concept of a model's draft with what does not fit put right, so that the file can be read."""
    kind = data.get("type")
    return {
        "name": _text(data.get("name")) or "unnamed",
        "description": _text(data.get("description")),
        "type": kind if kind in ("static", "persona", "person", "topic") else "topic",
        "level_current": _level(data.get("level_current"), 0.0, 1.0, 0.3),
        "level_ideal": _level(data.get("level_ideal"), 0.0, 1.0, 0.6),
        "sentiment": _level(data.get("sentiment"), -1.0, 1.0, 0.3),
    }


def _plain(name: str, idea: str) -> str:
    return draft_text(name, idea, idea, [])


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _level(value: object, low: float, high: float, default: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:  # not-a-number is not itself
        return default
    return round(float(min(max(value, low), high)), 2)
