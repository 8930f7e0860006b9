"""Terminals that only take lines: the chat works there, in plain text."""

from __future__ import annotations

import signal

from tests.chat.homes import Home, say, shown
from tests.drive import Terminal
from tests.wire import Answer, WireServer


def lines_only(home: Home, *arguments: str) -> Terminal:
    terminal = home.ei(*arguments, ready=False, TERM="dumb")
    try:
        terminal.wait_for("ei ❯", 20)
    except BaseException:
        terminal.close()
        raise
    return terminal


def test_a_dumb_terminal_gets_plain_text_and_works(talking: Home, server: WireServer) -> None:
    server.reply("Some **bold** text.\n\n- a point\n")
    with lines_only(talking) as t:
        say(t, "Hello")
        t.wait_for("local:tiny ·")
        assert shown(t, "ei   Some bold text.")
        say(t, "/model local:other")
        t.wait_for("Model for ei set to: local:other")
        say(t, "/persona lena")
        t.wait_for("lena ❯")
        say(t, "Hi lena")
        t.wait_for("lena  Some bold text.")
        say(t, "/quit")
        assert t.wait_exit() == 0
        assert shown(t, "To come back here: ei --resume")
        assert b"\x1b" not in t.raw


def test_no_prompt_comes_between_the_rows_of_a_reply(talking: Home, server: WireServer) -> None:
    server.always(
        Answer(
            "The first paragraph.\n\nThe second one.", chunks=["The first paragraph.\n\nThe", " second one."], delay=0.5
        )
    )
    with lines_only(talking) as t:
        say(t, "Hello")
        t.wait_for("local:tiny ·")
        t.wait_for(lambda t: t.screen[t.cursor[1]] == "ei ❯")
        lines = t.everything
        first, last = (next(n for n, line in enumerate(lines) if text in line) for text in ("first par", "second one"))
        assert not any("❯" in line for line in lines[first:last])


def test_a_question_is_answered_by_a_line(talking: Home, server: WireServer) -> None:
    with lines_only(talking) as t:
        say(t, "Hello")
        t.wait_for("local:tiny ·")
        say(t, "/delete conversation")
        t.wait_for("(yes or no)")
        say(t, "/yes")
        t.wait_for("The conversation is deleted.")
    assert talking.messages() == []


def test_ctrl_c_stops_a_reply_and_what_was_queued_is_shown(talking: Home, server: WireServer) -> None:
    server.always(Answer(" ".join(f"word{n}" for n in range(100)), delay=0.05))
    with lines_only(talking) as t:
        say(t, "Hello")
        server.wait_for(1)
        say(t, "and then?")
        t.settle(0.4, 1)
        t.press("ctrl-c")
        t.wait_for("stopped")
        t.wait_for("Not sent: and then?")
        t.press("ctrl-d")
        assert t.wait_exit() == 0


def test_being_asked_to_end_keeps_the_reply_that_is_under_way(talking: Home, server: WireServer) -> None:
    server.always(Answer(" ".join(f"word{n}" for n in range(100)), delay=0.05))
    with lines_only(talking) as t:
        say(t, "Hello")
        server.wait_for(1)
        t.settle(0.4, 1)
        t.kill(signal.SIGTERM)
        assert t.wait_exit() == 0
        assert shown(t, "To come back here: ei --resume")
    assert [state for role, _, state, _ in talking.messages() if role == "assistant"] == ["cancelled"]


def test_a_model_is_picked_by_its_number(talking: Home, server: WireServer) -> None:
    server.models("tiny", "huge-9b")
    with lines_only(talking) as t:
        say(t, "/model pick")
        t.wait_for("Number or name")
        say(t, "local:huge-9b")
        t.wait_for("Model for ei set to: local:huge-9b")
