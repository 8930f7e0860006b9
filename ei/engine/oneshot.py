"""One request outside any conversation (drafting a persona, testing a model): what came, recorded as a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic

from ei.engine.composing import interaction_parameters, learned_about, notes_for, parameters_for, retry_policy
from ei.engine.estimating import density_of, learn_density
from ei.engine.gate import Admitted, Errand
from ei.engine.parameters import wished
from ei.engine.pricing import cost_of_call, costs_nothing
from ei.engine.privacy import is_private
from ei.engine.recording import NEVER_SENT
from ei.engine.services import Services, on_database
from ei.engine.spending import Ask
from ei.errors import BudgetError, EiError, ProviderError, StorageError
from ei.messages import (
    ChatMessage,
    ChatRequest,
    ReasoningDelta,
    Retrying,
    TextDelta,
    TextPart,
    TextWasReasoning,
    ToolCalled,
    ToolCallPart,
    Usage,
    UsageReport,
)
from ei.models.interactions import Interaction
from ei.models.resolve import Resolution
from ei.personas.values import Persona
from ei.providers.estimate import estimate_prompt, estimate_tokens
from ei.providers.retry import stream_with_retries
from ei.usage.budget import FASTEST, most_tokens
from ei.usage.values import Call
from ei.usage.values import Outcome as CallOutcome


@dataclass(frozen=True, slots=True)
class Answered:
    """What came. cost: nano-dollars, None unknown. first_token_ms: of text or reasoning, None where neither came."""

    text: str
    reasoning: str
    tool_calls: tuple[ToolCallPart, ...]
    usage: Usage
    cost: int | None
    first_token_ms: int | None
    total_ms: int


async def complete(
    services: Services,
    resolution: Resolution,
    interaction: Interaction,
    system: str,
    text: str,
    *,
    progress: Callable[[str], None] = lambda text: None,
    people: Sequence[Persona] = (),
    ask: Ask | None = None,
    instead: Callable[[Resolution], None] = lambda found: None,
) -> str:
    """Asks the resolved model once, with the interaction's parameters, and returns the text of its reply.

    progress: called with one line: how much came so far, or why it waits. people: the personas for whom it is asked:
    where one is private, it stays on this machine. ask: asks the person whether it may be sent over a budget; instead:
    called with who answers in place of a model that a budget has no money for. Raises ProviderError, NeedsAnswerError.
    """
    try:
        return await _completed(services, resolution, interaction, system, text, progress, people, ask)
    except BudgetError as exc:
        if exc.switch is None or not people:
            raise
        found = await asyncio.to_thread(services.chooser.named, exc.switch, people[0], interaction)
        if found.model == resolution.model:
            raise
        progress(f"{exc.sentence} {found.model} answers instead ({exc.budget}).")
        instead(found)
        return await _completed(services, found, interaction, system, text, progress, people, ask)


async def _completed(
    services: Services,
    resolution: Resolution,
    interaction: Interaction,
    system: str,
    text: str,
    progress: Callable[[str], None],
    people: Sequence[Persona],
    ask: Ask | None,
) -> str:
    learned = await learned_about(services, resolution.model)
    rejected = learned.get("rejects")
    wishes = wished(interaction_parameters(services, interaction), interaction.name, resolution.profile)
    parameters = await parameters_for(services, resolution, wishes, learned)
    for remark in parameters.remarks:
        progress(remark.text)
    system = "\n\n".join([system, *notes_for(services, resolution)])
    request = ChatRequest(
        resolution.model.model,
        (ChatMessage("system", (TextPart(system),)), ChatMessage("user", (TextPart(text),))),
        parameters.sent,
        reasoning_first=learned.get("reasoning_first") is True,
        defaults=parameters.defaults,
        dropped=frozenset(map(str, rejected)) if isinstance(rejected, list) else frozenset(),
        extra=parameters.extra,
    )
    answered = await ask_once(
        services, resolution, request, interaction.name, "draft", progress=progress, people=people, ask=ask
    )
    return answered.text


async def ask_once(
    services: Services,
    resolution: Resolution,
    request: ChatRequest,
    interaction: str,
    triggered_by: str,
    *,
    progress: Callable[[str], None] = lambda text: None,
    needed: frozenset[str] = frozenset(),
    people: Sequence[Persona] = (),
    ask: Ask | None = None,
) -> Answered:
    """Sends a request to the resolved model and records the call, however it ends.

    interaction, triggered_by: for the record. needed: as in `stream_with_retries`. people, ask: as in `complete`.
    Raises ProviderError, NeedsAnswerError.
    """
    model = resolution.model
    errand = Errand(interaction, triggered_by, private=partial(is_private, services, None, None, people))
    may_go_on = partial(services.gate.may_leave, errand, model)
    out: list[str] = []
    thought: list[str] = []
    calls: list[ToolCallPart] = []
    characters = 0
    usage: Usage | None = None
    cost: int | None = None
    began, first, started_ms = monotonic(), None, int(services.now() * 1000)
    outcome: CallOutcome = "failed"
    error: EiError | None = None
    admitted: Admitted | None = None
    reserved = False
    try:
        admitted = await services.gate.admit(errand, model, request, ask)
        reserved = bool(admitted.reservation)
        for note in admitted.notes:
            progress(note)
        async for event in stream_with_retries(
            admitted.provider,
            admitted.request,
            retry_policy(services),
            needed=needed,
            may_go_on=may_go_on,
            one_of=admitted.one_of,
        ):
            match event:
                case TextDelta(delta):
                    first = first or monotonic()
                    out.append(delta)
                    characters += len(delta)
                    progress(f"{characters:,} characters")
                case ReasoningDelta(delta):
                    first = first or monotonic()
                    thought.append(delta)
                case TextWasReasoning():
                    thought += out
                    out.clear()
                case ToolCalled(part):
                    calls.append(part)
                case Retrying(sentence, status=status):
                    progress(sentence)
                    if status is None and admitted.reservation:
                        # Nobody knows what the attempt before costs: what was set aside for it goes with a row.
                        lost = Call(
                            started_ms, interaction, model.provider, model.model, "failed", triggered_by=triggered_by
                        )
                        before, admitted = admitted, None
                        try:
                            # Before its row: with that what is to be set aside once more is gone.
                            admitted = await services.gate.again(before, model)
                        finally:
                            await _record(services, lost, before.reservation)
                case UsageReport(reported):
                    usage = reported
                case _:
                    pass
        outcome = "complete"
    except EiError as exc:
        error = exc
        raise
    except asyncio.CancelledError:
        outcome = "cancelled"
        raise
    finally:
        total_ms = round((monotonic() - began) * 1000)
        if usage is None and first is not None:
            density = await density_of(services, model)
            written = estimate_tokens("".join(thought + out), density)
            usage = Usage(estimate_prompt(request.messages, density), output_tokens=written, estimated=True)
        if usage is not None and not request.tools and request.schema is None:
            await learn_density(services, model, request.messages, usage)
        if usage is not None:
            cost = await asyncio.to_thread(cost_of_call, services, resolution.model, usage)
        elif costs_nothing(error):
            cost = 0
        counted = usage or Usage()
        first_token_ms = None if first is None else round((first - began) * 1000)
        call = Call(
            interaction=interaction,
            triggered_by=triggered_by,
            provider=resolution.model.provider,
            model=resolution.model.model,
            profile=resolution.profile.id if resolution.profile else None,
            reference=resolution.reference,
            resolved_by=resolution.rank.value,
            started_ms=started_ms,
            input_tokens=counted.input_tokens,
            cached_tokens=counted.cached_tokens,
            cache_write_tokens=counted.cache_write_tokens,
            output_tokens=counted.output_tokens,
            reasoning_tokens=counted.reasoning_tokens,
            estimated=counted.estimated,
            cost=cost,
            first_token_ms=first_token_ms,
            total_ms=total_ms,
            outcome=outcome,
            status=error.status if isinstance(error, ProviderError) else None,
            error=type(error).__name__ if error else None,
        )
        if admitted is not None or not isinstance(error, NEVER_SENT):
            shown = most_tokens([*out, *thought, *(part.arguments for part in calls)])
            # What it thought without showing it took its time.
            came = shown if thought else shown + FASTEST * total_ms // 1000
            heard = first is not None or error is None
            held_back = admitted.reservation if admitted is not None else ""
            await _record(services, call, held_back, came if heard else None)
        if reserved:
            for line in await services.gate.spending.warnings():
                progress(line)
    return Answered("".join(out), "".join(thought), tuple(calls), counted, cost, first_token_ms, total_ms)


async def _record(services: Services, call: Call, reservation: str = "", came: int | None = None) -> None:
    """A ledger that cannot be written now must not cost the person what was answered."""
    try:
        await on_database(services.database, services.calls.record, call, reservation, came)
    except StorageError as exc:
        services.log(f"call not recorded: {exc}")
