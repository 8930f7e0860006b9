"""Well-known families of models that Ollama can install, as they ship: sizes and what each is good at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

GIGABYTE = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Size:
    """One size of a family.

    tag: what stands after the colon. can: as in Family, for the size alone. bytes: about what is downloaded, None
    unknown.
    """

    tag: str
    can: tuple[str, ...]
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """name: as Ollama's library has it. can: of tools, vision, thinking, embedding. sizes: the smallest first."""

    name: str
    maker: str
    good_at: str
    can: tuple[str, ...]
    sizes: tuple[Size, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What can be typed to install one of its sizes."""
        return tuple(f"{self.name}:{size.tag}" for size in self.sizes)


@cache
def families() -> tuple[Family, ...]:
    """All that ship, the ones to look at first in front. Source of names and sizes: ollama.com/library."""
    import json

    rows = json.loads(Path(__file__).with_name("ollama_families.json").read_text("utf-8"))
    return tuple(
        Family(
            row["name"],
            row["maker"],
            row["good_at"],
            tuple(row["can"]),
            tuple(_size(size, row["can"]) for size in row["sizes"]),
        )
        for row in rows
    )


def search(words: Sequence[str]) -> tuple[Family, ...]:
    """The families in which all the words are: in name, maker, sizes, what they are good at or what they can."""
    wanted = [word.lower() for word in words]
    return tuple(family for family in families() if all(word in _text(family) for word in wanted))


def size_of(name: str) -> int | None:
    """About how many bytes are downloaded for a name such as `qwen3:8b`; None where it is not known."""
    return next(
        (size.bytes for family in families() for size in family.sizes if f"{family.name}:{size.tag}" == name), None
    )


def _size(row: Mapping[str, Any], can: Sequence[str]) -> Size:
    return Size(row["tag"], tuple(row.get("can", can)), round(row["gb"] * GIGABYTE) if "gb" in row else None)


def _text(family: Family) -> str:
    parts = (family.maker, family.good_at, *family.can, family.name, *family.names)
    return " ".join(parts).lower()
