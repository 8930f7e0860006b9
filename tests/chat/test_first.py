"""The first minute: an empty data folder, and nothing that was set."""

from __future__ import annotations

from tests.chat.homes import Home, ask, ended, is_open, say, shown, times
from tests.wire import WireServer


def test_the_first_screen_says_what_is_here_and_what_to_do(home: Home) -> None:
    with home.ei() as t:
        t.wait_for("/help shows the rest")
        for text in ("Welcome. Just type", "Found here", "Keys set     none", "lena", "A model"):
            assert shown(t, text)


def test_the_first_screen_names_keys_by_their_variable_only(home: Home) -> None:
    with home.ei(EI_OPENAI_API_KEY="sk-secret-0123456789", GEMINI_API_KEY="gk-secret-0123456789") as t:
        t.wait_for("/help shows the rest")
        assert shown(t, "Keys set     EI_OPENAI_API_KEY, GEMINI_API_KEY")
        assert shown(t, "nothing is spent before you choose one")
        assert b"secret" not in t.raw


def test_the_first_screen_comes_once(home: Home) -> None:
    with home.ei() as t:
        t.wait_for("/help shows the rest")
        t.press("ctrl-d")
        assert t.wait_exit() == 0
    with home.ei() as t:
        t.settle(0.6)
        assert not shown(t, "Welcome. Just type")


def test_what_is_typed_before_anything_is_shown_is_not_swallowed(home: Home) -> None:
    with home.ei(ready=False) as t:
        say(t, "I had a rough day")
        t.type("and half a line")
        t.wait_for(lambda t: ended(t) == 1, 20)
        assert times(t, "you  I had a rough day") == 1
        t.wait_for("ei ❯ and half a line")


def test_the_built_in_companion_answers_and_says_what_it_is(home: Home) -> None:
    with home.ei() as t:
        ask(t, "Hello, I had a rough day at work")
        assert shown(t, "so ei answers with the small built-in companion")
        assert shown(t, "builtin:eliza ·")
        ask(t, "My sister is ill")
        assert times(t, "small built-in companion. For a") + times(t, "so ei answers with the small") <= 2
        assert [row[:3] for row in home.messages()] == [
            ("user", "", "complete"),
            ("assistant", "ei", "complete"),
        ] * 2


def test_a_local_server_that_answers_is_named_and_used(home: Home, server: WireServer) -> None:
    server.reply("Here I am.")
    with home.ei(EI_LLM_BASE_URL=server.url) as t:
        t.wait_for("/help shows the rest")
        assert shown(t, f"a model server at {server.url}")
        ask(t, "Hello")
        assert shown(t, "ei   Here I am.")
        assert server.last.model == "google/gemma-3-12b"


def test_leaving_while_it_starts_leaves_at_once(home: Home) -> None:
    with home.ei(ready=False) as t:
        t.wait_for("❯")
        t.press("ctrl-d")
        assert t.wait_exit() == 0


def test_a_key_pressed_while_the_first_screen_comes_up_is_on_the_line(home: Home) -> None:
    with home.ei(ready=False) as t:
        t.wait_for("❯")
        for letter in "typing goes on":
            t.press(letter if letter != " " else "space")
        t.wait_for("/help shows the rest")
        t.wait_for("ei ❯ typing goes on")
        assert is_open(t)
