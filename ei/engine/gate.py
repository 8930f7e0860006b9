"""The one way out: nothing is asked of a provider but through here, so that what is private stays here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from ei.engine.own import OPEN, Privacy
from ei.engine.spending import Ask, Spending
from ei.errors import PrivateError
from ei.messages import ChatRequest
from ei.models.choosing import is_sent_on
from ei.models.reference import ModelId
from ei.providers.base import Provider
from ei.providers.pool import Providers
from ei.usage.budget import Wish


@dataclass(frozen=True, slots=True)
class Errand:
    """What a request is for. interaction, trigger, persona, conversation, message: as in `usage.values.Call`.

    private: finds out why it may only go to this machine and to hosts that the person marked as own; asked before
    anything is set aside, and again before it leaves.
    """

    interaction: str
    trigger: str
    persona: str | None = None
    conversation: str | None = None
    message: str | None = None
    private: Callable[[], Awaitable[Privacy]] | None = None


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that may leave. request: as it may be sent. reservation: what was set aside for it, "" for nothing:
    it is given back with the row of the call (`CallStore.record`), or by `Gate.release`.

    notes: lines for the person. one_of: for `stream_with_retries`.
    """

    provider: Provider
    request: ChatRequest
    reservation: str = ""
    notes: tuple[str, ...] = ()
    one_of: frozenset[str] = frozenset()


class Gate:
    """providers: those in use. spending: holds what the budgets have no money for. is_own: whether what is sent to a
    provider stays with the person; everything: whether all must. Both raise ConfigError."""

    def __init__(
        self,
        providers: Providers,
        spending: Spending,
        is_own: Callable[[str], bool],
        everything: Callable[[], Privacy] = lambda: OPEN,
    ) -> None:
        self.spending = spending
        self._providers = providers
        self._is_own = is_own
        self._everything = everything

    def check(self, provider: str, model: str = "", *, private: Privacy = OPEN) -> None:
        """Raises PrivateError where what must stay here would not. model: its provider's name of it, "" for none."""
        why = self._everything() or private
        if not why:
            return
        if not self._is_own(provider):
            raise PrivateError(
                f"{why.sentence}, and {provider} is not on this machine.", why.hint, provider=provider, model=model
            )
        if is_sent_on(model):
            raise PrivateError(
                f"{why.sentence}, and {provider} sends what {model} gets on to a server on the network.",
                why.hint,
                provider=provider,
                model=model,
            )

    def open(self, provider: str, *, private: Privacy = OPEN) -> Provider:
        """The provider, for what costs nothing: its list of models, whether it is there. Raises PrivateError."""
        self.check(provider, private=private)
        return self._providers.get(provider)

    async def admit(self, errand: Errand, model: ModelId, request: ChatRequest, ask: Ask | None = None) -> Admitted:
        """Lets a request out, once what it may cost is set aside. ask: asks the person, None where nobody can be.

        Raises PrivateError, BudgetError, NeedsAnswerError, StorageError, and what building the client raises.
        """
        await self.may_leave(errand, model)
        provider = self._providers.get(model.provider)
        wish = Wish(errand.interaction, errand.trigger, errand.persona, errand.conversation, errand.message)
        found = await self.spending.admit(wish, model, request, ask)
        admitted = Admitted(provider, found.request, found.reservation, found.notes, found.one_of)
        try:
            await self.may_leave(errand, model)  # it may have become private while the person was asked
        except BaseException:
            await self.release(admitted)
            raise
        return admitted

    async def may_leave(self, errand: Errand, model: ModelId) -> None:
        """As `check`, by what is private now: before each attempt."""
        self.check(model.provider, model.model, private=OPEN if errand.private is None else await errand.private())

    async def again(self, admitted: Admitted, model: ModelId) -> Admitted:
        """Sets the same aside for one more attempt: the one before may have cost something. Raises BudgetError."""
        return replace(admitted, reservation=await self.spending.again(admitted.reservation, model))

    async def release(self, admitted: Admitted) -> None:
        """Gives back what was set aside for a request that cost nothing."""
        await self.spending.release(admitted.reservation)
