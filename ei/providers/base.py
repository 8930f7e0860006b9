"""What the engine knows of a provider: a name, a stream of events, a list of models."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from ei.messages import ChatRequest, StreamEvent
from ei.providers.keys import KeySource
from ei.providers.listed import ListedModel
from ei.providers.redactor import Redactor

DIRECT: Mapping[str, None] = {"http://": None, "https://": None, "all://": None}
"""For an HTTP client: a host of one's own is never asked through a proxy of the environment, which is another host."""

Wire = Literal["openai", "anthropic", "ollama", "builtin"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row of the table of providers: where a model runs and how it is spoken to.

    prefix: of its own variables (`EI_OPENAI` gives EI_OPENAI_API_KEY and EI_OPENAI_BASE_URL).
    key_variables, url_variables: customary names, looked at after our own.
    max_tokens_name: what the wire calls the limit of a reply.
    usage_option: whether `stream_options.include_usage` is sent.
    base_url: "" where only the person can know it (azure). needs_key: whether nothing is sent without one.
    local: runs on the person's own machine. example: a model that it plausibly has.
    headers: sent with every request; never a secret.
    catalogue: path, from the server's root, of a list that tells more than the wire's own; details: path to which one
    model's name is posted for what that list leaves out. "" where there is none.
    profile: the id of the profile whose own provider it is, "". like: the provider whose prices and contexts hold for
    it, where a profile has only a key of its own, "".
    """

    name: str
    label: str
    wire: Wire
    base_url: str
    prefix: str
    aliases: tuple[str, ...] = ()
    key_variables: tuple[str, ...] = ()
    url_variables: tuple[str, ...] = ()
    needs_key: bool = True
    local: bool = False
    max_tokens_name: str = "max_tokens"
    usage_option: bool = True
    example: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    catalogue: str = ""
    details: str = ""
    profile: str = ""
    like: str = ""


@dataclass(frozen=True, slots=True)
class Connection:
    """An endpoint with the address, key and headers that this person's configuration gives it.

    key: where to get the key when it is needed; None where there is none. Left out of repr, as the headers are.
    key_source: where the key comes from, in words ("EI_OPENAI_API_KEY", "keyring:openai").
    key_problem: one sentence why there is no key although one was named (an unset reference), or "".
    own: whether its host is this machine or one that the person marked as own: never asked through a proxy.
    problem: one sentence why nothing can be sent at all (no address, switched off), or ""; problem_hint: what to do.
    num_ctx: the longest context in tokens that a model may be loaded with, None where nobody said; keep_alive: how
    long it stays loaded, as Ollama takes it, "" for as long as the server likes.
    redactor: knows every key of this run, and takes them out of texts.
    """

    endpoint: Endpoint
    base_url: str
    key: KeySource | None = field(default=None, repr=False)
    key_source: str = ""
    key_problem: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    problem: str = ""
    problem_hint: str = ""
    own: bool = False
    num_ctx: int | None = None
    keep_alive: str = ""
    redactor: Redactor = field(default_factory=Redactor, repr=False, compare=False)

    @property
    def name(self) -> str:
        return self.endpoint.name

    @property
    def ready(self) -> bool:
        """Whether a request could be sent: a key is said to be there, or none is needed. Opens nothing."""
        return not self.problem and (self.key is not None or not self.endpoint.needs_key)


class Provider(Protocol):
    """Where a model runs. One object per connection; safe for several calls at once."""

    @property
    def name(self) -> str: ...

    def stream(self, request: ChatRequest) -> AsyncIterator[StreamEvent]:
        """One attempt. Yields events, Finished last. Raises ProviderError and nothing else of the network."""
        ...

    async def models(self) -> tuple[ListedModel, ...]:
        """What the server lists. Raises ProviderError."""
        ...

    async def close(self) -> None: ...


@runtime_checkable
class Sized(Protocol):
    """A provider that decides how long a context its models have, and can say so."""

    async def context_limit(self, model: str) -> int | None:
        """The longest context in tokens, request and reply, that the model may be given. Raises ProviderError."""
        ...

    async def context_now(self, model: str) -> int | None:
        """The context in tokens that it is loaded with, else the longest. Raises ProviderError."""
        ...
