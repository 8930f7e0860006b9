"""`ei NAME …`: one command outside a conversation, its reply on stdout."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from dataclasses import dataclass, replace

from ei.app import build, configuration, environment, hiding_keys, open_session
from ei.cli import printing
from ei.commands.base import Command, Invocation, Item, Line, Reply
from ei.commands.shell import as_typed, json_text
from ei.config import ConfigFile
from ei.engine.services import Services
from ei.engine.session import Session
from ei.errors import EiError, ExitCode
from ei.terminal.passphrase import by_ui
from ei.terminal.plain import PlainUi
from ei.terminal.theme import PLAIN, Theme, depth_of, theme


@dataclass(frozen=True, slots=True)
class Use:
    """One command as it was called. words: its arguments; resume: the conversation it is about, else the current."""

    command: Command
    words: tuple[str, ...] = ()
    persona: str | None = None
    resume: str | None = None
    json: bool = False
    yes: bool = False


def run_command(use: Use) -> int:
    """Runs it and prints its reply, as text or as one JSON value. Returns the exit code; raises EiError."""
    try:
        reply = asyncio.run(_run(use))
    except EiError as exc:
        if not use.json:
            raise
        _print_json({"error": {"message": exc.sentence, "hint": as_typed(exc.hint)}})
        return int(exc.exit_code)
    if use.json:
        _print_json(reply.data)
    elif isinstance(reply.data, dict) and reply.data.get("talk") and sys.stdout.isatty():
        from ei.terminal.main import chat

        return chat(use.persona, None, None, False)
    return ExitCode.PROVIDER if reply.failed else ExitCode.OK


async def _run(use: Use) -> Reply:
    mends = {"settings": (("edit",), ("path",)), "profile": (("edit",),)}.get(use.command.name, ())
    services = build(configuration(mending=use.words[:1] in mends))
    gc.enable()
    try:
        command, words, persona = use.command, use.words, use.persona
        if persona and any("--persona" in form for form in command.usage):
            # Such a command asks for a persona to choose by; it is not about the one in front.
            words, persona = ("--persona", persona, *words), None
        session = open_session(services, persona)
        await session.db(session.store.reclaim)
        await _go_to(session, use.resume)
        ui = _ui(services, use)
        session.may_cost_more = ui.confirm
        services.keys.passphrase = by_ui(ui)
        call = Invocation(session, ui, " ".join(words), words, yes=use.yes, shell=True)
        try:
            with hiding_keys(services):
                reply = await command.run(call)
                reply = replace(reply, data=services.keys.redactor.hide_in(reply.data))
        finally:
            await session.close()
        if not use.json:
            with printing():
                ui.show(_for_a_shell(command, reply))
        return reply
    finally:
        await services.providers.close()
        services.database.close()


async def _go_to(session: Session, conversation: str | None) -> None:
    """Puts a conversation in front for this command only: the next chat opens where the person left."""
    if conversation is not None:
        session.conversation = await session.db(session.store.find, conversation)
        session.persona = session.persona_of(session.conversation)
    else:
        session.conversation = await session.db(session.store.current, session.persona.name)
    session.unread = await session.db(session.store.unread)


def _ui(services: Services, use: Use) -> PlainUi:
    variables = environment()
    editor = variables.get("VISUAL") or variables.get("EDITOR")
    look = _theme(services.config) if sys.stdout.isatty() else PLAIN
    if sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty():
        from ei.terminal.asking import AskingUi

        return AskingUi(yes=use.yes, quiet=use.json, theme=look, editor=editor)
    return PlainUi(yes=use.yes, quiet=use.json, theme=look, editor=editor)


def _theme(config: ConfigFile) -> Theme:
    from ei.terminal.background import by_variable

    variables = environment()
    wished = config.last_good().get("display.theme")
    if wished == "plain":
        return PLAIN
    light = wished == "light" or (wished == "auto" and by_variable(variables.get("COLORFGBG", "")) == "light")
    return theme("light" if light else "dark", depth_of(variables, windows=os.name == "nt"))


def _for_a_shell(command: Command, reply: Reply) -> Reply:
    """The reply with `ei NAME` where it speaks of `/NAME`."""
    if command.group == "search and files":
        return reply  # what was said once is told as it was said

    def typed(item: Item) -> Item:
        return replace(item, text=as_typed(item.text)) if isinstance(item, Line) else item

    return replace(reply, items=tuple(typed(item) for item in reply.items))


def _print_json(value: object) -> None:
    with printing():
        print(json_text(value, sys.stdout.encoding, indent=2))
