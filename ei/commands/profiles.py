"""/profile: see, choose, make and import named bundles of a model, its parameters and its key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ei.commands.base import Command, Invocation, Item, Line, Reply, Table
from ei.commands.model_rows import where_of
from ei.commands.models import set_model
from ei.commands.parse import options
from ei.commands.providers import why_not
from ei.errors import EiError, UsageError
from ei.models.expand import find_profile
from ei.models.interactions import REASONING
from ei.models.profiles import Profile, default_profile
from ei.models.reference import written_form

if TYPE_CHECKING:
    from ei.engine.session import Session

VERBS: Mapping[str, str] = {
    "show": "all that one says",
    "set": "use it for this persona",
    "new": "make one, asked step by step",
    "edit": "open it in your editor",
    "default": "the one for personas without a model",
    "import": "take profiles from a YAML file",
}


async def run_profile(call: Invocation) -> Reply:
    from ei.commands import profile_changes as changes

    match call.words:
        case ():
            return await _list(call)
        case ("show", *rest):
            return await _show(call, rest)
        case ("new", *rest):
            return await changes.new(call, rest)
        case ("edit", *rest):
            return await changes.edit(call, rest)
        case ("default", *rest):
            return await changes.default(call, rest)
        case ("import", *rest):
            from ei.commands.profile_importing import import_file

            return await import_file(call, rest)
        case ("set", *rest):
            return await _set(call, rest)
        case _:
            return await _set(call, call.words)


def complete_profile(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    """Verbs and ids; after a verb, the ids it goes with."""
    known = [(p.id, written_form(p.model)) for p in session.services.chooser.profiles().values()]
    before, last = words[:-1], words[-1] if words else ""
    if not before:
        return [*VERBS.items(), *known]
    if last.startswith("-"):
        flags = {"import": ("--allow-keys",), "default": ("--clear",), "new": NEW_OPTIONS}.get(before[0])
        return [(flag, "") for flag in flags or ("--here", "--once") if flag not in before]
    if before[0] in ("show", "set", "edit", "default") and len(before) == 1:
        return known
    return []


NEW_OPTIONS = ("--model", "--provider-type", "--base-url", "--key", "--temperature")

PROFILE = Command(
    name="profile",
    summary="Named bundles of a model, its parameters, its key and its fallbacks",
    usage=(
        "profile  all of them: what each means today, its key, where it goes",
        "profile ID  use it for this persona; profile set ID does the same",
        "profile ID --here  for this conversation only",
        "profile ID --once  for the next reply only",
        "profile show ID  all that it says, and who uses it",
        "profile new [ID]  make one, asked step by step",
        "profile new ID --model M [--provider-type T --base-url U --key NAME --temperature N]  without questions",
        "profile edit [ID]  open the settings in your editor, there",
        "profile default ID  the one for personas without a model; profile default --clear ends that",
        "profile import FILE [--allow-keys]  take profiles from a YAML file; what changes is shown first",
    ),
    examples=("profile creative", "profile new", "profile import team.yaml"),
    run=run_profile,
    group="models",
    aliases=("profiles",),
    complete=complete_profile,
    shell=True,
)


@dataclass(frozen=True, slots=True)
class _State:
    """One profile as it stands today. model: what it means, "" with a problem. key: in words; ready: can be asked."""

    profile: Profile
    model: str
    problem: str
    key: str
    ready: bool
    where: str


async def _list(call: Invocation) -> Reply:
    session = call.session
    profiles = session.services.chooser.profiles()
    if not profiles:
        hint = (
            f"{call.typed('profile new')} makes one, {call.typed('profile import FILE.yaml')} takes them from a file."
        )
        return Reply((Line("There are no profiles yet."), Line(hint, "dim")), [])
    states = await session.in_thread(lambda: [_state(session, profile) for profile in profiles.values()])
    rows = tuple(
        (s.profile.id, _named(s.profile), s.model or "?", _temperature(s.profile), s.key, s.where) for s in states
    )
    used = await session.in_thread(_in_use, session)
    default = default_profile(session.services.config.current().settings)
    current = next((index for index, state in enumerate(states) if state.profile.id == used), None)
    columns = ("profile", "model", "today", "temperature", "key", "where")
    items: list[Item] = [Table(columns, rows, current, spare=("today", "temperature"))]
    items += [Line(f"{state.profile.id}: {state.problem}", "warn") for state in states if state.problem]
    if default is not None:
        missing = "" if default in profiles else ", which is not there"
        items.append(Line(f"Default: {default}{missing}", "warn" if missing else "dim"))
    items.append(Line(f"{call.typed('profile ID')} uses one, {call.typed('profile show ID')} tells more.", "dim"))
    return Reply(tuple(items), [_data(state, state.profile.id == used, default) for state in states])


async def _show(call: Invocation, words: Sequence[str]) -> Reply:
    if len(words) != 1:
        raise UsageError("Which profile?", f"For example: {call.typed('profile show ID')}")
    session = call.session
    profile = find_profile(words[0].removeprefix("profile:"), session.services.chooser.profiles())
    state = await session.in_thread(_state, session, profile)
    used_by = await session.in_thread(_used_by, session, profile)
    chooser = session.services.chooser
    address = chooser.connection(profile.provider).base_url if profile.provider else ""
    facts = [
        ("profile", profile.id),
        ("model", _named(profile)),
        ("means today", state.model or state.problem),
        ("provider type", profile.provider_type),
        ("provider", profile.provider),
        ("address", address),
        ("key", state.key),
        ("where", state.where),
        *(
            (name.replace("_", " "), f"{value}{_unwritten(profile, name)}")
            for name, value in profile.parameters.items()
        ),
        ("context window", f"{profile.context_window:,}" if profile.context_window else ""),
        ("extra parameters", json.dumps(dict(profile.extra), ensure_ascii=False) if profile.extra else ""),
        ("fallback", ", then ".join(map(written_form, profile.fallback)) + _costlier(profile)),
        ("prompt note", _note(profile.prompt_note)),
        ("used by", ", ".join(used_by) or "nobody"),
    ]
    default = default_profile(session.services.config.current().settings)
    data = _data(state, None, default) | {
        "base_url": profile.base_url or None,
        "provider": profile.provider or None,
        "parameters": dict(profile.parameters),
        "context_window": profile.context_window,
        "extra_params": dict(profile.extra),
        "fallback": list(profile.fallback),
        "fallback_may_cost_more": profile.costlier,
        "prompt_note": profile.prompt_note,
        "used_by": list(used_by),
    }
    return Reply((Table(("", ""), tuple((name, text) for name, text in facts if text)),), data)


async def _set(call: Invocation, words: Sequence[str]) -> Reply:
    usage = f"For example: {call.typed('profile ID')}"
    given = options(words, ("--here", "--once"), (), usage)
    if len(given.rest) != 1:
        raise UsageError("Which profile?", usage)
    if len(given.flags) > 1:
        raise UsageError("--here and --once do not go together.", usage)
    if given.has("--once") and call.shell:
        raise UsageError("A shell has no next reply.", 'To ask once with it: ei ask -m profile:ID "…"')
    await call.session.refresh()
    profile = find_profile(given.rest[0].removeprefix("profile:"), call.session.services.chooser.profiles())
    return await set_model(call, f"profile:{profile.id}", given)


def _state(session: Session, profile: Profile) -> _State:
    """Looks a profile up; reads the database where a tier is named."""
    chooser = session.services.chooser
    try:
        found = chooser.named(f"profile:{profile.id}", session.persona, REASONING).model
    except EiError as exc:
        return _State(profile, "", str(exc), "?", False, "")
    endpoint, connection = chooser.endpoints()[found.provider], chooser.connection(found.provider)
    problem = "" if endpoint.wire == "builtin" else why_not(connection)
    if problem:
        key = "no address" if connection.problem else "missing"
    else:
        key = connection.key_source or "none needed"
    return _State(profile, str(found), problem, key, not problem, where_of(session, found.provider))


def _in_use(session: Session) -> str | None:
    """The id of the profile that the persona in front would use."""
    try:
        found = session.services.chooser.peek(session.persona, session.conversation, REASONING)
    except EiError:
        return None
    return found.profile.id if found.profile else None


def _used_by(session: Session, profile: Profile) -> tuple[str, ...]:
    from ei.engine.referring import referrers

    wanted = f"profile:{profile.id}".lower()
    places = referrers(session.services)
    return tuple(p.where for p in places if isinstance(p.means, str) and p.means.strip().lower() == wanted)


def _named(profile: Profile) -> str:
    """The model as a person would say it: of a provider of its own, its name alone."""
    written = written_form(profile.model)
    return written.partition(":")[2] if profile.provider else written


def _temperature(profile: Profile) -> str:
    value = profile.parameters.get("temperature")
    return "" if value is None else f"{value}{_unwritten(profile, 'temperature')}"


def _unwritten(profile: Profile, name: str) -> str:
    return " (usual)" if name in profile.defaults else ""


def _costlier(profile: Profile) -> str:
    return " (may cost more without asking)" if profile.fallback and profile.costlier else ""


def _note(note: object) -> str:
    return (
        note
        if isinstance(note, str)
        else json.dumps(dict(note), ensure_ascii=False)
        if isinstance(note, Mapping)
        else ""
    )


def _data(state: _State, current: bool | None, default: str | None) -> dict[str, object]:
    profile = state.profile
    out: dict[str, object] = {
        "id": profile.id,
        "reference": f"profile:{profile.id}",
        "model": profile.model,
        "provider_type": profile.provider_type or None,
        "today": state.model or None,
        "temperature": profile.parameters.get("temperature"),
        "key": state.key,
        "ready": state.ready,
        "where": state.where,
        "default": profile.id == default,
        "problem": state.problem or None,
    }
    return out if current is None else out | {"current": current}
