"""Another model answers, as a person sees it: the line that says so, the card that asks, the exit code of a shell."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from ei.errors import ExitCode
from tests.chat.homes import Home, ask, ended, say, shown, times, toolbar
from tests.wire import Answer, Status, WireServer


@pytest.fixture
def failing(home: Home, server: WireServer) -> Home:
    """A home in which groq is asked and busy, and a model on this machine may answer instead."""
    server.on("big", Status(529))
    server.on("tiny", Answer("I am here.", delay=0.02))
    home.variables.update(
        EI_LLM_MODEL="groq:big",
        EI_GROQ_API_KEY="k",
        EI_GROQ_BASE_URL=server.url,
        EI_OPENAI_API_KEY="k",
        EI_OPENAI_BASE_URL=server.url,
        EI_LLM_BASE_URL=server.url,
    )
    home.settings.parent.mkdir(parents=True)
    home.settings.write_text('{"retry": {"attempts": 1}}', "utf-8")
    return home


def falls_back_to(home: Home, *references: str) -> None:
    """Writes a persona of its own with these fallbacks, who is in front."""
    file = home.persona("ada")
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"short_description": "Counts.", "fallback": references}), "utf-8")


def test_who_answers_is_shown_while_it_answers_and_below_the_reply(failing: Home) -> None:
    falls_back_to(failing, "local:tiny")
    with failing.ei("-p", "ada") as terminal:
        terminal.wait_for(lambda t: "groq:big" in toolbar(t))
        ask(terminal, "Hello")
        assert shown(terminal, "groq is busy (529). local:tiny answers instead (fallback of ada).")
        assert shown(terminal, "I am here.")
        assert times(terminal, "local:tiny · ") == 1
        terminal.wait_for(lambda t: "local:tiny (fallback)" in toolbar(t))
        say(terminal, "/model openai:other")
        terminal.wait_for(lambda t: "openai:other" in toolbar(t))


def test_a_costlier_one_is_asked_about_on_a_card_while_typing_goes_on(failing: Home, server: WireServer) -> None:
    falls_back_to(failing, "openai:dear")
    server.on("dear", Answer("At your service."))
    with failing.ei("-p", "ada") as terminal:
        say(terminal, "Hello")
        terminal.wait_for("May openai:dear answer instead (fallback of ada)?")
        time.sleep(0.5)  # a key that was on its way when the card came answers nothing
        terminal.type("and then")
        terminal.wait_for("and then")
        terminal.press("ctrl-u")
        terminal.press("y")
        terminal.wait_for(lambda t: ended(t) == 1)
        assert shown(terminal, "openai:dear answers instead (fallback of ada).")
        assert shown(terminal, "At your service.")


def test_no_leaves_it_at_the_first_failure_and_ctrl_c_ends_the_reply(failing: Home, server: WireServer) -> None:
    falls_back_to(failing, "openai:dear")
    with failing.ei("-p", "ada") as terminal:
        say(terminal, "Hello")
        terminal.wait_for("May openai:dear answer instead")
        say(terminal, "/no")
        terminal.wait_for("Try again in a while: /retry")
        say(terminal, "/retry")
        terminal.wait_for("y yes · n no")
        terminal.press("ctrl-c")
        terminal.wait_for("stopped")
        terminal.wait_for(lambda t: "y yes · n no" not in "\n".join(t.screen))
        say(terminal, "/quit")
        assert terminal.wait_exit() == 0
    assert [state for role, _, state, _ in failing.messages() if role == "assistant"] == ["failed", "cancelled"]
    assert [request.model for request in server.chats] == ["big", "big"]


def run(home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`ei` with these arguments, without a terminal."""
    command = [sys.executable, "-m", "ei", *arguments]
    return subprocess.run(
        command, env=home.environment(), cwd=home.path, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


def test_ask_names_who_answered(failing: Home) -> None:
    falls_back_to(failing, "local:tiny")
    ran = run(failing, "ask", "-p", "ada", "--json", "Hello")
    reply = json.loads(ran.stdout)
    assert (ran.returncode, reply["model"], reply["reference"]) == (0, "local:tiny", "groq:big")
    assert ran.stderr == "ei: groq is busy (529). local:tiny answers instead (fallback of ada).\n"


def test_ask_leaves_with_a_code_of_its_own_where_it_would_have_to_ask(failing: Home, server: WireServer) -> None:
    falls_back_to(failing, "openai:dear")
    server.on("dear", Answer("At your service."))
    ran = run(failing, "ask", "-p", "ada", "Hello")
    assert (ran.returncode, ran.stdout) == (ExitCode.NEEDS_ANSWER, "")
    assert ran.stderr.endswith(
        "ei: groq is busy (529). openai:dear has no price that is known here and may cost more than groq:big. "
        "May openai:dear answer instead (fallback of ada)?\n"
        "    Nobody can be asked here: add --yes to agree.\n"
    )
    agreed = run(failing, "ask", "-p", "ada", "--yes", "Hello")
    assert (agreed.returncode, agreed.stdout) == (0, "At your service.\n")
