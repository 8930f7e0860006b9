"""What there is to think with on this machine and with the person's keys, and how what was chosen is written down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ei import jsonc
from ei.engine.own import OPEN, Privacy
from ei.engine.pricing import prices_of
from ei.engine.provider_facts import provider_settings
from ei.engine.provider_testing import Looked, Step, look_at
from ei.engine.services import Services
from ei.errors import EiError, PrivateError
from ei.models.choosing import is_sent_on
from ei.models.reference import ModelId
from ei.models.values import price_text
from ei.providers.addresses import is_loopback, split
from ei.providers.base import Endpoint
from ei.providers.credentials import first_set, url_variable
from ei.providers.keys import KnownKey
from ei.providers.servers import USUAL, Server, address_of, find_servers

LOCAL, OLLAMA = "local", "ollama"
SECONDS = 10.0
"""How long a provider on the network may take to say whether its key is good."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A server that answers. provider: by which it is reached; settings: what is to be written of that provider in
    settings.jsonc first, empty where it is reached already."""

    server: Server
    provider: str
    settings: Mapping[str, object]

    @property
    def models(self) -> tuple[str, ...]:
        return self.server.models


@dataclass(frozen=True, slots=True)
class Keyed:
    """A provider for which there is a key. source: where that is (the name of its variable), never the key.

    looked: how its test went, None where it was not tested: untested says why.
    """

    provider: str
    label: str
    source: str
    looked: Looked | None = None
    untested: str = ""

    @property
    def works(self) -> bool:
        """Whether nothing is known to be wrong with it."""
        return self.looked is None or self.looked.works

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(model.id for model in self.looked.models if model.chat) if self.looked is not None else ()


@dataclass(frozen=True, slots=True)
class Findings:
    """servers: those that answer, the ones in use first. silent: (label, address) of what is configured on this
    machine and does not answer. keys: in the order of the table of providers. private: why nothing else is offered."""

    servers: tuple[Reached, ...] = ()
    silent: tuple[tuple[str, str], ...] = ()
    keys: tuple[Keyed, ...] = ()
    private: Privacy = OPEN

    @property
    def ollama(self) -> Reached | None:
        """The Ollama that models can be installed with."""
        return next((each for each in self.servers if each.provider == OLLAMA and not each.settings), None)


async def find(
    services: Services,
    private: Privacy = OPEN,
    usual: Sequence[str] = USUAL,
    tell: Callable[[str], None] = lambda text: None,
) -> Findings:
    """Looks at the usual addresses and at the configured ones of this machine, and tests the keys of the environment.

    Nothing that costs is asked: lists of models alone. private: providers on the network are not asked.
    usual: base URLs. tell: what is being done, in words. Raises ConfigError.
    """
    here = _configured(services)
    urls = [*here.values(), *usual]
    tell("servers on this machine, keys in the environment")
    keyed = [] if private else _keyed(services)
    servers, keys = await asyncio.gather(
        find_servers(urls), asyncio.gather(*(_tested(services, each) for each in keyed))
    )
    if private:
        servers = tuple(_kept_here(server) for server in servers)
    reached = await _with_keys(services, _reached(services, here, servers))
    answering = {each.provider for each in reached if not each.settings}
    silent = tuple(
        (services.chooser.endpoints()[name].label, url) for name, url in here.items() if name not in answering
    )
    return Findings(reached, silent, tuple(keys), private)


async def try_key(
    services: Services, provider: str, key: str, tell: Callable[[str], None] = lambda text: None
) -> Looked:
    """Tests a key that is kept nowhere yet. Raises ConfigError, PrivateError."""
    services.keys.redactor.learn(key)
    return await look_at(services, provider, tell, KnownKey(key))


def may_have_keys(services: Services) -> tuple[tuple[Endpoint, str], ...]:
    """(provider on the network, why it cannot be given a key in one step or ""), in the order of their table."""
    chooser = services.chooser
    out = []
    for name, endpoint in chooser.endpoints().items():
        if not endpoint.needs_key or endpoint.profile:
            continue
        connection = chooser.connection(name)
        out.append((endpoint, connection.problem))
    return tuple(out)


def with_key(services: Services, provider: str, looked: Looked | None) -> Keyed:
    """A provider that has just been given a key."""
    connection = services.chooser.connection(provider)
    return Keyed(provider, connection.endpoint.label, connection.key_source, looked)


def prices(services: Services, provider: str, models: Sequence[str]) -> Mapping[str, str]:
    """What each model's tokens cost, in few words, "" where nobody says. Reads the database and may load the price
    list: call it from a thread."""
    found = {model: prices_of(services, ModelId(provider, model)) for model in models}
    return {model: price_text(price).rpartition(" (")[0] or price_text(price) for model, price in found.items()}


def likely_first(services: Services, provider: str, models: Sequence[str]) -> tuple[str, ...]:
    """The models, those first that the person prefers of that provider, then the one that is known best."""
    wished = [*services.chooser.preferred(provider), services.chooser.endpoints()[provider].example]
    first = [model for model in dict.fromkeys(wished) if model in models]
    return (*first, *(model for model in models if model not in first))


def edited(text: str, provider: str, settings: Mapping[str, object], default: str, file: str) -> str:
    """The text of settings.jsonc with what is new of a provider, and with the default model unless it is "".

    Raises FileSyntaxError. file: its name, for that.
    """
    for key, value in settings.items():
        text = jsonc.set_value(text, ("providers", provider, key), value, file)
    return jsonc.set_value(text, ("default_model",), default, file) if default else text


# Servers.


def _configured(services: Services) -> dict[str, str]:
    """Base URLs of the providers whose server is on this machine."""
    chooser = services.chooser
    out = {}
    for name, endpoint in chooser.endpoints().items():
        connection = chooser.connection(name)
        usable = endpoint.wire in ("openai", "ollama") and not endpoint.profile and not connection.problem
        if usable and is_loopback(connection.base_url) and chooser.stays_here(name):
            out[name] = connection.base_url
    return out


def _reached(services: Services, here: Mapping[str, str], servers: Sequence[Server]) -> tuple[Reached, ...]:
    """By which provider each server is reached, or would be."""
    by_address: dict[tuple[str, int, str], str] = {}
    for name, url in here.items():
        by_address.setdefault(address_of(url), name)
    answering = {by_address.get(address_of(server.url), "") for server in servers}
    free = {name for name in (LOCAL, OLLAMA) if name not in answering and _is_free(services, name)}
    used, offered = [], []
    for server in servers:
        if name := by_address.get(address_of(server.url), ""):
            used.append(Reached(server, name, {}))
            continue
        if server.kind == "openai" and server.needs_key:
            continue  # something at a usual port that wants a password is more often no model server
        wanted = OLLAMA if server.kind == OLLAMA else LOCAL
        if wanted in free:
            free.remove(wanted)
            offered.append(Reached(server, wanted, {"base_url": server.url}))
        else:
            wire = "ollama" if server.kind == OLLAMA else "openai"
            row = {"base_url": server.url, "wire": wire, "label": server.label}
            offered.append(Reached(server, _own_name(services, server), row))
    return (*used, *offered)


def _kept_here(server: Server) -> Server:
    """A server without the models that it only sends on."""
    return replace(server, models=tuple(model for model in server.models if not is_sent_on(model)))


def _is_free(services: Services, name: str) -> bool:
    """Whether nobody said where that provider is."""
    endpoint = services.chooser.endpoints()[name]
    settings = provider_settings(services, name)
    lookup = services.config.current().variable
    variable = first_set(lookup, (url_variable(endpoint), *endpoint.url_variables))
    return variable is None and not settings.get("base_url") and settings.get("enabled") is not False


def _own_name(services: Services, server: Server) -> str:
    """A name for a provider of the person's own that nothing has yet: `llamacpp-8080`."""
    kind = "server" if server.kind == "openai" else server.kind
    name = f"{kind}-{split(server.url)[2] or 80}"
    known, number = services.chooser.names(), 2
    while known.canonical(name) is not None:
        name, number = f"{kind}-{split(server.url)[2] or 80}-{number}", number + 1
    return name


async def _with_keys(services: Services, reached: tuple[Reached, ...]) -> tuple[Reached, ...]:
    """Servers that told nothing without a key are asked again with the one that they have, where it is known."""

    async def one(each: Reached) -> Reached:
        if each.settings or not each.server.needs_key:
            return each
        key = services.chooser.connection(each.provider).key
        if key is None or not key.known:
            return each
        looked = (await _tested(services, Keyed(each.provider, each.server.label, ""))).looked
        bad = next((step for step in looked.steps if step.works is False), None) if looked is not None else None
        names = tuple(model.id for model in looked.models if model.chat) if looked is not None else ()
        server = Server(each.server.kind, each.server.url, names, bad is not None, bad.told if bad else "")
        return Reached(server, each.provider, {})

    return tuple(await asyncio.gather(*(one(each) for each in reached)))


# Keys.


def _keyed(services: Services) -> list[Keyed]:
    """The providers with a key that need one, as yet untested."""
    chooser = services.chooser
    out = []
    for name, endpoint in chooser.endpoints().items():
        connection = chooser.connection(name)
        if endpoint.needs_key and not endpoint.profile and (connection.key is not None or connection.key_problem):
            out.append(Keyed(name, endpoint.label, connection.key_source))
    return out


async def _tested(services: Services, keyed: Keyed) -> Keyed:
    """The same with its test. What is locked away is not opened for that: somebody might have to be asked."""
    key = services.chooser.connection(keyed.provider).key
    if key is not None and not key.known and not key.reference.startswith("plain:"):
        return Keyed(keyed.provider, keyed.label, keyed.source, None, "its key is tested when it is chosen")
    try:
        async with asyncio.timeout(SECONDS):
            looked = await look_at(services, keyed.provider)
    except TimeoutError:
        looked = Looked(keyed.provider, (Step("reach", False, f"It did not answer in {SECONDS:.0f} s."),))
    except PrivateError as error:
        return Keyed(keyed.provider, keyed.label, keyed.source, None, error.sentence)
    except EiError as error:
        looked = Looked(keyed.provider, (Step("reach", False, error.sentence, hint=error.hint),))
    return Keyed(keyed.provider, keyed.label, keyed.source, looked)
