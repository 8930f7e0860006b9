"""What a provider's refusal means, read from its words: too long, no such model, a parameter not accepted.

Each server words these its own way; the patterns below are collected from their documentation and sources.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

_TOO_LONG = re.compile(
    r"context[ _](?:length|size|window|limit)|maximum (?:context|prompt) length|prompt is too long|input is too long"
    r"|exceed[s_ ]+(?:the )?(?:available )?context|input token count .*exceeds|reduce the length of"
    r"|too many (?:input )?tokens|too large for model|max_new_tokens`? must be|request too large",
    re.IGNORECASE,
)
_CODES = ("context_length_exceeded", "exceed_context_size_error", "string_above_max_length", "request_too_large")
_COUNT = r"(\d[\d,]*)"
_LIMITS = (
    rf"context size \({_COUNT} tokens",  # llama.cpp
    rf"> {_COUNT} maximum",  # Anthropic: prompt is too long: 210000 tokens > 200000 maximum
    rf"context limit: [\d,]+ \+ [\d,]+ > {_COUNT}",  # Anthropic: input length and max_tokens
    rf"maximum (?:context|prompt) length (?:is|of) {_COUNT}",  # OpenAI, OpenRouter, vLLM, xAI
    rf"maximum number of tokens allowed \(?{_COUNT}",  # Google
    rf"model with {_COUNT} maximum context",  # Mistral
    rf"context length of (?:only )?{_COUNT}",  # LM Studio
    rf"must be <= {_COUNT}",  # Together
)
_ASKED = (
    rf"request \({_COUNT} tokens\)",  # llama.cpp
    rf"too long: {_COUNT} tokens",  # Anthropic
    rf"in {_COUNT} tokens",  # OpenAI: your messages resulted in 9000 tokens
    rf"(?:requested about|you requested) {_COUNT} tokens",  # OpenRouter, vLLM
    rf"token count \({_COUNT}\)",  # Google
    rf"contains {_COUNT} tokens",  # Mistral, xAI
)


def too_long(status: int, words: str, fields: Mapping[str, object]) -> tuple[int | None, int | None] | None:
    """(tokens asked, tokens that fit), each where it is said; None where the request was not too long."""
    if status not in (400, 413, 422, 500):
        return None
    coded = fields.get("code") in _CODES or fields.get("type") in _CODES
    if not (coded or status == 413 or _TOO_LONG.search(words)):
        return None
    asked, limit = (fields.get(name) for name in ("n_prompt_tokens", "n_ctx"))
    return (
        asked if isinstance(asked, int) and asked > 0 else first_count(_ASKED, words),
        limit if isinstance(limit, int) and limit > 0 else first_count(_LIMITS, words),
    )


def first_count(patterns: Iterable[str], words: str) -> int | None:
    for pattern in patterns:
        if match := re.search(pattern, words, re.IGNORECASE):
            return int(match[1].replace(",", ""))
    return None


_NO_MODEL = re.compile(
    r"model.{0,200}?(?:not found|does not exist|not exist|doesn't exist|is not available|not supported|no longer)"
    r"|(?:invalid|unknown|no such|not a valid|unexpected|could not find|cannot find).{0,20}model|not a valid model"
    r"|failed to load model|no models? loaded",
    re.IGNORECASE | re.DOTALL,
)


def unknown_model(status: int, words: str, fields: Mapping[str, object], model: str) -> bool:
    """Whether the server does not have that model."""
    if fields.get("code") in ("model_not_found", "invalid_model"):
        return True
    if status == 404:
        # A wrong address is 404, too, but does not speak of the model.
        return bool(re.search(r"\bmodels?\b|\bdeployment\b", words, re.IGNORECASE)) or bool(model and model in words)
    return status in (400, 422) and fields.get("param") in (None, "", "model") and bool(_NO_MODEL.search(words))


OUR_NAMES = {
    "stop_sequences": "stop",
    "output_config": "reasoning_effort",
    "num_predict": "max_tokens",
    "think": "reasoning_effort",
}
_STRUCTURE = frozenset({"model", "messages", "stream", "system"})
_SYSTEM_ROLE = re.compile(r"system (?:role|message|prompt)s? (?:is |are )?not (?:supported|allowed)", re.IGNORECASE)
_SIGNATURE = re.compile(r"signature.{0,40}thinking|thinking.{0,40}signature", re.IGNORECASE)


_NOT_SUPPORTED = re.compile(r"\bparam(?:eter)? requires\b|\bnot (?:yet )?(?:supported|implemented)\b|unsupported", re.I)


def not_supported(words: str) -> bool:
    """Whether a server's own fault is really a refusal (llama.cpp's 500: "tools param requires --jinja flag")."""
    return bool(_NOT_SUPPORTED.search(words))


def mentioned_parameter(words: str, body: object, sent: Collection[str]) -> str:
    """Which of the fields that were sent a 400 or 422 names, by our name for it; "" where it names none.

    Also "system" for a chat template without a system role, "signatures" for thinking blocks sent back.
    """
    candidates = [name for name in sent if name not in _STRUCTURE]
    for name in structured(body):
        if name in candidates:
            return OUR_NAMES.get(name, name)
    if _SYSTEM_ROLE.search(words):
        return "system"
    if _SIGNATURE.search(words):
        return "signatures"
    places = {name: match.start() for name in candidates if (match := re.search(rf"\b{re.escape(name)}\b", words))}
    if {"temperature", "top_p"} <= places.keys():
        return "top_p"  # one of them alone is accepted; the temperature says more
    return OUR_NAMES.get(first, first) if (first := min(places, key=places.__getitem__, default="")) else ""


def structured(body: object) -> list[str]:
    """The parameters that the error names in a field: OpenAI's param, the loc of pydantic's errors (Mistral, vLLM)."""
    found: list[str] = []
    waiting = [body]
    while waiting:
        value = waiting.pop(0)
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, Mapping):
            if isinstance(param := value.get("param"), str) and param:
                found.append(param.partition(".")[0])
            if isinstance(loc := value.get("loc"), list):
                found += [part for part in loc if isinstance(part, str) and part != "body"][:1]
            waiting += [part for part in value.values() if isinstance(part, Mapping | list)]
    return found
