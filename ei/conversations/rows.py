"""Rows of the database as values, and back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from ei.conversations.values import Conversation, Message, State
from ei.errors import NotFoundError
from ei.messages import (
    Part,
    ReplyInfo,
    TextPart,
    info_from_data,
    info_to_data,
    parts_from_data,
    parts_to_data,
    text_of,
)

Row = tuple[Any, ...]

FIRST_LINE_LENGTH = 200

MESSAGE_SELECT = """
    SELECT m.key, m.id, c.id, p.id, m.depth, m.role, m.author, m.state, m.text, m.parts, m.created_ms,
        m.addressee, m.model, m.reference, m.resolved_by, m.error, m.info, m.private,
        (SELECT count(*) FROM message s
            WHERE s.conversation = m.conversation AND s.parent = m.parent AND s.role = m.role),
        (SELECT count(*) FROM message s
            WHERE s.conversation = m.conversation AND s.parent = m.parent AND s.role = m.role AND s.key <= m.key)
    FROM message m JOIN conversation c ON c.key = m.conversation LEFT JOIN message p ON p.key = m.parent"""
"""Followed by a WHERE on m (message) and c (its conversation)."""

CONVERSATION_SELECT = f"""
    SELECT c.id, p.name, c.title, c.created_ms, c.updated_ms, c.model_here, c.last_model, c.forked_from,
        h.id, coalesce(h.depth, 0), c.parameters,
        (SELECT count(*) FROM message u WHERE c.reply_key > c.read_key AND u.conversation = c.key AND u.key > c.read_key
            AND u.role = 'assistant' AND u.state IN ('complete', 'cancelled', 'failed')),
        (SELECT count(*) FROM redo r WHERE r.conversation = c.key),
        coalesce(
            (SELECT substr(f.text, 1, {FIRST_LINE_LENGTH}) FROM choice o JOIN message f ON f.key = o.child
                WHERE o.conversation = c.key AND o.parent = 0),
            (SELECT substr(f.text, 1, {FIRST_LINE_LENGTH}) FROM message f
                WHERE f.conversation = c.key AND f.parent = 0 ORDER BY +f.key DESC LIMIT 1),
            ''),
        c.private, (SELECT count(*) FROM message s WHERE s.conversation = c.key AND s.private = 1)
    FROM conversation c JOIN persona p ON p.key = c.persona LEFT JOIN message h ON h.key = c.head"""
"""Followed by a WHERE on c (conversation) and p (its persona).

The plus keeps SQLite from walking the whole conversation by key for the sake of the order.
"""


def message_from_row(row: Row) -> Message:
    """A row of MESSAGE_SELECT as a value."""
    depth, text, parts = row[4], row[8], row[9]
    return Message(
        key=row[0],
        id=row[1],
        conversation=row[2],
        parent=row[3],
        depth=depth,
        role=row[5],
        author=row[6],
        state=State(row[7]),
        parts=(TextPart(text),) if parts is None else parts_from_data(json.loads(parts)),
        created_ms=row[10],
        to=row[11],
        model=row[12],
        reference=row[13],
        resolved_by=row[14],
        error=row[15],
        variants=row[18] if depth else 1,
        variant=row[19] if depth else 1,
        info=None if row[16] is None else info_from_data(json.loads(row[16])),
        private=row[17] == 1,
    )


def conversation_from_row(row: Row) -> Conversation:
    """A row of CONVERSATION_SELECT as a value."""
    return Conversation(
        id=row[0],
        persona=row[1],
        title=row[2],
        first_line=first_line(row[13]),
        head=row[8],
        created_ms=row[3],
        updated_ms=row[4],
        messages=row[9],
        unread=row[11],
        model_here=None if row[5] is None else json.loads(row[5]),
        last_model=row[6],
        can_redo=bool(row[12]),
        forked_from=row[7],
        parameters=json.loads(row[10]),
        private=row[14] == 1,
        private_messages=row[15],
    )


def parts_to_columns(parts: Iterable[Part]) -> tuple[str, str | None]:
    """The columns text and parts. parts is None when the text says it all, so that it is not stored twice."""
    parts = tuple(parts)
    text = clean(text_of(parts))
    if len(parts) == 1 and isinstance(parts[0], TextPart):
        return text, None
    return text, clean(json.dumps(parts_to_data(parts), ensure_ascii=False, separators=(",", ":")))


def info_to_column(info: ReplyInfo) -> str:
    """The column info."""
    return clean(json.dumps(info_to_data(info), ensure_ascii=False, separators=(",", ":")))


def clean(text: str) -> str:
    """Text that UTF-8 can hold: a pair of surrogates becomes its character, a lone one U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def first_line(text: str) -> str:
    """The first line with anything in it, stripped."""
    return text.strip().partition("\n")[0].strip()


def fetch_message(connection: sqlite3.Connection, owner: str, message_id: str) -> Message:
    """The message, or NotFoundError."""
    row = connection.execute(f"{MESSAGE_SELECT} WHERE m.id = ? AND c.owner = ?", (message_id, owner)).fetchone()
    if row is None:
        raise no_message()
    return message_from_row(row)


def fetch_messages(connection: sqlite3.Connection, keys: Sequence[int]) -> tuple[Message, ...]:
    """The messages of these keys, in the order of the keys."""
    found: dict[int, Message] = {}
    for start in range(0, len(keys), 500):
        some = keys[start : start + 500]
        marks = ",".join("?" * len(some))
        for row in connection.execute(f"{MESSAGE_SELECT} WHERE m.key IN ({marks})", some):
            found[row[0]] = message_from_row(row)
    return tuple(found[key] for key in keys if key in found)


def fetch_conversation(connection: sqlite3.Connection, owner: str, conversation_id: str) -> Conversation:
    """The conversation, or NotFoundError."""
    row = connection.execute(
        f"{CONVERSATION_SELECT} WHERE c.id = ? AND c.owner = ?", (conversation_id, owner)
    ).fetchone()
    if row is None:
        raise no_conversation()
    return conversation_from_row(row)


def conversation_key(connection: sqlite3.Connection, owner: str, conversation_id: str) -> int:
    """The integer key of a conversation, or NotFoundError."""
    row = connection.execute(
        "SELECT key FROM conversation WHERE id = ? AND owner = ?", (conversation_id, owner)
    ).fetchone()
    if row is None:
        raise no_conversation()
    return int(row[0])


def no_conversation() -> NotFoundError:
    return NotFoundError("That conversation is not there (any more).", "/history lists those that are.")


def no_message() -> NotFoundError:
    return NotFoundError("That message is not there (any more).")
