"""What is known of a model before it is asked: its context and what its tokens cost."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache
from pathlib import Path

from ei.messages import Usage
from ei.models.reference import ModelId
from ei.models.values import Prices

NANO = 1_000_000_000
MILLION = 1_000_000
FREE_PROVIDERS = ("local", "ollama", "builtin")
"""Providers whose models no price list names: usually they run on the person's own machine."""

# Our names of providers where the price list has others.
PRICE_NAMES = {"x": "x-ai"}


@dataclass(frozen=True, slots=True)
class Step:
    """What all tokens of a request cost whose input is longer than `above` tokens."""

    above: int
    prices: Prices


@dataclass(frozen=True, slots=True)
class Known:
    """What ships with the program about a model; None and "" where it says nothing.

    context: tokens. prices: those of short requests; steps: those of longer ones, the shortest first.
    capabilities, sampling: of its whole family, as its maker documents it.
    """

    label: str = ""
    context: int | None = None
    prices: Prices = field(default_factory=Prices)
    steps: tuple[Step, ...] = ()
    capabilities: frozenset[str] | None = None
    sampling: bool | None = None

    def prices_at(self, input_tokens: int) -> Prices:
        """The prices of a request with so many tokens of input, cached ones included."""
        reached = [step.prices for step in self.steps if input_tokens > step.above]
        return reached[-1] if reached else self.prices


def known(model: ModelId) -> Known | None:
    """What ships with the program about a model, None where nothing does.

    Sources: genai-prices, which ships its data (imported on first use, heavy unless openai is loaded), for label,
    context and prices; abilities.json for what a family can do.
    """
    if model.provider in FREE_PROVIDERS:
        return None
    capabilities, sampling = abilities_of(model)
    listed = _in_price_list(model)
    if listed is None:
        return None if capabilities is None else Known(capabilities=capabilities, sampling=sampling)
    return replace(listed, capabilities=capabilities, sampling=sampling)


def abilities_of(model: ModelId) -> tuple[frozenset[str] | None, bool | None]:
    """(capabilities, sampling) of a model's family; None where no family is known."""
    found: set[str] | None = None
    sampling = None
    for pattern, capabilities, takes in shipped_abilities():
        if pattern.search(str(model)):
            found = (found or set()) | capabilities
            sampling = takes if sampling is None else sampling
    return None if found is None else frozenset(found), sampling


@cache
def shipped_abilities() -> tuple[tuple[re.Pattern[str], frozenset[str], bool | None], ...]:
    """(pattern of `provider:model`, capabilities, sampling) from abilities.json; all that match count."""
    rows = json.loads(Path(__file__).with_name("abilities.json").read_text("utf-8"))
    return tuple((re.compile(row["match"]), frozenset(row["capabilities"]), row.get("sampling")) for row in rows)


def _in_price_list(model: ModelId) -> Known | None:
    from datetime import UTC, datetime

    from genai_prices.data_snapshot import get_snapshot

    name = PRICE_NAMES.get(model.provider, model.provider)
    try:
        _, info = get_snapshot().find_provider_model(model.model, None, name, None)
    except LookupError:
        return None
    price = info.get_prices(datetime.now(UTC))
    parts = [getattr(price, f"{part}_mtok", None) for part in ("input", "cache_read", "cache_write", "output")]
    starts = sorted({tier.start for part in parts for tier in getattr(part, "tiers", ())})
    steps = tuple(Step(start, _prices_at(parts, start + 1)) for start in starts)
    return Known(info.name or "", info.context_window, _prices_at(parts, 0), steps)


def _prices_at(parts: Sequence[object], input_tokens: int) -> Prices:
    """What each part costs in a request with so much input. parts: as the price list has them, some in steps."""
    input, cached, written, output = (_per_million(part, input_tokens) for part in parts)
    return Prices(input, cached, written, output, "genai-prices")


def known_context(model: ModelId) -> int | None:
    """The context in tokens as the offline price list has it, None where it does not say. Imports as `known`."""
    found = known(model)
    return found.context if found else None


def cost_of(model: ModelId, usage: Usage, prices: Prices | None = None, *, here: bool = False) -> int | None:
    """What a call cost in nano-dollars, None where nobody knows.

    prices: what the registry has of the model. In order: the person's own price, what the provider said of this
    call, the price in the provider's list, the price list (genai-prices; it knows of steps and dates). A provider's
    list does not say what long requests cost: where the price list has a step for that, the dearer of both counts.
    here: it runs on one's own machine, where it costs 0 unless the person gave it a price.
    """
    own = prices or Prices()
    if own.source == "person" and (cost := priced(usage, own)) is not None:
        return cost
    if usage.cost is not None:
        return usage.cost
    if here:
        return 0
    if own.source == "provider" and (cost := priced(usage, _dearer(own, _step_of(model, usage)))) is not None:
        return cost
    return _by_price_list(model, usage)


def priced(usage: Usage, prices: Prices) -> int | None:
    """Tokens times prices in nano-dollars, rounded half to even; None where tokens or a price they need is unknown.

    Input tokens include cached and cache-written ones; those without a price of their own cost what input costs.
    """
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    cached, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
    total = Decimal(0)
    for count, price in (
        (max(usage.input_tokens - cached - written, 0), prices.input),
        (cached, prices.input if prices.cached is None else prices.cached),
        (written, prices.input if prices.cache_write is None else prices.cache_write),
        (usage.output_tokens, prices.output),
    ):
        if not count:
            continue
        if price is None:
            return None
        total += count * price
    return int((total / MILLION).to_integral_value())


def _step_of(model: ModelId, usage: Usage) -> Prices:
    """The prices of the step that a long request reaches in the price list; nothing is known where it reaches none."""
    found = _in_price_list(model)
    if found is None or usage.input_tokens is None or not any(usage.input_tokens > step.above for step in found.steps):
        return Prices()
    return found.prices_at(usage.input_tokens)


def _dearer(listed: Prices, step: Prices) -> Prices:
    def of(one: int | None, other: int | None) -> int | None:
        return one if other is None else other if one is None else max(one, other)

    return replace(
        listed,
        input=of(listed.input, step.input),
        cached=of(listed.cached, step.cached),
        cache_write=of(listed.cache_write, step.cache_write),
        output=of(listed.output, step.output),
    )


def _by_price_list(model: ModelId, usage: Usage) -> int | None:
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    found = None if model.provider in FREE_PROVIDERS else _in_price_list(model)
    # A model may be there without a price by token: what it costs is unknown then, not nothing.
    if found is None or priced(usage, found.prices_at(usage.input_tokens)) is None:
        return None
    from genai_prices import Usage as Counted
    from genai_prices import calc_price

    cached = min(usage.cached_tokens or 0, usage.input_tokens)
    counted = Counted(
        input_tokens=usage.input_tokens,
        cache_read_tokens=cached,
        cache_write_tokens=min(usage.cache_write_tokens or 0, usage.input_tokens - cached),
        output_tokens=usage.output_tokens,
        output_reasoning_tokens=min(usage.reasoning_tokens or 0, usage.output_tokens),
    )
    try:
        price = calc_price(counted, model_ref=model.model, provider_id=PRICE_NAMES.get(model.provider, model.provider))
    except (LookupError, ValueError):
        return None
    return int((price.total_price * NANO).to_integral_value()) if isinstance(price.total_price, Decimal) else None


def _per_million(price: object, input_tokens: int) -> int | None:
    """Dollars per million tokens as nano-dollars; of a price in steps the one that so much input reaches."""
    value = getattr(price, "base", price)
    for tier in getattr(price, "tiers", ()):
        if input_tokens > tier.start:
            value = tier.price
    return int((value * NANO).to_integral_value()) if isinstance(value, Decimal) else None
