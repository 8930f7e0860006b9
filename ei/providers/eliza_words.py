"""Words for the built-in companion: sentences, patterns over them, and fragments turned from I to you. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
SENTENCE = re.compile(r"(?<=[.!?…])[\"')]*\s+|\n+")
MAX_WORDS = 60
"""What of one sentence is looked at; patterns over longer ones would be slow and wrong."""

KEYBOARD = re.compile(r"asdf|sdfg|dfgh|fghj|qwer|wert(?!h)|zxcv|hjkl|jkl|yxcv|uiop")
CODE_LINE = re.compile(
    r"^\s*(?:def \w+\(|class \w+[:({]|import \w+|from \S+ import |#include|function\b.*[({]|const \w+\s*=|let \w+\s*=|"
    r"var \w+\s*=|public \w+|private \w+|return\b.*;|for\s*\(|if\s*\(.*\)\s*\{|while\s*\(|[{}\])]+;?\s*$|</?\w+[^>]*>|"
    r"SELECT .+ FROM |INSERT INTO |UPDATE \w+ SET |Traceback \(most|File \".+\", line \d+|\$ \w+|#!/|print\(|"
    r"console\.|at [\w.$]+\()",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Word:
    """text as typed, low in small letters with a plain apostrophe; stop: punctuation follows."""

    text: str
    low: str
    stop: bool = False


@dataclass(frozen=True, slots=True)
class Sentence:
    """text: its words in small letters, each with a space after it, for the patterns.

    clause: the sentence turned round ("your boss yelled at you"), "" where that cannot be said decently.
    """

    words: tuple[Word, ...]
    text: str
    question: bool
    clause: str = ""


class Lexicon:
    """The word lists of the rules, and what is done with them. data: the parsed rules file."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._groups: dict[str, list[str]] = {
            name: sorted(words, key=len, reverse=True) for name, words in data["groups"].items()
        }
        self._spellings: Mapping[str, str] = data["spellings"]
        self._reflections: Mapping[str, str] = data["reflections"]
        self.english = frozenset(data["english"])
        # Words that mean nothing when a sentence is brought up again later, or that mean us.
        self.pointing = frozenset(data["pointing"])
        self._openers, self._closers, self._cuts = (frozenset(data[k]) for k in ("openers", "closers", "cuts"))
        self._clause_words, self._dangling = frozenset(data["clause words"]), frozenset(data["dangling"])
        self._lower, self._unsayable = frozenset(data["lower"]), frozenset(data["unsayable"])
        self._asking, self._auxiliaries = frozenset(data["question words"]), frozenset(data["auxiliaries"])
        self._subjects, self._adverbs = frozenset(data["subjects"]), frozenset(data["adverbs"])
        self._before_object, self._after_subject = frozenset(data["before object"]), frozenset(data["after subject"])
        self._negatable, self._not_doing = frozenset(data["negatable"]), "|".join(data["not doing"])
        # Before "i", these make it part of another clause: the rule is not about that.
        self._reported = frozenset(data["reported"])
        self._compiled: dict[str, tuple[tuple[frozenset[str], ...], re.Pattern[str]]] = {}

    # reading

    def words(self, text: str) -> list[Word]:
        """The words of a text, short forms spelled out ("I'm" gives "i", "am"; "do not" gives "don't")."""
        out: list[Word] = []
        for found in WORD.finditer(text):
            typed = found[0].replace("’", "'")
            after = text[found.end() : found.end() + 2].lstrip(" ")
            stop = bool(after) and after[0] in ',;:()–—"“”/|*'
            pieces = self._spellings.get(typed.lower())
            if pieces is None:
                out.append(Word(typed, typed.lower(), stop))
            else:
                *first, last = pieces.split()
                out += [*(Word(piece, piece) for piece in first), Word(last, last, stop)]
            if len(out) > 1 and out[-1].low == "not" and out[-2].low in self._negatable:
                joined = f"{out[-2].text}n't"
                out[-2:] = [Word(joined, joined.lower(), stop)]
        return out

    def sentences(self, text: str) -> list[Sentence]:
        """The sentences of a text, without those that have no words."""
        out = []
        for piece in SENTENCE.split(text):
            words = self.words(piece)[:MAX_WORDS]
            if words:
                question = self._is_question(piece, words)
                clause = "" if question else self._clause(words)
                out.append(Sentence(tuple(words), _flat(words), question, clause))
        return out

    def _is_question(self, piece: str, words: Sequence[Word]) -> bool:
        if "?" in piece:
            return True
        first = words[0].low
        if first in self._asking:
            return len(words) > 1
        return first in self._auxiliaries and len(words) > 2 and words[1].low in self._subjects

    def without_openers(self, sentence: Sentence) -> Sentence:
        """The sentence from its first word that is no "well", "so", "yes"."""
        words = sentence.words[self._first(sentence.words) :]
        return Sentence(words, _flat(words), sentence.question, sentence.clause)

    # patterns

    def match(self, pattern: str, sentence: Sentence) -> dict[str, str] | None:
        """What a pattern's places hold, by number from "1", turned round; None when it does not match.

        A place whose words cannot be repeated decently is missing. `clause` is there when the sentence has one.
        """
        if pattern not in self._compiled:
            self._compiled[pattern] = self._needs(pattern), self.compile(pattern)
        needs, regex = self._compiled[pattern]
        lows = {word.low for word in sentence.words}
        if any(lows.isdisjoint(need) for need in needs):
            return None
        found = next((m for m in regex.finditer(sentence.text) if self._own_clause(pattern, m, sentence)), None)
        if found is None:
            return None
        slots = {"clause": sentence.clause} if sentence.clause else {}
        slots["0"] = ""
        for number in range(1, (regex.groups or 0) + 1):
            start, end = (sentence.text.count(" ", 0, max(at, 0)) for at in found.span(number))
            fragment = self.fragment(sentence.words[start:end])
            if fragment is not None:
                slots[str(number)] = fragment
        return slots

    def _own_clause(self, pattern: str, found: re.Match[str], sentence: Sentence) -> bool:
        if not pattern.startswith("i ") or found.start() == 0:
            return True
        before = sentence.words[sentence.text.count(" ", 0, found.start()) - 1]
        return before.stop or before.low not in self._reported

    def _needs(self, pattern: str) -> tuple[frozenset[str], ...]:
        """For each word that must be there, the forms it may have: a cheap test before the regular expression."""
        needs = []
        for token in pattern.split():
            if token.startswith("@") and not token.endswith("?"):
                needs.append(frozenset(phrase.split()[0] for phrase in self._groups[token[1:]]))
            elif token[0] not in "^$*+_~@" and not token.endswith("?"):
                needs.append(frozenset(token.split("|")))
        return tuple(needs)

    def compile(self, pattern: str) -> re.Pattern[str]:
        """A pattern as a regular expression over `Sentence.text`; its groups are the numbered places."""
        tokens = pattern.split()
        pieces = [] if tokens[0] == "^" else [r"(?<!\S)"]
        for index, token in enumerate(tokens):
            lazy = "" if index == len(tokens) - 1 else "?"
            optional = token.endswith("?")
            name = token.rstrip("?")
            if name in "^$":
                pieces.append(name)
            elif name == "_":
                pieces.append(r"(?:\S+ )?" if optional else r"(\S+ )")
            elif name in ("*", "+"):
                pieces.append(rf"((?:\S+ ){name}{lazy})")
            elif name == "~ing":
                pieces.append(rf"(?!(?:{self._not_doing}) )(\S+ing )")
            elif name.startswith("@"):
                words = "|".join(map(re.escape, self._groups[name[1:]]))
                pieces.append(f"(?:(?:{words}) )*" if optional else f"((?:{words}) )")
            else:
                words = "|".join(map(re.escape, name.split("|")))
                pieces.append(f"(?:(?:{words}) )?" if optional else f"(?:{words}) ")
        return re.compile("".join(pieces))

    # turning round

    def fragment(self, words: Sequence[Word], longest: int = 8) -> str | None:
        """A few words turned from the person's side to ours; None when they cannot be repeated decently.

        Cut where a new clause begins. No words give "".
        """
        kept = self._cut(words)
        if not kept:
            return "" if not words else None
        if len(kept) > longest or (len(kept) < len(words) and kept[-1].low in self._dangling):
            return None
        if any(word.low in self._unsayable or not is_readable(word.low) for word in kept):
            return None
        return self._reflect(kept)

    def _clause(self, words: Sequence[Word]) -> str:
        start = words[self._first(words) :]
        if not start or start[0].low not in (
            self._subjects - {"you", "your"} | {"the", "our", "his", "her", "their", "a"}
        ):
            return ""
        kept = self._cut(start)
        if len(kept) < 3 or kept[-1].low in self._dangling:
            return ""
        return self.fragment(kept, longest=11) or ""

    def _first(self, words: Sequence[Word]) -> int:
        index = 0
        while index < len(words) - 1 and words[index].low in self._openers:
            index += 1
        return index

    def _cut(self, words: Sequence[Word]) -> list[Word]:
        kept: list[Word] = []
        for index, word in enumerate(words):
            following = words[index + 1].low if index + 1 < len(words) else ""
            if kept and (word.low in self._cuts or (word.low in ("and", "or") and following in self._clause_words)):
                break
            kept.append(word)
            if word.stop:
                break
        while kept and kept[-1].low in self._closers:
            kept.pop()
        return kept

    def _reflect(self, words: Sequence[Word]) -> str:
        lows = [word.low for word in words]
        out = []
        for index, word in enumerate(words):
            before = lows[index - 1] if index else ""
            after = lows[index + 1] if index + 1 < len(lows) else ""
            near = {before, after} | ({lows[index - 2]} if index > 1 and before in self._adverbs else set())
            match word.low:
                case "you":
                    inverted = before in self._auxiliaries
                    subject = inverted or (after in self._after_subject and before not in self._before_object)
                    out.append("I" if subject else "me")
                case "am":
                    out.append("are")
                case "was" | "wasn't" if "i" in near:
                    out.append(word.low.replace("was", "were"))
                case "are" | "were" | "aren't" | "weren't" if "you" in near:
                    out.append({"are": "am", "were": "was", "aren't": "am not", "weren't": "wasn't"}[word.low])
                case low if low in self._reflections:
                    out.append(self._reflections[low])
                case low if low in self._lower:
                    out.append(low)
                case _:
                    out.append(word.text)
        return " ".join(out)


def fill(line: str, values: Mapping[str, str]) -> str:
    """A line with its slots filled; "" when one has nothing to fill it with. `{, name}` may stay empty."""
    missing = False

    def value(slot: re.Match[str]) -> str:
        nonlocal missing
        found = values.get(slot[2])
        if slot[1]:
            return f", {found}" if found else ""
        missing = missing or found is None or (not found and not slot[2].isdigit())
        return found or ""

    text = re.sub(r"\{(, )?(\w+)\}", value, line)
    if missing:
        return ""
    text = re.sub(r"\s+([?.,:!;])", r"\1", " ".join(text.split()))
    text = re.sub(r"\b(to|the|a|have) \1\b", r"\1", text)
    return text[:1].upper() + text[1:]


def was_said(line: str, text: str) -> bool:
    """Whether text is this line, whatever its slots held."""
    parts = [" ".join(part.split()) for part in re.split(r"\{[^}]*\}", line)]
    if len(parts) == 1:
        return text == parts[0]
    place = 0
    for part in parts:
        found = text.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    return text.endswith(parts[-1])


def is_readable(word: str) -> bool:
    """Whether a word looks like one: short enough, with a vowel, no keys in a row."""
    if len(word) > 20 or KEYBOARD.search(word) or re.search(r"(.)\1{3}|[bcdfghjklmnpqrstvwxz]{6}", word):
        return False
    return len(word) < 4 or not word.isascii() or re.search(r"[aeiouy\d]", word) is not None


def is_code(text: str) -> bool:
    """Whether a text is code, markup or a log rather than sentences."""
    if "```" in text or CODE_LINE.search(text):
        return True
    marks = sum(text.count(mark) for mark in "{}[]();=<>|\\$#_`")
    return marks >= 6 and marks * 12 > len(text)


def is_link(text: str) -> bool:
    """Whether a text is nothing but addresses."""
    return re.fullmatch(r"(?:(?:https?://|www\.)\S+(?:\s+|$))+", text) is not None


def script_of(text: str) -> str:
    """The script most letters are of, by its Unicode name ("CYRILLIC"), "" when it is the Latin one."""
    counts: dict[str, int] = {}
    letters = 0
    for char in text[:400]:
        if char.isalpha():
            letters += 1
            if not ("a" <= char.lower() <= "z"):
                script = unicodedata.name(char, "?").split()[0]
                counts[script] = counts.get(script, 0) + 1
    counts.pop("LATIN", None)
    if not letters or sum(counts.values()) * 2 <= letters:
        return ""
    kana = [script for script in ("HIRAGANA", "KATAKANA") if script in counts]
    return kana[0] if kana else max(counts, key=lambda script: counts[script])


def _flat(words: Iterable[Word]) -> str:
    return "".join(f"{word.low} " for word in words)
