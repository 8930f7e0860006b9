"""What a model's tokens cost at the dearest."""

from __future__ import annotations

from ei.models.dearest import Dearest, dearest_listed, dearest_of
from ei.models.metadata import known
from ei.models.reference import ModelId
from ei.models.values import Prices


def test_what_is_cached_may_be_the_dearest_part_of_what_is_sent() -> None:
    assert dearest_of(Prices(3, 1, 4, 15)) == Dearest(4, 15)
    assert dearest_of(Prices(3, None, None, 15)) == Dearest(3, 15)
    assert dearest_of(Prices(3, None, None, None)) is None


def test_a_long_prompt_costs_what_its_step_says() -> None:
    model = ModelId("google", "gemini-2.5-pro")
    found, usual = dearest_listed(model), known(model)
    assert found is not None
    assert usual is not None
    assert usual.prices.input is not None
    assert usual.prices.output is not None
    assert found.input > usual.prices.input
    assert found.output > usual.prices.output


def test_cache_writes_count() -> None:
    model = ModelId("anthropic", "claude-haiku-4-5")
    found, usual = dearest_listed(model), known(model)
    assert found is not None
    assert usual is not None
    assert found.input == usual.prices.cache_write


def test_what_no_list_names_has_no_price() -> None:
    assert dearest_listed(ModelId("openai", "no-such-model-at-all")) is None
    assert dearest_listed(ModelId("local", "gemma")) is None
