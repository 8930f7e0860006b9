"""Lists of models in every shape."""

from __future__ import annotations

import pytest

from ei.errors import BusyError, ProviderError, RefusedKeyError, UnreachableError
from ei.providers.base import Connection
from ei.providers.endpoints import ANTHROPIC, GOOGLE, LOCAL, OPENAI, OPENROUTER
from ei.providers.listed import ListedModel
from ei.providers.model_rows import read_page, read_row
from ei.providers.models_list import list_models, near_names, nearest, next_page
from tests.providers.helpers import KEY, given
from tests.wire import Hang, Model, Raw, Status, WireServer


def ids(models: tuple[ListedModel, ...]) -> list[str]:
    return [model.id for model in models]


@pytest.mark.parametrize("shape", ["data", "array", "links"])
async def test_every_shape_of_list_gives_all_models(shape: str) -> None:
    with WireServer(key=KEY, list_shape=shape) as server:  # type: ignore[arg-type]
        server.models("a", "b", "c", "d", "e")
        assert ids(await list_models(Connection(OPENROUTER, server.url, key=given(KEY)))) == ["a", "b", "c", "d", "e"]


async def test_anthropics_pages_are_followed() -> None:
    with WireServer(key=KEY, list_shape="pages") as server:
        server.models(Model("claude-a", {"max_input_tokens": 200_000}), "claude-b", "claude-c")
        models = await list_models(Connection(ANTHROPIC, server.anthropic_url, key=given(KEY)))
        assert models[0] == ListedModel("claude-a", 200_000)
        assert ids(models) == ["claude-a", "claude-b", "claude-c"]
        assert [request.query for request in server.requests] == ["limit=1000", "limit=1000&after_id=claude-b"]


@pytest.mark.parametrize(
    "fields",
    [
        {"context_window": 4096},
        {"context_length": 4096},
        {"max_model_len": 4096},
        {"max_context_length": 4096},
        {"max_input_tokens": 4096},
        {"meta": {"n_ctx": 4096, "n_ctx_train": 131_072}},
        {"meta": {"n_ctx_train": 4096}},
    ],
)
def test_the_context_is_found_in_every_field(fields: dict[str, object]) -> None:
    assert read_row({"id": "m", **fields}) == ListedModel("m", 4096)


@pytest.mark.parametrize("value", ["4096", True, 0, -1, 1.5, None, 10**12])
def test_a_context_that_is_none_is_unknown(value: object) -> None:
    assert read_row({"id": "m", "context_length": value}) == ListedModel("m", None)


def test_googles_prefix_is_stripped_and_its_own_list_understood() -> None:
    page = {
        "models": [
            {"name": "models/gemini-2.5-pro", "inputTokenLimit": 1_048_576,
             "supportedGenerationMethods": ["generateContent"]},
            {"name": "models/embedding-001", "supportedGenerationMethods": ["embedContent"]},
        ],
        "nextPageToken": "t/2",
    }  # fmt: skip
    assert read_page(page) == [
        ListedModel("gemini-2.5-pro", 1_048_576),
        ListedModel("embedding-001", None, chat=False, capabilities=frozenset({"embeddings"})),
    ]
    following = next_page(page, "https://g.example/v1beta/models?pageSize=1000")
    assert following == "https://g.example/v1beta/models?pageSize=1000&pageToken=t%2F2"
    assert read_page({"data": [{"id": "models/gemini-2.5-pro"}]}) == [ListedModel("gemini-2.5-pro")]


async def test_googles_own_list_is_asked_where_it_is() -> None:
    with WireServer() as server:
        base = f"{server.anthropic_url}/v1beta/openai"
        await list_models(Connection(GOOGLE, base, key=given(KEY)))
        assert (server.requests[0].path, server.requests[0].headers["x-goog-api-key"]) == ("/v1beta/models", KEY)


def test_a_next_page_on_another_server_is_not_followed() -> None:
    url = "https://a.example/v1/models"
    assert next_page({"links": {"next": "https://evil.example/v1/models"}}, url) is None
    assert next_page({"links": {"next": "/v1/models?offset=2"}}, url) == "https://a.example/v1/models?offset=2"


@pytest.mark.parametrize(
    "row",
    [
        {"id": "text-embedding-3-small"},
        {"id": "whisper-1"},
        {"id": "gpt-4o-mini-tts"},
        {"id": "dall-e-3"},
        {"id": "gpt-image-1"},
        {"id": "gpt-4o-realtime-preview"},
        {"id": "omni-moderation-latest"},
        {"id": "a/b", "type": "image"},
        {"id": "a/b", "type": "embedding"},
        {"id": "m", "capabilities": {"completion_chat": False}},
        {"id": "m", "architecture": {"output_modalities": ["image"]}},
    ],
)
def test_a_model_that_does_not_chat_is_marked(row: dict[str, object]) -> None:
    model = read_row(row)
    assert model is not None
    assert not model.chat


@pytest.mark.parametrize(
    "row",
    [
        {"id": "gpt-5.1"},
        {"id": "qwen3:8b"},
        {"id": "google/gemma-3-12b"},
        {"id": "nomic-embed-chat", "type": "chat"},
        {"id": "m", "capabilities": {"completion_chat": True}},
        {"id": "m", "capabilities": ["completion"]},
        {"id": "m", "architecture": {"output_modalities": ["text", "image"]}},
        {"id": "ft:gpt-4o-mini:me::1"},
    ],
)
def test_a_model_that_chats_is_not(row: dict[str, object]) -> None:
    model = read_row(row)
    assert model is not None
    assert model.chat


@pytest.mark.parametrize("row", [{}, {"id": 7}, {"id": ""}, {"id": "a\x1b[2Jb"}, {"id": " a"}, {"id": "x" * 1000}])
def test_a_row_that_names_nothing_is_passed_over(row: dict[str, object]) -> None:
    assert read_row(row) is None


def test_pages_of_odd_shapes_are_empty() -> None:
    odd: list[object] = [None, 7, {}, {"data": 1}, {"data": [1, None]}, [[]]]
    assert [read_page(page) for page in odd] == [[]] * 6


async def test_failures_are_told() -> None:
    with WireServer(key=KEY) as server:
        connection = Connection(LOCAL, server.url, key=given("sk-wrong"))
        with pytest.raises(RefusedKeyError):
            await list_models(connection)
        good = Connection(LOCAL, server.url, key=given(KEY))
        server.list_behaviour = Status(503)
        with pytest.raises(BusyError):
            await list_models(good)
        server.list_behaviour = Raw(b"<html>log in</html>", "text/html")
        with pytest.raises(ProviderError, match="web page"):
            await list_models(good)
        server.list_behaviour = Raw(b"nonsense", "application/json")
        with pytest.raises(ProviderError, match="no list of models"):
            await list_models(good)
        server.list_behaviour = Hang()
        with pytest.raises(UnreachableError):
            await list_models(good, seconds=0.2)
    with pytest.raises(UnreachableError) as refused:
        await list_models(good)
    assert refused.value.hint == "Is LM Studio or Ollama running?"
    with pytest.raises(ProviderError, match="has no API key"):
        await list_models(Connection(OPENAI, server.url))


async def test_names_that_may_be_meant_come_from_the_list() -> None:
    with WireServer() as server:
        server.models("gemini-2.5-flash", "gemini-2.5-pro", "gemma-3")
        connection = Connection(LOCAL, server.url)
        assert await near_names(connection, "gemini/gemini-2.5-flash") == ("gemini-2.5-flash",)
    assert await near_names(connection, "gemini-2.5-flash") == ()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gemini/gemini-2.5-flash", ("gemini-2.5-flash",)),
        ("gemma-3-12b", ("google/gemma-3-12b",)),
        ("qwen3", ("qwen3:8b",)),
        ("gemini-25-pro", ("gemini-2.5-pro", "gemini-2.5-flash")),
        ("nothing-like-it", ()),
    ],
)
def test_the_nearest_names_are_found(name: str, expected: tuple[str, ...]) -> None:
    listed = ["gemini-2.5-flash", "gemini-2.5-pro", "google/gemma-3-12b", "qwen3:8b"]
    assert nearest(name, listed) == expected
