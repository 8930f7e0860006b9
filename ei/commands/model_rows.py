"""A model of the registry in words: a row of the table, all that is known of it, and the same as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ei.commands.words import ago, clip, tokens
from ei.models.choosing import is_sent_on
from ei.models.values import Model, Speed, dollars, price_text

if TYPE_CHECKING:
    from ei.engine.session import Session

LETTERS = {"tools": "t", "vision": "v", "structured_output": "s", "reasoning": "r", "embeddings": "e"}
LEGEND = "can: t tools, v vision, s structured output, r reasoning, e embeddings; * is the default of its tier"
COLUMNS = ("model", "tier", "context", "$ in", "$ out", "can", "speed", "where", "state")


def row(model: Model, speed: Speed | None, where: str, problem: str) -> tuple[str, ...]:
    """A row under COLUMNS; where: "local" or "cloud". problem: why its provider cannot be asked, in few words."""
    where = _runs(model, where)
    return (
        model.id,
        model.tier + ("*" if model.default else ""),
        tokens(model.context) if model.context else "",
        _price(model, model.prices.input, where),
        _price(model, model.prices.output, where),
        letters(model),
        speed_text(speed),
        where,
        ", ".join(states(model, problem)),
    )


def letters(model: Model) -> str:
    """What it can do, a letter each; `?` where nobody says."""
    if model.capabilities is None:
        return "?"
    return "".join(letter for name, letter in LETTERS.items() if name in model.capabilities)


def speed_text(speed: Speed | None) -> str:
    """`0.4 s, 80/s`: to the first token, then tokens per second."""
    if speed is None:
        return ""
    parts = [f"{speed.first_token_ms / 1000:.1f} s"] if speed.first_token_ms is not None else []
    parts += [f"{speed.tokens_per_second:.0f}/s"] if speed.tokens_per_second is not None else []
    return ", ".join(parts)


def states(model: Model, problem: str = "") -> list[str]:
    """What keeps it from being used, or will, in few words each."""
    out = ["gone"] if not model.active else []
    out += ["disabled"] if model.disabled else []
    out += ["no chat"] if not model.chat else []
    out += [f"ends {model.shutdown}"] if model.shutdown else []
    out += ["added"] if model.added else []
    return out + ([problem] if problem else [])


def as_data(model: Model, speed: Speed | None = None, where: str = "") -> dict[str, object]:
    """All of it, JSON-ready; prices in dollars per million tokens, times in milliseconds since 1970."""
    prices, where = model.prices, _runs(model, where)
    return {
        "model": model.id,
        "provider": model.provider,
        "name": model.name,
        "label": model.label,
        "tier": model.tier or None,
        "tier_reason": model.tier_reason or None,
        "default": model.default,
        "input_usd": _usd(prices.input),
        "cached_usd": _usd(prices.cached),
        "cache_write_usd": _usd(prices.cache_write),
        "output_usd": _usd(prices.output),
        "price_source": prices.source or None,
        "price_ms": prices.at_ms,
        "context": model.context,
        "max_output": model.max_output,
        "capabilities": None if model.capabilities is None else sorted(model.capabilities),
        "sampling": model.sampling,
        "chat": model.chat,
        "active": model.active,
        "disabled": model.disabled,
        "added": model.added,
        "by_hand": sorted(model.by_hand),
        "where": where or None,
        "first_seen_ms": model.first_seen_ms,
        "synced_ms": model.synced_ms or None,
        "created_ms": model.created_ms,
        "shutdown": model.shutdown or None,
        "aliases": list(model.aliases),
        "first_token_ms": speed.first_token_ms if speed else None,
        "tokens_per_second": round(speed.tokens_per_second, 1) if speed and speed.tokens_per_second else None,
        "error_rate": round(speed.error_rate, 3) if speed and speed.error_rate is not None else None,
        "calls": speed.calls if speed else 0,
    }


def details(
    model: Model, speed: Speed | None, where: str, problem: str, used: Iterable[str], learned: Mapping[str, object],
    now: float,
) -> tuple[tuple[str, str], ...]:  # fmt: skip
    """(what, value) of all that is known; now: seconds since 1970."""
    prices, where = model.prices, _runs(model, where)
    hand = " (you set it)" if "prices" in model.by_hand else f" (from {prices.source}{_age(prices.at_ms, now)})"
    price = price_text(prices).rpartition(" (")[0]
    can = "nobody says" if model.capabilities is None else ", ".join(sorted(model.capabilities)).replace("_", " ")
    measured = f"{speed_text(speed) or 'no speed'}, {speed.calls} calls" if speed else ""
    if speed is not None and speed.error_rate:
        measured += f", {speed.error_rate:.0%} failed"
    facts = (
        ("model", model.id),
        ("label", model.label),
        ("tier", f"{model.tier or 'none'}{', its default' if model.default else ''}: {model.tier_reason}"),
        ("price", f"{price} per million tokens{hand}" if price else "free" if where == "local" else "nobody says"),
        ("context", f"{model.context:,} tokens" if model.context else "nobody says"),
        ("longest reply", f"{model.max_output:,} tokens" if model.max_output else ""),
        ("can", can),
        (
            "temperature",
            {True: "taken", False: "not taken"}.get(model.sampling, "") if model.sampling is not None else "",
        ),
        ("also called", ", ".join(model.aliases)),
        ("runs", "on this machine" if where == "local" else "in the cloud"),
        ("seen here", measured),
        ("learned here", ", ".join(f"{name}: {clip(_learned(name, value), 60)}" for name, value in learned.items())),
        ("state", ", ".join(states(model, problem)) or "ready"),
        ("used by", ", ".join(used)),
        ("set by hand", ", ".join(sorted(model.by_hand))),
        ("first seen", ago(now - model.first_seen_ms / 1000)),
        ("last listed", ago(now - model.synced_ms / 1000) if model.synced_ms else "never"),
    )
    return tuple((what, value) for what, value in facts if value)


def where_of(session: Session, provider: str) -> str:
    """Where what is said to a provider goes: "local" for one's own machine, else "cloud"; "" for one that is gone."""
    chooser = session.services.chooser
    if provider not in chooser.endpoints():
        return ""
    return "local" if chooser.stays_here(provider) else "cloud"


def problem_of(session: Session, provider: str) -> str:
    """Why a provider cannot be asked, in few words, or ""."""
    from ei.engine.own import everything
    from ei.models.choosing import NOT_HERE

    chooser = session.services.chooser
    endpoint = chooser.endpoints().get(provider)
    if endpoint is None:
        return "no such provider"
    if endpoint.wire == "builtin":
        return ""
    connection = chooser.connection(provider)
    if connection.problem or not connection.base_url:
        return "no address"
    if not connection.own and everything(session.services.config.last_good()):
        return NOT_HERE
    return "" if connection.ready else "no key"


def _runs(model: Model, where: str) -> str:
    """Where a model runs whose server is `where`: a server here may only pass on what it gets."""
    return "cloud" if where == "local" and is_sent_on(model.name) else where


def _price(model: Model, price: int | None, where: str) -> str:
    if price is None:
        return "free" if where == "local" and not model.prices.source else "?"
    return dollars(price).removeprefix("$")


def _learned(name: str, value: object) -> str:
    if name == "density" and isinstance(value, list) and len(value) == 4:
        return f"{1 / value[0]:.1f} letters a token, by {value[3]} counts"
    if isinstance(value, Mapping):
        return ", ".join(f"{'' if known else 'no '}{name}".replace("_", " ") for name, known in value.items())
    return str(value)


def _usd(price: int | None) -> float | None:
    return None if price is None else price / 1_000_000_000


def _age(at_ms: int | None, now: float) -> str:
    if at_ms is None:
        return ""
    age = ago(now - at_ms / 1000)
    return ", now" if age == "now" else f", {age} ago"
