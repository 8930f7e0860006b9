"""Testing a model: it is asked for a word, for JSON and for a tool call, and what works is told and remembered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ei.engine.composing import learned_about
from ei.engine.oneshot import Answered, ask_once
from ei.engine.pricing import cost_of_call
from ei.engine.proving import remember
from ei.engine.services import Services
from ei.engine.spending import Ask
from ei.errors import ProviderError, RejectedParameterError, StorageError, TooLongError
from ei.messages import ChatMessage, ChatRequest, TextPart, ToolSpec, Usage
from ei.models.interactions import REASONING
from ei.models.reference import ModelId
from ei.models.resolve import Resolution
from ei.providers.estimate import estimate_prompt, estimate_tokens
from ei.usage.values import rate

Asked = Literal["word", "json", "tool"]
ASKED: tuple[Asked, ...] = ("word", "json", "tool")

MAX_TOKENS = 2000
"""The longest reply that is waited for: room to think for those that do, and a bound for what it costs."""
LIKELY_TOKENS = 400
"""Of the three replies together, where a model does not think for long."""
TOLD = 300
"""Characters of what came that are told."""
REFUSALS = frozenset({400, 404, 405, 422, 501})
"""Statuses with which a server that answered before says that it does not take such a request (OpenRouter: 404)."""

SYSTEM = "You answer in as few words as you can."
CITY: Mapping[str, object] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "country": {"type": "string"},
        "languages": {"type": "array", "items": {"type": "string"}},
        "is_capital": {"type": "boolean"},
    },
    "required": ["name", "country", "languages", "is_capital"],
    "additionalProperties": False,
}
WEATHER = ToolSpec(
    "weather",
    "Tells the weather of a city as it is now.",
    {
        "type": "object",
        "properties": {"city": {"type": "string", "description": "Its name, for example Oslo"}},
        "required": ["city"],
        "additionalProperties": False,
    },
)


@dataclass(frozen=True, slots=True)
class Probe:
    """How one of the three went.

    works: whether what was asked for came; None where that could not be found out. told: what came, or why it did
    not, one line. refused: the server does not take such a request, or its provider cannot. answered: None where
    nothing came.
    """

    asked: Asked
    works: bool | None
    told: str = ""
    refused: bool = False
    answered: Answered | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """What a test of a model found. capabilities: what it showed, each true or false, as it is remembered.

    first_token_ms: milliseconds; tokens_per_second: None where the replies were too short to say. Tokens and cost
    (nano-dollars) are of all three together; None is unknown. estimated: some tokens were counted here.
    """

    model: ModelId
    probes: tuple[Probe, ...]
    capabilities: Mapping[str, bool]
    first_token_ms: int | None
    tokens_per_second: float | None
    input_tokens: int | None
    output_tokens: int | None
    estimated: bool
    cost: int | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a test will take. cost: nano-dollars, None unknown. free: it costs nothing, so nobody needs to be asked."""

    tokens: int
    cost: int | None
    free: bool


def estimate(services: Services, model: ModelId) -> Estimate:
    """About what a test takes. Reads the database and may load the price list: call it from a thread."""
    requests = [request_for(asked, model.model) for asked in ASKED]
    extras = estimate_tokens(json.dumps([CITY, WEATHER.parameters]))
    asked = sum(estimate_prompt(request.messages) for request in requests) + extras
    cost = cost_of_call(services, model, Usage(asked, output_tokens=LIKELY_TOKENS))
    return Estimate(asked + LIKELY_TOKENS, cost, cost == 0)


async def examine(
    services: Services,
    resolution: Resolution,
    progress: Callable[[str], None] = lambda text: None,
    ask: Ask | None = None,
) -> Findings:
    """Asks the resolved model three times and remembers what it can.

    A refusal of JSON or of tools is a finding. Raises ProviderError where not even a word comes; what fails later is
    told in its probe. progress: called with one line. ask: asks the person whether it may be sent over a budget.
    """
    model = resolution.model
    dropped = await _dropped(services, model)
    # Else the first token seems to take as long as the SDK's import.
    await asyncio.to_thread(services.providers.warm, model.provider)
    probes: list[Probe] = []
    for asked in ASKED:
        if asked != "word" and _by_rules(services, model):
            probes.append(Probe(asked, False, "the built-in companion answers by rules", refused=True))
            continue
        if probes and probes[-1].works is None:
            probes.append(Probe(asked, None, "not asked"))
            continue
        progress(TELLING[asked])
        probes.append(await _probe(services, resolution, asked, dropped, progress, ask))
    found = findings(model, probes)
    try:
        await remember(services, str(model), found.capabilities)
    except StorageError as exc:
        services.log(f"test of {model} not remembered: {exc}")
    return found


TELLING: Mapping[Asked, str] = {"word": "a word", "json": "JSON", "tool": "a tool call"}


def request_for(asked: Asked, model: str, dropped: frozenset[str] = frozenset()) -> ChatRequest:
    """What the model is sent. The prompt does not speak of JSON: only what the schema brings about counts."""
    text = {
        "word": "Say the word hello.",
        "json": "Describe the city of Paris.",
        "tool": "What is the weather in Paris now? Call the tool weather to find out.",
    }[asked]
    messages = (ChatMessage("system", (TextPart(SYSTEM),)), ChatMessage("user", (TextPart(text),)))
    return ChatRequest(
        model,
        messages,
        {"max_tokens": MAX_TOKENS},
        defaults=frozenset({"max_tokens"}),
        dropped=dropped,
        tools=(WEATHER,) if asked == "tool" else (),
        schema=CITY if asked == "json" else None,
    )


def judged(asked: Asked, answered: Answered) -> Probe:
    """Whether what came is what was asked for."""
    text = one_line(answered.text)
    if asked == "word":
        return Probe(asked, bool(text), text or "no text came", answered=answered)
    if asked == "json":
        problem = misfit(answered.text)
        return Probe(asked, not problem, problem or text, answered=answered)
    call = next((call for call in answered.tool_calls if call.name == WEATHER.name), None)
    if call is None:
        other = answered.tool_calls[0].name if answered.tool_calls else ""
        told = f"called {other}, which there is not" if other else f"called no tool: {text or 'no text came'}"
        return Probe(asked, False, told, answered=answered)
    try:
        arguments = json.loads(call.arguments)
    except (ValueError, RecursionError):
        arguments = None
    fits = isinstance(arguments, dict) and isinstance(arguments.get("city"), str)
    told = f"{call.name}({one_line(call.arguments)})"
    return Probe(asked, fits, told if fits else f"arguments that do not fit: {told}", answered=answered)


def one_line(text: str) -> str:
    """As much of what came as a report has room for."""
    joined = " ".join(text[:TOLD].split())
    return f"{joined}…" if len(text) > TOLD else joined


def misfit(text: str) -> str:
    """What keeps a text from being JSON that fits CITY, in a few words, or ""."""
    shown = one_line(text)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return f"no JSON: {shown}" if shown else "no text came"
    if not isinstance(value, dict):
        return f"no object: {shown}"
    languages = value.get("languages")
    fits = (
        value.keys() == {"name", "country", "languages", "is_capital"}
        and all(isinstance(value[name], str) for name in ("name", "country"))
        and isinstance(languages, list)
        and all(isinstance(language, str) for language in languages)
        and isinstance(value["is_capital"], bool)
    )
    return "" if fits else f"JSON that does not fit the schema: {shown}"


def findings(model: ModelId, probes: list[Probe]) -> Findings:
    """The probes added up. Only what was shown or refused counts as a capability: a model may have a bad day."""
    capabilities: dict[str, bool] = {}
    names: Mapping[Asked, str] = {"json": "structured_output", "tool": "tools"}
    for probe in probes:
        if (name := names.get(probe.asked)) and (probe.works or probe.refused):
            capabilities[name] = bool(probe.works)
    answers = [probe.answered for probe in probes if probe.answered is not None]
    if any(answer.reasoning for answer in answers):
        capabilities["reasoning"] = True
    rates = [rate(answer.usage.output_tokens, answer.first_token_ms, answer.total_ms) for answer in answers]
    first = next((answer.first_token_ms for answer in answers if answer.first_token_ms is not None), None)
    return Findings(
        model,
        tuple(probes),
        capabilities,
        first,
        max((found for found in rates if found is not None), default=None),
        _sum([answer.usage.input_tokens for answer in answers]),
        _sum([answer.usage.output_tokens for answer in answers]),
        any(answer.usage.estimated for answer in answers),
        _sum([answer.cost for answer in answers]),
    )


async def _probe(
    services: Services,
    resolution: Resolution,
    asked: Asked,
    dropped: frozenset[str],
    progress: Callable[[str], None],
    ask: Ask | None,
) -> Probe:
    request = request_for(asked, resolution.model.model, dropped)
    needed = frozenset({"tools"}) if asked == "tool" else frozenset()
    if resolution.profile is not None:
        request = replace(request, extra=resolution.profile.extra)
    try:
        answered = await ask_once(
            services, resolution, request, REASONING.name, "test", progress=progress, needed=needed, ask=ask
        )
    except ProviderError as error:
        if asked == "word":
            raise
        refused = is_refusal(error)
        return Probe(asked, False if refused else None, error.sentence, refused)
    return judged(asked, answered)


def is_refusal(error: ProviderError) -> bool:
    """Whether a server that gave a word says that it does not take what else was asked."""
    if isinstance(error, TooLongError):
        return False
    return isinstance(error, RejectedParameterError) or error.status in REFUSALS


async def _dropped(services: Services, model: ModelId) -> frozenset[str]:
    """What the model rejects, as it was learned; what is tested is tried anew."""
    rejects = (await learned_about(services, model)).get("rejects")
    tried = {"tools", "tool_choice", "response_format"}
    return frozenset(map(str, rejects if isinstance(rejects, list) else [])) - tried


def _by_rules(services: Services, model: ModelId) -> bool:
    endpoint = services.chooser.endpoints().get(model.provider)
    return endpoint is not None and endpoint.wire == "builtin"


def _sum(counts: Iterable[int | None]) -> int | None:
    """The total of what is known, None where something is not."""
    total: int | None = None
    for count in counts:
        if count is None:
            return None
        total = (total or 0) + count
    return total
