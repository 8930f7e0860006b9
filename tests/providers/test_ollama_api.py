"""Ollama's own API over real HTTP: what is installed, shown, loaded; fetching, removing, stopping; what goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing
from datetime import datetime

import pytest

from ei.errors import CutOffError, ProviderError, RefusedKeyError, UnknownModelError, UnreachableError
from ei.providers.base import Connection
from ei.providers.endpoints import OLLAMA
from ei.providers.ollama_api import Installed, Loaded, OllamaApi, PullLine, loaded, loaded_of, same_model
from tests.ollama import OllamaServer, PullFailure
from tests.providers.helpers import given
from tests.wire import Raw, WireServer

SMALL = (3_000_000, 500)


@pytest.fixture
def server() -> Iterator[OllamaServer]:
    with OllamaServer() as server:
        server.install("qwen3:8b", 5_225_388_164, 1200, capabilities=("completion", "tools"))
        server.publish("gemma3:1b", *SMALL)
        yield server


def api(server: OllamaServer, key: str | None = None) -> OllamaApi:
    return OllamaApi(Connection(OLLAMA, f"{server.url}/v1", key=given(key), key_source="OLLAMA_API_KEY"))


async def pulled(ollama: OllamaApi, name: str) -> list[PullLine]:
    async with aclosing(ollama.pull(name)) as lines:
        return [line async for line in lines]


async def test_what_is_installed_is_told_with_size_digest_and_details(server: OllamaServer) -> None:
    async with api(server) as ollama:
        assert await ollama.version() == "0.12.6"
        assert await ollama.tags() == (
            Installed(
                "qwen3:8b",
                5_225_389_364,
                server.installed["qwen3:8b"].digest,
                int(datetime.fromisoformat("2026-11-01T09:00:00.123+00:00").timestamp() * 1000),
                "qwen3",
                "8.2B",
                "Q4_K_M",
            ),
        )


async def test_what_is_shown_of_a_model_has_its_context_and_what_its_modelfile_asks_for(server: OllamaServer) -> None:
    server.install("long", context=131_072, parameters='stop "<|im_end|>"\nnum_ctx    65536', remote_host="ollama.com")
    server.install("bare", context=None)
    async with api(server) as ollama:
        long, bare = await ollama.show("long"), await ollama.show("bare")
    assert (long.context, long.num_ctx, long.capabilities) == (131_072, 65_536, frozenset({"completion"}))
    assert (long.quantization, long.license, long.remote) == ("Q4_K_M", "Apache License 2.0", "ollama.com")
    assert (bare.context, bare.num_ctx, bare.remote) == (None, None, "")


async def test_what_is_loaded_is_told_with_its_context_until_it_is_stopped(server: OllamaServer) -> None:
    server.load("qwen3:8b", 16_384)
    async with api(server) as ollama:
        (held,) = await loaded(ollama.connection)
        assert (held.name, held.context_length, (held.size_vram or 0) * 2) == ("qwen3:8b", 16_384, held.size)
        assert held.expires_at is not None
        assert held.expires_at > datetime.now().timestamp()
        await ollama.stop("qwen3:8b")
        assert await ollama.loaded() == ()


async def test_a_pull_tells_every_line_and_installs(server: OllamaServer) -> None:
    async with api(server) as ollama:
        lines = await pulled(ollama, "gemma3:1b")
        big, small = (layer.digest for layer in server.library["gemma3:1b"].layers)
        assert lines == [
            PullLine("pulling manifest"),
            PullLine(f"pulling {big[7:19]}", big, SMALL[0]),
            *(PullLine(f"pulling {big[7:19]}", big, SMALL[0], came * 1_000_000) for came in (1, 2, 3)),
            PullLine(f"pulling {small[7:19]}", small, SMALL[1]),
            PullLine(f"pulling {small[7:19]}", small, SMALL[1], SMALL[1]),
            PullLine("verifying sha256 digest"),
            PullLine("writing manifest"),
            PullLine("success"),
        ]
        assert [model.name for model in await ollama.tags()] == ["qwen3:8b", "gemma3:1b"]


@pytest.mark.parametrize("message", ["write tcp 10.0.0.1: connection reset by peer", ""])
async def test_a_pull_that_breaks_off_keeps_what_came_and_goes_on_from_there(
    server: OllamaServer, message: str
) -> None:
    server.pulling.failures["gemma3:1b"] = PullFailure(message, after=2_000_000)
    async with api(server) as ollama:
        with pytest.raises(ProviderError) as broken:
            await pulled(ollama, "gemma3:1b")
        assert broken.value.hint.startswith("What came is kept")
        assert broken.value.hint.endswith("/ollama pull gemma3:1b")
        assert isinstance(broken.value, CutOffError) is (message == "")
        lines = await pulled(ollama, "gemma3:1b")
    assert [line.completed for line in lines[1:4]] == [None, 2_000_000, 3_000_000]
    assert lines[-1] == PullLine("success")


async def test_a_pull_that_is_left_stops_at_the_server_and_keeps_what_came(server: OllamaServer) -> None:
    server.pulling.step, server.pulling.delay = 100_000, 0.02
    async with api(server) as ollama:
        async with aclosing(ollama.pull("gemma3:1b")) as lines:
            async for line in lines:
                if line.completed:
                    break
        request = server.asked("/api/pull")[0]
        await ollama.version()
        end = datetime.now().timestamp() + 5
        while not request.client_left and datetime.now().timestamp() < end:
            await ollama.version()
    assert request.client_left
    assert 0 < sum(server.partial.values()) < SMALL[0]


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("write /root/.ollama/models/blobs/x: no space left on device", "The disk is full where Ollama keeps its"),
        (
            "pull model manifest: 412: requires a newer version of Ollama",
            "ollama could not fetch gemma3:1b: pull model",
        ),
    ],
)
async def test_an_error_line_inside_a_pull_is_one_sentence(server: OllamaServer, message: str, sentence: str) -> None:
    server.pulling.failures["gemma3:1b"] = PullFailure(message)
    async with api(server) as ollama:
        with pytest.raises(ProviderError) as failed:
            await pulled(ollama, "gemma3:1b")
    assert failed.value.sentence.startswith(sentence)
    assert "/ollama pull gemma3:1b" in failed.value.hint


async def test_what_the_library_does_not_have_cannot_be_pulled(server: OllamaServer) -> None:
    async with api(server) as ollama:
        with pytest.raises(UnknownModelError) as unknown:
            await pulled(ollama, "nothing:1b")
    assert unknown.value.sentence == 'Ollama\'s library has no model "nothing:1b".'


async def test_what_is_not_installed_cannot_be_shown_removed_or_stopped(server: OllamaServer) -> None:
    async with api(server) as ollama:
        await ollama.delete("qwen3:8b")
        assert await ollama.tags() == ()
        for act in (ollama.show, ollama.delete, ollama.stop):
            with pytest.raises(UnknownModelError) as unknown:
                await act("qwen3:8b")
            assert unknown.value.sentence == 'ollama has no model "qwen3:8b".'
            assert unknown.value.hint == "To install it: /ollama pull qwen3:8b"


async def test_a_server_that_is_not_there_or_no_ollama_or_asks_for_a_key_is_told(server: OllamaServer) -> None:
    with OllamaServer(key="right") as closed:
        async with api(closed, "wrong") as ollama:
            with pytest.raises(RefusedKeyError):
                await ollama.tags()
        async with api(closed, "right") as ollama:
            assert await ollama.tags() == ()
        address = closed.url
    async with OllamaApi(Connection(OLLAMA, address)) as ollama:
        with pytest.raises(UnreachableError) as gone:
            await ollama.tags()
        assert gone.value.hint == "Is Ollama running? Start it, or check EI_OLLAMA_BASE_URL."
    async with OllamaApi(Connection(OLLAMA, f"{server.url}/elsewhere/v1")) as ollama:
        with pytest.raises(ProviderError, match=r"is no Ollama \(404\)"):
            await ollama.tags()


@pytest.mark.parametrize(
    "body", [b"<html>Log in</html>", b"[1, 2]", b"yes", b'{"models": {"a": 1}}', b'{"models": [1]}']
)
async def test_answers_of_another_shape_give_nothing_or_one_sentence(body: bytes) -> None:
    with WireServer() as other:
        other.pages = Raw(body, "application/json")
        async with OllamaApi(Connection(OLLAMA, other.anthropic_url)) as ollama:
            if body.startswith(b"{"):
                assert (await ollama.tags(), await ollama.loaded()) == ((), ())
            else:
                with pytest.raises(ProviderError):
                    await ollama.tags()


def test_names_mean_one_model_with_and_without_the_tag_latest() -> None:
    assert same_model("llama3.2", "Llama3.2:latest")
    assert same_model("hf.co/me/model:Q4", "hf.co/me/model:q4")
    assert not same_model("llama3.2:1b", "llama3.2")


def test_a_loaded_model_has_nothing_that_was_not_said() -> None:
    assert loaded_of({"name": "a", "size": -1, "expires_at": "0001-01-01T00:00:00Z"}) == Loaded("a")
