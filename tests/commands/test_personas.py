"""/persona and /prompt, over real files and servers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ei.commands.base import Document, Table
from ei.commands.personas import complete_persona
from ei.errors import ConfigError, EiError, FileSyntaxError, NeedsAnswerError, UsageError
from tests.bench_session import Bench, bench, text_of
from tests.wire import Answer, Status, WireServer

DRAFT = {
    "short_description": "A calm pilot.",
    "long_description": "She flies at night and likes it quiet.",
    "concepts": [{"name": "Clouds", "description": "From above.", "type": "topic", "level_ideal": 0.9}],
}


def folder(home: Path, name: str) -> Path:
    return home / "data" / "personas" / name


async def said(b: Bench, line: str, *, shell: bool = False) -> str:
    return text_of(await b.command(line, shell=shell))


async def refused(b: Bench, line: str, kind: type[EiError] = UsageError) -> str:
    with pytest.raises(kind) as caught:
        await b.command(line)
    return str(caught.value)


async def test_the_list_shows_model_last_talk_unread_and_description(tmp_path: Path) -> None:
    with WireServer() as server:
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="local:base") as b:
            b.services.library.set_value("lena", ("model",), "local:story")
            await b.say("Hi")
            await b.command("/persona mike")
            await b.command("/model --here local:here")
            await b.command("/persona ei")
            reply = await b.command("/persona")
            table = reply.items[0]
            assert isinstance(table, Table)
            assert table.columns == ("persona", "model", "last talk", "new", "description")
            rows = {row[0]: row for row in table.rows}
            assert rows["ei"][:4] == ("ei", "local:base", "now", "")
            assert rows["lena"][:4] == ("lena", "local:story", "-", "")
            assert rows["mike"][1] == "local:here"
            assert rows["mike"][4].startswith("A practical man of few words")
            assert table.current is not None
            assert table.rows[table.current][0] == "ei"
            b.session.unread["lena"] = 2
            assert "lena | local:story | - | ●2 | " in await said(b, "/persona")


async def test_a_broken_file_is_listed_with_line_and_column_and_the_others_work(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_LLM_MODEL="builtin:eliza") as b:
        path = folder(tmp_path, "lena") / "system.jsonc"
        path.write_text('{\n  "aliases": [],\n  "short_description" "A storyteller."\n}\n', "utf-8")
        before = path.read_bytes()
        listed = await said(b, "/persona")
        assert f"lena is broken: {path}, line 3, column 23: " in listed
        assert "mike | builtin:eliza | " in listed
        assert f"{path}, line 3, column 23" in await refused(b, "/persona lena", FileSyntaxError)
        assert (await b.say("Hi")).author == "ei"
        assert path.read_bytes() == before
        await said(b, "/persona archive lena")
        assert not path.exists()
        assert (await said(b, "/persona restore lena")).splitlines()[1].startswith(f"It is broken: {path}, line 3")
        assert path.read_bytes() == before


async def test_switching_takes_a_name_an_alias_or_a_beginning_and_lists_the_candidates_of_an_ambiguous_one(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path) as b:
        b.services.library.set_value("lena", ("aliases",), ["the story teller"])
        for typed, name in (("LENA", "lena"), ("mi", "mike"), ("the story teller", "lena"), ("Ei", "ei")):
            assert (await b.command(f"/persona {typed}")).data == {"persona": name}
            assert b.session.persona.name == name
        await b.command("/persona clone mira")
        assert await refused(b, "/persona mi") == '"mi" may be any of mike, mira. Write more of the name.'
        assert await refused(b, "/persona lenna") == (
            'There is no persona "lenna". Did you mean lena? /persona lists them.'
        )
        told = await said(b, "/persona mike", shell=True)
        assert told.startswith("mike is in front now: A practical man")


async def test_a_new_persona_is_drafted_by_the_planning_model_shown_edited_and_saved_on_yes(tmp_path: Path) -> None:
    with WireServer() as server:
        server.on("plans", Answer("Here it is:\n```json\n" + json.dumps(DRAFT) + "\n```", usage=(50, 60)))
        async with bench(
            tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="local:base", EI_MODEL_PLANNING="local:plans"
        ) as b:
            await b.command("/settings interactions.planning.temperature 1.5")
            b.ui.texts = ["a calm pilot", "edit", "yes"]
            b.ui.edits = ['{ "short_description": "A calm pilot of small planes." }\n']
            told = await said(b, "/persona new Ada")
            assert told == "ada is here: A calm pilot of small planes."
            assert b.ui.asked[0] == "One line about ada: who is it?"
            shown = b.ui.shown[0].items
            assert isinstance(shown[0], Document)
            assert shown[0].language == "jsonc"
            assert '"short_description": "A calm pilot."' in shown[0].text
            assert '"name": "People first"' in shown[0].text
            assert text_of(b.ui.shown[0]).endswith("Drafted by local:plans")
            assert b.session.persona.name == "ada"
            request = server.chats[-1]
            assert request.model == "plans"
            assert request.body["temperature"] == 1.5
            assert "Name: ada\nIdea: a calm pilot" in request.messages[-1][1]
            (call,) = b.services.calls.calls()
            assert (call.interaction, call.triggered_by, call.resolved_by) == ("planning", "draft", "interaction")
            assert (call.input_tokens, call.output_tokens, call.outcome, call.cost) == (50, 60, "complete", 0)


async def test_no_throws_the_draft_away_and_an_idea_may_stand_behind_the_name(tmp_path: Path) -> None:
    with WireServer() as server:
        server.reply(json.dumps(DRAFT))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            b.ui.texts = ["no", "n"]
            assert await said(b, "/persona new ada a calm pilot's friend") == "ada was not saved."
            assert "Idea: a calm pilot's friend" in server.chats[-1].messages[-1][1]
            assert await said(b, '/persona new ada --idea "quiet"') == "ada was not saved."
            assert not folder(tmp_path, "ada").exists()
            assert b.session.persona.name == "ei"


async def test_a_mistake_in_the_edited_draft_is_told_and_nothing_written_is_lost(tmp_path: Path) -> None:
    with WireServer() as server:
        server.reply(json.dumps(DRAFT))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            b.ui.texts = ["edit", "yes", "edit", "yes"]
            b.ui.edits = ['{ "short_description": "mine" ', '{ "short_description": "mine" }']
            assert await said(b, "/persona new ada a pilot") == "ada is here: mine"
            told = [text_of(reply) for reply in b.ui.shown[1:]]
            assert told[0] == "The draft, line 1, column 31: the { of line 1 is never closed."
            assert told[0] == told[1]
            # The second time the editor opened on what was written the first time.
            assert b.ui.asked[4] == '{ "short_description": "mine" '


@pytest.mark.parametrize(
    ("behaviour", "problem"),
    [
        (
            Answer("Sorry, I would rather not."),
            "local:tiny gave no usable draft (there is no object in its answer): this is a plain one of your idea.",
        ),
        (
            Answer('{"short_description": "A", oops}'),
            "local:tiny gave no usable draft (line 1, column ",
        ),
        (Answer('{"concepts": []}'), "local:tiny gave no usable draft (it describes nobody)"),
        (
            Status(401, "bad key"),
            "local asks for an API key (401). So this is a plain draft of your idea. Another model drafts with: ",
        ),
    ],
)
async def test_where_the_model_cannot_draft_the_idea_itself_becomes_the_draft(
    tmp_path: Path, behaviour: Answer | Status, problem: str
) -> None:
    with WireServer() as server:
        server.always(behaviour)
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            b.ui.texts = ["yes"]
            assert await said(b, "/persona new ada A calm pilot.") == "ada is here: A calm pilot."
            assert text_of(b.ui.shown[0]).startswith(problem)


async def test_the_companion_says_that_it_cannot_draft(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.ui.texts = ["yes"]
        assert await said(b, "/persona new ada A calm pilot.") == "ada is here: A calm pilot."
        assert text_of(b.ui.shown[0]) == (
            "The built-in companion cannot invent a persona: this is a plain draft of your idea."
        )
        assert b.services.calls.calls() == ()


async def test_without_anybody_to_ask_a_draft_is_refused_before_it_costs_anything(tmp_path: Path) -> None:
    with WireServer() as server:
        server.reply(json.dumps(DRAFT))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            b.ui.interactive = False
            with pytest.raises(NeedsAnswerError, match="Add --yes to save it unseen"):
                await b.command("/persona new ada a pilot", shell=True)
            assert server.chats == []
            saved = await b.command("/persona new ada a pilot", shell=True, yes=True)
            assert text_of(saved) == "ada is here: A calm pilot."


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("new", "What is the new persona called? For example: /persona new ada a calm pilot"),
        ("new lena", "There is a persona lena already. Take another name."),
        ("new ../x", "'../x' cannot be a persona's name. Letters, digits, - and _ make a name"),
        ("new edit", '"edit" is a word of /persona itself. Take another name.'),
        ("clone", "What is the copy called? For example: /persona clone mike2"),
        ("clone a b", "What is the copy called? For example: /persona clone mike2"),
        ("clone lena", "There is a persona lena already. Take another name."),
        ("edit nobody", 'There is no persona "nobody". /persona lists them.'),
        ("archive nobody", 'There is no persona "nobody". /persona lists them.'),
        ("restore lena", 'No persona "lena" is archived.'),
        ("restore a b c", "One persona at a time. Write: /persona restore NAME"),
    ],
)
async def test_what_does_not_work_is_one_sentence(tmp_path: Path, typed: str, sentence: str) -> None:
    async with bench(tmp_path) as b:
        assert (await refused(b, f"/persona {typed}")).startswith(sentence)


async def test_editing_checks_the_file_and_its_model(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.ui.edits = ['{ "short_description": "New." }', '{ "short_description" }', '{ "model": "gogle:x" }', None]
        assert await said(b, "/persona edit") == "ei is as you left it; it shows in the next reply."
        await b.session.refresh()
        assert b.session.persona.short_description == "New."
        assert b.ui.asked[0] == str(folder(tmp_path, "ei") / "system.jsonc")
        broken = await said(b, "/persona edit lena")
        assert broken.startswith("Saved, but lena cannot be used like this: ")
        assert "line 1, column 23" in broken
        assert await said(b, "/persona edit lena") == (
            "Saved, but lena cannot be used like this: "
            'lena\'s system.jsonc: Unknown provider "gogle". Did you mean google:x?'
        )


async def test_archiving_keeps_the_file_and_restoring_brings_persona_and_talks_back(tmp_path: Path) -> None:
    async with bench(tmp_path, "lena", EI_LLM_MODEL="builtin:eliza") as b:
        await b.say("I like rain")
        talk = b.session.conversation
        assert talk is not None
        text = (folder(tmp_path, "lena") / "system.jsonc").read_bytes()
        assert await said(b, "/persona archive") == "lena is put away. /persona restore lena brings it back."
        assert b.session.persona.name != "lena"
        (kept,) = (tmp_path / "data" / "archive").iterdir()
        assert (kept / "system.jsonc").read_bytes() == text
        assert await refused(b, "/persona lena") == '"lena" is archived. /persona restore lena brings it back.'
        assert await refused(b, f"/history {talk.id}") == (
            "This conversation is with lena, who is not here. /persona restore lena brings lena back."
        )
        assert "I like rain" in await said(b, "/history --persona lena")
        assert (await said(b, "/persona restore")).startswith("lena | ")
        assert await said(b, "/persona restore LENA") == "lena is back. /persona lena talks with it."
        await b.command("/persona lena")
        assert (await b.path())[0] == ("you", "I like rain")
        assert await said(b, "/persona restore") == "Nobody is archived."


async def test_a_name_taken_meanwhile_is_restored_under_another(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.command("/persona archive lena")
        await b.command("/persona clone lena")
        assert await refused(b, "/persona restore lena") == (
            "There is a persona lena already. Bring it back under another name: /persona restore lena NEWNAME"
        )
        assert await said(b, "/persona restore lena Lena2") == "lena2 is back. /persona lena2 talks with it."


async def test_the_last_persona_stays_and_so_does_one_who_is_speaking(tmp_path: Path) -> None:
    with WireServer() as server:
        server.reply("one two three four", delay=0.2)
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.session.send("Hi")
            await b.until(lambda: "one" in b.streamed())
            assert await refused(b, "/persona archive ei") == (
                "A reply of ei is under way. Wait for it, or stop it with Ctrl-C."
            )
            await b.ended()
            for name in ("beta", "lena", "mike", "otto"):
                await b.command(f"/persona archive {name}")
            assert await refused(b, "/persona archive") == (
                "ei is the only persona here. Make another first: /persona new NAME"
            )


async def test_a_clone_has_the_comments_and_with_history_the_conversations(tmp_path: Path) -> None:
    async with bench(tmp_path, "mike", EI_LLM_MODEL="builtin:eliza") as b:
        await b.say("The lamp is broken")
        assert await said(b, "/persona clone mike2") == "mike2 is a copy of mike. /persona mike2 talks with it."
        copied = (folder(tmp_path, "mike2") / "system.jsonc").read_text("utf-8")
        original = (folder(tmp_path, "mike") / "system.jsonc").read_text("utf-8")
        assert [line for line in copied.splitlines() if "//" in line] == [
            line for line in original.splitlines() if "//" in line
        ]
        assert await said(b, "/persona clone mike3 --with-history") == (
            "mike3 is a copy of mike with 1 conversation. /persona mike3 talks with it."
        )
        await b.command("/persona mike3")
        path = await b.path()
        assert path[0] == ("you", "The lamp is broken")
        assert path[1][0] == "mike3"
        await b.command("/incognito on")
        assert (await said(b, "/persona clone mike4 --with-history")).startswith(
            "mike4 is a copy of mike3 with 1 conversation."
        )


async def test_a_persona_renamed_or_taken_away_by_hand_costs_one_sentence_and_never_a_crash(tmp_path: Path) -> None:
    async with bench(tmp_path, "lena", EI_LLM_MODEL="builtin:eliza") as b:
        await b.say("I like rain")
        talk = b.session.conversation
        assert talk is not None
        folder(tmp_path, "lena").rename(folder(tmp_path, "luna"))
        gone = 'There is no persona "lena". Did you mean helena? /persona lists them.'
        for line in ("/model", "/model local:x", "/prompt", "/new", "/retry", "/continue", "/undo", "/edit x"):
            assert await refused(b, line) == gone
        with pytest.raises(UsageError) as caught:
            await b.session.send("Hi")
        assert str(caught.value) == gone
        for line in ("/persona", "/history", "/search rain", "/help", "/settings", "/copy"):
            await b.command(line)
        assert "I like rain" in await said(b, "/history --persona lena")
        assert await refused(b, f"/history {talk.id}") == (
            "This conversation is with lena, who is not here. "
            "To go on, make a persona of that name: /persona new lena. "
            f"To read it, in a shell: ei history {talk.id[-8:]}"
        )
        assert "I like rain" in await said(b, f"/history {talk.id}", shell=True)
        await b.command("/persona luna")
        assert (await b.say("Hi")).author == "luna"
        b.ui.yes = [True]
        assert await said(b, "/delete persona lena") == "lena is gone, with every conversation."
        assert "lena" not in await said(b, "/history")


async def test_a_file_broken_while_talking_is_named_at_the_next_message(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_LLM_MODEL="builtin:eliza") as b:
        path = folder(tmp_path, "ei") / "system.jsonc"
        path.write_text("{", "utf-8")
        with pytest.raises(FileSyntaxError, match="line 1, column 2"):
            await b.session.send("Hi")
        shutil.rmtree(path.parent)
        with pytest.raises((UsageError, ConfigError), match='There is no persona "ei"'):
            await b.session.send("Hi")


async def test_the_prompt_is_exactly_what_the_server_receives_but_for_the_new_message(tmp_path: Path) -> None:
    with WireServer() as server:
        server.reply("So it seems.")
        async with bench(tmp_path, "mike", EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            b.services.library.set_value("mike", ("parameters",), {"temperature": 0.4})
            await b.say("The lamp is broken")
            await b.say("What do you think?", "lena")
            await b.say("And now?")
            reply = await b.command("/prompt")
            data = reply.data
            assert isinstance(data, dict)
            await b.say("Next")
            sent = server.chats[-1].body["messages"]
            shown = [(m["role"], m["content"]) for m in data["messages"]]
            # One message of the wire may hold several of ours that follow each other with one role.
            assert sent[0] == {"role": "system", "content": shown[0][1]}
            assert "\n\n".join(m["content"] for m in sent) == "\n\n".join([*(text for _, text in shown), "Next"])
            assert server.chats[-1].body["temperature"] == data["parameters"]["temperature"] == 0.4
            text = text_of(reply)
            assert "── user (lena)\nLena said: So it seems." in text
            assert text.splitlines()[-2] == "── user: what you say next"
            size = f"7 messages, about {data['tokens']:,} tokens, {sum(len(t) for _, t in shown):,} characters"
            assert text.splitlines()[-1] == f"{size}; to local:tiny, temperature 0.4 (mike's system.jsonc)"


async def test_the_prompt_of_a_fresh_conversation_is_the_personas_alone(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_LLM_MODEL="builtin:eliza") as b:
        text = await said(b, "/prompt")
        assert text.startswith("── system\nYou are Ei. ")
        assert "1 message, about " in text.splitlines()[-1]
        assert b.session.conversation is None


async def test_the_prompt_says_what_would_not_fit(tmp_path: Path) -> None:
    with WireServer() as server:
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            for number in range(4):
                await b.say(f"{number} " + "word " * 1200)
            b.services.learned.set("local:tiny", "context", 5000)
            reply = await b.command("/prompt")
            assert isinstance(reply.data, dict)
            left_out = reply.data["left_out"]
            assert left_out > 0
            await b.say("Next")
            assert [m["content"] for m in reply.data["messages"]] == [
                message["content"] for message in server.chats[-1].body["messages"][:-1]
            ]
            assert "would not fit" in text_of(reply).splitlines()[-1]


async def test_completion_knows_what_each_word_may_be(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        (folder(tmp_path, "otto") / "system.jsonc").write_text("{", "utf-8")
        await b.command("/persona archive mike")
        first = dict(complete_persona(b.session, ("",)))
        assert {"lena", "new", "restore"} <= set(first)
        assert list(dict(complete_persona(b.session, ("restore", "")))) == ["mike"]
        assert "otto" in dict(complete_persona(b.session, ("edit", "")))
        assert complete_persona(b.session, ("clone", "x", "-")) == [("--with-history", "its conversations too")]
        assert complete_persona(b.session, ("new", "")) == []


async def test_without_anybody_to_ask_and_without_an_idea_the_refusal_says_where_to_write_it(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.ui.interactive = False
        with pytest.raises(NeedsAnswerError) as caught:
            await b.command("/persona new ada", shell=True)
        assert str(caught.value) == (
            "Nobody can be asked here what ada is like. Say it behind the name: ei persona new ada IDEA"
        )
