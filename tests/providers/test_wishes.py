"""Tools, a schema and a profile's own fields on both wires: what is sent, and what comes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from ei.errors import ProviderError, RejectedParameterError
from ei.messages import ChatRequest, Finished, StreamEvent, ToolCalled, ToolCallPart, ToolSpec
from ei.providers import anthropic_messages, openai_chat
from ei.providers.anthropic_messages import AnthropicMessages
from ei.providers.base import Connection
from ei.providers.endpoints import ANTHROPIC, LOCAL, OPENAI
from ei.providers.failures import Call
from ei.providers.openai_chat import OpenAIChat
from ei.providers.retry import stream_with_retries
from tests.providers.helpers import KEY, Heard, anthropic_at, asks, heard, openai_at
from tests.wire import Answer, Request, Status, ToolUse, WireServer

SCHEMA: Mapping[str, object] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = ToolSpec("weather", "Tells the weather.", SCHEMA)
PARIS = ToolUse("weather", '{"city": "Paris"}', "call_a")
OSLO = ToolUse("weather", '{"city": "Oslo"}', "call_b")
TOOLS = replace(asks(), tools=(WEATHER,))
SHAPED = replace(asks(), schema=SCHEMA)

Adapter = type[OpenAIChat] | type[AnthropicMessages]
both = pytest.mark.parametrize("adapter", [OpenAIChat, AnthropicMessages], ids=["openai", "anthropic"])


@pytest.fixture
def server() -> Iterator[WireServer]:
    with WireServer(key=KEY) as running:
        yield running


async def reply_of(server: WireServer, adapter: Adapter, request: ChatRequest, retried: bool = False) -> Heard:
    provider = openai_at(server) if adapter is OpenAIChat else anthropic_at(server)
    reply = await heard(stream_with_retries(provider, request) if retried else provider.stream(request))
    await provider.close()
    return reply


def parts(reply: Heard) -> list[tuple[str, str, str]]:
    return [(call.id, call.name, call.arguments) for call in reply.calls]


# Tool calls.


def test_tools_are_sent_as_each_wire_has_them() -> None:
    function = {"name": "weather", "description": "Tells the weather.", "parameters": SCHEMA}
    body = openai_chat.to_wire(TOOLS, LOCAL)
    assert (body["tools"], "tool_choice" in body) == ([{"type": "function", "function": function}], False)
    body = anthropic_messages.to_wire(TOOLS, ANTHROPIC)
    own = {"name": "weather", "description": "Tells the weather.", "input_schema": SCHEMA}
    assert (body["tools"], "tool_choice" in body) == ([own], False)


def test_a_call_that_must_be_made_is_demanded_unless_that_is_rejected() -> None:
    must = replace(TOOLS, must_call=True)
    assert openai_chat.to_wire(must, LOCAL)["tool_choice"] == "required"
    assert anthropic_messages.to_wire(must, ANTHROPIC)["tool_choice"] == {"type": "any"}
    for body in (
        openai_chat.to_wire(must, LOCAL, ["tool_choice"]),
        anthropic_messages.to_wire(must, ANTHROPIC, ["tool_choice"]),
    ):
        assert ("tools" in body, "tool_choice" in body) == (True, False)


@both
async def test_calls_are_put_together_from_their_fragments(server: WireServer, adapter: Adapter) -> None:
    server.script(Answer("Let me look.", tools=[PARIS, OSLO]))
    reply = await reply_of(server, adapter, TOOLS)
    assert (reply.text, reply.error) == ("Let me look.", None)
    assert parts(reply) == [
        ("call_a", "weather", '{"city": "Paris"}'),
        ("call_b", "weather", '{"city": "Oslo"}'),
    ]
    assert reply.finished == Finished("tool_calls", "tiny")


@both
async def test_calls_split_at_every_byte_are_the_same(server: WireServer, adapter: Adapter) -> None:
    server.script(Answer(tools=[ToolUse("weather", '{"city": "Málaga 🙂"}')], split_bytes=1))
    reply = await reply_of(server, adapter, TOOLS)
    assert parts(reply) == [("call_1", "weather", '{"city": "Málaga 🙂"}')]


@both
async def test_calls_of_a_reply_that_is_not_streamed_are_read(server: WireServer, adapter: Adapter) -> None:
    server.script(Answer(tools=[PARIS, OSLO], ignore_stream=True))
    reply = await reply_of(server, adapter, TOOLS)
    assert [json.loads(call.arguments) for call in reply.calls] == [{"city": "Paris"}, {"city": "Oslo"}]
    assert reply.finished == Finished("tool_calls", "tiny")


@both
async def test_a_call_without_arguments_has_an_empty_object(server: WireServer, adapter: Adapter) -> None:
    server.script(Answer(tools=[ToolUse("now", "")]))
    assert parts(await reply_of(server, adapter, TOOLS)) == [("call_1", "now", "{}")]


@both
async def test_a_call_that_is_cut_off_is_not_given_out(server: WireServer, adapter: Adapter) -> None:
    if adapter is OpenAIChat:
        pieces = [{"index": 0, "id": "a", "function": {"name": "weather", "arguments": '{"ci'}}]
        said = Answer(extra={"choices": [{"index": 0, "delta": {"tool_calls": pieces}}]}, finish=None, done=False)
    else:
        said = Answer(tools=[PARIS], finish=None, done=False)
    server.script(said)
    reply = await reply_of(server, adapter, TOOLS)
    assert reply.calls == []
    assert reply.error is not None


@both
async def test_usage_that_never_comes_is_estimated_with_the_call(server: WireServer, adapter: Adapter) -> None:
    server.script(Answer(tools=[PARIS], usage=None))
    reply = await reply_of(server, adapter, TOOLS)
    assert reply.usage is not None
    assert reply.usage.estimated
    assert reply.usage.output_tokens == 6


async def test_whole_calls_without_an_index_are_told_apart(server: WireServer) -> None:
    whole = [replace(PARIS, style="whole"), replace(OSLO, style="whole")]
    server.script(Answer(tools=whole, finish="stop"))
    reply = await reply_of(server, OpenAIChat, TOOLS)
    assert [call.id for call in reply.calls] == ["call_a", "call_b"]


def translated(*deltas: object, finish: str = "stop") -> list[StreamEvent]:
    wire = openai_chat.FromWire(TOOLS, Call(Connection(LOCAL, "http://127.0.0.1:1/v1"), "tiny"))
    out: list[StreamEvent] = []
    for delta in deltas:
        out += wire.feed({"choices": [{"index": 0, "delta": delta}]})
    out += wire.feed({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    return out + wire.end()


def calls_in(events: list[StreamEvent]) -> list[ToolCallPart]:
    return [event.part for event in events if isinstance(event, ToolCalled)]


def fragment(index: int | None, id: str = "", name: str = "", arguments: object = "") -> dict[str, object]:
    given: dict[str, object] = {"function": {"name": name, "arguments": arguments}}
    return given | ({} if index is None else {"index": index}) | ({"id": id} if id else {})


def test_googles_calls_that_share_an_index_are_two() -> None:
    events = translated(
        {"tool_calls": [fragment(0, "a", "weather", '{"city": "Paris"}')]},
        {"tool_calls": [fragment(0, "b", "weather", '{"city": "Oslo"}')]},
    )
    assert calls_in(events) == [
        ToolCallPart("a", "weather", '{"city": "Paris"}'),
        ToolCallPart("b", "weather", '{"city": "Oslo"}'),
    ]
    assert events[-1] == Finished("tool_calls")


def test_fragments_of_two_calls_may_come_in_turns() -> None:
    events = translated(
        {"tool_calls": [fragment(0, "a", "weather"), fragment(1, "b", "weather")]},
        {"tool_calls": [fragment(1, arguments='{"city"'), fragment(0, arguments='{"ci')]},
        {"tool_calls": [fragment(1, arguments=": 1}"), fragment(0, arguments='ty": 0}')]},
    )
    assert [call.arguments for call in calls_in(events)] == ['{"city": 0}', '{"city": 1}']


def test_an_id_and_a_name_that_come_with_every_fragment_are_one_call() -> None:
    events = translated(
        {"tool_calls": [fragment(0, "a", "weather", '{"city"')]},
        {"tool_calls": [fragment(0, "a", "weather", ': "Paris"}')]},
    )
    assert calls_in(events) == [ToolCallPart("a", "weather", '{"city": "Paris"}')]


def test_whole_calls_without_index_or_id_are_two_and_get_ids() -> None:
    events = translated(
        {"tool_calls": [fragment(None, "", "weather", {"city": "Paris"}), fragment(None, "", "weather", {"city": "é"})]}
    )
    assert [(call.id, json.loads(call.arguments)) for call in calls_in(events)] == [
        ("call_1", {"city": "Paris"}),
        ("call_2", {"city": "é"}),
    ]


def test_an_emoji_split_between_fragments_is_whole() -> None:
    events = translated(
        {"tool_calls": [fragment(0, "a", "weather", '{"c": "\ud83d')]},
        {"tool_calls": [fragment(0, arguments='\ude42"}')]},
    )
    assert calls_in(events)[0].arguments == '{"c": "🙂"}'


def test_calls_of_every_odd_shape_are_passed_over() -> None:
    odd: list[object] = [
        None, 5, "x", {}, [], [5], [{}], [{"index": -1}], [{"index": "0", "function": []}],
        [{"function": {"name": 5, "arguments": 7}}], [{"id": "lost"}],
        [{"index": True, "function": {"arguments": "x"}}],
    ]  # fmt: skip
    events = translated(*({"tool_calls": calls} for calls in odd))
    assert calls_in(events) == []
    assert events[-1] == Finished("stop")


def test_tool_blocks_of_every_odd_shape_are_passed_over() -> None:
    wire = anthropic_messages.FromWire(TOOLS, Call(Connection(ANTHROPIC, "http://127.0.0.1:1"), "tiny"))
    out: list[StreamEvent] = []
    for block in ({"type": "tool_use"}, {"type": "tool_use", "name": 5}, {"type": "tool_use", "name": "x", "input": 7}):
        out += wire.feed({"type": "content_block_start", "index": 0, "content_block": block})
        for json_text in (None, 5, "{}"):
            delta = {"type": "input_json_delta", "partial_json": json_text}
            out += wire.feed({"type": "content_block_delta", "index": 0, "delta": delta})
        out += wire.feed({"type": "content_block_stop", "index": 0})
    out += wire.feed({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}) + wire.end()
    assert calls_in(out) == [ToolCallPart("", "x", "{}")]


# Structured output.


def test_a_schema_becomes_a_response_format_or_a_tool_that_must_be_called() -> None:
    assert openai_chat.to_wire(SHAPED, OPENAI)["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "reply", "schema": SCHEMA, "strict": True},
    }
    body = anthropic_messages.to_wire(SHAPED, ANTHROPIC)
    assert body["tools"] == [{"name": "reply", "description": "Gives your answer to the user.", "input_schema": SCHEMA}]
    assert body["tool_choice"] == {"type": "tool", "name": "reply"}
    mixed = anthropic_messages.to_wire(replace(SHAPED, tools=(WEATHER,)), ANTHROPIC)
    assert mixed["tool_choice"] == {"type": "any"}


def test_without_a_wish_nothing_of_it_is_sent() -> None:
    wishes = {"tools", "tool_choice", "response_format"}
    assert not wishes & openai_chat.to_wire(asks(), OPENAI).keys()
    assert not wishes & anthropic_messages.to_wire(asks(), ANTHROPIC).keys()


@both
async def test_the_answer_that_fits_the_schema_is_the_text(server: WireServer, adapter: Adapter) -> None:
    def answer(request: Request) -> Answer:
        text = '{"city": "Paris 🙂"}'
        return Answer(text) if "response_format" in request.body else Answer(tools=[ToolUse("reply", text)])

    for ignore in (False, True):
        server.script(lambda request, ignore=ignore: replace(answer(request), ignore_stream=ignore))
        reply = await reply_of(server, adapter, SHAPED)
        assert (json.loads(reply.text), reply.calls) == ({"city": "Paris 🙂"}, [])
        assert reply.finished is not None
        assert (reply.finished.reason, reply.error) == ("stop", None)


async def test_a_schema_that_is_rejected_becomes_any_json_with_the_schema_in_words(server: WireServer) -> None:
    def answer(request: Request) -> Answer | Status:
        strict = request.body["response_format"]["type"] == "json_schema"
        return Status(400, "This response_format type is unavailable now") if strict else Answer("{}")

    server.always(answer)
    reply = await reply_of(server, OpenAIChat, SHAPED, retried=True)
    assert (reply.text, reply.notices) == ("{}", [])
    assert server.last.body["response_format"] == {"type": "json_object"}
    assert "JSON" in server.last.messages[0][1]


async def test_a_server_that_takes_neither_form_is_told(server: WireServer) -> None:
    server.rejects("response_format")
    reply = await reply_of(server, OpenAIChat, SHAPED, retried=True)
    assert isinstance(reply.error, RejectedParameterError)
    assert (reply.error.parameter, len(server.chats)) == ("response_format", 2)


@both
async def test_tools_that_are_needed_are_not_left_out(server: WireServer, adapter: Adapter) -> None:
    server.rejects("tools")
    provider = openai_at(server) if adapter is OpenAIChat else anthropic_at(server)
    reply = await heard(stream_with_retries(provider, TOOLS, needed=frozenset({"tools"})))
    await provider.close()
    assert isinstance(reply.error, RejectedParameterError)
    assert len(server.chats) == 1
    without = await reply_of(server, adapter, TOOLS, retried=True)
    assert (without.text, len(without.notices)) == ("Hello there.", 1)


@pytest.mark.parametrize(
    ("status", "words", "parameter"),
    [
        (500, "tools param requires --jinja flag", "tools"),
        (501, "tools are not supported", "tools"),
        (400, "registry.ollama.ai/library/gemma:2b does not support tools", "tools"),
        (400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set', ""),
    ],
)
async def test_a_refusal_of_tools_is_understood(server: WireServer, status: int, words: str, parameter: str) -> None:
    server.always(Status(status, words))
    reply = await reply_of(server, OpenAIChat, TOOLS)
    assert isinstance(reply.error, RejectedParameterError if parameter else ProviderError)
    assert getattr(reply.error, "parameter", "") == parameter


# Fields of a profile's own.


def test_extra_fields_are_sent_as_they_are() -> None:
    request = replace(asks(), extra={"provider": {"order": ["a"]}, "top_k": 5, "logit_bias": None})
    for body in (openai_chat.to_wire(request, LOCAL), anthropic_messages.to_wire(request, ANTHROPIC)):
        assert (body["provider"], body["top_k"], "logit_bias" in body) == ({"order": ["a"]}, 5, False)


def test_extra_fields_replace_nothing_that_the_request_says() -> None:
    wrong = dict.fromkeys(("model", "messages", "stream", "stream_options", "system", "temperature"), "wrong")
    request = replace(asks(temperature=0.2, max_tokens=9), extra={**wrong, "max_tokens": 7})
    body = openai_chat.to_wire(request, OPENAI)
    assert (body["model"], body["stream"], body["temperature"]) == ("tiny", True, 0.2)
    assert (body["max_completion_tokens"], "max_tokens" in body) == (9, False)
    assert body["stream_options"] == {"include_usage": True}
    body = anthropic_messages.to_wire(request, ANTHROPIC)
    assert (body["model"], body["stream"], body["system"], body["max_tokens"]) == ("tiny", True, "You are Ei.", 9)
    unlimited = replace(asks(), extra={"max_tokens": 7})
    assert anthropic_messages.to_wire(unlimited, ANTHROPIC)["max_tokens"] == 7
    assert openai_chat.to_wire(unlimited, OPENAI)["max_tokens"] == 7


@both
async def test_an_extra_field_that_is_rejected_is_left_out_and_said(server: WireServer, adapter: Adapter) -> None:
    server.rejects("top_k")
    reply = await reply_of(server, adapter, replace(asks(), extra={"top_k": 5}), retried=True)
    assert reply.text == "Hello there."
    assert [notice.partition(" does")[2] for notice in reply.notices] == [" not take top_k; it is left out."]
