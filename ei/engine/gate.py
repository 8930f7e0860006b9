"""The one way out: nothing is asked of a provider but through here, so that what is private stays here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ei.errors import PrivateError
from ei.messages import ChatRequest
from ei.models.reference import ModelId
from ei.providers.base import Provider
from ei.providers.pool import Providers


@dataclass(frozen=True, slots=True)
class Errand:
    """What a request is for. interaction, trigger, persona, conversation, message: as in `usage.values.Call`.

    private: whether it may only go to this machine and to hosts that the person marked as own.
    """

    interaction: str
    trigger: str
    persona: str | None = None
    conversation: str | None = None
    message: str | None = None
    private: bool = False


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that may leave. request: as it may be sent. reservation: what was set aside for it, "" for nothing."""

    provider: Provider
    request: ChatRequest
    reservation: str = ""


class Gate:
    """providers: those in use. is_own: whether what is sent to a provider stays with the person; raises ConfigError."""

    def __init__(self, providers: Providers, is_own: Callable[[str], bool]) -> None:
        self._providers = providers
        self._is_own = is_own

    def open(self, provider: str, *, private: bool = False) -> Provider:
        """The provider, for what costs nothing: its list of models, whether it is there. Raises PrivateError."""
        if private and not self._is_own(provider):
            raise PrivateError(
                f"This is private, and {provider} is not on this machine.",
                "Pick a local model: /model, or see /private.",
                provider=provider,
            )
        return self._providers.get(provider)

    async def admit(self, errand: Errand, model: ModelId, request: ChatRequest) -> Admitted:
        """Lets a request out. Raises PrivateError, and what building the provider's client raises."""
        return Admitted(self.open(model.provider, private=errand.private), request)
