"""History, search, export, copy and deletion, over a real database."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from ei.commands.archive import complete_export, complete_history, complete_search
from ei.commands.base import Table
from ei.commands.deletion import complete_delete
from ei.errors import ConfigError, EiError, NeedsAnswerError, NotFoundError, UsageError
from tests.bench_session import Bench, bench, text_of
from tests.wire import Hang, WireServer


async def said(b: Bench, line: str, *, shell: bool = False, yes: bool = False) -> str:
    return text_of(await b.command(line, shell=shell, yes=yes))


async def refused(b: Bench, line: str, kind: type[EiError] = UsageError, *, shell: bool = False) -> str:
    with pytest.raises(kind) as caught:
        await b.command(line, shell=shell)
    return str(caught.value)


def front(b: Bench) -> str:
    assert b.session.conversation is not None
    return b.session.conversation.id


async def talk(b: Bench, persona: str, *texts: str) -> str:
    """A fresh conversation with that persona; its id."""
    await b.command(f"/persona {persona}")
    await b.command("/new")
    for text in texts:
        await b.say(text)
    return front(b)


@pytest.fixture
def server() -> object:
    with WireServer() as found:
        found.reply("ok then")
        yield found


async def test_the_history_lists_the_newest_first_and_opens_by_row_or_id(tmp_path: Path, server: WireServer) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        assert await said(b, "/history") == "No conversations yet."
        first = await talk(b, "lena", "rain in the street", "and snow")
        second = await talk(b, "mike", "the lamp is broken")
        await b.command("/title The lamp")
        reply = await b.command("/history")
        table = reply.items[0]
        assert isinstance(table, Table)
        assert table.columns == ("", "id", "persona", "age", "messages", "model", "title")
        assert table.rows == (
            ("1", second[-8:], "mike", "now", "2", "local:tiny", "The lamp"),
            ("2", first[-8:], "lena", "now", "4", "local:tiny", "rain in the street"),
        )
        assert table.current == 0
        assert text_of(reply).splitlines()[-1] == "/history N opens one."
        await b.command("/history 2")
        assert (front(b), b.session.persona.name) == (first, "lena")
        await b.command(f"/resume {second[-8:]}")
        assert (front(b), b.session.persona.name) == (second, "mike")
        assert len(server.chats) == 3


async def test_a_row_can_be_opened_without_having_looked_at_the_list(tmp_path: Path, server: WireServer) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        first = await talk(b, "lena", "one")
        await talk(b, "mike", "two")
        await b.command("/history 2")
        assert front(b) == first
        assert await refused(b, "/history 3", NotFoundError) == "There is no row 3. The list has 2: /history"


async def test_the_history_of_one_persona_and_its_pages(tmp_path: Path, server: WireServer) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        for text in ("one", "two", "three"):
            await talk(b, "lena", text)
        await talk(b, "mike", "four")
        listed = (await b.command("/history --persona le --limit 2")).items[0]
        assert isinstance(listed, Table)
        assert [row[-1] for row in listed.rows] == ["three", "two"]
        assert (await said(b, "/history --limit 2")).splitlines()[-1] == (
            "/history N opens one. There are older ones: /history --all"
        )
        assert len((await said(b, "/history --all")).splitlines()) == 5
        assert await said(b, "/history --persona beta") == "No conversations with beta yet."


async def test_in_a_shell_a_conversation_is_printed_and_given_as_data(tmp_path: Path, server: WireServer) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        id = await talk(b, "lena", "rain in the street")
        await b.command("/persona mike")
        reply = await b.command(f"/history {id}", shell=True)
        lines = text_of(reply).splitlines()
        assert lines[0] == "# rain in the street"
        assert lines[4:7] == ["## you", "", "rain in the street"]
        assert "## lena · local:tiny" in lines
        data = reply.data
        assert isinstance(data, dict)
        assert (data["conversation_id"], data["persona"], data["message_count"]) == (id, "lena", 2)
        assert [(m["role"], m["content"], m["model"]) for m in data["messages"]] == [
            ("user", "rain in the street", None),
            ("assistant", "ok then", "local:tiny"),
        ]
        assert b.session.persona.name == "mike"


@pytest.mark.parametrize(
    ("line", "kind", "sentence"),
    [
        ("/history 12", NotFoundError, "There is no row 12. The list has 0: /history"),
        ("/history abcdef", NotFoundError, 'There is no conversation "abcdef". /history lists those that are.'),
        ("/history one two", UsageError, "One conversation at a time. Write: /history ID"),
        ("/history --persona nobody", UsageError, 'There is no persona "nobody". /persona lists them.'),
        ("/history --limit many", UsageError, "--limit many is no count. Write a whole number."),
        ("/history --al", UsageError, "There is no option --al. Did you mean --all?"),
        ("/search", UsageError, "What is searched for? For example: /search rain walk"),
        ("/search --more", UsageError, "Nothing was searched yet. Search with: /search WORDS"),
        ("/search --persona", UsageError, "--persona needs a value. See /help search."),
        ("/search --mroe", UsageError, "There is no option --mroe. Did you mean --more?"),
        ("/delete foo", UsageError, "What is to be deleted? Write one of: /delete message, /delete conversation"),
        ("/delete persona", UsageError, "Which persona? For example: /delete persona NAME"),
        ("/delete persona nobody", UsageError, 'There is no persona "nobody". /persona lists them.'),
        ("/delete conversation abcdef", NotFoundError, 'There is no conversation "abcdef".'),
        ("/delete message abcdef", NotFoundError, "That message is not there (any more)."),
        ("/delete", UsageError, "There is nothing here yet. Say something first, or go back with /history."),
    ],
)
async def test_what_does_not_work_is_one_sentence(
    tmp_path: Path, line: str, kind: type[EiError], sentence: str
) -> None:
    async with bench(tmp_path) as b:
        assert (await refused(b, line, kind)).startswith(sentence)


async def test_search_finds_beginnings_phrases_and_chinese_newest_first_with_the_hit_in_context(
    tmp_path: Path, server: WireServer
) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        first = await talk(b, "lena", "The rain held the whole street upside down")
        second = await talk(b, "mike", "Rainy walks, whole and long: 今天的天气很好")
        found = (await said(b, "/search rain")).splitlines()
        assert found == [
            f"{second[-8:]} · mike · now · Rainy walks, whole and long: 今天的天气很好",
            "  you: «Rain»y walks, whole and long: 今天的天气很好",
            f"{first[-8:]} · lena · now · The rain held the whole street upside down",
            "  you: The «rain» held the whole street upside down",
            "2 places · /history ID opens one",
        ]
        phrase = (await said(b, '/search "the whole street"')).splitlines()
        assert phrase[1] == "  you: The rain held «the whole street» upside down"
        assert phrase[2] == "1 place · /history ID opens one"
        assert await said(b, '/search "street whole"') == 'Nothing was found for: "street whole"'
        assert "whole street" in await said(b, "/search street whole")
        assert "今天的«天气»很好" in await said(b, "/search 天气")
        assert (await said(b, "/search --persona lena whole")).splitlines()[-1].startswith("1 place")
        assert (await said(b, "/search whole --persona=mike")).splitlines()[0].startswith(second[-8:])
        assert await said(b, "/search xylophone") == "Nothing was found for: xylophone"
        assert await said(b, "/search -1 …") == "Nothing was found for: -1 …"


async def test_more_gives_older_places_of_the_same_search(tmp_path: Path, server: WireServer) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        await talk(b, "mike", "word of mike")
        await talk(b, "lena", *(f"word {number}" for number in range(5)))
        first = await said(b, "/search --limit 3 --persona lena word")
        assert [line for line in first.splitlines() if line.startswith("  ")] == [
            f"  you: «word» {number}" for number in (4, 3, 2)
        ]
        assert first.splitlines()[-1] == "3 places · older ones: /search --more · /history ID opens one"
        more = await said(b, "/search --more")
        assert [line for line in more.splitlines() if line.startswith("  ")] == [
            f"  you: «word» {number}" for number in (1, 0)
        ]
        assert await said(b, "/search --more") == "Nothing more was found for: word"


async def test_a_search_gives_its_places_as_data(tmp_path: Path, server: WireServer) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        id = await talk(b, "lena", "rain")
        data = (await b.command("/search rain", shell=True)).data
        assert isinstance(data, list)
        (place,) = data
        assert (place["conversation_id"], place["with"], place["role"]) == (id, "lena", "user")
        assert (place["before"], place["match"], place["after"]) == ("", "rain", "")


async def test_export_writes_markdown_or_json_and_asks_before_it_writes_over(
    tmp_path: Path, server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        id = await talk(b, "lena", "rain in the street")
        name = f"lena-{id[-8:]}.md"
        assert await said(b, "/export") == f"2 messages written to {name}"
        text = Path(name).read_text("utf-8")
        assert text.startswith("# rain in the street\n\nWith lena, ")
        assert "## lena · local:tiny\n\nok then\n" in text
        b.ui.yes = [False, True]
        Path(name).write_text("mine")
        assert await said(b, "/export") == "Nothing was written."
        assert b.ui.asked == [f"{name} is there already. Write over it?"]
        assert Path(name).read_text() == "mine"
        await b.command("/export")
        assert Path(name).read_text("utf-8") == text
        for typed in ("talk.json", "json my talk.json", "--json other"):
            await b.command(f"/export {typed}")
        for path in ("talk.json", "my talk.json", "other"):
            data = json.loads(Path(path).read_text("utf-8"))
            assert [message["content"] for message in data["messages"]] == ["rain in the street", "ok then"]
        Path("folder").mkdir()
        assert await said(b, "/export json folder") == f"2 messages written to {Path('folder', f'lena-{id[-8:]}.json')}"


async def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path, server: WireServer) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        await talk(b, "lena", "rain")
        path = tmp_path / "nowhere" / "x.md"
        assert await refused(b, f"/export {path}", ConfigError) == (
            f"{path} cannot be written: No such file or directory. Name another file."
        )
        (tmp_path / "file").write_text("")
        assert "cannot be written" in await refused(b, f"/export {tmp_path / 'file' / 'x.md'}", ConfigError)
        assert "cannot be written" in await refused(b, "/export a\x00b", ConfigError)
        assert "~nobody-of-that-name" in await refused(b, "/export ~nobody-of-that-name/x", EiError)


async def test_in_a_shell_export_prints_and_writes_over_only_with_yes(tmp_path: Path, server: WireServer) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        id = await talk(b, "lena", "rain")
        await talk(b, "mike", "lamp")
        printed = await b.command(f"/export {id}", shell=True)
        assert text_of(printed).startswith("# rain")
        assert isinstance(printed.data, dict)
        assert printed.data["persona"] == "lena"
        assert json.loads(await said(b, f"/export {id} json", shell=True)) == printed.data
        target = tmp_path / "out.md"
        target.write_text("mine")
        with pytest.raises(NeedsAnswerError):
            await b.command(f"/export {id} {target}", shell=True)
        await b.command(f"/export {id} {target}", shell=True, yes=True)
        assert target.read_text("utf-8").startswith("# rain")


async def test_copy_takes_the_reply_a_code_block_or_all(tmp_path: Path, server: WireServer) -> None:
    server.reply("Two:\n\n```python\nprint(1)\n```\n\n1. And\n   ```sh\n   ls -l\n   ```\n")
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        await b.say("Show me")
        assert await said(b, "/copy") == f"Copied: {len(b.ui.copied[0])} characters."
        assert b.ui.copied[0].startswith("Two:\n\n```python")
        await b.command("/copy code")
        await b.command("/copy code 1")
        assert b.ui.copied[1:] == ["ls -l\n", "print(1)\n"]
        await b.command("/copy all")
        assert b.ui.copied[-1].startswith("# Show me\n")
        assert await refused(b, "/copy code 3") == "There is no code block 3. The last reply has 2 blocks."
        assert await refused(b, "/copy that") == "/copy that means nothing. Write /copy, /copy code [N] or /copy all."
        server.reply("plain")
        await b.say("Again")
        assert await said(b, "/copy code") == "The last reply has no code block."


async def test_deleting_asks_names_what_goes_and_keeps_it_on_no(tmp_path: Path, server: WireServer) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        await talk(b, "lena", "rain in the street", "what do you think?")
        b.ui.yes = [False, True, False]
        assert await said(b, "/delete") == "Nothing was deleted."
        assert b.ui.asked[-1] == (
            'Delete the message of lena, "ok then"?\nWhat goes: 1 message.\n'
            "It is really gone then: no archive keeps it."
        )
        assert len(await b.path()) == 4
        assert await said(b, "/delete message") == "The message is deleted."
        assert [text for _, text in await b.path()] == ["rain in the street", "ok then", "what do you think?"]
        assert await said(b, "/delete conversation") == "Nothing was deleted."
        assert b.ui.asked[-1].startswith(
            'Delete the conversation with lena, "rain in the street"?\nWhat goes: 1 conversation, 3 messages.'
        )


async def test_a_deleted_message_conversation_and_persona_leave_no_byte(tmp_path: Path, server: WireServer) -> None:
    words = ("zeppelin", "xylophone", "quetzal", "marzipan", "wombat")
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        first = await talk(b, "lena", "a zeppelin in the rain", "stays")
        messages = b.services.conversations.path(first)
        second = await talk(b, "lena", "a xylophone")
        await b.command("/title the marzipan talk")
        await talk(b, "mike", "a lamp that stays")
        server.reply("a quetzal")
        await b.say("What is that?", "beta")
        server.reply("a wombat")
        await talk(b, "beta", "who are you?")
        b.ui.yes = [True] * 3
        await b.command(f"/delete message {messages[0].id[-10:]}")
        await b.command(f"/delete conversation {second[-8:]}")
        archived = await said(b, "/persona archive beta")
        assert archived.startswith("beta is put away")
        assert await said(b, "/delete persona beta") == "beta is gone, with every conversation."
        assert b.ui.asked[-1].splitlines()[1] == (
            "What goes: 1 archived copy, 1 conversation, 2 messages, 1 reply as a guest elsewhere."
        )
        for word in words:
            assert (await said(b, f"/search {word}")).startswith("Nothing was found")
        written = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
        assert [word for word in words if word.encode() in written] == []
        assert b"stays" in written
        assert not any("beta" in path.name for path in (tmp_path / "data" / "archive").iterdir())
        assert not (tmp_path / "data" / "personas" / "beta").exists()


async def test_deleting_the_persona_in_front_goes_on_with_another(tmp_path: Path, server: WireServer) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        await talk(b, "mike", "a lamp")
        await talk(b, "beta", "hello")
        reply = await b.command("/delete persona beta", shell=True, yes=True)
        assert reply.data == {"deleted": True, "conversations": 1, "messages": 2, "guest_replies": 0, "clean": True}
        assert b.ui.asked == []
        assert b.session.persona.name == "mike"
        assert (await b.path())[0] == ("you", "a lamp")


async def test_deleting_the_conversation_in_front_leaves_a_fresh_one(tmp_path: Path, server: WireServer) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        id = await talk(b, "lena", "rain")
        await b.command("/history")
        b.ui.yes = [True]
        assert await said(b, "/delete conversation 1") == "The conversation is deleted."
        assert b.session.conversation is None
        assert await refused(b, f"/history {id}", NotFoundError)
        assert (await b.say("Hi")).author == "lena"


async def test_incognito_deletes_the_saved_of_a_persona_and_its_own_message(tmp_path: Path, server: WireServer) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        saved = await talk(b, "lena", "a zeppelin")
        await b.command("/incognito on")
        await b.say("private")
        b.ui.yes = [True] * 3
        await b.command("/delete")
        assert await b.path() == [("you", "private")]
        await b.command("/delete persona lena")
        with pytest.raises(NotFoundError):
            b.services.conversations.get(saved)
        assert b.session.incognito
        assert b.session.persona.name != "lena"
        assert b.session.conversation is None


async def test_what_is_being_written_is_not_deleted_and_the_last_persona_stays(
    tmp_path: Path, server: WireServer
) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        old = await talk(b, "lena", "old")
        server.script(Hang("Once upon"))
        await b.command("/new")
        saying = asyncio.create_task(b.say("a story"))
        await b.until(lambda: "upon" in b.streamed())
        assert (await refused(b, "/delete conversation")).startswith("A reply is under way there.")
        assert (await refused(b, "/delete persona lena")).startswith("A reply of lena is under way.")
        await b.command(f"/delete conversation {old[-8:]}", yes=True)
        b.session.stop()
        await saying
        for name in ("beta", "ei", "mike", "otto"):
            await b.command(f"/delete persona {name}", yes=True)
        assert await refused(b, "/delete persona lena") == (
            "lena is the only persona here. Make another first: /persona new NAME"
        )


async def test_completion_offers_conversations_options_names_and_formats(tmp_path: Path, server: WireServer) -> None:
    async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
        id = await talk(b, "lena", "rain")
        assert list(complete_history(b.session, ("",))) == [(id[-8:], "lena: rain")]
        assert "--all" in dict(complete_history(b.session, ("-",)))
        assert "mike" in dict(complete_history(b.session, ("--persona", "")))
        assert "mike" in dict(complete_search(b.session, ("x", "--persona", "")))
        assert "--more" in dict(complete_search(b.session, ("--",)))
        assert [word for word, _ in complete_export(b.session, ("",))] == ["md", "json"]
        assert "otto" in dict(complete_delete(b.session, ("persona", "")))
        assert complete_delete(b.session, ("message", "")) == []
