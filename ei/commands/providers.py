"""What the providers are, whether they can be asked, and the models that they list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ei.commands.base import Invocation, Item, Line, Reply, Table
from ei.errors import UsageError
from ei.models.choosing import NOT_HERE

if TYPE_CHECKING:
    from ei.providers.base import Connection
    from ei.providers.probe import Found


async def list_providers(call: Invocation) -> Reply:
    """Every provider with its state; the two on this machine are asked whether they answer."""
    # Imported here: what the engine stands on is too much for a list of commands.
    from ei.engine.circuits import down_now

    chooser = call.session.services.chooser
    private = await call.session.privacy()
    found = await chooser.look(private=bool(private))
    lines: list[Item] = [Line("Configured providers:")]
    data: list[object] = []
    endpoints = chooser.endpoints()
    services = call.session.services
    down = await call.session.in_thread(down_now, services.calls, services.now, chooser.stays_here)
    width = max(len(name) for name in endpoints)
    for name, endpoint in endpoints.items():
        ready, state = _state(chooser.connection(name), found)
        if private and not chooser.is_own(name):
            ready, state = False, f"{state.removesuffix(')')}, {NOT_HERE})" if "(" in state else f"{state} ({NOT_HERE})"
        text = f"  {name:<{width}}  {'✓' if ready else '✗'} {state}"
        if why := down.get(name, ""):
            lines.append(Line(f"{text}, {why}", "warn"))
        else:
            lines.append(Line(text, "good" if ready else "plain"))
        data.append({"provider": name, "label": endpoint.label, "ready": ready, "state": state, "down": why})
    lines.append(Line(f"Their models: {call.typed('model --list PROVIDER')}", "dim"))
    return Reply(tuple(lines), data)


async def list_models(call: Invocation, provider: str) -> Reply:
    """The chat models that a provider lists. Raises UsageError for an unknown one, ProviderError."""
    session = call.session
    names = session.services.chooser.names()
    name = names.canonical(provider)
    if name is None:
        import difflib

        near = difflib.get_close_matches(provider.lower(), [*names.names, *names.aliases], n=1, cutoff=0.5)
        guess = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(names.names)}."
        raise UsageError(f'Unknown provider "{provider}".', guess)
    with call.ui.progress(f"Asking {name} for its models"):
        models = await session.services.gate.open(name).models()
    chat = [model for model in models if model.chat]
    session.known_models[name] = tuple(model.id for model in chat)
    if not chat:
        return Reply.line(f"{name} lists no chat models.", "warn", [])
    rows = tuple((f"{name}:{m.id}", f"{m.context:,}" if m.context else "") for m in chat)
    columns = ("model", "context") if any(m.context for m in chat) else ("model",)
    table = Table(columns, tuple(row[: len(columns)] for row in rows))
    return Reply((table,), [{"model": f"{name}:{m.id}", "context": m.context} for m in chat])


def why_not(connection: Connection) -> str:
    """Why nothing can be sent to a provider, as sentences with what to do, or ""."""
    if connection.problem:
        return f"{connection.problem} {connection.problem_hint}".strip()
    if connection.key_problem or connection.ready:
        return connection.key_problem
    from ei.providers.credentials import key_variable, to_set

    variable, command = key_variable(connection.endpoint), to_set(connection.endpoint)
    return f"{connection.name} has no API key yet: set {variable}, or: {command}"


def _state(connection: Connection, found: Found) -> tuple[bool, str]:
    """Whether a provider can be asked, and the few words beside its name."""
    endpoint = connection.endpoint
    if endpoint.wire == "builtin":
        return True, "(offline companion)"
    if not connection.base_url:
        return False, f"(no address: set {endpoint.prefix}_BASE_URL)"
    if connection.problem or connection.key_problem:
        return False, f"({why_not(connection).rstrip('.')})"
    if not connection.ready:
        return False, f"(no API key: set {endpoint.prefix}_API_KEY)"
    if endpoint.needs_key:
        return True, "(API key set)"
    answers = {"local": found.local, "ollama": found.ollama is not None}.get(connection.name, True)
    return answers, connection.base_url + ("" if answers else " (nothing answers)")
