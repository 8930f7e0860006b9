"""Profiles: named bundles of a model, its parameters, its key and what answers when it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

NOTHING: Mapping[str, object] = MappingProxyType({})
PROFILE_PROVIDER = "profile-"
"""What the name of a profile's own provider begins with: `profile-ID`."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One entry of `llm_profiles`.

    model: a reference as `reference.parse` reads it; never a profile. provider_type: as written (oai_compatible,
    anthropic, gemini, local_openai), "" where the model's reference says it all. base_url: "" for the provider's own.
    key: a reference (`env:NAME`, `keyring:NAME`, …), "" where the provider's own key is used; never a key.
    parameters: by our names (temperature, top_p, max_tokens); defaults: names of those that nobody wrote.
    context_window: tokens. extra: sent in the body of each request as it is. fallback: references as written.
    costlier: whether a fallback may cost more without asking. prompt_note: a text for any model, or texts by
    provider or model family. where: the file it stands in.
    """

    id: str
    model: object
    provider_type: str = ""
    base_url: str = ""
    key: str = ""
    parameters: Mapping[str, object] = field(default_factory=lambda: NOTHING)
    defaults: frozenset[str] = frozenset()
    context_window: int | None = None
    extra: Mapping[str, object] = field(default_factory=lambda: NOTHING)
    fallback: tuple[object, ...] = ()
    costlier: bool = False
    prompt_note: object = None
    where: str = "settings.jsonc"

    @property
    def provider(self) -> str:
        """The name of its own provider where it has an address or a key of its own, else ""."""
        return f"{PROFILE_PROVIDER}{self.id}" if self.base_url or self.key else ""
