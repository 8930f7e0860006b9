"""Asking the providers for their models: all at once, and what the person should know of what came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Literal

from ei.engine.endpoints import ON_THIS_MACHINE
from ei.engine.missing import replacing
from ei.engine.own import everything
from ei.engine.proving import proven_here
from ei.engine.referring import references
from ei.engine.services import Services, on_database
from ei.errors import EiError, StorageError
from ei.models import tiers
from ei.models.merge import Merged, merge
from ei.models.metadata import known
from ei.models.values import Model
from ei.providers.listed import ListedModel

SECONDS = 20.0
"""How long each provider may take."""
DAY_MS = 24 * 3600 * 1000
HOUR = 3600.0
TRIES = 5
NAMED = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """How it went with one provider. problem: one sentence, "" where it gave its list of `models` models."""

    provider: str
    models: int
    seconds: float
    problem: str = ""


@dataclass(frozen=True, slots=True)
class News:
    """Something about a model in use that the person should know, told once."""

    kind: Literal["gone", "shutdown", "price"]
    model: str
    text: str


@dataclass(frozen=True, slots=True)
class SyncResult:
    """asked: in the order of the table of providers. new, changed, gone: how many models."""

    asked: tuple[Asked, ...] = ()
    new: int = 0
    changed: int = 0
    gone: int = 0
    news: tuple[News, ...] = ()


def ready(services: Services) -> tuple[str, ...]:
    """The providers that can be asked: with a key where one is needed, and where everything is private those alone
    that are the person's own. Raises ConfigError.

    What a profile reaches with a key of its own is in the list of the provider that it is like.
    """
    chooser = services.chooser
    private = bool(everything(services.config.current()))
    return tuple(
        name
        for name, endpoint in chooser.endpoints().items()
        if not (private and not chooser.is_own(name))
        and (not endpoint.profile or endpoint.like in ("", *ON_THIS_MACHINE))
        and (endpoint.wire == "builtin" or (chooser.connection(name).ready and chooser.connection(name).base_url))
    )


async def sync(
    services: Services,
    only: Iterable[str] | None = None,
    progress: Callable[[str], None] | None = None,
    seconds: float = SECONDS,
) -> SyncResult:
    """Asks every provider that is ready (or these) at once and writes what changed.

    A provider that fails, or takes longer than `seconds`, is a line in the result; its models stay as they are.
    progress: told in words who has answered. Raises ConfigError, StorageError.
    """
    names = tuple(dict.fromkeys(only)) if only is not None else ready(services)
    answered: list[str] = []

    async def one(name: str) -> tuple[Asked, tuple[ListedModel, ...]]:
        found = await _ask(services, name, seconds)
        answered.append(name)
        if progress is not None:
            progress(f"{len(answered)} of {len(names)} providers answered")
        return found

    found = await asyncio.gather(*(one(name) for name in names))
    listed = {asked.provider: models for asked, models in found if not asked.problem}
    merged, new = await _merge(services, listed)
    news = await asyncio.to_thread(_news, services, merged)
    gone = len(merged.gone)
    return SyncResult(tuple(asked for asked, _ in found), new, len(merged.rows) - new - gone, gone, news)


async def sync_if_old(services: Services) -> tuple[News, ...]:
    """Asks the providers whose list is older than a day, if settings allow it; says nothing of what fails.

    One whose key is behind a passphrase waits until that was told: nobody is asked for it unbidden.
    """
    try:
        if not services.config.last_good().get("models.sync"):
            return ()
        synced = await on_database(services.database, services.registry.synced)
        now_ms = int(services.now() * 1000)
        due = [name for name in ready(services) if now_ms - synced.get(name, 0) > DAY_MS and not _asks(services, name)]
        return (await sync(services, due)).news if due else ()
    except EiError as exc:
        services.log(f"models not synced: {exc}")
        return ()


async def keep_synced(services: Services, tell: Callable[[News], None], every: float = HOUR) -> None:
    """`sync_if_old` now and again every so many seconds, until it is cancelled; tell: given each piece of news."""
    while True:
        for news in await sync_if_old(services):
            tell(news)
        await asyncio.sleep(every)


def _asks(services: Services, name: str) -> bool:
    """Whether using this provider would ask the person for a passphrase."""
    key = services.chooser.connection(name).key
    return key is not None and services.keys.asks(key.reference)


async def _ask(services: Services, name: str, seconds: float) -> tuple[Asked, tuple[ListedModel, ...]]:
    began = monotonic()
    models: tuple[ListedModel, ...] = ()
    problem = ""
    try:
        async with asyncio.timeout(seconds):
            provider = await asyncio.to_thread(services.gate.open, name)
            models = await provider.models()
    except EiError as exc:
        problem = exc.sentence
    except TimeoutError:
        problem = f"{name} gave no list within {seconds:g} s."
    return Asked(name, len(models), monotonic() - began, problem), models


async def _merge(services: Services, listed: dict[str, tuple[ListedModel, ...]]) -> tuple[Merged, int]:
    """Merges and writes, again where somebody changed the registry meanwhile; with the number of new models."""
    registry, database = services.registry, services.database
    for _ in range(TRIES):
        before = await on_database(database, registry.snapshot)
        now_ms = int(services.now() * 1000)
        proven = await proven_here(services)
        merged = await asyncio.to_thread(merge, before.models, listed, known, now_ms, tiers.assign, proven)
        if await on_database(database, registry.apply, merged, before.revision):
            ids = {model.id for model in before.models}
            return merged, sum(model.id not in ids for model in merged.rows)
    raise StorageError("The list of models could not be written: another ei keeps changing it.", "Try again.")


def _news(services: Services, merged: Merged) -> tuple[News, ...]:
    """What is new of the models in use and was not told yet."""
    used = references(services)
    if not used:
        return ()
    registry = services.registry
    here = registry.all()
    models = _meant(here, used)
    prices = {change.model: change for change in merged.changes if change.what == "price"}
    found: dict[str, News] = {}
    for id, model in models.items():
        uses = f"{_names(used[id])}. To change that everywhere: {replacing(model, here, used=id)}"
        if not model.active:
            text = f"{id} is no longer in the list of {model.provider}. It is used by {uses}"
            found[f"gone {id}"] = News("gone", id, text)
        elif model.shutdown:
            text = f"{id} will be gone from {model.shutdown}. It is used by {uses}"
            found[f"shutdown {id} {model.shutdown}"] = News("shutdown", id, text)
        if model.id in merged.repriced and model.id in prices:
            now, was = prices[model.id].after, prices[model.id].before
            mend = f"To use another: {replacing(model, here, cheaper=True, used=id)}"
            text = f"{id} costs {now} per million tokens now; it was {was}. It is used by {_names(used[id])}. {mend}"
            # Each change is one piece of news, also one back to a price that it had before.
            found[f"price {id} {model.prices.at_ms}"] = News("price", id, text)
    registry.forget_told([f"gone {id}" for id, model in models.items() if model.active])
    return tuple(found[what] for what in registry.first_time(found))


def _meant(models: Sequence[Model], used: Collection[str]) -> dict[str, Model]:
    """The models in use, by the names that are written: their own, else one that their provider takes for them."""
    out: dict[str, Model] = {}
    for active in (False, True):  # one that is there counts more than one that left
        of_others = {f"{m.provider}:{alias}": m for m in models if m.active == active for alias in m.aliases}
        own = {model.id: model for model in models if model.active == active}
        out |= {name: model for name, model in (of_others | own).items() if name in used}
    return out


def _names(wheres: Sequence[str]) -> str:
    few = wheres[:NAMED]
    more = f" and {len(wheres) - NAMED} more" if len(wheres) > NAMED else ""
    return ", ".join(few) + more
