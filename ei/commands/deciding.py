"""/models add, remove, tier, price, default, disable: what the person decides of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ei.commands.base import Invocation, Line, Reply
from ei.commands.model_rows import as_data
from ei.commands.parse import Options, options
from ei.commands.which import count_of, one_model
from ei.errors import UsageError
from ei.models.reference import exact
from ei.models.values import TIERS, Model, Prices, price_text

ABILITIES = {
    "--tools": "tools",
    "--vision": "vision",
    "--structured": "structured_output",
    "--reasoning": "reasoning",
    "--embeddings": "embeddings",
}


async def run_add(call: Invocation, words: Sequence[str]) -> Reply:
    from ei.models.metadata import Known, known

    usage = f"For example: {call.typed('models add azure:my-deployment --context 128k --tools')}"
    given = options(words, tuple(ABILITIES), ("--context", "--max-output", "--label"), usage)
    if len(given.rest) != 1:
        raise UsageError("Which model?", usage)
    model = exact(given.rest[0], call.session.services.chooser.names())
    abilities = frozenset(ability for flag, ability in ABILITIES.items() if given.has(flag))
    found = await call.session.in_thread(known, model) or Known()
    prices = replace(found.prices, at_ms=int(call.session.services.now() * 1000)) if found.prices.source else Prices()
    added = Model(
        model.provider,
        model.model,
        given.values.get("--label", found.label),
        context=count_of(given, "--context") or found.context,
        max_output=count_of(given, "--max-output"),
        capabilities=abilities or found.capabilities,
        sampling=found.sampling,
        prices=prices,
        chat=not given.has("--embeddings"),
    )
    stored = await call.session.on_main(call.session.services.registry.add, added)
    head = Line(f"{stored.id} is added{_of_tier(stored)}.", "good")
    filled = _filled(added, given, bool(abilities))
    return Reply((head, *([Line(f"Known of it: {filled}.", "dim")] if filled else [])), as_data(stored))


def _filled(model: Model, given: Options, can: bool) -> str:
    """What was not said but known, in words."""
    parts = []
    if model.context and "--context" not in given.values:
        parts.append(f"{model.context:,} tokens of context")
    if price := price_text(model.prices):
        parts.append(price)
    if model.capabilities and not can:
        parts.append(f"can {', '.join(sorted(model.capabilities)).replace('_', ' ')}")
    return "; ".join(parts)


async def run_remove(call: Invocation, words: Sequence[str]) -> Reply:
    model = await one_model(call, words, "remove M")
    await call.session.on_main(call.session.services.registry.remove_added, model.id)
    return Reply.line(f"{model.id} is taken out.", "good", {"model": model.id, "removed": True})


async def run_tier(call: Invocation, words: Sequence[str]) -> Reply:
    usage = f"For example: {call.typed('models tier openai:gpt-5.1 smart')}; auto gives it back to the rules."
    if len(words) != 2:
        raise UsageError(f"Which model, and which tier of {', '.join(TIERS)}?", usage)
    model = await one_model(call, words[:1], "tier M TIER")
    tier = None if words[1].lower() == "auto" else words[1].lower()
    stored = await call.session.on_main(call.session.services.registry.set_tier, model.id, tier)
    return Reply.line(
        f"{stored.id} is {stored.tier or 'in no tier'} now: {stored.tier_reason}.", "good", as_data(stored)
    )


async def run_price(call: Invocation, words: Sequence[str]) -> Reply:
    usage = f"Dollars per million tokens: {call.typed('models price M IN OUT [CACHED]')}; auto for what lists say."
    if len(words) not in (2, 3, 4) or (len(words) == 2 and words[1].lower() != "auto"):
        raise UsageError("Which model, and at what price?", usage)
    model = await one_model(call, words[:1], "price M IN OUT")
    registry = call.session.services.registry
    if len(words) == 2:
        stored = await call.session.on_main(registry.set_price, model.id, None, None)
        told = f"The price of {stored.id} is what lists say from the next {call.typed('models sync')} on."
        return Reply.line(told, "good", as_data(stored))
    stored = await call.session.on_main(registry.set_price, model.id, *(_dollars(word, usage) for word in words[1:]))
    text = price_text(stored.prices).rpartition(" (")[0]
    return Reply.line(f"{stored.id} costs {text} per million tokens.", "good", as_data(stored))


async def run_default(call: Invocation, words: Sequence[str]) -> Reply:
    model = await one_model(call, words, "default M")
    stored = await call.session.on_main(call.session.services.registry.set_default, model.id)
    return Reply.line(f"{stored.id} is the default of the tier {stored.tier} now.", "good", as_data(stored))


async def run_disable(call: Invocation, words: Sequence[str], disabled: bool) -> Reply:
    model = await one_model(call, words, "disable M" if disabled else "enable M")
    stored = await call.session.on_main(call.session.services.registry.set_disabled, model.id, disabled)
    told = "is left alone from now on" if disabled else "may be chosen again"
    return Reply.line(f"{stored.id} {told}.", "good", as_data(stored))


def _dollars(text: str, usage: str) -> int:
    """A price as nano-dollars. Raises UsageError for what is no price."""
    from decimal import Decimal, InvalidOperation

    try:
        price = Decimal(text.removeprefix("$"))
    except InvalidOperation:
        price = Decimal(-1)
    if not price.is_finite() or not 0 <= price < 1_000_000:
        raise UsageError(f'"{text}" is no price.', usage)
    return int((price * 1_000_000_000).to_integral_value())


def _of_tier(model: Model) -> str:
    return f", {model.tier}: {model.tier_reason}" if model.tier else ""
