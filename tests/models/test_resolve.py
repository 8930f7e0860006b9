"""Which reference wins, and what is said about the others."""

from __future__ import annotations

import pytest

from ei.errors import UsageError
from ei.models.choosing import Market
from ei.models.expand import World
from ei.models.reference import ModelId, ProviderNames
from ei.models.resolve import Answering, Candidate, Rank, resolve

WORLD = World(
    ProviderNames(("local", "ollama", "openai", "builtin"), {}),
    {},
    lambda: Market((), {}, frozenset(), lambda below: 0),
)
PLACES = (
    (Rank.REQUEST, "the request"),
    (Rank.CONVERSATION, "this conversation"),
    (Rank.PERSONA, "lena's system.jsonc"),
    (Rank.INTERACTION, "EI_MODEL_REASONING"),
    (Rank.INTERACTION, "settings"),
    (Rank.ENVIRONMENT, "EI_LLM_MODEL"),
    (Rank.DEFAULT, "default_model"),
)


def candidates(*written: str | None) -> list[Candidate]:
    return [Candidate(rank, where, text) for (rank, where), text in zip(PLACES, written, strict=True)]


@pytest.mark.parametrize("first", range(len(PLACES)))
def test_the_first_place_that_is_set_wins_over_all_below(first: int) -> None:
    written = [None] * first + [f"openai:model-{n}" for n in range(first, len(PLACES))]
    found = resolve(candidates(*written), WORLD, Answering())
    assert found.model == ModelId("openai", f"model-{first}")
    assert (found.rank, found.where) == PLACES[first]
    assert [step.reason for step in found.steps] == (
        ["not set"] * first + ["the first that is set"] + ["something above is set"] * (len(PLACES) - first)
    )


def test_below_the_winner_only_what_is_set_is_overruled() -> None:
    written = [None, None, "openai:a", None, "openai:b", *[None] * (len(PLACES) - 5)]
    reasons = [step.reason for step in resolve(candidates(*written), WORLD, Answering()).steps]
    assert reasons[2:6] == ["the first that is set", "not set", "something above is set", "not set"]


NOTHING = candidates(*[None] * len(PLACES))


def test_with_nothing_set_the_global_default_answers_where_something_answers_there() -> None:
    found = resolve(NOTHING, WORLD, Answering(local=True, ollama="qwen3:8b"))
    assert (str(found.model), found.rank, found.instead_of) == ("local:google/gemma-3-12b", Rank.GLOBAL, None)


def test_with_nobody_at_the_default_a_running_ollama_answers_instead() -> None:
    found = resolve(NOTHING, WORLD, Answering(local=False, ollama="qwen3:8b"))
    assert (str(found.model), found.rank) == ("ollama:qwen3:8b", Rank.OLLAMA)
    assert str(found.instead_of) == "local:google/gemma-3-12b"
    assert [step.number for step in found.steps] == [1, 2, 3, 4, 4, 5, 6, 7, 8]


@pytest.mark.parametrize(("ollama", "reason"), [(None, "it does not run here"), ("", "it has no chat model")])
def test_with_nobody_at_all_the_companion_answers(ollama: str | None, reason: str) -> None:
    found = resolve(NOTHING, WORLD, Answering(local=False, ollama=ollama))
    assert (str(found.model), found.rank) == ("builtin:eliza", Rank.COMPANION)
    assert found.steps[-2].reason == reason


def test_what_answers_here_never_takes_the_place_of_what_is_set() -> None:
    found = resolve(candidates(*[None] * 6, "openai:gpt-5"), WORLD, Answering(local=False, ollama="qwen3:8b"))
    assert str(found.model) == "openai:gpt-5"


def test_a_winner_that_cannot_be_read_is_an_error_that_names_its_place_and_nothing_is_passed_over() -> None:
    with pytest.raises(UsageError, match=r'lena\'s system.jsonc: Unknown provider "opnai"') as caught:
        resolve(candidates(None, None, "opnai:gpt-5", "openai:gpt-5", None, None, None), WORLD, Answering())
    assert caught.value.hint == "Did you mean openai:gpt-5?"


def test_an_object_is_recorded_as_it_was_written() -> None:
    written = {"exact": "openai:gpt-5"}
    found = resolve([Candidate(Rank.PERSONA, "here", written)], WORLD, Answering())
    assert (str(found.model), found.reference) == ("openai:gpt-5", '{"exact": "openai:gpt-5"}')
