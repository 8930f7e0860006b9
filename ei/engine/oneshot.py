"""One request outside any conversation (drafting a persona): its text, recorded as a call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import monotonic

from ei.engine.services import Services, on_database
from ei.errors import EiError
from ei.messages import ChatMessage, ChatRequest, Retrying, TextDelta, TextPart, TextWasReasoning, Usage, UsageReport
from ei.models.interactions import Interaction
from ei.models.metadata import cost_of
from ei.models.resolve import Resolution
from ei.providers.estimate import estimate_tokens
from ei.providers.retry import RetryPolicy, stream_with_retries
from ei.usage.values import Call


async def complete(
    services: Services,
    resolution: Resolution,
    interaction: Interaction,
    system: str,
    text: str,
    *,
    persona: str = "",
    progress: Callable[[str], None] = lambda text: None,
) -> str:
    """Asks the resolved model once and returns the text of its reply.

    progress: called with the text so far, or with why it waits. Raises ProviderError.
    """
    messages = (ChatMessage("system", (TextPart(system),)), ChatMessage("user", (TextPart(text),)))
    request = ChatRequest(resolution.model.model, messages, speaker=persona)
    out: list[str] = []
    usage: Usage | None = None
    began, first, error = monotonic(), None, ""
    try:
        provider = services.providers.get(resolution.model.provider)
        async for event in stream_with_retries(provider, request, RetryPolicy()):
            match event:
                case TextDelta(delta):
                    first = first or monotonic()
                    out.append(delta)
                    progress("".join(out))
                case TextWasReasoning():
                    out.clear()
                case Retrying(sentence):
                    progress(sentence)
                case UsageReport(reported):
                    usage = reported
                case _:
                    pass
    except EiError as exc:
        error = type(exc).__name__
        raise
    finally:
        reply = "".join(out)
        if usage is None:
            usage = Usage(estimate_tokens(system + text), output_tokens=estimate_tokens(reply), estimated=True)
        if error and not out:
            usage = replace(usage, input_tokens=None, output_tokens=None)
        call = Call(
            interaction=interaction.name,
            persona=persona or None,
            triggered_by="draft",
            provider=resolution.model.provider,
            model=resolution.model.model,
            reference=resolution.reference,
            resolved_by=resolution.rank.value,
            started_ms=int(services.now() * 1000),
            input_tokens=usage.input_tokens,
            cached_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            output_tokens=usage.output_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            estimated=usage.estimated,
            cost=cost_of(resolution.model, usage) if out else None,
            first_token_ms=None if first is None else round((first - began) * 1000),
            total_ms=round((monotonic() - began) * 1000),
            outcome="failed" if error else "complete",
            error=error or None,
        )
        await on_database(services.database, services.calls.record, call)
    return reply
