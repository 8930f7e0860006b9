"""`ei ask` against a server on this machine, beside a script that only imports the SDK and asks the same.

python -m tests.benchmarks.ask [RUNS]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench_session import NOBODY
from tests.wire import WireServer

BARE = {
    "openai": """
import sys
from openai import OpenAI
client = OpenAI(base_url=sys.argv[1], api_key="k")
for chunk in client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "hi"}], stream=True):
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
print()
""",
    "anthropic": """
import sys
from anthropic import Anthropic
client = Anthropic(base_url=sys.argv[1], api_key="k")
with client.messages.stream(model="tiny", max_tokens=100, messages=[{"role": "user", "content": "hi"}]) as stream:
    for text in stream.text_stream:
        print(text, end="", flush=True)
print()
""",
}
BUDGET = 1.25


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory() as folder, WireServer() as server:
        server.reply("The quick brown fox jumps over the lazy dog.", usage=(20, 9))
        environment = _environment(Path(folder), server)
        ask = [sys.executable, "-m", "ei", "ask"]
        rows: list[tuple[str, str, list[str]]] = [
            ("openai", "only the openai SDK", [sys.executable, "-c", BARE["openai"], server.url]),
            ("openai", "ei ask", [*ask, "-m", "openai:tiny", "hi"]),
            ("openai", "ei ask --json", [*ask, "--json", "-m", "openai:tiny", "hi"]),
            ("anthropic", "only the anthropic SDK", [sys.executable, "-c", BARE["anthropic"], server.anthropic_url]),
            ("anthropic", "ei ask", [*ask, "-m", "anthropic:tiny", "hi"]),
        ]
        times: dict[tuple[str, str], list[float]] = {(kind, name): [] for kind, name, _ in rows}
        for run in range(runs + 1):  # the first one writes the bytecode and does not count
            for kind, name, command in rows:
                seconds = _run(command, environment)
                if run:
                    times[kind, name].append(seconds)
    print(f"{'asked through':<14}{'by':<26}{'median ms':>10}{'min':>8}{'ratio':>8}")
    for kind, name, _ in rows:
        taken = times[kind, name]
        base = statistics.median(times[kind, f"only the {kind} SDK"])
        middle = statistics.median(taken)
        print(f"{kind:<14}{name:<26}{middle * 1000:>10.0f}{min(taken) * 1000:>8.0f}{middle / base:>8.2f}")
    print(f"budget: ratio at most {BUDGET}")


def _run(command: list[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - began
    if done.returncode or "lazy dog" not in done.stdout:
        raise SystemExit(f"{command[:4]} gave {done.returncode}:\n{done.stdout}{done.stderr}")
    return seconds


def _environment(folder: Path, server: WireServer) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "SYSTEMROOT") if name in os.environ}
    return {
        **kept,
        "EI_DATA_PATH": str(folder / "data"),
        "EI_CONFIG": str(folder / "config"),
        "EI_LLM_BASE_URL": NOBODY,
        "EI_OLLAMA_BASE_URL": NOBODY,
        "EI_MODELS_SYNC": "off",
        "EI_OPENAI_BASE_URL": server.url,
        "EI_OPENAI_API_KEY": "k",
        "EI_ANTHROPIC_BASE_URL": server.anthropic_url,
        "EI_ANTHROPIC_API_KEY": "k",
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "PYTHONPYCACHEPREFIX": str(folder / "cache"),
    }


if __name__ == "__main__":
    main()
