"""How quickly and how reliably each model answered here: pure, from the calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median

from ei.models.values import Speed
from ei.usage.values import Call

NEWEST = 20
"""So many calls of a model count; a server changes."""


def speeds(calls: Iterable[Call]) -> Mapping[str, Speed]:
    """The speed of each model by `provider:model`; calls: newest first. What the person stopped is no failure."""
    by_model: dict[str, list[Call]] = {}
    for call in calls:
        newest = by_model.setdefault(f"{call.provider}:{call.model}", [])
        if len(newest) < NEWEST:
            newest.append(call)
    return {model: _speed(found) for model, found in by_model.items()}


def _speed(calls: list[Call]) -> Speed:
    first = [call.first_token_ms for call in calls if call.first_token_ms is not None]
    rates = [rate for call in calls if (rate := _rate(call)) is not None]
    failed = sum(call.outcome == "failed" for call in calls)
    return Speed(
        round(median(first)) if first else None, median(rates) if rates else None, failed / len(calls), len(calls)
    )


def _rate(call: Call) -> float | None:
    """Tokens of reply per second after the first one; None where that is too short to say."""
    if call.output_tokens is None or call.first_token_ms is None or call.total_ms is None:
        return None
    writing = call.total_ms - call.first_token_ms
    return call.output_tokens * 1000 / writing if writing >= 50 and call.output_tokens > 1 else None
