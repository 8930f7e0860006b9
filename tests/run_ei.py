"""Runs the real `ei` in a process of its own, in a home that is its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench_session import NOBODY

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Ran:
    """How a run ended: its exit code and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Ei:
    """A home folder and the variables that `ei` runs with: nothing of this machine's own reaches it."""

    def __init__(self, home: Path, **variables: str) -> None:
        self.home = home
        self.data = home / "data"
        self.config = home / "config"
        self.folder = home / "folder"
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = ("PATH", "SYSTEMROOT", "TEMP", "LANG")
        self.variables = {name: os.environ[name] for name in kept if name in os.environ} | {
            "HOME": str(home),
            "EI_DATA_PATH": str(self.data),
            "EI_CONFIG": str(self.config),
            "EI_LLM_BASE_URL": NOBODY,
            "EI_OLLAMA_BASE_URL": NOBODY,
            "EI_MODELS_SYNC": "off",
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error",
            **variables,
        }

    def command(self, *words: str | bytes) -> list[str | bytes]:
        return [sys.executable, "-m", "ei", *words]

    def __call__(
        self, *words: str | bytes, stdin: str | bytes | None = None, env: Mapping[str, str] | None = None
    ) -> Ran:
        """Runs `ei WORDS…` and waits. stdin: what comes through the pipe; None is an empty one."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            self.command(*words),
            input=data or b"",
            capture_output=True,
            env={**self.variables, **(env or {})},
            cwd=self.folder,
            timeout=60,
            check=False,
        )
        return Ran(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))

    def start(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        """Starts `ei WORDS…` with pipes."""
        pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = self.command(*words)
        started: subprocess.Popen[bytes] = subprocess.Popen(
            command, env=self.variables, cwd=self.folder, **{**pipes, **options}
        )
        return started

    def set(self, **variables: str) -> Ei:
        """The same home with more variables."""
        self.variables.update(variables)
        return self

    def settings(self, text: str) -> Path:
        """Writes settings.jsonc."""
        self.config.mkdir(parents=True, exist_ok=True)
        path = self.config / "settings.jsonc"
        path.write_text(text, "utf-8")
        return path

    def written(self) -> bytes:
        """Every byte of every file in the home."""
        return b"\n".join(path.read_bytes() for path in sorted(self.home.rglob("*")) if path.is_file())
