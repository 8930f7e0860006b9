"""The command line: what to run, and the exit code it leaves with."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import ei
from ei.errors import EiError, ExitCode, UsageError

VALUES = {
    "-p": "persona",
    "--persona": "persona",
    "-m": "model",
    "--model": "model",
    "-f": "files",
    "--file": "files",
    "--resume": "resume",
}
FLAGS = {"--json": "json", "--no-save": "no_save", "--yes": "yes", "-y": "yes"}


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What was asked for. name: "" for the chat, "ask", "completion", or a command's name; words: its arguments."""

    name: str = ""
    words: tuple[str, ...] = ()
    persona: str | None = None
    model: str | None = None
    resume: str | None = None
    files: tuple[str, ...] = field(default=())
    json: bool = False
    no_save: bool = False
    yes: bool = False


def run(argv: Sequence[str]) -> int:
    """Runs `ei ARGV…` and returns its exit code; what went wrong is one sentence on stderr."""
    try:
        return int(_run(list(argv)))
    except EiError as exc:
        _complain(f"ei: {exc.sentence}" + (f"\n    {exc.hint}" if exc.hint else ""))
        return int(exc.exit_code)
    except KeyboardInterrupt:
        return int(ExitCode.CANCELLED)
    except BrokenPipeError:
        drop_stdout()
        return int(ExitCode.OK)


def parse(argv: Sequence[str]) -> CommandLine:
    """The command line taken apart. Options of `ei` itself may stand before or after the command's name.

    Raises UsageError for an option that does not exist; what belongs to a command is left to it.
    """
    found: dict[str, str] = {}
    files: list[str] = []
    flags: set[str] = set()
    name = ""
    words: list[str] = []
    queue = list(argv)
    while queue:
        word = queue.pop(0)
        option, equals, value = word.partition("=")
        if word == "--":
            words += queue
            break
        if option in VALUES and not (name not in ("", "ask") and option in ("-f", "--file", "-m", "--model")):
            if not equals:
                if not queue:
                    raise UsageError(f"{option} needs a value.", "See ei --help.")
                value = queue.pop(0)
            if VALUES[option] == "files":
                files.append(value)
            else:
                found[VALUES[option]] = value
        elif word in FLAGS:
            flags.add(FLAGS[word])
        elif word.startswith("-") and len(word) > 1 and name in ("", "ask"):
            import difflib

            near = difflib.get_close_matches(word, [*VALUES, *FLAGS, "--help", "--version"], n=1)
            hint = f"Did you mean {near[0]}?" if near else "See ei --help; text that begins with a dash goes after --."
            raise UsageError(f"There is no option {word}.", hint)
        elif not name:
            name = word
        else:
            words.append(word)
    return CommandLine(name, tuple(words), files=tuple(files), **found, **dict.fromkeys(flags, True))  # type: ignore[arg-type]


def _run(argv: list[str]) -> int:
    if argv[:1] in (["--version"], ["-V"]):
        print(f"ei {ei.__version__}")
        return ExitCode.OK
    if not argv or argv[0] not in ("--help", "-h", "help"):
        before_words = argv[: argv.index("--")] if "--" in argv else argv
        asked = "--help" in before_words or "-h" in before_words
        line = parse([word for word in argv if word not in ("--help", "-h")] if asked else argv)
        if not asked:
            return _dispatch(line)
        argv = ["help", *([line.name] if line.name else [])]
    from ei.commands.shell import help_text

    print(help_text(argv[1] if len(argv) > 1 else ""))
    return ExitCode.OK


def _dispatch(line: CommandLine) -> int:
    if line.name == "completion":
        from ei.commands.shell import completion_script

        print(completion_script(line.words[0] if line.words else ""), end="")
        return ExitCode.OK
    if not line.name and sys.stdin.isatty() and sys.stdout.isatty():
        from ei.terminal.main import chat

        return _guarded(lambda: chat(line.persona, line.resume, line.model, line.no_save))
    if line.name in ("", "ask"):
        from ei.ask import Question, ask

        question = Question(
            " ".join(line.words), line.files, line.persona, line.model, line.resume, line.json, line.no_save
        )
        return _guarded(lambda: ask(question))
    from ei.commands.shell import shell_command

    command = shell_command(line.name)
    from ei.shell import run_command

    return _guarded(lambda: run_command(command, line.words, line.persona, line.resume, line.json, line.yes))


def _guarded(work) -> int:  # type: ignore[no-untyped-def]
    try:
        return int(work())
    except (EiError, KeyboardInterrupt, BrokenPipeError):
        raise
    except Exception as exc:
        # The last line of defence: the person reads one sentence, the traceback goes to the log.
        import traceback

        from ei.app import write_log

        where = write_log("".join(traceback.format_exception(exc)))
        _complain(f"ei: Something went wrong in ei itself ({type(exc).__name__}).\n    The details are in {where}.")
        return ExitCode.PROVIDER


def _complain(text: str) -> None:
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr)


def drop_stdout() -> None:
    """Points stdout nowhere, once its reader is gone."""
    # What is still buffered would raise again when the interpreter closes the stream.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
