"""What goes wrong at a model's server: one sentence on the screen, the message kept, and a way on."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import pytest

from tests.chat.homes import Home, ask, ended, prompt_line, say, shown, times, toolbar
from tests.drive import Terminal
from tests.wire import Answer, Cut, Hang, Model, Raw, Status, StreamError, WireServer

KEY = "sk-test-0123456789"


@pytest.fixture
def hosted(home: Home, server: WireServer) -> Home:
    """OpenAI's and Anthropic's providers with a key, at the test server; openai:big answers where nothing is set."""
    home.variables |= {
        "EI_OPENAI_BASE_URL": server.url,
        "EI_OPENAI_API_KEY": KEY,
        "EI_ANTHROPIC_BASE_URL": server.anthropic_url,
        "EI_ANTHROPIC_API_KEY": KEY,
        "EI_LLM_MODEL": "openai:big",
    }
    return home


@pytest.fixture
def nobody() -> Iterator[str]:
    """A base URL that refuses every connection."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/v1"


def fails(t: Terminal, text: str, *sentences: str) -> None:
    """Sends a line whose reply fails: each sentence is on the screen once, and no traceback."""
    say(t, text)
    t.wait_for(lambda t: shown(t, sentences[-1]))
    t.settle()
    for sentence in sentences:
        assert shown(t, sentence), t.picture()
    assert "Traceback" not in "\n".join(t.everything)
    assert KEY not in "\n".join(t.everything)


def retried(t: Terminal, home: Home, server: WireServer, *, times: int = 1) -> None:
    """/retry answers the message that was kept."""
    server.always(Answer("Here I am again."))
    ask(t, "/retry")
    assert shown(t, "Here I am again.")
    assert server.last.messages[-1] == ("user", "Are you there?")
    assert [text for role, _, _, text in home.messages() if role == "user"] == ["Are you there?"]


def test_no_key(hosted: Home, server: WireServer) -> None:
    del hosted.variables["EI_OPENAI_API_KEY"]
    with hosted.ei() as t:
        fails(t, "Are you there?", "openai has no API key.", "Set EI_OPENAI_API_KEY")
        assert not server.chats
        say(t, "/model anthropic:other")
        t.wait_for("set to: anthropic:other")
        retried(t, hosted, server)


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key(hosted: Home, server: WireServer, provider: str, status: int) -> None:
    server.always(Status(status, "Incorrect API key provided: sk-t*********6789"))
    with hosted.ei(EI_LLM_MODEL=f"{provider}:big") as t:
        fails(
            t,
            "Are you there?",
            f"{provider} refused the API key ({status}).",
            f"Check EI_{provider.upper()}_API_KEY",
        )
        retried(t, hosted, server)


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_model_that_is_not_there(hosted: Home, server: WireServer, provider: str) -> None:
    server.strict_models = True
    server.models("gemini-2.5-flash", "gemini-2.5-pro", "other")
    with hosted.ei(EI_LLM_MODEL=f"{provider}:gemini/gemini-2.5-flash") as t:
        fails(
            t,
            "Are you there?",
            f'{provider} has no model "gemini/gemini-2.5-flash".',
            "Did you mean gemini-2.5-flash?",
        )
        server.strict_models = False
        retried(t, hosted, server)


@pytest.mark.parametrize(
    ("provider", "status", "why"),
    [("openai", 429, "busy"), ("anthropic", 529, "busy"), ("openai", 500, ""), ("anthropic", 503, "")],
)
def test_a_busy_server_is_tried_again_after_a_countdown(
    hosted: Home, server: WireServer, provider: str, status: int, why: str
) -> None:
    server.script(Status(status, "slow down", "overloaded_error", retry_after=2), "Now I have time.")
    with hosted.ei(EI_LLM_MODEL=f"{provider}:big") as t:
        say(t, "Are you there?")
        t.wait_for(f"({status}). Trying again in")
        assert shown(t, why)
        assert shown(t, "(2 of 4)")
        t.wait_for("in 1 s")
        t.type("typing goes on")
        t.wait_for("❯ typing goes on")
        t.wait_for("Now I have time.")
        t.wait_for(lambda t: ended(t) == 1)
        assert times(t, "Trying again in") <= 1
        assert len(server.chats) == 2


def test_a_server_that_stays_busy_is_given_up(hosted: Home, server: WireServer) -> None:
    server.always(Status(429, "Rate limit reached", retry_after=0.05))
    with hosted.ei() as t:
        say(t, "Are you there?")
        t.wait_for(lambda t: len(server.chats) == 4)
        t.settle(0.4)
        assert not any("Trying again" in line for line in t.screen[-6:])
        retried(t, hosted, server)


def test_a_wait_that_is_too_long_is_not_waited_for(hosted: Home, server: WireServer) -> None:
    server.always(Status(429, "Rate limit reached", retry_after=3600))
    with hosted.ei() as t:
        fails(t, "Are you there?", "asks to wait 60 minutes.")
        assert len(server.chats) == 1
        retried(t, hosted, server)


def test_ctrl_c_ends_the_countdown(hosted: Home, server: WireServer) -> None:
    server.always(Status(529, "Overloaded", retry_after=30))
    with hosted.ei() as t:
        say(t, "Are you there?")
        t.wait_for("Trying again in 30 s")
        t.press("ctrl-c")
        t.wait_for("stopped")
        t.settle(0.4)
        assert len(server.chats) == 1
        retried(t, hosted, server)


def test_nobody_at_the_local_address(home: Home, nobody: str) -> None:
    with home.ei(EI_LLM_BASE_URL=nobody, EI_LLM_MODEL="local:tiny") as t:
        fails(t, "Are you there?", f"Nothing answers at {nobody}.", "Is LM Studio or Ollama running?")
        assert prompt_line(t) == ""
    assert home.messages()[0] == ("user", "", "complete", "Are you there?")


def test_nobody_at_the_address_of_a_hosted_provider(hosted: Home, server: WireServer, nobody: str) -> None:
    with hosted.ei(EI_OPENAI_BASE_URL=nobody) as t:
        fails(t, "Are you there?", f"Nothing answers at {nobody}.")
        say(t, "/model anthropic:x")
        t.wait_for("set to: anthropic:x")
        retried(t, hosted, server)


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("how", ["close", "reset", "end"])
def test_a_reply_that_is_cut_is_kept_and_continued(hosted: Home, server: WireServer, provider: str, how: str) -> None:
    server.script(Cut("Once upon a time there was", how=how, delay=0.01), " a blue door.")  # type: ignore[arg-type]
    with hosted.ei(EI_LLM_MODEL=f"{provider}:big") as t:
        say(t, "Are you there?")
        t.wait_for("cut off")
        assert shown(t, "ei   Once upon a time there was")
        ask(t, "/continue")
        assert shown(t, "a blue door.")
        assert "Once upon a time there was" in str(server.last.messages)
    states = [(state, text) for role, _, state, text in hosted.messages() if role == "assistant"]
    assert states[0] == ("failed", "Once upon a time there was")
    assert states[1][0] == "complete"


def test_an_error_inside_the_stream(hosted: Home, server: WireServer) -> None:
    server.script(StreamError("Half of it", message="The engine is on fire", type="server_error", delay=0.01))
    with hosted.ei() as t:
        fails(t, "Are you there?", "openai broke off its reply: The engine is on fire")
        assert shown(t, "ei   Half of it")
        retried(t, hosted, server)


def test_too_long_leaves_out_the_oldest_and_says_it_once(talking: Home, server: WireServer) -> None:
    with talking.ei() as t:
        for number in range(4):
            ask(t, f"question {number} " + "filler " * 60)
        size = max(len(" ".join(text for _, text in request.messages).split()) for request in server.chats)
        server.context = size - 70
        server.reply("Still here.")
        ask(t, "and now?")
        assert shown(t, "Still here.")
        assert shown(t, "oldest message")
        sent = " ".join(text for _, text in server.last.messages)
        assert "question 0" not in sent
        assert "question 3" in sent
        assert server.last.messages[0][0] == "system"
        assert server.last.messages[-1] == ("user", "and now?")
        ask(t, "and again?")
        assert "\n".join(t.everything).count("left out") == 1


def test_anything_else_is_one_line_with_what_the_provider_said(hosted: Home, server: WireServer) -> None:
    server.always(Status(418, "I am a teapot,\nshort and stout"))
    with hosted.ei() as t:
        fails(t, "Are you there?", "openai answered 418: I am a teapot, short and stout")
        retried(t, hosted, server)


def test_a_web_page_instead_of_a_reply(hosted: Home, server: WireServer) -> None:
    page = "<html><head><title>Log in</title></head><body><h1>Hotel WiFi</h1></body></html>"
    server.always(Raw(page.encode(), content_type="text/html"))
    with hosted.ei() as t:
        fails(t, "Are you there?", "openai answered with a web page instead of a reply (200).")
        assert not shown(t, "<html>")
        retried(t, hosted, server)


def test_an_error_page_of_a_proxy_is_one_line(hosted: Home, server: WireServer) -> None:
    server.always(Status(400, body="<html><body><h1>Bad gateway</h1></body></html>"))
    with hosted.ei() as t:
        fails(t, "Are you there?", "openai answered with a web page instead of a reply (400).")
        retried(t, hosted, server)


def test_a_parameter_the_model_does_not_take_is_left_out_and_said_once(hosted: Home, server: WireServer) -> None:
    hosted.settings.parent.mkdir()
    hosted.settings.write_text('{ "interactions": { "reasoning": { "temperature": 0.5 } } }')
    server.rejects("temperature")
    with hosted.ei() as t:
        ask(t, "one")
        assert shown(t, "openai:big does not take temperature; it is left out.")
        ask(t, "two")
        assert "\n".join(t.everything).count("does not take temperature") == 1
        assert [("temperature" in request.body) for request in server.chats] == [True, False, False]


def test_a_dead_and_a_slow_provider_do_not_hold_up_the_others(hosted: Home, server: WireServer, nobody: str) -> None:
    server.on("slow", Hang())
    server.on("big", "Answered at once.")
    with hosted.ei(EI_LLM_BASE_URL=nobody) as t:
        say(t, "/model openai:slow")
        t.wait_for("set to: openai:slow")
        say(t, "Take your time")
        server.wait_for(1)
        say(t, "/persona mike")
        t.wait_for("mike ❯")
        say(t, "/model local:dead")
        t.wait_for("set to: local:dead")
        say(t, "Are you alive?")
        t.wait_for("Nothing answers at")
        say(t, "/persona lena")
        t.wait_for("lena ❯")
        ask(t, "And you?")
        assert shown(t, "Answered at once.")
        assert "ei …" in toolbar(t)
        say(t, "/persona ei")
        t.wait_for("ei ❯")
        t.press("ctrl-c")
        t.wait_for("stopped")


def test_the_countdown_of_one_persona_leaves_the_others_alone(hosted: Home, server: WireServer) -> None:
    server.on("busy", Status(503, "Overloaded", retry_after=20))
    with hosted.ei() as t:
        say(t, "/model openai:busy")
        t.wait_for("set to: openai:busy")
        say(t, "hello")
        t.wait_for("Trying again in")
        say(t, "/persona lena")
        t.wait_for("lena ❯")
        ask(t, "And you?")
        assert re.search(r"lena +Hello there\.", "\n".join(t.everything))


def test_a_model_that_is_not_there_among_many_is_found_by_its_name(hosted: Home, server: WireServer) -> None:
    server.strict_models = True
    server.models(*(Model(f"model-{n}") for n in range(50)), Model("claude-haiku-4-5"))
    with hosted.ei(EI_LLM_MODEL="openai:claude-haiku-45") as t:
        fails(t, "Are you there?", "Did you mean claude-haiku-4-5")
