"""Which model a persona's call uses: gathers what is written where and lets `resolve` decide."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from ei.config import Config, ConfigFile, Variable
from ei.conversations.values import Conversation
from ei.models.interactions import Interaction
from ei.models.reference import ProviderNames
from ei.models.resolve import Answering, Candidate, Rank, Resolution, resolve
from ei.personas.values import Persona
from ei.providers.base import Connection, Endpoint
from ei.providers.credentials import connect, custom_endpoints
from ei.providers.probe import Found
from ei.storage.state import StateStore

LAST_USED = "last_used_model"


class ModelChooser:
    """Resolves anew at every call, so that an edit of a file shows in the next reply.

    look: finds out what answers on this machine; asked only when nothing was set anywhere.
    """

    def __init__(
        self,
        config: ConfigFile,
        endpoints: tuple[Endpoint, ...],
        state: StateStore,
        look: Callable[[], Awaitable[Found]],
    ) -> None:
        self._config = config
        self._shipped = endpoints
        self._state = state
        self._look = look
        self._found: Found | None = None

    def endpoints(self) -> dict[str, Endpoint]:
        """Every provider by name: the shipped ones, then the person's own. Raises ConfigError."""
        own = custom_endpoints(self._config.current().section("providers"), self._shipped)
        return {endpoint.name: endpoint for endpoint in (*self._shipped, *own)}

    def names(self) -> ProviderNames:
        """Every name and alias that a reference may begin with. Raises ConfigError."""
        endpoints = self.endpoints()
        aliases = {alias: endpoint.name for endpoint in endpoints.values() for alias in endpoint.aliases}
        return ProviderNames(tuple(endpoints), aliases)

    def connection(self, name: str) -> Connection:
        """The provider's address and key as configured now."""
        config = self._config.current()
        settings = config.section("providers").get(name)
        own = settings if isinstance(settings, Mapping) else {}
        return connect(self.endpoints()[name], config.variable, own, config.folder_variable)

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
        self, persona: Persona, conversation: Conversation | None, interaction: Interaction, request: object = None
    ) -> Resolution:
        """The model for a call made now. Raises UsageError where what is written cannot be read."""
        candidates = self.candidates(persona, conversation, interaction, request)
        if all(candidate.written is None for candidate in candidates):
            self._found = await self._look()
        return resolve(candidates, self.names(), self._answering())

    def peek(
        self, persona: Persona, conversation: Conversation | None, interaction: Interaction, request: object = None
    ) -> Resolution:
        """The same by what was last found to answer, without looking again: for a status line."""
        return resolve(self.candidates(persona, conversation, interaction, request), self.names(), self._answering())

    @property
    def found(self) -> Found | None:
        """What the last look found, None before the first."""
        return self._found

    async def look(self) -> Found:
        """Looks again at what answers on this machine, and remembers it."""
        self._found = await self._look()
        return self._found

    def _answering(self) -> Answering:
        if self._found is None:
            return Answering()
        models = self._found.ollama
        return Answering(self._found.local, None if models is None else next(iter(models), ""))

    def _defaults(self, config: Config) -> tuple[Candidate, ...]:
        variable = config.variable("EI_LLM_MODEL")
        default = config.settings.get("default_model")
        where = "default_model in settings.jsonc"
        if default == "last-used":
            default, where = self._state.get(LAST_USED), "the model used last, default_model in settings.jsonc"
        usual = _customary_default(config)
        return (
            _of_variable(Rank.ENVIRONMENT, "EI_LLM_MODEL", variable),
            Candidate(Rank.DEFAULT, where, default),
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
