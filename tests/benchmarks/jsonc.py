"""What a change in a 200 KB persona file costs, beside reading that file with json5.

Run: python -m tests.benchmarks.jsonc
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import json5

from ei import jsonc


def persona_text(size: int) -> str:
    """A commented persona file of about `size` characters."""
    lines = ["// A persona with much on its mind.", "{", '  "entity": "system", // who it is', '  "concepts": [']
    written, number = 0, 0
    while written < size:
        concept = {
            "id": f"concept-{number}",
            "name": f"Topic {number}",
            "description": "What it knows of it, in a sentence or two that go on for a while. " * 2,
            "type": "topic",
            "level_current": 0.25,
            "level_ideal": 0.5,
            "sentiment": 0.0,
        }
        body = json.dumps(concept, indent=2).replace("\n", "\n    ").replace('"topic",', '"topic", // a kind')
        lines += [f"    // concept {number}", f"    {body},"]
        written += len(body) + 30
        number += 1
    return "\n".join([*lines, "  ],", '  "model": "local:google/gemma-3-12b"', "}", ""])


def milliseconds(work: Callable[[], object], runs: int) -> float:
    """The best of some runs."""
    best = float("inf")
    for _ in range(runs):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best * 1000


def main() -> None:
    text = persona_text(200_000)
    numbers = iter(range(1_000_000))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "system.jsonc"
        path.write_text(text, encoding="utf-8", newline="")

        def change(old: str) -> str:
            return jsonc.set_value(old, ("model",), f"local:model-{next(numbers)}")

        rows = [
            ("json5.loads", milliseconds(lambda: json5.loads(text), 2)),
            ("jsonc.loads", milliseconds(lambda: jsonc.loads(text), 10)),
            ("jsonc.set_value", milliseconds(lambda: change(text), 10)),
            ("jsonc.remove_value", milliseconds(lambda: jsonc.remove_value(text, ("concepts", 3, "type")), 10)),
            ("jsonc.update, written and synced", milliseconds(lambda: jsonc.update(path, change), 10)),
        ]
    print(f"{len(text):,} characters, best of some runs")
    for name, taken in rows:
        print(f"{name:<34} {taken:10.2f} ms   {taken / rows[0][1]:8.4f} of json5.loads")


if __name__ == "__main__":
    main()
