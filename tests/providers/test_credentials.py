"""Which address and key a provider gets."""

from __future__ import annotations

import pytest

from ei.errors import ConfigError
from ei.providers.addresses import is_loopback
from ei.providers.base import Endpoint
from ei.providers.credentials import connect, custom_endpoints
from ei.providers.endpoints import ANTHROPIC, AZURE, BUILTIN, GOOGLE, LOCAL, OLLAMA, OPENAI, X
from tests.providers.helpers import revealed, variables


def test_nothing_set_gives_the_address_of_the_table_and_no_key() -> None:
    connection = connect(OPENAI, variables({}))
    assert (connection.base_url, revealed(connection), connection.ready) == ("https://api.openai.com/v1", None, False)


def test_our_own_variable_wins_over_the_customary_one() -> None:
    both = variables({"EI_OPENAI_API_KEY": "ours", "OPENAI_API_KEY": "theirs"})
    assert revealed(connect(OPENAI, both)) == "ours"
    assert revealed(connect(OPENAI, variables({"OPENAI_API_KEY": "theirs"}))) == "theirs"


def test_the_customary_variables_are_looked_at_in_order() -> None:
    both = variables({"GOOGLE_API_KEY": "second", "GEMINI_API_KEY": "first"})
    assert revealed(connect(GOOGLE, both)) == "first"


def test_x_and_local_have_prefixes_of_their_own() -> None:
    assert revealed(connect(X, variables({"EI_XAI_API_KEY": "k", "EI_XAI_BASE_URL": "https://p.example/v1"}))) == "k"
    local = connect(LOCAL, variables({"EI_LLM_BASE_URL": "http://10.0.0.5:8080/v1/"}))
    assert (local.base_url, local.ready) == ("http://10.0.0.5:8080/v1", True)


def test_a_local_server_uses_a_key_where_one_is_set() -> None:
    assert revealed(connect(LOCAL, variables({"EI_LLM_API_KEY": "k"}))) == "k"


def test_an_empty_variable_counts_as_unset() -> None:
    lookup = variables({"EI_OPENAI_API_KEY": '  "" ', "OPENAI_API_KEY": "theirs", "EI_OPENAI_BASE_URL": " "})
    connection = connect(OPENAI, lookup)
    assert (revealed(connection), connection.base_url) == ("theirs", "https://api.openai.com/v1")


def test_white_space_and_quotes_around_a_key_are_stripped() -> None:
    assert revealed(connect(OPENAI, variables({"OPENAI_API_KEY": " 'sk-1'\n"}))) == "sk-1"


def test_a_key_with_letters_that_no_key_has_is_told_and_not_repeated() -> None:
    connection = connect(OPENAI, variables({"OPENAI_API_KEY": "sk-hé“llo"}))
    assert connection.key is None
    assert connection.key_problem == (
        "The key in OPENAI_API_KEY has characters that no key has (a space, a letter such as é or “)."
    )


def test_the_source_of_a_key_is_told_in_words() -> None:
    lookup = variables({}, {"OPENAI_API_KEY": "k"})
    assert connect(OPENAI, lookup).key_source == "OPENAI_API_KEY (.env in this folder)"
    assert connect(OPENAI, variables({"OPENAI_API_KEY": "k"})).key_source == "OPENAI_API_KEY"


def test_no_key_shows_in_the_repr_of_a_connection() -> None:
    connection = connect(OPENAI, variables({"OPENAI_API_KEY": "sk-1", "H": "hush"}), {"headers": {"X-A": "env:H"}})
    assert connection.headers == {"X-A": "hush"}
    assert "sk-1" not in repr(connection)
    assert "hush" not in repr(connection)


def test_an_address_out_of_a_folder_gets_no_key_from_elsewhere() -> None:
    lookup = variables({"OPENAI_API_KEY": "sk-mine"}, {"EI_OPENAI_BASE_URL": "https://evil.example/v1"})
    connection = connect(OPENAI, lookup, {"headers": {"X-Token": "hush"}})
    assert (connection.base_url, revealed(connection), connection.headers) == ("https://evil.example/v1", None, {})
    assert connection.key_problem == (
        "The address of openai comes from .env in this folder, so a key from elsewhere (OPENAI_API_KEY) "
        "is not sent to it; set EI_OPENAI_API_KEY in that same file."
    )
    assert not connection.ready


def test_an_address_out_of_a_folder_gets_no_key_by_reference_from_elsewhere() -> None:
    lookup = variables({"MINE": "sk-mine"}, {"EI_OPENAI_BASE_URL": "https://evil.example/v1"})
    connection = connect(OPENAI, lookup, {"key": "env:MINE"})
    assert connection.key is None
    assert "MINE" in connection.key_problem


def test_an_address_out_of_a_folder_gets_no_key_from_the_config_folder() -> None:
    lookup = variables({}, {"EI_LLM_BASE_URL": "http://evil.example/v1"}, {"EI_LLM_API_KEY": "sk-mine"})
    connection = connect(LOCAL, lookup)
    assert (revealed(connection), connection.ready) == (None, True)


def test_an_address_and_a_key_out_of_one_folder_belong_together() -> None:
    folder = {"EI_OPENAI_BASE_URL": "https://team.example/v1", "EI_OPENAI_API_KEY": "team"}
    assert revealed(connect(OPENAI, variables({}, folder))) == "team"


def test_a_key_of_that_folder_is_found_although_the_environment_has_one() -> None:
    folder = {"EI_OPENAI_BASE_URL": "https://team.example/v1", "EI_OPENAI_API_KEY": "team"}
    mine = variables({"EI_OPENAI_API_KEY": "sk-mine"}, folder)
    assert connect(OPENAI, mine).key is None
    assert revealed(connect(OPENAI, mine, folder_lookup=variables({}, folder))) == "team"


def test_an_address_out_of_the_environment_may_use_a_key_of_the_folder() -> None:
    lookup = variables({"EI_OPENAI_BASE_URL": "https://team.example/v1"}, {"EI_OPENAI_API_KEY": "team"})
    assert revealed(connect(OPENAI, lookup)) == "team"


def test_settings_give_address_key_reference_and_headers() -> None:
    settings = {"base_url": "https://proxy.example/v1", "key": "env:TEAM", "headers": {"X-Team": "writers"}}
    connection = connect(OPENAI, variables({"TEAM": "k"}), settings)
    assert connection.base_url == "https://proxy.example/v1"
    assert (revealed(connection), connection.key_source) == ("k", "TEAM")
    assert connection.headers == {"X-Team": "writers"}


def test_a_variable_wins_over_settings() -> None:
    lookup = variables({"EI_OPENAI_BASE_URL": "https://b.example/v1", "OPENAI_API_KEY": "env", "T": "set"})
    connection = connect(OPENAI, lookup, {"base_url": "https://a.example", "key": "env:T"})
    assert (connection.base_url, revealed(connection)) == ("https://b.example/v1", "env")


def test_a_literal_key_in_settings_is_refused_and_not_repeated() -> None:
    connection = connect(OPENAI, variables({}), {"key": "sk-live-123"})
    assert connection.key is None
    example = "a reference such as env:EI_OPENAI_API_KEY, never the key itself."
    assert connection.key_problem == f"providers.openai.key in settings.jsonc must be {example}"


def test_a_reference_to_an_unset_variable_says_so() -> None:
    problem = connect(OPENAI, variables({}), {"key": "env:TEAM"}).key_problem
    assert problem == "providers.openai.key in settings.jsonc names TEAM, which is not set."


def test_a_header_that_names_an_unset_variable_stops_the_provider() -> None:
    connection = connect(LOCAL, variables({}), {"headers": {"X-Team": "env:TEAM"}})
    expected = "providers.local.headers in settings.jsonc: 'X-Team' names TEAM, which is not set."
    assert (connection.problem, connection.ready) == (expected, False)


def test_a_header_with_a_line_break_is_refused() -> None:
    connection = connect(LOCAL, variables({}), {"headers": {"X-Team": "a\r\nX-Evil: b"}})
    assert connection.problem.endswith("has characters that no header may have.")


def test_a_provider_that_is_switched_off_says_so() -> None:
    connection = connect(OPENAI, variables({"OPENAI_API_KEY": "k"}), {"enabled": False})
    assert (connection.ready, connection.problem) == (False, "openai is switched off in settings.jsonc.")


def test_azure_without_an_address_says_which_one_to_set() -> None:
    connection = connect(AZURE, variables({"AZURE_OPENAI_API_KEY": "k"}))
    assert (connection.ready, connection.problem) == (False, "azure has no base URL.")
    assert connection.problem_hint == "Set EI_AZURE_BASE_URL to https://RESOURCE.openai.azure.com/openai/v1."


def test_azure_takes_the_customary_endpoint() -> None:
    lookup = variables({"AZURE_OPENAI_ENDPOINT": "https://me.openai.azure.com/"})
    assert connect(AZURE, lookup).base_url == "https://me.openai.azure.com/openai/v1"


def test_the_builtin_companion_is_always_ready() -> None:
    assert connect(BUILTIN, variables({})).ready


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.2:11500", "http://10.0.0.2:11500/v1"),
        ("10.0.0.2", "http://10.0.0.2:11434/v1"),
        (":11500", "http://127.0.0.1:11500/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0:11500", "http://127.0.0.1:11500/v1"),
        ("http://0.0.0.0:11434", "http://127.0.0.1:11434/v1"),
        ("https://ollama.example", "https://ollama.example/v1"),
        ("http://box:11434/", "http://box:11434/v1"),
        ("http://box:11434/v1", "http://box:11434/v1"),
        ("http://box/ollama/v1/", "http://box/ollama/v1"),
        ("[::1]:11434", "http://[::1]:11434/v1"),
        ("[::]", "http://127.0.0.1:11434/v1"),
        ("::1", "http://[::1]:11434/v1"),
    ],
)
def test_ollama_host_is_understood_in_every_form(text: str, expected: str) -> None:
    assert connect(OLLAMA, variables({"OLLAMA_HOST": text})).base_url == expected


def test_a_local_address_without_a_path_gets_v1() -> None:
    assert connect(LOCAL, variables({"EI_LLM_BASE_URL": "127.0.0.1:8080"})).base_url == "http://127.0.0.1:8080/v1"


def test_the_v1_that_anthropics_sdk_adds_is_not_doubled() -> None:
    lookup = variables({"EI_ANTHROPIC_BASE_URL": "http://127.0.0.1:8080/v1/"})
    assert connect(ANTHROPIC, lookup).base_url == "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ftp://a.example", "it must begin with http:// or https://"),
        ("https://", "it is not a URL"),
        ("https://a b.example", "it is not a URL"),
        ("https://a.example:port", "it is not a URL"),
        ("https://me:hush@a.example/v1", "it must not hold a user name or password; send a header instead"),
        ("https://a.example/v1?key=hush", "it must not have a query (?…) or a fragment (#…)"),
    ],
)
def test_a_bad_address_is_one_sentence_that_does_not_repeat_it(text: str, problem: str) -> None:
    connection = connect(OPENAI, variables({"EI_OPENAI_BASE_URL": text}))
    assert connection.problem == f"The base URL of openai cannot be used: {problem}."
    assert connection.problem_hint == "Check EI_OPENAI_BASE_URL."


def test_a_provider_of_ones_own_is_an_endpoint() -> None:
    settings = {"my-work": {"base_url": "https://llm.example.org/v1/", "key": "env:WORK"}, "openai": {"enabled": False}}
    assert custom_endpoints(settings) == (
        Endpoint("my-work", "my-work", "openai", "https://llm.example.org/v1", "EI_MY_WORK", needs_key=True),
    )


def test_a_provider_of_ones_own_may_speak_anthropics_format_and_need_no_key() -> None:
    (endpoint,) = custom_endpoints({"lab": {"base_url": "http://127.0.0.1:9/v1", "wire": "anthropic"}})
    assert (endpoint.wire, endpoint.base_url, endpoint.needs_key) == ("anthropic", "http://127.0.0.1:9", False)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"Work": {}}, "Work: a provider cannot have this name."),
        ({"a:b": {}}, "a:b: a provider cannot have this name."),
        ({"tier": {}}, "tier: this name already means something else."),
        ({"gemini": {}}, "gemini: this name already means google."),
        ({"lab": "http://x"}, "lab: it must be an object in braces."),
        ({"llm": {"base_url": "http://x"}}, "llm: its variables, EI_LLM_…, would be those of local."),
        (
            {"a-b": {"base_url": "http://x"}, "a_b": {"base_url": "http://y"}},
            "a_b: its variables, EI_A_B_…, would be those of a-b.",
        ),
        ({"xai": {"base_url": "http://x"}}, "xai: this name already means x."),
        ({"lab": {}}, "lab: it has no base_url."),
        ({"lab": {"base_url": "file:///etc"}}, "lab.base_url: it must begin with http:// or https://."),
        ({"lab": {"base_url": "http://x", "wire": "soap"}}, 'lab.wire: it must be "openai", "anthropic" or "ollama".'),
    ],
)
def test_a_bad_provider_of_ones_own_is_refused(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        custom_endpoints(settings)
    assert refused.value.sentence == f"settings.jsonc, providers.{sentence}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "Bearer sk-hush"),
        ("x-api-key", "hush"),
        ("api-key", "hush"),
        ("X-Goog-Api-Key", "hush"),
        ("X-Auth-Token", "hush"),
        ("Cookie", "session=hush"),
        ("X-Team", "Basic hush"),
        ("X-Team", "sk-proj-hush0123456789"),
    ],
)
def test_a_secret_that_stands_in_a_header_is_refused_and_not_repeated(name: str, value: str) -> None:
    connection = connect(LOCAL, variables({}), {"headers": {name: value}})
    assert (connection.ready, connection.headers) == (False, {})
    assert connection.problem == (
        f"providers.local.headers in settings.jsonc: {name!r} must be a reference such as env:NAME to a variable, "
        "never the secret itself."
    )


def test_a_header_by_reference_may_hold_a_secret_and_one_that_holds_none_may_stand_there() -> None:
    settings = {"headers": {"Authorization": "env:H", "X-Team": "writers", "X-Tokenizer": "basic", "X-Keyboard": "de"}}
    expected = {"Authorization": "Bearer sk-1", "X-Team": "writers", "X-Tokenizer": "basic", "X-Keyboard": "de"}
    assert connect(LOCAL, variables({"H": "Bearer sk-1"}), settings).headers == expected


def test_only_this_machine_is_loopback() -> None:
    assert [url for url in ("http://127.0.0.1:1/v1", "http://localhost/v1", "http://[::1]:2", "http://127.9.9.9")
            if not is_loopback(url)] == []  # fmt: skip
    assert [url for url in ("http://127.0.0.1.evil.example", "http://10.0.0.1", "nonsense") if is_loopback(url)] == []
