"""/models replace: every reference everywhere, shown and asked first, comments kept, and taken back byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from ei.engine.choice import LAST_USED
from ei.engine.replaced import JOURNAL
from ei.errors import NeedsAnswerError, UsageError
from ei.models.values import Model
from tests.bench_session import Bench, bench, text_of
from tests.run_ei import Ei

OLD, NEW = "openai:gpt-4o", "openai:gpt-5.1"
PERSONA = """// Beta, by hand
{
  "short_description": "terse", // one line
  "model": { "exact": "openai:gpt-4o" /* since spring */ },
  "models": {
    "planning": "OpenAI:gpt-4o", // an alias in another case
    "subagents": "anthropic:claude-haiku-4-5",
  },
  "tiers": {"fast": 'openai:gpt-4o'},
  "fallback": [
    "tier:fast",
    // the old one
    "openai:gpt-4o",
  ],
}
"""
SETTINGS = """{
  // What I use when nothing else is set
  "default_model": "openai:gpt-4o",
  "interactions": {
    "planning": {"model": {"exact": "openai:gpt-4o"}, "tiers": {"smart": "openai:gpt-4o"}},
    "reasoning": {"model": "tier:fast"}
  },
  "llm_profiles": [
    {"id": "work", "model": "openai:gpt-4o", "fallback": ["local:x", "openai:gpt-4o"]}, // mine
    {"id": "typed", "provider_type": "oai_compatible", "model": "gpt-4o"},
    {"id": "keyed", "api_key_ref": "WORK_KEY", "model": "openai:gpt-4o"},
    {"id": "proxied", "base_url": "https://llm.example.org/v1", "model": "openai:gpt-3"},
  ],
  "models": {"paid": ["anthropic", "openai:gpt-4o"]},
}
"""
BETA = ("beta", "beta (models.planning)", "beta (tiers.fast)", "beta (fallback[1])")
IN_SETTINGS = (
    "interactions.planning.model in settings.jsonc",
    "interactions.planning.tiers.smart in settings.jsonc",
    "default_model in settings.jsonc",
    "profile work",
    "profile work (fallback[1])",
    "profile typed",
    "profile keyed",
    "models.paid[1] in settings.jsonc",
)


def beta(home: Path) -> Path:
    """A persona's file in which the model stands at every place where one can stand."""
    file = home / "data" / "personas" / "beta" / "system.jsonc"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(PERSONA.replace("\n", "\r\n").encode())
    return file


def settings(home: Path, text: str = SETTINGS) -> Path:
    file = home / "config" / "settings.jsonc"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    return file


async def refused(b: Bench, line: str, kind: type[Exception] = UsageError) -> str:
    with pytest.raises(kind) as caught:
        await b.command(line)
    return str(caught.value)


def changed(data: object) -> list[tuple[str, object, object]]:
    assert isinstance(data, dict)
    return [(row["where"], row["from"], row["to"]) for row in data["changed"]]


def left(data: object) -> list[tuple[str, str, str]]:
    assert isinstance(data, dict)
    return [(row["where"], row["written"], row["what_to_do"]) for row in data["left"]]


async def test_every_reference_is_changed_with_comments_kept_and_taken_back_byte_for_byte(tmp_path: Path) -> None:
    mine, all_of_it = beta(tmp_path), settings(tmp_path)
    before = mine.read_bytes(), all_of_it.read_bytes()
    async with bench(tmp_path) as b:
        await b.command(f"/model --here {OLD}")
        conversation = b.session.conversation
        assert conversation is not None
        b.services.state.set(LAST_USED, OLD)
        here = f"a conversation with ei (…{conversation.id[-8:]})"
        b.ui.yes = [True]
        reply = await b.command(f"/models replace {OLD} {NEW}")
        assert b.ui.asked == [f"Replace {OLD} by {NEW} in 14 places?"]
        planned = text_of(b.ui.shown[0])
        assert f"beta (models.planning) | OpenAI:gpt-4o | {NEW}" in planned
        assert "profile typed | gpt-4o | gpt-5.1" in planned
        assert sorted(where for where, _, _ in changed(reply.data)) == sorted(
            (*BETA, *IN_SETTINGS, "the model used last", here)
        )
        assert mine.read_bytes().decode() == (
            PERSONA.replace("\n", "\r\n")
            .replace("OpenAI:gpt-4o", NEW)
            .replace("'openai:gpt-4o'", f'"{NEW}"')
            .replace(OLD, NEW)
        )
        assert all_of_it.read_text("utf-8") == SETTINGS.replace("gpt-4o", "gpt-5.1")
        await b.session.refresh()
        assert (b.session.conversation and b.session.conversation.model_here) == NEW
        assert b.services.state.get(LAST_USED) == NEW
        undone = await b.command("/models replace --undo")
        assert text_of(undone).splitlines()[0] == f"{OLD} stands again in 14 places, instead of {NEW}."
        assert (mine.read_bytes(), all_of_it.read_bytes()) == before
        await b.session.refresh()
        assert (b.session.conversation and b.session.conversation.model_here) == OLD
        assert b.services.state.get(LAST_USED) == OLD
        assert await refused(b, "/models replace --undo") == (
            "There is no replacement to take back. /models replace OLD NEW makes one."
        )


async def test_saying_no_changes_nothing(tmp_path: Path) -> None:
    mine = beta(tmp_path)
    before = mine.read_bytes()
    async with bench(tmp_path) as b:
        b.ui.yes = [False]
        assert text_of(await b.command(f"/models replace {OLD} {NEW}")) == "Nothing was changed."
        assert mine.read_bytes() == before
        assert "no replacement" in await refused(b, "/models replace --undo")


async def test_what_was_edited_since_is_left_and_told_and_the_rest_is_taken_back(tmp_path: Path) -> None:
    mine = beta(tmp_path)
    async with bench(tmp_path) as b:
        await b.command(f"/models replace {OLD} {NEW}", yes=True)
        mine.write_text(mine.read_text("utf-8").replace(f'planning": "{NEW}"', 'planning": "local:mine"'), "utf-8")
        reply = await b.command("/models replace --undo")
        assert [where for where, _, _ in changed(reply.data)] == ["beta", "beta (tiers.fast)", "beta (fallback[1])"]
        assert left(reply.data) == [
            ("beta (models.planning)", "local:mine", "It was edited since, and stays as it is.")
        ]
        beta_now = b.services.library.get("beta")
        assert (beta_now.model, beta_now.models["planning"]) == ({"exact": OLD}, "local:mine")
        assert "// the old one" in mine.read_text("utf-8")


async def test_variables_are_listed_with_what_to_do_and_left_alone(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_LLM_MODEL=OLD, EI_MODEL_PLANNING=OLD) as b:
        reply = await b.command(f"/models replace {OLD} {NEW}", yes=True)
        assert text_of(reply).splitlines()[0] == f"Nothing that can be changed here names {OLD}."
        assert left(reply.data) == [
            (name, OLD, f"Set {name}={NEW} where it is exported; ei does not change it.")
            for name in ("EI_MODEL_PLANNING", "EI_LLM_MODEL")
        ]


async def test_a_tier_a_profile_or_an_object_may_stand_in_but_not_where_they_mean_nothing(tmp_path: Path) -> None:
    mine, all_of_it = beta(tmp_path), settings(tmp_path)
    before = mine.read_bytes(), all_of_it.read_bytes()
    async with bench(tmp_path) as b:
        reply = await b.command(f"/models replace {OLD} profile:work", yes=True)
        assert {where: why for where, _, why in left(reply.data)} == {
            "beta (tiers.fast)": "A profile cannot stand there: name a model or a tier.",
            "interactions.planning.tiers.smart in settings.jsonc": (
                "A profile cannot stand there: name a model or a tier."
            ),
            "profile work": "A profile cannot stand there: name a model or a tier.",
            "profile work (fallback[1])": "profile:work cannot stand in for itself.",
            "profile typed": "A profile cannot stand there: name a model or a tier.",
            "profile keyed": "A profile cannot stand there: name a model or a tier.",
            "models.paid[1] in settings.jsonc": "Only a model can stand there: /models pay MODEL",
        }
        assert b.services.library.get("beta").model == {"exact": "profile:work"}
        await b.command("/models replace --undo")
        assert (mine.read_bytes(), all_of_it.read_bytes()) == before
        reply = await b.command(f'/models replace {OLD} {{"tier": "smart", "provider": "any"}}', yes=True)
        assert b.services.library.get("beta").model == {"tier": "smart", "provider": "any"}
        assert "tier:smart cannot stand for itself there." in [why for _, _, why in left(reply.data)]
        await b.command("/models replace --undo")
        assert (mine.read_bytes(), all_of_it.read_bytes()) == before
        reply = await b.command("/models replace tier:fast local:quick", yes=True)
        assert changed(reply.data) == [
            ("beta (fallback[0])", "tier:fast", "local:quick"),
            ("interactions.reasoning.model in settings.jsonc", "tier:fast", "local:quick"),
        ]


async def test_where_one_file_fails_it_is_told_what_was_changed_and_what_not(tmp_path: Path) -> None:
    mine, all_of_it = beta(tmp_path), settings(tmp_path, '{"default_model": "openai:gpt-4o"}')
    broken = mine.parent.parent / "gamma" / "system.jsonc"
    broken.parent.mkdir()
    broken.write_text('{"model": "openai:gpt-4o",,}', "utf-8")
    async with bench(tmp_path) as b:
        b.services.library.edit("beta", lambda text: text)  # its lock is there
        lock = mine.with_name(f".{mine.name}.lock")
        lock.unlink(missing_ok=True)
        lock.mkdir()  # what keeps everybody from writing that file, the superuser too
        reply = await b.command(f"/models replace {OLD} {NEW}", yes=True)
        assert changed(reply.data) == [("default_model in settings.jsonc", OLD, NEW)]
        told = left(reply.data)
        assert [where for where, _, _ in told] == [*BETA, "gamma"]
        assert "cannot be written" in told[0][2]
        assert told[-1][2].startswith("Its file cannot be read, so nobody looked: ")
        await b.command("/models replace --undo")
        assert all_of_it.read_text("utf-8") == '{"default_model": "openai:gpt-4o"}'


async def test_what_is_odd_about_the_new_one_is_said_and_what_means_nothing_is_refused(tmp_path: Path) -> None:
    beta(tmp_path)
    async with bench(tmp_path) as b:
        for model in (Model("openai", "gpt-5.1"), Model("openai", "gpt-4.1", active=False)):
            b.services.registry.add(model)
        b.ui.yes = [False, False]
        await b.command(f"/models replace {OLD} openai:gpt-5")
        told = text_of(b.ui.shown[-1])
        assert "openai is not ready: no API key." in told
        assert "openai does not list gpt-5. Did you mean openai:gpt-5.1?" in told
        await b.command(f"/models replace {OLD} gpt-5.1")
        assert f"gpt-5.1 alone means local:gpt-5.1. Did you mean {NEW}?" in text_of(b.ui.shown[-1])
        assert await refused(b, f"/models replace {OLD} profile:nobody") == (
            'There is no profile "nobody". There are none yet: /profile new'
        )
        assert await refused(b, f"/models replace {OLD} opnai:gpt-5") == (
            'Unknown provider "opnai". Did you mean openai:gpt-5?'
        )
        assert await refused(b, f"/models replace {OLD} {OLD}") == (f"Both are {OLD}. Name another one as the second.")
        assert (await refused(b, "/models replace")).startswith("Which model, and what instead?")
        reply = text_of(await b.command(f"/models replace gpt-4o {NEW}"))
        assert reply == f"Nothing that can be changed here names local:gpt-4o.\nIn use are: {OLD}."


async def test_a_chat_that_is_not_saved_is_told_how_to_change(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.session.set_incognito(True)
        await b.command(f"/model --here {OLD}")
        await b.command(f"/model --once {OLD}")
        reply = await b.command(f"/models replace {OLD} {NEW}", yes=True)
        assert [where for where, _, _ in left(reply.data)] == ["the next reply", "this chat, which is not saved"]


async def test_what_is_deleted_leaves_no_trace_of_what_was_replaced_there(tmp_path: Path) -> None:
    beta(tmp_path)
    async with bench(tmp_path) as b:
        await b.say("Hello")
        await b.command(f"/model --here {OLD}")
        await b.command(f"/models replace {OLD} {NEW}", yes=True)
        await b.command("/delete conversation", yes=True)
        await b.command("/delete persona beta", yes=True)
        assert b.services.state.get(JOURNAL) is None


async def test_nobody_to_ask_means_nothing_is_changed(tmp_path: Path) -> None:
    beta(tmp_path)
    async with bench(tmp_path) as b:
        assert f"Replace {OLD} by {NEW} in 4 places?" in await refused(
            b, f"/models replace {OLD} {NEW}", NeedsAnswerError
        )


def test_a_shell_needs_yes_and_gets_one_json_value(tmp_path: Path) -> None:
    ei = Ei(tmp_path)
    ei("model", OLD)
    asked = ei("models", "replace", OLD, NEW)
    assert asked.code == 4
    assert "--yes" in asked.err
    done = ei("models", "replace", OLD, NEW, "--yes", "--json").json
    assert [(row["from"], row["to"]) for row in done["changed"]] == [(OLD, NEW)]
    undone = ei("models", "replace", "--undo", "--json").json
    assert [(row["from"], row["to"]) for row in undone["changed"]] == [(NEW, OLD)]
