"""The tree of a conversation: walking it, growing it, and keeping its head, choices and redo sound.

Functions on an open transaction; they speak in integer keys, where 0 stands before the first message.
`max(+key)`, not `max(key)`: the plus keeps SQLite on the index of siblings, where it would walk all keys backwards.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from ei.conversations import index
from ei.conversations.rows import no_message
from ei.conversations.values import State

ALL = 1 << 62


@dataclass(frozen=True, slots=True)
class Node:
    """A message as the tree sees it."""

    key: int
    conversation: int
    parent: int
    depth: int
    role: str
    state: State
    persona: int
    lease_owner: str


@dataclass(frozen=True, slots=True)
class Fields:
    """The columns of a new message that have nothing to do with its place."""

    id: str
    role: str
    author: str
    state: State
    text: str
    parts: str | None
    now_ms: int
    created_ms: int
    addressee: str = ""
    model: str = ""
    reference: str = ""
    resolved_by: str = ""
    error: str = ""
    lease_owner: str = ""
    lease_until_ms: int = 0
    private: int = 0


def find_node(connection: sqlite3.Connection, owner: str, message_id: str) -> Node:
    """The message's place, or NotFoundError."""
    row = connection.execute(
        "SELECT m.key, m.conversation, m.parent, m.depth, m.role, m.state, c.persona, m.lease_owner"
        " FROM message m JOIN conversation c ON c.key = m.conversation WHERE m.id = ? AND c.owner = ?",
        (message_id, owner),
    ).fetchone()
    if row is None:
        raise no_message()
    return Node(row[0], row[1], row[2], row[3], row[4], State(row[5]), row[6], row[7])


def insert(connection: sqlite3.Connection, conversation: int, parent: int, depth: int, fields: Fields) -> int:
    """Adds a message and gives its key; one that has ended enters the text index. The head stays where it is."""
    cursor = connection.execute(
        "INSERT INTO message (id, conversation, parent, depth, role, author, addressee, state, created_ms, updated_ms,"
        " lease_owner, lease_until_ms, model, reference, resolved_by, error, text, parts, private)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            fields.id,
            conversation,
            parent,
            depth,
            fields.role,
            fields.author,
            fields.addressee,
            fields.state.value,
            fields.created_ms,
            fields.now_ms,
            fields.lease_owner,
            fields.lease_until_ms,
            fields.model,
            fields.reference,
            fields.resolved_by,
            fields.error,
            fields.text,
            fields.parts,
            fields.private,
        ),
    )
    key = cursor.lastrowid
    assert key is not None
    if fields.state.ended:
        index.add(connection, key, persona_of(connection, conversation), fields.text)
    return key


def grow(connection: sqlite3.Connection, conversation: int, parent: int, fields: Fields) -> int:
    """Adds a message below parent (a key, or 0), makes it the head and forgets what could be redone."""
    depth = depth_of(connection, parent) + 1
    key = insert(connection, conversation, parent, depth, fields)
    # The newest child is the chosen one unless a row says otherwise.
    connection.execute("DELETE FROM choice WHERE conversation = ? AND parent = ?", (conversation, parent))
    move_head(connection, conversation, key)
    connection.execute("UPDATE conversation SET updated_ms = ? WHERE key = ?", (fields.now_ms, conversation))
    if fields.role == "user":
        # Who writes here has read what is here.
        mark_read(connection, conversation)
        connection.execute(
            "UPDATE persona SET visited_ms = ? WHERE current_conversation = ?", (fields.now_ms, conversation)
        )
    elif fields.state.ended:
        note_reply(connection, conversation, key)
    return key


def move_head(connection: sqlite3.Connection, conversation: int, key: int) -> None:
    """Sets the head and forgets what could be redone."""
    connection.execute("UPDATE conversation SET head = ? WHERE key = ?", (key, conversation))
    connection.execute("DELETE FROM redo WHERE conversation = ?", (conversation,))


def note_reply(connection: sqlite3.Connection, conversation: int, key: int) -> None:
    """Remembers that a reply has ended, for counting what is unread."""
    connection.execute(
        "UPDATE conversation SET reply_key = ? WHERE key = ? AND reply_key < ?", (key, conversation, key)
    )


def mark_read(connection: sqlite3.Connection, conversation: int) -> None:
    """Moves the read cursor to the newest message, but not past a reply that is still being written."""
    connection.execute(
        "UPDATE conversation SET read_key = coalesce("
        "(SELECT min(+key) - 1 FROM message WHERE +conversation = ? AND state = 'streaming'),"
        "(SELECT max(key) FROM message WHERE conversation = ?), 0) WHERE key = ?",
        (conversation, conversation, conversation),
    )


def head_of(connection: sqlite3.Connection, conversation: int) -> int:
    """The key of the head, 0 when the current path is empty."""
    return int(connection.execute("SELECT head FROM conversation WHERE key = ?", (conversation,)).fetchone()[0])


def persona_of(connection: sqlite3.Connection, conversation: int) -> int:
    """The key of the conversation's persona."""
    return int(connection.execute("SELECT persona FROM conversation WHERE key = ?", (conversation,)).fetchone()[0])


def depth_of(connection: sqlite3.Connection, key: int) -> int:
    """The depth of a message, 0 for key 0."""
    row = connection.execute("SELECT depth FROM message WHERE key = ?", (key,)).fetchone()
    return int(row[0]) if row else 0


def path_keys(connection: sqlite3.Connection, key: int, limit: int = ALL, until: int = 0) -> list[int]:
    """Keys from key upwards, oldest first: at most limit of them, and only those below the message `until`."""
    rows = connection.execute(
        "WITH RECURSIVE path (key, parent, n) AS ("
        " SELECT key, parent, 1 FROM message WHERE key = :key AND key <> :until"
        " UNION ALL"
        " SELECT m.key, m.parent, n + 1 FROM path JOIN message m ON m.key = path.parent"
        " WHERE n < :limit AND m.key <> :until"
        ") SELECT key FROM path ORDER BY n DESC",
        {"key": key, "until": until, "limit": limit},
    )
    return [row[0] for row in rows]


def last_of_person(connection: sqlite3.Connection, key: int) -> Node | None:
    """The nearest message of the person from key upwards, or None."""
    row = connection.execute(
        "WITH RECURSIVE path (key, parent, role) AS ("
        " SELECT key, parent, role FROM message WHERE key = ?"
        " UNION ALL"
        " SELECT m.key, m.parent, m.role FROM path JOIN message m ON m.key = path.parent WHERE path.role <> 'user'"
        ") SELECT m.key, m.conversation, m.parent, m.depth, m.role, m.state, 0, m.lease_owner"
        " FROM path JOIN message m ON m.key = path.key WHERE path.role = 'user' LIMIT 1",
        (key,),
    ).fetchone()
    return None if row is None else Node(row[0], row[1], row[2], row[3], row[4], State(row[5]), row[6], row[7])


def newest_below(connection: sqlite3.Connection, conversation: int, key: int) -> int:
    """Down from key (0: from the start) along the children last chosen, else the newest, to the end."""
    row = connection.execute(
        "WITH RECURSIVE down (key, n) AS ("
        " SELECT :key, 0"
        " UNION ALL"
        " SELECT coalesce("
        "  (SELECT o.child FROM choice o WHERE o.conversation = :conversation AND o.parent = down.key),"
        "  (SELECT max(+m.key) FROM message m WHERE m.conversation = :conversation AND m.parent = down.key)), n + 1"
        " FROM down WHERE down.key IS NOT NULL"
        ") SELECT key FROM down WHERE key IS NOT NULL ORDER BY n DESC LIMIT 1",
        {"key": key, "conversation": conversation},
    ).fetchone()
    return int(row[0])


def choose_up_to(connection: sqlite3.Connection, conversation: int, key: int) -> None:
    """Remembers, at every fork above, that the way goes to this message."""
    forks = connection.execute(
        "WITH RECURSIVE path (key, parent) AS ("
        " SELECT key, parent FROM message WHERE key = :key"
        " UNION ALL"
        " SELECT m.key, m.parent FROM path JOIN message m ON m.key = path.parent"
        ") SELECT parent, key FROM path WHERE (SELECT count(*) FROM message s"
        " WHERE s.conversation = :conversation AND s.parent = path.parent) > 1",
        {"key": key, "conversation": conversation},
    ).fetchall()
    for parent, child in forks:
        choose(connection, conversation, parent, child)


def choose(connection: sqlite3.Connection, conversation: int, parent: int, child: int) -> None:
    """Remembers one child of a parent as the chosen one."""
    connection.execute(
        "INSERT INTO choice (conversation, parent, child) VALUES (?, ?, ?)"
        " ON CONFLICT (conversation, parent) DO UPDATE SET child = excluded.child",
        (conversation, parent, child),
    )


def take_out(connection: sqlite3.Connection, node: Node) -> None:
    """Takes one message out of the tree and the database: its children move to its parent, head and redo are mended.

    A head without anything below it passes to the newest other variant, where there is one, else to its parent.
    """
    conversation, key, parent = node.conversation, node.key, node.parent
    if node.depth:
        way, below = newest_child(connection, conversation, parent), newest_child(connection, conversation, key)
        head = head_of(connection, conversation)
        _raise_subtree(connection, conversation, key)
        connection.execute(
            "UPDATE message SET parent = ? WHERE conversation = ? AND parent = ?", (parent, conversation, key)
        )
        connection.execute("DELETE FROM choice WHERE conversation = ? AND parent = ?", (conversation, key))
        if below or way == key:
            # The parent has other children now: say again which way goes on.
            connection.execute("DELETE FROM choice WHERE conversation = ? AND parent = ?", (conversation, parent))
            if goes_on := below if way == key else way:
                choose(connection, conversation, parent, goes_on)
        connection.execute("DELETE FROM message WHERE key = ?", (key,))

        if head == key:
            other = connection.execute(
                "SELECT max(+key) FROM message WHERE conversation = ? AND parent = ? AND role = ?",
                (conversation, parent, node.role),
            ).fetchone()[0]
            if other and not below:
                choose_up_to(connection, conversation, other)
                move_head(connection, conversation, newest_below(connection, conversation, other))
            else:
                connection.execute("UPDATE conversation SET head = ? WHERE key = ?", (parent, conversation))
        _mend_redo(connection, conversation, key, parent)
    else:
        connection.execute("DELETE FROM message WHERE key = ?", (key,))


def newest_child(connection: sqlite3.Connection, conversation: int, key: int) -> int:
    """The child last chosen, else the newest, else 0."""
    row = connection.execute(
        "SELECT coalesce((SELECT child FROM choice WHERE conversation = :c AND parent = :k),"
        " (SELECT max(+key) FROM message WHERE conversation = :c AND parent = :k), 0)",
        {"c": conversation, "k": key},
    ).fetchone()
    return int(row[0])


def _raise_subtree(connection: sqlite3.Connection, conversation: int, key: int) -> None:
    connection.execute(
        "WITH RECURSIVE below (key) AS ("
        " SELECT key FROM message WHERE conversation = :c AND parent = :k"
        " UNION ALL"
        " SELECT m.key FROM below JOIN message m ON m.conversation = :c AND m.parent = below.key"
        ") UPDATE message SET depth = depth - 1 WHERE key IN (SELECT key FROM below)",
        {"c": conversation, "k": key},
    )


def _mend_redo(connection: sqlite3.Connection, conversation: int, gone: int, parent: int) -> None:
    """Heads that can come back must each be below the one before, beginning with the current head."""
    rows = connection.execute(
        "SELECT position, head FROM redo WHERE conversation = ? ORDER BY position DESC", (conversation,)
    ).fetchall()
    before = head_of(connection, conversation)
    for position, head in rows:
        head = parent if head == gone else head
        if head == before:
            connection.execute("DELETE FROM redo WHERE conversation = ? AND position = ?", (conversation, position))
        else:
            connection.execute(
                "UPDATE redo SET head = ? WHERE conversation = ? AND position = ?", (head, conversation, position)
            )
        before = head
