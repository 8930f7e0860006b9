"""The registry: every model that is known, what the person decided of it, and each change."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ei.errors import NotFoundError, UsageError
from ei.models import tiers
from ei.models.merge import Merged, Proven, difference, with_proven
from ei.models.values import TIERS, Change, Model, Prices
from ei.storage.database import Database

COLUMNS = (
    "provider", "name", "label", "tier", "tier_reason", "input_price", "cached_price", "cache_write_price",
    "output_price", "price_source", "price_ms", "context", "max_output", "capabilities", "sampling", "chat", "active",
    "tier_default", "disabled", "added", "by_hand", "first_seen_ms", "synced_ms", "created_ms", "shutdown", "aliases",
)  # fmt: skip
_READ = f"SELECT {', '.join(COLUMNS)} FROM model WHERE owner = ?"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The registry at one moment; revision: changes with every change of it."""

    models: tuple[Model, ...]
    revision: int


class RegistryStore:
    """Safe from any thread. A model is named by its id, `provider:name`. clock: seconds since 1970.

    Every method that changes something writes the audit in the same transaction, and gives every model of that
    provider its tier and default anew. Raises NotFoundError for a model that is not there.
    """

    def __init__(self, database: Database, owner: str = "local", clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._owner = owner
        self._clock = clock
        self._held: tuple[tuple[int, int], tuple[Model, ...]] = ((-1, -1), ())

    # Reading ------------------------------------------------------------------------------------------------

    def all(self, active_only: bool = False) -> tuple[Model, ...]:
        """Every model in the order in which they came; active_only: those that can be asked for now."""
        models = self.snapshot().models
        return tuple(model for model in models if model.active and not model.disabled) if active_only else models

    def snapshot(self) -> Snapshot:
        """Every model and the revision that they are of, for `apply`."""
        with self._database.read() as connection:
            return Snapshot(self._everything(connection), self._revision(connection))

    def get(self, id: str) -> Model | None:
        """The model of that id, None where there is none."""
        provider, _, name = id.partition(":")
        with self._database.read() as connection:
            found = self._read(connection, " AND provider = ? AND name = ?", provider, name)
        return found[0] if found else None

    def named(self, id: str) -> Model | None:
        """The model of that id, else the one for which its provider takes that name too; None where there is none."""
        found = self.get(id)
        if found is None:
            provider, _, name = id.partition(":")
            like = [model for model in self.all() if model.provider == provider and name in model.aliases]
            found = next((model for model in like if model.active), next(iter(like), None))
        return found

    def find(self, words: Iterable[str]) -> tuple[Model, ...]:
        """The models in which each of the words occurs: in id, label, aliases, tier or capabilities, in any case."""
        wanted = [word.lower() for word in words]
        return tuple(model for model in self.all() if all(word in _haystack(model) for word in wanted))

    def log(self, limit: int = 50, model: str = "") -> tuple[Change, ...]:
        """The changes, newest first, of one model if given."""
        where, values = (" AND model = ?", (model,)) if model else ("", ())
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT at_ms, model, what, value_before, value_after, changed_by FROM model_log"
                f" WHERE owner = ?{where} ORDER BY key DESC LIMIT ?",
                (self._owner, *values, limit),
            ).fetchall()
        return tuple(Change(*row) for row in rows)

    def synced(self) -> Mapping[str, int]:
        """When each provider last gave its list, milliseconds since 1970."""
        with self._database.read() as connection:
            return dict(connection.execute("SELECT provider, at_ms FROM synced WHERE owner = ?", (self._owner,)))

    def last_synced_ms(self) -> int | None:
        """When any provider last gave its list, None before the first."""
        return max(self.synced().values(), default=None)

    # What a sync found --------------------------------------------------------------------------------------

    def apply(self, merged: Merged, revision: int | None = None) -> bool:
        """Writes what a sync changed, all of it or nothing.

        revision: of the snapshot that it was merged with; False, and nothing is written, where somebody has
        changed the registry since: merge again.
        """
        with self._database.transaction() as connection:
            if revision is not None and revision != self._revision(connection):
                return False
            self._write(connection, merged)
            for provider in merged.answered:
                connection.execute(
                    "UPDATE model SET synced_ms = ? WHERE owner = ? AND provider = ? AND active = 1 AND added = 0",
                    (merged.at_ms, self._owner, provider),
                )
            connection.executemany(
                "INSERT INTO synced (owner, provider, at_ms) VALUES (?, ?, ?)"
                " ON CONFLICT (owner, provider) DO UPDATE SET at_ms = excluded.at_ms",
                [(self._owner, provider, merged.at_ms) for provider in merged.answered],
            )
        return True

    def first_time(self, whats: Iterable[str]) -> tuple[str, ...]:
        """Those of these things that nobody was told yet; from now on they are told."""
        new = []
        with self._database.transaction() as connection:
            for what in whats:
                written = connection.execute(
                    "INSERT INTO told (owner, what, at_ms) VALUES (?, ?, ?) ON CONFLICT (owner, what) DO NOTHING",
                    (self._owner, what, self._now_ms()),
                ).rowcount
                if written:
                    new.append(what)
        return tuple(new)

    def forget_told(self, whats: Iterable[str]) -> None:
        """These things are no longer so: should they come again, they are told again."""
        with self._database.transaction() as connection:
            connection.executemany(
                "DELETE FROM told WHERE owner = ? AND what = ?", [(self._owner, what) for what in whats]
            )

    # By hand ------------------------------------------------------------------------------------------------

    def set_tier(self, id: str, tier: str | None) -> Model:
        """Puts a model into a tier, or with None back where the rules put it."""
        if tier is not None and tier not in TIERS:
            raise UsageError(f'There is no tier "{tier}".', f"There are: {', '.join(TIERS)}.")

        def edit(model: Model) -> Model:
            hand = (model.by_hand - {"default"}) | {"tier"} if tier else model.by_hand - {"tier", "default"}
            return replace(model, tier=tier or "", by_hand=hand)

        return self._by_hand(id, edit)

    def set_price(self, id: str, input: int | None, output: int | None, cached: int | None = None) -> Model:
        """What the person pays, in nano-dollars per million tokens; with None for both, what the next sync says."""
        if input is None and output is None:
            return self._by_hand(id, lambda m: replace(m, prices=Prices(), by_hand=m.by_hand - {"prices"}))
        prices = Prices(input, cached, None, output, "person", self._now_ms())
        return self._by_hand(id, lambda m: replace(m, prices=prices, by_hand=m.by_hand | {"prices"}))

    def set_default(self, id: str) -> Model:
        """Makes a model the one that its tier picks first, before the defaults of every other provider."""
        model = self._existing(id)
        if not model.tier:
            raise UsageError(f"{id} is in no tier.", f"Put it into one first: /models tier {id} {TIERS[0]}")
        if model.disabled:
            raise UsageError(f"{id} is disabled.", f"Let it be chosen first: /models enable {id}")

        def others(other: Model) -> Model:
            return replace(other, by_hand=other.by_hand - {"default"}) if other.tier == model.tier else other

        return self._by_hand(id, lambda m: replace(m, default=True, by_hand=m.by_hand | {"default"}), others)

    def set_disabled(self, id: str, disabled: bool = True) -> Model:
        """Leaves a model alone from now on, or no longer."""

        def edit(model: Model) -> Model:
            hand = model.by_hand | {"disabled"} if disabled else model.by_hand - {"disabled"}
            return replace(model, disabled=disabled, by_hand=hand)

        return self._by_hand(id, edit)

    def tested(self, id: str, proven: Proven) -> Model | None:
        """Keeps what a test showed of a model's capabilities, over what lists say; None where it is not here."""
        if self.get(id) is None:
            return None
        return self._by_hand(id, lambda m: with_proven(m, proven), by="test")

    def add(self, model: Model) -> Model:
        """Keeps a model that no list names, with what the person says of it; one that is there is changed to that."""
        now = self._now_ms()
        with self._database.transaction() as connection:
            before = {row.id: row for row in self._everything(connection)}
            old = before.get(model.id)
            new = replace(model, added=True, active=True, first_seen_ms=old.first_seen_ms if old else now)
            if old is not None:
                new = replace(
                    old,
                    label=model.label or old.label,
                    context=model.context or old.context,
                    max_output=model.max_output or old.max_output,
                    capabilities=old.capabilities if model.capabilities is None else model.capabilities,
                    prices=old.prices if old.prices.source else model.prices,
                    sampling=model.sampling if old.sampling is None else old.sampling,
                    chat=model.chat,
                    added=True,
                    active=True,
                )
            self._settle(connection, before, {**before, new.id: new}, new.provider, now)
        return self._existing(new.id)

    def remove_added(self, id: str) -> None:
        """Takes out what was added by hand. Raises UsageError for a model that came from a list."""
        if not self._existing(id).added:
            raise UsageError(f"{id} comes from its provider's list.", f"To leave it alone: /models disable {id}")
        provider, _, name = id.partition(":")
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM model WHERE owner = ? AND provider = ? AND name = ?", (self._owner, provider, name)
            )
            self._write(connection, Merged(changes=(Change(self._now_ms(), id, "removed", "", "", "hand"),)))
            before = {row.id: row for row in self._everything(connection)}
            self._settle(connection, before, before, provider, self._now_ms())

    # Inside -------------------------------------------------------------------------------------------------

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    def _existing(self, id: str) -> Model:
        model = self.get(id)
        if model is None:
            raise _missing(id)
        return model

    def _by_hand(
        self,
        id: str,
        edit: Callable[[Model], Model],
        others: Callable[[Model], Model] | None = None,
        by: str = "hand",
    ) -> Model:
        with self._database.transaction() as connection:
            before = {row.id: row for row in self._everything(connection)}
            if id not in before:
                raise _missing(id)
            after = {key: others(model) for key, model in before.items()} if others else dict(before)
            after[id] = edit(after[id])
            self._settle(connection, before, after, after[id].provider, self._now_ms(), by)
        return self._existing(id)

    def _settle(
        self,
        connection: sqlite3.Connection,
        before: Mapping[str, Model],
        after: Mapping[str, Model],
        provider: str,
        now_ms: int,
        by: str = "hand",
    ) -> None:
        """Writes a change by hand with what follows from it for the tiers and defaults of that provider."""
        settled = tiers.assign([model for model in after.values() if model.provider == provider])
        others = (model for model in after.values() if model.provider != provider)
        self._write(connection, difference(before, (*settled, *others), (), now_ms, by))

    def _everything(self, connection: sqlite3.Connection) -> tuple[Model, ...]:
        """All models: those of the last time where nothing was written since, here or in another program."""
        state = connection.execute(
            "SELECT (SELECT coalesce(max(key), 0) FROM model_log), (SELECT coalesce(max(at_ms), 0) FROM synced)"
        ).fetchone()
        held, models = self._held
        if held != state:
            models = self._read(connection)
            self._held = (state, models)
        return models

    def _read(self, connection: sqlite3.Connection, where: str = "", *values: object) -> tuple[Model, ...]:
        rows = connection.execute(f"{_READ}{where} ORDER BY key", (self._owner, *values)).fetchall()
        words: dict[str | None, frozenset[str] | None] = {None: None}
        names: dict[str, tuple[str, ...]] = {"[]": ()}
        return tuple([_model(row, words, names) for row in rows])

    def _revision(self, connection: sqlite3.Connection) -> int:
        return int(connection.execute("SELECT coalesce(max(key), 0) FROM model_log").fetchone()[0])

    def _write(self, connection: sqlite3.Connection, merged: Merged) -> None:
        updates = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS[2:] if name != "first_seen_ms")
        connection.executemany(
            f"INSERT INTO model (owner, {', '.join(COLUMNS)}) VALUES (?{', ?' * len(COLUMNS)})"
            f" ON CONFLICT (owner, provider, name) DO UPDATE SET {updates}",
            [(self._owner, *_row(model)) for model in merged.rows],
        )
        connection.executemany(
            "INSERT INTO model_log (owner, at_ms, model, what, value_before, value_after, changed_by)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(self._owner, c.at_ms, c.model, c.what, c.before, c.after, c.by) for c in merged.changes],
        )


def _missing(id: str) -> NotFoundError:
    return NotFoundError(
        f"The registry has no model {id}.", f"/models WORDS looks for one; what no list names: /models add {id}"
    )


def _haystack(model: Model) -> str:
    parts = (model.id, model.label, model.tier, *model.aliases, *(model.capabilities or ()))
    return " ".join(parts).lower()


def _row(model: Model) -> tuple[object, ...]:
    prices = model.prices
    return (
        model.provider, model.name, model.label, model.tier, model.tier_reason, prices.input, prices.cached,
        prices.cache_write, prices.output, prices.source, prices.at_ms, model.context, model.max_output,
        None if model.capabilities is None else " ".join(sorted(model.capabilities)), model.sampling, model.chat,
        model.active, model.default, model.disabled, model.added, " ".join(sorted(model.by_hand)), model.first_seen_ms,
        model.synced_ms, model.created_ms, model.shutdown, json.dumps(model.aliases),
    )  # fmt: skip


def _model(
    row: tuple[Any, ...], words: dict[str | None, frozenset[str] | None], names: dict[str, tuple[str, ...]]
) -> Model:
    # words, names: what was already read from such a text; most models share theirs with many.
    if row[13] not in words:
        words[row[13]] = frozenset(row[13].split())
    if row[20] not in words:
        words[row[20]] = frozenset(row[20].split())
    if row[25] not in names:
        names[row[25]] = tuple(json.loads(row[25]))
    return Model(
        row[0], row[1], row[2], row[3], row[4],
        Prices(row[5], row[6], row[7], row[8], row[9], row[10]),
        row[11], row[12], words[row[13]], None if row[14] is None else bool(row[14]), bool(row[15]), bool(row[16]),
        bool(row[17]), bool(row[18]), bool(row[19]), words[row[20]] or frozenset(), row[21], row[22], row[23], row[24],
        names[row[25]],
    )  # fmt: skip
