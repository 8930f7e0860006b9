"""The visible retry loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from ei.errors import BusyError, CutOffError, PrivateError, RefusedKeyError, TooLongError, UnreachableError
from ei.messages import ChatRequest, Retrying
from ei.providers.base import Connection
from ei.providers.endpoints import ANTHROPIC, LOCAL
from ei.providers.failures import Answer as HttpAnswer
from ei.providers.failures import retry_after
from ei.providers.openai_chat import OpenAIChat
from ei.providers.retry import RetryPolicy, stream_with_retries
from tests.providers.helpers import KEY, Heard, anthropic_at, asks, heard, openai_at
from tests.wire import Answer, Cut, Status, StreamError, WireServer


@pytest.fixture
def server() -> Iterator[WireServer]:
    with WireServer(key=KEY) as running:
        yield running


class Clock:
    """Sleeps without waiting and remembers how long."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


POLICY = RetryPolicy()


async def test_every_attempt_but_the_first_is_allowed_anew(server: WireServer) -> None:
    server.script(Status(503), Status(503), Answer("too late"))
    allowed: list[int] = []

    async def may_go_on() -> None:
        allowed.append(len(server.chats))
        if len(allowed) == 2:
            raise PrivateError("It became private.")

    provider = openai_at(server)
    events = stream_with_retries(provider, asks(), POLICY, sleep=Clock(), random=lambda: 0.5, may_go_on=may_go_on)
    assert isinstance((await heard(events)).error, PrivateError)
    await provider.close()
    assert (allowed, len(server.chats)) == ([1, 2], 2)


async def tried(
    server: WireServer,
    request: ChatRequest | None = None,
    policy: RetryPolicy = POLICY,
    rejected: frozenset[str] = frozenset(),
) -> tuple[Heard, list[float], list[str]]:
    """(what was heard, seconds slept, what was to be remembered as rejected)"""
    clock, remembered = Clock(), list[str]()
    provider = openai_at(server)
    events = stream_with_retries(
        provider,
        request or asks(),
        policy,
        sleep=clock,
        random=lambda: 0.5,
        on_dropped=remembered.append,
        rejected=rejected,
    )
    reply = await heard(events)
    await provider.close()
    return reply, clock.slept, remembered


async def test_a_busy_server_is_asked_again_and_the_wait_is_said(server: WireServer) -> None:
    server.script(Status(529, retry_after=4), Answer("Hello."))
    clock = Clock()
    provider = anthropic_at(server)
    reply = await heard(stream_with_retries(provider, asks(), sleep=clock))
    await provider.close()
    assert reply.text == "Hello."
    sentence = "anthropic is busy (529). Trying again in 4 s (2 of 4)"
    assert reply.retries == [Retrying(sentence, 4.0, 2, 4, 529)]
    assert clock.slept == [4.0]


async def test_without_a_wait_from_the_server_the_bound_doubles_under_full_jitter(server: WireServer) -> None:
    server.always(Status(503))
    reply, slept, _ = await tried(server, policy=RetryPolicy(attempts=8, base=1, most=20))
    assert slept == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert isinstance(reply.error, BusyError)
    assert [event.attempt for event in reply.retries] == [2, 3, 4, 5, 6, 7, 8]


async def test_after_the_last_attempt_the_servers_own_sentence_is_told(server: WireServer) -> None:
    server.always(Status(500))
    reply, slept, _ = await tried(server)
    assert (len(server.chats), len(slept)) == (4, 3)
    assert reply.error is not None
    assert reply.error.sentence == "local is busy (500)."


async def test_a_wait_that_is_too_long_is_not_waited_for(server: WireServer) -> None:
    server.always(Status(429, retry_after=3600))
    reply, slept, _ = await tried(server)
    assert (len(server.chats), slept) == (1, [])
    assert isinstance(reply.error, BusyError)
    assert reply.error.sentence == "local is busy (429) and asks to wait 60 minutes."
    assert reply.error.retry_after == 3600


async def test_the_longest_wait_can_be_set(server: WireServer) -> None:
    server.script(Status(429, retry_after=100), Answer("Hello."))
    reply, slept, _ = await tried(server, policy=RetryPolicy(longest_wait=120))
    assert (reply.text, slept) == ("Hello.", [100.0])


async def test_nothing_is_asked_again_once_a_word_came(server: WireServer) -> None:
    server.script(StreamError("one two", code=529), Cut("one two", delay=0.02))
    for _ in range(2):
        reply, slept, _ = await tried(server)
        assert (reply.text, slept) == ("one two", [])
        assert isinstance(reply.error, CutOffError)
    assert len(server.chats) == 2


async def test_an_error_in_the_stream_before_the_first_word_is_retried(server: WireServer) -> None:
    server.script(StreamError("", code=529), Answer("Hello."))
    reply, _, _ = await tried(server)
    assert reply.text == "Hello."


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_connection_closed_before_the_first_word_is_tried_once_more(server: WireServer, how: str) -> None:
    server.script(Cut("", how), Answer("Hello."))  # type: ignore[arg-type]
    reply, slept, _ = await tried(server)
    assert (reply.text, len(slept)) == ("Hello.", 1)
    server.always(Cut("", how))  # type: ignore[arg-type]
    reply, slept, _ = await tried(server)
    assert isinstance(reply.error, CutOffError)
    assert reply.error.sentence == "local closed the connection before it answered."
    assert len(slept) == 1


async def test_a_refused_connection_is_told_at_once() -> None:
    with WireServer() as server:
        url = server.url
    provider = OpenAIChat(Connection(LOCAL, url))
    clock = Clock()
    reply = await heard(stream_with_retries(provider, asks(), sleep=clock))
    await provider.close()
    assert isinstance(reply.error, UnreachableError)
    assert str(reply.error) == f"Nothing answers at {url}. Is LM Studio or Ollama running?"
    assert clock.slept == []


async def test_a_wrong_key_and_a_long_conversation_are_told_at_once(server: WireServer) -> None:
    server.script(Status(401))
    reply, slept, _ = await tried(server)
    assert isinstance(reply.error, RefusedKeyError)
    assert slept == []
    server.context = 3
    reply, slept, _ = await tried(server)
    assert isinstance(reply.error, TooLongError)
    assert slept == []


async def test_a_rejected_parameter_is_dropped_at_once_said_and_remembered(server: WireServer) -> None:
    server.rejects("temperature")
    reply, slept, remembered = await tried(server, asks(temperature=0.5, top_p=0.9))
    assert (reply.text, slept, remembered) == ("Hello there.", [], ["temperature"])
    assert reply.notices == ["local:tiny does not take temperature; it is left out."]
    assert ("temperature" in server.last.body, server.last.body["top_p"]) == (False, 0.9)


async def test_what_was_remembered_is_not_sent_again_nor_said(server: WireServer) -> None:
    server.rejects("temperature")
    reply, _, remembered = await tried(server, asks(temperature=0.5), rejected=frozenset({"temperature"}))
    assert (reply.notices, remembered, len(server.chats)) == ([], [], 1)


async def test_a_parameter_that_nobody_chose_is_dropped_without_a_word(server: WireServer) -> None:
    server.rejects("temperature")
    request = replace(asks(temperature=0.5), defaults=frozenset({"temperature"}))
    reply, _, remembered = await tried(server, request)
    assert (reply.text, reply.notices, remembered) == ("Hello there.", [], ["temperature"])


async def test_what_an_adapter_adds_is_dropped_without_a_word(server: WireServer) -> None:
    server.rejects("stream_options", 422)
    reply, _, remembered = await tried(server)
    assert (reply.text, reply.notices, remembered) == ("Hello there.", [], ["stream_options"])
    assert reply.usage is not None
    assert reply.usage.estimated


async def test_the_other_name_of_the_longest_reply_is_tried_without_a_word(server: WireServer) -> None:
    server.rejects("max_tokens")
    reply, _, remembered = await tried(server, asks(max_tokens=99))
    assert (reply.notices, remembered) == ([], ["max_tokens"])
    assert server.last.body["max_completion_tokens"] == 99


async def test_a_parameter_rejected_although_it_was_dropped_is_told(server: WireServer) -> None:
    server.always(Status(400, "temperature: no", param="temperature"))
    reply, slept, remembered = await tried(server, asks(temperature=0.5))
    assert (len(server.chats), slept, remembered) == (2, [], ["temperature"])
    assert reply.error is not None
    assert reply.error.sentence == "local answered 400: temperature: no"


async def test_cancelling_ends_the_wait(server: WireServer) -> None:
    server.always(Status(503, retry_after=50))
    provider = openai_at(server)
    waiting = asyncio.Event()

    async def read() -> None:
        async for event in stream_with_retries(provider, asks()):
            if isinstance(event, Retrying):
                waiting.set()

    task = asyncio.create_task(read())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await provider.close()
    assert len(server.chats) == 1


def test_a_wait_is_read_from_seconds_a_date_milliseconds_and_googles_field() -> None:
    now = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    date = format_datetime(now + timedelta(seconds=30), usegmt=True)
    body = [{"error": {"details": [{"@type": "x.RetryInfo", "retryDelay": "34.5s"}]}}]

    def asked(headers: dict[str, str], body: object = None) -> float | None:
        return retry_after(HttpAnswer(429, headers, body), now.timestamp())

    assert asked({"retry-after": "7"}) == 7.0
    assert asked({"retry-after": "1.5"}) == 1.5
    assert asked({"retry-after": date}) == 30.0
    assert asked({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
    assert asked({"retry-after-ms": "250", "retry-after": "9"}) == 0.25
    assert asked({}, body) == 34.5
    assert [asked({"retry-after": text}) for text in ("soon", "-5", "nan", "1e9", "9" * 30)] == [None] * 5


async def test_a_wait_given_as_a_date_is_obeyed(server: WireServer) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    server.script(Status(503, retry_after=date), Answer("Hello."))
    _, slept, _ = await tried(server)
    assert 15 < slept[0] <= 20


async def test_the_endpoint_of_anthropic_names_what_it_does_not_take(server: WireServer) -> None:
    server.rejects("temperature")
    provider = anthropic_at(server, ANTHROPIC)
    remembered: list[str] = []
    request = asks(model="claude-haiku-4-5", temperature=0.5)
    reply = await heard(stream_with_retries(provider, request, on_dropped=remembered.append))
    await provider.close()
    assert (reply.text, remembered) == ("Hello there.", ["temperature"])
    assert reply.notices == ["anthropic:claude-haiku-4-5 does not take temperature; it is left out."]
