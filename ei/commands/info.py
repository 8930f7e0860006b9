"""/info: how a reply came to be: who answered and why, what it took, and what it cost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ei.commands.base import Command, Document, Invocation, Item, Line, Reply, Table
from ei.commands.export import info_data, message_data
from ei.commands.finding import on
from ei.commands.parse import options
from ei.commands.words import NANO, ago, clip, money, plural, tokens
from ei.errors import EiError, NotFoundError, UsageError
from ei.messages import ReplyInfo
from ei.models.choosing import is_sent_on
from ei.storage.ids import short
from ei.usage.values import rate

if TYPE_CHECKING:
    from ei.conversations.store import ConversationStore
    from ei.conversations.values import Message
    from ei.engine.session import Session
    from ei.usage.values import Call

STEPS = {
    "request": "for this reply alone",
    "conversation": "for this conversation",
    "persona": "the persona's own",
    "interaction": "for this kind of call",
    "environment": "by EI_LLM_MODEL",
    "default": "the default in settings",
    "global default": "the default where nothing is set",
    "found here": "nothing was set; this was found to answer",
    "built in": "nothing was set and nothing else answered",
}
"""The word by which a step of the resolution is kept with a reply, in words."""


@dataclass(frozen=True, slots=True)
class Came:
    """How one reply came to be, and whether what answered runs on this machine."""

    info: ReplyInfo
    here: bool = False


async def run_info(call: Invocation) -> Reply:
    session = call.session
    given = options(call.words, ("--all", "--reasoning"), (), f"See {call.typed('help info')}.")
    if len(given.rest) > 1 or (given.has("--all") and (given.rest or given.has("--reasoning"))):
        raise UsageError("One reply at a time.", f"Write: {call.typed('info N')} or {call.typed('info ID')}")
    if given.has("--all"):
        return await _all(call)
    message, store = await _named(call, given.rest[0] if given.rest else "1")
    came = await came_of(session, message)
    data = _data(message, came)
    if given.has("--reasoning"):
        if not message.reasoning:
            return Reply.line("Of this reply no reasoning was kept.", "dim", {**data, "reasoning": None})
        return Reply((Document(message.reasoning.strip(), "text"),), {**data, "reasoning": message.reasoning})
    persona = message.author or "you"
    title = f"{persona}: {clip(' '.join(message.text.split()) or '(no text)', 50)}"
    rows = _rows(session, message, came) if message.role == "assistant" else _rows_of_person(session, message)
    items: list[Item] = [Table(("", ""), tuple(rows), title=title)]
    if message.reasoning and not call.shell and store is session.store:
        typed = " ".join(given.rest)
        items.append(Line(f"/info --reasoning {typed}".rstrip() + " shows what it thought.", "dim"))
    return Reply(tuple(items), data)


async def came_of(session: Session, message: Message) -> Came | None:
    """How a reply came to be, by what it keeps itself, else by its calls; None where nobody knows."""
    if message.role != "assistant":
        return None
    here = _here(session, message.model)
    if message.info is not None:
        return Came(message.info, here)
    calls = await session.on_main(session.services.calls.calls, message=message.id)
    return Came(info_of_calls(calls), here) if calls else None


def info_of_calls(calls: Sequence[Call]) -> ReplyInfo:
    """What the calls of a reply tell of how it came to be; calls: newest first, at least one.

    The tokens and times are those of the last one, the cost is that of all, None where that of one is unknown.
    """
    last, costs = calls[0], [call.cost for call in calls]
    known = [cost for cost in costs if cost is not None]
    failed = [call for call in reversed(calls) if call.outcome == "failed" and _name(call) != _name(last)]
    return ReplyInfo(
        profile=last.profile or "",
        instead_of=tuple(dict.fromkeys(f"{_name(call)}: {_why(call)}" for call in failed)),
        iterations=max(call.iteration or 1 for call in calls),
        input_tokens=last.input_tokens,
        cached_tokens=last.cached_tokens,
        cache_write_tokens=last.cache_write_tokens,
        output_tokens=last.output_tokens,
        reasoning_tokens=last.reasoning_tokens,
        estimated=bool(last.estimated),
        cost=sum(known) if len(known) == len(costs) else None,
        first_token_ms=last.first_token_ms,
        total_ms=last.total_ms,
        compared=last.group or "",
    )


def facts(came: Came | None) -> list[str]:
    """What a reply took, for one line: seconds, tokens, cost; what nobody knows is left out."""
    if came is None:
        return []
    info, out = came.info, []
    if info.total_ms is not None:
        out.append(f"{info.total_ms / 1000:.1f} s")
    if info.input_tokens is not None or info.output_tokens is not None:
        mark = "~" if info.estimated else ""
        out.append(f"↑{mark}{tokens(info.input_tokens)} ↓{mark}{tokens(info.output_tokens)}")
        out.append(money(info.cost) if info.cost or not came.here else "free")
    return out


def complete_info(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    """The options."""
    return [("--all", "every reply here"), ("--reasoning", "what it thought")] if len(words) <= 1 else []


INFO = Command(
    "info",
    "See how a reply came to be: model, why, tokens, cost, time",
    (
        "info  of the last reply",
        "info N  of the N-th last one",
        "info ID  of that message, or of the last reply of that conversation",
        "info --all  all replies of this conversation, with their N",
        "info --reasoning [N]  what the model thought before it spoke",
    ),
    run_info,
    "conversation",
    examples=("info", "info 2"),
    complete=complete_info,
    shell=True,
)


async def _named(call: Invocation, word: str) -> tuple[Message, ConversationStore]:
    """The message that is meant, and where it is kept."""
    session = call.session
    if word.isascii() and word.isdigit():
        replies = await _replies(call) if session.conversation is not None or len(word) < 4 else []
        if 1 <= int(word) <= len(replies):
            return replies[int(word) - 1], session.store
        if not replies and len(word) < 4:
            raise UsageError("There is no reply here yet.", "/retry asks for one.")
        if len(word) < 4:
            raise UsageError(
                f"There is no reply {word}.", f"There {_are(len(replies))} here; {call.typed('info --all')} lists them."
            )
    stores = (session.store,) if session.store is session.services.conversations else (session.store, None)
    for store in stores:
        found = store or session.services.conversations
        try:
            return await on(found, found.find_message, word), found
        except NotFoundError:
            pass
        try:
            conversation = await on(found, found.find, word)
        except NotFoundError:
            continue
        path = await on(found, found.path, conversation.id)
        reply = next((message for message in reversed(path) if message.role == "assistant"), None)
        if reply is None:
            raise UsageError("That conversation has no reply yet.", f"See {call.typed(f'history {word}')}")
        return reply, found
    raise NotFoundError(
        f"No message and no conversation has an id that ends with {word}.", f"{call.typed('info --all')} lists replies."
    )


async def _replies(call: Invocation) -> list[Message]:
    """The replies on the current path, newest first; in a shell, where no conversation is in front, of the newest."""
    session = call.session
    conversation = session.conversation
    if conversation is None and call.shell:
        conversation = next(iter(await session.db(session.store.list, session.persona.name, limit=1)), None)
    conversation = conversation or await session.here()
    path = await session.db(session.store.path, conversation.id)
    return [message for message in reversed(path) if message.role == "assistant"]


async def _all(call: Invocation) -> Reply:
    session = call.session
    replies = await _replies(call)
    rows, data = [], []
    for number, message in enumerate(replies, 1):
        came = await came_of(session, message)
        info = came.info if came else ReplyInfo()
        cost = "free" if came and came.here and not info.cost else money(info.cost)
        seconds = "?" if info.total_ms is None else f"{info.total_ms / 1000:.1f} s"
        used = f"↑{tokens(info.input_tokens)} ↓{tokens(info.output_tokens)}"
        text = clip(" ".join(message.text.split()))
        rows.append((str(number), short(message.id), message.model, seconds, used, cost, text))
        data.append(_data(message, came))
    if not rows:
        return Reply.line("There is no reply here yet.", "dim", [])
    columns = ("", "id", "model", "time", "tokens", "cost", "text")
    return Reply((Table(columns, tuple(rows), spare=("id", "tokens", "time")),), data)


def _rows(session: Session, message: Message, came: Came | None) -> list[tuple[str, str]]:
    info = came.info if came else ReplyInfo()
    asked = STEPS.get(message.resolved_by, message.resolved_by)
    rows = [("model", message.model)]
    rows += [("provider type", info.provider_type)] if info.provider_type else []
    rows += _several("instead of", info.instead_of)
    if message.reference:
        rows.append(("asked for", message.reference + (f" ({asked})" if asked else "")))
    rows += [("profile", info.profile)] if info.profile else []
    rows += _several("how", info.resolution)
    rows += [("drawn", f"by chance, one of {info.drawn}")] if info.drawn else []
    rows += [("compared", "one of several that were compared")] if info.compared else []
    if info.tool_calls or info.iterations > 1:
        rows.append(("tools", f"{plural(info.tool_calls, 'call')} in {plural(info.iterations, 'iteration')}"))
    rows += _several("tokens", _tokens(info) if came else ("?",))
    rows.append(("cost", _cost(came)))
    rows += _several("time", _times(info) or ("?",))
    if message.reasoning:
        rows.append(("reasoning", plural(len(message.reasoning.split()), "word")))
    return rows + _rows_of_any(session, message)


def _rows_of_person(session: Session, message: Message) -> list[tuple[str, str]]:
    return [("to", f"@{message.to}")] * bool(message.to) + _rows_of_any(session, message)


def _rows_of_any(session: Session, message: Message) -> list[tuple[str, str]]:
    rows = [("variant", f"{message.variant} of {message.variants}")] if message.variants > 1 else []
    rows.append(("state", message.state.value + (f": {message.error}" if message.error else "")))
    rows += [("private", "stays on this machine")] * message.private
    age = session.services.now() - message.created_ms / 1000
    rows.append(
        ("when", f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(message.created_ms / 1000))}, {_ago(age)}")
    )
    return [*rows, ("message", message.id), ("conversation", message.conversation)]


def _tokens(info: ReplyInfo) -> tuple[str, ...]:
    """Tokens in, then out, each with its parts; `~` marks what was estimated here."""

    def line(name: str, count: int | None, *parts: tuple[str, int | None]) -> str:
        inner = ", ".join(f"{part} {value:,}" for part, value in parts if value is not None)
        shown = "?" if count is None else f"{'~' if info.estimated else ''}{count:,}"
        return f"{name} {shown}{f' ({inner})' if inner else ''}"

    out = (
        line("in", info.input_tokens, ("cached", info.cached_tokens), ("cache write", info.cache_write_tokens)),
        line("out", info.output_tokens, ("reasoning", info.reasoning_tokens)),
    )
    counted = info.input_tokens is not None or info.output_tokens is not None
    return (*out, "estimated here: the provider told none") if info.estimated and counted else out


def _cost(came: Came | None) -> str:
    if came is not None and came.here and not came.info.cost:
        return "free, ran here"
    if came is None or came.info.cost is None:
        return "?"
    return f"{'~' if came.info.estimated and came.info.cost else ''}${exact(came.info.cost)}"


def exact(nano_dollars: int) -> str:
    """Nano-dollars as dollars with all their digits, cents at least."""
    whole, rest = divmod(nano_dollars, NANO)
    digits = f"{rest:09}".rstrip("0")
    return f"{whole:,}.{digits:0<2}" if nano_dollars else "0"


def _times(info: ReplyInfo) -> tuple[str, ...]:
    out = []
    if info.first_token_ms is not None:
        out.append(f"first token {info.first_token_ms / 1000:.2f} s")
    if info.total_ms is not None:
        out.append(f"total {info.total_ms / 1000:.2f} s")
    speed = rate(info.output_tokens, info.first_token_ms, info.total_ms)
    if speed is not None:
        out.append(f"{'~' if info.estimated else ''}{speed:.0f} tokens/s")
    return (" · ".join(out),) if out else ()


def _data(message: Message, came: Came | None) -> dict[str, object]:
    data = message_data(message)
    del data["content"], data["reasoning"]
    info = came.info if came else ReplyInfo()
    how = {} if message.role != "assistant" else info_data(info)
    speed = rate(info.output_tokens, info.first_token_ms, info.total_ms)
    return {
        "conversation_id": message.conversation,
        **data,
        "resolved_by": message.resolved_by or None,
        "variant": message.variant,
        "variants": message.variants,
        **how,
        "tokens_per_second": None if speed is None else round(speed, 1),
        "ran_here": bool(came and came.here),
        "reasoning_words": len(message.reasoning.split()),
    }


def _several(name: str, lines: Sequence[str]) -> list[tuple[str, str]]:
    """Rows of which the first alone is named."""
    return [(name if index == 0 else "", line) for index, line in enumerate(lines)]


def _here(session: Session, model: str) -> bool:
    provider, _, name = model.partition(":")
    try:
        return session.services.chooser.stays_here(provider) and not is_sent_on(name)
    except EiError:
        return False


def _name(call: Call) -> str:
    return f"{call.provider}:{call.model}"


def _why(call: Call) -> str:
    return f"it answered {call.status}" if call.status else call.error or "it failed"


def _ago(seconds: float) -> str:
    age = ago(seconds)
    return age if age == "now" else f"{age} ago"


def _are(count: int) -> str:
    return f"{'is' if count == 1 else 'are'} {plural(count, 'reply', 'replies')}"
