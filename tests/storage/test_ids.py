"""Ids are UUIDv7 that only grow."""

from __future__ import annotations

import threading
import uuid

from ei.storage.ids import Stamps, short, uuid7


def test_an_id_is_a_uuid_of_version_7_that_carries_its_millisecond() -> None:
    id = uuid.UUID(Stamps().next(1_700_000_000_123))
    assert (id.version, id.variant, id.int >> 80) == (7, uuid.RFC_4122, 1_700_000_000_123)


def test_ids_of_one_millisecond_and_of_a_clock_that_goes_back_still_grow() -> None:
    stamps = Stamps()
    ids = [stamps.next(now) for now in [5_000] * 2000 + [4_000] * 2000 + [6_000]]
    assert ids == sorted(set(ids))


def test_ids_of_several_threads_are_all_different() -> None:
    made: list[list[str]] = [[] for _ in range(4)]

    def make(into: list[str]) -> None:
        into.extend(uuid7() for _ in range(500))

    threads = [threading.Thread(target=make, args=(into,)) for into in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(ids == sorted(ids) for ids in made)
    assert len({id for ids in made for id in ids}) == 2000


def test_the_short_form_is_the_end_of_the_id_and_differs_between_neighbours() -> None:
    first, second = uuid7(), uuid7()
    assert first.endswith(short(first))
    assert len({short(first), short(second)}) == 2
