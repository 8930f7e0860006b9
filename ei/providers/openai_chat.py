"""The OpenAI chat format, which most providers speak: translation both ways, and a thin client on the `openai` SDK.

Wire: https://platform.openai.com/docs/api-reference/chat, and what other servers made of it.
"""

from __future__ import annotations

import math
import threading
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Literal

from ei.errors import UnknownModelError
from ei.messages import (
    ChatRequest,
    Finished,
    StreamEvent,
    Usage,
    UsageReport,
)
from ei.providers.addresses import is_loopback
from ei.providers.base import Connection, Endpoint, ListedModel
from ei.providers.estimate import estimated_usage
from ei.providers.failures import Call, from_error_object, no_such_model, not_ready
from ei.providers.models_list import list_models, near_names
from ei.providers.reply_text import ReplyText
from ei.providers.streaming import Response, count_of, mapping_of, reply_events, text_of
from ei.providers.turns import arrange

if TYPE_CHECKING:
    from openai import AsyncOpenAI

CONNECT_SECONDS = 10.0
READ_SECONDS = 600.0  # a slow machine reads a long prompt for minutes before its first token
MAX_TOKENS_NAMES = ("max_completion_tokens", "max_tokens")
STRUCTURE = frozenset({"model", "messages", "stream", "stream_options", "n"})


def to_wire(request: ChatRequest, endpoint: Endpoint, dropped: Iterable[str] = ()) -> dict[str, object]:
    """The body of a request. dropped: what this model is known to reject, beside `request.dropped`."""
    left_out = request.dropped | frozenset(dropped)
    system, turns = arrange(request.messages)
    messages = [{"role": turn.role, "content": turn.text} for turn in turns]
    if system and "system" in left_out:  # some chat templates have no system role
        messages[0]["content"] = f"{system}\n\n{messages[0]['content']}"
    elif system:
        messages.insert(0, {"role": "system", "content": system})
    body: dict[str, object] = {"model": request.model, "messages": messages, "stream": True}
    if endpoint.usage_option and "stream_options" not in left_out:
        body["stream_options"] = {"include_usage": True}
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
    return body


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
        self._usage: Usage | None = None
        self._finish: str | None = None
        self._model: str | None = None
        self._done = False

    @property
    def began(self) -> bool:
        return self._reply.began

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
        """What was held back, the usage (an estimate where none came), Finished."""
        out = self._reply.end(self._finish)
        usage = self._usage or estimated_usage(self._request.messages, self._reply.text, self._reply.reasoning)
        reason = FINISH.get(self._finish or "stop", "other")
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


class OpenAIChat:
    """A provider that speaks the OpenAI chat format (`ei.providers.base.Provider`)."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._client: AsyncOpenAI | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self.connection.name

    def warm(self) -> None:
        """Imports the SDK and builds the client; may be called from any thread, and again."""
        with self._lock:
            if self._client is None:
                self._client = build_client(self.connection)

    async def stream(self, request: ChatRequest) -> AsyncIterator[StreamEvent]:
        """One attempt, as `Provider.stream`."""
        problem = not_ready(self.connection)
        if problem is not None:
            raise problem
        body = to_wire(request, self.connection.endpoint)
        call = Call(self.connection, request.model, tuple(body))

        import asyncio

        async def send() -> Response:
            if self._client is None:
                await asyncio.to_thread(self.warm)
            from openai import AsyncStream

            assert self._client is not None
            stream = await self._client.post(
                "/chat/completions", body=body, cast_to=object, stream=True, stream_cls=AsyncStream[object]
            )
            return stream.response

        try:
            async with aclosing(reply_events(send, FromWire(request, call), call)) as events:
                async for event in events:
                    yield event
        except UnknownModelError as error:
            if error.hint.startswith("Did you mean"):
                raise
            raise no_such_model(call, await near_names(self.connection, request.model), error.status) from error

    async def models(self) -> tuple[ListedModel, ...]:
        """What the server lists, as `Provider.models`."""
        return await list_models(self.connection)

    async def close(self) -> None:
        """Closes the connections that are kept open."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()


def build_client(connection: Connection) -> AsyncOpenAI:
    """The SDK's client, with nothing from OPENAI_… variables, no retries and no redirects (a key goes nowhere else)."""
    from httpx2 import Timeout
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    here = is_loopback(connection.base_url)
    plain = here and connection.base_url.startswith("http://")
    client = AsyncOpenAI(
        api_key=connection.key or "none",
        admin_api_key="",
        organization="",
        project="",
        webhook_secret="",
        base_url=connection.base_url,
        max_retries=0,
        http_client=DefaultAsyncHttpxClient(
            timeout=Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            follow_redirects=False,
            trust_env=not here,  # this machine is never asked through a proxy
            verify=not plain,  # without TLS, reading the certificates is 40 ms for nothing
        ),
    )
    client.organization = client.project = client.webhook_secret = client.admin_api_key = None
    # The SDK merges OPENAI_CUSTOM_HEADERS in and has no public way to say no.
    client._custom_headers = dict(connection.headers)
    return client
