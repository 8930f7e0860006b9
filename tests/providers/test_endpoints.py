"""The table of providers."""

from __future__ import annotations

import re

from ei.providers.endpoints import ENDPOINTS, find_endpoint


def test_every_provider_is_in_the_table() -> None:
    assert [endpoint.name for endpoint in ENDPOINTS] == [
        "local", "ollama", "openai", "google", "anthropic", "x", "groq",
        "together", "mistral", "openrouter", "deepseek", "azure", "builtin",
    ]  # fmt: skip


def test_no_name_or_alias_is_used_twice() -> None:
    names = [name for endpoint in ENDPOINTS for name in (endpoint.name, *endpoint.aliases)]
    assert sorted(names) == sorted(set(names))


def test_an_alias_finds_its_provider_in_any_case() -> None:
    wanted = {"xai": "x", "Grok": "x", "gemini": "google", "CLAUDE": "anthropic", "lmstudio": "local", "x": "x"}
    assert {alias: getattr(find_endpoint(alias), "name", None) for alias in wanted} == wanted
    assert find_endpoint("nobody") is None


def test_variables_have_the_prefix_that_the_documentation_gives() -> None:
    prefixes = {endpoint.name: endpoint.prefix for endpoint in ENDPOINTS}
    assert prefixes["x"] == "EI_XAI"
    assert prefixes["local"] == "EI_LLM"
    assert prefixes["openrouter"] == "EI_OPENROUTER"


def test_every_row_is_complete() -> None:
    for endpoint in ENDPOINTS:
        assert endpoint.label
        assert endpoint.example
        if endpoint.name not in ("azure", "builtin"):
            assert re.fullmatch(r"https?://[^/].*[^/]", endpoint.base_url)
        assert endpoint.needs_key != endpoint.local
