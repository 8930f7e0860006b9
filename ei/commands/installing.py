"""Models that are not installed yet, in the picker: rows that offer to install them."""

from __future__ import annotations

from collections.abc import Collection

from ei.commands.base import Choice, Invocation, Reply
from ei.commands.model_rows import letters
from ei.commands.ollama_pulls import pull
from ei.engine.pulled import OLLAMA, size_text
from ei.models.families import Family, Size, families, size_of
from ei.models.values import Model

KEY = "install "
"""Begins the keys of such rows: no reference holds a space."""
GROUP = "ollama · not installed yet: Enter installs"


def install_rows(installed: Collection[str]) -> list[Choice]:
    """A row for each size of each family that can talk. installed: names of Ollama's models."""
    there = {name.removesuffix(":latest") for name in installed}
    return [
        Choice(f"{KEY}{name}", f"{OLLAMA}:{name}", "", GROUP, "", _cells(size), _words(family, size))
        for family in families()
        for name, size in zip(family.names, family.sizes, strict=True)
        if name not in there and "embedding" not in size.can
    ]


def install_facts(key: str) -> str:
    """All that is known of such a row, on one line; "" for another one."""
    for family in families() if key.startswith(KEY) else ():
        for name, size in zip(family.names, family.sizes, strict=True):
            if name == key.removeprefix(KEY):
                about = size_text(size.bytes) if size.bytes else ""
                parts = (f"not installed, by {family.maker}", about, family.good_at, ", ".join(size.can))
                return " · ".join(part for part in parts if part)
    return ""


async def install(call: Invocation, key: str) -> Reply:
    """Asks, then installs the model of such a row beside the conversation."""
    name = key.removeprefix(KEY)
    size = size_of(name)
    about = f" (about {size_text(size)})" if size else ""
    if not await call.ui.confirm(f"{name} is not installed. Install it{about}?"):
        return Reply.line(f"{name} is not installed.", "dim")
    return await pull(call, [name])


def _cells(size: Size) -> tuple[str, ...]:
    """What stands under the headings of the picker: tier, context, price, abilities, speed, and where its data goes."""
    can = frozenset({"thinking": "reasoning"}.get(word, word) for word in size.can)
    abilities = letters(Model(OLLAMA, "", capabilities=can))
    return "", "", "free", abilities, "", f"get {size_text(size.bytes)}" if size.bytes else "get"


def _words(family: Family, size: Size) -> str:
    return " ".join(("install", "local", family.maker, family.good_at, *size.can))
