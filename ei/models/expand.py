"""From a reference to the model that it means: profiles and tiers looked up, every step told; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ei.errors import UsageError
from ei.models.choosing import Market, TierChoice, choose
from ei.models.profiles import NOTHING, Profile
from ei.models.reference import (
    ModelId,
    ProfileReference,
    ProviderNames,
    TierReference,
    nearest,
    parse,
    written_form,
)


@dataclass(frozen=True, slots=True)
class World:
    """What references can mean here. market: asked only where a tier is named. tiers: what a tier means to this
    persona or interaction, a reference by tier."""

    providers: ProviderNames
    profiles: Mapping[str, Profile]
    market: Callable[[], Market]
    tiers: Mapping[str, object] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class Expanded:
    """The model that a reference means now, the profile and the choice that led there, and the way in lines."""

    model: ModelId
    profile: Profile | None = None
    choice: TierChoice | None = None
    path: tuple[str, ...] = ()


class NothingFitsError(UsageError):
    """A tier in which no model fits now. choice: everyone who was looked at, and why each lost."""

    def __init__(self, choice: TierChoice) -> None:
        super().__init__(choice.problem, choice.hint)
        self.choice = choice


def expand(written: object, world: World) -> Expanded:
    """What a reference means in this world.

    Raises UsageError where it cannot be read or names no profile that is here, NothingFitsError for a tier in which
    no model fits now.
    """
    path: list[str] = []
    profile = None
    found = parse(written, world.providers)
    if isinstance(found, ProfileReference):
        profile = find_profile(found.id, world.profiles)
        path.append(f"{found} means {written_form(profile.model)}")
        found = parse(profile.model, world.providers)
        if isinstance(found, ProfileReference):
            raise UsageError(f'The model of profile "{profile.id}" is a profile.', "Name a model or a tier there.")
    if isinstance(found, TierReference) and (meaning := world.tiers.get(found.tier)) is not None:
        path.append(f"{found} means {written_form(meaning)} here")
        found = parse(meaning, world.providers)
        if isinstance(found, ProfileReference):
            raise UsageError(f"A tier cannot mean a profile ({found}).", "Name a model or another tier there.")
    if isinstance(found, ModelId):
        return Expanded(found, profile, None, tuple(path))
    choice = choose(found, world.market())
    if choice.winner is None:
        raise NothingFitsError(choice)
    winner = choice.winner
    drawn = f", drawn from {choice.drawn}" if choice.drawn else ""
    path.append(f"{found} is {winner.id} today{drawn} ({winner.tier_reason})")
    return Expanded(ModelId(winner.provider, winner.name), profile, choice, tuple(path))


def find_profile(id: str, profiles: Mapping[str, Profile]) -> Profile:
    """The profile of that id in any case. Raises UsageError with the nearest."""
    found = profiles.get(id) or next((p for p in profiles.values() if p.id.lower() == id.lower()), None)
    if found is not None:
        return found
    near = nearest(id, profiles)
    if near:
        hint = f"Did you mean profile:{near[0]}?"
    else:
        hint = "/profile lists them." if profiles else "There are none yet: /profile new"
    raise UsageError(f'There is no profile "{id}".', hint)
