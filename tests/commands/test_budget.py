"""/budget: what is set, listed, cleared and allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ei.commands.budget import amount_of, bar, complete_budget
from ei.errors import EiError, UsageError
from ei.usage.budget import Budget, Period, Standing
from ei.usage.values import Call
from tests.bench_session import bench, text_of


async def test_nothing_is_limited_at_first(tmp_path: Path) -> None:
    async with bench(tmp_path, "ei") as b:
        reply = await b.command("/budget")
        assert text_of(reply) == "Nothing limits what may be spent. For example: /budget set day 2.00"
        assert reply.data == {"budgets": [], "allowed": []}


async def test_budgets_are_set_listed_and_cleared(tmp_path: Path) -> None:
    async with bench(tmp_path, "ei") as b:
        said = text_of(await b.command("/budget set day 2.00"))
        assert said == "Budget of today: $2.00 a day; $0.00 is spent. At the limit: ask."
        await b.command("/budget set month 20 --then switch tier:fast")
        await b.command("/budget set provider OpenAI $5 --then stop")
        await b.command("/budget set persona ei 1")
        now = int(b.services.now() * 1000)
        b.services.calls.record(Call(now, "reasoning", "openai", "gpt", "complete", persona="ei", cost=500_000_000))
        assert text_of(await b.command("/budget")).splitlines() == [
            "today | $2.00 | $0.50 (25 %) | $0.00 | $1.50 | ask | ███░░░░░░░░░",
            "this month | $20.00 | $0.50 (2 %) | $0.00 | $19.50 | switch to tier:fast | █░░░░░░░░░░░",
            "provider openai | $5.00 | $0.50 (10 %) | $0.00 | $4.50 | stop | ██░░░░░░░░░░",
            "persona ei | $1.00 | $0.50 (50 %) | $0.00 | $0.50 | ask | ██████░░░░░░",
        ]
        assert text_of(await b.command("/budget clear provider openai")) == "provider openai has no budget any more."
        with pytest.raises(UsageError, match="provider openai has no budget"):
            await b.command("/budget clear provider openai")


async def test_what_happens_at_the_limit_stays_where_only_the_amount_changes(tmp_path: Path) -> None:
    async with bench(tmp_path, "ei") as b:
        await b.command('/budget set day 2 --then switch {"tier": "fast", "provider": "any"}')
        data = (await b.command("/budget set day 3")).data
        assert isinstance(data, dict)
        assert (data["limit_usd"], data["then"], data["reference"]) == (
            3.0,
            "switch",
            {"tier": "fast", "provider": "any"},
        )
        data = (await b.command("/budget set day 3 --then stop")).data
        assert isinstance(data, dict)
        assert (data["then"], data["reference"]) == ("stop", None)


async def test_a_conversation_has_one_of_its_own(tmp_path: Path) -> None:
    async with bench(tmp_path, "ei", EI_LLM_MODEL="builtin:eliza") as b:
        with pytest.raises(UsageError, match="There is nothing here yet"):
            await b.command("/budget set conversation 0.50")
        await b.say("Hello")
        assert b.session.conversation is not None
        id = b.session.conversation.id
        said = text_of(await b.command("/budget set conversation 0.50"))
        assert said == "Budget of this conversation: $0.50; $0.00 is spent. At the limit: ask."
        await b.session.fresh()
        assert f"conversation {id[-8:]} | $0.50" in text_of(await b.command("/budget"))
        await b.command(f"/budget clear conversation {id[-8:]}")
        await b.command(f"/budget set conversation {id[-8:]} 2")
        await b.session.db(b.session.store.delete_conversation, id)
        assert (await b.command("/budget")).data == {"budgets": [], "allowed": []}
        await b.session.set_incognito(True)
        with pytest.raises(UsageError, match="not saved"):
            await b.command("/budget set conversation 1")


async def test_a_budget_goes_with_its_persona(tmp_path: Path) -> None:
    async with bench(tmp_path, "ei") as b:
        await b.command("/budget set persona ei 1")
        await b.session.db(b.session.store.delete_persona, "ei")
        assert (await b.command("/budget")).data == {"budgets": [], "allowed": []}


async def test_models_of_unknown_price_are_allowed_by_name(tmp_path: Path) -> None:
    async with bench(tmp_path, "ei") as b:
        assert "is not counted" in text_of(await b.command("/budget allow openrouter:x/y"))
        assert "openrouter:x/y" in text_of(await b.command("/budget"))
        assert "is held from now on" in text_of(await b.command("/budget allow --not openrouter:x/y"))
        assert (await b.command("/budget")).data == {"budgets": [], "allowed": []}


@pytest.mark.parametrize(
    "line",
    [
        "/budget what",
        "/budget set",
        "/budget set week 2",
        "/budget set day",
        "/budget set day lots",
        "/budget set day -1",
        "/budget set day NaN",
        "/budget set day 2 3",
        "/budget set day 2 --then dance",
        "/budget set day 2 --then switch",
        "/budget set day 2 --then switch nowhere:x",
        "/budget set day 2 --then switch profile:none",
        "/budget set day 2 --then ask tier:fast",
        "/budget set provider",
        "/budget set provider nowhere 2",
        "/budget set persona nobody 2",
        "/budget clear",
        "/budget clear day now",
        "/budget allow",
        "/budget allow tier:fast",
    ],
)
async def test_what_is_not_understood_is_one_sentence_with_what_to_do(tmp_path: Path, line: str) -> None:
    async with bench(tmp_path, "ei") as b:
        with pytest.raises(EiError) as caught:
            await b.command(line)
        assert caught.value.sentence.endswith((".", "?"))
        assert caught.value.hint
        assert not b.services.gate.spending.budgets.any()


def test_amounts_are_dollars() -> None:
    assert [amount_of(text) for text in ("2", "$0.05", "1,000.5", "0")] == [
        2_000_000_000,
        50_000_000,
        1_000_500_000_000,
        0,
    ]


def test_the_bar_shows_what_is_spent_and_what_is_set_aside() -> None:
    standing = Standing(Budget("day", 120), Period("now", 0), spent=60, reserved=20)
    assert bar(standing) == "██████▒▒░░░░"
    assert bar(Standing(Budget("day", 0), Period("now", 0))) == "█" * 12
    assert bar(Standing(Budget("day", 10), Period("now", 0), spent=25)) == "█" * 12


async def test_completion_knows_scopes_names_and_ends(tmp_path: Path) -> None:
    async with bench(tmp_path, "ei") as b:

        def words(*typed: str) -> set[str]:
            return {word for word, _ in complete_budget(b.session, typed)}

        assert words("") == {"set", "clear", "allow"}
        assert "day" in words("set", "")
        assert "openai" in words("set", "provider", "")
        assert "ei" in words("clear", "persona", "")
        assert words("set", "day", "2", "--then", "") == {"ask", "stop", "switch"}
        assert "tier:fast" in words("set", "day", "2", "--then", "switch", "")
        assert words("set", "day", "2", "") == {"--then"}
