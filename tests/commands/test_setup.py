"""/setup step by step: what is written, what is said, and that nothing is spent or chosen unasked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ei import jsonc
from ei.commands.base import Invocation, Reply
from ei.commands.setup_steps import Steps
from ei.errors import CancelledError, NeedsAnswerError, UsageError
from tests.bench_session import Bench, bench, text_of
from tests.model_servers import llamacpp, loading, studio, vllm
from tests.ollama import OllamaServer
from tests.wire import WireServer

KEY = "sk-test-0123456789-tail"


async def run(b: Bench, *usual: str, shell: bool = False) -> Reply:
    """The whole command, which looks at these addresses instead of the usual ones."""
    return await Steps(Invocation(b.session, b.ui, "", shell=shell), usual).run()


def settings(home: Path) -> Mapping[str, Any]:
    path = home / "config" / "settings.jsonc"
    found = jsonc.loads(path.read_text("utf-8"), "settings.jsonc") if path.exists() else {}
    assert isinstance(found, Mapping)
    return {name: value for name, value in found.items() if name in ("providers", "default_model")}


def said(b: Bench) -> str:
    return "\n".join(text_of(reply) for reply in b.ui.shown)


async def test_a_server_at_another_port_becomes_local_and_the_default_in_one_change(tmp_path: Path) -> None:
    with llamacpp("tiny") as server:
        async with bench(tmp_path, EI_LLM_BASE_URL="") as b:
            b.ui.keys = ["server 0", "everybody"]
            told = text_of(await run(b, server.url))
            assert told.startswith("Everybody without a model of their own thinks with local:tiny from now on.")
            expected = {"providers": {"local": {"base_url": server.url}}, "default_model": "local:tiny"}
            assert settings(tmp_path) == expected
            server.pages = None
            assert (await b.say("hello")).model == "local:tiny"
            b.ui.keys = [None]
            await run(b, server.url)
            assert "not set up yet" not in said(b).rpartition("On this machine")[2]


async def test_a_second_server_becomes_a_provider_of_its_own_that_costs_nothing(tmp_path: Path) -> None:
    with studio("gemma") as local, vllm("qwen", "qwen2") as server:
        async with bench(tmp_path, EI_LLM_BASE_URL=local.url) as b:
            b.ui.keys = ["server 1", "qwen2", "one"]
            told = text_of(await run(b, server.url))
            name = f"vllm-{server.port}"
            assert f"ei thinks with {name}:qwen2 from now on." in told
            assert "It runs on this machine and costs nothing." in told
            row = {"base_url": server.url, "wire": "openai", "label": "vLLM"}
            assert settings(tmp_path) == {"providers": {name: row}}
            assert b.session.persona.model == f"{name}:qwen2"


async def test_what_wins_over_the_default_is_said(tmp_path: Path) -> None:
    with llamacpp("tiny") as server:
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="local:other") as b:
            b.ui.keys = ["server 0", "everybody"]
            told = text_of(await run(b))
            assert "ei still answers with local:other: it comes from EI_LLM_MODEL." in told


async def test_nothing_paid_is_chosen_or_asked_unasked(tmp_path: Path) -> None:
    with WireServer(key=KEY) as server:
        server.models("gpt-5.1")
        async with bench(tmp_path, EI_OPENAI_BASE_URL=server.url, OPENAI_API_KEY=KEY) as b:
            b.ui.keys = ["key openai", None, None]
            assert text_of(await run(b)) == "Nothing was changed. /setup begins again."
            assert (settings(tmp_path), server.chats) == ({}, [])
            assert b.ui.asked[1] == "Which model of OpenAI?"


async def test_a_key_that_does_not_pass_can_be_kept_all_the_same(tmp_path: Path) -> None:
    with WireServer(key=KEY) as server:
        async with bench(tmp_path, EI_OPENAI_BASE_URL=server.url) as b:
            b.ui.keys = ["add", "openai", "keep", "plain", None]
            b.ui.texts = ["two words", KEY + "x"]
            assert text_of(await run(b)) == "What was done stays: the key of openai. /setup begins again."
            assert "No key has a space" in said(b)
            assert "openai does not work: it refused the API key (401)" in said(b)
            assert settings(tmp_path) == {"providers": {"openai": {"key": "plain:openai"}}}
            assert KEY not in said(b) + "".join(b.ui.asked)


async def test_the_plain_file_is_the_last_place_that_is_offered(tmp_path: Path) -> None:
    with WireServer(key=KEY) as server:
        async with bench(tmp_path, EI_OPENAI_BASE_URL=server.url) as b:
            b.ui.keys, b.ui.texts = ["add", "openai", None, None], [KEY]
            await run(b)
            places = [choice.key for choice in b.ui.offered[2]]
            assert (sorted(places), places[-1]) == (["file", "keyring", "plain"], "plain")


async def test_a_variable_that_wins_over_the_new_key_is_named(tmp_path: Path) -> None:
    with WireServer(key=KEY) as server:
        server.models("gpt-5.1")
        async with bench(tmp_path, EI_OPENAI_BASE_URL=server.url, OPENAI_API_KEY="sk-wrong-0123456789") as b:
            b.ui.keys, b.ui.texts = ["add", "openai", "plain", None, None], [KEY]
            await run(b)
            assert "OPENAI_API_KEY still wins: take it away to use this one." in said(b)


async def test_a_place_where_it_could_not_be_kept_says_why_and_asks_again(tmp_path: Path) -> None:
    (tmp_path / "config" / "keys.enc").mkdir(parents=True)
    with WireServer(key=KEY) as server:
        async with bench(tmp_path, EI_OPENAI_BASE_URL=server.url, EI_PASSPHRASE="long enough for it") as b:
            b.ui.keys, b.ui.texts = ["add", "openai", "file", "plain", None, None], [KEY]
            await run(b)
            assert "keys.enc" in said(b)
            assert settings(tmp_path)["providers"]["openai"]["key"] == "plain:openai"


async def test_azure_is_sent_to_its_form_first(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.ui.keys = ["add", "azure", None, None]
        await run(b)
        assert "azure has no base URL. First: /provider azure" in said(b)


async def test_what_cannot_be_used_now_says_why_and_stays_in_the_list(tmp_path: Path) -> None:
    with loading() as server:
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            b.ui.keys = ["server 0", "install", None]
            await run(b)
            assert "it is still loading its model" in said(b)
            assert "Ollama does not answer" in said(b)


async def test_looking_again_finds_what_was_started_meanwhile(tmp_path: Path) -> None:
    with llamacpp("tiny") as server:
        pages, server.pages = server.pages, None
        server.listed = ()
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            b.ui.keys = ["again", None]
            asked = b.ui.show

            def show(reply: Reply) -> None:
                server.pages = pages
                asked(reply)

            b.ui.show = show  # type: ignore[method-assign]
            await run(b)
            assert [("llama.cpp" in text_of(reply)) for reply in b.ui.shown] == [False, True]


async def test_a_model_is_installed_by_a_name_that_is_typed(tmp_path: Path) -> None:
    with OllamaServer() as ollama:
        ollama.publish("hf.co/me/mine:q4", 1000)
        async with bench(tmp_path, EI_OLLAMA_BASE_URL=ollama.url) as b:
            b.ui.keys = ["install", "another", "another", "everybody"]
            b.ui.texts, b.ui.yes = ["no name!", "hf.co/me/mine:q4"], [True]
            told = text_of(await run(b))
            assert '"no name!" is no name of a model.' in said(b)
            assert "thinks with ollama:hf.co/me/mine:q4 from now on." in told
            assert settings(tmp_path)["default_model"] == "ollama:hf.co/me/mine:q4"


async def test_a_model_that_cannot_be_installed_sets_nothing(tmp_path: Path) -> None:
    with OllamaServer() as ollama:
        async with bench(tmp_path, EI_OLLAMA_BASE_URL=ollama.url) as b:
            b.ui.keys, b.ui.yes = ["install", "qwen3:4b", "everybody", None], [True]
            assert text_of(await run(b)).startswith("Nothing was changed.")
            assert settings(tmp_path) == {}


async def test_a_model_that_ollama_sends_on_is_marked(tmp_path: Path) -> None:
    with OllamaServer() as ollama:
        ollama.install("tiny")
        ollama.install("gpt-oss:120b-cloud", remote_host="https://ollama.com")
        async with bench(tmp_path, EI_OLLAMA_BASE_URL=ollama.url) as b:
            b.ui.keys = ["server 0", "gpt-oss:120b-cloud", "everybody"]
            told = text_of(await run(b))
            details = {choice.key: choice.detail for choice in b.ui.offered[1]}
            assert details == {"tiny:latest": "free", "gpt-oss:120b-cloud": "runs at ollama.com, not here"}
            assert "what you say leaves this machine" in told


async def test_where_it_is_private_what_is_sent_on_is_not_offered(tmp_path: Path) -> None:
    with OllamaServer() as ollama:
        ollama.install("tiny")
        ollama.install("other")
        ollama.install("gpt-oss:120b-cloud", remote_host="https://ollama.com")
        async with bench(tmp_path, EI_OLLAMA_BASE_URL=ollama.url, EI_PRIVATE="1") as b:
            b.ui.keys = ["server 0", None, "add", None]
            await run(b)
            assert [choice.key for choice in b.ui.offered[1]] == ["tiny:latest", "other:latest"]
            assert "Everything is private (EI_PRIVATE): no provider on the network is asked." in said(b)


async def test_leaving_a_question_in_a_shell_leaves_it_all_with_its_own_exit_code(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:

        async def leave(prompt: str) -> str:
            raise CancelledError("Left unanswered.")

        b.ui.keys, b.ui.secret = ["add", "openai", None], leave  # type: ignore[method-assign]
        with pytest.raises(CancelledError, match=r"Nothing was changed\. ei setup begins again\."):
            await run(b, shell=True)
        b.ui.keys = ["add", "openai", None]
        assert text_of(await run(b)) == "Nothing was changed. /setup begins again."


async def test_only_looking_asks_nothing_and_gives_it_as_data(tmp_path: Path) -> None:
    with llamacpp("tiny") as server:
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            reply = await b.command("/setup look")
            assert b.ui.asked == []
            assert isinstance(reply.data, dict)
            assert reply.data["servers"][0] == {
                "kind": "llamacpp",
                "url": server.url,
                "provider": "local",
                "known": True,
                "models": ["tiny"],
                "needs_key": False,
                "problem": None,
            }
            with pytest.raises(UsageError, match="takes no words"):
                await b.command("/setup everything")


async def test_where_nobody_can_be_asked_commands_are_told(tmp_path: Path) -> None:
    with llamacpp("tiny") as server:
        async with bench(tmp_path, EI_LLM_BASE_URL="") as b:
            b.ui.interactive = False
            with pytest.raises(NeedsAnswerError):
                await run(b, server.url, shell=True)
            assert f"set EI_LLM_BASE_URL={server.url}  to know llama.cpp" in said(b)
            assert "ei settings default_model local:tiny  uses it, free" in said(b)
            assert settings(tmp_path) == {}
