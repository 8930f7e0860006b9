"""Anthropic's messages format: translation both ways, and a thin client on the `anthropic` SDK.

Wire: https://platform.claude.com/docs/en/api/messages and its streaming page. llama.cpp and others speak it, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ei.messages import (
    ChatRequest,
    Finished,
    Notice,
    OpaqueData,
    OpaquePart,
    StreamEvent,
    ToolCalled,
    ToolCallPart,
    ToolSpec,
    Usage,
    UsageReport,
)
from ei.providers.base import Connection, Endpoint
from ei.providers.client import SdkProvider, http_options
from ei.providers.estimate import estimated_usage
from ei.providers.extras import with_extra
from ei.providers.failures import Call, from_error_object, not_ready
from ei.providers.reply_text import ReplyText, whole
from ei.providers.streaming import Response, count_of, mapping_of, text_of
from ei.providers.turns import Turn, arrange

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

MAX_TOKENS = 8192
CAUTIOUS_MAX_TOKENS = 4096  # once a model refused the number: the least that any of them takes
SAMPLING = ("temperature", "top_p", "top_k")
STRUCTURE = frozenset({"model", "messages", "stream", "system"})
ANSWER_TOOL = "reply"
SAMPLING_VERSION = "2023-06-01"  # later versions of the API have no sampling parameters
EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}


def to_wire(request: ChatRequest, endpoint: Endpoint, dropped: Iterable[str] = ()) -> dict[str, object]:
    """The body of a request. dropped: what this model is known to reject, beside `request.dropped`.

    A schema becomes a tool that has to be called, whose input is the reply.
    """
    left_out = request.dropped | frozenset(dropped) | frozenset(unsupported(request))
    parameters = {k: v for k, v in request.parameters.items() if v is not None and k not in left_out}
    system, turns = arrange(request.messages)
    signed = "signatures" not in left_out
    messages = [message_of(turn, endpoint.name, request.model if signed else None) for turn in turns]
    body: dict[str, object] = {"model": request.model, "messages": messages, "stream": True}
    usual = CAUTIOUS_MAX_TOKENS if "max_tokens" in left_out else request.extra.get("max_tokens", MAX_TOKENS)
    most = parameters.get("max_tokens", usual)
    body["max_tokens"] = most if isinstance(most, int) and most > 0 else MAX_TOKENS
    if system:
        body["system"] = system
    for name in SAMPLING:
        if name in parameters:
            body[name] = parameters[name]
    if isinstance(body.get("temperature"), int | float) and is_claude(request.model):
        body["temperature"] = min(1.0, float(str(body["temperature"])))  # its scale ends at 1
    stop = parameters.get("stop")
    if stop:
        body["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    effort = parameters.get("reasoning_effort")
    if effort == "none":
        body["thinking"] = {"type": "disabled"}
    elif isinstance(effort, str) and effort in EFFORTS:
        body["output_config"] = {"effort": EFFORTS[effort]}
    tools = [tool_of(tool) for tool in request.tools]
    if request.schema is not None:
        tools.append(tool_of(ToolSpec(ANSWER_TOOL, "Gives your answer to the user.", request.schema)))
    if tools and "tools" not in left_out:
        body["tools"] = tools
        if (request.must_call or request.schema is not None) and "tool_choice" not in left_out:
            only = request.schema is not None and not request.tools
            body["tool_choice"] = {"type": "tool", "name": ANSWER_TOOL} if only else {"type": "any"}
    return with_extra(body, request, left_out | STRUCTURE)


def tool_of(tool: ToolSpec) -> dict[str, object]:
    return {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}


def message_of(turn: Turn, provider: str, model: str | None) -> dict[str, object]:
    """One message. Thinking blocks go back only to the model that wrote them, whose signature they carry."""
    blocks: list[dict[str, object]] = []
    if turn.role == "assistant" and model is not None:
        for part in turn.opaque:
            if part.provider == provider and part.data.get("model") == model:
                blocks.append({k: v for k, v in part.data.items() if k != "model"})
    if not blocks:
        return {"role": turn.role, "content": turn.text}
    return {"role": turn.role, "content": [*blocks, {"type": "text", "text": turn.text}]}


def is_claude(model: str) -> bool:
    return model.startswith("claude")


_FIRST_WITHOUT_SAMPLING = {"opus": (4, 7), "sonnet": (5, 0), "haiku": (5, 5), "fable": (0, 0), "mythos": (0, 0)}


def takes_sampling(model: str) -> bool:
    """Whether a model takes temperature, top_p, top_k: not Opus from 4.7, Sonnet from 5, Haiku from 5.5, no Fable,
    no Mythos; models that are not Claude do."""
    if not is_claude(model):
        return True
    if re.match(r"claude-(?:instant|[0-3])", model):
        return True  # claude-3-5-sonnet-20241022, claude-2.1
    match = re.match(r"claude-([a-z]+)-(\d{1,2})(?:-(\d{1,2}))?(?!\d)", model)
    family = re.match(r"claude-([a-z]+)", model)
    if match is None:
        return not (family and family[1] in ("fable", "mythos"))
    version = (int(match[2]), int(match[3] or 0))
    return version < _FIRST_WITHOUT_SAMPLING.get(match[1], (5, 0))


def unsupported(request: ChatRequest) -> tuple[str, ...]:
    """The parameters of a request that are known not to be taken: sampling on newer models, two kinds at once on
    the older ones, a seed."""
    given = [name for name in ("temperature", "top_p", "top_k", "seed") if request.parameters.get(name) is not None]
    if not takes_sampling(request.model):
        return tuple(given)
    out = [name for name in given if name == "seed" and is_claude(request.model)]
    if is_claude(request.model) and {"temperature", "top_p"} <= set(given):
        out.append("top_p")
    return tuple(out)


FINISH: Mapping[str, Literal["stop", "length", "tool_calls", "content_filter", "other"]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class FromWire:
    """Translates one reply's stream to events. Knows nothing of HTTP; raises ProviderError for an error event."""

    def __init__(self, request: ChatRequest, call: Call) -> None:
        self._request = request
        self._call = call
        self._reply = ReplyText(request.reasoning_first)
        self._usage: dict[str, object] = {}
        self._block: dict[str, str] | None = None
        self._tool: _Pieces | None = None
        self._calls: list[ToolCallPart] = []
        self._answered = False
        self._finish: str | None = None
        self._model: str | None = None
        self.over = False

    @property
    def began(self) -> bool:
        return self._reply.began or self._tool is not None or bool(self._calls)

    @property
    def complete(self) -> bool:
        return self.over or self._finish is not None

    def feed(self, data: Mapping[str, object]) -> list[StreamEvent]:
        """The events of one server-sent event."""
        match data.get("type"):
            case "message_start":
                message = mapping_of(data.get("message"))
                self._model = text_of(message.get("model")) or self._model
                self._take_usage(message.get("usage"))
            case "content_block_start":
                return self._start(mapping_of(data.get("content_block")))
            case "content_block_delta":
                return self._delta(mapping_of(data.get("delta")))
            case "content_block_stop":
                return self._stop()
            case "message_delta":
                self._finish = text_of(mapping_of(data.get("delta")).get("stop_reason")) or self._finish
                self._take_usage(data.get("usage"))
            case "message_stop":
                self.over = True
            case _ if data.get("error"):
                call = Call(self._call.connection, self._call.model, self._call.sent, self.began)
                raise from_error_object(data["error"], call)
        return []

    def whole(self, data: Mapping[str, object]) -> list[StreamEvent]:
        """The events of a reply that was not streamed."""
        self._model = text_of(data.get("model")) or None
        self._finish = text_of(data.get("stop_reason")) or "end_turn"
        self._take_usage(data.get("usage"))
        out: list[StreamEvent] = []
        content = data.get("content")
        for block in content if isinstance(content, list) else []:
            out += self._start(mapping_of(block)) + self._stop()
        return out

    def end(self) -> list[StreamEvent]:
        """What was held back, the tool calls, the usage (an estimate where none came), Finished."""
        out = self._stop() + self._reply.end(self._finish)
        out += [ToolCalled(part) for part in self._calls]
        usage = usage_of(self._usage)
        if usage.output_tokens is None or usage.input_tokens is None:
            text = self._reply.text + "".join(call.name + call.arguments for call in self._calls)
            usage = estimated_usage(self._request.messages, text, self._reply.reasoning)
        reason = FINISH.get(self._finish or "end_turn", "other")
        if reason == "tool_calls" and self._answered and not self._calls:
            reason = "stop"
        return [*out, UsageReport(usage), Finished(reason, self._model)]

    def _start(self, block: Mapping[str, object]) -> list[StreamEvent]:
        match block.get("type"):
            case "thinking":
                self._block = {"thinking": "", "signature": text_of(block.get("signature"))}
                return self._think(text_of(block.get("thinking")))
            case "redacted_thinking":
                return [self._opaque({"type": "redacted_thinking", "data": text_of(block.get("data"))})]
            case "text":
                return self._reply.say(text_of(block.get("text")))
            case "tool_use" if name := text_of(block.get("name")):
                given = mapping_of(block.get("input"))
                self._tool = _Pieces(text_of(block.get("id")), name, [json.dumps(given)] if given else [])
                if self._is_answer(name):
                    self._answered = True
                    return self._reply.say("".join(self._tool.arguments))
        return []

    def _is_answer(self, tool: str) -> bool:
        return self._request.schema is not None and tool == ANSWER_TOOL

    def _delta(self, delta: Mapping[str, object]) -> list[StreamEvent]:
        match delta.get("type"):
            case "text_delta":
                return self._reply.say(text_of(delta.get("text")))
            case "thinking_delta":
                return self._think(text_of(delta.get("thinking")))
            case "signature_delta" if self._block is not None:
                self._block["signature"] += text_of(delta.get("signature"))
            case "input_json_delta" if self._tool is not None:
                piece = text_of(delta.get("partial_json"))
                if self._is_answer(self._tool.name):
                    return self._reply.say(piece)
                self._tool.arguments.append(piece)
        return []

    def _stop(self) -> list[StreamEvent]:
        tool, self._tool = self._tool, None
        if tool is not None and not self._is_answer(tool.name):
            self._calls.append(ToolCallPart(tool.id, tool.name, whole("".join(tool.arguments)) or "{}"))
        block, self._block = self._block, None
        return [self._opaque({"type": "thinking", **block})] if block and block["signature"] else []

    def _opaque(self, data: Mapping[str, object]) -> StreamEvent:
        return OpaqueData(OpaquePart(self._call.name, {**data, "model": self._request.model}))

    def _think(self, piece: str) -> list[StreamEvent]:
        if self._block is not None:
            self._block["thinking"] += piece
        return self._reply.reason(piece)

    def _take_usage(self, usage: object) -> None:
        """Counts of later events replace those of earlier ones: they are cumulative."""
        self._usage |= {name: value for name, value in mapping_of(usage).items() if value is not None}


@dataclass(slots=True)
class _Pieces:
    """A tool call that is still being written."""

    id: str
    name: str
    arguments: list[str]


def usage_of(usage: Mapping[str, object]) -> Usage:
    """Anthropic's input_tokens leaves out what was read from the cache or written to it; ours includes both."""
    fresh = count_of(usage.get("input_tokens"))
    read = count_of(usage.get("cache_read_input_tokens"))
    written = count_of(usage.get("cache_creation_input_tokens"))
    details = mapping_of(usage.get("output_tokens_details"))
    return Usage(
        input_tokens=None if fresh is None else fresh + (read or 0) + (written or 0),
        cached_tokens=read,
        cache_write_tokens=written,
        output_tokens=count_of(usage.get("output_tokens")),
        reasoning_tokens=count_of(details.get("thinking_tokens")),
    )


class AnthropicMessages(SdkProvider["AsyncAnthropic"]):
    """A provider that speaks Anthropic's messages format (`ei.providers.base.Provider`)."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, build_client, "anthropic")
        self._told: set[tuple[str, str]] = set()

    async def stream(self, request: ChatRequest) -> AsyncIterator[StreamEvent]:
        """One attempt, as `Provider.stream`."""
        problem = not_ready(self.connection)
        if problem is not None:
            raise problem
        for notice in self._notices(request):
            yield notice
        body = to_wire(request, self.connection.endpoint)
        call = Call(self.connection, request.model, tuple(body))
        sampled = any(name in body for name in SAMPLING)
        headers = {"anthropic-version": SAMPLING_VERSION} if sampled else {}

        async def send() -> Response:
            client = await self.client()
            from anthropic import AsyncStream

            stream = await client.post(
                "/v1/messages",
                body=body,
                cast_to=object,
                options={"headers": headers},
                stream=True,
                stream_cls=AsyncStream[object],
            )
            return stream.response

        async with aclosing(self.reply(send, FromWire(request, call), call)) as events:
            async for event in events:
                yield event

    def _notices(self, request: ChatRequest) -> list[Notice]:
        """What of the person's choice is left out, said once for each model."""
        out: list[Notice] = []
        for parameter in unsupported(request):
            key = (request.model, parameter)
            if key in self._told or parameter in request.defaults | request.dropped:
                continue
            self._told.add(key)
            out.append(dropped_notice(self.name, request.model, parameter))
        return out


def dropped_notice(provider: str, model: str, parameter: str) -> Notice:
    """The line that tells of a parameter left out."""
    return Notice(f"{provider}:{model} does not take {parameter}; it is left out.", "parameter-dropped")


def build_client(connection: Connection) -> AsyncAnthropic:
    """The SDK's client, with nothing from ANTHROPIC_… variables or profiles, no retries, no redirects, no tracing.

    The key is at hand.
    """
    from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient

    client = AsyncAnthropic(
        api_key=connection.key.reveal() if connection.key is not None else "none",
        webhook_key="",
        base_url=connection.base_url,
        max_retries=0,
        open_telemetry=False,
        http_client=DefaultAsyncHttpxClient(**http_options(connection)),
    )
    # The SDK merges ANTHROPIC_CUSTOM_HEADERS in and has no public way to say no.
    client._custom_headers = dict(connection.headers)
    return client
