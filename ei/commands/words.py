"""Small things in words: ages, counts, money."""

from __future__ import annotations

NANO = 1_000_000_000


def ago(seconds: float) -> str:
    """An age as one short word: now, 5 min, 3 h, 2 d, 4 w, 7 mo, 2 y."""
    for limit, size, unit in (
        (60, 0, "now"),
        (3600, 60, "min"),
        (86400, 3600, "h"),
        (86400 * 14, 86400, "d"),
        (86400 * 60, 86400 * 7, "w"),
        (86400 * 730, 86400 * 30.4, "mo"),
    ):
        if seconds < limit:
            return unit if not size else f"{int(seconds // size)} {unit}"
    return f"{int(seconds // (86400 * 365.25))} y"


def money(nano_dollars: int | None) -> str:
    """Nano-dollars as dollars with as many digits as say something; `?` where unknown."""
    if nano_dollars is None:
        return "$?"
    dollars = nano_dollars / NANO
    if dollars == 0:
        return "$0"
    if dollars < 0.01:
        return f"${dollars:.4f}" if dollars >= 0.0001 else "<$0.0001"
    return f"${dollars:,.2f}"


def spent(cost: int, unknown: int, calls: int = 0) -> str:
    """Nano-dollars of several calls, `?` for those whose cost nobody knows, "" where nothing was asked."""
    if not unknown:
        return money(cost) if cost or calls else ""
    return f"{money(cost)}+?" if cost else money(None)


def tokens(count: int | None) -> str:
    """A token count for a narrow place: 812, 1.1k, 1M."""
    if count is None:
        return "?"
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            shown = f"{count / size:.1f}".removesuffix(".0")
            return f"{shown}{unit}" if count < 100 * size else f"{count // size}{unit}"
    return str(count)


def plural(count: int, one: str, many: str = "") -> str:
    """`1 message`, `2 messages`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def clip(text: str, length: int = 60) -> str:
    """A text cut to so many characters, with an ellipsis where something is missing."""
    return text if len(text) <= length else text[: length - 1] + "…"
