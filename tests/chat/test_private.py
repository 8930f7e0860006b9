"""What is private, as a person sees it: the toolbar, a refusal and what answers then, a question before it leaves."""

from __future__ import annotations

import json

import pytest

from ei.errors import ExitCode
from tests.chat.homes import Home, ask, say, shown, toolbar
from tests.run_ei import Ei
from tests.wire import WireServer


@pytest.fixture
def paid(home: Home, server: WireServer) -> Home:
    """A home whose model is on the network, beside one on this machine."""
    home.variables.update(
        EI_OPENAI_API_KEY="k", EI_OPENAI_BASE_URL=server.url, EI_LLM_MODEL="openai:big", EI_LLM_BASE_URL=server.url
    )
    home.settings.parent.mkdir(parents=True)
    home.settings.write_text('{"retry": {"attempts": 1}}', "utf-8")
    return home


def test_a_conversation_is_kept_here_and_let_go_again(paid: Home, server: WireServer) -> None:
    server.on("tiny", "I am here.")
    with paid.ei() as terminal:
        terminal.wait_for(lambda t: "openai:big" in toolbar(t))
        say(terminal, "/private here")
        terminal.wait_for(lambda t: "private: stays here" in toolbar(t))
        say(terminal, "A secret")
        terminal.wait_for(lambda t: shown(t, "This conversation is private, and openai is not on this machine."))
        assert shown(terminal, "or let it leave: /private here off")
        assert server.chats == []
        say(terminal, "/model --here local:tiny")
        terminal.wait_for(lambda t: "local:tiny" in toolbar(t))
        say(terminal, "/retry")
        terminal.wait_for(lambda t: shown(t, "I am here."))
        assert [request.model for request in server.chats] == ["tiny"]
        say(terminal, "/private here off")
        terminal.wait_for("May this conversation leave this machine again?")
        say(terminal, "/yes")
        terminal.wait_for(lambda t: "private" not in toolbar(t))


def test_a_private_guest_keeps_a_conversation_here(paid: Home, server: WireServer) -> None:
    file = paid.persona("mike")
    file.parent.mkdir(parents=True)
    text = {"short_description": "A friend.", "private": True, "model": "local:tiny"}
    file.write_text(json.dumps(text), "utf-8")
    with paid.ei() as terminal:
        ask(terminal, "@mike A secret")
        assert shown(terminal, "mike is private, so this conversation is from now on")
        terminal.wait_for(lambda t: "private" in toolbar(t))
        say(terminal, "What did mike say?")
        terminal.wait_for(
            lambda t: shown(t, "This conversation is private (mike is), and openai is not on this machine.")
        )
        assert [request.model for request in server.chats] == ["tiny"]


def test_a_question_of_the_shell_is_refused_and_nothing_connects(tmp_path_factory: pytest.TempPathFactory) -> None:
    with WireServer() as cloud:
        home = Ei(
            tmp_path_factory.mktemp("home"),
            EI_LLM_MODEL="openai:big",
            EI_OPENAI_API_KEY="k",
            EI_OPENAI_BASE_URL=cloud.url,
        )
        sentence = "Everything is private (EI_PRIVATE), and openai is not on this machine."
        for arguments in (("ask", "hi"), ("ask", "-m", "openai:other", "hi"), ("ask", "--no-save", "hi")):
            ran = home(*arguments, env={"EI_PRIVATE": "1"})
            assert ran.code != ExitCode.OK
            assert sentence in ran.err
        assert cloud.connections == 0
        assert home("private", "on").code == ExitCode.OK
        ran = home("ask", "--json", "hi")
        assert ran.json["error"]["message"] == "Everything is private, and openai is not on this machine."
        assert cloud.connections == 0
        assert home("private", "off").code == ExitCode.OK
        assert home("ask", "hi").code == ExitCode.OK
        assert cloud.connections > 0
