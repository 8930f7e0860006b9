"""builtin:eliza, an offline companion: it answers by rules from what the person said, and streams like any model."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from ei.errors import UnknownModelError
from ei.messages import ChatMessage, ChatRequest, Finished, StreamEvent, TextDelta, Usage, UsageReport
from ei.providers.eliza_words import Lexicon, Sentence, fill, is_code, is_link, is_readable, script_of, was_said
from ei.providers.listed import ListedModel

MODEL = "eliza"
WORDS_PER_SECOND = 30.0

LONG_WORDS = 90
LONG_LINES = 10
MAX_CHARS = 20_000
"""What of one message is looked at."""
LOOK_BACK = 200
"""How many of the newest messages are looked at: enough for any talk, and a bound for very long ones."""
MOST_VARIANTS = 50
CARE_TURNS = 6
"""For how many messages after a sign of danger the careful answers stay."""
FIRM_RANK, TOPIC_RANK, WEAK_RANK = 78, 50, 16

GO_ON = re.compile(r"\(.*\bcut off\b.*\)", re.DOTALL)
"""How the request to finish a reply that was cut reads."""


class Eliza:
    """The provider `builtin`. pace: words per second, 0 for no waiting."""

    def __init__(self, pace: float = WORDS_PER_SECOND) -> None:
        self._pause = 1.0 / pace if pace > 0 else 0.0
        self._script: Script | None = None

    @property
    def name(self) -> str:
        return "builtin"

    async def stream(self, request: ChatRequest) -> AsyncIterator[StreamEvent]:
        """The reply word by word, then usage (estimated, free) and Finished.

        The same request gives the same reply. Raises UnknownModelError for a model other than `eliza`.
        """
        from asyncio import sleep

        if request.model != MODEL:
            raise UnknownModelError(
                f'builtin has no model "{request.model}".',
                f"There is one: /model builtin:{MODEL}",
                provider=self.name,
                model=request.model,
            )
        if self._script is None:
            self._script = Script.load()
        text = reply(request, self._script)
        for word in re.findall(r"\S+\s*", text):
            yield TextDelta(word)
            await sleep(self._pause)
        asked = sum(_tokens(message.text) for message in request.messages)
        yield UsageReport(Usage(input_tokens=asked, output_tokens=_tokens(text), estimated=True, cost=0))
        yield Finished("stop", MODEL)

    async def models(self) -> tuple[ListedModel, ...]:
        return (ListedModel(MODEL),)

    async def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Rule:
    """Patterns that call for one of `say`. The highest rank wins; keep: said again rather than passed over.

    words: how long the message may be, 0 for any length. kind: "question", "statement" or "" for both.
    """

    id: str
    rank: int
    patterns: tuple[str, ...]
    say: tuple[str, ...]
    kind: str = ""
    words: int = 0
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Script:
    """What is in eliza.json: the rules, the ready-made answers, and the words that rules are made of."""

    rules: tuple[Rule, ...]
    special: Mapping[str, tuple[str, ...]]
    crisis: Mapping[str, re.Pattern[str]]
    care: Mapping[str, tuple[str, ...]]
    personas: Mapping[str, Mapping[str, tuple[str, ...]]]
    languages: Mapping[str, tuple[frozenset[str], tuple[str, ...]]]
    scripts: Mapping[str, tuple[str, ...]]
    memory: tuple[str, ...]
    plain: frozenset[str]
    how: str
    lexicon: Lexicon

    @staticmethod
    def load(path: Path | None = None) -> Script:
        """Reads the rules that ship with ei, or those in another file of the same form."""
        data = json.loads((path or Path(__file__).with_name("eliza.json")).read_text(encoding="utf-8"))
        crisis = {kind: re.compile("|".join(data["crisis"][kind])) for kind in data["crisis"] if kind != "say"}
        return Script(
            rules=tuple(
                Rule(
                    id=rule["id"],
                    rank=rule["rank"],
                    patterns=tuple(rule["patterns"]),
                    say=tuple(rule["say"]),
                    kind=rule.get("kind", ""),
                    words=rule.get("words", 0),
                    keep=rule.get("keep", False),
                )
                for rule in data["rules"]
            ),
            special={name: tuple(say) for name, say in data["special"].items()},
            crisis=crisis,
            care={name: tuple(say) for name, say in data["crisis"]["say"].items()},
            personas={name: {k: tuple(v) for k, v in own.items()} for name, own in data["personas"].items()},
            languages={k: (frozenset(v["words"]), tuple(v["say"])) for k, v in data["languages"].items()},
            scripts={name: tuple(say) for name, say in data["scripts"].items()},
            memory=tuple(data["memory"]),
            plain=frozenset(data["plain"]),
            how=data["how"],
            lexicon=Lexicon(data),
        )


def reply(request: ChatRequest, script: Script) -> str:
    """What the companion answers to the newest message of the person; a pure function of the request.

    When the newest message is its own reply, cut off, it gives the rest of that reply.
    """
    messages = request.messages
    if len(messages) > 1 and messages[-2].role == "assistant" and GO_ON.fullmatch(messages[-1].text):
        messages = messages[:-1]
    if messages and messages[-1].role == "assistant":
        begun = messages[-1].text
        whole = _variant(request, script, messages[:-1])
        if whole.startswith(begun) and whole != begun:
            return whole[len(begun) :]
    return _variant(request, script, messages)


def topics_in(prompt: str) -> tuple[str, ...]:
    """The topics that a persona's prompt says it would like to talk about, in its order. Empty when none are told."""
    found, inside = [], False
    for line in prompt.splitlines():
        if line.startswith("#"):
            inside = "topic" in line.casefold()
        elif inside and line.startswith("- ") and re.search(r"\((?:[^()]*; ?)?you would (?:love|gladly)", line):
            found.append(line[2:].split(": ")[0].split(" (")[0].strip())
    return tuple(found)


def _variant(request: ChatRequest, script: Script, messages: Sequence[ChatMessage]) -> str:
    """The request's variant of the answer: each says what those before it did not, as long as there is something."""
    given: list[str] = []
    for _ in range(min(max(request.variant, 1), MOST_VARIANTS)):
        given.append(_Talk(request, script, messages, given).answer())
    return given[-1]


class _Talk:
    """One conversation as the rules see it. before: other answers to its newest message."""

    def __init__(
        self, request: ChatRequest, script: Script, messages: Sequence[ChatMessage], before: Sequence[str]
    ) -> None:
        kept = [m for m in messages[-LOOK_BACK:] if m.role != "system"]
        prompt = "\n".join(m.text for m in request.messages[:1] if m.role == "system")
        self.script = script
        self.lexicon = script.lexicon
        self.own = [m.text for m in kept if m.role == "assistant"]
        self.given = [*self.own, *before]
        asked = (m.text[:MAX_CHARS] for m in kept if m.role == "user" and m.name is None)
        self.said = [re.sub(r"^\(to [^)\n]{1,60}\) ", "", text) for text in asked]
        self.me = request.speaker[:1].upper() + request.speaker[1:] if request.speaker else "Ei"
        self.colours = script.personas.get(self.me.casefold(), {})
        self.topics = topics_in(prompt)
        self.last = self.said[-1].strip() if self.said else ""
        seed = request.parameters.get("seed", "")
        self.seed = f"{self.me}\n{seed}\n{len(self.said)}\n{self.last}"
        about = re.match(rf"You are {re.escape(self.me)}\. (.+)", prompt)
        self.slots = {
            "me": self.me,
            "how": script.how,
            "about": about[1].strip() if about else "",
            "name": self._name(),
        }

    def answer(self) -> str:
        special = self.script.special
        if not self.said:
            return self._say(self.colours.get("hello", special["hello"]), keep=True)
        careful = self._careful()
        if careful:
            return careful
        shape = self._shape()
        if shape:
            return next(filter(None, map(self._say, shape)), "") or self._say(shape[-1], keep=True)
        text = self.last.lower() if self.last.isupper() and len(self.last) > 8 else self.last
        sentences = self.lexicon.sentences(text)
        if len(self.said) > 1 and len(self.last) > 12 and self.last in (t.strip() for t in self.said[:-1]):
            again = self._say(special["same"])
            if again:
                return again
        matches = self._matches(sentences)
        memory = self._memory()
        if memory and (not matches or matches[0][0].rank < WEAK_RANK) and self._dice("memory", 2) == 0:
            recalled = self._say(special["memory"], {"memory": memory})
            if recalled:
                return recalled
        for rule, slots in matches:
            text = self._say(self._lines_of(rule), slots, keep=rule.keep, salt=rule.id)
            if text:
                return text
        return self._default(sentences, memory)

    # what is answered before any rule

    def _careful(self) -> str:
        """The answer where somebody may be in danger, now or a few messages ago; "" elsewhere."""
        care = self.script.care
        kind = self._danger(self.last)
        if kind:
            return self._say(care[kind], keep=True)
        if not any(self._danger(text) not in ("", "medical") for text in self.said[-1 - CARE_TURNS : -1]):
            return ""
        sentences = self.lexicon.sentences(self.last)
        ids = {rule.id: rule for rule, _ in self._matches(sentences)}
        asked = bool(self.own) and re.search(r"\bsafe (?:right now|at this moment)\?", self.own[-1]) is not None
        if asked and sentences and sentences[0].words:
            first = sentences[0].words[0].low
            if first in ("no", "nope", "not") or "i am not safe" in sentences[0].text:
                return self._say(care["unsafe"], keep=True)
            if first in ("yes", "yeah", "yep") or "i am safe" in sentences[0].text:
                return self._say(care["safe"], keep=True)
        if re.match(r"(?:ok |okay |yes |alright )*(?:i will|i'll) ", sentences[0].text if sentences else ""):
            return self._say(care["will"], keep=True)
        text = self._say(care["person"]) if not ids.keys().isdisjoint(("family", "partner", "friend")) else ""
        if text:
            return text
        if "bye" in ids or "thanks" in ids:
            return self._say(care["bye"], keep=True)
        if any(rule.rank >= FIRM_RANK and rule.keep for rule in ids.values()):
            return ""
        return self._say(care["after"], keep=True)

    def _danger(self, text: str) -> str:
        low = text.casefold().replace("’", "'")
        for kind, pattern in self.script.crisis.items():
            if pattern.search(low):
                return kind
        return ""

    def _shape(self) -> tuple[tuple[str, ...], ...]:
        """Ready-made answers for what is no short English text: code, links, other languages, a wall of words.

        The first group with an answer not given yet is used.
        """
        special, text = self.script.special, self.last
        words = self.lexicon.words(text)
        lows = [word.low for word in words]
        if not text.strip(".…- \t\n"):
            return (special["empty"],)
        if is_code(text):
            return (special["code"],)
        if is_link(text):
            return (special["link"],)
        if re.search(r"\d\s*(?:[-+*/×÷^x]|plus|minus|times|divided by)\s*\d", text) and len(lows) < 12:
            return (special["sum"],)
        if not any(c.isalpha() for c in text):
            return (special["marks"] if text.isascii() else special["emoji"],)
        script = script_of(text)
        if script:
            return self.script.scripts.get(script, ()), special["foreign"]
        foreign = self._language(lows)
        if foreign:
            return foreign, special["foreign"]
        if len(lows) > LONG_WORDS or text.count("\n") >= LONG_LINES:
            return (special["long"],)
        return () if any(is_readable(low) for low in lows) else (special["gibberish"],)

    def _language(self, lows: Sequence[str]) -> tuple[str, ...]:
        english = sum(low in self.lexicon.english for low in lows)
        best: tuple[int, tuple[str, ...]] = (0, ())
        for known, lines in self.script.languages.values():
            count = sum(low in known for low in lows)
            best = max(best, (count, lines), key=lambda item: item[0])
        count, say = best
        alone = len(lows) == count == 1 and english == 0 and len(lows[0]) > 3
        return say if alone or (count >= 2 and count > english and count * 4 >= len(lows)) else ()

    # rules

    def _matches(self, sentences: Sequence[Sentence]) -> list[tuple[Rule, dict[str, str]]]:
        """Rules that fit, best first: by rank, then by how late in the message, then in the order of the file."""
        total = sum(len(sentence.words) for sentence in sentences)
        found = []
        for order, rule in enumerate(self.script.rules):
            if rule.words and total > rule.words:
                continue
            for place, sentence in enumerate(sentences):
                if rule.kind and (rule.kind == "question") != sentence.question:
                    continue
                slots = next(filter(None, (self.lexicon.match(p, sentence) for p in rule.patterns)), None)
                if slots is not None:
                    found.append(((-rule.rank, -place, order), rule, slots))
        topic = self._topic_in(sentences)
        if topic:
            rule = Rule("topic", TOPIC_RANK, (), self.script.special["topic"])
            found.append(((-TOPIC_RANK, 0, -1), rule, {"topic": topic}))
        return [(rule, slots) for _, rule, slots in sorted(found, key=lambda item: item[0])]

    def _lines_of(self, rule: Rule) -> tuple[str, ...]:
        if rule.id == "hello" and not self.own:
            own = self.colours.get("hello", ())
            return (*own, *self.script.special["hello"]) if self.given or not own else own
        if rule.id == "opinion":
            recent = self._clauses(self.said[-6:-1])
            if recent:
                return tuple(line.replace("{memory}", recent[-1]) for line in self.script.special["opinion"])
        return rule.say

    def _topic_in(self, sentences: Sequence[Sentence]) -> str:
        """One of the persona's own topics that the person has touched, and that was not spoken of yet."""
        stems = {_stem(word.low) for sentence in sentences for word in sentence.words if len(word.low) > 3}
        for topic in self.topics:
            words = (word.low for word in self.lexicon.words(topic))
            own = {_stem(low) for low in words if len(low) > 3 and low not in self.script.plain}
            if own & stems and not any(topic in text for text in self.own):
                return topic
        return ""

    def _default(self, sentences: Sequence[Sentence], memory: str) -> str:
        special = self.script.special
        fresh = [topic for topic in self.topics if not any(topic in text for text in self.own)]
        if fresh and len(self.own) > 2 and self._dice("starter", 3) == 0:
            recent = self.own[-5:]
            if not any(topic in text for topic in self.topics for text in recent):
                text = self._say(special["starter"], {"topic": fresh[0]})
                if text:
                    return text
        if memory:
            text = self._say(special["memory"], {"memory": memory})
            if text and self._dice("recall", 2) == 0:
                return text
        if self._dice("colour", 2) == 0:
            text = self._say(self.colours.get("default", ()))
            if text:
                return text
        return self._say((*special["default"], *self.colours.get("default", ())), keep=True)

    # memory

    def _memory(self) -> str:
        """Something the person said two or more messages ago, turned round, that was not brought up again yet."""
        clauses = [c for c in self._clauses(self.said[:-2]) if not any(c in text for text in self.own)]
        return clauses[self._dice("which", len(clauses))] if clauses else ""

    def _clauses(self, texts: Iterable[str]) -> list[str]:
        found: list[str] = []
        for text in texts:
            if self._danger(text) or is_code(text) or len(text) > 600:
                continue
            for sentence in self.lexicon.sentences(text):
                if sentence.question or not sentence.clause:
                    continue
                start = self.lexicon.without_openers(sentence)
                if sentence.clause in found or not self.lexicon.pointing.isdisjoint(sentence.clause.split()):
                    continue
                if any(self.lexicon.match(p, start) for p in self.script.memory):
                    found.append(sentence.clause)
        return found

    def _name(self) -> str:
        for text in reversed(self.said):
            said = re.search(r"\bmy name(?: is|['’]s) (?:[A-Z]\w*|\w+(?=\s*(?:[.,!]|$)))", text, re.IGNORECASE)
            called = re.search(r"\b(?:[Cc]all me|I am called|I'm called) ([A-Z]\w+)\s*(?:[.,!]|$)", text)
            name = said[0].split()[-1] if said else called[1] if called else ""
            if name.isalpha() and 1 < len(name) < 20 and name.lower() not in self.lexicon.english:
                return name[0].upper() + name[1:]
        return ""

    # choosing and filling lines

    def _say(
        self, lines: Sequence[str], slots: Mapping[str, str] | None = None, *, keep: bool = False, salt: str = ""
    ) -> str:
        """One of the lines, filled: one not said yet in this conversation, chosen by the request's content.

        With keep, when all were said, the one said longest ago. "" when there is none.
        """
        values = {**self.slots, **(slots or {})}
        ready = [(line, text) for line in lines if (text := fill(line, values))]
        fresh = [text for line, text in ready if not any(was_said(line, own) for own in self.given)]
        if fresh:
            return fresh[self._dice(salt or lines[0], len(fresh))]
        if not keep or not ready:
            return ""
        age = {text: max(i for i, own in enumerate(self.given) if was_said(line, own)) for line, text in ready}
        return min(age, key=lambda text: age[text])

    def _dice(self, salt: str, sides: int) -> int:
        return crc32(f"{self.seed}\n{salt}".encode("utf-8", "replace")) % sides


def _stem(word: str) -> str:
    """Enough of a word to find "octopus" in "Octopuses"."""
    return word.removesuffix("s")[:6]


def _tokens(text: str) -> int:
    """About how many tokens a text has: four characters each, as English has in common vocabularies."""
    return (len(text) + 3) // 4
