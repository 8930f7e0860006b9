"""From a reference to the model that it means, every step told."""

from __future__ import annotations

import pytest

from ei.errors import UsageError
from ei.models.choosing import Market, Standing
from ei.models.expand import NothingFitsError, World, expand
from ei.models.profiles import Profile
from ei.models.reference import ModelId, ProviderNames
from ei.models.values import Model

NAMES = ProviderNames(("local", "groq", "anthropic"), {"claude": "anthropic"})
GEMMA = Model("local", "gemma", tier="fast", tier_reason="4 billion parameters")
PROFILES = {
    each.id: each
    for each in (
        Profile("exact", "claude:haiku"),
        Profile("quick", "tier:fast", fallback=("local:gemma",)),
        Profile("nested", "profile:exact"),
    )
}


def world(**tiers: object) -> World:
    market = Market((GEMMA,), {"local": Standing(free=True)}, frozenset(), lambda below: 0)
    return World(NAMES, PROFILES, lambda: market, tiers)


@pytest.mark.parametrize(
    ("written", "model", "path"),
    [
        ("claude:haiku", "anthropic:haiku", ()),
        ("profile:exact", "anthropic:haiku", ("profile:exact means claude:haiku",)),
        ("profile:EXACT", "anthropic:haiku", ("profile:EXACT means claude:haiku",)),
        ("tier:fast", "local:gemma", ("tier:fast is local:gemma today (4 billion parameters)",)),
        (
            {"profile": "quick"},
            "local:gemma",
            ("profile:quick means tier:fast", "tier:fast is local:gemma today (4 billion parameters)"),
        ),
    ],
)
def test_a_reference_is_followed_to_its_model(written: object, model: str, path: tuple[str, ...]) -> None:
    found = expand(written, world())
    assert (str(found.model), found.path) == (model, path)


def test_the_profile_that_led_there_is_told() -> None:
    assert expand("profile:quick", world()).profile == PROFILES["quick"]
    assert expand("tier:fast", world()).profile is None


def test_a_tier_can_mean_something_of_its_own_here() -> None:
    found = expand("tier:fast", world(fast="groq:llama"))
    assert (found.model, found.path) == (ModelId("groq", "llama"), ("tier:fast means groq:llama here",))


def test_a_tier_may_mean_the_same_tier_of_a_provider() -> None:
    found = expand("tier:fast", world(fast="tier:fast@local"))
    assert str(found.model) == "local:gemma"


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("profile:exakt", 'There is no profile "exakt". Did you mean profile:exact?'),
        ("profile:zzz", 'There is no profile "zzz". /profile lists them.'),
        ("profile:nested", 'The model of profile "nested" is a profile. Name a model or a tier there.'),
    ],
)
def test_what_leads_nowhere_is_refused(written: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        expand(written, world())
    assert str(caught.value) == sentence


def test_a_tier_in_which_nothing_fits_tells_everyone_who_lost() -> None:
    with pytest.raises(NothingFitsError) as caught:
        expand("tier:smart", world())
    assert caught.value.choice.winner is None
