"""Messages: appending, variants, streaming, the queue, and reading the path."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import TypedDict, Unpack

from ei.conversations import index, tree
from ei.conversations.base import StoreBase
from ei.conversations.rows import (
    MESSAGE_SELECT,
    clean,
    conversation_key,
    fetch_message,
    fetch_messages,
    info_to_column,
    message_from_row,
    no_message,
    parts_to_columns,
)
from ei.conversations.values import Message, State
from ei.errors import HeadMovedError, UsageError
from ei.messages import Part, ReplyInfo, Role
from ei.storage.ids import SHORTEST_ID, uuid7

QUEUED_PARENT = -1


class Extra(TypedDict, total=False):
    """What else a new message may say; the names are those of Message.

    lease_owner: who streams it. lease_ms: for how long from now it is theirs. private: it stays on this machine.
    """

    to: str
    model: str
    reference: str
    resolved_by: str
    error: str
    lease_owner: str
    lease_ms: int
    private: bool


class Writing(StoreBase):
    def append(
        self,
        conversation_id: str,
        expected_head: str | None,
        role: Role,
        author: str,
        parts: Iterable[Part],
        state: State = State.COMPLETE,
        **extra: Unpack[Extra],
    ) -> Message:
        """Adds a message after the head and makes it the head; what could be redone is forgotten.

        expected_head: the head as the caller knows it (None: empty). HeadMovedError if it is another by now;
        nothing is written then.
        """
        fields = self._fields(role, author, parts, state, extra)
        with self._database.transaction() as connection:
            conversation, head = self._expect_head(connection, conversation_id, expected_head)
            tree.grow(connection, conversation, head, fields)
            return fetch_message(connection, self._owner, fields.id)

    def add_variant(
        self,
        sibling_of: str,
        parts: Iterable[Part],
        state: State = State.COMPLETE,
        *,
        author: str | None = None,
        **extra: Unpack[Extra],
    ) -> Message:
        """Adds another message of the same role in the same place and makes it the head; the others stay.

        Of a reply: another answer. Of a person's message: an edit. author, to: as its sibling's where not given.
        Raises NotFoundError.
        """
        with self._database.transaction() as connection:
            sibling = fetch_message(connection, self._owner, sibling_of)
            node = self._on_tree(connection, sibling_of)
            extra.setdefault("to", sibling.to)
            fields = self._fields(sibling.role, sibling.author if author is None else author, parts, state, extra)
            tree.choose_up_to(connection, node.conversation, node.key)
            tree.grow(connection, node.conversation, node.parent, fields)
            return fetch_message(connection, self._owner, fields.id)

    def message(self, message_id: str) -> Message:
        """One message. Raises NotFoundError."""
        with self._database.read() as connection:
            return fetch_message(connection, self._owner, message_id)

    def find_message(self, text: str) -> Message:
        """The message with this id, or whose id alone ends so. Raises NotFoundError, UsageError."""
        wanted = text.strip().lower()
        with self._database.read() as connection:
            rows = connection.execute(
                f"{MESSAGE_SELECT} WHERE c.owner = ? AND m.id LIKE ? ESCAPE '!' LIMIT 2",
                (self._owner, "%" + wanted.replace("!", "!!").replace("%", "!%").replace("_", "!_")),
            ).fetchall()
        if len(wanted) < SHORTEST_ID or len(rows) > 1:
            raise UsageError(f'"{text}" is not enough to tell which message.', "Give more characters of its id.")
        if not rows:
            raise no_message()
        return message_from_row(rows[0])

    def siblings(self, message_id: str) -> tuple[Message, ...]:
        """The variants beside and including this message, oldest first. Raises NotFoundError."""
        with self._database.read() as connection:
            node = self._on_tree(connection, message_id)
            rows = connection.execute(
                f"{MESSAGE_SELECT} WHERE m.conversation = ? AND m.parent = ? AND m.role = ? ORDER BY m.key",
                (node.conversation, node.parent, node.role),
            ).fetchall()
        return tuple(message_from_row(row) for row in rows)

    def path(self, conversation_id: str, limit: int | None = None, before: str | None = None) -> tuple[Message, ...]:
        """The current path, oldest first: all of it, or the newest `limit`, or those right before message `before`.

        The cost is that of the messages given, however long the conversation is.
        """
        with self._database.read() as connection:
            if before is None:
                start = tree.head_of(connection, conversation_key(connection, self._owner, conversation_id))
            else:
                start = tree.find_node(connection, self._owner, before).parent
            keys = tree.path_keys(connection, start, tree.ALL if limit is None else limit) if limit != 0 else []
            return fetch_messages(connection, keys)

    def messages(self, conversation_id: str) -> tuple[Message, ...]:
        """The whole tree with all variants, oldest first; what is queued is not part of it."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"{MESSAGE_SELECT} WHERE m.conversation = ? AND m.depth > 0 ORDER BY m.key",
                (conversation_key(connection, self._owner, conversation_id),),
            ).fetchall()
        return tuple(message_from_row(row) for row in rows)

    def recent_inputs(self, limit: int) -> tuple[str, ...]:
        """What the person sent last, newest first, each text once.

        Looks at the last 20 * limit messages of the person at most.
        """
        texts: dict[str, None] = {}
        before = tree.ALL
        with self._database.read() as connection:
            for _ in range(20):
                rows = connection.execute(
                    "SELECT m.key, m.text FROM message m JOIN conversation c ON c.key = +m.conversation"
                    " WHERE m.key < ? AND m.role = 'user' AND c.owner = ? ORDER BY m.key DESC LIMIT ?",
                    (before, self._owner, limit),
                ).fetchall()
                texts.update((text, None) for _, text in rows if text)
                if len(rows) < limit or len(texts) >= limit:
                    break
                before = rows[-1][0]
        return tuple(texts)[:limit]

    # Streaming.

    def save_stream(self, message_id: str, parts: Iterable[Part], lease_owner: str, lease_ms: int) -> bool:
        """Saves a reply as far as it has come and renews the lease by lease_ms from now.

        False: it is not ours any more (the lease ran out and somebody ended it, or it was deleted); nothing is saved.
        """
        text, data = parts_to_columns(parts)
        now = self._now_ms()
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE message SET text = ?, parts = ?, updated_ms = ?, lease_until_ms = ?"
                " WHERE id = ? AND state = 'streaming' AND lease_owner = ?"
                " AND (SELECT c.owner FROM conversation c WHERE c.key = message.conversation) = ?",
                (text, data, now, now + lease_ms, message_id, lease_owner, self._owner),
            ).rowcount
        return changed > 0

    def finish(
        self,
        message_id: str,
        state: State,
        parts: Iterable[Part] | None = None,
        *,
        model: str | None = None,
        reference: str | None = None,
        resolved_by: str | None = None,
        error: str = "",
        lease_owner: str | None = None,
        info: ReplyInfo | None = None,
    ) -> Message:
        """Ends a streaming or waiting message; its text enters the index in the same transaction.

        parts: None leaves what was saved last. model, reference, resolved_by, info: None leaves them.
        One that has ended already stays as it is, except that lease_owner may end what was reclaimed from it
        (a computer that slept): the whole reply is better than its beginning. Raises NotFoundError.
        """
        if not state.ended:
            raise ValueError(f"{state} is no end state")
        now = self._now_ms()
        with self._database.transaction() as connection:
            node = tree.find_node(connection, self._owner, message_id)
            if node.state.ended and (not lease_owner or lease_owner != node.lease_owner):
                return fetch_message(connection, self._owner, message_id)
            self._end(connection, node, state, parts, error, now)
            kept = None if info is None else info_to_column(info)
            for column, value in (
                ("model", model),
                ("reference", reference),
                ("resolved_by", resolved_by),
                ("info", kept),
            ):
                if value is not None:
                    connection.execute(f"UPDATE message SET {column} = ? WHERE key = ?", (value, node.key))
            return fetch_message(connection, self._owner, message_id)

    def reclaim(self, now: float | None = None) -> tuple[Message, ...]:
        """Ends every streaming message whose lease has run out as cancelled, with its text, and gives them.

        now: seconds since 1970, or the clock's.
        """
        now_ms = self._now_ms() if now is None else int(now * 1000)
        expired = (
            "SELECT m.id FROM message m JOIN conversation c ON c.key = +m.conversation"
            " WHERE m.state = 'streaming' AND m.lease_until_ms < ? AND c.owner = ? ORDER BY +m.key"
        )
        with self._database.read() as connection:
            if connection.execute(expired, (now_ms, self._owner)).fetchone() is None:
                return ()
        with self._database.transaction() as connection:
            ended = []
            for (id,) in connection.execute(expired, (now_ms, self._owner)).fetchall():
                self._end(
                    connection, tree.find_node(connection, self._owner, id), State.CANCELLED, None, "", self._now_ms()
                )
                ended.append(fetch_message(connection, self._owner, id))
            return tuple(ended)

    def streaming(self, conversation_id: str) -> Message | None:
        """The reply that is being written there (the newest, if several), or None."""
        with self._database.read() as connection:
            row = connection.execute(
                f"{MESSAGE_SELECT} WHERE +m.conversation = ? AND m.state = 'streaming' ORDER BY +m.key DESC LIMIT 1",
                (conversation_key(connection, self._owner, conversation_id),),
            ).fetchone()
        return None if row is None else message_from_row(row)

    # The queue.

    def queue(
        self,
        conversation_id: str,
        parts: Iterable[Part],
        to: str = "",
        lease_owner: str = "",
        *,
        private: bool = False,
    ) -> Message:
        """Keeps what the person typed while a reply streams; it is on no path until it is sent."""
        extra = Extra(to=to, lease_owner=lease_owner, private=private)
        fields = self._fields("user", "", parts, State.QUEUED, extra)
        with self._database.transaction() as connection:
            conversation = conversation_key(connection, self._owner, conversation_id)
            tree.insert(connection, conversation, QUEUED_PARENT, 0, fields)
            return fetch_message(connection, self._owner, fields.id)

    def queued(self, conversation_id: str, lease_owner: str | None = None) -> tuple[Message, ...]:
        """What waits to be sent, oldest first; of one lease owner where it is given."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"{MESSAGE_SELECT} WHERE m.conversation = ? AND m.parent = ? AND (? = '' OR m.lease_owner = ?)"
                " ORDER BY +m.key",
                (
                    conversation_key(connection, self._owner, conversation_id),
                    QUEUED_PARENT,
                    lease_owner or "",
                    lease_owner,
                ),
            ).fetchall()
        return tuple(message_from_row(row) for row in rows)

    def send_queued(self, message_id: str, expected_head: str | None) -> Message:
        """Lets a queued message join the path as the head, under the same id.

        Raises NotFoundError if it is not queued any more (another terminal sent it), HeadMovedError as append does.
        """
        with self._database.transaction() as connection:
            message = self._take_queued(connection, message_id)
            conversation, head = self._expect_head(connection, message.conversation, expected_head)
            text, data = parts_to_columns(message.parts)
            # A new key, so that the order of keys is the order on the path.
            fields = tree.Fields(
                id=message.id,
                role=message.role,
                author=message.author,
                state=State.COMPLETE,
                text=text,
                parts=data,
                now_ms=self._now_ms(),
                created_ms=message.created_ms,
                addressee=message.to,
                private=int(message.private),
            )
            tree.grow(connection, conversation, head, fields)
            return fetch_message(connection, self._owner, message_id)

    def unqueue(self, message_id: str) -> Message:
        """Takes a queued message out and gives it back. Raises NotFoundError if it is not queued any more."""
        with self._database.transaction() as connection:
            return self._take_queued(connection, message_id)

    # Helpers.

    def _take_queued(self, connection: sqlite3.Connection, message_id: str) -> Message:
        message = fetch_message(connection, self._owner, message_id)
        if message.state is not State.QUEUED:
            raise no_message()
        connection.execute("DELETE FROM message WHERE key = ?", (message.key,))
        return message

    def _end(
        self,
        connection: sqlite3.Connection,
        node: tree.Node,
        state: State,
        parts: Iterable[Part] | None,
        error: str,
        now_ms: int,
    ) -> None:
        old: str = connection.execute("SELECT text FROM message WHERE key = ?", (node.key,)).fetchone()[0]
        if node.state.ended:
            index.remove(connection, [(node.key, node.persona, old)])
        text = old
        if parts is not None:
            text, data = parts_to_columns(parts)
            connection.execute("UPDATE message SET text = ?, parts = ? WHERE key = ?", (text, data, node.key))
        connection.execute(
            "UPDATE message SET state = ?, error = ?, updated_ms = ?, lease_until_ms = 0 WHERE key = ?",
            (state.value, clean(error), now_ms, node.key),
        )
        connection.execute("UPDATE conversation SET updated_ms = ? WHERE key = ?", (now_ms, node.conversation))
        index.add(connection, node.key, node.persona, text)
        if node.role == "assistant":
            tree.note_reply(connection, node.conversation, node.key)

    def _on_tree(self, connection: sqlite3.Connection, message_id: str) -> tree.Node:
        node = tree.find_node(connection, self._owner, message_id)
        if not node.depth:
            raise UsageError("That message was not sent yet.", "It can be sent or taken back first.")
        return node

    def _expect_head(
        self, connection: sqlite3.Connection, conversation_id: str, expected: str | None
    ) -> tuple[int, int]:
        """Keys of the conversation and its head, if the head is the expected one."""
        conversation = conversation_key(connection, self._owner, conversation_id)
        head = tree.head_of(connection, conversation)
        row = connection.execute("SELECT id FROM message WHERE key = ?", (head,)).fetchone()
        if (row[0] if row else None) != expected:
            raise HeadMovedError(
                "This conversation went on elsewhere meanwhile.", "What is new there is shown now; send again."
            )
        return conversation, head

    def _fields(self, role: Role, author: str, parts: Iterable[Part], state: State, extra: Extra) -> tree.Fields:
        now = self._now_ms()
        text, data = parts_to_columns(parts)
        lease_ms = extra.get("lease_ms", 0)
        return tree.Fields(
            id=uuid7(now),
            role=role,
            author=author,
            state=state,
            text=text,
            parts=data,
            now_ms=now,
            created_ms=now,
            addressee=extra.get("to", ""),
            model=extra.get("model", ""),
            reference=extra.get("reference", ""),
            resolved_by=extra.get("resolved_by", ""),
            error=clean(extra.get("error", "")),
            lease_owner=extra.get("lease_owner", ""),
            lease_until_ms=now + lease_ms if lease_ms else 0,
            private=int(extra.get("private", False)),
        )
