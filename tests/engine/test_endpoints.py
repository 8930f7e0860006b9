"""Providers that profiles have of their own: address, key, and whose ways of speaking hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from ei.app import build
from ei.config import ConfigFile
from ei.engine.choice import ModelChooser
from ei.engine.endpoints import foreign_key
from ei.errors import ConfigError
from ei.models.reference import ModelId
from tests.bench_session import variables
from tests.providers.helpers import revealed


def chooser(home: Path, *profiles: Mapping[str, object], folder: str | None = None, **more: str) -> ModelChooser:
    """What these profiles, of a settings file in `home`, give; folder: the text of a .env in the working directory."""
    settings = home / "config" / "settings.jsonc"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps({"llm_profiles": profiles}), "utf-8")
    (home / "work").mkdir(exist_ok=True)
    (home / "work" / ".env").write_text(folder or "", "utf-8")
    services = build(ConfigFile(variables(home, **more), home / "work"))
    services.database.close()
    return services.chooser


AZURE = {"id": "x", "model": "azure/dep", "base_url": "https://r.openai.azure.com", "api_key_ref": "WORK_KEY"}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        # (address, wire, name of the limit, like, needs a key)
        (AZURE, ("https://r.openai.azure.com/openai/v1", "openai", "max_completion_tokens", "azure", True)),
        (
            {"model": "m", "provider_type": "oai_compatible", "base_url": "https://llm.example.org/v1"},
            ("https://llm.example.org/v1", "openai", "max_tokens", "", True),
        ),
        (
            {"model": "m", "provider_type": "oai_compatible", "base_url": "https://api.openai.com/v1"},
            ("https://api.openai.com/v1", "openai", "max_completion_tokens", "openai", True),
        ),
        (
            {"model": "m", "provider_type": "oai_compatible", "base_url": "https://api.mistral.ai/v1"},
            ("https://api.mistral.ai/v1", "openai", "max_tokens", "mistral", True),
        ),
        (
            {"model": "m", "provider_type": "anthropic", "base_url": "https://proxy.example/v1"},
            ("https://proxy.example", "anthropic", "max_tokens", "", True),
        ),
        (
            {"model": "m", "provider_type": "local_openai", "base_url": "gpu.lan:8000"},
            ("http://gpu.lan:8000/v1", "openai", "max_tokens", "", False),
        ),
        (
            {"model": "m", "provider_type": "oai_compatible", "base_url": "http://127.0.0.1:5/v1"},
            ("http://127.0.0.1:5/v1", "openai", "max_tokens", "", False),
        ),
        (
            {"model": "m", "provider_type": "local_openai", "base_url": "http://0.0.0.0:5", "api_key_ref": "K"},
            ("http://127.0.0.1:5/v1", "openai", "max_tokens", "local", True),
        ),
        (
            {"model": "m", "provider_type": "gemini", "api_key_ref": "OTHER"},
            ("https://generativelanguage.googleapis.com/v1beta/openai", "openai", "max_tokens", "google", True),
        ),
    ],
)
def test_a_profiles_own_provider_speaks_as_its_type_and_its_host_do(
    tmp_path: Path, row: dict[str, object], expected: tuple[object, ...]
) -> None:
    found = chooser(tmp_path, {"id": "x", **row})
    endpoint = found.endpoints()["profile-x"]
    assert (endpoint.base_url, endpoint.wire, endpoint.max_tokens_name, endpoint.like, endpoint.needs_key) == expected
    assert found.names().canonical("PROFILE-X") == "profile-x"


def test_a_host_that_is_not_this_machine_counts_as_cloud(tmp_path: Path) -> None:
    rows = ({"id": "here", "base_url": "http://localhost:5"}, {"id": "there", "base_url": "http://192.168.0.7:5"})
    found = chooser(tmp_path, *({"model": "m", "provider_type": "local_openai", **row} for row in rows))
    assert (found.stays_here("profile-here"), found.stays_here("profile-there")) == (True, False)


def test_a_profile_sends_the_key_that_it_names_and_no_other(tmp_path: Path) -> None:
    found = chooser(tmp_path, AZURE, WORK_KEY="work", EI_AZURE_API_KEY="azure", AZURE_OPENAI_API_KEY="azure")
    connection = found.connection("profile-x")
    assert (revealed(connection), connection.key_source, connection.ready) == ("work", "WORK_KEY", True)


def test_without_its_key_a_profile_is_not_ready_and_says_which_variable(tmp_path: Path) -> None:
    keyless = {"id": "y", "model": "m", "base_url": "https://llm.example.org", "provider_type": "oai_compatible"}
    found = chooser(tmp_path, AZURE, keyless, EI_OPENAI_API_KEY="sk-openai")
    assert found.connection("profile-x").key_problem == (
        "llm_profiles.x.api_key_ref in settings.jsonc names WORK_KEY, which is not set."
    )
    assert (revealed(found.connection("profile-y")), found.connection("profile-y").ready) == (None, False)


def test_a_key_of_ones_own_goes_to_the_providers_address_as_it_is_configured(tmp_path: Path) -> None:
    row = {"id": "x", "model": "openai:gpt-x", "api_key_ref": "MINE"}
    found = chooser(tmp_path, row, MINE="mine", EI_OPENAI_API_KEY="usual", EI_OPENAI_BASE_URL="http://127.0.0.1:5/v1")
    connection = found.connection("profile-x")
    assert (connection.base_url, revealed(connection)) == ("http://127.0.0.1:5/v1", "mine")
    assert found.like(ModelId("profile-x", "gpt-x")) == ModelId("openai", "gpt-x")
    assert found.like(ModelId("openai", "gpt-x")) == ModelId("openai", "gpt-x")


def test_a_profile_that_names_the_key_in_use_anyway_has_no_provider_of_its_own(tmp_path: Path) -> None:
    row = {"id": "x", "model": "openai:gpt-x", "api_key_ref": "OPENAI_API_KEY"}
    assert "profile-x" not in chooser(tmp_path, row, OPENAI_API_KEY="k").endpoints()
    assert "profile-x" not in chooser(tmp_path, row).endpoints()
    both = chooser(tmp_path, row, OPENAI_API_KEY="k", EI_OPENAI_API_KEY="other")
    assert revealed(both.connection("profile-x")) == "k"


@pytest.mark.parametrize("variable", ["EI_PROFILE_X_BASE_URL", "EI_OPENAI_BASE_URL"])
def test_an_address_of_the_working_directory_gets_no_key_from_elsewhere(tmp_path: Path, variable: str) -> None:
    row = {"id": "x", "model": "openai:gpt-x", "api_key_ref": "MINE"}
    found = chooser(tmp_path, row, folder=f"{variable}=https://evil.example/v1", MINE="mine").connection("profile-x")
    assert (found.base_url, revealed(found), found.ready) == ("https://evil.example/v1", None, False)
    own = chooser(tmp_path, row, folder=f"{variable}=https://a.example/v1\nMINE=theirs", MINE="mine")
    assert revealed(own.connection("profile-x")) == "theirs"


def test_a_bad_address_is_an_error_that_names_its_place(tmp_path: Path) -> None:
    found = chooser(tmp_path, {"id": "x", "model": "m", "base_url": "https://u:p@h"})
    with pytest.raises(ConfigError, match=r"settings.jsonc: llm_profiles.x.base_url: it must not hold a user name"):
        found.endpoints()


def test_no_provider_of_settings_may_look_like_a_profiles(tmp_path: Path) -> None:
    found = chooser(tmp_path)
    with pytest.raises(ConfigError, match="providers.profile-x: this name already means something else"):
        found.provided_by({"providers": {"profile-x": {"base_url": "http://h"}}})


def test_what_is_read_is_kept_until_settings_change(tmp_path: Path) -> None:
    found = chooser(tmp_path, AZURE)
    assert found.profiles() is found.profiles()
    settings = tmp_path / "config" / "settings.jsonc"
    settings.write_text('{"llm_profiles": {"yy": {"model": "openai:m"}}}', "utf-8")
    assert list(found.profiles()) == ["yy"]


@pytest.mark.parametrize(
    ("row", "foreign"),
    [
        ({"model": "m", "base_url": "https://evil.example/v1", "api_key_ref": "OPENAI_API_KEY"}, True),
        ({"model": "m", "base_url": "https://r.openai.azure.com", "api_key_ref": "AZURE_OPENAI_API_KEY"}, True),
        ({"model": "m", "base_url": "https://api.groq.com/openai/v1", "api_key_ref": "OPENAI_API_KEY"}, True),
        ({"model": "m", "base_url": "https://api.groq.com/openai/v1", "api_key_ref": "GROQ_API_KEY"}, False),
        ({"model": "m", "base_url": "https://api.openai.com/v1", "api_key_ref": "MY_KEY"}, False),
        ({"model": "m", "base_url": "http://127.0.0.1:5/v1", "api_key_ref": "MY_KEY"}, False),
        ({"model": "m", "base_url": "https://evil.example/v1"}, False),
        ({"model": "openai:m", "api_key_ref": "MY_KEY"}, False),
    ],
)
def test_a_key_beside_an_address_that_is_not_its_providers_own_is_foreign(
    tmp_path: Path, row: dict[str, object], foreign: bool
) -> None:
    found = chooser(tmp_path, {"id": "x", "provider_type": "oai_compatible", **row})
    assert bool(foreign_key(found.profiles()["x"], found.endpoints())) is foreign
