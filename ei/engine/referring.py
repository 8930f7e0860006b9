"""What refers to a model: personas, settings, variables and conversations, each in words a person can act on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ei import jsonc
from ei.config import Config
from ei.engine.choice import LAST_USED
from ei.engine.services import Services
from ei.errors import EiError
from ei.models.interactions import INTERACTIONS
from ei.models.profiles import Profile
from ei.models.reference import exact
from ei.personas.values import Persona
from ei.settings.checking import rows_of

Kind = Literal["persona", "settings", "conversation", "state", "variable"]
Takes = Literal["any", "no profile", "profile's model", "profile id", "model"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reference stands, for a program.

    kind: a persona's system.jsonc, settings.jsonc, a conversation's own model, what is remembered, or an environment
    variable. name: of the persona, the thing remembered or the variable, the conversation's id; "" for settings.
    path: keys and positions in that file, () where it is no file.
    """

    kind: Kind
    name: str = ""
    path: jsonc.KeyPath = ()

    @property
    def file(self) -> tuple[Kind, str]:
        """What is written as a whole: equal for places in the same file."""
        return self.kind, self.name


@dataclass(frozen=True, slots=True)
class Referrer:
    """One place where a reference is written.

    where: in words. written: as it stands there. means: the same as `reference.parse` reads it; also: the model whose
    list and prices hold for it, where a profile only has its own key. takes: what may stand there: in a "profile's
    model" the provider may be said beside it, "profile id" is one without its prefix, "model" one model and nothing
    else. used: whether it decides anything as things are now. source: of a variable, where it is set.
    """

    where: str
    written: object
    place: Place
    means: object
    takes: Takes = "any"
    also: object = None
    used: bool = True
    source: str = ""


def referrers(services: Services, config: Config | None = None) -> tuple[Referrer, ...]:
    """Every place where a reference is written now; config: the last one that could be read, where none is given.

    Reads files and the database: call it from a thread. Raises ConfigError, StorageError.
    """
    return tuple(_places(services, config or services.config.last_good()))


def references(services: Services) -> Mapping[str, tuple[str, ...]]:
    """Where each model in use is referred to, by its id; what cannot be read, or names no one model, is left out.

    Reads files and the database: call it from a thread. Raises ConfigError, StorageError.
    """
    names = services.chooser.names()
    out: dict[str, dict[str, None]] = {}
    for place in referrers(services):
        try:
            model = str(exact(place.means, names))
        except EiError:
            continue
        if place.used:
            out.setdefault(model, {})[place.where] = None
    return {model: tuple(wheres) for model, wheres in out.items()}


def _places(services: Services, config: Config) -> Iterator[Referrer]:
    for persona in services.library.personas():
        yield from _of_persona(persona)
    yield from _of_variables(config)
    yield from _of_settings(services, config)
    last = services.state.get(LAST_USED)
    if last is not None:
        used = config.settings.get("default_model") == "last-used"
        yield Referrer("the model used last", last, Place("state", LAST_USED), last, used=used)
    for conversation in services.conversations.with_model_here():
        where = f"a conversation with {conversation.persona} (…{conversation.id[-8:]})"
        written = conversation.model_here
        yield Referrer(where, written, Place("conversation", conversation.id), written)


def _of_persona(persona: Persona) -> Iterator[Referrer]:
    try:
        # As it stands in the file: a position in a list must be the one there.
        data = jsonc.read(persona.path).value
    except (OSError, EiError):
        return  # it was changed or taken away a moment ago
    if not isinstance(data, Mapping):
        return
    if data.get("model"):
        yield _in_persona(persona, ("model",), data["model"], persona.name)
    for name, written in _items(data.get("models")):
        yield _in_persona(persona, ("models", name), written)
    for name, written in _items(data.get("tiers")):
        yield _in_persona(persona, ("tiers", name), written, takes="no profile")
    for index, written in enumerate(_list(data.get("fallback"))):
        yield _in_persona(persona, ("fallback", index), written)


def _in_persona(
    persona: Persona, path: jsonc.KeyPath, written: object, where: str = "", takes: Takes = "any"
) -> Referrer:
    where = where or f"{persona.name} ({jsonc.show_path(path)})"
    return Referrer(where, written, Place("persona", persona.name, path), written, takes)


def _of_variables(config: Config) -> Iterator[Referrer]:
    for name in (*(interaction.variable for interaction in INTERACTIONS.values()), "EI_LLM_MODEL"):
        if variable := config.variable(name):
            yield Referrer(name, variable.value, Place("variable", name), variable.value, source=variable.source)


def _of_settings(services: Services, config: Config) -> Iterator[Referrer]:
    def at(path: jsonc.KeyPath, written: object, takes: Takes = "any", means: object = None) -> Referrer:
        where = f"{jsonc.show_path(path)} in settings.jsonc"
        return Referrer(where, written, Place("settings", "", path), written if means is None else means, takes)

    for name in INTERACTIONS:
        section = config.section(f"interactions.{name}")
        if written := section.get("model"):
            yield at(("interactions", name, "model"), written)
        for tier, written in _items(section.get("tiers")):
            yield at(("interactions", name, "tiers", tier), written, "no profile")
    default = config.settings.get("default_model")
    if default is not None and default != "last-used":
        yield at(("default_model",), default)
    older = config.section("llm_config")
    if written := older.get("default_model"):
        yield at(("llm_config", "default_model"), written, "profile's model")
    if isinstance(written := older.get("default_profile_id"), str) and written:
        yield at(("llm_config", "default_profile_id"), written, "profile id", f"profile:{written}")
    yield from _of_profiles(services, config)
    for index, written in enumerate(_list(config.section("models").get("paid"))):
        if isinstance(written, str) and ":" in written:
            # It allows a model and uses none.
            yield replace(at(("models", "paid", index), written, "model"), used=False)


def _of_profiles(services: Services, config: Config) -> Iterator[Referrer]:
    try:
        profiles = services.chooser.profiles_of(config)
    except EiError:
        profiles = {}
    for key, row in rows_of(config.settings.get("llm_profiles")):
        id = profile_id(key, row)
        profile = profiles.get(id)
        path: jsonc.KeyPath = ("llm_profiles", key)
        if model := row.get("model"):
            place = Place("settings", "", (*path, "model"))
            means, also = (model, None) if profile is None else meanings(profile)
            yield Referrer(f"profile {id}", model, place, means, "profile's model", also)
        for index, other in enumerate(_list(row.get("fallback"))):
            place = Place("settings", "", (*path, "fallback", index))
            yield Referrer(f"profile {id} (fallback[{index}])", other, place, other)


def profile_id(key: str | int, row: Mapping[str, object]) -> str:
    """The id of an entry of `llm_profiles`; key: its position, or the id that it stands under."""
    return key if isinstance(key, str) else str(row.get("id") or "").strip()


def meanings(profile: Profile) -> tuple[object, object]:
    """(the profile's model, the model whose list and prices hold for it where the profile only has its own key)."""
    name = str(profile.model).partition(":")[2]
    return profile.model, f"{profile.like}:{name}" if profile.like and not profile.base_url else None


def _items(value: object) -> list[tuple[str, object]]:
    return [(str(key), inner) for key, inner in value.items() if inner] if isinstance(value, Mapping) else []


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
