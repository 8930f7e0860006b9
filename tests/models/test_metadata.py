"""What a call cost, by whom is trusted first, and what ships about models."""

from __future__ import annotations

import pytest

from ei.messages import Usage
from ei.models.metadata import abilities_of, cost_of, known, known_context, priced
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


def test_a_family_tells_what_its_models_can_do() -> None:
    assert abilities_of(ModelId("openai", "gpt-5.1")) == (
        frozenset({"tools", "vision", "structured_output", "streaming", "reasoning"}),
        None,
    )
    assert abilities_of(ModelId("openai", "o3"))[1] is False
    assert abilities_of(ModelId("mine", "gpt-5.1")) == (None, None)
