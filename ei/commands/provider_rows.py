"""Providers as rows: how each stands, where its key comes from, who gets what it is sent, what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ei.commands.base import Invocation, Item, Line, Reply, Table
from ei.commands.words import NANO, money, plural

if TYPE_CHECKING:
    from ei.engine.provider_facts import ProviderFacts
    from ei.providers.keys import KeyState
    from ei.usage.values import Spent

COLUMNS = ("provider", "state", "models", "this month", "key", "address")
SPARE = ("address", "this month", "models")
PLACES = {"keyring": "the keyring", "file": "encrypted file", "plain": "plain file"}


def all_rows(call: Invocation, found: Sequence[ProviderFacts]) -> Reply:
    """Who gets what each provider is sent, then how each stands: what is looked at first ends up lowest."""
    rows = tuple((f.name, state_of(f), _models(f), month_of(f.month), key_of(f, short=True), f.base_url) for f in found)
    here = [f.name for f in found if f.here]
    away = tuple((f.name, f.goes_to, f.retention) for f in found if not f.here)
    items: list[Item] = []
    if away:
        items.append(Table(("provider", "goes to", "what they say they keep"), away, title="What you send"))
    if here:
        items.append(Line(f"Stays on this machine or a host of your own: {', '.join(here)}", "dim"))
    items.append(Table(COLUMNS, rows, title="Providers", spare=SPARE))
    change, test = call.typed("provider NAME"), call.typed("provider test --all")
    items.append(Line(f"To change one: {change}. To test them: {test}", "dim"))
    return Reply(tuple(items), [as_data(f) for f in found])


def one_row(call: Invocation, f: ProviderFacts) -> Reply:
    """All that is known of one provider."""
    settings = f.settings
    headers = settings.get("headers")
    preferred = settings.get("preferred_models")
    facts = (
        ("provider", f"{f.name}, {f.label}" if f.label != f.name else f.name),
        ("state", state_of(f)),
        ("address", f.base_url),
        ("key", key_of(f)),
        ("models", f"{f.models:,} active" if f.models else "none known yet"),
        ("what you send", f.goes_to),
        ("they say", f.retention),
        ("this month", month_of(f.month) or "nothing"),
        ("default model", str(settings.get("default_model") or "")),
        ("preferred", ", ".join(map(str, preferred)) if isinstance(preferred, list) else ""),
        ("organisation", str(settings.get("organization") or "")),
        ("project", str(settings.get("project") or "")),
        ("headers", ", ".join(headers) if isinstance(headers, dict) else ""),
    )
    hint = Line(f"To test it: {call.typed(f'provider test {f.name}')}", "dim")
    return Reply((Table(("", ""), tuple(fact for fact in facts if fact[1])), hint), as_data(f))


def as_data(f: ProviderFacts) -> dict[str, object]:
    """One provider, JSON-ready; costs in dollars."""
    from ei.providers.keys import in_words

    key = f.key
    return {
        "provider": f.name,
        "label": f.label,
        "state": f.state,
        "why": f.words or None,
        "base_url": f.base_url or None,
        "key": None
        if key is None
        else {
            "reference": in_words(key.reference) if key.reference else None,
            "where": key.where or None,
            "last4": key.last4 or None,
            "problem": key.problem or None,
        },
        "models": f.models,
        "stays_here": f.here,
        "goes_to": f.goes_to,
        "retention": f.retention or None,
        "month": {"calls": f.month.calls, "cost_usd": f.month.cost / NANO, "unknown_cost_calls": f.month.unknown},
        "own": f.own,
    }


def state_of(f: ProviderFacts) -> str:
    """Its state with a mark, and why."""
    if f.state == "circuit open":
        return f"✗ {f.words}"
    mark = "✓" if f.ready else "✗"
    return f"{mark} {f.state}"


def key_of(f: ProviderFacts, *, short: bool = False) -> str:
    """Where its key comes from, or what is missing; never the key. short: without the path of a file."""
    if f.key is not None:
        return key_words(f.key, short=short)
    if f.state == "no key":
        return "none yet"
    return "none needed" if f.state != "switched off" and f.state != "no address" else ""


def key_words(key: KeyState, *, short: bool = False) -> str:
    """Where a key comes from, with its last four characters where they are known."""
    if key.problem:
        return key.problem.rstrip(".")
    where = PLACES.get(key.kind, key.where) if short else key.where
    return f"{where} …{key.last4}" if key.last4 else where


def month_of(spent: Spent) -> str:
    """What was spent; a `?` with how many calls nobody knows the cost of."""
    if not spent.calls:
        return ""
    if not spent.unknown:
        return money(spent.cost)
    unknown = f"{plural(spent.unknown, 'call')} unknown"
    return f"{money(spent.cost)} + ? ({unknown})" if spent.cost else f"$? ({unknown})"


def _models(f: ProviderFacts) -> str:
    return f"{f.models:,}" if f.models else ""
