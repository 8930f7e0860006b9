"""What the adapters share around an SDK: its client, built late and once, and a reply read through it."""

from __future__ import annotations

import importlib
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Generic, Protocol, TypeVar

from ei.errors import RefusedKeyError, UnknownModelError
from ei.messages import StreamEvent
from ei.providers.addresses import is_loopback
from ei.providers.base import DIRECT, Connection
from ei.providers.failures import Call, no_such_model, not_ready
from ei.providers.hiding import hidden
from ei.providers.listed import ListedModel
from ei.providers.models_list import list_models, near_names
from ei.providers.opening import off_the_loop, open_now
from ei.providers.streaming import Response, Translator, reply_events

CONNECT_SECONDS = 10.0
READ_SECONDS = 600.0  # a slow machine reads a long prompt for minutes before its first token


class Closes(Protocol):
    async def close(self) -> None: ...


Client = TypeVar("Client", bound=Closes)


class SdkProvider(Generic[Client]):
    """All of `ei.providers.base.Provider` but `stream`.

    build: imports the SDK and makes its client; slow. library: the SDK's name. The key is opened for the first thing
    that is sent, and is kept as long as the client is.
    """

    def __init__(self, connection: Connection, build: Callable[[Connection], Client], library: str) -> None:
        self.connection = connection
        self._build = build
        self._library = library
        self._opened: Connection | None = None
        self._client: Client | None = None
        self._retired: list[Client] = []
        self._opening = threading.Lock()
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self.connection.name

    def warm(self) -> None:
        """Imports the SDK and builds the client, as far as no key has to be opened for it; may be called from any
        thread, and again."""
        if self.connection.key is not None and not self.connection.key.known and self._opened is None:
            import httpx  # noqa: F401 - as in _make

            importlib.import_module(self._library)
            return
        self._make()

    async def client(self) -> Client:
        """The SDK's client, built in a thread where it was not yet. Raises MissingKeyError."""
        import asyncio

        client = self._client
        if client is None:
            await self.opened()
            client = await asyncio.to_thread(self._make)
        return client

    async def opened(self) -> Connection:
        """The connection with its key at hand. Raises MissingKeyError."""
        opened = self._opened
        return opened if opened is not None else await off_the_loop(self._open)

    def forget_key(self) -> None:
        """What was opened is opened anew for the next request; what still streams goes on."""
        with self._lock:
            self._opened = None
            if self._client is not None:
                self._retired.append(self._client)
            self._client = None

    async def reply(
        self, send: Callable[[], Awaitable[Response]], translator: Translator, call: Call
    ) -> AsyncGenerator[StreamEvent, None]:
        """The events of one reply; a model that is not there is told with the names that may be meant."""
        try:
            async with (
                aclosing(reply_events(send, translator, call)) as sent,
                aclosing(hidden(sent, self.connection)) as events,
            ):
                async for event in events:
                    yield event
        except RefusedKeyError:
            self._after_refusal()
            raise
        except UnknownModelError as error:
            if error.hint.startswith("Did you mean"):
                raise
            raise no_such_model(call, await near_names(await self.opened(), call.model), error.status) from error

    async def models(self) -> tuple[ListedModel, ...]:
        """What the server lists, as `Provider.models`."""
        if (problem := not_ready(self.connection)) is not None:
            raise problem
        try:
            return await list_models(await self.opened())
        except RefusedKeyError:
            self._after_refusal()
            raise

    async def close(self) -> None:
        """Closes the connections that are kept open."""
        self.forget_key()
        clients, self._retired = self._retired, []
        for client in clients:
            await client.close()

    def _make(self) -> Client:
        # An SDK looks for httpx among the modules that are loaded, whenever it works: one that another thread (prices,
        # lists of models) has half loaded by then breaks a reply.
        import httpx  # noqa: F401

        opened = self._open()
        with self._lock:
            if self._client is None:
                self._client = self._build(opened)
            return self._client

    def _open(self) -> Connection:
        with self._opening:  # the person is asked once
            if self._opened is None:
                self._opened = open_now(self.connection)
            return self._opened

    def _after_refusal(self) -> None:
        # A command gives another token later; a key in a keyring is changed by other programs.
        if self.connection.key is not None and not self.connection.key.known:
            self.forget_key()


def http_options(connection: Connection) -> dict[str, Any]:
    """How the SDK's own HTTP client is made: patient, without redirects (a key goes nowhere else)."""
    from httpx2 import Timeout

    here = is_loopback(connection.base_url)
    plain = here and connection.base_url.startswith("http://")
    return {
        "timeout": Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        "follow_redirects": False,
        "trust_env": not here,  # this machine is never asked through a proxy
        "mounts": DIRECT if connection.own else {},
        "verify": not plain,  # without TLS, reading the certificates is 40 ms for nothing
    }
