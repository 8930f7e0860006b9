"""Every setting as one value: its key, default, what it means; the file, its checks and its schema come from these."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
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


def _settings() -> Iterable[Setting]:
    yield Setting(
        "default_model",
        None,
        "reference",
        'The model for personas that have none of their own, or "last-used".',
        variable="",
        example="local:google/gemma-3-12b",
    )
    for name, meaning in (
        ("reasoning", "a persona's reply"),
        ("subagents", "a persona asked by another"),
        ("planning", "drafting a persona, deciding whether to speak"),
    ):
        yield Setting(
            f"interactions.{name}.model",
            None,
            "reference",
            f"The model for {meaning}.",
            f"EI_MODEL_{name.upper()}",
            example="google:gemini-2.5-pro",
        )
        yield Setting(
            f"interactions.{name}.temperature",
            None,
            "number",
            f"How freely it answers, for {meaning}; null leaves it to the model.",
            low=0,
            high=2,
            example=0.7,
        )
        yield Setting(
            f"interactions.{name}.max_tokens",
            None,
            "count",
            f"The longest reply in tokens, for {meaning}; null leaves it to the model.",
            low=1,
            high=10_000_000,
            example=4096,
        )
    yield Setting(
        "providers",
        {},
        "object",
        "Addresses, key references and headers of providers, and providers of your own.",
        example={
            "work": {
                "base_url": "https://llm.example.org/v1",
                "key": "env:WORK_LLM_KEY",
                "headers": {"X-Team": "writers"},
            }
        },
    )
    yield Setting(
        "display.theme",
        "auto",
        "choice",
        "Colours: auto looks at the terminal's background.",
        "EI_THEME",
        ("auto", "dark", "light", "plain"),
    )
    yield Setting("display.keys", "emacs", "choice", "How the input line is edited.", "EI_KEYS", ("emacs", "vi"))
    yield Setting(
        "display.ctrl_j",
        "newline",
        "choice",
        "What Ctrl-J does: send is for terminals whose Enter is a line feed.",
        "",
        ("newline", "send"),
    )
    yield Setting("display.reply_line", True, "flag", "Whether model, time and tokens show under each reply.")
    yield Setting(
        "display.reasoning",
        "folded",
        "choice",
        "How much of a model's reasoning shows: nothing, one line, all of it.",
        "",
        ("hidden", "folded", "full"),
    )
    yield Setting("display.recap", 6, "count", "How many messages show when a conversation is opened.", low=0, high=200)
    yield Setting(
        "models.sync",
        True,
        "flag",
        "Whether providers are asked for their models once a day, in the background of a chat.",
        "EI_MODELS_SYNC",
    )
    yield Setting(
        "models.paid",
        [],
        "names",
        "Providers and models that a tier may choose although they cost money.",
        example=["anthropic", "openai:gpt-5-mini"],
    )
    yield Setting("retry.attempts", 4, "count", "How often a busy provider is asked in all.", low=1, high=20)
    yield Setting(
        "retry.longest_wait", 60, "number", "The longest pause before a further try, in seconds.", low=0, high=3600
    )


def _of_a_provider() -> Iterable[Setting]:
    yield Setting("label", None, "text", "What it is called where providers are listed; its name unless told.")
    yield Setting("base_url", None, "text", "Where it answers, with /v1 where it has one.")
    yield Setting("wire", None, "choice", "Which API it speaks; openai unless told.", choices=("openai", "anthropic"))
    yield Setting("key", None, "text", "Where its key is: env:NAME. Never the key itself.")
    yield Setting(
        "headers", None, "texts", "Sent with every request; values may be env:NAME, and what is secret must be."
    )
    yield Setting("enabled", True, "flag", "Whether it may be used.")


SETTINGS: Mapping[str, Setting] = {setting.key: setting for setting in _settings()}
OF_A_PROVIDER: Mapping[str, Setting] = {setting.key: setting for setting in _of_a_provider()}
"""What each object in `providers` may hold."""


def check(data: Mapping[str, object], path: Path | str) -> list[str]:
    """Warnings about keys that mean nothing. Raises ConfigError for a value that does not fit its setting.

    No value is repeated: a key may stand where it should not.
    """
    warnings: list[str] = []
    known = set(SETTINGS)
    parents = {key.rsplit(".", n)[0] for key in known for n in range(1, key.count(".") + 1)}

    def refuse(key: str, problem: str) -> None:
        if problem:
            raise ConfigError(f"{path}: {key} {problem}.", "Mend it with: ei settings edit")

    def provider(value: Mapping[str, object], prefix: str) -> None:
        for name, inner in value.items():
            if name in OF_A_PROVIDER:
                refuse(prefix + name, OF_A_PROVIDER[name].problem(inner))
            else:
                near = _nearest(name, OF_A_PROVIDER, prefix)
                warnings.append(f"settings.jsonc: {prefix}{name} is not a setting{near}")

    def walk(value: Mapping[str, object], prefix: str) -> None:
        for name, inner in value.items():
            key = prefix + name
            if key in known:
                refuse(key, SETTINGS[key].problem(inner))
                for own, held in inner.items() if key == "providers" and isinstance(inner, dict) else ():
                    if not isinstance(held, dict):
                        refuse(f"{key}.{own}", "must be an object in braces")
                    else:
                        provider(held, f"{key}.{own}.")
            elif key in parents:
                if inner is None:
                    continue
                if not isinstance(inner, dict):
                    refuse(key, "must be an object in braces")
                else:
                    walk(inner, key + ".")
            elif name != "$schema":
                warnings.append(f"settings.jsonc: {key} is not a setting{_nearest(key, known | parents)}")

    walk(data, "")
    return warnings


def settings_text(schema: str = "") -> str:
    """A complete settings.jsonc: every key as a comment with its default and a line that explains it."""
    out = [
        "// Settings of ei. Each key is here as a comment with its default: take away the slashes to change one.",
        "// Comments and order stay when ei changes a value. Check it with: ei settings",
        "{",
    ]
    if schema:
        out.append(f'  "$schema": {json.dumps(schema)},')
    tree: dict[str, object] = {}
    for setting in SETTINGS.values():
        *parents, last = setting.key.split(".")
        node = tree
        for parent in parents:
            inner = node.setdefault(parent, {})
            assert isinstance(inner, dict)
            node = inner
        node[last] = setting
    out += _lines(tree, 1)
    out.append("}")
    return "\n".join(out) + "\n"


def settings_schema() -> dict[str, object]:
    """The JSON Schema of settings.jsonc (draft 2020-12)."""
    root: dict[str, object] = {
        "type": "object",
        "properties": {"$schema": {"type": "string"}},
        "additionalProperties": False,
    }
    for setting in SETTINGS.values():
        *parents, last = setting.key.split(".")
        node = root
        for parent in parents:
            properties = node["properties"]
            assert isinstance(properties, dict)
            node = properties.setdefault(parent, {"type": "object", "properties": {}, "additionalProperties": False})
        properties = node["properties"]
        assert isinstance(properties, dict)
        properties[last] = _schema_of(setting)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Settings of ei", **root}


def _schema_of(setting: Setting) -> dict[str, object]:
    shape: dict[str, object]
    match setting.kind:
        case "reference":
            shape = {"type": ["string", "object", "null"]}
        case "text":
            shape = {"type": ["string", "null"]}
        case "choice":
            shape = {"enum": [*setting.choices, None]}
        case "flag":
            shape = {"type": ["boolean", "null"]}
        case "object":
            shape = {"type": ["object", "null"], "additionalProperties": _schema_of_a_provider()}
        case "names":
            shape = {"type": ["array", "null"], "items": {"type": "string", "minLength": 1}}
        case "texts":
            shape = {"type": ["object", "null"], "additionalProperties": {"type": "string"}}
        case _:
            shape = {
                "type": ["integer" if setting.kind == "count" else "number", "null"],
                "minimum": setting.low,
                "maximum": setting.high,
            }
    return {"description": setting.meaning, **shape, "default": setting.default}


def _schema_of_a_provider() -> dict[str, object]:
    shapes = {name: _schema_of(setting) for name, setting in OF_A_PROVIDER.items()}
    shapes["key"]["pattern"] = "^env:"
    return {"type": "object", "properties": shapes, "additionalProperties": False}


def _lines(tree: Mapping[str, object], depth: int) -> list[str]:
    # Objects are real and their members comments, so that taking away two slashes is all a change needs.
    out: list[str] = []
    indent = "  " * depth
    for name, node in tree.items():
        if isinstance(node, Setting):
            out.append(f"{indent}// {node.meaning}" + (f" Also: {node.variable}" if node.variable else ""))
            if node.choices:
                out.append(f"{indent}// One of: {', '.join(node.choices)}")
            shown = node.default if node.example is None else node.example
            note = " // default: null" if node.default is None and node.example is not None else ""
            lines = None if node.kind == "names" else 2
            written = json.dumps(shown, ensure_ascii=False, indent=lines).replace("\n", f"\n{indent}// ")
            out.append(f"{indent}// {json.dumps(name)}: {written},{note}")
        else:
            assert isinstance(node, dict)
            out.append(f"{indent}{json.dumps(name)}: {{")
            out += _lines(node, depth + 1)
            out.append(f"{indent}}},")
    return out


def _nearest(key: str, known: Iterable[str], prefix: str = "") -> str:
    import difflib

    near = difflib.get_close_matches(key, list(known), n=1)
    return f"; did you mean {prefix}{near[0]}?" if near else "."
