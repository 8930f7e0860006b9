"""Which model a tier means today: pure, with everyone who was looked at and why the others lost."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ei.models.reference import TierReference
from ei.models.values import Model, Prices, dollars

INPUT_SHARE = 3
"""A conversation reads about three tokens for each one it writes: prices are weighed so when the cheapest is sought."""


NOT_HERE = "private: not on this machine"
"""Why a model is passed over where nothing may leave."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a provider stands now. problem: why nothing can be sent, "" when something can. free: its models cost
    nothing, because they run on this machine. down: why it is taken last ("rate-limited for 20 s"), "". preferred:
    names of its models that the person wants before its others, the first one first."""

    problem: str = ""
    free: bool = False
    down: str = ""
    preferred: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contender:
    """A model of the tier that was looked at. lost: why it is not the one, "" for the winner. fits: it would do."""

    model: Model
    lost: str
    fits: bool = False


@dataclass(frozen=True, slots=True)
class TierChoice:
    """What a tier means today. winner: None where nobody fits; problem and hint then say what is missing and what to
    do. contenders: the winner first, then those that would do in their order, then those that do not. drawn: of how
    many the winner was drawn by chance, else 0."""

    reference: TierReference
    winner: Model | None
    contenders: tuple[Contender, ...] = ()
    drawn: int = 0
    problem: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Market:
    """What there is to choose from. standings: of every provider. paid: providers and model ids that the person
    allowed to cost money. draw: a number below the one given. own: the providers that alone may be chosen, because
    what is asked must stay with the person; None where it need not."""

    models: Sequence[Model]
    standings: Mapping[str, Standing]
    paid: frozenset[str]
    draw: Callable[[int], int]
    own: frozenset[str] | None = None


def choose(reference: TierReference, market: Market) -> TierChoice:
    """The model that a tier means in this market.

    Only models that are free or whose provider or id is in `paid` count (a tier's default that the person set by hand
    is one they chose); of these, those that can do what is needed. Providers that are down come last whatever else
    speaks for them.
    """
    of_tier = [model for model in market.models if model.tier == reference.tier and model.chat]
    looked = [(model, _why_not(model, reference, market)) for model in of_tier]
    fitting = [model for model, why in looked if not why]
    fitting.sort(key=lambda model: _order(model, reference, market))
    drawn = 0
    if reference.pick == "random" and fitting:
        best = _order(fitting[0], reference, market)[:2]
        pool = [model for model in fitting if _order(model, reference, market)[:2] == best]
        if len(pool) > 1:
            drawn = len(pool)
            chosen = pool[market.draw(drawn)]
            fitting.remove(chosen)
            fitting.insert(0, chosen)
    unfit = [Contender(model, why) for model, why in looked if why]
    if not fitting:
        problem, hint = _missing(reference, looked, market)
        return TierChoice(reference, None, tuple(unfit), 0, problem, hint)
    winner = fitting[0]
    beaten = [Contender(winner, "", True)]
    beaten += [Contender(model, _beaten(model, winner, reference, market, drawn), True) for model in fitting[1:]]
    return TierChoice(reference, winner, (*beaten, *unfit), drawn)


def is_sent_on(name: str) -> bool:
    """Whether a server on this machine only passes on what the model gets: Ollama's cloud models.

    Source: docs.ollama.com/cloud; their tags are `cloud` or end with `-cloud`.
    """
    tag = name.rpartition(":")[2].lower() if ":" in name else ""
    return tag == "cloud" or tag.endswith("-cloud")


def is_free(model: Model, market: Market) -> bool:
    """Whether it costs nothing: it runs here, or its provider asks nothing for it."""
    standing = market.standings.get(model.provider)
    prices = model.prices
    here = standing is not None and standing.free and not is_sent_on(model.name)
    return here or (prices.input == 0 and prices.output == 0)


def weight(prices: Prices) -> int | None:
    """Nano-dollars for three million tokens in and one million out, None where a price is unknown."""
    if prices.input is None or prices.output is None:
        return None
    return INPUT_SHARE * prices.input + prices.output


def version_of(name: str) -> tuple[float, ...]:
    """The numbers in a model's name, without its date, by which newer ones are told from older ones."""
    undated = re.sub(r"[-_@]20\d\d[-_]?\d\d[-_]?\d\d", "", name)
    return tuple(float(number) for number in re.findall(r"(?<![\d.])\d{1,3}(?:\.\d{1,3})?(?!\d)", undated))


def _why_not(model: Model, reference: TierReference, market: Market) -> str:
    standing = market.standings.get(model.provider)
    if reference.only and model.provider not in reference.only:
        return f"not of {' or '.join(reference.only)}"
    if not model.active:
        return f"no longer in the list of {model.provider}"
    if model.disabled:
        return "you disabled it"
    if standing is None:
        return f"{model.provider} is no provider here any more"
    if market.own is not None and (model.provider not in market.own or is_sent_on(model.name)):
        return NOT_HERE
    if standing.problem:
        return standing.problem
    if lacking := sorted(reference.needs - (model.capabilities or frozenset())):
        known = "it has no" if model.capabilities is not None else "nobody says that it has"
        return f"{known} {', '.join(lacking)}"
    if reference.context and (model.context is None or model.context < reference.context):
        return "its context is unknown" if model.context is None else f"its context is {model.context:,} tokens"
    free = is_free(model, market)
    for what, most in (("input", reference.max_input), ("output", reference.max_output)):
        price = 0 if free else getattr(model.prices, what)
        if most is not None and (price is None or price > most):
            return f"its price for {what} is unknown" if price is None else f"{dollars(price)} {what} is too dear"
    if not free and not _paid(model, market):
        return (
            "it costs money, and nobody allowed that"
            if _costs(model)
            else "its price is unknown, and nobody allowed it"
        )
    return ""


def _costs(model: Model) -> bool:
    return bool(model.prices.input or model.prices.output)


def _paid(model: Model, market: Market) -> bool:
    by_hand = model.default and "default" in model.by_hand
    return model.provider in market.paid or model.id in market.paid or by_hand


def _order(model: Model, reference: TierReference, market: Market) -> tuple[object, ...]:
    """The smaller, the better; the first two decide before chance does."""
    down = bool(market.standings[model.provider].down)
    prefer = reference.prefer
    preferred = prefer.index(model.provider) if model.provider in prefer else len(prefer)
    price = 0 if is_free(model, market) else weight(model.prices)
    dear = (price is None, price or 0)
    new = (-(model.created_ms or 0), tuple(-number for number in version_of(model.name)))
    by_hand = not (model.default and "default" in model.by_hand)
    match reference.pick:
        case "cheapest":
            return (down, preferred, *dear, not model.default, *new, model.id)
        case "newest":
            return (down, preferred, *new, not model.default, *dear, model.id)
        case _:
            wished = _wished(model, market)
            first = not (model.default or wished is not None)
            return (down, preferred, by_hand, first, wished is None, wished or 0, *dear, *new, model.id)


def _wished(model: Model, market: Market) -> int | None:
    """Where a model stands among those of its provider that the person prefers; None where it is none of them."""
    wishes = market.standings[model.provider].preferred
    return wishes.index(model.name) if model.name in wishes else None


def _beaten(model: Model, winner: Model, reference: TierReference, market: Market, drawn: int) -> str:
    down = market.standings[model.provider].down
    if down and not market.standings[winner.provider].down:
        return f"{model.provider} ranks last now: {down}"
    prefer = reference.prefer
    if winner.provider in prefer and model.provider != winner.provider:
        first = model.provider not in prefer or prefer.index(model.provider) > prefer.index(winner.provider)
        if first:
            return f"{winner.provider} is preferred"
    if drawn:
        return "not drawn"
    if reference.pick == "cheapest":
        return (
            "dearer" if _order(model, reference, market)[2:4] > _order(winner, reference, market)[2:4] else "as cheap"
        )
    if reference.pick == "newest":
        return "older"
    if winner.default and "default" in winner.by_hand:
        return f"you made {winner.id} the default"
    if (wished := _wished(winner, market)) is not None and wished != _wished(model, market):
        return f"you prefer {winner.id}"
    if winner.default and not model.default:
        return f"not the default of {model.provider} for {reference.tier}"
    return "dearer, or as dear and older"


def _missing(reference: TierReference, looked: Sequence[tuple[Model, str]], market: Market) -> tuple[str, str]:
    """What is missing, and what to do: the reason that stands between the tier and most of its models."""
    asked = f"No model fits {reference}"
    if not looked:
        if not market.models:
            return f"{asked}: no list of models was fetched yet.", "Fetch the lists: /models sync"
        count = len(market.models)
        none = "the one model known is not" if count == 1 else f"none of the {count:,} models known is"
        return f"{asked}: {none} in that tier.", (
            f"Put one there: /models tier MODEL {reference.tier}, or fetch the lists again: /models sync"
        )
    if market.own is not None and any(why == NOT_HERE for _, why in looked):
        return f"{asked} on this machine, and what is asked is private.", (
            "Name a model on this machine: /model SPEC, or see what makes it so: /private"
        )
    unpaid = [model for model, why in looked if "nobody allowed" in why]
    if unpaid:
        names = dict.fromkeys(model.provider for model in unpaid)
        few = ", ".join(list(names)[:3])
        words = f"{len(unpaid)} that would do cost{'s' if len(unpaid) == 1 else ''} money or may"
        return f"{asked}: the {words} ({few}).", f"Allow a provider or a model: /models pay {next(iter(names))}"
    reasons: dict[str, int] = {}
    for _, why in looked:
        reasons[why] = reasons.get(why, 0) + 1
    most = max(reasons, key=lambda why: reasons[why])
    return f"{asked}: {most.rstrip('.')}.", "See why each one lost: /model why"
