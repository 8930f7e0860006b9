"""Ways through a conversation: choosing variants, taking back, forking, copying."""

from __future__ import annotations

import sqlite3

from ei.conversations import index, tree
from ei.conversations.base import StoreBase
from ei.conversations.rows import conversation_key, fetch_conversation, fetch_messages
from ei.conversations.values import Conversation, Message
from ei.errors import UsageError
from ei.storage.ids import uuid7


class Branches(StoreBase):
    def choose(self, message_id: str) -> Conversation:
        """Makes the branch with this message the current one; its head is where that branch was left.

        What could be redone is forgotten. Raises NotFoundError.
        """
        with self._database.transaction() as connection:
            node = tree.find_node(connection, self._owner, message_id)
            if not node.depth:
                raise UsageError("That message was not sent yet.", "It can be sent or taken back first.")
            tree.choose_up_to(connection, node.conversation, node.key)
            head = tree.newest_below(connection, node.conversation, node.key)
            tree.move_head(connection, node.conversation, head)
            return self._fetch_by_key(connection, node.conversation)

    def undo(self, conversation_id: str) -> tuple[Message, ...]:
        """Takes back the person's last message and what followed it; gives them, oldest first, () when there is none.

        They stay in the tree until `redo`, several times if several were taken back; the next message ends that.
        """
        with self._database.transaction() as connection:
            conversation = conversation_key(connection, self._owner, conversation_id)
            head = tree.head_of(connection, conversation)
            asked = tree.last_of_person(connection, head)
            if asked is None:
                return ()
            connection.execute("UPDATE conversation SET head = ? WHERE key = ?", (asked.parent, conversation))
            connection.execute(
                "INSERT INTO redo (conversation, position, head)"
                " SELECT ?, coalesce(max(position), 0) + 1, ? FROM redo WHERE conversation = ?",
                (conversation, head, conversation),
            )
            return fetch_messages(connection, tree.path_keys(connection, head, until=asked.parent))

    def redo(self, conversation_id: str) -> tuple[Message, ...]:
        """Brings back what the last `undo` took, and gives it, oldest first; () when there is nothing."""
        with self._database.transaction() as connection:
            conversation = conversation_key(connection, self._owner, conversation_id)
            row = connection.execute(
                "SELECT position, head FROM redo WHERE conversation = ? ORDER BY position DESC LIMIT 1", (conversation,)
            ).fetchone()
            if row is None:
                return ()
            position, head = row
            now = tree.head_of(connection, conversation)
            connection.execute("DELETE FROM redo WHERE conversation = ? AND position = ?", (conversation, position))
            connection.execute("UPDATE conversation SET head = ? WHERE key = ?", (head, conversation))
            return fetch_messages(connection, tree.path_keys(connection, head, until=now))

    def fork(self, conversation_id: str, at: str | None = None) -> Conversation:
        """A new conversation with a copy of the path up to message `at` (None: the head), same persona and model.

        A reply still being written is copied as it is now, as cancelled. Raises NotFoundError.
        """
        with self._database.transaction() as connection:
            conversation = conversation_key(connection, self._owner, conversation_id)
            if at is None:
                end = tree.head_of(connection, conversation)
            else:
                node = tree.find_node(connection, self._owner, at)
                if node.conversation != conversation or not node.depth:
                    raise UsageError("That message is not part of this conversation.", "/variants shows its messages.")
                end = node.key
            keys = tree.path_keys(connection, end)
            persona = tree.persona_of(connection, conversation)
            copy = self._copy(connection, conversation, keys, persona, forked_from=conversation_id)
            connection.execute(
                "UPDATE conversation SET title = '', created_ms = ?, updated_ms = ? WHERE key = ?",
                (self._now_ms(), self._now_ms(), copy),
            )
            return self._fetch_by_key(connection, copy)

    def copy_persona(self, persona: str, to: str) -> int:
        """Copies every conversation with persona, whole trees, to persona `to`, whose words they become.

        Gives the number of conversations.
        """
        with self._database.transaction() as connection:
            source, target = self._persona_key(connection, persona), self._persona_key(connection, to)
            conversations = connection.execute(
                "SELECT key FROM conversation WHERE persona = ? ORDER BY key", (source,)
            ).fetchall()
            current = connection.execute("SELECT current_conversation FROM persona WHERE key = ?", (source,)).fetchone()
            for (key,) in conversations:
                keys = connection.execute(
                    "SELECT key FROM message WHERE conversation = ? AND depth > 0 ORDER BY key", (key,)
                ).fetchall()
                copy = self._copy(connection, key, [row[0] for row in keys], target, author=(persona, to))
                if current[0] == key:
                    connection.execute("UPDATE persona SET current_conversation = ? WHERE key = ?", (copy, target))
            return len(conversations)

    def _copy(
        self,
        connection: sqlite3.Connection,
        conversation: int,
        keys: list[int],
        persona: int,
        *,
        forked_from: str = "",
        author: tuple[str, str] = ("", ""),
    ) -> int:
        """Copies messages (each after its parent) into a new conversation and gives its key.

        author: (old, new) name of who wrote. The head is copied too, where it is among them, else it is the last.
        """
        now = self._now_ms()
        made = connection.execute(
            "INSERT INTO conversation (id, owner, persona, title, created_ms, updated_ms, model_here, parameters,"
            " last_model, forked_from, private) SELECT ?, owner, ?, title, created_ms, updated_ms, model_here,"
            " parameters, last_model, ?, private FROM conversation WHERE key = ?",
            (uuid7(now), persona, forked_from, conversation),
        ).lastrowid
        assert made is not None
        copies = {0: 0}
        for key in keys:
            copied = connection.execute(
                "INSERT INTO message (id, conversation, parent, depth, role, author, addressee, state, created_ms,"
                " updated_ms, model, reference, resolved_by, error, text, parts, info, private)"
                " SELECT ?, ?, ?, depth, role, CASE WHEN author = ? AND role <> 'user' THEN ? ELSE author END,"
                " addressee, CASE WHEN state IN ('complete', 'failed') THEN state ELSE 'cancelled' END,"
                " created_ms, updated_ms, model, reference, resolved_by, error, text, parts, info, private"
                " FROM message WHERE key = ?",
                (uuid7(now), made, copies[_parent(connection, key)], *author, key),
            ).lastrowid
            assert copied is not None
            copies[key] = copied
            text: str = connection.execute("SELECT text FROM message WHERE key = ?", (copied,)).fetchone()[0]
            index.add(connection, copied, persona, text)
        for parent, child in connection.execute(
            "SELECT parent, child FROM choice WHERE conversation = ?", (conversation,)
        ).fetchall():
            if parent in copies and child in copies:
                tree.choose(connection, made, copies[parent], copies[child])
        head = tree.head_of(connection, conversation)
        last = copies[keys[-1]] if keys else 0
        connection.execute("UPDATE conversation SET head = ? WHERE key = ?", (copies.get(head, last), made))
        tree.mark_read(connection, made)
        return made

    def _fetch_by_key(self, connection: sqlite3.Connection, key: int) -> Conversation:
        id: str = connection.execute("SELECT id FROM conversation WHERE key = ?", (key,)).fetchone()[0]
        return fetch_conversation(connection, self._owner, id)


def _parent(connection: sqlite3.Connection, key: int) -> int:
    return int(connection.execute("SELECT parent FROM message WHERE key = ?", (key,)).fetchone()[0])
