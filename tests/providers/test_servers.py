"""Model servers on this machine: found by what they answer, in a short time, and nobody else is asked."""

from __future__ import annotations

from time import monotonic

import pytest

from ei.providers.servers import LOADING, Server, find_servers
from tests.model_servers import llamacpp, loading, silent, studio, vllm
from tests.ollama import OllamaServer
from tests.wire import Model, Raw, Status, WireServer

NOBODY = "http://127.0.0.1:9/v1"


async def test_each_is_known_by_what_it_answers_wherever_it_is() -> None:
    with (
        studio("gemma") as a,
        studio("old", old=True) as b,
        llamacpp("tiny") as c,
        vllm("qwen") as d,
        OllamaServer() as e,
    ):
        e.install("qwen3:8b")
        found = await find_servers([a.url, b.url, c.url, d.url, f"{e.url}/v1"])
        assert found == (
            Server("lmstudio", a.url, ("gemma",)),
            Server("lmstudio", b.url, ("old",)),
            Server("llamacpp", c.url, ("tiny",)),
            Server("vllm", d.url, ("qwen",)),
            Server("ollama", f"{e.url}/v1", ("qwen3:8b",)),
        )


async def test_another_server_that_speaks_openais_api_is_a_model_server() -> None:
    with WireServer() as server:
        server.models("one", Model("two", {"owned_by": None}))
        assert await find_servers([server.url]) == (Server("openai", server.url, ("one", "two")),)


async def test_models_that_do_not_chat_are_not_offered() -> None:
    with studio("gemma", "text-embedding-nomic-embed-text-v1.5") as server:
        assert [each.models for each in await find_servers([server.url])] == [("gemma",)]


async def test_an_ollama_without_a_model_is_found() -> None:
    with OllamaServer() as server:
        assert await find_servers([f"{server.url}/v1"]) == (Server("ollama", f"{server.url}/v1"),)


async def test_a_server_that_wants_a_key_says_so_and_is_sent_none() -> None:
    with vllm("qwen", key="secret-key") as server:
        assert await find_servers([server.url]) == (Server("vllm", server.url, (), needs_key=True),)
        assert [request.key for request in server.requests if request.key] == []


async def test_a_server_that_still_loads_its_model_says_so() -> None:
    with loading() as server:
        assert await find_servers([server.url]) == (Server("llamacpp", server.url, problem=LOADING),)


@pytest.mark.parametrize(
    "page",
    [
        Raw(b"<html>hello</html>", "text/html"),
        Raw(b'{"data": "none"}', "application/json"),
        Raw(b"[" * 100_000, "application/json"),
        Raw(b"[]", "application/json"),
        Status(404),
        Status(500),
    ],
)
async def test_what_is_no_model_server_is_not_taken_for_one(page: Raw | Status) -> None:
    with WireServer() as server:
        server.pages = page
        assert await find_servers([server.url]) == ()


async def test_one_that_is_dead_and_one_that_hangs_hold_nobody_up() -> None:
    with silent() as hanging, llamacpp("tiny") as server:
        began = monotonic()
        found = await find_servers([NOBODY, hanging, server.url], seconds=0.5)
        assert [each.url for each in found] == [server.url]
        assert monotonic() - began < 4


async def test_one_that_takes_its_time_is_given_up_as_well() -> None:
    with WireServer() as slow:
        slow.pages = Status(200, delay=30)
        began = monotonic()
        assert await find_servers([slow.url], seconds=0.3) == ()
        assert monotonic() - began < 4


async def test_an_address_is_asked_once_however_it_is_spelled_and_the_first_spelling_stays() -> None:
    with llamacpp("tiny") as server:
        spelled = [f"http://localhost:{server.port}/v1", server.url, f"{server.url}/"]
        found = await find_servers(spelled)
        assert [each.url for each in found] == [spelled[0]]
        assert [request.path for request in server.requests].count("/v1/models") == 1


async def test_nobody_but_this_machine_is_asked() -> None:
    began = monotonic()
    assert await find_servers(["http://192.0.2.1:1234/v1", "https://llm.example.org/v1", "file:///etc/passwd"]) == ()
    assert monotonic() - began < 0.5


async def test_a_redirect_is_not_followed() -> None:
    with WireServer() as other, WireServer() as server:
        server.pages = Status(302, headers={"location": f"{other.url}/models"}, body={})
        assert await find_servers([server.url]) == ()
        assert other.connections == 0


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with WireServer() as proxy, llamacpp("tiny") as server:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert len(await find_servers([server.url])) == 1
        assert proxy.connections == 0
