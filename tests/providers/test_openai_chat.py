"""The OpenAI chat format, against a server that speaks it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import pytest

from ei.errors import (
    BusyError,
    CutOffError,
    MissingKeyError,
    ProviderError,
    RefusedKeyError,
    RejectedParameterError,
    TooLongError,
    UnknownModelError,
)
from ei.messages import ChatMessage, ChatRequest, Finished, ReasoningPart, StreamEvent, TextDelta, TextPart, Usage
from ei.providers.base import Connection
from ei.providers.endpoints import DEEPSEEK, GROQ, LOCAL, MISTRAL, OPENAI, OPENROUTER
from ei.providers.failures import Call
from ei.providers.openai_chat import FromWire, OpenAIChat, to_wire
from tests.providers.helpers import KEY, asks, given, heard, openai_at, says
from tests.wire import Answer, Cut, Hang, Raw, Status, StreamError, WireServer


@pytest.fixture
def server() -> Iterator[WireServer]:
    with WireServer(key=KEY) as running:
        yield running


# What is sent.


def test_the_system_message_comes_first_and_turns_of_one_role_are_merged() -> None:
    request = ChatRequest(
        "m",
        (
            says("user", "one"),
            says("system", "be kind"),
            says("user", "two"),
            says("assistant", "Hm."),
            says("assistant", "Lena: And I."),
            says("user", "three"),
        ),
    )
    assert to_wire(request, LOCAL)["messages"] == [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "one\n\ntwo"},
        {"role": "assistant", "content": "Hm.\n\nLena: And I."},
        {"role": "user", "content": "three"},
    ]


def test_no_name_no_reasoning_and_no_empty_turn_is_sent() -> None:
    named = ChatMessage("assistant", (ReasoningPart("secretly"), TextPart("Hi.")), name="Lena")
    request = ChatRequest("m", (says("user", "one"), named, says("assistant", " "), says("user", "two")))
    assert to_wire(request, LOCAL)["messages"] == [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "Hi."},
        {"role": "user", "content": "two"},
    ]


def test_a_conversation_that_begins_and_ends_with_the_assistant_is_made_legal() -> None:
    messages = to_wire(ChatRequest("m", (says("assistant", "Welcome."),)), LOCAL)["messages"]
    assert messages == [
        {"role": "user", "content": "(The conversation begins here.)"},
        {"role": "assistant", "content": "Welcome."},
        {"role": "user", "content": "(Go on from exactly where you stopped.)"},
    ]


def test_the_longest_reply_is_named_as_the_provider_names_it() -> None:
    request = asks(max_tokens=50)
    names = {endpoint.name: set(to_wire(request, endpoint)) for endpoint in (OPENAI, GROQ, DEEPSEEK, OPENROUTER, LOCAL)}
    assert {name for name, body in names.items() if "max_completion_tokens" in body} == {"openai", "groq"}
    assert {name for name, body in names.items() if "max_tokens" in body} == {"deepseek", "openrouter", "local"}


def test_the_other_name_is_used_once_one_was_rejected() -> None:
    body = to_wire(asks(max_tokens=50), OPENAI, {"max_completion_tokens"})
    assert body["max_tokens"] == 50
    neither = to_wire(asks(max_tokens=50), OPENAI, {"max_completion_tokens", "max_tokens"})
    assert not {"max_tokens", "max_completion_tokens"} & neither.keys()


def test_usage_is_asked_for_where_the_provider_takes_it() -> None:
    assert to_wire(asks(), LOCAL)["stream_options"] == {"include_usage": True}
    assert "stream_options" not in to_wire(asks(), MISTRAL)
    assert "stream_options" not in to_wire(asks(), LOCAL, {"stream_options"})


def test_what_a_model_rejects_is_not_sent() -> None:
    body = to_wire(asks(temperature=0.7, top_p=0.9, seed=None), LOCAL, {"top_p"})
    assert body["temperature"] == 0.7
    assert not {"top_p", "seed"} & body.keys()


def test_a_template_without_a_system_role_gets_it_in_the_first_turn() -> None:
    assert to_wire(asks("Hi"), LOCAL, {"system"})["messages"] == [{"role": "user", "content": "You are Ei.\n\nHi"}]


# What comes.


async def test_a_reply_streams_word_by_word(server: WireServer) -> None:
    server.reply("Hello there, friend.", usage=(12, 4))
    provider = openai_at(server)
    reply = await heard(provider.stream(asks()))
    await provider.close()
    assert reply.text == "Hello there, friend."
    assert reply.usage == Usage(input_tokens=12, output_tokens=4)
    assert reply.finished == Finished("stop", "tiny")
    assert server.last.headers["authorization"] == f"Bearer {KEY}"
    assert server.last.body["stream_options"] == {"include_usage": True}


async def test_a_reply_split_at_every_byte_is_the_same(server: WireServer) -> None:
    server.reply("naïve 日本語 🙂", split_bytes=1)
    provider = openai_at(server)
    reply = await heard(provider.stream(asks()))
    await provider.close()
    assert reply.text == "naïve 日本語 🙂"


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_reasoning_in_a_field_of_its_own_is_kept_apart(server: WireServer, field: str) -> None:
    server.reply("Hello!", reasoning="Greet them.", reasoning_field=field)
    provider = openai_at(server)
    reply = await heard(provider.stream(asks()))
    await provider.close()
    assert (reply.reasoning, reply.text) == ("Greet them.", "Hello!")


async def test_reasoning_between_tags_is_kept_apart(server: WireServer) -> None:
    server.reply("<think>\nGreet them.\n</think>\n\nHello!", chunks=3)
    provider = openai_at(server)
    reply = await heard(provider.stream(asks()))
    await provider.close()
    assert (reply.reasoning, reply.text) == ("Greet them.", "Hello!")


async def test_a_lone_closing_tag_makes_what_came_before_reasoning(server: WireServer) -> None:
    server.reply("Greet them.\n</think>\n\nHello!")
    provider = openai_at(server)
    reply = await heard(provider.stream(asks()))
    await provider.close()
    assert (reply.reasoning, reply.text) == ("Greet them.\n", "Hello!")


async def test_usage_that_never_comes_is_estimated_and_marked(server: WireServer) -> None:
    server.reply("Hello there, friend.", usage=None)
    provider = openai_at(server)
    reply = await heard(provider.stream(asks()))
    await provider.close()
    assert reply.usage == Usage(input_tokens=12, output_tokens=5, estimated=True)


async def test_a_reply_that_is_not_streamed_is_read_all_the_same(server: WireServer) -> None:
    server.reply("Hello!", reasoning="Greet them.", ignore_stream=True, usage=(3, 2))
    provider = openai_at(server)
    reply = await heard(provider.stream(asks()))
    await provider.close()
    assert (reply.reasoning, reply.text, reply.usage) == ("Greet them.", "Hello!", Usage(3, output_tokens=2))


async def test_comments_and_unknown_fields_in_the_stream_are_passed_over(server: WireServer) -> None:
    server.reply("Hello there.", ping=True, extra={"provider": "x", "system_fingerprint": None, "timings": {"a": 1}})
    provider = openai_at(server)
    reply = await heard(provider.stream(asks()))
    await provider.close()
    assert (reply.text, reply.error) == ("Hello there.", None)


async def test_a_stream_that_ends_with_done_alone_is_complete(server: WireServer) -> None:
    server.reply("Hello.", finish=None)
    provider = openai_at(server)
    reply = await heard(provider.stream(asks()))
    await provider.close()
    assert (reply.finished, reply.error) == (Finished("stop", "tiny"), None)


async def test_a_stream_without_done_is_complete_where_the_reason_came(server: WireServer) -> None:
    server.reply("Hello.", done=False, finish="length")
    provider = openai_at(server)
    reply = await heard(provider.stream(asks()))
    await provider.close()
    assert (reply.finished, reply.error) == (Finished("length", "tiny"), None)


async def test_the_next_reply_uses_the_same_connection(server: WireServer) -> None:
    server.reply("Hello.")
    provider = openai_at(server)
    for _ in range(3):
        await heard(provider.stream(asks()))
    await provider.close()
    assert server.connections == 1


async def test_two_replies_stream_at_the_same_time(server: WireServer) -> None:
    server.on("a", Answer("one two three", delay=0.02))
    server.on("b", Answer("four five six", delay=0.02))
    provider = openai_at(server)
    one, two = await asyncio.gather(heard(provider.stream(asks(model="a"))), heard(provider.stream(asks(model="b"))))
    await provider.close()
    assert (one.text, two.text) == ("one two three", "four five six")


async def test_cancelling_closes_the_connection(server: WireServer) -> None:
    server.always(Hang("one two"))
    provider = openai_at(server)
    began = asyncio.Event()

    async def read() -> None:
        async for _ in provider.stream(asks()):
            began.set()

    task = asyncio.create_task(read())
    await began.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    for _ in range(200):
        if server.last.client_left:
            break
        await asyncio.sleep(0.01)
    await provider.close()
    assert server.last.client_left


# Chunks as other servers send them.


def translated(*chunks: dict[str, object]) -> list[StreamEvent]:
    wire = FromWire(asks(), Call(Connection(LOCAL, LOCAL.base_url), "tiny"))
    return [event for chunk in chunks for event in wire.feed(chunk)] + wire.end()


def delta(**fields: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


def usage_of_last(**usage: object) -> Usage:
    events = translated(delta(content="x"), {"choices": [], "usage": usage})
    return next(event.usage for event in events if hasattr(event, "usage"))


def test_mistrals_typed_parts_are_told_apart() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    events = translated(delta(content=[thinking]), delta(content=[{"type": "text", "text": "Hello."}]))
    assert [getattr(event, "text", "") for event in events][:2] == ["Hm.", "Hello."]


def test_an_emoji_sent_in_two_halves_is_whole() -> None:
    events = translated(delta(content="a\ud83d"), delta(content="\ude42b"), delta(content="\ud83d"))
    assert "".join(getattr(event, "text", "") for event in events) == "a🙂b\ufffd"


def test_deltas_of_every_odd_shape_are_passed_over() -> None:
    odd: list[dict[str, object]] = [
        {},
        {"choices": None},
        {"choices": []},
        {"choices": [None]},
        {"choices": [{"index": 0}]},
        {"choices": [{"index": 0, "delta": None}]},
        {"choices": [{"index": 1, "delta": {"content": "another choice"}}]},
        delta(role="assistant"),
        delta(content=None),
        delta(content=7),
        delta(tool_calls=[{"index": 0}]),
        {"usage": None, "choices": []},
    ]
    assert [type(event).__name__ for event in translated(*odd)] == ["UsageReport", "Finished"]


def test_openrouters_cost_becomes_nano_dollars() -> None:
    assert usage_of_last(prompt_tokens=5, completion_tokens=2, cost=0.00014).cost == 140_000


@pytest.mark.parametrize("cost", [True, "0.1", -1, float("nan"), float("inf"), None])
def test_a_cost_that_is_no_price_is_unknown(cost: object) -> None:
    assert usage_of_last(prompt_tokens=5, completion_tokens=2, cost=cost).cost is None


def test_cached_and_reasoning_tokens_are_counted() -> None:
    usage = usage_of_last(
        prompt_tokens=100,
        completion_tokens=50,
        total_tokens=150,
        prompt_tokens_details={"cached_tokens": 80},
        completion_tokens_details={"reasoning_tokens": 30},
    )
    assert usage == Usage(input_tokens=100, cached_tokens=80, output_tokens=50, reasoning_tokens=30)


def test_reasoning_that_only_the_total_counts_is_part_of_the_output() -> None:
    usage = usage_of_last(prompt_tokens=10, completion_tokens=5, total_tokens=115)
    assert usage.output_tokens == 105


def test_deepseeks_cache_hits_are_counted() -> None:
    usage = usage_of_last(prompt_tokens=10, completion_tokens=5, prompt_cache_hit_tokens=8)
    assert usage.cached_tokens == 8


def test_groqs_usage_is_found() -> None:
    events = translated(delta(content="x"), {"x_groq": {"usage": {"prompt_tokens": 4, "completion_tokens": 1}}})
    assert [event.usage.input_tokens for event in events if hasattr(event, "usage")] == [4]


def test_counts_that_are_no_numbers_are_unknown() -> None:
    usage = usage_of_last(prompt_tokens="many", completion_tokens=-1, total_tokens=True)
    assert usage == Usage()


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("stop", "stop"), ("length", "length"), ("tool_calls", "tool_calls"), ("content_filter", "content_filter"),
     ("eos", "stop"), ("something new", "other")],
)  # fmt: skip
def test_each_finish_reason_is_told(reason: str, expected: str) -> None:
    events = translated({"model": "m-1", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    assert events[-1] == Finished(expected, "m-1")  # type: ignore[arg-type]


def test_a_model_that_did_not_reason_this_time_still_gives_its_text() -> None:
    request = ChatRequest("m", (says("user", "Hi"),), reasoning_first=True)
    wire = FromWire(request, Call(Connection(LOCAL, LOCAL.base_url), "m"))
    wire.feed(delta(content="Hello!"))
    wire.feed({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    assert wire.end()[0] == TextDelta("Hello!")


# What goes wrong.


async def failure(server: WireServer, request: ChatRequest | None = None) -> tuple[str, ProviderError]:
    provider = openai_at(server)
    reply = await heard(provider.stream(request or asks()))
    await provider.close()
    assert reply.error is not None
    return reply.text, reply.error


async def test_no_key_is_told_before_anything_is_sent(server: WireServer) -> None:
    provider = openai_at(server, OPENAI, key=None)
    with pytest.raises(MissingKeyError) as missing:
        await anext(provider.stream(asks()))
    assert str(missing.value) == "openai has no API key. Set EI_OPENAI_API_KEY, or: /provider openai"
    assert server.requests == []


async def test_a_wrong_key_is_told(server: WireServer) -> None:
    provider = openai_at(server, OPENAI, key="sk-wrong")
    reply = await heard(provider.stream(asks()))
    await provider.close()
    assert isinstance(reply.error, RefusedKeyError)
    assert str(reply.error) == "openai refused the API key (401). Check EI_OPENAI_API_KEY."


async def test_a_model_that_is_not_there_is_told_with_the_one_that_may_be_meant(server: WireServer) -> None:
    server.strict_models = True
    server.models("gemini-2.5-pro", "gemini-2.5-flash", "text-embedding-004")
    _, error = await failure(server, asks(model="gemini/gemini-2.5-flash"))
    assert isinstance(error, UnknownModelError)
    assert str(error) == 'local has no model "gemini/gemini-2.5-flash". Did you mean gemini-2.5-flash?'


async def test_a_busy_server_is_told_with_how_long_to_wait(server: WireServer) -> None:
    server.script(Status(429, "slow down", retry_after=7))
    _, error = await failure(server)
    assert isinstance(error, BusyError)
    assert (error.sentence, error.status, error.retry_after) == ("local is busy (429).", 429, 7.0)


async def test_a_conversation_that_is_too_long_is_told_with_the_sizes(server: WireServer) -> None:
    server.context = 10
    _, error = await failure(server, asks("word " * 50))
    assert isinstance(error, TooLongError)
    assert (error.limit, error.asked) == (10, 53)
    assert error.sentence == "The conversation is longer than local:tiny can read (10 tokens)."


@pytest.mark.parametrize("status", [400, 422])
async def test_a_rejected_parameter_is_named(server: WireServer, status: int) -> None:
    server.rejects("temperature", status)
    _, error = await failure(server, asks(temperature=0.5))
    assert isinstance(error, RejectedParameterError)
    assert error.parameter == "temperature"


@pytest.mark.parametrize("how", ["close", "reset", "end"])
async def test_a_reply_that_is_cut_keeps_its_text(server: WireServer, how: str) -> None:
    server.script(Cut("one two", how, delay=0.02))  # type: ignore[arg-type]
    text, error = await failure(server)
    assert isinstance(error, CutOffError)
    assert (text, error.sentence) == ("one two", "The reply of local was cut off.")


async def test_an_error_inside_the_stream_is_told(server: WireServer) -> None:
    server.script(StreamError("one two", "Provider returned error", code=502))
    text, error = await failure(server)
    assert isinstance(error, CutOffError)
    assert (text, error.sentence) == ("one two", "local broke off its reply: Provider returned error.")


async def test_an_error_before_the_first_word_is_as_if_it_had_a_status(server: WireServer) -> None:
    server.script(StreamError("", "Provider returned error", code=502))
    _, error = await failure(server)
    assert isinstance(error, BusyError)
    assert error.sentence == "local is busy (502)."


async def test_a_web_page_is_told(server: WireServer) -> None:
    server.script(Raw(b"<html>log in</html>", "text/html"), Status(404, body="<html>"), Status(302))
    sentences = [(await failure(server))[1].sentence for _ in range(3)]
    assert sentences == [
        "local answered with a web page instead of a reply (200).",
        "local answered with a web page instead of a reply (404).",
        "local answered with a redirect (302).",
    ]


async def test_a_redirect_is_not_followed_so_that_the_key_stays_here(server: WireServer) -> None:
    with WireServer() as other:
        server.script(Status(307, headers={"location": f"{other.url}/chat/completions"}))
        await failure(server)
        assert other.requests == []


async def test_what_is_no_json_is_told(server: WireServer) -> None:
    server.script(Raw(b"data: nonsense\n\n"))
    assert (await failure(server))[1].sentence == "local sent something that is no reply: nonsense"


# The client.


async def test_nothing_of_the_sdks_own_variables_is_sent(server: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with WireServer() as other:
        for name in ("API_KEY", "ORG_ID", "PROJECT_ID", "ADMIN_KEY", "WEBHOOK_SECRET"):
            monkeypatch.setenv(f"OPENAI_{name}", "leaked")
        monkeypatch.setenv("OPENAI_BASE_URL", other.url)
        monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Leak: leaked\nAuthorization: leaked")
        provider = openai_at(server)
        await heard(provider.stream(asks()))
        await provider.close()
        assert other.requests == []
    assert "leaked" not in str(server.last.headers)


async def test_a_server_without_keys_gets_a_harmless_one() -> None:
    with WireServer() as server:
        provider = openai_at(server, key=None)
        await heard(provider.stream(asks()))
        await provider.close()
        assert server.last.key == "none"


async def test_headers_of_the_settings_are_sent(server: WireServer) -> None:
    provider = OpenAIChat(Connection(LOCAL, server.url, key=given(KEY), headers={"X-Team": "writers"}))
    await heard(provider.stream(asks()))
    await provider.close()
    assert server.last.headers["x-team"] == "writers"


async def test_a_failed_request_is_sent_once(server: WireServer) -> None:
    server.script(Status(500), Status(500))
    await failure(server)
    assert len(server.chats) == 1


async def test_a_proxy_is_not_asked_for_this_machine(server: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    provider = openai_at(server)
    reply = await heard(provider.stream(asks()))
    await provider.close()
    assert (reply.text, reply.error) == ("Hello there.", None)


async def test_the_client_may_be_built_in_a_thread(server: WireServer) -> None:
    provider = openai_at(server)
    await asyncio.gather(*(asyncio.to_thread(provider.warm) for _ in range(4)))
    reply = await heard(provider.stream(asks()))
    await provider.close()
    assert reply.text == "Hello there."
