"""What the adapters share around an SDK: its client, built late and once, and a reply read through it."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Generic, Protocol, TypeVar

from ei.errors import UnknownModelError
from ei.messages import StreamEvent
from ei.providers.addresses import is_loopback
from ei.providers.base import Connection, ListedModel
from ei.providers.failures import Call, no_such_model
from ei.providers.models_list import list_models, near_names
from ei.providers.streaming import Response, Translator, reply_events

CONNECT_SECONDS = 10.0
READ_SECONDS = 600.0  # a slow machine reads a long prompt for minutes before its first token


class Closes(Protocol):
    async def close(self) -> None: ...


Client = TypeVar("Client", bound=Closes)


class SdkProvider(Generic[Client]):
    """All of `ei.providers.base.Provider` but `stream`. build: imports the SDK and makes its client; slow."""

    def __init__(self, connection: Connection, build: Callable[[Connection], Client]) -> None:
        self.connection = connection
        self._build = build
        self._client: Client | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self.connection.name

    def warm(self) -> None:
        """Imports the SDK and builds the client; may be called from any thread, and again."""
        # An SDK looks for httpx among the modules that are loaded, whenever it works: one that another thread (prices,
        # lists of models) has half loaded by then breaks a reply.
        import httpx  # noqa: F401

        with self._lock:
            if self._client is None:
                self._client = self._build(self.connection)

    async def client(self) -> Client:
        """The SDK's client, built in a thread where it was not yet."""
        import asyncio

        if self._client is None:
            await asyncio.to_thread(self.warm)
        assert self._client is not None
        return self._client

    async def reply(
        self, send: Callable[[], Awaitable[Response]], translator: Translator, call: Call
    ) -> AsyncGenerator[StreamEvent, None]:
        """The events of one reply; a model that is not there is told with the names that may be meant."""
        try:
            async with aclosing(reply_events(send, translator, call)) as events:
                async for event in events:
                    yield event
        except UnknownModelError as error:
            if error.hint.startswith("Did you mean"):
                raise
            raise no_such_model(call, await near_names(self.connection, call.model), error.status) from error

    async def models(self) -> tuple[ListedModel, ...]:
        """What the server lists, as `Provider.models`."""
        return await list_models(self.connection)

    async def close(self) -> None:
        """Closes the connections that are kept open."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()


def http_options(connection: Connection) -> dict[str, Any]:
    """How the SDK's own HTTP client is made: patient, without redirects (a key goes nowhere else)."""
    from httpx2 import Timeout

    here = is_loopback(connection.base_url)
    plain = here and connection.base_url.startswith("http://")
    return {
        "timeout": Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        "follow_redirects": False,
        "trust_env": not here,  # this machine is never asked through a proxy
        "verify": not plain,  # without TLS, reading the certificates is 40 ms for nothing
    }
