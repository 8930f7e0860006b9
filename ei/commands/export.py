"""A conversation as Markdown and as JSON-ready data. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from ei.conversations.values import Conversation, Message
from ei.messages import ReplyInfo
from ei.usage.values import Call

COUNTS = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")


def as_markdown(conversation: Conversation, messages: Sequence[Message]) -> str:
    """The path as Markdown: a heading, then each message under its speaker's name."""
    lines = [f"# {conversation.name}", "", f"With {conversation.persona}, {_time(conversation.created_ms)}", ""]
    if conversation.private or conversation.private_messages:
        lines += ["Private: what is said here stays on this machine.", ""]
    for message in messages:
        who = message.author or ("you" if not message.to else f"you to {message.to}")
        model = f" · {message.model}" if message.model else ""
        lines += [f"## {who}{model}", "", message.text.rstrip("\n"), ""]
        if message.error:
            lines += [f"*{message.state.value}: {message.error}*", ""]
        elif message.state.value == "cancelled":
            lines += ["*stopped*", ""]
    return "\n".join(lines)


def as_data(
    conversation: Conversation, messages: Sequence[Message] | None = None, calls: Mapping[str, Call] | None = None
) -> dict[str, object]:
    """The same as one object; `messages` only where they are given.

    calls: the call that each reply came from, by the message's id.
    """
    out: dict[str, object] = {
        "conversation_id": conversation.id,
        "persona": conversation.persona,
        "title": conversation.title or None,
        "first_line": conversation.first_line,
        "created_ms": conversation.created_ms,
        "updated_ms": conversation.updated_ms,
        "message_count": conversation.messages,
        "model": conversation.last_model or None,
        "private": conversation.private or conversation.private_messages > 0,
    }
    if messages is not None:
        out["messages"] = [
            {
                **message_data(message),
                **(came_to_be(message, (calls or {}).get(message.id)) if message.role == "assistant" else {}),
            }
            for message in messages
        ]
    return out


def message_data(message: Message) -> dict[str, object]:
    """One message with the names that `ei ask --json` uses."""
    return {
        "message_id": message.id,
        "role": message.role,
        "persona": message.author or None,
        "to": message.to or None,
        "content": message.text,
        "reasoning": message.reasoning or None,
        "model": message.model or None,
        "reference": message.reference or None,
        "status": message.state.value,
        "error": {"message": message.error, "hint": ""} if message.error else None,
        "created_ms": message.created_ms,
        "private": message.private,
    }


def came_to_be(message: Message, call: Call | None) -> dict[str, object]:
    """What a reply took and cost, and `info`: how it came to be, null where that was not kept.

    What the reply itself keeps counts before the call, which is only the last of its attempts.
    """
    if message.info is None:
        return {**call_data(call), "info": None}
    data = info_data(message.info)
    took = {name: data[name] for name in ("cost_usd", "first_token_ms", "total_ms")}
    usage = {**{name: getattr(message.info, name) for name in COUNTS}, "estimated": message.info.estimated}
    return {"usage": usage, **took, "info": data}


def info_data(info: ReplyInfo) -> dict[str, object]:
    """How a reply came to be, with the names that `ei ask --json` uses; null is unknown."""
    counts = (*COUNTS, "cache_write_tokens")
    return {
        "profile": info.profile or None,
        "provider_type": info.provider_type or None,
        "resolution": list(info.resolution),
        "instead_of": list(info.instead_of),
        "drawn": info.drawn or None,
        "tool_calls": info.tool_calls,
        "iterations": info.iterations,
        "usage": {**{name: getattr(info, name) for name in counts}, "estimated": info.estimated},
        "cost_usd": None if info.cost is None else info.cost / 1_000_000_000,
        "first_token_ms": info.first_token_ms,
        "total_ms": info.total_ms,
        "compared": info.compared or None,
    }


def call_data(call: Call | None) -> dict[str, object]:
    """What a reply took and cost, with the names that `ei ask --json` uses; null is unknown."""
    return {
        "usage": {**{name: getattr(call, name, None) for name in COUNTS}, "estimated": bool(call and call.estimated)},
        "cost_usd": None if call is None or call.cost is None else call.cost / 1_000_000_000,
        "first_token_ms": call and call.first_token_ms,
        "total_ms": call and call.total_ms,
    }


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
