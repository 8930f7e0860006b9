"""Measures the database with a million messages: searching, opening, appending, streaming, deleting.

python -m tests.benchmarks.storage [--messages N] [--long N] [--folder DIR] [--delete]
"""

from __future__ import annotations

import argparse
import itertools
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ei.conversations import index
from ei.conversations.store import ConversationStore
from ei.conversations.values import State
from ei.messages import TextPart
from ei.storage.database import Database
from ei.storage.ids import uuid7

SHORT = 100
IN_ALL = "something"
RARE = "zanzibar"
LETTERS = "etaoinshrdlucmfwypvbgkjqxz"


def texts(random_: random.Random) -> Iterator[str]:
    """Messages of 5 to 60 words by Zipf's law; one in twenty is Chinese; a few have the rare word."""
    vocabulary = list(
        dict.fromkeys(
            "".join(random_.choices(LETTERS, range(26, 0, -1), k=max(1, int(random_.gauss(6, 2.5)))))
            for _ in range(60_000)
        )
    )
    weights = list(itertools.accumulate(1 / (rank + 3) for rank in range(len(vocabulary))))
    han = [chr(0x4E00 + number) for number in range(3000)]
    han_weights = list(itertools.accumulate(1 / (rank + 5) for rank in range(3000)))
    for number in itertools.count():
        if number % 20 == 7:
            text = "".join(random_.choices(han, cum_weights=han_weights, k=40))
            yield f"{IN_ALL} {text}" + ("，今天天气真好。" if number % 400 == 7 else "")
        else:
            words = random_.choices(vocabulary, cum_weights=weights, k=random_.randint(5, 60))
            yield f"{IN_ALL} {' '.join(words)}" + (f" {RARE}" if number % 100_000 == 5000 else "")


def build(store: ConversationStore, database: Database, messages: int, long: int) -> tuple[str, str]:
    """Fills the database; gives the ids of the long conversation and of a short one."""
    source = texts(random.Random(1))
    lengths = [long, *itertools.repeat(SHORT, max(1, (messages - long) // SHORT))]
    ids = []
    for group in itertools.batched(lengths, 100) if hasattr(itertools, "batched") else [lengths]:
        conversations = [store.create("lena" if number % 50 == 0 else "ei").id for number in range(len(group))]
        ids += conversations
        with database.transaction() as connection:
            for id, length in zip(conversations, group, strict=True):
                key, persona = connection.execute(
                    "SELECT key, persona FROM conversation WHERE id = ?", (id,)
                ).fetchone()
                first = connection.execute("SELECT coalesce(max(key), 0) + 1 FROM message").fetchone()[0]
                rows = list(itertools.islice(source, length))
                connection.executemany(
                    "INSERT INTO message (key, id, conversation, parent, depth, role, author, state, created_ms,"
                    " updated_ms, text) VALUES (?, ?, ?, ?, ?, ?, ?, 'complete', ?, ?, ?)",
                    (
                        (
                            first + number,
                            uuid7(),
                            key,
                            first + number - 1 if number else 0,
                            number + 1,
                            "assistant" if number % 2 else "user",
                            "ei" if number % 2 else "",
                            number,
                            number,
                            text,
                        )
                        for number, text in enumerate(rows)
                    ),
                )
                for number, text in enumerate(rows):
                    index.add(connection, first + number, persona, text)
                last = first + length - 1
                connection.execute(
                    "UPDATE conversation SET head = ?, read_key = ?, reply_key = ? WHERE key = ?",
                    (last, last, last, key),
                )
    return ids[0], ids[len(ids) // 2]


def measure(work: Callable[[], object], times: int = 20) -> tuple[float, float, float]:
    """(first, median, 95th percentile) in milliseconds."""
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        spent.append((time.perf_counter() - start) * 1000)
    return spent[0], statistics.median(spent), sorted(spent)[int(times * 0.95)]


def row(name: str, numbers: tuple[float, float, float], note: object = "") -> None:
    print(f"{name:<46}{numbers[0]:>10.2f}{numbers[1]:>10.2f}{numbers[2]:>10.2f}   {note}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--long", type=int, default=100_000, help="messages of the long conversation")
    parser.add_argument("--folder", type=Path, help="keep the database here and use it again")
    parser.add_argument("--delete", action="store_true", help="also delete the long conversation (last)")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="ei-storage-"))
    try:
        run(folder, options.messages, options.long, options.delete)
    finally:
        if options.folder is None:
            shutil.rmtree(folder)


def run(folder: Path, messages: int, long: int, delete: bool) -> None:
    path = folder / "ei.db"
    fresh = not path.exists()
    database = Database(path)
    store = ConversationStore(database)
    if fresh:
        start = time.perf_counter()
        long_id, short_id = build(store, database, messages, long)
        print(f"built {messages:,} messages in {time.perf_counter() - start:.0f} s")
        (folder / "ids").write_text(f"{long_id} {short_id}")
    long_id, short_id = (folder / "ids").read_text().split()
    print(f"{path.stat().st_size / 1e6:,.0f} MB\n")
    print(f"{'milliseconds':<46}{'first':>10}{'median':>10}{'p95':>10}")

    def open_again() -> None:
        again = Database(path)
        again.open()
        again.close()

    row("open an up-to-date database", measure(open_again))
    for name, words, persona in (
        ("a word in every message", IN_ALL, None),
        ("… of a persona with few messages", IN_ALL, "lena"),
        ("two words in every message, quoted", f'"{IN_ALL} {IN_ALL}"', None),
        ("a rare word", RARE, None),
        ("an absent word", "xylophonist", None),
        ("a word in every message and an absent one", f"{IN_ALL} xylophonist", None),
        ("one letter", "e", None),
        ("another letter", "z", None),
        ("two letters each", "et ao", None),
        ("five letters of a word in every message", IN_ALL[:5], None),
        ("天气", "天气", None),
        ("one Han character", "一", None),
        ("two Han characters that are never together", "鿿一", None),
    ):
        found = len(store.search(words, persona=persona))
        row(f"search: {name}", measure(lambda w=words, p=persona: store.search(w, persona=p)), f"{found} hits")  # type: ignore[misc]

    def open_conversation(id: str) -> None:
        store.get(id)
        store.path(id, 50)

    small = measure(lambda: open_conversation(short_id), 100)
    large = measure(lambda: open_conversation(long_id), 100)
    row(f"open a conversation of {SHORT:,} messages", small)
    row(f"open a conversation of {long:,} messages", large, f"ratio {large[1] / small[1]:.2f} (budget 1.5)")
    row("list 50 conversations", measure(store.list))
    row("unread", measure(store.unread))
    row("500 recent inputs", measure(lambda: store.recent_inputs(500)))

    conversation = store.create("ei").id
    head: list[str | None] = [None]

    def append() -> None:
        parts = [TextPart("What do you think of the weather today?")]
        head[0] = store.append(conversation, head[0], "user", "", parts).id

    row("append", measure(append, 200))
    reply = store.append(
        conversation, head[0], "assistant", "ei", [], State.STREAMING, lease_owner="me", lease_ms=60_000
    )
    for size in (1_000, 50_000):
        parts = [TextPart("word " * (size // 5))]
        row(f"save_stream, {size:,} characters", measure(lambda p=parts: store.save_stream(reply.id, p, "me", 60_000)))  # type: ignore[misc]
    row("finish, 50,000 characters", measure(lambda: store.finish(reply.id, State.COMPLETE), 1))
    row("undo and redo", measure(lambda: (store.undo(conversation), store.redo(conversation))))
    row("reclaim, nothing to do", measure(store.reclaim))
    if delete:
        row("delete a message", measure(lambda: store.delete_message(reply.id), 1))
        row("delete the long conversation", measure(lambda: store.delete_conversation(long_id), 1))
    database.close()


if __name__ == "__main__":
    main()
