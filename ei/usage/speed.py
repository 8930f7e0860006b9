"""How quickly and how reliably each model answered here: pure, from the calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ei.models.values import Speed
from ei.usage.values import Call, rate

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
    found = (rate(call.output_tokens, call.first_token_ms, call.total_ms) for call in calls)
    rates = [one for one in found if one is not None]
    failed = sum(call.outcome == "failed" for call in calls)
    return Speed(
        round(_median(first)) if first else None, _median(rates) if rates else None, failed / len(calls), len(calls)
    )


def _median(values: Sequence[float]) -> float:
    # That of the standard library comes with fractions and decimals: 10 ms for whoever waits for a list.
    ranked, half = sorted(values), len(values) // 2
    return ranked[half] if len(ranked) % 2 else (ranked[half - 1] + ranked[half]) / 2
