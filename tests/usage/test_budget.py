"""Budgets as values: periods, what fits, what counts."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ei.usage.budget import (
    ROOM,
    UNSAVED,
    USEFUL,
    Budget,
    Fit,
    Held,
    Period,
    Quote,
    Standing,
    Wish,
    applies,
    counted,
    fitted,
    most_tokens,
    period_of,
    sum_text,
    unbounded,
)

DOLLAR = 1_000_000_000
QUOTE = Quote("openai", "gpt", 1000, 1 * DOLLAR, 10 * DOLLAR, longest=16_384)
"""$0.001 for what is sent, $0.00001 for each token of the reply."""


def standing(left: float, then: str = "ask") -> Standing:
    amount = round(left * DOLLAR)
    return Standing(Budget("day", amount, then=then), Period("now", 0))  # type: ignore[arg-type]


def test_a_reply_is_as_long_as_the_person_chose_where_the_budget_allows_it() -> None:
    assert fitted(replace(QUOTE, wanted=500), [standing(1)]) == Fit(500, 6_000_000)


def test_a_reply_is_cut_to_what_is_left() -> None:
    tight = standing(0.005)
    found = fitted(replace(QUOTE, wanted=500), [standing(1), tight])
    assert found == Fit(400, 5_000_000, tight)


def test_a_reply_is_held_where_less_than_a_useful_one_is_left() -> None:
    left = 0.001 + (USEFUL - 1) / 100_000
    found = fitted(QUOTE, [standing(left, "stop"), standing(1)])
    assert isinstance(found, Held)
    assert (found.by, found.least) == ((standing(left, "stop"),), QUOTE.cost(USEFUL))
    assert isinstance(fitted(QUOTE, [standing(left + 0.00001)]), Fit)


def test_a_reply_that_was_to_be_short_is_not_held_for_being_short() -> None:
    assert fitted(replace(QUOTE, wanted=5), [standing(0.00105)]) == Fit(5, 1_050_000)


def test_where_nobody_chose_a_reply_leaves_room_for_others_beside_it() -> None:
    found = fitted(QUOTE, [standing(0.401)])
    assert found == Fit(10_000, QUOTE.cost(10_000))
    assert fitted(QUOTE, [standing(0.1)]) == Fit(ROOM, QUOTE.cost(ROOM))
    assert fitted(QUOTE, [standing(100)]) == Fit(16_384, QUOTE.cost(16_384))


def test_an_unknown_price_fits_no_budget() -> None:
    assert fitted(replace(QUOTE, output_price=None), [standing(100)]) == Held((), None)


def test_what_is_sent_alone_can_be_too_dear() -> None:
    free_replies = replace(QUOTE, output_price=0)
    assert isinstance(fitted(free_replies, [standing(0.0009)]), Held)
    assert isinstance(fitted(free_replies, [standing(0.001)]), Fit)


def test_the_strictest_of_several_budgets_decides_what_happens() -> None:
    budgets = (standing(0, "ask"), standing(0, "switch"), standing(0, "stop"))
    assert Held(budgets, 1).strictest.budget.then == "stop"
    assert Held(budgets[:2], 1).strictest.budget.then == "switch"


def test_what_is_let_through_is_of_a_usual_length() -> None:
    assert unbounded(QUOTE) == Fit(ROOM, QUOTE.cost(ROOM))
    assert unbounded(replace(QUOTE, wanted=9000)) == Fit(9000, QUOTE.cost(9000))


def test_a_cost_that_is_sure_counts_itself_and_one_that_is_not_what_it_may_have_been() -> None:
    assert counted(QUOTE, 9 * DOLLAR, 5, False, 100) is None
    assert counted(QUOTE, 9 * DOLLAR, 5, True, 100) == QUOTE.cost(100 + UNSAVED)
    assert counted(QUOTE, 9 * DOLLAR, None, False, None) == 9 * DOLLAR
    assert counted(QUOTE, 1000, None, True, 100) == 1000


@given(
    st.integers(0, 10**7),
    st.integers(0, 10**11),
    st.integers(0, 10**12),
    st.integers(0, 10**10),
    st.none() | st.integers(1, 10**6),
    st.lists(st.integers(0, 10**12), min_size=1, max_size=4),
)
def test_what_fits_never_costs_more_than_is_left(
    tokens: int, price: int, output: int, fixed: int, wanted: int | None, left: list[int]
) -> None:
    quote = Quote("x", "y", tokens, price, output, fixed, wanted)
    found = fitted(quote, [Standing(Budget("day", one), Period("now", 0)) for one in left])
    if isinstance(found, Fit):
        assert found.amount <= min(left)
        assert quote.cost(found.max_tokens) == found.amount
        assert found.max_tokens <= (wanted or max(quote.longest, ROOM))


def test_periods_are_those_of_the_local_calendar() -> None:
    noon = time.mktime((2026, 11, 20, 12, 0, 0, 0, 0, -1))
    assert period_of("day", noon) == Period("2026-11-20", int((noon - 12 * 3600) * 1000))
    first = time.mktime((2026, 11, 1, 0, 0, 0, 0, 0, -1))
    for scope in ("month", "provider", "persona"):
        assert period_of(scope, noon) == Period("2026-11", int(first * 1000))
    assert period_of("conversation", noon) == Period("always", 0)


@pytest.mark.parametrize(
    ("budget", "counts"),
    [
        (Budget("day", 1), True),
        (Budget("month", 1), True),
        (Budget("provider", 1, "openai"), True),
        (Budget("provider", 1, "x"), False),
        (Budget("persona", 1, "ei"), True),
        (Budget("persona", 1, "lena"), False),
        (Budget("conversation", 1, "c"), True),
        (Budget("conversation", 1, "d"), False),
    ],
)
def test_a_request_counts_for_the_budgets_that_it_is_about(budget: Budget, counts: bool) -> None:
    assert applies(budget, Wish("reasoning", "message", "ei", "c"), "openai") is counts


@given(st.text())
def test_a_text_has_no_more_tokens_than_bytes(text: str) -> None:
    assert most_tokens([text, text]) == 2 * len(text.encode())


def test_money_in_a_sentence_is_never_rounded_to_nothing() -> None:
    assert [sum_text(n) for n in (0, 2 * DOLLAR, 41_200_000, 1_000)] == ["$0.00", "$2.00", "$0.0412", "$0.000001"]
