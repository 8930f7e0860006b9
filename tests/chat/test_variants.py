"""Variants on a pseudo-terminal: looked at with keys, chosen, and told about."""

from __future__ import annotations

import re
from pathlib import Path

from tests.chat.homes import Home, ask, ended, say, shown
from tests.drive import Terminal
from tests.wire import Answer, WireServer


def head(t: Terminal) -> str:
    """The rows of the page that is open, as one text."""
    return " ".join(line.strip() for line in t.screen)


def test_variants_are_flipped_through_and_the_chosen_one_is_printed_and_goes_on(
    talking: Home, server: WireServer
) -> None:
    server.on("big", Answer("From the big one.", usage=(812, 43)))
    server.on("small", Answer("From the small one.", usage=(7, 5)))
    server.script(Answer("The first answer.", usage=(12, 4)))
    with talking.ei() as t:
        ask(t, "Well?")
        ask(t, "/retry --with local:big")
        ask(t, "/retry --with local:small")
        assert shown(t, "variant 3 of 3")
        say(t, "/variants")
        t.wait_for(lambda t: t.alternate and "From the small one." in head(t))
        assert re.search(r"local:small · \d\.\d s · ↑7 ↓5 · free · \S.* · in use 3 of 3", head(t))
        t.press("left")
        t.wait_for("From the big one.")
        assert re.search(r"local:big · \d\.\d s · ↑812 ↓43 · free · .* 2 of 3", head(t))
        assert "in use" not in head(t)
        t.press("n", "n")
        t.wait_for("The first answer.")
        t.press("p")
        t.wait_for("From the small one.")
        t.press("p", "enter")
        t.wait_for("Variant 2 of 3 of ei's reply is in use now.")
        lines = [line.strip() for line in t.everything]
        told = next(i for i, line in enumerate(lines) if line.startswith("Variant 2 of 3"))
        after = "\n".join(lines[:told][-6:])
        assert "From the big one." in after
        assert "local:big · variant 2 of 3" in after
        ask(t, "Go on")
        sent = str(server.last.messages)
        assert "From the big one." in sent
        assert "From the small one." not in sent


def test_in_a_narrow_window_the_title_takes_several_rows(talking: Home, server: WireServer) -> None:
    server.reply("An answer.", usage=(812, 43))
    with talking.ei(columns=38, rows=24) as t:
        ask(t, "Well?")
        ask(t, "/retry")
        say(t, "/variants")
        t.wait_for(lambda t: t.alternate and "An answer." in head(t))
        rows = [line.rstrip() for line in t.screen]
        assert rows[0].startswith("Variants of ei's reply · local:tiny")
        assert re.match(r"\d+\.\d s · ↑812 ↓43 · free · ", rows[1])
        assert rows[2] == "in use 2 of 2"
        t.wait_for(lambda t: t.screen[-1].rstrip().endswith("q leaves"))
        t.press("q")
        t.wait_for("It stays as it was.")


def test_a_reply_tells_how_it_came_to_be(talking: Home, server: WireServer, tmp_path: Path) -> None:
    server.reply("An answer.", usage=(812, 43))
    with talking.ei(columns=60) as t:
        ask(t, "Well?")
        before = ended(t)
        say(t, "/info")
        t.wait_for("free, ran here")
        assert ended(t) == before
        rows = [" ".join(line.split()) for line in t.everything]
        assert "ei: An answer." in rows
        assert any(row.startswith("model local:tiny") for row in rows)
        assert "asked for local:tiny (by EI_LLM_MODEL)" in rows
        assert "in 812" in " ".join(rows)
        assert any(re.match(r"message [0-9a-f-]{36}$", row) for row in rows)
