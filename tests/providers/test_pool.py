"""The providers in use."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from ei.errors import UsageError
from ei.messages import ChatRequest, Finished, StreamEvent, TextDelta
from ei.providers.anthropic_messages import AnthropicMessages
from ei.providers.base import Connection
from ei.providers.endpoints import ANTHROPIC, BUILTIN, LOCAL
from ei.providers.listed import ListedModel
from ei.providers.openai_chat import OpenAIChat
from ei.providers.pool import Providers
from tests.providers.helpers import asks, given, heard
from tests.wire import WireServer


class Companion:
    """Answers always the same, as the built-in provider would."""

    name = "builtin"
    closed = False

    async def stream(self, request: ChatRequest) -> AsyncIterator[StreamEvent]:
        yield TextDelta("I am here.")
        yield Finished()

    async def models(self) -> tuple[ListedModel, ...]:
        return (ListedModel("eliza"),)

    async def close(self) -> None:
        self.closed = True


class Configured:
    """Connections that a test can change, as a person changes settings."""

    def __init__(self, *connections: Connection) -> None:
        self.connections = {connection.name: connection for connection in connections}

    def __call__(self, name: str) -> Connection:
        if name not in self.connections:
            raise UsageError(f'Unknown provider "{name}".')
        return self.connections[name]


async def test_each_provider_is_built_once_by_the_wire_it_speaks() -> None:
    configured = Configured(Connection(LOCAL, LOCAL.base_url), Connection(ANTHROPIC, ANTHROPIC.base_url))
    providers = Providers(configured, Companion)
    assert isinstance(providers.get("local"), OpenAIChat)
    assert isinstance(providers.get("anthropic"), AnthropicMessages)
    assert providers.get("local") is providers.get("local")
    await providers.close()


async def test_a_changed_connection_makes_a_new_provider() -> None:
    configured = Configured(Connection(LOCAL, LOCAL.base_url))
    providers = Providers(configured, Companion)
    before = providers.get("local")
    configured.connections["local"] = replace(configured.connections["local"], key=given("k"))
    assert providers.get("local") is not before
    await providers.close()


async def test_a_reply_from_a_connection_that_changed_goes_on() -> None:
    with WireServer() as server:
        server.reply("one two three", delay=0.03)
        configured = Configured(Connection(LOCAL, server.url))
        providers = Providers(configured, Companion)
        stream = providers.get("local").stream(asks())
        first = await anext(stream)
        configured.connections["local"] = Connection(LOCAL, server.url, key=given("new"))
        providers.get("local")
        rest = await heard(stream)
        await providers.close()
        assert (first, rest.text, rest.error) == (TextDelta("one"), " two three", None)


async def test_the_builtin_companion_is_made_when_first_asked_and_closed_with_the_rest() -> None:
    made: list[Companion] = []

    def make() -> Companion:
        made.append(Companion())
        return made[-1]

    providers = Providers(Configured(Connection(BUILTIN, "")), make)
    assert made == []
    assert providers.get("builtin") is providers.get("builtin")
    providers.warm("builtin")
    await providers.close()
    assert [companion.closed for companion in made] == [True]


def test_an_unknown_name_is_the_connections_error() -> None:
    with pytest.raises(UsageError):
        Providers(Configured(), Companion).get("nobody")


def test_building_the_pool_and_the_table_imports_no_sdk_and_no_event_loop() -> None:
    program = (
        "import sys; import ei.providers.pool, ei.providers.endpoints, ei.providers.credentials, ei.providers.retry;"
        "import ei.providers.estimate;"
        "heavy = {'asyncio', 'openai', 'anthropic', 'httpx', 'httpx2', 'pydantic', 'importlib.metadata'};"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_building_an_adapter_imports_no_sdk() -> None:
    program = (
        "import sys; from ei.providers.pool import build; from ei.providers.base import Connection;"
        "from ei.providers.endpoints import ANTHROPIC, LOCAL;"
        "build(Connection(LOCAL, LOCAL.base_url)); build(Connection(ANTHROPIC, ANTHROPIC.base_url));"
        "heavy = {'openai', 'anthropic', 'httpx', 'httpx2', 'pydantic'};"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


async def test_a_client_that_cannot_be_built_is_told_by_the_first_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/certificates.pem")
    providers = Providers(Configured(Connection(LOCAL, "https://192.0.2.1/v1")), Companion)
    providers.warm("local")
    found = await heard(providers.get("local").stream(asks()))
    assert found.error is not None
    assert found.error.sentence.startswith("local could not be asked")
    await providers.close()
