"""What a sync makes of the registry: upserts, never deletes, never overwrites a decision, trusts in order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ei.models.merge import is_repriced, merge
from ei.models.metadata import Known
from ei.models.reference import ModelId
from ei.models.values import Change, Model, Prices
from ei.providers.listed import ListedModel

OLD = Model("openai", "gpt", "GPT", prices=Prices(10, None, None, 20, "provider", 1), context=100, first_seen_ms=1,
            synced_ms=1)  # fmt: skip


def nothing(id: ModelId) -> Known | None:
    return None


def one(old: Model | None, row: ListedModel, known: Known | None = None) -> Model:
    """The model after that row came."""
    merged = merge([old] if old else [], {"openai": [row]}, lambda id: known, 9)
    return merged.rows[0] if merged.rows else old or OLD


def test_a_new_model_is_kept_with_the_day_it_was_first_seen() -> None:
    merged = merge([], {"openai": [ListedModel("gpt", label="GPT")]}, nothing, 9)
    assert merged.rows == (Model("openai", "gpt", "GPT", first_seen_ms=9, synced_ms=9),)
    assert merged.changes == (Change(9, "openai:gpt", "listed", "", "GPT", "sync"),)


def test_a_list_that_says_the_same_changes_nothing() -> None:
    merged = merge([OLD], {"openai": [ListedModel("gpt", 100, label="GPT", input_price=10, output_price=20)]},
                   nothing, 9)  # fmt: skip
    assert (merged.rows, merged.changes, merged.answered) == ((), (), ("openai",))


def test_what_the_list_does_not_say_is_kept() -> None:
    old = replace(OLD, max_output=50, capabilities=frozenset({"tools"}), sampling=False, created_ms=3)
    assert one(old, ListedModel("gpt")) == old


def test_only_a_provider_that_answered_loses_what_it_no_longer_lists() -> None:
    other = replace(OLD, provider="groq")
    merged = merge([OLD, other], {"openai": [ListedModel("new")]}, nothing, 9)
    assert [(row.id, row.active) for row in merged.rows] == [("openai:gpt", False), ("openai:new", True)]
    assert merged.gone == ("openai:gpt",)
    assert merged.changes[0] == Change(9, "openai:gpt", "active", "yes", "no", "sync")


def test_what_comes_back_is_active_again() -> None:
    assert one(replace(OLD, active=False), ListedModel("gpt")).active


@pytest.mark.parametrize(("provider", "gone"), [("openai", ()), ("ollama", ("ollama:gpt",))])
def test_an_empty_list_counts_on_this_machine_only(provider: str, gone: tuple[str, ...]) -> None:
    assert merge([replace(OLD, provider=provider)], {provider: []}, nothing, 9).gone == gone


def test_prices_are_trusted_in_order() -> None:
    known = Known(prices=Prices(1, None, None, 2))
    listed = ListedModel("gpt", input_price=30, output_price=40)
    own = replace(OLD, prices=Prices(5, None, None, 6, "person", 1), by_hand=frozenset({"prices"}))
    assert one(own, listed, known).prices == own.prices
    assert one(OLD, listed, known).prices == Prices(30, None, None, 40, "provider", 9)
    assert one(None, ListedModel("gpt"), known).prices == Prices(1, None, None, 2, "genai-prices", 9)
    assert one(OLD, ListedModel("gpt")).prices == OLD.prices


def test_the_price_list_fills_what_the_provider_does_not_say_and_is_not_asked_otherwise() -> None:
    known = Known("Good GPT", 1000, Prices(1, None, None, 2))
    assert (one(None, ListedModel("gpt"), known).label, one(None, ListedModel("gpt"), known).context) == (
        "Good GPT",
        1000,
    )
    asked: list[ModelId] = []
    told = ListedModel("gpt", 7, input_price=1, output_price=2, capabilities=frozenset())
    rows = [told, ListedModel("other", 7)]
    merge([], {"openai": rows}, lambda id: asked.append(id), 9)
    assert asked == [ModelId("openai", "other")]


def test_what_the_person_set_is_left_alone() -> None:
    own = replace(OLD, tier="premium", disabled=True, default=True, by_hand=frozenset({"tier", "disabled", "default"}))
    after = one(own, ListedModel("gpt", 999))
    assert after == replace(own, context=999, synced_ms=9)


def test_what_the_person_added_is_never_gone_and_keeps_what_was_said() -> None:
    added = replace(OLD, added=True, capabilities=frozenset({"vision"}))
    assert merge([added], {"openai": [ListedModel("else")]}, nothing, 9).gone == ()
    after = one(added, ListedModel("gpt", 999, max_output=5, capabilities=frozenset({"tools"})))
    assert (after.context, after.max_output, after.capabilities) == (100, 5, frozenset({"vision"}))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ((100, 100), (120, 100), False),
        ((100, 100), (121, 100), True),
        ((100, 100), (100, 79), True),
        ((0, 0), (0, 1), True),
        ((None, 100), (500, 100), False),
        ((100, 100), (None, None), False),
    ],
)
def test_a_price_that_changes_by_more_than_a_fifth_is_told(
    before: tuple[int | None, int | None], after: tuple[int | None, int | None], told: bool
) -> None:
    assert is_repriced(Prices(before[0], None, None, before[1]), Prices(after[0], None, None, after[1])) is told


def test_news_are_what_changed_now() -> None:
    merged = merge([OLD], {"openai": [ListedModel("gpt", input_price=99, output_price=20, shutdown="2027-01-01")]},
                   nothing, 9)  # fmt: skip
    assert (merged.shut_down, merged.repriced, merged.gone) == (("openai:gpt",), ("openai:gpt",), ())
    assert [(c.what, c.before, c.after) for c in merged.changes] == [
        ("price", "$0.00000001 in, $0.00000002 out (provider)", "$0.000000099 in, $0.00000002 out (provider)"),
        ("shutdown", "", "2027-01-01"),
    ]
