"""Both adapters against a real llama.cpp server, which nobody here wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from ei.errors import RefusedKeyError, TooLongError
from ei.messages import ChatRequest, Finished, ToolSpec
from ei.providers.anthropic_messages import AnthropicMessages
from ei.providers.base import Connection
from ei.providers.endpoints import ANTHROPIC, LOCAL
from ei.providers.models_list import list_models
from ei.providers.openai_chat import OpenAIChat
from tests.llama import ANSWER, Llama, started_llama
from tests.providers.helpers import Heard, asks, given, heard, says

pytestmark = pytest.mark.llama

KEY = "sk-llama-0123456789"
Adapter = type[OpenAIChat] | type[AnthropicMessages]
both = pytest.mark.parametrize("adapter", [OpenAIChat, AnthropicMessages], ids=["openai", "anthropic"])


@pytest.fixture(scope="session")
def llama() -> Iterator[Llama]:
    yield from started_llama(key=KEY)


async def reply_of(llama: Llama, adapter: Adapter, request: ChatRequest, key: str = KEY) -> Heard:
    at = Connection(LOCAL, llama.url, key=given(key)) if adapter is OpenAIChat else connection(llama, key)
    provider = adapter(at)
    reply = await heard(provider.stream(request))
    await provider.close()
    return reply


def connection(llama: Llama, key: str) -> Connection:
    return Connection(ANTHROPIC, llama.anthropic_url, key=given(key))


@both
async def test_the_answer_streams_whole(llama: Llama, adapter: Adapter) -> None:
    reply = await reply_of(llama, adapter, asks("Hi"))
    assert reply.error is None
    assert (reply.text, reply.reasoning) == (ANSWER, "")
    assert reply.finished == Finished("stop", "tiny")


@both
async def test_usage_is_reported_by_the_server(llama: Llama, adapter: Adapter) -> None:
    reply = await reply_of(llama, adapter, asks("Hi"))
    assert reply.usage is not None
    assert not reply.usage.estimated
    assert reply.usage.input_tokens is not None
    assert 40 <= reply.usage.input_tokens <= 120
    assert reply.usage.output_tokens is not None
    assert 30 <= reply.usage.output_tokens <= 40


@both
async def test_parameters_are_understood(llama: Llama, adapter: Adapter) -> None:
    reply = await reply_of(llama, adapter, asks("Hi", max_tokens=3, temperature=0.2, top_p=0.9))
    assert reply.text == "Hello! I am"
    assert reply.finished == Finished("length", "tiny")


async def test_json_that_fits_a_schema_is_what_the_server_lets_through(llama: Llama) -> None:
    cities = {"enum": ["Paris", "Oslo"]}
    schema = {"type": "object", "properties": {"city": cities}, "required": ["city"], "additionalProperties": False}
    reply = await reply_of(llama, OpenAIChat, replace(asks("Hi", max_tokens=200), schema=schema))
    assert reply.error is None
    assert json.loads(reply.text)["city"] in cities["enum"]


@both
async def test_tools_are_understood_also_by_a_model_that_calls_none(llama: Llama, adapter: Adapter) -> None:
    weather = ToolSpec("weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
    reply = await reply_of(llama, adapter, replace(asks("Hi"), tools=(weather,)))
    assert (reply.text, reply.calls, reply.error) == (ANSWER, [], None)
    assert reply.finished == Finished("stop", "tiny")


@both
async def test_two_turns_of_one_role_are_legal(llama: Llama, adapter: Adapter) -> None:
    messages = (says("user", "one"), says("user", "two"), says("assistant", "Hm."), says("assistant", "Lena: And I."))
    reply = await reply_of(llama, adapter, ChatRequest("tiny", messages))
    assert (reply.text, reply.error) == (ANSWER, None)


@both
async def test_a_wrong_key_is_refused(llama: Llama, adapter: Adapter) -> None:
    reply = await reply_of(llama, adapter, asks("Hi"), key="sk-wrong")
    assert isinstance(reply.error, RefusedKeyError)
    assert reply.error.status == 401


@both
async def test_a_conversation_longer_than_the_context_is_told_with_the_sizes(llama: Llama, adapter: Adapter) -> None:
    reply = await reply_of(llama, adapter, asks("word " * 2000))
    assert isinstance(reply.error, TooLongError)
    assert reply.error.limit == 4096
    assert reply.error.asked is not None
    assert reply.error.asked > 8000


@both
async def test_the_list_tells_the_model_and_its_context(llama: Llama, adapter: Adapter) -> None:
    at = Connection(LOCAL, llama.url, key=given(KEY)) if adapter is OpenAIChat else connection(llama, KEY)
    models = await list_models(at)
    assert [(model.id, model.context, model.chat) for model in models] == [("tiny", 4096, True)]
