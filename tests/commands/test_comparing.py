"""/compare and /stats compare as they are typed, in a chat and in a shell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ei.commands.base import Document, Line, Table
from ei.commands.comparing import complete_compare, wish_of
from ei.commands.stats import complete_stats
from ei.errors import EiError, NeedsAnswerError, ProviderError, UsageError
from tests.bench_session import Bench, bench, text_of
from tests.run_ei import Ei
from tests.wire import Answer, Status, WireServer


@pytest.fixture
def server() -> Iterator[WireServer]:
    """Models `red`, `green` and `blue`, each of which says its name; any other says hello."""
    with WireServer() as started:
        for name in ("red", "green", "blue"):
            started.on(name, Answer(f"I am {name}.", usage=(10, 3)))
        yield started


@pytest.fixture
def ei(tmp_path: Path) -> Ei:
    return Ei(tmp_path)


async def said(b: Bench, line: str) -> str:
    return text_of(await b.command(line))


async def refused(b: Bench, line: str) -> str:
    with pytest.raises(EiError) as caught:
        await b.command(line)
    return str(caught.value)


async def test_the_one_picked_is_gone_on_with_and_the_others_are_named(tmp_path: Path, server: WireServer) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        b.ui.picked = [1]
        told = await said(b, "/compare red green blue -- Who  are\nyou?")
        assert told == "kept local:green over local:red, local:blue; /variants shows them"
        assert await b.path() == [("you", "Who  are\nyou?"), ("ei", "I am green.")]
        assert b.ui.asked == ["Who are you?"]
        b.ui.chosen = [None]
        assert await said(b, "/variants") == "It stays as it was."
        assert [page.text for page in b.ui.pages[0]] == ["I am red.", "I am green.", "I am blue."]


async def test_leaving_says_what_is_in_use(tmp_path: Path, server: WireServer) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        b.ui.picked = [None, None]
        assert await said(b, "/compare red green -- Hi") == (
            "None was picked: that of local:red, the first complete one, is in use. /variants shows the others."
        )
        assert await said(b, "/compare green blue") == (
            "None was picked: the reply that was there stays. /variants shows the others."
        )
        assert await b.path() == [("you", "Hi"), ("ei", "I am red.")]


async def test_hidden_names_are_told_once_one_is_picked(tmp_path: Path, server: WireServer) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        b.ui.picked = [1]
        lines = (await said(b, "/compare --blind red green blue -- Hi")).splitlines()
        names = dict(line.split(" · ")[0].split(" was ") for line in lines[:3])
        assert list(names) == ["A", "B", "C"]
        assert sorted(names.values()) == ["local:blue", "local:green", "local:red"]
        assert lines[3] == f"kept {names['B']} over {names['A']}, {names['C']}; /variants shows them"
        assert await b.path() == [("you", "Hi"), ("ei", f"I am {names['B'].removeprefix('local:')}.")]


async def test_where_none_gives_a_reply_each_reason_is_told(tmp_path: Path, server: WireServer) -> None:
    server.on("red", Status(404, "no such model"))
    server.on("green", Status(401, "bad key"))
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        b.ui.picked = [None]
        told = (await said(b, "/compare red green -- Hi")).splitlines()
        assert told[-1] == "None of them gave a reply. /retry --with SPEC asks another model."
        assert any(line.startswith("local:green: ") and "401" in line for line in told)
        await b.command("/retry --with tiny")
        assert (await b.ended()).message.text == "Hello there."


async def test_where_the_view_cannot_be_shown_what_came_stays(tmp_path: Path, server: WireServer) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        with pytest.raises(NeedsAnswerError):
            await b.command("/compare red green -- Hi")
        assert await b.path() == [("you", "Hi"), ("ei", "I am red.")]
        assert (await b.say("Go on")).text == "Hello there."


async def test_without_a_terminal_each_answer_stands_under_a_heading(tmp_path: Path, server: WireServer) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        b.ui.interactive = False
        reply = await b.command("/compare red green -- Who are you?", shell=True)
        assert [item.text for item in reply.items if isinstance(item, Document)] == ["I am red.", "I am green."]
        heads = [item.text for item in reply.items if isinstance(item, Line) and item.style == "title"]
        assert heads == ["── local:red ──", "── local:green ──"]
        assert isinstance(reply.data, dict)
        replies = reply.data["replies"]
        assert [(r["model"], r["status"], r["content"]) for r in replies] == [
            ("local:red", "complete", "I am red."),
            ("local:green", "complete", "I am green."),
        ]
        assert replies[0]["usage"]["output_tokens"] == 3
        assert reply.data["kept"] is None
        server.on("red", Status(404, "no such model"))
        server.on("green", Status(404, "no such model"))
        with pytest.raises(ProviderError, match="None of these models gave a reply"):
            await b.command("/compare red green -- Again?", shell=True)
        assert "local:red" in text_of(b.ui.shown[-1])


def test_what_is_to_be_compared_is_taken_apart() -> None:
    wish = wish_of(
        'tier:fast --blind {"tier": "smart", "needs": ["tools"]} {"exact": "openai:a } b"} x -- two  words\n--'
    )
    assert wish.written == (
        "tier:fast",
        {"tier": "smart", "needs": ["tools"]},
        {"exact": "openai:a } b"},
        "x",
    )
    assert (wish.text, wish.blind) == ("two  words\n--", True)


@pytest.mark.parametrize(
    ("text", "words", "sentence"),
    [
        ("a b --", (), "There is no text after the two dashes."),
        ("a --bilnd b", (), "There is no option --bilnd."),
        ('a {"tier": "smart"', (), "That object has no end."),
        ("a b two words", ("a", "b", "two words"), '"two words" is no model.'),
    ],
)
def test_what_cannot_be_taken_apart_is_one_sentence(text: str, words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        wish_of(text, words)
    assert caught.value.sentence == sentence


async def test_how_often_each_was_kept_is_counted_by_pairs_and_by_persona(tmp_path: Path, server: WireServer) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        assert await said(b, "/stats compare") == (
            "Nothing was picked in a comparison yet. /compare SPEC SPEC begins one."
        )
        b.ui.picked = [0, 0, 1, None]
        await b.command("/compare red green blue -- One")
        await b.command("/compare red green -- Two")
        await b.command("/persona lena")
        await b.command("/compare red green -- Three")
        await b.command("/compare red green -- Not counted")
        reply = await b.command("/stats compare")
        assert isinstance(reply.items[0], Table)
        assert reply.items[0].columns == ("model", "against", "kept", "of")
        assert reply.items[0].rows == (
            ("local:red", "local:blue", "1", "1"),
            ("local:red", "local:green", "2", "3"),
            ("local:green", "local:red", "1", "3"),
            ("local:blue", "local:green", "0", "1"),
            ("local:blue", "local:red", "0", "1"),
            ("local:green", "local:blue", "0", "1"),
        )
        reply = await b.command("/stats compare --by persona")
        assert isinstance(reply.items[0], Table)
        assert ("lena", "local:green", "local:red", "1", "1") in reply.items[0].rows
        assert ("ei", "local:red", "local:green", "2", "2") in reply.items[0].rows
        assert await said(b, "/stats compare --persona lena") == (
            "local:green | local:red | 1 | 1\nlocal:red | local:green | 0 | 1"
        )
        assert (await refused(b, "/stats what")).startswith("/stats what means nothing.")
        assert (await refused(b, "/stats compare --by model")).startswith("--by model means nothing.")


async def test_a_model_that_could_not_answer_was_not_up_against_anybody(tmp_path: Path, server: WireServer) -> None:
    server.on("blue", Status(404, "no such model"))
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        b.ui.picked = [0]
        await b.command("/compare red green blue -- One")
        assert {call.model for call in b.services.calls.comparisons()} == {"local:red", "local:green"}


async def test_completion_offers_references_once_and_then_a_text(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        first = dict(complete_compare(b.session, ("",)))
        assert {"tier:fast", "--blind"} <= first.keys()
        third = dict(complete_compare(b.session, ("tier:fast", "--blind", "")))
        assert "tier:fast" not in third
        assert "--blind" not in third
        assert "--" in third
        assert complete_compare(b.session, ("tier:fast", "--", "")) == []
        assert complete_stats(b.session, ("",)) == [("compare", "how often each model was kept")]
        assert ("persona", "each persona on its own") in complete_stats(b.session, ("compare", "--by", ""))


def test_in_a_shell_all_are_asked_and_printed_one_after_the_other(ei: Ei, server: WireServer) -> None:
    ei.variables["EI_LLM_BASE_URL"] = server.url
    ran = ei("compare", "red", "green", "--", "Who are you?")
    assert (ran.code, ran.err) == (0, "")
    lines = [line for line in ran.out.splitlines() if line and " s · " not in line]
    assert lines == ["── local:red ──", "I am red.", "── local:green ──", "I am green."]
    data = ei("compare", "--json", "red", "green", "--", "And", "now?").json
    assert [reply["content"] for reply in data["replies"]] == ["I am red.", "I am green."]
    assert server.last.messages[-1] == ("user", "And now?")
    assert ei("stats", "compare", "--json").json == []
