"""/usage: what it says in a narrow window, and what programs and spreadsheets get."""

from __future__ import annotations

import csv
import io
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ei.commands.base import Document, Reply
from ei.commands.usage import bar, complete_usage, harmless, sparkline
from ei.errors import UsageError
from ei.messages import TextPart
from ei.terminal.tables import render_reply
from ei.terminal.theme import PLAIN
from ei.terminal.width import cell_width
from ei.usage.values import Call
from tests.bench_session import Bench, bench, text_of

CENT = 10_000_000
HOUR = 3_600_000


def call(provider: str, model: str, hours: float = 0, **fields: Any) -> Call:
    """A call that began so many hours ago, at the latest a moment ago."""
    started = int(time.time() * 1000 - hours * HOUR) - 1000
    made = Call(started, "reasoning", provider, model, "complete", input_tokens=1000, output_tokens=100, cost=0)
    return replace(made, **{"first_token_ms": 800, "total_ms": 1800, **fields})


def keep(b: Bench, *calls: Call) -> None:
    for one in calls:
        b.services.calls.record(one)


def some(b: Bench) -> None:
    """A paid model, one without a price, one on this machine."""
    keep(
        b,
        *[call("anthropic", "claude-haiku-4-5", cost=20 * CENT, persona="lena", cached_tokens=500)] * 2,
        call("anthropic", "claude-haiku-4-5", outcome="failed", cost=0, first_token_ms=None, status=529),
        call("openai", "secret", cost=None, persona="mike", reasoning_tokens=50),
        call("local", "tiny", persona="ei", estimated=True),
    )


def rendered(reply: Reply, width: int) -> str:
    rows = render_reply(reply, width, PLAIN)
    assert all(cell_width(row) <= width for row in rows)
    return "\n".join(row.rstrip() for row in rows)


def parsed(reply: Reply) -> list[dict[str, str]]:
    (document,) = reply.items
    assert isinstance(document, Document)
    return list(csv.DictReader(io.StringIO(document.text)))


async def test_nothing_asked_yet_is_one_friendly_line(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        for line in ("/usage", "/usage today --by day"):
            assert text_of(await b.command(line)) == ("Nothing was asked of a model yet; what you ask is counted here.")


async def test_an_empty_span_says_where_to_look(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        keep(b, call("local", "tiny", hours=24 * 40))
        assert text_of(await b.command("/usage today")) == "Nothing was asked today. /usage all shows what was before."
        shell = await b.command("/usage week", shell=True)
        assert text_of(shell) == "Nothing was asked in the last 7 days. ei usage all shows what was before."


async def test_sixty_columns_hold_who_what_and_how_much(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        some(b)
        shown = rendered(await b.command("/usage today"), 60)
        assert shown.splitlines()[0] == "Today: 5 calls, $0.40+?"
        assert "What 1 call cost is not known ($?)." in shown
        rows = [" ".join(row.split()) for row in shown.splitlines() if ":" in row]
        assert any(row.startswith("anthropic:claude-haiku-4-5 ████████ $0.40") for row in rows)
        assert any(row.startswith("openai:secret $?") for row in rows)
        assert any(row.startswith("local:tiny free") for row in rows)


async def test_a_wide_window_holds_all_that_was_measured(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        some(b)
        shown = rendered(await b.command("/usage today"), 160)
        head = next(row for row in shown.splitlines() if row.startswith("model"))
        columns = "model cost no price in cached out reasoning first token p95 speed failed calls"
        assert head.split() == columns.split()
        assert "~5k tokens in (1k cached), ~500 out (50 reasoning)" in shown
        assert "first token 0.8 s, p95 0.8 s · 100 tokens/s · 20% failed" in shown


async def test_where_nothing_costs_the_bars_are_of_tokens(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        keep(b, *[call("local", "big")] * 2, call("local", "tiny"))
        shown = rendered(await b.command("/usage today"), 80)
        assert shown.splitlines()[0] == "Today: 3 calls, free"
        assert [row.split()[:2] for row in shown.splitlines()[-2:]] == [
            ["local:big", "████████"],
            ["local:tiny", "████"],
        ]


async def test_days_are_a_line_of_their_own(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        keep(b, call("openai", "a", cost=8 * CENT), call("openai", "a", hours=48, cost=4 * CENT))
        lines = text_of(await b.command("/usage week")).splitlines()
        assert lines[3].split()[2] == "····▅·█"
        assert "at most $0.08 on" in lines[3]
        days = await b.command("/usage week --by day")
        assert isinstance(days.data, dict)
        assert [row["calls"] for row in days.data["groups"]] == [1, 1]


async def test_conversations_are_named_and_what_is_not_kept_is_said(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        store = b.services.conversations
        kept = store.create("lena")
        store.append(kept.id, None, "user", "", [TextPart("Hi")])
        store.rename(kept.id, "Puddles")
        keep(b, call("openai", "a", cost=CENT, conversation=kept.id), call("openai", "a"))
        reply = await b.command("/usage --by conversation")
        shown = rendered(reply, 60)
        assert f"{kept.id[-8:]} Puddles" in shown
        assert "(not kept)" in shown
        assert isinstance(reply.data, dict)
        assert [(row["conversation"], row["title"]) for row in reply.data["groups"]] == [
            (kept.id, "Puddles"),
            (None, None),
        ]


async def test_many_groups_are_cut_and_the_rest_is_counted(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        keep(b, *(call("openai", f"m{number}", cost=CENT * number) for number in range(1, 26)))
        shown = text_of(await b.command("/usage"))
        assert "openai:m25 " in shown
        assert "openai:m5 " not in shown
        assert shown.endswith("… and 5 more: --csv or --json has them all.")
        assert len(parsed(await b.command("/usage --csv"))) == 25


async def test_a_model_that_is_not_itself_today_is_told(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        keep(b, *(call("openai", "a", hours=30 + number) for number in range(20)))
        keep(b, *[call("openai", "a", first_token_ms=9000, total_ms=10_000)] * 3)
        keep(b, *[call("openai", "a", first_token_ms=9000, outcome="failed")] * 2)
        shown = text_of(await b.command("/usage today"))
        assert "openai:a failed 40% of 5 calls in the last day, 0% in the month before." in shown
        assert "openai:a took 9.0 s to its first token in the last day" in shown


async def test_json_says_unknown_with_null_and_never_with_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        some(b)
        reply = await b.command("/usage today --json")
        (document,) = reply.items
        assert isinstance(document, Document)
        data = json.loads(document.text)
        assert data == reply.data
        assert {row["model"]: (row["cost_usd"], row["unknown_cost_calls"]) for row in data["groups"]} == {
            "anthropic:claude-haiku-4-5": (0.4, 0),
            "openai:secret": (None, 1),
            "local:tiny": (0.0, 0),
        }
        assert (data["total"]["calls"], data["total"]["cost_usd"], data["total"]["cached_tokens"]) == (5, 0.4, 1000)


async def test_a_spreadsheet_gets_no_formula_and_quoted_cells(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        names = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", 'with "quotes", and commas', "two\nlines", "plain"]
        keep(b, *(call("openai", "a", persona=name, cost=CENT) for name in names))
        rows = parsed(await b.command("/usage --by persona --csv"))
        assert sorted(row["persona"] for row in rows) == sorted(
            ["'=cmd|' /C calc'!A0", "'+1", "'-1", "'@SUM(1)", 'with "quotes", and commas', "two\nlines", "plain"]
        )
        assert {row["cost_usd"] for row in rows} == {"0.01"}
        keep(b, call("openai", "a", persona="unknown", cost=None))
        rows = parsed(await b.command("/usage --by persona --csv"))
        assert [row["cost_usd"] for row in rows if row["persona"] == "unknown"] == [""]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("=1", "'=1"), ("\t=1", "'\t=1"), ("＝1", "'＝1"), ("a=1", "a=1"), ("", ""), ("2026-11-20", "2026-11-20")],
)
def test_what_begins_like_a_formula_is_made_a_text(text: str, expected: str) -> None:
    assert harmless(text) == expected


@pytest.mark.parametrize("line", ["/usage yesterday", "/usage --by colour", "/usage week month", "/usage --cvs"])
async def test_what_means_nothing_is_refused_with_what_does(tmp_path: Path, line: str) -> None:
    async with bench(tmp_path) as b:
        with pytest.raises(UsageError) as caught:
            await b.command(line)
        assert caught.value.hint


async def test_tab_offers_spans_then_groups(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        assert [word for word, _ in complete_usage(b.session, [""])][:4] == ["today", "week", "month", "all"]
        assert [word for word, _ in complete_usage(b.session, ["week", ""])] == ["--by", "--json", "--csv"]
        assert "persona" in [word for word, _ in complete_usage(b.session, ["--by", "p"])]


@pytest.mark.parametrize(
    ("part", "expected"), [(0, ""), (0.0001, "▏"), (0.5, "████"), (0.55, "████▍"), (1, "████████")]
)
def test_a_bar_is_as_long_as_its_part(part: float, expected: str) -> None:
    assert bar(part) == expected


def test_a_line_of_days_shows_the_highest_the_lowest_and_none() -> None:
    assert sparkline([0, 1, 50, 100]) == "·▁▅█"
    assert sparkline([0, 0]) == "··"
    assert len(sparkline(range(365))) <= 31
