"""How often each model was kept beside each other one."""

from __future__ import annotations

from ei.usage.comparing import Compared, Versus, versus


def one(group: str, kept: str, *models: str, persona: str = "lena") -> list[Compared]:
    return [Compared(group, persona, model, model == kept) for model in models]


def test_each_pair_counts_the_comparisons_in_which_both_were_up() -> None:
    found = versus([*one("1", "a", "a", "b", "c"), *one("2", "b", "a", "b")])
    assert found == (
        Versus("a", "c", 1, 1),
        Versus("a", "b", 1, 2),
        Versus("b", "a", 1, 2),
        Versus("b", "c", 0, 1),
        Versus("c", "a", 0, 1),
        Versus("c", "b", 0, 1),
    )


def test_personas_are_counted_apart_where_that_is_asked() -> None:
    compared = [*one("1", "a", "a", "b"), *one("2", "b", "a", "b", persona="mike")]
    assert versus(compared, by_persona=True) == (
        Versus("a", "b", 1, 1, "lena"),
        Versus("b", "a", 0, 1, "lena"),
        Versus("b", "a", 1, 1, "mike"),
        Versus("a", "b", 0, 1, "mike"),
    )


def test_one_model_alone_is_up_against_nobody() -> None:
    assert versus(one("1", "a", "a")) == ()
