"""Which tier a model belongs to and why: by its family, by its size, by its price; from a file of rules."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from ei.models.values import TIERS, Model, dollars

FILE = Path(__file__).with_name("tiers.json")
ENOUGH = 4
"""So many models with a price make a catalogue that can be cut into quarters."""


@dataclass(frozen=True, slots=True)
class Rules:
    """families: (pattern, tier, reason), tried in order on `provider:name`. parameters: (at most so many billions,
    tier). local: providers whose models cost nothing, so that size decides before anything else. unsettled: names
    of which none becomes the default of its tier while there is another."""

    families: tuple[tuple[re.Pattern[str], str, str], ...]
    parameters: tuple[tuple[float, str], ...]
    local: tuple[str, ...]
    unsettled: re.Pattern[str]


@cache
def shipped_rules() -> Rules:
    """The rules that ship, from tiers.json."""
    data = json.loads(FILE.read_text("utf-8"))
    return Rules(
        tuple((re.compile(row["match"], re.IGNORECASE), row["tier"], row["reason"]) for row in data["families"]),
        tuple((row["billions"], row["tier"]) for row in data["parameters"]),
        tuple(data["local"]),
        re.compile(data["unsettled"], re.IGNORECASE),
    )


def assign(models: Sequence[Model], rules: Rules | None = None) -> list[Model]:
    """The same models, in their order, with tier, tier_reason and the default of each provider's tiers.

    What the person set stays. A model that does not chat, and one that nothing is known of, has no tier. The default
    is the newest that is active, not disabled and settled (no preview, no alias that moves).
    """
    rules = rules or shipped_rules()
    quarters = {provider: _quarters(prices) for provider, prices in _catalogues(models).items()}
    out = [_tiered(model, rules, quarters.get(model.provider)) for model in models]
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, model in enumerate(out):
        if model.tier:
            groups[model.provider, model.tier].append(index)
        elif model.default:
            out[index] = replace(model, default=False)
    for indexes in groups.values():
        chosen = _default([out[index] for index in indexes], rules)
        for index in indexes:
            is_default = out[index].id == chosen
            if out[index].default != is_default:
                out[index] = replace(out[index], default=is_default)
    return out


def tier_of(model: Model, rules: Rules, quarters: tuple[int, int, int] | None) -> tuple[str, str]:
    """(tier, why) of one model; ("", why not) where nothing fits.

    quarters: the output prices that cut its provider's catalogue into quarters, None where there are too few.
    """
    if not model.chat:
        return "", "it does not chat"
    local = model.provider in rules.local
    if local and (found := _by_size(model, rules)):
        return found
    for pattern, tier, reason in rules.families:
        if not local and pattern.search(model.id):
            return tier, reason
    price = model.prices.output
    if price is not None and quarters is not None:
        below = sum(price > edge for edge in quarters)
        which = ("the cheapest", "the second", "the third", "the dearest")[below]
        return TIERS[below], f"{dollars(price)} out is in {which} quarter of {model.provider}'s prices"
    return _by_size(model, rules) or ("", "neither its family nor its size nor its price is known")


def billions(text: str) -> float | None:
    """The number of parameters that a name tells, in billions: 8 of `qwen3:8b`, 56 of `mixtral-8x7b`."""
    found = _BILLIONS.search(text)
    if found:
        return float(found["times"] or 1) * float(found["count"])
    millions = _MILLIONS.search(text)
    return float(millions["count"]) / 1000 if millions else None


_BILLIONS = re.compile(r"(?<![a-z0-9.])e?(?:(?P<times>\d{1,3})x)?(?P<count>\d{1,4}(?:\.\d{1,3})?)b(?![a-z0-9])", re.I)
_DATE = re.compile(r"[-_@]20\d\d[-_]?\d\d[-_]?\d\d")
_NUMBER = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3})?(?!\d)")
_MILLIONS = re.compile(r"(?<![a-z0-9.])(?P<count>\d{2,4})m(?![a-z0-9])", re.I)


def _tiered(model: Model, rules: Rules, quarters: tuple[int, int, int] | None) -> Model:
    if "tier" in model.by_hand:
        tier, reason = model.tier, "you set it"
    else:
        tier, reason = tier_of(model, rules, quarters)
    return model if (tier, reason) == (model.tier, model.tier_reason) else replace(model, tier=tier, tier_reason=reason)


def _by_size(model: Model, rules: Rules) -> tuple[str, str] | None:
    size = billions(model.name) or billions(model.label)
    if size is None:
        return None
    tier = next((tier for limit, tier in rules.parameters if size <= limit), TIERS[-1])
    return tier, f"{size:g} billion parameters"


def _catalogues(models: Iterable[Model]) -> Mapping[str, list[int]]:
    out: dict[str, list[int]] = defaultdict(list)
    for model in models:
        # What costs nothing would pull a catalogue down and says nothing of what a model can do.
        if model.chat and model.active and model.prices.output:
            out[model.provider].append(model.prices.output)
    return out


def _quarters(prices: list[int]) -> tuple[int, int, int] | None:
    if len(prices) < ENOUGH:
        return None
    prices = sorted(prices)
    first, middle, third = (prices[(len(prices) - 1) * part // 4] for part in (1, 2, 3))
    return (first, middle, third) if first < third else None


def _default(models: Sequence[Model], rules: Rules) -> str:
    by_hand = [model for model in models if "default" in model.by_hand and not model.disabled]
    if by_hand:
        return by_hand[0].id
    usable = [model for model in models if model.active and not model.disabled]
    if not usable:
        return ""
    return max(usable, key=lambda model: _newness(model, rules)).id


def _newness(model: Model, rules: Rules) -> tuple[bool, bool, bool, int, tuple[float, ...], int]:
    undated = _DATE.sub("", model.name)
    numbers = tuple(float(number) for number in _NUMBER.findall(undated))
    settled = not rules.unsettled.search(model.name)
    return (not model.shutdown, settled, "default" in model.by_hand, model.created_ms or 0, numbers, -len(model.name))
