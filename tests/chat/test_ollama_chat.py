"""Conversations typed into the real program, answered by a server that behaves like Ollama."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chat.homes import Home, ask, prompt_line, say, shown, toolbar
from tests.ollama import Cut, OllamaServer

QWEN = "qwen3:8b"
SEVENS = " ".join(["sevens"] * 1500)
"""About 2,600 tokens, as they are estimated."""


@pytest.fixture
def server() -> Iterator[OllamaServer]:
    with OllamaServer() as server:
        server.install(QWEN, capabilities=("completion", "thinking"))
        server.reply("Four.", reasoning="Two and two make four.", usage=(900, 12))
        yield server


@pytest.fixture
def home(tmp_path: Path, server: OllamaServer) -> Home:
    return Home(tmp_path, {"OLLAMA_HOST": f"127.0.0.1:{server.port}", "EI_OLLAMA_BASE_URL": ""})


def contexts(server: OllamaServer) -> list[int]:
    return [request.body["options"]["num_ctx"] for request in server.chats]


def test_a_running_ollama_answers_and_its_thinking_is_folded(home: Home, server: OllamaServer) -> None:
    with home.ei() as t:
        ask(t, "What is 2+2?")
        assert shown(t, "Four.")
        assert not shown(t, "Two and two make four.")
        assert shown(t, f"ollama:{QWEN} ·")
        t.wait_for(lambda t: "912/8.2k" in toolbar(t))
    assert server.loads == [(QWEN, 8192)]


def test_the_context_grows_with_the_conversation_and_stays(home: Home, server: OllamaServer) -> None:
    with home.ei("-m", f"ollama:{QWEN}") as t:
        ask(t, "Hello")
        assert contexts(server) == [8192]
        t.paste(SEVENS)
        ask(t, "")
        ask(t, "Thank you")
        assert contexts(server) == [8192, 16_384, 16_384]
        t.wait_for(lambda t: "/16.4k" in toolbar(t))
    assert server.loads == [(QWEN, 8192), (QWEN, 16_384)]


def test_what_the_setting_does_not_allow_is_left_out_and_said(home: Home, server: OllamaServer) -> None:
    home.settings.parent.mkdir(parents=True)
    allowed = {"providers": {"ollama": {"num_ctx": 6000, "keep_alive": "-1"}}}
    home.settings.write_text(json.dumps(allowed), "utf-8")
    with home.ei("-m", f"ollama:{QWEN}") as t:
        for _ in range(2):
            t.paste(SEVENS)
            ask(t, "")
        assert shown(t, "left out")
    assert contexts(server) == [6000, 6000]
    assert [request.body["keep_alive"] for request in server.chats] == [-1, -1]
    assert [len(request.messages) for request in server.chats] == [2, 2]


def test_a_model_that_is_missing_is_told_with_the_command_that_installs_it(home: Home) -> None:
    with home.ei("-m", "ollama:qwen3:4b") as t:
        say(t, "Hello")
        t.wait_for(lambda t: shown(t, "Or install qwen3:4b: /ollama pull qwen3:4b"))
        assert shown(t, 'ollama has no model "qwen3:4b".')
        assert shown(t, f"Did you mean {QWEN}?")
        assert prompt_line(t) == ""


def test_a_reply_that_breaks_off_keeps_its_text(home: Home, server: OllamaServer) -> None:
    server.always(Cut("One two three", "end"))
    with home.ei("-m", f"ollama:{QWEN}") as t:
        say(t, "Count")
        t.wait_for(lambda t: shown(t, "The reply of ollama was cut off."))
        assert shown(t, "One two three")
    assert [state for *_, state, _ in home.messages()] == ["complete", "failed"]
