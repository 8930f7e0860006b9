"""The providers in use: one object for each, built when first asked, built anew when its connection changed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, runtime_checkable

from ei.providers.base import Connection, Provider

BUILTIN = "builtin"


@runtime_checkable
class Warmable(Protocol):
    def warm(self) -> None: ...


class Providers:
    """connections: this person's connection to a provider as it is now; raises EiError for an unknown name.
    builtin: makes the built-in companion. No SDK is imported before a reply is asked for or `warm` is called."""

    def __init__(self, connections: Callable[[str], Connection], builtin: Callable[[], Provider]) -> None:
        self._connections = connections
        self._make_builtin = builtin
        self._builtin: Provider | None = None
        self._open: dict[str, tuple[Connection, Provider]] = {}
        self._retired: list[Provider] = []
        self._lock = threading.Lock()

    def get(self, name: str) -> Provider:
        """The provider of that name. A changed address, header or place of the key makes a new one; replies
        that still stream from the old one go on."""
        if name == BUILTIN:
            with self._lock:
                if self._builtin is None:
                    self._builtin = self._make_builtin()
                return self._builtin
        connection = self._connections(name)
        if connection.endpoint.wire == "builtin":
            return self.get(BUILTIN)
        with self._lock:
            held = self._open.get(connection.name)
            if held is not None and held[0] == connection:
                return held[1]
            if held is not None:
                self._retired.append(held[1])
            provider = build(connection)
            self._open[connection.name] = (connection, provider)
            return provider

    def warm(self, name: str) -> None:
        """Imports the SDK and builds the client that the provider needs. Slow: call it from a thread.

        Where that cannot be done (the certificates that SSL_CERT_FILE names are not there), the first request tells.
        """
        provider = self.get(name)
        if isinstance(provider, Warmable):
            with suppress(Exception):
                provider.warm()

    def forget(self, name: str) -> None:
        """Lets go of the provider's client and key; replies that still stream go on, the next builds anew."""
        with self._lock:
            held = self._open.pop(name, None)
            if held is not None:
                self._retired.append(held[1])

    async def close(self) -> None:
        """Closes every connection that is kept open."""
        with self._lock:
            providers = [*self._retired, *(provider for _, provider in self._open.values())]
            if self._builtin is not None:
                providers.append(self._builtin)
            self._retired, self._open, self._builtin = [], {}, None
        for provider in providers:
            await provider.close()


def build(connection: Connection) -> Provider:
    """A provider for a connection, by the wire that its endpoint speaks."""
    if connection.endpoint.wire == "anthropic":
        from ei.providers.anthropic_messages import AnthropicMessages

        return AnthropicMessages(connection)
    if connection.endpoint.wire == "ollama":
        from ei.providers.ollama_chat import OllamaChat

        return OllamaChat(connection)
    from ei.providers.openai_chat import OpenAIChat

    return OpenAIChat(connection)
