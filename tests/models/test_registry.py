"""The registry of models in a real database: what a sync writes, what a hand decides, and the audit of both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ei.errors import NotFoundError, UsageError
from ei.models import tiers
from ei.models.merge import merge
from ei.models.registry import RegistryStore
from ei.models.values import Change, Model, Prices
from ei.providers.listed import ListedModel
from ei.storage.database import Database

NOW = 1_000_000.0
MS = 1_000_000_000


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RegistryStore]:
    database = Database(tmp_path / "ei.db")
    yield RegistryStore(database, clock=lambda: NOW)
    database.close()


def listed(registry: RegistryStore, provider: str, *models: ListedModel | str, at_ms: int = 5) -> None:
    """Writes what a sync makes of that list."""
    rows = [ListedModel(model) if isinstance(model, str) else model for model in models]
    snapshot = registry.snapshot()
    merged = merge(snapshot.models, {provider: rows}, lambda id: None, at_ms, tiers.assign)
    assert registry.apply(merged, snapshot.revision)


def entries(registry: RegistryStore, model: str = "") -> list[tuple[str, str, str, str]]:
    return [(c.what, c.before, c.after, c.by) for c in registry.log(model=model)]


def test_a_model_comes_back_as_it_was_written(registry: RegistryStore) -> None:
    row = ListedModel(
        "claude-haiku-4-5", 200_000, True, "Claude Haiku 4.5", 10, 1, 12, 50, 64_000,
        frozenset({"tools", "vision"}), False, "2027-01-01", 77, ("claude-haiku",),
    )  # fmt: skip
    listed(registry, "anthropic", row)
    assert registry.get("anthropic:claude-haiku-4-5") == Model(
        "anthropic",
        "claude-haiku-4-5",
        "Claude Haiku 4.5",
        "fast",
        "the Haiku line is Anthropic's small one",
        Prices(10, 1, 12, 50, "provider", 5),
        200_000,
        64_000,
        frozenset({"tools", "vision"}),
        sampling=False,
        default=True,
        first_seen_ms=5,
        synced_ms=5,
        created_ms=77,
        shutdown="2027-01-01",
        aliases=("claude-haiku",),
    )
    assert registry.get("anthropic:nobody") is None


def test_nothing_said_stays_unknown(registry: RegistryStore) -> None:
    listed(registry, "mine", "m")
    model = registry.get("mine:m")
    assert model is not None
    assert (model.context, model.capabilities, model.sampling, model.prices) == (None, None, None, Prices())


def test_every_word_must_occur_somewhere(registry: RegistryStore) -> None:
    listed(registry, "openai", ListedModel("gpt-5.1", label="GPT 5.1"), ListedModel("gpt-5-mini"))
    listed(registry, "ollama", ListedModel("qwen3:8b", capabilities=frozenset({"tools"}), aliases=("qwen-small",)))
    found = {words: [m.id for m in registry.find(words.split())] for words in ("gpt mini", "TOOLS", "small", "x y")}
    assert found == {"gpt mini": ["openai:gpt-5-mini"], "TOOLS": ["ollama:qwen3:8b"], "small": ["ollama:qwen3:8b"],
                     "x y": []}  # fmt: skip


def test_what_left_the_list_or_is_disabled_cannot_be_asked_for_and_is_kept(registry: RegistryStore) -> None:
    listed(registry, "openai", "a", "b", "c")
    listed(registry, "openai", "a", "b", at_ms=9)
    registry.set_disabled("openai:b")
    assert [model.id for model in registry.all(active_only=True)] == ["openai:a"]
    assert [model.id for model in registry.all()] == ["openai:a", "openai:b", "openai:c"]
    assert [(m.name, m.synced_ms) for m in registry.all()] == [("a", 9), ("b", 9), ("c", 5)]
    registry.set_disabled("openai:b", False)
    assert [model.id for model in registry.all(active_only=True)] == ["openai:a", "openai:b"]


def test_a_tier_set_by_hand_stays_and_can_be_given_back(registry: RegistryStore) -> None:
    listed(registry, "openai", "gpt-5.1", "gpt-5-mini")
    registry.set_tier("openai:gpt-5.1", "fast")
    listed(registry, "openai", ListedModel("gpt-5.1", 1000), "gpt-5-mini", at_ms=9)
    model = registry.get("openai:gpt-5.1")
    assert model is not None
    assert (model.tier, model.tier_reason, model.context) == ("fast", "you set it", 1000)
    given_back = registry.set_tier("openai:gpt-5.1", None)
    assert (given_back.tier, given_back.tier_reason) == ("smart", "OpenAI's full size")
    assert entries(registry, "openai:gpt-5.1") == [
        ("tier", "fast", "smart", "hand"),
        ("context", "", "1000", "sync"),
        ("tier", "smart", "fast", "hand"),
        ("listed", "", "", "sync"),
    ]


def test_a_price_set_by_hand_stays_until_it_is_given_back(registry: RegistryStore) -> None:
    listed(registry, "mine", ListedModel("m", input_price=10, output_price=20))
    registry.set_price("mine:m", 5, 7)
    listed(registry, "mine", ListedModel("m", input_price=11, output_price=21), at_ms=9)
    own = registry.get("mine:m")
    assert own is not None
    assert own.prices == Prices(5, None, None, 7, "person", MS)
    assert registry.set_price("mine:m", None, None).prices == Prices()
    listed(registry, "mine", ListedModel("m", input_price=11, output_price=21), at_ms=10)
    again = registry.get("mine:m")
    assert again is not None
    assert again.prices == Prices(11, None, None, 21, "provider", 10)


def test_a_tier_has_one_default_of_the_persons_own(registry: RegistryStore) -> None:
    listed(registry, "openai", "gpt-5.1", "gpt-5.2")
    listed(registry, "anthropic", "claude-sonnet-4-5")

    def defaults() -> list[tuple[str, bool]]:
        return [(m.id, "default" in m.by_hand) for m in registry.all() if m.default]

    assert defaults() == [("openai:gpt-5.2", False), ("anthropic:claude-sonnet-4-5", False)]
    registry.set_default("openai:gpt-5.1")
    assert defaults() == [("openai:gpt-5.1", True), ("anthropic:claude-sonnet-4-5", False)]
    registry.set_default("anthropic:claude-sonnet-4-5")
    assert defaults() == [("openai:gpt-5.1", False), ("anthropic:claude-sonnet-4-5", True)]
    listed(registry, "openai", "gpt-5.1", "gpt-5.2", at_ms=9)
    assert defaults() == [("openai:gpt-5.2", False), ("anthropic:claude-sonnet-4-5", True)]


def test_a_disabled_default_gives_way_to_the_next_one(registry: RegistryStore) -> None:
    listed(registry, "openai", "gpt-5.1", "gpt-5.2")
    registry.set_disabled("openai:gpt-5.2")
    assert [m.id for m in registry.all() if m.default] == ["openai:gpt-5.1"]


def test_what_no_list_names_is_added_outlives_every_sync_and_can_be_removed(registry: RegistryStore) -> None:
    registry.add(Model("azure", "my-deployment", context=128_000, capabilities=frozenset({"tools"})))
    listed(registry, "azure", "something-else")
    kept = registry.get("azure:my-deployment")
    assert kept is not None
    assert (kept.added, kept.active, kept.context, kept.first_seen_ms) == (True, True, 128_000, MS)
    listed(registry, "azure", ListedModel("my-deployment", 4096, max_output=100), at_ms=9)
    merged = registry.get("azure:my-deployment")
    assert merged is not None
    assert (merged.added, merged.context, merged.max_output) == (True, 128_000, 100)
    registry.remove_added("azure:my-deployment")
    assert registry.get("azure:my-deployment") is None
    assert entries(registry, "azure:my-deployment")[0] == ("removed", "", "", "hand")
    with pytest.raises(UsageError, match="comes from its provider's list"):
        registry.remove_added("azure:something-else")


def test_what_is_not_there_or_makes_no_sense_is_refused(registry: RegistryStore) -> None:
    listed(registry, "openai", ListedModel("text-embedding-3", chat=False))
    with pytest.raises(NotFoundError, match="no model openai:gpt-9"):
        registry.set_disabled("openai:gpt-9")
    with pytest.raises(UsageError, match='no tier "clever"'):
        registry.set_tier("openai:text-embedding-3", "clever")
    with pytest.raises(UsageError, match="is in no tier"):
        registry.set_default("openai:text-embedding-3")
    listed(registry, "openai", "gpt-5.1")
    registry.set_disabled("openai:gpt-5.1")
    with pytest.raises(UsageError, match="is disabled"):
        registry.set_default("openai:gpt-5.1")


def test_a_sync_that_read_an_older_registry_writes_nothing(registry: RegistryStore) -> None:
    listed(registry, "openai", "gpt-5.1")
    snapshot = registry.snapshot()
    registry.set_tier("openai:gpt-5.1", "fast")
    merged = merge(snapshot.models, {"openai": [ListedModel("gpt-5.1", 7)]}, lambda id: None, 9, tiers.assign)
    assert not registry.apply(merged, snapshot.revision)
    model = registry.get("openai:gpt-5.1")
    assert model is not None
    assert (model.tier, model.context) == ("fast", None)


def test_it_knows_when_each_provider_last_gave_its_list(registry: RegistryStore) -> None:
    assert registry.last_synced_ms() is None
    listed(registry, "openai", "a", at_ms=7)
    listed(registry, "groq", at_ms=9)
    assert (dict(registry.synced()), registry.last_synced_ms()) == ({"openai": 7, "groq": 9}, 9)


def test_a_thing_is_told_once_until_it_is_forgotten(registry: RegistryStore) -> None:
    assert registry.first_time(["gone a", "gone b"]) == ("gone a", "gone b")
    assert registry.first_time(["gone b", "gone c"]) == ("gone c",)
    registry.forget_told(["gone b"])
    assert registry.first_time(["gone b"]) == ("gone b",)


def test_the_log_is_newest_first_and_as_long_as_asked(registry: RegistryStore) -> None:
    listed(registry, "openai", "a", "b")
    assert registry.log(1) == (Change(5, "openai:b", "listed", "", "", "sync"),)


def test_what_another_program_wrote_is_seen(tmp_path: Path) -> None:
    first, second = (Database(tmp_path / "ei.db") for _ in range(2))
    here, there = RegistryStore(first), RegistryStore(second)
    listed(here, "openai", "a")
    assert [model.id for model in there.all()] == ["openai:a"]
    here.set_disabled("openai:a")
    assert [model.disabled for model in there.all()] == [True]
    first.close()
    second.close()
