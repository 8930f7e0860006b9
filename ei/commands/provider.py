"""/provider: where models run: how each provider stands, its key and address, and whether it works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ei import jsonc
from ei.commands.base import Command, Invocation, Item, Line, Reply
from ei.commands.parse import options
from ei.errors import EiError, UsageError

if TYPE_CHECKING:
    from ei.engine.session import Session
    from ei.providers.base import Endpoint

_WORDS: Mapping[str, str] = {
    "add": "one of your own",
    "remove": "its settings and its key",
    "test": "is it there, is its key good, does it answer",
    "key": "give it a key, which is not shown",
    "enable": "it may be asked again",
    "disable": "it is not asked",
    "show": "all that is known of one",
}
SHOWN = 8
"""So many places that refer to a provider are named before it goes."""


async def run_provider(call: Invocation) -> Reply:
    # What the engine stands on is too much for a list of commands: the rest of these modules is loaded when used.
    from ei.commands.provider_keys import refuse_secrets, run_key

    refuse_secrets(call, call.words)
    first, rest = (call.words[0].lower(), call.words[1:]) if call.words else ("", ())
    match first:
        case "":
            return await _list(call)
        case "add":
            return await _add(call, rest)
        case "remove":
            return await _remove(call, rest)
        case "test":
            from ei.commands.provider_tests import run_test

            return await run_test(call, rest)
        case "key":
            return await run_key(call, rest)
        case "enable" | "disable":
            return await _enable(call, rest, first == "enable")
        case "show":
            return await _show(call, _one_name(call, rest, "show"))
        case _:
            return await _change(call, _one_name(call, call.words, ""))


def complete_provider(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    """Subcommands and providers, then what each takes."""
    before = words[:-1]
    endpoints = session.services.chooser.endpoints()
    names = [(name, endpoint.label) for name, endpoint in endpoints.items()]
    if not before:
        return [*_WORDS.items(), *names]
    match before[0], len(before):
        case "test", 1:
            return [*names, ("--all", "all that can be asked")]
        case (("remove" | "key" | "enable" | "disable" | "show"), 1):
            return [name for name in names if endpoints[name[0]].wire != "builtin"]
        case "key", 2:
            return [
                ("--to", "where it is kept"),
                ("--move", "keep it elsewhere"),
                ("--remove", "take it away"),
            ]
        case "key", 3 if before[2] in ("--to", "--move"):
            return [("keyring", "the system's"), ("file", "encrypted"), ("plain", "not encrypted")]
        case "add", _:
            return [("--url", "where it answers"), ("--wire", "openai or anthropic")]
        case _:
            return []


PROVIDER = Command(
    name="provider",
    summary="Where models run: keys, addresses, privacy, and whether each works",
    usage=(
        "provider  all of them: state, key, models, who gets what you send, what it cost",
        "provider NAME  change its key, address, account, headers and models",
        "provider show NAME  all that is known of one",
        "provider add [NAME --url URL --wire openai|anthropic]  a server of your own",
        "provider remove NAME  its settings and its key; says what refers to it first",
        "provider test [NAME|--all]  is it there, is its key good, which models, one word",
        "provider key NAME [--to keyring|file|plain]  ask for its key, hidden, and keep it",
        "provider key NAME --move keyring|file|plain  keep its key elsewhere",
        "provider key NAME --remove  take its key away",
        "provider disable NAME  it is not asked any more; provider enable NAME ends that",
    ),
    examples=("provider openai", "provider test --all", "provider key openai --to keyring"),
    run=run_provider,
    group="models",
    aliases=("providers",),
    complete=complete_provider,
    shell=True,
)


async def _list(call: Invocation) -> Reply:
    from ei.commands.provider_rows import all_rows
    from ei.engine.provider_facts import facts

    return all_rows(call, await facts(call.session.services))


async def _show(call: Invocation, written: str) -> Reply:
    from ei.commands.provider_rows import one_row
    from ei.commands.which import provider_named
    from ei.engine.provider_facts import facts

    (found,) = await facts(call.session.services, (provider_named(call, written),))
    return one_row(call, found)


async def _change(call: Invocation, written: str) -> Reply:
    """The form; where nobody can be asked, and for what cannot be changed, what is known."""
    from ei.commands.provider_form import open_form
    from ei.commands.which import provider_named
    from ei.engine.provider_facts import facts

    name = provider_named(call, written)
    endpoint = call.session.services.chooser.endpoints()[name]
    if not call.ui.interactive or endpoint.wire == "builtin" or endpoint.profile:
        shown = await _show(call, name)
        if not endpoint.profile:
            return shown
        hint = Line(f"It is changed with its profile: {call.typed(f'profile edit {endpoint.profile}')}", "dim")
        return Reply((*shown.items, hint), shown.data)
    (found,) = await facts(call.session.services, (name,))
    return await open_form(call, endpoint, found)


async def _add(call: Invocation, words: Sequence[str]) -> Reply:
    from ei.commands.provider_form import add

    usage = f"For example: {call.typed('provider add work --url https://llm.example.org/v1')}"
    return await add(call, options(words, (), ("--url", "--wire"), usage), frozenset(_WORDS))


async def _enable(call: Invocation, words: Sequence[str], enabled: bool) -> Reply:
    from ei.commands.provider_form import set_enabled
    from ei.commands.provider_keys import with_key

    return await set_enabled(call, with_key(call, _one_name(call, words, "enable" if enabled else "disable")), enabled)


async def _remove(call: Invocation, words: Sequence[str]) -> Reply:
    """Takes the settings and the stored key of a provider away, after saying who refers to it."""
    import asyncio

    from ei.commands.profile_changes import file_of, write
    from ei.commands.provider_keys import PLACES, reference_of, where, with_key
    from ei.engine.provider_facts import provider_settings

    session = call.session
    endpoint = with_key(call, _one_name(call, words, "remove"))
    name = endpoint.name
    key = reference_of(session, name)
    stored = key.partition(":")[0] in PLACES
    if not provider_settings(session.services, name):
        raise UsageError(
            f"Nothing is set of {name}: what it has comes with ei and from variables.",
            f"So that it is not asked: {call.typed(f'provider disable {name}')}",
        )
    shipped = session.services.chooser.is_shipped(name)
    what = f"the settings of {name}" if shipped else name
    question = f"Remove {what}" + (f" and its key in {where(session, key)}?" if stored else "?")
    users = await asyncio.to_thread(_users, session, endpoint)
    if not await call.ui.confirm(question, _told(users, shipped)):
        return Reply.line(f"{name} stays.", "dim", None)
    await write(session, lambda text: jsonc.remove_value(text, ("providers", name), file_of(session)))
    lines: list[Item] = [Line(f"{name} is removed." if not shipped else f"{name} is as it comes with ei.", "good")]
    if stored:
        try:
            await asyncio.to_thread(session.services.keys.remove, key)
        except EiError as exc:
            lines.append(Line(f"Its key could not be deleted: {exc}", "warn"))
    return Reply(tuple(lines), {"provider": name, "removed": True, "used_by": users})


def _users(session: Session, endpoint: Endpoint) -> list[str]:
    """Where a model of the provider, or a tier of it, is written now."""
    from ei.engine.referring import referrers
    from ei.models.reference import ModelId, TierReference, parse

    names = session.services.chooser.names()
    out: dict[str, None] = {}
    for place in referrers(session.services):
        try:
            means = parse(place.means, names)
        except EiError:
            continue
        of_model = isinstance(means, ModelId) and means.provider == endpoint.name
        of_tier = isinstance(means, TierReference) and endpoint.name in (*means.prefer, *means.only)
        if of_model or of_tier:
            out[place.where] = None
    return list(out)


def _told(users: Sequence[str], shipped: bool) -> list[str]:
    if not users:
        return ["Nothing refers to it."]
    more = f" and {len(users) - SHOWN} more" if len(users) > SHOWN else ""
    after = "" if shipped else " They will not be understood after it."
    return [f"It is used by {', '.join(users[:SHOWN])}{more}.{after}"]


def _one_name(call: Invocation, words: Sequence[str], what: str) -> str:
    """The only word. Raises UsageError, which repeats nothing: it may be a key."""
    if len(words) != 1:
        raise UsageError("Which provider? One at a time.", f"See {call.typed('help provider')}.")
    given = options(words, (), (), f"See {call.typed('help provider')}.")
    return given.rest[0]
