"""One request outside any conversation (drafting a persona): its text, recorded as a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from ei.engine.composing import interaction_parameters, learned_about, retry_policy
from ei.engine.pricing import cost_of_call
from ei.engine.services import Services, on_database
from ei.errors import EiError, ProviderError, StorageError
from ei.messages import ChatMessage, ChatRequest, Retrying, TextDelta, TextPart, TextWasReasoning, Usage, UsageReport
from ei.models.interactions import Interaction
from ei.models.resolve import Resolution
from ei.providers.estimate import estimate_prompt, estimate_tokens
from ei.providers.retry import stream_with_retries
from ei.usage.values import Call
from ei.usage.values import Outcome as CallOutcome


async def complete(
    services: Services,
    resolution: Resolution,
    interaction: Interaction,
    system: str,
    text: str,
    *,
    progress: Callable[[str], None] = lambda text: None,
) -> str:
    """Asks the resolved model once, with the interaction's parameters, and returns the text of its reply.

    progress: called with one line: how much came so far, or why it waits. Raises ProviderError.
    """
    learned = await learned_about(services, resolution.model)
    rejected = learned.get("rejects")
    request = ChatRequest(
        resolution.model.model,
        (ChatMessage("system", (TextPart(system),)), ChatMessage("user", (TextPart(text),))),
        interaction_parameters(services, interaction),
        reasoning_first=learned.get("reasoning_first") is True,
        dropped=frozenset(map(str, rejected)) if isinstance(rejected, list) else frozenset(),
    )
    out: list[str] = []
    characters = 0
    usage: Usage | None = None
    began, first, started_ms = monotonic(), None, int(services.now() * 1000)
    outcome: CallOutcome = "failed"
    error: EiError | None = None
    try:
        provider = services.providers.get(resolution.model.provider)
        async for event in stream_with_retries(provider, request, retry_policy(services)):
            match event:
                case TextDelta(delta):
                    first = first or monotonic()
                    out.append(delta)
                    characters += len(delta)
                    progress(f"{characters:,} characters")
                case TextWasReasoning():
                    out.clear()
                case Retrying(sentence):
                    progress(sentence)
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
        if usage is None and first is not None:
            written = estimate_tokens("".join(out))
            usage = Usage(estimate_prompt(request.messages), output_tokens=written, estimated=True)
        counted = usage or Usage()
        call = Call(
            interaction=interaction.name,
            triggered_by="draft",
            provider=resolution.model.provider,
            model=resolution.model.model,
            reference=resolution.reference,
            resolved_by=resolution.rank.value,
            started_ms=started_ms,
            input_tokens=counted.input_tokens,
            cached_tokens=counted.cached_tokens,
            cache_write_tokens=counted.cache_write_tokens,
            output_tokens=counted.output_tokens,
            reasoning_tokens=counted.reasoning_tokens,
            estimated=counted.estimated,
            cost=None if usage is None else cost_of_call(services, resolution.model, usage),
            first_token_ms=None if first is None else round((first - began) * 1000),
            total_ms=round((monotonic() - began) * 1000),
            outcome=outcome,
            status=error.status if isinstance(error, ProviderError) else None,
            error=type(error).__name__ if error else None,
        )
        try:
            await on_database(services.database, services.calls.record, call)
        except StorageError as exc:
            # A ledger that cannot be written now must not cost the person what was answered.
            services.log(f"call not recorded: {exc}")
    return "".join(out)
