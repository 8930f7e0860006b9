"""JSONC: what is read, what one change leaves alone, and what happens to files."""

from __future__ import annotations

import copy
import errno
import json
import math
import os
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import count, cycle
from pathlib import Path
from typing import Any

import json5
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ei import jsonc
from ei.errors import ConfigError, DiskFullError, FileChangedError, FileSyntaxError

PERSONA = """\
// The one who listens.
{
  // who it is
  "entity": "system", // kind
  "aliases": ["a", "b"],
  "models": {},
  "concepts": [
    // first
    {
      "id": "1", // stable
      "level_ideal": 0.5 // wish
    },
    { "id": "2", "level_ideal": 0.1 }
  ],
  "last_updated": "now" // trailing
  // "model": "google:gemini-2.5-pro"
}
"""


# Reading


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ('\ufeff{"a": 1,}', {"a": 1}),
        ('// one\r\n{"a": /* two */ [1, 2, /* three */ ], // four\r\n}', {"a": [1, 2]}),
        (
            '["// not a comment", "/* nor */ this", "[1,]", "\\",]"]',
            ["// not a comment", "/* nor */ this", "[1,]", '",]'],
        ),
        ("{a: 'it\\'s', $b_1: +.5, 'c': 0xFF, d: [1.,],}", {"a": "it's", "$b_1": 0.5, "c": 255, "d": [1.0]}),
        ('"tab\there"', "tab\there"),
        ('"line \\\nends"', "line ends"),
        ('{"a": 1, "b": 2, "a": 3}', {"a": 3, "b": 2}),
        ('"\\ud83d\\ude00"', "😀"),
        ("'\\ud83d\\ude00'", "😀"),
        ('["\\ud83d", {"\\ude00": 1}]', ["\ufffd", {"\ufffd": 1}]),
        ("[Infinity, -Infinity]", [math.inf, -math.inf]),
        ("\u00a0{\u2028a\u3000: 1}", {"a": 1}),
    ],
)
def test_loads_reads_jsonc_and_json5(text: str, value: object) -> None:
    assert jsonc.loads(text) == value


@pytest.mark.parametrize(
    ("text", "line", "column", "problem"),
    [
        ("", 1, 1, "the file is empty."),
        ("// only this\n", 2, 1, "nothing but comments is in here."),
        ("[,]", 1, 2, "a value is missing before this comma."),
        ("{,}", 1, 2, "a key is missing before this comma."),
        ("[1, /* x */ ,]", 1, 13, "a value is missing before this comma."),
        ('{"a": 1,,}', 1, 9, "a key is missing before this comma."),
        ('{"a": }', 1, 7, "a value is missing before }."),
        ('{\r\n  "a": 1 // one\r\n  "b": 2\r\n}', 3, 3, "a comma is missing before this."),
        ('\ufeff{"a" 1}', 1, 6, "a colon is missing after the key."),
        ('{\n  "a": [1, 2\n}', 3, 1, "} does not close the [ of line 2."),
        ('{\n  "a": 1\n', 3, 1, "the { of line 1 is never closed."),
        ('{"a": "x\n"}', 1, 7, "this text has no closing quote on its line."),
        ('"a /*\n*/ b"', 1, 1, "this text has no closing quote on its line."),
        ("{} /* to the end", 1, 4, "this comment is never closed."),
        ("{} {}", 1, 4, "there is more after the end of the value."),
        ('{"model": gemini}', 1, 11, "gemini is not a value; text needs quotes."),
        ('{"a": True}', 1, 7, "True is not a value; text needs quotes."),
        ("{1a: 1}", 1, 2, "1a is not a key; it needs quotes."),
        ("]", 1, 1, "unexpected ]"),
        ("\x00", 1, 1, "unexpected character '\\x00'."),
        ('{"a": "\\x4"}', 1, 11, 'Unexpected """.'),
    ],
)
def test_what_does_not_parse_is_named_with_line_and_column(text: str, line: int, column: int, problem: str) -> None:
    with pytest.raises(FileSyntaxError) as caught:
        jsonc.loads(text, "system.jsonc")
    assert (caught.value.line, caught.value.column, caught.value.problem) == (line, column, problem)
    assert str(caught.value).startswith(f"system.jsonc, line {line}, column {column}: ")


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ("{a:", "}")])
def test_deep_nesting_is_a_plain_error(opening: str, closing: str) -> None:
    with pytest.raises(FileSyntaxError, match="nested 50000 levels deep"):
        jsonc.loads(opening * 50_000 + "1" + closing * 50_000)


def test_a_number_that_is_too_long_is_a_plain_error() -> None:
    with pytest.raises(FileSyntaxError, match="too long to read"):
        jsonc.loads("9" * 5000)


# Changing


def test_a_changed_scalar_is_all_that_changes() -> None:
    actual = jsonc.set_value(PERSONA, ("concepts", 0, "level_ideal"), 0.75)
    assert actual == PERSONA.replace("0.5 // wish", "0.75 // wish")


def test_a_new_key_comes_after_the_last_member_and_its_comment() -> None:
    actual = jsonc.set_value(PERSONA, ("model",), "local:x")
    assert actual == PERSONA.replace('"now" // trailing\n', '"now", // trailing\n  "model": "local:x"\n')


def test_removing_what_was_added_gives_the_file_back() -> None:
    added = jsonc.set_value(PERSONA, ("model",), {"tier": "fast"})
    assert jsonc.remove_value(added, ("model",)) == PERSONA


def test_missing_parents_are_made() -> None:
    actual = jsonc.set_value(PERSONA, ("parameters", "temperature"), 0.5)
    new = '"now", // trailing\n  "parameters": {\n    "temperature": 0.5\n  }\n'
    assert actual == PERSONA.replace('"now" // trailing\n', new)


def test_an_empty_object_opens_with_the_files_indentation() -> None:
    actual = jsonc.set_value(PERSONA.replace("  ", "\t"), ("models", "reasoning"), "local:x")
    assert actual == PERSONA.replace("  ", "\t").replace("{},", '{\n\t\t"reasoning": "local:x"\n\t},')


def test_an_element_is_appended_to_a_list() -> None:
    actual = jsonc.set_value(PERSONA, ("concepts", 2), {"id": "3"})
    assert actual == PERSONA.replace("0.1 }\n", '0.1 },\n    {"id": "3"}\n')


def test_a_key_goes_with_its_line_and_its_comment_stays() -> None:
    actual = jsonc.remove_value(PERSONA, ("entity",))
    assert actual == PERSONA.replace('"entity": "system", // kind', "// kind")


def test_a_removed_object_leaves_its_comments() -> None:
    actual = jsonc.remove_value(PERSONA, ("concepts", 0))
    assert actual == re.sub(r"    \{\n.*?\n    \},", "    // stable\n    // wish", PERSONA, flags=re.DOTALL)


def test_a_value_that_is_the_same_changes_nothing() -> None:
    value: Any = jsonc.loads(PERSONA)
    assert jsonc.set_value(PERSONA, (), value) == PERSONA


def test_a_list_with_comments_is_changed_element_by_element() -> None:
    text = '{"aliases": [\n  "a", // first\n  "b", // second\n  "c" // third\n]}'
    assert jsonc.set_value(text, ("aliases",), ["a", "c"]) == text.replace('"b", // second', "// second")
    assert jsonc.set_value(text, ("aliases",), ["a", "B", "c"]) == text.replace('"b"', '"B"')


@pytest.mark.parametrize(
    ("text", "path", "value", "expected"),
    [
        ("", ("a",), 1, '{\n  "a": 1\n}\n'),
        (" \r\n", ("a", "b"), [], ' \r\n{\r\n  "a": {\r\n    "b": []\r\n  }\r\n}\r\n'),
        ("\ufeff// nothing yet", ("a",), 1, '\ufeff// nothing yet\n{\n  "a": 1\n}\n'),
        ("{}", ("a",), 1, '{"a": 1}'),
        ("{\n}\n", ("a",), 1, '{\n  "a": 1\n}\n'),
        ("{\n\t// here\n}\n", ("a",), 1, '{\n\t// here\n  "a": 1\n}\n'),
        ('{"a":1,"b":2}', ("c",), [3], '{"a":1,"b":2,"c":[3]}'),
        ('{ "a": 1 }', ("b",), 2, '{ "a": 1, "b": 2 }'),
        ('{ "a": 1, }', ("b",), 2, '{ "a": 1, "b": 2, }'),
        ('{"a": 1 // one\n}', ("b",), 2, '{"a": 1, // one\n"b": 2\n}'),
        ('{\r\n  "a": 1,\r\n}\r\n', ("b",), {"c": [{}]}, None),
        ("{a: 'x', // one\n b: 2}", ("a",), "y", '{a: "y", // one\n b: 2}'),
        ("{'a': 1}", ("a",), None, "{'a': null}"),
        ('{"\\u0061": 1}', ("a",), 2, '{"\\u0061": 2}'),
        ("{\\u0061: 1}", ("a",), 2, "{\\u0061: 2}"),
        ('{"a": 1, "a": 2}', ("a",), 3, '{"a": 1, "a": 3}'),
        ('{"a": null}', ("a", "b"), 1, '{"a": {"b": 1}}'),
        ('{"a": [/* in */ 1]}', ("a",), 2, '{"a": /* in */ 2}'),
        ('{"a": ["x"]}', ("a",), "é😀\u2028", '{"a": "é😀\u2028"}'),
        ('{"a": 1}', ("a",), "\ud83d\ude00", '{"a": "😀"}'),
        ("1", (), {"a": 1}, '{"a": 1}'),
    ],
)
def test_set_value_writes(text: str, path: jsonc.KeyPath, value: object, expected: str | None) -> None:
    expected = expected or '{\r\n  "a": 1,\r\n  "b": {\r\n    "c": [\r\n      {}\r\n    ]\r\n  },\r\n}\r\n'
    assert jsonc.set_value(text, path, value) == expected


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ('{ "a": 1, "b": 2 }', ("a",), '{ "b": 2 }'),
        ('{ "a": 1, "b": 2 }', ("b",), '{ "a": 1 }'),
        ('{"a": 1}', ("a",), "{}"),
        ("[1, 2, 3]", (1,), "[1, 3]"),
        ("{\n  /* why */ 'a': 1,\n  b: 2,\n}", ("a",), "{\n  /* why */\n  b: 2,\n}"),
        ('{"a": /* 1 */ 1 /* 2 */, "b": 2}', ("a",), '{/* 1 */ /* 2 */ "b": 2}'),
        ('{"b": 2, "a": [ // in\n 1]}', ("a",), '{"b": 2 // in\n}'),
        ('{"a": 1, "b": 2, "a": 3}', ("a",), '{"b": 2}'),
        ('{"a": 1}', ("b",), '{"a": 1}'),
        ('{"a": 1}', ("a", "b"), '{"a": 1}'),
        ("[1]", (1,), "[1]"),
        ("// nothing", ("a",), "// nothing"),
    ],
)
def test_remove_value_leaves(text: str, path: jsonc.KeyPath, expected: str) -> None:
    assert jsonc.remove_value(text, path) == expected


@pytest.mark.parametrize(
    ("text", "path", "sentence"),
    [
        ('{"a": 1}', ("a", "b"), "f: a is not an object."),
        ('{"a": {"b": {}}}', ("a", "b", 0), "f: a.b is not a list."),
        ('{"a": [1]}', ("a", 3), "f: a[3] does not exist."),
        ('{"a": [1]}', ("a", -1), "f: a[-1] does not exist."),
        ("[1]", ("a",), "f: the whole is not an object."),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(text: str, path: jsonc.KeyPath, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        jsonc.set_value(text, path, 1, "f")
    assert caught.value.sentence == sentence


@pytest.mark.parametrize("value", [math.nan, [math.inf]])
def test_a_number_that_is_not_finite_is_not_written(value: object) -> None:
    with pytest.raises(ConfigError, match="not finite"):
        jsonc.set_value("{}", ("a",), value)


def test_text_that_does_not_parse_is_not_changed() -> None:
    with pytest.raises(FileSyntaxError):
        jsonc.set_value('{"a": 1 "b": 2}', ("a",), 2)
    with pytest.raises(FileSyntaxError):
        jsonc.remove_value('{"a": 1', ("a",))


# Any text, any change

KEYS = st.sampled_from(["a", "b", "_c", "é", "two words", "//", '"'])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.text(max_size=6)
    | st.sampled_from(["// no", "/* no */", "[1,]", "😀", "'\""])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=10
)
GAPS = st.lists(
    st.sampled_from(
        ["", "", " ", "\t", "\n", "\r\n", "\n    ", "/*%d*/", " /* %d \n } */ ", "// %d , ]\n", " // %d \" '\r\n  "]
    ),
    min_size=1,
    max_size=9,
)
QUOTES = st.lists(st.sampled_from(["json", "json", "ascii", "single", "bare"]), min_size=1, max_size=5)
TRAILING = st.lists(st.booleans(), min_size=1, max_size=3)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, object]:
    """A text with comments between all tokens, and its value."""
    value = draw(VALUES)
    gaps, quotes = cycle(draw(GAPS)), cycle(draw(QUOTES))
    trailing = cycle(draw(TRAILING))
    numbers = count()

    def gap() -> str:
        shape = next(gaps)
        return shape % next(numbers) if "%" in shape else shape

    def key(name: str) -> str:
        quote = next(quotes)
        if quote == "bare" and name.isidentifier():
            return name
        return (
            "'" + name.replace("'", "\\'") + "'"
            if quote == "single"
            else json.dumps(name, ensure_ascii=quote == "ascii")
        )

    def shown(item: object) -> str:
        match item:
            case dict():
                parts = [f"{gap()}{key(name)}{gap()}:{gap()}{shown(inner)}{gap()}" for name, inner in item.items()]
                brackets = "{}"
            case list():
                parts = [f"{gap()}{shown(inner)}{gap()}" for inner in item]
                brackets = "[]"
            case _:
                return json.dumps(item, ensure_ascii=next(quotes) == "ascii")
        end = f",{gap()}" if bool(parts) and next(trailing) else ""
        return brackets[0] + (",".join(parts) or gap()) + end + brackets[1]

    return ("\ufeff" if next(trailing) else "") + gap() + shown(value) + gap(), value


def places(value: object, path: jsonc.KeyPath = ()) -> Iterator[tuple[jsonc.KeyPath, object]]:
    yield path, value
    for step, inner in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from places(inner, (*path, step))


def comments(text: str) -> list[str]:
    """The comments of a text, in order."""
    token = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(//[^\n\r]*|/\*.*?\*/)""", re.DOTALL)
    return [match[1].rstrip() for match in token.finditer(text) if match[1]]


def oracle(text: str) -> object:
    """What json5 reads, with surrogate pairs joined."""
    return json.loads(json.dumps(json5.loads(text.removeprefix("\ufeff"))))


def same(one: object, other: object) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def with_value(value: object, path: jsonc.KeyPath, new: object) -> object:
    if not path:
        return new
    value = ([] if isinstance(path[0], int) else {}) if value is None else copy.copy(value)
    if isinstance(value, dict):
        value[path[0]] = with_value(value.get(path[0]), path[1:], new)
    elif isinstance(value, list) and isinstance(path[0], int):
        value[path[0] : path[0] + 1] = [with_value(value[path[0]] if path[0] < len(value) else None, path[1:], new)]
    return value


def without(value: Any, path: jsonc.KeyPath) -> object:
    value = copy.deepcopy(value)
    inner = value
    for step in path[:-1]:
        inner = inner[step]
    del inner[path[-1]]
    return value


@settings(max_examples=150, deadline=None)
@given(documents())
def test_any_document_reads_as_json5_reads_it(document: tuple[str, object]) -> None:
    text, value = document
    assert same(jsonc.loads(text), value)
    assert same(oracle(text), value)


@settings(max_examples=200, deadline=None)
@given(documents(), VALUES, st.data())
def test_any_value_set_keeps_every_comment(document: tuple[str, object], new: object, data: st.DataObject) -> None:
    text, value = document
    path, old = data.draw(st.sampled_from(list(places(value))))
    if isinstance(old, list) and data.draw(st.booleans()):
        path = (*path, len(old))
    elif old is None or (isinstance(old, dict) and data.draw(st.booleans())):
        path = (*path, *data.draw(st.sampled_from([("new",), ("new", "deep"), ("new", 0)])))
    changed = jsonc.set_value(text, path, new)
    assert same(oracle(changed), with_value(value, path, new))
    assert same(jsonc.loads(changed), with_value(value, path, new))
    assert comments(changed) == comments(text)


@settings(max_examples=200, deadline=None)
@given(documents(), st.data())
def test_any_value_removed_keeps_every_comment(document: tuple[str, object], data: st.DataObject) -> None:
    text, value = document
    paths = [path for path, _ in places(value) if path]
    if not paths:
        return
    path = data.draw(st.sampled_from(paths))
    changed = jsonc.remove_value(text, path)
    assert same(oracle(changed), without(value, path))
    assert same(jsonc.loads(changed), without(value, path))
    assert comments(changed) == comments(text)


@settings(max_examples=150, deadline=None)
@given(documents(), SCALARS, st.data())
def test_a_scalar_replaced_leaves_every_other_character(
    document: tuple[str, object], new: object, data: st.DataObject
) -> None:
    text, value = document
    scalars = [(path, old) for path, old in places(value) if not isinstance(old, dict | list)]
    if not scalars:
        return
    path, old = data.draw(st.sampled_from(scalars))
    changed = jsonc.set_value(text, path, new)
    before, after = shared(text, changed), shared(text[::-1], changed[::-1])
    assert before + after >= len(text) - max(len(json.dumps(old)), len(json.dumps(old, ensure_ascii=False)))


def shared(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


# Files


def test_read_gives_text_value_and_stamp(tmp_path: Path) -> None:
    path = tmp_path / "system.jsonc"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1, // one\r\n}')
    document = jsonc.read(path)
    assert document == jsonc.Document(path, '\ufeff{"a": 1, // one\r\n}', {"a": 1}, jsonc.stamp_of(path))


def test_update_keeps_line_ends_the_mark_and_the_missing_newline(tmp_path: Path) -> None:
    path = tmp_path / "system.jsonc"
    path.write_bytes('\ufeff{\r\n  "a": 1, // é\n  "b": 2}'.encode())
    text = jsonc.update(path, lambda old: jsonc.set_value(old, ("a",), 3))
    assert path.read_bytes() == '\ufeff{\r\n  "a": 3, // é\n  "b": 2}'.encode()
    assert text == path.read_bytes().decode()
    assert [entry.name for entry in tmp_path.iterdir()] == ["system.jsonc"]


def test_update_makes_a_file_only_where_it_may(tmp_path: Path) -> None:
    path = tmp_path / "settings.jsonc"
    with pytest.raises(FileNotFoundError):
        jsonc.update(path, lambda old: jsonc.set_value(old, ("a",), 1), create=False)
    jsonc.update(path, lambda old: jsonc.set_value(old, ("a",), 1))
    assert path.read_text(encoding="utf-8") == '{\n  "a": 1\n}\n'


def test_update_writes_nothing_when_nothing_changes(tmp_path: Path) -> None:
    path = tmp_path / "system.jsonc"
    path.write_text(PERSONA, encoding="utf-8")
    before = jsonc.stamp_of(path)
    jsonc.update(path, lambda old: jsonc.set_value(old, ("entity",), "system"))
    assert jsonc.stamp_of(path) == before


@pytest.mark.parametrize("text", ['{"a": 1 "b": 2}', '{"a": '])
def test_a_file_that_does_not_parse_is_never_overwritten(tmp_path: Path, text: str) -> None:
    path = tmp_path / "system.jsonc"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FileSyntaxError) as caught:
        jsonc.update(path, lambda _: "{}")
    assert caught.value.path == str(path)
    assert path.read_text(encoding="utf-8") == text


def test_an_edit_that_does_not_parse_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "system.jsonc"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(FileSyntaxError):
        jsonc.update(path, lambda _: "{")
    assert path.read_text(encoding="utf-8") == "{}"


def test_a_value_that_the_check_refuses_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "system.jsonc"
    path.write_text("{}", encoding="utf-8")

    def check(value: object) -> None:
        raise ConfigError(f"{value} will not do.")

    with pytest.raises(ConfigError, match="will not do"):
        jsonc.update(path, lambda old: jsonc.set_value(old, ("a",), 1), check)
    assert path.read_text(encoding="utf-8") == "{}"


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "system.jsonc"
    path.write_bytes(b'{\n "a": "caf\xe9"}')
    with pytest.raises(FileSyntaxError, match=r"system.jsonc, line 2, column 11: this is not UTF-8"):
        jsonc.read(path)
    path.write_bytes('{"a": 1}'.encode("utf-16"))
    with pytest.raises(ConfigError, match=r"system.jsonc is UTF-16 text"):
        jsonc.update(path, lambda old: old)


def test_a_folder_in_place_of_a_file_is_a_plain_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        jsonc.read(tmp_path)


def test_a_change_from_elsewhere_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "system.jsonc"
    path.write_text('{\n  "a": 1\n}\n', encoding="utf-8")
    seen = []

    def edit(old: str) -> str:
        seen.append(old)
        if len(seen) == 1:
            path.write_text('{\n  "a": 1,\n  "theirs": true\n}\n', encoding="utf-8")
        return jsonc.set_value(old, ("a",), 2)

    jsonc.update(path, edit)
    assert len(seen) == 2
    assert path.read_text(encoding="utf-8") == '{\n  "a": 2,\n  "theirs": true\n}\n'


def test_a_file_that_does_not_stop_changing_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "system.jsonc"
    path.write_text("{}", encoding="utf-8")
    numbers = count()

    def edit(old: str) -> str:
        path.write_text(f'{{"theirs": {next(numbers)}}}', encoding="utf-8")
        return jsonc.set_value(old, ("a",), 2)

    with pytest.raises(FileChangedError):
        jsonc.update(path, edit)
    assert path.read_text(encoding="utf-8") == f'{{"theirs": {next(numbers) - 1}}}'


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "system.jsonc"
    path.write_text("{}", encoding="utf-8")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFullError, match="The disk is full"):
        jsonc.update(path, lambda old: jsonc.set_value(old, ("a",), 1))
    assert [entry.name for entry in tmp_path.iterdir()] == ["system.jsonc"]
    assert path.read_text(encoding="utf-8") == "{}"


def test_what_a_process_that_died_left_behind_is_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "system.jsonc"
    path.write_text("{}", encoding="utf-8")
    (tmp_path / ".system.jsonc.lock").touch()
    (tmp_path / ".system.jsonc.new").write_text('{"half": ', encoding="utf-8")
    jsonc.update(path, lambda old: jsonc.set_value(old, ("a",), 1))
    assert [entry.name for entry in tmp_path.iterdir()] == ["system.jsonc"]
    assert path.read_text(encoding="utf-8") == '{"a": 1}'


if sys.platform != "win32":

    def test_a_link_stays_a_link_and_the_mode_stays(tmp_path: Path) -> None:
        target, link = tmp_path / "elsewhere" / "ei.jsonc", tmp_path / "system.jsonc"
        target.parent.mkdir()
        target.write_text("{}", encoding="utf-8")
        target.chmod(0o640)
        link.symlink_to(target)
        jsonc.update(link, lambda old: jsonc.set_value(old, ("a",), 1))
        assert link.is_symlink()
        assert target.read_text(encoding="utf-8") == '{"a": 1}'
        assert stat.S_IMODE(target.stat().st_mode) == 0o640

    def test_a_file_larger_than_what_may_be_written_is_left_as_it_was(tmp_path: Path) -> None:
        path = tmp_path / "system.jsonc"
        path.write_text("{}", encoding="utf-8")
        program = (
            "import resource, sys; from pathlib import Path; from ei import jsonc, errors\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
            "try: jsonc.update(Path(sys.argv[1]), lambda old: jsonc.set_value(old, ('a',), 'x' * 1000))\n"
            "except errors.DiskFullError as exc: print(exc.sentence)\n"
        )
        run = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
        assert run.stdout == f"The disk is full: {path} was not written.\n"
        assert [entry.name for entry in tmp_path.iterdir()] == ["system.jsonc"]


def test_two_processes_and_a_thread_change_one_file_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "system.jsonc"
    path.write_text(PERSONA, encoding="utf-8", newline="")
    program = (
        "import sys; from pathlib import Path; from ei import jsonc\n"
        "for number in range(200):\n"
        "    where = ('by', sys.argv[2] + str(number))\n"
        "    jsonc.update(Path(sys.argv[1]), lambda old: jsonc.set_value(old, where, number))\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(path), name]) for name in ("left", "right")]

    def here() -> None:
        for number in range(20):
            jsonc.update(path, lambda old: jsonc.set_value(old, ("by", f"here{number}"), number))  # noqa: B023

    thread = threading.Thread(target=here)
    thread.start()
    thread.join()
    assert [writer.wait() for writer in writers] == [0, 0]
    expected = {f"{name}{number}": number for name in ("left", "right") for number in range(200)}
    expected |= {f"here{number}": number for number in range(20)}
    value: Any = jsonc.read(path).value
    assert value["by"] == expected
    assert comments(path.read_text(encoding="utf-8")) == comments(PERSONA)
    assert [entry.name for entry in tmp_path.iterdir()] == ["system.jsonc"]


def test_reading_plain_jsonc_imports_no_json5() -> None:
    program = "import sys; from ei import jsonc; jsonc.loads('{\"a\": [1,], /* x */}'); print('json5' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
