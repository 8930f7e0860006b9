"""Commands on the program itself: help, settings, leaving, answering a question."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from ei import jsonc
from ei.commands.base import Command, Group, Invocation, Item, Line, Reply, Table
from ei.commands.models import known_references
from ei.commands.parse import find_command
from ei.errors import ConfigError, UsageError
from ei.settings import SETTINGS, Setting
from ei.settings.keys import reference_of

if TYPE_CHECKING:
    from ei.engine.session import Session

KEYS = (
    ("Enter", "send; during a reply the message waits its turn"),
    ("Alt-Enter, Ctrl-J, \\ at the end", "a new line"),
    ("Ctrl-C", "stop the reply, else clear the line; twice leaves"),
    ("Ctrl-D", "leave, on an empty line"),
    ("Tab", "complete commands, personas, models, files"),
    ("Ctrl-R", "search what you typed"),
    ("F2", "pick a model"),
    ("Ctrl-X Ctrl-E", "write in your editor"),
    ("@NAME …", "ask another persona about this conversation"),
    ("// …", "a line that begins with a slash"),
)


WORDS_OF_FLAGS = {"yes": True, "on": True, "no": False, "off": False}


async def run_help(call: Invocation) -> Reply:
    from ei.commands.table import all_commands

    commands = all_commands()
    if call.words:
        return _about(find_command(call.words[0].lstrip("/"), commands))
    items: list[Item] = []
    data: list[object] = []
    for group in get_args(Group):
        members = [command for command in commands if command.group == group]
        rows = tuple((f"/{command.name}", command.summary) for command in members)
        items.append(Table(("", ""), rows, title=group))
        data += [{"name": c.name, "summary": c.summary, "group": c.group, "usage": list(c.usage)} for c in members]
    items.append(Table(("", ""), KEYS, title="keys"))
    items.append(Line("/help COMMAND tells more about one, with examples.", "dim"))
    return Reply(tuple(items), data)


async def run_quit(call: Invocation) -> Reply:
    call.session.leave()
    return Reply()


async def run_yes(call: Invocation) -> Reply:
    return _answer(call, True)


async def run_no(call: Invocation) -> Reply:
    return _answer(call, False)


async def run_settings(call: Invocation) -> Reply:
    config = call.session.services.config
    # Not taken apart as words: a value may be an object or a text in quotes.
    key, _, value = call.text.partition(" ")
    value = value.strip()
    match key:
        case "":
            return _all(call.session)
        case "init" | "edit" | "path" if value:
            raise UsageError(f"settings {key} takes nothing more.", f"See {call.typed('help settings')}.")
        case "init":
            return _init(call)
        case "edit":
            return await _edit(call)
        case "path":
            return Reply.line(str(config.paths.settings), data=str(config.paths.settings))
        case _ if value:
            return await _set(call.session, key, value)
        case _:
            return _one(call.session, key)


def complete_settings(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    if len(words) <= 1:
        verbs = [("edit", "open the file"), ("init", "write the file"), ("path", "where the file is")]
        return [*verbs, *((key, setting.meaning) for key, setting in SETTINGS.items())]
    setting = SETTINGS.get(words[0])
    if setting is None or len(words) > 2:
        return []
    if setting.kind == "reference":
        own = [("last-used", "the model that answered last")] if setting.key == "default_model" else []
        return [*own, ("null", "none"), *known_references(session)]
    choices = setting.choices or (("true", "false") if setting.kind == "flag" else ())
    return [(choice, "the default" if choice == _text(setting.default) else "") for choice in (*choices, "null")]


def complete_help(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    from ei.commands.table import all_commands

    return [(command.name, command.summary) for command in all_commands()] if len(words) <= 1 else []


COMMANDS = (
    Command(
        "help",
        "What can be typed here",
        ("help  all commands and keys", "help COMMAND  that one, with examples"),
        run_help,
        "program",
        aliases=("?", "h"),
        complete=complete_help,
    ),
    Command(
        "settings",
        "See and change settings",
        (
            "settings  all of them, and where each comes from",
            "settings KEY  one of them, and what it means",
            "settings KEY VALUE  change one; comments in the file stay; null takes it back",
            "settings init  write a complete file, everything in it explained",
            "settings edit  open it in your editor",
            "settings path  where it is",
        ),
        run_settings,
        "program",
        examples=("settings display.keys vi", "settings default_model ollama:qwen3:8b"),
        complete=complete_settings,
        shell=True,
    ),
    Command("yes", "Answer the question that waits with yes", ("yes  as the key y does",), run_yes, "program"),
    Command("no", "Answer the question that waits with no", ("no  as the key n does",), run_no, "program"),
    Command(
        "quit",
        "Leave; everything is kept",
        ("quit  prints how to come back",),
        run_quit,
        "program",
        aliases=("exit", "q"),
    ),
)


def _about(command: Command) -> Reply:
    items: list[Item] = [Line(f"/{command.name}: {command.summary}", "title")]
    rows = tuple((f"/{form}", meaning) for form, _, meaning in (usage.partition("  ") for usage in command.usage))
    items.append(Table(("", ""), rows))
    if command.aliases:
        items.append(Line("Also: " + ", ".join(f"/{alias}" for alias in command.aliases), "dim"))
    if command.keys:
        items.append(Line("Key: " + ", ".join(command.keys), "dim"))
    if command.shell:
        items.append(Line(f"In a shell: ei {command.name} …", "dim"))
    if command.examples:
        items.append(Line("Examples:", "dim"))
        items += [Line(f"  /{example}", "accent") for example in command.examples]
    data = {
        "name": command.name,
        "summary": command.summary,
        "usage": list(command.usage),
        "examples": list(command.examples),
    }
    return Reply(tuple(items), data)


def _answer(call: Invocation, yes: bool) -> Reply:
    return Reply() if call.ui.answer(yes) else Reply.line("No question waits for an answer.", "dim")


def _all(session: Session) -> Reply:
    config = session.services.config.current()
    rows, data = [], {}
    for key in SETTINGS:
        value = config.value(key)
        public = _public(key, value.value)
        shown = ", ".join(public) or "{}" if isinstance(public, dict) else _text(public)
        rows.append((key, shown, value.source))
        data[key] = {"value": public, "source": value.source}
    where = Line(f"File: {config.paths.settings}{'' if config.paths.settings.exists() else ' (not there yet)'}", "dim")
    warnings = [Line(text, "warn") for text in config.warnings]
    return Reply((Table(("setting", "value", "from"), tuple(rows), spare=("from",)), where, *warnings), data)


def _one(session: Session, key: str) -> Reply:
    setting = _known(key)
    value = session.services.config.current().value(setting.key)
    public = _public(setting.key, value.value)
    shown = json.dumps(public, ensure_ascii=False) if isinstance(public, dict) else _text(public)
    where = "the default" if value.source == "default" else f"from {value.source}"
    items: list[Item] = [Line(f"{setting.key}: {shown} ({where})"), Line(setting.meaning, "dim")]
    if setting.choices:
        items.append(Line(f"One of: {', '.join(setting.choices)}", "dim"))
    if setting.low is not None:
        items.append(Line(f"From {setting.low:g} to {setting.high:g}", "dim"))
    if setting.variable:
        items.append(Line(f"Also: {setting.variable}", "dim"))
    return Reply(tuple(items), {"value": public, "source": value.source})


async def _set(session: Session, key: str, text: str) -> Reply:
    setting = _known(key)
    key = setting.key
    value = _value(setting, text)
    if problem := setting.problem(value):
        raise UsageError(f"{key} {problem}.", f"It means: {setting.meaning}")
    if setting.kind == "reference" and value not in (None, "last-used"):
        from ei.models.reference import parse

        model = parse(value, session.services.chooser.names())
        value = str(model) if isinstance(value, str) else value
    if key == "providers":
        _refuse_keys(value)
    from ei.engine.settings_file import set_setting

    await session.in_thread(set_setting, session.services.config, tuple(key.split(".")), value)
    session.settings_changed()
    config = session.services.config.current()
    back = f"its default again: {_text(setting.default)}" if value is None else _text(_public(key, value))
    items: list[Item] = [Line(f"{key} is now {back}", "good")]
    now = config.value(key)
    if now.value != (setting.default if value is None else value):
        items.append(Line(f"{now.source} still wins with {_text(now.value)}.", "warn"))
    if key == "default_model" and (variable := config.variable("EI_LLM_MODEL")):
        items.append(Line(f"EI_LLM_MODEL ({variable.source}) still wins with {variable.value}.", "warn"))
    return Reply(tuple(items), {"key": key, "value": _public(key, value)})


def _value(setting: Setting, text: str) -> object:
    """What was typed as the setting's value: JSONC where it looks like it, else the text itself. Raises UsageError."""
    if setting.kind == "flag" and text.lower() in WORDS_OF_FLAGS:
        return WORDS_OF_FLAGS[text.lower()]
    if setting.kind in ("flag", "count", "number", "object") or text == "null" or text[:1] in '{["':
        try:
            return jsonc.loads(text)
        except ConfigError as exc:
            shown = "that" if setting.kind in ("object", "profiles") else text  # a key may be in it
            raise UsageError(f"{setting.key} cannot be {shown}.", f"It means: {setting.meaning}") from exc
    return text


def _public(key: str, value: object) -> object:
    """A setting's value as it may be shown: of what providers are sent, references alone."""
    if key != "providers" or not isinstance(value, dict):
        return value

    def shown(name: str, inner: object) -> object:
        if isinstance(inner, dict):
            return {header: shown("header", text) for header, text in inner.items()}
        return inner if name not in ("key", "header") or _is_reference(name, inner) else "[not shown]"

    return {
        provider: {name: shown(name, inner) for name, inner in fields.items()} if isinstance(fields, dict) else fields
        for provider, fields in value.items()
    }


def _is_reference(name: str, value: object) -> bool:
    """Whether a value says where a secret is: for a key in any way, for a header by a variable."""
    written = str(value)
    return written.startswith("env:") or (name == "key" and ":" in written and reference_of(written) is not None)


def _refuse_keys(providers: object) -> None:
    """Raises UsageError where a key itself stands in place of a reference to it; it is not repeated."""
    for name, fields in providers.items() if isinstance(providers, dict) else ():
        key = fields.get("key") if isinstance(fields, dict) else None
        if key and not _is_reference("key", key):
            raise UsageError(
                f"providers.{name}.key must be a reference such as env:WORK_LLM_KEY, never the key itself.",
                "Name a variable, keyring:NAME, cmd:COMMAND or file:NAME.",
            )


def _init(call: Invocation) -> Reply:
    from ei.engine.settings_file import written_out

    config = call.session.services.config
    path = config.paths.settings
    if path.exists():
        return Reply.line(f"{path} is there already; it was left as it is.", "warn", str(path))
    _make_folder(path)
    jsonc.update(path, lambda old: old or written_out(config))
    return Reply.line(f"Written: {path}", "good", str(path))


async def _edit(call: Invocation) -> Reply:
    path = call.session.services.config.paths.settings
    if not path.exists():
        _init(call)
    await call.ui.edit_file(path)
    try:
        config = call.session.services.config.current()
    except ConfigError as exc:
        return Reply.line(f"Saved, but it cannot be used like this: {exc}", "error")
    call.session.settings_changed()
    if config.warnings:
        return Reply.lines(config.warnings, "warn")
    return Reply.line("Settings are as you left them.", "good")


def _make_folder(path: Path) -> None:
    with jsonc.file_errors(path.parent, "made"):
        path.parent.mkdir(parents=True, exist_ok=True)


def _known(key: str) -> Setting:
    """The setting meant by a key in any case, or by the end of one. Raises UsageError with the nearest."""
    wanted = key.lower()
    if wanted in SETTINGS:
        return SETTINGS[wanted]
    import difflib

    near = [name for name in SETTINGS if name.endswith(f".{wanted}")]
    if len(near) == 1:
        return SETTINGS[near[0]]
    near = near or difflib.get_close_matches(wanted, list(SETTINGS), n=1, cutoff=0.4)
    raise UsageError(f"There is no setting {key}.", f"Did you mean {' or '.join(near)}?" if near else "See /settings.")


def _text(value: object) -> str:
    """A value as it is typed: texts without quotes."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
