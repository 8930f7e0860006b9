"""Which model a persona's call uses: gathers what is written where and lets `resolve` decide."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from ei.config import Config, ConfigFile, Variable
from ei.conversations.values import Conversation
from ei.engine.endpoints import ON_THIS_MACHINE, Providing, connection_to, read_providing
from ei.engine.own import everything, is_own_host, own_hosts
from ei.errors import UsageError
from ei.models.choosing import Market, Standing, is_sent_on
from ei.models.expand import World, expand
from ei.models.interactions import Interaction
from ei.models.profiles import Profile, default_profile
from ei.models.reference import ModelId, ProviderNames, provider_or_model, written_form
from ei.models.resolve import Answering, Candidate, Rank, Resolution, resolve
from ei.models.values import Model
from ei.personas.values import Persona
from ei.providers.addresses import BadAddressError, is_loopback, split
from ei.providers.base import Connection, Endpoint
from ei.providers.keystore import Keys
from ei.providers.probe import Found
from ei.storage.state import StateStore

LAST_USED = "last_used_model"


class ModelChooser:
    """Resolves anew at every call, so that an edit of a file shows in the next reply.

    look: finds out what answers at those addresses of local and ollama ("" is not asked); called only when nothing was
    set anywhere. models: the registry;
    down: why a provider is asked last now, by provider; both are asked only where a tier is named. keys: where keys are
    that no variable holds.
    """

    def __init__(
        self,
        config: ConfigFile,
        endpoints: tuple[Endpoint, ...],
        state: StateStore,
        look: Callable[[str, str], Awaitable[Found]],
        models: Callable[[], Sequence[Model]] = tuple,
        down: Callable[[], Mapping[str, str]] = dict,
        keys: Keys | None = None,
    ) -> None:
        self._config = config
        self._shipped = endpoints
        self._state = state
        self._look = look
        self._models = models
        self._down = down
        self._keys = keys
        self._found: Found | None = None
        self._read: tuple[Config, Providing] | None = None

    def endpoints(self) -> Mapping[str, Endpoint]:
        """Every provider by name: the shipped ones, the person's own, those of profiles. Raises ConfigError."""
        return self._now()[1].endpoints

    def names(self) -> ProviderNames:
        """Every name and alias that a reference may begin with. Raises ConfigError."""
        return self._now()[1].names

    def connection(self, name: str) -> Connection:
        """The provider's address and key as configured now."""
        config, providing = self._now()
        if self._keys is None:
            found = connection_to(providing, name, config)
        else:
            found = connection_to(providing, name, config, self._keys, self._keys.redactor)
        own = self._stays(found) or (not is_loopback(found.base_url) and self._is_marked(found.base_url))
        return replace(found, own=True) if own else found

    def like(self, model: ModelId) -> ModelId:
        """The model whose prices and context hold for this one: another where a profile only has its own key."""
        endpoint = self.endpoints().get(model.provider)
        return ModelId(endpoint.like, model.model) if endpoint is not None and endpoint.like else model

    def stays_here(self, name: str) -> bool:
        """Whether what is sent to the provider stays on this machine, where it costs nothing. Raises ConfigError.

        A provider on the network whose address was set to this machine is taken for a proxy, which sends it on.
        """
        return name in self.endpoints() and self._stays(self.connection(name))

    def is_own(self, name: str) -> bool:
        """Whether what is sent to the provider stays here or goes to a host that the person marked as own, by its
        address as it is written. Raises ConfigError."""
        return name in self.endpoints() and self.connection(name).own

    def _stays(self, connection: Connection) -> bool:
        endpoint = connection.endpoint
        if endpoint.wire == "builtin":
            return True
        if not is_loopback(connection.base_url):
            return False
        if not endpoint.profile:
            # By its name: settings may give it another label.
            return endpoint.local or not self.is_shipped(endpoint.name)
        if self._now()[1].profiles[endpoint.profile].base_url:
            return True
        # It has only a key of its own: what holds for the provider's address holds for it.
        return self._stays(self.connection(endpoint.like))

    def _is_marked(self, url: str) -> bool:
        own = own_hosts(self._config.current())
        try:
            return bool(own) and is_own_host(split(url)[1], own)
        except BadAddressError:
            return False

    def is_shipped(self, name: str) -> bool:
        """Whether the provider is one that everybody has, rather than one of this person's own."""
        return any(endpoint.name == name for endpoint in self._shipped)

    def preferred(self, name: str) -> tuple[str, ...]:
        """The provider's models that the person set first, its default one before the others, as it names them."""
        settings = self._config.current().section("providers").get(name)
        if not isinstance(settings, Mapping):
            return ()
        default, others = settings.get("default_model"), settings.get("preferred_models")
        written = [default, *(others if isinstance(others, list) else [])]
        return tuple(dict.fromkeys(each.strip() for each in written if isinstance(each, str) and each.strip()))

    def profiles(self) -> Mapping[str, Profile]:
        """The profiles in settings, by id. Raises ConfigError."""
        return self._now()[1].profiles

    def profiles_of(self, config: Config) -> Mapping[str, Profile]:
        """The profiles that there would be with that configuration. Raises ConfigError."""
        return read_providing(config, self._shipped).profiles

    def provided_by(self, settings: Mapping[str, object]) -> Providing:
        """What other settings would provide, before they are written. Raises ConfigError."""
        return read_providing(replace(self._config.current(), settings=settings), self._shipped)

    def market(self, draw: Callable[[int], int] = random.randrange, *, private: bool = False) -> Market:
        """What a tier can be taken from now; private: only what stays with the person.

        Reads the database: call it from a thread. Raises ConfigError.
        """
        down = self._down()
        standings = {}
        for name in self.endpoints():
            connection = self.connection(name)
            problem = (
                "" if connection.ready else connection.problem or connection.key_problem or f"{name} has no API key"
            )
            standings[name] = Standing(
                problem.rstrip("."), self.stays_here(name), down.get(name, ""), self.preferred(name)
            )
        kept = private or bool(everything(self._config.current()))
        own = frozenset(name for name in self.endpoints() if self.is_own(name)) if kept else None
        return Market(self._models(), standings, self._paid(), draw, own)

    def world(
        self,
        persona: Persona,
        interaction: Interaction,
        draw: Callable[[int], int] = random.randrange,
        *,
        private: bool = False,
    ) -> World:
        """What references mean to this persona in this interaction. Raises ConfigError."""
        of_all = self._config.current().section(f"interactions.{interaction.name}").get("tiers")
        tiers = {**(of_all if isinstance(of_all, Mapping) else {}), **persona.tiers}
        return World(self.names(), self.profiles(), partial(self.market, draw, private=private), tiers)

    def candidates(
        self, persona: Persona, conversation: Conversation | None, interaction: Interaction, request: object = None
    ) -> tuple[Candidate, ...]:
        """What is written at steps 1 to 6, in order; request: of this one call, None where it names no model."""
        config = self._config.current()
        own, where = persona.models.get(interaction.name), f"models.{interaction.name} in {persona.name}'s system.jsonc"
        if own is None:
            own, where = persona.model if interaction.own_model else None, f"{persona.name}'s system.jsonc"
        variable = config.variable(interaction.variable)
        setting = f"interactions.{interaction.name}.model"
        written = config.section(f"interactions.{interaction.name}").get("model")
        return (
            Candidate(Rank.REQUEST, "this request alone", request),
            Candidate(Rank.CONVERSATION, "this conversation, /model --here", conversation and conversation.model_here),
            Candidate(Rank.PERSONA, where, own),
            _of_variable(Rank.INTERACTION, interaction.variable, variable),
            Candidate(Rank.INTERACTION, f"{setting} in settings.jsonc", written),
            *self._defaults(config),
        )

    async def resolve(
        self,
        persona: Persona,
        conversation: Conversation | None,
        interaction: Interaction,
        request: object = None,
        *,
        private: bool = False,
    ) -> Resolution:
        """The model for a call made now; private: a tier means only what stays with the person, nothing else is
        looked for. Raises UsageError where what is written cannot be read."""
        candidates = self.candidates(persona, conversation, interaction, request)
        if all(candidate.written is None for candidate in candidates):
            await self.look(private=private)
        # In a thread: a tier reads the registry.
        world = self.world(persona, interaction, private=private)
        return await asyncio.to_thread(self._resolved, candidates, persona, world, private)

    def peek(
        self,
        persona: Persona,
        conversation: Conversation | None,
        interaction: Interaction,
        request: object = None,
        *,
        private: bool = False,
    ) -> Resolution:
        """The same by what was last found to answer, without looking again: for a status line."""
        candidates = self.candidates(persona, conversation, interaction, request)
        world = self.world(persona, interaction, lambda below: 0, private=private)
        return self._resolved(candidates, persona, world, private)

    def named(
        self, written: object, persona: Persona, interaction: Interaction, *, private: bool = False
    ) -> Resolution:
        """What a reference alone means to this persona: for fallbacks and comparisons.

        Reads the database: call it from a thread. Raises UsageError where it cannot be read or means nothing now.
        """
        found = expand(written, self.world(persona, interaction, private=private))
        fallback = (found.profile.fallback if found.profile else ()) or persona.fallback
        return Resolution(
            found.model,
            written_form(written),
            Rank.REQUEST,
            "this request alone",
            (),
            None,
            found.profile,
            found.choice,
            found.path,
            fallback,
        )

    def _resolved(
        self, candidates: Sequence[Candidate], persona: Persona, world: World, private: bool = False
    ) -> Resolution:
        found = resolve(candidates, world, self._answering(private))
        return found if found.fallback else replace(found, fallback=persona.fallback)

    @property
    def found(self) -> Found | None:
        """What the last look found, None before the first."""
        return self._found

    async def look(self, *, private: bool = False) -> Found:
        """Looks again at what answers on this machine, and remembers it; private: asks nobody else."""
        kept = self._kept(private)
        local, ollama = ("" if name in kept else self.connection(name).base_url for name in ON_THIS_MACHINE)
        self._found = await self._look(local, ollama)
        return self._found

    def _kept(self, private: bool) -> frozenset[str]:
        """Which of the servers that are looked for must not be asked."""
        if not private and not everything(self._config.current()):
            return frozenset()
        return frozenset(name for name in ON_THIS_MACHINE if not self.is_own(name))

    def _answering(self, private: bool = False) -> Answering:
        kept, found = self._kept(private), self._found
        if found is None:
            return Answering(False, None, kept) if "local" in kept else Answering()
        chat = None if found.ollama is None or "ollama" in kept else found.ollama
        if chat is not None and (private or everything(self._config.current())):
            chat = tuple(name for name in chat if not is_sent_on(name))
        return Answering(found.local and "local" not in kept, None if chat is None else next(iter(chat), ""), kept)

    def _now(self) -> tuple[Config, Providing]:
        """The configuration as it is now and what it provides, read anew only when it changed."""
        config, held = self._config.current(), self._read
        if held is None or held[0] is not config:
            held = self._read = (config, read_providing(config, self._shipped))
        return held

    def _paid(self) -> frozenset[str]:
        """The providers and models that tiers may choose although they cost money; what names none is passed over."""
        written = self._config.current().section("models").get("paid")
        allowed = set()
        for name in written if isinstance(written, list) else ():
            with suppress(UsageError):
                allowed.add(provider_or_model(str(name), self.names()))
        return frozenset(allowed)

    def _defaults(self, config: Config) -> tuple[Candidate, ...]:
        variable = config.variable("EI_LLM_MODEL")
        default = config.settings.get("default_model")
        where = "default_model in settings.jsonc"
        if default == "last-used":
            default, where = self._state.get(LAST_USED), "the model used last, default_model in settings.jsonc"
        usual, profile = _customary_default(config), default_profile(config.settings)
        return (
            _of_variable(Rank.ENVIRONMENT, "EI_LLM_MODEL", variable),
            Candidate(Rank.DEFAULT, where, default),
            *([Candidate(Rank.DEFAULT, "llm_config in settings.jsonc", f"profile:{profile}")] if profile else []),
            *([Candidate(Rank.DEFAULT, *usual)] if usual else []),
        )


def _of_variable(rank: Rank, name: str, variable: Variable | None) -> Candidate:
    if variable is None:
        return Candidate(rank, name)
    return Candidate(rank, name if variable.source == "environment" else f"{name}, {variable.source}", variable.value)


def _customary_default(config: Config) -> tuple[str, str] | None:
    # Some set-ups choose with LLM_PROVIDER and OLLAMA_CHAT_MODEL; read when nothing of ours is set.
    provider, model = config.variable("LLM_PROVIDER"), config.variable("OLLAMA_CHAT_MODEL")
    if provider and model and provider.value.lower() == "ollama":
        return "LLM_PROVIDER and OLLAMA_CHAT_MODEL", f"ollama:{model.value}"
    return None
