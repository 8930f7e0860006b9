"""Which address, key and headers each provider gets from variables and settings, as pure functions.

A base URL out of the working directory's `.env` is only ever sent a key out of that same file: a folder that
somebody else wrote must not collect the person's keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from ei.errors import ConfigError
from ei.providers.addresses import BadAddressError, normal_url
from ei.providers.base import Connection, Endpoint, Wire
from ei.providers.endpoints import ENDPOINTS, OLLAMA, by_name
from ei.providers.keys import KeySource, KeyState, KnownKey, in_words, is_key_text
from ei.providers.keys import clean_key as clean
from ei.providers.ollama_settings import loading_of
from ei.providers.redactor import Redactor
from ei.settings.keys import reference_of

if TYPE_CHECKING:
    from ei.config import Variable

    Lookup = Callable[[str], Variable | None]

NO_SETTINGS: Mapping[str, object] = {}


class Stored(Protocol):
    """What is asked of the stores of keys: `ei.providers.keystore.Keys`."""

    def source(self, reference: str) -> KeySource: ...

    def describe(self, reference: str) -> KeyState: ...


def key_variable(endpoint: Endpoint) -> str:
    """The variable to set for this provider's key."""
    return f"{endpoint.prefix}_API_KEY"


def to_set(endpoint: Endpoint) -> str:
    """The command that sets this provider's key and address."""
    return f"/profile edit {endpoint.profile}" if endpoint.profile else f"/provider {endpoint.name}"


def url_variable(endpoint: Endpoint) -> str:
    """The variable to set for this provider's address."""
    return f"{endpoint.prefix}_BASE_URL"


def connect(
    endpoint: Endpoint,
    lookup: Lookup,
    settings: Mapping[str, object] = NO_SETTINGS,
    folder_lookup: Lookup | None = None,
    stored: Stored | None = None,
    redactor: Redactor | None = None,
) -> Connection:
    """The endpoint as this person configured it.

    lookup: a variable by its name, None where unset. settings: this provider's mapping in settings.jsonc
    (label, base_url, wire, key, headers, organization, project, enabled). folder_lookup: variables of the working
    directory's `.env` alone, so that a key there is found although the environment has one, too; default, those of
    lookup that come from there. stored: where keys are that no variable holds; None where only variables are known.
    redactor: as in Connection. No key is opened here. What is wrong is told in the Connection's problem fields, never
    raised.
    """
    redactor = redactor or Redactor()
    connection = Connection(endpoint, endpoint.base_url, redactor=redactor)
    if endpoint.wire == "builtin":
        return connection
    if settings.get("enabled") is False:
        problem = f"{endpoint.name} is switched off in settings.jsonc."
        return replace(connection, problem=problem, problem_hint=f"/provider enable {endpoint.name} ends that.")
    address = find_address(endpoint, lookup, settings)
    if address.problem:
        return replace(connection, problem=address.problem, problem_hint=address.hint)
    key = find_key(endpoint, lookup, settings, stored)
    if address.folder:
        # What is stored is the person's own, too.
        own = find_key(endpoint, folder_lookup or of_folder(lookup), settings)
        withheld = own.value is None and key.value is not None
        key = Key(problem=withheld_sentence(endpoint, key.source)) if withheld else own
    headers, header_problem = ({}, "") if address.folder else find_headers(endpoint, lookup, settings)
    loading, loading_problem = loading_of(endpoint, settings)
    account, account_problem = ({}, "") if address.folder else account_headers(endpoint, settings)
    return Connection(
        endpoint,
        address.url,
        key=key.value,
        key_source=key.source,
        key_problem=key.problem,
        headers={**endpoint.headers, **account, **headers},
        problem=header_problem or account_problem or loading_problem,
        num_ctx=loading.num_ctx,
        keep_alive=loading.keep_alive,
        redactor=redactor,
    )


def custom_endpoints(
    providers: Mapping[str, object], shipped: tuple[Endpoint, ...] = ENDPOINTS
) -> tuple[Endpoint, ...]:
    """The providers of settings.jsonc that are not in the shipped table, as endpoints of their own.

    Raises ConfigError for a name that cannot be written in a model reference or whose variables are another
    provider's, and for a bad address or wire.
    """
    known = by_name(shipped)
    prefixes = {endpoint.prefix: endpoint.name for endpoint in shipped}
    out: list[Endpoint] = []
    for name, value in providers.items():
        if name in known and known[name].name == name:
            continue
        where = f"settings.jsonc, providers.{name}"
        if name in known or name in ("tier", "profile") or name.startswith(("profile-", "profile_")):
            meaning = known[name].name if name in known else "something else"
            raise ConfigError(f"{where}: this name already means {meaning}.", "Give your provider another one.")
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,39}", name):
            hint = "Use lower-case letters, digits, - and _, a letter first."
            raise ConfigError(f"{where}: a provider cannot have this name.", hint)
        if not isinstance(value, dict):
            raise ConfigError(f"{where}: it must be an object in braces.", 'It needs at least "base_url".')
        endpoint = custom_endpoint(name, value, where)
        other = prefixes.setdefault(endpoint.prefix, name)
        if other != name:
            raise ConfigError(
                f"{where}: its variables, {endpoint.prefix}_…, would be those of {other}.",
                "Give your provider another name.",
            )
        out.append(endpoint)
    return tuple(out)


# One provider of the person's own.


WIRES: Mapping[str, Wire] = {"openai": "openai", "anthropic": "anthropic", "ollama": "ollama"}


def custom_endpoint(name: str, settings: Mapping[str, object], where: str) -> Endpoint:
    wire = settings.get("wire") or "openai"
    base_url = settings.get("base_url")
    if str(wire) not in WIRES:
        raise ConfigError(f'{where}.wire: it must be "openai", "anthropic" or "ollama".')
    if not isinstance(base_url, str) or not base_url.strip():
        raise ConfigError(f"{where}: it has no base_url.", 'Add one, such as "https://llm.example.org/v1".')
    endpoint = Endpoint(
        name=name,
        label=str(settings.get("label") or name),
        wire=WIRES[str(wire)],
        base_url="",
        prefix="EI_" + name.upper().replace("-", "_"),
        needs_key=bool(settings.get("key")),
    )
    if endpoint.wire == "ollama":
        endpoint = replace(endpoint, catalogue=OLLAMA.catalogue, details=OLLAMA.details)
    try:
        return replace(endpoint, base_url=normal_url(base_url, endpoint))
    except BadAddressError as exc:
        raise ConfigError(f"{where}.base_url: {exc}.", "Write it like https://llm.example.org/v1.") from None


# The address.


@dataclass(frozen=True, slots=True)
class Address:
    """folder: it comes from the working directory's `.env`."""

    url: str = ""
    folder: bool = False
    problem: str = ""
    hint: str = ""


def find_address(endpoint: Endpoint, lookup: Lookup, settings: Mapping[str, object]) -> Address:
    text, source, folder = endpoint.base_url, "", False
    configured = settings.get("base_url")
    variable = first_set(lookup, (url_variable(endpoint), *endpoint.url_variables))
    if variable is not None:
        text, source, folder = variable.value, named(variable), variable.folder
    elif isinstance(configured, str) and configured.strip():
        text, source = configured, f"providers.{endpoint.name}.base_url in settings.jsonc"
    if not text:
        example = "https://RESOURCE.openai.azure.com/openai/v1" if endpoint.name == "azure" else "its address"
        hint = f"Set {url_variable(endpoint)} to {example}."
        return Address(problem=f"{endpoint.name} has no base URL.", hint=hint)
    try:
        return Address(normal_url(text, endpoint), folder)
    except BadAddressError as exc:
        return Address(problem=f"The base URL of {endpoint.name} cannot be used: {exc}.", hint=f"Check {source}.")


# The key.


@dataclass(frozen=True, slots=True)
class Key:
    value: KeySource | None = None
    source: str = ""
    problem: str = ""


def find_key(endpoint: Endpoint, lookup: Lookup, settings: Mapping[str, object], stored: Stored | None = None) -> Key:
    """The first key that is set: our own variable, the customary ones, the reference in settings."""
    variable = first_set(lookup, (key_variable(endpoint), *endpoint.key_variables))
    if variable is not None:
        return checked_key(variable)
    reference = settings.get("key")
    if reference is None or reference == "":
        return Key()
    where = f"providers.{endpoint.name}.key in settings.jsonc"
    if endpoint.profile:
        where = f"llm_profiles.{endpoint.profile}.api_key_ref in settings.jsonc"
    name, elsewhere = referred(reference), reference_of(reference) or "env:"
    if name is None and elsewhere.startswith("env:"):
        # What stands there may be the key itself, so it is not repeated.
        return Key(problem=f"{where} must be a reference such as env:{key_variable(endpoint)}, never the key itself.")
    if name is None:
        return stored_key(elsewhere, where, stored)
    variable = first_set(lookup, (name,))
    return Key(problem=f"{where} names {name}, which is not set.") if variable is None else checked_key(variable)


def stored_key(reference: str, where: str, stored: Stored | None) -> Key:
    source = in_words(reference)
    if stored is None:
        return Key(problem=f"{where} is {source}, which cannot be used here.")
    problem = stored.describe(reference).problem
    return Key(problem=f"{where} is {source}. {problem}") if problem else Key(stored.source(reference), source)


def is_own_key(
    endpoint: Endpoint, reference: str, lookup: Lookup, settings: Mapping[str, object] = NO_SETTINGS
) -> bool:
    """Whether a reference (`env:NAME`, `keyring:NAME`) is where the provider's key comes from anyway; as `connect`."""
    names = [key_variable(endpoint), *endpoint.key_variables]
    kind, _, name = reference.partition(":")
    if kind != "env":
        return reference_of(settings.get("key")) == reference and first_set(lookup, tuple(names)) is None
    if own := referred(settings.get("key")):
        names.append(own)
    first = first_set(lookup, tuple(names))
    return name in names and (first is None or first.name == name or lookup(name) is None)


def withheld_sentence(endpoint: Endpoint, source: str) -> str:
    return (
        f"The address of {endpoint.name} comes from .env in this folder, so a key from elsewhere ({source}) "
        f"is not sent to it; set {key_variable(endpoint)} in that same file."
    )


def is_withheld(problem: str) -> bool:
    """Whether the problem of a key is that a strange address must not get it."""
    return problem.startswith("The address of ") and "is not sent to it" in problem


def checked_key(variable: Variable) -> Key:
    value, source = clean(variable.value), named(variable)
    if not is_key_text(value):
        return Key(problem=f"The key in {source} has characters that no key has (a space, a letter such as é or “).")
    return Key(KnownKey(value, f"env:{variable.name}"), source)


# Headers.

# Names of headers that carry a secret, and beginnings of values that are one.
SECRET_HEADER = re.compile(
    r"(?:^|[-_])(?:authorization|auth|api-?key|apikey|key|token|secret|password|cookie)$", re.IGNORECASE
)
SECRET_VALUE = re.compile(r"(?:bearer|basic)\s|(?:sk|pk|gsk|xai|ghp|hf)[-_][\w-]{8}|AIza", re.IGNORECASE)


def find_headers(endpoint: Endpoint, lookup: Lookup, settings: Mapping[str, object]) -> tuple[dict[str, str], str]:
    """(headers of settings.jsonc, what is wrong with them)."""
    configured = settings.get("headers")
    if not isinstance(configured, dict):
        return {}, ""
    out: dict[str, str] = {}
    for name, text in configured.items():
        where = f"providers.{endpoint.like or endpoint.name}.headers in settings.jsonc: {name!r}"
        if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
            return {}, f"{where} is no header."
        value = text.strip()
        variable_name = referred(value)
        if variable_name is not None:
            variable = first_set(lookup, (variable_name,))
            if variable is None:
                return {}, f"{where} names {variable_name}, which is not set."
            value = clean(variable.value)
        elif value and (SECRET_HEADER.search(name) or SECRET_VALUE.match(value)):
            # Not repeated either.
            return {}, f"{where} must be a reference such as env:NAME to a variable, never the secret itself."
        if not value.isascii() or not value.isprintable():
            return {}, f"{where} has characters that no header may have."
        out[name] = value
    return out, ""


ACCOUNT_HEADERS: Mapping[str, str] = {"organization": "OpenAI-Organization", "project": "OpenAI-Project"}
"""What of an account is sent as a header: https://platform.openai.com/docs/api-reference/authentication."""


def account_headers(endpoint: Endpoint, settings: Mapping[str, object]) -> tuple[dict[str, str], str]:
    """(headers that say which account of a provider is meant, what is wrong with them)."""
    out: dict[str, str] = {}
    for name, header in ACCOUNT_HEADERS.items() if endpoint.wire == "openai" else ():
        value = settings.get(name)
        text = value.strip() if isinstance(value, str) else ""
        if text and not (text.isascii() and text.isprintable() and " " not in text):
            where = f"providers.{endpoint.like or endpoint.name}.{name} in settings.jsonc"
            return {}, f"{where} has characters that no such name has."
        if text:
            out[header] = text
    return out, ""


# Variables.


def referred(reference: object) -> str | None:
    """NAME of `env:NAME`, None for anything else."""
    match = re.fullmatch(r"env:([A-Za-z_][A-Za-z0-9_]*)", reference.strip()) if isinstance(reference, str) else None
    return match[1] if match else None


def first_set(lookup: Lookup, names: tuple[str, ...]) -> Variable | None:
    for name in names:
        variable = lookup(name)
        if variable is not None and clean(variable.value):
            return variable
    return None


def of_folder(lookup: Lookup) -> Lookup:
    def folder_only(name: str) -> Variable | None:
        variable = lookup(name)
        return variable if variable is not None and variable.folder else None

    return folder_only


def named(variable: Variable) -> str:
    """How a variable is spoken of: its name, and where it stands unless that is the environment."""
    return variable.name if variable.source == "environment" else f"{variable.name} ({variable.source})"
