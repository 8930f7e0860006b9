"""The OpenAI chat format, which most providers speak: translation both ways, and a thin client on the `openai` SDK.

Wire: https://platform.openai.com/docs/api-reference/chat, and what other servers made of it.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ei.messages import (
    ChatRequest,
    Finished,
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
from ei.providers.extras import in_words, with_extra
from ei.providers.failures import Call, from_error_object, not_ready
from ei.providers.reply_text import ReplyText, whole
from ei.providers.streaming import Response, count_of, mapping_of, text_of
from ei.providers.turns import arrange

if TYPE_CHECKING:
    from openai import AsyncOpenAI

MAX_TOKENS_NAMES = ("max_completion_tokens", "max_tokens")
STRUCTURE = frozenset({"model", "messages", "stream", "stream_options", "n"})
SCHEMA_NAME = "reply"


def to_wire(request: ChatRequest, endpoint: Endpoint, dropped: Iterable[str] = ()) -> dict[str, object]:
    """The body of a request. dropped: what this model is known to reject, beside `request.dropped`.

    A model that rejected `response_format` once is asked for any JSON, with the schema in the prompt: some servers
    know only that (DeepSeek).
    """
    left_out = request.dropped | frozenset(dropped)
    system, turns = arrange(request.messages)
    any_json = "response_format" in left_out
    if request.schema is not None and any_json:
        system = f"{system}\n\n{in_words(request.schema)}".strip()
    messages = [{"role": turn.role, "content": turn.text} for turn in turns]
    if system and "system" in left_out:  # some chat templates have no system role
        messages[0]["content"] = f"{system}\n\n{messages[0]['content']}"
    elif system:
        messages.insert(0, {"role": "system", "content": system})
    body: dict[str, object] = {"model": request.model, "messages": messages, "stream": True}
    if endpoint.usage_option and "stream_options" not in left_out:
        body["stream_options"] = {"include_usage": True}
    if request.tools and "tools" not in left_out:
        body["tools"] = [tool_of(tool) for tool in request.tools]
        if request.must_call and "tool_choice" not in left_out:
            body["tool_choice"] = "required"
    if request.schema is not None:
        wanted = {"name": SCHEMA_NAME, "schema": request.schema, "strict": True}
        body["response_format"] = (
            {"type": "json_object"} if any_json else {"type": "json_schema", "json_schema": wanted}
        )
    for name, value in request.parameters.items():
        if value is None or name in STRUCTURE:
            continue
        if name in MAX_TOKENS_NAMES:
            other = next(n for n in MAX_TOKENS_NAMES if n != endpoint.max_tokens_name)
            wire_name = next((n for n in (endpoint.max_tokens_name, other) if n not in left_out), "")
            if wire_name:
                body[wire_name] = value
        elif name not in left_out:
            body[name] = value
    limited = MAX_TOKENS_NAMES if any(name in body for name in MAX_TOKENS_NAMES) else ()
    return with_extra(body, request, left_out | STRUCTURE.union(limited))


def tool_of(tool: ToolSpec) -> dict[str, object]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


FINISH: Mapping[str, Literal["stop", "length", "tool_calls", "content_filter", "other"]] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}


class FromWire:
    """Translates one reply's chunks to events. Knows nothing of HTTP; raises ProviderError for an error object."""

    def __init__(self, request: ChatRequest, call: Call) -> None:
        self._request = request
        self._call = call
        self._reply = ReplyText(request.reasoning_first)
        self._calls = CallPieces()
        self._usage: Usage | None = None
        self._finish: str | None = None
        self._model: str | None = None
        self._done = False

    @property
    def began(self) -> bool:
        return self._reply.began or self._calls.began

    @property
    def complete(self) -> bool:
        return self._finish is not None or self._done

    @property
    def over(self) -> bool:
        return self._done

    def feed(self, data: Mapping[str, object]) -> list[StreamEvent]:
        """The events of one chunk."""
        if data.get("error"):
            call = Call(self._call.connection, self._call.model, self._call.sent, self.began)
            raise from_error_object(data["error"], call)
        if data.get("done") is True and "choices" not in data:
            self._done = True
            return []
        self._take_frame(data)
        out: list[StreamEvent] = []
        for choice in choices_of(data):
            out += self._delta(mapping_of(choice.get("delta")))
        return out

    def whole(self, data: Mapping[str, object]) -> list[StreamEvent]:
        """The events of a reply that was not streamed."""
        self._take_frame(data)
        self._done = True
        out: list[StreamEvent] = []
        for choice in choices_of(data):
            out += self._delta(mapping_of(choice.get("message")))
        return out

    def end(self) -> list[StreamEvent]:
        """What was held back, the tool calls, the usage (an estimate where none came), Finished."""
        out = self._reply.end(self._finish)
        calls = self._calls.end()
        out += calls
        text = self._reply.text + self._calls.text
        usage = self._usage or estimated_usage(self._request.messages, text, self._reply.reasoning)
        reason = FINISH.get(self._finish or "stop", "other")
        if calls and reason == "stop":
            reason = "tool_calls"  # several servers say stop all the same
        return [*out, UsageReport(usage), Finished(reason, self._model)]

    def _take_frame(self, data: Mapping[str, object]) -> None:
        """What a chunk says beside its delta; usage may come in any, the last one is right."""
        self._model = text_of(data.get("model")) or self._model
        for holder in (data, mapping_of(data.get("x_groq"))):
            if usage := mapping_of(holder.get("usage")):
                self._usage = usage_of(usage)
        for choice in choices_of(data):
            self._finish = text_of(choice.get("finish_reason")) or self._finish

    def _delta(self, delta: Mapping[str, object]) -> list[StreamEvent]:
        out: list[StreamEvent] = []
        thought = text_of(delta.get("reasoning_content")) or text_of(delta.get("reasoning"))
        out += self._reply.reason(thought)
        self._calls.feed(delta.get("tool_calls"))
        content = delta.get("content")
        if isinstance(content, list):  # Mistral's reasoning models send typed parts
            for part in content:
                kind = mapping_of(part).get("type")
                if kind == "thinking":
                    inner = mapping_of(part).get("thinking")
                    for piece in inner if isinstance(inner, list) else [{"text": inner}]:
                        out += self._reply.reason(text_of(mapping_of(piece).get("text")))
                else:
                    out += self._reply.say(text_of(mapping_of(part).get("text")))
        else:
            out += self._reply.say(text_of(content))
        return out + self._reply.say(text_of(delta.get("refusal")))


class CallPieces:
    """Tool calls put together from the fragments of `delta.tool_calls`.

    A fragment belongs to the call of its index. Servers that send whole calls leave the index out, or give each the
    same one (Google): then another id begins another call.
    """

    def __init__(self) -> None:
        self._calls: list[_Pieces] = []

    @property
    def began(self) -> bool:
        return bool(self._calls)

    @property
    def text(self) -> str:
        """Names and arguments, for an estimate."""
        return "".join(call.name + "".join(call.arguments) for call in self._calls)

    def feed(self, fragments: object) -> None:
        """The `tool_calls` of one delta, or of a whole message."""
        for fragment in map(mapping_of, fragments if isinstance(fragments, list) else []):
            function = mapping_of(fragment.get("function"))
            id, name, arguments = text_of(fragment.get("id")), text_of(function.get("name")), function.get("arguments")
            if not (id or name or arguments):
                continue
            call = self._call(count_of(fragment.get("index")), id, name)
            call.id = call.id or id
            call.name = call.name or name
            call.arguments.append(json.dumps(arguments) if isinstance(arguments, Mapping) else text_of(arguments))

    def end(self) -> list[StreamEvent]:
        """The calls that have a name, in the order in which they began."""
        return [
            ToolCalled(ToolCallPart(call.id or f"call_{number}", call.name, whole("".join(call.arguments)) or "{}"))
            for number, call in enumerate(self._calls, 1)
            if call.name
        ]

    def _call(self, index: int | None, id: str, name: str) -> _Pieces:
        held = next((call for call in reversed(self._calls) if index is None or call.index == index), None)
        other = held is not None and bool(name) and bool(id and held.id and id != held.id)
        whole = held is not None and index is None and bool(name) and not id
        if held is None or other or whole:
            held = _Pieces(index)
            self._calls.append(held)
        return held


@dataclass(slots=True)
class _Pieces:
    index: int | None
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


def choices_of(data: Mapping[str, object]) -> list[Mapping[str, object]]:
    """The first choice, in a list; nothing where there is none (a chunk with usage, a keep-alive)."""
    choices = data.get("choices")
    if not isinstance(choices, list):
        return []
    return [choice for choice in map(mapping_of, choices) if choice.get("index", 0) in (0, None)][:1]


def usage_of(usage: Mapping[str, object]) -> Usage:
    """OpenAI's usage, and what others add: DeepSeek's cache hits, OpenRouter's cost in USD."""
    prompt, completion = count_of(usage.get("prompt_tokens")), count_of(usage.get("completion_tokens"))
    total = count_of(usage.get("total_tokens"))
    prompt_details = mapping_of(usage.get("prompt_tokens_details"))
    completion_details = mapping_of(usage.get("completion_tokens_details"))
    cached = count_of(prompt_details.get("cached_tokens"))
    if cached is None:
        cached = count_of(usage.get("prompt_cache_hit_tokens"))
    reasoning = count_of(completion_details.get("reasoning_tokens"))
    if prompt is not None and completion is not None and total is not None:
        # xAI and Google count reasoning in the total only.
        completion = max(completion, total - prompt)
    return Usage(
        input_tokens=prompt,
        cached_tokens=cached,
        cache_write_tokens=count_of(prompt_details.get("cache_write_tokens")),
        output_tokens=completion,
        reasoning_tokens=reasoning,
        cost=nano_dollars(usage.get("cost")),
    )


def nano_dollars(dollars: object) -> int | None:
    """USD as a number, to nano-dollars; None for anything that is no price."""
    if isinstance(dollars, bool) or not isinstance(dollars, int | float):
        return None
    if not math.isfinite(dollars) or not 0 <= dollars < 1_000_000:
        return None
    return round(dollars * 1_000_000_000)


class OpenAIChat(SdkProvider["AsyncOpenAI"]):
    """A provider that speaks the OpenAI chat format (`ei.providers.base.Provider`)."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, build_client, "openai")

    async def stream(self, request: ChatRequest) -> AsyncIterator[StreamEvent]:
        """One attempt, as `Provider.stream`."""
        problem = not_ready(self.connection)
        if problem is not None:
            raise problem
        body = to_wire(request, self.connection.endpoint)
        call = Call(self.connection, request.model, tuple(body))

        async def send() -> Response:
            client = await self.client()
            from openai import AsyncStream

            stream = await client.post(
                "/chat/completions", body=body, cast_to=object, stream=True, stream_cls=AsyncStream[object]
            )
            return stream.response

        async with aclosing(self.reply(send, FromWire(request, call), call)) as events:
            async for event in events:
                yield event


def build_client(connection: Connection) -> AsyncOpenAI:
    """The SDK's client, with nothing from OPENAI_… variables, no retries and no redirects. The key is at hand."""
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    client = AsyncOpenAI(
        api_key=connection.key.reveal() if connection.key is not None else "none",
        admin_api_key="",
        organization="",
        project="",
        webhook_secret="",
        base_url=connection.base_url,
        max_retries=0,
        http_client=DefaultAsyncHttpxClient(**http_options(connection)),
    )
    client.organization = client.project = client.webhook_secret = client.admin_api_key = None
    # The SDK merges OPENAI_CUSTOM_HEADERS in and has no public way to say no.
    client._custom_headers = dict(connection.headers)
    return client
