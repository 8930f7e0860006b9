"""What each provider cost: sums over the ledger of calls."""

from __future__ import annotations

import time
from collections.abc import Mapping

from ei.storage.database import Database
from ei.usage.values import Spent


def spent_by_provider(database: Database, since_ms: int = 0, owner: str = "local") -> Mapping[str, Spent]:
    """Totals of the calls that started since then (milliseconds since 1970), by the provider's name."""
    with database.read() as connection:
        rows = connection.execute(
            "SELECT provider, count(*), coalesce(sum(cost), 0), count(*) - count(cost),"
            " coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0)"
            " FROM calls WHERE owner = ? AND started_ms >= ? GROUP BY provider",
            (owner, since_ms),
        ).fetchall()
    return {str(provider): Spent(*sums) for provider, *sums in rows}


def month_ms(now: float) -> int:
    """The beginning of the month, local time, in milliseconds since 1970. now: seconds since 1970."""
    day = time.localtime(now)
    return int(time.mktime((day.tm_year, day.tm_mon, 1, 0, 0, 0, 0, 0, -1)) * 1000)
