"""What a setting is: its key, default, meaning, and which values fit it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from ei.errors import ConfigError

Kind = Literal["reference", "text", "texts", "names", "choice", "flag", "count", "number", "object"]


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
                return (
                    "" if isinstance(value, str | dict) else "must be a model reference, such as a text provider:model"
                )
            case "text":
                return "" if isinstance(value, str) else "must be a text"
            case "choice":
                return "" if value in self.choices else f"must be one of: {', '.join(self.choices)}"
            case "flag":
                return "" if isinstance(value, bool) else "must be true or false"
            case "object":
                return "" if isinstance(value, dict) else "must be an object in braces"
            case "names":
                fits = isinstance(value, list) and all(isinstance(inner, str) and inner.strip() for inner in value)
                return "" if fits else "must be a list of texts in brackets"
            case "texts":
                fits = isinstance(value, dict) and all(isinstance(inner, str) for inner in value.values())
                return "" if fits else "must be an object in braces whose values are texts"
            case _:
                if isinstance(value, bool) or not isinstance(value, int if self.kind == "count" else int | float):
                    return "must be a whole number" if self.kind == "count" else "must be a number"
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
        problem = self.problem(value) if value is not None else "cannot be read"
        if problem:
            raise ConfigError(f"{self.variable}={text!r}: {problem}.", f"It means: {self.meaning}")
        return value
