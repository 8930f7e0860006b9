"""What the calls of a time took and cost, in groups, and which models were unusually slow or unreliable: pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import sqrt
from statistics import median
from typing import Literal

from ei.usage.values import Measured, rate

By = Literal["model", "provider", "persona", "day", "interaction", "conversation"]
BYS: tuple[By, ...] = ("model", "provider", "persona", "day", "interaction", "conversation")
Span = Literal["today", "week", "month", "all"]
SPANS: tuple[Span, ...] = ("today", "week", "month", "all")
WEEK = 7
"""Days, today among them."""
DAY_MS = 86_400_000
MONTH_DAYS = 30
FEWEST_NOW = 5
FEWEST_BEFORE = 20
SIGMAS = 3


@dataclass(frozen=True, slots=True)
class Totals:
    """Calls together. Sums are of what is known; cost: nano-dollars of the calls whose cost is known.

    unknown: calls whose cost nobody knows. estimated: some tokens were counted here. failed: calls that failed.
    first_token_ms: the median; first_token_p95_ms: 95 of a hundred were quicker or as quick; tokens_per_second: the
    median, after the first token; None where nothing was measured.
    """

    calls: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    cost: int = 0
    unknown: int = 0
    failed: int = 0
    first_token_ms: int | None = None
    first_token_p95_ms: int | None = None
    tokens_per_second: float | None = None

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def error_rate(self) -> float | None:
        """The part of the calls that failed; what the person stopped did not. None where there were no calls."""
        return self.failed / self.calls if self.calls else None


@dataclass(frozen=True, slots=True)
class Group:
    """The calls that have something in common. key: the model, provider, persona, ISO date, interaction or id of the
    conversation; "" for those of no persona or of no conversation that is kept. providers: who was asked."""

    key: str
    totals: Totals
    providers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Unusual:
    """A model that was not itself in the last day. what: "errors" or "first token"; now, before: parts of 1, or
    milliseconds (medians). calls: in the day."""

    model: str
    what: Literal["errors", "first token"]
    now: float
    before: float
    calls: int


@dataclass(frozen=True, slots=True)
class Report:
    """groups: by what was asked for, the dearest first, then the one with the most tokens; days are in order.

    days: (ISO date, nano-dollars, tokens) of every day of the span without a gap; since_ms: where the span begins,
    0 for all.
    """

    span: Span
    by: By
    totals: Totals = field(default_factory=Totals)
    groups: tuple[Group, ...] = ()
    days: tuple[tuple[str, int, int], ...] = ()
    unusual: tuple[Unusual, ...] = ()
    since_ms: int = 0


def since(span: Span, now: float) -> int:
    """Where a span begins in milliseconds since 1970, by the local calendar; now: seconds since 1970.

    today: midnight. week: midnight six days ago. month: the first of the month. all: 0.
    """
    if span == "all":
        return 0
    today = local_day(int(now * 1000))
    first = {"today": today, "week": today - timedelta(WEEK - 1), "month": today.replace(day=1)}[span]
    return int(time.mktime((first.year, first.month, first.day, 0, 0, 0, 0, 0, -1)) * 1000)


def report(calls: Iterable[Measured], span: Span, by: By, now: float) -> Report:
    """Counts the calls of a span. calls: all that are needed: of the span, and for what is unusual also of the
    MONTH_DAYS + 1 days before now (seconds since 1970); those of neither may be among them."""
    calls = tuple(calls)
    since_ms, now_ms = since(span, now), int(now * 1000)
    inside = [call for call in calls if call.started_ms >= since_ms]
    by_key: dict[str, list[Measured]] = {}
    for call in inside:
        by_key.setdefault(_KEYS[by](call), []).append(call)
    groups = [Group(key, totals(found), frozenset(call.provider for call in found)) for key, found in by_key.items()]
    groups.sort(key=lambda group: group.key if by == "day" else "")
    if by != "day":
        groups.sort(key=lambda group: (-group.totals.cost, -group.totals.tokens, -group.totals.calls, group.key))
    return Report(
        span, by, totals(inside), tuple(groups), _days(inside, since_ms, now_ms), unusual(calls, now_ms), since_ms
    )


def totals(calls: Sequence[Measured]) -> Totals:
    """All of them together."""
    first = sorted(call.first_token_ms for call in calls if call.first_token_ms is not None)
    measured = (rate(call.output_tokens, call.first_token_ms, call.total_ms) for call in calls)
    rates = [one for one in measured if one is not None]
    costs = [call.cost for call in calls if call.cost is not None]
    return Totals(
        calls=len(calls),
        input_tokens=sum(call.input_tokens or 0 for call in calls),
        cached_tokens=sum(call.cached_tokens or 0 for call in calls),
        output_tokens=sum(call.output_tokens or 0 for call in calls),
        reasoning_tokens=sum(call.reasoning_tokens or 0 for call in calls),
        estimated=any(call.estimated for call in calls),
        cost=sum(costs),
        unknown=len(calls) - len(costs),
        failed=sum(call.outcome == "failed" for call in calls),
        first_token_ms=round(median(first)) if first else None,
        first_token_p95_ms=percentile(first, 95) if first else None,
        tokens_per_second=median(rates) if rates else None,
    )


def unusual(calls: Iterable[Measured], now_ms: int) -> tuple[Unusual, ...]:
    """The models that answered in the last day as they did not in the MONTH_DAYS days before it.

    Only where there are enough of them: FEWEST_NOW calls in the day and FEWEST_BEFORE before. Slow: the median time to
    the first token is above nine tenths of those before. Unreliable: the part that failed is above that of before plus
    SIGMAS standard deviations of so few calls, sqrt(p (1 - p) / n); p is taken as (failed + 1) / (calls + 2) (Laplace),
    so that one failure after a month without any is no alarm.
    """
    day, before = now_ms - DAY_MS, now_ms - DAY_MS * (MONTH_DAYS + 1)
    found: dict[str, tuple[list[Measured], list[Measured]]] = {}
    for call in calls:
        if before <= call.started_ms <= now_ms:
            new, old = found.setdefault(f"{call.provider}:{call.model}", ([], []))
            (new if call.started_ms > day else old).append(call)
    out: list[Unusual] = []
    for model, (new, old) in sorted(found.items()):
        if len(new) >= FEWEST_NOW and len(old) >= FEWEST_BEFORE:
            failed, failed_before = (sum(call.outcome == "failed" for call in some) for some in (new, old))
            usual = (failed_before + 1) / (len(old) + 2)
            if failed / len(new) > usual + SIGMAS * sqrt(usual * (1 - usual) / len(new)):
                out.append(Unusual(model, "errors", failed / len(new), failed_before / len(old), len(new)))
        times, times_before = (
            sorted(call.first_token_ms for call in some if call.first_token_ms is not None) for some in (new, old)
        )
        if len(times) >= FEWEST_NOW and len(times_before) >= FEWEST_BEFORE:
            middle = median(times)
            if middle > percentile(times_before, 90):
                out.append(Unusual(model, "first token", middle, median(times_before), len(times)))
    return tuple(out)


def percentile(values: Sequence[int], percent: int) -> int:
    """The smallest of the values that so many per cent of them do not exceed (nearest rank). values: sorted, not
    empty."""
    return values[max(-(-len(values) * percent // 100) - 1, 0)]


def local_day(ms: int) -> date:
    """The local date of a moment in milliseconds since 1970."""
    there = time.localtime(ms / 1000)
    return date(there.tm_year, there.tm_mon, there.tm_mday)


_KEYS: dict[By, Callable[[Measured], str]] = {
    "model": lambda call: f"{call.provider}:{call.model}",
    "provider": lambda call: call.provider,
    "persona": lambda call: call.persona or "",
    "day": lambda call: local_day(call.started_ms).isoformat(),
    "interaction": lambda call: call.interaction,
    "conversation": lambda call: call.conversation or "",
}


def _days(calls: Sequence[Measured], since_ms: int, now_ms: int) -> tuple[tuple[str, int, int], ...]:
    """Every day from the beginning of the span, or from the first call, up to now."""
    if not calls:
        return ()
    spent: dict[date, tuple[int, int]] = {}
    for call in calls:
        day = local_day(call.started_ms)
        cost, tokens = spent.get(day, (0, 0))
        spent[day] = cost + (call.cost or 0), tokens + (call.input_tokens or 0) + (call.output_tokens or 0)
    first = local_day(since_ms) if since_ms else min(spent)
    last = max(local_day(now_ms), *spent)
    length = (last - first).days + 1
    return tuple(
        (day.isoformat(), *spent.get(day, (0, 0))) for day in (first + timedelta(number) for number in range(length))
    )
