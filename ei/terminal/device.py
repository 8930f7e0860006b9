"""What a full-screen page is drawn on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindingsBase
from prompt_toolkit.layout import Layout
from prompt_toolkit.output import ColorDepth, Output
from prompt_toolkit.styles import BaseStyle


@dataclass(frozen=True, slots=True)
class Device:
    """A terminal with the styles in use now."""

    input: Input
    output: Output
    style: BaseStyle
    color_depth: ColorDepth | None = None

    def page(self, layout: Layout, keys: KeyBindingsBase) -> Application[Any]:
        """A full-screen application that leaves the screen as it was."""
        app: Application[Any] = Application(
            layout=layout,
            key_bindings=keys,
            full_screen=True,
            style=self.style,
            include_default_pygments_style=False,
            color_depth=self.color_depth,
            input=self.input,
            output=self.output,
        )
        app.ttimeoutlen = 0.05
        return app
