"""`ei NAME …`: one command outside a conversation, its reply on stdout."""

from __future__ import annotations

import asyncio
import json
import sys

from ei.app import build, configuration, open_session
from ei.commands.base import Command, Invocation
from ei.errors import EiError
from ei.terminal.plain import PlainUi


def run_command(
    command: Command, words: tuple[str, ...], persona: str | None, resume: str | None, as_json: bool, yes: bool
) -> int:
    """Runs it and prints its reply, as text or as one JSON value. Returns the exit code; raises EiError."""
    return asyncio.run(_run(command, words, persona, resume, as_json, yes))


async def _run(
    command: Command, words: tuple[str, ...], persona: str | None, resume: str | None, as_json: bool, yes: bool
) -> int:
    services = build(configuration())
    try:
        session = open_session(services, persona)
        session.conversation = await session.db(session.store.current, session.persona.name)
        if resume:
            session.conversation = await session.db(session.store.find, resume)
        ui = PlainUi(yes=yes, quiet=as_json)
        call = Invocation(session, ui, " ".join(words), words, yes=yes, shell=True)
        try:
            reply = await command.run(call)
        except EiError as exc:
            if not as_json:
                raise
            print(json.dumps({"error": {"message": exc.sentence, "hint": exc.hint}}, ensure_ascii=False))
            return int(exc.exit_code)
        finally:
            await session.close()
        if as_json:
            print(json.dumps(reply.data, ensure_ascii=False, indent=2, default=str))
        else:
            ui.show(reply)
        sys.stdout.flush()
        return 0
    finally:
        await services.providers.close()
        services.database.close()
