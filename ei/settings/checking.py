"""What is wrong with a settings.jsonc, in words that never repeat a value: a key may stand where it should not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ei.errors import ConfigError
from ei.settings.table import OF_A_PROFILE, OF_A_PROVIDER, SETTINGS
from ei.settings.values import Setting

MEND = "Mend it with: ei settings edit"


def check(data: Mapping[str, object], path: Path | str, hint: str = MEND) -> list[str]:
    """Warnings about keys that mean nothing. Raises ConfigError for a value that does not fit its setting.

    path: the file, for both; hint: what to do about an error.
    """
    return _Check(str(path), hint).walk(data, "")


def rows_of(profiles: object) -> Iterator[tuple[str | int, Mapping[str, object]]]:
    """(position or key, what stands there) of each object in `llm_profiles`, a list or an object by id."""
    if isinstance(profiles, Mapping):
        yield from ((str(key), row) for key, row in profiles.items() if isinstance(row, Mapping))
    elif isinstance(profiles, list):
        yield from ((index, row) for index, row in enumerate(profiles) if isinstance(row, Mapping))


def where_of(key: str | int, row: Mapping[str, object]) -> str:
    """A profile as it is spoken of: llm_profiles.ID, or its position where it has no id."""
    id = row.get("id") if isinstance(key, int) else key
    return f"llm_profiles.{id}" if isinstance(id, str) and id else f"llm_profiles[{key}]"


class _Check:
    def __init__(self, path: str, hint: str) -> None:
        self._path = path
        self._hint = hint
        self._file = Path(path).name
        self._known = set(SETTINGS)
        self._parents = {key.rsplit(".", n)[0] for key in self._known for n in range(1, key.count(".") + 1)}

    def walk(self, value: Mapping[str, object], prefix: str) -> list[str]:
        warnings: list[str] = []
        for name, inner in value.items():
            key = prefix + name
            if key in self._known:
                self._refuse(key, SETTINGS[key].problem(inner))
                warnings += self._inside(key, inner)
            elif key in self._parents:
                if inner is None:
                    continue
                if not isinstance(inner, dict):
                    self._refuse(key, "must be an object in braces")
                else:
                    warnings += self.walk(inner, key + ".")
            elif name != "$schema":
                near = _nearest(key, self._known | self._parents)
                warnings.append(f"{self._file}: {key} is not a setting{near}")
        return warnings

    def _inside(self, key: str, value: object) -> list[str]:
        """Warnings about what providers and profiles hold."""
        warnings: list[str] = []
        if key == "providers" and isinstance(value, dict):
            for own, held in value.items():
                if isinstance(held, dict):
                    warnings += self._members(held, OF_A_PROVIDER, f"{key}.{own}.")
                else:
                    self._refuse(f"{key}.{own}", "must be an object in braces")
        elif key == "llm_profiles":
            for place, row in rows_of(value):
                warnings += self._members(row, OF_A_PROFILE, f"{where_of(place, row)}.")
        return warnings

    def _members(self, held: Mapping[str, object], settings: Mapping[str, Setting], prefix: str) -> list[str]:
        warnings: list[str] = []
        for name, inner in held.items():
            if name in settings:
                self._refuse(prefix + name, settings[name].problem(inner))
            else:
                warnings.append(f"{self._file}: {prefix}{name} is not a setting{_nearest(name, settings, prefix)}")
        return warnings

    def _refuse(self, key: str, problem: str) -> None:
        if problem:
            raise ConfigError(f"{self._path}: {key} {problem}.", self._hint)


def _nearest(key: str, known: Iterable[str], prefix: str = "") -> str:
    import difflib

    near = difflib.get_close_matches(key, list(known), n=1)
    return f"; did you mean {prefix}{near[0]}?" if near else "."
