"""What a model sends is text: nothing of it commands the terminal."""

from __future__ import annotations

import re

import pytest

from tests.chat.homes import Home, ask, say, shown
from tests.wire import Answer, Status, WireServer

NASTY = {
    "clipboard": "\x1b]52;c;cm0gLXJmIC8=\x07",
    "title": "\x1b]0;owned\x07",
    "title-c1": "\x9d0;owned\x9c",
    "clear": "\x1b[2J\x1b[H",
    "up": "\x1b[20A",
    "c1-up": "\x9b20A",
    "colour": "\x1b[31;5mred",
    "report": "\x1b[6n",
    "device": "\x1bP$qm\x1b\\",
    "link": "\x1b]8;;http://evil.example\x1b\\here\x1b]8;;\x1b\\",
    "reset": "\x1bc",
    "alternate": "\x1b[?1049h",
    "paste": "\x1b[?2004l",
    "return": "hidden\rshown",
    "backspace": "secret\b\b\b\b\b\bopen",
    "bell": "\x07\x07",
    "nul": "a\x00b",
    "bidi": "\u202egnp.exe\u202c",
}


@pytest.mark.parametrize("chunks", [None, 1], ids=["whole", "split"])
def test_escape_sequences_of_a_model_never_reach_the_terminal(
    talking: Home, server: WireServer, chunks: int | None
) -> None:
    text = "BEGIN " + "\n\n".join(f"{name}: {sequence} after" for name, sequence in NASTY.items()) + " END"
    code = "\n\n```python\nx = '\x1b]52;c;cm0=\x07'\n```\n\n| a\x1b[5A | b |\n|---|---|\n| \x1b]0;t\x07 | \x9b3A |\n"
    server.always(Answer(text + code, chunks=chunks if chunks else [text + code], reasoning="\x1b]0;owned\x07"))
    with talking.ei(columns=90, rows=60) as t:
        ask(t, "go")
        say(t, "/settings display.reasoning full")
        t.wait_for("is now")
        ask(t, "again")
        say(t, "/history 1")
        t.settle(0.3)
        for name in NASTY:
            assert shown(t, f"{name}:"), name
        check(t.raw)


def test_escape_sequences_in_errors_names_and_titles_stay_text(talking: Home, server: WireServer) -> None:
    bad = "\x1b]0;owned\x07\x1b[2Jbad\x9b5A"
    server.script(Status(418, bad), Status(400, body={"error": {"message": bad}}))
    server.models("tiny", f"model{bad}")
    with talking.ei() as t:
        say(t, f"/title {bad}")
        say(t, "hi")
        t.wait_for("418")
        say(t, "/retry")
        t.settle(0.5)
        say(t, "/model --list local")
        t.wait_for("model")
        say(t, "/title x]0;y")
        say(t, "/history")
        t.settle(0.5)
        t.press("f2")
        t.wait_for(lambda t: t.alternate)
        t.settle(0.4)
        t.press("escape")
        t.settle()
        check(t.raw)


def test_what_is_pasted_carries_no_control_characters(talking: Home, server: WireServer) -> None:
    with talking.ei() as t:
        t.paste("hello \x1b]0;owned\x07 \x9b2J there")
        t.settle()
        ask(t, "")
        check(t.raw)
        assert "\x1b" not in server.last.messages[-1][1]
        assert "\x9b" not in server.last.messages[-1][1]


def check(raw: bytes) -> None:
    """Nothing but the sequences that the program itself draws with."""
    text = raw.decode()
    assert "owned" not in "".join(re.findall(r"\x1b\][^\x07\x1b]*", text))
    assert "\x1b]52" not in text
    assert "\x1b]8;" not in text
    assert "\x1bP" not in text
    assert "\x1bc" not in text
    assert "\x1b[2J\x1b[H" not in text
    assert "\x1b[20A" not in text
    assert "\x1b[6n" not in text
    assert "\x1b[31;5m" not in text
    assert "secret\b" not in text
    assert not re.search("[\x00\x07\x80-\x9f\u202e]", text)
