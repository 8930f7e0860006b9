"""A model that is being installed, as a value: its name, how far it is, how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ei.engine.pull_meter import PullProgress
from ei.errors import EiError, UsageError

OLLAMA = "ollama"

State = Literal["waiting", "begun", "pulling", "paused", "installed", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class Pull:
    """One model that is being installed, or was.

    name: with its tag. host: who runs Ollama, "" for this machine. before, after: digests, "" where it was not there.
    update: it is there, and is looked at again. seconds: how long it took so far. error: why it failed.
    """

    name: str
    host: str = ""
    state: State = "waiting"
    progress: PullProgress = field(default_factory=PullProgress)
    before: str = ""
    after: str = ""
    update: bool = False
    seconds: float = 0.0
    error: EiError | None = None

    @property
    def running(self) -> bool:
        return self.state in ("waiting", "begun", "pulling", "paused")

    @property
    def shown(self) -> str:
        """The name as a person would type it."""
        return self.name.removesuffix(":latest")


def full_name(name: str) -> str:
    """A name as Ollama lists it: with its tag, without `ollama:` before it. Raises UsageError for what is none."""
    text = name.strip().removeprefix(f"{OLLAMA}:")
    plain = text.replace("/", "").replace(":", "").replace("-", "").replace("_", "").replace(".", "").replace("@", "")
    if not (plain.isascii() and plain.isalnum()) or len(text) > 300 or text.startswith("-"):
        raise UsageError(f'"{name}" is no name of a model.', "Names look like qwen3:8b or hf.co/OWNER/MODEL.")
    return text if ":" in text.rpartition("/")[2] else f"{text}:latest"


def size_text(count: int) -> str:
    """Bytes as Ollama and shops count them: 5.2 GB, 815 MB, 12 kB."""
    for size, unit in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= size:
            shown = f"{count / size:.1f}" if count < 10 * size else f"{count / size:.0f}"
            return f"{shown} {unit}"
    return f"{max(count, 0)} B"
