"""/models test typed in a chat: it asks before it costs, shows what works, and Ctrl-C stops it."""

from __future__ import annotations

from tests.chat.homes import Home, prompt_line, say, shown
from tests.engine.test_testing import able
from tests.wire import Hang, WireServer


def test_a_paid_model_is_tested_after_a_yes_and_ctrl_c_stops_a_test(home: Home) -> None:
    with WireServer() as server:
        home.variables |= {"EI_ANTHROPIC_BASE_URL": server.anthropic_url, "EI_ANTHROPIC_API_KEY": "k"}
        server.always(able)
        with home.ei() as terminal:
            say(terminal, "/models test claude-haiku-4-5")
            terminal.wait_for(lambda t: shown(t, "The registry has no model claude-haiku-4-5."))
            say(terminal, "/models test anthropic:claude-haiku-4-5")
            terminal.wait_for(lambda t: shown(t, "with three short requests: about"))
            assert server.chats == []
            say(terminal, "/yes")
            terminal.wait_for(lambda t: shown(t, "Remembered: it has structured output, tools."), 20)
            assert shown(terminal, 'weather({"city": "Paris"})')
            assert len(server.chats) == 3
            server.always(Hang("begun"))
            say(terminal, "/models test anthropic:claude-haiku-4-5")
            terminal.wait_for(lambda t: any("y yes · n no" in line for line in t.screen))
            say(terminal, "/yes")
            server.wait_for(4)
            terminal.press("ctrl-c")
            terminal.wait_for(lambda t: shown(t, "Stopped."))
            assert prompt_line(terminal) == ""
