"""From exec to the prompt on a pseudo-terminal, and the memory there, beside a bare prompt and `--help`.

python -m tests.benchmarks.startup [RUNS]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench_session import NOBODY
from tests.drive import Terminal

BARE = "from prompt_toolkit import PromptSession\n{extra}PromptSession('ready> ').prompt()"


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    with tempfile.TemporaryDirectory() as folder:
        environment = _environment(Path(folder))
        rows: list[tuple[str, list[str], str]] = [
            ("prompt_toolkit alone", _python(BARE.format(extra="")), "ready>"),
            ("… with rich.console", _python(BARE.format(extra="import rich.console\n")), "ready>"),
            ("ei", [sys.executable, "-m", "ei"], "❯"),
        ]
        times: dict[str, list[float]] = {name: [] for name, _, _ in rows}
        memory: dict[str, float] = {}
        for run in range(runs + 1):  # the first one warms the caches and does not count
            for name, command, wanted in rows:
                seconds, megabytes = to_prompt(command, wanted, environment)
                if run:
                    times[name].append(seconds)
                    memory[name] = megabytes
        base = statistics.median(times["… with rich.console"])
        print(f"{'exec to prompt':<26}{'median ms':>10}{'min':>8}{'ratio':>8}{'RSS MB':>9}")
        for name, _, _ in rows:
            middle = statistics.median(times[name])
            figures = f"{middle * 1000:>10.0f}{min(times[name]) * 1000:>8.0f}{middle / base:>8.2f}"
            print(f"{name:<26}{figures}{memory[name]:>9.1f}")
        print("budget: ratio at most 1.4, memory at most 70 MB\n")
        for provider in ("openai:gpt-x", "anthropic:claude-x"):
            megabytes = with_sdk(environment, provider)
            print(f"with the SDK of {provider.split(':')[0]:<12}{megabytes:>8.1f} MB   budget: 140 MB")
        print()
        bare = _median(lambda: _run([sys.executable, "-c", "pass"], environment), runs)
        for option in ("--version", "--help"):
            middle = _median(lambda option=option: _run([sys.executable, "-m", "ei", option], environment), runs)  # type: ignore[misc]
            ratio = f"{middle / bare:>8.1f} × an empty interpreter"
            print(f"ei {option:<23}{middle * 1000:>10.0f} ms{ratio}   budget: 100 ms")


def to_prompt(command: list[str], wanted: str, environment: dict[str, str]) -> tuple[float, float]:
    """Seconds from exec until the prompt is on the screen, and resident megabytes then."""
    began = time.perf_counter()
    with Terminal(command, 100, 30, env=environment) as terminal:
        terminal.wait_for(lambda t: wanted.encode() in t.raw, timeout=30)
        seconds = time.perf_counter() - began
        time.sleep(1.0)  # what is loaded behind the prompt counts
        return seconds, resident(terminal.pid)


def with_sdk(environment: dict[str, str], model: str) -> float:
    """Resident megabytes at the prompt once the SDK of a provider has been loaded."""
    more = {"EI_LLM_MODEL": model, "EI_OPENAI_API_KEY": "k", "EI_ANTHROPIC_API_KEY": "k"}
    with Terminal([sys.executable, "-m", "ei"], 100, 30, env={**environment, **more}) as terminal:
        terminal.wait_for("❯", timeout=30)
        last = 0.0
        for _ in range(40):  # until it stops growing
            time.sleep(0.25)
            now = resident(terminal.pid)
            if now == last and now > 75:
                break
            last = now
        return last


def resident(pid: int) -> float:
    """Megabytes of memory that a process holds, from /proc (Linux) or ps."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024
    return int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(pid)])) / 1024


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {
        **kept,
        "TERM": "xterm-256color",
        "EI_DATA_PATH": str(folder / "data"),
        "EI_CONFIG": str(folder / "config"),
        "EI_LLM_BASE_URL": NOBODY,
        "EI_OLLAMA_BASE_URL": NOBODY,
        "EI_MODELS_SYNC": "off",
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "PYTHONPYCACHEPREFIX": str(folder / "cache"),
    }


def _python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def _run(command: list[str], environment: dict[str, str]) -> None:
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


def _median(work: Callable[[], None], runs: int) -> float:
    times = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


if __name__ == "__main__":
    main()
