"""What a provider's list says of a model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ListedModel:
    """One row of a provider's list; None and "" where the list does not say.

    context, max_output: tokens. label: what its maker calls it. Prices: nano-dollars per million tokens.
    capabilities: of tools, vision, structured_output, reasoning, embeddings, streaming; None where nothing is said.
    sampling: whether it takes temperature and the like. shutdown: ISO date from which it is gone.
    created_ms: its release, milliseconds since 1970. aliases: other names that are taken for it.
    """

    id: str
    context: int | None = None
    chat: bool = True
    label: str = ""
    input_price: int | None = None
    cached_price: int | None = None
    cache_write_price: int | None = None
    output_price: int | None = None
    max_output: int | None = None
    capabilities: frozenset[str] | None = None
    sampling: bool | None = None
    shutdown: str = ""
    created_ms: int | None = None
    aliases: tuple[str, ...] = ()
