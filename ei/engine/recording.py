"""What is kept of a reply: its text as it grows, a row for each call that it took, and how it came to be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from ei.conversations.values import Message, State
from ei.engine.context import Fitted
from ei.engine.estimating import learn_density
from ei.engine.events import Outcome
from ei.engine.gate import Admitted
from ei.engine.pricing import cost_of_call, costs_nothing, is_here
from ei.engine.services import Services, on_database
from ei.errors import (
    BudgetError,
    DiskFullError,
    EiError,
    LeftAloneError,
    NeedsAnswerError,
    PrivateError,
    ProviderError,
    StorageError,
)
from ei.messages import (
    OpaqueData,
    OpaquePart,
    Part,
    ReasoningDelta,
    ReasoningPart,
    ReplyInfo,
    StreamEvent,
    TextDelta,
    TextPart,
    TextWasReasoning,
    Usage,
)
from ei.models.resolve import Resolution
from ei.providers.estimate import USUAL, Density, estimate_tokens
from ei.usage.budget import FASTEST, most_tokens
from ei.usage.values import Call
from ei.usage.values import Outcome as CallOutcome

if TYPE_CHECKING:
    from ei.engine.turn import TurnPlan

NEVER_SENT = (LeftAloneError, PrivateError, BudgetError, NeedsAnswerError)
"""What ends a try before anything left."""
SAVE_SECONDS = 0.7
LEASE_MS = 15_000
RENEW_SECONDS = 5.0
ENDS: Mapping[State, CallOutcome] = {
    State.COMPLETE: "complete",
    State.CANCELLED: "cancelled",
    State.FAILED: "failed",
}


class Growing:
    """What came of a reply so far. changed: since it was last saved."""

    def __init__(self) -> None:
        self.changed = False
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._opaque: list[OpaquePart] = []

    def take(self, event: StreamEvent) -> None:
        """Keeps what an event of the stream brings."""
        match event:
            case TextDelta(text):
                self._text.append(text)
            case ReasoningDelta(text):
                self._reasoning.append(text)
            case TextWasReasoning():
                self._reasoning += self._text
                self._text.clear()
            case OpaqueData(part):
                self._opaque.append(part)
            case _:
                return
        self.changed = True

    @property
    def started(self) -> bool:
        """Whether the first token came, of text or of reasoning."""
        return bool(self._text or self._reasoning)

    @property
    def text(self) -> str:
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        return "".join(self._reasoning)

    @property
    def is_all_reasoning(self) -> bool:
        """Whether the text is what the reasoning was."""
        return bool(self._text) and self.text == self.reasoning

    def drop_reasoning(self) -> None:
        self._reasoning.clear()
        self.changed = True

    def drop_opaque(self) -> None:
        """Forgets what only the provider before understands."""
        self._opaque.clear()

    def parts(self) -> tuple[Part, ...]:
        out: list[Part] = [ReasoningPart(self.reasoning)] if self._reasoning else []
        if self._text:
            out.append(TextPart(self.text))
        return (*out, *self._opaque)


@dataclass
class Try:
    """One model that is asked for a reply, and the attempt under way.

    number: 0 for the model asked for, then 1, 2, … as it is for the fallbacks. attempt: from 1. began, first_token:
    by the monotonic clock; started_ms: since 1970. sent: what was sent; rejected: parameters that the model does not
    take. density: how many tokens the model makes of a text. measured: how it went, once it has ended.
    admitted: the request that left.
    """

    resolution: Resolution
    number: int
    started_ms: int
    began: float = field(default_factory=monotonic)
    attempt: int = 1
    first_token: float | None = None
    usage: Usage | None = None
    sent: Fitted | None = None
    rejected: set[str] = field(default_factory=set)
    density: Density = USUAL
    measured: Outcome | None = None
    admitted: Admitted | None = None

    @property
    def reservation(self) -> str:
        """What is set aside for the attempt under way, "" for nothing."""
        return self.admitted.reservation if self.admitted is not None else ""

    def again(self, seconds: float, now: float) -> None:
        """The next attempt begins in so many seconds. now: seconds since 1970."""
        self.attempt += 1
        self.began, self.first_token = monotonic() + seconds, None
        self.started_ms = int((now + seconds) * 1000)

    def milliseconds(self, until: float | None) -> int | None:
        """From the beginning of the attempt until then, None for None."""
        return None if until is None else max(0, round((until - self.began) * 1000))


class Recording:
    """Keeps one reply in its store and its calls in the ledger. reply: what came so far. reserved: whether money was
    set aside for any of its calls."""

    def __init__(self, services: Services, plan: TurnPlan) -> None:
        self.reply = Growing()
        self.reserved = False
        self._services = services
        self._plan = plan
        self._costs: list[int | None] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def keep(self, id: str, tell: Callable[[str], None]) -> None:
        """Saves what came, at least every second, whether or not anybody draws; renews the lease. Never ends."""
        services, store, saved_at, told = self._services, self._plan.store, monotonic(), False
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            if not self.reply.changed and monotonic() - saved_at < RENEW_SECONDS:
                continue
            self.reply.changed = False
            try:
                parts = self.reply.parts()
                await on_database(store.database, store.save_stream, id, parts, services.lease_owner, LEASE_MS)
                saved_at = monotonic()
            except StorageError as exc:
                self.reply.changed = True
                if not told:
                    told = True
                    tell(f"This reply cannot be saved now: {exc.sentence}")

    async def finish(self, message: Message, state: State, error: str, model: str, info: ReplyInfo) -> Message:
        """Stores how the reply ended. Raises StorageError where not even a part of it could be."""
        store, owner = self._plan.store, self._services.lease_owner
        try:
            return await on_database(
                store.database,
                store.finish,
                message.id,
                state,
                self.reply.parts(),
                model=model,
                error=error,
                lease_owner=owner,
                info=info,
            )
        except StorageError as exc:
            # A small write may still fit: else the conversation is taken for busy until the lease ends.
            short = f"It could not be saved whole. {exc.sentence}"
            with suppress(StorageError):
                await on_database(
                    store.database, store.finish, message.id, State.FAILED, None, error=short, lease_owner=owner
                )
            raise

    async def measure(self, tried: Try, error: EiError | None) -> Outcome:
        """How the attempt under way went, counted once."""
        if tried.measured is None:
            usage, ended = self._counted(tried), monotonic()
            if self.reply.started or usage.cost is not None:
                # In a thread: the price list is loaded when it is first asked.
                cost = await asyncio.to_thread(cost_of_call, self._services, tried.resolution.model, usage)
            else:
                cost = self._unanswered(tried, error)
            self._costs.append(cost)
            if tried.usage is not None and tried.sent is not None:
                messages = tried.sent.messages
                self.later(learn_density(self._services, tried.resolution.model, messages, tried.usage))
            first = tried.milliseconds(tried.first_token)
            here = is_here(self._services, tried.resolution.model)
            tried.measured = Outcome(usage, cost, first, tried.milliseconds(ended) or 0, here)
        return tried.measured

    def info(self, tried: Try, instead_of: Sequence[str]) -> ReplyInfo:
        """How the reply came to be, once it was measured. instead_of: see ReplyInfo."""
        assert tried.measured is not None
        resolution, measured, usage = tried.resolution, tried.measured, tried.measured.usage
        known = [cost for cost in self._costs if cost is not None]
        return ReplyInfo(
            profile=resolution.profile.id if resolution.profile else "",
            provider_type=self._wire(resolution.model.provider),
            resolution=resolution.path,
            instead_of=tuple(instead_of),
            drawn=resolution.choice.drawn if resolution.choice else 0,
            input_tokens=usage.input_tokens,
            cached_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            output_tokens=usage.output_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            estimated=usage.estimated,
            cost=sum(known) if len(known) == len(self._costs) else None,
            first_token_ms=measured.first_token_ms,
            total_ms=measured.total_ms,
            compared=self._plan.compared,
        )

    def attempt_failed(self, tried: Try, message: str, status: int | None) -> None:
        """Writes the row of an attempt that is made again, without waiting for it."""
        # Only these two are tried again, see stream_with_retries.
        error = "CutOffError" if status is None else "BusyError"
        cost = 0 if status is not None or is_here(self._services, tried.resolution.model) else None
        self._costs.append(cost)
        outcome = Outcome(Usage(), cost, None, tried.milliseconds(monotonic()) or 0)
        # Where it cost nothing the next attempt goes on with what was set aside.
        reservation = tried.reservation if status is None else ""
        self.later(self._write(self._call(tried, message, "failed", outcome, status, error), reservation))

    async def record(self, tried: Try, message: str, outcome: CallOutcome, error: EiError | None) -> None:
        """Writes the row of the attempt that has ended; one that was never made has none."""
        measured = await self.measure(tried, error)
        if isinstance(error, NEVER_SENT) and not tried.reservation:
            return
        status = error.status if isinstance(error, ProviderError) else None
        call = self._call(tried, message, outcome, measured, status, type(error).__name__ if error else None)
        await self._write(call, tried.reservation, self._came(outcome, measured))

    async def learn(self, model: str, name: str, value: object) -> None:
        """Remembers what was found out about a model; None is nothing."""
        services = self._services
        if value is None:
            return
        try:
            await on_database(services.database, services.learned.set, model, name, value)
        except StorageError as exc:
            services.log(f"not remembered: {exc}")

    def later(self, work: Coroutine[object, object, None]) -> None:
        """Does it beside the stream; `settle` waits for it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Waits until all is written."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Inside -------------------------------------------------------------------------------------------------

    def _came(self, outcome: CallOutcome, measured: Outcome) -> int | None:
        """No more tokens than these came of the reply; None where nobody can say (`ei.usage.budget.counted`)."""
        if outcome == "failed" and not self.reply.started:
            return None
        shown = most_tokens([self.reply.text, self.reply.reasoning])
        # What it thought without showing it took its time.
        return shown if self.reply.reasoning else shown + FASTEST * measured.total_ms // 1000

    async def _write(self, call: Call, reservation: str = "", came: int | None = None) -> None:
        """A ledger that cannot be written now must not lose the reply."""
        self.reserved = self.reserved or bool(reservation)
        try:
            await on_database(self._services.database, self._services.calls.record, call, reservation, came)
        except DiskFullError:
            pass
        except StorageError as exc:
            self._services.log(f"call not recorded: {exc}")

    def _call(
        self, tried: Try, message: str, outcome: CallOutcome, went: Outcome, status: int | None, error: str | None
    ) -> Call:
        plan, model, usage, cost = self._plan, tried.resolution.model, went.usage, went.cost
        saved = plan.store is self._services.conversations
        profile = tried.resolution.profile
        return Call(
            interaction=plan.interaction.name,
            persona=plan.speaker.name if saved else None,
            conversation=plan.conversation.id if saved else None,
            message=message if saved else None,
            group=plan.compared or None,
            comparing=bool(plan.compared),
            blind=plan.blind if plan.compared else None,
            triggered_by=plan.trigger,
            provider=model.provider,
            model=model.model,
            profile=profile.id if profile else None,
            reference=plan.resolution.reference,
            resolved_by=plan.resolution.rank.value,
            started_ms=tried.started_ms,
            attempt=tried.attempt,
            fallback=tried.number,
            input_tokens=usage.input_tokens,
            cached_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            output_tokens=usage.output_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            estimated=usage.estimated,
            cost=cost,
            cost_source=None if cost is None else "provider" if usage.cost is not None else "price",
            first_token_ms=went.first_token_ms,
            total_ms=went.total_ms,
            outcome=outcome,
            status=status,
            error=error,
        )

    def _counted(self, tried: Try) -> Usage:
        if tried.usage is not None:
            return tried.usage
        if tried.sent is None or not self.reply.started:
            return Usage()
        written = sum(estimate_tokens(text, tried.density) for text in (self.reply.text, self.reply.reasoning))
        return Usage(input_tokens=tried.sent.tokens, output_tokens=written, estimated=True)

    def _unanswered(self, tried: Try, error: EiError | None) -> int | None:
        """What a call cost before whose first token something happened: refused is not charged, given up may be."""
        unmade = isinstance(error, NEVER_SENT) or costs_nothing(error)
        return 0 if unmade or is_here(self._services, tried.resolution.model) else None

    def _wire(self, provider: str) -> str:
        try:
            endpoint = self._services.chooser.endpoints().get(provider)
        except EiError:
            return ""
        return endpoint.wire if endpoint else ""
