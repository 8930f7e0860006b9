"""Anthropic's messages format, against a server that speaks it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ei.errors import BusyError, CutOffError, RejectedParameterError, TooLongError
from ei.messages import ChatMessage, ChatRequest, Finished, OpaquePart, StreamEvent, TextPart, Usage
from ei.providers.anthropic_messages import AnthropicMessages, FromWire, takes_sampling, to_wire
from ei.providers.base import Connection
from ei.providers.endpoints import ANTHROPIC
from ei.providers.failures import Call
from tests.providers.helpers import KEY, Heard, anthropic_at, asks, given, heard, says
from tests.wire import Answer, Cut, Status, StreamError, WireServer


@pytest.fixture
def server() -> Iterator[WireServer]:
    with WireServer(key=KEY) as running:
        yield running


async def reply_of(server: WireServer, request: ChatRequest | None = None) -> Heard:
    provider = anthropic_at(server)
    reply = await heard(provider.stream(request or asks(model="claude-haiku-4-5")))
    await provider.close()
    return reply


# What is sent.


def test_system_is_apart_and_turns_alternate_from_the_user_to_the_user() -> None:
    request = ChatRequest(
        "claude-x",
        (
            says("system", "be kind"),
            says("assistant", "Welcome."),
            says("user", "one"),
            says("user", "two"),
            says("assistant", ""),
            says("assistant", "Hm."),
        ),
    )
    body = to_wire(request, ANTHROPIC)
    assert body["system"] == "be kind"
    assert body["messages"] == [
        {"role": "user", "content": "(The conversation begins here.)"},
        {"role": "assistant", "content": "Welcome."},
        {"role": "user", "content": "one\n\ntwo"},
        {"role": "assistant", "content": "Hm."},
        {"role": "user", "content": "(Go on from exactly where you stopped.)"},
    ]


def test_the_longest_reply_is_always_sent() -> None:
    assert to_wire(asks(), ANTHROPIC)["max_tokens"] == 8192
    assert to_wire(asks(max_tokens=100), ANTHROPIC)["max_tokens"] == 100
    assert to_wire(asks(max_tokens=100_000), ANTHROPIC, {"max_tokens"})["max_tokens"] == 4096


def test_stop_and_effort_have_other_names() -> None:
    body = to_wire(asks(stop="END", reasoning_effort="minimal"), ANTHROPIC)
    assert body["stop_sequences"] == ["END"]
    assert body["output_config"] == {"effort": "low"}
    assert to_wire(asks(reasoning_effort="none"), ANTHROPIC)["thinking"] == {"type": "disabled"}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("claude-3-5-sonnet-20241022", True),
        ("claude-3-haiku-20240307", True),
        ("claude-2.1", True),
        ("claude-sonnet-4-20250514", True),
        ("claude-opus-4-6", True),
        ("claude-opus-4-5-20251101", True),
        ("claude-haiku-4-5", True),
        ("claude-opus-4-7", False),
        ("claude-opus-5", False),
        ("claude-sonnet-5", False),
        ("claude-sonnet-5-5", False),
        ("claude-haiku-5-5", False),
        ("claude-fable-5-2", False),
        ("claude-mythos-5", False),
        ("claude-mythos-preview", False),
        ("claude-saga-6", False),
        ("qwen3-8b", True),
    ],
)
def test_which_models_take_a_temperature(model: str, expected: bool) -> None:
    assert takes_sampling(model) is expected


def test_a_temperature_above_anthropics_scale_is_its_highest() -> None:
    assert to_wire(asks(model="claude-haiku-4-5", temperature=1.4), ANTHROPIC)["temperature"] == 1.0


def test_thinking_goes_back_to_the_model_that_wrote_it_and_to_no_other() -> None:
    part = OpaquePart("anthropic", {"type": "thinking", "thinking": "Hm.", "signature": "S", "model": "claude-a"})
    said = ChatMessage("assistant", (part, TextPart("Hello.")))
    messages = (says("user", "Hi"), said, says("user", "And?"))
    back = {"role": "assistant", "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "S"}, {"type": "text", "text": "Hello."},
    ]}  # fmt: skip
    without = {"role": "assistant", "content": "Hello."}

    def sent(model: str, dropped: frozenset[str] = frozenset()) -> object:
        body = to_wire(ChatRequest(model, messages, dropped=dropped), ANTHROPIC)
        assert isinstance(body["messages"], list)
        return body["messages"][1]

    assert sent("claude-a") == back
    assert sent("claude-b") == without
    assert sent("claude-a", frozenset({"signatures"})) == without


async def test_an_older_model_gets_its_temperature_with_the_older_version(server: WireServer) -> None:
    await reply_of(server, asks(model="claude-haiku-4-5", temperature=0.5))
    assert server.last.body["temperature"] == 0.5
    assert server.last.headers["anthropic-version"] == "2023-06-01"


async def test_without_sampling_the_sdks_version_is_sent(server: WireServer) -> None:
    await reply_of(server)
    assert server.last.headers["anthropic-version"] != "2023-06-01"


async def test_a_newer_model_gets_no_temperature_and_that_is_said_once(server: WireServer) -> None:
    provider = anthropic_at(server)
    request = asks(model="claude-opus-5", temperature=0.5)
    first, second = await heard(provider.stream(request)), await heard(provider.stream(request))
    await provider.close()
    assert first.notices == ["anthropic:claude-opus-5 does not take temperature; it is left out."]
    assert second.notices == []
    assert "temperature" not in server.last.body


async def test_a_temperature_that_nobody_chose_is_left_out_without_a_word(server: WireServer) -> None:
    request = asks(model="claude-opus-5", temperature=0.5)
    reply = await reply_of(server, ChatRequest(request.model, request.messages, request.parameters,
                                               defaults=frozenset({"temperature"})))  # fmt: skip
    assert reply.notices == []


async def test_of_two_samplings_at_once_the_temperature_stays(server: WireServer) -> None:
    reply = await reply_of(server, asks(model="claude-haiku-4-5", temperature=0.5, top_p=0.9))
    assert server.last.body["temperature"] == 0.5
    assert "top_p" not in server.last.body
    assert reply.notices == ["anthropic:claude-haiku-4-5 does not take top_p; it is left out."]


# What comes.


async def test_a_reply_streams_with_its_usage(server: WireServer) -> None:
    server.reply("Hello there, friend.", usage=(12, 4), ping=True)
    reply = await reply_of(server)
    assert reply.text == "Hello there, friend."
    assert reply.usage == Usage(input_tokens=12, output_tokens=4)
    assert reply.finished == Finished("stop", "claude-haiku-4-5")


async def test_a_reply_split_at_every_byte_is_the_same(server: WireServer) -> None:
    server.reply("naïve 日本語 🙂", reasoning="Ünder", split_bytes=1)
    reply = await reply_of(server)
    assert (reply.reasoning, reply.text) == ("Ünder", "naïve 日本語 🙂")


async def test_thinking_and_its_signature_are_kept_apart(server: WireServer) -> None:
    server.reply("Hello!", reasoning="Greet them.", signature="c2ln")
    reply = await reply_of(server)
    assert (reply.reasoning, reply.text) == ("Greet them.", "Hello!")
    data = {"type": "thinking", "thinking": "Greet them.", "signature": "c2ln", "model": "claude-haiku-4-5"}
    assert reply.opaque == [OpaquePart("anthropic", data)]


async def test_cached_tokens_are_part_of_the_input(server: WireServer) -> None:
    usage = {"input_tokens": 10, "cache_read_input_tokens": 80, "cache_creation_input_tokens": 5, "output_tokens": 7}
    server.reply("Hello!", usage=usage)
    reply = await reply_of(server)
    assert reply.usage == Usage(input_tokens=95, cached_tokens=80, cache_write_tokens=5, output_tokens=7)


async def test_usage_that_never_comes_is_estimated_and_marked(server: WireServer) -> None:
    server.reply("Hello!", usage=None)
    reply = await reply_of(server)
    assert reply.usage == Usage(input_tokens=12, output_tokens=2, estimated=True)


async def test_a_reply_that_is_not_streamed_is_read_all_the_same(server: WireServer) -> None:
    server.reply("Hello!", ignore_stream=True, usage=(3, 2))
    reply = await reply_of(server)
    assert (reply.text, reply.usage) == ("Hello!", Usage(3, output_tokens=2))


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("refusal", "content_filter"),
     ("model_context_window_exceeded", "length"), ("tool_use", "tool_calls"), ("pause_turn", "other")],
)  # fmt: skip
async def test_each_stop_reason_is_told(server: WireServer, reason: str, expected: str) -> None:
    server.reply("Hello!", finish=reason)
    reply = await reply_of(server)
    assert reply.finished == Finished(expected, "claude-haiku-4-5")  # type: ignore[arg-type]


def translated(*events: dict[str, object]) -> list[StreamEvent]:
    wire = FromWire(asks(model="claude-a"), Call(Connection(ANTHROPIC, "https://a.example"), "claude-a"))
    return [event for data in events for event in wire.feed(data)] + wire.end()


def test_events_of_every_odd_shape_are_passed_over() -> None:
    odd: list[dict[str, object]] = [
        {},
        {"type": "ping"},
        {"type": "message_start"},
        {"type": "message_start", "message": None},
        {"type": "content_block_start", "content_block": {"type": "tool_use", "id": "1"}},
        {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "{"}},
        {"type": "content_block_delta", "delta": {"type": "signature_delta", "signature": "S"}},
        {"type": "content_block_delta", "delta": None},
        {"type": "content_block_stop"},
        {"type": "message_delta", "usage": {"output_tokens": None}},
        {"type": "something_new", "value": 1},
    ]
    assert [type(event).__name__ for event in translated(*odd)] == ["UsageReport", "Finished"]


def test_redacted_thinking_is_kept_for_the_way_back() -> None:
    events = translated({"type": "content_block_start", "content_block": {"type": "redacted_thinking", "data": "x"}})
    assert getattr(events[0], "part", None) == OpaquePart(
        "anthropic", {"type": "redacted_thinking", "data": "x", "model": "claude-a"}
    )


# What goes wrong.


async def test_an_overloaded_server_is_told(server: WireServer) -> None:
    server.script(Status(529, "Overloaded", "overloaded_error", retry_after=4))
    error = (await reply_of(server)).error
    assert isinstance(error, BusyError)
    assert (error.sentence, error.retry_after) == ("anthropic is busy (529).", 4.0)


async def test_an_error_event_inside_the_stream_is_told(server: WireServer) -> None:
    server.script(StreamError("one two"))
    reply = await reply_of(server)
    assert isinstance(reply.error, CutOffError)
    assert (reply.text, reply.error.sentence) == ("one two", "anthropic broke off its reply: Overloaded.")


async def test_an_error_event_before_the_first_word_is_as_if_it_had_a_status(server: WireServer) -> None:
    server.script(StreamError(""))
    error = (await reply_of(server)).error
    assert isinstance(error, BusyError)
    assert error.sentence == "anthropic is busy (529)."


@pytest.mark.parametrize("how", ["close", "reset", "end"])
async def test_a_reply_that_is_cut_keeps_its_text(server: WireServer, how: str) -> None:
    server.script(Cut("one two", how, delay=0.02))  # type: ignore[arg-type]
    reply = await reply_of(server)
    assert isinstance(reply.error, CutOffError)
    assert (reply.text, reply.error.sentence) == ("one two", "The reply of anthropic was cut off.")


async def test_a_conversation_that_is_too_long_is_told_with_the_sizes(server: WireServer) -> None:
    message = "prompt is too long: 215000 tokens > 200000 maximum"
    server.script(Status(400, message, "invalid_request_error"))
    error = (await reply_of(server)).error
    assert isinstance(error, TooLongError)
    assert (error.asked, error.limit) == (215_000, 200_000)


async def test_a_rejected_parameter_is_named_as_we_name_it(server: WireServer) -> None:
    server.script(Status(400, "stop_sequences: each must contain non-whitespace", "invalid_request_error"))
    error = (await reply_of(server, asks(model="claude-haiku-4-5", stop=["\n"]))).error
    assert isinstance(error, RejectedParameterError)
    assert error.parameter == "stop"


async def test_a_wrong_key_and_an_unknown_model_are_told(server: WireServer) -> None:
    provider = anthropic_at(server, key="sk-wrong")
    wrong = await heard(provider.stream(asks()))
    await provider.close()
    assert str(wrong.error) == "anthropic refused the API key (401). Check EI_ANTHROPIC_API_KEY."
    server.strict_models = True
    server.models("claude-haiku-4-5", "claude-opus-5")
    unknown = await reply_of(server, asks(model="claude-haiku-4.5"))
    assert str(unknown.error).startswith('anthropic has no model "claude-haiku-4.5". Did you mean claude-haiku-4-5')


# The client.


async def test_nothing_of_the_sdks_own_variables_is_sent(server: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with WireServer() as other:
        for name in ("API_KEY", "AUTH_TOKEN", "PROFILE", "WEBHOOK_SIGNING_KEY"):
            monkeypatch.setenv(f"ANTHROPIC_{name}", "leaked")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", other.anthropic_url)
        monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Leak: leaked")
        await reply_of(server)
        assert other.requests == []
    assert "leaked" not in str(server.last.headers)


async def test_a_server_without_keys_gets_a_harmless_one() -> None:
    with WireServer() as server:
        provider = AnthropicMessages(Connection(ANTHROPIC, server.anthropic_url, key=given("none")))
        await heard(provider.stream(asks()))
        await provider.close()
        assert server.last.key == "none"


async def test_the_next_reply_uses_the_same_connection(server: WireServer) -> None:
    server.always(Answer("Hello."))
    provider = anthropic_at(server)
    for _ in range(3):
        await heard(provider.stream(asks()))
    await provider.close()
    assert server.connections == 1
