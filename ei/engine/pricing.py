"""What a call cost and what a model holds, by what the registry and the price list know of it."""

from __future__ import annotations

from ei.engine.services import Services
from ei.errors import StorageError
from ei.messages import Usage
from ei.models.metadata import cost_of, known_context
from ei.models.reference import ModelId
from ei.models.values import Model


def cost_of_call(services: Services, model: ModelId, usage: Usage) -> int | None:
    """What a call cost in nano-dollars, None where nobody knows: as `cost_of`, with the registry's prices.

    Reads the database and may load the price list: call it from a thread.
    """
    known = _registered(services, model)
    return cost_of(model, usage, known.prices if known else None)


def context_of(services: Services, model: ModelId) -> int | None:
    """The context in tokens: what the registry has, else the price list. Call it from a thread."""
    known = _registered(services, model)
    return known.context if known and known.context else known_context(model)


def _registered(services: Services, model: ModelId) -> Model | None:
    try:
        return services.registry.get(str(model))
    except StorageError:
        return None  # what it cost or holds is then unknown: no reason to lose a reply
