"""/provider in a chat: the form typed and looked at, a key that is never on the screen unless shown, a test after."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from ei import jsonc
from tests.chat.homes import Home, prompt_line, say, shown
from tests.drive import Terminal
from tests.run_ei import Ei
from tests.wire import WireServer

KEY = "sk-proj-Zm9vYmFyYmF6cXV4-tail"


@pytest.fixture
def hosted(home: Home) -> Home:
    home.variables["EI_PASSPHRASE"] = "correct horse battery"
    return home


def line(terminal: Terminal, label: str) -> str:
    """The row of the form with that label, without what stands left of it."""
    return next((row[2:] for row in terminal.screen if row[2:].startswith(label)), "")


def _is_other(before: str, terminal: Terminal) -> bool:
    return line(terminal, "kept in") != before


def written(home: Home, *but: str) -> str:
    files = (path for path in Path(home.path).rglob("*") if path.is_file() and path.name not in but)
    return "\n".join(path.read_text("utf-8", errors="replace") for path in files)


@pytest.mark.parametrize(("columns", "rows"), [(100, 40), (60, 18)])
def test_a_form_is_filled_in_and_the_key_shows_only_where_it_is_asked_to(hosted: Home, columns: int, rows: int) -> None:
    with WireServer(key=KEY) as server:
        hosted.variables["EI_GROQ_BASE_URL"] = server.url
        with hosted.ei(columns=columns, rows=rows) as t:
            say(t, "/provider groq")
            t.wait_for("groq · Groq")
            assert t.alternate
            t.wait_for("❯ API key")
            t.settle()
            labels = ["API key", "kept in", "base URL", "organisation", "project", "headers", "default model"]
            at = [next(i for i, row in enumerate(t.screen) if row[2:].startswith(label)) for label in labels]
            assert at == list(range(at[0], at[0] + len(labels)))
            assert all(len(row) <= columns for row in t.screen)
            assert line(t, "API key").split(maxsplit=2)[2] == "none yet; empty leaves it so"
            t.type(KEY)
            t.wait_for("•" * len(KEY))
            assert not shown(t, KEY)
            t.press("ctrl-t")
            t.wait_for(KEY)
            t.press("ctrl-t")
            t.wait_for("•" * len(KEY))
            t.press("enter")
            t.wait_for("❯ kept in")
            for _ in range(3):
                if "plain file" in line(t, "kept in"):
                    break
                before = line(t, "kept in")
                t.press("right")
                t.wait_for(partial(_is_other, before))
            for label in ("base URL", "organisation", "project", "headers"):
                t.press("down")
                t.wait_for(f"❯ {label}")
            t.type("X-Team")
            t.press("enter")
            t.wait_for("Write headers as Name: value")
            t.type(": writers")
            t.press("enter")
            t.wait_for("❯ default model")
            t.type("tiny")
            t.press("ctrl-s")
            t.wait_for("The key of groq is in")
            assert not t.alternate
            assert prompt_line(t) == ""
            assert not shown(t, KEY)
            say(t, "/provider test groq")
            t.wait_for(lambda t: shown(t, "Ask groq:tiny for one word"), 20)
            say(t, "/yes")
            t.wait_for(lambda t: shown(t, "groq works: its key is good, 1 model, tiny answered in"), 20)
            assert not shown(t, KEY)
    settings = jsonc.loads(hosted.settings.read_text("utf-8"))
    assert isinstance(settings, dict)
    assert settings["providers"] == {
        "groq": {"headers": {"X-Team": "writers"}, "default_model": "tiny", "key": "plain:groq"}
    }
    assert KEY not in written(hosted, "keys.plain.json")
    assert KEY in (hosted.settings.parent / "keys.plain.json").read_text("utf-8")


def test_a_form_with_changes_is_left_by_a_second_escape_and_in_a_low_window_its_lines_scroll(hosted: Home) -> None:
    with hosted.ei(columns=60, rows=12) as t:
        say(t, "/provider openai")
        t.wait_for("❯ API key")
        for _ in range(9):
            t.press("down")
        t.wait_for("❯ [ Save ]")
        t.press("up")
        t.wait_for("❯ enabled")
        t.press("space")
        t.wait_for("‹ no ›")
        t.press("escape")
        t.wait_for("Not saved. Esc again leaves without saving.")
        t.press("escape")
        t.wait_for("Nothing was changed.")
        assert not hosted.settings.exists()
        say(t, "/provider key openai")
        t.wait_for("API key of openai")
        t.type(KEY)
        t.wait_for("•" * 10)
        t.press("escape")
        t.wait_for(lambda t: not shown(t, "API key of openai (goes") or prompt_line(t) == "")
        assert not shown(t, KEY)
    assert KEY not in written(hosted)


def test_a_provider_of_ones_own_is_added_and_the_list_fits_a_narrow_window(hosted: Home) -> None:
    with hosted.ei(columns=60, rows=40) as t:
        say(t, "/provider add")
        t.wait_for("A provider of your own")
        t.type("tier")
        t.press("enter")
        t.wait_for("❯ base URL")
        t.type("127.0.0.1:9/v1")
        t.press("ctrl-s")
        t.wait_for("this name already means something else.")
        for _ in "tier":
            t.press("backspace")
        t.type("work")
        t.press("ctrl-s")
        t.wait_for("work is there: 127.0.0.1:9/v1")
        say(t, "/provider")
        t.wait_for("To change one: /provider NAME.")
        assert any(row.startswith("local") and "✗" in row for row in t.everything)
        assert all(len(row) <= 60 for row in t.everything)
        assert any(row.startswith("work") for row in t.everything)


def test_where_only_lines_are_typed_a_form_asks_line_by_line_and_for_no_key(hosted: Home) -> None:
    with hosted.ei(ready=False, TERM="dumb") as t:
        t.wait_for("ei ❯", 20)
        t.type("/provider openai\r")
        t.wait_for("API key: not asked for, since this terminal cannot hide what is typed.")
        for label in ("kept in", "base URL", "organisation", "project", "headers"):
            t.wait_for(f"{label}", 10)
            t.type("\r")
        t.wait_for("default model")
        t.type("gpt-5.1\r")
        t.wait_for("preferred")
        t.type("\r")
        t.wait_for("enabled (yes, no): [yes]")
        t.type("maybe\r")
        t.wait_for("It is none of these.")
        t.type("\r")
        t.wait_for("openai: default model gpt-5.1.")


def test_a_shell_at_a_terminal_asks_for_the_key_without_showing_it(hosted: Home) -> None:
    ei = Ei(hosted.path, **hosted.variables)
    command = [str(word) for word in ei.command("provider", "key", "openai", "--to", "plain")]
    with Terminal(command, 100, 20, {**ei.variables, "TERM": "xterm-256color"}, hosted.path) as t:
        t.wait_for("API key of openai (goes to plain file):", 20)
        t.type(f"{KEY}\r")
        t.wait_for("The key of openai is in")
        assert not shown(t, KEY)
    assert KEY in (hosted.path / "config" / "keys.plain.json").read_text("utf-8")
