"""What tests of the store share: a clock, and short ways to say something."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ei.conversations.store import ConversationStore
from ei.conversations.values import Message, State
from ei.messages import Role, TextPart


class Clock:
    """Seconds since 1970; a second passes each time somebody looks."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        self.now += 1
        return self.now


def say(store: ConversationStore, conversation: str, text: str, role: Role = "user", author: str = "") -> Message:
    """Appends after whatever the head is."""
    head = store.get(conversation).head
    return store.append(conversation, head, role, author, [TextPart(text)])


def talk(store: ConversationStore, conversation: str, *pairs: tuple[str, str]) -> list[Message]:
    """Questions and their answers; gives all messages."""
    persona = store.get(conversation).persona
    said = []
    for question, answer in pairs:
        said += [say(store, conversation, question), say(store, conversation, answer, "assistant", persona)]
    return said


def stream(store: ConversationStore, conversation: str, lease_ms: int = 10_000, owner: str = "here") -> Message:
    """Begins a reply."""
    head = store.get(conversation).head
    return store.append(
        conversation, head, "assistant", "ei", [], State.STREAMING, lease_owner=owner, lease_ms=lease_ms
    )


def texts(messages: Iterable[Message]) -> list[str]:
    return [message.text for message in messages]


def files_with(folder: Path, word: str) -> list[str]:
    """Names of the files in which the bytes of a word are, in any case and in UTF-8 or UTF-16."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes().lower()
            if any(word.lower().encode(encoding) in content for encoding in ("utf-8", "utf-16-le")):
                found.append(path.name)
    return found
