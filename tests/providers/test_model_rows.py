"""Each provider's own list, as its documentation shows it, served over HTTP and read into one shape."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from ei.errors import BusyError, ProviderError, RefusedKeyError
from ei.providers.base import Connection, Endpoint
from ei.providers.endpoints import (
    ANTHROPIC,
    DEEPSEEK,
    GOOGLE,
    GROQ,
    LOCAL,
    MISTRAL,
    OLLAMA,
    OPENAI,
    OPENROUTER,
    TOGETHER,
    X,
)
from ei.providers.listed import ListedModel
from ei.providers.model_rows import prices_of, read_row
from ei.providers.models_list import list_models
from tests.providers.helpers import KEY, given
from tests.wire import Raw, Status, WireServer
from tests.wire_formats import Request

DOLLAR = 1_000_000_000
Pages = Mapping[str, object]


def as_json(value: object, status: int = 200) -> Raw:
    return Raw(json.dumps(value).encode(), "application/json", status=status)


@contextmanager
def serving(pages: Pages) -> Iterator[WireServer]:
    """A server that has these pages by path or `path?query`, and 404 for any other."""

    def answer(request: Request) -> Any:
        found = pages.get(f"{request.path}?{request.query}", pages.get(request.path))
        if callable(found):
            found = found(request)
        if found is None:
            return Status(404, "no such page")
        return found if isinstance(found, Raw | Status) else as_json(found)

    with WireServer() as server:
        server.pages = answer
        yield server


async def listed(endpoint: Endpoint, pages: Pages, base: str = "/v1") -> tuple[ListedModel, ...]:
    with serving(pages) as server:
        return await list_models(Connection(endpoint, server.anthropic_url + base, key=given(KEY)))


async def test_openai_lists_ids_with_embeddings_audio_and_fine_tunes_between_them() -> None:
    page = {
        "object": "list",
        "data": [
            {"id": "gpt-5.1", "object": "model", "created": 1_760_000_000, "owned_by": "system", "shutdown_date": None},
            {"id": "gpt-4o-audio-preview", "object": "model", "created": 1, "shutdown_date": "2027-01-31"},
            {"id": "text-embedding-3-small", "object": "model", "created": 1},
            {"id": "ft:gpt-4o-mini:me::abc", "object": "model", "created": 1},
        ],
    }
    assert await listed(OPENAI, {"/v1/models": page}) == (
        ListedModel("gpt-5.1", created_ms=1_760_000_000_000),
        ListedModel("gpt-4o-audio-preview", chat=False, created_ms=1000, shutdown="2027-01-31"),
        ListedModel("text-embedding-3-small", chat=False, created_ms=1000),
        ListedModel("ft:gpt-4o-mini:me::abc", created_ms=1000),
    )


def claude(id: str, **more: object) -> dict[str, object]:
    yes, no = {"supported": True}, {"supported": False}
    return {
        "type": "model",
        "id": id,
        "display_name": id.title(),
        "created_at": "2026-02-04T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": 200_000,
        "max_tokens": 64_000,
        "capabilities": {"batch": yes, "image_input": yes, "structured_outputs": yes, "server_tools": yes,
                         "thinking": {"supported": False, "types": {}}, "pdf_input": no},
        **more,
    }  # fmt: skip


async def test_anthropic_gives_pages_with_limits_abilities_and_the_end_of_a_model() -> None:
    first = {"data": [claude("claude-a")], "has_more": True, "last_id": "claude-a"}
    old = claude(
        "claude-b", lifecycle="deprecated", retires_at="2027-02-01T09:00:00Z", created_at="1970-01-01T00:00:00Z"
    )
    second = {"data": [old, claude("claude-c", lifecycle="retired")], "has_more": False, "last_id": "claude-c"}
    pages = {"/v1/models?limit=1000": first, "/v1/models?limit=1000&after_id=claude-a": second}
    able = frozenset({"vision", "structured_output", "tools"})
    assert await listed(ANTHROPIC, pages, "") == (
        ListedModel("claude-a", 200_000, True, "Claude-A", max_output=64_000, capabilities=able,
                    created_ms=1_770_163_200_000),
        ListedModel("claude-b", 200_000, True, "Claude-B", max_output=64_000, capabilities=able, shutdown="2027-02-01"),
    )  # fmt: skip


async def test_googles_own_list_has_prefixes_methods_limits_and_page_tokens() -> None:
    first = {
        "models": [{"name": "models/gemini-2.5-pro", "displayName": "Gemini 2.5 Pro", "inputTokenLimit": 1_048_576,
                    "outputTokenLimit": 65_536, "supportedGenerationMethods": ["generateContent"], "thinking": True}],
        "nextPageToken": "t2",
    }  # fmt: skip
    second = {"models": [{"name": "models/gemini-embedding-001", "supportedGenerationMethods": ["embedContent"]},
                         {"name": "models/veo-3", "supportedGenerationMethods": ["predictLongRunning"]}]}  # fmt: skip
    pages = {"/v1beta/models?pageSize=1000": first, "/v1beta/models?pageSize=1000&pageToken=t2": second}
    assert await listed(GOOGLE, pages, "/v1beta/openai") == (
        ListedModel("gemini-2.5-pro", 1_048_576, True, "Gemini 2.5 Pro", max_output=65_536,
                    capabilities=frozenset({"reasoning"})),
        ListedModel("gemini-embedding-001", chat=False, capabilities=frozenset({"embeddings"})),
        ListedModel("veo-3", chat=False),
    )  # fmt: skip


async def test_xai_has_prices_in_hundredths_of_a_cent_and_aliases() -> None:
    row = {"id": "grok-4", "created": 1_752_000_000, "object": "model", "input_modalities": ["text", "image"],
           "output_modalities": ["text"], "prompt_text_token_price": 30_000, "cached_prompt_text_token_price": 7_500,
           "completion_text_token_price": 150_000, "aliases": ["grok-4-latest"]}  # fmt: skip
    assert await listed(X, {"/v1/language-models": {"models": [row]}, "/v1/models": {"data": []}}) == (
        ListedModel("grok-4", None, True, "", 3 * DOLLAR, 750_000_000, None, 15 * DOLLAR,
                    capabilities=frozenset({"vision"}), created_ms=1_752_000_000_000, aliases=("grok-4-latest",)),
    )  # fmt: skip


async def test_a_proxy_without_the_fuller_list_is_asked_for_the_plain_one() -> None:
    assert await listed(X, {"/v1/models": {"data": [{"id": "grok-4"}]}}) == (ListedModel("grok-4"),)


async def test_groq_has_context_limits_and_models_that_are_switched_off() -> None:
    rows = [{"id": "llama-3.3-70b-versatile", "object": "model", "active": True, "context_window": 131_072,
             "max_completion_tokens": 32_768}, {"id": "gone", "active": False}]  # fmt: skip
    found = await listed(GROQ, {"/openai/v1/models": {"object": "list", "data": rows}}, "/openai/v1")
    assert found == (ListedModel("llama-3.3-70b-versatile", 131_072, max_output=32_768),)


async def test_together_gives_a_bare_array_with_dollars_per_million() -> None:
    rows = [
        {"id": "meta-llama/Llama-3.3-70B-Instruct-Turbo", "type": "chat", "display_name": "Llama 3.3 70B",
         "context_length": 131_072, "pricing": {"hourly": 0, "input": 0.88, "output": 0.88, "base": 0}},
        {"id": "black-forest-labs/FLUX.1-schnell", "type": "image", "pricing": {"input": 0, "output": 0}},
        {"id": "meta-llama/Llama-Free", "type": "chat", "pricing": {"input": 0, "output": 0}},
    ]  # fmt: skip
    assert await listed(TOGETHER, {"/v1/models": rows}) == (
        ListedModel("meta-llama/Llama-3.3-70B-Instruct-Turbo", 131_072, True, "Llama 3.3 70B", 880_000_000, None, None,
                    880_000_000),
        ListedModel("black-forest-labs/FLUX.1-schnell", chat=False),
        ListedModel("meta-llama/Llama-Free", input_price=0, output_price=0),
    )  # fmt: skip


async def test_mistral_has_abilities_aliases_and_deprecations() -> None:
    row = {"id": "mistral-large-2411", "object": "model", "created": 1_760_000_000, "name": "mistral-large-2411",
           "max_context_length": 131_072, "aliases": ["mistral-large-latest", "mistral-large-2411"],
           "deprecation": "2027-02-28T12:00:00Z", "type": "base",
           "capabilities": {"completion_chat": True, "function_calling": True, "vision": False}}  # fmt: skip
    assert await listed(MISTRAL, {"/v1/models": {"data": [row]}}) == (
        ListedModel("mistral-large-2411", 131_072, max_output=None, capabilities=frozenset({"tools", "streaming"}),
                    shutdown="2027-02-28", created_ms=1_760_000_000_000, aliases=("mistral-large-latest",)),
    )  # fmt: skip


async def test_openrouter_has_dollars_per_token_as_text_parameters_and_a_next_page() -> None:
    row = {"id": "qwen/qwen3-8b", "name": "Qwen: Qwen3 8B", "created": 1_745_000_000, "context_length": 128_000,
           "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
           "pricing": {"prompt": "0.000000035", "completion": "0.000000138", "input_cache_read": "0.0000000035"},
           "top_provider": {"max_completion_tokens": 20_000}, "expiration_date": None,
           "supported_parameters": ["tools", "reasoning", "structured_outputs", "temperature"]}  # fmt: skip
    auto = {"id": "openrouter/auto", "pricing": {"prompt": "-1", "completion": "-1"}, "supported_parameters": []}
    pages = {"/api/v1/models": {"data": [row], "links": {"next": "/api/v1/models?offset=1"}},
             "/api/v1/models?offset=1": {"data": [auto], "links": {"next": None}}}  # fmt: skip
    assert await listed(OPENROUTER, pages, "/api/v1") == (
        ListedModel("qwen/qwen3-8b", 128_000, True, "Qwen: Qwen3 8B", 35_000_000, 3_500_000, None, 138_000_000, 20_000,
                    frozenset({"tools", "reasoning", "structured_output", "vision"}), True,
                    created_ms=1_745_000_000_000),
        ListedModel("openrouter/auto", capabilities=frozenset()),
    )  # fmt: skip


async def test_deepseek_gives_ids_only() -> None:
    assert await listed(DEEPSEEK, {"/models": {"data": [{"id": "deepseek-chat"}]}}, "") == (
        ListedModel("deepseek-chat"),
    )


async def test_ollama_tells_sizes_in_its_list_and_the_rest_of_each_model_alone() -> None:
    tags = {
        "models": [
            {"name": "qwen3:8b", "model": "qwen3:8b", "size": 5_200_000_000, "digest": "d",
             "details": {"family": "qwen3", "parameter_size": "8.2B", "quantization_level": "Q4_K_M"}},
            {"name": "nomic-embed-text:latest", "details": {"family": "nomic-bert", "parameter_size": "137M"}},
            {"name": "broken:1b", "details": None},
        ]
    }  # fmt: skip

    def show(request: Request) -> object:
        return {
            "qwen3:8b": {"model_info": {"general.architecture": "qwen3", "qwen3.context_length": 40_960},
                         "capabilities": ["completion", "tools", "thinking"]},
            "nomic-embed-text:latest": {"model_info": {"nomic-bert.context_length": 2048},
                                        "capabilities": ["embedding"]},
        }.get(str(request.body["model"]), Status(500, "cannot load"))  # fmt: skip

    assert await listed(OLLAMA, {"/api/tags": tags, "/api/show": show}) == (
        ListedModel("qwen3:8b", 40_960, True, "qwen3 8.2B Q4_K_M",
                    capabilities=frozenset({"tools", "reasoning", "streaming"})),
        ListedModel("nomic-embed-text:latest", 2048, False, "nomic-bert 137M", capabilities=frozenset({"embeddings"})),
        ListedModel("broken:1b"),
    )  # fmt: skip
    assert await listed(OLLAMA, {"/api/tags": {"models": []}, "/v1/models": {"data": [{"id": "no"}]}}) == ()


async def test_lm_studio_tells_what_is_loaded_and_how() -> None:
    models = [
        {"type": "llm", "key": "google/gemma-3-4b", "display_name": "Gemma 3 4B", "params_string": "4B",
         "loaded_instances": [], "max_context_length": 131_072,
         "capabilities": {"vision": True, "trained_for_tool_use": False}},
        {"type": "llm", "key": "qwen/qwen3.5-9b", "display_name": "Qwen3.5", "params_string": "9B",
         "loaded_instances": [{"id": "qwen/qwen3.5-9b", "config": {"context_length": 4096}}],
         "max_context_length": 262_144,
         "capabilities": {"vision": False, "trained_for_tool_use": True, "reasoning": {"default": "on"}}},
        {"type": "embedding", "key": "text-embedding-nomic", "display_name": "Nomic", "max_context_length": 2048},
    ]  # fmt: skip
    pages = {"/api/v1/models": {"models": models}, "/v1/models": {"data": [{"id": "unused"}]}}
    assert await listed(LOCAL, pages) == (
        ListedModel("google/gemma-3-4b", 131_072, True, "Gemma 3 4B", capabilities=frozenset({"vision"})),
        ListedModel("qwen/qwen3.5-9b", 4096, True, "Qwen3.5 9B", capabilities=frozenset({"tools", "reasoning"})),
        ListedModel("text-embedding-nomic", 2048, False, "Nomic", capabilities=frozenset({"embeddings"})),
    )


@pytest.mark.parametrize(
    "native", [None, Raw(b"<html></html>", "text/html"), {"error": "Unexpected endpoint"}, {"data": []}]
)
async def test_vllm_and_llama_cpp_in_its_place_are_understood(native: object) -> None:
    vllm = {"id": "Qwen/Qwen3-8B", "object": "model", "created": 1_760_000_000, "max_model_len": 40_960}
    llama = {"id": "gemma.gguf", "meta": {"n_ctx": 8192, "n_ctx_train": 131_072, "n_params": 3_880_000_000}}
    pages = {"/api/v1/models": native, "/v1/models": {"data": [vllm, llama]}}
    assert await listed(LOCAL, {k: v for k, v in pages.items() if v is not None}) == (
        ListedModel("Qwen/Qwen3-8B", 40_960, created_ms=1_760_000_000_000),
        ListedModel("gemma.gguf", 8192),
    )


@pytest.mark.parametrize(("status", "kind"), [(401, RefusedKeyError), (503, BusyError)])
async def test_a_refusal_of_the_fuller_list_is_no_reason_to_ask_for_the_other(
    status: int, kind: type[ProviderError]
) -> None:
    with pytest.raises(kind):
        await listed(X, {"/v1/language-models": Status(status), "/v1/models": {"data": [{"id": "grok-4"}]}})


@pytest.mark.parametrize("price", ["x", None, True, "-1", -1, "NaN", "Infinity", "1e99", [1]])
def test_a_price_that_is_none_is_unknown(price: object) -> None:
    assert prices_of("m", {"pricing": {"prompt": price, "completion": price}}) == (None, None, None, None)


@pytest.mark.parametrize(
    "row",
    [
        {"created": "soon"}, {"created": 0}, {"created": 10**15}, {"created_at": "yesterday"}, {"created_at": 7},
        {"deprecation": True}, {"shutdown_date": ""}, {"aliases": "m2"}, {"aliases": [7, "", "a\x1b"]},
        {"display_name": "a\x1b[2J"}, {"display_name": 7}, {"top_provider": []}, {"pricing": []}, {"details": 7},
        {"loaded_instances": [{"config": 7}, 7]}, {"max_completion_tokens": "many"},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_passed_over(row: dict[str, object]) -> None:
    assert read_row({"id": "m", **row}) == ListedModel("m")


def test_the_exact_price_is_kept_where_a_float_would_drift() -> None:
    row = {"pricing": {"prompt": "0.0000001", "completion": "0.00000033333"}}
    assert prices_of("m", row) == (100_000_000, None, None, 333_330_000)
    assert prices_of("m", {"pricing": {"input": 0.1, "output": 0.3}}) == (100_000_000, None, None, 300_000_000)
