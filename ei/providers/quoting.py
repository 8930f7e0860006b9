"""What a provider said, as one clean line: found in its error object, without keys and control characters."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from ei.providers.base import Connection
from ei.providers.keys import KnownKey
from ei.providers.redactor import hide

LONGEST_QUOTE = 200


def error_fields(body: object) -> Mapping[str, object]:
    """The innermost error object: OpenAI's, Anthropic's, or what stands in its place."""
    if isinstance(body, list) and body:
        body = body[0]  # Google wraps it into an array
    while isinstance(body, Mapping) and isinstance(body.get("error"), Mapping):
        body = body["error"]
    return body if isinstance(body, Mapping) else {}


def code_of(body: object) -> str:
    """The code of an error object: OpenAI's `code`, Anthropic's `details.error_code`."""
    fields = error_fields(body)
    details = fields.get("details")
    inner = details.get("error_code") if isinstance(details, Mapping) else None
    return str(inner or fields.get("code") or "")


def said(body: object, connection: Connection, longest: int = LONGEST_QUOTE) -> str:
    """What the provider said, as one clean line without keys; "" where it said nothing or sent a page."""
    if is_page(body):
        return ""
    if isinstance(body, str):
        return clean(body, connection, longest)
    fields = error_fields(body)
    for name in ("message", "detail", "error", "error_description"):
        value = fields.get(name)
        if isinstance(value, str) and value.strip():
            raw = upstream(fields)
            return clean(f"{value} {raw}" if raw else value, connection, longest)
        if isinstance(value, Mapping | list) and value:
            return clean(dumped(value), connection, longest)
    return clean(dumped(body), connection, longest) if body else ""


def ended(words: str) -> str:
    """With a full stop, where another sentence follows."""
    return words if words[-1:] in ".!?…" else f"{words}."


def upstream(fields: Mapping[str, object]) -> str:
    """What the provider behind OpenRouter said."""
    metadata = fields.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, Mapping) else None
    return raw if isinstance(raw, str) else ""


def dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, Mapping | list) else ""


def is_page(body: object) -> bool:
    return isinstance(body, str) and body.lstrip()[:1] == "<"


def clean(text: str, connection: Connection, longest: int = LONGEST_QUOTE) -> str:
    """One line: no control characters, no key, no header's value, at most `longest` characters."""
    secrets = [*connection.headers.values()]
    if isinstance(connection.key, KnownKey):
        secrets.append(connection.key.text)
    text = connection.redactor.hide(text, secrets)
    text = hide(text, sorted((secret for secret in secrets if len(secret) >= 4), key=len, reverse=True))
    text = re.sub(r"\b(?:sk|gsk|xai|AIza)[-_A-Za-z0-9*.]{12,}", "[key]", text)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"
