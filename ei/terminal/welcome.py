"""The first screen a person sees: what was found here, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ei.commands.base import Item, Line, Reply, Table
from ei.errors import EiError
from ei.models.interactions import REASONING
from ei.models.resolve import Rank

if TYPE_CHECKING:
    from ei.engine.session import Session
    from ei.providers.probe import Found


def welcome(session: Session, found: Found) -> Reply:
    """One screen, never a question: servers that answer, keys by the name of their variable, and next steps."""
    chooser = session.services.chooser
    here: list[str] = []
    if found.local:
        here.append(f"a model server at {found.local_url}")
    if found.ollama is not None:
        models = ", ".join(found.ollama[:3]) or "no chat model yet"
        here.append(f"Ollama at {found.ollama_url} ({models})")
    here += [f"{name} at {url} (/setup uses it)" for name, url in found.neighbours]
    keys: list[tuple[str, str]] = []
    for endpoint in chooser.endpoints().values():
        connection = chooser.connection(endpoint.name)
        if connection.key and endpoint.needs_key:
            keys.append((connection.key_source.split(" (")[0], f"{endpoint.name}:{endpoint.example or 'MODEL'}"))
    people = ", ".join(persona.name for persona in session.services.library.personas())
    rows = [
        ("Found here", "; ".join(here) or "no model server on this machine"),
        ("Keys set", ", ".join(name for name, _ in keys) or "none"),
        ("Personas", f"{people}: /persona NAME talks with another, @NAME asks one in"),
        ("A model", _advice(session, found, keys)),
    ]
    items: list[Item] = [
        Line("Welcome. Just type: the persona in front answers.", "title"),
        Table(("", ""), tuple(rows)),
        *_to_begin(found, keys),
        Line("/help shows the rest. Ctrl-C stops a reply, Ctrl-D leaves.", "dim"),
    ]
    return Reply(tuple(items))


def _to_begin(found: Found, keys: list[tuple[str, str]]) -> list[Item]:
    """One line where there is nothing to think with yet."""
    if found.local or found.ollama is not None or keys:
        return []
    return [Line("/setup finds a model server, takes a key or installs a model, step by step.", "accent")]


def _advice(session: Session, found: Found, keys: list[tuple[str, str]]) -> str:
    try:
        now = session.services.chooser.peek(session.persona, None, REASONING, session.request)
    except EiError as exc:
        return str(exc)
    if now.rank is not Rank.COMPANION:
        return f"{now.model} answers ({now.where}); F2 picks another"
    if keys:
        return f"/model {keys[0][1]} uses {keys[0][0]}; nothing is spent before you choose one"
    return (
        "start LM Studio or Ollama, or set a key such as EI_OPENAI_API_KEY, then F2; "
        "until then a small built-in companion answers, offline and free"
    )
