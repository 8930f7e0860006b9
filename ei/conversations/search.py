"""Finding messages by their words, newest first, with each hit in its context."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from ei.conversations import index
from ei.conversations.base import StoreBase
from ei.conversations.rows import CONVERSATION_SELECT, conversation_from_row, fetch_messages
from ei.conversations.values import Hit

AROUND = 60
"""How many characters of the text are given before and after a hit."""


_SPACELESS = re.compile(f"[{index.SPACELESS}]")
# Where FTS5 sees a word begin and end: beside anything but a letter or digit, or beside a script without spaces.
_BEGINNING = rf"(?<![^\W_{index.SPACELESS}])"
_END = rf"(?![^\W_{index.SPACELESS}])"


class Search(StoreBase):
    def search(
        self, words: str, limit: int = 20, before_key: int | None = None, persona: str | None = None
    ) -> tuple[Hit, ...]:
        """Messages in which every word is found, as it is or as the beginning of a longer one; newest first.

        Words in double quotes are looked for side by side and whole. Case and diacritics do not count. Messages off
        the current path are found too. before_key: the key of the last message of the page before. persona: only
        conversations with that one. () when there is nothing to look for in words.
        """
        hits: list[Hit] = []
        with self._database.read() as connection:
            persona_key = None if persona is None else self._known_persona(connection, persona)
            strings = index.match_strings(words, persona_key)
            if not strings or (persona is not None and persona_key is None):
                return ()
            finder = Finder(words)
            while len(hits) < limit:
                wanted = limit - len(hits)
                keys = index.find(connection, strings, before_key, wanted)
                for message in fetch_messages(connection, keys):
                    row = connection.execute(
                        f"{CONVERSATION_SELECT} WHERE c.id = ? AND c.owner = ?", (message.conversation, self._owner)
                    ).fetchone()
                    if row is not None:
                        conversation = conversation_from_row(row)
                        title = conversation.title or conversation.first_line
                        hits.append(Hit(message, conversation.persona, title, *finder.in_context(message.text)))
                if len(keys) < wanted:
                    break
                before_key = keys[-1]
        return tuple(hits)


class Finder:
    """Shows where in a text the words of a query are."""

    def __init__(self, words: str) -> None:
        patterns = []
        for text, whole in index.query_pieces(words):
            tokens = re.findall(r"[^\W_]+", fold(index.indexed_text(text))[0])
            if tokens:
                pattern = "" if _SPACELESS.match(tokens[0]) else _BEGINNING
                for before, token in zip(["", *tokens], tokens, strict=False):
                    if before:
                        pattern += r"[\W_]*" if _SPACELESS.match(before) or _SPACELESS.match(token) else r"[\W_]+"
                    pattern += re.escape(token)
                patterns.append(pattern + (_END if whole and not _SPACELESS.match(tokens[-1]) else ""))
        self._patterns = [re.compile(pattern) for pattern in patterns]

    def in_context(self, text: str) -> tuple[str, str, str]:
        """(before, match, after) of the first place, on one line; match is "" where none is found."""
        folded, places = fold(text)
        found = [match.span() for pattern in self._patterns if (match := pattern.search(folded)) and match.group()]
        if not found:
            return "", "", _one_line(_cut_after(text))
        first, last = min(found)
        start, end = places[first], places[last - 1] + 1
        while end < len(text) and unicodedata.combining(text[end]):
            end += 1
        return _one_line(_cut_before(text[:start])), _one_line(text[start:end]), _one_line(_cut_after(text[end:]))


def fold(text: str) -> tuple[str, Sequence[int]]:
    """Text without case and diacritics, and for each of its characters the place in the original."""
    if text.isascii():
        return text.lower(), range(len(text))
    characters: list[str] = []
    places: list[int] = []
    known: dict[str, str] = {}
    for place, character in enumerate(text):
        folded = known.get(character)
        if folded is None:
            folded = known[character] = "".join(
                piece
                for piece in unicodedata.normalize("NFKD", character).casefold()
                if not unicodedata.combining(piece)
            )
        characters.append(folded)
        places.extend([place] * len(folded))
    return "".join(characters), places


def _cut_before(text: str) -> str:
    if len(text) <= AROUND:
        return text
    piece = text[-AROUND:]
    return "…" + (piece if text[-AROUND - 1].isspace() else _after_first_space(piece))


def _cut_after(text: str) -> str:
    if len(text) <= AROUND:
        return text
    piece = text[:AROUND]
    return (piece if text[AROUND].isspace() else _after_first_space(piece[::-1])[::-1]) + "…"


def _after_first_space(piece: str) -> str:
    """Without the word that was cut in two, unless that is a long one or a script without spaces."""
    match = re.search(r"\s", piece[:20])
    return piece[match.end() :] if match else piece


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)
