"""Messages that wait, replies that are stopped, and keys that leave."""

from __future__ import annotations

from tests.chat.homes import Home, ask, ended, prompt_line, say, shown, times
from tests.wire import Answer, Hang, WireServer

SLOW = Answer(" ".join(f"word{n}" for n in range(60)), delay=0.05)


def test_enter_during_a_reply_queues_the_message_and_sends_it_after(talking: Home, server: WireServer) -> None:
    server.script(Answer(" ".join(f"word{n}" for n in range(30)), delay=0.04), "The second reply.")
    with talking.ei() as t:
        say(t, "first")
        t.wait_for("word3")
        say(t, "second")
        t.wait_for("queued  second")
        assert prompt_line(t) == ""
        assert len(server.chats) == 1
        t.wait_for("The second reply.")
        assert times(t, "you  second") == 1
        assert not any("queued" in line for line in t.screen)
    assert [text for role, _, _, text in talking.messages() if role == "user"] == ["first", "second"]


def test_ctrl_c_stops_the_reply_and_keeps_its_text(talking: Home, server: WireServer) -> None:
    server.reply(SLOW.text, delay=SLOW.delay)
    with talking.ei() as t:
        say(t, "go")
        t.wait_for("word5")
        t.press("ctrl-c")
        t.wait_for("stopped · /continue goes on")
        assert shown(t, "ei   word0 word1")
        t.settle(0.3)
        assert t.screen.count("ei ❯") == 1
    (_, _, state, text) = talking.messages()[1]
    assert state == "cancelled"
    assert text.startswith("word0 word1 word2 word3")
    assert len(text) < len(SLOW.text)


def test_ctrl_c_gives_the_queued_message_back_to_the_input_line(talking: Home, server: WireServer) -> None:
    server.reply(SLOW.text, delay=SLOW.delay)
    with talking.ei() as t:
        say(t, "go")
        t.wait_for("word3")
        say(t, "and then?")
        t.wait_for("queued  and then?")
        t.press("ctrl-c")
        t.wait_for(lambda t: prompt_line(t) == "and then?")
        assert not any("queued" in line for line in t.screen)
        t.settle(0.3)
        assert len(server.chats) == 1


def test_what_is_given_back_stands_before_what_is_typed(talking: Home, server: WireServer) -> None:
    server.reply(SLOW.text, delay=SLOW.delay)
    with talking.ei() as t:
        say(t, "go")
        t.wait_for("word3")
        say(t, "queued one")
        t.wait_for("queued  queued one")
        t.type("typing")
        t.press("ctrl-c")
        t.wait_for("❯ queued one")
        t.wait_for("     typing")


def test_a_stopped_reply_is_continued(talking: Home, server: WireServer) -> None:
    server.script(SLOW, "and this is the rest.")
    with talking.ei() as t:
        say(t, "go")
        t.wait_for("word5")
        t.press("ctrl-c")
        t.wait_for("stopped · /continue goes on")
        say(t, "/continue")
        t.wait_for("and this is the rest.")
        assert "word0 word1" in str(server.last.messages)


def test_ctrl_c_clears_the_line_and_twice_leaves(talking: Home) -> None:
    with talking.ei() as t:
        t.type("never mind")
        t.wait_for("❯ never mind")
        t.press("ctrl-c")
        t.wait_for(lambda t: prompt_line(t) == "")
        t.press("ctrl-c")
        t.wait_for("Ctrl-C again leaves")
        t.press("ctrl-c")
        assert t.wait_exit() == 0


def test_ctrl_c_stops_a_reply_that_never_begins(talking: Home, server: WireServer) -> None:
    server.always(Hang())
    with talking.ei() as t:
        say(t, "go")
        server.wait_for(1)
        t.settle(0.3, 1)
        t.press("ctrl-c")
        t.wait_for("stopped")
        server.reply("Back again.")
        ask(t, "still there?")
        assert shown(t, "Back again.")


def test_ctrl_d_leaves_only_on_an_empty_line(talking: Home) -> None:
    with talking.ei() as t:
        t.type("a")
        t.press("ctrl-d")
        t.wait_for("❯ a")
        t.press("backspace", "ctrl-d")
        assert t.wait_exit() == 0


def test_leaving_during_a_reply_keeps_what_came(talking: Home, server: WireServer) -> None:
    server.reply(SLOW.text, delay=SLOW.delay)
    with talking.ei() as t:
        say(t, "go")
        t.wait_for("word9")
        say(t, "/quit")
        assert t.wait_exit() == 0
        assert shown(t, "To come back here: ei --resume")
    with talking.ei() as t:
        t.wait_for("stopped · /continue goes on")
        assert shown(t, "word0 word1 word2 word3 word4 word5 word6 word7 word8 word9")


def test_a_message_that_waited_when_the_program_ended_is_back_on_the_line(talking: Home, server: WireServer) -> None:
    server.reply(SLOW.text, delay=SLOW.delay)
    with talking.ei() as t:
        say(t, "go")
        t.wait_for("word3")
        say(t, "waiting line")
        t.wait_for("queued  waiting line")
        t.press("ctrl-d")
        assert t.wait_exit() == 0
    with talking.ei() as t:
        t.wait_for("❯ waiting line")
        assert ended(t) == 0
        assert len(server.chats) == 1
