"""One reply: builds the request, streams it, publishes what happens and records it as it grows."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any, TypeVar

from ei.conversations.store import ConversationStore
from ei.conversations.values import Conversation, Message, State
from ei.engine.composing import Composer, learned_about, retry_policy
from ei.engine.context import Fitted
from ei.engine.events import (
    Event,
    Outcome,
    TurnEnded,
    TurnInfo,
    TurnNotice,
    TurnReasoning,
    TurnRetrying,
    TurnStarted,
    TurnText,
    TurnTextWasReasoning,
)
from ei.engine.pricing import cost_of_call
from ei.engine.services import Services, on_database
from ei.errors import DiskFullError, EiError, ProviderError, StorageError, TooLongError, UnknownModelError
from ei.messages import (
    NO_PARAMETERS,
    ChatRequest,
    Finished,
    Notice,
    OpaqueData,
    OpaquePart,
    Part,
    ReasoningDelta,
    ReasoningPart,
    Retrying,
    StreamEvent,
    TextDelta,
    TextPart,
    TextWasReasoning,
    Usage,
    UsageReport,
)
from ei.models.interactions import Interaction
from ei.models.metadata import FREE_PROVIDERS
from ei.models.resolve import Resolution
from ei.personas.values import Persona
from ei.providers.estimate import estimate_tokens
from ei.providers.retry import stream_with_retries
from ei.usage.values import Call
from ei.usage.values import Outcome as CallOutcome

T = TypeVar("T")

SAVE_SECONDS = 0.7
LEASE_MS = 15_000
RENEW_SECONDS = 5.0
SHORTENINGS = 8
LEFT_OUT = "left out"
ENDS: Mapping[State, CallOutcome] = {
    State.COMPLETE: "complete",
    State.CANCELLED: "cancelled",
    State.FAILED: "failed",
}


@dataclass(frozen=True, slots=True)
class TurnPlan:
    """What is to be answered, by whom and with what.

    owner: the persona whose conversation it is; speaker: who answers. place: creates the reply's message in
    the store, given its id-less fields, and returns it. asked: one more text of the person, sent but not stored.
    parameters: what the person set for now (`/set`), by our names. compared: the comparison that it is part of, "";
    blind: whether names are hidden there. may_cost_more: asks the person whether what answers instead may cost more,
    given one line; None refuses.
    """

    store: ConversationStore
    conversation: Conversation
    owner: Persona
    speaker: Persona
    resolution: Resolution
    interaction: Interaction
    trigger: str
    place: Callable[[], Message]
    asked: str = ""
    parameters: Mapping[str, object] = field(default_factory=lambda: NO_PARAMETERS)
    compared: str = ""
    blind: bool = False
    may_cost_more: Callable[[str], Awaitable[bool]] | None = None


class Turn:
    """Runs one plan. `run` never raises what the person should read: it ends in TurnEnded with the error."""

    def __init__(
        self, services: Services, plan: TurnPlan, publish: Callable[[Event], None], told: set[str] | None = None
    ) -> None:
        """told: what was said once in this conversation and need not be said again; grows."""
        self._services = services
        self._plan = plan
        self._publish = publish
        self._told = set() if told is None else told
        self._reply = _Reply()
        self._usage: Usage | None = None
        self._sent: Fitted | None = None
        self._began = 0.0
        self._started_ms = 0
        self._attempt = 1
        self._first_token: float | None = None
        self._rejected: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def sent_tokens(self) -> int | None:
        """How many tokens were sent, estimated; None before that."""
        return None if self._sent is None else self._sent.tokens

    async def run(self) -> TurnEnded:
        """Answers and records. Cancelling the task ends the reply as cancelled, with its text."""
        plan = self._plan
        message, stopped = await _to_its_end(on_database(plan.store.database, plan.place))
        info = TurnInfo(
            message.id,
            plan.conversation.id,
            plan.owner.name,
            plan.speaker.name,
            str(plan.resolution.model),
            plan.resolution.reference,
            plan.resolution.rank.value,
        )
        self._info = info
        self._publish(TurnStarted(info))
        self._began, self._started_ms = monotonic(), int(self._services.now() * 1000)
        keeper = asyncio.create_task(self._keep(message.id))
        state, error = State.COMPLETE, None
        try:
            if stopped:
                raise asyncio.CancelledError
            await self._stream(message)
        except asyncio.CancelledError:
            state = State.CANCELLED
        except EiError as exc:
            if type(exc) is ProviderError:  # none of those that say it all in their sentence
                self._log(exc)
            state, error = State.FAILED, exc
            if isinstance(exc, UnknownModelError):
                error, _ = await _to_its_end(_with_near(self._services, exc))
        except Exception as exc:  # the last line of defence: one sentence for the person, the rest for the log
            self._log(exc)
            state, error = (
                State.FAILED,
                ProviderError(
                    f"Something went wrong in ei itself: {type(exc).__name__}.", "The details are in its log."
                ),
            )
        finally:
            keeper.cancel()
        ended, _ = await _to_its_end(self._end(message, state, error))
        return ended

    def _log(self, error: BaseException) -> None:
        """Puts where it happened into the log; of a chat that is not saved not what was said."""
        if self._plan.store is self._services.conversations:
            self._services.log("".join(traceback.format_exception(error)))
        else:
            frames = "".join(traceback.format_tb(error.__traceback__))
            self._services.log(f"{frames}{type(error).__name__}")

    # The stream ---------------------------------------------------------------------------------------------

    async def _stream(self, message: Message) -> None:
        model = self._plan.resolution.model
        plan = self._plan
        learned = await learned_about(self._services, model)
        self._rejected = {str(name) for name in _listed(learned.get("rejects"))}
        composer = Composer(self._services, plan.store, plan.owner, plan.speaker, plan.interaction, model, learned)
        material = await composer.material(plan.conversation.id, message.id, plan.asked)
        request = await self._request(message, composer)
        budget = material.budget
        for attempt in range(SHORTENINGS):
            self._sent = material.fitted(budget)
            if self._sent.left_out and attempt == 0:
                self._tell_left_out()
            try:
                asked = replace(request, messages=self._sent.messages, dropped=frozenset(self._rejected))
                async for event in self._events(asked):
                    self._take(event)
                if request.reasoning_first and self._reply.is_all_reasoning:
                    # It was taken for reasoning and came again as text: the model does not begin with reasoning.
                    self._reply.drop_reasoning()
                    await self._learn("reasoning_first", False)
                return
            except TooLongError as exc:
                if self._reply.started or attempt == SHORTENINGS - 1:
                    raise
                shorter = _shorter(self._sent, exc)
                again = material.fitted(shorter)
                if len(again.messages) == len(self._sent.messages):
                    raise
                if not self._sent.left_out:
                    self._sent = again
                    self._tell_left_out()
                budget = shorter
                await self._learn("context", exc.limit)
        raise TooLongError(f"{model} takes no request this long.", "Start afresh with /new, or pick another model.")

    def _events(self, request: ChatRequest) -> AsyncIterator[StreamEvent]:
        provider = self._services.providers.get(self._plan.resolution.model.provider)
        policy = retry_policy(self._services)
        return stream_with_retries(provider, request, policy, on_dropped=self._dropped)

    def _take(self, event: StreamEvent) -> None:
        info = self._info
        if isinstance(event, TextDelta | ReasoningDelta) and self._first_token is None:
            self._first_token = monotonic()
        self._reply.take(event)
        match event:
            case TextDelta(text):
                self._publish(TurnText(info, text))
            case ReasoningDelta(text):
                self._publish(TurnReasoning(info, text))
            case TextWasReasoning():
                self._publish(TurnTextWasReasoning(info))
                self._later(self._learn("reasoning_first", True))
            case Notice(text):
                self._publish(TurnNotice(info, text))
            case Retrying(sentence, seconds, status=status):
                self._publish(TurnRetrying(info, sentence, seconds))
                self._later(self._record("failed", None, None, self._timing(), status))
                self._attempt += 1
                self._began, self._first_token = monotonic() + seconds, None
                self._started_ms = int((self._services.now() + seconds) * 1000)
            case UsageReport(usage):
                self._usage = usage
            case Finished("length"):
                self._publish(TurnNotice(info, "The model stopped at its longest reply; /continue goes on."))
            case Finished("content_filter"):
                self._publish(TurnNotice(info, "The provider's filter ended this reply."))
            case _:
                pass

    def _dropped(self, parameter: str) -> None:
        self._rejected.add(parameter)
        self._later(self._learn("rejects", sorted(self._rejected)))

    # The request --------------------------------------------------------------------------------------------

    async def _request(self, message: Message, composer: Composer) -> ChatRequest:
        """The request for `message` but for what it sends."""
        plan = self._plan
        variant = message.variant
        if plan.asked and message.parent is not None:
            # It goes on with the reply before it.
            begun = await on_database(plan.store.database, plan.store.message, message.parent)
            variant = begun.variant
        return ChatRequest(
            plan.resolution.model.model,
            (),
            composer.parameters(),
            plan.speaker.name,
            reasoning_first=composer.learned.get("reasoning_first") is True,
            variant=variant,
        )

    def _tell_left_out(self) -> None:
        assert self._sent is not None
        if LEFT_OUT in self._told:
            return
        self._told.add(LEFT_OUT)
        count = self._sent.left_out
        what = "message was" if count == 1 else "messages were"
        text = f"The {count} oldest {what} left out so that the rest fits {self._plan.resolution.model}."
        self._publish(TurnNotice(self._info, text))

    # The record ---------------------------------------------------------------------------------------------

    async def _keep(self, id: str) -> None:
        """Saves what came, at least every second, whether or not anybody draws; renews the lease."""
        plan, saved_at, told = self._plan, monotonic(), False
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            if not self._reply.changed and monotonic() - saved_at < RENEW_SECONDS:
                continue
            self._reply.changed = False
            try:
                parts = self._reply.parts()
                await on_database(
                    plan.store.database, plan.store.save_stream, id, parts, self._services.lease_owner, LEASE_MS
                )
                saved_at = monotonic()
            except StorageError as exc:
                self._reply.changed = True
                if not told:
                    told = True
                    self._publish(TurnNotice(self._info, f"This reply cannot be saved now: {exc.sentence}"))

    async def _end(self, message: Message, state: State, error: EiError | None) -> TurnEnded:
        plan = self._plan
        usage, timing = self._counted(), self._timing()
        cost = await self._cost(usage, error.status if isinstance(error, ProviderError) else None)
        outcome = Outcome(usage, cost, self._milliseconds(self._first_token), self._milliseconds(monotonic()) or 0)
        sentence = str(error) if error else ""
        try:
            stored = await self._finish(message, state, self._reply.parts(), sentence)
        except StorageError as exc:
            stored = replace(message, state=state, parts=self._reply.parts(), error=sentence)
            text = f"This reply is on the screen only, it could not be saved: {exc.sentence}"
            self._publish(TurnNotice(self._info, text))
            # A small write may still fit: else the conversation is taken for busy until the lease ends.
            with suppress(StorageError):
                await self._finish(message, State.FAILED, None, f"It could not be saved whole. {exc.sentence}")
        else:
            if state is State.COMPLETE and plan.speaker.name == plan.owner.name:
                with suppress(StorageError):
                    await on_database(
                        plan.store.database, plan.store.set_last_model, plan.conversation.id, str(plan.resolution.model)
                    )
        await self._record(ENDS[state], outcome, error, timing)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        ended = TurnEnded(self._info, stored, outcome, error)
        self._publish(ended)
        return ended

    async def _finish(self, message: Message, state: State, parts: tuple[Part, ...] | None, error: str) -> Message:
        store, owner = self._plan.store, self._services.lease_owner
        return await on_database(store.database, store.finish, message.id, state, parts, error=error, lease_owner=owner)

    async def _cost(self, usage: Usage, status: int | None) -> int | None:
        """Nano-dollars, None where nobody knows. status: the HTTP status of what went wrong."""
        model = self._plan.resolution.model
        if not self._reply.started and usage.cost is None:
            # What was refused before it began is not charged; what was given up on may be.
            return 0 if status is not None or model.provider in FREE_PROVIDERS else None
        # In a thread: the price list is loaded when it is first asked.
        return await asyncio.to_thread(cost_of_call, self._services, model, usage)

    def _counted(self) -> Usage:
        if self._usage is not None:
            return self._usage
        if self._sent is None or not self._reply.started:
            return Usage()
        written = estimate_tokens(self._reply.text) + estimate_tokens(self._reply.reasoning)
        return Usage(input_tokens=self._sent.tokens, output_tokens=written, estimated=True)

    def _timing(self) -> tuple[int, int, int]:
        """Of the attempt under way: its number, when it began (ms since 1970), how long it took by now (ms)."""
        return self._attempt, self._started_ms, self._milliseconds(monotonic()) or 0

    async def _record(
        self,
        outcome: CallOutcome,
        measured: Outcome | None,
        error: EiError | None,
        timing: tuple[int, int, int],
        status: int | None = None,
    ) -> None:
        """Writes the call's row; a ledger that cannot be written now must not lose the reply."""
        plan, model = self._plan, self._plan.resolution.model
        attempt, started_ms, total_ms = timing
        status = error.status if isinstance(error, ProviderError) else status
        cost = measured.cost if measured else await self._cost(Usage(), status)
        saved = plan.store is self._services.conversations
        usage = measured.usage if measured else Usage()
        call = Call(
            interaction=plan.interaction.name,
            persona=plan.speaker.name if saved else None,
            conversation=plan.conversation.id if saved else None,
            message=self._info.id if saved else None,
            triggered_by=plan.trigger,
            provider=model.provider,
            model=model.model,
            reference=plan.resolution.reference,
            resolved_by=plan.resolution.rank.value,
            started_ms=started_ms,
            attempt=attempt,
            input_tokens=usage.input_tokens,
            cached_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            output_tokens=usage.output_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            estimated=usage.estimated,
            cost=cost,
            cost_source=None if cost is None else "provider" if usage.cost is not None else "price",
            first_token_ms=measured.first_token_ms if measured else None,
            total_ms=measured.total_ms if measured else total_ms,
            outcome=outcome,
            status=status,
            error=type(error).__name__ if error else None,
        )
        try:
            await on_database(self._services.database, self._services.calls.record, call)
        except DiskFullError:
            pass
        except StorageError as exc:
            self._services.log(f"call not recorded: {exc}")

    async def _learn(self, name: str, value: object) -> None:
        services = self._services
        if value is None:
            return
        try:
            await on_database(services.database, services.learned.set, str(self._plan.resolution.model), name, value)
        except StorageError as exc:
            services.log(f"not remembered: {exc}")

    def _later(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _milliseconds(self, until: float | None) -> int | None:
        return None if until is None else max(0, round((until - self._began) * 1000))


class _Reply:
    """What came so far. changed: since it was last saved."""

    def __init__(self) -> None:
        self.changed = False
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._opaque: list[OpaquePart] = []

    def take(self, event: StreamEvent) -> None:
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

    def parts(self) -> tuple[Part, ...]:
        out: list[Part] = [ReasoningPart(self.reasoning)] if self._reasoning else []
        if self._text:
            out.append(TextPart(self.text))
        return (*out, *self._opaque)


def _shorter(sent: Fitted, error: TooLongError) -> int:
    """A budget that should fit after `error`: the server's limit in its own count, where it told both counts."""
    if error.limit and error.asked and error.asked > error.limit:
        return max(int(sent.tokens * error.limit / error.asked * 0.85), 1)
    return max(int(sent.tokens * 0.6), 1)


async def _with_near(services: Services, error: UnknownModelError) -> UnknownModelError:
    from ei.engine.missing import gone

    return await asyncio.to_thread(gone, services, error)


async def _to_its_end(work: Coroutine[Any, Any, T]) -> tuple[T, bool]:
    """Runs what must not be left half done, and tells whether somebody tried to stop it meanwhile."""
    task = asyncio.ensure_future(work)
    stopped = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            stopped = True
        except Exception:
            break
    return task.result(), stopped


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []
