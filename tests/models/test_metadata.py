"""What a call cost, by whom is trusted first, and what ships about models."""

from __future__ import annotations

import pytest

from ei.messages import Usage
from ei.models.metadata import Known, Step, abilities_of, cost_of, known, known_context, priced
from ei.models.reference import ModelId
from ei.models.values import Prices

DOLLAR = 1_000_000_000
HAIKU = ModelId("anthropic", "claude-haiku-4-5")
USED = Usage(1_000_000, 0, 0, 1_000_000)
OWN = Prices(2 * DOLLAR, None, None, 3 * DOLLAR, "person")
LISTED = Prices(4 * DOLLAR, None, None, 5 * DOLLAR, "provider")
BY_LIST = Prices(40 * DOLLAR, None, None, 50 * DOLLAR, "genai-prices")


@pytest.mark.parametrize(
    ("model", "usage", "prices", "here", "cost"),
    [
        (HAIKU, Usage(1_000_000, 0, 0, 1_000_000, cost=7), OWN, False, 5 * DOLLAR),
        (HAIKU, Usage(1_000_000, 0, 0, 1_000_000, cost=7), LISTED, False, 7),
        (HAIKU, USED, LISTED, False, 9 * DOLLAR),
        (HAIKU, USED, BY_LIST, False, 6 * DOLLAR),
        (HAIKU, USED, None, False, 6 * DOLLAR),
        (ModelId("ollama", "qwen3:8b"), USED, None, True, 0),
        (ModelId("ollama", "qwen3:8b"), USED, None, False, None),
        (ModelId("ollama", "qwen3:8b"), USED, OWN, True, 5 * DOLLAR),
        (ModelId("azure", "my-deployment"), USED, None, False, None),
        (ModelId("azure", "my-deployment"), USED, None, True, 0),
        (ModelId("azure", "my-deployment"), USED, OWN, False, 5 * DOLLAR),
        (HAIKU, Usage(), OWN, False, None),
    ],
)
def test_the_most_trusted_price_counts(
    model: ModelId, usage: Usage, prices: Prices | None, here: bool, cost: int | None
) -> None:
    assert cost_of(model, usage, prices, here=here) == cost


@pytest.mark.parametrize(
    ("usage", "prices", "cost"),
    [
        (Usage(1000, 400, 100, 10), Prices(10_000_000, 1_000_000, 20_000_000, 5_000_000), 5000 + 400 + 2000 + 50),
        (Usage(1000, 400, 100, 10), Prices(10_000_000, None, None, 5_000_000), 10_000 + 50),
        (Usage(1000, None, None, 0), Prices(10_000_000), 10_000),
        (Usage(1000, None, None, 1), Prices(10_000_000), None),
        (Usage(1, None, None, 0), Prices(500_000), 0),
        (Usage(3, None, None, 0), Prices(500_000), 2),
        (Usage(1000, None, None, None), Prices(1, 1, 1, 1), None),
    ],
)
def test_tokens_times_prices_are_exact(usage: Usage, prices: Prices, cost: int | None) -> None:
    assert priced(usage, prices) == cost


def test_the_price_list_tells_label_context_and_prices() -> None:
    found = known(HAIKU)
    assert found is not None
    assert (found.label, found.context) == ("Claude Haiku 4.5", 200_000)
    assert found.prices == Prices(DOLLAR, 100_000_000, 1_250_000_000, 5 * DOLLAR, "genai-prices")
    assert known_context(ModelId("mine", "unheard-of")) is None
    assert known(ModelId("local", "gpt-4o")) is None


SONNET = ModelId("anthropic", "claude-sonnet-4-5")
"""Above 200,000 tokens of input all its prices are higher."""


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(200_000, None, None, 1000), 200_000 * 3000 + 1000 * 15_000),
        (Usage(200_001, None, None, 1000), 200_001 * 6000 + 1000 * 22_500),
        (Usage(200_001, 200_000, None, 0), 1 * 6000 + 200_000 * 600),
        (Usage(200_001, 100_000, 100_000, 7), 1 * 6000 + 100_000 * 600 + 100_000 * 7500 + 7 * 22_500),
        (Usage(1000, 400, 100, 10, 9), 500 * 3000 + 400 * 300 + 100 * 3750 + 10 * 15_000),
        (Usage(1000, 4000, 100, 0), 1000 * 300),
        (Usage(0, None, None, 0), 0),
    ],
    ids=[
        "short",
        "long",
        "long and cached",
        "long and written",
        "reasoning is output",
        "more cached than sent",
        "none",
    ],
)
def test_long_cached_written_and_reasoning_tokens_are_exact_in_nano_dollars(usage: Usage, cost: int) -> None:
    assert cost_of(SONNET, usage) == cost


def test_the_price_list_tells_the_steps_of_long_requests() -> None:
    found = known(SONNET)
    assert found is not None
    long = Prices(6 * DOLLAR, 600_000_000, 7_500_000_000, 22_500_000_000, "genai-prices")
    assert found.steps == (Step(200_000, long),)
    assert [found.prices_at(size) for size in (0, 200_000, 200_001)] == [found.prices, found.prices, long]


def test_of_several_steps_the_highest_that_is_reached_counts() -> None:
    steps = tuple(Step(above, Prices(above)) for above in (10, 20))
    shown = Known(prices=Prices(1), steps=steps)
    assert [shown.prices_at(size).input for size in (10, 11, 20, 21)] == [1, 10, 10, 20]


def test_a_providers_list_counts_but_for_long_requests_that_the_price_list_has_dearer() -> None:
    listed = Prices(2 * DOLLAR, None, None, 30 * DOLLAR, "provider")
    assert cost_of(SONNET, Usage(200_000, None, None, 10), listed) == 200_000 * 2000 + 10 * 30_000
    assert cost_of(SONNET, Usage(200_001, None, None, 10), listed) == 200_001 * 6000 + 10 * 30_000


def test_a_model_that_is_listed_without_a_price_by_token_costs_nobody_knows_what() -> None:
    by_the_hour = ModelId("groq", "whisper-large-v3")
    assert known(by_the_hour) is not None
    assert cost_of(by_the_hour, Usage(1000, None, None, 10)) is None


def test_a_family_tells_what_its_models_can_do() -> None:
    assert abilities_of(ModelId("openai", "gpt-5.1")) == (
        frozenset({"tools", "vision", "structured_output", "streaming", "reasoning"}),
        None,
    )
    assert abilities_of(ModelId("openai", "o3"))[1] is False
    assert abilities_of(ModelId("mine", "gpt-5.1")) == (None, None)
