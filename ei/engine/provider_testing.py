"""Testing a provider step by step: is it there, is its key good, which models has it, does one of them answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Literal

from ei.engine.oneshot import Answered, ask_once
from ei.engine.pricing import cost_of_call, prices_of
from ei.engine.services import Services
from ei.engine.testing import Estimate, one_line, request_for
from ei.errors import EiError, ProviderError, RefusedKeyError, UnreachableError
from ei.messages import Usage
from ei.models.choosing import weight
from ei.models.interactions import REASONING
from ei.models.reference import ModelId
from ei.models.values import Prices
from ei.personas.values import Persona
from ei.providers.base import Connection
from ei.providers.estimate import estimate_prompt
from ei.providers.keys import KeySource
from ei.providers.listed import ListedModel
from ei.providers.models_list import list_models

StepName = Literal["reach", "key", "models", "word"]
WORD_TOKENS = 60
"""Tokens of a reply of one word, where a model does not think for long."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step. works: None where it was not taken or nothing can be said. told: in words; seconds: how long it took,
    None where nothing was asked for it. hint: what to do where it does not work."""

    name: StepName
    works: bool | None
    told: str
    seconds: float | None = None
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Looked:
    """What the steps that cost nothing found. cheapest: the model to ask for a word, None where there is none."""

    provider: str
    steps: tuple[Step, ...]
    models: tuple[ListedModel, ...] = ()
    cheapest: ModelId | None = None

    @property
    def works(self) -> bool:
        """Whether nothing that was tried failed."""
        return all(step.works is not False for step in self.steps)


async def look_at(
    services: Services, name: str, tell: Callable[[str], None] = lambda text: None, key: KeySource | None = None
) -> Looked:
    """Takes the steps that cost nothing. tell: what is being done, in words; key: one to try in place of its own.
    Raises ConfigError, PrivateError.

    Where there is a key the list is asked for without it first: a list that anybody gets proves no key.
    """
    tell("is it there?")
    await asyncio.to_thread(services.gate.open, name)  # what must not be asked is refused here
    connection = services.chooser.connection(name)
    if key is not None:
        connection = replace(connection, key=key, key_source="the new key", key_problem="")
    if connection.problem or not connection.ready:
        return Looked(name, (_unready(connection),))
    if connection.endpoint.wire == "builtin":
        return await _builtin(services, name)
    steps: list[Step] = []
    public = True
    if connection.key is not None:
        bare = replace(connection, key=None, endpoint=replace(connection.endpoint, needs_key=False))
        began = monotonic()
        try:
            await list_models(bare, details=False)
        except UnreachableError as error:
            return Looked(name, (_failed("reach", error, monotonic() - began),))
        except ProviderError:
            public = False  # something answered, which is all that is asked here
        steps.append(Step("reach", True, connection.base_url, monotonic() - began))
        tell("is its key good?")
    began = monotonic()
    try:
        if key is None:
            provider = await asyncio.to_thread(services.gate.open, name)
            models = await provider.models()
        else:
            models = await list_models(connection, details=False)
    except EiError as error:
        seconds = monotonic() - began
        if isinstance(error, UnreachableError):
            return Looked(name, (*steps, _failed("reach", error, seconds)))
        if not steps:
            steps.append(Step("reach", True, connection.base_url, seconds))
        bad_key = isinstance(error, RefusedKeyError) or not isinstance(error, ProviderError)
        return Looked(name, (*steps, _failed("key" if bad_key else "models", error, seconds)))
    seconds = monotonic() - began
    if not steps:
        steps.append(Step("reach", True, connection.base_url, seconds))
        steps.append(Step("key", None, "none is needed"))
    elif public:
        steps.append(Step("key", None, "anybody gets its list: only a word shows whether the key is good", seconds))
    else:
        steps.append(Step("key", True, connection.key_source, seconds))
    chat = [model for model in models if model.chat]
    others = f", {len(models) - len(chat):,} that do not chat" if len(chat) < len(models) else ""
    steps.append(Step("models", bool(chat) or None, f"{len(chat):,} that chat{others}"))
    return Looked(name, tuple(steps), models, await asyncio.to_thread(cheapest, services, name, chat))


def cheapest(services: Services, name: str, listed: Sequence[ListedModel]) -> ModelId | None:
    """The chat model that costs least; without prices the provider's default one, else the first of the list.

    Reads the database and may load the price list: call it from a thread.
    """
    if not listed:
        return None
    found: tuple[int, str] | None = None
    for row in listed:
        model = ModelId(name, row.id)
        price = _listed_weight(row)
        if price is None:
            price = weight(prices_of(services, model))
        # A price of nothing on the network is more often a gap in a list than a gift.
        if (
            price is not None
            and (price > 0 or services.chooser.stays_here(name))
            and (found is None or price < found[0])
        ):
            found = (price, row.id)
    if found is not None and found[0] > 0:
        return ModelId(name, found[1])
    ids = [row.id for row in listed]
    wished = [*services.chooser.preferred(name), services.chooser.endpoints()[name].example]
    return ModelId(name, next((id for id in wished if id in ids), ids[0]))


def estimate(services: Services, model: ModelId) -> Estimate:
    """About what one word takes. Reads the database and may load the price list: call it from a thread."""
    asked = estimate_prompt(request_for("word", model.model).messages)
    cost = cost_of_call(services, model, Usage(asked, output_tokens=WORD_TOKENS))
    return Estimate(asked + WORD_TOKENS, cost, cost == 0)


async def ask_word(services: Services, model: ModelId, persona: Persona) -> tuple[Step, Answered | None]:
    """Asks the model for one word; it is recorded as a call."""
    began = monotonic()
    try:
        resolution = await asyncio.to_thread(services.chooser.named, str(model), persona, REASONING)
        await asyncio.to_thread(services.providers.warm, model.provider)
        began = monotonic()
        answered = await ask_once(services, resolution, request_for("word", model.model), REASONING.name, "test")
    except EiError as error:
        return _failed("word", error, monotonic() - began), None
    text = one_line(answered.text)
    seconds = answered.total_ms / 1000
    return Step("word", bool(text), f"{model.model}: {text or 'no text came'}", seconds), answered


def _listed_weight(row: ListedModel) -> int | None:
    return weight(Prices(row.input_price, row.output_price))


async def _builtin(services: Services, name: str) -> Looked:
    models = await services.gate.open(name).models()
    first = ModelId(name, models[0].id) if models else None
    return Looked(name, (Step("reach", True, "it is part of ei"),), models, first)


def _unready(connection: Connection) -> Step:
    if connection.problem:
        return Step("reach", False, connection.problem, hint=connection.problem_hint)
    told = connection.key_problem or f"{connection.name} has no API key."
    return Step("key", False, told, hint=f"Give it one: /provider key {connection.name}")


def _failed(name: StepName, error: EiError, seconds: float) -> Step:
    return Step(name, False, error.sentence, seconds, error.hint)
