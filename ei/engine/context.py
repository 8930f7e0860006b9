"""What a persona is sent: its prompt, the conversation as request messages, and what of it fits. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ei.conversations.values import Message
from ei.messages import BlobPart, ChatMessage, Part, ReasoningPart, TextPart, ToolCallPart, ToolResultPart, text_of
from ei.personas.values import Concept, Persona

STATIC_HEADING = "## What always holds"
TRAITS_HEADING = "## Your character"
PEOPLE_HEADING = "## People on your mind"
TOPICS_HEADING = "## Topics on your mind"
TALK_HEADING = "## This conversation"
NOTES_HEADING = "## Keep in mind"

MESSAGE_TOKENS = 4
"""What the wrapping of one message costs in the chat formats that publish it, in tokens."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


def system_prompt(
    persona: Persona,
    now: datetime | None = None,
    others: Sequence[Persona] = (),
    guest_of: str = "",
    note: str = "",
    notes: Sequence[str] = (),
) -> str:
    """The text that a persona speaks from.

    Static concepts come first and with their descriptions, then traits, people and topics, each by how much the
    persona wants to talk about them (`level_ideal - level_current`, the most first), with how it feels about them.
    now: local time of the person; only its date and part of day are told, so that servers can keep the prompt cached.
    others: personas who also speak in this conversation. guest_of: name of the persona whose conversation it is,
    "" when it is the persona's own. note: one more sentence for this turn alone, placed last.
    notes: what this model in particular needs to be told, in this order, at the very end.
    """
    name = display_name(persona.name)
    head = [f"You are {name}.", persona.short_description.strip()]
    blocks = [" ".join(text for text in head if text), persona.long_description.strip()]
    blocks.append(_section(STATIC_HEADING, (_item(c, wish=False) for c in persona.concepts if c.type == "static")))
    for kind, heading in (("persona", TRAITS_HEADING), ("person", PEOPLE_HEADING), ("topic", TOPICS_HEADING)):
        ranked = sorted((c for c in persona.concepts if c.type == kind), key=_wish, reverse=True)
        blocks.append(_section(heading, (_item(c, wish=kind != "persona") for c in ranked)))
    blocks.append(_section(TALK_HEADING, _talk(name, now, others, display_name(guest_of), note)))
    told = [text.strip() for text in notes if text.strip()]
    blocks.append("\n\n".join([NOTES_HEADING, *told]) if told else "")
    return "\n\n".join(block for block in blocks if block)


def note_for(written: object, providers: Collection[str], model: str) -> str:
    """The note that is for a model, "" where none is.

    written: a text, for any model; or texts by name: of its provider, or of its family, which is any part of the
    model's name. Case does not matter, and the longest name that fits counts. providers: what its provider is called.
    """
    if isinstance(written, str):
        return written
    if not isinstance(written, Mapping):
        return ""
    names, text = {name.casefold() for name in providers}, model.casefold()
    fitting = [key for key in written if key.casefold() in names or key.casefold() in text]
    best = max(fitting, key=len, default=None)
    return "" if best is None else str(written[best])


def display_name(name: str) -> str:
    """How a persona's name is written where it speaks: `lena` gives `Lena`; capitals of its own are kept."""
    return name[:1].upper() + name[1:]


def to_messages(system: str, path: Sequence[Message], speaker: str, *, host: str = "") -> tuple[ChatMessage, ...]:
    """The stored path as request messages for `speaker`: the prompt first, then each message once, oldest first.

    The speaker's own replies are the assistant's. What other personas said is the user's, begins with their name and
    carries it as `name`. What the person said to somebody else is marked with that name: to a guest always, to the
    conversation's own persona when `host` names it. Queued, waiting and streaming messages are left out, and so are
    replies without text; a reply that failed or was cancelled goes as far as it came. Reasoning is not sent back.
    """
    me = speaker.casefold()
    out = [ChatMessage("system", (TextPart(system),))] if system else []
    seen: set[str] = set()
    for message in path:
        if message.id in seen or not message.state.ended:
            continue
        seen.add(message.id)
        match message.role:
            case "user":
                to = message.to or host
                mark = f"(to {display_name(to)}) " if to.casefold() not in ("", me) else ""
                parts = _said(mark, message.parts)
                if _has_content(parts):
                    out.append(ChatMessage("user", parts))
            case "assistant" if message.author.casefold() in ("", me):
                parts = tuple(part for part in message.parts if not isinstance(part, ReasoningPart))
                if _has_content(parts):
                    out.append(ChatMessage("assistant", parts))
            case "assistant":
                text = message.text.strip()
                if text:
                    said = TextPart(f"{display_name(message.author)} said: {text}")
                    out.append(ChatMessage("user", (said,), name=message.author))
            case "tool" if message.author.casefold() in ("", me):
                out.append(ChatMessage("tool", message.parts))
            case _:
                pass
    return tuple(out)


@dataclass(frozen=True, slots=True)
class Fitted:
    """What is sent. left_out: messages that were dropped; tokens: the size of the rest, as estimated."""

    messages: tuple[ChatMessage, ...]
    left_out: int
    tokens: int


def fit(messages: Sequence[ChatMessage], budget_tokens: int, estimate: Callable[[str], int]) -> Fitted:
    """Leaves out the oldest turns until the request fits.

    A turn is a message of the person and all that follows it up to the next one. The system messages at the start and
    the last turn always stay, also when they alone are larger than the budget. When something was left out, the
    conversation begins with a turn. Walks from the newest message back and stops at the first turn that does not
    fit: time grows with what is sent, not with what is stored.
    """
    start = 0
    while start < len(messages) and messages[start].role == "system":
        start += 1
    tokens = sum(tokens_of(message, estimate) for message in messages[:start])
    kept_from = len(messages)
    turn = 0
    for index in range(len(messages) - 1, start - 1, -1):
        turn += tokens_of(messages[index], estimate)
        if kept_from < len(messages) and tokens + turn > budget_tokens:
            break
        if _opens_turn(messages[index]) or index == start:
            tokens += turn
            turn = 0
            kept_from = index
    return Fitted((*messages[:start], *messages[kept_from:]), kept_from - start, tokens)


def tokens_of(message: ChatMessage, estimate: Callable[[str], int]) -> int:
    """The size of one request message in tokens: its text, tool calls and results, and its wrapping."""
    return MESSAGE_TOKENS + sum(estimate(text) for text in map(_text_sent, message.parts) if text)


def _opens_turn(message: ChatMessage) -> bool:
    return message.role == "user" and message.name is None


def _text_sent(part: Part) -> str:
    match part:
        case TextPart(text) | ToolResultPart(_, text):
            return text
        case ToolCallPart(_, name, arguments):
            return f"{name}{arguments}"
        case _:
            return ""


def _has_content(parts: Iterable[Part]) -> bool:
    """Whether there is anything to send: words, a file, a tool call. Space alone is refused by some servers."""
    parts = tuple(parts)
    return bool(text_of(parts).strip()) or any(isinstance(part, ToolCallPart | BlobPart) for part in parts)


def _said(mark: str, parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """A person's parts without reasoning, the mark before the first text."""
    kept = tuple(part for part in parts if not isinstance(part, ReasoningPart))
    if not mark or not _has_content(kept):
        return kept
    for index, part in enumerate(kept):
        if isinstance(part, TextPart):
            return (*kept[:index], TextPart(mark + part.text), *kept[index + 1 :])
    return (TextPart(mark.strip()), *kept)


def _wish(concept: Concept) -> float:
    return round(concept.level_ideal - concept.level_current, 6)


def _section(heading: str, lines: Iterable[str]) -> str:
    body = [f"- {line}" for line in lines if line]
    return "\n".join([heading, *body]) if body else ""


def _item(concept: Concept, *, wish: bool) -> str:
    """One concept on one line: its name, its description, and in words what its numbers say."""
    text = ": ".join(part for part in (_one_line(concept.name), _one_line(concept.description)) if part)
    it = "them" if concept.type == "person" else "it"
    words = [] if concept.type == "static" else [_feeling(concept.sentiment, it)]
    if wish:
        words.append(_wish_words(_wish(concept), it))
    aside = "; ".join(word for word in words if word)
    return f"{text} ({aside})" if text and aside else text


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _feeling(sentiment: float, it: str) -> str:
    """sentiment, -1..1, in words; the middle says nothing."""
    for least, words in ((0.75, "you love"), (0.4, "you like"), (0.15, "you are fairly warm to")):
        if sentiment >= least:
            return f"{words} {it}"
    for most, words in ((-0.75, "you cannot stand"), (-0.4, "you dislike"), (-0.15, "you are wary of")):
        if sentiment <= most:
            return f"{words} {it}"
    return ""


def _wish_words(wish: float, it: str) -> str:
    """level_ideal - level_current, -1..1, in words; near 0 says nothing."""
    for least, words in ((0.5, f"you would love to talk about {it}"), (0.2, f"you would gladly talk more about {it}")):
        if wish >= least:
            return words
    for most, words in ((-0.5, f"you have had enough of {it} for now"), (-0.2, f"do not bring {it} up yourself")):
        if wish <= most:
            return words
    return ""


def _talk(name: str, now: datetime | None, others: Sequence[Persona], guest_of: str, note: str) -> Iterable[str]:
    if guest_of:
        yield (
            f"This is a conversation between one person and {guest_of}. You are a guest: the person turned to you "
            f"with a question. Answer that, then leave the floor to them."
        )
    else:
        yield "You talk with one person in a terminal. Write the way one talks: short paragraphs, no headings."
    for other in others:
        about = _one_line(other.short_description)
        yield f"{display_name(other.name)} also speaks here{f': {about}' if about else ''}"
    if others or guest_of:
        yield (
            'What another persona said begins with that name ("Lena said: …"), and what the person said to '
            'somebody else begins with "(to …)". Use neither form yourself.'
        )
    yield f"Speak as {name}, in the first person, and only for yourself. Do not begin with your name."
    yield "Answer in the language that the person writes. Do not recite these notes."
    if now is not None:
        day = f"{WEEKDAYS[now.weekday()]}, {now.day} {MONTHS[now.month - 1]} {now.year}"
        yield f"Today is {day}; it is {_part_of_day(now.hour)} where the person is."
    yield _one_line(note)


def _part_of_day(hour: int) -> str:
    if hour < 5 or hour >= 22:
        return "night"
    return "morning" if hour < 12 else "afternoon" if hour < 18 else "evening"
