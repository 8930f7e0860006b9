"""Which model a tier means, and why the others lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ei.models.choosing import Market, Standing, TierChoice, choose
from ei.models.reference import Pick, TierReference
from ei.models.values import Model, Prices

DOLLAR = 1_000_000_000
HERE = Standing(free=True)
CLOUD = Standing()
NOBODY_ALLOWED = "it costs money, and nobody allowed that"


def model(id: str, input: float | None = None, output: float | None = None, **more: object) -> Model:
    provider, _, name = id.partition(":")
    prices = Prices(
        None if input is None else round(input * DOLLAR), output=None if output is None else round(output * DOLLAR)
    )
    return Model(provider, name, prices=prices, **{"tier": "fast", "tier_reason": "small", **more})  # type: ignore[arg-type]


LOCAL = model("local:gemma", context=8_000, default=True, created_ms=1)
HAIKU = model(
    "anthropic:haiku", 1, 5, context=200_000, default=True, created_ms=5, capabilities=frozenset({"tools", "vision"})
)
FLASH = model("google:flash-lite", 0.1, 0.4, context=1_000_000, default=True, created_ms=4, capabilities=frozenset())
NANO = model("openai:nano", 0.05, 0.4, context=400_000, created_ms=3, capabilities=frozenset({"tools"}))
MINI = model("openai:mini", 0.25, 2, context=400_000, default=True, created_ms=2, capabilities=frozenset({"tools"}))
ALL = (LOCAL, HAIKU, FLASH, NANO, MINI)


def market(
    *models: Model, paid: tuple[str, ...] = (), draw: Callable[[int], int] = lambda below: 0, **standings: Standing
) -> Market:
    found = {"local": HERE, "anthropic": CLOUD, "google": CLOUD, "openai": CLOUD} | standings
    return Market(models or ALL, found, frozenset(paid), draw)


def names(choice: TierChoice) -> list[str]:
    return [each.model.id for each in choice.contenders if each.fits]


def lost(choice: TierChoice) -> dict[str, str]:
    return {each.model.id: each.lost for each in choice.contenders if each.lost}


EVERY = ("anthropic", "google", "openai")
FAST = TierReference("fast")


def test_without_leave_only_what_is_free_is_taken() -> None:
    choice = choose(FAST, market())
    assert names(choice) == ["local:gemma"]
    assert lost(choice) == dict.fromkeys((m.id for m in ALL if m is not LOCAL), NOBODY_ALLOWED)


def test_a_model_that_its_provider_gives_away_is_free() -> None:
    free = model("openrouter:x/y:free", 0, 0)
    assert names(choose(FAST, market(free, openrouter=CLOUD))) == ["openrouter:x/y:free"]


def test_an_unknown_price_may_cost_and_needs_leave() -> None:
    unknown = model("groq:new")
    choice = choose(FAST, market(unknown, groq=CLOUD))
    assert (choice.winner, lost(choice)) == (None, {"groq:new": "its price is unknown, and nobody allowed it"})
    assert names(choose(FAST, market(unknown, paid=("groq",), groq=CLOUD))) == ["groq:new"]


@pytest.mark.parametrize("allowed", ["anthropic", "anthropic:haiku"])
def test_leave_is_given_by_provider_or_by_model(allowed: str) -> None:
    assert names(choose(FAST, market(HAIKU, MINI, paid=(allowed,)))) == ["anthropic:haiku"]


def test_a_default_set_by_hand_was_chosen_and_comes_first() -> None:
    chosen = model("anthropic:haiku", 1, 5, default=True, by_hand=frozenset({"default"}))
    choice = choose(FAST, market(LOCAL, chosen))
    assert names(choice) == ["anthropic:haiku", "local:gemma"]
    assert lost(choice) == {"local:gemma": "you made anthropic:haiku the default"}


def test_what_is_free_comes_before_what_costs_and_cheap_before_dear() -> None:
    choice = choose(FAST, market(paid=EVERY))
    assert names(choice) == ["local:gemma", "google:flash-lite", "openai:mini", "anthropic:haiku", "openai:nano"]
    assert lost(choice)["openai:nano"] == "not the default of openai for fast"


def test_a_preferred_provider_wins_and_the_others_stand_behind_it() -> None:
    choice = choose(TierReference("fast", prefer=("anthropic",)), market(paid=EVERY))
    assert names(choice)[:2] == ["anthropic:haiku", "local:gemma"]
    assert lost(choice)["local:gemma"] == "anthropic is preferred"


def test_only_leaves_no_other_provider() -> None:
    choice = choose(TierReference("fast", only=("openai",)), market(paid=EVERY))
    assert names(choice) == ["openai:mini", "openai:nano"]
    assert lost(choice)["local:gemma"] == "not of openai"


@pytest.mark.parametrize(
    ("pick", "order"),
    [
        ("cheapest", ["local:gemma", "openai:nano", "google:flash-lite", "openai:mini", "anthropic:haiku"]),
        ("newest", ["anthropic:haiku", "google:flash-lite", "openai:nano", "openai:mini", "local:gemma"]),
    ],
)
def test_it_can_be_the_cheapest_or_the_newest(pick: Pick, order: list[str]) -> None:
    assert names(choose(TierReference("fast", pick=pick), market(paid=EVERY))) == order


def test_a_draw_is_told_with_of_how_many_it_was_and_prefers_who_is_up() -> None:
    reference = TierReference("fast", pick="random")
    drawn = [choose(reference, market(paid=EVERY, draw=lambda below, n=n: n)) for n in range(5)]  # type: ignore[misc]
    assert {choice.winner.id for choice in drawn if choice.winner} == {m.id for m in ALL}
    assert {choice.drawn for choice in drawn} == {5}
    assert set(lost(drawn[0]).values()) == {"not drawn"}
    up = choose(
        reference, market(paid=EVERY, local=Standing(free=True, down="3 failures"), draw=lambda below: below - 1)
    )
    assert (up.drawn, up.winner is LOCAL) == (4, False)


def test_a_provider_that_is_down_comes_last_and_says_so() -> None:
    resting = Standing(free=True, down="left alone for 20 s")
    choice = choose(TierReference("fast", prefer=("local",)), market(paid=("openai",), local=resting))
    assert names(choice) == ["openai:mini", "openai:nano", "local:gemma"]
    assert lost(choice)["local:gemma"] == "local ranks last now: left alone for 20 s"
    alone = choose(FAST, market(LOCAL, local=resting))
    assert alone.winner is LOCAL


def test_what_is_needed_must_be_known_to_be_there() -> None:
    choice = choose(TierReference("fast", needs=frozenset({"tools"}), context=300_000), market(paid=EVERY))
    assert names(choice) == ["openai:mini", "openai:nano"]
    assert lost(choice) == {
        "local:gemma": "nobody says that it has tools",
        "google:flash-lite": "it has no tools",
        "anthropic:haiku": "its context is 200,000 tokens",
        "openai:nano": "not the default of openai for fast",
    }


def test_a_price_can_be_too_high() -> None:
    reference = TierReference("fast", max_input=DOLLAR // 2, max_output=DOLLAR)
    choice = choose(reference, market(paid=EVERY))
    assert names(choice) == ["local:gemma", "google:flash-lite", "openai:nano"]
    assert lost(choice)["anthropic:haiku"] == "$1 input is too dear"
    assert lost(choice)["openai:mini"] == "$2 output is too dear"


def test_models_that_cannot_be_asked_say_why() -> None:
    off = model("local:off", disabled=True)
    gone = model("local:gone", active=False)
    strange = model("former:x")
    choice = choose(FAST, market(off, gone, strange, NANO, openai=Standing("openai has no API key")))
    assert lost(choice) == {
        "local:off": "you disabled it",
        "local:gone": "no longer in the list of local",
        "former:x": "former is no provider here any more",
        "openai:nano": "openai has no API key",
    }


def test_embeddings_are_in_no_tier() -> None:
    assert choose(FAST, market(model("local:embed", chat=False))).contenders == ()


@pytest.mark.parametrize(
    ("found", "sentence", "hint"),
    [
        (
            Market((), {}, frozenset(), lambda below: 0),
            "No model fits tier:fast: no list of models was fetched yet.",
            "Fetch the lists: /models sync",
        ),
        (
            market(model("local:big", tier="smart")),
            "No model fits tier:fast: the one model known is not in that tier.",
            "Put one there: /models tier MODEL fast, or fetch the lists again: /models sync",
        ),
        (
            market(HAIKU, MINI, NANO),
            "No model fits tier:fast: the 3 that would do cost money or may (anthropic, openai).",
            "Allow a provider or a model: /models pay anthropic",
        ),
        (
            market(MINI, openai=Standing("openai has no API key yet")),
            "No model fits tier:fast: openai has no API key yet.",
            "See why each one lost: /model why",
        ),
    ],
)
def test_a_tier_without_a_candidate_says_what_is_missing_and_what_to_do(
    found: Market, sentence: str, hint: str
) -> None:
    choice = choose(FAST, found)
    assert (choice.winner, choice.problem, choice.hint) == (None, sentence, hint)
