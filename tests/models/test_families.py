"""The families of Ollama's models that ship."""

from __future__ import annotations

import re

from ei.models.families import families, search, size_of


def test_every_family_has_a_name_a_purpose_and_sizes_from_small_to_large() -> None:
    names = [family.name for family in families()]
    assert len(names) == len(set(names)) > 40
    for family in families():
        assert re.fullmatch(r"[a-z0-9.-]+", family.name)
        assert family.maker
        assert family.good_at
        assert set(family.can) <= {"tools", "vision", "thinking", "embedding"}
        assert len(set(family.names)) == len(family.sizes) > 0
        known = [size.bytes for size in family.sizes if size.bytes is not None]
        assert known == sorted(known)
        assert all(10_000_000 < size < 500_000_000_000 for size in known)


def test_words_are_looked_for_in_all_that_is_said_of_a_family() -> None:
    assert [family.name for family in search(["vision", "mistral"])] == ["mistral-small3.2"]
    assert "qwen3" in [family.name for family in search(["QWEN3:8b"])]
    assert {"embedding"} <= set(search(["embed"])[0].can)
    assert search(["nothing", "like", "that"]) == ()
    assert search([]) == families()


def test_the_size_of_a_name_is_known_where_it_is_listed() -> None:
    assert size_of("qwen3:8b") == 5_200_000_000
    assert size_of("gemma4:31b") is None
    assert size_of("somebody/else") is None


def test_a_size_that_can_less_than_its_family_says_so() -> None:
    gemma = next(family for family in families() if family.name == "gemma3")
    assert [size.can for size in gemma.sizes] == [(), (), ("vision",), ("vision",), ("vision",)]
