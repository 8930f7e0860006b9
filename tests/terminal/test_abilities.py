"""What a terminal's environment tells."""

from __future__ import annotations

import pytest

from ei.terminal.abilities import answers_colours, is_dumb, reflows


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


def test_a_dumb_terminal_is_asked_nothing() -> None:
    assert is_dumb({"TERM": "dumb"})
    assert not answers_colours({"TERM": "dumb"})
    assert not answers_colours({"TERM": "linux"})
    assert answers_colours({"TERM": "xterm"})
