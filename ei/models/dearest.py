"""What a model's tokens cost at the dearest: long prompts, what is cached, hours to come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from ei.models.metadata import FREE_PROVIDERS, NANO, PRICE_NAMES
from ei.models.reference import ModelId
from ei.models.values import Prices

INPUT = ("input_mtok", "cache_read_mtok", "cache_write_mtok")
OUTPUT = ("output_mtok", "output_reasoning_mtok", "output_citation_mtok")
SOON = timedelta(hours=1)
"""A request that is sent now may be charged as of then: some prices are other ones at night."""


@dataclass(frozen=True, slots=True)
class Dearest:
    """input, output: nano-dollars per million tokens. fixed: nano-dollars for a request."""

    input: int
    output: int
    fixed: int = 0


def dearest_of(prices: Prices) -> Dearest | None:
    """The dearest that prices of the registry can become, None where they do not say it all."""
    if prices.input is None or prices.output is None:
        return None
    return Dearest(max(prices.input, prices.cached or 0, prices.cache_write or 0), prices.output)


def dearest_listed(model: ModelId) -> Dearest | None:
    """The dearest by the offline price list (genai-prices), None where it does not have the model.

    Of a price in steps, where a long prompt costs more, the highest counts. Imports as `metadata.known`.
    """
    if model.provider in FREE_PROVIDERS:
        return None
    from datetime import UTC, datetime

    from genai_prices.data_snapshot import get_snapshot

    name = PRICE_NAMES.get(model.provider, model.provider)
    try:
        _, info = get_snapshot().find_provider_model(model.model, None, name, None)
    except LookupError:
        return None
    now = datetime.now(UTC)
    each: list[Mapping[str, object]] = [vars(info.get_prices(when)) for when in (now, now + SOON)]
    if not all("input_mtok" in prices and "output_mtok" in prices for prices in each):
        return None
    input, output = (_highest(prices.get(key) for prices in each for key in keys) for keys in (INPUT, OUTPUT))
    fixed = _highest(prices.get("requests_kcount") for prices in each) / 1000
    return Dearest(_up(input * NANO), _up(output * NANO), _up(fixed * NANO))


def _highest(prices: Iterable[object]) -> Decimal:
    """The highest of what may be a price, one in steps, or nothing."""
    found = [Decimal(0)]
    for price in prices:
        steps = [price, getattr(price, "base", None), *(tier.price for tier in getattr(price, "tiers", ()))]
        found += [step for step in steps if isinstance(step, Decimal)]
    return max(found)


def _up(price: Decimal) -> int:
    return int(price.to_integral_value("ROUND_CEILING"))
