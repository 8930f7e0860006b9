"""Several models compared in a chat: side by side or one below the other, picked from by a key."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.chat.homes import Home, ask, say, shown
from tests.drive import Terminal
from tests.wire import Answer, Hang, Status, WireServer

SPECS = "local:one groq:two openai:three"


@pytest.fixture
def servers() -> Iterator[tuple[WireServer, WireServer, WireServer]]:
    """Three providers, whose models say first, second and third."""
    with WireServer() as one, WireServer() as two, WireServer() as three:
        one.reply("The first answer.")
        two.reply("The **second** answer.")
        three.reply("The third answer.")
        yield one, two, three


@pytest.fixture
def comparing(home: Home, servers: tuple[WireServer, WireServer, WireServer]) -> Home:
    one, two, three = servers
    home.variables.update(
        EI_LLM_BASE_URL=one.url,
        EI_LLM_MODEL="local:one",
        EI_GROQ_BASE_URL=two.url,
        EI_GROQ_API_KEY="k2",
        EI_OPENAI_BASE_URL=three.url,
        EI_OPENAI_API_KEY="k3",
    )
    return home


def test_three_models_stand_side_by_side_and_the_next_turn_sees_the_one_that_was_picked(
    comparing: Home, servers: tuple[WireServer, WireServer, WireServer]
) -> None:
    with comparing.ei(columns=100, rows=30) as t:
        say(t, f"/compare {SPECS} -- Which one?")
        t.wait_for("3 replies")
        assert t.alternate
        head = next(line for line in t.screen if "local:one" in line)
        assert [name for name in ("local:one", "groq:two", "openai:three") if name in head] == SPECS.split()
        row = next(line for line in t.screen if "The first answer." in line)
        assert row.split(" │ ")[1].strip() == "The second answer."
        t.press("right")
        t.wait_for("❯2 groq:two")
        t.press("enter")
        t.wait_for("kept groq:two over local:one, openai:three; /variants shows them")
        assert not t.alternate
        assert shown(t, "ei   The second answer.")
        assert shown(t, "variant 2 of 3")
        ask(t, "And now?")
    sent = servers[0].last.messages
    assert sent[-3:] == [("user", "Which one?"), ("assistant", "The **second** answer."), ("user", "And now?")]
    assert [text for role, _, _, text in comparing.messages() if role == "assistant"] == [
        "The first answer.",
        "The **second** answer.",
        "The third answer.",
        "The first answer.",
    ]


def test_where_the_window_is_narrow_they_stand_one_below_the_other(comparing: Home) -> None:
    with comparing.ei(columns=60, rows=20) as t:
        say(t, f"/compare {SPECS} -- Which one?")
        t.wait_for("3 replies")
        t.settle()
        rows = [line.strip() for line in t.screen]
        assert rows.index("The first answer.") < rows.index("The second answer.") < rows.index("The third answer.")
        assert "❯1 local:one" in rows
        t.resize(100, 30)
        t.wait_for(lambda t: any("The first answer." in row and "The third answer." in row for row in t.screen))
        t.press("3")
        t.wait_for("kept openai:three over local:one, groq:two")


def test_hidden_names_are_told_when_one_is_picked(comparing: Home) -> None:
    with comparing.ei(columns=100, rows=30) as t:
        say(t, f"/compare --blind {SPECS} -- Which one?")
        t.wait_for("3 replies")
        view = "\n".join(t.screen)
        assert "❯1 A" in view
        assert not [name for name in SPECS.split() if name in view]
        t.press("1")
        t.wait_for("/variants shows them")
        lines = [line.strip() for line in t.everything]
        told = dict(line.split(" · ")[0].split(" was ") for line in lines if " was " in line and line[1:5] == " was")
        assert sorted(told) == ["A", "B", "C"]
        assert sorted(told.values()) == sorted(SPECS.split())
        assert any(line.startswith(f"kept {told['A']} over ") for line in lines)


def test_ctrl_c_stops_those_under_way_and_what_failed_cannot_be_picked(
    comparing: Home, servers: tuple[WireServer, WireServer, WireServer]
) -> None:
    one, two, _ = servers
    one.always(Hang("An unfinished ans"))
    two.always(Status(401, "bad key"))
    with comparing.ei(columns=100, rows=30) as t:
        say(t, f"/compare {SPECS} -- Which one?")
        t.wait_for("2 of 3 done")
        t.wait_for("An unfinished")
        assert "groq refused the API key" in "\n".join(t.screen)
        t.press("1")
        t.wait_for("1 is not done yet: wait, or stop it with Ctrl-C.")
        t.press("2")
        t.wait_for("2 has no text to go on with.")
        t.press("ctrl-c")
        t.wait_for("3 replies")
        t.wait_for("stopped")
        t.press("1")
        t.wait_for("kept local:one over groq:two, openai:three")
        t.wait_for("stopped · /continue goes on")
        assert shown(t, "groq:two: groq refused the API key (401).")
    assert [(state, text) for role, _, state, text in comparing.messages() if role == "assistant"] == [
        ("cancelled", "An unfinished ans"),
        ("failed", ""),
        ("complete", "The third answer."),
    ]


def test_escape_leaves_the_reply_that_was_there(
    comparing: Home, servers: tuple[WireServer, WireServer, WireServer]
) -> None:
    one, two, _ = servers
    with comparing.ei(columns=100, rows=30) as t:
        ask(t, "Which one?")
        two.reply("The second answer, which takes its time " * 20, delay=0.05)
        one.reply("Another first answer.")
        say(t, "/compare local:one groq:two")
        t.wait_for("1 of 2 done")
        t.press("escape")
        t.wait_for("None was picked: the reply that was there stays. /variants shows the others.")
        one.reply("On we go.")
        ask(t, "And now?")
        assert one.last.messages[2] == ("assistant", "The first answer.")


def test_what_a_model_sends_is_harmless_and_a_long_reply_is_scrolled(
    comparing: Home, servers: tuple[WireServer, WireServer, WireServer]
) -> None:
    servers[0].always(Answer("\x1b[2J\x1b]0;owned\x07evil\n\n" + "\n\n".join(f"paragraph {n}" for n in range(60))))
    with comparing.ei(columns=100, rows=24) as t:
        say(t, f"/compare {SPECS} -- Which one?")
        t.wait_for("3 replies")
        t.wait_for("␛[2J␛]0;owned␇evil")
        t.wait_for("more")
        t.press("page-down", "page-down")
        t.wait_for("paragraph 16")
        assert "The second answer." in "\n".join(t.screen)
        t.press("end")
        t.wait_for("paragraph 59")
        t.press("home")
        t.wait_for("evil")
        t.press("escape")
        t.wait_for("that of local:one, the first complete one, is in use.")


def test_a_terminal_of_lines_shows_them_one_after_the_other_and_asks_for_a_number(comparing: Home) -> None:
    with comparing.ei(TERM="dumb") as t:
        say(t, f"/compare {SPECS} -- Which one?")
        t.wait_for("── 3  openai:three ──")
        t.wait_for("Number to go on with, empty to leave:")
        say(t, "2")
        t.wait_for("kept groq:two over local:one, openai:three")


def test_at_a_shell_one_is_picked_by_its_number(comparing: Home) -> None:
    command = [sys.executable, "-m", "ei", "compare", *SPECS.split(), "--", "Which one?"]
    with Terminal(command, 100, 30, comparing.environment(), comparing.path) as t:
        t.wait_for("Number or name, empty to leave:", 20)
        assert shown(t, "── groq:two ──")
        say(t, "openai:three")
        assert t.wait_exit() == 0
        assert shown(t, "kept openai:three over local:one, groq:two")
    assert [text for role, _, _, text in comparing.messages() if role == "user"] == ["Which one?"]


def test_where_it_is_killed_meanwhile_the_reply_that_was_there_is_current_and_what_came_is_kept(
    comparing: Home, servers: tuple[WireServer, WireServer, WireServer]
) -> None:
    with comparing.ei() as t:
        ask(t, "Which one?")
        servers[1].always(Hang("A second ans"))
        servers[2].always(Hang("A third ans"))
        say(t, "/compare groq:two openai:three")
        t.wait_for("A third ans")
        t.wait_for(lambda _: [text for *_, text in comparing.messages()][2:] == ["A second ans", "A third ans"])
        t.kill()
    with comparing.ei() as t:
        assert shown(t, "The first answer.")
        assert not shown(t, "A third ans")
