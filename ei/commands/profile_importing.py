"""Profiles out of a YAML file: what it would change is shown, asked about, and written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ei import jsonc
from ei.commands.base import Invocation, Item, Line, Reply, Table
from ei.commands.parse import options
from ei.commands.profile_changes import file_of, providing, write
from ei.commands.words import clip, plural
from ei.engine.endpoints import foreign_key
from ei.errors import NeedsAnswerError, UsageError
from ei.models.expand import find_profile
from ei.models.profile_import import MOST_BYTES, Import, plan_import, read_yaml, write_import
from ei.models.reference import parse

if TYPE_CHECKING:
    from ei.engine.endpoints import Providing
    from ei.engine.session import Session


async def import_file(call: Invocation, words: Sequence[str]) -> Reply:
    """Shows what a YAML file would change, asks, and writes it."""
    usage = f"For example: {call.typed('profile import team.yaml')}"
    given = options(words, ("--allow-keys",), (), usage)
    if len(given.rest) != 1:
        raise UsageError("Which file?", usage)
    session = call.session
    path = Path(given.rest[0]).expanduser()
    found = await session.in_thread(_read, path)
    settings = session.services.config.current().settings
    plan = plan_import(found, settings, path.name)
    after = _provided(session, lambda text: write_import(text, plan, file_of(session)))
    plan, nowhere = _default(plan, after)
    personas, unmatched = _personas(session, plan, after)
    left_out = (*plan.left_out, *nowhere, *unmatched, *_unreadable(plan, after))
    changed = [name for name, (before, now) in personas.items() if before != now]
    data = _import_data(plan, personas, left_out)
    items: list[Item] = [Table(("", "", "what changes"), _import_rows(plan, personas), title=f"{path.name} brings")]
    items += [Line(line, "warn") for line in left_out]
    if not plan.changes and not changed:
        return Reply((*items, Line("All of it is here already; nothing was changed.", "good")), data)
    call.ui.show(Reply(tuple(items)))
    await _ask_about_keys(call, plan, after, given.has("--allow-keys"))
    if not await call.ui.confirm("Take this over?", ()):
        return Reply.line("Nothing was changed.", "dim", data | {"written": False})
    if plan.changes:
        await write(session, lambda text: write_import(text, plan, file_of(session)))
    for name in changed:
        await session.in_thread(session.services.library.set_value, name, ("model",), personas[name][1])
    await session.refresh()
    many = sum(bool(profile.fields) for profile in plan.profiles)
    told = f"Taken over: {plural(many, 'profile')}, the model of {plural(len(changed), 'persona')}."
    return Reply.line(told, "good", data | {"written": True})


def _provided(session: Session, edit: Callable[[str], str]) -> Providing:
    """What settings would provide after an edit. Raises ConfigError."""
    path = session.services.config.paths.settings
    try:
        text = jsonc.read(path).text
    except FileNotFoundError:
        text = "{}"
    return providing(session, edit(text))


def _read(path: Path) -> Mapping[str, object]:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as exc:
        raise UsageError(f"{path} cannot be read: {exc.strerror or exc}.", "Give the path of a YAML file.") from exc
    return read_yaml(data, path.name)


def _default(plan: Import, after: Providing) -> tuple[Import, tuple[str, ...]]:
    """(the plan without a default profile that is nowhere, a sentence on that)."""
    new = next((field.after for field in plan.config if field.name == "default_profile_id"), None)
    try:
        if new:
            find_profile(str(new).strip(), after.profiles)
    except UsageError:
        config = tuple(field for field in plan.config if field.name != "default_profile_id")
        return replace(plan, config=config), (f"The default is to be profile {new}, which is nowhere: it is left out.",)
    return plan, ()


def _personas(
    session: Session, plan: Import, after: Providing
) -> tuple[dict[str, tuple[object, str]], tuple[str, ...]]:
    """(what each persona's model is and becomes, sentences on those that are not here)."""
    here = {persona.name.casefold(): persona for persona in session.services.library.personas()}
    found: dict[str, tuple[object, str]] = {}
    unmatched = []
    for name, id in plan.characters:
        persona = here.get(name.casefold())
        profile = after.profiles.get(id)
        if persona is None:
            unmatched.append(f"There is no persona {name} here: it is left out.")
        elif profile is None:
            unmatched.append(f"{name} is to use profile {id}, which is nowhere: it is left out.")
        else:
            found[persona.name] = (persona.model, f"profile:{profile.id}")
    return found, tuple(unmatched)


def _unreadable(plan: Import, after: Providing) -> Iterator[str]:
    """Sentences on profiles whose model cannot be read."""
    for imported in plan.profiles:
        try:
            parse(after.profiles[imported.id].model, after.names)
        except UsageError as exc:
            yield f"profile {imported.id} cannot be used: {exc}"


async def _ask_about_keys(call: Invocation, plan: Import, after: Providing, allowed: bool) -> None:
    """Asks about every key that would go to an address that is not its provider's own. Raises where that is not yes."""
    before = call.session.services.chooser.profiles()
    lines = []
    for imported in plan.profiles:
        profile, old = after.profiles[imported.id], before.get(imported.id)
        where = foreign_key(profile, after.endpoints)
        if where and (old is None or (old.base_url, old.key) != (profile.base_url, profile.key)):
            lines.append(f"{profile.id}: the key in {profile.key.removeprefix('env:')} goes to {where}")
    if not lines:
        return
    if allowed:
        call.ui.show(Reply.lines(lines, "warn"))
        return
    question = "This file sends keys of yours to addresses that it chose. Do you know them?"
    if call.yes or not call.ui.interactive:
        call.ui.show(Reply.lines(lines, "warn"))
        hint = "If you know these addresses, add --allow-keys; --yes alone does not agree to that."
        raise NeedsAnswerError("This file sends keys of yours to addresses that it chose.", hint)
    if not await call.ui.confirm(question, lines):
        raise UsageError("Nothing was changed.", "Take the address or the key out of the file.")


def _import_rows(plan: Import, personas: Mapping[str, tuple[object, str]]) -> tuple[tuple[str, str, str], ...]:
    rows: list[tuple[str, str, str]] = []
    for profile in plan.profiles:
        fields = ", ".join(_changed(f.name, f.before, f.after, profile.kind == "new") for f in profile.fields)
        rows.append((f"profile {profile.id}", profile.kind, fields))
    for field in plan.config:
        rows.append(("llm_config", "changed", _changed(field.name, field.before, field.after, False)))
    for name, (old, now) in personas.items():
        kind = "same" if old == now else "changed"
        rows.append((f"persona {name}", kind, "" if old == now else _changed("model", old, now, False)))
    return tuple(rows)


def _changed(name: str, before: object, after: object, new: bool) -> str:
    # An address is shown whole: what is cut off may be where it really leads.
    length = 2000 if name == "base_url" else 60
    if new or before is None:
        return f"{name} {_text(after, length)}"
    return f"{name} {_text(before, length)} → {_text(after, length)}"


def _text(value: object, length: int = 60) -> str:
    return clip(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str), length)


def _import_data(
    plan: Import, personas: Mapping[str, tuple[object, str]], left_out: Sequence[str]
) -> dict[str, object]:
    return {
        "profiles": [
            {
                "id": profile.id,
                "kind": profile.kind,
                "fields": [{"name": f.name, "from": f.before, "to": f.after} for f in profile.fields],
            }
            for profile in plan.profiles
        ],
        "llm_config": [{"name": field.name, "from": field.before, "to": field.after} for field in plan.config],
        "personas": [{"name": name, "from": old, "to": now} for name, (old, now) in personas.items()],
        "left_out": list(left_out),
    }
