"""A guest's words in a conversation that is opened again."""

from __future__ import annotations

from tests.chat.homes import Home, ask
from tests.wire import WireServer


def test_a_guest_with_a_longer_name_stands_beside_the_others_when_the_talk_is_opened_again(
    talking: Home, server: WireServer
) -> None:
    server.script("Yes.", "A puddle remembers.")
    with talking.ei() as t:
        ask(t, "What is a puddle?")
        ask(t, "@lena and you?")
    with talking.ei() as t:
        t.wait_for("lena  A puddle remembers.")
        t.wait_for("ei    Yes.")
        t.wait_for("you   What is a puddle?")
