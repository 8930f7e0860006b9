"""How quickly each model answered here."""

from __future__ import annotations

from ei.models.values import Speed
from ei.usage.speed import NEWEST, speeds
from ei.usage.values import Call, Outcome


def call(first: int | None, total: int | None, tokens: int | None, outcome: Outcome = "complete") -> Call:
    return Call(
        0, "reasoning", "p", "m", outcome, output_tokens=tokens, first_token_ms=first, total_ms=total
    )  # fmt: skip


def test_medians_over_the_newest_calls_are_given() -> None:
    calls = [call(100, 1100, 50), call(300, 1300, 70), call(200, 2200, 200)]
    assert speeds(calls) == {"p:m": Speed(200, 70.0, 0.0, 3)}
    many = [call(100, 1100, 50)] * NEWEST + [call(9000, 9900, 1)] * 50
    assert speeds(many)["p:m"] == Speed(100, 50.0, 0.0, NEWEST)


def test_unknown_stays_unknown_and_what_was_stopped_is_no_failure() -> None:
    calls = [call(None, None, None, "failed"), call(None, 5, None, "cancelled"), call(10, 12, 5), call(10, 500, None)]
    assert speeds(calls) == {"p:m": Speed(10, None, 0.25, 4)}
    assert speeds([]) == {}
