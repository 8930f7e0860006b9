"""What is sent for a reply: the prompt, as much of the conversation as fits, and the parameters."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from ei.conversations.store import ConversationStore
from ei.conversations.values import Conversation, Message
from ei.engine.context import Fitted, fit, note_for, system_prompt, to_messages, tokens_of
from ei.engine.contexts import longest_context
from ei.engine.parameters import NAMES, Limits, Parameter, Parameters, refused_by, taken, wished
from ei.engine.pricing import context_of, like_model, registered, runs_here
from ei.engine.services import Services, on_database
from ei.errors import EiError
from ei.messages import NO_PARAMETERS, ChatMessage, ChatRequest, TextPart
from ei.models.interactions import Interaction
from ei.models.metadata import abilities_of
from ei.models.reference import ModelId
from ei.models.resolve import Resolution
from ei.personas.values import Persona
from ei.providers.estimate import USUAL, Density, density_from_data, estimate_tokens
from ei.providers.retry import RetryPolicy

PAGE = 200
"""How many messages are read from the database at a time while a request is built."""
SMALL = 3_000
"""Requests below this many tokens fit every model worth naming: its context is not looked up."""
NO_LIMIT = 1 << 60
FORGET_SECONDS = 86_400
"""A server on this machine is started anew with another context."""
REPLY_ROOM = 4096
"""Tokens of the context that are kept for the reply where nobody chose `max_tokens`."""
DENSITY = "density"
"""By this name it is kept how many tokens a model makes of characters (`providers.estimate.Density`)."""


@dataclass(frozen=True, slots=True)
class Material:
    """What could be sent. messages: the prompt, then the path; asked: what follows it and is never left out.

    budget: how many tokens the model takes, None where nobody knows. density: how many it makes of a text.
    """

    messages: tuple[ChatMessage, ...]
    asked: tuple[ChatMessage, ...] = ()
    budget: int | None = None
    density: Density = USUAL

    def fitted(self, budget: int | None) -> Fitted:
        """As much of it as fits `budget` tokens, the oldest turns left out first; all of it for None."""
        estimate = partial(estimate_tokens, density=self.density)
        after = sum(tokens_of(message, estimate) for message in self.asked)
        found = fit(self.messages, (NO_LIMIT if budget is None else budget) - after, estimate)
        return Fitted((*found.messages, *self.asked), found.left_out, found.tokens + after)


@dataclass(frozen=True, slots=True)
class Composer:
    """Builds what one persona is sent in one conversation.

    owner: the persona whose conversation it is; speaker: who answers. learned: what was found out about the model.
    parameters: what a request carries beside its messages. notes: what profile and persona want this model told.
    window: the context in tokens that the profile gives it, None where it says nothing.
    """

    services: Services
    store: ConversationStore
    owner: Persona
    speaker: Persona
    interaction: Interaction
    model: ModelId
    learned: Mapping[str, object]
    parameters: Parameters
    notes: tuple[str, ...] = ()
    window: int | None = None

    @property
    def density(self) -> Density:
        """How many tokens the model makes of a text, by the counts that came with its replies."""
        return density_from_data(self.learned.get(DENSITY))

    async def material(self, conversation: str | None, before: str | None = None, asked: str = "") -> Material:
        """The prompt and the path up to message `before` (None: all of it), read a page at a time from the newest back.

        Reading stops where no more can fit. conversation: None where nothing was said yet. asked: one more text of
        the person. The model's context is looked up only when the request is not small. Raises StorageError.
        """
        guest_of = self.owner.name if self.speaker.name != self.owner.name else ""
        now = datetime.fromtimestamp(self.services.now())
        system = system_prompt(self.speaker, now, (), guest_of, notes=self.notes)
        path: tuple[Message, ...] = ()
        density = self.density
        tokens, budget, looked = estimate_tokens(system, density), None, False
        while conversation is not None:
            page = await on_database(self.store.database, self.store.path, conversation, limit=PAGE, before=before)
            path = page + path
            tokens += sum(estimate_tokens(message.text, density) for message in page)
            if not looked and (tokens >= SMALL or self.window is not None):
                budget, looked = await self._budget(), True
            if len(page) < PAGE or (budget is not None and tokens > budget):
                break
            before = page[0].id
        others = self._others(path)
        if others:
            system = system_prompt(self.speaker, now, others, guest_of, notes=self.notes)
        host = self.owner.name if any(message.to for message in path) else ""
        last = (ChatMessage("user", (TextPart(asked),)),) if asked else ()
        return Material(to_messages(system, path, self.speaker.name, host=host), last, budget, density)

    def _others(self, path: tuple[Message, ...]) -> tuple[Persona, ...]:
        """Who else spoke here, as far as they still are in the library."""
        told = {self.speaker.name, self.owner.name}
        names = dict.fromkeys(m.author for m in path if m.role == "assistant" and m.author not in told)
        here = {persona.name: persona for persona in self.services.library.personas()}
        return tuple(here[name] for name in names if name in here)

    async def _budget(self) -> int | None:
        """How many tokens of request the model takes, None where nobody knows: its context less room for a reply."""
        # What a server decides anew is asked anew: what it once refused may be allowed now.
        seen = await longest_context(self.services, self.model) or self.learned.get("context")
        told = [size for size in (seen, self.window) if isinstance(size, int)]
        limit = min(told) if told else await asyncio.to_thread(context_of, self.services, self.model)
        if limit is None:
            return None
        longest = self.parameters.sent.get("max_tokens")
        room = longest if isinstance(longest, int) else REPLY_ROOM
        return max(limit - min(room, limit // 4), 256)


async def composer_for(
    services: Services,
    store: ConversationStore,
    owner: Persona,
    speaker: Persona,
    interaction: Interaction,
    resolution: Resolution,
    conversation: Conversation | None = None,
    now: Mapping[str, object] = NO_PARAMETERS,
) -> Composer:
    """The composer for a reply of `speaker` in a conversation of `owner` by the resolved model.

    conversation: None where nothing was said yet; what is set for it is its owner's. now: parameters for now, by our
    names. Raises StorageError.
    """
    model, profile = resolution.model, resolution.profile
    learned = await learned_about(services, model)
    here = conversation.parameters if conversation is not None and speaker.name == owner.name else NO_PARAMETERS
    of_all = interaction_parameters(services, interaction)
    wishes = wished(of_all, interaction.name, profile, speaker, here, now)
    return Composer(
        services,
        store,
        owner,
        speaker,
        interaction,
        model,
        learned,
        await parameters_for(services, resolution, wishes, learned),
        notes_for(services, resolution, speaker),
        profile.context_window if profile is not None else None,
    )


async def parameters_for(
    services: Services, resolution: Resolution, wishes: Mapping[str, Parameter], learned: Mapping[str, object]
) -> Parameters:
    """What of the wishes the resolved model is sent. learned: what was found out about it."""
    extra = resolution.profile.extra if resolution.profile is not None else NO_PARAMETERS
    # In a thread: the registry is read.
    limits = await asyncio.to_thread(_limits, services, resolution.model, wishes, learned)
    return taken(wishes, limits, str(resolution.model), extra)


def notes_for(services: Services, resolution: Resolution, speaker: Persona | None = None) -> tuple[str, ...]:
    """What the profile, then the persona want the resolved model told."""
    model, profile = resolution.model, resolution.profile
    endpoint = services.chooser.endpoints().get(model.provider)
    names = {model.provider, *((*endpoint.aliases, endpoint.like) if endpoint else ())}
    if profile is not None:
        names |= {profile.provider_type, profile.like}
    written = (profile.prompt_note if profile is not None else None, speaker.prompt_note if speaker else None)
    found = (note_for(note, names - {""}, model.model) for note in written)
    return tuple(note for note in found if note)


def _limits(
    services: Services, model: ModelId, wishes: Mapping[str, Parameter], learned: Mapping[str, object]
) -> Limits:
    row = registered(services, model)
    sampling = row.sampling if row is not None else None
    if sampling is None:
        _, sampling = abilities_of(like_model(services, model))
    rejects = learned.get("rejects")
    refused = refused_by(map(str, rejects) if isinstance(rejects, list) else (), sampling)
    return Limits(refused | _unsupported(services, model, wishes), row.max_output if row is not None else None)


def _unsupported(services: Services, model: ModelId, wishes: Mapping[str, Parameter]) -> frozenset[str]:
    """What the wire of a provider has no place for, alone or beside the rest."""
    try:
        endpoint = services.chooser.endpoints().get(model.provider)
    except EiError:
        return frozenset()
    if endpoint is None or endpoint.wire != "anthropic":
        return frozenset()
    from ei.providers.anthropic_messages import unsupported

    each: list[Mapping[str, object]] = [{name: 1} for name in NAMES]
    together = {name: wish.value for name, wish in wishes.items()}
    return frozenset(name for values in (*each, together) for name in unsupported(ChatRequest(model.model, (), values)))


def interaction_parameters(services: Services, interaction: Interaction) -> dict[str, object]:
    """What settings choose for an interaction, by our names of parameters."""
    config = services.config.last_good()
    found = {name: config.get(f"interactions.{interaction.name}.{name}") for name in ("temperature", "max_tokens")}
    return {name: value for name, value in found.items() if value is not None}


def retry_policy(services: Services) -> RetryPolicy:
    """How often and how long a busy provider is asked again, by the settings."""
    config = services.config.last_good()
    attempts, longest = config.get("retry.attempts"), config.get("retry.longest_wait")
    assert isinstance(attempts, int)
    assert isinstance(longest, int | float)
    return RetryPolicy(attempts=attempts, longest_wait=float(longest))


async def learned_about(services: Services, model: ModelId) -> dict[str, object]:
    """What earlier calls found out about a model; the context of a server on this machine is forgotten after a day."""
    since_ms = int((services.now() - FORGET_SECONDS) * 1000) if runs_here(services, model.provider) else 0
    return await on_database(services.database, services.learned.get, str(model), since_ms)
