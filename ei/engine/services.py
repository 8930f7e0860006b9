"""What the engine works with, built once by the wiring and handed down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from ei.config import ConfigFile
from ei.conversations.store import ConversationStore
from ei.engine.choice import ModelChooser
from ei.engine.gate import Gate
from ei.models.registry import RegistryStore
from ei.personas.library import Library
from ei.providers.keystore import Keys
from ei.providers.pool import Providers
from ei.storage.database import Database
from ei.storage.state import StateStore
from ei.usage.learned import LearnedStore
from ei.usage.store import CallStore

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Services:
    """The rooms below the engine. now: seconds since 1970; log: writes one text to the log, keys taken out."""

    config: ConfigFile
    library: Library
    database: Database
    conversations: ConversationStore
    calls: CallStore
    learned: LearnedStore
    registry: RegistryStore
    state: StateStore
    providers: Providers
    keys: Keys
    gate: Gate
    chooser: ModelChooser
    now: Callable[[], float]
    log: Callable[[str], None] = field(repr=False)
    lease_owner: str = ""


async def on_database(database: Database, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs a store's method on the database's thread and waits; a cancelled caller does not stop the work."""
    future = database.submit(lambda: work(*args, **kwargs))
    return await asyncio.shield(asyncio.wrap_future(future))
