"""The command line: what to run, and the exit code it leaves with."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import ei
from ei.errors import ConfigError, EiError, ExitCode, UsageError

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
HELP = ("--help", "-h")
VERSION = ("--version", "-V")
OF_ASK = ("-m", "--model", "-f", "--file")
"""Options that a command may have in a meaning of its own, once its name was read."""
OF_TEXT = ("compare",)
"""Commands that take a text after `--`."""


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
    prepare_streams()
    try:
        code = int(_run(list(argv)))
        sys.stdout.flush()
        return code
    except EiError as exc:
        _complain(exc)
        return int(exc.exit_code)
    except KeyboardInterrupt:
        return int(ExitCode.CANCELLED)
    except BrokenPipeError:
        drop_stdout()
        return int(ExitCode.OK)
    except OSError as exc:  # the last flush
        drop_stdout()
        error = unwritable(exc)
        _complain(error)
        return int(error.exit_code)


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
            # A command that has options of its own must know where they end.
            options = name in OF_TEXT or (name not in ("", "ask") and any(w.startswith("-") for w in queue))
            words += ["--", *queue] if options else queue
            break
        if option in VALUES and not (name not in ("", "ask") and option in OF_ASK):
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

            near = difflib.get_close_matches(word, [*VALUES, *FLAGS, *HELP, *(() if name else VERSION)], n=1)
            hint = f"Did you mean {near[0]}?" if near else "See ei --help; text that begins with a dash goes after --."
            raise UsageError(f"There is no option {word}.", hint)
        elif not name:
            name = word
        else:
            words.append(word)
    given = {option: as_text(value) for option, value in found.items()}
    switched = dict.fromkeys(flags, True)
    return CommandLine(as_text(name), tuple(map(as_text, words)), files=tuple(files), **given, **switched)  # type: ignore[arg-type]


def as_text(argument: str) -> str:
    """An argument as the person wrote it, also where the locale knows ASCII only. Raises UsageError for no text."""
    try:
        return argument.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        shown = argument.encode("utf-8", "replace").decode("utf-8")
        raise UsageError(f'"{shown}" is not UTF-8 text.', "Write it in UTF-8, or send a file: -f FILE") from None


def prepare_streams() -> None:
    """Makes stdout and stderr streams that exist and that write any text, whatever the locale says."""
    from ei.platform import pipe_encoding

    # Python has None for a stream that was closed; its number must not go to the next file that is opened.
    if sys.stdin is None:
        os.open(os.devnull, os.O_RDONLY)
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8", closefd=False)
    for stream, errors in ((sys.stdout, "replace"), (sys.stderr, "backslashreplace")):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=errors, encoding=None if stream.isatty() else pipe_encoding(os.environ))


def _help(name: str) -> str:
    """The help text: the whole one as it ships, since making it loads every command."""
    if not name:
        return Path(__file__).with_name("help.txt").read_text("utf-8").rstrip("\n")
    from ei.commands.shell import help_text

    return help_text(name)


def _run(argv: list[str]) -> int:
    options = argv[: argv.index("--")] if "--" in argv else argv
    if any(word in HELP for word in options) or argv[:1] == ["help"]:
        line = parse([word for word in argv if word not in HELP])
        wanted = "".join(line.words[:1]) if line.name == "help" else line.name
        print(_help(wanted))
        return ExitCode.OK
    if any(word in VERSION for word in options) and not parse([w for w in argv if w not in VERSION]).name:
        print(f"ei {ei.__version__}")
        return ExitCode.OK
    return _dispatch(parse(argv))


def _dispatch(line: CommandLine) -> int:
    if line.name == "completion":
        from ei.commands.completion import completion_script

        print(completion_script(line.words[0] if line.words else ""), end="")
        return ExitCode.OK
    if not line.name and sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty():
        return _guarded(lambda: _chat(line))
    if line.name in ("", "ask"):
        return _guarded(lambda: _ask(line))
    from ei.commands.shell import shell_command

    command = shell_command(line.name)
    if line.model is not None or line.files or line.no_save:
        option = "-m" if line.model is not None else "-f" if line.files else "--no-save"
        raise UsageError(f"{option} is for asking, not for ei {command.name}.", f"See ei {command.name} --help.")
    from ei.shell import Use, run_command

    use = Use(command, line.words, line.persona, line.resume, line.json, line.yes)
    return _guarded(lambda: run_command(use))


def _chat(line: CommandLine) -> int:
    if line.files:
        raise UsageError("-f is for asking, not for the chat.", 'For example: ei ask -f notes.txt "summarise"')
    if line.json:
        raise UsageError("--json is for asking and for commands, not for the chat.", 'For example: ei ask --json "hi"')
    if line.yes:
        raise UsageError("--yes is for commands, not for the chat.", "For example: ei delete conversation --yes")
    if line.persona is not None and line.resume is not None:
        raise UsageError(
            "-p and --resume exclude each other in the chat: a conversation has its persona.",
            "Leave one of them out; inside, @NAME asks somebody else.",
        )
    from ei.app import environment
    from ei.platform import typed_ahead
    from ei.terminal.abilities import is_dumb

    # Loading the screen takes longer than a quick person's first word.
    with contextlib.nullcontext("") if is_dumb(environment()) else typed_ahead() as typed:
        from ei.terminal.main import chat

        return chat(line.persona, line.resume, line.model, line.no_save, typed)


def _ask(line: CommandLine) -> int:
    from ei.ask import Question, ask

    text = " ".join(line.words)
    return ask(Question(text, line.files, line.persona, line.model, line.resume, line.json, line.no_save, line.yes))


def _guarded(work: Callable[[], int]) -> int:
    try:
        return int(work())
    except (EiError, KeyboardInterrupt, BrokenPipeError):
        raise
    except Exception as exc:
        # The last line of defence: the person reads one sentence, the traceback goes to the log.
        import traceback

        from ei.app import Crash, write_log

        crash = exc if isinstance(exc, Crash) else Crash(type(exc).__name__, "".join(traceback.format_exception(exc)))
        where = write_log(str(crash))
        raise EiError(f"Something went wrong in ei itself ({crash.kind}).", f"The details are in {where}.") from exc


@contextlib.contextmanager
def printing() -> Iterator[None]:
    """Around what prints: flushes, and turns what the system says (a full disk) into an error for the person.

    Raises BrokenPipeError where nobody reads any more.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as exc:
        drop_stdout()
        raise unwritable(exc) from exc


def unwritable(exc: OSError) -> EiError:
    return ConfigError(f"The output cannot be written: {exc.strerror or exc}.", "Send it somewhere else.")


def _complain(error: EiError) -> None:
    from ei.commands.shell import as_typed
    from ei.terminal.safe import safe

    with contextlib.suppress(OSError):
        print(f"ei: {safe(error.sentence)}", file=sys.stderr)
        for line in error.hint.splitlines():
            print(f"    {safe(as_typed(line))}", file=sys.stderr)


def drop_stdout() -> None:
    """Points stdout nowhere, once its reader is gone."""
    # What is still buffered would raise again when the interpreter closes the stream.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
