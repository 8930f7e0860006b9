"""/provider: how each stands, what is set of it in a form, its key kept and moved, and its test step by step."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from ei import jsonc
from ei.commands.base import Choice, Form, Table
from ei.commands.provider_keys import kept_in, placed
from ei.errors import ConfigError, EiError, NeedsAnswerError, UsageError
from ei.models.values import Model, Prices
from ei.usage.by_provider import month_ms
from ei.usage.values import Call
from tests.bench_session import Bench, bench, text_of
from tests.run_ei import Ei
from tests.wire import Model as Listed
from tests.wire import Status, WireServer

KEY = "sk-proj-Zm9vYmFyYmF6cXV4-tail"


async def refused(b: Bench, line: str, kind: type[EiError] = UsageError, *, shell: bool = False) -> str:
    with pytest.raises(kind) as caught:
        await b.command(line, shell=shell)
    return str(caught.value)


def written(home: Path, text: str) -> Path:
    """A settings.jsonc with that text."""
    path = home / "config" / "settings.jsonc"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def settings(home: Path) -> Any:
    return jsonc.loads((home / "config" / "settings.jsonc").read_text("utf-8"))


async def listed(b: Bench) -> dict[str, dict[str, str]]:
    """The rows of the list by provider, by heading."""
    reply = await b.command("/provider")
    table = next(item for item in reply.items if isinstance(item, Table) and item.title == "Providers")
    return {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}


def everything(home: Path, *but: str) -> str:
    """All that was written below a folder, but these files."""
    files = (path for path in home.rglob("*") if path.is_file() and path.name not in but)
    return "\n".join(path.read_text("utf-8", errors="replace") for path in files)


# The list.


async def test_each_provider_is_listed_with_its_state_and_where_its_key_comes_from(tmp_path: Path) -> None:
    written(tmp_path, '{"providers": {"groq": {"enabled": false}, "mistral": {"key": "env:NOT_SET"}}}')
    with WireServer() as server:
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_OPENAI_API_KEY=KEY) as b:
            rows = await listed(b)
            assert {name: rows[name]["state"] for name in ("local", "ollama", "openai", "google", "groq", "azure")} == {
                "local": "✓ ready",
                "ollama": "✗ not reachable",
                "openai": "✓ ready",
                "google": "✗ no key",
                "groq": "✗ switched off",
                "azure": "✗ no address",
            }
            assert rows["openai"]["key"] == "EI_OPENAI_API_KEY …tail"
            assert (rows["local"]["key"], rows["google"]["key"]) == ("none needed", "none yet")
            assert "NOT_SET, which is not set" in rows["mistral"]["key"]
            assert KEY not in text_of(await b.command("/provider"))
            assert rows["openai"]["address"] == "https://api.openai.com/v1"


async def test_a_provider_that_is_left_alone_for_a_while_says_why(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_OPENAI_API_KEY=KEY) as b:
        now = int(time.time() * 1000)
        for before in range(5):
            failed = Call(now - before * 1000, "reasoning", "openai", "gpt", "failed", status=503, error="BusyError")
            b.services.calls.record(failed)
        (openai,) = [row for row in (await b.command("/provider")).data if row["provider"] == "openai"]  # type: ignore[attr-defined]
        assert openai["state"] == "circuit open"
        assert (await listed(b))["openai"]["state"] == f"✗ {openai['why']}"


async def test_models_and_what_the_month_cost_are_counted_and_unknown_is_not_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_OPENAI_API_KEY=KEY, EI_GROQ_API_KEY="k" * 20) as b:
        for model in (Model("openai", "a"), Model("openai", "b", active=False), Model("openai", "c", chat=False)):
            b.services.registry.add(model)
        now = b.services.now()
        began = month_ms(now)
        for provider, cost, at in (
            ("openai", 1_200_000_000, began),
            ("openai", None, began + 1),
            ("openai", 9_000_000_000, began - 1),
            ("groq", None, began + 2),
        ):
            b.services.calls.record(Call(at, "reasoning", provider, "m", "complete", cost=cost))
        rows = await listed(b)
        assert rows["openai"]["this month"] == "$1.20 + ? (1 call unknown)"
        assert rows["groq"]["this month"] == "$? (1 call unknown)"
        assert rows["google"]["this month"] == ""
        assert rows["openai"]["models"] == str(sum(m.active and m.chat for m in b.services.registry.all()))


async def test_who_gets_what_is_sent_and_what_they_say_of_keeping_it_is_told_with_its_source(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_GROQ_BASE_URL="https://proxy.example.org/v1") as b:
        data = {row["provider"]: row for row in (await b.command("/provider")).data}  # type: ignore[attr-defined]
        assert (data["local"]["stays_here"], data["local"]["retention"]) == (True, None)
        assert data["openai"]["goes_to"] == "OpenAI"
        assert data["openai"]["retention"].startswith("up to 30 days")
        assert data["openai"]["retention"].endswith("(developers.openai.com, 2026-11)")
        assert (data["mistral"]["goes_to"], data["mistral"]["retention"]) == ("Mistral AI", "unknown")
        assert (data["groq"]["goes_to"], data["groq"]["retention"]) == ("proxy.example.org", "unknown")


async def test_what_is_on_this_machine_in_the_place_of_a_provider_is_taken_to_send_it_on(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_OPENAI_BASE_URL="http://127.0.0.1:9/v1", EI_OPENAI_API_KEY=KEY) as b:
        shown = text_of(await b.command("/provider show openai"))
        assert "what you send | a server on this machine, which sends it on" in shown
        assert "they say | unknown" in shown


# The form.


async def test_the_form_changes_settings_and_keeps_every_comment(tmp_path: Path) -> None:
    path = written(tmp_path, '{\n  // mine\n  "providers": {\n    "openai": {"label": "Work"} // why\n  }\n}\n')
    async with bench(tmp_path) as b:
        b.ui.typed = [dict(_typed(), headers="X-Team: writers")]
        told = text_of(await b.command("/provider openai"))
        assert told.startswith("openai: organisation org-1, project proj-2, default model gpt-5.1, headers X-Team, ")
        assert settings(tmp_path)["providers"]["openai"] == {
            "label": "Work",
            "organization": "org-1",
            "project": "proj-2",
            "default_model": "gpt-5.1",
            "headers": {"X-Team": "writers"},
            "preferred_models": ["gpt-5.1", "gpt-5-mini"],
            "key": "plain:openai",
        }
        assert "// mine" in path.read_text("utf-8")
        assert "// why" in path.read_text("utf-8")
        assert KEY not in everything(tmp_path, "keys.plain.json")
        form = b.ui.forms[-1]
        assert {field.key: field.value for field in form.fields}["key"] == ""
        assert (await listed(b))["openai"]["key"] == "plain file …tail"


def _typed() -> dict[str, str]:
    return {
        "key": KEY,
        "place": "plain",
        "organization": "org-1",
        "project": "proj-2",
        "default_model": "gpt-5.1",
        "preferred_models": "gpt-5.1, gpt-5-mini",
    }


async def test_what_is_emptied_in_the_form_is_taken_out_of_the_settings(tmp_path: Path) -> None:
    written(tmp_path, '{"providers": {"openai": {"default_model": "a", "headers": {"X-A": "1"}, "enabled": false}}}')
    async with bench(tmp_path) as b:
        b.ui.typed = [{"default_model": "", "headers": "", "enabled": "yes"}]
        told = text_of(await b.command("/provider openai")).splitlines()[0]
        assert told == "openai: no default model any more, no headers any more, switched on."
        assert settings(tmp_path) == {"providers": {"openai": {}}}


async def test_a_form_that_is_left_or_not_changed_writes_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.ui.typed = [None, {}]
        assert text_of(await b.command("/provider openai")) == "Nothing was changed."
        assert text_of(await b.command("/provider openai")) == "Nothing was changed."
        assert not (tmp_path / "config" / "settings.jsonc").exists()


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("key", "my key é", "No key has a space or a letter such as é in it."),
        ("base_url", "ftp://x", "This address cannot be used: it must begin with http:// or https://."),
        ("organization", "org one", "organization in settings.jsonc has characters that no such name has"),
        ("headers", "X-Team", "Write headers as Name: value; Name: value."),
        ("headers", "Authorization: abc", "must be a reference such as env:NAME"),
        ("default_model", "openai:gpt", "Without openai: before it."),
    ],
)
async def test_the_form_says_what_is_wrong_with_a_line(tmp_path: Path, key: str, value: str, problem: str) -> None:
    async with bench(tmp_path) as b:
        b.ui.typed = [None]
        await b.command("/provider openai")
        form: Form = b.ui.forms[0]
        (field,) = [field for field in form.fields if field.key == key]
        assert problem in field.problem(value)
        assert field.problem("") == ""


async def test_organisation_project_and_headers_reach_the_server(tmp_path: Path) -> None:
    written(
        tmp_path,
        '{"providers": {"openai": {"organization": "org-1", "project": "proj-2", "headers": {"X-Team": "w"}}}}',
    )
    with WireServer() as server:
        async with bench(tmp_path, EI_OPENAI_BASE_URL=server.url, EI_OPENAI_API_KEY=KEY) as b:
            await b.command("/model openai:tiny")
            await b.say("Hi")
            await b.command("/model --list openai")
            for request in server.requests:
                sent = {name.lower(): value for name, value in request.headers.items()}
                assert sent["openai-organization"] == "org-1"
                assert sent["openai-project"] == "proj-2"
                assert sent["x-team"] == "w"


async def test_a_line_says_that_a_variable_still_wins(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_OPENAI_API_KEY="k" * 20, EI_OPENAI_BASE_URL="https://one.example/v1") as b:
        b.ui.typed = [{"key": KEY, "place": "plain", "base_url": "https://two.example/v1"}]
        told = text_of(await b.command("/provider openai"))
        assert "EI_OPENAI_API_KEY still wins: take it away to use this one." in told
        assert "EI_OPENAI_BASE_URL still wins with another address." in told


async def test_the_companion_and_a_profiles_own_provider_are_shown_and_not_changed(tmp_path: Path) -> None:
    written(
        tmp_path,
        '{"llm_profiles": [{"id": "w", "provider_type": "oai_compatible", "model": "m",'
        ' "base_url": "https://llm.example.org/v1", "api_key_ref": "WORK_KEY"}]}',
    )
    async with bench(tmp_path) as b:
        assert "builtin, the built-in companion" in text_of(await b.command("/provider builtin"))
        (own,) = [name for name in b.services.chooser.endpoints() if "w" in name and name.startswith("profile")]
        assert "It is changed with its profile: /profile edit w" in text_of(await b.command(f"/provider {own}"))
        assert "Its key is told there: /profile edit w" in await refused(b, f"/provider key {own}")
        assert "part of ei" in await refused(b, "/provider key builtin")
        assert b.ui.forms == []


# Keys.


async def test_a_key_is_asked_for_kept_moved_and_taken_away(tmp_path: Path) -> None:
    with WireServer(key=KEY) as server:
        async with bench(tmp_path, EI_OPENAI_BASE_URL=server.url, EI_PASSPHRASE="correct horse battery") as b:
            b.ui.texts = [KEY]
            told = text_of(await b.command("/provider key openai --to plain"))
            assert told.startswith(f"The key of openai is in {tmp_path / 'config' / 'keys.plain.json'}, openai.")
            assert b.ui.asked == ["API key of openai (goes to plain file):"]
            assert text_of(await b.command("/model --list openai")) == "openai:tiny"
            told = text_of(await b.command("/provider key openai --move encrypted"))
            assert settings(tmp_path)["providers"]["openai"]["key"] == "file:openai"
            assert KEY not in everything(tmp_path)
            assert text_of(await b.command("/model --list openai")) == "openai:tiny"
            assert await refused(b, "/provider key openai --move file") == "The key of openai is there already."
            b.ui.yes = [False, True]
            assert text_of(await b.command("/provider key openai --remove")) == "The key stays."
            await b.command("/provider key openai --remove")
            assert settings(tmp_path)["providers"]["openai"] == {}
            assert (await listed(b))["openai"]["state"] == "✗ no key"
            assert "has no key to move" in await refused(b, "/provider key openai --move file")


async def test_a_key_of_the_environment_is_moved_and_the_variable_is_told_to_win(tmp_path: Path) -> None:
    async with bench(tmp_path, OPENAI_API_KEY=KEY) as b:
        told = text_of(await b.command("/provider key openai --move plain"))
        assert "OPENAI_API_KEY still wins: take it away to use this one." in told
        assert settings(tmp_path)["providers"]["openai"]["key"] == "plain:openai"


@pytest.mark.parametrize(
    "line",
    [f"/provider key openai {KEY}", f"/provider {KEY}", f"/provider key openai --to={KEY}", "/provider key openai abc"],
)
async def test_a_key_that_is_an_argument_is_refused_and_not_repeated(tmp_path: Path, line: str) -> None:
    async with bench(tmp_path) as b:
        for shell in (False, True):
            told = await refused(b, line, shell=shell)
            assert line.split()[-1].removeprefix("--to=") not in told
        assert KEY not in everything(tmp_path)


async def test_a_key_replaces_one_that_is_not_there_or_cannot_be_deleted(tmp_path: Path) -> None:
    written(tmp_path, '{"providers": {"openai": {"key": "file:openai"}}}')
    async with bench(tmp_path) as b:
        b.ui.texts = [KEY]
        assert "The key of openai is in" in text_of(await b.command("/provider key openai --to plain"))
        assert settings(tmp_path)["providers"]["openai"]["key"] == "plain:openai"
        b.services.keys.passphrase = lambda prompt: "long enough"
        b.services.keys.put("file", "openai", KEY)
    written(tmp_path, '{"providers": {"openai": {"key": "file:openai"}}}')
    async with bench(tmp_path) as b:
        b.ui.texts = [KEY]
        told = await refused(b, "/provider key openai --to plain", ConfigError)
        assert "could not be deleted: The file of keys needs its passphrase. Set EI_PASSPHRASE" in told
        assert settings(tmp_path)["providers"]["openai"]["key"] == "plain:openai"


def test_the_plain_file_is_never_where_a_key_goes_unless_it_is_chosen_by_name() -> None:
    def at(now: str = "", **why: str) -> str:
        found = kept_in([Choice(each, each, dimmed=why.get(each, "")) for each in ("keyring", "file", "plain")], now)
        chosen = next(choice for choice in found.choices if choice.key == found.value)
        return "cannot be" if chosen.dimmed else found.value

    assert [at(), at("file"), at("plain"), at(keyring="none"), at("keyring", keyring="none")] == [
        "keyring",
        "file",
        "plain",
        "file",
        "file",
    ]
    assert [at(keyring="none", file="none"), at(keyring="none", file="none", plain="none")] == ["", ""]
    assert placed({"key": KEY, "place": ""})[0] == "place"
    assert placed({"key": KEY, "place": "plain"}) == placed({"key": "", "place": ""}) == ("", "")


async def test_a_form_asks_for_a_key_to_be_kept_in_a_safe_place(tmp_path: Path) -> None:
    async with bench(tmp_path, "ei") as b:
        b.ui.typed = [None, None]
        for line in ("/provider openai", "/provider add"):
            await b.command(line)
            place = next(field for field in b.ui.forms[-1].fields if field.key == "place")
            assert place.value in ("keyring", "file")


async def test_a_place_that_is_none_is_refused(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        assert (await refused(b, "/provider key openai --to cloud")).startswith("A key cannot be kept there.")
        b.ui.texts = ["no key é"]
        assert "no key" in await refused(b, "/provider key openai --to plain")


def test_in_a_shell_the_key_comes_through_a_pipe(tmp_path: Path) -> None:
    ei = Ei(tmp_path)
    ran = ei("provider", "key", "openai", "--to", "plain", stdin=f"{KEY}\n")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("The key of openai is in ")
    shown = ei("provider", "show", "openai").out
    assert "…tail" in shown
    assert KEY not in ran.out + shown + everything(tmp_path, "keys.plain.json")
    nothing = ei("provider", "key", "openai")
    assert nothing.code == NeedsAnswerError.exit_code
    argument = ei("provider", "key", "openai", KEY)
    assert KEY not in argument.err + argument.out
    assert "A key is no argument: it would stay in the history of your shell." in argument.err
    rows = {row["provider"]: row for row in ei("provider", "--json").json}
    assert rows["openai"]["key"]["last4"] == "tail"
    assert rows["openai"]["key"]["reference"] == "plain:openai"


def test_a_shell_is_told_by_a_code_that_a_provider_does_not_work(tmp_path: Path) -> None:
    with WireServer(key=KEY) as server:
        ei = Ei(tmp_path, EI_OPENAI_BASE_URL=server.url, EI_LLM_BASE_URL="http://127.0.0.1:9/v1")
        without = ei("provider", "test", "openai")
        assert (without.code, "openai does not work: it has no API key." in without.out) == (1, True)
        bad, good = ({"EI_OPENAI_API_KEY": key} for key in ("sk-bad-0123456789", KEY))
        refused = ei("provider", "test", "openai", "--json", env=bad)
        assert (refused.code, refused.json["works"]) == (1, False)
        assert [ei("provider", "test", which, env=good).code for which in ("openai", "--all")] == [0, 0]


# Adding, removing, switching off.


async def test_a_server_of_ones_own_is_added_used_and_removed_after_telling_who_uses_it(tmp_path: Path) -> None:
    with WireServer(key=KEY) as server:
        async with bench(tmp_path) as b:
            b.ui.typed = [{"base_url": server.url, "key": KEY, "place": "plain", "label": "At work"}]
            told = text_of(await b.command("/provider add work"))
            assert told.splitlines()[0] == f"work is there: {server.url}"
            assert settings(tmp_path)["providers"]["work"] == {
                "base_url": server.url,
                "wire": "openai",
                "label": "At work",
                "key": "plain:work",
            }
            await b.command("/model work:tiny")
            assert (await b.say("Hi")).text == "Hello there."
            b.ui.yes = [False, True]
            assert text_of(await b.command("/provider remove work")) == "work stays."
            await b.command("/provider remove work")
            question, details = b.ui.asked[-1].split("\n")
            assert question == f"Remove work and its key in {tmp_path / 'config' / 'keys.plain.json'}, work?"
            assert details.startswith("It is used by ")
            assert "ei" in details
            assert details.endswith("They will not be understood after it.")
            assert KEY not in everything(tmp_path)
            assert "work" not in b.services.chooser.endpoints()


async def test_in_a_shell_a_server_is_added_by_its_address(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.ui.interactive = False
        assert "at which address" in await refused(b, "/provider add work", NeedsAnswerError, shell=True)
        reply = await b.command("/provider add work --url https://llm.example.org --wire anthropic", shell=True)
        assert text_of(reply).splitlines()[1] == "If it needs a key: ei provider key work"
        assert settings(tmp_path)["providers"]["work"] == {"base_url": "https://llm.example.org", "wire": "anthropic"}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("/provider add openai", "There is a provider openai already."),
        ("/provider add gpt", "There is a provider gpt already."),
        ("/provider add test", "A provider cannot be called test"),
        ("/provider add tier", "this name already means something else"),
        ("/provider add 7up", "a provider cannot have this name"),
        (
            "/provider add w --url https://u:p@example.org",
            "This address cannot be used: it must not hold a user name or password",
        ),
        ("/provider add w --url https://example.org --wire soap", "It speaks openai or anthropic."),
    ],
)
async def test_what_no_provider_can_be_is_refused(tmp_path: Path, line: str, problem: str) -> None:
    async with bench(tmp_path) as b:
        assert problem in await refused(b, line)
        assert not (tmp_path / "config" / "settings.jsonc").exists()


async def test_a_profile_that_uses_a_provider_is_told_before_it_is_removed(tmp_path: Path) -> None:
    written(
        tmp_path,
        '{"providers": {"work": {"base_url": "https://llm.example.org/v1"}},'
        ' "llm_profiles": [{"id": "w", "model": "work:m"}], "default_model": "tier:fast@work"}',
    )
    async with bench(tmp_path) as b:
        b.ui.yes = [False]
        await b.command("/provider remove work")
        assert "profile w" in b.ui.asked[0]
        assert "default_model" in b.ui.asked[0]


async def test_of_a_shipped_provider_only_what_is_set_goes(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        assert "Nothing is set of openai" in await refused(b, "/provider remove openai")
        await b.command("/provider disable openai")
        assert (await listed(b))["openai"]["state"] == "✗ switched off"
        b.ui.yes = [True]
        assert text_of(await b.command("/provider remove openai")) == "openai is as it comes with ei."
        assert (await listed(b))["openai"]["state"] == "✗ no key"


async def test_a_provider_is_switched_off_and_on(tmp_path: Path) -> None:
    with WireServer() as server:
        async with bench(tmp_path, EI_OPENAI_BASE_URL=server.url, EI_OPENAI_API_KEY=KEY) as b:
            await b.command("/provider disable openai")
            told = text_of(await b.command("/model openai:tiny"))
            assert "openai is switched off in settings.jsonc. /provider enable openai ends that." in told
            assert server.requests == []
            assert text_of(await b.command("/provider enable openai")) == "openai is switched on."
            assert (await b.say("Hi")).text == "Hello there."


# Its models.


async def test_a_providers_name_alone_means_its_default_model(tmp_path: Path) -> None:
    written(tmp_path, '{"providers": {"openai": {"default_model": "gpt-5.1"}}}')
    async with bench(tmp_path, EI_OPENAI_API_KEY=KEY) as b:
        for line in ("/model openai", "/model gpt:"):
            told = text_of(await b.command(line))
            assert told == "Model for ei set to: openai:gpt-5.1"


async def test_a_tier_chooses_the_models_that_are_preferred_first(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_OPENAI_API_KEY=KEY) as b:
        cheap = Prices(1, 1, source="list")
        for name, prices in (("small", cheap), ("wished", Prices(9, 9, source="list"))):
            b.services.registry.add(Model("openai", name, prices=prices))
            b.services.registry.set_tier(f"openai:{name}", "fast")
        await b.command("/models pay openai")
        assert "openai:small" in text_of(await b.command("/model tier:fast"))
        written(tmp_path, '{"models": {"paid": ["openai"]}, "providers": {"openai": {"preferred_models": ["wished"]}}}')
        assert "openai:wished" in text_of(await b.command("/model tier:fast"))
        assert "openai:small | you prefer openai:wished" in text_of(await b.command("/model why"))


# Testing.


def steps(b: Bench, data: object) -> list[tuple[str, bool | None]]:
    assert isinstance(data, dict)
    return [(step["step"], step["works"]) for step in data["steps"]]


async def test_a_provider_is_tested_step_by_step_and_one_word_is_asked_after_a_yes(tmp_path: Path) -> None:
    with WireServer(key=KEY) as server:
        server.models(Listed("dear", {"pricing": {"input": 9, "output": 9}}), Listed("cheap"))
        server.reply("Hello.")
        async with bench(tmp_path, EI_GROQ_BASE_URL=server.url, EI_GROQ_API_KEY=KEY) as b:
            b.ui.yes = [False, True]
            reply = await b.command("/provider test groq")
            assert steps(b, reply.data) == [("reach", True), ("key", True), ("models", True)]
            assert text_of(reply).splitlines()[-1] == "groq works: its key is good, 2 models."
            assert server.chats == []
            assert "for one word: about " in b.ui.asked[0]
            reply = await b.command("/provider test groq")
            assert steps(b, reply.data)[-1] == ("word", True)
            assert "answered in" in text_of(reply).splitlines()[-1]
            assert all(row[2] for row in _table(reply).rows if row[0] != "its models")
            assert len(server.chats) == 1


def _table(reply: Any) -> Table:
    return next(item for item in reply.items if isinstance(item, Table))


async def test_a_bad_key_a_server_that_is_away_and_no_key_are_clear_verdicts(tmp_path: Path) -> None:
    with WireServer(key="another") as server:
        async with bench(
            tmp_path, EI_GROQ_BASE_URL=server.url, EI_GROQ_API_KEY=KEY, EI_X_BASE_URL="", EI_XAI_API_KEY=KEY
        ) as b:
            reply = await b.command("/provider test groq")
            assert steps(b, reply.data) == [("reach", True), ("key", False)]
            last = text_of(reply).splitlines()[-1]
            assert last == "groq does not work: it refused the API key (401). Check EI_GROQ_API_KEY."
            reply = await b.command("/provider test local")
            assert steps(b, reply.data) == [("reach", False)]
            assert (
                text_of(reply)
                .splitlines()[-1]
                .startswith("local does not work: Nothing answers at http://127.0.0.1:9/v1.")
            )
            reply = await b.command("/provider test mistral")
            assert text_of(reply).splitlines()[-1] == (
                "mistral does not work: it has no API key. Give it one: /provider key mistral"
            )


async def test_a_list_that_anybody_gets_proves_no_key_and_a_word_does(tmp_path: Path) -> None:
    with WireServer() as server:
        async with bench(tmp_path, EI_GROQ_BASE_URL=server.url, EI_GROQ_API_KEY=KEY) as b:
            b.ui.yes = [False, True, True]
            reply = await b.command("/provider test groq")
            assert steps(b, reply.data) == [("reach", True), ("key", None), ("models", True)]
            assert "whether its key is good shows with a word" in text_of(reply)
            assert "its key was accepted" in text_of(await b.command("/provider test groq"))
            server.always(Status(401))
            reply = await b.command("/provider test groq")
            assert steps(b, reply.data)[-1] == ("word", False)
            assert "groq does not work: it refused the API key (401)." in text_of(reply)


async def test_all_that_can_be_asked_are_tested_with_one_question(tmp_path: Path) -> None:
    with WireServer(key=KEY) as one, WireServer(key="other") as two:
        async with bench(
            tmp_path,
            EI_GROQ_BASE_URL=one.url,
            EI_GROQ_API_KEY=KEY,
            EI_OPENAI_BASE_URL=two.url,
            EI_OPENAI_API_KEY=KEY,
        ) as b:
            b.ui.yes = [True]
            reply = await b.command("/provider test --all")
            lines = {line.split()[1]: line for line in text_of(reply).splitlines() if line[0] in "✓✗"}
            assert set(lines) == {"local", "ollama", "groq", "openai", "builtin"}
            assert lines["groq"].startswith("✓ groq works: its key is good, 1 model, tiny answered in")
            assert lines["openai"].startswith("✗ openai does not work: it refused the API key (401).")
            assert len(b.ui.asked) == 1
            assert "Not tested: google (no key)" in text_of(reply)
            assert (len(one.chats), len(two.chats)) == (1, 0)


async def test_where_nobody_can_be_asked_no_word_is_asked_for_without_yes(tmp_path: Path) -> None:
    with WireServer(key=KEY) as server:
        ei = Ei(tmp_path, EI_GROQ_BASE_URL=server.url, EI_GROQ_API_KEY=KEY)
        ran = ei("provider", "test", "groq")
        assert ran.code == 0
        assert ran.out.splitlines()[-1] == "ei provider test groq --yes asks it for one word."
        assert server.chats == []
        data = ei("provider", "test", "groq", "--yes", "--json").json
        assert (data["works"], data["steps"][-1]["step"]) == (True, "word")


async def test_where_everything_is_private_a_test_leaves_this_machine_alone(tmp_path: Path) -> None:
    with WireServer() as server:
        async with bench(tmp_path, EI_PRIVATE="on", EI_GROQ_BASE_URL=server.url, EI_GROQ_API_KEY=KEY) as b:
            await refused(b, "/provider test groq", EiError)
            text = text_of(await b.command("/provider test --all", yes=True))
            assert "✗ groq does not work: Everything is private" in text
            assert server.connections == 0


async def test_words_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        assert "Did you mean openai?" in await refused(b, "/provider opnai")
        assert "One at a time" in await refused(b, "/provider openai google")
        assert "One provider at a time" in await refused(b, "/provider test openai google")
        assert json.loads(json.dumps((await b.command("/provider")).data))
