"""What is typed: slashes, several lines, pastes, an editor, questions that wait while typing goes on."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.chat.homes import Home, ask, ended, prompt_line, say, shown, times, toolbar
from tests.wire import Answer, WireServer


def test_two_slashes_send_a_line_that_begins_with_one(talking: Home, server: WireServer) -> None:
    with talking.ei() as t:
        ask(t, "//etc is a folder")
        assert shown(t, "you  /etc is a folder")
        assert server.last.messages[-1] == ("user", "/etc is a folder")


def test_an_unknown_command_names_the_nearest(talking: Home, server: WireServer) -> None:
    with talking.ei() as t:
        say(t, "/modle local:x")
        t.wait_for("There is no command /modle.")
        assert shown(t, "Did you mean /model or /models?")
        assert not server.chats


def test_several_lines_are_sent_as_one_message(talking: Home, server: WireServer) -> None:
    with talking.ei() as t:
        t.type("one")
        t.press("alt-enter")
        t.type("two")
        t.press("ctrl-j")
        t.type("three\\")
        t.press("enter")
        t.type("four")
        t.wait_for("     four")
        ask(t, "")
        assert server.last.messages[-1] == ("user", "one\ntwo\nthree\nfour")
        for row in ("you  one", "     two", "     three", "     four"):
            assert row in t.everything


def test_a_long_paste_is_folded_until_it_is_sent(talking: Home, server: WireServer) -> None:
    pasted = "\n".join(f"line {n}" for n in range(40))
    with talking.ei() as t:
        t.type("Look: ")
        t.paste(pasted)
        t.wait_for("ei ❯ Look: [pasted 40 lines]")
        ask(t, " please")
        assert server.last.messages[-1] == ("user", f"Look: {pasted} please")


def test_a_paste_never_gives_a_command_or_answers_by_itself(talking: Home, server: WireServer) -> None:
    with talking.ei() as t:
        t.paste("/quit\nsecond line\n")
        t.wait_for("ei ❯ /quit")
        t.settle()
        assert not server.chats
        assert shown(t, "second line")


def test_a_deletion_waits_for_an_answer_while_typing_goes_on(talking: Home, server: WireServer) -> None:
    with talking.ei() as t:
        ask(t, "The secret word is plover")
        say(t, "/delete conversation")
        t.wait_for("▌ Delete the conversation with ei")
        t.wait_for("What goes: 1 conversation, 2 messages.")
        say(t, "/model")
        t.wait_for("Current model for ei")
        t.type("half a line")
        t.wait_for("ei ❯ half a line")
        assert shown(t, "▌ Delete the conversation with ei")
        t.press("ctrl-c")
        t.wait_for(lambda t: prompt_line(t) == "")
        say(t, "/no")
        t.wait_for("Nothing was deleted.")
        assert len(talking.messages()) == 2
        say(t, "/delete conversation")
        t.wait_for("▌ Delete the conversation with ei")
        say(t, "/yes")
        t.wait_for("The conversation is deleted.")
        assert talking.messages() == []
        assert not any("▌" in line for line in t.screen)
    assert b"plover" not in (talking.data / "ei.db").read_bytes()


def test_a_question_waits_while_another_persona_is_asked(talking: Home, server: WireServer) -> None:
    with talking.ei() as t:
        ask(t, "Hi")
        say(t, "/delete message")
        t.wait_for("▌ Delete the message of ei")
        say(t, "/persona mike")
        t.wait_for("mike ❯")
        ask(t, "A question for you")
        assert shown(t, "▌ Delete the message of ei")
        t.settle(0.5)  # a key that comes right after the question does not answer it
        t.press("n")
        t.wait_for("Nothing was deleted.")


def test_f2_picks_a_model_from_what_the_servers_list(talking: Home, server: WireServer) -> None:
    server.models("tiny", "huge-9b", "small-1b")
    with talking.ei() as t:
        t.type("half typed")
        t.press("f2")
        t.wait_for(lambda t: t.alternate and any("local:huge-9b" in line for line in t.screen))
        t.type("huge")
        t.wait_for(lambda t: not any("small-1b" in line for line in t.screen))
        t.press("enter")
        t.wait_for("Model for ei set to: local:huge-9b")
        assert prompt_line(t) == "half typed"
        t.wait_for(lambda t: "local:huge-9b (persona)" in toolbar(t))


def test_the_last_message_is_changed_in_the_persons_editor(talking: Home, server: WireServer, tmp_path: Path) -> None:
    editor = tmp_path / "editor.py"
    editor.write_text(
        "import pathlib, sys\npath = pathlib.Path(sys.argv[1])\n"
        "path.write_text(path.read_text().replace('cats', 'dogs'))\n"
    )
    server.script("About cats.", "About dogs.")
    with talking.ei(EDITOR=f"{sys.executable} {editor}") as t:
        ask(t, "Tell me of cats")
        say(t, "/edit")
        t.wait_for("About dogs.")
        t.wait_for(lambda t: ended(t) == 2)
        assert shown(t, "you  Tell me of dogs")
        assert [text for role, text in server.last.messages if role == "user"] == ["Tell me of dogs"]
        t.type("some words")
        t.press("ctrl-x", "ctrl-e")
        t.settle()
        assert prompt_line(t) == "some words"


def test_a_reply_that_streams_while_the_editor_is_open_is_whole_afterwards(
    talking: Home, server: WireServer, tmp_path: Path
) -> None:
    editor = tmp_path / "editor.py"
    editor.write_text("import time\nprint('THE EDITOR', flush=True)\ntime.sleep(1.2)\n")
    server.reply(" ".join(f"word{n}" for n in range(50)), delay=0.02)
    with talking.ei(EDITOR=f"{sys.executable} {editor}") as t:
        say(t, "go")
        t.wait_for("word3")
        t.type("draft")
        t.press("ctrl-x", "ctrl-e")
        t.wait_for("THE EDITOR")
        t.wait_for(lambda t: ended(t) == 1)
        assert shown(t, " ".join(f"word{n}" for n in range(50)))
        assert prompt_line(t) == "draft"


def test_tab_completes_commands_and_personas(talking: Home) -> None:
    with talking.ei() as t:
        t.type("/pers")
        t.press("tab")
        t.wait_for("❯ /persona")
        t.type(" le")
        t.press("tab")
        t.wait_for("❯ /persona lena")
        t.press("enter")
        t.wait_for("lena ❯")


def test_what_was_said_in_an_earlier_session_comes_back_with_the_up_key(talking: Home) -> None:
    with talking.ei() as t:
        ask(t, "an earlier line")
        say(t, "/quit")
        t.wait_exit()
    with talking.ei() as t:
        t.settle(0.5)
        t.press("up")
        t.wait_for("❯ an earlier line")


def test_a_variant_is_chosen_on_a_page_of_its_own(talking: Home, server: WireServer) -> None:
    server.script("The first answer.", "The second answer.")
    with talking.ei() as t:
        ask(t, "Well?")
        ask(t, "/retry")
        assert shown(t, "variant 2 of 2")
        say(t, "/variants")
        t.wait_for(lambda t: t.alternate and any("The second answer." in line for line in t.screen))
        t.press("left")
        t.wait_for("The first answer.")
        t.press("enter")
        t.wait_for("Variant 1 of 2")
        ask(t, "Go on")
        assert "The first answer." in str(server.last.messages)
        assert "The second answer." not in str(server.last.messages)


def test_taking_back_and_bringing_back_the_last_turn(talking: Home, server: WireServer) -> None:
    with talking.ei() as t:
        ask(t, "The first thing")
        ask(t, "The second thing")
        say(t, "/undo")
        t.wait_for("Taken back: The second thing")
        ask(t, "The third thing")
        sent = [text for role, text in server.last.messages if role == "user"]
        assert sent == ["The first thing", "The third thing"]


def test_lines_take_effect_in_the_order_typed(talking: Home, server: WireServer) -> None:
    server.on("a", Answer("From a.", first_delay=0.3))
    with talking.ei() as t:
        t.type("/model local:a\rhello\r/persona lena\r/model local:b\rhi lena\r")
        t.wait_for(lambda t: ended(t) >= 1 and len(server.chats) == 2)
        t.wait_for("lena ❯")
        assert {request.model for request in server.chats} == {"a", "b"}
        assert times(t, "There is no") == 0
