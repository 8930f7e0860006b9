"""A conversation as Markdown and as JSON-ready data. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from ei.conversations.values import Conversation, Message


def as_markdown(conversation: Conversation, messages: Sequence[Message]) -> str:
    """The path as Markdown: a heading, then each message under its speaker's name."""
    lines = [f"# {conversation.name}", "", f"With {conversation.persona}, {_time(conversation.created_ms)}", ""]
    for message in messages:
        who = message.author or ("you" if not message.to else f"you to {message.to}")
        model = f" · {message.model}" if message.model else ""
        lines += [f"## {who}{model}", "", message.text.rstrip("\n"), ""]
        if message.error:
            lines += [f"*{message.state.value}: {message.error}*", ""]
        elif message.state.value == "cancelled":
            lines += ["*stopped*", ""]
    return "\n".join(lines)


def as_data(conversation: Conversation, messages: Sequence[Message] | None = None) -> dict[str, object]:
    """The same as one object; `messages` only where they are given."""
    out: dict[str, object] = {
        "conversation_id": conversation.id,
        "persona": conversation.persona,
        "title": conversation.title or None,
        "first_line": conversation.first_line,
        "created_ms": conversation.created_ms,
        "updated_ms": conversation.updated_ms,
        "message_count": conversation.messages,
        "model": conversation.last_model or None,
    }
    if messages is not None:
        out["messages"] = [message_data(message) for message in messages]
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
    }


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
