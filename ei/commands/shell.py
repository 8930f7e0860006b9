"""The commands as a shell sees them: `ei NAME`, the help text, and completion scripts."""

from __future__ import annotations

import re

from ei.commands.base import Command
from ei.commands.table import all_commands
from ei.errors import ExitCode, UsageError

SHELLS = ("bash", "zsh", "fish")
OWN = (
    ("ask", "ask once and print the reply"),
    ("completion", "print a completion script: bash, zsh or fish"),
)
OPTIONS = (
    ("-p, --persona NAME", "talk with this persona"),
    ("--resume ID", "go on with this conversation"),
    ("--json", "print one JSON object instead of text"),
    ("-m, --model SPEC", "with ask: the model for this question only"),
    ("-f, --file FILE", "with ask: send this file along; may be given several times"),
    ("--no-save", "write nothing of the conversation anywhere"),
    ("-y, --yes", "answer questions with yes"),
    ("-h, --help", "print this; after a command's name, what that command does"),
    ("--version", "print the version"),
)
OF_COMMANDS = (
    ("-p, --persona NAME", "for this persona instead of the one you left"),
    ("--resume ID", "for this conversation instead of the persona's current one"),
    ("--json", "print one JSON value instead of text"),
    ("-y, --yes", "answer questions with yes"),
    ("-h, --help", "print this"),
)
CODES = (
    (ExitCode.OK, "all went well"),
    (ExitCode.PROVIDER, "the provider, the network or the database failed"),
    (ExitCode.USAGE, "the command line was not understood"),
    (ExitCode.CONFIG, "settings, a persona file or a missing key"),
    (ExitCode.NEEDS_ANSWER, "an answer was needed and nobody could be asked"),
    (ExitCode.CANCELLED, "it was stopped"),
)
ASK = """ei ask [OPTIONS] TEXT…    ask once; the reply goes to stdout, all else to stderr

  ei ask "what is a puddle?"
  ei ask -p lena -m ollama:qwen3:8b "one line, please"
  cat notes.txt | ei ask "summarise"
  ei ask -f one.py -f two.py "what differs?"
  ei ask --json "hi"

"""
COMPLETION = """ei completion bash|zsh|fish    print a completion script

  eval "$(ei completion bash)"    in ~/.bashrc
  eval "$(ei completion zsh)"     in ~/.zshrc, after compinit
  ei completion fish | source     in ~/.config/fish/config.fish"""


def shell_command(name: str) -> Command:
    """The command that `ei NAME` runs. Raises UsageError for one that is none or needs a conversation."""
    by_name = {n: command for command in all_commands() for n in (command.name, *command.aliases)}
    command = by_name.get(name)
    if command is not None and command.shell:
        return command
    if command is not None:
        raise UsageError(f"/{command.name} belongs into a conversation.", "Start ei and type it there.")
    import difflib

    names = [command.name for command in all_commands() if command.shell] + [own for own, _ in OWN]
    near = [n for n in names if n.startswith(name)] or difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f"Did you mean ei {near[0]}?" if near else 'To ask something: ei ask "…". See ei --help.'
    raise UsageError(f"There is no command {name}.", hint)


def as_typed(text: str) -> str:
    """A text that speaks of commands as the chat has them (/model SPEC), for somebody at a shell (ei model SPEC)."""
    names = "|".join(name for command in all_commands() if command.shell for name in (command.name, *command.aliases))
    # What was asked in a shell is asked again there by its own command.
    text = re.sub(r": /retry(?!\S)", ".", text)
    return re.sub(rf"(?<![\w/.~-])/(?=(?:{names})(?![\w/]|\.\w))", "ei ", text)


def json_text(value: object, encoding: str | None = "utf-8", indent: int | None = None) -> str:
    """A value as JSON that any terminal can show: characters that control it, reorder text or are not seen are
    escaped, and so is everything beyond ASCII where the encoding is none of Unicode's."""
    import json

    unicode = (encoding or "").lower().startswith("utf")
    text = json.dumps(value, ensure_ascii=not unicode, indent=indent, default=str)
    harmful = (
        "[\x7f-\x9f\xad\u034f\u061c\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
        "\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    )
    return re.sub(harmful, lambda match: json.dumps(match[0])[1:-1], text)


def help_text(name: str = "") -> str:
    """What `ei --help` and `ei NAME --help` print."""
    if name == "ask":
        return ASK + _options()
    if name == "completion":
        return COMPLETION
    if name:
        command = shell_command(name)
        lines = [f"ei {command.name}: {command.summary}", ""]
        for usage in command.usage:
            form, _, meaning = usage.partition("  ")
            lines.append(f"  ei {form:<40} {meaning}".rstrip())
        if command.examples:
            lines += ["", "For example:", *(f"  ei {example}" for example in command.examples)]
        return "\n".join([*lines, "", _options(OF_COMMANDS)])
    shell = [(command.name, command.summary) for command in all_commands() if command.shell]
    width = max(len(command) for command, _ in (*OWN, *shell)) + 2
    lines = ["ei: several personas in one terminal, each thinking with its own model", ""]
    lines += [
        "  ei                    talk; comes back to where you left",
        '  ei ask "…"            ask once, or pipe text in',
    ]
    lines += ["", "Commands:"]
    lines += [f"  {command:<{width}}{meaning}" for command, meaning in (*OWN, *shell)]
    lines += ["", _options(), "", "Exit codes:"]
    lines += [f"  {code.value:<4}{meaning}" for code, meaning in CODES]
    lines += ["", "In the chat, /help tells the rest."]
    return "\n".join(lines)


def _options(options: tuple[tuple[str, str], ...] = OPTIONS) -> str:
    return "\n".join(["Options:", *(f"  {forms:<22}{meaning}" for forms, meaning in options)])
