"""What tests showed of models, kept among what was learned of them and in the registry."""

from __future__ import annotations

from collections.abc import Mapping

from ei.engine.services import Services, on_database
from ei.models.merge import Proven

LEARNED = "tested"
"""Its name among what was learned: an object of capabilities, each true or false."""


async def proven_here(services: Services) -> Mapping[str, Proven]:
    """What tests showed, by model. Raises StorageError."""
    found = await on_database(services.database, services.learned.named, LEARNED)
    return {model: _proven(value) for model, value in found.items()}


async def remember(services: Services, model: str, new: Mapping[str, bool]) -> None:
    """Keeps what a test showed; what it did not show stays as an earlier one found it. Raises StorageError."""
    learned = await on_database(services.database, services.learned.get, model)
    before = learned.get(LEARNED)
    everything = {**(before if isinstance(before, Mapping) else {}), **new}
    if not everything:
        return
    await on_database(services.database, services.learned.set, model, LEARNED, everything)
    await on_database(services.database, services.registry.tested, model, _proven(everything))


def _proven(value: object) -> Proven:
    works = value if isinstance(value, Mapping) else {}
    return Proven(
        frozenset(str(name) for name, shown in works.items() if shown is True),
        frozenset(str(name) for name, shown in works.items() if shown is False),
    )
