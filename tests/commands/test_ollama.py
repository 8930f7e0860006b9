"""/ollama in the chat and in a shell, against a server that behaves like Ollama."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ei.commands.base import Table
from ei.commands.ollama import complete_ollama
from ei.commands.pull_rows import end_line, in_short, pull_row
from ei.engine.pull_meter import PullProgress
from ei.engine.pulled import Pull
from ei.errors import EiError, PrivateError, UnknownModelError, UsageError
from ei.usage.values import Call
from tests.bench_session import Bench, bench, text_of
from tests.ollama import OllamaServer, PullFailure
from tests.run_ei import Ei

MEGABYTE = 10**6
SETTINGS = '{"default_model": "ollama:qwen3:8b", "llm_profiles": [{"id": "home", "model": "ollama:qwen3:8b"}]}'


@asynccontextmanager
async def ollama_bench(home: Path, settings: str = "") -> AsyncIterator[tuple[OllamaServer, Bench]]:
    if settings:
        (home / "config").mkdir()
        (home / "config" / "settings.jsonc").write_text(settings, "utf-8")
    with OllamaServer() as server:
        async with bench(home, EI_OLLAMA_BASE_URL=server.url) as b:
            yield server, b


async def refused(b: Bench, line: str, kind: type[EiError] = UsageError, *, yes: bool = False) -> str:
    with pytest.raises(kind) as caught:
        await b.command(line, yes=yes)
    return str(caught.value)


async def pulled(b: Bench, line: str) -> list[str]:
    """Gives a command that pulls; how each pull ended."""
    await b.command(line)
    names = [pull.name for pull in b.session.pulls.running]
    return [end_line(await b.session.pulls.finished(name))[0] for name in names]


async def test_what_is_installed_is_a_table(tmp_path: Path) -> None:
    async with ollama_bench(tmp_path) as (server, b):
        server.install("qwen3:8b", modified_at="2026-11-01T10:00:00Z")
        server.install("tiny", 600 * MEGABYTE, context=None, modified_at="2026-10-01T10:00:00Z")
        server.load("tiny", 8192)
        used = int((b.services.now() - 7200) * 1000)
        b.services.calls.record(Call(used, "reasoning", "ollama", "tiny", "complete"))
        reply = await b.command("/ollama")
        (table,) = (item for item in reply.items if isinstance(item, Table))
        found = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        assert [(row["model"], row["size"], row["quantisation"], row["context"]) for row in found] == [
            ("qwen3:8b", "5.2 GB", "Q4_K_M", "41k"),
            ("tiny:latest", "600 MB", "Q4_K_M", "?"),
        ]
        assert [row["last used here"] for row in found] == ["never", "2 h ago"]
        assert [row["loaded now"] for row in found] == ["", "1.4 GB, 8.2k context"]
        assert text_of(reply).endswith("2 models, 5.8 GB.")
        data = reply.data
        assert isinstance(data, list)
        assert (data[0]["model"], data[0]["context"], data[0]["loaded"]) == ("qwen3:8b", 40_960, None)
        assert (data[1]["last_used_ms"], data[1]["loaded"]["context"]) == (used, 8192)


async def test_an_empty_ollama_says_how_to_begin(tmp_path: Path) -> None:
    async with ollama_bench(tmp_path) as (_, b):
        assert text_of(await b.command("/ollama")).startswith("Ollama has no models yet.\n/ollama search shows")


async def test_families_are_searched_by_words(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        told = text_of(await b.command("/ollama search mistral vision"))
        assert told.startswith("mistral-small3.2 | Mistral AI | ")
        assert "24b (15 GB)" in told
        assert "Any other name can be pulled, too: /ollama pull NAME" in told
        assert "No family that ships with ei has gema3 in it. Near it: gemma3" in text_of(
            await b.command("/ollama search gema3")
        )
        reply = await b.command("/ollama search qwen3-coder")
        assert reply.data == [
            {
                "family": "qwen3-coder",
                "maker": "Alibaba",
                "good_at": "programming with tools, long context",
                "can": ["tools"],
                "sizes": [
                    {"name": "qwen3-coder:30b", "bytes": 19_000_000_000},
                    {"name": "qwen3-coder:480b", "bytes": 290_000_000_000},
                ],
            }
        ]


async def test_all_that_is_told_of_a_model_and_who_uses_it(tmp_path: Path) -> None:
    async with ollama_bench(tmp_path, SETTINGS) as (server, b):
        server.install("qwen3:8b", parameters="num_ctx 16384\nstop    <eos>", capabilities=("completion", "tools"))
        told = text_of(await b.command("/ollama show qwen3"))
        assert "context | 41k, 16.4k by its own settings" in told
        assert "can | completion, tools" in told
        assert "used by | default_model in settings.jsonc, profile home" in told
        assert "settings | num_ctx 16384; stop <eos>" in told
        assert (await refused(b, "/ollama show qwen2", UnknownModelError)).startswith("qwen2 is not installed.")
        assert await refused(b, "/ollama show") == "Which model? /ollama show NAME"


async def test_removing_asks_and_names_who_uses_it(tmp_path: Path) -> None:
    async with ollama_bench(tmp_path, SETTINGS) as (server, b):
        server.install("qwen3:8b")
        await b.command("/models sync ollama")
        b.ui.yes = [False, True]
        assert text_of(await b.command("/ollama rm qwen3:8b")) == "qwen3:8b stays."
        assert b.ui.asked == [
            "Remove qwen3:8b from Ollama?\nUsed by default_model in settings.jsonc, profile home.\nIt frees 5.2 GB."
        ]
        reply = await b.command("/ollama rm qwen3:8b")
        assert text_of(reply).startswith("qwen3:8b is removed.\nStill named by default_model in settings.jsonc, ")
        assert server.installed == {}
        model = b.services.registry.get("ollama:qwen3:8b")
        assert model is not None
        assert not model.active
        assert (await refused(b, "/ollama rm qwen3:8b", UnknownModelError)).startswith("qwen3:8b is not installed.")


async def test_where_nobody_is_asked_only_a_whole_name_is_removed(tmp_path: Path) -> None:
    async with ollama_bench(tmp_path) as (server, b):
        server.install("qwen3:8b")
        told = await refused(b, "/ollama rm qwen", UnknownModelError, yes=True)
        assert told == "qwen is not installed. Did you mean qwen3:8b?"
        assert list(server.installed) == ["qwen3:8b"]
        await b.command("/ollama rm qwen3:8b", yes=True)
        assert (server.installed, b.ui.asked) == ({}, [])


async def test_what_is_loaded_and_taking_it_out_of_memory(tmp_path: Path) -> None:
    async with ollama_bench(tmp_path) as (server, b):
        server.install("tiny", 600 * MEGABYTE)
        server.load("tiny", 8192)
        reply = await b.command("/ollama ps")
        assert text_of(reply) == "tiny:latest | 1.4 GB | 50 % | 8.2k | 4 min"
        assert isinstance(reply.data, list)
        assert reply.data[0]["size_vram_bytes"] == 709_600_000
        assert text_of(await b.command("/ollama stop tiny")) == "tiny:latest is no longer in memory."
        assert text_of(await b.command("/ollama ps")) == "Ollama has nothing loaded."
        assert text_of(await b.command("/ollama stop tiny")) == "tiny:latest is not loaded."


async def test_a_pull_is_begun_and_the_command_is_over(tmp_path: Path) -> None:
    async with ollama_bench(tmp_path) as (server, b):
        server.pulling.delay = 0.05
        server.publish("gemma3:4b", 20 * MEGABYTE)
        server.publish("somebody/own", 20 * MEGABYTE)
        told = text_of(await b.command("/ollama pull gemma3:4b somebody/own"))
        assert told.splitlines()[:2] == ["Pulling gemma3:4b, about 3.3 GB.", "Pulling somebody/own."]
        assert "gemma3:4b is being pulled already." in text_of(await b.command("/ollama pull ollama:gemma3:4b"))
        listed = text_of(await b.command("/ollama pull")).splitlines()
        assert [line.split()[0] for line in listed[:2]] == ["gemma3:4b", "somebody/own"]
        assert "gemma3:4b" in [word for word, _ in complete_ollama(b.session, ["pull", "--stop", ""])]
        with pytest.raises(UsageError, match="Under way: gemma3:4b, somebody/own"):
            await b.command("/ollama pull --stop")
        await b.command("/ollama pull --stop somebody/own")
        assert [pull.shown for pull in b.session.pulls.running] == ["gemma3:4b"]
        server.pulling.delay = 0.0
        done = await b.session.pulls.finished("gemma3:4b")
        assert end_line(done)[0].startswith("gemma3:4b is installed: 20 MB in ")
        assert text_of(await b.command("/ollama pull")).startswith("Nothing is being pulled.")
        assert await refused(b, "/ollama pull --stop gemma3:4b") == "gemma3:4b is not being pulled. See /ollama pull."
        assert await refused(b, '/ollama pull "two words"') == (
            '"two words" is no name of a model. Names look like qwen3:8b or hf.co/OWNER/MODEL.'
        )
        assert (await b.command("/model ollama:gemma3:4b")).items


async def test_updating_says_what_changed(tmp_path: Path) -> None:
    async with ollama_bench(tmp_path) as (server, b):
        old = server.install("one:1b", MEGABYTE)
        server.install("two:1b", MEGABYTE)
        new = server.publish("one:1b", 2 * MEGABYTE)
        server.publish("two:1b", MEGABYTE)
        changed, same = await pulled(b, "/ollama update --all")
        assert changed == f"one:1b is updated: {old.digest[:12]} → {new.digest[:12]}, 2.0 MB."
        assert same.startswith("two:1b is up to date (")
        assert (await refused(b, "/ollama update")).startswith("Which model is to be updated?")
        assert (await refused(b, "/ollama update three")).startswith("three is not installed. To install it:")


async def test_an_ollama_elsewhere_is_named_and_no_disk_is_watched(tmp_path: Path) -> None:
    async with bench(tmp_path, OLLAMA_HOST="ollama.invalid:11434", EI_OLLAMA_BASE_URL="") as b:
        told = text_of(await b.command("/ollama pull gemma3:4b"))
        assert told.startswith("Pulling gemma3:4b, about 3.3 GB to ollama.invalid.")
        done = await b.session.pulls.finished("gemma3:4b")
        assert (done.state, done.host) == ("failed", "ollama.invalid")


async def test_where_everything_is_private_an_ollama_elsewhere_is_not_asked(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_OLLAMA_BASE_URL="http://ollama.invalid:11434", EI_PRIVATE="1") as b:
        assert "ollama is not on this machine" in await refused(b, "/ollama", PrivateError)
        b.session.pulls.start("gemma3:4b", b.ui.confirm)
        assert isinstance((await b.session.pulls.finished("gemma3:4b")).error, PrivateError)


async def test_the_picker_offers_to_install_what_is_not_there(tmp_path: Path) -> None:
    async with ollama_bench(tmp_path) as (server, b):
        server.install("qwen3:8b")
        server.publish("gemma3:4b", MEGABYTE)
        b.ui.keys = [None, "install gemma3:4b", "install gemma3:4b"]
        b.ui.yes = [False, True]
        await b.command("/model pick")
        rows = {choice.key: choice for choice in b.ui.offers[0].choices}
        assert "install qwen3:8b" not in rows
        assert "install nomic-embed-text:v1.5" not in rows
        assert rows["install gemma3:4b"].label == "ollama:gemma3:4b"
        assert rows["install gemma3:4b"].cells == ("", "", "free", "v", "", "get 3.3 GB")
        assert "many languages" in rows["install gemma3:4b"].words
        facts = b.ui.offers[0].facts
        assert facts is not None
        assert facts("install gemma3:4b").startswith("not installed, by Google · 3.3 GB · ")
        assert text_of(await b.command("/model pick")) == "gemma3:4b is not installed."
        assert b.ui.asked[-1] == "gemma3:4b is not installed. Install it (about 3.3 GB)?"
        assert text_of(await b.command("/model pick")).startswith("Pulling gemma3:4b")
        assert (await b.session.pulls.finished("gemma3:4b")).state == "installed"
        b.ui.keys = [None]
        await b.command("/model pick")
        assert "install gemma3:4b" not in [choice.key for choice in b.ui.offers[-1].choices]


async def test_words_and_names_are_completed(tmp_path: Path) -> None:
    async with ollama_bench(tmp_path) as (server, b):
        server.install("qwen3:8b")
        await b.command("/models sync ollama")
        assert [word for word, _ in complete_ollama(b.session, [""])][:3] == ["search", "pull", "show"]
        assert complete_ollama(b.session, ["rm", ""]) == [("qwen3:8b", "")]
        assert ("--all", "all that are installed") in complete_ollama(b.session, ["update", ""])
        assert dict(complete_ollama(b.session, ["pull", ""]))["gemma3:4b"].startswith("3.3 GB · ")
        assert complete_ollama(b.session, ["ps", ""]) == []
        assert await refused(b, "/ollama psx") == "There is no ollama psx. Did you mean /ollama ps?"


def test_a_row_says_as_much_as_fits() -> None:
    progress = PullProgress("pulling 1", 5_200_000_000, 2_236_000_000, 34_000_000.0, 88.0)
    pull = Pull("qwen3:8b", state="pulling", progress=progress)
    assert pull_row(pull, 60) == "qwen3:8b ▕███▍    ▏  43 % 2.2/5.2 GB 34 MB/s 1 min 28 s left"
    assert pull_row(pull, 30) == "qwen3:8b ▕███▊     ▏  43 %"
    assert pull_row(pull, 8) == "qwen3:8…"
    for width in range(1, 200):
        assert len(pull_row(pull, width)) <= width
    assert pull_row(Pull("m:1"), 60) == "m:1 waits for the others"
    assert pull_row(Pull("m:1", state="begun"), 60) == "m:1 begins"
    assert pull_row(Pull("m:1", state="paused", progress=progress), 60) == "m:1 waits for your answer at 43 %"
    done = PullProgress("verifying sha256 digest", 10, 10, 1.0)
    assert pull_row(Pull("m:1", state="pulling", progress=done), 60) == "m:1 100 % verifying sha256 digest"
    assert (in_short([]), in_short([pull]), in_short([pull, pull])) == ("", "⇣ qwen3:8b 43 %", "⇣ 2 models 43 %")


def test_how_a_pull_ended_is_one_line() -> None:
    progress = PullProgress("", 5_200_000_000, 2_236_000_000)
    stopped = Pull("qwen3:latest", state="stopped", progress=progress)
    assert end_line(stopped)[0] == "qwen3 stopped at 43 %; what came is kept. It goes on with /ollama pull qwen3"
    assert end_line(Pull("m:1", state="stopped"))[0] == "m:1 stopped before it began. Again: /ollama pull m:1"
    done = Pull("m:1", state="installed", progress=progress, after="1" * 64, seconds=154.2)
    assert end_line(done)[0] == "m:1 is installed: 5.2 GB in 2 min 34 s. To talk with it: /model ollama:m:1"


# In a shell.


def test_a_shell_waits_for_the_end_and_gives_json(tmp_path: Path) -> None:
    with OllamaServer() as server:
        server.publish("gemma3:4b", 5 * MEGABYTE)
        server.install("tiny", MEGABYTE)
        server.publish("tiny", MEGABYTE)
        ei = Ei(tmp_path, EI_OLLAMA_BASE_URL=server.url)
        done = ei("ollama", "pull", "gemma3:4b")
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith("gemma3:4b is installed: 5.0 MB in ")
        assert "To talk with it: ei model ollama:gemma3:4b" in done.out
        (found,) = ei("ollama", "update", "tiny", "--json").json
        assert (found["model"], found["state"], found["changed"]) == ("tiny", "installed", False)
        refused = ei("ollama", "rm", "tiny")
        assert (refused.code, "Remove tiny:latest from Ollama?" in refused.err) == (4, True)
        server.pulling.failures["gemma3:4b"] = PullFailure("write x: no space left on device")
        server.publish("gemma3:4b", 6 * MEGABYTE)
        full = ei("ollama", "pull", "gemma3:4b")
        assert full.code == 1
        assert full.err.startswith("ei: The disk is full where Ollama keeps its models: gemma3:4b did not fit.")


def test_a_disk_that_would_become_full_needs_an_answer(tmp_path: Path) -> None:
    with OllamaServer() as server:
        server.publish("huge", 10**15)
        server.pulling.step = 10**14
        ei = Ei(tmp_path, EI_OLLAMA_BASE_URL=server.url)
        asked = ei("ollama", "pull", "huge")
        assert asked.code == 4
        assert "huge does not fit on the disk. Pull it all the same?" in asked.err
        assert ei("ollama", "pull", "huge", "--yes").code == 0


if sys.platform != "win32":  # a process cannot be sent Ctrl-C there

    def test_ctrl_c_in_a_shell_keeps_what_came(tmp_path: Path) -> None:
        with OllamaServer() as server:
            server.publish("gemma3:4b", 1000 * MEGABYTE)
            server.pulling.delay = 0.02
            ei = Ei(tmp_path, EI_OLLAMA_BASE_URL=server.url)
            running = ei.start("ollama", "pull", "gemma3:4b")
            deadline = time.monotonic() + 20
            while sum(server.partial.values()) < 20 * MEGABYTE and time.monotonic() < deadline:
                time.sleep(0.02)
            os.kill(running.pid, signal.SIGINT)
            out, err = running.communicate(timeout=20)
            assert (running.returncode, err) == (130, b"")
            assert b"what came is kept. It goes on with" in out
            came = sum(server.partial.values())
            server.pulling.delay = 0.0
            assert ei("ollama", "pull", "gemma3:4b").code == 0
            assert came >= 20 * MEGABYTE
