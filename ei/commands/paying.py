"""/models pay: which providers and models a tier may choose although they cost money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ei import jsonc
from ei.commands.base import Invocation, Item, Line, Reply, Table
from ei.commands.parse import options
from ei.commands.words import plural
from ei.errors import UsageError
from ei.models.reference import provider_or_model
from ei.models.values import Model, dollars, price_text

if TYPE_CHECKING:
    from ei.engine.session import Session

KEY = ("models", "paid")
MEANS = "A tier (tier:smart) chooses free and local models only, and these. A model named by itself is always asked."


async def run_pay(call: Invocation, words: Sequence[str]) -> Reply:
    """Shows, adds or, with `--not`, takes away. Raises UsageError for what is neither provider nor model."""
    example = f"For example: {call.typed('models pay anthropic')}"
    given = options(words, (), ("--not",), example)
    away = given.values.get("--not")
    if len(given.rest) + (away is not None) > 1:
        raise UsageError("One provider or one model at a time.", example)
    allowed = _allowed(call.session)
    if away is not None:
        return await _remove(call, _canonical(call.session, away), allowed)
    if given.rest:
        return await _add(call, _named(call.session, given.rest[0]), allowed)
    return await _show(call, allowed)


def complete_pay(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    """Providers that cost something, then models; after `--not` what is allowed."""
    if list(words) == ["--not"]:
        return [(name, "allowed now") for name in _allowed(session)]
    if words:
        return []
    chooser = session.services.chooser
    providers = [(name, end.label) for name, end in chooser.endpoints().items() if not chooser.stays_here(name)]
    models = [(model.id, price_text(model.prices)) for model in session.services.registry.all(active_only=True)]
    return [*providers, *models, ("--not", "no longer")]


async def _show(call: Invocation, allowed: Sequence[str]) -> Reply:
    models = await call.session.on_main(call.session.services.registry.all, active_only=True)
    if not allowed:
        line = f"No tier may choose what costs money yet. To allow it: {call.typed('models pay PROVIDER')}"
        return Reply((Line(line), Line(MEANS, "dim")), {"paid": []})
    rows = tuple((name, _cost(name, models)) for name in allowed)
    more = f"To end one: {call.typed('models pay --not NAME')}"
    return Reply((Table(("allowed", "costs"), rows), Line(f"{MEANS} {more}", "dim")), {"paid": list(allowed)})


async def _add(call: Invocation, name: str, allowed: Sequence[str]) -> Reply:
    session = call.session
    models = await session.on_main(session.services.registry.all, active_only=True)
    if name in allowed:
        return Reply.line(f"Tiers may choose {name} already.", "dim", {"paid": list(allowed)})
    await _write(session, name, allow=True)
    now = list(_allowed(session))
    items: list[Item] = [Line(f"Tiers may choose {name} from now on: {_cost(name, models)}.", "good")]
    if ":" in name and name.partition(":")[0] in allowed:
        items.append(Line(f"They could before: {name.partition(':')[0]} is allowed as a whole.", "dim"))
    if ":" in name and name not in {model.id for model in models}:
        items.append(Line(f"The registry has no such model now: {call.typed(f'models add {name}')}", "warn"))
    items.append(Line(f"Every reply tells what it cost. To end it: {call.typed(f'models pay --not {name}')}", "dim"))
    return Reply(tuple(items), {"paid": now})


async def _remove(call: Invocation, name: str, allowed: Sequence[str]) -> Reply:
    if name not in allowed:
        hint = f"Allowed now: {', '.join(allowed)}." if allowed else "Nothing is."
        raise UsageError(f"{name} is not among what tiers may choose.", hint)
    await _write(call.session, name, allow=False)
    now = _allowed(call.session)
    items = [Line(f"Tiers choose {name} no longer, unless it is free.", "good")]
    provider, colon, _ = name.partition(":")
    if colon and provider in now:
        items.append(Line(f"They still may: {provider} is allowed as a whole.", "warn"))
    return Reply(tuple(items), {"paid": list(now)})


async def _write(session: Session, name: str, *, allow: bool) -> None:
    """Puts a name at the end of the list that is in the file now, or takes it out; the others stay as they are."""
    from ei.engine.settings_file import change_settings

    config = session.services.config
    file = str(config.paths.settings)

    def edit(text: str) -> str:
        settings = jsonc.loads(text, file)
        models = settings.get(KEY[0]) if isinstance(settings, Mapping) else None
        paid = models.get(KEY[1]) if isinstance(models, Mapping) else None
        names = [_canonical(session, str(each)) for each in paid] if isinstance(paid, list) else []
        if allow and not names:
            return jsonc.set_value(text, KEY, [name], file)
        if allow:
            return text if name in names else jsonc.set_value(text, (*KEY, len(names)), name, file)
        for index in reversed(range(len(names))):
            if names[index] == name:
                text = jsonc.remove_value(text, (*KEY, index), file)
        return text

    await session.in_thread(change_settings, config, edit)
    session.settings_changed()


def _allowed(session: Session) -> tuple[str, ...]:
    paid = session.services.config.current().section("models").get("paid")
    return tuple(dict.fromkeys(_canonical(session, str(name)) for name in paid)) if isinstance(paid, list) else ()


def _canonical(session: Session, written: str) -> str:
    """A name as `provider_or_model` gives it, and as it is where it means nothing now."""
    try:
        return _named(session, written)
    except UsageError:
        return written


def _named(session: Session, written: str) -> str:
    return provider_or_model(written, session.services.chooser.names())


def _cost(name: str, models: Sequence[Model]) -> str:
    """What it costs, in words; dollars per million tokens."""
    if ":" in name:
        found = next((model for model in models if model.id == name), None)
        price = price_text(found.prices).rpartition(" (")[0] if found else ""
        return f"{price} per million tokens" if price else "nobody says what it costs"
    chat = [model for model in models if model.provider == name and model.chat]
    prices = [model.prices.output for model in chat if model.prices.output is not None]
    if not prices:
        return f"{plural(len(chat), 'model')}, nobody says at what price" if chat else "no models known yet"
    low, high = dollars(min(prices)), dollars(max(prices))
    reach = f"{low} to {high}" if low != high else low
    return f"{plural(len(chat), 'model')}, {reach} per million tokens written"
