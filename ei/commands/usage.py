"""/usage: what was asked of which models, what it cost, how quickly it came, and what was unusual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ei.commands.base import Command, Document, Invocation, Item, Line, Reply, Table
from ei.commands.finding import on
from ei.commands.parse import options
from ei.commands.words import clip, money, plural, spent, tokens
from ei.errors import EiError, NotFoundError, UsageError
from ei.storage.ids import short

if TYPE_CHECKING:
    from ei.engine.session import Session
    from ei.usage.report import By, Group, Report, Span, Totals, Unusual

SPAN_WORDS = {"today": "today", "week": "the last 7 days", "month": "this calendar month", "all": "ever since"}
BY_WORDS = {
    "model": "each model",
    "provider": "each provider",
    "persona": "each persona",
    "day": "each day",
    "interaction": "each kind of call",
    "conversation": "each conversation",
}
USAGE = f"Write /usage {'|'.join(SPAN_WORDS)} --by {'|'.join(BY_WORDS)}"
MOST = 20
"""So many rows are shown; --json and --csv have all."""
BAR = 8
EIGHTHS = " ▏▎▍▌▋▊▉█"
LEVELS = "▁▂▃▄▅▆▇█"
NO_CALLS = "·"
WIDEST = 31
"""So many columns a line of days has; where there are more days each stands for several."""
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
NAMELESS = {"persona": "(no persona)", "conversation": "(not kept)"}
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What spreadsheets take for the beginning of a formula, in wide letters too."""
COLUMNS = (
    "calls", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "tokens_estimated", "cost_usd",
    "unknown_cost_calls", "failed_calls", "error_rate", "first_token_ms", "first_token_p95_ms", "tokens_per_second",
)  # fmt: skip


async def run_usage(call: Invocation) -> Reply:
    given = options(call.words, ("--json", "--csv"), ("--by",), USAGE)
    span, by = _span(given.rest), _by(given.values.get("--by", "model"))
    # In a thread: there may be very many calls.
    found = await call.session.in_thread(_report, call.session, span, by)
    titles = await _titles(call.session, found) if by == "conversation" else {}
    data = as_data(found, titles)
    if given.has("--json"):
        from ei.commands.shell import json_text

        return Reply((Document(json_text(data, indent=2), "jsonc"),), data)
    if given.has("--csv"):
        return Reply((Document(as_csv(found, titles), "text"),), data)
    if not found.totals.calls:
        return Reply.line(await _nothing(call, span), "dim", data)
    here = _here(call.session, found)
    items: list[Item] = [*_lines(found, here), _table(found, here, titles)]
    if len(found.groups) > MOST:
        items.append(Line(f"… and {len(found.groups) - MOST:,} more: --csv or --json has them all.", "dim"))
    return Reply((*items, *(Line(unusual_text(one), "warn") for one in found.unusual)), data)


def as_data(found: Report, titles: Mapping[str, str]) -> dict[str, object]:
    """The report, JSON-ready; costs in dollars, null where nobody knows. titles: of conversations, by id."""
    return {
        "span": found.span,
        "by": found.by,
        "since_ms": found.since_ms or None,
        "total": _totals(found.totals),
        "groups": [
            {found.by: group.key or None}
            | ({"title": titles.get(group.key)} if found.by == "conversation" else {})
            | _totals(group.totals)
            for group in found.groups
        ],
        "days": [{"day": day, "cost_usd": cost / 1_000_000_000, "tokens": count} for day, cost, count in found.days],
        "unusual": [
            {"model": one.model, "what": one.what, "now": one.now, "before": one.before, "calls": one.calls}
            for one in found.unusual
        ],
    }


def as_csv(found: Report, titles: Mapping[str, str]) -> str:
    """The groups as a table for a spreadsheet, which is given no text that it would take for a formula."""
    import csv
    import io

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    more = ("title",) if found.by == "conversation" else ()
    writer.writerow((found.by, *more, *COLUMNS))
    for group in found.groups:
        values = _totals(group.totals)
        values["cost_usd"] = "" if values["cost_usd"] is None else _dollars(group.totals.cost)
        texts = (group.key, titles.get(group.key, ""))[: 1 + len(more)]
        writer.writerow((*map(harmless, texts), *("" if values[name] is None else values[name] for name in COLUMNS)))
    return out.getvalue()


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula (as OWASP's "CSV injection" has it)."""
    return f"'{text}" if text.startswith(FORMULA) else text


def bar(part: float) -> str:
    """A bar as long as a part of 1, at most BAR cells; the least that there is shows."""
    eighths = max(round(part * BAR * 8), 1) if part > 0 else 0
    whole, rest = divmod(min(eighths, BAR * 8), 8)
    return "█" * whole + EIGHTHS[rest].strip()


def sparkline(values: Sequence[int]) -> str:
    """A character for each value, at most WIDEST: neighbours are added up where there are more."""
    size = -(-len(values) // WIDEST) or 1
    sums = [sum(values[start : start + size]) for start in range(0, len(values), size)]
    highest = max(sums, default=0)
    return "".join(LEVELS[(one * (len(LEVELS) - 1) + highest // 2) // highest] if one else NO_CALLS for one in sums)


def unusual_text(one: Unusual) -> str:
    """One sentence for the person."""
    if one.what == "errors":
        return (
            f"{one.model} failed {one.now:.0%} of {plural(one.calls, 'call')} in the last day, "
            f"{one.before:.0%} in the month before."
        )
    return (
        f"{one.model} took {one.now / 1000:.1f} s to its first token in the last day (half of {one.calls:,} calls took "
        f"longer), {one.before / 1000:.1f} s in the month before."
    )


def complete_usage(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    """Spans, then options."""
    if len(words) > 1 and words[-2] == "--by":
        return list(BY_WORDS.items())
    spans = [] if any(word in SPAN_WORDS for word in words[:-1]) else list(SPAN_WORDS.items())
    return [*spans, ("--by", "in groups"), ("--json", "as JSON"), ("--csv", "for a spreadsheet")]


COMMAND = Command(
    "usage",
    "What was asked of the models: calls, tokens, cost, speed, errors",
    (
        "usage [today|week|month|all]  of today, the last 7 days, this month (unless told), or all time",
        "usage --by model|provider|persona|day|interaction|conversation  in groups; by model unless told",
        "usage --csv  all of it, for a spreadsheet",
        "usage --json  all of it, for a program",
    ),
    run_usage,
    "models",
    examples=("usage", "usage week --by persona", "usage all --by day --csv"),
    complete=complete_usage,
    shell=True,
)


def _span(rest: Sequence[str]) -> Span:
    match list(rest):
        case []:
            return "month"
        case ["today" | "week" | "month" | "all" as span]:
            return span
        case _:
            raise UsageError(f"/usage {' '.join(rest)} means nothing.", USAGE)


def _by(word: str) -> By:
    match word:
        case "model" | "provider" | "persona" | "day" | "interaction" | "conversation":
            return word
        case _:
            raise UsageError(f"--by {word} means nothing.", f"Write --by {', '.join(BY_WORDS)}.")


def _report(session: Session, span: Span, by: By) -> Report:
    """Reads the calls of the span, and of the month that what is unusual is told from."""
    from ei.usage.report import DAY_MS, MONTH_DAYS, report, since

    now = session.services.now()
    begins = min(since(span, now), int(now * 1000) - DAY_MS * (MONTH_DAYS + 1))
    return report(session.services.calls.measured(max(begins, 0)), span, by, now)


async def _titles(session: Session, found: Report) -> dict[str, str]:
    """What the conversations are called, by id; those that are gone are left out."""
    saved, out = session.services.conversations, {}
    for group in found.groups:
        if group.key:
            try:
                conversation = await on(saved, saved.get, group.key)
            except NotFoundError:
                continue
            out[group.key] = conversation.title or f"with {conversation.persona}"
    return out


async def _nothing(call: Invocation, span: Span) -> str:
    session = call.session
    ever = await session.on_main(session.services.calls.calls, limit=1)
    if not ever:
        return "Nothing was asked of a model yet; what you ask is counted here."
    when = {"today": "today", "week": "in the last 7 days", "month": "this month"}.get(span, "")
    return f"Nothing was asked {when}. {call.typed('usage all')} shows what was before."


def _here(session: Session, found: Report) -> frozenset[str]:
    """The providers of the report that run on this machine."""
    out = set()
    for provider in {provider for group in found.groups for provider in group.providers}:
        try:
            if session.services.chooser.stays_here(provider):
                out.add(provider)
        except EiError:
            continue
    return frozenset(out)


def _lines(found: Report, here: frozenset[str]) -> list[Line]:
    total = found.totals
    providers = frozenset(provider for group in found.groups for provider in group.providers)
    when = {"today": "Today", "week": "The last 7 days", "month": "This month", "all": "All time"}[found.span]
    out = [Line(f"{when}: {plural(total.calls, 'call')}, {_cost(total, providers, here)}", "title")]
    mark = "~" if total.estimated else ""
    cached = f" ({tokens(total.cached_tokens)} cached)" if total.cached_tokens else ""
    thought = f" ({tokens(total.reasoning_tokens)} reasoning)" if total.reasoning_tokens else ""
    sums = f"{mark}{tokens(total.input_tokens)} tokens in{cached}, {mark}{tokens(total.output_tokens)} out{thought}"
    out.append(Line(sums))
    facts = []
    if total.first_token_ms is not None:
        facts.append(f"first token {_seconds(total.first_token_ms)}, p95 {_seconds(total.first_token_p95_ms)}")
    if total.tokens_per_second is not None:
        facts.append(f"{total.tokens_per_second:.0f} tokens/s")
    if total.failed:
        facts.append(f"{_percent(total)} failed")
    if facts:
        out.append(Line(" · ".join(facts)))
    if total.unknown:
        out.append(Line(f"What {plural(total.unknown, 'call')} cost is not known ($?).", "warn"))
    if len(found.days) > 1:
        out.append(Line(_days(found)))
    return out


def _days(found: Report) -> str:
    costs = any(cost for _, cost, _ in found.days)
    day, most = max(((day, cost if costs else count) for day, cost, count in found.days), key=lambda one: one[1])
    line = sparkline([cost if costs else count for _, cost, count in found.days])
    shown = money(most) if costs else f"{tokens(most)} tokens"
    return f"{_date(found.days[0][0])} {line} {_date(found.days[-1][0])}, at most {shown} on {_date(day)}"


def _table(found: Report, here: frozenset[str], titles: Mapping[str, str]) -> Table:
    costs = found.totals.cost > 0
    sizes = {group.key: group.totals.cost if costs else group.totals.tokens for group in found.groups}
    largest = max(sizes.values(), default=0)
    shown = found.groups[-MOST:] if found.by == "day" else found.groups[:MOST]
    rows = tuple(
        (
            _label(found.by, group, titles),
            bar(sizes[group.key] / largest) if largest else "",
            _cost(group.totals, group.providers, here),
            f"{group.totals.unknown:,}" if group.totals.unknown else "",
            tokens(group.totals.input_tokens),
            tokens(group.totals.cached_tokens) if group.totals.cached_tokens else "",
            tokens(group.totals.output_tokens),
            tokens(group.totals.reasoning_tokens) if group.totals.reasoning_tokens else "",
            _seconds(group.totals.first_token_ms),
            _seconds(group.totals.first_token_p95_ms),
            f"{group.totals.tokens_per_second:.0f}/s" if group.totals.tokens_per_second is not None else "",
            _percent(group.totals) if group.totals.failed else "",
            f"{group.totals.calls:,}",
        )
        for group in shown
    )
    columns = (
        found.by, "cost" if costs else "tokens", "", "no price", "in", "cached", "out", "reasoning", "first token",
        "p95", "speed", "failed", "calls",
    )  # fmt: skip
    spare = ("reasoning", "cached", "p95", "no price", "speed", "out", "in", "first token", "failed")
    return Table(columns, rows, spare=spare, whole=found.by)


def _label(by: By, group: Group, titles: Mapping[str, str]) -> str:
    if not group.key:
        return NAMELESS.get(by, "")
    if by == "conversation":
        title = titles.get(group.key)
        return f"{short(group.key)} {clip(title, 24)}" if title else short(group.key)
    return f"{_date(group.key)} {group.key[:4]}" if by == "day" else group.key


def _cost(total: Totals, providers: frozenset[str], here: frozenset[str]) -> str:
    if not total.cost and not total.unknown and providers <= here:
        return "free"
    return spent(total.cost, total.unknown, total.calls)


def _totals(total: Totals) -> dict[str, object]:
    """JSON-ready; the cost is null where that of no call is known."""
    known = total.calls > total.unknown or not total.calls
    speed, failed = total.tokens_per_second, total.error_rate
    return {
        "calls": total.calls,
        "input_tokens": total.input_tokens,
        "cached_tokens": total.cached_tokens,
        "output_tokens": total.output_tokens,
        "reasoning_tokens": total.reasoning_tokens,
        "tokens_estimated": total.estimated,
        "cost_usd": total.cost / 1_000_000_000 if known else None,
        "unknown_cost_calls": total.unknown,
        "failed_calls": total.failed,
        "error_rate": None if failed is None else round(failed, 4),
        "first_token_ms": total.first_token_ms,
        "first_token_p95_ms": total.first_token_p95_ms,
        "tokens_per_second": None if speed is None else round(speed, 1),
    }


def _dollars(nano_dollars: int) -> str:
    whole, rest = divmod(nano_dollars, 1_000_000_000)
    return f"{whole}.{rest:09}".rstrip("0").rstrip(".")


def _seconds(milliseconds: int | None) -> str:
    return "" if milliseconds is None else f"{milliseconds / 1000:.1f} s"


def _percent(total: Totals) -> str:
    part = total.error_rate or 0
    return f"{part:.0%}" if part >= 0.01 or not part else "<1%"


def _date(iso: str) -> str:
    """An ISO date as `3 Nov`."""
    return f"{int(iso[8:])} {MONTHS[int(iso[5:7]) - 1]}"
