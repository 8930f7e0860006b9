"""What the last replacement of a model did, remembered so that it can be taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ei.engine.referring import Place
from ei.engine.services import Services
from ei.errors import NotFoundError

JOURNAL = "last_replacement"
"""The name under which the last replacement is remembered, so that it can be taken back."""

Cut = tuple[int, str, str]
"""One change of a text: where (characters from its beginning), what was there, what is there now."""


@dataclass(frozen=True, slots=True)
class Change:
    """One reference that is to be changed. before, after: the values at place (of an object perhaps one inside)."""

    where: str
    place: Place
    before: object
    after: object


@dataclass(frozen=True, slots=True)
class Journal:
    """What the last replacement did. cuts: by file, the hash of its text afterwards and the way back."""

    old: str
    new: str
    changes: tuple[Change, ...]
    cuts: Mapping[tuple[str, str], tuple[str, tuple[Cut, ...]]]


def last(services: Services) -> Journal | None:
    """The last replacement that was not taken back. Reads the database. Raises StorageError."""
    return _from_data(services.state.get(JOURNAL))


def remember(services: Services, journal: Journal | None) -> None:
    """Keeps it as the last one; None, or one without changes, forgets it. Raises StorageError."""
    services.state.set(JOURNAL, _to_data(journal) if journal is not None and journal.changes else None)


def forget(services: Services, *, persona: str = "", conversation: str = "") -> None:
    """What was replaced in a persona's file and conversations, or in one conversation, is remembered no longer.

    Reads and writes the database: call it from a thread. Raises StorageError.
    """
    journal = last(services)
    if journal is None:
        return

    def is_gone(place: Place) -> bool:
        if place.kind == "conversation":
            return place.name == conversation or not _is_there(services, place.name)
        return place.kind == "persona" and place.name == persona

    kept = tuple(change for change in journal.changes if not is_gone(change.place))
    cuts = {file: way_back for file, way_back in journal.cuts.items() if file != ("persona", persona)}
    remember(services, replace(journal, changes=kept, cuts=cuts))


def _is_there(services: Services, conversation: str) -> bool:
    try:
        services.conversations.get(conversation)
    except NotFoundError:
        return False
    return True


def _to_data(journal: Journal) -> dict[str, object]:
    return {
        "old": journal.old,
        "new": journal.new,
        "changes": [
            {
                "where": change.where,
                "kind": change.place.kind,
                "name": change.place.name,
                "path": list(change.place.path),
                "before": change.before,
                "after": change.after,
            }
            for change in journal.changes
        ],
        "cuts": [[*file, digest, list(cuts)] for file, (digest, cuts) in journal.cuts.items()],
    }


def _from_data(data: object) -> Journal | None:
    """None for what is none; nobody but this module writes it."""
    if not isinstance(data, Mapping):
        return None
    changes = tuple(
        Change(row["where"], Place(row["kind"], row["name"], tuple(row["path"])), row["before"], row["after"])
        for row in data["changes"]
    )
    cuts = {
        (kind, name): (digest, tuple((at, was, now) for at, was, now in rows))
        for kind, name, digest, rows in data["cuts"]
    }
    return Journal(data["old"], data["new"], changes, cuts)
