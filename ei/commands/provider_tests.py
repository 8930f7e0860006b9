"""/provider test: step by step whether a provider works, with the time each step took and one clear verdict."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ei.commands.base import Invocation, Item, Line, Reply, Style, Table
from ei.commands.parse import options
from ei.commands.which import provider_named
from ei.commands.words import clip, money, plural, tokens
from ei.errors import EiError, UsageError

if TYPE_CHECKING:
    from ei.engine.provider_testing import Looked, Step, StepName
    from ei.engine.services import Services
    from ei.engine.testing import Estimate

NAMES: dict[StepName, str] = {
    "reach": "is it there",
    "key": "is its key good",
    "models": "its models",
    "word": "one word",
}


async def run_test(call: Invocation, words: Sequence[str]) -> Reply:
    """`/provider test [NAME|--all]`: asks for a word only where the person agrees. Raises UsageError, ConfigError."""
    usage = f"For example: {call.typed('provider test openai')}, or --all"
    given = options(words, ("--all",), (), usage)
    if len(given.rest) > 1 or (given.has("--all") and given.rest):
        raise UsageError("One provider at a time, or --all.", usage)
    if given.rest:
        return await _one(call, provider_named(call, given.rest[0]))
    return await _all(call)


async def _one(call: Invocation, name: str) -> Reply:
    from ei.engine.provider_testing import ask_word, estimate, look_at

    services = call.session.services
    with call.ui.progress(f"Testing {name}") as progress:
        looked = await look_at(services, name, progress.update)
    unsaid = ""
    if looked.works and looked.cheapest is not None:
        expected = await asyncio.to_thread(estimate, services, looked.cheapest)
        if await _agrees(call, f"Ask {looked.cheapest} for one word: {_cost(expected)}?"):
            with call.ui.progress(f"Asking {looked.cheapest} for one word"):
                word, _ = await ask_word(services, looked.cheapest, call.session.persona)
            looked = replace(looked, steps=(*looked.steps, word))
        else:
            unsaid = "" if call.ui.interactive else f"{call.typed(f'provider test {name}')} --yes asks it for one word."
    rows = tuple((NAMES[step.name], _mark(step), _time(step), clip(step.told, 200)) for step in looked.steps)
    items: list[Item] = [Table(("step", "", "time", "what came"), rows), verdict(looked)]
    items += [Line(unsaid, "dim")] if unsaid else []
    return Reply(tuple(items), as_data(looked), failed=not looked.works)


async def _all(call: Invocation) -> Reply:
    """Every provider that can be asked, at once; a word of each after one question for all."""
    from ei.engine.provider_facts import facts
    from ei.engine.provider_testing import ask_word, estimate

    services = call.session.services
    found = await facts(services)
    names = [f.name for f in found if f.state in ("ready", "not reachable", "circuit open", "not usable")]
    left = [f"{f.name} ({f.state})" for f in found if f.name not in names]
    with call.ui.progress(f"Testing {plural(len(names), 'provider')}"):
        looked = list(await asyncio.gather(*(_guarded(services, name) for name in names)))
    asked = {each.provider: each.cheapest for each in looked if each.works and each.cheapest is not None}
    unsaid = ""
    if asked:
        costs = [await asyncio.to_thread(estimate, services, model) for model in asked.values()]
        many = f"the cheapest model of {plural(len(asked), 'provider')}"
        if await _agrees(call, f"Ask {many} for one word: {_sum(costs)}?", [str(model) for model in asked.values()]):
            with call.ui.progress(f"Asking {many} for one word"):
                came = await asyncio.gather(*(ask_word(services, m, call.session.persona) for m in asked.values()))
            words = {name: word for name, (word, _) in zip(asked, came, strict=True)}
            looked = [
                replace(each, steps=(*each.steps, words[each.provider])) if each.provider in words else each
                for each in looked
            ]
        elif not call.ui.interactive:
            unsaid = f"{call.typed('provider test --all')} --yes asks each for one word."
    items: list[Item] = [Line(f"{'✓' if each.works else '✗'} {sentence(each)}", style_of(each)) for each in looked]
    items += [Line(f"Not tested: {', '.join(left)}", "dim")] if left else []
    items += [Line(unsaid, "dim")] if unsaid else []
    # A server that is not started here is nothing that broke.
    absent = {f.name for f in found if f.state == "not reachable"}
    failed = any(not each.works and each.provider not in absent for each in looked)
    return Reply(tuple(items), [as_data(each) for each in looked], failed=failed)


def verdict(looked: Looked) -> Line:
    """One line: whether it works, and what to do where it does not."""
    return Line(sentence(looked), style_of(looked))


def sentence(looked: Looked) -> str:
    """The verdict in words."""
    bad = next((step for step in looked.steps if step.works is False), None)
    if bad is not None:
        told = re.sub(rf"^{re.escape(looked.provider)} (?=is|has|refused|asks|answered|lists)", "it ", bad.told)
        return f"{looked.provider} does not work: {told} {bad.hint}".strip()
    parts = []
    for step in looked.steps:
        if step.name == "key" and step.works:
            parts.append("its key is good")
        elif step.name == "key" and step.seconds is not None:
            parts.append("its key was accepted" if _answered(looked) else "whether its key is good shows with a word")
        elif step.name == "models":
            parts.append(plural(sum(model.chat for model in looked.models), "model"))
        elif step.name == "word":
            parts.append(f"{step.told.partition(':')[0]} answered in {_time(step)}")
    return f"{looked.provider} works{': ' * bool(parts)}{', '.join(parts)}."


def style_of(looked: Looked) -> Style:
    return "good" if looked.works else "error"


def as_data(looked: Looked) -> dict[str, object]:
    """What a test found, JSON-ready."""
    return {
        "provider": looked.provider,
        "works": looked.works,
        "verdict": sentence(looked),
        "steps": [
            {
                "step": step.name,
                "works": step.works,
                "told": step.told,
                "seconds": None if step.seconds is None else round(step.seconds, 3),
                "hint": step.hint or None,
            }
            for step in looked.steps
        ],
        "models": sum(model.chat for model in looked.models),
        "cheapest": str(looked.cheapest) if looked.cheapest else None,
    }


async def _guarded(services: Services, name: str) -> Looked:
    """As `look_at`; what must not be asked is a step that failed, so that the others are tested."""
    from ei.engine.provider_testing import Looked, Step, look_at

    try:
        return await look_at(services, name)
    except EiError as error:
        return Looked(name, (Step("reach", False, error.sentence, hint=error.hint),))


async def _agrees(call: Invocation, question: str, details: Sequence[str] = ()) -> bool:
    """Whether the person wants a word; nobody who cannot be asked is taken to."""
    if call.yes:
        return True
    return call.ui.interactive and await call.ui.confirm(question, details)


def _answered(looked: Looked) -> bool:
    return any(step.name == "word" and step.works for step in looked.steps)


def _cost(expected: Estimate) -> str:
    if expected.free:
        return "it costs nothing"
    cost = "its price is unknown" if expected.cost is None else f"about {money(expected.cost)}"
    return f"about {tokens(expected.tokens)} tokens, {cost}"


def _sum(expected: Sequence[Estimate]) -> str:
    known = sum(each.cost or 0 for each in expected)
    unknown = sum(each.cost is None for each in expected)
    more = f", and {unknown} at an unknown price" if unknown else ""
    return f"about {money(known)} in all{more}"


def _mark(step: Step) -> str:
    return {True: "✓", False: "✗", None: "-"}[step.works]


def _time(step: Step) -> str:
    if step.seconds is None:
        return ""
    return f"{step.seconds * 1000:.0f} ms" if step.seconds < 1 else f"{step.seconds:.1f} s"
