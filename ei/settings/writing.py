"""A settings.jsonc with everything explained, and the JSON Schema that editors check one by."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ei.settings.table import OF_A_PROFILE, OF_A_PROVIDER, SETTINGS
from ei.settings.values import TIERS, Setting


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
        case "references":
            shape = {"type": ["array", "null"], "items": {"type": ["string", "object"]}}
        case "meanings":
            each = {"type": ["string", "object", "null"]}
            properties = dict.fromkeys(TIERS, each)
            shape = {"type": ["object", "null"], "properties": properties, "additionalProperties": False}
        case "key":
            shape = {"type": ["string", "null"], "pattern": "^(env:)?[A-Za-z_][A-Za-z0-9_]*$"}
        case "note":
            shape = {"type": ["string", "object", "null"], "additionalProperties": {"type": "string"}}
        case "profiles":
            profile = _schema_of_a_profile()
            shape = {"type": ["array", "object", "null"], "items": profile, "additionalProperties": profile}
        case "anything":
            shape = {"type": ["object", "null"]}
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


def _schema_of_a_profile() -> dict[str, object]:
    shapes = {name: _schema_of(setting) for name, setting in OF_A_PROFILE.items()}
    return {"type": "object", "properties": shapes, "required": ["model"], "additionalProperties": False}


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
            lines = None if node.kind in ("names", "meanings") else 2
            written = json.dumps(shown, ensure_ascii=False, indent=lines).replace("\n", f"\n{indent}// ")
            out.append(f"{indent}// {json.dumps(name)}: {written},{note}")
        else:
            assert isinstance(node, dict)
            out.append(f"{indent}{json.dumps(name)}: {{")
            out += _lines(node, depth + 1)
            out.append(f"{indent}}},")
    return out
