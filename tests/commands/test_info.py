"""/info: how a reply came to be, over a real database and a server that answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ei.commands.base import Table
from ei.commands.info import Came, complete_info, exact, facts, info_of_calls
from ei.conversations.values import Message, State
from ei.errors import EiError
from ei.messages import Part, ReasoningPart, ReplyInfo, TextPart
from ei.storage.ids import short
from ei.terminal.tables import render_reply
from ei.terminal.theme import PLAIN
from ei.usage.values import Call
from tests.bench_session import Bench, bench, text_of
from tests.wire import Answer, WireServer

INFO = ReplyInfo(
    profile="creative",
    provider_type="openai",
    resolution=("profile:creative means tier:fast", "tier:fast is groq:llama today (a family of small models)"),
    instead_of=("openai:gpt-5: it is busy (529)", "mistral:small: nothing answers"),
    drawn=3,
    tool_calls=2,
    iterations=3,
    input_tokens=1812,
    cached_tokens=400,
    cache_write_tokens=0,
    output_tokens=43,
    reasoning_tokens=10,
    cost=1_403_250,
    first_token_ms=420,
    total_ms=1_280,
)


async def said(b: Bench, line: str, *, shell: bool = False) -> str:
    return text_of(await b.command(line, shell=shell))


async def rows(b: Bench, line: str, *, shell: bool = False) -> dict[str, list[str]]:
    """The rows of the table by their name; one without a name belongs to the one above."""
    out: dict[str, list[str]] = {}
    table = (await b.command(line, shell=shell)).items[0]
    assert isinstance(table, Table)
    name = ""
    for label, value in table.rows:
        name = label or name
        out.setdefault(name, []).append(value)
    return out


async def refused(b: Bench, line: str, *, shell: bool = False) -> str:
    with pytest.raises(EiError) as caught:
        await b.command(line, shell=shell)
    return str(caught.value)


async def keep(b: Bench, info: ReplyInfo | None, text: str = "Yes.", **fields: object) -> Message:
    """A question, and a reply with its info put into the store."""
    store = b.session.store
    conversation = await b.session.ensure_conversation()
    asked = await b.session.db(
        store.append,
        conversation.id,
        (await b.session.db(store.get, conversation.id)).head,
        "user",
        "",
        [TextPart("Hi")],
    )
    reply = await b.session.db(
        store.append,
        conversation.id,
        asked.id,
        "assistant",
        "ei",
        (),
        State.STREAMING,
        reference="profile:creative",
        resolved_by="persona",
        model="openai:gpt-5",
        lease_owner="here",
        lease_ms=60_000,
    )
    parts: list[Part] = [ReasoningPart("Is it so?\nIt is."), TextPart(text)]
    ended = await b.session.db(
        store.finish, reply.id, State.COMPLETE, parts, model="groq:llama", lease_owner="here", info=info
    )
    await b.session.moved()
    return ended


async def test_everything_that_is_known_of_a_reply_is_told(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        reply = await keep(b, INFO)
        found = await rows(b, "/info")
        when = found.pop("when")
        assert found == {
            "model": ["groq:llama"],
            "provider type": ["openai"],
            "instead of": ["openai:gpt-5: it is busy (529)", "mistral:small: nothing answers"],
            "asked for": ["profile:creative (the persona's own)"],
            "profile": ["creative"],
            "how": list(INFO.resolution),
            "drawn": ["by chance, one of 3"],
            "tools": ["2 calls in 3 iterations"],
            "tokens": ["in 1,812 (cached 400, cache write 0)", "out 43 (reasoning 10)"],
            "cost": ["$0.00140325"],
            "time": ["first token 0.42 s · total 1.28 s · 50 tokens/s"],
            "reasoning": ["5 words"],
            "state": ["complete"],
            "message": [reply.id],
            "conversation": [reply.conversation],
        }
        assert when[0].endswith(", now")
        assert (await b.command("/info")).items[0].title == "ei: Yes."  # type: ignore[union-attr]


async def test_what_nobody_knows_is_a_question_mark_and_never_zero(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await keep(b, ReplyInfo())
        found = await rows(b, "/info")
        assert (found["tokens"], found["cost"], found["time"]) == (["in ?", "out ?"], ["?"], ["?"])
        await keep(b, None)
        found = await rows(b, "/info")
        assert (found["tokens"], found["cost"], found["time"]) == (["?"], ["?"], ["?"])
        data = (await b.command("/info")).data
        assert isinstance(data, dict)
        assert (data["cost_usd"], data["usage"]["input_tokens"], data["total_ms"]) == (None, None, None)


async def test_what_ran_here_was_free_and_what_was_estimated_says_so(tmp_path: Path) -> None:
    with WireServer() as server:
        server.always(Answer("Hello there.", usage=None))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.say("Hi")
            found = await rows(b, "/info")
            assert (found["model"], found["provider type"]) == (["local:tiny"], ["openai"])
            assert found["asked for"] == ["tiny (by EI_LLM_MODEL)"]
            assert found["cost"] == ["free, ran here"]
            assert found["tokens"][0].startswith("in ~")
            assert found["tokens"][2] == "estimated here: the provider told none"


async def test_a_number_counts_replies_from_the_newest_and_all_lists_them(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        first = await keep(b, INFO, "One.")
        second = await keep(b, replace(INFO, cost=None), "Two.")
        assert (await rows(b, "/info 1"))["message"] == [second.id]
        assert (await rows(b, "/info 2"))["message"] == [first.id]
        assert await refused(b, "/info 3") == "There is no reply 3. There are 2 replies here; /info --all lists them."
        assert await refused(b, "/info 0") == "There is no reply 0. There are 2 replies here; /info --all lists them."
        assert (await said(b, "/info --all")).splitlines() == [
            f"1 | {short(second.id)} | groq:llama | 1.3 s | ↑1.8k ↓43 | $? | Two.",
            f"2 | {short(first.id)} | groq:llama | 1.3 s | ↑1.8k ↓43 | $0.0014 | One.",
        ]


async def test_an_id_is_of_a_message_or_of_a_conversation(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        reply = await keep(b, INFO)
        await b.command("/new")
        await keep(b, INFO, "Elsewhere.")
        assert (await rows(b, f"/info {short(reply.id)}"))["message"] == [reply.id]
        assert (await rows(b, f"/info {short(reply.conversation)}", shell=True))["message"] == [reply.id]
        question = await b.session.db(b.session.store.message, reply.parent or "")
        found = await rows(b, f"/info {question.id}")
        assert set(found) == {"state", "when", "message", "conversation"}
        assert (await refused(b, "/info 0000dead", shell=True)).endswith("ei info --all lists replies.")


async def test_in_a_shell_it_is_of_the_newest_conversation_where_none_is_in_front(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        reply = await keep(b, INFO)
        await b.command("/new")
        assert (await refused(b, "/info")).startswith("There is nothing here yet.")
        assert (await rows(b, "/info", shell=True))["message"] == [reply.id]


async def test_the_same_is_given_as_data_and_in_exports(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        reply = await keep(b, INFO)
        data = (await b.command("/info")).data
        assert isinstance(data, dict)
        assert {name: data[name] for name in ("message_id", "model", "reference", "resolved_by", "status")} == {
            "message_id": reply.id,
            "model": "groq:llama",
            "reference": "profile:creative",
            "resolved_by": "persona",
            "status": "complete",
        }
        info = {
            "profile": "creative",
            "provider_type": "openai",
            "resolution": list(INFO.resolution),
            "instead_of": list(INFO.instead_of),
            "drawn": 3,
            "tool_calls": 2,
            "iterations": 3,
            "usage": {
                "input_tokens": 1812,
                "cached_tokens": 400,
                "cache_write_tokens": 0,
                "output_tokens": 43,
                "reasoning_tokens": 10,
                "estimated": False,
            },
            "cost_usd": 0.00140325,
            "first_token_ms": 420,
            "total_ms": 1280,
            "compared": None,
        }
        assert {name: data[name] for name in info} == info
        assert (data["tokens_per_second"], data["ran_here"], data["variants"]) == (50.0, False, 1)
        path = tmp_path / "talk.json"
        await b.command(f"/export {path}")
        exported = json.loads(path.read_text("utf-8"))["messages"][1]
        assert (exported["info"], exported["cost_usd"], exported["total_ms"]) == (info, 0.00140325, 1280)
        history = (await b.command(f"/history {reply.conversation[-8:]}", shell=True)).data
        assert isinstance(history, dict)
        assert [message.get("info") for message in history["messages"]] == [None, info]


async def test_the_reasoning_of_an_earlier_reply_can_be_read(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await keep(b, INFO, "One.")
        await keep(b, INFO, "Two.")
        assert (await said(b, "/info 2")).endswith("/info --reasoning 2 shows what it thought.")
        assert await said(b, "/info --reasoning 2") == "Is it so?\nIt is."


async def test_before_a_reply_came_it_says_so(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        assert await refused(b, "/info") == "There is nothing here yet. Say something first, or go back with /history."
        conversation = await b.session.ensure_conversation()
        await b.session.db(b.session.store.append, conversation.id, None, "user", "", [TextPart("Hi")])
        await b.session.moved()
        assert await refused(b, "/info") == "There is no reply here yet. /retry asks for one."
        assert await said(b, "/info --all") == "There is no reply here yet."
        assert (await refused(b, "/info 1 2")).startswith("One reply at a time.")
        assert (await refused(b, "/info --rasoning")).endswith("Did you mean --reasoning?")


async def test_a_chat_that_is_not_saved_tells_the_same(tmp_path: Path) -> None:
    with WireServer() as server:
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.command("/incognito on")
            reply = await b.say("Hi")
            assert (await rows(b, "/info"))["message"] == [reply.id]
            assert (await rows(b, f"/info {short(reply.id)}"))["message"] == [reply.id]


async def test_it_can_be_read_in_sixty_columns(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await keep(b, INFO)
        drawn = render_reply(await b.command("/info"), 60, PLAIN)
        assert max(map(len, drawn)) <= 60
        assert ["cost", "$0.00140325"] in [row.split() for row in drawn]
        assert any(row.split() == ["tokens", "in", "1,812", "(cached", "400,", "cache", "write", "0)"] for row in drawn)


def test_an_older_reply_is_told_by_its_calls() -> None:
    failed = Call(1, "reasoning", "openai", "gpt-5", "failed", status=529, cost=0, fallback=0)
    again = replace(failed, started_ms=2)
    done = Call(
        3,
        "reasoning",
        "groq",
        "llama",
        "complete",
        profile="backup",
        input_tokens=5,
        output_tokens=2,
        cost=7,
        total_ms=9,
    )
    assert info_of_calls([done, again, failed]) == ReplyInfo(
        profile="backup",
        instead_of=("openai:gpt-5: it answered 529",),
        input_tokens=5,
        output_tokens=2,
        cost=7,
        total_ms=9,
    )
    assert info_of_calls([done, replace(failed, cost=None)]).cost is None


@pytest.mark.parametrize(
    ("came", "line"),
    [
        (None, ""),
        (Came(ReplyInfo()), ""),
        (Came(INFO), "1.3 s · ↑1.8k ↓43 · $0.0014"),
        (Came(replace(INFO, cost=None)), "1.3 s · ↑1.8k ↓43 · $?"),
        (Came(replace(INFO, cost=0, estimated=True), here=True), "1.3 s · ↑~1.8k ↓~43 · free"),
        (Came(replace(INFO, cost=0)), "1.3 s · ↑1.8k ↓43 · $0"),
        (Came(ReplyInfo(total_ms=50)), "0.1 s"),
    ],
)
def test_what_a_reply_took_fits_in_one_line(came: Came | None, line: str) -> None:
    assert " · ".join(facts(came)) == line


@pytest.mark.parametrize(
    ("cost", "shown"), [(0, "0"), (1, "0.000000001"), (1_500_000_000, "1.50"), (2_000_000_000_000, "2,000.00")]
)
def test_a_cost_is_told_to_its_last_digit(cost: int, shown: str) -> None:
    assert exact(cost) == shown


async def test_completion_offers_the_options(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        assert [word for word, _ in complete_info(b.session, ("",))] == ["--all", "--reasoning"]
        assert complete_info(b.session, ("1", "")) == []
