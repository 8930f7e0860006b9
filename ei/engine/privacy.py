"""Whether what is to be sent is private now, and why: looked up anew each time something is sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from ei.conversations.store import ConversationStore
from ei.engine.own import Privacy, everything
from ei.engine.services import Services, on_database
from ei.errors import EiError
from ei.personas.values import Persona

if TYPE_CHECKING:
    from ei.engine.turn import TurnPlan


async def is_private(
    services: Services,
    store: ConversationStore | None,
    conversation: str | None,
    people: Iterable[Persona] = (),
) -> Privacy:
    """Why a request must stay on this machine, false where nothing says so.

    store: where the conversation is kept; conversation: its id, None for what belongs to none or has not begun.
    people: who it is with and who is to answer; their files are read anew. Raises ConfigError, StorageError:
    what cannot be found out is not sent.
    """
    everywhere = everything(services.config.current())
    given = {persona.name: persona.private for persona in people}
    private = {persona.name for persona in services.library.personas() if persona.private}
    for name, before in given.items():
        if before and name not in private and not _is_there(services, name):
            private.add(name)  # its file is gone or cannot be read now: what it said last holds
    found = Privacy(everywhere.everywhere, tuple(name for name in given if name in private))
    if store is None or conversation is None:
        return replace(found, here=store is not None)
    others = tuple(sorted(private - set(found.asked)))
    kept = await on_database(store.database, store.keeping, conversation, others)
    return replace(found, here=True, present=kept.people, marked=kept.marked, messages=kept.messages)


def stays(*people: Persona) -> bool:
    """Whether what these say, or are told, is kept as private."""
    return any(persona.private for persona in people)


async def privacy_of(services: Services, plan: TurnPlan) -> Privacy:
    """Whether a reply is private now. Raises as `is_private`."""
    return await is_private(services, plan.store, plan.conversation.id, (plan.owner, plan.speaker))


def _is_there(services: Services, name: str) -> bool:
    try:
        services.library.get(name)
    except EiError:
        return False
    return True
