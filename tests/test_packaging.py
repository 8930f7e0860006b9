"""What is installed is whole, says one version, and its example of a .env file names every variable."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import ei
from ei.config import read_env
from ei.providers.credentials import key_variable, url_variable
from ei.providers.endpoints import ENDPOINTS
from ei.settings import SETTINGS

ROOT = Path(__file__).parents[1]
PROJECT: Any = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGES: list[str] = PROJECT["tool"]["setuptools"]["packages"]
MOVED: dict[str, str] = PROJECT["tool"]["setuptools"]["package-dir"]
PATTERNS: list[str] = PROJECT["tool"]["setuptools"]["package-data"]["*"]
EXAMPLE = (ROOT / ".env.example").read_text("utf-8")
REMOTE = [endpoint for endpoint in ENDPOINTS if endpoint.wire != "builtin"]
OF_THE_ENVIRONMENT = {"EI_DATA_PATH", "EI_CONFIG"}


def folder_of(package: str) -> Path:
    return ROOT / MOVED.get(package, package.replace(".", "/"))


def files_below(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]


def test_every_folder_with_python_in_it_is_a_package_that_is_installed() -> None:
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in files_below(ROOT / "ei") if path.suffix == ".py"}
    assert found <= set(PACKAGES)
    assert [package for package in PACKAGES if not folder_of(package).is_dir()] == []


@pytest.mark.parametrize("top", ["ei", "personas"])
def test_every_other_file_of_the_program_is_installed_too(top: str) -> None:
    """Each is matched by a pattern for data, seen from the nearest folder that is a package."""
    folders = {folder_of(package): package for package in PACKAGES}
    left_out = []
    for path in files_below(ROOT / top):
        home = next((parent for parent in path.parents if parent in folders), None)
        if path.suffix == ".py" or path.name.startswith("."):
            continue
        below = path.relative_to(home).as_posix() if home else ""
        matched = any(
            pattern.count("/") == below.count("/") and fnmatch.fnmatchcase(below, pattern) for pattern in PATTERNS
        )
        if not matched:
            left_out.append(str(path.relative_to(ROOT)))
    assert left_out == []


def test_every_version_agrees() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    released = re.findall(r"^## \[?(\d[^\]\s]*)", changes, re.MULTILINE)
    assert released[0] == ei.__version__
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "ei.__version__"}


def test_the_command_starts_what_is_there() -> None:
    module, function = PROJECT["project"]["scripts"]["ei"].split(":")
    assert callable(getattr(__import__(module, fromlist=[function]), function))


@pytest.mark.parametrize("endpoint", REMOTE, ids=lambda endpoint: endpoint.name)
def test_the_example_of_a_env_file_has_each_providers_variables(endpoint: Any) -> None:
    assert f"\n{key_variable(endpoint)}=" in EXAMPLE
    line = next(line for line in EXAMPLE.splitlines() if line.startswith(f"{url_variable(endpoint)}="))
    assert not endpoint.base_url or f"{endpoint.base_url} when empty" in line
    for name in (*endpoint.key_variables, *endpoint.url_variables):
        assert re.search(rf"\b{name}\b", EXAMPLE), name


def test_the_example_of_a_env_file_names_what_is_read_and_nothing_else() -> None:
    read = {variable for endpoint in REMOTE for variable in (key_variable(endpoint), url_variable(endpoint))}
    read |= {setting.variable for setting in SETTINGS.values() if setting.variable}
    for path in (ROOT / "ei").rglob("*.py"):
        read |= set(re.findall(r'"(EI_[A-Z_]+|LLM_PROVIDER|OLLAMA_CHAT_MODEL)"', path.read_text("utf-8")))
    read -= {endpoint.prefix for endpoint in ENDPOINTS} | OF_THE_ENVIRONMENT
    assert set(read_env(ROOT / ".env.example")) == read
    for name in OF_THE_ENVIRONMENT:
        assert name in EXAMPLE


def test_the_example_of_a_env_file_sets_nothing_and_explains_each_line() -> None:
    assert set(read_env(ROOT / ".env.example").values()) == {""}
    assert [line for line in EXAMPLE.splitlines() if line and not line.startswith("#") and "# " not in line] == []
