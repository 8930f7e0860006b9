"""What is wrong with a settings.jsonc, in words that never repeat a value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ei.errors import ConfigError
from ei.settings.table import OF_A_PROVIDER, SETTINGS


def check(data: Mapping[str, object], path: Path | str) -> list[str]:
    """Warnings about keys that mean nothing. Raises ConfigError for a value that does not fit its setting.

    No value is repeated: a key may stand where it should not.
    """
    warnings: list[str] = []
    known = set(SETTINGS)
    parents = {key.rsplit(".", n)[0] for key in known for n in range(1, key.count(".") + 1)}

    def refuse(key: str, problem: str) -> None:
        if problem:
            raise ConfigError(f"{path}: {key} {problem}.", "Mend it with: ei settings edit")

    def provider(value: Mapping[str, object], prefix: str) -> None:
        for name, inner in value.items():
            if name in OF_A_PROVIDER:
                refuse(prefix + name, OF_A_PROVIDER[name].problem(inner))
            else:
                near = _nearest(name, OF_A_PROVIDER, prefix)
                warnings.append(f"settings.jsonc: {prefix}{name} is not a setting{near}")

    def walk(value: Mapping[str, object], prefix: str) -> None:
        for name, inner in value.items():
            key = prefix + name
            if key in known:
                refuse(key, SETTINGS[key].problem(inner))
                for own, held in inner.items() if key == "providers" and isinstance(inner, dict) else ():
                    if not isinstance(held, dict):
                        refuse(f"{key}.{own}", "must be an object in braces")
                    else:
                        provider(held, f"{key}.{own}.")
            elif key in parents:
                if inner is None:
                    continue
                if not isinstance(inner, dict):
                    refuse(key, "must be an object in braces")
                else:
                    walk(inner, key + ".")
            elif name != "$schema":
                warnings.append(f"settings.jsonc: {key} is not a setting{_nearest(key, known | parents)}")

    walk(data, "")
    return warnings


def _nearest(key: str, known: Iterable[str], prefix: str = "") -> str:
    import difflib

    near = difflib.get_close_matches(key, list(known), n=1)
    return f"; did you mean {prefix}{near[0]}?" if near else "."
