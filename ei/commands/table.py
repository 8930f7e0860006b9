"""All commands, in the order in which help shows them."""

from __future__ import annotations

from ei.commands import (
    archive,
    comparing,
    conversation,
    info,
    models,
    ollama,
    parameters,
    personas,
    profiles,
    program,
    registry,
    stats,
)
from ei.commands.base import Command


def all_commands() -> tuple[Command, ...]:
    """Every command as a value; nothing is looked up anywhere else."""
    return (
        personas.PERSONA,
        personas.PROMPT,
        models.MODEL,
        registry.MODELS,
        ollama.OLLAMA_COMMAND,
        parameters.SET,
        profiles.PROFILE,
        stats.STATS,
        *conversation.COMMANDS,
        comparing.COMPARE,
        info.INFO,
        *archive.COMMANDS,
        *program.COMMANDS,
    )
