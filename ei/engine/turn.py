"""One reply: asks the model, and what may answer instead of it, publishes what happens and has it recorded."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from time import monotonic
from typing import Any, TypeVar

from ei.conversations.store import ConversationStore
from ei.conversations.values import Conversation, Message, State
from ei.engine.circuits import circuit_now
from ei.engine.composing import Composer, composer_for, retry_policy
from ei.engine.context import Fitted
from ei.engine.estimating import first_estimate
from ei.engine.events import (
    Event,
    TurnEnded,
    TurnInfo,
    TurnNotice,
    TurnReasoning,
    TurnRetrying,
    TurnStarted,
    TurnSwitched,
    TurnText,
    TurnTextWasReasoning,
)
from ei.engine.fallback import Fallbacks, left_alone, lets_others_answer
from ei.engine.gate import Errand
from ei.engine.parameters import Parameters
from ei.engine.pricing import runs_here
from ei.engine.privacy import privacy_of
from ei.engine.recording import ENDS, LEASE_MS, Recording, Try
from ei.engine.services import Services, on_database
from ei.errors import BudgetError, EiError, ProviderError, StorageError, TooLongError, UnknownModelError
from ei.messages import (
    NO_PARAMETERS,
    ChatRequest,
    Finished,
    Notice,
    ReasoningDelta,
    Retrying,
    StreamEvent,
    TextDelta,
    TextWasReasoning,
    UsageReport,
)
from ei.models.interactions import Interaction
from ei.models.reference import written_form
from ei.models.resolve import Resolution
from ei.personas.values import Persona
from ei.providers.estimate import Density
from ei.providers.retry import RetryPolicy, closable, stream_with_retries
from ei.usage.circuit import OPENS_AT

__all__ = ["LEASE_MS", "Turn", "TurnPlan"]

T = TypeVar("T")

SHORTENINGS = 8
LEFT_OUT = "left out"
RETRY = "retry"
"""What triggers a reply that the person asks for once more: also a provider that is left alone is asked then."""


@dataclass(frozen=True, slots=True)
class TurnPlan:
    """What is to be answered, by whom and with what.

    owner: the persona whose conversation it is; speaker: who answers. place: creates the reply's message in
    the store, given its id-less fields, and returns it. asked: one more text of the person, sent but not stored.
    parameters: what the person set for now (`/set`), by our names. compared: the comparison that it is part of, "";
    blind: whether names are hidden there. may_cost_more: asks the person whether what answers instead may cost more,
    given a question and a line or two about it; None refuses.
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
    may_cost_more: Callable[[str, Sequence[str]], Awaitable[bool]] | None = None


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
        self._recording = Recording(services, plan)
        self._fallbacks = Fallbacks(services, plan, self._tell)
        self._try = self._begin(plan.resolution, 0)
        self._instead_of: list[str] = []
        self._held: set[str] = {str(plan.resolution.model)}
        self._agreed: set[str] = set()

    async def run(self) -> TurnEnded:
        """Answers and records. Cancelling the task ends the reply as cancelled, with its text."""
        plan = self._plan
        message, stopped = await _to_its_end(on_database(plan.store.database, plan.place))
        self._info = TurnInfo(
            message.id,
            plan.conversation.id,
            plan.owner.name,
            plan.speaker.name,
            str(plan.resolution.model),
            plan.resolution.reference,
            plan.resolution.rank.value,
        )
        self._publish(TurnStarted(self._info))
        self._try = self._begin(plan.resolution, 0)
        keeper = asyncio.create_task(self._recording.keep(message.id, self._tell))
        state, error = State.COMPLETE, None
        try:
            if stopped:
                raise asyncio.CancelledError
            await self._answer(message)
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

    @property
    def sent_tokens(self) -> int | None:
        """How many tokens were sent, estimated; None as long as nothing was."""
        return self._try.sent.tokens if self._try.sent is not None else None

    @property
    def density(self) -> Density:
        """How many tokens the model that is asked makes of a text."""
        return self._try.density

    def _log(self, error: BaseException) -> None:
        """Puts where it happened into the log; of a chat that is not saved not what was said."""
        if self._plan.store is self._services.conversations:
            self._services.log("".join(traceback.format_exception(error)))
        else:
            frames = "".join(traceback.format_tb(error.__traceback__))
            self._services.log(f"{frames}{type(error).__name__}")

    def _tell(self, text: str) -> None:
        self._publish(TurnNotice(self._info, text))

    # Who answers --------------------------------------------------------------------------------------------

    def _begin(self, resolution: Resolution, number: int) -> Try:
        return Try(resolution, number, int(self._services.now() * 1000))

    async def _answer(self, message: Message) -> None:
        """Asks the model, and where its server cannot answer, one after the other what may answer instead."""
        while True:
            tried = self._try
            try:
                await self._stream(message, tried, await self._policy(tried))
                return
            except BudgetError as exc:
                found = await self._switched(exc)
                if found is None:
                    raise
                self._switch(found, exc, exc.budget)
            except ProviderError as exc:
                if self._recording.reply.started or not self._fallbacks or not lets_others_answer(exc):
                    raise
                # Written before the person is asked anything: other processes see it by then.
                await self._recording.record(tried, message.id, "failed", exc)
                found = await self._fallbacks.following(exc)
                if found is None:
                    raise
                self._switch(found, exc, self._fallbacks.origin)

    async def _policy(self, tried: Try) -> RetryPolicy:
        """How often it is tried. Raises LeftAloneError for a provider whose circuit is open."""
        policy, provider = retry_policy(self._services), tried.resolution.model.provider
        if self._plan.trigger == RETRY or self._plan.compared:
            return policy
        circuit = await circuit_now(self._services, provider)
        here = runs_here(self._services, provider)
        if circuit.is_open and tried.number == 0 and (self._fallbacks or not here):
            raise left_alone(tried.resolution.model, circuit)
        # One try tells whether it is there again.
        return policy if here or circuit.failures < OPENS_AT else replace(policy, attempts=1)

    async def _switched(self, error: BudgetError) -> Resolution | None:
        """What a budget lets answer instead of what it has no money for; None where nothing may, or not once more."""
        plan = self._plan
        if error.switch is None or plan.compared or self._recording.reply.started:
            return None
        try:
            found = await asyncio.to_thread(self._services.chooser.named, error.switch, plan.speaker, plan.interaction)
        except EiError as exc:
            self._tell(f"{written_form(error.switch)} cannot answer instead ({error.budget}): {exc.sentence}")
            return None
        if str(found.model) in self._held:
            return None
        self._held |= {str(self._try.resolution.model), str(found.model)}
        return found

    def _switch(self, found: Resolution, error: ProviderError, origin: str) -> None:
        before, why = self._try, error.sentence
        self._instead_of.append(f"{before.resolution.model}: {why}")
        self._recording.reply.drop_opaque()
        self._try = self._begin(found, before.number + 1)
        self._info = replace(self._info, model=str(found.model), instead_of=str(self._plan.resolution.model))
        self._publish(TurnSwitched(self._info, why))
        self._tell(f"{why} {found.model} answers instead ({origin}).")

    # The stream ---------------------------------------------------------------------------------------------

    async def _stream(self, message: Message, tried: Try, policy: RetryPolicy) -> None:
        model, reply = tried.resolution.model, self._recording.reply
        plan = self._plan
        composer = await composer_for(
            self._services,
            plan.store,
            plan.owner,
            plan.speaker,
            plan.interaction,
            tried.resolution,
            plan.conversation,
            plan.parameters,
        )
        tried.density = composer.density
        tried.rejected = {str(name) for name in _listed(composer.learned.get("rejects"))}
        material = await composer.material(plan.conversation.id, message.id, plan.asked)
        request = await self._request(message, composer)
        self._tell_remarks(composer.parameters)
        budget = material.budget
        for attempt in range(SHORTENINGS):
            sent = tried.sent = material.fitted(budget)
            if sent.left_out and attempt == 0:
                self._tell_left_out(sent)
            try:
                asked = replace(request, messages=sent.messages, dropped=frozenset(tried.rejected))
                async for event in self._events(asked, policy):
                    self._take(event, message)
                if request.reasoning_first and reply.is_all_reasoning:
                    # It was taken for reasoning and came again as text: the model does not begin with reasoning.
                    reply.drop_reasoning()
                    await self._learn("reasoning_first", False)
                return
            except TooLongError as exc:
                if reply.started or attempt == SHORTENINGS - 1:
                    raise
                if tried.admitted is not None:
                    await self._services.gate.release(tried.admitted)
                shorter = _shorter(sent, exc)
                again = material.fitted(shorter)
                if len(again.messages) == len(sent.messages):
                    raise
                if not sent.left_out:
                    self._tell_left_out(again)
                budget = shorter
                await self._learn("context", exc.limit)
        raise TooLongError(f"{model} takes no request this long.", "Start afresh with /new, or pick another model.")

    async def _events(self, request: ChatRequest, policy: RetryPolicy) -> AsyncIterator[StreamEvent]:
        plan, model = self._plan, self._try.resolution.model
        errand = Errand(
            plan.interaction.name,
            plan.trigger,
            plan.speaker.name,
            plan.conversation.id,
            self._info.id,
            private=partial(privacy_of, self._services, plan),
        )
        # It may become private while a busy server is waited for.
        may_go_on = partial(self._services.gate.may_leave, errand, model)
        gate, tried = self._services.gate, self._try
        admitted = tried.admitted = await gate.admit(errand, model, request, plan.may_cost_more and self._agrees)
        for note in admitted.notes:
            self._tell(note)
        await self._tell_estimate(request)
        tried.began = monotonic()  # how long the person thought about it is not the model's time
        events = stream_with_retries(
            admitted.provider,
            admitted.request,
            policy,
            on_dropped=self._dropped,
            may_go_on=may_go_on,
            one_of=admitted.one_of,
        )
        async with aclosing(closable(events)) as stream:
            async for event in stream:
                yield event
                if isinstance(event, Retrying) and event.status is None:
                    # Nobody knows what the attempt before costs: what was set aside for it goes with its row.
                    admitted, tried.admitted = tried.admitted or admitted, None
                    tried.admitted = await gate.again(admitted, model)

    async def _agrees(self, question: str, details: Sequence[str]) -> bool:
        """Asks the person, but not again where what was agreed to only became shorter."""
        about, ask = question.partition(" for about ")[0], self._plan.may_cost_more
        if about in self._agreed:
            return True
        agreed = ask is not None and await ask(question, details)
        self._agreed |= {about} if agreed else set()
        return agreed

    def _take(self, event: StreamEvent, message: Message) -> None:
        info, tried = self._info, self._try
        if isinstance(event, TextDelta | ReasoningDelta) and tried.first_token is None:
            tried.first_token = monotonic()
        self._recording.reply.take(event)
        match event:
            case TextDelta(text):
                self._publish(TurnText(info, text))
            case ReasoningDelta(text):
                self._publish(TurnReasoning(info, text))
            case TextWasReasoning():
                self._publish(TurnTextWasReasoning(info))
                self._recording.later(self._learn("reasoning_first", True))
            case Notice(text):
                self._told.add(text)
                self._publish(TurnNotice(info, text))
            case Retrying(sentence, seconds, status=status):
                self._publish(TurnRetrying(info, sentence, seconds))
                self._recording.attempt_failed(tried, message.id, status)
                tried.again(seconds, self._services.now())
            case UsageReport(usage):
                tried.usage = usage
            case Finished("length"):
                self._publish(TurnNotice(info, "The model stopped at its longest reply; /continue goes on."))
            case Finished("content_filter"):
                self._publish(TurnNotice(info, "The provider's filter ended this reply."))
            case _:
                pass

    def _dropped(self, parameter: str) -> None:
        self._try.rejected.add(parameter)
        self._recording.later(self._learn("rejects", sorted(self._try.rejected)))

    def _learn(self, name: str, value: object) -> Coroutine[object, object, None]:
        return self._recording.learn(str(self._try.resolution.model), name, value)

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
            composer.model.model,
            (),
            composer.parameters.sent,
            plan.speaker.name,
            reasoning_first=composer.learned.get("reasoning_first") is True,
            defaults=composer.parameters.defaults,
            variant=variant,
            extra=composer.parameters.extra,
        )

    def _tell_remarks(self, parameters: Parameters) -> None:
        for remark in parameters.remarks:
            if remark.text not in self._told:
                self._told.add(remark.text)
                self._tell(remark.text)

    async def _tell_estimate(self, request: ChatRequest) -> None:
        """Says what the first request of the conversation to a paid model will probably cost."""
        model, conversation = self._try.resolution.model, self._plan.conversation.id
        once = f"estimate for {model}"
        if once in self._told or self._plan.compared:
            return
        self._told.add(once)
        found = await asyncio.to_thread(first_estimate, self._services, conversation, model, request)
        if found is not None:
            self._publish(TurnNotice(self._info, found.words, quiet=True))

    def _tell_left_out(self, sent: Fitted) -> None:
        if LEFT_OUT in self._told:
            return
        self._told.add(LEFT_OUT)
        count = sent.left_out
        what = "message was" if count == 1 else "messages were"
        self._tell(f"The {count} oldest {what} left out so that the rest fits {self._try.resolution.model}.")

    # The end ------------------------------------------------------------------------------------------------

    async def _end(self, message: Message, state: State, error: EiError | None) -> TurnEnded:
        plan, recording, tried = self._plan, self._recording, self._try
        recorded, model = tried.measured is not None, str(tried.resolution.model)
        outcome = await recording.measure(tried, error)
        sentence = str(error) if error else ""
        info = recording.info(tried, (*self._instead_of, *self._fallbacks.passed_over))
        try:
            stored = await recording.finish(message, state, sentence, model, info)
        except StorageError as exc:
            stored = replace(
                message, state=state, parts=recording.reply.parts(), error=sentence, model=model, info=info
            )
            self._tell(f"This reply is on the screen only, it could not be saved: {exc.sentence}")
        else:
            if state is State.COMPLETE and plan.speaker.name == plan.owner.name:
                await self._note_model(model)
        if not recorded:
            await recording.record(tried, message.id, ENDS[state], error)
        await recording.settle()
        if recording.reserved:
            for line in await self._services.gate.spending.warnings():
                self._tell(line)
        ended = TurnEnded(self._info, stored, outcome, error)
        self._publish(ended)
        return ended

    async def _note_model(self, model: str) -> None:
        store = self._plan.store
        try:
            await on_database(store.database, store.set_last_model, self._plan.conversation.id, model)
        except StorageError as exc:
            self._services.log(f"not remembered: {exc}")


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
