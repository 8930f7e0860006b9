"""The library: finds personas in their folder, makes, changes, archives and deletes them.

A persona is a folder with a system.jsonc. Files are read again when their stamp changes, so what somebody edits by
hand is noticed; a file that cannot be used makes a BrokenPersona, and the others work.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ei import jsonc
from ei.errors import ConfigError, UsageError
from ei.personas.names import check_name, fold, nearest
from ei.personas.values import BrokenPersona, Persona, persona_from_data

FILE = "system.jsonc"


@dataclass(frozen=True, slots=True)
class Archived:
    """A persona that was put away. archived_at: local date and time, `2026-11-20 10:43`."""

    name: str
    archived_at: str
    path: Path
    stamp: str


class Library:
    """The personas in `folder`; `archive` keeps those put away, `shipped` holds the cast to begin with.

    Methods that take a name take it in any case; where a name is not there they raise UsageError that says which is
    nearest. Where a file cannot be written they raise ConfigError or DiskFullError.
    """

    def __init__(self, folder: Path, archive: Path, shipped: Path, now: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self.archive_folder = archive
        self.shipped = shipped
        self._now = now
        self._read: dict[str, tuple[jsonc.Stamp, Persona | BrokenPersona]] = {}

    def seed(self) -> None:
        """Brings the cast in: each of it once, and anew where the shipped file changed and the person's did not."""
        from ei.personas.cast import bring_in, is_current

        if not is_current(self.folder, self.shipped):
            bring_in(self.folder, self.shipped, {entry.name for entry in self.archived()})

    # Finding

    def all(self) -> tuple[Persona | BrokenPersona, ...]:
        """Every persona by name, broken ones too."""
        entries = (self._load(name) for name in self._names())
        return tuple(entry for entry in entries if entry is not None)

    def personas(self) -> tuple[Persona, ...]:
        """Every persona that can be used, by name."""
        return tuple(entry for entry in self.all() if isinstance(entry, Persona))

    def get(self, name: str) -> Persona:
        """The persona of that name, aliases aside. Raises UsageError, and what is wrong with a broken one."""
        return _usable(self._entry(name))

    def find(self, text: str) -> Persona:
        """The persona meant by a name, an alias, or the beginning of one that is no other's.

        Raises UsageError where none or several are meant, and what is wrong with a broken one.
        """
        return _usable(self._find(text))

    def exact_name(self, name: str) -> str:
        """The name as it is written, of a persona that is here, broken or archived; aliases and beginnings aside."""
        names = [*self._names(), *(entry.name for entry in reversed(self.archived()))]
        found = _matching(name, names)
        if found is None:
            raise self._unknown(name)
        return found

    def path_of(self, text: str) -> Path:
        """The system.jsonc of the persona meant, also where it is broken. Raises UsageError."""
        return self._find(text).path

    # Changing

    def check_name(self, name: str) -> str:
        """The name as a new persona's folder gets it. Raises UsageError where it cannot be one, or is taken."""
        name = check_name(name)
        for entry in self.all():
            if fold(entry.name) == fold(name):
                raise UsageError(f"There is a persona {entry.name} already.", "Take another name.")
            if isinstance(entry, Persona) and fold(name) in map(fold, entry.aliases):
                raise UsageError(f'"{name}" is another name of {entry.name}.', "Take another one.")
        return name

    def check_text(self, name: str, text: str) -> Persona:
        """The persona that text would be. Raises FileSyntaxError, ConfigError."""
        path = self.folder / name / FILE
        return persona_from_data(name, jsonc.loads(text, str(path)), path)

    def create(self, name: str, text: str) -> Persona:
        """A new persona with text as its file. Raises UsageError for the name, FileSyntaxError, ConfigError."""
        name = self.check_name(name)
        self.check_text(name, text)
        path = self.folder / name / FILE

        def fill(old: str) -> str:
            if old:
                raise UsageError(f"There is a persona {name} already.", "Take another name.")
            return text

        with jsonc.file_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            jsonc.update(path, fill)
        except BaseException:
            _remove_if_empty(path.parent)
            raise
        return self.get(name)

    def set_value(self, name: str, path: jsonc.KeyPath, value: object) -> Persona:
        """Sets one value in a persona's file, all else stays. Raises ConfigError where it does not fit there."""
        return self._change(name, lambda text, file: jsonc.set_value(text, path, value, file))

    def edit(self, name: str, edit: Callable[[str], str]) -> Persona:
        """Applies edit to the text of a persona's file; it may be called several times. Raises as `set_value`."""
        return self._change(name, lambda text, file: edit(text))

    def remove_value(self, name: str, path: jsonc.KeyPath) -> Persona:
        """Takes one key out of a persona's file, all else stays."""
        return self._change(name, lambda text, file: jsonc.remove_value(text, path, file))

    def clone(self, name: str, new: str) -> Persona:
        """A copy under a new name, comments and all; aliases stay with the first."""
        persona = self.get(name)
        text = jsonc.read(persona.path).text
        if persona.aliases:
            text = jsonc.set_value(text, ("aliases",), [])
        return self.create(new, text)

    # Putting away

    def archive(self, name: str) -> Path:
        """Moves a persona, broken or not, into the archive as NAME-YYYYmmddHHMMSS (UTC). Gives the new path."""
        home = self._entry(name).path.parent
        with jsonc.file_errors(home, "archived"):
            self.archive_folder.mkdir(parents=True, exist_ok=True)
            seconds = self._now()
            while (target := self.archive_folder / f"{home.name}-{_stamped(seconds)}").exists():
                seconds += 1
            _move(home, target)
        return target

    def archived(self) -> tuple[Archived, ...]:
        """What is in the archive, by name, the newest of a name last."""
        entries = []
        for entry in _folders(self.archive_folder):
            name, _, stamp = entry.rpartition("-")
            if name and len(stamp) == 14 and stamp.isdecimal() and (self.archive_folder / entry / FILE).exists():
                entries.append(Archived(name, _shown(stamp), self.archive_folder / entry, stamp))
        return tuple(sorted(entries, key=lambda entry: (fold(entry.name), entry.stamp)))

    def restore(self, name: str, as_name: str | None = None) -> Persona | BrokenPersona:
        """Brings the newest archived persona of that name back, under another name where as_name is given.

        Raises UsageError where none is archived or the name is taken.
        """
        entries = self.archived()
        found = _matching(name, [entry.name for entry in entries])
        newest = next((entry for entry in reversed(entries) if entry.name == found), None)
        if newest is None:
            names = ", ".join(dict.fromkeys(entry.name for entry in entries))
            raise UsageError(f'No persona "{name}" is archived.', f"Archived: {names}." if names else "")
        target = self.folder / self.check_name(as_name or newest.name)
        with jsonc.file_errors(target, "restored"):
            self.folder.mkdir(parents=True, exist_ok=True)
            _move(newest.path, target)
        return self._entry(target.name)

    def delete(self, name: str, archived: bool = False) -> tuple[Path, ...]:
        """Removes a persona's folder for good, and its archived copies too with `archived`. Gives what is gone."""
        name = self.exact_name(name)
        gone = [self.folder / name] if name in self._names() else []
        if archived:
            gone += [entry.path for entry in self.archived() if entry.name == name]
        if not gone:
            raise self._unknown(name)
        import shutil

        for path in gone:
            with jsonc.file_errors(path, "deleted"):
                if path.is_symlink():
                    path.unlink()
                else:
                    shutil.rmtree(path)
        self._read.pop(name, None)
        return tuple(gone)

    # Helpers

    def _names(self) -> list[str]:
        return [name for name in _folders(self.folder) if (self.folder / name / FILE).is_file()]

    def _load(self, name: str) -> Persona | BrokenPersona | None:
        path = self.folder / name / FILE
        try:
            stamp = jsonc.stamp_of(path)
            known = self._read.get(name)
            if known is not None and known[0] == stamp:
                return known[1]
            entry = self._read_file(name, path)
        except (FileNotFoundError, NotADirectoryError):
            self._read.pop(name, None)
            return None
        except OSError as exc:
            return BrokenPersona(name, path, ConfigError(f"{path} cannot be read: {exc.strerror}."))
        self._read[name] = (stamp, entry)
        return entry

    def _read_file(self, name: str, path: Path) -> Persona | BrokenPersona:
        try:
            if not _inside(self.folder, path):
                raise ConfigError(f"{path} leads out of the folder of personas.", "Put the file itself there.")
            return persona_from_data(name, jsonc.read(path).value, path)
        except ConfigError as exc:
            return BrokenPersona(name, path, exc)

    def _entry(self, name: str) -> Persona | BrokenPersona:
        # Only names that a listing gave reach the file system: no path can be smuggled in.
        found = _matching(name, self._names())
        entry = None if found is None else self._load(found)
        if entry is None:
            raise self._unknown(name)
        return entry

    def _find(self, text: str) -> Persona | BrokenPersona:
        entries = self.all()
        wanted = fold(text)
        if not wanted:
            raise UsageError("Which persona?", f"There are: {', '.join(entry.name for entry in entries)}.")
        named = {entry.name: [fold(name) for name in _called(entry)] for entry in entries}
        for hits in (
            [entry for entry in entries if entry.name == text],
            [entry for entry in entries if fold(entry.name) == wanted],
            [entry for entry in entries if wanted in named[entry.name]],
            [entry for entry in entries if any(name.startswith(wanted) for name in named[entry.name])],
        ):
            if len(hits) == 1:
                return hits[0]
            if hits:
                names = ", ".join(entry.name for entry in hits)
                raise UsageError(f'"{text}" may be any of {names}.', "Write more of the name.")
        raise self._unknown(text)

    def _unknown(self, text: str) -> UsageError:
        if _matching(text, [entry.name for entry in self.archived()]) is not None:
            return UsageError(f'"{text}" is archived.', f"/persona restore {text} brings it back.")
        near = nearest(text, [name for entry in self.all() for name in _called(entry)])
        guess = f"Did you mean {near}? " if near else ""
        return UsageError(f'There is no persona "{text}".', f"{guess}/persona lists them.")

    def _change(self, name: str, edit: Callable[[str, str], str]) -> Persona:
        entry = self._entry(name)
        path = entry.path
        if isinstance(entry, BrokenPersona) and not _inside(self.folder, path):
            raise entry.error
        changed: list[Persona] = []
        try:
            jsonc.update(
                path,
                lambda text: edit(text, str(path)),
                lambda value: changed.append(persona_from_data(entry.name, value, path)),
                create=False,
            )
        except FileNotFoundError as exc:
            raise self._unknown(name) from exc
        return changed[-1]


def _usable(entry: Persona | BrokenPersona) -> Persona:
    if isinstance(entry, BrokenPersona):
        raise entry.error
    return entry


def _called(entry: Persona | BrokenPersona) -> tuple[str, ...]:
    return (entry.name, *entry.aliases) if isinstance(entry, Persona) else (entry.name,)


def _matching(name: str, names: Iterable[str]) -> str | None:
    """The one of names that is meant: as written, else without regard to case."""
    names = list(names)
    if name in names:
        return name
    return next((other for other in names if fold(other) == fold(name)), None)


def _folders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _inside(folder: Path, path: Path) -> bool:
    """Whether path, links followed, is in folder."""
    root = os.path.realpath(folder)
    return os.path.realpath(path).startswith(root + os.sep)


def _move(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as exc:
        import errno

        if exc.errno != errno.EXDEV:
            raise
        import shutil

        shutil.move(source, target)


def _remove_if_empty(folder: Path) -> None:
    import contextlib

    with contextlib.suppress(OSError):
        folder.rmdir()


def _stamped(seconds: float) -> str:
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(seconds))


def _shown(stamp: str) -> str:
    from datetime import UTC, datetime

    try:
        when = datetime.strptime(stamp, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return stamp
    return when.astimezone().strftime("%Y-%m-%d %H:%M")
