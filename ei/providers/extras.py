"""What both wires make of a request's further wishes: fields of a profile's own, a schema told in words."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from ei.messages import ChatRequest


def with_extra(body: dict[str, object], request: ChatRequest, kept: Collection[str]) -> dict[str, object]:
    """The body with `request.extra`; what is in it stays, and nothing named in `kept` is added."""
    return {**{name: value for name, value in request.extra.items() if name not in kept and value is not None}, **body}


def in_words(schema: Mapping[str, object]) -> str:
    """What a model is told that cannot be given a schema; OpenAI's json_object demands the word JSON."""
    return f"Answer with one JSON object and nothing else. It fits this JSON Schema: {json.dumps(schema)}"
