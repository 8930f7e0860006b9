"""What the test server does, as values, and how each wire writes it (see tests/wire.py)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(slots=True)
class Request:
    """One request as it came. headers have lower-case names; body is the parsed JSON, {} where there was none."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: dict[str, Any]
    raw: bytes
    at: float
    client_left: bool = False
    """The client closed its connection before the answer was over."""

    @property
    def model(self) -> str:
        return str(self.body.get("model", ""))

    @property
    def key(self) -> str:
        """The key it came with, "" where there was none."""
        return self.headers.get("authorization", "").removeprefix("Bearer ") or self.headers.get("x-api-key", "")

    @property
    def messages(self) -> list[tuple[str, str]]:
        """The conversation as (role, text); Anthropic's system comes first, as "system"."""
        out = [("system", flat(self.body["system"]))] if self.body.get("system") else []
        return out + [(str(m.get("role")), flat(m.get("content"))) for m in self.body.get("messages", [])]


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A call in a reply. arguments: JSON text, streamed in pieces of so many characters.

    style: as "openai" does (the name first, then pieces of arguments, all with the call's index), or "whole": all of
    it in one fragment without an index, as several servers do.
    """

    name: str
    arguments: str
    id: str = "call_1"
    pieces: int = 5
    style: Literal["openai", "whole"] = "openai"


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply, streamed where the request asks for a stream.

    chunks: None sends word by word; a number, pieces of so many characters; a list, exactly these.
    delay: seconds between chunks; first_delay: before the first.
    usage: (input, output) tokens, a mapping as the wire has it, "auto" (words), or None for no usage at all.
    reasoning: thought before the text, in the OpenAI delta field `reasoning_field` or Anthropic's thinking block.
    finish: OpenAI's finish_reason or Anthropic's stop_reason; None sends none. done: whether [DONE] or
    message_stop is sent. model: the name that answers; default the one asked. split_bytes: cut the body into
    writes of so many bytes. ignore_stream: answer plain JSON although a stream was asked. extra: fields
    added to each OpenAI chunk. ping: Anthropic pings (OpenAI comments) between chunks. tools: calls after the text;
    finish is then tool_calls unless it says another reason than "stop".
    """

    text: str = ""
    chunks: int | Sequence[str] | None = None
    delay: float = 0.0
    first_delay: float = 0.0
    usage: tuple[int, int] | Mapping[str, object] | Literal["auto"] | None = "auto"
    reasoning: str = ""
    reasoning_field: str = "reasoning_content"
    signature: str = ""
    finish: str | None = "stop"
    done: bool = True
    model: str | None = None
    split_bytes: int | None = None
    ignore_stream: bool = False
    extra: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    ping: bool = False
    tools: Sequence[ToolUse] = ()

    @property
    def reason(self) -> str | None:
        """Why it ended, in OpenAI's words."""
        return "tool_calls" if self.tools and self.finish == "stop" else self.finish


@dataclass(frozen=True, slots=True)
class Status:
    """An HTTP status instead of a reply. body: a mapping sent as JSON, or text sent as HTML; default, the wire's own
    error object with message, type, code and param."""

    code: int
    message: str = ""
    type: str = ""
    error_code: str | None = None
    param: str | None = None
    retry_after: float | str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, object] | str | None = None
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Cut:
    """Streams text and breaks off. how: "close" drops the connection within the body, "reset" with a TCP reset,
    "end" ends the body properly but with no finish_reason, [DONE] or message_stop."""

    text: str = ""
    how: Literal["close", "reset", "end"] = "close"
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class StreamError:
    """Streams text under HTTP 200, then an error object."""

    text: str = ""
    message: str = "Overloaded"
    type: str = "overloaded_error"
    code: int | str | None = None
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Hang:
    """Streams text, if any, and then says nothing until the client leaves or the server closes."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class Raw:
    """Sends the body as it is."""

    body: bytes
    content_type: str = "text/event-stream"
    status: int = 200
    split_bytes: int | None = None


Behaviour = Answer | Status | Cut | StreamError | Hang | Raw
Scripted = Behaviour | Callable[[Request], Behaviour]


@dataclass(frozen=True, slots=True)
class Model:
    """One row of the list; fields are added to it as they are (context_length and the like)."""

    id: str
    fields: Mapping[str, object] = field(default_factory=dict)


# The two wires.

Timed = list[tuple[bytes, bool]]
"""What is written, and whether the answer's delay comes before it."""


def data(value: object) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def event(name: str, value: object) -> bytes:
    return b"event: " + name.encode() + b"\n" + data(value)


def pieces(text: str, chunks: int | Sequence[str] | None) -> list[str]:
    """The text as it is streamed: words with the space before them, or as `Answer.chunks` says."""
    if isinstance(chunks, int):
        return [text[i : i + chunks] for i in range(0, len(text), chunks)]
    return re.findall(r"\s*\S+|\s+\Z", text) if chunks is None else list(chunks)


def flat(content: object) -> str:
    if isinstance(content, list):
        return "".join(str(block.get("text", "")) for block in content)
    return "" if content is None else str(content)


def prompt_tokens(request: Request) -> int:
    """Words: what this server takes for tokens."""
    return sum(len(text.split()) for _, text in request.messages)


def openai_usage(request: Request, answer: Answer) -> Mapping[str, object] | None:
    match answer.usage:
        case None:
            return None
        case "auto":
            return openai_counts(prompt_tokens(request), len((answer.text + " " + answer.reasoning).split()))
        case (int(into), int(out)):
            return openai_counts(into, out)
        case mapping:
            assert isinstance(mapping, Mapping)
            return mapping


def openai_counts(into: int, out: int) -> Mapping[str, object]:
    return {"prompt_tokens": into, "completion_tokens": out, "total_tokens": into + out}


def openai_stream(request: Request, answer: Answer) -> Timed:
    base: dict[str, object] = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": answer.model or request.model,
        **answer.extra,
    }

    def chunk(delta: Mapping[str, object], finish: str | None = None) -> bytes:
        return data({**base, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    out: Timed = [(chunk({"role": "assistant", "content": ""}), False)]
    out += [(chunk({answer.reasoning_field: piece}), True) for piece in pieces(answer.reasoning, None)]
    for piece in pieces(answer.text, answer.chunks):
        if answer.ping:
            out.append((b": still here\n\n", False))
        out.append((chunk({"content": piece}), True))
    out += [(chunk({"tool_calls": [fragment]}), True) for fragment in openai_fragments(answer.tools)]
    if answer.reason is not None:
        out.append((chunk({}, answer.reason), False))
    usage = openai_usage(request, answer)
    wants = (request.body.get("stream_options") or {}).get("include_usage")
    if usage is not None and (wants or answer.usage != "auto"):
        out.append((data({**base, "choices": [], "usage": usage}), False))
    if answer.done:
        out.append((b"data: [DONE]\n\n", False))
    return out


def openai_fragments(tools: Sequence[ToolUse]) -> list[Mapping[str, object]]:
    """What each delta carries of the calls: the id and name come with the first fragment of a call."""
    out: list[Mapping[str, object]] = []
    for index, tool in enumerate(tools):
        if tool.style == "whole":
            out.append(openai_call(tool))
            continue
        out.append({"index": index, **openai_call(tool, "")})
        for piece in pieces(tool.arguments, tool.pieces):
            out.append({"index": index, "function": {"arguments": piece}})
    return out


def openai_call(tool: ToolUse, arguments: str | None = None) -> Mapping[str, object]:
    function = {"name": tool.name, "arguments": tool.arguments if arguments is None else arguments}
    return {"id": tool.id, "type": "function", "function": function}


def anthropic_usage(request: Request, answer: Answer) -> tuple[Mapping[str, object], Mapping[str, object]]:
    """What message_start and what message_delta say."""
    match answer.usage:
        case None:
            return {}, {}
        case "auto":
            into, out = prompt_tokens(request), len((answer.text + " " + answer.reasoning).split())
            return {"input_tokens": into, "output_tokens": 1}, {"output_tokens": out}
        case (int(into), int(out)):
            return {"input_tokens": into, "output_tokens": 1}, {"output_tokens": out}
        case mapping:
            assert isinstance(mapping, Mapping)
            return {**mapping, "output_tokens": 1}, {"output_tokens": mapping.get("output_tokens", 0)}


def anthropic_stream(request: Request, answer: Answer) -> Timed:
    started, ended = anthropic_usage(request, answer)
    message: dict[str, object] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": answer.model or request.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": started,
    }
    out: Timed = [(event("message_start", {"type": "message_start", "message": message}), False)]
    index = 0
    if answer.reasoning:
        out.append((block_start(index, {"type": "thinking", "thinking": "", "signature": ""}), False))
        for piece in pieces(answer.reasoning, None):
            out.append((block_delta(index, {"type": "thinking_delta", "thinking": piece}), True))
        if answer.signature:
            out.append((block_delta(index, {"type": "signature_delta", "signature": answer.signature}), False))
        out.append((event("content_block_stop", {"type": "content_block_stop", "index": index}), False))
        index += 1
    opened = bool(answer.text or not answer.tools)
    if opened:
        out.append((block_start(index, {"type": "text", "text": ""}), False))
    for piece in pieces(answer.text, answer.chunks):
        if answer.ping:
            out.append((event("ping", {"type": "ping"}), False))
        out.append((block_delta(index, {"type": "text_delta", "text": piece}), True))
    for tool in answer.tools:
        if opened:
            out.append((event("content_block_stop", {"type": "content_block_stop", "index": index}), False))
            index += 1
        out.append((block_start(index, {"type": "tool_use", "id": tool.id, "name": tool.name, "input": {}}), False))
        opened = True
        for piece in pieces(tool.arguments, tool.pieces):
            out.append((block_delta(index, {"type": "input_json_delta", "partial_json": piece}), True))
    if answer.reason is not None:
        out.append((event("content_block_stop", {"type": "content_block_stop", "index": index}), False))
        words = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
        reason = words.get(answer.reason, answer.reason)
        delta = {"stop_reason": reason, "stop_sequence": None}
        out.append((event("message_delta", {"type": "message_delta", "delta": delta, "usage": ended}), False))
    if answer.done:
        out.append((event("message_stop", {"type": "message_stop"}), False))
    return out


def anthropic_call(tool: ToolUse) -> Mapping[str, object]:
    return {"type": "tool_use", "id": tool.id, "name": tool.name, "input": json.loads(tool.arguments)}


def block_start(index: int, block: Mapping[str, object]) -> bytes:
    return event("content_block_start", {"type": "content_block_start", "index": index, "content_block": block})


def block_delta(index: int, delta: Mapping[str, object]) -> bytes:
    return event("content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta})


def plain_answer(request: Request, answer: Answer, anthropic: bool) -> Mapping[str, object]:
    """The reply as one JSON object, as where no stream was asked."""
    if anthropic:
        started, ended = anthropic_usage(request, answer)
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": answer.model or request.model,
            "content": [
                *([{"type": "text", "text": answer.text}] if answer.text or not answer.tools else []),
                *(anthropic_call(tool) for tool in answer.tools),
            ],
            "stop_reason": "tool_use" if answer.tools else "end_turn",
            "usage": {**started, **ended},
        }
    message: dict[str, object] = {"role": "assistant", "content": answer.text}
    if answer.reasoning:
        message[answer.reasoning_field] = answer.reasoning
    if answer.tools:
        message["tool_calls"] = [openai_call(tool) for tool in answer.tools]
    out: dict[str, object] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": answer.model or request.model,
        "choices": [{"index": 0, "message": message, "finish_reason": answer.reason}],
    }
    usage = openai_usage(request, answer)
    return out if usage is None else {**out, "usage": usage}
