"""Models installed beside the conversation: several at once, stopped and gone on with, the disk watched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ei.engine.pulled import Pull, full_name, size_text
from ei.engine.pulling import Pulls, models_folder
from ei.errors import CutOffError, NeedsAnswerError, ProviderError, UnknownModelError, UnreachableError, UsageError
from tests.bench_session import Bench, bench
from tests.ollama import OllamaServer, PullFailure

GIGABYTE = 10**9
MEGABYTE = 10**6


async def never(question: str, details: Sequence[str]) -> bool:
    raise AssertionError(f"asked: {question}")


def plenty(folder: Path) -> tuple[int, int]:
    return 1000 * GIGABYTE, 900 * GIGABYTE


class Watched:
    """Pulls with everything they told. usage: what the disk says."""

    def __init__(self, b: Bench, usage: Callable[[Path], tuple[int, int]] = plenty) -> None:
        self.told: list[Pull] = []
        self.pulls = Pulls(b.services, self.told.append, usage)

    async def installed(self, name: str) -> Pull:
        self.pulls.start(name, never)
        return await self.pulls.finished(name)

    async def until(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not happened():  # noqa: ASYNC110 - what is waited for is of many kinds
                await asyncio.sleep(0.01)


@asynccontextmanager
async def ollama_bench(home: Path) -> AsyncIterator[tuple[OllamaServer, Bench]]:
    with OllamaServer() as server:
        async with bench(home, EI_OLLAMA_BASE_URL=server.url) as b:
            yield server, b


async def test_a_pull_tells_how_far_it_is_and_the_model_is_known_at_once(tmp_path: Path) -> None:
    async with ollama_bench(tmp_path) as (server, b):
        model = server.publish("gemma3:4b", 5 * MEGABYTE, 500)
        server.pulling.delay = 0.05
        watched = Watched(b)
        done = await watched.installed("ollama:gemma3:4b")
        assert (done.name, done.state, done.error, done.before, done.after) == (
            "gemma3:4b",
            "installed",
            None,
            "",
            model.digest,
        )
        assert (done.progress.total, done.progress.completed) == (model.size, model.size)
        seen = [each.progress.completed for each in watched.told]
        assert seen == sorted(seen)
        assert len(set(seen)) > 3
        assert [each.state for each in watched.told][:2] == ["waiting", "waiting"]
        assert b.services.registry.get("ollama:gemma3:4b") is not None
        assert (watched.pulls.running, watched.pulls.find("gemma3:4b")) == ((), done)


async def test_a_stopped_pull_keeps_what_came_and_a_later_one_goes_on(tmp_path: Path) -> None:
    async with ollama_bench(tmp_path) as (server, b):
        server.publish("gemma3:4b", 20 * MEGABYTE)
        server.pulling.delay = 0.03
        watched = Watched(b)
        watched.pulls.start("gemma3:4b", never)
        await watched.until(lambda: watched.told[-1].progress.completed > 2 * MEGABYTE)
        assert await watched.pulls.stop("gemma3:4b")
        stopped = watched.pulls.find("gemma3:4b")
        assert stopped is not None
        assert (stopped.state, stopped.running) == ("stopped", False)
        assert not await watched.pulls.stop("gemma3:4b")
        assert server.find("gemma3:4b") is None
        came = next(iter(server.partial.values()))
        server.pulling.delay = 0.0
        watched.told.clear()
        done = await watched.installed("gemma3:4b")
        assert done.state == "installed"
        first = next(each for each in watched.told if each.progress.completed)
        assert first.progress.completed >= came


async def test_several_run_at_once_and_a_fourth_waits(tmp_path: Path) -> None:
    async with ollama_bench(tmp_path) as (server, b):
        server.pulling.delay = 0.02
        names = [f"m{number}:1b" for number in range(4)]
        watched = Watched(b)
        for name in names:
            server.publish(name, 20 * MEGABYTE)
            watched.pulls.start(name, never)
        again = watched.pulls.start(names[0], never)
        assert again.running
        await watched.until(lambda: [each.state for each in watched.pulls.running].count("pulling") == 3)
        assert [each.state for each in watched.pulls.running].count("waiting") == 1
        server.pulling.delay = 0.0
        ends = [await watched.pulls.finished(name) for name in names]
        assert [each.state for each in ends] == ["installed"] * 4


async def test_a_pull_that_would_fill_the_disk_pauses_asks_and_goes_on_after_a_yes(tmp_path: Path) -> None:
    asked: list[tuple[str, Sequence[str]]] = []
    free = [150 * GIGABYTE]
    answers = [True, False]

    async def ask(question: str, details: Sequence[str]) -> bool:
        asked.append((question, details))
        assert watched.pulls.running[0].state == "paused"
        assert len(server.asked("/api/pull")) == len(asked)
        return answers.pop(0)

    async with ollama_bench(tmp_path) as (server, b):
        server.publish("large:70b", 60 * GIGABYTE)
        server.pulling.step = 10 * GIGABYTE
        watched = Watched(b, lambda folder: (1000 * GIGABYTE, free[0]))
        watched.pulls.start("large:70b", ask)
        done = await watched.pulls.finished("large:70b")
        assert done.state == "installed"
        ((question, details),) = asked
        assert question == "large:70b would leave less than a tenth of the disk free. Go on?"
        assert details[0].startswith("large:70b needs 60 GB more; 150 GB of 1.0 TB are free on the disk of ")
        assert details[0].endswith(". 90 GB would be left.")
        assert len(server.asked("/api/pull")) == 2
        free[0] = 30 * GIGABYTE
        asked.clear()
        server.requests.clear()
        server.publish("huge:70b", 60 * GIGABYTE)
        watched.pulls.start("huge:70b", ask)
        assert (await watched.pulls.finished("huge:70b")).state == "stopped"
        assert asked[0][0] == "huge:70b does not fit on the disk. Pull it all the same?"


async def test_what_others_still_fetch_counts_against_the_same_disk(tmp_path: Path) -> None:
    asked: list[str] = []

    async def ask(question: str, details: Sequence[str]) -> bool:
        asked.append(f"{question} {details[0]}")
        return True

    async with ollama_bench(tmp_path) as (server, b):
        server.pulling.delay = 0.05
        server.pulling.step = GIGABYTE
        for name in ("one:1b", "two:1b"):
            server.publish(name, 60 * GIGABYTE)
        watched = Watched(b, lambda folder: (1000 * GIGABYTE, 200 * GIGABYTE))
        watched.pulls.start("one:1b", ask)
        await watched.until(lambda: watched.pulls.running[0].progress.completed > 0)
        assert asked == []
        watched.pulls.start("two:1b", ask)
        await watched.until(lambda: bool(asked))
        assert ", what else is being pulled " in asked[0]
        await watched.pulls.close()
        assert watched.pulls.running == ()


async def test_where_nobody_can_be_asked_the_question_is_the_error(tmp_path: Path) -> None:
    async def nobody(question: str, details: Sequence[str]) -> bool:
        raise NeedsAnswerError(question, "Add --yes.")

    async with ollama_bench(tmp_path) as (server, b):
        server.publish("large:70b", 60 * GIGABYTE)
        watched = Watched(b, lambda folder: (1000 * GIGABYTE, 0))
        watched.pulls.start("large:70b", nobody)
        done = await watched.pulls.finished("large:70b")
        assert isinstance(done.error, NeedsAnswerError)
        assert done.state == "failed"


async def test_what_goes_wrong_is_one_sentence_and_what_came_is_kept(tmp_path: Path) -> None:
    async with ollama_bench(tmp_path) as (server, b):
        watched = Watched(b)
        unknown = await watched.installed("gema3:4b")
        assert isinstance(unknown.error, UnknownModelError)
        assert str(unknown.error).startswith('Ollama\'s library has no model "gema3:4b". Did you mean gemma3:4b')
        unlisted = await watched.installed("gemma3:4b")
        assert not str(unlisted.error).partition("Did you mean ")[2].startswith("gemma3:4b ")
        server.publish("gemma3:4b", 10 * MEGABYTE)
        full = "write /root/.ollama/models/blobs/sha256-1-partial: no space left on device"
        server.pulling.failures["gemma3:4b"] = PullFailure(full, 5 * MEGABYTE)
        disk = await watched.installed("gemma3:4b")
        assert isinstance(disk.error, ProviderError)
        assert disk.error.sentence == "The disk is full where Ollama keeps its models: gemma3:4b did not fit."
        server.pulling.failures["gemma3:4b"] = PullFailure("max retries exceeded: EOF", MEGABYTE)
        line = await watched.installed("gemma3:4b")
        assert line.error is not None
        assert line.error.sentence == "ollama could not fetch gemma3:4b: max retries exceeded: EOF."
        server.pulling.failures["gemma3:4b"] = PullFailure("", MEGABYTE)
        away = await watched.installed("gemma3:4b")
        assert isinstance(away.error, CutOffError)
        assert away.error.sentence == "The download of gemma3:4b broke off at 70 %."
        assert (await watched.installed("gemma3:4b")).state == "installed"


async def test_a_server_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        done = await Watched(b).installed("gemma3:4b")
        assert isinstance(done.error, UnreachableError)
        assert done.state == "failed"


async def test_an_update_tells_by_digest_what_changed(tmp_path: Path) -> None:
    async with ollama_bench(tmp_path) as (server, b):
        old = server.install("tiny", 5 * MEGABYTE)
        server.publish("tiny", 5 * MEGABYTE)
        watched = Watched(b)
        same = await watched.installed("tiny")
        assert (same.name, same.shown, same.before, same.after) == ("tiny:latest", "tiny", old.digest, old.digest)
        new = server.publish("tiny", 6 * MEGABYTE)
        changed = await watched.installed("tiny")
        assert (changed.before, changed.after) == (old.digest, new.digest)


async def test_leaving_stops_what_is_under_way(tmp_path: Path) -> None:
    async with ollama_bench(tmp_path) as (server, b):
        server.publish("gemma3:4b", 100 * MEGABYTE)
        server.pulling.delay = 0.05
        b.session.pulls.start("gemma3:4b", never)
        await b.until(lambda: bool(server.asked("/api/pull")))
        await b.session.close()
        pull = b.session.pulls.find("gemma3:4b")
        assert pull is not None
        assert pull.state == "stopped"
        (request,) = server.asked("/api/pull")
        await b.until(lambda: request.client_left)


def test_names_are_completed_and_what_is_none_is_refused() -> None:
    assert full_name("qwen3") == "qwen3:latest"
    assert full_name(" ollama:qwen3:8b ") == "qwen3:8b"
    assert full_name("hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M").endswith("GGUF:Q4_K_M")
    assert full_name("hf.co/owner/model") == "hf.co/owner/model:latest"
    for wrong in ("", "two words", "a\nb", "-rf", "?", "x" * 400):
        with pytest.raises(UsageError):
            full_name(wrong)


def test_the_folder_of_the_models_is_what_the_server_says_then_what_is_set_then_the_usual_one(tmp_path: Path) -> None:
    blobs, named = tmp_path / "blobs", tmp_path / "named"
    blobs.mkdir()
    named.mkdir()
    said = f"# Modelfile\nFROM {blobs / 'sha256-1'}\nTEMPLATE x"
    assert models_folder(said, str(named), tmp_path) == blobs
    assert models_folder("FROM qwen3:8b", str(named), tmp_path) == named
    assert models_folder("FROM /nowhere/at/all/sha256-1", str(named / "not" / "yet"), tmp_path) == named


def test_bytes_are_told_as_shops_count_them() -> None:
    found = [size_text(count) for count in (0, 999, 12_345, 815_000_000, 5_225_388_164, 43 * GIGABYTE, 10**12)]
    assert found == ["0 B", "999 B", "12 kB", "815 MB", "5.2 GB", "43 GB", "1.0 TB"]
