"""What a setting is: its key, default, meaning, and which values fit it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Literal

from ei.errors import ConfigError
from ei.settings.keys import key_problem

Kind = Literal[
    "reference",  # a model reference: a text or an object
    "references",  # a list of them
    "meanings",  # an object of them, one for each tier
    "text",
    "texts",  # an object of texts
    "note",  # a text, or an object of texts
    "names",  # a list of texts
    "key",  # a reference to a key, never a key
    "choice",
    "flag",
    "count",
    "number",
    "anything",  # an object that is passed on as it is
    "object",  # providers
    "profiles",
]
TIERS = ("fast", "balanced", "smart", "premium")


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of settings.jsonc.

    key: dotted path. variable: the environment variable that wins over it, or "".
    low, high: bounds of a number, both included. example: what the written-out file shows for an object.
    """

    key: str
    default: object
    kind: Kind
    meaning: str
    variable: str = ""
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    example: object = None

    def problem(self, value: object) -> str:
        """What is wrong with a value, in a few words, or ""."""
        if value is None:
            return ""
        match self.kind:
            case "reference":
                return "" if _is_reference(value) else "must be a model reference, such as a text provider:model"
            case "references":
                fits = isinstance(value, list) and all(inner and _is_reference(inner) for inner in value)
                return "" if fits else "must be a list of model references in brackets"
            case "meanings":
                if not isinstance(value, dict) or not all(_is_reference(inner) for inner in value.values()):
                    return "must be an object in braces, with a model reference for each tier"
                return "" if all(tier in TIERS for tier in value) else f"must have no keys but: {', '.join(TIERS)}"
            case "key":
                return key_problem(value)
            case "note":
                texts = value.values() if isinstance(value, dict) else (value,)
                fits = all(isinstance(inner, str) for inner in texts)
                return "" if fits else "must be a text, or an object in braces whose values are texts"
            case "profiles":
                rows = value if isinstance(value, list) else value.values() if isinstance(value, dict) else (None,)
                fits = all(isinstance(row, dict) for row in rows)
                return "" if fits else "must be a list of objects in braces, or an object of them by their ids"
            case "text":
                return "" if isinstance(value, str) else "must be a text"
            case "choice":
                return "" if value in self.choices else f"must be one of: {', '.join(self.choices)}"
            case "flag":
                return "" if isinstance(value, bool) else "must be true or false"
            case "object":
                return "" if isinstance(value, dict) else "must be an object in braces"
            case "anything":
                if not isinstance(value, dict):
                    return "must be an object in braces"
                return "" if _is_plain(value) else "must not hold NaN or Infinity: no server can be sent them"
            case "names":
                fits = isinstance(value, list) and all(isinstance(inner, str) and inner.strip() for inner in value)
                return "" if fits else "must be a list of texts in brackets"
            case "texts":
                fits = isinstance(value, dict) and all(isinstance(inner, str) for inner in value.values())
                return "" if fits else "must be an object in braces whose values are texts"
            case _:
                if isinstance(value, bool) or not isinstance(value, int if self.kind == "count" else int | float):
                    return "must be a whole number" if self.kind == "count" else "must be a number"
                if isinstance(value, float) and not math.isfinite(value):
                    return "must be a number"
                if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
                    return f"must be from {self.low:g} to {self.high:g}"
                return ""

    def from_text(self, text: str) -> object:
        """A variable's text as this setting's value. Raises ConfigError when it does not fit."""
        value: object = text
        if self.kind in ("flag", "count", "number"):
            try:
                value = json.loads(text.lower())
            except ValueError:
                value = (
                    None
                    if self.kind != "flag"
                    else {"yes": True, "on": True, "no": False, "off": False}.get(text.lower())
                )
            if self.kind == "flag" and text in ("0", "1"):
                value = text == "1"
        problem = self.problem(value) if value is not None else "cannot be read"
        if problem:
            raise ConfigError(f"{self.variable}={text!r}: {problem}.", f"It means: {self.meaning}")
        return value


def _is_plain(value: object) -> bool:
    """Whether JSON has words for all the numbers in it."""
    match value:
        case float():
            return math.isfinite(value)
        case dict():
            return all(map(_is_plain, value.values()))
        case list():
            return all(map(_is_plain, value))
        case _:
            return True


def _is_reference(value: object) -> bool:
    return value is None or isinstance(value, str | dict)
