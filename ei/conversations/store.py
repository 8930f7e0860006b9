"""The store of conversations: everything that is said is kept here, and given back as values."""

from __future__ import annotations

import time
from collections.abc import Callable

from ei.conversations.branches import Branches
from ei.conversations.deletion import Deletion
from ei.conversations.listing import Listing
from ei.conversations.search import Search
from ei.conversations.writing import Writing
from ei.storage.database import Database


class ConversationStore(Listing, Writing, Branches, Search, Deletion):
    """Plain and synchronous; every method may be called from any thread, also through `database.submit`.

    Listing: conversations as a whole. Writing: messages, streaming, the queue. Branches: variants, undo, forks.
    Search: text. Deletion: really gone. Each method is one transaction, and raises StorageError (see errors.py).
    """

    def __init__(self, database: Database, owner: str = "local", clock: Callable[[], float] = time.time) -> None:
        super().__init__(database, owner, clock)
