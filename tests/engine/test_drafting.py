"""Drafting a persona: what a model may answer, and what becomes of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from ei.engine.drafting import draft_persona
from ei.errors import UsageError
from tests.bench_session import bench
from tests.wire import Answer, Hang, Status, WireServer


async def test_what_a_model_gives_is_put_right_until_the_file_can_be_used(tmp_path: Path) -> None:
    odd = """Sure! {"short_description": " Two\\nlines ", "long_description": 5, "concepts": [
        {"name": 7, "type": "magic", "level_current": NaN, "level_ideal": 1e999, "sentiment": -7},
        {"name": "Big", "type": "persona", "level_current": 1%s, "sentiment": true}, "not an object",
    ]} Enjoy!"""
    with WireServer() as server:
        server.reply(odd % ("0" * 400))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            draft = await draft_persona(b.session, "ada", "an idea", lambda text: None)
            assert (draft.problem, draft.model) == ("", "local:tiny")
            persona = b.services.library.create("ada", draft.text)
            assert (persona.short_description, persona.long_description) == ("Two lines", "an idea")
            assert [concept.name for concept in persona.concepts] == [
                "People first",
                "Never diagnose",
                "unnamed",
                "Big",
            ]
            first, second = persona.concepts[2:]
            assert (first.type, first.level_current, first.level_ideal, first.sentiment) == ("topic", 0.3, 1.0, -1.0)
            assert (second.type, second.level_current, second.sentiment) == ("persona", 1.0, 0.3)


async def test_reasoning_is_no_part_of_a_draft(tmp_path: Path) -> None:
    with WireServer() as server:
        server.reply('<think>{"short_description": "wrong"}</think>{"short_description": "right"}')
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            draft = await draft_persona(b.session, "ada", "an idea", lambda text: None)
            assert '"short_description": "right"' in draft.text


async def test_the_way_is_told_in_characters_and_waits_in_words(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script(Status(503, retry_after=0.02))
        server.reply(json.dumps({"short_description": "A pilot."}))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            told: list[str] = []
            await draft_persona(b.session, "ada", "an idea", told.append)
            assert told[0].startswith("local is busy (503). Trying again in")
            assert told[-1].endswith(" characters")


async def test_a_call_that_failed_or_was_stopped_is_recorded_as_that(tmp_path: Path) -> None:
    with WireServer() as server:
        server.script(Status(401, "no"), Hang("begun"))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            failed = await draft_persona(b.session, "ada", "an idea", lambda text: None)
            assert failed.problem.startswith("local asks for an API key (401).")
            begun: list[str] = []
            drafting = asyncio.create_task(draft_persona(b.session, "ada", "an idea", begun.append))
            await b.until(lambda: bool(begun))
            drafting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await drafting
            stopped, refused = b.services.calls.calls()
            assert (refused.outcome, refused.status, refused.input_tokens, refused.cost) == ("failed", 401, None, 0)
            assert (stopped.outcome, stopped.estimated, stopped.conversation) == ("cancelled", True, None)


async def test_what_a_model_rejects_is_left_out_and_settings_of_planning_are_sent(tmp_path: Path) -> None:
    with WireServer() as server:
        server.reply(json.dumps({"short_description": "A pilot."}))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await b.command("/settings interactions.planning.temperature 0.9")
            await b.command("/settings interactions.planning.max_tokens 700")
            b.services.learned.set("local:tiny", "rejects", ["temperature"])
            await draft_persona(b.session, "ada", "an idea", lambda text: None)
            body = server.chats[-1].body
            assert ("temperature" in body, body["max_tokens"]) == (False, 700)


async def test_a_planning_model_that_cannot_be_read_is_an_error_that_names_the_place(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_MODEL_PLANNING="gogle:x") as b:
        with pytest.raises(UsageError, match='^EI_MODEL_PLANNING: Unknown provider "gogle"'):
            await draft_persona(b.session, "ada", "an idea", lambda text: None)


async def test_what_no_provider_counted_is_estimated(tmp_path: Path) -> None:
    with WireServer() as server:
        server.reply(Answer(json.dumps({"short_description": "A pilot."})).text, usage=None)
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="tiny") as b:
            await draft_persona(b.session, "ada", "an idea", lambda text: None)
            (call,) = b.services.calls.calls()
            assert call.estimated
            assert call.input_tokens
            assert call.output_tokens
