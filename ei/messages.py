"""What travels between persona and model: typed parts, messages, requests, usage, stream events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class TextPart:
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningPart:
    """What the model thought before it spoke; never part of the reply's text."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallPart:
    """arguments is JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResultPart:
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class BlobPart:
    """A reference to bytes kept elsewhere: digest is hex SHA-256."""

    digest: str
    media_type: str
    name: str


@dataclass(frozen=True, slots=True)
class OpaquePart:
    """Data that only its provider understands (a signature), kept and sent back as it came."""

    provider: str
    data: Mapping[str, object]


Part = TextPart | ReasoningPart | ToolCallPart | ToolResultPart | BlobPart | OpaquePart


def text_of(parts: Iterable[Part]) -> str:
    """The plain text of a message: its text parts, joined. Reasoning and tools are left out."""
    return "".join(part.text for part in parts if isinstance(part, TextPart))


def reasoning_of(parts: Iterable[Part]) -> str:
    """The reasoning parts, joined."""
    return "".join(part.text for part in parts if isinstance(part, ReasoningPart))


def parts_to_data(parts: Iterable[Part]) -> list[dict[str, object]]:
    """Parts as JSON-ready values, each with its `type`."""
    out: list[dict[str, object]] = []
    for part in parts:
        match part:
            case TextPart(text):
                out.append({"type": "text", "text": text})
            case ReasoningPart(text):
                out.append({"type": "reasoning", "text": text})
            case ToolCallPart(id, name, arguments):
                out.append({"type": "tool_call", "id": id, "name": name, "arguments": arguments})
            case ToolResultPart(id, text):
                out.append({"type": "tool_result", "id": id, "text": text})
            case BlobPart(digest, media_type, name):
                out.append({"type": "blob", "digest": digest, "media_type": media_type, "name": name})
            case OpaquePart(provider, data):
                out.append({"type": "opaque", "provider": provider, "data": dict(data)})
    return out


def parts_from_data(data: Iterable[Mapping[str, object]]) -> tuple[Part, ...]:
    """The inverse of `parts_to_data`. A type from a later version is passed over."""
    out: list[Part] = []
    for item in data:
        match dict(item):
            case {"type": "text", "text": str(text)}:
                out.append(TextPart(text))
            case {"type": "reasoning", "text": str(text)}:
                out.append(ReasoningPart(text))
            case {"type": "tool_call", "id": str(id), "name": str(name), "arguments": str(arguments)}:
                out.append(ToolCallPart(id, name, arguments))
            case {"type": "tool_result", "id": str(id), "text": str(text)}:
                out.append(ToolResultPart(id, text))
            case {"type": "blob", "digest": str(digest), "media_type": str(media_type), "name": str(name)}:
                out.append(BlobPart(digest, media_type, name))
            case {"type": "opaque", "provider": str(provider), "data": dict(opaque)}:
                out.append(OpaquePart(provider, opaque))
    return tuple(out)


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a request. `name` says who speaks where a conversation has guests."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None

    @property
    def text(self) -> str:
        return text_of(self.parts)


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool that a model may call. parameters: JSON Schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, object]


NO_PARAMETERS: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What a provider is asked.

    model: the provider's own name of the model, without the provider.
    messages: system first, then the conversation, oldest first; two of one role may follow each other.
    parameters: by our names: temperature, top_p, max_tokens (of the reply), stop, seed, reasoning_effort;
        an adapter renames them for its wire.
    speaker: the persona who answers.
    reasoning_first: this model was seen to begin its reasoning without an opening tag.
    defaults: names of parameters that nobody chose; one that a model does not take is left out without a word.
    dropped: what this model is known to reject (RejectedParameterError.parameter); an adapter does not send it.
    variant: how many-th reply to the same message this is, from 1; when a reply is to be gone on with, that one's.
    tools: what the model may call; with must_call it has to call one of them.
    schema: JSON Schema of an object; the text of the reply is to be JSON that fits it.
    extra: fields for the body of the request as they are; what the request says itself is never replaced by them.
    """

    model: str
    messages: tuple[ChatMessage, ...]
    parameters: Mapping[str, object] = field(default_factory=lambda: NO_PARAMETERS)
    speaker: str = ""
    reasoning_first: bool = False
    defaults: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()
    variant: int = 1
    tools: tuple[ToolSpec, ...] = ()
    must_call: bool = False
    schema: Mapping[str, object] | None = None
    extra: Mapping[str, object] = field(default_factory=lambda: NO_PARAMETERS)


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one call; None means that nobody said.

    input_tokens includes cached and cache-written ones, output_tokens includes reasoning.
    estimated: counted here from the text, not by the provider.
    cost: nano-dollars that the provider itself reported, or None.
    """

    input_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    estimated: bool = False
    cost: int | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    text: str


@dataclass(frozen=True, slots=True)
class TextWasReasoning:
    """All text of this reply so far turned out to be reasoning (a closing tag without an opening one)."""


@dataclass(frozen=True, slots=True)
class OpaqueData:
    part: OpaquePart


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """A tool call that is complete; it comes before the usage."""

    part: ToolCallPart


@dataclass(frozen=True, slots=True)
class UsageReport:
    usage: Usage


@dataclass(frozen=True, slots=True)
class Notice:
    """One line for the person. code: a stable short name of what happened."""

    text: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Retrying:
    """A call failed before its first token and is tried again in `seconds`; attempt counts from 2.

    status: the HTTP status that it was answered with, None where nothing was answered.
    """

    sentence: str
    seconds: float
    attempt: int
    attempts: int
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The model stopped. reason: why; model: the name that the server says answered, where it says one."""

    reason: Literal["stop", "length", "tool_calls", "content_filter", "other"] = "stop"
    model: str | None = None


StreamEvent = (
    TextDelta | ReasoningDelta | TextWasReasoning | OpaqueData | ToolCalled | UsageReport | Notice | Retrying | Finished
)


@dataclass(frozen=True, slots=True)
class ReplyInfo:
    """How a reply came to be; kept with it. None is unknown, never 0.

    profile: id of the profile used, "". provider_type: the wire that was spoken (openai, anthropic, ollama, builtin).
    resolution: lines, how the reference became this model. instead_of: `model: why not` of those that were asked
    before it (fallbacks). drawn: of how many models it was drawn by chance, 0 where nothing was drawn.
    Tokens as in Usage. cost: nano-dollars, of all attempts. first_token_ms, total_ms: milliseconds.
    compared: the comparison that it was part of, "".
    """

    profile: str = ""
    provider_type: str = ""
    resolution: tuple[str, ...] = ()
    instead_of: tuple[str, ...] = ()
    drawn: int = 0
    tool_calls: int = 0
    iterations: int = 1
    input_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    estimated: bool = False
    cost: int | None = None
    first_token_ms: int | None = None
    total_ms: int | None = None
    compared: str = ""


def info_to_data(info: ReplyInfo) -> dict[str, object]:
    """How a reply came to be as JSON-ready values by the fields' names; what is as it is by default is left out."""
    out: dict[str, object] = {}
    for item in fields(ReplyInfo):
        value: object = getattr(info, item.name)
        if value != item.default:
            out[item.name] = list(value) if isinstance(value, tuple) else value
    return out


def info_from_data(data: Mapping[str, object]) -> ReplyInfo:
    """The inverse of `info_to_data`. A key from a later version, or a value of another type, is passed over."""
    out: dict[str, Any] = {}
    for item in fields(ReplyInfo):
        value, default = data.get(item.name), item.default
        if isinstance(default, tuple):
            if isinstance(value, list | tuple):
                out[item.name] = tuple(str(line) for line in value)
        elif isinstance(value, str if isinstance(default, str) else bool if isinstance(default, bool) else int) and (
            isinstance(value, bool) == isinstance(default, bool)
        ):
            out[item.name] = value
    return ReplyInfo(**out)
