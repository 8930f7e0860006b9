"""/models test: what a model can really do, how quickly, and what finding out cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ei.commands.base import Invocation, Item, Line, Reply, Table
from ei.commands.parse import options
from ei.commands.which import one_model
from ei.commands.words import clip, money, tokens
from ei.errors import UsageError

if TYPE_CHECKING:
    from ei.engine.testing import Asked, Findings, Probe
    from ei.models.resolve import Resolution


async def run_test(call: Invocation, words: Sequence[str]) -> Reply:
    """`/models test M`: asks before it costs anything. Raises ProviderError where not even a word comes."""
    import asyncio

    from ei.engine.testing import estimate, examine

    services = call.session.services
    given = options(words, (), (), f"For example: {call.typed('models test ollama:qwen3:8b')}")
    resolution = await _resolved(call, given.rest)
    model = str(resolution.model)
    services.gate.check(resolution.model.provider, resolution.model.model)  # before anything is asked
    expected = await asyncio.to_thread(estimate, services, resolution.model)
    if not expected.free and not call.yes:
        cost = "its price is unknown" if expected.cost is None else f"about {money(expected.cost)}"
        question = f"Test {model} with three short requests: about {tokens(expected.tokens)} tokens, {cost}?"
        if not await call.ui.confirm(question, _warnings(expected.cost)):
            return Reply.line(f"{model} is not tested.", "dim", None)
    with call.ui.progress(f"Testing {model}") as progress:
        found = await examine(services, resolution, progress.update, call.session.may_cost_more)
    return Reply(_items(found), as_data(found))


def as_data(found: Findings) -> dict[str, object]:
    """What a test found, JSON-ready; cost in dollars, null where unknown."""
    return {
        "model": str(found.model),
        "works": {probe.asked: probe.works for probe in found.probes},
        "told": {probe.asked: probe.told for probe in found.probes},
        "capabilities": dict(found.capabilities),
        "first_token_ms": found.first_token_ms,
        "tokens_per_second": None if found.tokens_per_second is None else round(found.tokens_per_second, 1),
        "usage": {
            "input_tokens": found.input_tokens,
            "output_tokens": found.output_tokens,
            "estimated": found.estimated,
        },
        "cost_usd": None if found.cost is None else found.cost / 1_000_000_000,
    }


NAMES: dict[Asked, str] = {"word": "a word", "json": "JSON by a schema", "tool": "a tool call"}


def _items(found: Findings) -> tuple[Item, ...]:
    rows = tuple(_row(probe) for probe in found.probes)
    speed = [f"first token {found.first_token_ms / 1000:.1f} s"] if found.first_token_ms is not None else []
    speed += [f"{found.tokens_per_second:.0f} tokens/s"] if found.tokens_per_second is not None else []
    about = "~" if found.estimated else ""
    speed.append(f"{about}↑{tokens(found.input_tokens)} {about}↓{tokens(found.output_tokens)}")
    speed.append(money(found.cost))
    items: list[Item] = [
        Table(("asked for", "works", "time", "what came"), rows),
        Line(f"{found.model} · {' · '.join(speed)}"),
    ]
    can = [name.replace("_", " ") for name, works in found.capabilities.items() if works]
    cannot = [name.replace("_", " ") for name, works in found.capabilities.items() if not works]
    kept = [f"it has {', '.join(can)}"] if can else []
    kept += [f"it has no {', no '.join(cannot)}"] if cannot else []
    if kept:
        items.append(Line(f"Remembered: {'; '.join(kept)}.", "good"))
    return tuple(items)


def _row(probe: Probe) -> tuple[str, str, str, str]:
    works = {True: "yes", False: "no", None: "?"}[probe.works]
    took = "" if probe.answered is None else f"{probe.answered.total_ms / 1000:.1f} s"
    return NAMES[probe.asked], works, took, clip(probe.told, 200)


def _warnings(cost: int | None) -> tuple[str, ...]:
    unknown = ("What it costs can be set: /models price M IN OUT",) if cost is None else ()
    return (*unknown, "A model that thinks for long takes more.")


async def _resolved(call: Invocation, words: Sequence[str]) -> Resolution:
    """A reference with a colon as it stands (a tier and a profile, too), else the model of the registry that fits."""
    import asyncio

    from ei.models.interactions import REASONING

    if len(words) != 1:
        raise UsageError("Which model?", call.typed("models test M"))
    written = words[0] if ":" in words[0] else (await one_model(call, words, "test M")).id
    named = call.session.services.chooser.named
    return await asyncio.to_thread(named, written, call.session.persona, REASONING)
