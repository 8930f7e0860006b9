"""Every provider of this person: the shipped ones, those in settings, and those that profiles have of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ei.config import Config
from ei.errors import ConfigError
from ei.models.profiles import Profile, folded, read_profiles
from ei.models.reference import ProviderNames
from ei.providers.addresses import BadAddressError, is_loopback, join, normal_url, split
from ei.providers.base import Connection, Endpoint
from ei.providers.credentials import Stored, connect, custom_endpoints, is_own_key, key_variable, url_variable
from ei.providers.redactor import Redactor

AZURE_HOSTS = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")
ON_THIS_MACHINE = ("local", "ollama")


@dataclass(frozen=True, slots=True)
class Providing:
    """The endpoints by name and the profiles by id, as settings have them; names: what a reference may begin with."""

    endpoints: Mapping[str, Endpoint]
    profiles: Mapping[str, Profile]
    names: ProviderNames


def read_providing(config: Config, shipped: tuple[Endpoint, ...]) -> Providing:
    """What there is to ask, as it is configured. Raises ConfigError."""
    section = config.section("providers")
    known = {each.name: each for each in (*shipped, *custom_endpoints(section, shipped))}

    def own_key(provider: str, reference: str) -> bool:
        endpoint = known.get(provider)
        settings = _settings(section, provider)
        return endpoint is not None and is_own_key(endpoint, reference, config.variable, settings)

    profiles = read_profiles(config.settings, names_of(known), own_key)
    own = [profile_endpoint(profile, known) for profile in profiles.values() if profile.provider]
    endpoints = known | {endpoint.name: endpoint for endpoint in own}
    return Providing(endpoints, profiles, names_of(endpoints))


def names_of(endpoints: Mapping[str, Endpoint]) -> ProviderNames:
    """Every name and alias that a reference may begin with."""
    aliases = {alias: endpoint.name for endpoint in endpoints.values() for alias in endpoint.aliases}
    return ProviderNames(tuple(endpoints), aliases)


def connection_to(
    providing: Providing,
    name: str,
    config: Config,
    stored: Stored | None = None,
    redactor: Redactor | None = None,
) -> Connection:
    """The provider's address and key as configured now.

    A profile without an address of its own goes to that of the provider it is like, with that one's headers.
    """
    endpoint = providing.endpoints[name]
    section = config.section("providers")
    settings = _settings(section, name)
    if endpoint.profile:
        profile = providing.profiles[endpoint.profile]
        shared = _settings(section, profile.like)
        names = ("num_ctx", "keep_alive", *(() if profile.base_url else ("base_url", "headers")))
        settings = {key: shared[key] for key in names if key in shared} | {"key": profile.key}
    return connect(endpoint, config.variable, settings, config.folder_variable, stored, redactor)


def profile_endpoint(profile: Profile, endpoints: Mapping[str, Endpoint]) -> Endpoint:
    """The provider that a profile with an address or a key of its own has. Raises ConfigError for a bad address."""
    like = endpoints[profile.like]
    template, same, url, variables = like, like.name, like.base_url, (url_variable(like), *like.url_variables)
    if profile.base_url:
        template, same = _template(profile.base_url, like, endpoints)
        variables = ()
        try:
            url = normal_url(profile.base_url, template)
        except BadAddressError as exc:
            raise ConfigError(
                f"{profile.where}: llm_profiles.{profile.id}.base_url: {exc}.",
                "Write it like https://llm.example.org/v1.",
            ) from None
    keyless = profile.provider_type == "local_openai" or not like.needs_key or is_loopback(url)
    name = profile.model.partition(":")[2] if isinstance(profile.model, str) else ""
    return replace(
        template,
        name=profile.provider,
        label=f"profile {profile.id}",
        base_url=url,
        prefix=f"EI_PROFILE_{folded(profile.id).upper()}",
        aliases=(),
        key_variables=(),
        url_variables=variables,
        needs_key=bool(profile.key) or not keyless,
        example=name,
        profile=profile.id,
        like=same,
    )


def foreign_key(profile: Profile, endpoints: Mapping[str, Endpoint]) -> str:
    """Where a profile's key goes if that is neither this machine nor its provider's own address, "" else."""
    endpoint = endpoints.get(profile.provider)
    if endpoint is None or not profile.base_url or not profile.key or is_loopback(endpoint.base_url):
        return ""
    known = endpoints.get(endpoint.like) if endpoint.like != "azure" else None  # whose addresses are anybody's
    own = known is not None and profile.key.removeprefix("env:") in (key_variable(known), *known.key_variables)
    return "" if own or (known is not None and known.name == profile.like) else endpoint.base_url


def _template(url: str, like: Endpoint, endpoints: Mapping[str, Endpoint]) -> tuple[Endpoint, str]:
    """(whose ways of speaking hold at an address, the provider that it really is, "" where it is nobody's known)."""
    generic = Endpoint("", "", like.wire, "", "")
    try:
        host = split(url if "://" in url else f"http://{url}")[1]
    except BadAddressError:
        return generic, ""
    if is_loopback(f"http://{join(host, None)}") or host in ("0.0.0.0", "::"):
        return (like, like.name) if like.name in ON_THIS_MACHINE else (_ways(like, generic), "")
    if like.wire == "openai" and host.endswith(AZURE_HOSTS) and "azure" in endpoints:
        return endpoints["azure"], "azure"
    for endpoint in endpoints.values():
        if endpoint.wire == like.wire and endpoint.base_url and split(endpoint.base_url)[1] == host:
            return endpoint, endpoint.name
    return _ways(like, generic), ""


def _ways(like: Endpoint, generic: Endpoint) -> Endpoint:
    # What only says that it is compatible with OpenAI takes what most take.
    return generic if like.name == "openai" else like


def _settings(section: Mapping[str, object], name: str) -> Mapping[str, object]:
    settings = section.get(name)
    return settings if isinstance(settings, Mapping) else {}
