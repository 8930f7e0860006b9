"""Commands on what was said before: history, search, export, copy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ei.commands.base import Command, Invocation, Item, Line, Reply, Table
from ei.commands.deletion import DELETE
from ei.commands.export import as_data, as_markdown, message_data
from ei.commands.fences import code_blocks
from ei.commands.finding import PAGE, find_conversation, known_name, on
from ei.commands.parse import options
from ei.commands.words import ago, clip, plural
from ei.errors import ConfigError, UsageError
from ei.providers.redactor import IN_A_TALK
from ei.storage.ids import short

if TYPE_CHECKING:
    from ei.conversations.values import Conversation, Hit
    from ei.engine.session import Session
    from ei.usage.values import Call

KINDS = {"md": "md", "markdown": "md", "json": "json"}
MOST = 1_000_000


async def run_history(call: Invocation) -> Reply:
    session, saved = call.session, call.session.services.conversations
    given = options(call.words, ("--all",), ("--persona", "--limit"), f"See {call.typed('help history')}.")
    if len(given.rest) > 1:
        raise UsageError("One conversation at a time.", f"Write: {call.typed('history ID')}")
    if given.rest:
        return await _open(call, await find_conversation(session, given.rest[0]))
    typed = given.values.get("--persona")
    name = await known_name(session, typed) if typed else None
    limit = MOST if given.has("--all") else _limit(given.values.get("--limit", str(PAGE)))
    found = await on(saved, saved.list, name, limit=limit + 1)
    conversations, more = found[:limit], len(found) > limit
    session.listed = tuple(conversation.id for conversation in conversations)
    data = [as_data(conversation) for conversation in conversations]
    if not conversations:
        return Reply.line(f"No conversations{f' with {name}' if name else ''} yet.", "dim", data)
    here = session.conversation.id if session.conversation else ""
    current = session.listed.index(here) if here in session.listed else None
    rows = tuple(_row(session, number, conversation) for number, conversation in enumerate(conversations, 1))
    columns = ("", "id", "persona", "age", "messages", "model", "title")
    table = Table(columns, rows, current, spare=("model", "messages", "id"))
    hint = f"{call.typed('history N')} {'prints' if call.shell else 'opens'} one."
    if more:
        hint += f" There are older ones: {call.typed('history --all')}"
    return Reply((table, Line(hint, "dim")), data)


async def run_search(call: Invocation) -> Reply:
    session, saved = call.session, call.session.services.conversations
    words, given = _query(call.text)
    before, name = None, None
    if "--more" in given:
        if session.last_search is None:
            raise UsageError("Nothing was searched yet.", f"Search with: {call.typed('search WORDS')}")
        words, before, name = session.last_search
    elif typed := given.get("--persona"):
        name = await known_name(session, typed)
    if not words.strip():
        raise UsageError("What is searched for?", f"For example: {call.typed('search rain walk')}")
    limit = _limit(given.get("--limit", str(PAGE)))
    hits = await on(saved, saved.search, words, limit=limit, before_key=before, persona=name)
    if not hits:
        return Reply.line(f"Nothing {'more ' if before else ''}was found for: {words}", "dim", [])
    session.last_search = (words, hits[-1].message.key, name)
    items: list[Item] = []
    for hit in hits:
        items += _shown(session, hit)
    more = "older ones: /search --more · " if len(hits) == limit and not call.shell else ""
    items.append(Line(f"{plural(len(hits), 'place')} · {more}{call.typed('history ID')} opens one", "dim"))
    return Reply(tuple(items), [_hit_data(hit) for hit in hits])


async def run_export(call: Invocation) -> Reply:
    session = call.session
    words = list(call.words)
    named = next((word for word in words if word.lower().lstrip("-") in KINDS), "")
    kind = KINDS.get(named.lower().lstrip("-"), "")
    if named:
        words.remove(named)
    store, conversation = session.store, None
    if call.shell and words and re.fullmatch(r"[0-9a-fA-F-]+", words[0]):
        store, conversation = session.services.conversations, await find_conversation(session, words.pop(0))
    conversation = conversation or await session.here()
    messages = await on(store, store.path, conversation.id)
    data = as_data(conversation, messages, await _calls(session, conversation))
    typed = " ".join(words)
    kind = kind or ("json" if typed.lower().endswith(".json") else "md")
    text = _as_json(data) if kind == "json" else as_markdown(conversation, messages)
    text = session.services.keys.redactor.hide(text, shortest=IN_A_TALK)
    if call.shell and not typed:
        return Reply((Line(text.rstrip("\n")),), data)
    path = _target(typed, f"{conversation.persona}-{short(conversation.id)}.{kind}")
    if path.exists() and not call.yes and not await call.ui.confirm(f"{path} is there already. Write over it?"):
        return Reply.line("Nothing was written.", "dim", {"file": None})
    try:
        path.write_text(text, encoding="utf-8", newline="\n")
    except (OSError, ValueError) as exc:
        why = (exc.strerror if isinstance(exc, OSError) else None) or str(exc)
        raise ConfigError(f"{path} cannot be written: {why}.", "Name another file.") from exc
    return Reply.line(f"{plural(len(messages), 'message')} written to {path}", "good", {"file": str(path)})


async def run_copy(call: Invocation) -> Reply:
    session = call.session
    match call.words:
        case ("all",):
            conversation = await session.here()
            text = as_markdown(conversation, await session.db(session.store.path, conversation.id))
        case ("code",) | ("code", _):
            blocks = code_blocks((await session.last_of("assistant")).text)
            if not blocks:
                return Reply.line("The last reply has no code block.", "warn")
            wanted = call.words[1] if len(call.words) > 1 else str(len(blocks))
            if not (wanted.isascii() and wanted.isdigit() and 1 <= int(wanted) <= len(blocks)):
                raise UsageError(
                    f"There is no code block {wanted}.", f"The last reply has {plural(len(blocks), 'block')}."
                )
            text = blocks[int(wanted) - 1]
        case ():
            text = (await session.last_of("assistant")).text
        case _:
            raise UsageError(f"/copy {call.text} means nothing.", "Write /copy, /copy code [N] or /copy all.")
    if not text:
        return Reply.line("There is no text to copy.", "warn")
    if await call.ui.copy(text):
        return Reply.line(f"Copied: {plural(len(text), 'character')}.", "good")
    return Reply.line("This terminal has no clipboard that can be reached; /export writes a file.", "warn")


def complete_history(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    """The newest conversations by id, and the options; after --persona the names."""
    if len(words) > 1 and words[-2] == "--persona":
        return _names(session)
    if words and words[-1].startswith("-"):
        return [("--persona", "of one persona"), ("--all", "not the newest only"), ("--limit", "so many")]
    if len(words) > 1:
        return []
    found = session.services.conversations.list(limit=PAGE)
    return [(short(item.id), f"{item.persona}: {clip(item.name, 40)}") for item in found]


def complete_search(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    """The options; after --persona the names."""
    if len(words) > 1 and words[-2] == "--persona":
        return _names(session)
    if words and words[-1].startswith("-"):
        return [("--persona", "in what was said with one"), ("--more", "older ones"), ("--limit", "so many")]
    return []


def complete_copy(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    """`code` and `all`."""
    return [("code", "the last code block"), ("all", "the conversation")] if len(words) <= 1 else []


def complete_export(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    """The two formats; files are offered by whoever asks."""
    return [("md", "Markdown"), ("json", "JSON, with reasoning, tokens, times and costs")] if len(words) <= 1 else []


COMMANDS = (
    Command(
        "history",
        "List conversations and go back to one",
        (
            "history [--persona NAME] [--limit N]  the newest, of all or of one persona",
            "history --all  every one",
            "history N  open the one in that row",
            "history ID  open that one",
        ),
        run_history,
        "search and files",
        aliases=("resume",),
        examples=("history 2", "history --persona lena"),
        complete=complete_history,
        shell=True,
    ),
    Command(
        "search",
        "Find words in everything that was said",
        (
            "search WORDS  newest first; beginnings of words count",
            'search "WORDS"  side by side, as they stand',
            "search --persona NAME WORDS  in what was said with one",
            "search --more  older ones",
        ),
        run_search,
        "search and files",
        examples=("search rain walk", 'search "the whole street"', "search 天气"),
        complete=complete_search,
        shell=True,
    ),
    Command(
        "export",
        "Write this conversation to a file",
        (
            "export [md|json] [FILE]  Markdown unless told; a name is made up where none is given",
            "export ID [FILE]  in a shell: that conversation, printed where no file is named",
        ),
        run_export,
        "search and files",
        examples=("export", "export talk.json"),
        complete=complete_export,
        shell=True,
    ),
    Command(
        "copy",
        "Copy the last reply",
        ("copy  its text", "copy code [N]  its last code block, or block N", "copy all  the conversation"),
        run_copy,
        "search and files",
        complete=complete_copy,
    ),
    DELETE,
)


async def _open(call: Invocation, conversation: Conversation) -> Reply:
    session, saved = call.session, call.session.services.conversations
    if call.shell:
        messages = await on(saved, saved.path, conversation.id)
        data = as_data(conversation, messages, await _calls(session, conversation))
        text = as_markdown(conversation, messages).rstrip("\n")
        return Reply((Line(session.services.keys.redactor.hide(text, shortest=IN_A_TALK)),), data)
    if session.incognito:
        raise UsageError("Incognito is on: nothing saved can be gone on with.", "/incognito off, then /history again.")
    await session.resume(conversation.id)
    return Reply(data=as_data(conversation))


async def _calls(session: Session, conversation: Conversation) -> dict[str, Call]:
    """The last call of each reply by the message's id; none of what is not saved, or was copied by a branch."""
    found = await session.on_main(session.services.calls.calls, conversation=conversation.id, limit=MOST)
    return {call.message: call for call in reversed(found) if call.message}


def _row(session: Session, number: int, conversation: Conversation) -> tuple[str, ...]:
    age = ago(session.services.now() - conversation.updated_ms / 1000)
    return (
        str(number),
        short(conversation.id),
        conversation.persona,
        age,
        f"{conversation.messages:,}",
        conversation.last_model,
        conversation.name,
    )


def _query(text: str) -> tuple[str, dict[str, str]]:
    """(what is searched for, with its quotes; options). Raises UsageError for an option that is not there."""
    words: list[str] = []
    given: dict[str, str] = {}
    queue = re.findall(r'"[^"]*"|\S+', text)
    while queue:
        word = queue.pop(0)
        name, equals, value = word.partition("=")
        if word == "--more":
            given[word] = ""
        elif name in ("--persona", "--limit"):
            if not equals and not queue:
                raise UsageError(f"{name} needs a value.", "See /help search.")
            given[name] = value if equals else queue.pop(0).strip('"')
        elif word.startswith("--") and len(word) > 2:
            options((word,), ("--more",), ("--persona", "--limit"), "To search for it, put it in quotes.")
        else:
            words.append(word)
    return " ".join(words), given


def _shown(session: Session, hit: Hit) -> tuple[Line, Line]:
    age = ago(session.services.now() - hit.message.created_ms / 1000)
    title = f" · {clip(hit.title)}" if hit.title else ""
    mark = f"«{hit.match}»" if hit.match else ""
    return (
        Line(f"{short(hit.message.conversation)} · {hit.persona} · {age}{title}", "dim"),
        Line(f"  {hit.message.author or 'you'}: {hit.before}{mark}{hit.after}"),
    )


def _hit_data(hit: Hit) -> dict[str, object]:
    found = {"before": hit.before, "match": hit.match, "after": hit.after}
    title = {"conversation_id": hit.message.conversation, "with": hit.persona, "title": hit.title}
    return {**title, **message_data(hit.message), **found}


def _names(session: Session) -> list[tuple[str, str]]:
    return [(persona.name, persona.short_description) for persona in session.services.library.personas()]


def _as_json(data: object) -> str:
    # Imported here: the shell's module lists all commands, these among them.
    from ei.commands.shell import json_text

    return json_text(data, indent=2) + "\n"


def _target(typed: str, name: str) -> Path:
    try:
        path = Path(typed or name).expanduser()
        return path / name if path.is_dir() else path
    except (RuntimeError, ValueError) as exc:
        raise UsageError(f"{typed} is no name of a file: {exc}", "Name another file.") from exc


def _limit(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) <= MOST:
        return int(text)
    raise UsageError(f"--limit {text} is no count.", "Write a whole number.")
