"""/compare: several models answer the same message side by side, and one of them is gone on with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ei.commands.base import Column, Command, Document, Invocation, Item, Line, Reply
from ei.commands.models import known_references
from ei.commands.parse import reference_of
from ei.commands.words import money, plural, tokens
from ei.errors import CancelledError, EiError, ProviderError, UsageError

if TYPE_CHECKING:
    from ei.engine.comparing import Comparison, Kept
    from ei.engine.contender import Contender
    from ei.engine.session import Session

BLIND = "--blind"
USAGE = "For example: /compare tier:fast tier:smart, or with a text: /compare SPEC SPEC -- TEXT"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be compared. written: the references; text: a new message, "" for the last one again."""

    written: tuple[object, ...]
    text: str = ""
    blind: bool = False


async def run_compare(call: Invocation) -> Reply:
    from ei.engine.comparing import compare

    wish = wish_of(call.text, call.words if call.shell else ())
    comparison = await compare(call.session, wish.written, wish.text, blind=wish.blind)
    picked: int | None = None
    try:
        if call.ui.interactive:
            picked = await call.ui.compare(comparison)
        else:
            with call.ui.progress(f"Asking {plural(len(comparison.contenders), 'model')}"):
                await comparison.ended()
    except CancelledError:
        pass  # left without a pick
    except BaseException:
        await comparison.keep(None)  # what came stays
        raise
    letters = [contender.name for contender in comparison.contenders]
    kept = await comparison.keep(picked)
    lines = _told(comparison, kept, letters)
    if call.ui.interactive:
        return Reply(tuple(lines), _data(comparison, kept))
    if not any(contender.pickable for contender in comparison.contenders):
        call.ui.show(Reply(answers(comparison.contenders)))
        raise ProviderError("None of these models gave a reply.", "/models test MODEL tells what works.")
    return Reply(answers(comparison.contenders), _data(comparison, kept))


def wish_of(text: str, words: Sequence[str] = ()) -> Wish:
    """What stands after the command's name. words: the same as a shell split it, where it did. Raises UsageError."""
    for word in words[: words.index("--")] if "--" in words else words:
        if any(char.isspace() for char in word.strip()) and not word.lstrip().startswith("{"):
            raise UsageError(f'"{word}" is no model.', "A text goes after two dashes: ei compare SPEC SPEC -- TEXT")
    written: list[object] = []
    blind, rest = False, text.strip()
    while rest:
        word, rest = _next(rest)
        if word == "--":
            if not rest:
                raise UsageError("There is no text after the two dashes.", USAGE)
            return Wish(tuple(written), rest, blind)
        if word == BLIND:
            blind = True
        elif word.startswith("-"):
            raise UsageError(f"There is no option {word}.", f"There is {BLIND}. {USAGE}")
        else:
            written.append(reference_of(word))
    return Wish(tuple(written), "", blind)


def answers(columns: Sequence[Column], *, numbered: bool = False) -> tuple[Item, ...]:
    """All replies one after the other, each under a heading, with what it took."""
    out: list[Item] = []
    for number, column in enumerate(columns, 1):
        text = "".join(column.pieces).strip()
        out += [Line("")] if out else []
        out.append(Line(f"── {f'{number}  ' if numbered else ''}{column.name} ──", "title"))
        out += [Document(text)] if text else []
        out += [Line(column.note, "error" if column.state == "failed" else "warn")] if column.note else []
        out.append(Line(" · ".join(facts(column)), "dim"))
    return tuple(out)


def facts(column: Column) -> tuple[str, ...]:
    """Seconds, tokens, cost and what became of it; what is estimated is marked with ~."""
    mark = "~" if column.estimated else ""
    given, taken, cost = column.input_tokens, column.output_tokens, column.cost
    used = "" if given is None and taken is None else f"↑{mark}{tokens(given)} ↓{mark}{tokens(taken)}"
    price = "$?" if cost is None and used else f"{mark}{money(cost)}" if cost else ""
    state = "stopped" if column.state == "stopped" else "cut off" if column.state == "failed" and column.pieces else ""
    return tuple(fact for fact in (f"{column.seconds:.1f} s", used, price, state) if fact)


def complete_compare(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    """References that are not there yet, and the options before a text."""
    if "--" in words[:-1]:
        return []
    references = [(name, meaning) for name, meaning in known_references(session) if name not in words[:-1]]
    options = [(BLIND, "names hidden until one is picked")] if BLIND not in words[:-1] else []
    return [*references, *options, *([("--", "a text of your own")] if len(words) > 2 else [])]


COMPARE = Command(
    "compare",
    "Have several models answer side by side, and go on with one of them",
    (
        "compare SPEC SPEC [SPEC…]  your last message again; two to eight models",
        "compare SPEC SPEC -- TEXT  a new message",
        "compare --blind SPEC SPEC  their names hidden until one is picked",
    ),
    run_compare,
    "conversation",
    examples=(
        "compare tier:fast tier:smart",
        "compare --blind ollama:qwen3:8b anthropic:claude-haiku-4-5 -- a haiku about rain",
    ),
    complete=complete_compare,
    shell=True,
)


def _next(text: str) -> tuple[str, str]:
    """The first word, an object in braces being one, and what follows it."""
    if not text.startswith("{"):
        word = text.split(None, 1)[0]
        return word, text[len(word) :].strip()
    depth, quote, skip = 0, "", False
    for at, char in enumerate(text):
        if skip:
            skip = False
        elif quote:
            skip = char == "\\"
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "{[":
            depth += 1
        elif char in "}]":
            depth -= 1
            if not depth:
                return text[: at + 1], text[at + 1 :].strip()
    raise UsageError("That object has no end.", 'Write it like {"tier": "smart", "provider": "any"}.')


def _told(comparison: Comparison, kept: Kept, letters: Sequence[str]) -> list[Line]:
    """What is printed when the view closes, but for the reply itself."""
    out: list[Line] = []
    contenders = comparison.contenders
    if comparison.blind:
        for letter, contender in zip(letters, contenders, strict=True):
            out.append(Line(" · ".join((f"{letter} was {contender.model}", *facts(contender))), "dim"))
    for contender in contenders:
        if contender is not kept.current and (error := _error(contender)) is not None:
            out.append(Line(f"{contender.model}: {error}", "warn"))
    current = kept.current
    if kept.elsewhere:
        out.append(Line("This conversation went on in another terminal. These replies stay: /variants shows them."))
    elif current is None:
        out.append(Line("None was picked: the reply that was there stays. /variants shows the others."))
    elif kept.picked:
        others = ", ".join(contender.model for contender in contenders if contender is not current)
        out.append(Line(f"kept {current.model} over {others}; /variants shows them", "good"))
    elif current.pickable:
        which = "the first complete one" if current.state == "complete" else "the first that has a text"
        out.append(Line(f"None was picked: that of {current.model}, {which}, is in use. /variants shows the others."))
    elif not any(contender.pickable for contender in contenders):
        out.append(Line("None of them gave a reply. /retry --with SPEC asks another model.", "warn"))
    return out


def _error(contender: Contender) -> EiError | None:
    return contender.error or (contender.ended.error if contender.ended is not None else None)


def _data(comparison: Comparison, kept: Kept) -> dict[str, object]:
    message = kept.current.message if kept.current is not None and kept.picked else None
    return {
        "conversation_id": comparison.conversation,
        "group": comparison.group,
        "blind": comparison.blind,
        "kept": message.id if message is not None else None,
        "replies": [_reply_data(comparison, contender) for contender in comparison.contenders],
    }


def _reply_data(comparison: Comparison, contender: Contender) -> dict[str, object]:
    """One reply by the names of `ei ask --json`."""
    ended, error = contender.ended, _error(contender)
    usage = ended.outcome.usage if ended is not None else None
    cost = ended.outcome.cost if ended is not None else None
    return {
        "content": ended.message.text if ended is not None else "",
        "reasoning": (ended.message.reasoning or None) if ended is not None else None,
        "persona": comparison.speaker,
        "model": str(contender.resolution.model),
        "reference": contender.resolution.reference,
        "status": ended.message.state.value if ended is not None else "failed",
        "error": {"message": error.sentence, "hint": error.hint} if error is not None else None,
        "usage": {
            "input_tokens": usage.input_tokens if usage else None,
            "cached_tokens": usage.cached_tokens if usage else None,
            "output_tokens": usage.output_tokens if usage else None,
            "reasoning_tokens": usage.reasoning_tokens if usage else None,
            "estimated": usage.estimated if usage else False,
        },
        "cost_usd": None if cost is None else cost / 1_000_000_000,
        "first_token_ms": ended.outcome.first_token_ms if ended is not None else None,
        "total_ms": ended.outcome.total_ms if ended is not None else None,
        "message_id": contender.message.id if contender.message is not None else None,
    }
