"""What Ollama tells, in words and as JSON-ready values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ei.commands.words import ago, tokens
from ei.engine.pulled import size_text
from ei.models.families import size_of

if TYPE_CHECKING:
    from ei.models.families import Family
    from ei.providers.ollama_api import Installed, Loaded, Shown

FOREVER_SECONDS = 10 * 365 * 86400


def bytes_or_unknown(size: int | None) -> str:
    """Bytes in words, `?` where nobody says."""
    return "?" if size is None else size_text(size)


def age_text(now: float, at_ms: int | None) -> str:
    """`3 d ago`; "" where it is not known. now: seconds since 1970; at_ms: milliseconds."""
    if at_ms is None:
        return ""
    age = ago(max(now - at_ms / 1000, 0))
    return age if age == "now" else f"{age} ago"


def context_text(shown: Shown) -> str:
    """What a model was made for, and what its own settings ask for."""
    own = f", {tokens(shown.num_ctx)} by its own settings" if shown.num_ctx else ""
    return f"{tokens(shown.context)}{own}" if shown.context else ""


def memory(model: Loaded) -> str:
    """How much memory a loaded model takes, and for which context."""
    context = f"{tokens(model.context_length)} context" if model.context_length else ""
    return ", ".join(part for part in (bytes_or_unknown(model.size) if model.size else "yes", context) if part)


def card(model: Loaded) -> str:
    """How much of a loaded model is on the graphics card."""
    if model.size_vram is None or not model.size:
        return "?"
    return f"{min(model.size_vram * 100 // model.size, 100)} %" if model.size_vram else "no"


def until(now: float, at: float | None) -> str:
    """How long it stays in memory. now, at: seconds since 1970."""
    if at is None:
        return "?"
    if at - now > FOREVER_SECONDS:
        return "ever"
    return ago(at - now) if at - now >= 60 else f"{max(round(at - now), 0)} s"


def sizes_text(family: Family) -> str:
    """`8b (5.2 GB), 14b (9.3 GB)`."""
    return ", ".join(f"{size.tag} ({size_text(size.bytes)})" if size.bytes else size.tag for size in family.sizes)


# As data.


def installed_data(model: Installed) -> dict[str, object]:
    """An installed model as JSON-ready value."""
    return {
        "model": model.name,
        "size_bytes": model.size,
        "digest": model.digest,
        "modified_ms": model.modified_ms,
        "family": model.family,
        "parameter_size": model.parameter_size,
        "quantization": model.quantization,
        "remote": model.remote or None,
    }


def loaded_data(model: Loaded) -> dict[str, object]:
    """A loaded model as JSON-ready value."""
    return {
        "model": model.name,
        "size_bytes": model.size,
        "size_vram_bytes": model.size_vram,
        "context": model.context_length,
        "expires_at": None if model.expires_at is None else int(min(model.expires_at, 2**53)),
    }


def family_data(family: Family) -> dict[str, object]:
    """A family as JSON-ready value."""
    sizes = [{"name": name, "bytes": size_of(name)} for name in family.names]
    return {
        "family": family.name,
        "maker": family.maker,
        "good_at": family.good_at,
        "can": list(family.can),
        "sizes": sizes,
    }
