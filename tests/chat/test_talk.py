"""Talking: a reply streams in, models and personas change, leaving and coming back."""

from __future__ import annotations

import re

import pytest

from tests.chat.homes import ENDED, Home, ask, ended, prompt_line, say, shown, times, toolbar
from tests.drive import Terminal
from tests.wire import Answer, WireServer

LONG = " ".join(f"word{n}" for n in range(400))


def test_a_reply_streams_in_while_the_input_line_stays_alive(talking: Home, server: WireServer) -> None:
    server.reply(" ".join(f"word{n}" for n in range(40)), delay=0.03)
    with talking.ei() as t:
        say(t, "Tell me something")
        t.wait_for("word3")
        t.type("next")
        t.wait_for("ei ❯ next")
        assert ended(t) == 0
        t.wait_for(lambda t: ended(t) == 1)
        assert shown(t, "you  Tell me something")
        assert shown(t, "ei   word0 word1")
        assert times(t, "word39") == 1
        assert prompt_line(t) == "next"


def test_the_line_below_a_reply_says_model_time_and_tokens(talking: Home, server: WireServer) -> None:
    server.reply("Hello there.", usage=(812, 43))
    with talking.ei() as t:
        ask(t, "Hi")
        line = next(line for line in t.everything if ENDED.search(line))
        assert re.fullmatch(r" +local:tiny · \d+\.\d s · ↑812 ↓43( · .+)?", line), line


def test_a_new_model_shows_in_the_next_reply(talking: Home, server: WireServer) -> None:
    server.on("first", "I am the first.")
    server.on("second", "I am the second.")
    with talking.ei(EI_LLM_MODEL="local:first") as t:
        ask(t, "Who are you?")
        say(t, "/model local:second")
        t.wait_for("Model for ei set to: local:second")
        t.wait_for(lambda t: "local:second (persona)" in toolbar(t))
        ask(t, "And now?")
        assert [request.model for request in server.chats] == ["first", "second"]
        assert shown(t, "I am the first.")
        assert shown(t, "I am the second.")
        say(t, "/model --clear")
        t.wait_for("Using EI_LLM_MODEL")
        ask(t, "And now again?")
        assert server.last.model == "first"
    assert '"model"' not in re.sub(r"//.*", "", talking.persona("ei").read_text())


def test_a_model_for_the_next_reply_only(talking: Home, server: WireServer) -> None:
    with talking.ei() as t:
        say(t, "/model --once local:other")
        t.wait_for(lambda t: "local:other (next reply)" in toolbar(t))
        ask(t, "one")
        ask(t, "two")
        assert [request.model for request in server.chats] == ["other", "tiny"]


def test_two_personas_answer_with_two_models_at_once(talking: Home, server: WireServer) -> None:
    server.on("slow", Answer(" ".join(f"slow{n}" for n in range(60)), delay=0.05))
    server.on("quick", Answer(" ".join(f"quick{n}" for n in range(20)), delay=0.02))
    with talking.ei() as t:
        say(t, "/model local:slow")
        t.wait_for("set to: local:slow")
        say(t, "to ei")
        t.wait_for("slow3")
        say(t, "/persona lena")
        t.wait_for("lena ❯")
        say(t, "/model local:quick")
        t.wait_for("set to: local:quick")
        say(t, "to lena")
        t.wait_for("quick3")
        assert "ei …" in toolbar(t)
        t.wait_for("quick19")
        t.wait_for(lambda t: "ei ●1" in toolbar(t))
        say(t, "/persona ei")
        t.wait_for("slow59")
        assert "●" not in toolbar(t)
        assert {request.model for request in server.chats} == {"slow", "quick"}
    assert [(author, state) for role, author, state, _ in talking.messages() if role == "assistant"] == [
        ("ei", "complete"),
        ("lena", "complete"),
    ]


def test_a_reply_that_goes_on_elsewhere_is_drawn_whole_on_coming_back(talking: Home, server: WireServer) -> None:
    server.reply(" ".join(f"word{n}" for n in range(80)), delay=0.03)
    with talking.ei() as t:
        say(t, "go")
        t.wait_for("word5")
        say(t, "/persona mike")
        t.wait_for("mike ❯")
        t.settle(0.3)
        say(t, "/persona ei")
        t.wait_for(lambda t: ended(t) == 1)
        text = " ".join(t.screen).partition("── ei ")[2].rpartition("── ei ")[2] or " ".join(t.screen)
        assert re.findall(r"word\d+", text)[-80:] == [f"word{n}" for n in range(80)]


def test_a_guest_answers_in_this_conversation(talking: Home, server: WireServer) -> None:
    server.on("tiny", "I think it is fine.")
    server.on("guest", "Once upon a time.")
    with talking.ei() as t:
        ask(t, "Should I write a story?")
        say(t, "/persona lena")
        t.wait_for("lena ❯")
        say(t, "/model local:guest")
        t.wait_for("set to: local:guest")
        say(t, "/persona ei")
        t.wait_for("ei ❯")
        ask(t, "@lena what do you think?")
        assert shown(t, "you   @lena what do you think?")
        assert shown(t, "lena  Once upon a time.")
        assert server.last.model == "guest"
        sent = [text for _, text in server.last.messages]
        assert sum("Should I write a story?" in text for text in sent) == 1
        assert any("I think it is fine." in text for text in sent)
        t.wait_for("ei ❯")
        ask(t, "Thanks, both")
        assert any("Once upon a time." in text for _, text in server.last.messages)
    authors = [author or "you" for _, author, _, _ in talking.messages()]
    assert authors == ["you", "ei", "you", "lena", "you", "ei"]


def test_leaving_prints_the_command_that_comes_back_here(talking: Home, server: WireServer) -> None:
    server.reply("Remember the blue door.")
    with talking.ei() as t:
        ask(t, "What shall I remember?")
        t.press("ctrl-d")
        assert t.wait_exit() == 0
        command = left_with(t)
    with talking.ei() as t:
        say(t, "/new")
        t.settle()
        ask(t, "Something else")
        say(t, "/quit")
        assert t.wait_exit() == 0
        assert left_with(t) != command
    with talking.ei("--resume", command) as t:
        t.wait_for("Remember the blue door.")
        assert shown(t, "you  What shall I remember?")
        assert not shown(t, "Something else")
        ask(t, "Go on")
        assert "What shall I remember?" in str(server.last.messages)


def test_coming_back_shows_where_the_person_left(talking: Home, server: WireServer) -> None:
    server.reply("Said by lena.")
    with talking.ei("-p", "lena") as t:
        t.wait_for("lena ❯")
        ask(t, "Hello lena")
        t.press("ctrl-c", "ctrl-c")
        assert t.wait_exit() == 0
    with talking.ei() as t:
        t.wait_for("lena ❯")
        assert shown(t, "── lena ──")
        assert shown(t, "you   Hello lena")
        assert shown(t, "lena  Said by lena.")
        assert times(t, "Said by lena.") == 1


def test_the_model_of_the_command_line_is_used_for_this_session(talking: Home, server: WireServer) -> None:
    with talking.ei("-p", "mike", "-m", "local:asked") as t:
        t.wait_for("mike ❯")
        t.wait_for(lambda t: "local:asked (request)" in toolbar(t))
        ask(t, "Hi")
        assert server.last.model == "asked"


def test_another_model_than_last_time_is_said_before_anything_is_spent(talking: Home, server: WireServer) -> None:
    with talking.ei() as t:
        ask(t, "Hi")
        say(t, "/quit")
        t.wait_exit()
    with talking.ei(EI_LLM_MODEL="local:other") as t:
        t.wait_for("local:tiny answered here last; local:other would answer now")
        assert len(server.chats) == 1


def test_a_conversation_that_is_not_there_is_one_sentence(home: Home) -> None:
    with home.ei("--resume", "0123abcd", ready=False) as t:
        assert t.wait_exit(20) == 2
        assert shown(t, "ei: There is no conversation")
        assert "Traceback" not in "\n".join(t.everything)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("-p", "lena", "--resume", "0123abcd"), "-p and --resume exclude each other"),
        (("--json",), "--json is for asking and for commands, not for the chat."),
        (("--yes",), "--yes is for commands, not for the chat."),
    ],
)
def test_an_option_that_the_chat_would_ignore_is_refused(home: Home, arguments: tuple[str, ...], sentence: str) -> None:
    with home.ei(*arguments, ready=False) as t:
        assert t.wait_exit(20) == 2
        assert shown(t, f"ei: {sentence}")


def test_a_line_that_was_sent_right_before_leaving_is_kept(talking: Home, server: WireServer) -> None:
    with talking.ei() as t:
        t.type("my last words\r\x04")
        assert t.wait_exit() == 0
        assert not shown(t, "Not sent")
    assert [text for role, _, _, text in talking.messages() if role == "user"] == ["my last words"]


def test_lines_typed_while_it_cannot_begin_are_shown_again(home: Home) -> None:
    with home.ei("--resume", "0123abcd", ready=False) as t:
        t.type("one line\ranother\r")
        assert t.wait_exit(20) == 2
        assert shown(t, "Not sent: one line")
        assert shown(t, "Not sent: another")
        assert shown(t, "ei: There is no conversation")


def test_a_half_typed_line_survives_replies_switches_and_commands_output(talking: Home, server: WireServer) -> None:
    server.reply(LONG, delay=0.002)
    with talking.ei(rows=24) as t:
        say(t, "go")
        t.type("half typ")
        t.wait_for(lambda t: ended(t) == 1)
        assert prompt_line(t) == "half typ"
        t.resize(70, 24)
        t.settle()
        assert prompt_line(t) == "half typ"
        t.press("f2")
        t.wait_for(lambda t: t.alternate)
        t.press("escape")
        t.wait_for(lambda t: not t.alternate)
        t.type("ed")
        t.wait_for("❯ half typed")
        assert prompt_line(t) == "half typed"


def left_with(t: Terminal) -> str:
    """The id in the last line that is printed on leaving."""
    line = next(line for line in reversed(t.everything) if line.strip())
    match = re.fullmatch(r"To come back here: ei --resume (\w+)", line)
    assert match, line
    return match[1]
