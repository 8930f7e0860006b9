"""What the engine tells whoever draws: frozen values, published in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ei.conversations.values import Message
from ei.errors import EiError
from ei.messages import Usage

if TYPE_CHECKING:
    from ei.engine.pulled import Pull


@dataclass(frozen=True, slots=True)
class TurnInfo:
    """A reply that is on its way. id: of its message. persona: whose conversation; speaker: who answers.

    model: who is asked now; instead_of: the model that was asked first, "" where that is the one.
    """

    id: str
    conversation: str
    persona: str
    speaker: str
    model: str
    reference: str
    resolved_by: str
    instead_of: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a reply went: times in milliseconds, cost in nano-dollars, None where unknown. here: on this machine."""

    usage: Usage
    cost: int | None
    first_token_ms: int | None
    total_ms: int
    here: bool = False


@dataclass(frozen=True, slots=True)
class MessageSent:
    """A person's message joined the conversation."""

    message: Message


@dataclass(frozen=True, slots=True)
class TurnStarted:
    turn: TurnInfo


@dataclass(frozen=True, slots=True)
class TurnText:
    turn: TurnInfo
    text: str


@dataclass(frozen=True, slots=True)
class TurnReasoning:
    turn: TurnInfo
    text: str


@dataclass(frozen=True, slots=True)
class TurnTextWasReasoning:
    turn: TurnInfo


@dataclass(frozen=True, slots=True)
class TurnNotice:
    """One line about a reply. quiet: it says nothing that the person must know."""

    turn: TurnInfo
    text: str
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class TurnRetrying:
    """The next attempt starts in `seconds` from now."""

    turn: TurnInfo
    sentence: str
    seconds: float


@dataclass(frozen=True, slots=True)
class TurnSwitched:
    """Another model is asked from now on: `turn.model` names it. why: one sentence about the one before."""

    turn: TurnInfo
    why: str


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """message is how it was stored; error why it failed, None when it did not."""

    turn: TurnInfo
    message: Message
    outcome: Outcome
    error: EiError | None = None


@dataclass(frozen=True, slots=True)
class QueueChanged:
    """What waits in a conversation until its reply has ended, oldest first."""

    conversation: str
    waiting: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class GivenBack:
    """Text that was queued and is the person's to send again."""

    text: str


@dataclass(frozen=True, slots=True)
class Opened:
    """Another persona or conversation is in front now; recap: its newest messages, oldest first."""

    persona: str
    conversation: str | None
    recap: tuple[Message, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another terminal went on with this conversation; these are its messages, oldest first."""

    conversation: str
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A reply could not be begun; the person's message is kept."""

    conversation: str
    speaker: str
    error: EiError


@dataclass(frozen=True, slots=True)
class Told:
    """One line for the person, outside any reply."""

    text: str
    style: str = "dim"


@dataclass(frozen=True, slots=True)
class Pulling:
    """A model that is being installed has come further, or it has ended."""

    pull: Pull


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    """settings.jsonc was changed by a command."""


@dataclass(frozen=True, slots=True)
class Leave:
    """The person asked to leave."""


Event = (
    MessageSent
    | TurnStarted
    | TurnText
    | TurnReasoning
    | TurnTextWasReasoning
    | TurnNotice
    | TurnRetrying
    | TurnSwitched
    | TurnEnded
    | QueueChanged
    | GivenBack
    | Opened
    | Elsewhere
    | Refused
    | Told
    | Pulling
    | SettingsChanged
    | Leave
)
