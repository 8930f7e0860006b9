"""`/models sync`: ten providers with 5,000 models in all, of which the slowest takes a second, beside reading one list.

python -m tests.benchmarks.sync [MODELS]
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from ei.engine.syncing import SyncResult, sync
from ei.models.registry import RegistryStore
from tests.bench_session import Bench, bench
from tests.wire import Raw, WireServer
from tests.wire_formats import Request

PROVIDERS = (
    ("local", "EI_LLM", "/v1"),
    ("openai", "EI_OPENAI", "/v1"),
    ("google", "EI_GOOGLE", "/v1beta/openai"),
    ("anthropic", "EI_ANTHROPIC", ""),
    ("x", "EI_XAI", "/v1"),
    ("groq", "EI_GROQ", "/openai/v1"),
    ("together", "EI_TOGETHER", "/v1"),
    ("mistral", "EI_MISTRAL", "/v1"),
    ("openrouter", "EI_OPENROUTER", "/api/v1"),
    ("deepseek", "EI_DEEPSEEK", "/v1"),
)
SLOWEST = 1.0
BUDGET = 3.0
PAGE = 100


def row(provider: str, number: int) -> dict[str, object]:
    """A model in the shape of its provider's list; every other one says nothing of context and price."""
    id = f"maker-{number % 17}/model-{number}-instruct"
    out: dict[str, object] = {"id": id, "object": "model", "created": 1_700_000_000 + number}
    if provider == "google":
        return {"name": f"models/{id}", "supportedGenerationMethods": ["generateContent"], "inputTokenLimit": 32_000}
    if number % 2 == 0:
        out |= {
            "name": f"Maker: Model {number}",
            "context_length": 32_000,
            "pricing": {"prompt": f"0.{number + 1:09}", "completion": f"0.{number + 7:09}"},
            "supported_parameters": ["tools", "temperature"],
        }
    return out


def serve(stack: ExitStack, provider: str, count: int, delay: float) -> WireServer:
    """A server that lists `count` models after `delay` seconds, OpenRouter's and Google's page by page."""
    rows = [row(provider, number) for number in range(count)]

    def answer(request: Request) -> Raw:
        if not request.path.endswith(("/models", "/language-models")):
            return Raw(b"{}", "application/json", status=404)
        query = dict(pair.partition("=")[::2] for pair in request.query.split("&") if pair)
        start = int(query.get("offset") or query.get("pageToken") or 0)
        if not start:
            time.sleep(delay)
        match provider:
            case "together":
                page: object = rows
            case "google":
                more = {"nextPageToken": str(start + PAGE)} if start + PAGE < count else {}
                page = {"models": rows[start : start + PAGE], **more}
            case "openrouter":
                following = f"{request.path}?offset={start + PAGE}" if start + PAGE < count else None
                page = {"data": rows[start : start + PAGE], "links": {"next": following}}
            case _:
                page = {"data": rows}
        return Raw(json.dumps(page).encode(), "application/json")

    server = stack.enter_context(WireServer())
    server.pages = answer
    return server


async def timed(b: Bench) -> tuple[float, float, float, SyncResult]:
    """(seconds, seconds of processor, longest pause of the event loop in seconds, what it found) of a sync."""
    pause = 0.0
    done = asyncio.Event()

    async def watch() -> None:
        nonlocal pause
        while not done.is_set():
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            pause = max(pause, time.perf_counter() - began - 0.001)

    watching = asyncio.create_task(watch())
    began, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_utime
    result = await sync(b.services, [name for name, _, _ in PROVIDERS])
    took, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_utime - used
    done.set()
    await watching
    return took, used, pause, result


async def main() -> None:
    models = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        variables: dict[str, str] = {}
        for index, (name, prefix, base) in enumerate(PROVIDERS):
            delay = SLOWEST * (index + 1) / len(PROVIDERS)
            server = serve(stack, name, models // len(PROVIDERS), delay)
            variables |= {f"{prefix}_BASE_URL": server.anthropic_url + base, f"{prefix}_API_KEY": "k"}
        async with bench(Path(folder), **variables) as b:
            print(f"{'':<34}{'total':>9}{'beyond slowest':>16}{'processor':>11}{'loop pause':>12}")
            for title in ("first sync", "second sync, nothing new"):
                took, used, pause, result = await timed(b)
                print(f"{title:<34}{took:>7.2f} s{took - SLOWEST:>14.2f} s{used:>9.2f} s{pause * 1000:>9.0f} ms")
                assert not [asked.problem for asked in result.asked if asked.problem], result.asked
                assert took < SLOWEST + BUDGET, f"{took:.2f} s"
            assert len(b.services.registry.all()) == models
            print(f"budget: {BUDGET:g} s beyond the slowest; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
            print(f"{'provider':<14}{'models':>7}{'asked for':>12}")
            for asked in result.asked:
                print(f"{asked.provider:<14}{asked.models:>7}{asked.seconds:>10.2f} s")
            fresh = RegistryStore(b.services.database)
            for title in ("reading the registry, cold", "reading it again"):
                began = time.perf_counter()
                fresh.all()
                print(f"{title:<34}{(time.perf_counter() - began) * 1000:>9.2f} ms")


if __name__ == "__main__":
    asyncio.run(main())
