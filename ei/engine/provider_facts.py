"""What is known of each provider: its state, its key, its models, where what it is sent goes, what it cost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from ei.engine.circuits import down_now
from ei.engine.endpoints import AZURE_HOSTS, ON_THIS_MACHINE
from ei.engine.services import Services
from ei.errors import EiError
from ei.providers.addresses import BadAddressError, is_loopback, split
from ei.providers.base import Connection
from ei.providers.keys import KeyState
from ei.providers.retention import UNKNOWN, Retention, retentions
from ei.usage.by_provider import month_ms, spent_by_provider
from ei.usage.values import Spent

SECONDS = 0.7
"""How long a server on this machine may take to be found there."""

State = Literal["ready", "no key", "no address", "not reachable", "circuit open", "switched off", "not usable"]


@dataclass(frozen=True, slots=True)
class ProviderFacts:
    """One provider as it stands now.

    words: of its state, "" where that says all. key: where its key comes from, None where it has none and needs none.
    models: how many active ones the registry has. here: what it is sent stays with the person. goes_to: who gets it;
    retention: what they say of keeping it, "" where it stays here. month: what it cost since the month began.
    own: it is none of the shipped ones. settings: what is set of it in settings.jsonc.
    """

    name: str
    label: str
    state: State
    words: str
    base_url: str
    key: KeyState | None
    models: int
    here: bool
    goes_to: str
    retention: str
    month: Spent
    own: bool
    settings: Mapping[str, object]

    @property
    def ready(self) -> bool:
        return self.state == "ready"


async def facts(services: Services, only: Iterable[str] | None = None) -> tuple[ProviderFacts, ...]:
    """The providers (or these) in the order of their table; servers on this machine are asked whether they are there.

    Raises ConfigError, StorageError.
    """
    chooser = services.chooser
    endpoints = chooser.endpoints()
    names = tuple(endpoints) if only is None else tuple(only)
    connections = {name: chooser.connection(name) for name in names}
    asked = [name for name in names if _is_asked(connections[name])]
    answers = dict(zip(asked, await asyncio.gather(*(_answers(connections[n].base_url) for n in asked)), strict=True))
    return await asyncio.to_thread(_facts, services, connections, answers)


def key_state(services: Services, connection: Connection) -> KeyState | None:
    """Where the key of a connection comes from; None where there is none and none was named. Opens nothing."""
    if connection.key is None:
        return KeyState("", "env", "", problem=connection.key_problem) if connection.key_problem else None
    try:
        return services.keys.describe(connection.key.reference)
    except EiError:
        return KeyState(connection.key.reference, "env", connection.key_source)


def provider_settings(services: Services, name: str) -> Mapping[str, object]:
    """What settings.jsonc says of a provider. Raises ConfigError."""
    found = services.config.current().section("providers").get(name)
    return found if isinstance(found, Mapping) else {}


def where_to(connection: Connection, known: Mapping[str, Retention]) -> tuple[str, str]:
    """(who gets what a provider is sent, what they say of keeping it); the second is "" where it stays here."""
    endpoint = connection.endpoint
    if endpoint.wire == "builtin":
        return "stays on this machine", ""
    if not connection.base_url:
        retention = known.get(endpoint.name)
        return (retention.goes_to, retention.line) if retention else ("", UNKNOWN)
    try:
        host = split(connection.base_url)[1]
    except BadAddressError:
        return "", UNKNOWN
    if connection.own:
        here = is_loopback(connection.base_url)
        return ("stays on this machine", "") if here else (f"{host}, a host of your own", "")
    retention = known.get(endpoint.like or endpoint.name)
    if retention is not None and _is_theirs(host, endpoint.like or endpoint.name, endpoint.base_url):
        return retention.goes_to, retention.line
    if is_loopback(connection.base_url):
        return "a server on this machine, which sends it on", UNKNOWN
    return host, UNKNOWN


def _is_theirs(host: str, name: str, url: str) -> bool:
    """Whether a host is the provider's own, rather than one that was put in its place."""
    if name == "azure":
        return host.endswith(AZURE_HOSTS)
    try:
        return host == split(url)[1]
    except BadAddressError:
        return False


def _facts(
    services: Services, connections: Mapping[str, Connection], answers: Mapping[str, bool]
) -> tuple[ProviderFacts, ...]:
    down = down_now(services.calls, services.now, services.chooser.stays_here)
    spent = spent_by_provider(services.database, month_ms(services.now()))
    models: dict[str, int] = {}
    for model in services.registry.all(active_only=True):
        models[model.provider] = models.get(model.provider, 0) + (model.chat and not model.disabled)
    known = retentions()
    out = []
    for name, connection in connections.items():
        state, words = _state(services, connection, down.get(name, ""), answers.get(name, True))
        goes_to, retention = where_to(connection, known)
        out.append(
            ProviderFacts(
                name,
                connection.endpoint.label,
                state,
                words,
                connection.base_url,
                key_state(services, connection),
                models.get(name, 0),
                connection.own,
                goes_to,
                retention,
                spent.get(name, Spent()),
                not services.chooser.is_shipped(name),
                provider_settings(services, name),
            )
        )
    return tuple(out)


def _state(services: Services, connection: Connection, down: str, answers: bool) -> tuple[State, str]:
    if connection.endpoint.wire == "builtin":
        return "ready", ""
    if provider_settings(services, connection.name).get("enabled") is False:
        return "switched off", ""
    if not connection.base_url:
        return "no address", ""
    if connection.problem:
        return "not usable", connection.problem
    if not connection.ready:
        return "no key", connection.key_problem
    if down:
        return "circuit open", down
    return ("ready", "") if answers else ("not reachable", "")


def _is_asked(connection: Connection) -> bool:
    """Whether a server can be looked for without anybody but this machine noticing."""
    wanted = connection.name in ON_THIS_MACHINE or connection.own
    return wanted and connection.endpoint.wire != "builtin" and is_loopback(connection.base_url)


async def _answers(url: str) -> bool:
    """Whether anything takes connections at an address."""
    scheme, host, port, _ = split(url)
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(host, port or (443 if scheme == "https" else 80))
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
