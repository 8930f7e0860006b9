"""What refers to a model: personas, settings, variables and conversations, each in words a person can act on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ei.engine.services import Services
from ei.errors import EiError
from ei.models.interactions import INTERACTIONS
from ei.models.reference import exact


@dataclass(frozen=True, slots=True)
class Referrer:
    """One place where a reference is written. written: as it stands there."""

    where: str
    written: object


def referrers(services: Services) -> tuple[Referrer, ...]:
    """Every place where a reference is written now. Reads files and the database: call it from a thread."""
    return tuple(_places(services))


def references(services: Services) -> Mapping[str, tuple[str, ...]]:
    """Where each model is referred to, by its id; what cannot be read, or names no one model, is left out.

    Reads files and the database: call it from a thread. Raises ConfigError, StorageError.
    """
    names = services.chooser.names()
    out: dict[str, dict[str, None]] = {}
    for place in _places(services):
        try:
            model = str(exact(place.written, names))
        except EiError:
            continue
        out.setdefault(model, {})[place.where] = None
    return {model: tuple(wheres) for model, wheres in out.items()}


def _places(services: Services) -> Iterator[Referrer]:
    for persona in services.library.personas():
        if persona.model is not None:
            yield Referrer(persona.name, persona.model)
        for name, written in persona.models.items():
            yield Referrer(f"{persona.name} (models.{name})", written)
    config = services.config.last_good()
    for name, interaction in INTERACTIONS.items():
        if variable := config.variable(interaction.variable):
            yield Referrer(interaction.variable, variable.value)
        if written := config.section(f"interactions.{name}").get("model"):
            yield Referrer(f"interactions.{name}.model in settings.jsonc", written)
    if variable := config.variable("EI_LLM_MODEL"):
        yield Referrer("EI_LLM_MODEL", variable.value)
    default = config.settings.get("default_model")
    if default is not None and default != "last-used":
        yield Referrer("default_model in settings.jsonc", default)
    for conversation in services.conversations.with_model_here():
        yield Referrer(f"a conversation with {conversation.persona} (…{conversation.id[-8:]})", conversation.model_here)
