"""How long a context a model has where its server decides that anew each time it loads one."""

from __future__ import annotations

import asyncio

from ei.engine.own import Privacy
from ei.engine.services import Services
from ei.errors import EiError
from ei.models.reference import ModelId
from ei.providers.base import Sized


async def longest_context(services: Services, model: ModelId) -> int | None:
    """The longest context in tokens that the model may be given; None where its server does not decide it, or nobody
    can say now."""
    provider = await asyncio.to_thread(_sized, services, model.provider)
    try:
        return await provider.context_limit(model.model) if provider is not None else None
    except EiError:
        return None


async def loaded_context(services: Services, model: ModelId) -> int | None:
    """The context in tokens that the model is loaded with now, else the longest; None as `longest_context`."""
    provider = await asyncio.to_thread(_sized, services, model.provider)
    try:
        return await provider.context_now(model.model) if provider is not None else None
    except EiError:
        return None


def _sized(services: Services, name: str) -> Sized | None:
    """The provider, where it can say and may be asked whatever the conversation is."""
    try:
        endpoint = services.chooser.endpoints().get(name)
        if endpoint is None or endpoint.wire != "ollama":
            return None
        provider = services.gate.open(name, private=Privacy(marked=True))
    except EiError:
        return None
    return provider if isinstance(provider, Sized) else None
