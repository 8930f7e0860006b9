"""Profiles out of a YAML file: read within limits, compared, written beside comments."""

from __future__ import annotations

import pytest

from ei import jsonc
from ei.errors import ConfigError
from ei.models.profile_import import Field, Imported, plan_import, read_yaml, write_import

FILE = b"""
defaults: &usual {temperature: 0.2, provider_type: oai_compatible}
llm_profiles:
  - <<: *usual
    id: creative
    model: gpt-x
  - {id: precise, model: "anthropic:claude-x", cost: 3}
llm_config: {default_profile_id: creative, log: true}
characters:
  Lena: {ai_config: {profile_id: creative}}
  Mike: {ai_config: {}}
"""
HERE = """{
  // mine
  "llm_profiles": [
    {"id": "precise", "model": "anthropic:claude-old", "prompt_note": "Short."}, // kept
  ],
}
"""


def test_what_a_file_brings_is_told_field_by_field() -> None:
    settings = jsonc.loads(HERE)
    assert isinstance(settings, dict)
    plan = plan_import(read_yaml(FILE, "f.yaml"), settings, "f.yaml")
    new = (
        Field("temperature", None, 0.2),
        Field("provider_type", None, "oai_compatible"),
        Field("model", None, "gpt-x"),
    )
    assert plan.profiles == (
        Imported("creative", "new", new),
        Imported("precise", "changed", (Field("model", "anthropic:claude-old", "anthropic:claude-x"),)),
    )
    assert plan.config == (Field("default_profile_id", None, "creative"),)
    assert plan.characters == (("Lena", "creative"),)
    assert plan.left_out == ("llm_profiles.precise.cost is left out: it means nothing here.",)


def test_what_is_written_keeps_comments_and_what_the_file_does_not_say_and_twice_changes_nothing() -> None:
    found = read_yaml(FILE, "f.yaml")
    before = jsonc.loads(HERE)
    assert isinstance(before, dict)
    text = write_import(HERE, plan_import(found, before, "f.yaml"), "settings.jsonc")
    assert "// mine" in text
    assert "// kept" in text
    after = jsonc.loads(text)
    assert after == {
        "llm_profiles": [
            {"id": "precise", "model": "anthropic:claude-x", "prompt_note": "Short."},
            {"id": "creative", "temperature": 0.2, "provider_type": "oai_compatible", "model": "gpt-x"},
        ],
        "llm_config": {"default_profile_id": "creative"},
    }
    again = plan_import(found, after, "f.yaml")
    assert ([profile.kind for profile in again.profiles], again.changes) == (["same", "same"], False)


def test_profiles_are_written_where_they_stand_by_their_ids_too() -> None:
    text = '{"llm_profiles": {"a": {"model": "x:y"}}}'
    found = read_yaml(b"llm_profiles: {a: {model: 'openai:z'}, b: {model: 'openai:w'}}", "f.yaml")
    settings = jsonc.loads(text)
    assert isinstance(settings, dict)
    written = write_import(text, plan_import(found, settings, "f.yaml"), "")
    assert jsonc.loads(written) == {"llm_profiles": {"a": {"model": "openai:z"}, "b": {"model": "openai:w"}}}


def bomb(levels: int) -> bytes:
    """Aliases of aliases: few bytes, and 9 to the power of `levels` values."""
    lines = [b"a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for level in range(1, levels):
        inner = b", ".join([b"*a%d" % (level - 1)] * 9)
        lines.append(b"a%d: &a%d [%s]" % (level, level, inner))
    return b"\n".join(lines)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"x: " + b"y" * 300_000, "f.yaml is larger than 256 KB."),
        (bomb(9), "f.yaml holds more than 20,000 values"),
        (b"a: &a {k: *a}", "f.yaml is nested too deeply, or in itself."),
        (b"{a: " * 5000, "f.yaml is nested too deeply, or in itself."),
        (b"a: !!python/object/apply:os.system ['id']", "f.yaml, line 1, column 4: could not determine a constructor"),
        (b"a: [1", "f.yaml, line 1, column 6: expected ',' or ']'"),
        (b"a: 2026-99-99", "f.yaml cannot be read as YAML."),
        (b"\x00", "f.yaml cannot be read as YAML."),
        (b"\xff\xfea", "f.yaml is not UTF-8 text."),
        (b"", "f.yaml is empty."),
        (b"[a]", "f.yaml holds no settings."),
    ],
)
def test_a_file_that_cannot_be_read_within_limits_is_refused_in_one_sentence(data: bytes, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_yaml(data, "f.yaml")
    assert caught.value.sentence.startswith(problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("llm_profiles: [{id: a, model: m, api_key_ref: 'cmd:cat /etc/passwd'}]", "api_key_ref is a cmd: reference"),
        ("llm_profiles: [{id: a, model: m, api_key_ref: 'file:/etc/passwd'}]", "api_key_ref is a file: reference"),
        ("llm_profiles: [{id: a, model: m, api_key_ref: sk-proj-0123456789}]", "never the key itself"),
        ("llm_profiles: [{id: a, model: m, temperature: hot}]", "llm_profiles.a.temperature must be a number"),
        ("llm_profiles: [{id: a, model: m, extra_params: {day: 2026-01-01}}]", "a profile holds a date"),
        ("llm_profiles: [{id: a, model: m, max_tokens: 99999999999999999999}]", "a profile holds a date"),
        ("llm_profiles: [{id: 4, model: m}, x]", "llm_profiles holds something that is no profile"),
        ("llm_profiles: [{id: a/b, model: m}]", "its id must be letters"),
        ("llm_profiles: {a: {model: m}, b: 5}", "llm_profiles holds something that is no profile"),
        ("llm_profiles: text", "llm_profiles must be a list of profiles"),
        ("other: 1", "f.yaml has no llm_profiles and no llm_config"),
    ],
)
def test_a_value_that_fits_nothing_and_a_reference_that_would_run_or_read_something_are_refused(
    text: str, problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_import(read_yaml(text.encode(), "f.yaml"), {}, "f.yaml")
    assert problem in caught.value.sentence
    assert caught.value.sentence.startswith("f.yaml")
    assert "sk-proj" not in str(caught.value)
