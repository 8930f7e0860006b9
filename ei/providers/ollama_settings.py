"""What a person sets for how Ollama loads models: the longest context, and how long one stays in memory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ei.providers.base import Endpoint

_LENGTH = re.compile(r"-?(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+")  # Go's time.ParseDuration
_SECONDS = re.compile(r"-?\d+(?:\.\d+)?")
LEAST_CONTEXT = 256


@dataclass(frozen=True, slots=True)
class Loading:
    """As the fields of `Connection`."""

    num_ctx: int | None = None
    keep_alive: str = ""


def loading_of(endpoint: Endpoint, settings: Mapping[str, object]) -> tuple[Loading, str]:
    """(what the settings of this provider say, what is wrong with it, or ""); nothing for other wires."""
    if endpoint.wire != "ollama":
        return Loading(), ""
    where = f"providers.{endpoint.like or endpoint.name}"
    num_ctx, keep_alive = settings.get("num_ctx"), settings.get("keep_alive")
    if num_ctx is not None and (isinstance(num_ctx, bool) or not isinstance(num_ctx, int) or num_ctx < LEAST_CONTEXT):
        return Loading(), f"{where}.num_ctx in settings.jsonc must be a number of tokens, at least {LEAST_CONTEXT}."
    text = "" if keep_alive is None else str(keep_alive).strip()
    if text and not (_LENGTH.fullmatch(text) or _SECONDS.fullmatch(text)):
        problem = (
            f'{where}.keep_alive in settings.jsonc must be a length of time such as "30m", "24h" or "-1" for good.'
        )
        return Loading(), problem
    return Loading(num_ctx, text), ""


def keep_alive_of(text: str) -> str | int | float | None:
    """The setting as the wire has it: a length with its unit as text, else seconds as a number; None for ""."""
    if not _SECONDS.fullmatch(text):
        return text or None
    seconds = float(text)
    return int(seconds) if seconds.is_integer() else seconds
