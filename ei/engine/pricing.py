"""What a call cost, what one would cost beside another, and what a model holds: by the registry and the price list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ei.errors import EiError, NotReadyError, ProviderError, StorageError, UnreachableError
from ei.messages import Usage
from ei.models.choosing import is_sent_on, weight
from ei.models.metadata import cost_of, known, known_context
from ei.models.reference import ModelId
from ei.models.values import Model, Prices

if TYPE_CHECKING:
    from ei.engine.choice import ModelChooser
    from ei.models.registry import RegistryStore


class Priced(Protocol):
    """Where prices come from; `Services` is one."""

    @property
    def chooser(self) -> ModelChooser: ...
    @property
    def registry(self) -> RegistryStore: ...


def cost_of_call(services: Priced, model: ModelId, usage: Usage) -> int | None:
    """What a call cost in nano-dollars, None where nobody knows: as `cost_of`, with the registry's prices.

    Reads the database and may load the price list: call it from a thread.
    """
    found, like = registered(services, model), like_model(services, model)
    return cost_of(like, usage, found.prices if found else None, here=is_here(services, model))


def prices_of(services: Priced, model: ModelId) -> Prices:
    """What a model's tokens cost: the registry's prices, else the price list's; nothing on this machine.

    A price that the person gave counts everywhere. Reads the database and may load the price list: call it from a
    thread.
    """
    found = registered(services, model)
    prices = found.prices if found else Prices()
    if prices.source != "person" and is_here(services, model):
        return Prices(0, 0, 0, 0)
    if weight(prices) is not None:
        return prices
    shipped = known(like_model(services, model))
    return shipped.prices if shipped else prices


def costs_more(asked: Prices, other: Prices) -> bool:
    """Whether `other` may cost more than `asked`; an unknown price may be any, and nothing is less than none."""
    price, limit = weight(other), weight(asked)
    return price is None or (price > 0 and (limit is None or price > limit))


def costs_nothing(error: EiError | None) -> bool:
    """Whether an error shows that the request was not charged: not sent, refused, or heard by nobody."""
    if isinstance(error, NotReadyError):
        return True
    if isinstance(error, UnreachableError):
        return not error.reached
    return isinstance(error, ProviderError) and error.status is not None


def runs_here(services: Priced, provider: str) -> bool:
    """Whether a provider's server is this machine; False where its address cannot be read."""
    try:
        return services.chooser.stays_here(provider)
    except EiError:
        return False


def is_here(services: Priced, model: ModelId) -> bool:
    """Whether a model runs on this machine, where nobody is paid for it; one that is only passed on does not."""
    return runs_here(services, model.provider) and not is_sent_on(model.model)


def context_of(services: Priced, model: ModelId) -> int | None:
    """The context in tokens: what the registry has, else the price list. Call it from a thread."""
    found = registered(services, model)
    return found.context if found and found.context else known_context(like_model(services, model))


def like_model(services: Priced, model: ModelId) -> ModelId:
    """The model whose prices and context hold for this one, see `ModelChooser.like`."""
    try:
        return services.chooser.like(model)
    except EiError:
        return model


def registered(services: Priced, model: ModelId) -> Model | None:
    """What the registry has of a model, else of the one that it is like. Call it from a thread.

    None where there is no row, or it cannot be read.
    """
    try:
        return services.registry.named(str(model)) or services.registry.named(str(like_model(services, model)))
    except StorageError:
        return None  # what it cost or holds is then unknown: no reason to lose a reply
