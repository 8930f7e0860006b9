"""Ollama's own chat over real HTTP: what is sent, what is heard, how the context grows, what goes wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from ei.errors import (
    BusyError,
    CutOffError,
    ProviderError,
    RejectedParameterError,
    TooLongError,
    UnknownModelError,
    UnreachableError,
)
from ei.messages import ChatRequest, Finished, ToolCallPart, ToolSpec, Usage
from ei.providers.base import Connection, Endpoint, Sized
from ei.providers.endpoints import OLLAMA
from ei.providers.ollama_chat import OllamaChat, to_wire
from ei.providers.ollama_context import context_for, larger, most_context, room_for
from ei.providers.ollama_settings import keep_alive_of, loading_of
from tests.ollama import Answer, Cut, OllamaServer, Raw, Status, StreamError, ToolUse
from tests.providers.helpers import asks, heard, says
from tests.wire import WireServer

QWEN = "qwen3:8b"
WEATHER = ToolSpec("weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
SCHEMA = {"type": "object", "properties": {"mood": {"type": "string"}}, "required": ["mood"]}


@pytest.fixture
def server() -> Iterator[OllamaServer]:
    with OllamaServer() as server:
        server.install(QWEN, capabilities=("completion", "tools", "thinking"))
        server.reply("Hello there.")
        yield server


@asynccontextmanager
async def chatting(
    server: OllamaServer, num_ctx: int | None = None, keep_alive: str = "", endpoint: Endpoint = OLLAMA
) -> AsyncIterator[OllamaChat]:
    chat = OllamaChat(Connection(endpoint, f"{server.url}/v1", num_ctx=num_ctx, keep_alive=keep_alive))
    try:
        yield chat
    finally:
        await chat.close()


def words(count: int) -> str:
    """Text of so many words, each estimated at more than a token."""
    return " ".join(["sevens"] * count)


async def test_a_reply_is_streamed_with_usage_and_the_name_that_answered(server: OllamaServer) -> None:
    server.reply("Hello\nthere 🙂", usage=(12, 4), split_bytes=7)
    async with chatting(server) as chat:
        reply = await heard(chat.stream(asks("Hi", QWEN)))
    assert (reply.text, reply.reasoning, reply.error) == ("Hello\nthere 🙂", "", None)
    assert (reply.usage, reply.finished) == (Usage(input_tokens=12, output_tokens=4), Finished("stop", QWEN))


async def test_parameters_go_into_options_by_ollamas_names(server: OllamaServer) -> None:
    asked = asks("Hi", QWEN, temperature=0.5, top_p=0.9, seed=7, stop="END", max_tokens=500)
    async with chatting(server, keep_alive="30m") as chat:
        await heard(chat.stream(asked))
    assert server.last.body == {
        "model": QWEN,
        "messages": [{"role": "system", "content": "You are Ei."}, {"role": "user", "content": "Hi"}],
        "stream": True,
        "truncate": False,
        "shift": False,
        "keep_alive": "30m",
        "options": {
            "num_ctx": 4096,
            "temperature": 0.5,
            "top_p": 0.9,
            "seed": 7,
            "stop": ["END"],
            "num_predict": 500,
        },
    }


def test_what_a_profile_adds_goes_where_ollama_takes_it_and_replaces_nothing_that_is_asked() -> None:
    extra = {"top_k": 40, "options": {"min_p": 0.1, "num_ctx": 99}, "keep_alive": -1, "stream": False, "temperature": 2}
    asked = replace(asks("Hi", QWEN, temperature=0.5), extra=extra, dropped=frozenset({"min_p"}))
    body = to_wire(asked, 8192)
    assert (body["options"], body["keep_alive"], body["stream"]) == (
        {"top_k": 40, "num_ctx": 8192, "temperature": 0.5},
        -1,
        True,
    )


async def test_a_profiles_own_num_ctx_is_what_is_asked_for(server: OllamaServer) -> None:
    async with chatting(server) as chat:
        await heard(chat.stream(replace(asks("Hi", QWEN), extra={"num_ctx": 20_000})))
    assert server.loads == [(QWEN, 20_000)]


async def test_thinking_comes_apart_from_the_reply(server: OllamaServer) -> None:
    server.reply("Four.", reasoning="Two and two.")
    async with chatting(server) as chat:
        reply = await heard(chat.stream(asks("2+2?", QWEN)))
    assert (reply.reasoning, reply.text) == ("Two and two.", "Four.")
    assert "think" not in server.last.body


async def test_thinking_inside_the_text_comes_apart_too(server: OllamaServer) -> None:
    server.reply("<think>Two and two.</think>Four.", chunks=3)
    async with chatting(server) as chat:
        reply = await heard(chat.stream(asks("2+2?", QWEN)))
    assert (reply.reasoning, reply.text) == ("Two and two.", "Four.")


@pytest.mark.parametrize(
    ("effort", "plain", "levels"),
    [("none", False, "low"), ("minimal", False, "low"), ("low", True, "low"), ("high", True, "high")],
)
async def test_an_effort_is_thinking_or_not_and_a_level_where_the_model_has_levels(
    server: OllamaServer, effort: str, plain: bool, levels: str
) -> None:
    server.install("oss:20b", capabilities=("completion", "thinking"), family="gptoss")
    async with chatting(server) as chat:
        for model in (QWEN, "oss:20b"):
            await heard(chat.stream(asks("Hi", model, reasoning_effort=effort)))
    assert [request.body["think"] for request in server.chats] == [plain, levels]


@pytest.mark.parametrize("parameter", ["reasoning_effort", "tools"])
async def test_what_a_model_cannot_do_is_a_rejected_parameter(server: OllamaServer, parameter: str) -> None:
    server.install("plain")
    asked = replace(asks("Hi", "plain", reasoning_effort="low"), tools=(WEATHER,))
    other = {"reasoning_effort": "tools", "tools": "reasoning_effort"}[parameter]
    async with chatting(server) as chat:
        refused = await heard(chat.stream(replace(asked, dropped=frozenset({other}))))
        assert isinstance(refused.error, RejectedParameterError)
        assert refused.error.parameter == parameter
        reply = await heard(chat.stream(replace(asked, dropped=frozenset({other, parameter}))))
    assert reply.text == "Hello there."


async def test_tools_are_offered_and_called(server: OllamaServer) -> None:
    server.reply("", tools=(ToolUse("weather", '{"city": "Köln"}'), ToolUse("weather", "{}")), finish="stop")
    async with chatting(server) as chat:
        reply = await heard(chat.stream(replace(asks("Rain?", QWEN), tools=(WEATHER,), must_call=True)))
    assert reply.calls == [
        ToolCallPart("call_1", "weather", json.dumps({"city": "Köln"})),
        ToolCallPart("call_2", "weather", "{}"),
    ]
    assert reply.finished == Finished("tool_calls", QWEN)
    (tool,) = server.last.body["tools"]
    assert tool["function"]["parameters"] == WEATHER.parameters
    assert "calling one of the tools" in server.last.body["messages"][0]["content"]


def test_a_schema_is_the_format_and_where_that_was_rejected_told_in_words() -> None:
    asked = replace(asks("Hi", QWEN), schema=SCHEMA)
    assert to_wire(asked, 4096)["format"] == SCHEMA
    body = to_wire(replace(asked, dropped=frozenset({"format"})), 4096)
    assert body["format"] == "json"
    assert "It fits this JSON Schema" in str(body["messages"])


def test_a_template_without_a_system_role_gets_it_in_the_first_turn() -> None:
    body = to_wire(replace(asks("Hi", QWEN), dropped=frozenset({"system"})), 4096)
    assert body["messages"] == [{"role": "user", "content": "You are Ei.\n\nHi"}]


async def test_a_reply_that_ran_into_its_limit_says_so(server: OllamaServer) -> None:
    server.reply("one two three four")
    async with chatting(server) as chat:
        reply = await heard(chat.stream(asks("Count", QWEN, max_tokens=2)))
    assert (reply.text, reply.finished) == ("one two", Finished("length", QWEN))


async def test_a_server_that_counts_nothing_or_does_not_stream_is_understood(server: OllamaServer) -> None:
    server.reply("Hello there.", usage=None)
    async with chatting(server) as chat:
        reply = await heard(chat.stream(asks("Hi", QWEN)))
        assert reply.usage is not None
        assert reply.usage.estimated
        line = {"model": QWEN, "message": {"content": "All at once."}, "done_reason": "stop", "eval_count": 3}
        server.always(Raw(json.dumps(line).encode(), "application/json"))
        reply = await heard(chat.stream(asks("Hi", QWEN)))
    assert (reply.text, reply.usage) == ("All at once.", Usage(output_tokens=3))


# The context.


async def test_the_context_grows_in_steps_with_the_conversation_and_never_back(server: OllamaServer) -> None:
    async with chatting(server) as chat:
        for count in (100, 1200, 1500, 3000, 5000, 100):
            reply = await heard(chat.stream(asks(words(count), QWEN)))
            assert reply.error is None
    assert [request.body["options"]["num_ctx"] for request in server.chats] == [
        8192, 8192, 8192, 16_384, 16_384, 16_384,
    ]  # fmt: skip
    assert server.loads == [(QWEN, 8192), (QWEN, 16_384)]


async def test_a_model_that_is_loaded_with_more_keeps_it(server: OllamaServer) -> None:
    server.load(QWEN, 20_000)
    async with chatting(server) as chat:
        await heard(chat.stream(asks("Hi", QWEN)))
    assert server.loads == []


async def test_two_requests_at_once_ask_for_the_same_context(server: OllamaServer) -> None:
    server.load_seconds = 0.3
    async with chatting(server) as chat:
        long = asyncio.create_task(heard(chat.stream(asks(words(3000), QWEN))))
        await asyncio.to_thread(server.wait_for, 1)
        await heard(chat.stream(asks("Hi", QWEN)))
        await long
    assert {request.body["options"]["num_ctx"] for request in server.chats} == {16_384}


async def test_what_was_estimated_too_short_is_sent_again_with_the_context_it_needs(server: OllamaServer) -> None:
    server.tokens_per_word = 6
    async with chatting(server) as chat:
        reply = await heard(chat.stream(asks(words(1500), QWEN)))
    assert reply.text == "Hello there."
    assert [request.body["options"]["num_ctx"] for request in server.chats] == [8192, 16_384]


async def test_what_is_longer_than_the_model_can_or_the_setting_allows_is_told_with_both_counts(
    server: OllamaServer,
) -> None:
    server.install("short", context=2048)
    async with chatting(server) as chat:
        reply = await heard(chat.stream(asks(words(3000), "short")))
    assert isinstance(reply.error, TooLongError)
    assert (reply.error.limit, reply.error.asked) == (2048, 3003)
    async with chatting(server, num_ctx=6000) as chat:
        reply = await heard(chat.stream(asks(words(7000), QWEN)))
    assert isinstance(reply.error, TooLongError)
    assert (reply.error.limit, reply.error.asked) == (6000, 7003)
    assert reply.error.hint == "Start a new one with /new, or allow more: providers.ollama.num_ctx in settings."


async def test_an_old_server_that_cuts_silently_is_given_enough_beforehand(server: OllamaServer) -> None:
    server.truncates = True
    async with chatting(server) as chat:
        reply = await heard(chat.stream(asks(words(5000), QWEN)))
    assert reply.usage is not None
    assert reply.usage.input_tokens == 5003


@pytest.mark.parametrize(
    ("setting", "model", "expected"),
    [
        (None, {"context": 131_072}, 32_768),
        (None, {"context": 8192}, 8192),
        (None, {"context": None}, 32_768),
        (None, {"context": 131_072, "parameters": "num_ctx 65536"}, 65_536),
        (None, {"context": 131_072, "remote_host": "ollama.com"}, 131_072),
        (100_000, {"context": 131_072}, 100_000),
        (100_000, {"context": 40_960}, 40_960),
        (4096, {"context": 131_072, "parameters": "num_ctx 65536"}, 4096),
    ],
)
async def test_the_longest_context_is_what_model_and_setting_allow(
    server: OllamaServer, setting: int | None, model: dict[str, object], expected: int
) -> None:
    server.install("it", **model)
    async with chatting(server, num_ctx=setting) as chat:
        assert isinstance(chat, Sized)
        assert await chat.context_limit("it") == expected
        assert await chat.context_now("it") == expected
        await heard(chat.stream(asks("Hi", "it", max_tokens=100)))
        assert await chat.context_now("it") == min(4096, expected)


def test_the_arithmetic_of_contexts() -> None:
    assert [room_for(given, 32_768) for given in (None, 500, 100_000)] == [4096, 500, 8192]
    assert [context_for(tokens, 1000, 40_000) for tokens in (1, 5000, 7000, 20_000, 40_000)] == [
        4096, 8192, 16_384, 32_768, 40_000,
    ]  # fmt: skip
    assert context_for(1, 1000, 40_000, loaded=12_345) == 12_345
    assert [larger(8192, asked, 1000, 40_000) for asked in (None, 9000, 39_999, 40_000)] == [
        16_384, 16_384, 40_000, None,
    ]  # fmt: skip
    assert larger(40_000, None, 1000, 40_000) is None
    assert most_context(None, None, loaded=65_536) == 65_536


# What goes wrong.


async def test_a_model_that_is_not_installed_is_told_with_the_nearest_and_how_to_install_it(
    server: OllamaServer,
) -> None:
    async with chatting(server) as chat:
        reply = await heard(chat.stream(asks("Hi", "qwen3:4b")))
        assert isinstance(reply.error, UnknownModelError)
        assert (reply.error.near, reply.error.hint) == (
            (QWEN,),
            f"Did you mean {QWEN}? Or install qwen3:4b: /ollama pull qwen3:4b",
        )
    async with chatting(server, endpoint=replace(OLLAMA, name="box")) as chat:
        reply = await heard(chat.stream(asks("Hi", "mistral")))
        assert reply.error is not None
        assert reply.error.hint == "To install it: ollama pull mistral (on its machine)"


@pytest.mark.parametrize(
    ("behaviour", "kind", "sentence"),
    [
        (StreamError("some text", "an error was encountered"), CutOffError, "ollama broke off its reply: an error was"),
        (StreamError("", "unexpected EOF"), ProviderError, "ollama answered: unexpected EOF"),
        (Cut("some text", "end"), CutOffError, "The reply of ollama was cut off."),
        (Cut("some text", "reset"), CutOffError, "The reply of ollama was cut off."),
        (Cut("", "close"), CutOffError, "ollama closed the connection before it answered."),
        (Answer("some text", done=False), CutOffError, "The reply of ollama was cut off."),
        (Raw(b"<html>", "text/html"), ProviderError, "ollama answered with a web page instead of a reply (200)."),
        (Raw(b"not json\n", "application/x-ndjson"), ProviderError, "ollama sent something that is no reply"),
        (Raw(b"404 page not found", "text/plain", 404), ProviderError, "What answers at"),
        (Status(503, "server busy, please try again"), BusyError, "ollama is busy (503)."),
        (Status(500, "model runner has unexpectedly stopped"), ProviderError, "ollama could not run qwen3:8b: model"),
        (
            Status(500, "model requires more system memory (9 GiB) than is available (4 GiB)"),
            ProviderError,
            "There is not enough memory for ollama:qwen3:8b: model requires",
        ),
    ],
)
async def test_each_failure_is_one_sentence(
    server: OllamaServer, behaviour: object, kind: type[ProviderError], sentence: str
) -> None:
    server.always(behaviour)  # type: ignore[arg-type]
    async with chatting(server) as chat:
        reply = await heard(chat.stream(asks("Hi", QWEN)))
    assert reply.error is not None
    assert isinstance(reply.error, kind)
    assert isinstance(reply.error, BusyError) is (kind is BusyError)
    assert reply.error.sentence.startswith(sentence)
    assert reply.text in ("", "some text")


async def test_a_server_that_goes_away_is_told_before_and_during_a_reply(server: OllamaServer) -> None:
    server.reply("a b c d e f g h", delay=0.1)
    async with chatting(server) as chat:
        reply = asyncio.create_task(heard(chat.stream(asks("Hi", QWEN))))
        await asyncio.to_thread(server.wait_for, 1)
        await asyncio.sleep(0.25)
        await asyncio.to_thread(server.close)
        cut = await reply
        assert isinstance(cut.error, CutOffError)
        assert cut.text.startswith("a b")
        gone = await heard(chat.stream(asks("Hi", QWEN)))
    assert isinstance(gone.error, UnreachableError)
    assert gone.error.hint == "Is Ollama running? Start it, or check EI_OLLAMA_BASE_URL."


async def test_a_server_that_tells_nothing_beside_the_chat_is_still_chatted_with() -> None:
    with WireServer() as other:
        line = b'{"message": {"content": "Hi."}, "done": true, "done_reason": "stop"}\n'
        other.pages = lambda request: (
            Raw(line, "application/x-ndjson") if request.path == "/api/chat" else Status(404, "no such page")
        )
        chat = OllamaChat(Connection(OLLAMA, other.url))
        reply = await heard(chat.stream(asks("Hi", "any")))
        await chat.close()
    assert (reply.text, reply.error) == ("Hi.", None)


# Settings.


@pytest.mark.parametrize(
    ("text", "expected"), [("", None), ("30m", "30m"), ("1h30m", "1h30m"), ("-1", -1), ("0", 0), ("2.5", 2.5)]
)
def test_how_long_a_model_stays_is_sent_as_ollama_reads_it(text: str, expected: object) -> None:
    assert keep_alive_of(text) == expected


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"num_ctx": 12}, "providers.ollama.num_ctx in settings.jsonc must be a number of tokens, at least 256."),
        ({"num_ctx": "8k"}, "providers.ollama.num_ctx in settings.jsonc must be a number of tokens, at least 256."),
        ({"keep_alive": "long"}, "providers.ollama.keep_alive in settings.jsonc must be a length of time such as"),
    ],
)
def test_settings_that_cannot_be_used_are_told(settings: dict[str, object], problem: str) -> None:
    assert loading_of(OLLAMA, settings)[1].startswith(problem)


def test_a_request_keeps_its_order_with_what_was_said_before() -> None:
    asked = ChatRequest(
        QWEN, (says("system", "You are Ei."), says("user", "A"), says("assistant", "B"), says("user", "C"))
    )
    messages = to_wire(asked, 4096)["messages"]
    assert isinstance(messages, list)
    assert [message["content"] for message in messages] == ["You are Ei.", "A", "B", "C"]
