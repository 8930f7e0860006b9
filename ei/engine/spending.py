"""What may be spent: the worst case of a request is set aside before it leaves, or it is cut, asked about or held."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from ei.engine.pricing import context_of, is_here, like_model, registered
from ei.errors import BudgetError, NeedsAnswerError, StorageError
from ei.messages import ChatRequest, OpaquePart, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from ei.models.dearest import Dearest, dearest_listed, dearest_of
from ei.models.metadata import abilities_of
from ei.models.reference import ModelId
from ei.models.values import Model
from ei.providers.estimate import estimate_prompt
from ei.storage.database import Database
from ei.usage.budget import ROOM, Held, Quote, Standing, Wish, most_tokens, sum_text
from ei.usage.budgets import BudgetStore, Reserved

if TYPE_CHECKING:
    from ei.engine.choice import ModelChooser
    from ei.models.registry import RegistryStore

T = TypeVar("T")
Ask = Callable[[str, Sequence[str]], Awaitable[bool]]
"""Asks the person: a question, and a line or two about it. Raises NeedsAnswerError where nobody can be asked."""

RENEW_SECONDS = 6.0
NAMES = frozenset({"max_tokens", "max_completion_tokens"})
"""What a wire calls the limit of a reply."""
CAUTIOUS = 4096
"""A reply that every model can be asked for: one that refused `max_tokens` refused the number."""
LONG = 16_384
"""A reply that a model with a long context can be asked for where nobody says how long it may be."""
LONG_CONTEXT = 100_000
ANTHROPIC = 8192
"""How long a reply that wire asks for where nobody chose."""
PER_REQUEST, PER_MESSAGE, PER_TOOLS = 256, 16, 1024
"""Tokens that servers add: of the chat template, and of a prompt that explains tools."""


@dataclass(frozen=True, slots=True)
class Rooms:
    """What prices are taken from."""

    chooser: ModelChooser
    registry: RegistryStore


@dataclass(frozen=True, slots=True)
class Allowance:
    """A request as it may be sent. reservation: what was set aside, "" for nothing. notes: lines for the person.

    one_of: names of the limit of a reply of which one has to stay on the wire.
    """

    request: ChatRequest
    reservation: str = ""
    notes: tuple[str, ...] = ()
    one_of: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Dear:
    """A request that is asked about before it is sent, whatever the budgets say: lines that tell why."""

    question: str
    details: tuple[str, ...] = ()


@dataclass
class Spending:
    """Sets aside and gives back. log: writes to the log.

    dear: tells of a request that the person wants to be asked about, None for one that just goes; in the same card as
    what the budgets ask.
    """

    budgets: BudgetStore
    database: Database
    rooms: Rooms
    log: Callable[[str], None] = field(repr=False)
    dear: Callable[[Wish, ModelId, ChatRequest], Awaitable[Dear | None]] | None = None
    _keeper: asyncio.Task[None] | None = None

    async def admit(self, wish: Wish, model: ModelId, request: ChatRequest, ask: Ask | None = None) -> Allowance:
        """What may be sent, its worst case set aside. ask: None where nobody can be asked.

        Raises BudgetError where it is held or the person does not want it, NeedsAnswerError where only an answer is
        missing, StorageError.
        """
        dear = await self.dear(wish, model, request) if self.dear is not None else None
        if not await self._db(self.budgets.any):
            if dear is not None:
                await self._agreed(dear, model, ask)
            return Allowance(request)
        # In a thread: the registry and the price list are read.
        quote = await asyncio.to_thread(self.quote, model, request)
        found = await self._reserved(wish, quote)
        if isinstance(found, Held):
            question = _question(found, model, dear)
            await self._agreed(question, model, ask, found)
            found = await self._reserved(wish, quote, approved=True)
            if isinstance(found, Held):  # its price went away meanwhile
                raise held(found, model)
        elif dear is not None:
            try:
                await self._agreed(dear, model, ask)
            except BaseException:
                await self.release(found.id)
                raise
        return self._allowance(model, request, quote, found)

    async def again(self, reservation: str, model: ModelId) -> str:
        """Sets the same aside once more, for another attempt where the one before may have cost something.

        Raises BudgetError.
        """
        if not reservation:
            return ""
        found = await self._db(lambda: self.budgets.again(reservation))
        if isinstance(found, Held):
            raise held(found, model)
        return found.id

    async def release(self, reservation: str) -> None:
        """Gives back what was set aside for a request that cost nothing."""
        if not reservation:
            return
        try:
            await self._db(lambda: self.budgets.release(reservation))
        except StorageError as exc:
            self.log(f"not given back: {exc}")

    async def warnings(self) -> tuple[str, ...]:
        """A line for each budget that is nearly spent, once in its period."""
        try:
            found = await self._db(self.budgets.to_warn)
        except StorageError as exc:
            self.log(f"budgets not read: {exc}")
            return ()
        return tuple(
            f"{title(one)} is {one.percent} % spent: {sum_text(one.spent)} of {sum_text(one.budget.amount)}."
            for one in found
        )

    def quote(self, model: ModelId, request: ChatRequest) -> Quote:
        """What a request can cost at most. Reads the database and may load the price list: call it from a thread."""
        row = registered(self.rooms, model)
        prices = self._prices(model, row)
        wanted = [value for name in sorted(NAMES) if (value := _whole(request, name)) is not None]
        longest = self._longest(model, row, request)
        if self._refused(model, request):
            wanted, longest = [min(one, CAUTIOUS) for one in wanted], min(longest, CAUTIOUS)
        capabilities = row.capabilities if row is not None else None
        if capabilities is None:
            capabilities, _ = abilities_of(like_model(self.rooms, model))
        return Quote(
            model.provider,
            model.model,
            input_bound(request),
            prices.input if prices else None,
            prices.output if prices else None,
            prices.fixed if prices else 0,
            min(wanted) if wanted else None,
            longest,
            capabilities is None or "reasoning" in capabilities,
        )

    # Inside -------------------------------------------------------------------------------------------------

    def _prices(self, model: ModelId, row: Model | None) -> Dearest | None:
        """In the order in which `metadata.cost_of` takes them."""
        own = dearest_of(row.prices) if row is not None else None
        source = row.prices.source if row is not None else ""
        if own is not None and source == "person":
            return own
        if is_here(self.rooms, model):
            return Dearest(0, 0)
        listed = dearest_listed(like_model(self.rooms, model))
        if own is None or source != "provider":
            return listed
        # Its own list may not say what long prompts cost.
        return own if listed is None else Dearest(max(own.input, listed.input), max(own.output, listed.output))

    def _longest(self, model: ModelId, row: Model | None, request: ChatRequest) -> int:
        """How long a reply the model can be asked for where nobody chose."""
        context = context_of(self.rooms, model)
        longest = row.max_output if row is not None and row.max_output else None
        if longest is None:
            longest = LONG if (context or 0) >= LONG_CONTEXT else CAUTIOUS
        if self._wire(model) == "anthropic":
            longest = min(longest, ANTHROPIC)
        if context is not None:
            longest = min(longest, max(context - 2 * estimate_prompt(request.messages), ROOM))
        return longest

    def _refused(self, model: ModelId, request: ChatRequest) -> bool:
        """Whether the model is known to refuse every name that its wire has for the limit of a reply."""
        if self._wire(model) == "openai":
            return request.dropped >= NAMES
        return "max_tokens" in request.dropped

    def _wire(self, model: ModelId) -> str:
        endpoint = self.rooms.chooser.endpoints().get(model.provider)
        return endpoint.wire if endpoint is not None else ""

    def _allowance(self, model: ModelId, request: ChatRequest, quote: Quote, found: Reserved) -> Allowance:
        if found.fit is None:
            return Allowance(request, found.id)
        self._keep()
        most, cut = found.fit.max_tokens, found.fit.cut
        chosen = quote.wanted is not None
        sent = replace(
            request,
            parameters={**request.parameters, "max_tokens": most},
            defaults=request.defaults if chosen else request.defaults | {"max_tokens"},
        )
        one_of = NAMES if self._wire(model) == "openai" else frozenset({"max_tokens"})
        if self._refused(model, request):
            sent = replace(sent, dropped=request.dropped - NAMES)
        elif self._wire(model) == "anthropic" and most > CAUTIOUS:
            one_of = frozenset()  # where the number is refused, that wire asks for less
        notes: tuple[str, ...] = ()
        if cut is not None and (chosen or most < min(ROOM, quote.longest)):
            notes = (f"{title(cut)} has {sum_text(cut.left)} left: this reply is cut at {most:,} tokens.",)
        return Allowance(sent, found.id, notes, one_of)

    async def _reserved(self, wish: Wish, quote: Quote, *, approved: bool = False) -> Reserved | Held:
        work = asyncio.ensure_future(self._db(lambda: self.budgets.reserve(wish, quote, approved=approved)))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            done = await work
            if isinstance(done, Reserved):
                await self.release(done.id)
            raise

    async def _agreed(self, dear: Dear, model: ModelId, ask: Ask | None, over: Held | None = None) -> None:
        """Returns where the person lets it through."""
        error = held(over, model) if over is not None else _unwanted(dear, model)
        if over is not None and (ask is None or not over.by or over.strictest.budget.then != "ask"):
            raise error
        try:
            if ask is None:
                raise NeedsAnswerError("", "")
            agreed = await ask(dear.question, dear.details)
        except NeedsAnswerError:
            raise NeedsAnswerError(error.sentence, f"--yes lets one request through. {error.hint}".strip()) from None
        if not agreed:
            raise error

    def _keep(self) -> None:
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._renew())

    async def _renew(self) -> None:
        """Renews what this process has set aside until there is nothing."""
        left = 1
        while left:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                left = await self._db(self.budgets.renew)
            except StorageError as exc:
                self.log(f"not renewed: {exc}")
                return

    async def _db(self, work: Callable[[], T]) -> T:
        return await asyncio.shield(asyncio.wrap_future(self.database.submit(work)))


def title(standing: Standing) -> str:
    """A budget at the beginning of a sentence."""
    name = standing.budget.title
    return name[0].upper() + name[1:]


def held(found: Held, model: ModelId) -> BudgetError:
    """The error for a request that does not fit: one sentence why, and what to do."""
    named = {"provider": model.provider, "model": model.model}
    if not found.by or found.least is None:
        return BudgetError(
            f"What {model} costs is not known, so it cannot be used under a budget.",
            f"/models price {model} IN OUT gives it a price; /budget allow {model} lets it through uncounted.",
            **named,
        )
    by = found.strictest
    budget = by.budget
    return BudgetError(
        f"{title(by)} has {sum_text(by.left)} left of {sum_text(budget.amount)}, "
        f"and {model} may cost {sum_text(found.least)} for a short reply.",
        f"A local model costs nothing: /model. More may be spent with: /budget set {budget.typed} AMOUNT",
        switch=budget.reference if budget.then == "switch" else None,
        budget=budget.title,
        **named,
    )


def input_bound(request: ChatRequest) -> int:
    """More tokens than any server counts for what is sent."""
    texts: list[str] = [request.speaker]
    for message in request.messages:
        texts.append(message.name or "")
        for part in message.parts:
            match part:
                case TextPart(text) | ReasoningPart(text) | ToolResultPart(_, text):
                    texts.append(text)
                case ToolCallPart(id, name, arguments):
                    texts += [id, name, arguments]
                case OpaquePart(_, data):
                    texts.append(json.dumps(dict(data), default=str))
                case _:
                    pass
    texts += [tool.name + tool.description + json.dumps(tool.parameters, default=str) for tool in request.tools]
    for more in (request.schema, request.extra):
        if more:
            texts.append(json.dumps(dict(more), default=str) * 2)
    tools = PER_TOOLS if request.tools or request.schema is not None else 0
    return most_tokens(texts) + PER_REQUEST + PER_MESSAGE * len(request.messages) + tools


def _question(found: Held, model: ModelId, dear: Dear | None) -> Dear:
    if not found.by or found.least is None:
        return Dear("")
    lines = tuple(
        f"{title(one)}: {sum_text(one.spent)} of {sum_text(one.budget.amount)} spent"
        + (f", {sum_text(one.reserved)} set aside for what is under way." if one.reserved else ".")
        for one in found.by
    )
    more = dear.details if dear is not None else ()
    least = f"A short reply of {model} may cost {sum_text(found.least)}."
    return Dear(f"May {model} answer this once, over {found.strictest.budget.title}?", (*lines, least, *more))


def _unwanted(dear: Dear, model: ModelId) -> BudgetError:
    why = dear.details[0] if dear.details else dear.question
    return BudgetError(
        f"{model} was not asked. {why}", "/retry asks again.", provider=model.provider, model=model.model
    )


def _whole(request: ChatRequest, name: str) -> int | None:
    """A limit of the reply that the request names, by the person's choice or for the body as it is."""
    value = request.parameters.get(name, request.extra.get(name))
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
