"""Ollama's own chat: translation both ways, a context that grows with the conversation, and the thin client.

Wire: https://docs.ollama.com/api/chat. Its OpenAI endpoint knows neither `num_ctx` nor `keep_alive`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ei.errors import ProviderError, TooLongError
from ei.messages import (
    ChatRequest,
    Finished,
    StreamEvent,
    ToolCalled,
    ToolCallPart,
    Usage,
    UsageReport,
)
from ei.providers.base import Connection
from ei.providers.client import READ_SECONDS, SdkProvider
from ei.providers.estimate import estimate_prompt, estimate_tokens, estimated_usage
from ei.providers.extras import in_words, with_extra
from ei.providers.failures import Call, not_ready
from ei.providers.ollama_api import OllamaApi, Shown, full_name
from ei.providers.ollama_context import context_for, larger, most_context, room_for
from ei.providers.ollama_failures import ollama_line_error
from ei.providers.ollama_settings import keep_alive_of
from ei.providers.openai_chat import tool_of
from ei.providers.reply_text import ReplyText, whole
from ei.providers.streaming import Response, count_of, mapping_of, text_of
from ei.providers.turns import arrange

if TYPE_CHECKING:
    from collections.abc import Iterator

OPTIONS = {"temperature": "temperature", "top_p": "top_p", "seed": "seed", "stop": "stop", "max_tokens": "num_predict"}
"""Our names of parameters, and the wire's, inside `options`."""
TOP_LEVEL = frozenset({"format", "keep_alive", "think", "options", "logprobs", "top_logprobs", "truncate", "shift"})
"""What stands beside `options`; whatever else a profile adds is one of them."""
STRUCTURE = frozenset({"model", "messages", "stream", "tools", "truncate"})
MUST_CALL = "Answer by calling one of the tools, not with text."
ASIDE_SECONDS = 3.0
"""How long an answer waits for what is only good to know: what is loaded, what the model can do."""
SHOWN_SECONDS = 600.0
GROWTHS = 4
"""How often a request that turns out longer than estimated is sent again with more context."""


def to_wire(
    request: ChatRequest, num_ctx: int, keep_alive: str | int | float | None = None, levels: bool = False
) -> dict[str, object]:
    """The body of a request. num_ctx: tokens. keep_alive: as Ollama takes it, None to leave it to the server.

    levels: whether the model thinks as much as it is told (low, medium, high) rather than at all or not.
    A model that rejected `format` once is asked for any JSON, with the schema in the prompt.
    """
    dropped = request.dropped
    system, turns = arrange(request.messages)
    any_json = "format" in dropped
    if request.schema is not None and any_json:
        system = f"{system}\n\n{in_words(request.schema)}".strip()
    tools = () if "tools" in dropped else request.tools
    if tools and request.must_call:  # the wire has no field for it
        system = f"{system}\n\n{MUST_CALL}".strip()
    messages = [{"role": turn.role, "content": turn.text} for turn in turns]
    if system and "system" in dropped:
        messages[0]["content"] = f"{system}\n\n{messages[0]['content']}"
    elif system:
        messages.insert(0, {"role": "system", "content": system})
    # Without these two, what does not fit is cut off silently, the beginning first.
    body: dict[str, object] = {"model": request.model, "messages": messages, "stream": True}
    body |= {"truncate": False, "shift": False}
    if keep_alive is not None and "keep_alive" not in dropped:
        body["keep_alive"] = keep_alive
    if tools:
        body["tools"] = [tool_of(tool) for tool in tools]
    if request.schema is not None:
        body["format"] = "json" if any_json else request.schema
    effort = request.parameters.get("reasoning_effort")
    if isinstance(effort, str) and "reasoning_effort" not in dropped:
        body["think"] = think_of(effort, levels)
    options: dict[str, object] = {"num_ctx": num_ctx}
    for name, value in request.parameters.items():
        if value is not None and name in OPTIONS and name not in dropped:
            options[OPTIONS[name]] = [value] if name == "stop" and isinstance(value, str) else value
    extra = {name: value for name, value in request.extra.items() if name in TOP_LEVEL - {"options"}}
    body["options"] = own_options(request) | options
    return with_extra(body, replace(request, extra=extra), dropped | STRUCTURE)


def own_options(request: ChatRequest) -> dict[str, object]:
    """What a profile adds that belongs into `options`: what it wrote there, and names that stand alone."""
    alone = {name: value for name, value in request.extra.items() if name not in TOP_LEVEL | STRUCTURE}
    found = {**mapping_of(request.extra.get("options")), **alone}
    return {name: value for name, value in found.items() if value is not None and name not in request.dropped}


def think_of(effort: str, levels: bool) -> bool | str:
    """What `think` is for an effort. A model with levels always thinks."""
    if not levels:
        return effort not in ("none", "minimal")
    return {"none": "low", "minimal": "low", "low": "low", "medium": "medium"}.get(effort, "high")


def request_tokens(request: ChatRequest) -> int:
    """About how many tokens a request has, tools and schema included."""
    told = [tool_of(tool) for tool in request.tools] + ([request.schema] if request.schema is not None else [])
    return estimate_prompt(request.messages) + (estimate_tokens(json.dumps(told)) if told else 0)


FINISH: Mapping[str, Literal["stop", "length", "tool_calls", "content_filter", "other"]] = {
    "": "stop",
    "stop": "stop",
    "length": "length",
}


class FromWire:
    """Translates one reply's lines to events. Knows nothing of HTTP; raises ProviderError for an error line."""

    def __init__(self, request: ChatRequest, call: Call) -> None:
        self._request = request
        self._call = call
        self._reply = ReplyText(request.reasoning_first)
        self._calls: list[ToolCallPart] = []
        self._last: Mapping[str, object] | None = None
        self._model: str | None = None

    @property
    def began(self) -> bool:
        return self._reply.began or bool(self._calls)

    @property
    def complete(self) -> bool:
        return self._last is not None

    @property
    def over(self) -> bool:
        return self._last is not None

    def feed(self, data: Mapping[str, object]) -> list[StreamEvent]:
        """The events of one line."""
        if data.get("error"):
            raise ollama_line_error(data["error"], replace(self._call, began=self.began))
        self._model = text_of(data.get("model")) or self._model
        message = mapping_of(data.get("message"))
        out = self._reply.reason(text_of(message.get("thinking"))) + self._reply.say(text_of(message.get("content")))
        self._take_calls(message.get("tool_calls"))
        if data.get("done") is True:
            self._last = data
        return out

    def whole(self, data: Mapping[str, object]) -> list[StreamEvent]:
        """The events of a reply that was not streamed."""
        return self.feed({**data, "done": True})

    def end(self) -> list[StreamEvent]:
        """What was held back, the tool calls, the usage (an estimate where none came), Finished."""
        last = self._last or {}
        done = text_of(last.get("done_reason"))
        out = self._reply.end(done or "stop")
        text = self._reply.text + "".join(call.name + call.arguments for call in self._calls)
        usage = usage_of(last) or estimated_usage(self._request.messages, text, self._reply.reasoning)
        reason = FINISH.get(done, "other")
        if self._calls and reason == "stop":
            reason = "tool_calls"
        calls = [ToolCalled(call) for call in self._calls]
        return [*out, *calls, UsageReport(usage), Finished(reason, self._model)]

    def _take_calls(self, calls: object) -> None:
        for call in map(mapping_of, calls if isinstance(calls, list) else []):
            function = mapping_of(call.get("function"))
            name, arguments = text_of(function.get("name")), function.get("arguments")
            if name:
                written = arguments if isinstance(arguments, str) else json.dumps(mapping_of(arguments))
                id = text_of(call.get("id")) or f"call_{len(self._calls) + 1}"
                self._calls.append(ToolCallPart(id, name, whole(written) or "{}"))


def usage_of(last: Mapping[str, object]) -> Usage | None:
    """Tokens of the last line, None where it counts none; what it thought is not told apart."""
    prompt, out = count_of(last.get("prompt_eval_count")), count_of(last.get("eval_count"))
    return None if prompt is None and out is None else Usage(input_tokens=prompt, output_tokens=out)


@dataclass(frozen=True, slots=True)
class Room:
    """most: the longest context that may be asked for; loaded: what the model is in memory with, 0 for not at all.

    levels: as in `to_wire`.
    """

    most: int
    loaded: int = 0
    levels: bool = False


class OllamaChat(SdkProvider[OllamaApi]):
    """A provider that speaks Ollama's own chat (`ei.providers.base.Provider`, `Sized`)."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, build_api, "httpx")
        self._shown: dict[str, tuple[float, Shown]] = {}
        self._under_way: dict[str, list[int]] = {}

    async def stream(self, request: ChatRequest) -> AsyncIterator[StreamEvent]:
        """One attempt, as `Provider.stream`; one that needs more context than was thought is sent anew with it."""
        problem = not_ready(self.connection)
        if problem is not None:
            raise problem
        room = await self._room(request.model)
        own = count_of(own_options(request).get("num_ctx"))
        most = own or room.most
        reply_room = room_for(request.parameters.get("max_tokens"), most)
        busy = max(self._under_way.get(full_name(request.model), ()), default=0)
        context = own or context_for(request_tokens(request), reply_room, most, max(room.loaded, busy))
        for growth in range(GROWTHS + 1):
            try:
                with self._using(request.model, context):
                    async with aclosing(self._attempt(request, context, room.levels)) as events:
                        async for event in events:
                            yield event
                return
            except TooLongError as error:
                grown = larger(context, error.asked, reply_room, most)
                if grown is None or growth == GROWTHS:
                    raise with_limit(error, most) from error
                context = grown

    async def _attempt(self, request: ChatRequest, context: int, levels: bool) -> AsyncGenerator[StreamEvent, None]:
        keep_alive = keep_alive_of(self.connection.keep_alive)
        body = to_wire(request, context, keep_alive, levels)
        sent = {"think", "format", "tools", "keep_alive"} & body.keys()
        call = Call(self.connection, request.model, (*sent, *(mapping_of(body["options"]).keys() - {"num_ctx"})))

        async def send() -> Response:
            api = await self.client()
            return await api.open("/api/chat", body, call, READ_SECONDS)

        async with aclosing(self.reply(send, FromWire(request, call), call)) as events:
            async for event in events:
                yield event

    async def context_limit(self, model: str) -> int | None:
        """As `Sized.context_limit`: what the server says of the model, and what the setting allows."""
        return (await self._room(model)).most

    async def context_now(self, model: str) -> int | None:
        """As `Sized.context_now`: what it is loaded with, else what it may be loaded with."""
        room = await self._room(model)
        return room.loaded or room.most

    async def _room(self, model: str) -> Room:
        """What is known of a model's context; what the server does not tell in time is not known."""
        import asyncio

        api = await self.client()
        shown, loaded = await asyncio.gather(self._show(api, model), self._loaded(api, model))
        levels = shown.family.replace("-", "") == "gptoss" or "gpt-oss" in model.lower()
        own = shown.context if shown.remote else shown.num_ctx  # what runs elsewhere takes no memory here
        return Room(most_context(shown.context, self.connection.num_ctx, own, loaded), loaded, levels)

    async def _show(self, api: OllamaApi, model: str) -> Shown:
        import asyncio
        import time

        held = self._shown.get(full_name(model))
        if held is not None and time.monotonic() - held[0] < SHOWN_SECONDS:
            return held[1]
        try:
            async with asyncio.timeout(ASIDE_SECONDS):
                shown = await api.show(model)
        except (ProviderError, TimeoutError):
            return held[1] if held is not None else Shown()
        self._shown[full_name(model)] = (time.monotonic(), shown)
        return shown

    async def _loaded(self, api: OllamaApi, model: str) -> int:
        """The context that the model is loaded with now, 0 where it is not."""
        import asyncio

        try:
            async with asyncio.timeout(ASIDE_SECONDS):
                rows = await api.loaded()
        except (ProviderError, TimeoutError):
            return 0
        return max((row.context_length or 0 for row in rows if full_name(row.name) == full_name(model)), default=0)

    @contextmanager
    def _using(self, model: str, context: int) -> Iterator[None]:
        """While it lasts, other requests to the model ask for no shorter context: it would be loaded to and fro."""
        in_use = self._under_way.setdefault(full_name(model), [])
        in_use.append(context)
        try:
            yield
        finally:
            in_use.remove(context)


def with_limit(error: TooLongError, most: int) -> TooLongError:
    """The same error with the longest context that was tried."""
    return TooLongError(
        f"The conversation is longer than {error.provider}:{error.model} can read ({most:,} tokens).",
        "Start a new one with /new, or allow more: providers.ollama.num_ctx in settings.",
        provider=error.provider,
        model=error.model,
        status=error.status,
        limit=most,
        asked=error.asked,
    )


def build_api(connection: Connection) -> OllamaApi:
    """The client, with httpx loaded."""
    api = OllamaApi(connection)
    api.warm()
    return api
