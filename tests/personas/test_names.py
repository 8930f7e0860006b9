"""What a persona may be called."""

from __future__ import annotations

import pytest

from ei.errors import UsageError
from ei.personas.names import check_name, fold, nearest


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (" Ada ", "ada"),
        ("mike2", "mike2"),
        ("a_b-c", "a_b-c"),
        ("ÉLODIE", "élodie"),
        ("E\u0301lodie", "élodie"),
        ("玲奈", "玲奈"),
        ("लेना", "लेना"),
        ("a" * 40, "a" * 40),
    ],
)
def test_letters_of_any_script_digits_and_two_marks_make_a_name(name: str, expected: str) -> None:
    assert check_name(name) == expected


@pytest.mark.parametrize(
    "name",
    [
        "",
        "  ",
        "a" * 41,
        "a b",
        "../x",
        "a/b",
        "a\\b",
        ".ada",
        "-ada",
        "_x",
        "a.b",
        "a:b",
        "con",
        "LPT1",
        "😀",
        "a\x00",
    ],
)
def test_anything_else_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        check_name(name)


def test_names_are_compared_without_case_and_however_composed() -> None:
    assert fold(" ÉLODIE ") == fold("e\u0301lodie")


@pytest.mark.parametrize(("text", "expected"), [("lnea", "Lena"), ("MIEK", "mike"), ("zzz", None)])
def test_the_nearest_name_is_found(text: str, expected: str | None) -> None:
    assert nearest(text, ["ei", "Lena", "mike"]) == expected
