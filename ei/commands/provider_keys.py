"""/provider key: gives a provider its key, moves it elsewhere, takes it away; it is never an argument."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ei import jsonc
from ei.commands.base import Choice, Field, Invocation, Item, Line, Reply
from ei.commands.parse import options
from ei.commands.profile_changes import file_of, write
from ei.commands.which import provider_named
from ei.errors import ConfigError, EiError, UsageError

if TYPE_CHECKING:
    from ei.engine.session import Session
    from ei.providers.base import Endpoint

PLACES = ("keyring", "file", "plain")
LABELS = {"keyring": "keyring", "file": "encrypted file", "plain": "plain file"}
OF_PLACES = {"encrypted": "file", "plaintext": "plain"}


async def run_key(call: Invocation, words: Sequence[str]) -> Reply:
    """Asks for the key of a provider and keeps it; `--move PLACE`, `--remove`.

    Raises UsageError, which never repeats a word that may be a key, ConfigError where it cannot be kept.
    """
    usage = f"For example: {call.typed('provider key openai')}; it is asked for, and not shown."
    refuse_secrets(call, words)
    given = options(words, ("--remove",), ("--move", "--to"), usage)
    if len(given.rest) != 1 or len(given.values) + given.has("--remove") > 1:
        # What stands there may be a key.
        raise UsageError("It takes the name of one provider, and one of --to, --move and --remove.", usage)
    endpoint = with_key(call, given.rest[0])
    if given.has("--remove"):
        return await _remove(call, endpoint)
    if "--move" in given.values:
        return await _move(call, endpoint, place_named(given.values["--move"]))
    kind = place_named(given.values["--to"]) if "--to" in given.values else await first_place(call.session)
    key = await call.ui.secret(f"API key of {endpoint.name} (goes to {LABELS[kind]}):")
    reference = await keep_key(call.session, endpoint.name, kind, key)
    head = Line(f"The key of {endpoint.name} is in {where(call.session, reference)}.", "good")
    test = Line(f"To test it: {call.typed(f'provider test {endpoint.name}')}", "dim")
    data = {"provider": endpoint.name, "reference": reference}
    return Reply((head, *still_wins(call.session, endpoint), test), data)


def refuse_secrets(call: Invocation, words: Sequence[str]) -> None:
    """Raises UsageError where a word looks like a key; it is learned, so that no log repeats it either."""
    from ei.settings.keys import looks_secret

    for word in words:
        value = word.partition("=")[2] if word.startswith("--") and "=" in word else word
        if "://" not in value and looks_secret(value):
            call.session.services.keys.redactor.learn(value)
            where = "in the history of your shell" if call.shell else "on the screen"
            raise UsageError(
                f"A key is no argument: it would stay {where}.",
                f"Without it: {call.typed('provider key NAME')} asks for it, and does not show it.",
            )


def with_key(call: Invocation, written: str) -> Endpoint:
    """The provider of that name, which can have a key of its own. Raises UsageError."""
    endpoint = changeable(call, written)
    if endpoint.profile:
        raise UsageError(
            f"{endpoint.name} is what the profile {endpoint.profile} reaches.",
            f"Its key is told there: {call.typed(f'profile edit {endpoint.profile}')}",
        )
    return endpoint


def changeable(call: Invocation, written: str) -> Endpoint:
    """The provider of that name, unless it is the built-in companion. Raises UsageError."""
    endpoint = call.session.services.chooser.endpoints()[provider_named(call, written)]
    if endpoint.wire == "builtin":
        raise UsageError("The built-in companion is part of ei: it has no key and no address.")
    return endpoint


def place_named(written: str) -> str:
    """keyring, file or plain. Raises UsageError, which does not repeat what was written."""
    kind = OF_PLACES.get(written.lower(), written.lower())
    if kind not in PLACES:
        known = "keyring (the system's), file (encrypted) or plain (readable by every program of yours)"
        raise UsageError("A key cannot be kept there.", f"Choose {known}.")
    return kind


async def first_place(session: Session) -> str:
    """The best place in which a key can be kept here; never the plain file. Raises ConfigError where there is none."""
    states = await asyncio.to_thread(session.services.keys.kinds)
    for state in states:
        if state.writable and state.kind != "plain":
            return state.kind
    why = " ".join(state.problem for state in states if state.problem and state.kind in PLACES)
    raise ConfigError(f"No safe place for keys is here. {why}".strip(), "Not encrypted: --to plain")


async def places(session: Session) -> tuple[Choice, ...]:
    """Where a key can be kept, for a form; a place that cannot be used says why."""
    states = await asyncio.to_thread(session.services.keys.kinds)
    return tuple(
        Choice(state.kind, LABELS[state.kind], state.label, dimmed=state.problem)
        for state in states
        if state.kind in PLACES
    )


NOWHERE = Choice("", "nowhere yet", "no keyring and no encrypted file can be used here")


def kept_in(choices: Sequence[Choice], now: str = "") -> Field:
    """The line of a form that asks where a key goes. now: where one is kept already, "" for nowhere.

    The plain file stands there only where a key is in it already: otherwise it is chosen by name.
    """
    usable = [choice.key for choice in choices if not choice.dimmed]
    safe = [now] if now in usable else [key for key in usable if key != "plain"]
    offered = tuple(choices) if safe else (NOWHERE, *choices)
    hint = "Where a key that is typed here goes."
    return Field("place", "kept in", "choice", safe[0] if safe else NOWHERE.key, offered, hint=hint)


def placed(values: Mapping[str, str]) -> tuple[str, str]:
    """Of a form with such a line: what is wrong with a key that is to go nowhere, two empty texts where nothing is."""
    if values.get("key") and not values.get("place"):
        return "place", "Choose where the key goes; the plain file is not encrypted."
    return "", ""


async def keep_key(session: Session, name: str, kind: str, key: str) -> str:
    """Keeps a key and has the settings of its provider refer to it; gives the reference. Raises UsageError,
    ConfigError.

    One that was kept elsewhere before is taken away from there; where that fails the new one is in use all the same.
    """
    keys = session.services.keys
    before = reference_of(session, name)
    reference = await asyncio.to_thread(keys.put, kind, name, key)
    await refer(session, name, reference)
    if before and before != reference and before.partition(":")[0] in PLACES:
        try:
            await asyncio.to_thread(keys.remove, before)
        except EiError as exc:
            if not await asyncio.to_thread(lambda: keys.describe(before).problem):
                raise ConfigError(
                    f"The key of {name} is in {where(session, reference)} now, "
                    f"but the one in {where(session, before)} could not be deleted: {exc.sentence}",
                    exc.hint,
                ) from None
    return reference


async def refer(session: Session, name: str, reference: str | None) -> None:
    """Writes where the key of a provider is, or that it has none. Raises ConfigError."""
    path = ("providers", name, "key")

    def edit(text: str) -> str:
        if reference is None:
            return jsonc.remove_value(text, path, file_of(session))
        return jsonc.set_value(text, path, reference, file_of(session))

    await write(session, edit)


def reference_of(session: Session, name: str) -> str:
    """Where settings say that the key of a provider is, "" where they say nothing that can be read."""
    from ei.engine.provider_facts import provider_settings
    from ei.settings.keys import reference_of as in_its_form

    return in_its_form(provider_settings(session.services, name).get("key")) or ""


def where(session: Session, reference: str) -> str:
    """Where a key is, in words."""
    return session.services.keys.describe(reference).where


def still_wins(session: Session, endpoint: Endpoint) -> list[Item]:
    """A line where a variable has a key, too: it is asked first."""
    from ei.providers.credentials import first_set, key_variable, named

    variable = first_set(session.services.config.current().variable, (key_variable(endpoint), *endpoint.key_variables))
    if variable is None:
        return []
    return [Line(f"{named(variable)} still wins: take it away to use this one.", "warn")]


async def _move(call: Invocation, endpoint: Endpoint, kind: str) -> Reply:
    from ei.providers.credentials import first_set, key_variable

    session = call.session
    before = reference_of(session, endpoint.name)
    variable = first_set(session.services.config.current().variable, (key_variable(endpoint), *endpoint.key_variables))
    if not before and variable is None:
        raise UsageError(
            f"{endpoint.name} has no key to move.", f"To give it one: {call.typed(f'provider key {endpoint.name}')}"
        )
    source = before or f"env:{variable.name if variable else ''}"
    if source.partition(":")[0] == kind:
        raise UsageError(f"The key of {endpoint.name} is there already.")
    # It is taken away from where it was only once the settings know where it is now.
    key = await asyncio.to_thread(session.services.keys.reveal, source)
    reference = await keep_key(session, endpoint.name, kind, key)
    head = Line(f"The key of {endpoint.name} is in {where(session, reference)} now.", "good")
    return Reply((head, *still_wins(session, endpoint)), {"provider": endpoint.name, "reference": reference})


async def _remove(call: Invocation, endpoint: Endpoint) -> Reply:
    session = call.session
    before = reference_of(session, endpoint.name)
    if not before:
        raise UsageError(
            f"settings.jsonc names no key of {endpoint.name}.", "A variable is taken away where it was set."
        )
    stored = before.partition(":")[0] in PLACES
    what = f"Delete the key of {endpoint.name} in {where(session, before)}?" if stored else ""
    if stored and not await call.ui.confirm(what):
        return Reply.line("The key stays.", "dim", None)
    await refer(session, endpoint.name, None)
    lines = [Line(f"{endpoint.name} has no key in the settings any more.", "good"), *still_wins(session, endpoint)]
    if stored:
        await asyncio.to_thread(session.services.keys.remove, before)
    return Reply(tuple(lines), {"provider": endpoint.name, "reference": None})
