"""All commands, in the order in which help shows them."""

from __future__ import annotations

from ei.commands import archive, conversation, info, models, personas, program, registry
from ei.commands.base import Command


def all_commands() -> tuple[Command, ...]:
    """Every command as a value; nothing is looked up anywhere else."""
    return (
        personas.PERSONA,
        personas.PROMPT,
        models.MODEL,
        registry.MODELS,
        *conversation.COMMANDS,
        info.INFO,
        *archive.COMMANDS,
        *program.COMMANDS,
    )
