"""Where each configured value comes from."""

from __future__ import annotations

import json
from pathlib import Path

import json5
import pytest

from ei.config import ConfigFile, Variable, find_paths, read_env
from ei.errors import ConfigError, FileSyntaxError
from ei.settings import SETTINGS, settings_schema, settings_text


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "config").mkdir()
    return {"EI_DATA_PATH": str(tmp_path / "data"), "EI_CONFIG": str(tmp_path / "config")}


def settings(home: dict[str, str], text: str) -> Path:
    path = Path(home["EI_CONFIG"]) / "settings.jsonc"
    path.write_text(text, "utf-8")
    return path


def test_the_environment_wins_over_both_env_files_and_each_value_knows_its_source(
    home: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / ".env").write_text("A=folder\nB=folder\nD=\n", "utf-8")
    (Path(home["EI_CONFIG"]) / ".env").write_text("A=config\nB=config\nC=config\nD=config\n", "utf-8")
    config = ConfigFile({**home, "A": "environment"}, folder).current()
    assert [config.variable(name) for name in "ABCDE"] == [
        Variable("A", "environment", "environment"),
        Variable("B", "folder", ".env in this folder", folder=True),
        Variable("C", "config", ".env in the config folder"),
        Variable("D", "config", ".env in the config folder"),
        None,
    ]


def test_a_folders_env_file_cannot_move_the_data(home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("EI_DATA_PATH=/elsewhere\nEI_CONFIG=/elsewhere\n", "utf-8")
    assert ConfigFile(home, tmp_path).paths.data == tmp_path / "data"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("A=plain", "plain"),
        ("export A = spaced ", "spaced"),
        ('A="with # and \\"quotes\\" and \\n"', 'with # and "quotes" and \n'),
        ("A='single # $x'", "single # $x"),
        ("A=value # a comment", "value"),
        ("A=a#b", "a#b"),
        ("A=", ""),
        ("A=# only a comment", ""),
        ("\ufeffA=bom", "bom"),
        ("A=last\r", "last"),
    ],
)
def test_env_files_are_read_as_people_write_them(tmp_path: Path, line: str, expected: str) -> None:
    path = tmp_path / ".env"
    path.write_bytes(f"{line}\n# comment\nnot a line\n".encode())
    assert read_env(path)["A"] == expected


def test_a_setting_comes_from_its_variable_then_the_file_then_the_default(home: dict[str, str]) -> None:
    settings(home, '{"display": {"keys": "vi", /* kept */ "theme": "light"}}')
    config = ConfigFile({**home, "EI_KEYS": "emacs"}, None).current()
    assert [(config.value(key).value, config.value(key).source) for key in ("display.keys", "display.theme")] == [
        ("emacs", "EI_KEYS (environment)"),
        ("light", "settings.jsonc"),
    ]
    assert (config.value("retry.attempts").value, config.value("retry.attempts").source) == (4, "default")


def test_an_edit_by_hand_is_noticed_at_the_next_look(home: dict[str, str]) -> None:
    path = settings(home, '{"display": {"keys": "vi"}}')
    file = ConfigFile(home, None)
    assert file.current().get("display.keys") == "vi"
    path.write_text('{"display": {"keys": "emacs"} }', "utf-8")
    assert file.current().get("display.keys") == "emacs"
    path.unlink()
    assert file.current().get("display.keys") == "emacs"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"display": {"keys": "wordstar"}}', "display.keys must be one of: emacs, vi"),
        ('{"retry": {"attempts": 0}}', "retry.attempts must be from 1 to 20"),
        ('{"retry": {"attempts": true}}', "retry.attempts must be a whole number"),
        ('{"display": 3}', "display must be an object in braces"),
        ('{"default_model": 3}', "default_model must be a model reference"),
        ('{"providers": {"lab": "http://x"}}', "providers.lab must be an object in braces"),
        ('{"providers": {"lab": {"base_url": 5}}}', "providers.lab.base_url must be a text"),
        ('{"providers": {"lab": {"wire": "soap"}}}', "providers.lab.wire must be one of: openai, anthropic"),
        ('{"providers": {"lab": {"enabled": "no"}}}', "providers.lab.enabled must be true or false"),
        ('{"providers": {"lab": {"headers": {"X-A": 5}}}}', "must be an object in braces whose values are texts"),
        ("[]", "settings must be one object"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_key(home: dict[str, str], text: str, sentence: str) -> None:
    settings(home, text)
    with pytest.raises(ConfigError, match=sentence):
        ConfigFile(home, None).current()


def test_a_broken_file_is_named_with_line_and_column_and_the_last_good_one_stays(home: dict[str, str]) -> None:
    path = settings(home, '{"display": {"keys": "vi"}}')
    file = ConfigFile(home, None)
    file.current()
    path.write_text('{\n  "display": oops\n}', "utf-8")
    with pytest.raises(FileSyntaxError) as caught:
        file.current()
    assert (caught.value.line, caught.value.column) == (2, 14)
    assert file.last_good().get("display.keys") == "vi"


def test_an_unknown_key_is_a_warning_with_the_nearest_one(home: dict[str, str]) -> None:
    settings(home, '{"display": {"kyes": "vi"}}')
    warnings = ConfigFile(home, None).current().warnings
    assert warnings == ("settings.jsonc: display.kyes is not a setting; did you mean display.keys?",)


def test_an_unknown_key_of_a_provider_is_a_warning_with_the_nearest_one(home: dict[str, str]) -> None:
    settings(home, '{"providers": {"openai": {"baseurl": "x", "keys": "sk-1", "timeout": 5, "label": "Ours"}}}')
    assert ConfigFile(home, None).current().warnings == (
        "settings.jsonc: providers.openai.baseurl is not a setting; did you mean providers.openai.base_url?",
        "settings.jsonc: providers.openai.keys is not a setting; did you mean providers.openai.key?",
        "settings.jsonc: providers.openai.timeout is not a setting.",
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '{"llm_profiles": "x"}',
            "llm_profiles must be a list of objects in braces, or an object of them by their ids",
        ),
        ('{"llm_profiles": [{"id": "a", "temperature": 3}]}', "llm_profiles.a.temperature must be from 0 to 2"),
        ('{"llm_profiles": [{"id": "a", "temperature": NaN}]}', "llm_profiles.a.temperature must be a number"),
        (
            '{"llm_profiles": {"a": {"extra_params": {"x": [1e400]}}}}',
            "llm_profiles.a.extra_params must not hold NaN or Infinity",
        ),
        (
            '{"llm_profiles": {"a": {"provider_type": "x"}}}',
            "llm_profiles.a.provider_type must be one of: oai_compatible",
        ),
        ('{"llm_profiles": [{"max_tokens": 0}]}', "llm_profiles[0].max_tokens must be from 1 to"),
        ('{"llm_profiles": {"a": {"fallback": "b"}}}', "llm_profiles.a.fallback must be a list of model references"),
        ('{"llm_profiles": {"a": {"api_key_ref": "cmd:"}}}', "llm_profiles.a.api_key_ref must be a command in one"),
        ('{"llm_profiles": {"a": {"api_key_ref": "file:a b"}}}', "llm_profiles.a.api_key_ref must have a name of"),
        ('{"llm_config": {"temperature": "hot"}}', "llm_config.temperature must be a number"),
        (
            '{"interactions": {"planning": {"tiers": {"slow": "x"}}}}',
            "interactions.planning.tiers must have no keys but",
        ),
    ],
)
def test_what_fits_no_profile_is_an_error_that_names_its_key(home: dict[str, str], text: str, problem: str) -> None:
    settings(home, text)
    with pytest.raises(ConfigError) as caught:
        ConfigFile(home, None).current()
    assert caught.value.sentence.startswith(f"{find_paths(home).settings}: {problem}")


@pytest.mark.parametrize(
    "key",
    ["sk-proj-0123456789", "AIzaSyA1234567890abcdefgh", "gsk_abcdefgh", "3f9a0b1c2d4e5f60718293a4b5c6d7e8", "a b"],
)
def test_a_key_in_place_of_a_reference_is_refused_and_not_repeated(home: dict[str, str], key: str) -> None:
    settings(home, json.dumps({"llm_profiles": [{"id": "a", "model": "openai:x", "api_key_ref": key}]}))
    with pytest.raises(ConfigError, match="never the key itself") as caught:
        ConfigFile(home, None).current()
    assert key not in str(caught.value)


def test_an_unknown_key_of_a_profile_is_a_warning_with_the_nearest_one(home: dict[str, str]) -> None:
    settings(home, '{"llm_profiles": [{"id": "a", "model": "openai:x", "temprature": 1}]}')
    assert ConfigFile(home, None).current().warnings == (
        "settings.jsonc: llm_profiles.a.temprature is not a setting; did you mean llm_profiles.a.temperature?",
    )


def test_the_written_out_settings_file_has_every_key_and_changes_nothing() -> None:
    text = settings_text()
    shown = [key for key in SETTINGS if f'"{key.split(".")[-1]}"' in text]
    assert shown == list(SETTINGS)
    assert json5.loads(text) == {
        "interactions": {"reasoning": {}, "subagents": {}, "planning": {}},
        "llm_config": {},
        "display": {},
        "models": {},
        "costs": {},
        "retry": {},
    }


def test_taking_the_slashes_away_makes_a_settings_file_that_is_accepted(home: dict[str, str]) -> None:
    lines = []
    for line in settings_text().splitlines():
        bare = line.lstrip().removeprefix("// ")
        code = bare.startswith(('"', "  ", "}", "{", "]")) and line.lstrip().startswith("//")
        lines.append(bare if code else line)
    settings(home, "\n".join(lines))
    assert ConfigFile(home, None).current().get("default_model") == "local:google/gemma-3-12b"


def test_the_schema_that_ships_is_the_one_that_the_settings_give() -> None:
    shipped = Path(__file__).parent.parent / "ei" / "settings.schema.json"
    assert json.loads(shipped.read_text("utf-8")) == settings_schema()


def test_paths_come_from_the_environment_or_the_platform(tmp_path: Path) -> None:
    assert find_paths({"EI_CONFIG": str(tmp_path / "my.jsonc")}).settings == tmp_path / "my.jsonc"
    assert find_paths({"EI_CONFIG": str(tmp_path)}).settings == tmp_path / "settings.jsonc"
    assert find_paths({}).data.name == "ei"


def test_a_variable_that_does_not_fit_is_an_error_that_names_it(home: dict[str, str]) -> None:
    config = ConfigFile({**home, "EI_KEYS": "wordstar"}, None).current()
    with pytest.raises(ConfigError, match="EI_KEYS='wordstar': must be one of: emacs, vi"):
        config.get("display.keys")
