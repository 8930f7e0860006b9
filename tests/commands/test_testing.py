"""/models test in the chat and in a shell: what it asks before, what it shows, and what it leaves."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from ei.commands.base import Table
from ei.errors import EiError, NeedsAnswerError, PrivateError, UnreachableError, UsageError
from ei.models.values import Model
from ei.storage.database import Database
from ei.usage.store import CallStore
from tests.bench_session import Bench, bench, text_of
from tests.engine.test_testing import PARIS, able, without
from tests.run_ei import Ei
from tests.wire import Hang, WireServer


async def refused(b: Bench, line: str, kind: type[EiError] = UsageError) -> str:
    with pytest.raises(kind) as caught:
        await b.command(line)
    return str(caught.value)


async def test_a_model_here_is_tested_without_a_question(tmp_path: Path) -> None:
    with WireServer() as server:
        server.always(able)
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            b.services.registry.add(Model("local", "google/tiny"))
            reply = await b.command("/models test tiny")
            assert b.ui.asked == []
            (table,) = (item for item in reply.items if isinstance(item, Table))
            assert [(row[0], row[1], row[3]) for row in table.rows] == [
                ("a word", "yes", "Hello"),
                ("JSON by a schema", "yes", PARIS),
                ("a tool call", "yes", 'weather({"city": "Paris"})'),
            ]
            lines = text_of(reply).splitlines()
            assert lines[3].startswith("local:google/tiny · first token 0.")
            assert lines[3].endswith(" · ↑64 ↓14 · $0")
            assert lines[4] == "Remembered: it has structured output, tools."
            shown = text_of(await b.command("/models show google/tiny"))
            assert "learned here | tested: structured output, tools" in shown
            assert "structured_output tools | test" in text_of(await b.command("/models log"))


async def test_a_paid_model_is_tested_after_a_yes_and_the_estimate_is_told(tmp_path: Path) -> None:
    with WireServer() as server:
        server.always(able)
        async with bench(tmp_path, EI_ANTHROPIC_BASE_URL=server.anthropic_url, EI_ANTHROPIC_API_KEY="k") as b:
            b.ui.yes = [False, True]
            line = "/models test claude:claude-haiku-4-5"
            assert text_of(await b.command(line)) == "anthropic:claude-haiku-4-5 is not tested."
            assert server.chats == []
            asked = b.ui.asked[0].splitlines()[0]
            assert asked.startswith("Test anthropic:claude-haiku-4-5 with three short requests: about ")
            assert asked.endswith(" tokens, about $0.0022?")
            reply = await b.command(line)
            assert isinstance(reply.data, dict)
            assert reply.data["works"] == {"word": True, "json": True, "tool": True}
            assert reply.data["cost_usd"] > 0
            assert len(server.chats) == 3
            b.ui.asked.clear()
            await b.command(line, yes=True)
            assert b.ui.asked == []


async def test_where_nobody_can_be_asked_a_model_of_unknown_price_is_left_alone(tmp_path: Path) -> None:
    with WireServer() as server:
        async with bench(tmp_path, EI_OPENAI_BASE_URL=server.url, EI_OPENAI_API_KEY="k") as b:
            told = await refused(b, "/models test openai:nobody-knows", NeedsAnswerError)
            assert "its price is unknown?" in told
            assert server.chats == []


async def test_a_refusal_is_a_line_of_the_report(tmp_path: Path) -> None:
    with WireServer() as server:
        server.always(without("tools", "response_format"))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            told = text_of(await b.command("/models test local:tiny"))
            assert "a tool call | no |  | local:tiny does not accept tools (400): tools is not supported" in told
            assert told.endswith("Remembered: it has no structured output, no tools.")


async def test_the_companion_is_tested_too(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        told = text_of(await b.command("/models test builtin:eliza"))
        assert "a tool call | no |  | the built-in companion answers by rules" in told


async def test_what_cannot_be_tested_is_one_sentence(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        assert await refused(b, "/models test") == "Which model? /models test M"
        assert (await refused(b, "/models test nothing")).startswith("The registry has no model nothing.")
        assert (await refused(b, "/models test nobody:x")).startswith('Unknown provider "nobody"')
        assert (await refused(b, "/models test --fast x")).startswith("There is no option --fast.")
        assert (await refused(b, "/models test local:x", UnreachableError)).startswith("Nothing answers at")


def test_a_shell_gets_one_json_value(tmp_path: Path) -> None:
    with WireServer() as server:
        server.always(able)
        ei = Ei(tmp_path, EI_LLM_BASE_URL=server.url)
        found = ei("models", "test", "local:tiny", "--json").json
        assert (found["model"], found["works"]) == ("local:tiny", {"word": True, "json": True, "tool": True})
        assert json.loads(found["told"]["json"])["name"] == "Paris"
        assert found["usage"] == {"input_tokens": 64, "output_tokens": 14, "estimated": False}
        assert (found["cost_usd"], found["capabilities"]) == (0, {"structured_output": True, "tools": True})
        paid = Ei(tmp_path, EI_OPENAI_BASE_URL=server.url, EI_OPENAI_API_KEY="k")(
            "models", "test", "openai:x", "--json"
        )
        assert paid.code == 4


if sys.platform != "win32":  # a process cannot be sent Ctrl-C there

    def test_ctrl_c_in_a_shell_ends_it_and_what_was_under_way_is_recorded(tmp_path: Path) -> None:
        with WireServer() as server:
            server.script("Hello", Hang("begun"))
            ei = Ei(tmp_path, EI_LLM_BASE_URL=server.url)
            running = ei.start("models", "test", "local:tiny")
            server.wait_for(2)
            os.kill(running.pid, signal.SIGINT)
            _, err = running.communicate(timeout=20)
            assert (running.returncode, b"Traceback" in err) == (130, False)
        database = Database(ei.data / "ei.db")
        try:
            calls = CallStore(database).calls()
        finally:
            database.close()
        assert [(call.outcome, call.triggered_by) for call in calls] == [("cancelled", "test"), ("complete", "test")]


async def test_what_must_stay_here_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_OPENAI_API_KEY="k") as b:
        await b.command("/private on")
        with pytest.raises(PrivateError, match="openai is not on this machine"):
            await b.command("/models test openai:gpt-5.1")
        assert b.ui.asked == []
