"""What answers where the model that was asked for cannot: when, which one, and whether it may cost more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ei.engine.circuits import circuit_now
from ei.engine.pricing import costs_more, prices_of, runs_here
from ei.engine.privacy import privacy_of
from ei.engine.services import Services
from ei.errors import EiError, LeftAloneError, NeedsAnswerError, PrivateError, ProviderError
from ei.models.choosing import NOT_HERE
from ei.models.reference import ModelId, written_form
from ei.models.resolve import Resolution
from ei.models.values import Prices, dollars
from ei.providers.failures import not_ready
from ei.usage.circuit import Circuit, is_down, spoken

if TYPE_CHECKING:
    from ei.engine.turn import TurnPlan


class Fallbacks:
    """What may answer one message instead of the model asked for, in the order written.

    tell: says one line to the person. A comparison has none: who is compared answers or fails.
    """

    def __init__(self, services: Services, plan: TurnPlan, tell: Callable[[str], None]) -> None:
        self.passed_over: list[str] = []
        """`reference: why not` of those that were not asked."""
        self._services = services
        self._plan = plan
        self._tell = tell
        self._left = [] if plan.compared else list(plan.resolution.fallback)
        self._known = {str(plan.resolution.model)}
        self._unanswered: NeedsAnswerError | None = None

    def __bool__(self) -> bool:
        """Whether any is left."""
        return bool(self._left)

    @property
    def origin(self) -> str:
        """Who they belong to: `fallback of lena`, `fallback of profile:creative`."""
        profile = self._plan.resolution.profile
        return f"fallback of {f'profile:{profile.id}' if profile and profile.fallback else self._plan.speaker.name}"

    async def following(self, error: ProviderError) -> Resolution | None:
        """The next one that can and may be asked, None where none is left.

        error: why the one before did not answer. What means nothing, cannot be asked (it has no key), is left alone
        itself or may not cost more is told and passed over. Raises NeedsAnswerError where only an answer of the person
        was missing.
        """
        while self._left:
            written = self._left.pop(0)
            private = await privacy_of(self._services, self._plan)
            named = partial(self._services.chooser.named, private=bool(private))
            try:
                found = await asyncio.to_thread(named, written, self._plan.speaker, self._plan.interaction)
            except EiError as exc:
                self._pass_over(written_form(written), exc.sentence)
                continue
            if str(found.model) in self._known:
                continue
            self._known.add(str(found.model))
            provider = found.model.provider
            try:
                self._services.gate.check(provider, found.model.model, private=private)
            except PrivateError:
                self._pass_over(str(found.model), f"{NOT_HERE}.")
                continue
            try:
                unready = not_ready(self._services.chooser.connection(provider))
            except EiError as exc:  # settings were edited this moment
                self._pass_over(str(found.model), exc.sentence)
                continue
            if unready is not None:
                self._pass_over(str(found.model), unready.sentence)
                continue
            circuit = await circuit_now(self._services, provider)
            if circuit.is_open and (self._left or not runs_here(self._services, provider)):
                self._pass_over(str(found.model), left_alone(found.model, circuit).sentence)
                continue
            if await self._may_cost(found, error):
                return found
        if self._unanswered is not None:
            raise self._unanswered
        return None

    async def _may_cost(self, found: Resolution, error: ProviderError) -> bool:
        asked = self._plan.resolution
        if asked.profile is not None and asked.profile.costlier:
            return True
        before = await asyncio.to_thread(prices_of, self._services, asked.model)
        after = await asyncio.to_thread(prices_of, self._services, found.model)
        if not costs_more(before, after):
            return True
        price = _difference(asked.model, before, after)
        ask = self._plan.may_cost_more
        if ask is None:
            self._pass_over(str(found.model), f"it {price}, and nobody can be asked.")
            return False
        try:
            if await ask(
                f"May {found.model} answer instead ({self.origin})?", (error.sentence, f"{found.model} {price}.")
            ):
                return True
        except NeedsAnswerError as exc:
            self._unanswered = exc
            self._pass_over(str(found.model), "it may cost more, and nobody can be asked.")
            return False
        self._pass_over(str(found.model), "you did not want it.", told=True)
        return False

    def _pass_over(self, name: str, why: str, *, told: bool = False) -> None:
        self.passed_over.append(f"{name}: {why}")
        if not told:
            self._tell(f"{name} is passed over ({self.origin}): {why}")


def lets_others_answer(error: ProviderError) -> bool:
    """Whether another model may answer what this one did not: only where its server cannot answer anybody now.

    Never where it refused what was asked (400, 401, 403, 404, too long, no key): that is the person's to mend.
    """
    return isinstance(error, LeftAloneError) or is_down(error.status, type(error).__name__)


def left_alone(model: ModelId, circuit: Circuit) -> LeftAloneError:
    """The error for a provider that is not asked now."""
    return LeftAloneError(
        f"{model.provider} failed {circuit.failures} times in a row and is left alone for another "
        f"{spoken(circuit.open_ms)}.",
        "/retry asks it anyway.",
        provider=model.provider,
        model=model.model,
    )


def _difference(asked: ModelId, before: Prices, after: Prices) -> str:
    if after.input is None or after.output is None:
        return f"has no price that is known here and may cost more than {asked}"
    now = f"costs {dollars(after.input)} in, {dollars(after.output)} out per million tokens"
    if before.input is None or before.output is None:
        return f"{now}; what {asked} costs is not known here"
    return f"{now}; {asked} costs {dollars(before.input)} in, {dollars(before.output)} out"
