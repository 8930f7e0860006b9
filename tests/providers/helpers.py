"""What the tests of this room share: connections to a test server, requests, a stream read to its end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from ei.config import Variable
from ei.errors import ProviderError
from ei.messages import (
    ChatMessage,
    ChatRequest,
    Finished,
    Notice,
    OpaqueData,
    OpaquePart,
    ReasoningDelta,
    Retrying,
    Role,
    StreamEvent,
    TextDelta,
    TextPart,
    TextWasReasoning,
    ToolCalled,
    ToolCallPart,
    Usage,
    UsageReport,
)
from ei.providers.anthropic_messages import AnthropicMessages
from ei.providers.base import Connection, Endpoint
from ei.providers.endpoints import ANTHROPIC, LOCAL
from ei.providers.keys import KnownKey
from ei.providers.openai_chat import OpenAIChat
from tests.wire import WireServer

KEY = "sk-the-secret-key-0123456789"


def given(key: str | None) -> KnownKey | None:
    """A key as a variable gives it."""
    return None if key is None else KnownKey(key)


def revealed(connection: Connection) -> str | None:
    """The key of a connection."""
    return None if connection.key is None else connection.key.reveal()


def says(role: Role, text: str) -> ChatMessage:
    return ChatMessage(role, (TextPart(text),))


def asks(text: str = "Hi", model: str = "tiny", **parameters: object) -> ChatRequest:
    """A request with a system message and one turn."""
    return ChatRequest(model, (says("system", "You are Ei."), says("user", text)), parameters)


def openai_at(server: WireServer, endpoint: Endpoint = LOCAL, key: str | None = KEY) -> OpenAIChat:
    return OpenAIChat(Connection(endpoint, server.url, key=given(key), key_source=f"{endpoint.prefix}_API_KEY"))


def anthropic_at(server: WireServer, endpoint: Endpoint = ANTHROPIC, key: str | None = KEY) -> AnthropicMessages:
    source = f"{endpoint.prefix}_API_KEY"
    return AnthropicMessages(Connection(endpoint, server.anthropic_url, key=given(key), key_source=source))


@dataclass(slots=True)
class Heard:
    """A stream's events, added up."""

    text: str = ""
    reasoning: str = ""
    usage: Usage | None = None
    finished: Finished | None = None
    opaque: list[OpaquePart] = field(default_factory=list)
    calls: list[ToolCallPart] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    retries: list[Retrying] = field(default_factory=list)
    error: ProviderError | None = None

    def take(self, event: StreamEvent) -> None:
        match event:
            case TextDelta(text):
                self.text += text
            case ReasoningDelta(text):
                self.reasoning += text
            case TextWasReasoning():
                self.reasoning, self.text = self.reasoning + self.text, ""
            case OpaqueData(part):
                self.opaque.append(part)
            case ToolCalled(call):
                self.calls.append(call)
            case UsageReport(usage):
                self.usage = usage
            case Notice(text):
                self.notices.append(text)
            case Retrying():
                self.retries.append(event)
            case Finished():
                self.finished = event


async def heard(events: AsyncIterator[StreamEvent]) -> Heard:
    """Reads a stream to its end; a ProviderError is kept, not raised."""
    out = Heard()
    try:
        async for event in events:
            out.take(event)
    except ProviderError as error:
        out.error = error
    return out


def variables(
    environment: Mapping[str, str], folder: Mapping[str, str] | None = None, config: Mapping[str, str] | None = None
) -> Lookup:
    """A lookup as the configuration gives it: the environment, then the folder's `.env`, then the config folder's."""
    return Lookup(environment, folder or {}, config or {})


@dataclass(frozen=True, slots=True)
class Lookup:
    environment: Mapping[str, str]
    folder: Mapping[str, str]
    config: Mapping[str, str]

    def __call__(self, name: str) -> Variable | None:
        if name in self.environment:
            return Variable(name, self.environment[name], "environment")
        if name in self.folder:
            return Variable(name, self.folder[name], ".env in this folder", True)
        if name in self.config:
            return Variable(name, self.config[name], ".env in the config folder")
        return None
