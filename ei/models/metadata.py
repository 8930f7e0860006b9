"""What is known of a model before it is asked: its context and what its tokens cost."""

from __future__ import annotations

from decimal import Decimal

from ei.messages import Usage
from ei.models.reference import ModelId

NANO = 1_000_000_000
FREE_PROVIDERS = ("local", "ollama", "builtin")

# Our names of providers where the price list has others.
_PRICE_NAMES = {"x": "x-ai"}


def known_context(model: ModelId) -> int | None:
    """The context in tokens as the offline price list has it, None where it does not say.

    Source: genai-prices, which ships its data. Imports it on first use (heavy unless openai is loaded).
    """
    if model.provider in FREE_PROVIDERS:
        return None
    from genai_prices.data_snapshot import get_snapshot

    try:
        _, info = get_snapshot().find_provider_model(
            model.model, None, _PRICE_NAMES.get(model.provider, model.provider), None
        )
    except LookupError:
        return None
    return info.context_window


def cost_of(model: ModelId, usage: Usage) -> int | None:
    """What a call cost in nano-dollars: what the provider said, else by the price list; None where unknown.

    A model on one's own machine costs 0. Price list: genai-prices; its input tokens include cached ones.
    """
    if usage.cost is not None:
        return usage.cost
    if model.provider in FREE_PROVIDERS:
        return 0
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    from genai_prices import Usage as Counted
    from genai_prices import calc_price

    counted = Counted(
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
    )
    try:
        price = calc_price(counted, model_ref=model.model, provider_id=_PRICE_NAMES.get(model.provider, model.provider))
    except (LookupError, ValueError):
        return None
    return int((price.total_price * NANO).to_integral_value()) if isinstance(price.total_price, Decimal) else None
