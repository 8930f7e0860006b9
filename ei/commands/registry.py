"""/models: which models there are, what is known of them, and what the person decides of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ei.commands.base import Command, Invocation, Item, Line, Reply, Table
from ei.commands.model_rows import COLUMNS, LEGEND, as_data, details, problem_of, row, where_of
from ei.commands.parse import Options, options
from ei.commands.words import plural
from ei.errors import UsageError
from ei.models.reference import exact, nearest
from ei.models.values import TIERS, Model, Speed, price_text

if TYPE_CHECKING:
    from ei.engine.session import Session

SHOWN = 60
"""Rows of a table before it says how many more there are."""
CALLS = 5000
ABILITIES = {
    "--tools": "tools",
    "--vision": "vision",
    "--structured": "structured_output",
    "--reasoning": "reasoning",
    "--embeddings": "embeddings",
}


async def run_models(call: Invocation) -> Reply:
    first, rest = (call.words[0], call.words[1:]) if call.words else ("", ())
    match first:
        case "sync":
            return await _sync(call, rest)
        case "show":
            return await _show(call, rest)
        case "add":
            return await _add(call, rest)
        case "remove":
            return await _remove(call, rest)
        case "tier":
            return await _tier(call, rest)
        case "price":
            return await _price(call, rest)
        case "default":
            return await _default(call, rest)
        case "disable" | "enable":
            return await _disable(call, rest, first == "disable")
        case "log":
            return await _log(call, rest)
        case _:
            return await _list(call)


async def _list(call: Invocation) -> Reply:
    session = call.session
    given = options(call.words, ("--all",), (), f"See {call.typed('help models')}.")
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
    from ei.engine.syncing import sync

    session = call.session
    names = session.services.chooser.names()
    only = [_provider(name, names.canonical(name), names.names) for name in words] or None
    with call.ui.progress("Asking the providers for their models") as progress:
        result = await sync(session.services, only, progress.update)
    rows = tuple((a.provider, str(a.models) if not a.problem else "-", f"{a.seconds:.1f} s", a.problem)
                 for a in result.asked)  # fmt: skip
    told = f"{result.new:,} new, {result.changed:,} changed, {result.gone:,} gone."
    lines = [Line(news.text, "warn") for news in result.news]
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

    from ei.engine.referring import references

    session = call.session
    services = session.services
    model = await _model(call, words, "show M")
    used = (await asyncio.to_thread(references, services)).get(model.id, ())
    learned = await session.on_main(services.learned.get, model.id)
    speed = (await _speeds(session)).get(model.id)
    where, problem = where_of(session, model.provider), problem_of(session, model.provider)
    facts = details(model, speed, where, problem, used, learned, services.now())
    items: list[Item] = [Table(("", ""), facts)]
    near: list[str] = []
    if not model.active or model.disabled or model.shutdown:
        usable = await session.on_main(services.registry.all, active_only=True)
        others = [other.id for other in usable if other.chat and other.id != model.id]
        near = nearest(model.id, [id for id in others if id.startswith(f"{model.provider}:")]) or nearest(
            model.name, others
        )
        if near:
            items.append(Line(f"Near it: {', '.join(near)}. To change: {call.typed(f'model {near[0]}')}", "dim"))
    data = as_data(model, speed, where) | {"used_by": list(used), "learned": dict(learned), "near": near}
    return Reply(tuple(items), data)


async def _add(call: Invocation, words: Sequence[str]) -> Reply:
    usage = f"For example: {call.typed('models add azure:my-deployment --context 128k --tools')}"
    given = options(words, tuple(ABILITIES), ("--context", "--max-output", "--label"), usage)
    if len(given.rest) != 1:
        raise UsageError("Which model?", usage)
    model = exact(given.rest[0], call.session.services.chooser.names())
    abilities = frozenset(ability for flag, ability in ABILITIES.items() if given.has(flag))
    added = Model(
        model.provider,
        model.model,
        given.values.get("--label", ""),
        context=_count(given, "--context"),
        max_output=_count(given, "--max-output"),
        capabilities=abilities or None,
        chat=not given.has("--embeddings"),
    )
    stored = await call.session.on_main(call.session.services.registry.add, added)
    return Reply.line(f"{stored.id} is added{_of_tier(stored)}.", "good", as_data(stored))


async def _remove(call: Invocation, words: Sequence[str]) -> Reply:
    model = await _model(call, words, "remove M")
    await call.session.on_main(call.session.services.registry.remove_added, model.id)
    return Reply.line(f"{model.id} is taken out.", "good", {"model": model.id, "removed": True})


async def _tier(call: Invocation, words: Sequence[str]) -> Reply:
    usage = f"For example: {call.typed('models tier openai:gpt-5.1 smart')}; auto gives it back to the rules."
    if len(words) != 2:
        raise UsageError(f"Which model, and which tier of {', '.join(TIERS)}?", usage)
    model = await _model(call, words[:1], "tier M TIER")
    tier = None if words[1].lower() == "auto" else words[1].lower()
    stored = await call.session.on_main(call.session.services.registry.set_tier, model.id, tier)
    return Reply.line(
        f"{stored.id} is {stored.tier or 'in no tier'} now: {stored.tier_reason}.", "good", as_data(stored)
    )


async def _price(call: Invocation, words: Sequence[str]) -> Reply:
    usage = f"Dollars per million tokens: {call.typed('models price M IN OUT [CACHED]')}; auto for what lists say."
    if len(words) not in (2, 3, 4) or (len(words) == 2 and words[1].lower() != "auto"):
        raise UsageError("Which model, and at what price?", usage)
    model = await _model(call, words[:1], "price M IN OUT")
    registry = call.session.services.registry
    if len(words) == 2:
        stored = await call.session.on_main(registry.set_price, model.id, None, None)
        told = f"The price of {stored.id} is what lists say from the next {call.typed('models sync')} on."
        return Reply.line(told, "good", as_data(stored))
    stored = await call.session.on_main(registry.set_price, model.id, *(_dollars(word, usage) for word in words[1:]))
    text = price_text(stored.prices).rpartition(" (")[0]
    return Reply.line(f"{stored.id} costs {text} per million tokens.", "good", as_data(stored))


async def _default(call: Invocation, words: Sequence[str]) -> Reply:
    model = await _model(call, words, "default M")
    stored = await call.session.on_main(call.session.services.registry.set_default, model.id)
    return Reply.line(f"{stored.id} is the default of the tier {stored.tier} now.", "good", as_data(stored))


async def _disable(call: Invocation, words: Sequence[str], disabled: bool) -> Reply:
    model = await _model(call, words, "disable M" if disabled else "enable M")
    stored = await call.session.on_main(call.session.services.registry.set_disabled, model.id, disabled)
    told = "is left alone from now on" if disabled else "may be chosen again"
    return Reply.line(f"{stored.id} {told}.", "good", as_data(stored))


async def _log(call: Invocation, words: Sequence[str]) -> Reply:
    import time

    given = options(words, (), ("--limit",), f"For example: {call.typed('models log openai:gpt-5.1 --limit 20')}")
    limit = _count(given, "--limit") or 50
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
        case (("show" | "tier" | "price" | "default" | "disable" | "enable" | "remove" | "log"), 1):
            models = session.services.registry.all()
            return [(model.id, model.label) for model in models if before[0] != "remove" or model.added]
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
    "log": "what changed, and by whom",
}

MODELS = Command(
    name="models",
    summary="The models there are: what they can, cost and are for",
    usage=(
        "models [WORDS]  those in which every word occurs",
        "models --all  also those that are gone or do not chat",
        "models sync [PROVIDER…]  ask the providers for their models now",
        "models show M  all that is known of one, and who uses it",
        "models add PROVIDER:MODEL [--context N --max-output N --tools --vision …]  one that no list names",
        "models remove M  one that was added",
        "models tier M TIER|auto  fast, balanced, smart or premium",
        "models price M IN OUT [CACHED]|auto  what you pay, in dollars per million tokens",
        "models default M  the one that its tier picks first",
        "models disable M  leave it alone; models enable M ends that",
        "models log [M] [--limit N]  what changed: when, from, to, by sync or by hand",
    ),
    examples=("models haiku", "models sync", "models add azure:my-deployment --context 128k --tools"),
    run=run_models,
    group="models",
    complete=complete_models,
    shell=True,
)


async def _model(call: Invocation, words: Sequence[str], form: str) -> Model:
    """The one model that these words name: by id, by an alias, or the only one in which they occur."""
    if len(words) != 1:
        raise UsageError("Which model?", f"{call.typed(f'models {form}')}")
    session, registry = call.session, call.session.services.registry
    text = words[0]
    models = await session.on_main(registry.all)
    by_id = {model.id: model for model in models}
    names = session.services.chooser.names()
    prefix, colon, rest = text.partition(":")
    provider = names.canonical(prefix) if colon else None
    if provider is not None and (exact := by_id.get(f"{provider}:{rest}")):
        return exact
    tests: tuple[Callable[[Model], bool], ...] = (
        lambda model: model.id == text or model.name == text,
        lambda model: (rest if provider else text) in model.aliases and provider in (None, model.provider),
        lambda model: model.active and text.lower() in model.id.lower(),
        lambda model: text.lower() in model.id.lower(),
    )
    for fits in tests:
        found = [model for model in models if fits(model)]
        if len(found) == 1:
            return found[0]
        if found:
            few = ", ".join(model.id for model in found[:4])
            raise UsageError(f'"{text}" fits {plural(len(found), "model")}.', f"Give more of its name: {few}")
    near = nearest(text, by_id)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"What no list names: {call.typed(f'models add {text}')}"
    raise UsageError(f"The registry has no model {text}.", hint)


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


def _provider(written: str, name: str | None, names: Sequence[str]) -> str:
    if name is None:
        near = nearest(written.lower(), names, 1)
        hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(names)}."
        raise UsageError(f'Unknown provider "{written}".', hint)
    return name


def _count(given: Options, name: str) -> int | None:
    """A number of an option: 4096, 128k, 1M. Raises UsageError for anything else."""
    text = given.values.get(name)
    if text is None:
        return None
    unit = {"k": 1000, "m": 1_000_000}.get(text[-1:].lower(), 1)
    number = text[:-1] if unit > 1 else text
    if not (number.isascii() and number.isdigit()) or not 0 < int(number) * unit < 10**9:
        raise UsageError(f"{name} takes a number of tokens, not {text}.", f"For example: {name} 128k")
    return int(number) * unit


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
