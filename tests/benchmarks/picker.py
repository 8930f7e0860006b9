"""How quickly the picker of models opens and answers a key with 5,000 models, beside the same with 50.

Run: python -m tests.benchmarks.picker [MODELS]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from ei.app import build
from ei.config import ConfigFile
from ei.models import tiers
from ei.models.merge import merge
from ei.models.metadata import known
from ei.providers.listed import ListedModel
from ei.usage.values import Call
from tests.chat.homes import Home
from tests.drive import Terminal

BUDGET_MS = 16.0
FEW = 50
ROUNDS = 3
"""Each key is pressed so often: what else this machine does at a time is not the picker's."""
CALLS = 600
QUIET_SECONDS = 0.05
"""When nothing was written for so long, all of a key's answer was drawn."""
SEARCHES = ("claude", "gpt mini", "fast $0", "gpt4mi", "xyzzy", "a", "vision 128k")
MOVES = ("down", "down", "page-down", "page-down", "up", "page-up", "down")
ENDINGS = ("mini", "large", "coder-7b-instruct", "70b-instruct", "flash", "pro-preview", "8b", "r1-distill", "haiku")
MAKERS = ("gpt", "claude", "gemini", "qwen", "llama", "mistral", "deepseek", "grok", "phi", "command", "gemma")
SHARE = (("openrouter", 0.6), ("together", 0.15), ("openai", 0.1), ("google", 0.08), ("anthropic", 0.02), ("local", 0))
KEYS = {f"EI_{name}_API_KEY": "k" for name in ("OPENROUTER", "OPENAI", "ANTHROPIC", "TOGETHER")}


@dataclass(frozen=True, slots=True)
class Result:
    """Milliseconds of each key in each round, by kind, and of each opening."""

    keys: dict[str, list[tuple[float, ...]]]
    opened: list[float]

    def all(self) -> list[tuple[float, ...]]:
        return [each for found in self.keys.values() for each in found]

    def usual(self) -> float:
        """The 95th percentile of what each key takes in the middle of its rounds."""
        return p95([statistics.median(times) for times in self.all()])


def p95(values: list[float]) -> float:
    """What 95 of 100 values stay under."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def listed(count: int) -> dict[str, tuple[ListedModel, ...]]:
    """So many models of several providers, as their lists give them."""
    out: dict[str, tuple[ListedModel, ...]] = {}
    left = count
    for provider, share in SHARE:
        many = round(count * share) if share else left
        left -= many
        out[provider] = tuple(_model(provider, number) for number in range(many))
    return out


def _model(provider: str, number: int) -> ListedModel:
    maker, ending = MAKERS[number % len(MAKERS)], ENDINGS[number % len(ENDINGS)]
    name = f"{maker}-{number // 99}.{number % 7}-{ending}"
    own = provider in ("openrouter", "together")
    says = number % 3 > 0
    return ListedModel(
        f"{maker}ai/{name}" if own else name,
        context=(8192, 131_072, 200_000, 1_000_000)[number % 4],
        label=f"{maker.title()} {number // 99}.{number % 7} {ending.replace('-', ' ').title()}",
        input_price=number * 10_000_000 if says else None,
        output_price=number * 35_000_000 if says else None,
        capabilities=frozenset(("tools", "vision", "reasoning")[: number % 4]) if number % 5 else None,
        created_ms=1_700_000_000_000 + number * 1000,
    )


def prepare(home: Home, count: int) -> None:
    """Writes the models, and calls to some of them, into the database of a home."""
    services = build(ConfigFile(home.environment(**KEYS), None))
    now_ms = int(time.time() * 1000)
    lists = listed(count)
    services.registry.apply(merge((), lists, known, now_ms, tiers.assign))
    some = [(provider, model.id) for provider, models in lists.items() for model in models[:40]]
    for number in range(CALLS):
        provider, model = some[number % len(some)]
        services.calls.record(
            Call(now_ms - number * 600_000, "reasoning", provider, model, "complete", output_tokens=200,
                 first_token_ms=300 + number % 500, total_ms=3000 + number % 900)
        )  # fmt: skip
    services.database.close()


def answered(terminal: Terminal, key: str, quiet: float = QUIET_SECONDS) -> float:
    """Milliseconds from a key until the last of what it changed was written."""
    before = len(terminal.chunks)
    start = time.perf_counter()
    terminal.press(key)
    while True:
        time.sleep(0.005)
        chunks = terminal.chunks
        last = chunks[-1][0] if len(chunks) > before else start
        if time.perf_counter() - last > (quiet if len(chunks) > before else 1.0):
            return 1000 * (last - start)


def measure(count: int) -> Result:
    """Opens the picker, searches and moves, again and again."""
    rounds: list[dict[str, list[float]]] = []
    opened: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        prepare(home, count)
        env = home.environment(EI_LLM_MODEL="builtin:eliza", **KEYS)
        with Terminal([sys.executable, "-m", "ei"], 100, 30, env, home.path, emulate=False) as terminal:
            terminal.wait_for(lambda t: b"builtin:eliza" in t.raw, 20)
            terminal.settle(1)
            for _ in range(ROUNDS):
                keys: dict[str, list[float]] = {"search": [], "delete": [], "move": []}
                rounds.append(keys)
                opened.append(answered(terminal, "f2", quiet=1))
                for query in SEARCHES:
                    keys["search"] += [answered(terminal, "space" if key == " " else key) for key in query]
                    keys["move"] += [answered(terminal, key) for key in MOVES]
                    keys["delete"] += [answered(terminal, "backspace") for _ in query]
                answered(terminal, "escape", quiet=1)
    return Result({kind: list(zip(*(keys[kind] for keys in rounds), strict=True)) for kind in rounds[0]}, opened)


def main() -> int:
    """Prints the table; 1 when a budget is missed."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    results = {count: measure(count), FEW: measure(FEW)}
    print(f"milliseconds from a key until its answer is drawn; usual: p95 of each key's middle of {ROUNDS}\n")
    print(f"{'models':>7}  {'':<8} {'keys':>5} {'p50':>7} {'p95':>7} {'worst':>7} {'usual':>7}")
    for models, result in results.items():
        for kind, found in [*result.keys.items(), ("all", result.all())]:
            each = [one for times in found for one in times]
            usual = p95([statistics.median(times) for times in found])
            times = f"{statistics.median(each):>7.1f} {p95(each):>7.1f} {max(each):>7.1f} {usual:>7.1f}"
            print(f"{models:>7,}  {kind:<8} {len(each):>5} {times}")
        print(f"{models:>7,}  opening  {', '.join(f'{each:.0f}' for each in result.opened)}")
    many, few = results[count], results[FEW]
    print(f"\nratio to {FEW} models: p95 {many.usual() / few.usual():.2f}, "
          f"opening {statistics.median(many.opened) / statistics.median(few.opened):.2f}")  # fmt: skip
    good = p95([one for times in many.all() for one in times]) < BUDGET_MS
    print(f"budget: p95 under {BUDGET_MS:g} ms: {'kept' if good else 'MISSED'}")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
