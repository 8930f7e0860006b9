"""Answering again through the session: what is sent, and what is placed where."""

from __future__ import annotations

from pathlib import Path

import pytest

from ei.conversations.values import State
from ei.engine.again import GO_ON
from ei.errors import UsageError
from tests.bench_session import bench
from tests.wire import Answer, Cut, Status, WireServer


async def test_the_request_to_go_on_never_pushes_out_the_reply_that_was_cut(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script(Cut("begun " * 1500), "rest")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            cut = await b.say("tell " * 840)
            assert cut.state is State.FAILED
            # Smaller than the turn alone: what cannot be left out goes all the same.
            b.services.learned.set("local:tiny", "context", 4000)
            await b.command("/continue")
            assert (await b.ended()).message.text == "rest"
        sent = server.chats[-1].messages
        assert [role for role, _ in sent] == ["system", "user", "assistant", "user"]
        assert sent[2][1].startswith("begun begun")
        assert sent[3][1] == GO_ON


async def test_what_is_left_out_near_the_limit_is_an_older_turn_and_not_what_is_gone_on_with(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script("old reply " * 500, Cut("begun " * 1500), "rest")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.say("first " * 600)
            await b.say("second " * 600)
            b.services.learned.set("local:tiny", "context", 5600)
            await b.command("/continue")
            assert (await b.ended()).message.text == "rest"
        texts = [text for _, text in server.chats[-1].messages[1:]]
        assert [text.split(" ")[0] for text in texts] == ["second", "begun", "(Your"]


async def test_a_retry_is_sent_with_the_number_of_its_variant_so_that_the_companion_says_something_else(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path, EI_LLM_MODEL="builtin:eliza") as b:
        first = await b.say("My mother hates me")
        await b.command("/retry")
        second = (await b.ended()).message
        assert (second.variant, second.variants) == (2, 2)
        assert second.text != first.text


async def test_a_guests_reply_is_asked_again_of_that_guest(tmp_path: Path) -> None:
    with WireServer() as server:
        server.reply("So it seems.")
        async with bench(tmp_path, "mike", EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.say("What do you think?", "lena")
            await b.command("/retry")
            again = (await b.ended()).message
            assert (again.author, again.variant) == ("lena", 2)
            await b.command("/edit What would you do?")
            edited = (await b.ended()).message
            assert edited.author == "lena"
            assert [m.to for m in b.services.conversations.path(edited.conversation)] == ["lena", ""]
        assert server.chats[-1].messages[0][1].startswith("You are Lena.")


async def test_a_failed_reply_is_answered_again_beside_it(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script(Status(400, "bad request"), Answer("Here."))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            failed = await b.say("Hi")
            await b.command("/retry")
            again = (await b.ended()).message
            assert (again.parent, again.variants) == (failed.parent, 2)
            assert await b.path() == [("you", "Hi"), ("ei", "Here.")]


async def test_the_last_message_of_a_role_is_found_far_back_and_its_absence_is_one_sentence(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        conversation = await b.session.ensure_conversation()
        store, head = b.services.conversations, None
        with pytest.raises(UsageError, match="There is nothing here yet"):
            await b.session.last_of(None)
        from ei.messages import TextPart

        for number in range(45):
            head = store.append(conversation.id, head, "user", "", (TextPart(f"{number}"),)).id
        with pytest.raises(UsageError) as caught:
            await b.session.last_of("assistant")
        assert str(caught.value) == "There is no reply here yet. /retry asks for one."
        store.append(conversation.id, head, "assistant", "ei", (TextPart("at last"),))
        assert (await b.session.last_of("user")).text == "44"
        assert (await b.session.last_of("assistant")).text == "at last"


async def test_the_preview_uses_the_model_of_the_next_reply(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_LLM_MODEL="local:base") as b:
        assert (await b.session.preview()).model == "local:base"
        await b.command("/model --once local:treat")
        assert (await b.session.preview()).model == "local:treat"
