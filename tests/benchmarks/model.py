"""`/model SPEC` on a persona file of 200 KB, beside reading that file with json5 alone.

python -m tests.benchmarks.model [KILOBYTES]
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import json5

from tests.bench_session import bench

RUNS = 15


async def main() -> None:
    kilobytes = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as folder:
        async with bench(Path(folder), "beta", EI_OPENAI_API_KEY="k") as b:
            path = b.services.library.path_of("beta")
            path.write_text(large_persona(kilobytes), "utf-8")
            comments = path.read_text("utf-8").count("//")
            times = []
            for run in range(RUNS):
                began = time.perf_counter()
                await b.command(f"/model openai:model-{run}")
                times.append(time.perf_counter() - began)
            text = path.read_text("utf-8")
            assert text.count("//") == comments
            assert f'"openai:model-{RUNS - 1}"' in text
        began = time.perf_counter()
        json5.loads(text)
        alone = time.perf_counter() - began
    middle = statistics.median(times)
    print(f"{'a persona file of':<34}{len(text) / 1024:>8.0f} KB, {comments} comments")
    print(f"{'/model SPEC, median':<34}{middle * 1000:>8.1f} ms   budget: 100 ms")
    print(f"{'/model SPEC, slowest of ' + str(RUNS):<34}{max(times) * 1000:>8.1f} ms")
    print(f"{'json5.loads of the same text':<34}{alone * 1000:>8.1f} ms   ratio {middle / alone:.3f}")


def large_persona(kilobytes: int) -> str:
    """A system.jsonc of about that size, with a comment beside every concept."""
    lines = ["// A persona with much on its mind.", "{", '  "entity": "system",', '  "short_description": "much",']
    lines += ['  "long_description": "very much",', '  "concepts": [']
    size, number = 0, 0
    while size < kilobytes * 1024:
        concept = {
            "id": f"topic-{number}",
            "name": f"topic {number}",
            "description": "What there is to say about it, in a sentence of an ordinary length. " * 2,
            "type": "topic",
            "level_current": 0.2,
            "level_ideal": 0.5,
            "sentiment": 0.1,
        }
        lines += [f"    // number {number}", "    " + json.dumps(concept, indent=2).replace("\n", "\n    ") + ","]
        size += sum(len(line) + 1 for line in lines[-2:])
        number += 1
    return "\n".join([*lines, "  ],", "}"]) + "\n"


if __name__ == "__main__":
    asyncio.run(main())
