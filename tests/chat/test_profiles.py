"""Profiles in a chat: made step by step, talked with, each key sent to its own host alone."""

from __future__ import annotations

from tests.chat.homes import Home, ask, say, shown
from tests.wire import WireServer

SECRET = "sk-proj-0123456789abcdef"
KEYS = {"WORK_KEY": "key-of-work", "EI_OPENAI_API_KEY": "key-of-openai", "EI_AZURE_API_KEY": "key-of-azure"}


def with_keys(home: Home) -> Home:
    """The home with every key set."""
    home.variables.update(KEYS)
    return home


def address(server: WireServer) -> str:
    """Without a path, as a portal shows the address of a resource."""
    return server.url.removesuffix("/v1")


def test_a_profile_is_made_used_and_talked_with(talking: Home, server: WireServer) -> None:
    with WireServer(key="key-of-work") as work, with_keys(talking).ei() as t:
        say(t, "/profile new")
        for question, answer in (("What is it called", "mine"), ("Where does its model run?", "speaks OpenAI's")):
            t.wait_for(question)
            say(t, answer)
        for question, answer in (
            ("Which model, for example", "gpt-x"),
            ("At which address", work.url),
            ("Which environment variable holds its key", SECRET),
        ):
            t.wait_for(question)
            say(t, answer)
        t.wait_for(lambda t: shown(t, "never the key itself"))
        assert not shown(t, SECRET)
        say(t, "WORK_KEY")
        t.wait_for("How freely does it answer")
        t.press("backspace", "backspace", "backspace")
        say(t, "0.3")
        t.wait_for("Profile mine is there.")
        ask(t, "Before")
        say(t, "/profile mine")
        t.wait_for("Model for ei set to: profile:mine")
        ask(t, "After")
        say(t, "/profile")
        t.wait_for(lambda t: shown(t, "profile-mine:gpt-x"))
    assert [request.model for request in server.chats] == ["tiny"]
    assert (work.last.model, work.last.key, work.last.body["temperature"]) == ("gpt-x", "key-of-work", 0.3)
    assert {request.key for request in server.requests} & set(KEYS.values()) == set()
    assert SECRET not in talking.settings.read_text("utf-8")


def test_a_deployment_is_asked_at_the_path_that_its_address_has(talking: Home, server: WireServer) -> None:
    talking.settings.parent.mkdir(parents=True)
    row = f'{{"id": "dep", "model": "azure/my-gpt", "base_url": "{address(server)}", "api_key_ref": "WORK_KEY"}}'
    talking.settings.write_text(f'{{"llm_profiles": [{row}]}}', "utf-8")
    with with_keys(talking).ei() as t:
        say(t, "/profile dep --once")
        t.wait_for("Model for the next reply of ei: profile:dep")
        ask(t, "Hello")
        ask(t, "Again")
    first, second = server.chats
    assert (first.path, first.model, first.key) == ("/openai/v1/chat/completions", "my-gpt", "key-of-work")
    assert (second.path, second.model) == ("/v1/chat/completions", "tiny")
    assert second.key not in KEYS.values()


def test_an_import_is_shown_and_asked_about_in_the_chat(talking: Home, server: WireServer) -> None:
    file = talking.path / "team.yaml"
    file.write_text(
        f"llm_profiles: [{{id: near, provider_type: local_openai, model: other, base_url: '{server.url}'}}]\n"
        "characters: {ei: {ai_config: {profile_id: near}}}\n",
        "utf-8",
    )
    with talking.ei() as t:
        say(t, f"/profile import {file}")
        t.wait_for("Take this over?")
        t.wait_for(lambda t: shown(t, "persona ei changed"))
        say(t, "/yes")
        t.wait_for("Taken over: 1 profile, the model of 1 persona.")
        ask(t, "Hello")
    assert server.last.model == "other"
