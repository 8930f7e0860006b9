"""Replacing a model everywhere: what would change, the change itself, and taking the last one back."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ei import jsonc
from ei.config import Config
from ei.engine.choice import ModelChooser
from ei.engine.referring import Referrer, meanings, profile_id, referrers
from ei.engine.replaced import Change, Cut, Journal, last, remember
from ei.engine.services import Services
from ei.engine.settings_file import change_settings
from ei.errors import EiError, NotFoundError, UsageError
from ei.models.profiles import OLDER
from ei.models.reference import (
    ModelId,
    ProfileReference,
    ProviderNames,
    Reference,
    TierReference,
    parse,
    written_form,
)


@dataclass(frozen=True, slots=True)
class Left:
    """One reference that stays as it is. what_to_do: why, or what the person can do, one sentence."""

    where: str
    written: str
    what_to_do: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What replacing would do. old, new: as text."""

    old: str
    new: str
    changes: tuple[Change, ...]
    left: tuple[Left, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """What was done. old, new: what stood in the places before, what stands there now."""

    old: str
    new: str
    changed: tuple[Change, ...]
    left: tuple[Left, ...] = ()


def plan_replacement(services: Services, old: Reference, new: object) -> Plan:
    """Every reference that means `old`, and what it becomes; nothing is changed.

    new: a reference as written. Reads files and the database: call it from a thread. Raises UsageError where new
    cannot be read, ConfigError where settings.jsonc cannot.
    """
    names = services.chooser.names()
    target = parse(new, names)
    new = str(target) if isinstance(new, str) else new
    changes: list[Change] = []
    left: list[Left] = []
    config = services.config.current()
    for referrer in referrers(services, config):
        if not (_means(referrer.means, old, names) or _means(referrer.also, old, names)):
            continue
        change = _change(referrer, target, new, partial(_spelled, services.chooser, config, names, referrer, target))
        if isinstance(change, Left):
            left.append(change)
        else:
            changes.append(change)
    for entry in services.library.all():
        if error := getattr(entry, "error", None):
            left.append(Left(entry.name, "?", f"Its file cannot be read, so nobody looked: {error.sentence}"))
    return Plan(str(old), written_form(new), tuple(changes), tuple(left))


def carry_out(services: Services, plan: Plan) -> Done:
    """Makes the changes, each file as a whole, and remembers how to take them back.

    What was edited since the plan was made, and what stands in a file that cannot be written, is left and told.
    Writes files and the database: call it from a thread. Raises StorageError.
    """
    before = last(services)
    # Remembered first: what is cut short by a crash can be taken back, too.
    remember(services, Journal(plan.old, plan.new, plan.changes, {}))
    changed: list[Change] = []
    left: list[Left] = []
    cuts: dict[tuple[str, str], tuple[str, tuple[Cut, ...]]] = {}
    for file, changes in _by_file(plan.changes).items():
        done, stayed, way_back = _in_file(services, file, changes)
        changed += done
        left += stayed
        if way_back is not None:
            cuts[file] = way_back
    remember(services, Journal(plan.old, plan.new, tuple(changed), cuts) if changed else before)
    return Done(plan.old, plan.new, tuple(changed), (*left, *plan.left))


def undo_replacement(services: Services) -> Done:
    """Takes the last replacement back. What was edited since is left and told; a file that is otherwise as the
    replacement left it becomes what it was, byte for byte.

    Writes files and the database: call it from a thread. Raises UsageError where there is none, StorageError.
    """
    journal = last(services)
    if journal is None:
        raise UsageError("There is no replacement to take back.", "/models replace OLD NEW makes one.")
    changed: list[Change] = []
    left: list[Left] = []
    again: list[Change] = []
    for file, changes in _by_file(journal.changes).items():
        back = [replace(change, before=change.after, after=change.before) for change in reversed(changes)]
        done, stayed, failed = _undo_file(services, file, back, journal.cuts.get(file))
        changed += reversed(done)
        left += stayed
        again += changes if failed else []
    # What could not be written now can be tried again; what was edited since is the person's.
    remember(services, replace(journal, changes=tuple(again)))
    return Done(journal.new, journal.old, tuple(changed), tuple(left))


# What becomes of one reference.


def _means(written: object, wanted: Reference, names: ProviderNames) -> bool:
    try:
        found = parse(written, names)
    except UsageError:
        return False
    if isinstance(found, ProfileReference) and isinstance(wanted, ProfileReference):
        return found.id.lower() == wanted.id.lower()
    return found == wanted


def _change(referrer: Referrer, target: Reference, new: object, spelled: Callable[[], object]) -> Change | Left:
    """spelled: what to write where it is a profile's model, None where none of its spellings means the target."""
    place, written = referrer.place, referrer.written
    shown = written_form(written)
    if place.kind == "variable":
        where = "where it is exported" if referrer.source == "environment" else f"in the {referrer.source}"
        return Left(referrer.where, shown, f"Set {place.name}={written_form(new)} {where}; ei does not change it.")

    def stays(why: str) -> Left:
        return Left(referrer.where, shown, why)

    value = new
    match referrer.takes:
        case "no profile" | "profile's model" if isinstance(target, ProfileReference):
            return stays("A profile cannot stand there: name a model or a tier.")
        case "model" if not isinstance(target, ModelId):
            return stays("Only a model can stand there: /models pay MODEL")
        case "profile id":
            if not isinstance(target, ProfileReference):
                return stays("Only the id of a profile can stand there: /settings default_model sets a model.")
            value = target.id
        case "profile's model":
            value = spelled() if isinstance(new, str) else new
            if value is None:
                return stays("It goes with what is said beside it: change both in settings.jsonc.")
    if isinstance(target, TierReference) and place.path[-2:-1] == ("tiers",) and place.path[-1] == target.tier:
        return stays(f"{target} cannot stand for itself there.")
    if isinstance(target, ProfileReference) and referrer.where.startswith(f"profile {target.id} "):
        return stays(f"{target} cannot stand in for itself.")
    inner = next(iter(written)) if isinstance(written, Mapping) and len(written) == 1 else ""
    if inner == "exact" and isinstance(value, str) and place.path:
        # An object that names one model stays one, with all that is written around it.
        assert isinstance(written, Mapping)
        return Change(referrer.where, replace(place, path=(*place.path, "exact")), written["exact"], value)
    if inner == "exact" and isinstance(value, str):
        return Change(referrer.where, place, written, {"exact": value})
    return Change(referrer.where, place, written, value)


def _spelled(
    chooser: ModelChooser, config: Config, names: ProviderNames, referrer: Referrer, target: Reference
) -> object:
    """How a profile whose provider may be said beside its model writes the target, None where it cannot.

    What each spelling would mean is asked of the reader of profiles itself.
    """
    spellings = [str(target)]
    if isinstance(target, ModelId):
        prefix = re.match(r".*?[:/]", str(referrer.written))
        own = f"{prefix[0]}{target.model}" if prefix else target.model
        spellings = [own, str(target), target.model]
    path = referrer.place.path
    for spelling in spellings:
        settings = _with(config.settings, path, spelling)
        try:
            profiles = chooser.profiles_of(replace(config, settings=settings))
        except EiError:
            continue
        if path[0] == "llm_profiles":
            row = _at(settings, path[:-1])
            assert isinstance(path[1], str | int)
            assert isinstance(row, Mapping)
            profile = profiles.get(profile_id(path[1], row))
        else:
            profile = profiles.get(OLDER)
        if profile is not None and any(_means(each, target, names) for each in meanings(profile)):
            return spelling
    return None


def _with(value: object, path: jsonc.KeyPath, new: object) -> Any:
    """The same value with another one at path."""
    if not path:
        return new
    step, rest = path[0], path[1:]
    if isinstance(value, Mapping):
        return {**value, step: _with(value.get(step), rest, new)}
    assert isinstance(value, list)
    return [_with(inner, rest, new) if index == step else inner for index, inner in enumerate(value)]


# Where it stands.


def _by_file(changes: Iterable[Change]) -> dict[tuple[str, str], list[Change]]:
    out: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        out.setdefault(change.place.file, []).append(change)
    return out


def _in_file(
    services: Services, file: tuple[str, str], changes: Sequence[Change]
) -> tuple[list[Change], list[Left], tuple[str, tuple[Cut, ...]] | None]:
    """(what was changed, what was left, the way back) for the changes in one file, or at one other place."""
    kind, name = file
    if kind not in ("persona", "settings"):
        return *_at_other_place(services, kind, name, changes), None
    done: list[Change] = []
    left: list[Left] = []
    cuts: list[Cut] = []
    digest = ""

    def edit(text: str) -> str:
        nonlocal digest
        done.clear()  # it may be called again
        left.clear()
        cuts.clear()
        for change in changes:
            found = _value_at(text, change.place.path)
            if found != change.before:
                left.append(_edited(change, found))
                continue
            text, cut = _cut(text, jsonc.set_value(text, change.place.path, change.after))
            cuts.append(cut)
            done.append(change)
        digest = _digest(text)
        return text

    try:
        _change_file(services, kind, name, edit)
    except EiError as exc:
        return [], [_failed(change, exc) for change in changes], None
    return done, left, (digest, tuple(cuts))


def _undo_file(
    services: Services, file: tuple[str, str], back: Sequence[Change], way_back: tuple[str, tuple[Cut, ...]] | None
) -> tuple[list[Change], list[Left], bool]:
    """(what was put back, what was left, whether the file could not be written)."""
    kind, name = file
    if kind not in ("persona", "settings"):
        return *_at_other_place(services, kind, name, back), False
    done: list[Change] = []
    left: list[Left] = []

    def edit(text: str) -> str:
        done.clear()
        left.clear()
        if way_back is not None and _digest(text) == way_back[0]:
            done.extend(back)
            for at, was, now in reversed(way_back[1]):
                text = text[:at] + was + text[at + len(now) :]
            return text
        for change in back:
            found = _value_at(text, change.place.path)
            if found == change.before:
                text = jsonc.set_value(text, change.place.path, change.after)
                done.append(change)
            elif found != change.after:
                left.append(_edited(change, found))
        return text

    try:
        _change_file(services, kind, name, edit)
    except UsageError as exc:  # that persona is not here any more
        return [], [Left(change.where, "", exc.sentence) for change in back], False
    except EiError as exc:
        return [], [_failed(change, exc) for change in back], True
    return done, left, False


def _change_file(services: Services, kind: str, name: str, edit: Callable[[str], str]) -> None:
    """Raises UsageError where there is no such file any more, ConfigError where it cannot be changed."""
    if kind == "persona":
        services.library.edit(name, edit)
    elif services.config.paths.settings.exists():
        change_settings(services.config, edit)
    else:
        raise UsageError("settings.jsonc is not there any more.")


def _at_other_place(
    services: Services, kind: str, name: str, changes: Sequence[Change]
) -> tuple[list[Change], list[Left]]:
    """Of a conversation or of what is remembered: one value each."""
    done: list[Change] = []
    left: list[Left] = []
    for change in changes:
        try:
            if kind == "conversation":
                found = services.conversations.get(name).model_here
            else:
                found = services.state.get(name)
            if found != change.before:
                left += [] if found == change.after else [_edited(change, found)]
                continue
            if kind == "conversation":
                services.conversations.set_model_here(name, change.after)
            else:
                services.state.set(name, change.after)
        except NotFoundError:
            left.append(Left(change.where, "", "It is not here any more."))
        except EiError as exc:
            left.append(_failed(change, exc))
        else:
            done.append(change)
    return done, left


def _value_at(text: str, path: jsonc.KeyPath) -> object:
    try:
        return _at(jsonc.loads(text), path)
    except EiError:
        return None


def _at(value: object, path: jsonc.KeyPath) -> object:
    for step in path:
        if isinstance(value, Mapping) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def _edited(change: Change, found: object) -> Left:
    now = "nothing" if found is None else written_form(found)
    return Left(change.where, now, "It was edited since, and stays as it is.")


def _failed(change: Change, error: EiError) -> Left:
    return Left(change.where, written_form(change.before), error.sentence)


def _cut(before: str, after: str) -> tuple[str, Cut]:
    """The text after a change, and the change as one cut."""
    shorter = min(len(before), len(after))
    start = next((i for i in range(shorter) if before[i] != after[i]), shorter)
    most = shorter - start
    tail = next((i for i in range(most) if before[-1 - i] != after[-1 - i]), most)
    return after, (start, before[start : len(before) - tail], after[start : len(after) - tail])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
