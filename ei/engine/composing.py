"""What is sent for a reply: the prompt, as much of the conversation as fits, and the parameters."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ei.conversations.store import ConversationStore
from ei.conversations.values import Message
from ei.engine.context import Fitted, fit, system_prompt, to_messages, tokens_of
from ei.engine.pricing import context_of, runs_here
from ei.engine.services import Services, on_database
from ei.messages import ChatMessage, TextPart
from ei.models.interactions import Interaction
from ei.models.reference import ModelId
from ei.personas.values import Persona
from ei.providers.estimate import estimate_tokens
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


@dataclass(frozen=True, slots=True)
class Material:
    """What could be sent. messages: the prompt, then the path; asked: what follows it and is never left out.

    budget: how many tokens the model takes, None where nobody knows.
    """

    messages: tuple[ChatMessage, ...]
    asked: tuple[ChatMessage, ...] = ()
    budget: int | None = None

    def fitted(self, budget: int | None) -> Fitted:
        """As much of it as fits `budget` tokens, the oldest turns left out first; all of it for None."""
        after = sum(tokens_of(message, estimate_tokens) for message in self.asked)
        found = fit(self.messages, (NO_LIMIT if budget is None else budget) - after, estimate_tokens)
        return Fitted((*found.messages, *self.asked), found.left_out, found.tokens + after)


@dataclass(frozen=True, slots=True)
class Composer:
    """Builds what one persona is sent in one conversation.

    owner: the persona whose conversation it is; speaker: who answers. learned: what was found out about the model.
    """

    services: Services
    store: ConversationStore
    owner: Persona
    speaker: Persona
    interaction: Interaction
    model: ModelId
    learned: Mapping[str, object]

    def parameters(self) -> dict[str, object]:
        """The interaction's, then the persona's own; a model is only sent what somebody chose."""
        return {**interaction_parameters(self.services, self.interaction), **self.speaker.parameters}

    async def material(self, conversation: str | None, before: str | None = None, asked: str = "") -> Material:
        """The prompt and the path up to message `before` (None: all of it), read a page at a time from the newest back.

        Reading stops where no more can fit. conversation: None where nothing was said yet. asked: one more text of
        the person. The model's context is looked up only when the request is not small. Raises StorageError.
        """
        guest_of = self.owner.name if self.speaker.name != self.owner.name else ""
        now = datetime.fromtimestamp(self.services.now())
        system = system_prompt(self.speaker, now, (), guest_of)
        path: tuple[Message, ...] = ()
        tokens, budget, looked = estimate_tokens(system), None, False
        while conversation is not None:
            page = await on_database(self.store.database, self.store.path, conversation, limit=PAGE, before=before)
            path = page + path
            tokens += sum(estimate_tokens(message.text) for message in page)
            if tokens >= SMALL and not looked:
                budget, looked = await self._budget(), True
            if len(page) < PAGE or (budget is not None and tokens > budget):
                break
            before = page[0].id
        others = self._others(path)
        if others:
            system = system_prompt(self.speaker, now, others, guest_of)
        host = self.owner.name if any(message.to for message in path) else ""
        last = (ChatMessage("user", (TextPart(asked),)),) if asked else ()
        return Material(to_messages(system, path, self.speaker.name, host=host), last, budget)

    def _others(self, path: tuple[Message, ...]) -> tuple[Persona, ...]:
        """Who else spoke here, as far as they still are in the library."""
        told = {self.speaker.name, self.owner.name}
        names = dict.fromkeys(m.author for m in path if m.role == "assistant" and m.author not in told)
        here = {persona.name: persona for persona in self.services.library.personas()}
        return tuple(here[name] for name in names if name in here)

    async def _budget(self) -> int | None:
        """How many tokens of request the model takes, None where nobody knows: its context less room for a reply."""
        seen = self.learned.get("context")
        limit = seen if isinstance(seen, int) else await asyncio.to_thread(context_of, self.services, self.model)
        if limit is None:
            return None
        wished = self.parameters().get("max_tokens")
        room = wished if isinstance(wished, int) else REPLY_ROOM
        return max(limit - min(room, limit // 4), 256)


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
