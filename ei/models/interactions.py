"""What a call is for: one value per interaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interaction:
    """own_model: whether a persona's plain `model` counts for it (its `models.NAME` always does)."""

    name: str
    meaning: str
    own_model: bool = False

    @property
    def variable(self) -> str:
        """The environment variable that sets its model for everything."""
        return f"EI_MODEL_{self.name.upper()}"


REASONING = Interaction("reasoning", "a persona's reply", own_model=True)
SUBAGENTS = Interaction("subagents", "a persona asked by another", own_model=True)
PLANNING = Interaction("planning", "drafting, deciding whether to speak")

INTERACTIONS: Mapping[str, Interaction] = {each.name: each for each in (REASONING, SUBAGENTS, PLANNING)}
