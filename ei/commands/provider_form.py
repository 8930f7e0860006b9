"""The form of a provider: what can be set of it, checked and written to settings.jsonc with its comments kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ei import jsonc
from ei.commands.base import Choice, Field, Form, Invocation, Item, Line, Reply
from ei.commands.parse import Options
from ei.commands.profile_changes import file_of, write
from ei.commands.provider_keys import keep_key, kept_in, placed, places, reference_of, still_wins, where
from ei.commands.provider_rows import key_of, state_of
from ei.errors import ConfigError, NeedsAnswerError, UsageError
from ei.providers.addresses import BadAddressError, normal_url
from ei.providers.base import Endpoint
from ei.providers.credentials import account_headers, find_headers, first_set, named, url_variable
from ei.providers.keys import clean_key, is_key_text

if TYPE_CHECKING:
    from ei.engine.provider_facts import ProviderFacts
    from ei.engine.session import Session
    from ei.providers.credentials import Lookup

Together = Callable[[Mapping[str, str]], tuple[str, str]]

YES, NO = "yes", "no"
HINT_HEADERS = "Name: value; Name: value. What is secret is written env:NAME, after a variable."


async def open_form(call: Invocation, endpoint: Endpoint, found: ProviderFacts) -> Reply:
    """Asks what is to change of a provider, and changes it. Raises ConfigError."""
    session, settings = call.session, found.settings
    fields = await _fields(session, endpoint, found)
    title = f"{endpoint.name} · {endpoint.label}" if endpoint.label != endpoint.name else endpoint.name
    about = [f"{state_of(found)} · {found.goes_to}" if found.goes_to else state_of(found)]
    about += [f"They say: {found.retention}"] if found.retention else []
    typed = await call.ui.form(Form(title, fields, tuple(about), placed))
    if typed is None:
        return Reply.line("Nothing was changed.", "dim", None)
    changes = _changes(typed, settings)
    key = clean_key(typed.get("key", ""))
    if not changes and not key:
        return Reply.line("Nothing was changed.", "dim", {"provider": endpoint.name, "changed": []})
    if changes:
        await write(session, lambda text: _edited(text, endpoint.name, changes, file_of(session)))
    lines: list[Item] = []
    if changes:
        lines.append(Line(f"{endpoint.name}: {_told(changes)}.", "good"))
    if key:
        reference = await keep_key(session, endpoint.name, typed["place"], key)
        lines.append(Line(f"The key of {endpoint.name} is in {where(session, reference)}.", "good"))
        lines += still_wins(session, endpoint)
    lines += _address_wins(session, endpoint) if "base_url" in changes else []
    lines.append(Line(f"To test it: {call.typed(f'provider test {endpoint.name}')}", "dim"))
    return Reply(tuple(lines), {"provider": endpoint.name, "changed": [*changes, *(["key"] if key else [])]})


async def add(call: Invocation, given: Options, taken: frozenset[str]) -> Reply:
    """Makes a provider of the person's own: from `--url`, or asked. taken: words that no provider may be called.

    Raises UsageError, ConfigError.
    """
    session = call.session
    usage = f"For example: {call.typed('provider add work --url https://llm.example.org/v1')}"
    if len(given.rest) > 1:
        raise UsageError("One provider at a time.", usage)
    name = given.rest[0].lower() if given.rest else ""
    values = {"name": name, "base_url": given.values.get("--url", ""), "wire": given.values.get("--wire", "openai")}

    def problem(values: Mapping[str, str]) -> tuple[str, str]:
        return _new_problem(session, values, taken)

    if name:
        _, why = problem({**values, "base_url": values["base_url"] or "http://127.0.0.1/v1"})
        if why:
            raise UsageError(why, usage)
    if not values["base_url"]:
        if not call.ui.interactive:
            raise NeedsAnswerError("Nobody can be asked here at which address it answers.", usage)
        typed = await call.ui.form(_new_form(values, await places(session), problem))
        if typed is None:
            return Reply.line("No provider was added.", "dim", None)
        values = dict(typed)
    _, why = problem(values)
    if why:
        raise UsageError(why, usage)
    name = values["name"]
    row = {"base_url": values["base_url"], "wire": values["wire"]}
    row |= {"label": values["label"]} if values.get("label") else {}
    await write(session, lambda text: jsonc.set_value(text, ("providers", name), row, file_of(session)))
    lines: list[Item] = [Line(f"{name} is there: {row['base_url']}", "good")]
    if secret := clean_key(values.get("key", "")):
        reference = await keep_key(session, name, values["place"], secret)
        lines.append(Line(f"Its key is in {where(session, reference)}.", "good"))
    elif not values.get("place"):
        lines.append(Line(f"If it needs a key: {call.typed(f'provider key {name}')}", "dim"))
    test, use = call.typed(f"provider test {name}"), call.typed(f"model {name}:MODEL")
    lines.append(Line(f"To test it: {test}. To use it: {use}", "dim"))
    return Reply(tuple(lines), {"provider": name, **row})


async def set_enabled(call: Invocation, endpoint: Endpoint, enabled: bool) -> Reply:
    """Switches a provider off, or on again. Raises ConfigError."""
    session = call.session
    changes: dict[str, object] = {"enabled": None if enabled else False}
    await write(session, lambda text: _edited(text, endpoint.name, changes, file_of(session)))
    data = {"provider": endpoint.name, "enabled": enabled}
    return Reply.line(f"{endpoint.name} is switched {'on' if enabled else 'off'}.", "good", data)


# The lines of the form.


async def _fields(session: Session, endpoint: Endpoint, found: ProviderFacts) -> tuple[Field, ...]:
    settings = found.settings
    now = reference_of(session, endpoint.name).partition(":")[0]
    choices = await places(session)
    lookup = session.services.config.current().variable
    hosted = not endpoint.local
    fields = [
        Field(
            "key",
            "API key",
            "secret",
            example=f"{key_of(found)}; empty leaves it so",
            hint=f"Now: {key_of(found)}. A key of the environment stays there and wins.",
            problem=_key_problem,
        ),
        kept_in(choices, now),
        Field(
            "base_url",
            "base URL",
            value=_text(settings, "base_url"),
            example=found.base_url or "https://RESOURCE.openai.azure.com",
            hint=f"{url_variable(endpoint)} wins where it is set.",
            problem=lambda text: _url_problem(text, endpoint),
        ),
    ]
    if endpoint.wire == "openai" and hosted:
        fields += [
            Field(
                name,
                label,
                value=_text(settings, name),
                hint=hint,
                problem=lambda text, name=name: account_headers(endpoint, {name: text})[1],  # type: ignore[misc]
            )
            for name, label, hint in (
                ("organization", "organisation", "Its id, where the account has several."),
                ("project", "project", "Its id, where the organisation has several."),
            )
        ]
    headers = settings.get("headers")
    preferred = settings.get("preferred_models")
    fields += [
        Field(
            "headers",
            "headers",
            value=_headers_text(headers if isinstance(headers, Mapping) else {}),
            hint=HINT_HEADERS,
            problem=lambda text: _headers_problem(text, endpoint, lookup),
        ),
        Field(
            "default_model",
            "default model",
            value=_text(settings, "default_model"),
            example=endpoint.example and f"for example {endpoint.example}",
            hint=f"What /model {endpoint.name} means, and what its tiers choose first.",
            problem=lambda text: _model_problem(text, endpoint.name),
        ),
        Field(
            "preferred_models",
            "preferred",
            value=", ".join(map(str, preferred)) if isinstance(preferred, list) else "",
            hint="Its models that come before its others, with commas between them.",
        ),
        Field(
            "enabled",
            "enabled",
            "choice",
            NO if settings.get("enabled") is False else YES,
            (Choice(YES, YES), Choice(NO, NO, "it is never asked")),
        ),
    ]
    return tuple(fields)


def _new_form(values: Mapping[str, str], choices: tuple[Choice, ...], problem: Together) -> Form:
    fields = (
        Field("name", "name", value=values["name"], hint="A short word: it stands before the colon, as in work:MODEL."),
        Field("base_url", "base URL", example="https://llm.example.org/v1", hint="With /v1 where it has one."),
        Field(
            "wire",
            "speaks",
            "choice",
            values["wire"],
            (Choice("openai", "OpenAI's API", "most servers do"), Choice("anthropic", "Anthropic's API")),
        ),
        Field("key", "API key", "secret", hint="Empty where it needs none.", problem=_key_problem),
        kept_in(choices),
        Field("label", "label", hint="What it is called in lists; its name unless told."),
    )
    return Form("A provider of your own", fields, problem=problem)


def _new_problem(session: Session, values: Mapping[str, str], taken: frozenset[str]) -> tuple[str, str]:
    """(the line to mend, what is wrong), two empty texts where nothing is."""
    name = values["name"]
    if not name:
        return "name", "It needs a name."
    if name in taken:
        return "name", f"A provider cannot be called {name}: /provider {name} means something else."
    if session.services.chooser.names().canonical(name) is not None:
        return "name", f"There is a provider {name} already."
    if not values["base_url"]:
        return "base_url", "It needs an address."
    if values["wire"] not in ("openai", "anthropic"):
        return "wire", "It speaks openai or anthropic."
    row = {"base_url": values["base_url"], "wire": values["wire"]}
    try:
        settings = dict(session.services.config.current().settings)
        section = settings.get("providers")
        settings["providers"] = {**(section if isinstance(section, dict) else {}), name: row}
        session.services.chooser.provided_by(settings)
    except ConfigError as exc:
        why = exc.sentence.partition(": ")[2] or exc.sentence
        return ("base_url", f"This address cannot be used: {why}") if "base_url" in exc.sentence else ("name", why)
    return placed(values)


def _text(settings: Mapping[str, object], name: str) -> str:
    value = settings.get(name)
    return value if isinstance(value, str) else ""


def _key_problem(text: str) -> str:
    key = clean_key(text)
    return "" if not key or is_key_text(key) else "No key has a space or a letter such as é in it."


def _url_problem(text: str, endpoint: Endpoint) -> str:
    if not text:
        return ""
    try:
        normal_url(text, endpoint)
    except BadAddressError as exc:
        return f"This address cannot be used: {exc}."
    return ""


def _model_problem(text: str, provider: str) -> str:
    if " " in text:
        return "A model's name has no space."
    return f"Without {provider}: before it." if text.startswith(f"{provider}:") else ""


def _headers_problem(text: str, endpoint: Endpoint, lookup: Lookup) -> str:
    headers = _headers(text)
    if headers is None:
        return "Write headers as Name: value; Name: value."
    return find_headers(endpoint, lookup, {"headers": headers})[1].partition("settings.jsonc: ")[2]


def _headers(text: str) -> dict[str, str] | None:
    """Headers as typed; None where that cannot be read."""
    out: dict[str, str] = {}
    for part in text.split(";"):
        name, colon, value = part.partition(":")
        if colon and name.strip() and value.strip():
            out[name.strip()] = value.strip()
        elif part.strip():
            return None
    return out


def _headers_text(headers: Mapping[object, object]) -> str:
    return "; ".join(f"{name}: {value}" for name, value in headers.items())


# Writing.


def _changes(typed: Mapping[str, str], settings: Mapping[str, object]) -> dict[str, object]:
    """What is other than it was, by the keys of a provider's settings; None takes a key away."""
    wanted: dict[str, object] = {}
    for name in ("base_url", "organization", "project", "default_model"):
        if name in typed:
            wanted[name] = typed[name] or None
    wanted["headers"] = _headers(typed["headers"]) or None
    wanted["preferred_models"] = [each.strip() for each in typed["preferred_models"].split(",") if each.strip()] or None
    wanted["enabled"] = False if typed["enabled"] == NO else None
    before = {name: settings.get(name) or None for name in wanted}
    before["enabled"] = False if settings.get("enabled") is False else None
    return {name: value for name, value in wanted.items() if value != before[name]}


def _edited(text: str, name: str, changes: Mapping[str, object], file: str) -> str:
    for key, value in changes.items():
        path = ("providers", name, key)
        text = jsonc.remove_value(text, path, file) if value is None else jsonc.set_value(text, path, value, file)
    return text


def _told(changes: Mapping[str, object]) -> str:
    parts = []
    for name, value in changes.items():
        label = name.replace("_", " ").replace("organization", "organisation")
        if name == "enabled":
            parts.append("switched on" if value is None else "switched off")
        elif value is None:
            parts.append(f"no {label} any more")
        elif name == "headers":
            assert isinstance(value, dict)
            parts.append(f"headers {', '.join(value)}")
        else:
            parts.append(f"{label} {', '.join(value) if isinstance(value, list) else value}")
    return ", ".join(parts)


def _address_wins(session: Session, endpoint: Endpoint) -> list[Item]:
    lookup = session.services.config.current().variable
    variable = first_set(lookup, (url_variable(endpoint), *endpoint.url_variables))
    return [Line(f"{named(variable)} still wins with another address.", "warn")] if variable is not None else []
