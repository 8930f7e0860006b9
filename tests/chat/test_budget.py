"""Budgets as a person sees them: the warning, the card, what is held, who answers instead, the exit code of a shell."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from ei.errors import ExitCode
from tests.chat.homes import Home, ask, ended, say, shown, times, toolbar
from tests.wire import Answer, WireServer


@pytest.fixture
def paid(home: Home, server: WireServer) -> Home:
    """A home in which a model answers whose price the person gave, $1 and $10 per million tokens."""
    server.on("big", Answer("I am here.", usage=(500, 900)))  # $0.0095
    server.on("tiny", Answer("I cost nothing."))
    home.variables.update(
        EI_LLM_MODEL="groq:big",
        EI_GROQ_API_KEY="k",
        EI_GROQ_BASE_URL=server.url,
        EI_LLM_BASE_URL=server.url,
    )
    for arguments in (("models", "add", "groq:big"), ("models", "price", "groq:big", "1", "10")):
        assert run(home, *arguments).returncode == 0
    return home


def run(home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`ei` with these arguments, without a terminal."""
    command = [sys.executable, "-m", "ei", *arguments]
    return subprocess.run(
        command, env=home.environment(), cwd=home.path, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


def test_the_person_is_warned_then_asked_and_yes_lets_one_through(paid: Home, server: WireServer) -> None:
    with paid.ei() as terminal:
        say(terminal, "/budget set day 0.0115")
        terminal.wait_for("At the limit: ask.")
        ask(terminal, "Hello")
        assert shown(terminal, "The budget of the day is 82 % spent: $0.0095 of $0.0115.")
        say(terminal, "And again")
        terminal.wait_for("May groq:big answer this once, over the budget of the day?")
        time.sleep(0.5)  # a key that was on its way when the card came answers nothing
        terminal.press("y")
        terminal.wait_for(lambda t: ended(t) == 2)
        say(terminal, "Once more")
        terminal.wait_for(lambda t: times(t, "May groq:big answer this once") >= 1 and "y yes · n no" in str(t.screen))
        say(terminal, "/no")
        terminal.wait_for("The budget of the day has $0.00 left of $0.0115")
        say(terminal, "/budget")
        terminal.wait_for("$0.0190 (165 %)")
        assert times(terminal, "% spent") == 1
    assert len(server.chats) == 2


def test_stop_sends_nothing_and_the_message_is_kept(paid: Home, server: WireServer) -> None:
    with paid.ei() as terminal:
        say(terminal, "/budget set month 0 --then stop")
        terminal.wait_for("At the limit: stop.")
        say(terminal, "Hello")
        terminal.wait_for("The budget of the month has $0.00 left of $0.00")
        assert shown(terminal, "A local model costs nothing: /model.")
    assert server.chats == []
    assert [(role, state) for role, _, state, _ in paid.messages()] == [("user", "complete"), ("assistant", "failed")]


def test_switch_says_who_answers_instead(paid: Home) -> None:
    with paid.ei() as terminal:
        say(terminal, "/budget set day 0 --then switch local:tiny")
        terminal.wait_for("At the limit: switch to local:tiny.")
        ask(terminal, "Hello")
        assert shown(terminal, "local:tiny answers instead (the budget of the day).")
        assert shown(terminal, "I cost nothing.")
        terminal.wait_for(lambda t: "local:tiny (fallback)" in toolbar(t))


def test_a_shell_sets_and_lists_them_and_is_held_with_a_code_of_its_own(paid: Home, server: WireServer) -> None:
    assert run(paid, "budget", "set", "day", "0").stdout == (
        "Budget of today: $0.00 a day; $0.00 is spent. At the limit: ask.\nNothing is left of it now.\n"
    )
    held = run(paid, "ask", "Hello")
    assert (held.returncode, held.stdout) == (ExitCode.NEEDS_ANSWER, "")
    assert "The budget of the day has $0.00 left of $0.00, and groq:big may cost" in held.stderr
    assert "--yes lets one request through." in held.stderr
    agreed = run(paid, "ask", "--yes", "Hello")
    assert (agreed.returncode, agreed.stdout) == (0, "I am here.\n")
    listed = json.loads(run(paid, "budget", "--json").stdout)
    assert [(one["scope"], one["spent_usd"], one["then"]) for one in listed["budgets"]] == [("day", 0.0095, "ask")]
    assert run(paid, "budget", "set", "day", "0", "--then", "stop").returncode == 0
    assert run(paid, "ask", "--yes", "Hello").returncode == ExitCode.PROVIDER
    assert len(server.chats) == 1
