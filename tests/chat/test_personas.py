"""Personas in the chat: a new one from an idea, files that are broken or changed by hand."""

from __future__ import annotations

import json
import re

from tests.chat.homes import Home, ask, say, shown, times
from tests.wire import Hang, Status, WireServer

DRAFT = {
    "short_description": "A gardener who talks to plants.",
    "long_description": "She has soil under her nails and time for everybody.",
    "concepts": [
        {
            "name": "Compost",
            "description": "What becomes of everything.",
            "type": "topic",
            "level_current": 0.2,
            "level_ideal": 0.9,
            "sentiment": 0.8,
        }
    ],
}


def test_a_persona_is_drafted_from_one_line_and_saved_on_yes(talking: Home, server: WireServer) -> None:
    server.script(f"Here it is:\n```json\n{json.dumps(DRAFT)}\n```", "Hello from the garden.")
    with talking.ei() as t:
        say(t, "/persona new flora")
        t.wait_for("One line about flora: who is it?")
        t.type("a gardener")
        t.press("enter")
        t.wait_for("Save flora (yes, edit, no)?")
        t.press("enter")
        t.wait_for("flora ❯")
        t.wait_for("flora is here: A gardener who talks to plants.")
        assert shown(t, "Drafted by local:tiny")
        ask(t, "Hi flora")
        assert shown(t, "Hello from the garden.")
        assert "soil under her nails" in server.last.messages[0][1]
        assert "a gardener" in str(server.chats[0].messages)
    assert "Compost" in talking.persona("flora").read_text()


def test_a_draft_that_is_not_wanted_leaves_nothing(talking: Home, server: WireServer) -> None:
    server.script(json.dumps(DRAFT))
    with talking.ei() as t:
        say(t, "/persona new flora")
        t.wait_for("One line about flora")
        say(t, "a gardener")
        t.wait_for("Save flora (")
        t.press("escape")
        t.wait_for("flora was not saved.")
    assert not talking.persona("flora").exists()


def test_ctrl_c_stops_a_draft_that_takes_too_long(talking: Home, server: WireServer) -> None:
    server.script(Hang('{"short_description"'))
    with talking.ei() as t:
        say(t, "/persona new flora a gardener")
        t.wait_for(lambda t: server.chats)
        t.press("ctrl-c")
        t.wait_for("Stopped.")
        ask(t, "Hi")
    assert not talking.persona("flora").exists()


def test_a_question_that_is_left_ends_the_command(talking: Home, server: WireServer) -> None:
    with talking.ei() as t:
        t.type("half")
        t.press("ctrl-c")
        say(t, "/persona new flora")
        t.wait_for("One line about flora")
        t.press("escape")
        t.wait_for("Left as it was.")
        assert not server.chats


def test_a_draft_that_cannot_be_made_is_a_plain_one_and_says_why(talking: Home, server: WireServer) -> None:
    server.always(Status(401, "no"))
    with talking.ei() as t:
        say(t, "/persona new flora")
        t.wait_for("One line about flora")
        say(t, "a gardener")
        t.wait_for("Save flora (")
        t.press("enter")
        t.wait_for("flora ❯")
        t.wait_for(lambda t: shown(t, "asks for an API key (401)"))
    assert "a gardener" in talking.persona("flora").read_text()


def test_a_broken_file_is_named_with_line_and_column_and_the_others_work(talking: Home, server: WireServer) -> None:
    with talking.ei() as t:
        ask(t, "Hi")
        say(t, "/quit")
        t.wait_exit()
    broken = '{\n  "short_description": "x",\n  "concepts": [ }\n}\n'
    talking.persona("lena").write_text(broken)
    with talking.ei() as t:
        say(t, "/persona")
        t.wait_for("lena is broken")
        assert shown(t, "lena/system.jsonc, line 3, column 17")
        say(t, "/persona lena")
        t.wait_for(lambda t: "".join(t.everything).replace(" ", "").count("column17") == 3)
        assert times(t, "> /persona lena") == 1
        say(t, "/persona mike")
        t.wait_for("mike ❯")
        ask(t, "Are you well?")
        assert shown(t, "mike  Hello there.")
    assert talking.persona("lena").read_text() == broken


def test_the_file_of_the_persona_in_front_breaks_and_is_mended_meanwhile(talking: Home, server: WireServer) -> None:
    with talking.ei() as t:
        ask(t, "Hi")
        path = talking.persona("ei")
        good = path.read_text()
        path.write_text(good[: len(good) // 2])
        say(t, "still there?")
        t.wait_for(lambda t: shown(t, "system.jsonc, line"))
        t.wait_for("❯ still there?")
        path.write_text(good.replace("A listener who", "A mended listener who"))
        ask(t, "")
        assert "A mended listener who" in server.last.messages[0][1]


def test_a_persona_changed_by_hand_speaks_from_it_in_the_next_reply(talking: Home, server: WireServer) -> None:
    with talking.ei() as t:
        ask(t, "Hi")
        path = talking.persona("ei")
        text = re.sub(r'("short_description"\s*:\s*)"[^"]*"', r'\1"A changed description."', path.read_text())
        path.write_text(text.replace("{", '{\n  "model": "local:by-hand",', 1))
        ask(t, "And now?")
        assert server.last.model == "by-hand"
        assert "A changed description." in server.last.messages[0][1]


def test_archive_restore_and_clone(talking: Home, server: WireServer) -> None:
    with talking.ei("-p", "lena") as t:
        ask(t, "Hi lena")
        say(t, "/persona clone lena2 --with-history")
        t.wait_for("lena2 is a copy of lena with 1 conversation.")
        say(t, "/persona archive")
        t.wait_for("lena is put away.")
        say(t, "/persona lena")
        t.settle()
        say(t, "/persona restore lena")
        t.wait_for("lena is back.")
        say(t, "/persona lena")
        t.wait_for("lena ❯")
        assert shown(t, "you   Hi lena")
        assert shown(t, "lena  Hello there.")


def test_with_no_persona_that_works_each_file_is_named(talking: Home) -> None:
    with talking.ei() as t:
        say(t, "/quit")
        t.wait_exit()
    for name in ("beta", "ei", "lena", "mike", "otto"):
        talking.persona(name).write_text("{")
    with talking.ei(columns=200, ready=False) as t:
        assert t.wait_exit(20) == 3
        assert times(t, "can be used.") == 1
        assert times(t, "system.jsonc, line 1, column 2: ") == 5
        assert times(t, "Mend one of the files.") == 1
