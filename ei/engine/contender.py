"""One of several models that are compared: how far its reply has come, what it took, and what it may be called."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Literal

from ei.conversations.values import Message, State
from ei.engine.events import (
    Event,
    TurnEnded,
    TurnNotice,
    TurnReasoning,
    TurnRetrying,
    TurnStarted,
    TurnText,
    TurnTextWasReasoning,
)
from ei.engine.turn import Turn
from ei.errors import EiError
from ei.models.resolve import Resolution
from ei.providers.estimate import USUAL, estimate_tokens

ESTIMATED_CHARACTERS = 400
"""Tokens are counted in pieces of at least so many characters; each piece is rounded up."""
PRICED_AS = 1_000_000
"""Tokens of reply whose cost tells that of one."""

Standing = Literal["asked", "thinking", "writing", "complete", "stopped", "failed"]


class Contender:
    """One of the models that are compared, as far as its reply has come.

    pieces: the text so far, cut as it came; restarts: how often text so far was taken back and it began anew.
    """

    def __init__(self, resolution: Resolution, letter: str, *, blind: bool) -> None:
        self.resolution = resolution
        self.pieces: Sequence[str] = ()
        self.restarts = 0
        self.ended: TurnEnded | None = None
        self.error: EiError | None = None
        self.message: Message | None = None
        self.turn: Turn | None = None
        self.price: tuple[int, int] | None = None
        self._letter = letter
        self._blind = blind
        self._pieces: list[str] = []
        self._thinks = False
        self._notes: list[str] = []
        self._began: float | None = None
        self._retry = 0.0
        self._tokens = 0
        self._uncounted: list[str] = []
        self._uncounted_size = 0

    @property
    def model(self) -> str:
        """The model, and what it was asked by where that says more."""
        found = self.resolution
        if found.profile is not None:
            return f"{found.model} (profile:{found.profile.id})"
        return f"{found.model} ({found.choice.reference})" if found.choice is not None else str(found.model)

    @property
    def name(self) -> str:
        """What it is called while it is compared: a letter where the names are hidden."""
        return self._letter if self._blind else self.model

    @property
    def state(self) -> Standing:
        if self.ended is None:
            if self.error is not None:
                return "failed"
            return "writing" if self._pieces else "thinking" if self._thinks else "asked"
        match self.ended.message.state:
            case State.COMPLETE:
                return "complete"
            case State.CANCELLED:
                return "stopped"
            case _:
                return "failed"

    @property
    def over(self) -> bool:
        return self.ended is not None or self.error is not None

    @property
    def pickable(self) -> bool:
        """Whether its reply has ended with a text that can be gone on with."""
        return self.ended is not None and bool(self.ended.message.text.strip())

    @property
    def note(self) -> str:
        """What is to be said of it: why it failed, what it waits for; nothing that could give a hidden name away."""
        error = self.error or (self.ended.error if self.ended is not None else None)
        if error is not None:
            return "It could not answer." if self._blind else str(error)
        left = self._retry - monotonic()
        if not self.over and left > 0:
            waits = f"Trying again in {left + 1:.0f} s."
            return waits if self._blind or not self._notes else f"{self._notes[-1]} {waits}"
        return "" if self._blind else "\n".join(self._notes)

    @property
    def seconds(self) -> float:
        """How long it takes, or took."""
        if self.ended is not None:
            return self.ended.outcome.total_ms / 1000
        return 0.0 if self._began is None else max(monotonic() - self._began, 0.0)

    @property
    def estimated(self) -> bool:
        """Whether tokens and cost are guesses."""
        return self.ended is None or self.ended.outcome.usage.estimated

    @property
    def input_tokens(self) -> int | None:
        if self.ended is not None:
            return self.ended.outcome.usage.input_tokens
        return self.turn.sent_tokens if self.turn is not None else None

    @property
    def output_tokens(self) -> int | None:
        if self.ended is not None:
            return self.ended.outcome.usage.output_tokens
        return self._tokens + self._estimate() if self._began is not None else None

    @property
    def cost(self) -> int | None:
        """Nano-dollars, None where unknown; 0 where the names are hidden, since it would give them away."""
        if self._blind:
            return 0
        if self.ended is not None:
            return self.ended.outcome.cost
        if self.price is None:
            return None if self.over else 0
        return self.price[0] + self.price[1] * (self.output_tokens or 0) // PRICED_AS

    def take(self, event: Event) -> None:
        """Takes note of what its turn tells."""
        match event:
            case TurnStarted():
                self._began = monotonic()
                self.pieces = self._pieces
            case TurnText(_, text):
                self._count(text)
                self._pieces.append(text)
            case TurnReasoning(_, text):
                self._thinks = True
                self._count(text)
            case TurnTextWasReasoning():
                self._thinks = True
                self._pieces = []
                self.pieces = self._pieces
                self.restarts += 1
            case TurnNotice(_, text):
                self._notes.append(text)
            case TurnRetrying(_, sentence, seconds):
                self._notes.append(sentence)
                self._retry = self._began = monotonic() + seconds
            case TurnEnded():
                self.ended = event
            case _:
                pass

    def reveal(self) -> None:
        """Names are no longer hidden."""
        self._blind = False

    def _count(self, text: str) -> None:
        self._uncounted.append(text)
        self._uncounted_size += len(text)
        if self._uncounted_size >= ESTIMATED_CHARACTERS:
            self._tokens += self._estimate()
            self._uncounted, self._uncounted_size = [], 0

    def _estimate(self) -> int:
        """Tokens of what was not counted yet."""
        return estimate_tokens("".join(self._uncounted), USUAL if self.turn is None else self.turn.density)
