"""A request's messages made legal for every wire: one system text, then turns that alternate and end with the user's.

Strict chat templates refuse two turns of one role in a row (which a cancelled reply leaves), a conversation that
begins with the assistant, an empty turn; Anthropic's newer models refuse one that ends with the assistant.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ei.messages import ChatMessage, OpaquePart

BEGIN = "(The conversation begins here.)"
GO_ON = "(Go on from exactly where you stopped.)"
BETWEEN = "\n\n"


@dataclass(frozen=True, slots=True)
class Turn:
    """opaque: what its provider gave along with an assistant's turn."""

    role: Literal["user", "assistant"]
    text: str
    opaque: tuple[OpaquePart, ...] = ()


def arrange(messages: Iterable[ChatMessage]) -> tuple[str, tuple[Turn, ...]]:
    """(system text, turns). Names are not part of it: where guests speak, their text says who they are."""
    system: list[str] = []
    turns: list[Turn] = []
    for message in messages:
        text = message.text
        if not text.strip():
            continue
        if message.role == "system":
            system.append(text)
            continue
        role: Literal["user", "assistant"] = "assistant" if message.role == "assistant" else "user"
        opaque = tuple(part for part in message.parts if isinstance(part, OpaquePart))
        if turns and turns[-1].role == role:
            before = turns.pop()
            turns.append(Turn(role, before.text + BETWEEN + text, before.opaque + opaque))
        else:
            turns.append(Turn(role, text, opaque))
    if not turns or turns[0].role == "assistant":
        turns.insert(0, Turn("user", BEGIN))
    if turns[-1].role == "assistant":
        turns.append(Turn("user", GO_ON))
    return BETWEEN.join(system), tuple(turns)
