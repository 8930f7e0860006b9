"""The row of progress that a command draws in a shell."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from ei.terminal.plain import PlainUi
from tests.chat.homes import ROOT, Home
from tests.drive import Terminal
from tests.ollama import OllamaServer


class Looked(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        return True


def test_a_row_is_written_over_and_gone_at_the_end() -> None:
    out, err = io.StringIO(), Looked()
    with PlainUi(out=out, err=err).progress("Asking") as progress:
        progress.update("1 of 2")
        progress.update("2")
        progress.update("2")
    assert err.getvalue().split("\r") == [
        "", "Asking …", "Asking …", "Asking 1 of 2", "Asking 1 of 2", "Asking 2     ", "Asking 2", " " * 10, ""
    ]  # fmt: skip
    assert out.getvalue() == ""


def test_a_row_never_reaches_the_edge_and_shows_nothing_harmful() -> None:
    err = Looked()
    with PlainUi(err=err).progress("x\x1b[2J") as progress:
        progress.update("word " * 100)
    assert "\x1b" not in err.getvalue()
    assert max(len(row) for row in err.getvalue().split("\r")) < 80


def test_a_pipe_gets_no_row() -> None:
    err = io.StringIO()
    with PlainUi(err=err).progress("Asking") as progress:
        progress.update("1 of 2")
    assert err.getvalue() == ""


def test_a_shell_shows_a_bar_and_what_came_of_it(tmp_path: Path) -> None:
    with OllamaServer() as server:
        server.publish("gemma3:4b", 300_000_000)
        server.pulling.delay = 0.02
        server.pulling.step = 5_000_000
        home = Home(tmp_path, {"EI_OLLAMA_BASE_URL": server.url})
        command = [sys.executable, "-m", "ei", "ollama", "pull", "gemma3:4b"]
        with Terminal(command, 80, 20, home.environment(PYTHONPATH=str(ROOT)), tmp_path) as terminal:
            bar = re.compile(r"^gemma3:4b ▕█+.*▏ +\d+ % \d+/300 MB \d+ MB/s .* left$")
            terminal.wait_for(lambda t: bar.match(t.screen[0]), 20)
            server.pulling.delay = 0.0
            assert terminal.wait_exit(20) == 0
            assert terminal.screen[0].startswith("gemma3:4b is installed: 300 MB in ")
            assert not any("▕" in line for line in terminal.screen)
