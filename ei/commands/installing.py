"""Models that are not installed yet, in the picker: rows that offer to install them."""

from __future__ import annotations

from collections.abc import Collection

from ei.commands.base import Choice, Invocation, Reply
from ei.commands.model_rows import letters
from ei.commands.ollama_pulls import pull
from ei.engine.pulled import OLLAMA, size_text
from ei.models.families import Family, families, size_of
from ei.models.values import Model

KEY = "install "
"""Begins the keys of such rows: no reference holds a space."""
GROUP = "ollama · not installed yet: Enter installs"


def install_rows(installed: Collection[str]) -> list[Choice]:
    """A row for each size of each family that can talk. installed: names of Ollama's models."""
    there = {name.removesuffix(":latest") for name in installed}
    return [
        Choice(f"{KEY}{name}", f"{OLLAMA}:{name}", "", GROUP, "", _cells(name, family), _words(family))
        for family in families()
        if "embedding" not in family.can
        for name in family.names
        if name not in there
    ]


def install_facts(key: str) -> str:
    """All that is known of such a row, on one line; "" for another one."""
    name = key.removeprefix(KEY)
    found = next((family for family in families() if name in family.names), None) if key.startswith(KEY) else None
    if found is None:
        return ""
    can = ", ".join(found.can)
    return " · ".join(part for part in (f"not installed, by {found.maker}", _detail(name, found.good_at), can) if part)


async def install(call: Invocation, key: str) -> Reply:
    """Asks, then installs the model of such a row beside the conversation."""
    name = key.removeprefix(KEY)
    size = size_of(name)
    about = f" (about {size_text(size)})" if size else ""
    if not await call.ui.confirm(f"{name} is not installed. Install it{about}?"):
        return Reply.line(f"{name} is not installed.", "dim")
    return await pull(call, [name])


def _detail(name: str, good_at: str) -> str:
    size = size_of(name)
    return f"{size_text(size)} · {good_at}" if size else good_at


def _cells(name: str, family: Family) -> tuple[str, ...]:
    """What stands under the headings of the picker: tier, context, price, abilities, speed, and whose it is."""
    can = frozenset({"thinking": "reasoning"}.get(word, word) for word in family.can)
    size = size_of(name)
    return (
        "",
        "",
        "free",
        letters(Model(OLLAMA, name, capabilities=can)),
        "",
        f"get {size_text(size)}" if size else "get",
    )


def _words(family: Family) -> str:
    return " ".join(("install", "local", family.maker, family.good_at, *family.can))
