"""Profiles out of somebody else's YAML file: read within limits, compared with what is here, written field by field.

Such a file can neither run nor collect anything: references to commands and files are refused, and which key would go
to which host is for the caller to ask about.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ei import jsonc
from ei.errors import ConfigError, FileSyntaxError
from ei.models.profiles import check_id
from ei.settings.checking import check, rows_of, where_of
from ei.settings.table import OF_A_PROFILE

if TYPE_CHECKING:
    from yaml import Node

MOST_BYTES = 256 * 1024
MOST_NODES = 20_000
"""Values in a file, each alias counted with all that it stands for."""
FORBIDDEN = ("cmd", "file", "plain")
"""References to a key that an imported file may not have: they would run or read something here."""
OF_THE_CONFIG = ("default_profile_id", "default_model", "temperature")
MEND = "Mend it in that file, then import it again."


@dataclass(frozen=True, slots=True)
class Field:
    """One value that an import changes; before: None where there was none."""

    name: str
    before: object
    after: object


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import makes of one profile. fields: those that change."""

    id: str
    kind: Literal["new", "changed", "same"]
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class Import:
    """What a file would change. config: of llm_config. characters: (name, id of a profile) as the file has them.

    left_out: sentences on what is not taken over.
    """

    profiles: tuple[Imported, ...]
    config: tuple[Field, ...] = ()
    characters: tuple[tuple[str, str], ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether settings would change."""
        return bool(self.config) or any(profile.fields for profile in self.profiles)


def read_yaml(data: bytes, name: str) -> Mapping[str, object]:
    """The one object that a YAML file holds. name: the file, for errors.

    Raises ConfigError for a file that is too large, grows too large by its aliases, or is no object;
    FileSyntaxError for one that is no plain YAML (tags that make objects are none).
    """
    import yaml

    if len(data) > MOST_BYTES:
        raise ConfigError(f"{name} is larger than {MOST_BYTES // 1024} KB.", "Import a file with profiles alone.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{name} is not UTF-8 text.", "Save it as UTF-8.") from exc
    loader = None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            raise ConfigError(f"{name} is empty.", MEND)
        if _size(node) > MOST_NODES:
            raise ConfigError(f"{name} holds more than {MOST_NODES:,} values, its aliases counted.", MEND)
        found = loader.construct_document(node)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        problem = f"{exc.problem or exc.context or 'this is no YAML'}."
        raise FileSyntaxError(name, mark.line + 1 if mark else 1, mark.column + 1 if mark else 1, problem) from exc
    except (yaml.YAMLError, ValueError, TypeError) as exc:
        raise ConfigError(f"{name} cannot be read as YAML.", MEND) from exc
    except RecursionError as exc:
        raise ConfigError(f"{name} is nested too deeply, or in itself.", MEND) from exc
    finally:
        if loader is not None:
            loader.dispose()
    if not isinstance(found, dict):
        raise ConfigError(f"{name} holds no settings.", "It needs llm_profiles or llm_config.")
    return found


def plan_import(found: Mapping[str, object], settings: Mapping[str, object], name: str) -> Import:
    """What the values of a file would change in these settings.

    A profile that is here already keeps what the file does not say. Raises ConfigError for a value that fits no
    setting and for a reference to a key that an imported file may not have; no value is repeated.
    """
    rows, left_out = _rows(found, name)
    config = found.get("llm_config")
    config = {key: config[key] for key in OF_THE_CONFIG if key in config} if isinstance(config, Mapping) else {}
    _plain({"llm_profiles": rows, "llm_config": config}, name)
    check({"llm_profiles": rows, "llm_config": config}, name, MEND)
    here = {_id(place, row): row for place, row in rows_of(settings.get("llm_profiles"))}
    profiles = []
    for id, row in rows.items():
        old = here.get(id)
        if old is None and not row.get("model"):
            raise ConfigError(f"{name}: llm_profiles.{id} has no model.", MEND)
        fields = tuple(_changes(old or {}, row))
        profiles.append(Imported(id, "new" if old is None else "changed" if fields else "same", fields))
    before = settings.get("llm_config")
    fields = tuple(_changes(before if isinstance(before, Mapping) else {}, config))
    characters = tuple(_characters(found.get("characters")))
    if not (rows or config or characters):
        raise ConfigError(f"{name} has no llm_profiles and no llm_config.", "Nothing was changed.")
    return Import(tuple(profiles), fields, characters, tuple(left_out))


def write_import(text: str, plan: Import, name: str) -> str:
    """The text of settings.jsonc with an import in it; comments, order and what is not spoken of stay."""
    for profile in plan.profiles:
        if profile.fields:
            text = write_profile(text, profile.id, {field.name: field.after for field in profile.fields}, name)
    for field in plan.config:
        text = jsonc.set_value(text, ("llm_config", field.name), field.after, name)
    return text


def write_profile(text: str, id: str, row: Mapping[str, object], name: str) -> str:
    """The text of settings.jsonc with these values in the profile of that id, which is added where there is none."""
    settings = jsonc.loads(text, name) if text.strip() else {}
    profiles = settings.get("llm_profiles") if isinstance(settings, Mapping) else None
    place = next((place for place, old in rows_of(profiles) if _id(place, old) == id), None)
    if place is not None:
        for key, value in row.items():
            text = jsonc.set_value(text, ("llm_profiles", place, key), value, name)
        return text
    if isinstance(profiles, Mapping):
        return jsonc.set_value(text, ("llm_profiles", id), dict(row), name)
    end = len(profiles) if isinstance(profiles, list) else 0
    new = {"id": id, **row}
    return jsonc.set_value(text, ("llm_profiles", end) if end else ("llm_profiles",), new if end else [new], name)


def _rows(found: Mapping[str, object], name: str) -> tuple[dict[str, dict[str, object]], list[str]]:
    """Each profile by its id, known fields alone, and what is left out."""
    written = found.get("llm_profiles")
    if written is not None and not isinstance(written, list | dict):
        raise ConfigError(f"{name}: llm_profiles must be a list of profiles, or an object of them by their ids.", MEND)
    if isinstance(written, list | dict) and len(list(rows_of(written))) != len(written):
        raise ConfigError(f"{name}: llm_profiles holds something that is no profile.", MEND)
    rows: dict[str, dict[str, object]] = {}
    left_out = []
    for place, row in rows_of(written):
        where = where_of(place, row)
        id = _id(place, row)
        if problem := check_id(id):
            raise ConfigError(f"{name}: {where}: its id {problem}.", MEND)
        if id in rows:
            raise ConfigError(f"{name}: llm_profiles has {id} twice.", MEND)
        key = row.get("api_key_ref")
        kind = key.strip().partition(":")[0].lower() if isinstance(key, str) and ":" in key else ""
        if kind in FORBIDDEN:
            raise ConfigError(
                f"{name}: {where}.api_key_ref is a {kind}: reference, which an imported file may not have.",
                "Name an environment variable there.",
            )
        left_out += [f"{where}.{field} is left out: it means nothing here." for field in row if _unknown(field)]
        rows[id] = {field: value for field, value in row.items() if not _unknown(field) and field != "id"}
    return rows, left_out


def _unknown(field: object) -> bool:
    return field not in OF_A_PROFILE


def _id(place: str | int, row: Mapping[str, object]) -> str:
    return place if isinstance(place, str) else str(row.get("id") or "").strip()


def _changes(old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[Field]:
    for name, value in new.items():
        if value is not None and json.dumps(old.get(name), sort_keys=True) != json.dumps(value, sort_keys=True):
            yield Field(name, old.get(name), value)


def _characters(found: object) -> Iterator[tuple[str, str]]:
    """(name, id of a profile) of each character that names one."""
    rows: list[tuple[object, object]] = list(found.items()) if isinstance(found, Mapping) else []
    if isinstance(found, list):
        rows = [(row.get("name") or row.get("id"), row) for row in found if isinstance(row, Mapping)]
    for name, row in rows:
        config = row.get("ai_config") if isinstance(row, Mapping) else None
        id = config.get("profile_id") if isinstance(config, Mapping) else None
        if isinstance(name, str) and isinstance(id, str) and name.strip() and id.strip():
            yield name.strip(), id.strip()


def _plain(value: object, name: str) -> None:
    """Raises ConfigError for what JSON has no words for: dates, sets, keys that are no texts."""

    def is_plain(value: object) -> bool:
        match value:
            case dict():
                return all(isinstance(key, str) and is_plain(inner) for key, inner in value.items())
            case list():
                return all(map(is_plain, value))
            case int() | float():
                return abs(value) < 1e15
            case _:
                return value is None or isinstance(value, str)

    if not is_plain(value):
        raise ConfigError(f"{name}: a profile holds a date, a set, or a key or number that JSON does not have.", MEND)


def _size(node: Node, sizes: dict[int, int] | None = None) -> int:
    """How many values a node stands for, aliases counted each time. Raises RecursionError for one in itself."""
    from yaml import MappingNode, SequenceNode

    sizes = {} if sizes is None else sizes
    known = sizes.get(id(node))
    if known is not None:
        if known < 0:
            raise RecursionError
        return known
    sizes[id(node)] = -1
    inner: list[Node] = []
    if isinstance(node, SequenceNode):
        inner = node.value
    elif isinstance(node, MappingNode):
        inner = [each for pair in node.value for each in pair]
    sizes[id(node)] = total = 1 + sum(_size(each, sizes) for each in inner)
    return total
