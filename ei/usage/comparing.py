"""How often each model was kept when it was up against another: pure, from the calls of comparisons."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Compared:
    """One model in one comparison in which one was kept.

    group: of the comparison. persona: who spoke, "" where that was deleted. model: `provider:model`, with the profile
    it was asked by in brackets.
    """

    group: str
    persona: str
    model: str
    kept: bool
    blind: bool = False


@dataclass(frozen=True, slots=True)
class Versus:
    """One model beside another: kept of so many comparisons of both. persona: "" for all of them together."""

    model: str
    against: str
    kept: int
    of: int
    persona: str = ""


def versus(compared: Iterable[Compared], *, by_persona: bool = False) -> tuple[Versus, ...]:
    """Each model beside each other one, by persona and name, those kept most often first."""
    groups: dict[tuple[str, str], dict[str, bool]] = {}
    for one in compared:
        models = groups.setdefault((one.persona if by_persona else "", one.group), {})
        models[one.model] = models.get(one.model, False) or one.kept
    counts: dict[tuple[str, str, str], list[int]] = {}
    for (persona, _), models in groups.items():
        for model, kept in models.items():
            for against in models:
                if against != model:
                    count = counts.setdefault((persona, model, against), [0, 0])
                    count[0] += kept
                    count[1] += 1
    found = (Versus(model, against, kept, of, who) for (who, model, against), (kept, of) in counts.items())
    return tuple(sorted(found, key=lambda v: (v.persona, -v.kept / v.of, -v.of, v.model, v.against)))
