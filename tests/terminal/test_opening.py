"""The screen that fits a terminal."""

from __future__ import annotations

import pytest
from prompt_toolkit.output import ColorDepth

from ei.terminal.abilities import answers_colours, is_dumb, reflows
from ei.terminal.linescreen import LineScreen
from ei.terminal.opening import screen_for
from ei.terminal.screen import Screen


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "xterm-256color", "XTERM_VERSION": "XTerm(390)"}, False),
        ({"TERM": "xterm-kitty"}, True),
        ({"TERM": "screen-256color", "TMUX": "/tmp/tmux"}, True),
        ({"TERM": "screen", "STY": "1.tty"}, False),
        ({"TERM": "linux"}, False),
        ({"TERM": "rxvt-unicode-256color"}, False),
        ({}, True),
    ],
)
def test_terminals_that_cut_their_rows_are_known(environ: dict[str, str], expected: bool) -> None:
    assert reflows(environ) is expected


def test_a_dumb_terminal_gets_lines_and_is_asked_nothing() -> None:
    assert screen_for({"TERM": "dumb", "EDITOR": "nano"}).func is LineScreen  # type: ignore[attr-defined]
    assert is_dumb({"TERM": "dumb"})
    assert not answers_colours({"TERM": "dumb"})
    assert not answers_colours({"TERM": "linux"})
    assert answers_colours({"TERM": "xterm"})


def test_the_environment_chooses_editor_colours_and_reflow() -> None:
    made = screen_for({"TERM": "xterm-256color", "NO_COLOR": "1", "EDITOR": "nano", "VISUAL": "code -w"})
    assert made.func is Screen  # type: ignore[attr-defined]
    assert made.keywords == {  # type: ignore[attr-defined]
        "editor": "code -w",
        "reflows": True,
        "color_depth": ColorDepth.DEPTH_1_BIT,
    }
