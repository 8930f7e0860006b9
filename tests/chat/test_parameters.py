"""Parameters in a chat: set for now by a few keys, seen where they come from, and sent."""

from __future__ import annotations

from tests.chat.homes import Home, ask, say, shown, times
from tests.wire import WireServer


def test_a_parameter_is_set_for_now_and_what_the_model_does_not_take_is_said_once(
    talking: Home, server: WireServer
) -> None:
    server.rejects("top_p")
    with talking.ei() as t:
        t.type("/set temper")
        t.press("tab")
        t.wait_for("/set temperature")
        say(t, " 0.3")
        t.wait_for(lambda t: shown(t, "temperature for ei is 0.3 for now, until you leave."))
        say(t, "/set top_p 0.9 --here")
        t.wait_for(lambda t: shown(t, "top_p for this conversation with ei set to 0.9."))
        ask(t, "Hello")
        ask(t, "Again")
        assert times(t, "local:tiny does not take top_p; it is left out.") == 1
        say(t, "/set")
        t.wait_for("reasoning_effort")
        rows = [" ".join(line.split()) for line in t.screen]
        assert "temperature 0.3 for now" in rows
        assert "top_p 0.9 this conversation does not take it" in rows
        say(t, "/set temperature warm")
        t.wait_for("temperature is a number from 0 to 2.")
    assert [(r.body["temperature"], "top_p" in r.body) for r in server.chats] == [
        (0.3, True),
        (0.3, False),
        (0.3, False),
    ]
    with talking.ei() as t:
        ask(t, "And now?")
        assert times(t, "local:tiny does not take top_p; it is left out.") == 1
    assert not {"temperature", "top_p"} & set(server.last.body)
