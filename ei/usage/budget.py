"""Budgets as values: their periods, what is left, what a request may cost at most, and how long a reply that allows."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

MILLION = 1_000_000
WARN_AT = 80
"""Per cent of a budget at which the person is warned."""
USEFUL = 64
"""A reply is not cut to fewer tokens than that: rather it is held."""
ROOM = 4096
"""Tokens that a reply has in any case where nobody chose how long it may be and the budget allows them."""
SHARE = 4
"""Where nobody chose, a reply takes no more than this part of what is left, so that others may go on beside it."""
UNSAVED = 512
"""Tokens that a model may have written beyond what came of a reply that was cut short."""
FASTEST = 4000
"""Tokens a second: no model writes faster, not even what it does not show."""

Scope = Literal["day", "month", "provider", "persona", "conversation"]
SCOPES: tuple[Scope, ...] = ("day", "month", "provider", "persona", "conversation")
NAMED: tuple[Scope, ...] = ("provider", "persona", "conversation")
Then = Literal["ask", "stop", "switch"]


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent. scope, name: of what; the name of a provider or persona, the id of a conversation, else "".

    amount: nano-dollars in a period: a local day, a local month (also for a provider and a persona), or all the time
    (a conversation). then: what happens to a request that does not fit; reference: what answers instead, as the
    person wrote it, with "switch". warned: the period in which the person was warned last.
    """

    scope: Scope
    amount: int
    name: str = ""
    then: Then = "ask"
    reference: object = None
    warned: str = ""

    @property
    def title(self) -> str:
        """What a sentence calls it: `the budget of the day`, `the budget of openai for this month`."""
        match self.scope:
            case "day" | "month":
                return f"the budget of the {self.scope}"
            case "conversation":
                return "the budget of this conversation"
            case _:
                return f"the budget of {self.name} for this month"

    @property
    def typed(self) -> str:
        """Its scope as a command has it: `day`, `provider openai`."""
        return f"{self.scope} {self.name}".strip()


@dataclass(frozen=True, slots=True)
class Period:
    """key: its name, another for each. start_ms: milliseconds since 1970."""

    key: str
    start_ms: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How a budget stands in its period. spent, reserved: nano-dollars; unknown: calls whose cost nobody knows."""

    budget: Budget
    period: Period
    spent: int = 0
    reserved: int = 0
    unknown: int = 0

    @property
    def left(self) -> int:
        """Nano-dollars that may still be set aside, never below 0."""
        return max(self.budget.amount - self.spent - self.reserved, 0)

    @property
    def percent(self) -> int:
        """How much of it is spent, rounded down; 100 of a budget of nothing."""
        return self.spent * 100 // self.budget.amount if self.budget.amount else 100


@dataclass(frozen=True, slots=True)
class Quote:
    """What a request can cost at most.

    input_tokens: no tokenizer makes more of it. Prices are nano-dollars per million tokens, the dearest that may be
    asked, None where they are not known; fixed: nano-dollars for the request itself. wanted: how long the reply may be
    as the person chose it, None where nobody did; longest: how long it can be asked to be. hides: it may think what it
    does not show.
    """

    provider: str
    model: str
    input_tokens: int
    input_price: int | None
    output_price: int | None
    fixed: int = 0
    wanted: int | None = None
    longest: int = ROOM
    hides: bool = True

    @property
    def known(self) -> bool:
        return self.input_price is not None and self.output_price is not None

    @property
    def free(self) -> bool:
        """Whether it costs nothing at all."""
        return self.input_price == 0 and self.output_price == 0 and not self.fixed

    def cost(self, output_tokens: int) -> int:
        """Nano-dollars with a reply of so many tokens, rounded up. Only where the prices are known."""
        assert self.input_price is not None
        assert self.output_price is not None
        tokens = self.input_tokens * self.input_price + output_tokens * self.output_price
        return -(-tokens // MILLION) + self.fixed


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants to send something: as the fields of `Call`."""

    interaction: str
    trigger: str
    persona: str | None = None
    conversation: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Fit:
    """A request that fits. max_tokens: how long its reply may be; amount: nano-dollars to be set aside.

    cut: the budget that keeps the reply shorter than it was to be, None where none does.
    """

    max_tokens: int
    amount: int
    cut: Standing | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A request that does not fit. by: the budgets that have too little left, () where only its price is not known.

    least: nano-dollars that even a short reply may cost, None where the price is not known.
    """

    by: tuple[Standing, ...]
    least: int | None

    @property
    def strictest(self) -> Standing:
        """The one that decides what happens: what stops it, then what lets another answer, then what is asked."""
        order: Sequence[Then] = ("stop", "switch", "ask")
        return min(self.by, key=lambda one: (order.index(one.budget.then), one.left))


def fitted(quote: Quote, standings: Sequence[Standing]) -> Fit | Held:
    """How long a reply these budgets allow; standings: of all that the request counts for, at least one."""
    if not quote.known:
        return Held((), None)
    tightest = min(standings, key=lambda one: one.left)
    most = _affordable(quote, tightest.left)
    wanted = quote.wanted if quote.wanted is not None else min(quote.longest, max(ROOM, most // SHARE))
    least = min(USEFUL, wanted)
    if most < least:
        needed = quote.cost(least)
        return Held(tuple(one for one in standings if one.left < needed), needed)
    tokens = min(wanted, most)
    return Fit(tokens, quote.cost(tokens), tightest if tokens < wanted else None)


def unbounded(quote: Quote) -> Fit:
    """How long a reply may be that the person lets through over a budget."""
    tokens = quote.wanted if quote.wanted is not None else min(quote.longest, ROOM)
    return Fit(tokens, quote.cost(tokens))


def counted(quote: Quote, amount: int, cost: int | None, estimated: bool, written: int | None) -> int | None:
    """What counts against budgets for a call that ended, in nano-dollars, None where its cost is sure.

    amount: what was set aside for it. estimated: its tokens were counted here. written: no more tokens than these came
    of the reply, None where nobody can say: then it may have cost all that was set aside.
    """
    if cost is not None and not estimated:
        return None
    if written is None:
        return amount
    return min(amount, max(quote.cost(written + UNSAVED), cost or 0))


def most_tokens(texts: Iterable[str]) -> int:
    """More tokens than any tokenizer makes of the texts: one for each byte of UTF-8.

    The tokenizers in use cut bytes, or characters that fall back to their bytes where they are not known, so that none
    of their tokens stands for less than a byte.
    """
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)


def sum_text(nano_dollars: int) -> str:
    """Money in a sentence: `$2.00`, `$0.0412`; never rounded to nothing."""
    dollars = nano_dollars / 1_000_000_000
    if dollars == 0 or dollars >= 0.1:
        return f"${dollars:,.2f}"
    return f"${dollars:.4f}" if dollars >= 0.0001 else f"${dollars:.9f}".rstrip("0")


def period_of(scope: Scope, now: float) -> Period:
    """The period of a budget in which a moment is (seconds since 1970), by the local calendar."""
    if scope == "conversation":
        return Period("always", 0)
    there = time.localtime(now)
    if scope == "day":
        return Period(time.strftime("%Y-%m-%d", there), _local_ms(there.tm_year, there.tm_mon, there.tm_mday))
    return Period(time.strftime("%Y-%m", there), _local_ms(there.tm_year, there.tm_mon, 1))


def applies(budget: Budget, wish: Wish, provider: str) -> bool:
    """Whether what is sent counts for the budget."""
    names = {"provider": provider, "persona": wish.persona, "conversation": wish.conversation}
    return budget.scope not in names or names[budget.scope] == budget.name


def _affordable(quote: Quote, left: int) -> int:
    """How many tokens of reply that much pays for, below 0 where not even the request is."""
    assert quote.input_price is not None
    assert quote.output_price is not None
    rest = (left - quote.fixed) * MILLION - quote.input_tokens * quote.input_price
    if rest < 0:
        return -1
    return rest // quote.output_price if quote.output_price else quote.wanted or max(quote.longest, ROOM * SHARE)


def _local_ms(year: int, month: int, day: int) -> int:
    return int(time.mktime((year, month, day, 0, 0, 0, 0, 0, -1)) * 1000)
