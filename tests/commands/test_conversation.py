"""Commands on the conversation in front, over a real database and a server that answers."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from ei.commands.base import Table
from ei.commands.conversation import complete_retry
from ei.conversations.values import State
from ei.engine.events import Elsewhere
from ei.errors import EiError, UsageError
from tests.bench_session import Bench, bench, text_of
from tests.wire import Answer, Cut, Hang, Status, WireServer


async def said(b: Bench, line: str) -> str:
    return text_of(await b.command(line))


async def refused(b: Bench, line: str) -> str:
    with pytest.raises(EiError) as caught:
        await b.command(line)
    return str(caught.value)


def front(b: Bench) -> str:
    assert b.session.conversation is not None
    return b.session.conversation.id


@pytest.mark.parametrize(
    "line", ["/title x", "/retry", "/continue", "/edit x", "/undo", "/redo", "/fork", "/variants", "/copy", "/export"]
)
async def test_before_anything_was_said_every_command_says_so(tmp_path: Path, line: str) -> None:
    async with bench(tmp_path) as b:
        assert await refused(b, line) == ("There is nothing here yet. Say something first, or go back with /history.")


@pytest.mark.parametrize("line", ["/retry", "/continue", "/edit x", "/undo", "/redo", "/variants 1", "/delete"])
async def test_while_a_reply_is_under_way_what_would_tear_it_waits(tmp_path: Path, line: str) -> None:
    with WireServer() as server:
        server.script(Hang("Once upon"))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            saying = asyncio.create_task(b.say("a story"))
            await b.until(lambda: "upon" in b.streamed())
            assert (await refused(b, line)).startswith("A reply is under way")
            assert b.session.stop()
            assert (await saying).text == "Once upon"


async def test_new_begins_afresh_and_says_where_the_one_before_is(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_LLM_MODEL="builtin:eliza") as b:
        assert await said(b, "/new") == ""
        await b.say("Hi")
        before = front(b)
        assert await said(b, "/new") == f"A fresh conversation. The one before is kept: /history {before[-8:]}"
        assert b.session.conversation is None
        assert await said(b, "/new") == ""
        await b.say("Hello")
        assert front(b) != before
        await b.command(f"/history {before[-8:]}")
        assert front(b) == before


async def test_a_title_is_one_line_and_can_be_taken_away(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_LLM_MODEL="builtin:eliza") as b:
        await b.say("I like rain\nand snow")
        assert await said(b, "/title") == "I like rain"
        assert await said(b, "/title  Walks \n in the   rain ") == "This conversation is called: Walks in the rain"
        assert await said(b, "/title") == "Walks in the rain"
        assert "Walks in the rain" in await said(b, "/history")
        assert len(await said(b, "/title " + "long " * 100)) < 250
        assert await said(b, "/title --clear") == "This conversation is called by its first line again: I like rain"


async def test_retry_writes_another_variant_and_variants_shows_and_chooses(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script("First.", "Second.", "Third.")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.say("Hi")
            assert await said(b, "/variants") == "There is one variant of ei's reply. /retry writes one."
            await b.command("/retry")
            await b.ended()
            await b.command('/retry --with {"exact": "local:other"}')
            third = (await b.ended()).message
            assert (third.model, third.reference) == ("local:other", '{"exact": "local:other"}')
            assert (third.variant, third.variants) == (3, 3)
            assert [request.messages[1:] for request in server.chats] == [[("user", "Hi")]] * 3
            b.events.clear()
            assert await said(b, "/variants 1") == "Variant 1 of 3 of ei's reply is in use now."
            assert await b.path() == [("you", "Hi"), ("ei", "First.")]
            shown = [m.text for event in b.events if isinstance(event, Elsewhere) for m in event.messages]
            assert shown == ["First."]
            assert await said(b, "/variants 1") == "Variant 1 stays."
            b.ui.chosen = [1, None]
            assert await said(b, "/variants") == "Variant 2 of 3 of ei's reply is in use now."
            assert [page.title.partition(" · ")[0] for page in b.ui.pages[0]] == [
                "local:tiny",
                "local:tiny",
                "local:other",
            ]
            assert await said(b, "/variants") == "It stays as it was."
            assert await refused(b, "/variants 4") == "There is no variant 4. Choose from 1 to 3."
            b.ui.interactive = False
            table = (await b.command("/variants")).items[0]
            assert isinstance(table, Table)
            assert [(row[0], row[1], row[3]) for row in table.rows] == [
                ("1", "local:tiny", "First."),
                ("2", "local:tiny", "Second."),
                ("3", "local:other", "Third."),
            ]
            assert all(re.fullmatch(r"\d+\.\d s · ↑~?\d+ ↓~?\d+ · free", row[2]) for row in table.rows)
            assert table.current == 1


async def test_the_companion_says_something_else_when_it_is_asked_again(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_LLM_MODEL="builtin:eliza") as b:
        texts = [(await b.say("I feel sad")).text]
        for _ in range(2):
            await b.command("/retry")
            texts.append((await b.ended()).message.text)
        assert len(set(texts)) == 3


WRONG = (
    (
        "/retry with feeling",
        "/retry takes no text. To change what you said: /edit. Another model: /retry --with SPEC",
    ),
    ("/retry --with", "--with needs a value. For example: /retry --with ollama:qwen3:8b"),
    ("/retry --with gogle:x", 'Unknown provider "gogle". Did you mean google:x?'),
    ("/retry --whit x", "There is no option --whit. Did you mean --with?"),
    ("/fork x", "/fork x means nothing. Write /fork, or /fork N to leave out the last N turns."),
    ("/fork 1", "There is only 1 turn here. Leave out fewer, or start anew with /new."),
    ("/incognito maybe", "/incognito maybe means nothing. Write /incognito on or /incognito off."),
)


async def test_what_does_not_work_is_one_sentence(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_LLM_MODEL="builtin:eliza") as b:
        await b.say("Hi")
        for line, sentence in WRONG:
            assert await refused(b, line) == sentence
        assert len(await b.path()) == 2


async def test_a_message_without_a_reply_is_answered_by_retry_and_not_gone_on_with(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script(Status(404, "no such model"), "Here.")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            failed = await b.say("Hi")
            assert failed.state is State.FAILED
            assert await refused(b, "/continue") == "The last reply has no text to go on from. /retry asks again."
            assert await said(b, "/copy") == "There is no text to copy."
            await b.command("/retry")
            assert (await b.ended()).message.text == "Here."


async def test_continue_goes_on_after_a_cut_and_retrying_that_asks_for_the_rest_again(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script(Cut("The beginning"), " and the end.", " or another end.")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.say("go")
            await b.command("/continue")
            await b.ended()
            await b.command("/retry")
            await b.ended()
            assert await b.path() == [("you", "go"), ("ei", "The beginning"), ("ei", " or another end.")]
        first, second = (request.messages[1:] for request in server.chats[1:])
        assert first == second
        assert first[-1][1].startswith("(Your last reply was cut off.")


async def test_edit_asks_again_keeps_the_first_as_a_branch_and_variants_mine_goes_back(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script("One.", "Two.", "Three.")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.say("frist")
            b.ui.edits = ["first\n", None, "first", "  "]
            await b.command("/edit")
            await b.ended()
            assert b.ui.asked == ["frist"]
            assert await b.path() == [("you", "first"), ("ei", "Two.")]
            for _ in range(3):
                assert await said(b, "/edit") == "Nothing was changed."
            await b.command('/edit second try, *with* "quotes" kept')
            await b.ended()
            assert (await b.path())[0] == ("you", 'second try, *with* "quotes" kept')
            assert await said(b, "/variants") == (
                "This reply has no other variants, but your message has: /variants mine"
            )
            assert await said(b, "/variants mine 1") == "Variant 1 of 3 of your last message is in use now."
            assert await b.path() == [("you", "frist"), ("ei", "One.")]


async def test_undo_takes_back_turn_by_turn_and_redo_brings_them_back(tmp_path: Path) -> None:
    with WireServer() as server:
        server.reply("ok")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.say("one")
            await b.say("two")
            assert await said(b, "/undo") == "Taken back: two (2 messages). /redo brings it back."
            assert await b.path() == [("you", "one"), ("ei", "ok")]
            assert await said(b, "/undo") == "Taken back: one (2 messages). /redo brings it back."
            assert await said(b, "/undo") == "There is nothing to take back."
            assert await refused(b, "/fork") == (
                "There is nothing here to branch from. Say something first, or bring it back with /redo."
            )
            assert await said(b, "/redo") == "Back again: one (2 messages)."
            assert await said(b, "/redo") == "Back again: two (2 messages)."
            assert await said(b, "/redo") == "There is nothing to bring back."
            assert [text for _, text in await b.path()] == ["one", "ok", "two", "ok"]


async def test_after_undo_the_next_message_shows_nothing_as_if_another_terminal_had_written_it(
    tmp_path: Path,
) -> None:
    with WireServer() as server:
        server.reply("ok")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.say("one")
            await b.say("two")
            await b.command("/undo")
            b.events.clear()
            await b.say("three")
            assert [event for event in b.events if isinstance(event, Elsewhere)] == []
            assert server.chats[-1].messages[1:] == [("user", "one"), ("assistant", "ok"), ("user", "three")]
            assert await said(b, "/redo") == "There is nothing to bring back."


async def test_fork_branches_here_or_some_turns_back_and_leaves_the_other_one(tmp_path: Path) -> None:
    with WireServer() as server:
        server.reply("ok")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            for text in ("one", "two", "three"):
                await b.say(text)
            first = front(b)
            assert await said(b, "/fork 2") == (
                f"This is a branch of its own now, without the last 2 turns; the other one stays: /history {first[-8:]}"
            )
            assert await b.path() == [("you", "one"), ("ei", "ok")]
            assert front(b) != first
            await b.say("else")
            second = front(b)
            assert await said(b, "/fork") == (
                f"This is a branch of its own now; the other one stays: /history {second[-8:]}"
            )
            assert [text for _, text in await b.path()] == ["one", "ok", "else", "ok"]
            await b.command(f"/history {first}")
            assert [text for _, text in await b.path()] == ["one", "ok", "two", "ok", "three", "ok"]
            assert (await said(b, "/fork 1")).startswith("This is a branch of its own now, without the last turn;")


async def test_incognito_is_turned_on_and_asks_before_what_was_said_is_gone(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_LLM_MODEL="builtin:eliza") as b:
        await b.say("kept")
        assert await said(b, "/incognito off") == "Incognito is off already."
        assert (await said(b, "/incognito")).startswith("Incognito: nothing said from here on is written anywhere.")
        assert await said(b, "/incognito ON") == "Incognito is on already."
        await b.say("a private zeppelin")
        assert "kept" in await said(b, "/history")
        assert "zeppelin" not in await said(b, "/history")
        assert "kept" in await said(b, "/search kept")
        assert await refused(b, "/history 1") == (
            "Incognito is on: nothing saved can be gone on with. /incognito off, then /history again."
        )
        b.ui.yes = [False, True]
        assert await said(b, "/incognito off") == "Still incognito."
        assert (await b.path())[0] == ("you", "a private zeppelin")
        assert await said(b, "/incognito") == "Conversations are saved again."
        assert (await b.path())[0] == ("you", "kept")
    assert all(b"zeppelin" not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


async def test_leaving_incognito_without_having_said_anything_asks_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_LLM_MODEL="builtin:eliza") as b:
        await b.command("/incognito on")
        assert await said(b, "/incognito off") == "Conversations are saved again."
        assert b.ui.asked == []


async def test_a_guest_who_is_gone_cannot_be_asked_again_and_nothing_is_changed(tmp_path: Path) -> None:
    with WireServer() as server:
        server.reply("ok")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.say("What do you think?", "mike")
            await b.command("/persona archive mike")
            path = await b.path()
            gone = '"mike" is archived. /persona restore mike brings it back.'
            for line in ("/retry", "/continue", "/edit something else"):
                assert await refused(b, line) == gone
            assert await b.path() == path
            assert (await b.say("And you?")).author == "ei"


async def test_a_conversation_deleted_in_another_terminal_is_left_with_one_sentence(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_LLM_MODEL="builtin:eliza") as b:
        await b.say("Hi")
        b.services.conversations.delete_conversation(front(b))
        with pytest.raises(UsageError, match="was deleted in another terminal"):
            await b.say("Hello?")
        assert (await b.say("Hello?")).author == "ei"
        assert len(await b.path()) == 2


async def test_completion_offers_references_after_with(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        assert complete_retry(b.session, ("",)) == [("--with", "another model")]
        assert "builtin:eliza" in dict(complete_retry(b.session, ("--with", "")))
        assert complete_retry(b.session, ("--with", "x", "")) == []


async def test_a_variant_is_sent_what_the_first_reply_was_sent(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script(Answer("One."), Answer("Two."), Answer("Three."))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.say("a")
            await b.say("b")
            await b.command("/retry")
            await b.ended()
            assert server.chats[2].messages == server.chats[1].messages


async def test_a_reply_asked_for_with_a_reference_of_its_own_is_retried_with_it(tmp_path: Path) -> None:
    with WireServer() as server:
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.say("Hi")
            await b.command('/retry --with {"exact": "local:big"}')
            await b.ended()
            await b.command("/retry")
            again = (await b.ended()).message
            assert (again.reference, again.resolved_by) == ('{"exact": "local:big"}', "request")
            await b.command("/model --once local:small")
            await b.command("/retry")
            await b.ended()
            await b.command("/retry")
            await b.ended()
            assert [request.model for request in server.chats] == ["tiny", "big", "big", "small", "small"]


async def test_any_other_reply_is_retried_by_what_is_set_by_now(tmp_path: Path) -> None:
    with WireServer() as server:
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.say("Hi")
            await b.command("/model local:big")
            await b.command("/retry")
            await b.ended()
            assert [request.model for request in server.chats] == ["tiny", "big"]


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("profile:nothing", 'There is no profile "nothing".'),
        ("tier:premium", "No model"),
        ("nobody:x", 'Unknown provider "nobody"'),
        ('{"exact": 5}', ""),
    ],
)
async def test_a_reference_that_means_nothing_is_refused_before_anything_is_sent(
    tmp_path: Path, written: str, sentence: str
) -> None:
    with WireServer() as server:
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.say("Hi")
            assert sentence in await refused(b, f"/retry --with {written}")
            assert (len(server.chats), await b.path()) == (1, [("you", "Hi"), ("ei", "Hello there.")])


async def test_a_tier_answers_again_and_the_first_reply_stays_a_variant(tmp_path: Path) -> None:
    with WireServer() as server:
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.say("Hi")
            await b.command("/models add local:swift --context 8000")
            await b.command("/models tier local:swift fast")
            await b.command("/retry --with tier:fast")
            reply = (await b.ended()).message
            assert (reply.model, reply.reference, reply.variant) == ("local:swift", "tier:fast", 2)
            await b.command("/models disable local:swift")
            sentence = await refused(b, "/retry")
            assert sentence.startswith("The reply was asked of tier:fast. ")
            assert sentence.endswith("/retry --with SPEC")
            assert len(server.chats) == 2


async def test_a_variant_that_was_gone_on_from_is_printed_with_what_followed(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script("First.", "Then.", "Second.")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.say("Hi")
            await b.say("And?")
            await b.command("/undo")
            await b.command("/retry")
            await b.ended()
            b.events.clear()
            b.ui.chosen = [0, 0]
            assert await said(b, "/variants") == "Variant 1 of 2 of ei's reply is in use now."
            assert await b.path() == [("you", "Hi"), ("ei", "First."), ("you", "And?"), ("ei", "Then.")]
            shown = [m.text for event in b.events if isinstance(event, Elsewhere) for m in event.messages]
            assert shown == ["First.", "And?", "Then."]


async def test_the_variant_in_use_is_printed_too_when_it_is_chosen(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script("First.", "Second.")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.say("Hi")
            await b.command("/retry")
            await b.ended()
            b.events.clear()
            b.ui.chosen = [1]
            assert await said(b, "/variants") == "Variant 2 stays."
            shown = [m.text for event in b.events if isinstance(event, Elsewhere) for m in event.messages]
            assert shown == ["Second."]
            first, second = (page.title for page in b.ui.pages[0])
            assert re.fullmatch(r"local:tiny · \d+\.\d s · ↑~?\d+ ↓~?\d+ · free · now", first)
            assert second.endswith(" · now · in use")


async def test_a_profile_answers_again_and_is_kept_with_its_reply(tmp_path: Path) -> None:
    with WireServer() as server:
        settings = tmp_path / "config" / "settings.jsonc"
        settings.parent.mkdir()
        profile = {"id": "precise", "model": "local:big", "temperature": 0.1}
        settings.write_text(json.dumps({"llm_profiles": [profile]}), "utf-8")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.say("Hi")
            await b.command("/retry --with profile:precise")
            reply = (await b.ended()).message
            assert (reply.model, reply.reference, reply.variant) == ("local:big", "profile:precise", 2)
            assert reply.info is not None
            assert (reply.info.profile, reply.info.provider_type) == ("precise", "openai")
            assert "profile | precise" in await said(b, "/info")
            assert server.last.body["temperature"] == 0.1
            assert await refused(b, "/retry --with profile:precise2") == (
                'There is no profile "precise2". Did you mean profile:precise?'
            )
