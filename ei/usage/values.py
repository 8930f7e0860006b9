"""A call to a model as a value, and totals of several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Outcome = Literal["complete", "cancelled", "failed"]


@dataclass(frozen=True, slots=True)
class Call:
    """One request to one model. None is unknown, never 0; a message may have many (attempts, fallbacks).

    started_ms: milliseconds since 1970. id: UUIDv7, made when it is recorded if "".
    interaction: what it was for: reasoning, subagents, planning.
    group: shared by the calls of one comparison; comparing: whether it was one; blind: whether names were hidden;
        chosen: whether this reply was picked.
    triggered_by: what asked for it ("message", "retry", "continue", "draft", …).
    attempt: counts from 1. iteration: of a tool loop, from 1. fallback: 0 for the model asked for, then 1, 2, …
    provider, model: who answered. profile, reference: as asked. resolved_by: the step that won.
    input_tokens includes cached and cache-written ones, output_tokens includes reasoning.
    estimated: tokens were counted here, not by the provider.
    cost: nano-dollars. cost_source: who said so ("provider", "price").
    first_token_ms, total_ms: durations in milliseconds.
    status: HTTP status. error: the name of the error's class; never its text, which may quote what was said.
    reserved_ms: when money was set aside for it, milliseconds since 1970. assumed: nano-dollars that count against
    budgets in place of a cost that is not sure. approved: the person let it through over a budget.
    """

    started_ms: int
    interaction: str
    provider: str
    model: str
    outcome: Outcome
    id: str = ""
    persona: str | None = None
    conversation: str | None = None
    message: str | None = None
    group: str | None = None
    comparing: bool | None = None
    blind: bool | None = None
    chosen: bool | None = None
    triggered_by: str | None = None
    attempt: int | None = None
    iteration: int | None = None
    fallback: int | None = None
    profile: str | None = None
    reference: str | None = None
    resolved_by: str | None = None
    input_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    estimated: bool | None = None
    cost: int | None = None
    cost_source: str | None = None
    first_token_ms: int | None = None
    total_ms: int | None = None
    status: int | None = None
    error: str | None = None
    reserved_ms: int | None = None
    assumed: int | None = None
    approved: bool | None = None


class Measured(NamedTuple):
    """One call as far as it is counted; fields as in `Call`."""

    started_ms: int
    provider: str
    model: str
    interaction: str
    outcome: str
    persona: str | None = None
    conversation: str | None = None
    input_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    estimated: bool | None = None
    cost: int | None = None
    first_token_ms: int | None = None
    total_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """Totals of several calls. cost: nano-dollars of those whose cost is known.

    unknown: calls whose cost nobody knows. Token sums are of those that were counted or estimated.
    """

    calls: int = 0
    cost: int = 0
    unknown: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


def rate(output_tokens: int | None, first_token_ms: int | None, total_ms: int | None) -> float | None:
    """Tokens of reply per second after the first one; None where that is unknown, or too short to say."""
    if output_tokens is None or first_token_ms is None or total_ms is None:
        return None
    writing = total_ms - first_token_ms
    return output_tokens * 1000 / writing if writing >= 50 and output_tokens > 1 else None
