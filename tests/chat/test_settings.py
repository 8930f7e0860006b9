"""Settings: changed by a command, by hand in the middle of a session, by variables."""

from __future__ import annotations

from tests.chat.homes import Home, ask, prompt_line, say, shown, toolbar
from tests.wire import Answer, WireServer


def test_settings_changed_by_hand_show_in_the_next_reply(talking: Home, server: WireServer) -> None:
    del talking.variables["EI_LLM_MODEL"]
    talking.settings.parent.mkdir()
    talking.settings.write_text('{ "default_model": "local:first" }')
    with talking.ei() as t:
        ask(t, "one")
        talking.settings.write_text(
            '{ "default_model": "local:second", "interactions": { "reasoning": { "temperature": 0.25 } } }'
        )
        ask(t, "two")
        assert [request.model for request in server.chats] == ["first", "second"]
        assert "temperature" not in server.chats[0].body
        assert server.last.body["temperature"] == 0.25
        t.wait_for(lambda t: "local:second" in toolbar(t))


def test_a_settings_file_broken_by_hand_is_said_and_what_was_typed_stays(talking: Home, server: WireServer) -> None:
    talking.settings.parent.mkdir()
    talking.settings.write_text("{}")
    with talking.ei() as t:
        ask(t, "one")
        talking.settings.write_text('{ "default_model": }')
        say(t, "two")
        t.wait_for(lambda t: shown(t, "settings.jsonc, line 1, column"))
        talking.settings.write_text("{}")
        t.settle()
        say(t, "" if prompt_line(t) == "two" else "/retry")
        t.wait_for(lambda t: len(server.chats) == 2)
        assert server.last.messages[-1] == ("user", "two")


def test_a_setting_is_changed_by_a_command_and_holds_at_the_next_start(talking: Home) -> None:
    with talking.ei() as t:
        say(t, "/settings display.keys vi")
        t.wait_for("display.keys is now vi")
        say(t, "/settings display.keys emcas")
        t.wait_for("must be one of")
        say(t, "/quit")
        t.wait_exit()
    assert '"vi"' in talking.settings.read_text()
    with talking.ei() as t:
        t.type("hello wrld")
        t.press("escape")
        t.settle()
        t.type("bio")
        t.press("escape")
        t.settle()
        t.type("0x")
        t.wait_for("❯ ello owrld")


def test_the_line_under_each_reply_can_be_taken_away(talking: Home, server: WireServer) -> None:
    with talking.ei() as t:
        say(t, "/settings display.reply_line false")
        t.wait_for("display.reply_line is now false")
        say(t, "Hi")
        t.wait_for("Hello there.")
        t.settle()
        assert not shown(t, "local:tiny ·")


def test_how_much_reasoning_shows(talking: Home, server: WireServer) -> None:
    server.always(Answer("The answer.", reasoning="First I consider the puddle."))
    with talking.ei() as t:
        ask(t, "folded")
        assert shown(t, "5 words")
        assert not shown(t, "consider the puddle")
        say(t, "/settings display.reasoning full")
        t.wait_for("display.reasoning is now")
        ask(t, "full")
        assert shown(t, "First I consider the puddle.")
        say(t, "/settings display.reasoning hidden")
        t.wait_for("is now hidden")
        before = "\n".join(t.everything).count("words")
        ask(t, "hidden")
        assert "\n".join(t.everything).count("words") == before


def test_no_color_means_no_colour(talking: Home, server: WireServer) -> None:
    server.reply("Some **bold** and `code`:\n\n```python\nprint('x')\n```\n")
    with talking.ei(NO_COLOR="1") as t:
        ask(t, "Hi")
        assert shown(t, "Some bold and")
        colours = [part.split(b"m")[0] for part in t.raw.split(b"\x1b[")[1:] if b"m" in part[:12]]
        numbers = {n for part in colours if part.replace(b";", b"").isdigit() for n in part.split(b";")}
        assert not {n for n in numbers if 30 <= int(n) <= 49 or 90 <= int(n) <= 107}


def test_incognito_writes_nothing_and_says_so_in_the_toolbar(talking: Home, server: WireServer) -> None:
    with talking.ei("--no-save") as t:
        t.wait_for(lambda t: "incognito" in toolbar(t))
        ask(t, "Something about a plover")
        assert "plover" in str(server.last.messages)
        say(t, "/quit")
        t.wait_exit()
        assert not shown(t, "To come back")
    assert talking.messages() == []
    for path in talking.data.rglob("*"):
        assert not path.is_file() or b"plover" not in path.read_bytes(), path
