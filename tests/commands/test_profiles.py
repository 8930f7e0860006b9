"""/profile: listed, shown, chosen, made, edited, made the default, imported."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from ei import jsonc
from ei.errors import CancelledError, ConfigError, EiError, NeedsAnswerError, UsageError
from ei.models.interactions import REASONING
from tests.bench_session import Bench, bench, text_of
from tests.wire import WireServer

SETTINGS = """{
  // my profiles
  "llm_profiles": [
    // for work
    {"id": "work", "model": "azure/dep", "base_url": "URL", "api_key_ref": "WORK_KEY", "temperature": 0.2},
    {"id": "plain", "model": "openai:gpt-x"},
    {"id": "quick", "model": "tier:fast"},
  ],
}
"""


def settings(home: Path, text: str = SETTINGS, url: str = "http://127.0.0.1:9") -> Path:
    path = home / "config" / "settings.jsonc"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace("URL", url), "utf-8")
    return path


def written(b: Bench) -> Any:
    """What settings.jsonc says now."""
    return jsonc.read(b.services.config.paths.settings).value


async def test_profiles_are_listed_with_what_they_mean_today_their_key_and_where_they_go(tmp_path: Path) -> None:
    settings(tmp_path)
    async with bench(tmp_path, WORK_KEY="secret-of-work") as b:
        await b.command("/profile work")
        reply = await b.command("/profiles")
        assert text_of(reply).splitlines()[:3] == [
            "work | dep | profile-work:dep | 0.2 | WORK_KEY | local",
            "plain | openai:gpt-x | openai:gpt-x | 0.7 (usual) | missing | cloud",
            "quick | tier:fast | ? | 0.7 (usual) | ? | ",
        ]
        assert isinstance(reply.data, list)
        assert [(row["id"], row["current"], row["ready"]) for row in reply.data] == [
            ("work", True, True),
            ("plain", False, False),
            ("quick", False, False),
        ]
        assert "secret-of-work" not in text_of(reply) + json.dumps(reply.data)


async def test_without_any_it_says_how_to_get_one(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        assert "/profile new makes one" in text_of(await b.command("/profile"))


async def test_one_profile_is_shown_with_who_uses_it(tmp_path: Path) -> None:
    settings(tmp_path)
    async with bench(tmp_path, WORK_KEY="k") as b:
        await b.command("/profile set WORK")
        shown = text_of(await b.command("/profile show work"))
        assert "address | http://127.0.0.1:9/openai/v1" in shown
        assert "used by | ei" in shown
        with pytest.raises(UsageError, match='There is no profile "wrk"') as caught:
            await b.command("/profile show wrk")
        assert caught.value.hint == "Did you mean profile:work?"


async def test_a_profile_is_used_for_the_persona_the_conversation_or_the_next_reply(tmp_path: Path) -> None:
    with WireServer() as server:
        settings(tmp_path, url=server.url)
        async with bench(tmp_path, WORK_KEY="k", EI_LLM_MODEL="local:tiny", EI_LLM_BASE_URL=server.url) as b:
            await b.command("/profile work --once")
            assert (await b.say("Hi")).model == "profile-work:dep"
            assert (await b.say("Hi")).model == "local:tiny"
            await b.command("/profile work --here")
            assert (await b.say("Hi")).model == "profile-work:dep"
            assert b.services.library.get("ei").model is None
            await b.command("/profile work")
            assert b.services.library.get("ei").model == "profile:work"
        with pytest.raises(UsageError, match="do not go together"):
            async with bench(tmp_path) as b:
                await b.command("/profile work --here --once")


async def test_the_model_of_a_deployment_is_asked_at_its_own_address_with_its_own_key(tmp_path: Path) -> None:
    with WireServer(key="work") as server:
        settings(tmp_path, url=server.url)
        keys = {"WORK_KEY": "work", "EI_OPENAI_API_KEY": "sk-openai", "EI_AZURE_API_KEY": "azure"}
        async with bench(tmp_path, **keys) as b:
            await b.command("/profile work")
            assert (await b.say("Hi")).text == "Hello there."
            assert (server.last.model, server.last.key) == ("dep", "work")


async def test_a_profile_is_made_step_by_step_and_a_key_in_place_of_its_name_is_never_repeated(tmp_path: Path) -> None:
    settings(tmp_path)
    async with bench(tmp_path) as b:
        b.ui.texts = ["work", "my gpt", "mine", "gpt-x", "ftp://x", "https://llm.example.org/v1"]
        b.ui.texts += ["sk-proj-0123456789", "MY_KEY", "hot", "0.4"]
        b.ui.keys = ["+openai"]
        reply = await b.command("/profile new")
        assert written(b)["llm_profiles"][-1] == {
            "id": "mine",
            "model": "gpt-x",
            "provider_type": "oai_compatible",
            "base_url": "https://llm.example.org/v1",
            "api_key_ref": "MY_KEY",
            "temperature": 0.4,
        }
        complaints = [text_of(shown) for shown in b.ui.shown]
        assert complaints[0] == "There is a profile work already."
        assert complaints[3].endswith("never the key itself.")
        everything = "".join([*complaints, *b.ui.asked, text_of(reply)])
        assert "sk-proj" not in everything + b.services.config.paths.settings.read_text("utf-8")
        text = b.services.config.paths.settings.read_text("utf-8")
        assert "// my profiles" in text
        assert "// for work" in text


@pytest.mark.parametrize(
    ("key", "texts", "row"),
    [
        ("openai", ["a", "gpt-x", "", "0.7"], {"model": "openai:gpt-x"}),
        ("local", ["a", "qwen", "1"], {"model": "local:qwen"}),
        (
            "azure",
            ["a", "dep", "https://r.openai.azure.com", "K", "0.7"],
            {"model": "azure/dep", "base_url": "https://r.openai.azure.com", "api_key_ref": "K"},
        ),
        (
            "+openai",
            ["a", "m", "http://gpu.lan:8000", "", "0.7"],
            {"model": "m", "provider_type": "local_openai", "base_url": "http://gpu.lan:8000"},
        ),
    ],
)
async def test_each_kind_of_provider_is_asked_only_what_it_needs(
    tmp_path: Path, key: str, texts: list[str], row: dict[str, object]
) -> None:
    async with bench(tmp_path) as b:
        b.ui.keys, b.ui.texts = [key], texts
        await b.command("/profile new")
        made = written(b)["llm_profiles"][0]
        made.pop("temperature")
        assert made == {"id": "a", **row}
        assert b.ui.texts == []


async def test_leaving_the_questions_writes_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.ui.texts, b.ui.keys = ["a"], [None]
        with pytest.raises(UsageError, match="No profile was made"):
            await b.command("/profile new")
        assert not b.services.config.paths.settings.exists()


async def test_from_a_shell_options_say_it_all(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.ui.interactive = False
        await b.command("/profile new a --model openai:gpt-x --temperature 1", shell=True)
        assert written(b)["llm_profiles"] == [{"id": "a", "model": "openai:gpt-x", "temperature": 1}]
        tier = {"tier": "fast", "pick": "cheapest"}
        await b.command(f"/profile new t --model '{json.dumps(tier)}'", shell=True)
        assert written(b)["llm_profiles"].pop() == {"id": "t", "model": tier}
        with pytest.raises(NeedsAnswerError):
            await b.command("/profile new", shell=True)
        for wrong, words in (
            ("a --model x", "There is a profile a already"),
            ("b --model gogle:x", 'Unknown provider "gogle"'),
            ("b --model x --key sk-proj-0123456789", "never the key itself"),
            ("b --model x --temperature hot", "a number from 0 to 2"),
            ("b --model x --temperature nan", "a number from 0 to 2"),
            ("b --model x --temperature inf", "a number from 0 to 2"),
            ("b --model '{x'", "That object cannot be read"),
            ("b --model x --provider-type y", "must be one of"),
            ("b --model x --base-url ftp://h", "base_url: it must begin with http"),
        ):
            with pytest.raises(UsageError, match=words) as caught:
                await b.command(f"/profile new {wrong}", shell=True)
            assert "sk-proj" not in str(caught.value)
        assert len(written(b)["llm_profiles"]) == 2


async def test_the_default_profile_answers_for_personas_without_a_model(tmp_path: Path) -> None:
    settings(tmp_path)
    async with bench(tmp_path) as b:
        await b.command("/profile default plain")
        found = await b.services.chooser.resolve(b.session.persona, None, REASONING)
        assert (str(found.model), found.where) == ("openai:gpt-x", "llm_config in settings.jsonc")
        assert found.profile is not None
        assert "Default: plain" in text_of(await b.command("/profile"))
        await b.command("/settings default_model local:tiny")
        shown = text_of(await b.command("/profile default work"))
        assert "default_model in settings.jsonc still wins with local:tiny." in shown
        await b.command("/profile default --clear")
        assert "default_profile_id" not in written(b)["llm_config"]
        with pytest.raises(UsageError, match="Which profile"):
            await b.command("/profile default")


async def test_the_file_is_opened_and_looked_at_afterwards(tmp_path: Path) -> None:
    path = settings(tmp_path)
    async with bench(tmp_path) as b:
        b.ui.edits = [
            '{"llm_profiles": [{"id": "a", "model": "gogle:x", "colour": 1}]}',
            '{"llm_profiles": [{"id": "a", "temperature": 9}]}',
            SETTINGS,
        ]
        shown = text_of(await b.command("/profile edit work")).splitlines()
        assert shown == [
            "settings.jsonc: llm_profiles.a.colour is not a setting.",
            'a: Unknown provider "gogle". Did you mean google:x?',
            "There is 1 profile now.",
        ]
        assert "Saved, but it cannot be used like this" in text_of(await b.command("/profile edit"))
        assert "temperature must be from 0 to 2" in str(await _failure(b, "/profile"))
        await b.command("/profile edit a")
        assert "work" in text_of(await b.command("/profile show work"))
        assert path.read_text("utf-8") == SETTINGS


async def _failure(b: Bench, line: str) -> EiError:
    with pytest.raises(ConfigError) as caught:
        await b.command(line)
    return caught.value


TEAM = """
llm_profiles:
  - {id: work, model: azure/dep, temperature: 0.5}
  - {id: theirs, provider_type: oai_compatible, model: m, base_url: "https://far.example/v1", api_key_ref: KEY}
llm_config: {default_profile_id: theirs}
characters:
  LENA: {ai_config: {profile_id: work}}
  Nobody: {ai_config: {profile_id: work}}
  mike: {ai_config: {profile_id: missing}}
"""
THEIRS = "provider_type oai_compatible, model m, base_url https://far.example/v1, api_key_ref KEY"
FOREIGN = "This file sends keys of yours to addresses that it chose. Do you know them?"
NO_KEYS = "llm_profiles: [{id: a, model: 'openai:x'}]\ncharacters: {lena: {ai_config: {profile_id: a}}}"


def team(home: Path, text: str = TEAM) -> Path:
    path = home / "team.yaml"
    path.write_text(text, "utf-8")
    return path


async def test_an_import_shows_what_changes_asks_about_keys_then_asks_and_writes(tmp_path: Path) -> None:
    settings(tmp_path)
    async with bench(tmp_path) as b:
        b.ui.yes = [True, True]
        await b.command(f"/profile import {team(tmp_path)}")
        shown = text_of(b.ui.shown[0]).splitlines()
        assert shown == [
            "profile work | changed | temperature 0.2 → 0.5",
            f"profile theirs | new | {THEIRS}",
            "llm_config | changed | default_profile_id theirs",
            "persona lena | changed | model profile:work",
            "There is no persona Nobody here: it is left out.",
            "mike is to use profile missing, which is nowhere: it is left out.",
        ]
        assert b.ui.asked == [
            f"{FOREIGN}\ntheirs: the key in KEY goes to https://far.example/v1",
            "Take this over?",
        ]
        assert b.services.library.get("lena").model == "profile:work"
        assert written(b)["llm_profiles"][0]["base_url"] == "http://127.0.0.1:9"
        assert "// for work" in b.services.config.paths.settings.read_text("utf-8")
        again = await b.command(f"/profile import {team(tmp_path)}")
        assert "All of it is here already; nothing was changed." in text_of(again)


async def test_an_imported_default_that_is_nowhere_is_left_out_and_said(tmp_path: Path) -> None:
    settings(tmp_path)
    async with bench(tmp_path) as b:
        text = "llm_profiles: [{id: a, model: 'openai:x'}]\nllm_config: {default_profile_id: nope, temperature: 0.5}"
        b.ui.yes = [True]
        await b.command(f"/profile import {team(tmp_path, text)}")
        assert text_of(b.ui.shown[0]).splitlines() == [
            "profile a | new | model openai:x",
            "llm_config | changed | temperature 0.5",
            "The default is to be profile nope, which is nowhere: it is left out.",
        ]
        assert written(b)["llm_config"] == {"temperature": 0.5}


@pytest.mark.parametrize("answers", [[False], [True, False]])
async def test_a_no_to_either_question_changes_nothing(tmp_path: Path, answers: list[bool]) -> None:
    path = settings(tmp_path)
    async with bench(tmp_path) as b:
        before = path.read_text("utf-8")
        b.ui.yes = answers
        with contextlib.suppress(UsageError):
            await b.command(f"/profile import {team(tmp_path)}")
        assert path.read_text("utf-8") == before
        assert b.services.library.get("lena").model is None


async def test_yes_alone_does_not_agree_to_keys_that_go_elsewhere(tmp_path: Path) -> None:
    path = settings(tmp_path)
    async with bench(tmp_path) as b:
        before = path.read_text("utf-8")
        b.ui.yes = [True, True]
        with pytest.raises(NeedsAnswerError) as caught:
            await b.command(f"/profile import {team(tmp_path)}", shell=True, yes=True)
        assert "--allow-keys" in caught.value.hint
        assert path.read_text("utf-8") == before
        await b.command(f"/profile import {team(tmp_path)} --allow-keys", shell=True, yes=True)
        assert [row["id"] for row in written(b)["llm_profiles"]] == ["work", "plain", "quick", "theirs"]


async def test_without_keys_that_go_elsewhere_one_question_is_enough(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.ui.yes = [True]
        await b.command(f"/profile import {team(tmp_path, NO_KEYS)}")
        assert written(b)["llm_profiles"] == [{"id": "a", "model": "openai:x"}]
        assert b.services.library.get("lena").model == "profile:a"


async def test_an_address_that_an_import_puts_beside_a_key_that_is_here_is_asked_about_too(tmp_path: Path) -> None:
    settings(tmp_path)
    text = "llm_profiles: [{id: work, base_url: 'https://far.example/v1'}]"
    async with bench(tmp_path) as b:
        b.ui.yes = [False]
        with pytest.raises(UsageError):
            await b.command(f"/profile import {team(tmp_path, text)}")
        assert "work: the key in WORK_KEY goes to https://far.example/v1" in b.ui.asked[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "llm_profiles: [{id: a, model: m, api_key_ref: 'cmd:id'}]",
            "a cmd: reference, which an imported file may not",
        ),
        ("llm_profiles: [{id: a, model: m, api_key_ref: sk-proj-0123456789}]", "never the key itself"),
        ("llm_profiles: [{id: a}]", "llm_profiles.a has no model"),
        ("llm_profiles: [", "team.yaml, line 1"),
    ],
)
async def test_what_cannot_be_imported_is_one_sentence_and_changes_nothing(
    tmp_path: Path, text: str, words: str
) -> None:
    path = settings(tmp_path)
    async with bench(tmp_path) as b:
        before = path.read_text("utf-8")
        with pytest.raises(EiError) as caught:
            await b.command(f"/profile import {team(tmp_path, text)}")
        assert words in caught.value.sentence
        assert "sk-proj" not in str(caught.value)
        assert path.read_text("utf-8") == before
        with pytest.raises(UsageError, match="cannot be read"):
            await b.command("/profile import nowhere.yaml")


async def test_a_question_left_ends_it(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:

        async def leave(prompt: str, default: str = "") -> str:
            raise CancelledError("Left unanswered.")

        b.ui.ask = leave  # type: ignore[method-assign]
        with pytest.raises(CancelledError):
            await b.command("/profile new")
