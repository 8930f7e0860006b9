"""Starts the chat on this terminal."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prompt_toolkit.output import ColorDepth

from ei.app import build, environment, open_session
from ei.engine.services import Services
from ei.models.reference import parse
from ei.terminal.abilities import answers_colours, is_dumb, reflows
from ei.terminal.background import by_variable
from ei.terminal.repl import Repl
from ei.terminal.screen import Screen
from ei.terminal.theme import PLAIN, Background, Depth, Theme, depth_of, theme
from ei.terminal.width import install


def chat(persona: str | None, conversation: str | None, model: str | None, no_save: bool) -> int:
    """Talks until the person leaves. Returns the exit code; raises EiError where it cannot begin."""
    services = build(environment(), Path.cwd())
    try:
        asyncio.run(_chat(services, persona, conversation, model, no_save))
        return 0
    finally:
        services.database.close()


async def _chat(
    services: Services, persona: str | None, conversation: str | None, model: str | None, no_save: bool
) -> None:
    session = open_session(services, persona)
    if model is not None:
        session.request = str(parse(model, services.chooser.names()))
    if conversation is not None:
        await session.db(session.store.find, conversation)
    variables = environment()
    themes = Themes(services, variables)
    depth = themes.depth
    install()

    def screen(**callbacks: Any) -> Screen:
        return Screen(
            **callbacks,
            editor=variables.get("VISUAL") or variables.get("EDITOR"),
            color_depth={"256": ColorDepth.DEPTH_8_BIT, "16": ColorDepth.DEPTH_4_BIT, "none": ColorDepth.DEPTH_1_BIT}[depth],
            reflows=reflows(variables),
            frames=not is_dumb(variables),
        )

    repl = Repl(session, themes, screen)
    try:
        await repl.run(conversation, incognito=no_save)
    finally:
        await services.providers.close()


class Themes:
    """The theme by the settings as they are now, the terminal's colours and its background."""

    def __init__(self, services: Services, variables: Mapping[str, str]) -> None:
        self._services = services
        self.depth: Depth = depth_of(variables, windows=os.name == "nt")
        self._asks = self.depth != "none" and answers_colours(variables)
        self._background = by_variable(variables.get("COLORFGBG", ""))
        self._made: dict[Background, Theme] = {}

    def __call__(self) -> Theme:
        wished = self._services.config.last_good().get("display.theme")
        if wished == "plain" or self.depth == "none":
            return PLAIN
        name: Background = "light" if "light" in (wished, self._background if wished == "auto" else "") else "dark"
        if name not in self._made:
            self._made[name] = theme(name, self.depth)
        return self._made[name]

    async def find_background(self, screen: Screen) -> bool:
        """Asks the terminal whether it is dark or light, where settings leave it open; True when that changes it."""
        before = self()
        if self._background is None and self._asks and self._services.config.last_good().get("display.theme") == "auto":
            self._background = await screen.background()
        return self() is not before
