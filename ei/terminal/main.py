"""Starts the chat on this terminal: the prompt first, everything behind it while the person reads."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from prompt_toolkit.output import ColorDepth

from ei.app import configuration, environment, persona_to_greet
from ei.config import ConfigFile
from ei.terminal.abilities import answers_colours, is_dumb, reflows
from ei.terminal.background import by_variable
from ei.terminal.safe import safe
from ei.terminal.screen import Screen
from ei.terminal.theme import PLAIN, Background, Depth, Theme, depth_of, theme
from ei.terminal.width import install, wrap

if TYPE_CHECKING:
    from ei.terminal.repl import Repl

DRAWN_SECONDS = 0.02
"""How long the first drawing of the prompt is left alone before the rest is loaded beside it."""

_DEPTHS = {"256": ColorDepth.DEPTH_8_BIT, "16": ColorDepth.DEPTH_4_BIT, "none": ColorDepth.DEPTH_1_BIT}


def chat(persona: str | None, conversation: str | None, model: str | None, no_save: bool, typed: str = "") -> int:
    """Talks until the person leaves. Returns the exit code; raises EiError where it cannot begin.

    typed: keys that were pressed before anything was on the screen.
    """
    config = configuration()
    front = Front(config, environment(), persona or ("" if conversation else persona_to_greet(config)), typed)
    asyncio.run(front.run(persona, conversation, model, no_save))
    return 0


class Themes:
    """The theme by the settings as they are now, the terminal's colours and its background."""

    def __init__(self, config: ConfigFile, variables: Mapping[str, str]) -> None:
        self._config = config
        self.depth: Depth = depth_of(variables, windows=os.name == "nt")
        self._asks = self.depth != "none" and answers_colours(variables)
        self._background = by_variable(variables.get("COLORFGBG", ""))
        self._made: dict[Background, Theme] = {}

    def __call__(self) -> Theme:
        wished = self._config.last_good().get("display.theme")
        if wished == "plain" or self.depth == "none":
            return PLAIN
        name: Background = "light" if "light" in (wished, self._background if wished == "auto" else "") else "dark"
        if name not in self._made:
            self._made[name] = theme(name, self.depth)
        return self._made[name]

    async def find_background(self, screen: Screen) -> bool:
        """Asks the terminal whether it is dark or light, where settings leave it open; True when that changes it."""
        before = self()
        if self._background is None and self._asks and self._config.last_good().get("display.theme") == "auto":
            self._background = await screen.background()
        return self() is not before


class Front:
    """The screen from the first moment on; what is typed before the rest is there waits for it."""

    def __init__(self, config: ConfigFile, variables: Mapping[str, str], name: str, typed: str = "") -> None:
        install()
        self._config = config
        self._name = name
        self._repl: Repl | None = None
        self._early: list[str] = []
        self._error: BaseException | None = None
        self._themes = Themes(config, variables)
        settings = config.current()
        self.screen: Screen = _screen_class(variables)(
            prompt=self._prompt,
            toolbar=self._toolbar,
            on_submit=self._submit,
            on_interrupt=lambda: self._repl is not None and self._repl.interrupt(),
            on_picker=lambda: self._submit("/model pick"),
            on_error=self._failed,
            complete=lambda before: self._repl.complete(before) if self._repl else (),
            history=lambda: self._repl.history() if self._repl else (),
            editing_mode=str(settings.get("display.keys")),
            ctrl_j=str(settings.get("display.ctrl_j")),
            style=self._themes().prompt_styles(),
            editor=variables.get("VISUAL") or variables.get("EDITOR"),
            color_depth=_DEPTHS[self._themes.depth],
            reflows=reflows(variables),
            frames=not is_dumb(variables),
            typed=typed,
            gap=1,
        )

    async def run(self, persona: str | None, conversation: str | None, model: str | None, no_save: bool) -> None:
        """Shows the prompt, loads the rest, talks until the person leaves. Raises what kept it from beginning."""
        loading = asyncio.create_task(self._load(persona, conversation, model, no_save))
        try:
            await self.screen.run()
        finally:
            # A person who leaves at once does not wait, and nothing that was begun is left half done.
            await asyncio.gather(loading, return_exceptions=True)
            if self._repl is not None:
                await self._repl.end()
            for text in self._early:
                rows = wrap(safe(f"Not sent: {text}"), max(self.screen.columns, 20))
                self.screen.commit([self._themes().paint(row, "warn") for row in rows])
        if self._error is not None:
            raise self._error

    async def _load(self, persona: str | None, conversation: str | None, model: str | None, no_save: bool) -> None:
        await asyncio.sleep(DRAWN_SECONDS)
        try:
            repl = await asyncio.to_thread(self._build, persona, model)
            await repl.begin(conversation, incognito=no_save)
        except Exception as exc:  # told once the screen is gone
            self._error = exc
            self.screen.exit()
            return
        early, self._early = self._early, []
        for text in early:
            repl.submit(text)

    def _build(self, persona: str | None, model: str | None) -> Repl:
        from ei.app import build, open_session
        from ei.terminal.repl import Repl

        services = build(self._config)
        try:
            session = open_session(services, persona)
            if model is not None:
                from ei.commands.which import reference_typed

                session.request = reference_typed(model, services.chooser.names())
        except BaseException:
            services.database.close()
            raise
        self._repl = Repl(session, self._themes, self.screen)
        gc.freeze()
        gc.enable()  # it was off while all this was loaded
        return self._repl

    def _prompt(self) -> list[tuple[str, str]]:
        if self._repl is not None:
            return self._repl.view.prompt()
        return [(self._themes().persona_style(self._name), self._name), ("class:prompt", " ❯ " if self._name else "❯ ")]

    def _toolbar(self, width: int) -> Any:
        return (
            self._repl.view.toolbar(width) if self._repl is not None else [("class:toolbar", f" {self._name}"[:width])]
        )

    def _submit(self, text: str) -> None:
        if self._repl is not None and self._repl.begun:
            self._repl.submit(text)
        else:
            self._early.append(text)

    def _failed(self, error: BaseException) -> None:
        if self._repl is not None:
            self._repl.view.failed(error)
        else:
            self._error = error
            self.screen.exit()


def _screen_class(variables: Mapping[str, str]) -> Any:
    if not is_dumb(variables):
        return Screen
    from ei.terminal.linescreen import LineScreen

    return LineScreen
