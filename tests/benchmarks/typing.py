"""How fast a key is echoed while a reply streams: ei's screen beside rich's Live with the Markdown of everything.

Run: python -m tests.benchmarks.typing [SECONDS]
"""

from __future__ import annotations

import os
import random
import re
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.drive import Terminal

ROOT = Path(__file__).parents[2]
RATE = 2_000
BUDGET_MS = 50.0
FIRST_LETTER = 0x3B1
"""Each key is another letter, which the stream does not hold: its first appearance is its echo."""


@dataclass(frozen=True, slots=True)
class Result:
    """Milliseconds of each key, and processor seconds for a thousand tokens."""

    latencies: tuple[float, ...]
    cpu_per_thousand: float

    def at(self, percent: int) -> float:
        return statistics.quantiles(self.latencies, n=100)[percent - 1]


def measure(kind: str, seconds: float) -> Result:
    """Types into one of the programs while it streams."""
    command = [sys.executable, "-m", "tests.terminal.programs.streaming", kind, str(RATE), str(seconds)]
    env = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
    pauses = random.Random(7)
    latencies: list[float] = []
    with Terminal(command, 100, 30, env, ROOT, emulate=False) as terminal:
        terminal.wait_for(lambda t: b"toolbar" in t.raw)
        end = time.monotonic() + seconds - 0.5
        time.sleep(0.3)
        while time.monotonic() < end:
            latencies.append(1000 * terminal.echo_latency(chr(FIRST_LETTER + len(latencies)), timeout=30))
            time.sleep(pauses.uniform(0.02, 0.12))
        terminal.wait_for(lambda t: re.search(rb"cpu [\d.]+ tokens \d+", t.raw), timeout=60)
        found = re.search(rb"cpu ([\d.]+) tokens (\d+)", terminal.raw)
        assert found is not None
    return Result(tuple(latencies), 1000 * float(found[1]) / int(found[2]))


def main() -> int:
    """Prints the table; 1 when the budget is missed."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 8.0
    results = {"ei": measure("screen", seconds), "rich.live": measure("rich", seconds)}
    print(f"{RATE} tokens a second for {seconds:g} s; milliseconds from key to echo\n")
    print(f"{'':<10} {'keys':>5} {'p50':>8} {'p95':>8} {'worst':>8}   cpu s per 1,000 tokens")
    for name, result in results.items():
        times = "".join(f" {value:>8.1f}" for value in (result.at(50), result.at(95), max(result.latencies)))
        print(f"{name:<10} {len(result.latencies):>5}{times}   {result.cpu_per_thousand:.4f}")
    ei, live = results["ei"], results["rich.live"]
    print(f"\nratio p95 {ei.at(95) / live.at(95):.2f}, cpu {ei.cpu_per_thousand / live.cpu_per_thousand:.2f}")
    good = ei.at(95) < BUDGET_MS
    print(f"budget: p95 under {BUDGET_MS:g} ms: {'kept' if good else 'MISSED'}")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
