"""How much of a conversation Ollama is sent, and how full its context is said to be."""

from __future__ import annotations

from pathlib import Path

from ei.engine.contexts import loaded_context, longest_context
from ei.models.reference import ModelId
from tests.bench_session import NOBODY, bench
from tests.ollama import OllamaServer
from tests.wire import WireServer

QWEN = ModelId("ollama", "qwen3:8b")
SEVENS = " ".join(["sevens"] * 4000)
"""About 7,000 tokens, as they are estimated."""


async def test_the_longest_and_the_loaded_context_are_what_the_server_says(tmp_path: Path) -> None:
    with OllamaServer() as server:
        server.install(QWEN.model, context=16_384)
        server.load(QWEN.model, 12_288)
        async with bench(tmp_path, EI_OLLAMA_BASE_URL=server.url) as b:
            assert await longest_context(b.services, QWEN) == 16_384
            assert await loaded_context(b.services, QWEN) == 12_288


async def test_other_servers_are_not_asked(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        for model in (ModelId("local", "tiny"), ModelId("builtin", "eliza"), ModelId("nowhere", "at-all")):
            assert await longest_context(b.services, model) is None
            assert await loaded_context(b.services, model) is None


async def test_a_server_that_is_not_the_persons_own_is_not_asked_on_the_side(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_OLLAMA_BASE_URL="http://ollama.example") as b:
        assert await longest_context(b.services, QWEN) is None


async def test_a_server_that_is_not_there_leaves_the_limit_open(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_OLLAMA_BASE_URL=NOBODY) as b:
        assert await loaded_context(b.services, QWEN) == await longest_context(b.services, QWEN)


async def test_a_long_conversation_is_cut_to_what_the_model_may_be_loaded_with(tmp_path: Path) -> None:
    with OllamaServer(tokens_per_word=2) as server:
        server.install(QWEN.model, context=16_384)
        async with bench(tmp_path, EI_OLLAMA_BASE_URL=server.url, EI_LLM_MODEL=str(QWEN)) as b:
            for _ in range(3):
                await b.say(SEVENS)
            assert any("left out" in line for line in b.told())
            assert await b.session.context_limit() == 16_384
    assert [request.body["options"]["num_ctx"] for request in server.chats] == [16_384] * 3
    assert [str(request.messages).count(SEVENS) for request in server.chats] == [1, 1, 1]


async def test_the_limit_is_that_of_the_model_that_has_just_answered(tmp_path: Path) -> None:
    with OllamaServer() as server, WireServer() as other:
        server.install(QWEN.model, context=16_384)
        async with bench(tmp_path, EI_OLLAMA_BASE_URL=server.url, EI_LLM_BASE_URL=other.url) as b:
            await b.command(f"/model --here {QWEN}")
            await b.say("hello")
            assert await b.session.context_limit() is not None
            await b.command("/retry --with local:tiny")
            await b.ended()
            assert await b.session.context_limit() is None
