"""/model: see, set and understand which model a persona thinks with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ei.commands.base import Command, Invocation, Item, Line, Reply, Table
from ei.commands.parse import Options, options, reference_of, words_with_object
from ei.commands.providers import list_models, list_providers, why_not
from ei.errors import EiError, PrivateError, UsageError
from ei.models.choosing import NOT_HERE, TierChoice
from ei.models.expand import NothingFitsError
from ei.models.interactions import REASONING
from ei.models.reference import ModelId, parse, suspicion, written_form
from ei.models.resolve import Rank, Resolution
from ei.models.values import TIERS

if TYPE_CHECKING:
    from ei.engine.session import Session

FLAGS = ("--clear", "--list", "--here", "--once")
NONE = options(())
SHOWN = 5
"""So many candidates that lost for the same reason are named."""


async def run_model(call: Invocation) -> Reply:
    session = call.session
    given = options(words_with_object(call.text), FLAGS, (), f"See {call.typed('help model')}.")
    _check(given)
    if given.has("--list"):
        return await (list_models(call, given.rest[0]) if given.rest else list_providers(call))
    if given.has("--once") and call.shell:
        raise UsageError("A shell has no next reply.", 'To ask once with another model: ei ask -m SPEC "…"')
    await session.refresh()
    if given.has("--clear"):
        return await _clear(call, given)
    match given.rest:
        case ():
            return await _show(call)
        case ("why",):
            return await _why(session)
        case ("pick",):
            # It sets what is picked as this room does, and stands on it.
            from ei.commands.picking import pick

            return await pick(call, given)
        case _:
            return await set_model(call, _written(session, given.rest), given)


async def set_model(call: Invocation, written: object, given: Options = NONE) -> Reply:
    """Sets a reference where the flags say: the persona's file, this conversation, or the next reply.

    Raises UsageError for one that cannot be read; one that only looks wrong is set with a line of warning.
    """
    session = call.session
    reference = parse(written, session.services.chooser.names())
    value: object = str(reference) if isinstance(written, str) else written
    model = reference if isinstance(written, str) else written_form(written)
    persona = session.persona
    found, problem = await _meaning(session, value)
    if given.has("--once"):
        session.once(value)
        head = f"Model for the next reply of {persona.name}: {model}"
    elif given.has("--here"):
        conversation = await session.ensure_conversation()
        await session.db(session.store.set_model_here, conversation.id, value)
        head = f"Model for this conversation with {persona.name} set to: {model}"
    else:
        await session.in_thread(session.services.library.set_value, persona.name, ("model",), value)
        head = f"Model for {persona.name} set to: {model}"
    await session.refresh()
    lines: list[Item] = [Line(problem, "warn")] if problem else []
    warnings = lines[:]
    if found is not None:
        lines += [Line(line, "dim") for line in found.path]
        warnings = list(_warnings(session, found.model, written))
        if not given.has("--once"):
            warnings += await _still_wins(session, written_form(value), found)
        warnings += await _kept(session, found.model)
        lines += warnings
    data = {
        "persona": persona.name,
        "model": str(found.model) if found else None,
        "reference": written_form(value),
        "warnings": [line.text for line in warnings if isinstance(line, Line)],
    }
    return Reply((Line(head, "good"), *lines), data)


async def _meaning(session: Session, value: object) -> tuple[Resolution | None, str]:
    """What a reference means here now; None and why where it is a tier in which nothing fits.

    Raises UsageError where it can mean nothing.
    """
    try:
        return await session.in_thread(session.services.chooser.named, value, session.persona, REASONING), ""
    except NothingFitsError as exc:
        return None, str(exc)


def complete_model(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    """The words that /model itself knows, then references; after --list the providers."""
    before, last = words[:-1], words[-1] if words else ""
    chooser = session.services.chooser
    if "--list" in before:
        return [(name, endpoint.label) for name, endpoint in chooser.endpoints().items()]
    if any(not word.startswith("-") for word in before):
        return []
    flags = [
        ("--clear", "no model of its own"),
        ("--list", "providers and their state"),
        ("--here", "this conversation only"),
        ("--once", "the next reply only"),
    ]
    if last.startswith("-"):
        return [pair for pair in flags if pair[0] not in before]
    own = [] if before else [("why", "every step and its reason"), ("pick", "choose from a list")]
    return [*own, *known_references(session)]


def known_references(session: Session) -> list[tuple[str, str]]:
    """(reference, what it is): used lately, tiers, profiles, the models that are known, then an example of each
    provider of which none is."""
    services = session.services
    calls = services.calls.calls(limit=200)
    out = dict.fromkeys((f"{c.provider}:{c.model}" for c in calls if c.outcome == "complete"), "used lately")
    endpoints = services.chooser.endpoints()
    out.update((f"tier:{tier}", "whatever is in that tier today") for tier in TIERS)
    for profile in services.chooser.profiles().values():
        out[f"profile:{profile.id}"] = written_form(profile.model)
    seen = set()
    for model in services.registry.all(active_only=True):
        if model.chat and model.provider in endpoints:
            seen.add(model.provider)
            out.setdefault(model.id, model.label or endpoints[model.provider].label)
    for endpoint in endpoints.values():
        for name in session.known_models.get(endpoint.name, ()):
            out.setdefault(f"{endpoint.name}:{name}", endpoint.label)
        if endpoint.example and endpoint.name not in seen and endpoint.name not in session.known_models:
            out.setdefault(f"{endpoint.name}:{endpoint.example}", f"{endpoint.label}, for example")
    return list(out.items())


MODEL = Command(
    name="model",
    summary="See or change the model that this persona thinks with",
    usage=(
        "model  the model in use, and where it comes from",
        "model SPEC  set it for this persona, in its system.jsonc: a model, a tier or a profile",
        "model --clear  take it out of there: back to the default",
        "model --here SPEC  for this conversation only",
        "model --here --clear  no more for this conversation",
        "model --once SPEC  for the next reply only",
        "model --list  the providers, and whether they are ready",
        "model --list PROVIDER  its models",
        "model why  every place that was looked at",
        "model pick  choose from a list",
    ),
    examples=(
        "model google:gemini-2.5-pro",
        "model ollama:qwen3:8b",
        "model tier:smart@anthropic",
        "model --here anthropic:claude-haiku-4-5",
    ),
    run=run_model,
    group="models",
    complete=complete_model,
    shell=True,
    keys=("F2",),
)


def _check(given: Options) -> None:
    """Raises UsageError for flags that mean nothing together."""
    flags = sorted(given.flags)
    many = len(given.rest)
    if len(flags) > 1 and flags not in (["--clear", "--here"], ["--clear", "--once"]):
        raise UsageError(f"{' and '.join(flags)} do not go together.", "See /help model.")
    if given.has("--clear") and many:
        raise UsageError("--clear takes no model.", "To set one: /model SPEC")
    if given.has("--list") and many > 1:
        raise UsageError("--list takes one provider.", "For example: /model --list openai")
    if (given.has("--here") or given.has("--once")) and not given.has("--clear") and given.rest in ((), ("why",)):
        raise UsageError("Which model?", f"For example: /model {flags[0]} ollama:qwen3:8b")


def _written(session: Session, words: tuple[str, ...]) -> object:
    """The reference typed. Raises UsageError where a provider and a model were typed as two words."""
    if len(words) == 2 and (provider := session.services.chooser.names().canonical(words[0].rstrip(":"))):
        raise UsageError(f'"{" ".join(words)}" is no model reference.', f"Did you mean {provider}:{words[1]}?")
    if len(words) == 1 and (provider := session.services.chooser.names().canonical(words[0].rstrip(":"))):
        # Its name alone means its default model, where the person gave it one.
        preferred = session.services.chooser.preferred(provider)
        return f"{provider}:{preferred[0]}" if preferred else words[0]
    return reference_of(" ".join(words))


async def _show(call: Invocation) -> Reply:
    session = call.session
    found = await session.resolution()
    name = session.persona.name
    once = session.pending_once
    next_only = [Line(f"For the next reply only: {written_form(once)}")] if once is not None else []
    data = {
        "persona": name,
        "model": str(found.model),
        "reference": found.reference,
        "resolved_by": found.rank.value,
        "where": found.where,
        "instead_of": str(found.instead_of) if found.instead_of else None,
        "path": list(found.path),
        "profile": found.profile.id if found.profile else None,
        "fallback": [written_form(each) for each in found.fallback],
    }
    if found.instead_of is None:
        head = Line(f"Current model for {name}: {found.model}{_origin(found)}")
        path = [Line(line, "dim") for line in found.path]
        kept = await _kept(session, found.model)
        return Reply((head, *path, *next_only, *_warnings(session, found.model), *kept), data)
    head = Line(f"Current model for {name}: {found.instead_of} (the default; nothing else is set)")
    return Reply((head, *_instead(session, found), *next_only, *_next_steps(call)), data)


def _origin(found: Resolution) -> str:
    match found.rank:
        case Rank.PERSONA:
            return ""
        case Rank.GLOBAL:
            return " (global default)"
        case _:
            return f" (from {found.where})"


def _instead(session: Session, found: Resolution) -> list[Line]:
    """One line about what answers instead of the default, where something does."""
    if found.instead_of is None:
        return []
    url = session.services.chooser.connection(found.instead_of.provider).base_url
    if any(step.rank is Rank.GLOBAL and step.reason == NOT_HERE for step in found.steps):
        return [Line(f"{url} is not on this machine, so {found.where} answers what is private: {found.model}", "warn")]
    return [Line(f"Nothing answers at {url}, so {found.where} answers instead: {found.model}", "warn")]


def _next_steps(call: Invocation) -> list[Item]:
    """What to do for a real model; a key that is there is a hint and never a choice."""
    out: list[Item] = []
    chooser = call.session.services.chooser
    for endpoint in chooser.endpoints().values():
        connection = chooser.connection(endpoint.name)
        if connection.key and endpoint.needs_key and endpoint.example:
            reference = f"{endpoint.name}:{endpoint.example}"
            out.append(Line(f"{connection.key_source} is set: {call.typed(f'model {reference}')} would use it.", "dim"))
    out.append(
        Line(
            f"Start LM Studio or Ollama here, or set a model: {call.typed('model SPEC')}. "
            f"{call.typed('model --list')} shows the providers.",
            "dim",
        )
    )
    return out


async def _clear(call: Invocation, given: Options) -> Reply:
    session = call.session
    name = session.persona.name
    if given.has("--here"):
        if session.conversation is not None:
            await session.db(session.store.set_model_here, session.conversation.id, None)
        what = "Model for this conversation cleared."
    elif given.has("--once"):
        session.once(None)
        what = "Model for the next reply cleared."
    else:
        await session.in_thread(session.services.library.remove_value, name, ("model",))
        what = f"Model for {name} cleared."
    await session.refresh()
    try:
        found = await session.resolution()
    except EiError as exc:
        # The value is gone all the same; what would be used now is a mistake somewhere else.
        return Reply((Line(what, "good"), Line(str(exc), "error")), {"persona": name, "model": None})
    model = found.instead_of or found.model
    origin = "global default" if found.instead_of or found.rank is Rank.GLOBAL else found.where
    head = Line(f"{what} Using {origin}: {model}", "good")
    return Reply((head, *_instead(session, found)), {"persona": name, "model": str(found.model)})


async def _why(session: Session) -> Reply:
    name = session.persona.name
    try:
        found = await session.resolution()
    except NothingFitsError as exc:
        return Reply((Line(str(exc), "error"), *losers(exc.choice), _as_written(session)))
    except UsageError as exc:
        return Reply((Line(str(exc), "error"), _as_written(session)))
    rows = tuple((str(s.number), s.rank.value, s.where, s.written or "-", s.reason) for s in found.steps)
    winner = next(index for index, step in enumerate(found.steps) if step.wins)
    steps = [
        {
            "step": s.number,
            "rank": s.rank.value,
            "where": s.where,
            "written": s.written or None,
            "wins": s.wins,
            "reason": s.reason,
        }
        for s in found.steps
    ]
    head = Line(f"{name} answers with {found.model}: the first place that is set wins.")
    table = Table(("", "step", "where", "written", "why"), rows, winner, spare=("step", "why"))
    path = [Line(line) for line in found.path]
    contenders = losers(found.choice) if found.choice else []
    fallback = ", then ".join(written_form(each) for each in found.fallback)
    after = [Line(f"Where it cannot answer: {fallback}.", "dim")] if fallback else []
    data = {
        "model": str(found.model),
        "steps": steps,
        "path": list(found.path),
        "candidates": [{"model": c.model.id, "lost": c.lost or None} for c in found.choice.contenders]
        if found.choice
        else [],
        "fallback": [written_form(each) for each in found.fallback],
    }
    return Reply((head, table, *path, *contenders, *after, *await _kept(session, found.model)), data)


def losers(choice: TierChoice) -> list[Item]:
    """The candidates of a tier that lost, and why; the many that lost for one reason in one row."""
    lost = [each for each in choice.contenders if each.lost]
    if not lost:
        return [Line("Nobody else is in that tier.", "dim")] if choice.winner else []
    reasons: dict[str, list[str]] = {}
    for each in lost:
        reasons.setdefault(each.lost, []).append(each.model.id)
    rows = []
    for why, ids in reasons.items():
        shown = ids if len(ids) <= SHOWN + 1 else ids[:SHOWN]
        rows += [(id, why) for id in shown]
        if len(shown) < len(ids):
            rows.append((f"and {len(ids) - len(shown):,} more", why))
    return [Table(("candidate that lost", "why"), tuple(rows))]


def _as_written(session: Session) -> Table:
    """What is written at each place, for when the one that wins cannot be read."""
    candidates = session.services.chooser.candidates(session.persona, session.conversation, REASONING, session.request)
    rows = tuple((c.rank.value, c.where, "-" if c.written is None else written_form(c.written)) for c in candidates)
    wins = next(index for index, candidate in enumerate(candidates) if candidate.written is not None)
    return Table(("step", "where", "written"), rows, wins)


def _warnings(session: Session, model: ModelId, written: object = None) -> list[Line]:
    chooser = session.services.chooser
    names = chooser.names()
    out: list[Line] = []
    if likely := suspicion(model, names):
        out.append(Line(f"{model} looks wrong: did you mean {likely}?", "warn"))
    elif isinstance(written, str) and (provider := names.canonical(written)):
        out.append(Line(f"{written} is a provider: for one of its models write {provider}:MODEL.", "warn"))
    if problem := why_not(chooser.connection(model.provider)):
        out.append(Line(problem, "warn"))
    return out


async def _kept(session: Session, model: ModelId) -> list[Line]:
    """One line where the model must not be asked, because what is said here is private."""
    try:
        session.services.gate.check(model.provider, model.model, private=await session.privacy())
    except PrivateError as exc:
        return [Line(f"It does not answer now: {exc}", "warn")]
    return []


async def _still_wins(session: Session, reference: str, meant: Resolution) -> list[Line]:
    try:
        found = await session.resolution()
    except EiError as exc:
        return [Line(f"It is not used yet: {exc}", "warn")]
    if found.reference == reference or found.model == meant.model:
        return []
    ends = " /model --here --clear ends that." if found.rank is Rank.CONVERSATION else ""
    return [Line(f"{found.model} still wins here; it comes from {found.where}.{ends}", "warn")]
