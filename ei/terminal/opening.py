"""The screen that fits a terminal, by what its environment says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from prompt_toolkit.output import ColorDepth

from ei.terminal.abilities import is_dumb, reflows
from ei.terminal.theme import depth_of

if TYPE_CHECKING:
    from ei.terminal.linescreen import LineScreen
    from ei.terminal.screen import Screen

_DEPTHS = {"256": ColorDepth.DEPTH_8_BIT, "16": ColorDepth.DEPTH_4_BIT, "none": ColorDepth.DEPTH_1_BIT}


def screen_for(environ: Mapping[str, str], *, windows: bool = False) -> Callable[..., Screen | LineScreen]:
    """What makes the screen: `Screen`, or `LineScreen` on a dumb terminal, with what the environment tells filled in.

    The callable takes the remaining arguments of `Screen`.
    """
    editor = environ.get("VISUAL") or environ.get("EDITOR")
    if is_dumb(environ):
        from ei.terminal.linescreen import LineScreen

        return partial(LineScreen, editor=editor)
    from ei.terminal.screen import Screen

    depth = _DEPTHS[depth_of(environ, windows=windows)]
    return partial(Screen, editor=editor, reflows=reflows(environ), color_depth=depth)
