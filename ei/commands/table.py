"""All commands, in the order in which help shows them."""

from __future__ import annotations

from ei.commands import (
    archive,
    budget,
    comparing,
    conversation,
    info,
    models,
    ollama,
    parameters,
    personas,
    private,
    profiles,
    program,
    provider,
    registry,
    setup,
    stats,
    usage,
)
from ei.commands.base import Command


def all_commands() -> tuple[Command, ...]:
    """Every command as a value; nothing is looked up anywhere else."""
    return (
        personas.PERSONA,
        personas.PROMPT,
        setup.SETUP,
        models.MODEL,
        registry.MODELS,
        provider.PROVIDER,
        ollama.OLLAMA_COMMAND,
        private.PRIVATE,
        parameters.SET,
        profiles.PROFILE,
        stats.STATS,
        usage.COMMAND,
        budget.BUDGET,
        *conversation.COMMANDS,
        comparing.COMPARE,
        info.INFO,
        *archive.COMMANDS,
        *program.COMMANDS,
    )
