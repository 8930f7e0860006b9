"""Models installed while one talks: what is seen of it, Ctrl-C, the question of the disk, and F2."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chat.homes import Home, ask, prompt_line, say, shown, toolbar
from tests.drive import Terminal
from tests.ollama import OllamaServer

MEGABYTE = 10**6
BAR = re.compile(r"gemma3:4b ▕█+.*▏ +\d+ % ")


@pytest.fixture
def ollama() -> Iterator[OllamaServer]:
    """An Ollama with a model to talk with, and a large one to install that takes its time."""
    with OllamaServer() as server:
        server.install("tiny", MEGABYTE)
        server.publish("gemma3:4b", 3_300 * MEGABYTE, 500)
        server.pulling.step = 10 * MEGABYTE
        server.pulling.delay = 0.03
        yield server


@pytest.fixture
def talking(tmp_path: Path, ollama: OllamaServer) -> Home:
    return Home(tmp_path, {"EI_OLLAMA_BASE_URL": ollama.url, "EI_LLM_MODEL": "ollama:tiny"})


def bar(terminal: Terminal) -> str:
    """The row of progress, "" while there is none."""
    return next((line for line in terminal.screen if BAR.search(line)), "")


def percent(terminal: Terminal) -> int:
    found = re.search(r"(\d+) %", bar(terminal))
    return int(found[1]) if found else 0


def test_a_bar_grows_above_the_prompt_while_one_talks_and_a_stopped_pull_goes_on(
    talking: Home, ollama: OllamaServer
) -> None:
    with talking.ei() as terminal:
        say(terminal, "/ollama pull gemma3:4b")
        terminal.wait_for(lambda t: "MB/s" in bar(t) and " left" in bar(t))
        before = percent(terminal)
        row = bar(terminal)
        assert re.search(r"^\S gemma3:4b ▕█.* ▏ +\d+ % \d+ MB/3\.3 GB \d+ MB/s .* left$", row)
        lines = [line for line in terminal.screen if line]
        assert lines.index(row) == len(lines) - 3
        assert re.search(r"⇣ gemma3:4b \d+ %", toolbar(terminal))
        ask(terminal, "hello")
        assert shown(terminal, "Hello there.")
        terminal.wait_for(lambda t: percent(t) > before)
        terminal.resize(60, 40)
        terminal.wait_for(lambda t: bar(t) and len(bar(t)) <= 60)
        assert sum("gemma3:4b ▕" in line for line in terminal.screen) == 1
        terminal.type("half a line")
        terminal.press("ctrl-c")
        terminal.settle(0.02, 0.5)
        assert (prompt_line(terminal), bool(bar(terminal))) == ("", True)
        terminal.press("ctrl-c")
        terminal.wait_for(lambda t: shown(t, "It goes on with /ollama pull gemma3:4b"))
        assert bar(terminal) == ""
        came = sum(ollama.partial.values())
        assert came > 0
        ollama.pulling.delay = 0.0
        say(terminal, "/ollama pull gemma3:4b")
        terminal.wait_for(lambda t: shown(t, "gemma3:4b is installed: 3.3 GB in"))
        say(terminal, "/model ollama:gemma3:4b")
        terminal.wait_for(lambda t: shown(t, "set to: ollama:gemma3:4b"))
        ask(terminal, "and you?")
        assert ollama.last.model == "gemma3:4b"


def test_a_pull_that_does_not_fit_asks_and_leaving_stops_it(talking: Home, ollama: OllamaServer) -> None:
    ollama.publish("huge", 10**15)
    with talking.ei() as terminal:
        say(terminal, "/ollama pull huge")
        terminal.wait_for("huge does not fit on the disk. Pull it all the same?")
        terminal.wait_for("huge waits for your answer at 0 %")
        card = " ".join(line.removeprefix("▌ ").strip() for line in terminal.screen if line.startswith("▌ "))
        assert re.search(r"huge needs 1000 TB more; .* are free on the disk of ", card)
        ask(terminal, "hello")
        time.sleep(0.4)
        terminal.press("y")
        terminal.wait_for(lambda t: any(re.search(r" [1-9]\d* MB/1000 TB", line) for line in t.screen))
        terminal.press("ctrl-d")
        assert terminal.wait_exit() == 0
        assert shown(terminal, "what came is kept. It goes on with /ollama pull huge")
    assert ollama.find("huge") is None


def test_f2_offers_to_install_what_is_not_there(talking: Home, ollama: OllamaServer) -> None:
    ollama.pulling.delay = 0.0
    with talking.ei() as terminal:
        terminal.press("f2")
        terminal.wait_for(lambda t: t.alternate and "search" in t.screen[1])
        terminal.type("gemma3:4b")
        terminal.wait_for(lambda t: any("ollama:gemma3:4b" in line and "get 3.3 GB" in line for line in t.screen))
        terminal.press("enter")
        terminal.wait_for("gemma3:4b is not installed. Install it (about 3.3 GB)?")
        say(terminal, "/yes")
        terminal.wait_for(lambda t: shown(t, "gemma3:4b is installed: 3.3 GB in"))


def test_what_goes_wrong_is_a_sentence_in_the_conversation(talking: Home, ollama: OllamaServer) -> None:
    with talking.ei() as terminal:
        say(terminal, "/ollama pull gema3:4b")
        terminal.wait_for(lambda t: shown(t, 'Ollama\'s library has no model "gema3:4b". Did you mean gemma3:4b'))
        say(terminal, "/ollama pull gemma3:4b")
        terminal.wait_for(lambda t: bar(t) != "")
        ollama.close()
        terminal.wait_for(lambda t: shown(t, "The download of gemma3:4b broke off at"))
        assert bar(terminal) == ""
