"""Profiles: named bundles of a model, its parameters, its key and what answers when it cannot."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ei.errors import ConfigError
from ei.models.reference import RESERVED, ProviderNames
from ei.settings.checking import MEND, rows_of, where_of
from ei.settings.keys import reference_of

NOTHING: Mapping[str, object] = MappingProxyType({})
PROFILE_PROVIDER = "profile-"
"""What the name of a profile's own provider begins with: `profile-ID`."""
OLDER = "default"
"""The id of the profile that an `llm_config` with only a model and a temperature becomes."""
PROVIDER_OF: Mapping[str, str] = MappingProxyType(
    {"oai_compatible": "openai", "anthropic": "anthropic", "gemini": "google", "local_openai": "local"}
)
"""The provider that is meant by a `provider_type` where nothing else says one."""
TEMPERATURE = 0.7


@dataclass(frozen=True, slots=True)
class Profile:
    """One entry of `llm_profiles`.

    model: a reference as `reference.parse` reads it; never a profile. provider_type: as written (oai_compatible,
    anthropic, gemini, local_openai), "" where the model's reference says it all. base_url: "" for the provider's own.
    key: a reference (`env:NAME`, `keyring:NAME`), "" where the provider's own key is used; never a key.
    parameters: by our names (temperature, top_p, max_tokens); defaults: names of those that nobody wrote.
    context_window: tokens. extra: sent in the body of each request as it is. fallback: references as written.
    costlier: whether a fallback may cost more without asking. prompt_note: a text for any model, or texts by
    provider or model family. where: the file it stands in. like: the provider that is spoken to where the profile has
    an address or a key of its own ("azure", "anthropic", "openai"), "" else.
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
    like: str = ""

    @property
    def provider(self) -> str:
        """The name of its own provider where it has an address or a key of its own, else ""."""
        return f"{PROFILE_PROVIDER}{self.id.lower()}" if self.base_url or self.key else ""


def read_profiles(
    settings: Mapping[str, object],
    providers: ProviderNames,
    own_key: Callable[[str, str], bool] = lambda provider, reference: False,
    where: str = "settings.jsonc",
    hint: str = MEND,
) -> Mapping[str, Profile]:
    """The profiles by id in the order in which they are written, the one of an older `llm_config` last.

    settings: what `settings.check` found nothing wrong with. providers: those that a model may name. own_key: whether
    a reference is where that provider's own key comes from anyway. where: the file, for errors; hint: what to do.
    Raises ConfigError for a profile without a model, for an id that cannot be one, and for what does not go together.
    """
    reader = _Reader(providers, own_key, where, hint)
    out: dict[str, Profile] = {}
    for place, row in rows_of(settings.get("llm_profiles")):
        reader.add(out, reader.profile(place, row))
    config = settings.get("llm_config")
    if isinstance(config, Mapping) and config.get("default_model") and OLDER not in out:
        older = {"model": config["default_model"], "temperature": config.get("temperature")}
        reader.add(out, reader.profile(OLDER, older, "llm_config"))
    return MappingProxyType(out)


def default_profile(settings: Mapping[str, object]) -> str | None:
    """The id of the profile that `llm_config` makes the default, None where it says none."""
    config = settings.get("llm_config")
    if not isinstance(config, Mapping):
        return None
    id = config.get("default_profile_id")
    if isinstance(id, str) and id.strip():
        return id.strip()
    return OLDER if config.get("default_model") else None


def check_id(id: str) -> str:
    """What is wrong with the id of a profile, in a few words, or ""."""
    fits = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}", id)
    return "" if fits else "must be letters, digits, -, _ and . , a letter or digit first"


def folded(id: str) -> str:
    """What two profiles may not share: their providers' variables would be the same."""
    return re.sub(r"[^a-z0-9]", "_", id.lower())


@dataclass(frozen=True, slots=True)
class _Reader:
    providers: ProviderNames
    own_key: Callable[[str, str], bool]
    where: str
    hint: str

    def add(self, out: dict[str, Profile], profile: Profile) -> None:
        taken = next((id for id in out if folded(id) == folded(profile.id)), None)
        if taken is not None:
            other = "twice" if taken == profile.id else f"beside {taken}, which is too much like it"
            raise ConfigError(
                f"{self.where}: llm_profiles has {profile.id} {other}.", f"Give one another id. {self.hint}"
            )
        out[profile.id] = profile

    def profile(self, place: str | int, row: Mapping[str, object], where: str = "") -> Profile:
        where = f"{self.where}: {where or where_of(place, row)}"
        written = row.get("id")
        if isinstance(place, str) and written not in (None, "", place):
            raise ConfigError(f"{where} has the id {written}.", f"Take the id away, or make it the same. {self.hint}")
        id = place if isinstance(place, str) else str(written or "").strip()
        if problem := check_id(id):
            raise ConfigError(f"{where}: its id {problem}.", self.hint)
        kind, base_url = _text(row, "provider_type"), _text(row, "base_url")
        key = reference_of(row.get("api_key_ref")) or ""
        model, like = self._model(id, row, kind, base_url, key, where)
        parameters = {name: row[name] for name in ("temperature", "top_p", "max_tokens") if row.get(name) is not None}
        extra, fallback, window = row.get("extra_params"), row.get("fallback"), row.get("context_window")
        return Profile(
            id,
            model,
            kind,
            base_url,
            key if like else "",
            MappingProxyType({"temperature": TEMPERATURE, **parameters}),
            frozenset() if "temperature" in parameters else frozenset({"temperature"}),
            window if isinstance(window, int) else None,
            MappingProxyType(dict(extra)) if isinstance(extra, Mapping) else NOTHING,
            tuple(fallback) if isinstance(fallback, list) else (),
            row.get("fallback_may_cost_more") is True,
            row.get("prompt_note") or None,
            self.where,
            like,
        )

    def _model(
        self, id: str, row: Mapping[str, object], kind: str, base_url: str, key: str, where: str
    ) -> tuple[object, str]:
        """(the model as a reference, the provider spoken to where the profile has one of its own)."""
        model = row.get("model")
        if isinstance(model, Mapping):
            if len(model) == 1 and isinstance(model.get("exact"), str):
                model = model["exact"]
            elif model and not (base_url or key):
                return model, ""
            else:
                raise ConfigError(
                    f"{where}: with an address or a key of its own it needs one model, by its name.", self.hint
                )
        name = model.strip() if isinstance(model, str) else ""
        if not name:
            raise ConfigError(f"{where} has no model.", f'Add one, such as "model": "gpt-5.1". {self.hint}')
        prefix, colon, _ = name.partition(":")
        if colon and prefix.lower() in RESERVED:
            if prefix.lower() == "profile":
                raise ConfigError(f"{where}: its model is a profile.", f"Name a model or a tier there. {self.hint}")
            if base_url or key:
                raise ConfigError(f"{where}: a tier has no address and no key.", f"Name one model. {self.hint}")
            return name, ""
        provider, name = self._provider(name, kind, where)
        if not provider and (base_url or key):
            provider = PROVIDER_OF["oai_compatible"]
        if base_url or (key and not self.own_key(provider, key)):
            return f"{PROFILE_PROVIDER}{id.lower()}:{name}", provider
        return (f"{provider}:{name}" if provider else name), ""

    def _provider(self, name: str, kind: str, where: str) -> tuple[str, str]:
        """(provider, its own name of the model); "" where neither the model nor the type says one."""
        prefix, colon, rest = name.partition(":")
        named = self.providers.canonical(prefix) if colon and rest else None
        if named is None and name.lower().startswith("azure/") and kind in ("", "oai_compatible"):
            return "azure", name[len("azure/") :]
        if not kind or named == PROVIDER_OF.get(kind):
            return (named or "", rest if named else name)
        if named is not None and kind == "oai_compatible":
            return named, rest
        if named == "ollama" and kind == "local_openai":
            return named, rest
        if named is not None and kind != "local_openai":
            raise ConfigError(
                f"{where}: its provider_type is {kind}, and its model is one of {named}.",
                f"Take one of the two away. {self.hint}",
            )
        # A server on this machine has models such as mistral:7b.
        return PROVIDER_OF[kind], name


def _text(row: Mapping[str, object], key: str) -> str:
    value = row.get(key)
    return value.strip() if isinstance(value, str) else ""
