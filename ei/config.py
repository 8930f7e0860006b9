"""Config: environment, `.env` files and settings.jsonc; each value knows where it came from.

The environment wins over `.env` in the working directory, that over `.env` in the config folder, that over
settings.jsonc. Which folders are used is read from the real environment only, so that a `.env` in a folder
that somebody else wrote cannot move a person's data.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ei import jsonc
from ei.errors import ConfigError
from ei.settings import SETTINGS, check

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable as found. folder: it comes from the working directory's `.env`."""

    name: str
    value: str = field(repr=False)
    source: str
    folder: bool = False


@dataclass(frozen=True, slots=True)
class Value:
    """A setting's value and where it came from ("default" when nobody set it)."""

    value: object
    source: str


@dataclass(frozen=True, slots=True)
class Paths:
    """Where the person's files are."""

    data: Path
    settings: Path

    @property
    def personas(self) -> Path:
        return self.data / "personas"

    @property
    def archive(self) -> Path:
        return self.data / "archive"

    @property
    def database(self) -> Path:
        return self.data / "ei.db"

    @property
    def schemas(self) -> Path:
        return self.data / "schemas"

    @property
    def log(self) -> Path:
        return self.data / "ei.log"


@dataclass(frozen=True, slots=True)
class Config:
    """What is configured now; a change of settings.jsonc makes a new one (`ConfigFile.current`)."""

    paths: Paths
    environment: Mapping[str, str] = field(repr=False)
    folder_env: Mapping[str, str] = field(default_factory=dict, repr=False)
    config_env: Mapping[str, str] = field(default_factory=dict, repr=False)
    settings: Mapping[str, object] = field(default_factory=dict, repr=False)
    warnings: tuple[str, ...] = ()

    def variable(self, name: str) -> Variable | None:
        """The variable of that name where it is set and not empty, the environment first."""
        for values, source, folder in (
            (self.environment, "environment", False),
            (self.folder_env, ".env in this folder", True),
            (self.config_env, ".env in the config folder", False),
        ):
            value = values.get(name, "").strip()
            if value:
                return Variable(name, value, source, folder)
        return None

    def folder_variable(self, name: str) -> Variable | None:
        """The variable as the working directory's `.env` has it, whatever the environment says."""
        value = self.folder_env.get(name, "").strip()
        return Variable(name, value, ".env in this folder", folder=True) if value else None

    def value(self, key: str) -> Value:
        """The setting with that dotted key, its variable first, else its default.

        Raises ConfigError for a variable whose text does not fit the setting.
        """
        setting = SETTINGS[key]
        if setting.variable and (variable := self.variable(setting.variable)):
            return Value(setting.from_text(variable.value), f"{variable.name} ({variable.source})")
        found = _at(self.settings, key)
        return Value(setting.default, "default") if found is None else Value(found, "settings.jsonc")

    def get(self, key: str) -> object:
        return self.value(key).value

    def section(self, key: str) -> Mapping[str, object]:
        """A part of settings.jsonc that is an object, {} where it is absent."""
        found = _at(self.settings, key)
        return found if isinstance(found, dict) else {}


class ConfigFile:
    """Reads the configuration and notices when settings.jsonc changed.

    environment: as `os.environ`; folder: the working directory, or None where its `.env` is not to be read.
    """

    def __init__(self, environment: Mapping[str, str], folder: Path | None) -> None:
        self.paths = find_paths(environment)
        self._base = Config(
            self.paths,
            dict(environment),
            read_env(folder / ".env") if folder else {},
            read_env(self.paths.settings.parent / ".env"),
        )
        self._stamp: Stamp | None = None
        self._current: Config | None = None

    def current(self) -> Config:
        """The configuration as the file stands now. Raises ConfigError, FileSyntaxError when it is broken."""
        stamp = _stamp(self.paths.settings)
        if self._current is None or stamp != self._stamp:
            self._current = self._read() if stamp else self._base
            self._stamp = stamp
        return self._current

    def last_good(self) -> Config:
        """The newest configuration that could be read, for when the file was broken meanwhile."""
        return self._current or self._base

    def _read(self) -> Config:
        document = jsonc.read(self.paths.settings)
        data = {} if document.value is None else document.value
        if not isinstance(data, dict):
            raise ConfigError(f"{self.paths.settings}: settings must be one object in braces.", "See: ei settings init")
        warnings = check(data, self.paths.settings)
        base = self._base
        return Config(base.paths, base.environment, base.folder_env, base.config_env, data, tuple(warnings))


def find_paths(environment: Mapping[str, str]) -> Paths:
    """Where data and settings live: EI_DATA_PATH and EI_CONFIG (a folder or the file), else the platform's folders."""
    import platformdirs

    data = environment.get("EI_DATA_PATH", "").strip()
    config = environment.get("EI_CONFIG", "").strip()
    data_folder = Path(data).expanduser() if data else Path(platformdirs.user_data_dir("ei", appauthor=False))
    if not config:
        settings = Path(platformdirs.user_config_dir("ei", appauthor=False)) / "settings.jsonc"
    else:
        settings = Path(config).expanduser()
        if settings.suffix not in (".json", ".jsonc", ".json5"):
            settings = settings / "settings.jsonc"
    return Paths(_absolute(data_folder), _absolute(settings))


def read_env(path: Path) -> dict[str, str]:
    """The variables of a `.env` file, {} where there is none. `export`, quotes and comments are understood.

    Raises ConfigError for a file that is not text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError):
        return {}
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path} is not UTF-8 text.", "Save it as UTF-8.") from exc
    out: dict[str, str] = {}
    for line in text.splitlines():
        if match := _ENV_LINE.match(line):
            out[match[1]] = _env_value(match[2])
    return out


_ENV_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_ESCAPES = {"n": "\n", "t": "\t"}


def _env_value(written: str) -> str:
    if match := re.match(r'"((?:[^"\\]|\\.)*)"', written):
        return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), match[1])
    if match := re.match(r"'([^']*)'", written):
        return match[1]
    return re.sub(r"(^|\s)#.*", "", written).strip()


def _at(data: Mapping[str, object], key: str) -> object:
    value: object = data
    for name in key.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow a link that the person made
