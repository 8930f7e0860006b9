"""/setup: from nothing to a conversation: what is here, one key or one model more, and a default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ei.commands.base import Command, Invocation, Reply
from ei.commands.parse import options

if TYPE_CHECKING:
    from ei.engine.session import Session


async def run_setup(call: Invocation) -> Reply:
    from ei.commands.setup_steps import Steps
    from ei.errors import UsageError

    given = options(call.words, (), (), f"See {call.typed('help setup')}.")
    if given.rest not in ((), ("look",)):
        raise UsageError("It asks for what it needs and takes no words.", f"Or: {call.typed('setup look')}")
    steps = Steps(call)
    return await (steps.look() if given.rest else steps.run())


def complete_setup(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    return [("look", "only what is here")] if len(words) <= 1 else []


SETUP = Command(
    name="setup",
    summary="Find a model, give a key or install one, and start talking",
    usage=(
        "setup  what answers on this machine, which keys are set and good; then choose, step by step",
        "setup look  only what is here; nothing is asked and nothing changed",
    ),
    examples=("setup",),
    run=run_setup,
    group="models",
    complete=complete_setup,
    shell=True,
)
