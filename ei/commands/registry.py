"""/models: which models there are, what is known of them, and what the person decides of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ei.commands.base import Command, Invocation, Item, Line, Reply, Table
from ei.commands.deciding import ABILITIES, run_add, run_default, run_disable, run_price, run_remove, run_tier
from ei.commands.model_rows import COLUMNS, LEGEND, as_data, details, problem_of, row, where_of
from ei.commands.parse import options
from ei.commands.paying import complete_pay, run_pay
from ei.commands.replacing import complete_replace, run_replace
from ei.commands.testing import run_test
from ei.commands.which import count_of, one_model, provider_named
from ei.models.reference import exact, nearest
from ei.models.values import TIERS, Model, Speed

if TYPE_CHECKING:
    from ei.engine.session import Session

SHOWN = 60
"""Rows of a table before it says how many more there are."""
CALLS = 5000


async def run_models(call: Invocation) -> Reply:
    first, rest = (call.words[0], call.words[1:]) if call.words else ("", ())
    match first:
        case "sync":
            return await _sync(call, rest)
        case "show":
            return await _show(call, rest)
        case "add":
            return await run_add(call, rest)
        case "remove":
            return await run_remove(call, rest)
        case "tier":
            return await run_tier(call, rest)
        case "price":
            return await run_price(call, rest)
        case "default":
            return await run_default(call, rest)
        case "disable" | "enable":
            return await run_disable(call, rest, first == "disable")
        case "test":
            return await run_test(call, rest)
        case "log":
            return await _log(call, rest)
        case "replace":
            return await run_replace(call)
        case "pay":
            return await run_pay(call, rest)
        case _:
            return await _list(call)


async def _list(call: Invocation) -> Reply:
    session = call.session
    given = options(call.words, ("--all",), (), f"See {call.typed('help models')}.")
    if call.ui.interactive and not call.shell and not given.has("--all"):
        from ei.commands.picking import pick

        return await pick(call, query=" ".join(given.rest))
    registry = session.services.registry
    found = await session.on_main(registry.find, given.rest)
    if not found and not given.rest:
        return Reply.line(f"No models are known yet: {call.typed('models sync')} asks the providers.", "warn", [])
    if not found:
        near = nearest(given.rest[-1], [model.name for model in await session.on_main(registry.all)])
        hint = f" Near it: {', '.join(near)}." if near else f" {call.typed('models sync')} asks the providers again."
        return Reply.line(f"No model has {' and '.join(given.rest)} in it.{hint}", "warn", [])
    if not given.has("--all") and not given.rest:
        found = tuple(model for model in found if model.active and model.chat)
    order = {name: index for index, name in enumerate(session.services.chooser.endpoints())}
    models = sorted(found, key=lambda model: order.get(model.provider, len(order)))
    speed = await _speeds(session)
    providers = dict.fromkeys(model.provider for model in models)
    wheres = {name: where_of(session, name) for name in providers}
    problems = {name: problem_of(session, name) for name in providers}
    data = [as_data(model, speed.get(model.id), wheres[model.provider]) for model in models]
    shown = models if given.has("--all") else models[:SHOWN]
    rows = tuple(row(m, speed.get(m.id), wheres[m.provider], problems[m.provider]) for m in shown)
    items: list[Item] = [Table(COLUMNS, rows, _current(session, shown)), Line(LEGEND, "dim")]
    if len(shown) < len(models):
        more = f"{len(models) - len(shown):,} more. {call.typed('models WORDS')} narrows, "
        items.append(Line(f"{more}{call.typed('models --all')} shows all.", "dim"))
    return Reply(tuple(items), data)


async def _sync(call: Invocation, words: Sequence[str]) -> Reply:
    from ei.engine.own import everything
    from ei.engine.syncing import sync

    session = call.session
    only = [provider_named(call, name) for name in words] or None
    with call.ui.progress("Asking the providers for their models") as progress:
        result = await sync(session.services, only, progress.update)
    rows = tuple((a.provider, str(a.models) if not a.problem else "-", f"{a.seconds:.1f} s", a.problem)
                 for a in result.asked)  # fmt: skip
    told = f"{result.new:,} new, {result.changed:,} changed, {result.gone:,} gone."
    lines = [Line(news.text, "warn") for news in result.news]
    if only is None and everything(session.services.config.current()):
        lines.append(Line("Everything is private: providers that are not on this machine were not asked.", "dim"))
    data = {
        "providers": [
            {"provider": a.provider, "models": a.models, "seconds": round(a.seconds, 3), "problem": a.problem or None}
            for a in result.asked
        ],
        "new": result.new,
        "changed": result.changed,
        "gone": result.gone,
        "news": [{"kind": news.kind, "model": news.model, "text": news.text} for news in result.news],
    }
    return Reply((Table(("provider", "models", "time", "problem"), rows), Line(told, "good"), *lines), data)


async def _show(call: Invocation, words: Sequence[str]) -> Reply:
    import asyncio

    from ei.engine.missing import successors
    from ei.engine.referring import references

    session = call.session
    services = session.services
    model = await one_model(call, words, "show M")
    used = (await asyncio.to_thread(references, services)).get(model.id, ())
    learned = await session.on_main(services.learned.get, model.id)
    speed = (await _speeds(session)).get(model.id)
    where, problem = where_of(session, model.provider), problem_of(session, model.provider)
    facts = details(model, speed, where, problem, used, learned, services.now())
    items: list[Item] = [Table(("", ""), facts)]
    near: list[str] = []
    if not model.active or model.disabled or model.shutdown:
        usable = await session.on_main(services.registry.all, active_only=True)
        elsewhere = nearest(model.name, [other.id for other in usable if other.chat and other.id != model.id])
        near = [other.id for other in successors(model, usable)] or elsewhere
        if near:
            change = f"models replace {model.id} {near[0]}" if used else f"model {near[0]}"
            items.append(Line(f"Near it: {', '.join(near)}. To change: {call.typed(change)}", "dim"))
    data = as_data(model, speed, where) | {"used_by": list(used), "learned": dict(learned), "near": near}
    return Reply(tuple(items), data)


async def _log(call: Invocation, words: Sequence[str]) -> Reply:
    import time

    given = options(words, (), ("--limit",), f"For example: {call.typed('models log openai:gpt-5.1 --limit 20')}")
    limit = count_of(given, "--limit", "changes", "20") or 50
    name = ""
    if given.rest:
        # A model that was taken out has a history, too.
        name = str(exact(given.rest[0], call.session.services.chooser.names()))
    changes = await call.session.on_main(call.session.services.registry.log, limit, name)
    if not changes:
        return Reply.line(f"Nothing was changed{f' at {name}' if name else ''} yet.", "dim", [])
    rows = tuple(
        (time.strftime("%Y-%m-%d %H:%M", time.localtime(c.at_ms / 1000)), c.model, c.what, c.before, c.after, c.by)
        for c in changes
    )
    data = [
        {"at_ms": c.at_ms, "model": c.model, "what": c.what, "from": c.before, "to": c.after, "by": c.by}
        for c in changes
    ]
    return Reply((Table(("when", "model", "what", "from", "to", "by"), rows),), data)


def complete_models(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    """Subcommands first, then what each takes."""
    before = words[:-1]
    if not before:
        return [(name, meaning) for name, meaning in _WORDS.items()]
    match before[0], len(before):
        case "sync", _:
            return [(name, endpoint.label) for name, endpoint in session.services.chooser.endpoints().items()]
        case (("show" | "tier" | "price" | "default" | "disable" | "enable" | "remove" | "test" | "log"), 1):
            models = session.services.registry.all()
            return [(model.id, model.label) for model in models if before[0] != "remove" or model.added]
        case "replace", _:
            return complete_replace(session, before[1:])
        case "pay", _:
            return complete_pay(session, before[1:])
        case "tier", 2:
            return [*((tier, "") for tier in TIERS), ("auto", "where the rules put it")]
        case "price", 2:
            return [("auto", "what lists say")]
        case "add", _:
            flags = [*ABILITIES, "--context", "--max-output", "--label"]
            return [(flag, "") for flag in flags if flag not in before]
        case _:
            return []


_WORDS: Mapping[str, str] = {
    "sync": "ask the providers for their models",
    "show": "all that is known of one",
    "add": "one that no list names",
    "remove": "one that was added",
    "tier": "put it into a tier",
    "price": "what you pay for it",
    "default": "the first of its tier",
    "disable": "leave it alone",
    "enable": "may be chosen again",
    "test": "what it really can, and how quickly",
    "pay": "what a tier may choose although it costs money",
    "replace": "name another model wherever this one is",
    "log": "what changed, and by whom",
}

MODELS = Command(
    name="models",
    summary="The models there are: what they can, cost and are for",
    usage=(
        "models [WORDS]  pick from those in which the words are; in a shell a table",
        "models --all  also those that are gone or do not chat",
        "models sync [PROVIDER…]  ask the providers for their models now",
        "models show M  all that is known of one, and who uses it",
        "models add PROVIDER:MODEL [--context N --max-output N --tools --vision …]  one that no list names",
        "models remove M  one that was added",
        "models tier M TIER|auto  fast, balanced, smart or premium",
        "models price M IN OUT [CACHED]|auto  what you pay, in dollars per million tokens",
        "models default M  the one that its tier picks first",
        "models disable M  leave it alone; models enable M ends that",
        "models test M  ask it for a word, JSON and a tool call: what works, how quickly, what it costs",
        "models pay [PROVIDER|MODEL]  let tiers choose it although it costs money; alone: what they may",
        "models pay --not PROVIDER|MODEL  no longer",
        "models replace OLD NEW  name NEW wherever OLD is: personas, settings, conversations; asks first",
        "models replace --undo  take the last replacement back",
        "models log [M] [--limit N]  what changed: when, from, to, by sync or by hand",
    ),
    examples=("models haiku", "models sync", "models replace openai:gpt-4o openai:gpt-5.1"),
    run=run_models,
    group="models",
    complete=complete_models,
    shell=True,
)


async def _speeds(session: Session) -> Mapping[str, Speed]:
    from ei.usage.speed import speeds

    return speeds(await session.on_main(session.services.calls.calls, limit=CALLS))


def _current(session: Session, models: Sequence[Model]) -> int | None:
    """The row of the model that the persona in front would use, by what is known without looking."""
    from ei.errors import EiError
    from ei.models.interactions import REASONING

    try:
        current = str(session.services.chooser.peek(session.persona, session.conversation, REASONING).model)
    except EiError:
        return None
    return next((index for index, model in enumerate(models) if model.id == current), None)
