"""/model: see, set and understand which model a persona thinks with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ei.commands.base import Choice, Command, Invocation, Item, Line, Reply, Style, Table
from ei.commands.parse import Options, options
from ei.errors import EiError, UsageError
from ei.models.reference import ModelId, parse, suspicion
from ei.models.resolve import Rank, Resolution

if TYPE_CHECKING:
    from ei.engine.session import Session
    from ei.providers.base import Connection

FLAGS = ("--clear", "--list", "--here", "--once")


async def run_model(call: Invocation) -> Reply:
    session = call.session
    given = options(call.words, FLAGS, (), "See /help model.")
    await session.refresh()
    match given.rest:
        case () if given.has("--list"):
            return await _list(session)
        case (provider,) if given.has("--list"):
            return await _list_models(session, provider)
        case () if given.has("--clear"):
            return await _clear(session, given)
        case () if given.has("--here") or given.has("--once"):
            raise UsageError("Which model?", "For example: /model --here ollama:qwen3:8b")
        case ():
            return await _show(session)
        case ("why",):
            return await _why(session)
        case ("pick",):
            return await pick(call)
        case _:
            return await set_model(session, _reference(" ".join(given.rest)), given)


async def set_model(session: Session, written: object, given: Options) -> Reply:
    """Sets a reference where the flags say: the persona's file, this conversation, or the next reply.

    Raises UsageError for one that cannot be read; one that only looks wrong is set with a line of warning.
    """
    names = session.services.chooser.names()
    model = parse(written, names)
    value: object = str(model) if isinstance(written, str) else written
    persona = session.persona
    if given.has("--once"):
        session.once(value)
        head = f"Model for the next reply of {persona.name}: {model}"
    elif given.has("--here"):
        conversation = await session.ensure_conversation()
        await session.db(session.store.set_model_here, conversation.id, value)
        head = f"Model for this conversation with {persona.name} set to: {model}"
    else:
        session.services.library.set_value(persona.name, ("model",), value)
        head = f"Model for {persona.name} set to: {model}"
    await session.refresh()
    lines: list[Item] = [Line(head, "good"), *_warnings(session, model)]
    if not given.has("--once"):
        lines += await _still_wins(session, model)
    return Reply(tuple(lines), {"persona": persona.name, "model": str(model)})


async def pick(call: Invocation) -> Reply:
    """A picker over the models that configured providers list and those used here."""
    session = call.session
    with call.ui.progress("Asking the providers for their models"):
        choices = await _choices(session)
    current = str((await session.resolution()).model)
    key = await call.ui.choose(f"Model for {session.persona.name}", choices, current)
    if key is None:
        return Reply()
    return await set_model(session, key, options(()))


def complete_model(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    """References used before, one example of each provider, and the flags."""
    last = words[-1] if words else ""
    if last.startswith("-"):
        meanings = ("no model of its own", "providers and their state", "this conversation only", "the next reply only")
        return list(zip(FLAGS, meanings, strict=True))
    out: list[tuple[str, str]] = [("why", "every step and its reason"), ("pick", "choose from a list")]
    for endpoint in session.services.chooser.endpoints().values():
        for model in session.known_models.get(endpoint.name, ()):
            out.append((f"{endpoint.name}:{model}", endpoint.label))
        if endpoint.example and endpoint.name not in session.known_models:
            out.append((f"{endpoint.name}:{endpoint.example}", f"{endpoint.label}, for example"))
    return out


MODEL = Command(
    name="model",
    summary="See or change the model that this persona thinks with",
    usage=(
        "model  the model in use, and why",
        "model SPEC  set it for this persona (in its system.jsonc)",
        "model --here SPEC  for this conversation only",
        "model --once SPEC  for the next reply only",
        "model --clear  back to the default (--here --clear: of this conversation)",
        "model --list  the providers; model --list PROVIDER: its models",
        "model why  every place that was looked at",
        "model pick  choose from a list (F2)",
    ),
    examples=("model google:gemini-2.5-pro", "model ollama:qwen3:8b", "model --here anthropic:claude-haiku-4-5"),
    run=run_model,
    group="models",
    complete=complete_model,
    shell=True,
    keys=("F2",),
)


async def _show(session: Session) -> Reply:
    found = await session.resolution()
    name = session.persona.name
    data = {
        "persona": name,
        "model": str(found.model),
        "reference": found.reference,
        "resolved_by": found.rank.value,
        "where": found.where,
    }
    if found.instead_of is None:
        lines: list[Item] = [Line(f"Current model for {name}: {found.model}{_origin(found)}")]
        if session.pending_once is not None:
            lines.append(Line(f"The next reply only: {session.pending_once}"))
        return Reply((*lines, *_warnings(session, found.model)), data)
    url = session.services.chooser.connection(found.instead_of.provider).base_url
    lines = [
        Line(f"Current model for {name}: {found.instead_of} (the default; nothing else is set)"),
        Line(f"Nothing answers at {url}, so {found.where} answers instead: {found.model}", "warn"),
    ]
    return Reply((*lines, *_next_steps(session)), data)


def _origin(found: Resolution) -> str:
    match found.rank:
        case Rank.PERSONA:
            return ""
        case Rank.GLOBAL:
            return " (global default)"
        case _:
            return f" (from {found.where})"


def _next_steps(session: Session) -> list[Item]:
    """What to do for a real model; a key that is there is a hint and never a choice."""
    out: list[Item] = []
    for endpoint in session.services.chooser.endpoints().values():
        connection = session.services.chooser.connection(endpoint.name)
        if connection.key and endpoint.needs_key and endpoint.example:
            out.append(
                Line(f"{connection.key_source} is set: /model {endpoint.name}:{endpoint.example} would use it.", "dim")
            )
    out.append(
        Line("Start LM Studio or Ollama here, or set a model: /model SPEC. /model --list shows the providers.", "dim")
    )
    return out


async def _clear(session: Session, given: Options) -> Reply:
    name = session.persona.name
    if given.has("--here"):
        if session.conversation is not None:
            await session.db(session.store.set_model_here, session.conversation.id, None)
        what = "Model for this conversation cleared."
    else:
        session.services.library.remove_value(name, ("model",))
        what = f"Model for {name} cleared."
    await session.refresh()
    found = await session.resolution()
    model = found.instead_of or found.model
    origin = "global default" if model == found.instead_of or found.rank is Rank.GLOBAL else found.where
    return Reply.line(f"{what} Using {origin}: {model}", "good", {"persona": name, "model": str(found.model)})


async def _list(session: Session) -> Reply:
    found = await session.services.chooser.look()
    lines: list[Item] = [Line("Configured providers:")]
    data: list[object] = []
    endpoints = session.services.chooser.endpoints()
    width = max(len(name) for name in endpoints)
    for name, endpoint in endpoints.items():
        state, why, style = _state(session.services.chooser.connection(name), found.local, found.ollama)
        lines.append(Line(f"  {name:<{width}}  {state} {why}", style))
        data.append({"provider": name, "label": endpoint.label, "ready": state == "✓", "state": why})
    lines.append(Line("Their models: /model --list PROVIDER", "dim"))
    return Reply(tuple(lines), data)


def _state(connection: Connection, local: bool, ollama: tuple[str, ...] | None) -> tuple[str, str, Style]:
    endpoint = connection.endpoint
    if connection.key_problem:
        return "✗", f"({connection.key_problem})", "plain"
    if endpoint.wire == "builtin":
        return "✓", "offline companion", "good"
    if not connection.base_url:
        return "✗", f"(no address: set {endpoint.prefix}_BASE_URL)", "plain"
    if endpoint.needs_key:
        if connection.key is None:
            return "✗", f"(no API key: set {endpoint.prefix}_API_KEY)", "plain"
        return "✓", "(API key set)", "good"
    answers = {"local": local, "ollama": ollama is not None}.get(endpoint.name, True)
    if answers:
        return "✓", connection.base_url, "good"
    return "✗", f"{connection.base_url} (nothing answers)", "plain"


async def _list_models(session: Session, provider: str) -> Reply:
    names = session.services.chooser.names()
    name = names.canonical(provider)
    if name is None:
        raise UsageError(f'Unknown provider "{provider}".', f"There are: {', '.join(names.names)}.")
    models = await session.services.providers.get(name).models()
    session.known_models[name] = tuple(model.id for model in models if model.chat)
    rows = tuple((f"{name}:{m.id}", f"{m.context:,}" if m.context else "") for m in models if m.chat)
    if not rows:
        return Reply.line(f"{name} lists no chat models.", "warn", [])
    data = [{"model": f"{name}:{m.id}", "context": m.context} for m in models if m.chat]
    return Reply((Table(("model", "context"), rows),), data)


async def _choices(session: Session) -> list[Choice]:
    import asyncio

    chooser = session.services.chooser
    out: list[Choice] = []
    for model in await session.recent_models():
        out.append(Choice(model, model, "used lately", "recent"))

    async def listed(name: str) -> list[Choice]:
        endpoint, connection = chooser.endpoints()[name], chooser.connection(name)
        if not connection.ready or not (connection.base_url or endpoint.wire == "builtin"):
            why = connection.key_problem or f"no API key: set {endpoint.prefix}_API_KEY"
            example = f"{name}:{endpoint.example or 'MODEL'}"
            return [Choice(example, example, "for example", endpoint.label, why)]
        try:
            async with asyncio.timeout(4):
                models = await session.services.providers.get(name).models()
        except (EiError, TimeoutError) as exc:
            why = exc.sentence if isinstance(exc, EiError) else "gave no list within 4 s"
            return [Choice(f"{name}:{endpoint.example}", f"{name}:…", "", endpoint.label, why)]
        session.known_models[name] = tuple(model.id for model in models if model.chat)
        return [
            Choice(f"{name}:{m.id}", f"{name}:{m.id}", f"{m.context:,} tokens" if m.context else "", endpoint.label)
            for m in models
            if m.chat
        ]

    for group in await asyncio.gather(*(listed(name) for name in chooser.endpoints())):
        out += group
    return out


async def _why(session: Session) -> Reply:
    found = await session.resolution()
    rows = tuple((str(s.number), s.rank.value, s.where, s.written or "-", s.reason) for s in found.steps)
    winner = next(index for index, step in enumerate(found.steps) if step.wins)
    data = [
        {
            "step": s.number,
            "rank": s.rank.value,
            "where": s.where,
            "written": s.written,
            "wins": s.wins,
            "reason": s.reason,
        }
        for s in found.steps
    ]
    head = Line(f"{session.persona.name} answers with {found.model}: the first place that is set wins.")
    return Reply((head, Table(("", "step", "where", "written", "why"), rows, winner)), data)


def _reference(text: str) -> object:
    if not text.startswith("{"):
        return text
    from ei import jsonc

    return jsonc.loads(text, "the reference")


def _warnings(session: Session, model: ModelId) -> list[Item]:
    chooser = session.services.chooser
    out: list[Item] = []
    if likely := suspicion(model, chooser.names()):
        out.append(Line(f"{model} looks wrong: did you mean {likely}?", "warn"))
    connection = chooser.connection(model.provider)
    if connection.key_problem:
        out.append(Line(connection.key_problem, "warn"))
    elif not connection.ready:
        out.append(Line(f"{model.provider} has no API key yet: set {connection.endpoint.prefix}_API_KEY.", "warn"))
    elif not connection.base_url and connection.endpoint.wire != "builtin":
        out.append(Line(f"{model.provider} has no address yet: set {connection.endpoint.prefix}_BASE_URL.", "warn"))
    return out


async def _still_wins(session: Session, model: ModelId) -> list[Item]:
    found = await session.resolution()
    if found.model == model:
        return []
    return [Line(f"{found.model} still wins here: it is set in {found.where}.", "warn")]
