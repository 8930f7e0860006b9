"""What a request will probably cost, told before it is sent, and asked about where that is much; and learning from
what came how many tokens a model makes of a text."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ei.config import ConfigFile
from ei.engine.composing import DENSITY, composer_for
from ei.engine.pricing import Priced, cost_of_call, is_here, registered
from ei.engine.services import Services, on_database
from ei.engine.spending import Dear
from ei.errors import CancelledError, NeedsAnswerError, StorageError
from ei.messages import ChatMessage, ChatRequest, Usage
from ei.models.reference import ModelId
from ei.providers.estimate import USUAL, Density, density_from_data, density_to_data, estimate_prompt, observed
from ei.usage.learned import LearnedStore
from ei.usage.store import CallStore

if TYPE_CHECKING:
    from ei.conversations.values import Message
    from ei.engine.session import Session
    from ei.models.interactions import Interaction
    from ei.models.resolve import Resolution
    from ei.personas.values import Persona
    from ei.usage.budget import Wish

NANO = 1_000_000_000
LIMIT = ("costs", "ask_above")
USUAL_REPLY = 400
"""Tokens of reply where the model has not answered here yet."""
LATELY_MS = 60 * 86_400_000
NEWEST = 100
"""So many calls of a provider are looked at for how long its replies usually are."""
LONGEST_OF_WIRE = {"anthropic": 8192}
"""How long a reply is asked for where nobody chose, on a wire that has to name a number."""
LIMITS = ("max_tokens", "max_completion_tokens")
TELLS = "compare"
"""What triggers requests about whose sum the person is asked once."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one request will probably take. Tokens; money in nano-dollars, None where the price is not known.

    output_tokens: of a reply as usual; longest: of the longest that can come, None where nobody limits it. cost: with
    a reply as usual; most: with the longest; per_thousand: of each further thousand tokens of reply.
    """

    input_tokens: int
    output_tokens: int
    longest: int | None
    cost: int | None
    most: int | None
    per_thousand: int | None

    @property
    def words(self) -> str:
        """`~1.2k tokens in, up to 4k out: about $0.004, at most $0.06`."""
        tokens = f"~{short_count(self.input_tokens)} tokens in"
        if self.longest is not None:
            tokens += f", up to {short_count(self.longest)} out"
        if self.cost is None:
            return f"{tokens}: what it costs is not known"
        words = f"{tokens}: about {short_money(self.cost)}"
        if self.most is not None:
            return words if self.most <= self.cost else f"{words}, at most {short_money(self.most)}"
        return f"{words}, {short_money(self.per_thousand)} for each 1k of reply beyond"


class Estimating:
    """Estimates requests by prices, by what was learned of each model and by how long its replies were.

    now: seconds since 1970.
    """

    def __init__(
        self,
        prices: Priced,
        learned: LearnedStore,
        calls: CallStore,
        config: ConfigFile,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._now = now
        self._prices = prices
        self._learned = learned
        self._calls = calls
        self._config = config

    def of(self, model: ModelId, request: ChatRequest) -> Estimate | None:
        """What the request will take; None for what costs nothing.

        Reads the database and may load the price list: call it from a thread. Raises StorageError.
        """
        if self._is_free(model):
            return None
        density = density_from_data(self._learned.get(str(model)).get(DENSITY))
        sent = estimate_prompt(request.messages, density)
        longest = self._longest(model, request)
        usual = self._usual_reply(model)
        usual = usual if longest is None else min(usual, longest)

        def cost(output: int) -> int | None:
            return cost_of_call(self._prices, model, Usage(sent, output_tokens=output))

        likely, most = cost(usual), None if longest is None else cost(longest)
        if likely == 0 and (most or cost(1_000_000)) == 0:
            return None
        nothing, million = cost(0), cost(1_000_000)
        each = None if nothing is None or million is None else (million - nothing) // 1000
        return Estimate(sent, usual, longest, likely, most, each)

    async def dear(self, wish: Wish, model: ModelId, request: ChatRequest) -> Dear | None:
        """What is asked of the person before a request is sent that may cost more than `costs.ask_above`.

        None for one that just goes, and for those of a comparison, about whose sum is asked before it begins.
        """
        limit = self.limit
        if limit is None or wish.trigger == TELLS:
            return None
        found = await asyncio.to_thread(self.of, model, request)
        if found is None or found.cost is None or found.cost <= limit:
            return None
        return Dear(
            f"May {model} answer for about {short_money(found.cost)}?",
            (f"{found.words}.", f"You are asked above {short_money(limit)}: costs.ask_above in settings."),
        )

    def dear_together(self, found: Sequence[Estimate | None]) -> Dear | None:
        """The same for several requests that are sent at once, by their sum."""
        estimates = [one for one in found if one is not None]
        known = [one.cost for one in estimates if one.cost is not None]
        limit = self.limit
        if limit is None or sum(known) <= limit:
            return None
        unknown = sum(one.cost is None for one in estimates)
        most = [one.most for one in estimates if one.most is not None]
        line = f"~{short_count(sum(one.input_tokens for one in estimates))} tokens in, all together"
        line += f", at most {short_money(sum(most))}" if len(most) == len(known) and not unknown else ""
        line += f"; what {unknown} of them cost is not known" if unknown else ""
        return Dear(
            f"May {len(estimates)} paid models answer for about {short_money(sum(known))}?",
            (f"{line}.", f"You are asked above {short_money(limit)}: costs.ask_above in settings."),
        )

    @property
    def limit(self) -> int | None:
        """Nano-dollars above which is asked; None for never."""
        config = self._config.last_good()
        section, name = LIMIT
        written = config.section(section)
        if name in written and written[name] is None:
            return None
        value = config.get(f"{section}.{name}")
        return round(value * NANO) if isinstance(value, int | float) else None

    def _is_free(self, model: ModelId) -> bool:
        """Whether it runs on this machine, where only a price of the person's own makes it cost something."""
        if not is_here(self._prices, model):
            return False
        row = registered(self._prices, model)
        return row is None or row.prices.source != "person"

    def _longest(self, model: ModelId, request: ChatRequest) -> int | None:
        for name in LIMITS:
            value = request.parameters.get(name, request.extra.get(name))
            if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                return value
        row = registered(self._prices, model)
        known = row.max_output if row is not None else None
        endpoint = self._prices.chooser.endpoints().get(model.provider)
        of_wire = LONGEST_OF_WIRE.get(endpoint.wire) if endpoint is not None else None
        told = [size for size in (known, of_wire) if size]
        return min(told, default=None)

    def _usual_reply(self, model: ModelId) -> int:
        from statistics import median

        since_ms = int(self._now() * 1000) - LATELY_MS
        calls = self._calls.recent(model.provider, since_ms, NEWEST)
        lengths = [
            call.output_tokens
            for call in calls
            if call.model == model.model and call.outcome == "complete" and call.output_tokens
        ]
        return round(median(lengths)) if lengths else USUAL_REPLY


def estimating(services: Services) -> Estimating:
    """What estimates with these services."""
    return Estimating(services, services.learned, services.calls, services.config, services.now)


def first_estimate(services: Services, conversation: str, model: ModelId, request: ChatRequest) -> Estimate | None:
    """What a request will take that is the first of its conversation to a model; None for a further one, for what
    costs nothing, and where it cannot be told. Call it from a thread."""
    try:
        if services.calls.asked(conversation, model.provider, model.model):
            return None
        return estimating(services).of(model, request)
    except StorageError:
        return None


async def agree_to_all(
    session: Session,
    resolutions: Sequence[Resolution],
    speaker: Persona,
    interaction: Interaction,
    text: str,
    before: Message | None,
) -> None:
    """Asks once whether the next message may be answered by several models, where they cost much together.

    text: of the message, "" where it is kept already; before: its reply on the current path. Raises CancelledError
    where the person does not want it, NeedsAnswerError where nobody can be asked.
    """
    services, conversation = session.services, session.conversation
    about = estimating(services)
    paid = [found for found in resolutions if not is_here(services, found.model)]
    if about.limit is None or not paid:
        return
    estimates = []
    for found in paid:
        composer = await composer_for(
            services,
            session.store,
            session.persona,
            speaker,
            interaction,
            found,
            conversation,
            session.parameters_now(speaker.name),
        )
        material = await composer.material(
            conversation.id if conversation is not None else None, before.id if before is not None else None, text
        )
        sent = material.fitted(material.budget).messages
        parameters = composer.parameters
        request = ChatRequest(found.model.model, sent, parameters.sent, extra=parameters.extra)
        estimates.append(await asyncio.to_thread(about.of, found.model, request))
    dear = about.dear_together(estimates)
    if dear is None:
        return
    if session.may_cost_more is None:
        raise NeedsAnswerError(dear.question, "Nobody can be asked here: add --yes to agree.")
    if not await session.may_cost_more(dear.question, dear.details):
        raise CancelledError("Nothing was asked.")


async def density_of(services: Services, model: ModelId) -> Density:
    """How many tokens a model makes of a text, as far as it was learned."""
    try:
        learned = await on_database(services.database, services.learned.get, str(model))
    except StorageError:
        return USUAL
    return density_from_data(learned.get(DENSITY))


async def learn_density(services: Services, model: ModelId, messages: Iterable[ChatMessage], usage: Usage) -> None:
    """Learns how many tokens a model makes of a text, where its server counted what was sent."""
    counted = usage.input_tokens
    if usage.estimated or not counted:
        return
    sent = tuple(messages)

    def mended(before: object) -> object:
        known = density_from_data(before)
        found = observed(known, sent, counted)
        return before if found is known else density_to_data(found)

    try:
        await on_database(services.database, services.learned.change, str(model), DENSITY, mended)
    except StorageError as exc:
        services.log(f"not remembered: {exc}")


def short_count(count: int) -> str:
    """A token count as an estimate deserves it: 812, 1.2k, 96k, 1.1M."""
    if count >= 999_500:
        return f"{count / 1_000_000:.1f}".removesuffix(".0") + "M"
    if count >= 1000:
        return (f"{count / 1000:.1f}" if count < 9950 else f"{count / 1000:.0f}").removesuffix(".0") + "k"
    return str(count)


def short_money(nano_dollars: int | None) -> str:
    """Nano-dollars with as many digits as an estimate deserves: $0.004, $0.06, $1.20; `$?` where unknown."""
    if nano_dollars is None:
        return "$?"
    dollars = nano_dollars / NANO
    if dollars == 0:
        return "$0"
    if dollars < 0.0001:
        return "<$0.0001"
    digits = next((digits for digits, least in ((2, 0.0995), (3, 0.00095)) if dollars >= least), 4)
    shown = f"{dollars:,.{digits}f}"
    return f"${shown.rstrip('0') if digits > 2 else shown}"
