"""Deleting so that nothing is left: tables, text index, free space of the file, and the log."""

from __future__ import annotations

import sqlite3

from ei.conversations import index, tree
from ei.conversations.base import StoreBase
from ei.conversations.rows import conversation_key
from ei.conversations.values import Deleted
from ei.errors import UsageError

REMAINS = "deletion.remains"
"""The name in `state` that says: rows are deleted, but their bytes may still be in the file."""


class Deletion(StoreBase):
    """A deletion is two steps: rows and index words go in one transaction, then the file is cleaned.

    The second can fail (another program reads, no room); that is remembered, and `clean_up` tries again.
    """

    def describe_deletion(
        self, *, message: str | None = None, conversation: str | None = None, persona: str | None = None
    ) -> Deleted:
        """What deleting the one that is named would take, for asking first. Raises NotFoundError."""
        with self._database.read() as connection:
            if message is not None:
                node = tree.find_node(connection, self._owner, message)
                return self._count(connection, "m.key = ?", node.key, (message, None, None))
            if conversation is not None:
                key = conversation_key(connection, self._owner, conversation)
                return self._count(connection, "m.conversation = ?", key, (None, conversation, None), conversations=1)
            if persona is not None:
                key = self._known_persona(connection, persona) or 0
                conversations = connection.execute(
                    "SELECT count(*) FROM conversation WHERE persona = ?", (key,)
                ).fetchone()[0]
                where = "m.conversation IN (SELECT c.key FROM conversation c WHERE c.persona = ?)"
                return self._count(
                    connection,
                    where,
                    key,
                    (None, None, persona),
                    conversations=conversations,
                    guest_replies=len(self._guest_replies(connection, persona)),
                )
        raise UsageError("Nothing to delete was named.", "Name a message, a conversation or a persona.")

    def delete_message(self, message_id: str) -> Deleted:
        """Deletes one message; what followed it moves up to the message before. Raises NotFoundError.

        If it is being written somewhere, `save_stream` there says False from now on.
        """
        counts = self.describe_deletion(message=message_id)
        with self._database.transaction() as connection:
            self._delete_one(connection, message_id)
            self._remember_remains(connection)
        return self._cleaned(counts)

    def delete_conversation(self, conversation_id: str) -> Deleted:
        """Deletes a conversation with all its messages. Raises NotFoundError."""
        counts = self.describe_deletion(conversation=conversation_id)
        with self._database.transaction() as connection:
            self._delete_conversations(connection, [conversation_key(connection, self._owner, conversation_id)])
            self._remember_remains(connection)
        return self._cleaned(counts)

    def delete_persona(self, persona: str, *, guest_replies: bool = True) -> Deleted:
        """Deletes every conversation with a persona, and what it said as a guest in others (unless told not to)."""
        counts = self.describe_deletion(persona=persona)
        with self._database.transaction() as connection:
            if guest_replies:
                for id in self._guest_replies(connection, persona):
                    self._delete_one(connection, id)
            keys = connection.execute(
                "SELECT key FROM conversation WHERE persona = ?", (self._known_persona(connection, persona) or 0,)
            ).fetchall()
            self._delete_conversations(connection, [row[0] for row in keys])
            connection.execute("DELETE FROM persona WHERE owner = ? AND name = ?", (self._owner, persona))
            connection.execute(
                "UPDATE calls SET persona = NULL, conversation = NULL, message = NULL WHERE owner = ? AND persona = ?",
                (self._owner, persona),
            )
            connection.execute("UPDATE reservation SET persona = NULL WHERE persona = ?", (persona,))
            connection.execute(
                "DELETE FROM budget WHERE owner = ? AND scope = 'persona' AND name = ?", (self._owner, persona)
            )
            self._remember_remains(connection)
        return self._cleaned(counts)

    def remains(self) -> bool:
        """Whether an earlier deletion may have left bytes in the file."""
        with self._database.read() as connection:
            return (
                connection.execute(
                    "SELECT 1 FROM state WHERE owner = ? AND name = ?", (self._owner, REMAINS)
                ).fetchone()
                is not None
            )

    def clean_up(self) -> bool:
        """Cleans the file if an earlier deletion could not; True when nothing is left.

        The file is written anew: about a second per 100 MB, so call it where nobody waits.
        """
        if not self.remains():
            return True
        if not self._database.scrub():
            return False
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM state WHERE owner = ? AND name = ?", (self._owner, REMAINS))
        return True

    def _cleaned(self, counts: Deleted) -> Deleted:
        return Deleted(
            counts.conversations,
            counts.messages,
            counts.calls,
            counts.guest_replies,
            counts.first_ms,
            counts.last_ms,
            clean=self.clean_up(),
        )

    def _remember_remains(self, connection: sqlite3.Connection) -> None:
        connection.execute(
            "INSERT INTO state (owner, name, value) VALUES (?, ?, 'true') ON CONFLICT (owner, name) DO NOTHING",
            (self._owner, REMAINS),
        )

    def _delete_one(self, connection: sqlite3.Connection, message_id: str) -> None:
        node = tree.find_node(connection, self._owner, message_id)
        if node.state.ended:
            index.remove(connection, _indexed(connection, "m.key = ?", node.key))
        connection.execute("UPDATE calls SET message = NULL WHERE message = ?", (message_id,))
        tree.take_out(connection, node)

    def _delete_conversations(self, connection: sqlite3.Connection, keys: list[int]) -> None:
        indexed = [row for key in keys for row in _indexed(connection, "m.conversation = ?", key)]
        index.remove(connection, indexed)
        for key in keys:
            id: str = connection.execute("SELECT id FROM conversation WHERE key = ?", (key,)).fetchone()[0]
            connection.execute(
                "UPDATE calls SET persona = NULL, conversation = NULL, message = NULL WHERE conversation = ?", (id,)
            )
            connection.execute(
                "UPDATE reservation SET persona = NULL, conversation = NULL, message = NULL WHERE conversation = ?",
                (id,),
            )
            connection.execute("DELETE FROM budget WHERE scope = 'conversation' AND name = ?", (id,))
            connection.execute("UPDATE conversation SET forked_from = '' WHERE forked_from = ?", (id,))
            connection.execute("UPDATE persona SET current_conversation = NULL WHERE current_conversation = ?", (key,))
            for table in ("redo", "choice", "message"):
                connection.execute(f"DELETE FROM {table} WHERE conversation = ?", (key,))
            connection.execute("DELETE FROM conversation WHERE key = ?", (key,))

    def _guest_replies(self, connection: sqlite3.Connection, persona: str) -> list[str]:
        rows = connection.execute(
            "SELECT m.id FROM message m JOIN conversation c ON c.key = m.conversation"
            " JOIN persona p ON p.key = c.persona"
            " WHERE c.owner = ? AND m.author = ? AND p.name <> ?",
            (self._owner, persona, persona),
        ).fetchall()
        return [row[0] for row in rows]

    def _count(
        self,
        connection: sqlite3.Connection,
        where: str,
        key: int,
        named: tuple[str | None, str | None, str | None],
        *,
        conversations: int = 0,
        guest_replies: int = 0,
    ) -> Deleted:
        messages, first, last = connection.execute(
            f"SELECT count(*), min(m.created_ms), max(m.created_ms) FROM message m WHERE {where}", (key,)
        ).fetchone()
        column, value = next(
            (column, value)
            for column, value in zip(("message", "conversation", "persona"), named, strict=True)
            if value is not None
        )
        calls = connection.execute(
            f"SELECT count(*) FROM calls WHERE owner = ? AND {column} = ?", (self._owner, value)
        ).fetchone()[0]
        return Deleted(conversations, messages, calls, guest_replies, first, last)


def _indexed(connection: sqlite3.Connection, where: str, value: int) -> list[tuple[int, int, str]]:
    """(key, persona key, text) of messages that are in the text index."""
    return connection.execute(
        "SELECT m.key, c.persona, m.text FROM message m JOIN conversation c ON c.key = m.conversation"
        f" WHERE {where} AND m.state IN ('complete', 'cancelled', 'failed')",
        (value,),
    ).fetchall()
