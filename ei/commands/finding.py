"""Which conversation and which persona is meant, also of personas whose file is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from ei.errors import ConfigError, NotFoundError, UsageError

if TYPE_CHECKING:
    from ei.conversations.store import ConversationStore
    from ei.conversations.values import Conversation
    from ei.engine.session import Session

P = ParamSpec("P")
T = TypeVar("T")

PAGE = 20
"""How many rows a list shows unless told."""


async def on(store: ConversationStore, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs a method of a store on its own database's thread: of the saved one also while in incognito."""
    from ei.engine.services import on_database

    return await on_database(store.database, work, *args, **kwargs)


async def find_conversation(session: Session, text: str) -> Conversation:
    """The saved conversation with that row in the last list, or whose id ends so. Raises NotFoundError, UsageError."""
    saved = session.services.conversations
    if text.isascii() and text.isdigit():
        if not session.listed:
            session.listed = tuple(item.id for item in await on(saved, saved.list, limit=PAGE))
        if 1 <= int(text) <= len(session.listed):
            return await on(saved, saved.get, session.listed[int(text) - 1])
        if len(text) < 4:
            raise NotFoundError(f"There is no row {text}.", f"The list has {len(session.listed)}: /history")
    return await on(saved, saved.find, text)


async def known_name(session: Session, typed: str, *, exact: bool = False) -> str:
    """The name of the persona meant, also of one that is broken, archived, or only left in conversations.

    exact: neither aliases nor beginnings count. Raises UsageError.
    """
    library, saved = session.services.library, session.services.conversations
    try:
        return library.exact_name(typed) if exact else library.path_of(typed).parent.name
    except (UsageError, ConfigError):
        names = [entry.name for entry in library.archived()] + list(await on(saved, saved.stats))
        for name in names:
            if name.casefold() == typed.strip().casefold():
                return name
        raise
