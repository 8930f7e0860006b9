"""What calls took and cost together, and which models were not themselves."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date, datetime

import pytest

from ei.usage.report import (
    DAY_MS,
    By,
    Group,
    Span,
    Totals,
    Unusual,
    local_day,
    percentile,
    report,
    since,
    totals,
    unusual,
)
from ei.usage.values import Measured

NOW = datetime(2026, 11, 20, 15, 0).timestamp()
"""By the local calendar, a Friday."""
NOW_MS = int(NOW * 1000)
HOUR = 3_600_000


def call(
    hours: float = 1,
    cost: int | None = 0,
    first: int | None = 500,
    outcome: str = "complete",
    model: str = "a",
    provider: str = "x",
    **fields: object,
) -> Measured:
    """A call that began so many hours ago."""
    made = Measured(int(NOW_MS - hours * HOUR), provider, model, "reasoning", outcome, cost=cost, first_token_ms=first)
    return made._replace(**fields)  # type: ignore[arg-type]


# Totals -----------------------------------------------------------------------------------------------------


def test_what_is_known_is_added_up_and_what_is_not_is_counted() -> None:
    calls = (
        call(cost=5, input_tokens=10, cached_tokens=4, output_tokens=6, reasoning_tokens=2, total_ms=1500),
        call(cost=None, first=None, outcome="failed"),
        call(cost=7, first=900, input_tokens=1, output_tokens=2, estimated=True, outcome="cancelled"),
    )
    found = totals(calls)
    assert found == Totals(3, 11, 4, 8, 2, True, 12, 1, 1, 700, 900, 6.0)
    assert found.error_rate == pytest.approx(1 / 3)
    assert (totals(()), totals(()).error_rate) == (Totals(), None)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([1], 95, 1), ([1, 2], 50, 1), ([1, 2, 3, 4], 90, 4), (range(1, 101), 95, 95), (range(1, 21), 95, 19)],
)
def test_a_percentile_is_the_value_of_its_rank(values: Sequence[int], percent: int, expected: int) -> None:
    assert percentile(values, percent) == expected


# Spans and groups -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("span", "first"),
    [("today", date(2026, 11, 20)), ("week", date(2026, 11, 14)), ("month", date(2026, 11, 1))],
)
def test_a_span_begins_at_a_local_midnight(span: Span, first: date) -> None:
    begins = since(span, NOW)
    assert local_day(begins) == first
    assert time.localtime(begins / 1000)[3:6] == (0, 0, 0)
    assert local_day(begins - 1) < first


def test_only_calls_of_the_span_count() -> None:
    calls = (call(1), call(20), call(24 * 5), call(24 * 18), call(24 * 100))
    counts = [report(calls, span, "model", NOW).totals.calls for span in ("today", "week", "month", "all")]
    assert counts == [1, 3, 4, 5]


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        ("model", ["x:b", "x:a", "y:a"]),
        ("provider", ["x", "y"]),
        ("persona", ["mike", "", "lena"]),
        ("interaction", ["tools", "reasoning"]),
        ("conversation", ["c2", "c1", ""]),
        ("day", ["2026-11-19", "2026-11-20"]),
    ],
)
def test_groups_come_the_dearest_first_and_days_in_order(by: By, keys: list[str]) -> None:
    calls = (
        call(1, 5, persona="lena", conversation="c1", model="a"),
        call(2, 90, persona="mike", conversation="c2", model="b", interaction="tools"),
        call(20, 40, persona=None, conversation="c1", model="a", input_tokens=3),
        call(3, 0, persona=None, provider="y"),
    )
    assert [group.key for group in report(calls, "all", by, NOW).groups] == keys


def test_what_costs_nothing_is_ordered_by_its_tokens() -> None:
    calls = (call(input_tokens=1, model="a"), call(output_tokens=9, model="b"), call(model="c"))
    assert [group.key for group in report(calls, "all", "model", NOW).groups] == ["x:b", "x:a", "x:c"]


def test_a_group_knows_who_was_asked() -> None:
    calls = (call(provider="x", persona="lena"), call(provider="y", persona="lena"))
    assert report(calls, "all", "persona", NOW).groups == (Group("lena", totals(calls), frozenset({"x", "y"})),)


def test_days_have_no_gaps_from_the_first_of_the_span_to_now() -> None:
    calls = (call(1, 5, input_tokens=2), call(49, 7, output_tokens=3))
    week = report(calls, "week", "model", NOW).days
    assert [day for day, _, _ in week] == [f"2026-11-{number}" for number in range(14, 21)]
    assert [(cost, tokens) for _, cost, tokens in week] == [(0, 0)] * 4 + [(7, 3), (0, 0), (5, 2)]
    assert report(calls, "all", "model", NOW).days == week[-3:]
    assert report((), "week", "model", NOW).days == ()


# What is unusual --------------------------------------------------------------------------------------------


def month(count: int = 40, failed: int = 0, first: Sequence[int] = (400, 500, 600)) -> list[Measured]:
    """Calls of the month before the last day."""
    return [
        call(25 + number, first=first[number % len(first)], outcome="failed" if number < failed else "complete")
        for number in range(count)
    ]


def day(count: int, failed: int = 0, first: int | None = 500) -> list[Measured]:
    """Calls of the last day."""
    return [
        call(1 + number / 100, first=first, outcome="failed" if number < failed else "complete")
        for number in range(count)
    ]


def test_a_model_that_fails_much_more_than_in_its_month_is_told() -> None:
    assert unusual([*month(40, 2), *day(10, 4)], NOW_MS) == (Unusual("x:a", "errors", 0.4, 0.05, 10),)


@pytest.mark.parametrize(
    "calls",
    [
        [*month(40, 2), *day(10, 1)],
        [*month(40, 20), *day(10, 6)],
        [*month(40), *day(5, 1)],
        [*month(40, 2), *day(4, 4, None)],
        [*month(19), *day(10, 10, None)],
    ],
    ids=["as before", "it always failed much", "a single failure", "too few in the day", "too few before"],
)
def test_what_may_be_chance_is_not_told(calls: list[Measured]) -> None:
    assert unusual(calls, NOW_MS) == ()


def test_a_model_that_is_much_slower_than_in_its_month_is_told() -> None:
    assert unusual([*month(), *day(5, first=3000)], NOW_MS) == (Unusual("x:a", "first token", 3000, 500, 5),)


def test_the_median_of_the_day_must_be_above_nine_tenths_of_the_month() -> None:
    slow = month(first=[500] * 8 + [2000] * 2)
    assert unusual([*slow, *day(5, first=2000)], NOW_MS) == ()
    assert len(unusual([*slow, *day(5, first=2001)], NOW_MS)) == 1


def test_a_single_slow_call_is_not_told() -> None:
    assert unusual([*month(), *day(4), *day(1, first=60_000)], NOW_MS) == ()


def test_what_is_older_than_a_month_before_does_not_count() -> None:
    old = [one._replace(started_ms=one.started_ms - 40 * DAY_MS) for one in month()]
    assert unusual([*old, *day(5, first=3000)], NOW_MS) == ()


def test_each_model_is_held_against_itself() -> None:
    quick = [one._replace(model="b", first_token_ms=10) for one in (*month(), *day(5))]
    assert [one.model for one in unusual([*month(), *day(5, first=3000), *quick], NOW_MS)] == ["x:a"]


def test_a_report_of_today_is_held_against_the_month_too() -> None:
    assert len(report([*month(), *day(5, first=3000)], "today", "model", NOW).unusual) == 1
