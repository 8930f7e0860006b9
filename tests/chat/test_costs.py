"""What it costs, as a person sees it: the line before a first message, the card, the facts, the toolbar, /usage."""

from __future__ import annotations

import json
import time

import pytest

from ei.errors import ExitCode
from tests.chat.homes import Home, ask, ended, say, shown, toolbar
from tests.run_ei import Ei
from tests.wire import WireServer

HAIKU = "anthropic:claude-haiku-4-5"
"""$1 in, $5 out per million tokens."""


@pytest.fixture
def paying(home: Home, server: WireServer) -> Home:
    """A home in which a paid model answers, and one on this machine can be asked, too."""
    server.reply("The rain finally stopped.", usage=(1812, 43))
    home.variables.update(
        EI_LLM_MODEL=HAIKU,
        EI_ANTHROPIC_API_KEY="k",
        EI_ANTHROPIC_BASE_URL=server.anthropic_url,
        EI_OPENAI_API_KEY="k",
        EI_OPENAI_BASE_URL=server.url,
        EI_LLM_BASE_URL=server.url,
    )
    return home


def test_each_reply_and_the_day_tell_what_they_cost(paying: Home) -> None:
    with paying.ei(columns=70) as terminal:
        terminal.wait_for(lambda t: HAIKU in toolbar(t))
        ask(terminal, "Hello")
        assert shown(terminal, "tokens in, up to 8.2k out: about $0.003, at most")
        assert shown(terminal, f"{HAIKU} · ")
        assert shown(terminal, "↑1.8k ↓43 · $0.0020")
        terminal.resize(110, 30)
        terminal.wait_for(lambda t: toolbar(t).endswith("$0.0020 today $0.0020"))
        say(terminal, "/model local:tiny --here")
        ask(terminal, "And you?")
        assert shown(terminal, "↑1.8k ↓43 · free")
        say(terminal, "/model openai:secret --here")
        ask(terminal, "And you, then?")
        assert shown(terminal, "tokens in: what it costs is not known")
        assert shown(terminal, "↑1.8k ↓43 · $?")
        terminal.wait_for(lambda t: toolbar(t).endswith("$0.0020+? today $0.0020+?"))
        say(terminal, "/usage today")
        terminal.wait_for("Today: 3 calls, $0.0020+?")
        terminal.wait_for("openai:secret")


def test_a_dear_message_waits_for_its_card_while_typing_goes_on(paying: Home, server: WireServer) -> None:
    paying.settings.parent.mkdir(parents=True, exist_ok=True)
    paying.settings.write_text(json.dumps({"costs": {"ask_above": 0.001}}), "utf-8")
    with paying.ei() as terminal:
        say(terminal, "Hello")
        terminal.wait_for(f"May {HAIKU} answer for about $0.003?")
        assert server.chats == []
        time.sleep(0.5)  # a key that was on its way when the card came answers nothing
        terminal.press("y")
        terminal.wait_for(lambda t: ended(t) == 1)
        assert shown(terminal, "The rain finally stopped.")


def test_a_script_has_to_agree_to_what_is_dear(paying: Home) -> None:
    paying.settings.parent.mkdir(parents=True, exist_ok=True)
    paying.settings.write_text(json.dumps({"costs": {"ask_above": 0.001}}), "utf-8")
    ei = Ei(paying.path, **paying.environment())
    refused = ei("ask", "Hello")
    assert (refused.code, refused.out) == (ExitCode.NEEDS_ANSWER, "")
    assert f"{HAIKU} was not asked." in refused.err
    assert "--yes" in refused.err
    agreed = ei("ask", "--yes", "Hello")
    assert (agreed.code, agreed.out, agreed.err) == (0, "The rain finally stopped.\n", "")
    table = ei("usage", "today", "--csv")
    assert table.out.splitlines()[1].startswith(f"{HAIKU},1,1812,,43") or table.out.splitlines()[1].startswith(
        f"{HAIKU},1,1812,0,43"
    )
