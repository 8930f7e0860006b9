"""The one way out: nothing is asked of a provider but through here, so that what is private stays here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ei.engine.own import OPEN, Privacy
from ei.errors import PrivateError
from ei.messages import ChatRequest
from ei.models.choosing import is_sent_on
from ei.models.reference import ModelId
from ei.providers.base import Provider
from ei.providers.pool import Providers


@dataclass(frozen=True, slots=True)
class Errand:
    """What a request is for. interaction, trigger, persona, conversation, message: as in `usage.values.Call`.

    private: why it may only go to this machine and to hosts that the person marked as own.
    """

    interaction: str
    trigger: str
    persona: str | None = None
    conversation: str | None = None
    message: str | None = None
    private: Privacy = OPEN


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that may leave. request: as it may be sent. reservation: what was set aside for it, "" for nothing."""

    provider: Provider
    request: ChatRequest
    reservation: str = ""


class Gate:
    """providers: those in use. is_own: whether what is sent to a provider stays with the person; everything: whether
    all must. Both raise ConfigError."""

    def __init__(
        self, providers: Providers, is_own: Callable[[str], bool], everything: Callable[[], Privacy] = lambda: OPEN
    ) -> None:
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

    async def admit(self, errand: Errand, model: ModelId, request: ChatRequest) -> Admitted:
        """Lets a request out. Raises PrivateError, and what building the provider's client raises."""
        self.check(model.provider, model.model, private=errand.private)
        return Admitted(self._providers.get(model.provider), request)
