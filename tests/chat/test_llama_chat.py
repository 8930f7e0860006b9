"""Conversations typed into the real program, answered by a real llama.cpp server on both its endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chat.homes import Home, ask, ended, prompt_line, say, shown, times, toolbar
from tests.llama import ANSWER, Llama, started_llama

pytestmark = pytest.mark.llama

DRAWN = (
    "Hello! I am a tiny model made for tests. Here is some bold text, a list:",
    "• first point",
    "• second point, with naïve café and 日本語 🙂",
    'print("hi")',
    "That was all.",
)
"""The answer as it stands on the screen: markdown is drawn, not shown."""

SLOW = 60.0
"""Seconds that a reply may take where two of them share a slow processor."""


@pytest.fixture(scope="module")
def llama() -> Iterator[Llama]:
    yield from started_llama()


@pytest.fixture
def living(tmp_path: Path, llama: Llama) -> Home:
    """Folders, with the server as `local` and as `anthropic`; local:tiny answers where nothing else is set."""
    return Home(
        tmp_path,
        {
            "EI_LLM_BASE_URL": llama.url,
            "EI_LLM_MODEL": f"local:{llama.model}",
            "EI_ANTHROPIC_BASE_URL": llama.anthropic_url,
            "EI_ANTHROPIC_API_KEY": "not-needed",
        },
    )


@pytest.mark.parametrize("provider", ["local", "anthropic"])
def test_the_answer_streams_in_and_is_drawn_and_kept_whole(living: Home, provider: str) -> None:
    with living.ei("-m", f"{provider}:tiny") as t:
        ask(t, "Hello, who are you?", SLOW)
        for row in DRAWN:
            assert times(t, row) == 1, row
        assert not shown(t, "**bold**")
        assert shown(t, f"{provider}:tiny ·")
        assert "~" not in next(line for line in t.everything if f"{provider}:tiny · " in line)
    assert living.messages() == [
        ("user", "", "complete", "Hello, who are you?"),
        ("assistant", "ei", "complete", ANSWER),
    ]


def test_two_personas_with_two_models_in_one_session_then_leaving_and_coming_back(living: Home) -> None:
    with living.ei() as t:
        say(t, "Hello ei")
        say(t, "/persona lena")
        t.wait_for("lena ❯")
        say(t, "/model anthropic:tiny")
        t.wait_for("Model for lena set to: anthropic:tiny")
        ask(t, "Hello lena", SLOW)
        t.wait_for(lambda t: "ei ●1" in toolbar(t), SLOW)
        say(t, "/persona ei")
        t.wait_for(lambda t: t.everything.count("ei   " + DRAWN[0]) == 1)
        t.wait_for(lambda t: "local:tiny" in toolbar(t))
        before = ended(t)
        say(t, "@lena what do you think?")
        t.wait_for(lambda t: ended(t) > before, SLOW)
        assert t.everything.count("lena  " + DRAWN[0]) == 2
        say(t, "/persona lena")
        t.wait_for("lena ❯")
        t.type("half a line")
        t.press("ctrl-c", "ctrl-d")
        assert t.wait_exit() == 0
    with living.ei() as t:
        t.wait_for("lena ❯")
        assert shown(t, "you   Hello lena")
        for row in DRAWN:
            assert times(t, row) == 1, row
        assert prompt_line(t) == ""
        ask(t, "Still there?", SLOW)
    stored = [(author or "you", text) for _, author, _, text in living.messages()]
    assert sorted(stored) == sorted(
        [
            ("you", "Hello ei"),
            ("ei", ANSWER),
            ("you", "Hello lena"),
            ("lena", ANSWER),
            ("you", "what do you think?"),
            ("lena", ANSWER),
            ("you", "Still there?"),
            ("lena", ANSWER),
        ]
    )


@pytest.mark.parametrize("provider", ["local", "anthropic"])
def test_what_no_longer_fits_the_context_is_left_out_and_said_once(living: Home, provider: str) -> None:
    with living.ei("-m", f"{provider}:tiny") as t:
        for number in range(3):
            ask(t, f"question {number} " + "filler " * 40, SLOW)
        assert shown(t, "oldest message")
        ask(t, "and now?", SLOW)
        assert "\n".join(t.everything).count("left out") == 1
    states = [(role, state) for role, _, state, _ in living.messages()]
    assert states == [("user", "complete"), ("assistant", "complete")] * 4
    assert all(text == ANSWER for role, _, _, text in living.messages() if role == "assistant")


def test_a_reply_is_stopped_retried_and_continued(living: Home) -> None:
    with living.ei() as t:
        say(t, "Hello")
        t.wait_for("ei   Hello! I", SLOW)
        t.press("ctrl-c")
        t.wait_for(lambda t: ended(t) == 1)
        ask(t, "/retry --with anthropic:tiny", SLOW)
        assert shown(t, "anthropic:tiny ·")
        assert shown(t, "variant 2 of 2")
        assert shown(t, "That was all.")
    assert [text for role, _, _, text in living.messages() if role == "assistant"][1] == ANSWER


def test_a_model_is_picked_from_what_the_server_lists(living: Home) -> None:
    with living.ei(EI_LLM_MODEL="local:other") as t:
        t.press("f2")
        t.wait_for(lambda t: t.alternate and any("local:tiny" in line for line in t.screen))
        t.type("local:tiny")
        t.press("enter")
        t.wait_for("Model for ei set to: local:tiny")
        ask(t, "Hello", SLOW)
        assert shown(t, "That was all.")
