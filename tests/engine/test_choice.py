"""Which model a call uses: what is written where, gathered from real files and variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from ei.errors import UsageError
from ei.models.interactions import PLANNING, REASONING, SUBAGENTS
from ei.models.reference import ModelId
from ei.models.resolve import Rank
from tests.bench_session import Bench, bench, text_of
from tests.wire import Raw, WireServer


async def winner(b: Bench, request: object = None) -> tuple[str, str, str]:
    """(model, step, place) for a reply of the persona in front."""
    await b.session.refresh()
    found = await b.services.chooser.resolve(b.session.persona, b.session.conversation, REASONING, request)
    return str(found.model), found.rank.value, found.where


async def test_the_first_that_is_set_wins_in_the_documented_order(tmp_path: Path) -> None:
    variables = {"EI_LLM_MODEL": "local:environment", "EI_MODEL_REASONING": "local:variable"}
    async with bench(tmp_path, **variables) as b:
        await b.command("/settings default_model local:default")
        await b.command("/settings interactions.reasoning.model local:setting")
        await b.command("/model local:persona")
        await b.command("/model --here local:here")
        assert await winner(b, "local:asked") == ("local:asked", "request", "this request alone")
        assert await winner(b) == ("local:here", "conversation", "this conversation, /model --here")
        await b.command("/model --here --clear")
        assert await winner(b) == ("local:persona", "persona", "ei's system.jsonc")
        await b.command("/model --clear")
        assert await winner(b) == ("local:variable", "interaction", "EI_MODEL_REASONING")
    async with bench(tmp_path, EI_LLM_MODEL="local:environment") as b:
        where = "interactions.reasoning.model in settings.jsonc"
        assert await winner(b) == ("local:setting", "interaction", where)
        await b.command("/settings interactions.reasoning.model null")
        assert await winner(b) == ("local:environment", "environment", "EI_LLM_MODEL")
    async with bench(tmp_path) as b:
        assert await winner(b) == ("local:default", "default", "default_model in settings.jsonc")
        await b.command("/settings default_model null")
        assert await winner(b) == ("builtin:eliza", "built in", "the built-in companion")


async def test_the_personas_plain_model_counts_for_replies_and_as_a_guest_and_models_for_any(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_LLM_MODEL="local:base") as b:
        b.services.library.set_value("ei", ("model",), "local:own")
        persona = b.services.library.set_value("ei", ("models",), {"planning": "local:plans"})
        chooser = b.services.chooser
        found = {i.name: str((await chooser.resolve(persona, None, i)).model) for i in (REASONING, SUBAGENTS, PLANNING)}
        assert found == {"reasoning": "local:own", "subagents": "local:own", "planning": "local:plans"}
        lena = b.services.library.set_value("lena", ("model",), "local:own")
        assert str((await chooser.resolve(lena, None, PLANNING)).model) == "local:base"


@pytest.mark.parametrize("written", ["gogle:x", {"tier": "quick"}, {}, "two words", "openai:"])
async def test_a_malformed_reference_is_an_error_that_names_the_place_and_never_passed_over(
    tmp_path: Path, written: object
) -> None:
    async with bench(tmp_path, EI_LLM_MODEL="local:base") as b:
        b.services.library.set_value("ei", ("model",), written)
        with pytest.raises(UsageError) as caught:
            await winner(b)
        assert caught.value.sentence.startswith("ei's system.jsonc: ")
        b.services.library.remove_value("ei", ("model",))
        b.services.library.set_value("ei", ("models",), {"reasoning": written})
        with pytest.raises(UsageError) as caught:
            await winner(b)
        assert caught.value.sentence.startswith("models.reasoning in ei's system.jsonc: ")


async def test_what_answers_on_this_machine_is_taken_where_nothing_is_set_the_local_server_first(
    tmp_path: Path,
) -> None:
    with WireServer() as server, WireServer() as ollama:
        ollama.list_behaviour = Raw(b'{"models": [{"name": "nomic-embed-text"}, {"name": "qwen3:8b"}]}')
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_OLLAMA_BASE_URL=ollama.url) as b:
            assert await winner(b) == ("local:google/gemma-3-12b", "global default", "the global default")
        async with bench(tmp_path, EI_OLLAMA_BASE_URL=ollama.url) as b:
            assert await winner(b) == ("ollama:qwen3:8b", "found here", "a running Ollama")
            text = text_of(await b.command("/model")).splitlines()
            assert text[0] == "Current model for ei: local:google/gemma-3-12b (the default; nothing else is set)"
            assert text[1].endswith("so a running Ollama answers instead: ollama:qwen3:8b")
    async with bench(tmp_path) as b:
        found = await b.services.chooser.resolve(b.session.persona, None, REASONING)
        assert found.instead_of == ModelId("local", "google/gemma-3-12b")
        assert found.rank is Rank.COMPANION


async def test_nothing_is_looked_for_on_the_machine_where_something_is_set(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_LLM_MODEL="local:tiny") as b:
        await winner(b)
        assert b.services.chooser.found is None
        assert str(b.services.chooser.peek(b.session.persona, None, REASONING).model) == "local:tiny"


async def test_the_customary_variables_of_ollama_set_ups_are_the_last_resort(tmp_path: Path) -> None:
    customary = {"LLM_PROVIDER": "ollama", "OLLAMA_CHAT_MODEL": "qwen3:8b"}
    async with bench(tmp_path, **customary) as b:
        assert await winner(b) == ("ollama:qwen3:8b", "default", "LLM_PROVIDER and OLLAMA_CHAT_MODEL")
    async with bench(tmp_path, EI_LLM_MODEL="local:tiny", **customary) as b:
        assert (await winner(b))[0] == "local:tiny"


async def test_a_provider_of_ones_own_has_a_name_and_may_be_changed_while_running(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        names = b.services.chooser.names()
        assert (names.canonical("XAI"), names.canonical("work")) == ("x", None)
        await b.command('/settings providers {"work": {"base_url": "http://127.0.0.1:1/v1"}}')
        assert b.services.chooser.names().canonical("work") == "work"
        assert b.services.chooser.connection("work").base_url == "http://127.0.0.1:1/v1"
