"""/private in the chat and in a shell: what it shows and sets, what it asks before something may leave."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ei.commands.base import Table
from ei.errors import EiError, NeedsAnswerError, UsageError
from tests.bench_session import Bench, bench, text_of
from tests.engine.test_privacy import cloud, elsewhere, everything_is, here, talking
from tests.wire import WireServer

__all__ = ["cloud", "here"]


async def refused(b: Bench, line: str, kind: type[EiError] = UsageError) -> str:
    with pytest.raises(kind) as caught:
        await b.command(line)
    return str(caught.value)


def settings(home: Path) -> str:
    return (home / "config" / "settings.jsonc").read_text("utf-8")


async def test_it_tells_that_nothing_is_private_and_who_might_be_asked(tmp_path: Path) -> None:
    async with bench(tmp_path, "ei") as b:
        reply = await b.command("/private")
        lines = text_of(reply).splitlines()
        assert lines[0] == "Nothing is private here: what is said goes to whoever the model's provider is."
        assert [row[0] for row in _table(reply).rows] == ["local", "ollama", "builtin"]
        assert "Hosts of your own: none. To mark one: /private hosts add HOST" in lines


async def test_on_and_off_are_in_settings_and_the_model_in_use_is_told(tmp_path: Path, cloud: WireServer) -> None:
    async with talking(tmp_path, cloud) as b:
        told = text_of(await b.command("/private on")).splitlines()
        assert told == [
            "Everything is private: nothing leaves this machine and your own hosts.",
            "ei cannot answer with openai:big. Pick a model on this machine: /model SPEC. /private off ends it.",
        ]
        assert '"private": true' in settings(tmp_path)
        assert text_of(await b.command("/private on")) == "Everything is private already."
        shown = text_of(await b.command("/private"))
        assert shown.startswith("Everything is private: nothing of it leaves this machine and your own hosts.")
        assert "Everything is: settings.jsonc." in shown
        assert "openai" not in [row[0] for row in _table(await b.command("/private")).rows]
        assert "It does not answer now: Everything is private, and openai is not on this machine." in text_of(
            await b.command("/model")
        )
        assert "(API key set, private: not on this machine)" in text_of(await b.command("/model --list"))
        assert text_of(await b.command("/private off")).startswith("Not everything is private any more")
        assert '"private": false' in settings(tmp_path)


async def test_a_variable_wins_and_is_told(tmp_path: Path) -> None:
    async with bench(tmp_path, "ei", EI_PRIVATE="1") as b:
        assert text_of(await b.command("/private off")) == "Everything still is: EI_PRIVATE (environment) says so."
        assert text_of(await b.command("/private")).startswith("Everything is private (EI_PRIVATE):")
    async with bench(tmp_path, "ei", EI_PRIVATE="off") as b:
        told = text_of(await b.command("/private on"))
        assert told == "EI_PRIVATE=off (environment) wins: nothing is private by it."


async def test_a_conversation_is_marked_and_let_go_after_a_question_that_says_what_leaves(
    tmp_path: Path, cloud: WireServer, here: WireServer
) -> None:
    async with talking(tmp_path, cloud, here) as b:
        b.services.library.set_value("otto", ("private",), True)
        b.services.library.set_value("otto", ("model",), "local:tiny")
        assert text_of(await b.command("/private here")).splitlines()[0] == (
            "This conversation is private: nothing of it leaves this machine and your own hosts."
        )
        await b.say("A secret", "otto")
        shown = text_of(await b.command("/private"))
        assert "otto is, who was asked here: its file says so." in shown
        assert "You marked this conversation: /private here off ends that." in shown
        assert "2 messages in it were said by or to somebody private." in shown
        b.ui.yes = [False]
        assert text_of(await b.command("/private here off")) == "It stays private."
        asked = b.ui.asked[-1].splitlines()
        assert asked == [
            "May this conversation leave this machine again?",
            "2 messages would go along, 2 of them private.",
            "you to otto: A secret",
            "otto: I am here.",
            f"The next message takes it to openai:big at {cloud.url}.",
        ]
        b.ui.yes = [True]
        assert text_of(await b.command("/private here off")) == "This conversation may leave this machine again."
        assert not await b.session.privacy()
        before = cloud.connections
        await b.say("Hello")
        assert cloud.connections > before
        assert text_of(await b.command("/private here off")) == "This conversation is not private."


async def test_what_was_said_elsewhere_before_is_told(tmp_path: Path, cloud: WireServer) -> None:
    async with talking(tmp_path, cloud) as b:
        await b.say("Hello")
        told = text_of(await b.command("/private here")).splitlines()
        assert told[1] == "What was said before went to openai."


async def test_where_nobody_can_be_asked_it_stays_private_unless_agreed(tmp_path: Path, here: WireServer) -> None:
    async with bench(tmp_path, "ei", EI_LLM_BASE_URL=here.url, EI_LLM_MODEL="local:tiny") as b:
        await b.command("/private here")
        await b.say("Hello")
        await refused(b, "/private here off", NeedsAnswerError)
        assert await b.session.privacy()
        await b.command("/private here off", yes=True)
        assert not await b.session.privacy()


async def test_a_private_personas_own_conversation_stays_so(tmp_path: Path) -> None:
    async with bench(tmp_path, "mike") as b:
        b.services.library.set_value("mike", ("private",), True)
        await b.command("/private here")
        assert await refused(b, "/private here off") == (
            'This conversation stays private: mike is. To end that, take "private" out of its file: /persona edit mike'
        )


async def test_exports_and_info_say_it(tmp_path: Path, here: WireServer) -> None:
    async with bench(tmp_path, "mike", EI_LLM_BASE_URL=here.url, EI_LLM_MODEL="local:tiny") as b:
        b.services.library.set_value("mike", ("private",), True)
        await b.say("Hello")
        assert "private | stays on this machine" in text_of(await b.command("/info"))
        conversation = b.session.conversation
        assert conversation is not None
        (listed,) = [row for row in (await b.command("/history")).data if isinstance(row, dict)]  # type: ignore[attr-defined]
        assert listed["private"] is True
        await b.command(f"/export md {tmp_path / 'talk.md'}")
        assert "Private: what is said here stays on this machine." in (tmp_path / "talk.md").read_text("utf-8")
        await b.command(f"/export json {tmp_path / 'talk.json'}")
        data = json.loads((tmp_path / "talk.json").read_text("utf-8"))
        assert (data["private"], [m["private"] for m in data["messages"]]) == (True, [True, True])


async def test_hosts_are_marked_and_unmarked(tmp_path: Path, cloud: WireServer) -> None:
    async with bench(tmp_path, "ei", EI_LLM_BASE_URL="http://llm.home:8080/v1") as b:
        assert text_of(await b.command("/private hosts")).splitlines()[0] == (
            "No host but this machine is marked as your own."
        )
        told = text_of(await b.command("/private hosts add http://LLM.home:8080/v1"))
        assert told.splitlines()[0] == "llm.home is marked as your own. local may be asked what is private."
        assert text_of(await b.command("/private hosts add llm.home")) == "llm.home is marked as your own already."
        assert text_of(await b.command("/private hosts")).splitlines()[0] == "llm.home | local"
        assert ("local", "http://llm.home:8080/v1", "your own host") in _table(await b.command("/private")).rows
        told = text_of(await b.command("/private hosts add 10.0.0.0/8"))
        assert told.splitlines()[0] == "10.0.0.0/8 is marked as your own. No provider has its address there yet."
        assert await b.command("/private hosts remove llm.home")
        assert not b.services.chooser.is_own("local")
        assert await refused(b, "/private hosts remove llm.home") == (
            "llm.home is not marked as your own. Marked now: 10.0.0.0/8."
        )
        assert (await refused(b, "/private hosts add api.openai.com")).startswith("api.openai.com is OpenAI's:")
        assert "is this machine" in await refused(b, "/private hosts add 127.0.0.1")
        assert await refused(b, "/private always") == "/private always means nothing. See /help private."


async def test_the_picker_dims_what_must_not_be_asked_and_says_why(
    tmp_path: Path, cloud: WireServer, here: WireServer
) -> None:
    async with talking(tmp_path, cloud, here, EI_LLM_MODEL="local:tiny") as b:
        await everything_is(b)
        b.ui.keys.append(None)
        await b.command("/model pick")
        dimmed = {choice.key: choice.dimmed for choice in b.ui.offers[-1].choices}
        assert dimmed["openai:big"] == "Private: not on this machine: see /private."
        assert dimmed["local:tiny"] == ""


async def test_a_host_of_ones_own_is_told_from_this_machine(tmp_path: Path, here: WireServer) -> None:
    where = elsewhere(here)
    async with bench(tmp_path, "ei", EI_LLM_BASE_URL=where, EI_LLM_MODEL="local:tiny", EI_PRIVATE="on") as b:
        assert "local" not in [row[0] for row in _table(await b.command("/private")).rows]


def _table(reply: object) -> Table:
    (table,) = (item for item in reply.items if isinstance(item, Table))  # type: ignore[attr-defined]
    return table
