"""A model as a value: what is known of it, from whom, and what the person decided."""

from __future__ import annotations

from dataclasses import dataclass, field

TIERS = ("fast", "balanced", "smart", "premium")
CAPABILITIES = ("tools", "vision", "structured_output", "reasoning", "embeddings", "streaming")
BY_HAND = ("tier", "prices", "default", "disabled")
"""What a person may set and a sync never overwrites."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Nano-dollars per million tokens; None is unknown, never 0.

    source: "provider" (its list), "genai-prices", "person", or "" where nothing is known. at_ms: milliseconds since
    1970 when it was learned.
    """

    input: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    output: int | None = None
    source: str = ""
    at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """One row of the registry.

    provider, name: as in `provider:name`. label: what its maker calls it. tier: one of TIERS or "" where none fits;
    tier_reason: one line why. context, max_output: tokens, None where nobody says. capabilities: of CAPABILITIES;
    None where nobody says anything. sampling: whether it takes temperature and the like, None unknown.
    chat: whether it can hold a conversation. active: it was in its provider's newest list, or was added by hand.
    default: it is the one its tier picks first. disabled: the person wants it left alone. by_hand: names of BY_HAND
    that the person set. added: it is here because the person said so, no list names it.
    first_seen_ms, synced_ms: milliseconds since 1970. shutdown: ISO date from which it is gone, or "".
    created_ms: when its maker released it, None unknown. aliases: other names its provider takes for it.
    """

    provider: str
    name: str
    label: str = ""
    tier: str = ""
    tier_reason: str = ""
    prices: Prices = field(default_factory=Prices)
    context: int | None = None
    max_output: int | None = None
    capabilities: frozenset[str] | None = None
    sampling: bool | None = None
    chat: bool = True
    active: bool = True
    default: bool = False
    disabled: bool = False
    added: bool = False
    by_hand: frozenset[str] = frozenset()
    first_seen_ms: int = 0
    synced_ms: int = 0
    created_ms: int | None = None
    shutdown: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """`provider:name`."""
        return f"{self.provider}:{self.name}"


@dataclass(frozen=True, slots=True)
class Speed:
    """What was measured here: medians over the newest calls; None where there were none."""

    first_token_ms: int | None = None
    tokens_per_second: float | None = None
    error_rate: float | None = None
    calls: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the audit: at_ms, which model, which field, from, to, and by whom ("sync", "hand", "test")."""

    at_ms: int
    model: str
    what: str
    before: str
    after: str
    by: str


def dollars(price: int | None) -> str:
    """A price in nano-dollars as exact dollars, without zeros at the end: `$0.075`; `?` where unknown."""
    if price is None:
        return "?"
    whole, rest = divmod(abs(price), 1_000_000_000)
    sign = "-" if price < 0 else ""
    return f"{sign}${whole:,}" + (f".{rest:09}".rstrip("0") if rest else "")


def price_text(prices: Prices) -> str:
    """Prices in a few words: `$3 in, $15 out (genai-prices)`; "" where nothing is known."""
    if prices.input is None and prices.output is None:
        return ""
    cached = "" if prices.cached is None else f", {dollars(prices.cached)} cached"
    source = f" ({prices.source})" if prices.source else ""
    return f"{dollars(prices.input)} in{cached}, {dollars(prices.output)} out{source}"
