"""What to do about a model that is gone: which ones could take its place, and the command that changes it."""

from __future__ import annotations

from collections.abc import Sequence

from ei.engine.referring import references
from ei.engine.services import Services
from ei.errors import EiError, UnknownModelError
from ei.models.choosing import version_of, weight
from ei.models.values import TIERS, Model
from ei.providers.failures import to_install
from ei.providers.models_list import nearest, tail

MOST = 3


def successors(model: Model, models: Sequence[Model], *, cheaper: bool = False) -> tuple[Model, ...]:
    """At most three active models of the same provider that could take a model's place, the best first.

    Those of the same tier come first, then of the next, of these the most alike by name, the newer before the older.
    cheaper: only those that cost less where any do.
    """
    usable = [
        other
        for other in models
        if other.provider == model.provider
        and other.id != model.id
        and other.active
        and not other.disabled
        and not other.shutdown
        and other.chat == model.chat
    ]
    cost = weight(model.prices)
    if cheaper and cost is not None:
        less = [other for other in usable if (price := weight(other.prices)) is not None and price < cost]
        usable = less or usable
    return tuple(sorted(usable, key=lambda other: _distance(other, model))[:MOST])


def replacing(model: Model, models: Sequence[Model], *, cheaper: bool = False, used: str = "") -> str:
    """The command that names another model wherever this one is: `/models replace OLD NEW`.

    used: the name that is written there, where it is another one for the model.
    """
    found = successors(model, models, cheaper=cheaper)
    return f"/models replace {used or model.id} {found[0].id if found else 'NEW'}"


def gone(services: Services, error: UnknownModelError) -> UnknownModelError:
    """The same error with the nearest active models and the command that mends it.

    The registry is asked first, then what the provider's own list gave (`error.near`). Nothing is substituted. Reads
    files and the database: call it from a thread. Never raises: where nothing can be read it is the error as it was.
    """
    try:
        return _gone(services, error)
    except EiError:
        return error


def _gone(services: Services, error: UnknownModelError) -> UnknownModelError:
    id = f"{error.provider}:{error.model}"
    models = services.registry.all()
    known = next((model for model in models if model.id == id), None)
    near = _near(known, models, error)
    if not near:
        return error
    hint = f"Nearest now: {', '.join(near)}. " if known is not None else f"Did you mean {' or '.join(near)}? "
    new = f"{error.provider}:{near[0]}"
    used = references(services).get(id, ())
    if used:
        hint += f"To change it everywhere: /models replace {id} {new}"
    else:
        hint += f"To choose it: /model {new}"
    endpoint = services.chooser.endpoints().get(error.provider)
    if endpoint is not None and endpoint.wire == "ollama":
        hint += f". Or install {error.model}: {to_install(endpoint, error.model)}"
    return UnknownModelError(
        error.sentence, hint, provider=error.provider, model=error.model, status=error.status, near=tuple(near)
    )


def _near(known: Model | None, models: Sequence[Model], error: UnknownModelError) -> list[str]:
    """Names of models, the best first. known: the one that is gone, where the registry has it."""
    there = [other for other in models if other.provider == error.provider and other.active and not other.disabled]
    if known is not None and (instead := successors(known, models)):
        return [other.name for other in instead]
    alike = nearest(error.model, [other.name for other in there if other.chat and not other.shutdown])
    return list(alike or error.near)[:MOST]


def _distance(other: Model, model: Model) -> tuple[object, ...]:
    """The smaller, the nearer."""
    from difflib import SequenceMatcher

    likeness = SequenceMatcher(None, tail(model.name.lower()), tail(other.name.lower())).ratio()
    newness = (-(other.created_ms or 0), tuple(-number for number in version_of(other.name)))
    return (_apart(model.tier, other.tier), -round(likeness, 1), *newness, other.id)


def _apart(tier: str, other: str) -> int:
    """How many steps lie between two tiers; a model in none is farthest from one in a tier."""
    if tier not in TIERS:
        return 0
    return abs(TIERS.index(tier) - TIERS.index(other)) if other in TIERS else len(TIERS)
