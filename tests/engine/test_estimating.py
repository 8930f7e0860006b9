"""What a request will cost, told and asked about before it is sent, over real servers that receive it or not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ei.conversations.values import State
from ei.engine.comparing import compare
from ei.engine.composing import DENSITY
from ei.engine.estimating import Estimate, estimating, short_count, short_money
from ei.engine.events import TurnEnded, TurnNotice
from ei.errors import CancelledError, NeedsAnswerError
from ei.messages import ChatMessage, ChatRequest, TextPart
from ei.models.reference import ModelId
from ei.models.values import Model, Prices
from tests.bench_session import Bench, bench
from tests.wire import Answer, WireServer

DOLLAR = 1_000_000_000
HAIKU = ModelId("anthropic", "claude-haiku-4-5")
"""$1 in, $5 out per million tokens."""
LONG = "A word. " * 40_000
"""80 thousand tokens by the usual guess."""


@asynccontextmanager
async def talking(
    home: Path, settings: Mapping[str, object] | None = None, model: str = str(HAIKU)
) -> AsyncIterator[tuple[Bench, WireServer]]:
    """A session in which every provider is one server, the one on this machine too."""
    with WireServer() as server:
        server.reply("Yes.", usage=(1000, 10))
        (home / "settings.jsonc").write_text(json.dumps(settings or {}), "utf-8")
        variables = {
            "EI_CONFIG": str(home / "settings.jsonc"),
            "EI_LLM_MODEL": model,
            "EI_LLM_BASE_URL": server.url,
            "EI_OPENAI_API_KEY": "k",
            "EI_OPENAI_BASE_URL": server.url,
            "EI_ANTHROPIC_API_KEY": "k",
            "EI_ANTHROPIC_BASE_URL": server.anthropic_url,
        }
        async with bench(home, **variables) as b:
            yield b, server


def answers(b: Bench, *yes: bool) -> list[str]:
    """The person answers so; gives what is asked."""
    b.ui.yes = list(yes)
    b.session.may_cost_more = b.ui.confirm
    return b.ui.asked


def quiet(b: Bench) -> list[str]:
    """The dim lines about replies."""
    return [event.text for event in b.events if isinstance(event, TurnNotice) and event.quiet]


def request(text: str, **parameters: object) -> ChatRequest:
    return ChatRequest(HAIKU.model, (ChatMessage("user", (TextPart(text),)),), parameters)


# The line ---------------------------------------------------------------------------------------------------


async def test_before_the_first_message_to_a_paid_model_one_line_tells_the_estimate(tmp_path: Path) -> None:
    async with talking(tmp_path) as (b, _):
        await b.say("Hi")
        (line,) = quiet(b)
        assert line.endswith(" tokens in, up to 8.2k out: about $0.003, at most $0.042"), line
        assert line.startswith("~")
        await b.say("Hi again")
        await b.command("/retry")
        await b.ended()
        assert quiet(b) == [line]


async def test_each_conversation_and_each_model_is_told_of_once(tmp_path: Path) -> None:
    async with talking(tmp_path) as (b, _):
        await b.say("Hi")
        b.session.once("openai:gpt-5.1")
        await b.say("And you?")
        assert len(quiet(b)) == 2
        await b.session.fresh()
        await b.say("Hi")
        assert len(quiet(b)) == 3


async def test_a_conversation_that_goes_on_another_day_is_not_told_again(tmp_path: Path) -> None:
    async with talking(tmp_path) as (b, _):
        await b.say("Hi")
    async with talking(tmp_path) as (b, _):
        await b.say("Hi")
        assert quiet(b) == []


@pytest.mark.parametrize("model", ["local:tiny", "builtin:eliza"])
async def test_what_runs_on_this_machine_is_not_estimated(tmp_path: Path, model: str) -> None:
    async with talking(tmp_path, {"costs": {"ask_above": 0}}, model) as (b, _):
        await b.say("Hi")
        assert quiet(b) == []
        ended = [event for event in b.events if isinstance(event, TurnEnded)]
        assert [(event.outcome.cost, event.outcome.here) for event in ended] == [(0, True)]


async def test_where_no_price_is_known_the_line_says_so(tmp_path: Path) -> None:
    async with talking(tmp_path, model="openai:nobody-knows-it") as (b, _):
        message = await b.say("Hi")
        (line,) = quiet(b)
        assert line.endswith(" tokens in: what it costs is not known"), line
        assert message.info is not None
        assert message.info.cost is None


# Asking -----------------------------------------------------------------------------------------------------


async def test_a_request_above_the_limit_is_asked_about_and_leaves_once_it_may(tmp_path: Path) -> None:
    async with talking(tmp_path, {"costs": {"ask_above": 0.05}}) as (b, server):
        asked = answers(b, True)
        message = await b.say(LONG)
        assert (message.text, message.error) == ("Yes.", "")
        question, estimate, why = asked[0].split("\n")
        assert question == "May anthropic:claude-haiku-4-5 answer for about $0.083?"
        assert estimate == "~81k tokens in, up to 8.2k out: about $0.083, at most $0.12."
        assert why == "You are asked above $0.05: costs.ask_above in settings."
        assert len(asked) == len(server.chats) == 1


async def test_what_the_person_does_not_want_is_not_sent(tmp_path: Path) -> None:
    async with talking(tmp_path, {"costs": {"ask_above": 0.05}}) as (b, server):
        answers(b, False)
        message = await b.say(LONG)
        assert message.state is State.FAILED
        assert message.error.startswith("anthropic:claude-haiku-4-5 was not asked. ~81k tokens in")
        assert server.chats == []
        assert b.services.calls.calls() == ()


async def test_where_nobody_can_be_asked_a_dear_request_is_refused(tmp_path: Path) -> None:
    async with talking(tmp_path, {"costs": {"ask_above": 0.05}}) as (b, server):
        await b.session.send(LONG)
        ended = await b.ended()
        assert isinstance(ended.error, NeedsAnswerError)
        assert "--yes" in ended.error.hint
        assert server.chats == []


@pytest.mark.parametrize("costs", [{"ask_above": None}, {"ask_above": 0.1}, {}])
async def test_below_the_limit_and_without_one_nobody_is_asked(tmp_path: Path, costs: Mapping[str, object]) -> None:
    async with talking(tmp_path, {"costs": costs}) as (b, server):
        await b.say(LONG)
        assert len(server.chats) == 1


async def test_a_comparison_asks_once_for_the_sum(tmp_path: Path) -> None:
    async with talking(tmp_path, {"costs": {"ask_above": 0.15}}) as (b, server):
        asked = answers(b, True)
        await b.session.ensure_conversation()
        models = [str(HAIKU), "openai:gpt-5.1", "local:tiny"]
        comparison = await compare(b.session, models, LONG)
        await comparison.ended()
        await comparison.keep(0)
        assert [line.split(" for ")[0] for line in asked] == ["May 2 paid models answer"]
        assert len(server.chats) == 3


async def test_a_comparison_that_is_not_wanted_keeps_and_sends_nothing(tmp_path: Path) -> None:
    async with talking(tmp_path, {"costs": {"ask_above": 0.004}}) as (b, server):
        await b.say("Hi")
        asked = answers(b, False)
        before = await b.path()
        with pytest.raises(CancelledError):
            await compare(b.session, [str(HAIKU), "openai:gpt-5.1"])
        assert await b.path() == before
        b.session.may_cost_more = None
        with pytest.raises(NeedsAnswerError):
            await compare(b.session, [str(HAIKU), "openai:gpt-5.1"], "New")
        assert (await b.path(), len(server.chats), len(asked)) == (before, 1, 1)


# The estimate -----------------------------------------------------------------------------------------------


async def test_the_estimate_is_exact_in_nano_dollars(tmp_path: Path) -> None:
    async with talking(tmp_path) as (b, _):
        found = estimating(b.services).of(HAIKU, request("x" * 3984, max_tokens=1000))
        # 3984 / 4 + 4 = 1000 in; 400 out as nothing answered yet.
        assert found == Estimate(1000, 400, 1000, 1_000_000 + 2_000_000, 6_000_000, 5_000_000)


async def test_a_reply_is_taken_to_be_as_long_as_they_are_here(tmp_path: Path) -> None:
    async with talking(tmp_path) as (b, server):
        for length in (100, 120, 9000):
            server.script(Answer("Yes.", usage=(10, length)))
            await b.say("Hi")
        found = estimating(b.services).of(HAIKU, request("Hi"))
        assert found is not None
        assert (found.output_tokens, found.longest) == (120, 8192)


async def test_a_long_request_is_estimated_by_its_step(tmp_path: Path) -> None:
    async with talking(tmp_path) as (b, _):
        model = ModelId("anthropic", "claude-sonnet-4-5")
        found = estimating(b.services).of(model, request("x" * 1_000_000, max_tokens=1000))
        assert found is not None
        assert found.cost == 250_004 * 6000 + 400 * 22_500


async def test_a_model_of_ones_own_that_has_a_price_is_estimated(tmp_path: Path) -> None:
    async with talking(tmp_path) as (b, _):
        b.services.registry.add(Model("local", "tiny", prices=Prices(2 * DOLLAR, None, None, 3 * DOLLAR, "person")))
        found = estimating(b.services).of(ModelId("local", "tiny"), request("x" * 3984))
        assert found is not None
        assert found.words == "~1k tokens in: about $0.003, $0.003 for each 1k of reply beyond"


# Learning ---------------------------------------------------------------------------------------------------


async def test_what_a_server_counted_makes_the_next_estimate_better(tmp_path: Path) -> None:
    async with talking(tmp_path, model="local:tiny") as (b, server):
        server.reply("Yes.", usage=(1500, 10))
        await b.say("x" * 3600)
        learned = b.services.learned.get("local:tiny")[DENSITY]
        assert isinstance(learned, list)
        assert learned[3] == 1
        preview = await b.session.preview()
        assert abs(preview.tokens - 1500) < 40


@pytest.mark.parametrize("usage", [None, (3, 10), (90_000, 10)])
async def test_no_count_and_an_absurd_one_teach_nothing(tmp_path: Path, usage: tuple[int, int] | None) -> None:
    async with talking(tmp_path, model="local:tiny") as (b, server):
        server.reply("Yes.", usage=usage)
        await b.say("x" * 3600)
        assert DENSITY not in b.services.learned.get("local:tiny")


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (812, "812"), (1200, "1.2k"), (4096, "4.1k"), (96_400, "96k"), (1_050_000, "1.1M")]
)
def test_counts_are_told_with_two_digits(count: int, text: str) -> None:
    assert short_count(count) == text


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (None, "$?"),
        (0, "$0"),
        (20_000, "<$0.0001"),
        (440_000, "$0.0004"),
        (4_200_000, "$0.004"),
        (60_000_000, "$0.06"),
        (315_000_000, "$0.32"),
        (1_204_000_000, "$1.20"),
    ],
)
def test_money_is_told_with_as_many_digits_as_an_estimate_deserves(nano: int | None, text: str) -> None:
    assert short_money(nano) == text
