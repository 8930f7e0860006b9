"""The text index of messages: what goes in, how a query is written, what leaves nothing behind.

One FTS5 table per 65,536 message keys, made when the first of them is needed. Why, measured over 1,000,000 messages
(SQLite 3.40):

- newest first, one table after the other: the first page of a word that is in every message comes from one table;
- FTS5 gathers all matches of a long prefix before it gives the first one: 40 ms in one table, 3 ms in a part;
- SQLite before 3.42 removes the words of a deleted message only by merging a whole table: 16 times less to merge,
  one way for all versions, and a file that all of them read;
- prefixes of 1 to 3 letters have an index of their own; longer ones are rare enough.

The tables hold no copy of the text (contentless): to remove a message its text is told to FTS5 again, so
`indexed_text` must give the same for the same text for ever; changing it needs a migration that rebuilds.

Scripts without spaces (Chinese, Japanese, Thai, …) are split into single characters, and a query of several becomes a
phrase. A trigram index cannot find 天气, and is three times larger for all other text.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Iterable, Sequence

PART_BITS = 16

SPACELESS = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f"  # Myanmar
    "\u1780-\u17ff"  # Khmer
    "\u3005-\u3007\u3040-\u312f\u31a0-\u31bf\u31f0-\u31ff"  # Kana, Bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
_ONE_BY_ONE = re.compile(f"([{SPACELESS}])")
# Vowel points of Hebrew and Arabic, which FTS5 does not know as diacritics; and the character of our own marks.
_LEFT_OUT = re.compile("[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670\ue000]")
_QUERY_PIECE = re.compile(r'"([^"]*)"?|([^\s"]+)')


def indexed_text(text: str) -> str:
    """Text as FTS5 gets it; it folds case and diacritics itself."""
    if text.isascii():
        return text
    return _ONE_BY_ONE.sub(r" \1 ", _LEFT_OUT.sub("", unicodedata.normalize("NFKC", text)))


def query_pieces(words: str) -> tuple[tuple[str, bool], ...]:
    """What a person typed as (text, whole): each must be found; whole ones were in quotes and are no prefixes."""
    pieces: list[tuple[str, bool]] = []
    for quoted, word in _QUERY_PIECE.findall(words):
        text = (quoted or word).replace("\0", "").encode("utf-8", "replace").decode()
        if any(character.isalnum() for character in text):
            pieces.append((text, bool(quoted)))
    return tuple(pieces)


def match_strings(words: str, persona_key: int | None = None) -> tuple[str, ...]:
    """FTS5 strings that must all match, for what a person typed; () when there is nothing in it to look for.

    Everything is quoted, so no word is an operator.
    """
    pieces = query_pieces(words)
    if not pieces:
        return ()
    # A wide quotation mark has become a plain one by now.
    strings = [f'"{indexed_text(text).replace(chr(34), " ")}"' + ("" if whole else "*") for text, whole in pieces]
    if persona_key is not None:
        strings.append(f'"{_mark(persona_key)}"')
    return tuple(strings)


def add(connection: sqlite3.Connection, key: int, persona_key: int, text: str) -> None:
    """Puts a message's text into the index. persona_key: of its conversation, so that one persona can be searched."""
    if not text:
        return
    table = _table(key >> PART_BITS)
    if not _exists(connection, table):
        connection.execute(
            f"CREATE VIRTUAL TABLE {table} USING fts5(words, content='', columnsize=0, prefix='1 2 3',"
            " tokenize=\"unicode61 remove_diacritics 2 categories 'L* N* Co M*'\")"
        )
    connection.execute(f"INSERT INTO {table} (rowid, words) VALUES (?, ?)", (key, _document(persona_key, text)))


def remove(connection: sqlite3.Connection, rows: Iterable[tuple[int, int, str]]) -> None:
    """Takes (key, persona_key, text) out of the index, so that no file holds their words after the commit."""
    parts: set[int] = set()
    for key, persona_key, text in rows:
        if text:
            table = _table(key >> PART_BITS)
            parts.add(key >> PART_BITS)
            connection.execute(
                f"INSERT INTO {table} ({table}, rowid, words) VALUES ('delete', ?, ?)",
                (key, _document(persona_key, text)),
            )
    for part in parts:
        # Until its table is merged into one piece, a removed word is only marked as removed.
        table = _table(part)
        connection.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")


def find(connection: sqlite3.Connection, strings: Sequence[str], before_key: int | None, limit: int) -> list[int]:
    """Keys of messages that match all strings, newest first, all below before_key where it is given."""
    expression = " ".join(strings)
    # The longest word is likely the rarest: a part without it need not gather the others.
    probes = sorted(strings, key=len, reverse=True) if len(strings) > 1 else ()
    newest = connection.execute("SELECT coalesce(max(key), 0) FROM message").fetchone()[0]
    before = newest + 1 if before_key is None else min(before_key, newest + 1)
    keys: list[int] = []
    for part in range(before >> PART_BITS, -1, -1):
        table = _table(part)
        if _exists(connection, table) and all(_has(connection, table, probe) for probe in probes):
            keys += (
                row[0]
                for row in connection.execute(
                    f"SELECT rowid FROM {table} WHERE {table} MATCH ? AND rowid < ? ORDER BY rowid DESC LIMIT ?",
                    (expression, before, limit - len(keys)),
                )
            )
            if len(keys) >= limit:
                break
    return keys


def _table(part: int) -> str:
    return f"message_words_{part}"


def _exists(connection: sqlite3.Connection, table: str) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone() is not None


def _has(connection: sqlite3.Connection, table: str, string: str) -> bool:
    return connection.execute(f"SELECT 1 FROM {table} WHERE {table} MATCH ? LIMIT 1", (string,)).fetchone() is not None


def _mark(persona_key: int) -> str:
    """A word that no text has: it begins with a private-use character, which is taken out of all texts."""
    return f"\ue000{persona_key}"


def _document(persona_key: int, text: str) -> str:
    return f"{_mark(persona_key)} {indexed_text(text)}"
