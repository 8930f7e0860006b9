"""Conversations as a whole: making, finding, listing, naming them, and what is unread."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from ei.conversations import tree
from ei.conversations.base import StoreBase
from ei.conversations.rows import (
    CONVERSATION_SELECT,
    clean,
    conversation_from_row,
    conversation_key,
    fetch_conversation,
)
from ei.conversations.values import Conversation, Kept, PersonaStats
from ei.errors import NotFoundError, UsageError
from ei.storage.ids import SHORTEST_ID, uuid7

_ID = re.compile(r"[0-9a-f-]+")


class Listing(StoreBase):
    def create(
        self, persona: str, title: str = "", forked_from: str = "", *, model_here: object | None = None
    ) -> Conversation:
        """A new empty conversation; it does not become the current one by itself."""
        now = self._now_ms()
        id = uuid7(now)
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO conversation (id, owner, persona, title, created_ms, updated_ms, model_here, forked_from)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    id,
                    self._owner,
                    self._persona_key(connection, persona),
                    clean(title),
                    now,
                    now,
                    None if model_here is None else json.dumps(model_here),
                    forked_from,
                ),
            )
            return fetch_conversation(connection, self._owner, id)

    def get(self, conversation_id: str) -> Conversation:
        """The conversation. Raises NotFoundError."""
        with self._database.read() as connection:
            return fetch_conversation(connection, self._owner, conversation_id)

    def find(self, text: str) -> Conversation:
        """The one with this id, or whose id alone ends so (4 characters or more).

        Raises UsageError for a text that is too short or fits several, NotFoundError for none.
        """
        wanted = text.strip().lower()
        if len(wanted) < SHORTEST_ID:
            raise UsageError(
                f'"{text}" is too short for the id of a conversation.', f"Give at least {SHORTEST_ID} characters of it."
            )
        rows = []
        if _ID.fullmatch(wanted):
            with self._database.read() as connection:
                rows = connection.execute(
                    f"{CONVERSATION_SELECT} WHERE c.owner = ? AND c.id LIKE ? ORDER BY c.updated_ms DESC LIMIT 6",
                    (self._owner, f"%{wanted}"),
                ).fetchall()
        if not rows:
            raise NotFoundError(f'There is no conversation "{text}".', "/history lists those that are.")
        found = [conversation_from_row(row) for row in rows]
        if len(found) > 1:
            names = "; ".join(f"{item.id[-13:]} {item.persona}: {item.name[:40]}" for item in found[:5])
            raise UsageError(f'"{text}" fits several conversations.', f"Give more characters: {names}")
        return found[0]

    def current(self, persona: str) -> Conversation | None:
        """Where `/persona NAME` goes, None when there is none yet."""
        with self._database.read() as connection:
            row = connection.execute(
                f"{CONVERSATION_SELECT} WHERE p.owner = ? AND p.name = ? AND c.key = p.current_conversation",
                (self._owner, persona),
            ).fetchone()
        return None if row is None else conversation_from_row(row)

    def set_current(self, persona: str, conversation_id: str) -> None:
        """Makes a conversation the persona's current one, and the one that the person was in last.

        Raises NotFoundError, also for a conversation with somebody else.
        """
        with self._database.transaction() as connection:
            key = conversation_key(connection, self._owner, conversation_id)
            changed = connection.execute(
                "UPDATE persona SET current_conversation = ?, visited_ms = ?"
                " WHERE key = (SELECT persona FROM conversation WHERE key = ?) AND name = ?",
                (key, self._now_ms(), key, persona),
            ).rowcount
            if not changed:
                raise NotFoundError(f"That conversation is not with {persona}.")

    def leave_current(self, persona: str) -> None:
        """Lets a persona have no current conversation, until the next one begins; the one before stays."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE persona SET current_conversation = NULL WHERE owner = ? AND name = ?", (self._owner, persona)
            )

    def with_model_here(self) -> tuple[Conversation, ...]:
        """The conversations for which a model was set, newest first."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"{CONVERSATION_SELECT} WHERE c.owner = ? AND c.model_here IS NOT NULL ORDER BY c.updated_ms DESC",
                (self._owner,),
            ).fetchall()
        return tuple(conversation_from_row(row) for row in rows)

    def list(
        self, persona: str | None = None, limit: int = 50, before_ms: int | None = None, *, empty: bool = False
    ) -> tuple[Conversation, ...]:
        """Newest first, of one persona or of all. before_ms: the updated_ms of the last one of the page before.

        empty: also those in which nothing was ever said.
        """
        where, values = ["c.owner = ?"], [self._owner]
        with self._database.read() as connection:
            if persona is not None:
                where, values = ["c.persona = ?"], [str(self._known_persona(connection, persona) or 0)]
            if before_ms is not None:
                where.append("c.updated_ms < ?")
            if not empty:
                where.append("EXISTS (SELECT 1 FROM message e WHERE e.conversation = c.key)")
            rows = connection.execute(
                f"{CONVERSATION_SELECT} WHERE {' AND '.join(where)} ORDER BY c.updated_ms DESC, c.key DESC LIMIT ?",
                (*values, *(() if before_ms is None else (before_ms,)), limit),
            ).fetchall()
        return tuple(conversation_from_row(row) for row in rows)

    def keeping(self, conversation_id: str, people: Sequence[str] = ()) -> Kept:
        """What keeps it on this machine. people: names of personas who are private now. Raises NotFoundError."""
        with self._database.read() as connection:
            key = conversation_key(connection, self._owner, conversation_id)
            marked = connection.execute("SELECT private FROM conversation WHERE key = ?", (key,)).fetchone()[0]
            count = "SELECT count(*) FROM message WHERE conversation = ? AND private = 1"
            messages = connection.execute(count, (key,)).fetchone()[0]
            spoke = "SELECT 1 FROM message WHERE conversation = ? AND private <> 2 AND (author = ? OR addressee = ?)"
            found = [name for name in people if connection.execute(f"{spoke} LIMIT 1", (key, name, name)).fetchone()]
        return Kept(marked == 1, messages, tuple(found))

    def set_private(self, conversation_id: str, private: bool) -> None:
        """Marks it as what stays on this machine; False takes that back and lets everything leave that is in it now.

        Raises NotFoundError.
        """
        with self._database.transaction() as connection:
            key = conversation_key(connection, self._owner, conversation_id)
            connection.execute("UPDATE conversation SET private = ? WHERE key = ?", (int(private), key))
            if not private:
                connection.execute("UPDATE message SET private = 2 WHERE conversation = ?", (key,))

    def rename(self, conversation_id: str, title: str) -> None:
        """Gives a title; "" takes it away. Raises NotFoundError."""
        self._set(conversation_id, "title", clean(title))

    def set_model_here(self, conversation_id: str, value: object | None) -> None:
        """Sets the model reference of this conversation only, a JSON-ready value; None clears it."""
        self._set(conversation_id, "model_here", None if value is None else json.dumps(value))

    def set_parameters(self, conversation_id: str, parameters: Mapping[str, object]) -> None:
        """Sets the parameters of this conversation only (temperature, …), in the place of those before."""
        self._set(conversation_id, "parameters", json.dumps(dict(parameters)))

    def set_last_model(self, conversation_id: str, model: str) -> None:
        """Remembers which `provider:model` answered last."""
        self._set(conversation_id, "last_model", model)

    def mark_read(self, conversation_id: str) -> None:
        """All that has ended here is read now."""
        with self._database.transaction() as connection:
            tree.mark_read(connection, conversation_key(connection, self._owner, conversation_id))

    def unread(self) -> dict[str, int]:
        """Replies that came after the read cursor, per persona; a persona without any is left out."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT p.name, count(*) FROM conversation c JOIN persona p ON p.key = c.persona"
                " JOIN message m ON m.conversation = c.key AND m.key > c.read_key AND m.role = 'assistant'"
                " AND m.state IN ('complete', 'cancelled', 'failed')"
                " WHERE c.owner = ? AND c.reply_key > c.read_key GROUP BY p.name",
                (self._owner,),
            ).fetchall()
        return {str(name): int(count) for name, count in rows}

    def stats(self) -> dict[str, PersonaStats]:
        """Per persona with whom something was said."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT p.name, count(*), max(c.updated_ms) FROM conversation c JOIN persona p ON p.key = c.persona"
                " WHERE c.owner = ? AND EXISTS (SELECT 1 FROM message e WHERE e.conversation = c.key) GROUP BY p.name",
                (self._owner,),
            ).fetchall()
        return {str(name): PersonaStats(int(count), int(last)) for name, count, last in rows}

    def _set(self, conversation_id: str, column: str, value: object) -> None:
        with self._database.transaction() as connection:
            key = conversation_key(connection, self._owner, conversation_id)
            connection.execute(f"UPDATE conversation SET {column} = ? WHERE key = ?", (value, key))
