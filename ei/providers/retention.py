"""What providers say of how long they keep what they are sent: shipped as data, each with its source and date."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Retention:
    """What is known of one provider.

    goes_to: who gets what is sent. keeps: their statement in one line, "" where it is not known. source: the page
    that says so; date: when that was looked at, as YYYY-MM.
    """

    goes_to: str
    keeps: str = ""
    source: str = ""
    date: str = ""

    @property
    def line(self) -> str:
        """The statement with where it was read, or that it is unknown."""
        if not self.keeps:
            return UNKNOWN
        host = self.source.partition("://")[2].partition("/")[0]
        return f"{self.keeps} ({host}, {self.date})"


def retentions() -> Mapping[str, Retention]:
    """The statements by the provider's name, as they are shipped in retention.json."""
    data = json.loads(Path(__file__).with_name("retention.json").read_text("utf-8"))
    return {name: Retention(**row) for name, row in data.items()}
