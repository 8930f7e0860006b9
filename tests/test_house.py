"""Imports point down only, and what must be ready before the prompt stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ei

PACKAGE = Path(ei.__file__).parent
LAYERS = (
    {"errors", "messages", "jsonc", "platform"},
    {"settings", "config", "storage"},
    {"personas", "models", "providers", "conversations", "usage"},
    {"engine"},
    {"commands"},
    {"terminal"},
    {"app", "ask", "shell", "cli", "__main__"},
)
ONLY_TERMINAL = {"prompt_toolkit", "rich", "pygments"}
TOP = len(LAYERS) - 1
# The chat is started from above but draws: it stands at the top of its room and may use the wiring.
STARTERS = {"ei.terminal.main"}


def room_of(module: str) -> str:
    """`ei.models.resolve` is in `models`; `ei` itself in none."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def layer_of(room: str) -> int:
    return next(index for index, rooms in enumerate(LAYERS) if room in rooms)


def module_of(path: Path) -> str:
    parts = ("ei", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path, *, typing_only: bool = False) -> set[str]:
    """Every module that a file imports, those under `if TYPE_CHECKING` left out unless wanted."""
    tree = ast.parse(path.read_text("utf-8"))
    out: set[str] = set()

    def walk(node: ast.AST) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not typing_only:
            for inner in node.orelse:
                walk(inner)
            return
        if isinstance(node, ast.Import):
            out.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            out.add(node.module)
            out.update(f"{node.module}.{alias.name}" for alias in node.names if node.module.split(".")[0] == "ei")
        for child in ast.iter_child_nodes(node):
            walk(child)

    walk(tree)
    return out


FILES = sorted(PACKAGE.rglob("*.py"))


def is_value_module(module: str) -> bool:
    """Whether a module has no imports of the project's own rooms, so that a neighbour may use it."""
    path = PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py")
    if not path.exists():
        return False
    rooms = {room_of(name) for name in imports_of(path) if name.startswith("ei.")}
    return all(layer_of(room) == 0 for room in rooms)


@pytest.mark.parametrize("path", FILES, ids=lambda path: module_of(path))
def test_imports_point_down_and_no_room_imports_its_neighbour(path: Path) -> None:
    module = module_of(path)
    room = room_of(module)
    if not room or module in STARTERS:
        return
    wrong = []
    for name in imports_of(path):
        other = room_of(name) if name.split(".")[0] == "ei" else ""
        if not other or other == room or other == "__version__":
            continue
        here, there = layer_of(room), layer_of(other)
        neighbour = here == there and here in (2,) and not is_value_module(".".join(name.split(".")[:3]))
        if there > here or neighbour:
            wrong.append(name)
    assert wrong == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: module_of(path))
def test_only_the_terminal_imports_what_draws(path: Path) -> None:
    if room_of(module_of(path)) == "terminal":
        return
    assert {name.split(".")[0] for name in imports_of(path, typing_only=True)} & ONLY_TERMINAL == set()


def loaded_by(code: str) -> set[str]:
    """Names in `sys.modules` of a fresh interpreter after `code`."""
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('\\n'.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(run.stdout.split())


def test_help_and_version_need_no_event_loop_and_nothing_heavy() -> None:
    loaded = loaded_by(
        "import io, contextlib\nfrom ei.cli import run\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n run(['--help']); run(['--version'])"
    )
    assert loaded & {"asyncio", "importlib.metadata", "prompt_toolkit", "rich", "openai", "sqlite3", "json5"} == set()


def test_the_prompt_needs_no_sdk_no_http_client_and_no_renderer() -> None:
    loaded = loaded_by("import ei.terminal.main, ei.terminal.repl, ei.app")
    heavy = {
        "openai",
        "anthropic",
        "httpx",
        "httpx2",
        "pydantic",
        "rich",
        "pygments.lexers",
        "keyring",
        "json5",
        "genai_prices",
        "yaml",
    }
    assert loaded & (heavy | {"importlib.metadata", "difflib"}) == set()


def test_a_provider_is_reached_through_the_gate_alone() -> None:
    """What is private, and what may be spent, is decided in one place."""
    reaching = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if "providers.get(" in path.read_text("utf-8")
    }
    assert reaching == {"engine/gate.py"}
