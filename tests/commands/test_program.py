"""Help, settings, answers and leaving; and what holds for every command."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from ei.commands.base import Command, Group, Invocation, Line, Table
from ei.commands.parse import find_command, words_of
from ei.commands.program import KEYS, complete_settings
from ei.commands.table import all_commands
from ei.engine.events import Leave, SettingsChanged
from ei.errors import ConfigError, EiError, UsageError
from ei.settings import SETTINGS
from tests.bench_session import Bench, bench, text_of
from tests.wire import WireServer

COMMANDS = all_commands()


async def said(b: Bench, line: str, *, shell: bool = False) -> str:
    return text_of(await b.command(line, shell=shell))


async def refused(b: Bench, line: str, kind: type[EiError] = UsageError) -> str:
    with pytest.raises(kind) as caught:
        await b.command(line)
    return str(caught.value)


def settings_file(home: Path) -> Path:
    return home / "config" / "settings.jsonc"


async def test_help_shows_every_command_in_its_group_and_the_keys(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        tables = [item for item in (await b.command("/help")).items if isinstance(item, Table)]
        assert [table.title for table in tables] == [*get_args(Group), "keys"]
        shown = [row[0] for table in tables[:-1] for row in table.rows]
        assert sorted(shown) == sorted(f"/{command.name}" for command in COMMANDS)
        assert tables[-1].rows == KEYS


async def test_help_of_one_command_shows_usage_aliases_keys_and_examples(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        reply = await b.command("/help /model")
        lines = text_of(reply).splitlines()
        assert lines[0] == "/model: See or change the model that this persona thinks with"
        assert "/model SPEC | set it for this persona, in its system.jsonc: a model, a tier or a profile" in lines
        assert "Key: F2" in lines
        assert "In a shell: ei model …" in lines
        assert lines[lines.index("Examples:") + 1] == "  /model google:gemini-2.5-pro"
        assert "Also: /personas, /p" in await said(b, "/help p")
        assert await refused(b, "/help modle") == (
            "There is no command /modle. Did you mean /model or /models? "
            "(To send a line that begins with a slash, type two.)"
        )


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_says_what_it_is_for_and_how_each_form_differs(command: Command) -> None:
    assert command.summary[0].isupper()
    assert not command.summary.endswith(".")
    for usage in command.usage:
        form, gap, meaning = usage.partition("  ")
        assert form.split(" ")[0] == command.name
        assert gap
        assert meaning
    for example in command.examples:
        assert find_command(example.split(" ")[0], COMMANDS) is command


# What stands in a usage form for something the person writes, and a thing to write there.
PLACES = {
    "SPEC": "local:tiny",
    "PROVIDER": "local",
    "NAME": "lena",
    "NEWNAME": "fresh",
    "NEW": "fresh",
    "IDEA": "a calm pilot",
    "TEXT": "some words",
    "WORDS": "rain",
    '"WORDS"': '"the rain"',
    "N": "1",
    "COMMAND": "model",
    "ID": "abcdef",
    "KEY": "display.recap",
    "VALUE": "3",
    "FILE": "out.md",
    "md|json": "json",
    "on|off": "on",
}


def lines_of(form: str) -> list[str]:
    """Command lines of a usage form: without its optional parts, and with all of them."""
    out = []
    for whole in (False, True):
        text = form.replace("[", "").replace("]", "") if whole else "".join(p.split("]")[-1] for p in form.split("["))
        words = [PLACES.get(word, word).split("|")[0] for word in text.split()]
        out.append("/" + " ".join(words))
    return list(dict.fromkeys(out))


FORMS = [
    line
    for command in COMMANDS
    for line in [*itertools.chain.from_iterable(lines_of(u.partition("  ")[0]) for u in command.usage)]
]
EXAMPLES = [f"/{example}" for command in COMMANDS for example in command.examples]


async def test_every_usage_form_and_example_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    wrong: dict[str, str] = {}
    with WireServer() as server:
        for number, line in enumerate(dict.fromkeys([*FORMS, *EXAMPLES])):
            home = tmp_path / str(number)
            async with bench(home, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny", EI_OLLAMA_BASE_URL=server.url) as b:
                await b.say("The rain")
                b.ui.keys, b.ui.texts, b.ui.yes, b.ui.chosen = ["no"], ["an idea"], [False], [None]
                b.ui.edits = [None]
                try:
                    await b.command(line)
                    for running in b.session.running().values():
                        await asyncio.wait([running.task])
                except UsageError as exc:
                    if "means nothing" in exc.sentence or "option" in exc.sentence or "See /help" in exc.hint:
                        wrong[line] = str(exc)
                except EiError:
                    pass  # understood: there is no such thing here
    assert wrong == {}


async def test_completion_works_at_every_word_of_every_command(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        for command in COMMANDS:
            if command.complete is None:
                continue
            starts = {word for usage in command.usage for word in usage.partition("  ")[0].split()[1:]} | {"x", "--x"}
            for count in range(4):
                for typed in itertools.islice(itertools.product(sorted(starts), repeat=count), 40):
                    for last in ("", "-", "a"):
                        for word, meaning in command.complete(b.session, (*typed, last)):
                            assert word
                            assert isinstance(meaning, str)


def test_the_commands_can_be_imported_without_an_event_loop() -> None:
    code = "import sys, ei.commands.table as t; t.all_commands(); print(*(m for m in sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(run.stdout.split()) & {"asyncio", "sqlite3", "json5", "importlib.metadata", "difflib"} == set()


async def test_settings_are_listed_with_where_each_comes_from(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_THEME="dark") as b:
        reply = await b.command("/settings")
        table, where = reply.items
        assert isinstance(table, Table)
        assert [row[0] for row in table.rows] == list(SETTINGS)
        rows = {row[0]: row[1:] for row in table.rows}
        assert rows["display.theme"] == ("dark", "EI_THEME (environment)")
        assert rows["display.recap"] == ("6", "default")
        assert where == Line(f"File: {settings_file(tmp_path)} (not there yet)", "dim")
        assert await said(b, "/settings path") == str(settings_file(tmp_path))
        assert (await said(b, "/settings display.keys")).splitlines() == [
            "display.keys: emacs (the default)",
            "How the input line is edited.",
            "One of: emacs, vi",
            "Also: EI_KEYS",
        ]


async def test_setting_one_writes_the_explained_file_and_changes_nothing_else_later(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        assert await said(b, "/settings display.keys vi") == "display.keys is now vi"
        assert any(isinstance(event, SettingsChanged) for event in b.events)
        path = settings_file(tmp_path)
        first = path.read_text("utf-8")
        assert all(f'"{key.rsplit(".", 1)[-1]}"' in first for key in SETTINGS)
        path.write_text("// mine\n" + first.replace('"vi"', '"vi"  /* keep me */'), "utf-8")
        assert await said(b, "/settings display.keys emacs") == "display.keys is now emacs"
        assert path.read_text("utf-8") == "// mine\n" + first.replace('"vi"', '"emacs"  /* keep me */')
        assert await said(b, "/settings DISPLAY.RECAP 0") == "display.recap is now 0"
        assert await said(b, "/settings recap null") == "display.recap is now its default again: 6"
        assert b.services.config.current().get("display.recap") == 6


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("display.thme dark", "There is no setting display.thme. Did you mean display.theme?"),
        ("model x", "There is no setting model. Did you mean interactions.reasoning.model or "),
        ("display.theme blue", "display.theme must be one of: auto, dark, light, plain."),
        ("display.recap many", "display.recap cannot be many. It means: How many messages show"),
        ("display.recap 5000", "display.recap must be from 0 to 200."),
        ("display.reply_line maybe", "display.reply_line cannot be maybe."),
        ("providers {", "providers cannot be that."),
        ("default_model gogle:x", 'Unknown provider "gogle". Did you mean google:x?'),
        ("init now", "settings init takes nothing more. See /help settings."),
    ],
)
async def test_what_does_not_fit_is_refused_in_one_sentence_and_writes_nothing(
    tmp_path: Path, typed: str, sentence: str
) -> None:
    async with bench(tmp_path) as b:
        assert (await refused(b, f"/settings {typed}")).startswith(sentence)
        assert not settings_file(tmp_path).exists()


async def test_values_are_typed_as_texts_words_numbers_or_objects(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        for typed, value in (
            ("display.reply_line off", False),
            ('display.theme "light"', "light"),
            ("interactions.planning.temperature 0.5", 0.5),
            ("default_model xai:grok-4", "x:grok-4"),
            ('default_model {"exact": "openai:gpt-5"}', {"exact": "openai:gpt-5"}),
            ("default_model last-used", "last-used"),
            (
                'providers {"work": {"base_url": "http://127.0.0.1:1/v1", "headers": {"X-Team": "a b"}}}',
                {"work": {"base_url": "http://127.0.0.1:1/v1", "headers": {"X-Team": "a b"}}},
            ),
        ):
            await b.command(f"/settings {typed}")
            assert b.services.config.current().get(typed.split(" ")[0]) == value


async def test_a_variable_that_still_wins_is_named(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_KEYS="vi", EI_LLM_MODEL="local:tiny", EI_MODEL_PLANNING="local:plans") as b:
        assert (await said(b, "/settings display.keys emacs")).splitlines() == [
            "display.keys is now emacs",
            "EI_KEYS (environment) still wins with vi.",
        ]
        assert (await said(b, "/settings default_model local:x")).splitlines()[1] == (
            "EI_LLM_MODEL (environment) still wins with local:tiny."
        )
        assert (await said(b, "/settings interactions.planning.model local:x")).splitlines()[1] == (
            "EI_MODEL_PLANNING (environment) still wins with local:plans."
        )


async def test_init_writes_a_complete_file_once_and_edit_opens_it_and_checks_it(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        path = settings_file(tmp_path)
        assert await said(b, "/settings init") == f"Written: {path}"
        text = path.read_text("utf-8")
        assert await said(b, "/settings init") == f"{path} is there already; it was left as it is."
        assert path.read_text("utf-8") == text
        b.ui.edits = [
            '{ "display": { "keys": "vi" } }',
            '{ "display": { "kees": 1 } }',
            '{ "display": ',
            '{ "display": { "keys": 3 } }',
            "{}",
        ]
        assert await said(b, "/settings edit") == "Settings are as you left them."
        assert b.services.config.current().get("display.keys") == "vi"
        assert await said(b, "/settings edit") == (
            "settings.jsonc: display.kees is not a setting; did you mean display.keys?"
        )
        broken = await said(b, "/settings edit")
        assert broken.startswith(f"Saved, but it cannot be used like this: {path}, line 1, column 14: ")
        assert f"{path}, line 1" in await refused(b, "/settings display.keys vi", ConfigError)
        assert path.read_text("utf-8") == '{ "display": '
        assert "display.keys must be one of: emacs, vi." in await said(b, "/settings edit")
        assert await said(b, "/settings edit") == "Settings are as you left them."


async def test_edit_writes_the_file_first_where_there_is_none(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.ui.edits = [None]
        assert await said(b, "/settings edit") == "Settings are as you left them."
        assert "How the input line is edited." in settings_file(tmp_path).read_text("utf-8")


async def test_completion_of_settings_offers_keys_then_their_values(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        assert "display.theme" in dict(complete_settings(b.session, ("",)))
        assert list(complete_settings(b.session, ("display.keys", ""))) == [
            ("emacs", "the default"),
            ("vi", ""),
            ("null", ""),
        ]
        assert "builtin:eliza" in dict(complete_settings(b.session, ("default_model", "")))
        assert complete_settings(b.session, ("nonsense", "")) == []


async def test_yes_and_no_answer_the_question_that_waits(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        assert await said(b, "/yes") == "No question waits for an answer."
        assert await said(b, "/no") == "No question waits for an answer."


@pytest.mark.parametrize("typed", ["/quit", "/exit", "/q"])
async def test_quit_tells_whoever_draws_to_leave(tmp_path: Path, typed: str) -> None:
    async with bench(tmp_path) as b:
        assert await said(b, typed) == ""
        assert any(isinstance(event, Leave) for event in b.events)


async def test_a_command_says_how_it_is_typed_where_it_was_typed(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        call = Invocation(b.session, b.ui, "x", words_of("x"))
        assert call.typed("model --list") == "/model --list"
        assert Invocation(b.session, b.ui, "x", shell=True).typed("model --list") == "ei model --list"
