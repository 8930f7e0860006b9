"""What a sync makes of the registry: pure, from the models that are known and the lists that came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ei.models.metadata import FREE_PROVIDERS, Known
from ei.models.reference import ModelId
from ei.models.values import Change, Model, Prices, price_text
from ei.providers.listed import ListedModel

FIFTH = 5
"""A price that changes by more than one in so many is worth telling."""

Assign = Callable[[Sequence[Model]], Sequence[Model]]
LookUp = Callable[[ModelId], Known | None]


@dataclass(frozen=True, slots=True)
class Merged:
    """What a sync changes. rows: only models that are new or differ; changes: the audit of them.

    gone, shut_down, repriced: ids of models that just left their list, got a date from which they are gone, or
    changed price by more than a fifth. answered: the providers whose lists these were; at_ms: when.
    """

    rows: tuple[Model, ...] = ()
    changes: tuple[Change, ...] = ()
    gone: tuple[str, ...] = ()
    shut_down: tuple[str, ...] = ()
    repriced: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Proven:
    """What tests here showed that a model can, and what its server refused; of CAPABILITIES."""

    can: frozenset[str] = frozenset()
    cannot: frozenset[str] = frozenset()


def with_proven(model: Model, proven: Proven | None) -> Model:
    """The model with what was shown here, which is surer than any list."""
    if proven is None or not (proven.can or proven.cannot):
        return model
    capabilities = ((model.capabilities or frozenset()) | proven.can) - proven.cannot
    return model if capabilities == model.capabilities else replace(model, capabilities=capabilities)


def merge(
    existing: Iterable[Model],
    listed: Mapping[str, Sequence[ListedModel]],
    known: LookUp,
    now_ms: int,
    assign: Assign | None = None,
    proven: Mapping[str, Proven] | None = None,
) -> Merged:
    """The registry after these lists came, as the difference from before.

    listed: by provider, only of those that answered; models of the others stay as they are. known: what the price
    list has of a model, asked only where its provider does not say. assign: gives tiers, over all models. proven:
    what tests showed, by model id.
    Nothing is ever deleted, and what the person set (`Model.by_hand`) or added is left alone. An empty list of a
    provider on the network takes nothing away: it is a fault more often than the truth.
    """
    before = {model.id: model for model in existing}
    after = dict(before)
    for provider, models in listed.items():
        for row in models:
            id = f"{provider}:{row.id}"
            merged = with_proven(merged_model(before.get(id), provider, row, known, now_ms), (proven or {}).get(id))
            after[id] = _same(before.get(id), merged)
        if models or provider in FREE_PROVIDERS:
            here = {row.id for row in models}
            for id, model in before.items():
                if model.provider == provider and model.name not in here and model.active and not model.added:
                    after[id] = replace(model, active=False)
    rows = list(after.values())
    return difference(before, assign(rows) if assign else rows, listed, now_ms)


def difference(
    before: Mapping[str, Model], after: Iterable[Model], answered: Iterable[str], now_ms: int, by: str = "sync"
) -> Merged:
    """What has to be written so that `before` becomes `after`."""
    rows: list[Model] = []
    changes: list[Change] = []
    gone, shut_down, repriced = [], [], []
    for model in after:
        old = before.get(model.id)
        if old is model or old == model:
            continue
        rows.append(model)
        changes += changes_of(old, model, now_ms, by)
        if old is None:
            continue
        if old.active and not model.active:
            gone.append(model.id)
        if model.shutdown and model.shutdown != old.shutdown:
            shut_down.append(model.id)
        if is_repriced(old.prices, model.prices):
            repriced.append(model.id)
    return Merged(tuple(rows), tuple(changes), tuple(gone), tuple(shut_down), tuple(repriced), tuple(answered), now_ms)


def merged_model(old: Model | None, provider: str, row: ListedModel, known: LookUp, now_ms: int) -> Model:
    """One model as its provider lists it now. What the list does not say is kept, else taken from the price list."""
    listed = Prices(row.input_price, row.cached_price, row.cache_write_price, row.output_price, "provider", now_ms)
    unsaid = row.context is None or row.capabilities is None or not _is_whole(listed)
    found = known(ModelId(provider, row.id)) if unsaid else None
    row = row if found is None else _with_family(row, found)
    context = row.context or (found.context if found else None)
    label = row.label or (found.label if found else "")
    if old is None:
        return Model(
            provider,
            row.id,
            label,
            prices=_prices(None, listed, found, now_ms),
            context=context,
            max_output=row.max_output,
            capabilities=row.capabilities,
            sampling=row.sampling,
            chat=row.chat,
            first_seen_ms=now_ms,
            synced_ms=now_ms,
            created_ms=row.created_ms,
            shutdown=row.shutdown,
            aliases=row.aliases,
        )
    model = replace(
        old,
        label=label or old.label,
        prices=old.prices if "prices" in old.by_hand else _prices(old.prices, listed, found, now_ms),
        context=context or old.context,
        max_output=row.max_output or old.max_output,
        capabilities=old.capabilities if row.capabilities is None else row.capabilities,
        sampling=old.sampling if row.sampling is None else row.sampling,
        chat=row.chat,
        active=True,
        created_ms=old.created_ms or row.created_ms,
        shutdown=row.shutdown,
        aliases=row.aliases,
    )  # created_ms: Mistral and vLLM say now, every time
    if old.added:
        # The person said what it can; the list only adds to that.
        model = replace(
            model,
            context=old.context or context,
            max_output=old.max_output or row.max_output,
            capabilities=row.capabilities if old.capabilities is None else old.capabilities,
            chat=old.chat,
        )
    # The date of the list alone is written for a whole provider at once.
    return old if model == old else replace(model, synced_ms=now_ms)


def is_repriced(before: Prices, after: Prices) -> bool:
    """Whether input or output costs differ by more than a fifth of what they were; unknown is no change."""
    pairs = ((before.input, after.input), (before.output, after.output))
    return any(old is not None and new is not None and abs(new - old) * FIFTH > old for old, new in pairs)


def changes_of(old: Model | None, new: Model, now_ms: int, by: str) -> list[Change]:
    """One entry for each thing that differs, with both values in words."""
    if old is None:
        return [Change(now_ms, new.id, "added" if new.added else "listed", "", new.label, by)]
    out = []
    for what, words in _WORDS.items():
        was, now = words(old), words(new)
        if was != now:
            out.append(Change(now_ms, new.id, what, was, now, by))
    if not out and old.by_hand != new.by_hand:
        # It stays what it was, from now on because the person says so (or no longer does).
        was, now = (" ".join(sorted(model.by_hand)) for model in (old, new))
        out.append(Change(now_ms, new.id, "set by hand", was, now, by))
    return out


def _same(old: Model | None, new: Model) -> Model:
    """The old one where nothing but the date of the list differs: that is written for a whole provider at once."""
    return old if old is not None and replace(new, synced_ms=old.synced_ms) == old else new


def _with_family(row: ListedModel, found: Known) -> ListedModel:
    """What a list says of abilities is seldom all of them: those of the family are added."""
    if found.capabilities is None:
        return row
    return replace(
        row,
        capabilities=found.capabilities | (row.capabilities or frozenset()),
        sampling=found.sampling if row.sampling is None else row.sampling,
    )


def _prices(old: Prices | None, listed: Prices, found: Known | None, now_ms: int) -> Prices:
    """The most trusted that says something; the date stays while the price does."""
    new = listed if _is_known(listed) else None
    if new is None and found is not None and _is_known(found.prices):
        new = replace(found.prices, source="genai-prices", at_ms=now_ms)
    if new is None:
        return old or Prices()
    return old if old is not None and replace(new, at_ms=old.at_ms) == old else new


def _is_known(prices: Prices) -> bool:
    return prices.input is not None or prices.output is not None


def _is_whole(prices: Prices) -> bool:
    return prices.input is not None and prices.output is not None


def _yes(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "no"


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


_WORDS: Mapping[str, Callable[[Model], str]] = {
    "label": lambda model: model.label,
    "tier": lambda model: model.tier,
    "price": lambda model: price_text(model.prices),
    "context": lambda model: _number(model.context),
    "max output": lambda model: _number(model.max_output),
    "capabilities": lambda model: " ".join(sorted(model.capabilities or ())),
    "sampling": lambda model: _yes(model.sampling),
    "chat": lambda model: _yes(model.chat),
    "active": lambda model: _yes(model.active),
    "default": lambda model: _yes(model.default),
    "disabled": lambda model: _yes(model.disabled),
    "shutdown": lambda model: model.shutdown,
    "aliases": lambda model: " ".join(model.aliases),
}
