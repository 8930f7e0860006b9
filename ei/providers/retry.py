"""One visible retry loop around a provider's stream: it waits, says so, and retries only before the first token."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import cast

from ei.errors import BusyError, CutOffError, ProviderError, RejectedParameterError
from ei.messages import ChatRequest, Notice, OpaqueData, ReasoningDelta, Retrying, StreamEvent, TextDelta, ToolCalled
from ei.providers.base import Provider

Sleep = Callable[[float], Awaitable[object]]
Dropped = Callable[[str], object]
"""Called with what the model rejected (RejectedParameterError.parameter), so that it is remembered for it."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """attempts: in all, the first included. base, most: seconds of the backoff, doubled each time up to most.
    longest_wait: the longest Retry-After that is obeyed, in seconds. cut_attempts: how often a connection that was
    closed before any answer is tried, in all."""

    attempts: int = 4
    base: float = 1.0
    most: float = 20.0
    longest_wait: float = 60.0
    cut_attempts: int = 2


async def stream_with_retries(
    provider: Provider,
    request: ChatRequest,
    policy: RetryPolicy = RetryPolicy(),
    *,
    sleep: Sleep | None = None,
    random: Callable[[], float] | None = None,
    on_dropped: Dropped | None = None,
    rejected: frozenset[str] = frozenset(),
    needed: frozenset[str] = frozenset(),
    may_go_on: Callable[[], Awaitable[object]] | None = None,
    one_of: frozenset[str] = frozenset(),
) -> AsyncIterator[StreamEvent]:
    """The provider's events, with Retrying before each wait and a Notice for a parameter that was dropped.

    rejected: what this model is known to reject, beside `request.dropped`. needed: what the request is for; its
    rejection is raised. may_go_on: awaited before every attempt but the first; what it raises ends it. one_of: names
    of one thing; where none of them is taken, that is raised. sleep: waits so many seconds; cancelling the task ends
    it. random: from 0 to 1 (full jitter).
    Raises ProviderError: at once what a retry cannot mend (TooLongError among it), else after the last attempt.
    """
    jitter = random or default_jitter()
    request = replace(request, dropped=request.dropped | rejected)
    attempt, cuts, told, first = 1, 0, set[Notice](), True
    while True:
        if may_go_on is not None and not first:
            await may_go_on()
        began = first = False
        try:
            async with aclosing(closable(provider.stream(request))) as events:
                async for event in events:
                    began = began or isinstance(event, TextDelta | ReasoningDelta | OpaqueData | ToolCalled)
                    if isinstance(event, Notice):
                        if event in told:
                            continue
                        told.add(event)
                    yield event
            return
        except RejectedParameterError as error:
            parameter = error.parameter
            if began or not parameter or parameter in request.dropped | needed:
                raise
            request = replace(request, dropped=request.dropped | {parameter})
            if on_dropped is not None:
                on_dropped(parameter)
            if one_of and one_of <= request.dropped:
                raise
            if is_lost(parameter, request):
                yield Notice(f"{provider.name}:{request.model} does not take {parameter}; it is left out.", DROPPED)
            continue
        except (BusyError, CutOffError) as error:
            cuts += isinstance(error, CutOffError)
            if began or attempt >= policy.attempts or cuts >= policy.cut_attempts:
                raise
            asked = error.retry_after if isinstance(error, BusyError) else None
            if asked is not None and asked > policy.longest_wait:
                raise waits_too_long(error, asked) from error
            problem = error
        seconds = delay(attempt, asked, policy, jitter)
        attempt += 1
        yield Retrying(sentence(problem, seconds, attempt, policy), seconds, attempt, policy.attempts, problem.status)
        await (sleep or asyncio_sleep)(seconds)


DROPPED = "parameter-dropped"


def is_lost(parameter: str, request: ChatRequest) -> bool:
    """Whether something the person chose is left out: not what only changes its name on the wire."""
    both = {"max_tokens", "max_completion_tokens"}
    if parameter in both:
        return both <= request.dropped and chosen("max_tokens", request)
    return chosen(parameter, request)


def chosen(parameter: str, request: ChatRequest) -> bool:
    if request.extra.get(parameter) is not None or (parameter == "tools" and request.tools):
        return True
    return request.parameters.get(parameter) is not None and parameter not in request.defaults


def delay(attempt: int, asked: float | None, policy: RetryPolicy, random: Callable[[], float]) -> float:
    """Seconds to wait after that attempt: what the server asked, else full jitter below a doubling bound."""
    if asked:
        return asked
    return random() * min(policy.most, policy.base * 2.0 ** (attempt - 1))


def sentence(error: ProviderError, seconds: float, attempt: int, policy: RetryPolicy) -> str:
    return f"{error.sentence} Trying again in {max(1, math.ceil(seconds))} s ({attempt} of {policy.attempts})"


def waits_too_long(error: ProviderError, asked: float) -> BusyError:
    words = error.sentence.rstrip(".")
    return BusyError(
        f"{words} and asks to wait {spoken(asked)}.",
        "Try again then: /retry",
        provider=error.provider,
        model=error.model,
        status=error.status,
        retry_after=asked,
    )


def spoken(seconds: float) -> str:
    if seconds < 120:
        return f"{math.ceil(seconds)} s"
    return f"{math.ceil(seconds / 60)} minutes" if seconds < 7200 else f"{math.ceil(seconds / 3600)} hours"


def closable(events: AsyncIterator[StreamEvent]) -> _Closable:
    """A stream as `aclosing` wants it: every provider's is an async generator."""
    return cast(_Closable, events)


class _Closable(AsyncIterator[StreamEvent]):
    async def aclose(self) -> None: ...


def default_jitter() -> Callable[[], float]:
    from random import random

    return random


async def asyncio_sleep(seconds: float) -> None:
    import asyncio

    await asyncio.sleep(seconds)
