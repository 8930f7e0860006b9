"""A conversation and its messages as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ei.messages import Part, ReplyInfo, Role, reasoning_of, text_of


class State(StrEnum):
    """Where a message is in its life. The last three are end states."""

    QUEUED = "queued"
    WAITING = "waiting"
    STREAMING = "streaming"
    COMPLETE = "complete"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        return self in (State.COMPLETE, State.CANCELLED, State.FAILED)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation's tree.

    key: integer that grows with time in this database; id: UUIDv7 text.
    parent: id of the message before it, None for the first.
    depth: how many messages the path from the first to this one has, 1 for the first.
    author: the persona who wrote it, "" for the person.
    to: the guest whom a person's message asks, "" for the conversation's own persona.
    model: `provider:model` that wrote it; reference: what was asked for; resolved_by: the step that won.
    error: the sentence shown when it failed, or "".
    created_ms: milliseconds since 1970.
    """

    key: int
    id: str
    conversation: str
    parent: str | None
    depth: int
    role: Role
    author: str
    state: State
    parts: tuple[Part, ...]
    created_ms: int
    to: str = ""
    model: str = ""
    reference: str = ""
    resolved_by: str = ""
    error: str = ""
    variants: int = 1
    """How many variants there are beside and including this one (siblings of the same role)."""
    variant: int = 1
    """Which of them this is, from 1."""
    info: ReplyInfo | None = None
    """How a reply came to be, None where that was not kept."""
    private: bool = False
    """Whether a private persona said it or was told it, and the person did not let it leave since."""

    @property
    def text(self) -> str:
        return text_of(self.parts)

    @property
    def reasoning(self) -> str:
        return reasoning_of(self.parts)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A tree of messages with one persona.

    head: id of the newest message of the current path, None when empty.
    title: what `/title` gave, or "". first_line: of the first message, for lists.
    model_here: the reference set for this conversation only, as JSON-ready value, or None. parameters: those set for
    it (temperature, …), by our names.
    last_model: `provider:model` that answered last, or "".
    messages: length of the current path. unread: replies that came after the read cursor.
    can_redo: whether something was taken back.
    private: whether the person marked it as what stays on this machine; private_messages: how many messages of its
    whole tree are.
    """

    id: str
    persona: str
    title: str
    first_line: str
    head: str | None
    created_ms: int
    updated_ms: int
    messages: int
    unread: int
    model_here: object | None = None
    last_model: str = ""
    can_redo: bool = False
    forked_from: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict)
    private: bool = False
    private_messages: int = 0

    @property
    def name(self) -> str:
        """What a list calls it: its title, else its first line."""
        return self.title or self.first_line or "(empty)"


@dataclass(frozen=True, slots=True)
class Kept:
    """What keeps a conversation on this machine.

    marked: the person did. messages: how many of its tree are private. people: those asked about who spoke or were
    spoken to in it.
    """

    marked: bool = False
    messages: int = 0
    people: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """A message found by a search: before, match, after are pieces of its text around the first hit."""

    message: Message
    persona: str
    title: str
    before: str
    match: str
    after: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a deletion takes, or took.

    calls: rows about money that stay, without saying what they were for.
    guest_replies: of a persona, written in conversations with others.
    first_ms, last_ms: milliseconds since 1970 of the oldest and newest message, None without messages.
    clean: nothing is left in the free space of the file or in its log either; False until that is done.
    """

    conversations: int = 0
    messages: int = 0
    calls: int = 0
    guest_replies: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    clean: bool = False


@dataclass(frozen=True, slots=True)
class PersonaStats:
    """How much was talked with a persona: conversations that are not empty, and milliseconds since 1970 or None."""

    conversations: int = 0
    last_talk_ms: int | None = None
