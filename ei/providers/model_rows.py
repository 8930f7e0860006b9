"""One row of a provider's list of models, read in every shape that was seen: pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from ei.providers.listed import ListedModel

LONGEST_ID = 300
MOST_ALIASES = 50
NANO = 1_000_000_000
PER_TOKEN = Decimal(NANO) * 1_000_000
"""From dollars per token (OpenRouter) to nano-dollars per million tokens."""
PER_MILLION = Decimal(NANO)
"""From dollars per million tokens (Together)."""
CENTS_PER_100_MILLION = Decimal(NANO) / 10_000
"""From xAI's cents per hundred million tokens: 30000 is $3 per million."""
DEAREST = 10**6 * NANO
"""A million dollars for a million tokens is no price but a mistake."""


def read_page(page: object) -> list[ListedModel]:
    """The models of one page: `{"data": […]}` (OpenAI), `{"models": […]}` (Google, xAI, Ollama, LM Studio), or a
    bare array (Together)."""
    rows = page
    if isinstance(page, Mapping):
        rows = page.get("data") if isinstance(page.get("data"), list) else page.get("models")
    if not isinstance(rows, list):
        return []
    return [model for row in rows if isinstance(row, Mapping) and (model := read_row(row)) is not None]


def read_row(row: Mapping[str, object]) -> ListedModel | None:
    """One row; None where it names nothing that can be asked for."""
    id = row.get("id") or row.get("key") or row.get("name")
    if not isinstance(id, str):
        return None
    id = id.removeprefix("models/")
    if not 0 < len(id) <= LONGEST_ID or not id.isprintable() or id != id.strip():
        return None
    if row.get("active") is False or row.get("lifecycle") == "retired":  # Groq, Anthropic: listed, and refused
        return None
    input, cached, written, output = prices_of(id, row)
    return ListedModel(
        id,
        context_of(row),
        chats(id, row),
        label_of(id, row),
        input,
        cached,
        written,
        output,
        max_output_of(row),
        capabilities_of(row),
        sampling_of(row),
        shutdown_of(row),
        created_of(row),
        aliases_of(id, row),
    )


def with_details(model: ListedModel, details: object) -> ListedModel:
    """The model with what Ollama's `POST /api/show` says: its longest context and what it can do."""
    if not isinstance(details, Mapping):
        return model
    from dataclasses import replace

    info = details.get("model_info")
    fields = info.items() if isinstance(info, Mapping) else ()
    lengths = [value for name, value in fields if str(name).endswith(".context_length")]
    context = next((length for value in lengths if (length := _tokens(value))), None)
    said = capabilities_of(details)
    chat = model.chat if said is None else "embeddings" not in said
    return replace(model, context=model.context or context, capabilities=said or model.capabilities, chat=chat)


# What a row says.

_CONTEXT_FIELDS = (
    "context_window",
    "context_length",
    "max_model_len",
    "max_context_length",
    "max_input_tokens",
    "inputTokenLimit",
)
_META_FIELDS = ("n_ctx", "n_ctx_train")


def context_of(row: Mapping[str, object]) -> int | None:
    """The context in tokens; llama.cpp's n_ctx is what it was started with, n_ctx_train what the model could.

    LM Studio tells what a loaded model was loaded with: nothing longer can be sent.
    """
    for instance in _list(row.get("loaded_instances")):
        config = instance.get("config") if isinstance(instance, Mapping) else None
        if isinstance(config, Mapping) and (loaded := _tokens(config.get("context_length"))):
            return loaded
    meta = row.get("meta")
    candidates = [row.get(name) for name in _CONTEXT_FIELDS]
    if isinstance(meta, Mapping):
        candidates += [meta.get(name) for name in _META_FIELDS]
    return next((tokens for value in candidates if (tokens := _tokens(value))), None)


def max_output_of(row: Mapping[str, object]) -> int | None:
    """The longest reply in tokens. Anthropic's max_tokens is one; elsewhere that may be anything."""
    top = row.get("top_provider")
    candidates = [row.get("max_completion_tokens"), row.get("outputTokenLimit"), row.get("max_output_length")]
    if isinstance(top, Mapping):
        candidates.append(top.get("max_completion_tokens"))
    if "max_input_tokens" in row:
        candidates.append(row.get("max_tokens"))
    return next((tokens for value in candidates if (tokens := _tokens(value))), None)


def label_of(id: str, row: Mapping[str, object]) -> str:
    """What its maker calls the model, with its size where a server on one's own machine tells it."""
    details = row.get("details")
    if isinstance(details, Mapping):
        parts = [details.get(name) for name in ("family", "parameter_size", "quantization_level")]
        return _text(" ".join(part for part in parts if isinstance(part, str) and part))
    name = next(
        (text for field in ("display_name", "displayName", "name") if (text := _text(row.get(field)))), ""
    ).removeprefix("models/")
    size = _text(row.get("params_string"))
    if size and size.lower() not in name.lower():
        name = f"{name} {size}".strip()
    return "" if name == id else name


def prices_of(id: str, row: Mapping[str, object]) -> tuple[int | None, int | None, int | None, int | None]:
    """(input, cached, cache write, output) in nano-dollars per million tokens, exact; None where not said.

    Sources: OpenRouter `pricing` with dollars per token as texts, -1 where it varies; Together `pricing` with dollars
    per million tokens, 0 where a model has no price by token; xAI `…_token_price`.
    """
    pricing = row.get("pricing")
    if not isinstance(pricing, Mapping):
        names = ("prompt_text_token_price", "cached_prompt_text_token_price", "", "completion_text_token_price")
        input, cached, written, output = (_price(row.get(name), CENTS_PER_100_MILLION) for name in names)
        return input, cached, written, output
    if "prompt" in pricing or "completion" in pricing:
        names = ("prompt", "input_cache_read", "input_cache_write", "completion")
        input, cached, written, output = (_price(pricing.get(name), PER_TOKEN) for name in names)
        return input, cached, written, output
    input, output = (_price(pricing.get(name), PER_MILLION) for name in ("input", "output"))
    if not input and not output and "free" not in id.lower():
        return None, None, None, None
    return input, _price(pricing.get("cached_input"), PER_MILLION), None, output


_ABILITIES = {
    "tools": "tools",
    "tool_use": "tools",
    "trained_for_tool_use": "tools",
    "function_calling": "tools",
    "server_tools": "tools",
    "vision": "vision",
    "image_input": "vision",
    "multimodal": "vision",
    "thinking": "reasoning",
    "reasoning": "reasoning",
    "include_reasoning": "reasoning",
    "structured_outputs": "structured_output",
    "response_format": "structured_output",
    "embedding": "embeddings",
    "embeddings": "embeddings",
    "completion": "streaming",
    "completion_chat": "streaming",
}


def capabilities_of(row: Mapping[str, object]) -> frozenset[str] | None:
    """What the model can do, in our words; None where the row says nothing of it."""
    said: set[str] = set()
    spoken = False
    capabilities = row.get("capabilities")
    if isinstance(capabilities, Mapping):
        spoken = True
        said.update(str(name) for name, value in capabilities.items() if _supported(value))
    for words in (capabilities, row.get("supported_parameters")):
        if isinstance(words, list):
            spoken = True
            said.update(word for word in words if isinstance(word, str))
    architecture = row.get("architecture")
    inputs = architecture.get("input_modalities") if isinstance(architecture, Mapping) else row.get("input_modalities")
    if isinstance(inputs, list):
        spoken = True
        said.update({"vision"} if "image" in inputs else ())
    if row.get("thinking") is True:
        spoken = True
        said.add("thinking")
    if "embedContent" in _list(row.get("supportedGenerationMethods")):
        spoken = True
        said.add("embedding")
    if str(row.get("type")).lower() in ("embedding", "embeddings"):
        spoken = True
        said.add("embeddings")
    return frozenset(_ABILITIES[word] for word in said if word in _ABILITIES) if spoken else None


def sampling_of(row: Mapping[str, object]) -> bool | None:
    """Whether temperature is among the parameters that OpenRouter lists; None where nobody lists them."""
    parameters = row.get("supported_parameters")
    return "temperature" in parameters if isinstance(parameters, list) and parameters else None


def shutdown_of(row: Mapping[str, object]) -> str:
    """The day from which the model is gone, as ISO date; "" where none is set."""
    for name in ("shutdown_date", "retires_at", "deprecation", "expiration_date"):
        value = row.get(name)
        if isinstance(value, str) and (found := re.match(r"\d{4}-\d{2}-\d{2}", value)):
            return found[0]
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**11:
            from datetime import UTC, datetime

            return datetime.fromtimestamp(value, UTC).date().isoformat()
    return ""


def created_of(row: Mapping[str, object]) -> int | None:
    """When the model was released, milliseconds since 1970; None where not said or said as the beginning of time."""
    seconds = row.get("created")
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 < seconds < 10**11:
        return int(seconds * 1000)
    text = row.get("created_at")
    if isinstance(text, str):
        from datetime import UTC, datetime

        try:
            moment = datetime.fromisoformat(text)
            stamp = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
        except (ValueError, OverflowError):
            return None
        return stamp if stamp > 0 else None
    return None


def aliases_of(id: str, row: Mapping[str, object]) -> tuple[str, ...]:
    names = [name for name in _list(row.get("aliases")) if isinstance(name, str) and name != id]
    return tuple(name for name in names if 0 < len(name) <= LONGEST_ID and name.isprintable())[:MOST_ALIASES]


_NO_CHAT_TYPES = frozenset({"embedding", "embeddings", "image", "audio", "video", "moderation", "rerank", "transcribe"})
_NO_CHAT_NAME = re.compile(
    r"embed|\bbge-|\be5-|\bgte-|whisper|\btts\b|-tts|dall-e|gpt-image|imagen|-image\b|\bveo-|\bsora|moderation|rerank"
    r"|transcribe|realtime|-audio|speech|\blyria|^(?:babbage|davinci)|\baqa$|stable-diffusion|\bflux",
    re.IGNORECASE,
)


def chats(id: str, row: Mapping[str, object]) -> bool:
    """Whether the model answers messages with text, by what the row says, else by its name."""
    kind = row.get("type")
    if isinstance(kind, str) and kind.lower() in _NO_CHAT_TYPES:
        return False
    if kind in ("chat", "language", "llm", "vlm"):
        return True
    capabilities = row.get("capabilities")
    if isinstance(capabilities, Mapping) and isinstance(capabilities.get("completion_chat"), bool):
        return bool(capabilities["completion_chat"])
    methods = row.get("supportedGenerationMethods")
    if isinstance(methods, list) and "generateContent" not in methods:
        return False
    architecture = row.get("architecture")
    outputs = architecture.get("output_modalities") if isinstance(architecture, Mapping) else None
    if isinstance(outputs, list) and outputs and "text" not in outputs:
        return False
    return not _NO_CHAT_NAME.search(id)


def _tokens(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**9 else None


def _price(value: object, unit: Decimal) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        price = Decimal(str(value)) * unit  # str: a float's shortest text is what the server wrote
    except InvalidOperation:
        return None
    if not price.is_finite() or not 0 <= price < DEAREST:
        return None
    return int(price.to_integral_value())


def _supported(value: object) -> bool:
    """Mistral and LM Studio say true, Anthropic `{"supported": true, …}`; LM Studio's reasoning is an object."""
    return value.get("supported", True) is True if isinstance(value, Mapping) else value is True


def _text(value: object) -> str:
    text = value.strip() if isinstance(value, str) else ""
    return text[:100] if text.isprintable() else ""


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
