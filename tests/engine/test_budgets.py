"""Budgets on every path: over real servers that cost what their model costs, in one process and in two."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ei.conversations.values import State
from ei.engine.comparing import compare
from ei.engine.drafting import draft_persona
from ei.engine.events import TurnSwitched
from ei.engine.spending import CAUTIOUS, input_bound
from ei.engine.testing import examine
from ei.errors import BudgetError, NeedsAnswerError, ProviderError
from ei.messages import ChatMessage, ChatRequest, OpaquePart, TextPart, ToolSpec
from ei.models.values import Model
from ei.usage.budget import Budget
from ei.usage.values import Call
from tests.bench_session import Bench, bench
from tests.ollama import OllamaServer
from tests.wire import Answer, Cut, Hang, Request, Status, WireServer

BIG = "groq:big"
INPUT, OUTPUT = 1_000_000_000, 10_000_000_000
"""$1 and $10 per million tokens."""
CENT = 10_000_000
NO_VARIABLES: Mapping[str, str] = {}


@pytest.fixture
def server() -> Iterator[WireServer]:
    with WireServer() as server:
        server.reply("I am here.", usage=(500, 100))  # $0.0015
        yield server


@asynccontextmanager
async def talking(
    home: Path,
    server: WireServer,
    *budgets: Budget,
    price: bool = True,
    variables: Mapping[str, str] = NO_VARIABLES,
    **settings: object,
) -> AsyncIterator[Bench]:
    """A session in which groq:big answers, whose price the person gave; what runs here answers at the same server."""
    (home / "config").mkdir(exist_ok=True)
    written = {"retry": {"attempts": 2}, **settings}
    (home / "config" / "settings.jsonc").write_text(json.dumps(written), "utf-8")
    given = {
        "EI_LLM_MODEL": BIG,
        "EI_GROQ_API_KEY": "k",
        "EI_GROQ_BASE_URL": server.url,
        "EI_LLM_BASE_URL": server.url,
    }
    async with bench(home, "ei", **given | dict(variables)) as b:
        b.services.registry.add(Model("groq", "big", max_output=8000, capabilities=frozenset({"streaming"})))
        if price:
            b.services.registry.set_price(BIG, INPUT, OUTPUT)
        for budget in budgets:
            b.services.gate.spending.budgets.set(budget)
        yield b


def spent(b: Bench) -> int:
    """What all budgets say together was spent of the first one."""
    return b.services.gate.spending.budgets.standings()[0].spent


def reserved(b: Bench) -> int:
    return b.services.gate.spending.budgets.standings()[0].reserved


def calls(b: Bench) -> list[Call]:
    return sorted(b.services.calls.calls(), key=lambda call: call.id)


def limit_of(request: Request) -> int:
    value = request.body.get("max_tokens", request.body.get("max_completion_tokens"))
    assert isinstance(value, int)
    return value


def uses_all(request: Request) -> Answer:
    """A reply that takes all that it may, of a prompt of as many tokens as it has bytes."""
    sent = sum(len(text.encode()) for _, text in request.messages)
    return Answer("word " * 20, usage=(sent, limit_of(request)), delay=0.01)


async def test_a_reply_is_paid_out_of_what_was_set_aside(tmp_path: Path, server: WireServer) -> None:
    async with talking(tmp_path, server, Budget("day", 100 * CENT)) as b:
        message = await b.say("Hello")
        assert message.state is State.COMPLETE
        assert (spent(b), reserved(b)) == (1_500_000, 0)
        (call,) = calls(b)
        assert (call.cost, call.assumed, call.approved) == (1_500_000, None, None)
        assert limit_of(server.last) == 8000


async def test_without_a_budget_nothing_is_set_aside_and_nothing_is_cut(tmp_path: Path, server: WireServer) -> None:
    async with talking(tmp_path, server) as b:
        await b.say("Hello")
        assert "max_tokens" not in server.last.body
        assert calls(b)[0].reserved_ms is None


async def test_what_runs_here_costs_nothing_and_is_never_held(tmp_path: Path, server: WireServer) -> None:
    async with talking(tmp_path, server, Budget("day", 0, then="stop")) as b:
        b.session.once("local:tiny")
        assert (await b.say("Hello")).state is State.COMPLETE
        assert "max_tokens" not in server.last.body


async def test_what_a_server_here_sends_on_has_no_known_price(tmp_path: Path, server: WireServer) -> None:
    with OllamaServer() as ollama:
        for name in ("qwen3:8b", "gpt-oss:120b-cloud"):
            ollama.install(name)
        ollama.reply("Here.", usage=(500, 100))
        async with bench(tmp_path, "ei", EI_OLLAMA_BASE_URL=ollama.url, EI_LLM_MODEL="ollama:qwen3:8b") as b:
            await b.say("Hello")
            b.session.request = "ollama:gpt-oss:120b-cloud"
            await b.say("Hello again")
            assert [(call.model, call.cost) for call in calls(b)] == [("qwen3:8b", 0), ("gpt-oss:120b-cloud", None)]
            b.services.gate.spending.budgets.set(Budget("day", 100 * CENT))
            assert (await b.say("And now?")).state is State.FAILED
            assert len(ollama.chats) == 2


async def test_a_reply_is_cut_to_what_is_left_and_that_is_said(tmp_path: Path, server: WireServer) -> None:
    server.always(uses_all)
    async with talking(tmp_path, server, Budget("day", 2 * CENT, then="stop")) as b:
        message = await b.say("Hello")
        assert message.state is State.COMPLETE
        limit = limit_of(server.last)
        assert 64 <= limit < 2000
        assert f"The budget of the day has $0.0200 left: this reply is cut at {limit:,} tokens." in b.told()
        assert spent(b) <= 2 * CENT


async def test_stop_sends_nothing_and_says_what_to_do(tmp_path: Path, server: WireServer) -> None:
    async with talking(tmp_path, server, Budget("month", 100_000, then="stop")) as b:
        message = await b.say("Hello")
        assert message.state is State.FAILED
        assert message.error.startswith("The budget of the month has $0.0001 left of $0.0001, and groq:big may cost $")
        assert "/budget set month AMOUNT" in message.error
        assert (server.chats, calls(b)) == ([], [])


async def test_ask_lets_one_request_through_that_the_person_wants(tmp_path: Path, server: WireServer) -> None:
    async with talking(tmp_path, server, Budget("day", 0)) as b:
        b.session.may_cost_more = b.ui.confirm
        b.ui.yes = [True, False]
        assert (await b.say("Hello")).state is State.COMPLETE
        assert "May groq:big answer this once, over the budget of the day?" in b.ui.asked[0]
        assert [(call.approved, call.cost) for call in calls(b)] == [(True, 1_500_000)]
        assert limit_of(server.last) == 4096
        assert (await b.say("And again")).state is State.FAILED
        assert (len(server.chats), len(calls(b)), reserved(b)) == (1, 1, 0)


async def test_what_was_agreed_to_is_not_asked_again_where_it_has_to_become_shorter(
    tmp_path: Path, server: WireServer
) -> None:
    said = "This model's maximum context length is 2500 tokens. However, your messages resulted in 4000 tokens."
    async with talking(tmp_path, server) as b:
        for _ in range(3):
            await b.say("word " * 600)
        b.services.gate.spending.budgets.set(Budget("day", 0))
        b.session.may_cost_more = b.ui.confirm
        b.ui.yes = [True]
        server.script(Status(400, said, error_code="context_length_exceeded"), Answer("Short.", usage=(500, 100)))
        assert (await b.say("Hello")).text == "Short."
        assert (len(server.chats), len(b.ui.asked), reserved(b)) == (5, 1, 0)


async def test_where_nobody_can_be_asked_only_the_answer_is_missing(tmp_path: Path, server: WireServer) -> None:
    async with talking(tmp_path, server, Budget("day", 0)) as b:
        assert "The budget of the day has $0.00 left" in (await b.say("Hello")).error
        b.session.may_cost_more = b.ui.confirm
        await b.session.send("Hello")
        ended = await b.ended()
        assert isinstance(ended.error, NeedsAnswerError)
        assert "--yes" in ended.error.hint
        assert (server.chats, calls(b)) == ([], [])


async def test_switch_lets_another_answer_and_stores_that_as_a_fallback_is(tmp_path: Path, server: WireServer) -> None:
    async with talking(tmp_path, server, Budget("day", 0, then="switch", reference="local:tiny")) as b:
        message = await b.say("Hello")
        assert (message.state, message.model, message.text) == (State.COMPLETE, "local:tiny", "I am here.")
        assert message.info is not None
        assert message.info.instead_of[0].startswith("groq:big: The budget of the day has $0.00 left")
        assert [event.turn.model for event in b.events if isinstance(event, TurnSwitched)] == ["local:tiny"]
        assert any("local:tiny answers instead (the budget of the day)." in line for line in b.told())
        assert [(f"{call.provider}:{call.model}", call.fallback) for call in calls(b)] == [("local:tiny", 1)]


async def test_what_is_switched_to_is_held_by_the_same_budget(tmp_path: Path, server: WireServer) -> None:
    async with talking(tmp_path, server, Budget("day", 0, then="switch", reference="groq:small")) as b:
        b.services.registry.add(Model("groq", "small"))
        b.services.registry.set_price("groq:small", INPUT, OUTPUT)
        message = await b.say("Hello")
        assert (message.state, server.chats) == (State.FAILED, [])


async def test_a_model_of_unknown_price_needs_a_price_or_leave(tmp_path: Path, server: WireServer) -> None:
    async with talking(tmp_path, server, Budget("day", 100 * CENT), price=False) as b:
        message = await b.say("Hello")
        assert "What groq:big costs is not known" in message.error
        assert "/models price groq:big IN OUT" in message.error
        assert "/budget allow groq:big" in message.error
        assert server.chats == []
        await b.command("/budget allow groq:big")
        assert (await b.say("Hello")).state is State.COMPLETE
        assert calls(b)[0].cost is None
        await b.command("/budget allow --not groq:big")
        await b.command("/models price groq:big 1 10")
        assert (await b.say("Hello")).state is State.COMPLETE
        assert spent(b) == 1_500_000


async def test_the_person_is_warned_once_at_80_per_cent(tmp_path: Path, server: WireServer) -> None:
    server.reply("Yes.", usage=(500, 900))  # $0.0095
    async with talking(tmp_path, server, Budget("day", 11_500_000)) as b:
        await b.say("Hello")
        warning = "The budget of the day is 82 % spent: $0.0095 of $0.0115."
        assert b.told().count(warning) == 1
        await b.command("/set max_tokens 30")
        await b.say("Hello")
        assert sum("% spent" in line for line in b.told()) == 1


@pytest.mark.parametrize("budget", [Budget("day", 5 * CENT, then="stop"), Budget("persona", 5 * CENT, "ei", "stop")])
async def test_replies_in_several_conversations_at_once_stay_within_it(
    tmp_path: Path, server: WireServer, budget: Budget
) -> None:
    server.always(uses_all)
    async with talking(tmp_path, server, budget) as b:
        ids = []
        for number in range(6):
            await b.session.fresh()
            await b.session.send(f"Question {number}")
            assert b.session.conversation is not None
            ids.append(b.session.conversation.id)
        for id in ids:
            if id in b.session.running():
                await b.session.finished(id)
        assert 0 < spent(b) <= budget.amount
        assert sum(call.cost or 0 for call in calls(b)) == spent(b)
        assert reserved(b) == 0


async def test_a_comparison_stays_within_it_and_nobody_answers_instead(tmp_path: Path, server: WireServer) -> None:
    server.always(uses_all)
    server.on("tiny", "Yes.")
    budget = Budget("conversation", 1, then="switch", reference="local:tiny")
    async with talking(tmp_path, server) as b:
        await b.say("Hello")
        assert b.session.conversation is not None
        for name in ("one", "two", "three"):
            b.services.registry.add(Model("groq", name))
            b.services.registry.set_price(f"groq:{name}", INPUT, OUTPUT)
        before = sum(call.cost or 0 for call in calls(b))
        amount = before + 9 * CENT
        b.services.gate.spending.budgets.set(
            Budget(budget.scope, amount, b.session.conversation.id, budget.then, budget.reference)
        )
        models = ["groq:one", "groq:two", "groq:three", "local:tiny"]
        comparison = await compare(b.session, models)
        await comparison.ended()
        states = [contender.state for contender in comparison.contenders]
        await comparison.keep(3)
        assert states[3] == "complete"
        assert "complete" in states[:3]
        assert spent(b) <= amount
        assert all(call.provider == "groq" or call.model == "tiny" for call in calls(b))
        b.services.gate.spending.budgets.set(Budget("day", 0, then="switch", reference="local:tiny"))
        held = await compare(b.session, models[:2])
        await held.ended()
        assert [contender.state for contender in held.contenders] == ["failed", "failed"]
        await held.keep(None)


async def test_a_fallback_is_held_as_well(tmp_path: Path, server: WireServer) -> None:
    server.on("tiny", Status(503))
    async with talking(tmp_path, server, Budget("provider", 0, "groq", "stop"), retry={"attempts": 1}) as b:
        b.services.library.set_value("ei", ("fallback",), [{"exact": BIG}])
        b.services.library.set_value("ei", ("model",), "local:tiny")
        b.session.may_cost_more = b.ui.confirm
        b.ui.yes = [True]
        message = await b.say("Hello")
        assert (message.state, [request.model for request in server.chats]) == (State.FAILED, ["tiny"])
        assert "the budget of groq for this month" in message.error.lower()


async def test_a_retry_of_the_person_is_held_as_well(tmp_path: Path, server: WireServer) -> None:
    server.reply("Yes.", usage=(500, 900))
    async with talking(tmp_path, server, Budget("day", CENT, then="stop")) as b:
        await b.say("Hello")
        await b.command("/retry")
        assert (await b.ended()).message.state is State.FAILED
        assert len(server.chats) == 1


async def test_an_attempt_that_was_lost_counts_as_all_it_may_have_cost(tmp_path: Path, server: WireServer) -> None:
    server.script(Cut(), Answer("Here.", usage=(500, 100)))
    async with talking(tmp_path, server, Budget("day", 100 * CENT)) as b:
        message = await b.say("Hello")
        assert message.text == "Here."
        lost, answered = calls(b)
        assert (lost.cost, answered.cost) == (None, 1_500_000)
        assert lost.assumed is not None
        assert lost.assumed > 8 * CENT / 2
        assert spent(b) == lost.assumed + 1_500_000
        assert reserved(b) == 0


async def test_a_lost_attempt_is_not_made_again_where_that_would_not_fit(tmp_path: Path, server: WireServer) -> None:
    server.script(Cut(), Answer("Here.", usage=(500, 100)))
    async with talking(tmp_path, server, Budget("day", 2 * CENT, then="stop")) as b:
        assert (await b.say("Hello")).state is State.FAILED
        assert (len(server.chats), len(calls(b)), reserved(b)) == (1, 1, 0)
        assert spent(b) <= 2 * CENT


async def test_a_busy_server_costs_nothing_and_what_was_set_aside_waits_for_the_next_attempt(
    tmp_path: Path, server: WireServer
) -> None:
    server.script(Status(503), Answer("Here.", usage=(500, 100)))
    async with talking(tmp_path, server, Budget("day", 5 * CENT)) as b:
        assert (await b.say("Hello")).text == "Here."
        assert (spent(b), reserved(b), len(calls(b))) == (1_500_000, 0, 2)


@pytest.mark.parametrize("missing", ["key", "enabled"])
async def test_what_cannot_be_sent_as_things_are_set_costs_nothing(
    tmp_path: Path, server: WireServer, missing: str
) -> None:
    off: dict[str, object] = {"enabled": False} if missing == "enabled" else {"key": "cmd:ei-no-such-command"}
    variables = {"EI_GROQ_API_KEY": ""} if missing == "key" else {}
    async with talking(tmp_path, server, Budget("day", 5 * CENT), variables=variables, providers={"groq": off}) as b:
        assert (await b.say("Hello")).state is State.FAILED
        with contextlib.suppress(ProviderError):
            await examine(b.services, await b.session.resolution())
        assert {call.cost for call in calls(b)} <= {0}
        assert (server.chats, spent(b), reserved(b)) == ([], 0, 0)


async def test_a_refusal_gives_it_all_back(tmp_path: Path, server: WireServer) -> None:
    server.always(Status(401))
    async with talking(tmp_path, server, Budget("day", 5 * CENT)) as b:
        assert (await b.say("Hello")).state is State.FAILED
        assert (spent(b), reserved(b)) == (0, 0)


async def test_a_reply_that_is_stopped_counts_as_the_most_that_came(tmp_path: Path, server: WireServer) -> None:
    server.always(Hang(text="Some words came. "))
    async with talking(tmp_path, server, Budget("day", 100 * CENT)) as b:
        await b.session.send("Hello")
        await b.until(lambda: "words" in b.streamed())
        assert reserved(b) > 0
        b.session.stop()
        await b.ended()
        (call,) = calls(b)
        assert call.cost is not None
        assert call.assumed is not None
        assert call.cost < call.assumed < 100 * CENT
        assert (spent(b), reserved(b)) == (call.assumed, 0)


async def test_what_is_not_saved_counts_too(tmp_path: Path, server: WireServer) -> None:
    async with talking(tmp_path, server, Budget("persona", 100 * CENT, "ei")) as b:
        await b.session.set_incognito(True)
        assert (await b.say("Hello")).state is State.COMPLETE
        (call,) = calls(b)
        assert (call.conversation, call.message) == (None, None)
        assert spent(b) == 1_500_000


async def test_drafts_and_tests_are_held_as_well(tmp_path: Path, server: WireServer) -> None:
    async with talking(tmp_path, server, Budget("day", 0, then="stop")) as b:
        draft = await draft_persona(b.session, "ada", "counts", lambda text: None)
        assert draft.problem.startswith("The budget of the day has $0.00 left")
        resolution = await b.session.resolution()
        with pytest.raises(BudgetError):
            await examine(b.services, resolution)
        assert (server.chats, calls(b)) == ([], [])


async def test_a_lost_attempt_of_a_draft_or_a_test_has_to_fit_once_more(tmp_path: Path, server: WireServer) -> None:
    server.always(Cut())
    async with talking(tmp_path, server, Budget("day", 2 * CENT, then="stop")) as b:
        with pytest.raises(BudgetError):
            await examine(b.services, await b.session.resolution())
        assert (len(server.chats), len(calls(b)), reserved(b)) == (1, 1, 0)
        assert CENT < spent(b) <= 2 * CENT
        b.services.gate.spending.budgets.set(Budget("day", 100 * CENT, then="stop"))
        before = spent(b)
        server.script(Cut(), Hang(text="Some"))
        task = asyncio.create_task(examine(b.services, await b.session.resolution()))
        await b.until(lambda: len(server.chats) == 3)
        assert reserved(b) > 0
        task.cancel()
        await asyncio.wait([task])
        assert (reserved(b), len(calls(b))) == (0, 3)
        assert spent(b) > before


async def test_a_draft_switches_and_a_test_does_not(tmp_path: Path, server: WireServer) -> None:
    server.reply('{"short_description": "Counts."}')
    async with talking(tmp_path, server, Budget("day", 0, then="switch", reference="local:tiny")) as b:
        lines: list[str] = []
        draft = await draft_persona(b.session, "ada", "counts", lines.append)
        assert (draft.model, draft.problem) == ("local:tiny", "")
        assert any("local:tiny answers instead (the budget of the day)." in line for line in lines)
        with pytest.raises(BudgetError):
            await examine(b.services, await b.session.resolution())


async def test_a_model_that_takes_no_limit_of_its_reply_is_not_asked_without_one(
    tmp_path: Path, server: WireServer
) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        server.rejects(name)
    async with talking(tmp_path, server, Budget("day", 100 * CENT)) as b:
        assert (await b.say("Hello")).state is State.FAILED
        assert all("max_tokens" in r.body or "max_completion_tokens" in r.body for r in server.chats)
        server.rejected.clear()
        assert (await b.say("Hello")).state is State.COMPLETE  # it was the number that it did not take
        assert limit_of(server.last) == CAUTIOUS


PROGRAM = """
import asyncio, sys
from pathlib import Path
from ei.config import ConfigFile
from ei.app import build, open_session
import os
async def main():
    services = build(ConfigFile(os.environ, None))
    session = open_session(services, "ei")
    for number in range(4):
        await session.fresh()
        await session.send(f"Question {number}")
        if session.conversation.id in session.running():
            await session.finished(session.conversation.id)
    await session.close()
    await services.providers.close()
    services.database.close()
asyncio.run(main())
"""


async def test_two_programs_at_once_stay_within_it_together(tmp_path: Path, server: WireServer) -> None:
    server.always(uses_all)
    amount = 12 * CENT
    async with talking(tmp_path, server, Budget("day", amount, then="stop")) as b:
        await in_programs(tmp_path, server, lambda running: all(one.wait(40) is not None for one in running))
        assert 0 < spent(b) <= amount
        assert reserved(b) == 0


async def test_a_program_that_is_killed_leaves_nothing_that_is_not_counted(tmp_path: Path, server: WireServer) -> None:
    server.always(Hang(text="Some words came. "))
    async with talking(tmp_path, server, Budget("day", 100 * CENT)) as b:

        def kill(running: list[subprocess.Popen[bytes]]) -> None:
            server.wait_for(len(running), 30)
            for one in running:
                one.kill()
                one.wait(10)

        await in_programs(tmp_path, server, kill)
        held = reserved(b)
        assert held > 0
        with b.services.database.transaction() as connection:
            connection.execute("UPDATE reservation SET lease_until_ms = lease_until_ms - 60000")
        assert reserved(b) == 0
        assert 0 < spent(b) <= held
        assert {call.outcome for call in calls(b)} == {"cancelled"}


async def in_programs(
    home: Path, server: WireServer, work: Callable[[list[subprocess.Popen[bytes]]], object], count: int = 2
) -> None:
    """Runs PROGRAM so many times at once, and `work` with them."""
    variables = {
        **{name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME", "SYSTEMROOT") if name in os.environ},
        "EI_DATA_PATH": str(home / "data"),
        "EI_CONFIG": str(home / "config"),
        "EI_LLM_MODEL": BIG,
        "EI_GROQ_API_KEY": "k",
        "EI_GROQ_BASE_URL": server.url,
    }
    command = [sys.executable, "-c", PROGRAM]
    running = [await asyncio.to_thread(subprocess.Popen, command, env=variables) for _ in range(count)]
    try:
        await asyncio.to_thread(work, running)
    finally:
        for one in running:
            one.kill()
            one.wait(10)


def test_no_server_counts_more_than_the_bytes_that_are_sent() -> None:
    messages = (
        ChatMessage("system", (TextPart("é" * 10),)),
        ChatMessage("assistant", (OpaquePart("x", {"signature": "s" * 100}), TextPart("a" * 5)), "lena"),
    )
    plain = input_bound(ChatRequest("m", messages))
    assert plain > 20 + 100 + 5
    tools = (ToolSpec("t", "d" * 50, {"type": "object"}),)
    assert input_bound(ChatRequest("m", messages, tools=tools)) > plain + 50
    assert input_bound(ChatRequest("m", messages, extra={"more": "x" * 1000})) > plain + 1000
