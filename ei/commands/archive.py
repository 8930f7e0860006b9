"""Commands on what was said before: history, search, export, copy, delete."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ei.commands.base import Command, Invocation, Item, Line, Reply, Table
from ei.commands.conversation import short
from ei.commands.export import as_data, as_markdown
from ei.commands.parse import options
from ei.commands.words import ago, clip, plural
from ei.errors import ConfigError, NotFoundError, UsageError

if TYPE_CHECKING:
    from ei.conversations.values import Conversation, Deleted, Message
    from ei.engine.session import Session

PAGE = 20


async def run_history(call: Invocation) -> Reply:
    session = call.session
    given = options(call.words, ("--all",), ("--persona", "--limit"), "See /help history.")
    if given.rest:
        conversation = await _find(session, given.rest[0])
        if call.shell:
            messages = await session.db(session.store.path, conversation.id)
            return Reply((Line(as_markdown(conversation, messages)),), as_data(conversation, messages))
        await session.resume(conversation.id)
        return Reply()
    persona = given.values.get("--persona")
    name = session.services.library.find(persona).name if persona else None
    limit = 100_000 if given.has("--all") else _limit(given.values.get("--limit", str(PAGE)))
    conversations = await session.db(session.store.list, name, limit=limit)
    if not conversations:
        return Reply.line("No conversations yet.", "dim", [])
    rows = []
    for number, conversation in enumerate(conversations, 1):
        age = ago(session.services.now() - conversation.updated_ms / 1000)
        rows.append(
            (
                str(number),
                short(conversation.id),
                conversation.persona,
                age,
                str(conversation.messages),
                conversation.last_model,
                conversation.name,
            )
        )
    session.listed = tuple(conversation.id for conversation in conversations)
    here = session.conversation.id if session.conversation else ""
    current = session.listed.index(here) if here in session.listed else None
    table = Table(("", "id", "persona", "age", "messages", "model", "title"), tuple(rows), current)
    data = [as_data(conversation) for conversation in conversations]
    return Reply((table, Line("/history N opens one.", "dim")) if not call.shell else (table,), data)


async def run_search(call: Invocation) -> Reply:
    session = call.session
    given = options(call.words, ("--more",), ("--persona",), "search WORDS [--persona NAME] [--more]")
    words = " ".join(given.rest)
    before = None
    if given.has("--more"):
        if session.last_search is None:
            raise UsageError("Nothing was searched yet.", "Search with: /search WORDS")
        words, before = session.last_search
    if not words.strip():
        raise UsageError("What is searched for?", "For example: /search rain walk")
    persona = given.values.get("--persona")
    name = session.services.library.find(persona).name if persona else None
    hits = await session.db(session.store.search, words, limit=PAGE, before_key=before, persona=name)
    if not hits:
        return Reply.line(f"Nothing {'more ' if before else ''}was found for: {words}", "dim", [])
    items: list[Item] = []
    for hit in hits:
        age = ago(session.services.now() - hit.message.created_ms / 1000)
        who = hit.message.author or "you"
        title = f" · {hit.title}" if hit.title else ""
        items.append(Line(f"{short(hit.message.conversation)} · {hit.persona} · {age}{title}", "dim"))
        items.append(Line(f"  {who}: {_flat(hit.before)}«{_flat(hit.match)}»{_flat(hit.after)}"))
    session.last_search = (words, hits[-1].message.key)
    more = " · older ones: /search --more" if len(hits) == PAGE and not call.shell else ""
    items.append(
        Line(f"{plural(len(hits), 'place')}{more}" + ("" if call.shell else " · /history ID opens one"), "dim")
    )
    data = [
        {
            "conversation_id": hit.message.conversation,
            "message_id": hit.message.id,
            "persona": hit.persona,
            "role": hit.message.role,
            "author": hit.message.author,
            "created_ms": hit.message.created_ms,
            "before": hit.before,
            "match": hit.match,
            "after": hit.after,
        }
        for hit in hits
    ]
    return Reply(tuple(items), data)


async def run_export(call: Invocation) -> Reply:
    session = call.session
    words = list(call.words)
    kind = "md"
    for word in list(words):
        if word.lower().lstrip("-") in ("md", "json", "markdown"):
            kind = "json" if "json" in word.lower() else "md"
            words.remove(word)
            break
    conversation = None
    if call.shell and words:
        conversation = await _find(session, words.pop(0))
    conversation = conversation or await session.here()
    messages = await session.db(session.store.path, conversation.id)
    if kind == "json":
        import json

        text = json.dumps(as_data(conversation, messages), ensure_ascii=False, indent=2) + "\n"
    else:
        text = as_markdown(conversation, messages)
    if not words and call.shell:
        return Reply((Line(text.rstrip("\n")),), as_data(conversation, messages))
    path = _target(words[0] if words else "", f"{conversation.persona}-{short(conversation.id)}.{kind}")
    if path.exists() and not call.yes and not await call.ui.confirm(f"{path} is there already. Write over it?"):
        return Reply.line("Nothing was written.", "dim")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"{path} cannot be written: {exc.strerror or exc}.", "Name another file.") from exc
    return Reply.line(f"{plural(len(messages), 'message')} written to {path}", "good", {"file": str(path)})


async def run_copy(call: Invocation) -> Reply:
    reply = await call.session.last_of("assistant")
    text = reply.text
    if call.text.split(" ")[0] == "code":
        blocks = re.findall(r"^ {0,3}(`{3,}|~{3,})[^\n]*\n(.*?)^ {0,3}\1", text, re.MULTILINE | re.DOTALL)
        if not blocks:
            return Reply.line("The last reply has no code block.", "warn")
        wanted = call.words[1] if len(call.words) > 1 else str(len(blocks))
        if not (wanted.isdigit() and 1 <= int(wanted) <= len(blocks)):
            raise UsageError(f"There is no code block {wanted}.", f"There are {len(blocks)}: /copy code N")
        text = blocks[int(wanted) - 1][1]
    elif call.text == "all":
        conversation = await call.session.here()
        messages = await call.session.db(call.session.store.path, conversation.id)
        text = as_markdown(conversation, messages)
    elif call.text:
        raise UsageError(f"/copy {call.text} means nothing.", "Write /copy, /copy code [N] or /copy all.")
    if call.ui.copy(text):
        return Reply.line(f"Copied: {plural(len(text), 'character')}.", "good")
    return Reply.line("This terminal has no clipboard that can be reached; /export writes a file.", "warn")


async def run_delete(call: Invocation) -> Reply:
    session, words = call.session, call.words
    match words:
        case () | ("message",):
            return await _delete_message(call, await session.last_of(None))
        case ("message", id):
            return await _delete_message(call, await session.db(session.store.find_message, id))
        case ("conversation",) | ("conversation", _):
            conversation = await _find(session, words[1]) if len(words) > 1 else await session.here()
            return await _delete_conversation(call, conversation)
        case ("persona", name):
            return await _delete_persona(call, name)
        case _:
            raise UsageError(
                "What is to be deleted?", "Write: /delete message, /delete conversation or /delete persona NAME"
            )


async def _delete_message(call: Invocation, message: Message) -> Reply:
    store = call.session.store
    found = await call.session.db(store.describe_deletion, message=message.id)
    question = f"Delete the message of {message.author or 'you'}: {clip(_flat(message.text))}?"
    if not await _sure(call, question, found):
        return KEPT
    return await _gone(call, "The message is deleted.", await call.session.db(store.delete_message, message.id))


async def _delete_conversation(call: Invocation, conversation: Conversation) -> Reply:
    store = call.session.store
    found = await call.session.db(store.describe_deletion, conversation=conversation.id)
    question = f"Delete the conversation with {conversation.persona}: {clip(conversation.name)}?"
    if not await _sure(call, question, found):
        return KEPT
    done = await call.session.db(store.delete_conversation, conversation.id)
    return await _gone(call, "The conversation is deleted.", done)


async def _delete_persona(call: Invocation, name: str) -> Reply:
    session, library = call.session, call.session.services.library
    exact = library.exact_name(name)
    if all(persona.name == exact for persona in library.personas()):
        raise UsageError(f"{exact} is the only persona here.", "Make another first: /persona new NAME")
    found = await session.db(session.store.describe_deletion, persona=exact)
    question = f"Delete {exact}: its file, its archived copies and every conversation with it?"
    if not await _sure(call, question, found):
        return KEPT
    done = await session.db(session.store.delete_persona, exact)
    library.delete(exact, archived=True)
    return await _gone(call, f"{exact} is gone, with every conversation.", done)


KEPT = Reply.line("Nothing was deleted.", "dim")


async def _sure(call: Invocation, question: str, found: Deleted) -> bool:
    if call.session.running():
        raise UsageError("A reply is under way.", "Wait for it or stop it with Ctrl-C, then delete.")
    goes = [
        plural(count, what, many)
        for count, what, many in (
            (found.conversations, "conversation", ""),
            (found.messages, "message", ""),
            (found.guest_replies, "reply as a guest elsewhere", "replies as a guest elsewhere"),
        )
        if count
    ]
    details = [f"What goes: {', '.join(goes)}."] if goes else []
    return call.yes or await call.ui.confirm(question, [*details, "It is really gone then: no archive keeps it."])


async def _gone(call: Invocation, text: str, done: Deleted) -> Reply:
    await call.session.after_deletion()
    data = {"conversations": done.conversations, "messages": done.messages, "clean": done.clean}
    if done.clean:
        return Reply.line(text, "good", data)
    note = "Its traces leave the database file when no other ei reads it; that is tried again at the next start."
    return Reply((Line(text, "good"), Line(note, "warn")), data)


def complete_delete(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    if len(words) <= 1:
        return [("message", "the last one"), ("conversation", "this one"), ("persona", "everything of one")]
    return [(p.name, p.short_description) for p in session.services.library.personas()] if words[0] == "persona" else []


COMMANDS = (
    Command(
        "history",
        "List conversations and go back to one",
        ("history [--persona NAME] [--all]", "history N  or history ID: open that one"),
        run_history,
        "search and files",
        aliases=("resume",),
        shell=True,
    ),
    Command(
        "search",
        "Find words in everything that was said",
        (
            'search WORDS  newest first; beginnings of words count; "two words" as they stand',
            "search --more  older ones",
        ),
        run_search,
        "search and files",
        examples=("search rain walk", "search 天气"),
        shell=True,
    ),
    Command(
        "export",
        "Write this conversation to a file",
        ("export [md|json] [FILE]",),
        run_export,
        "search and files",
        examples=("export", "export json talk.json"),
        shell=True,
    ),
    Command(
        "copy", "Copy the last reply", ("copy", "copy code [N]  a code block", "copy all"), run_copy, "search and files"
    ),
    Command(
        "delete",
        "Delete a message, a conversation or all of a persona: really gone",
        ("delete message [ID]", "delete conversation [ID]", "delete persona NAME"),
        run_delete,
        "search and files",
        complete=complete_delete,
        shell=True,
    ),
)


async def _find(session: Session, text: str) -> Conversation:
    if text.isdigit() and len(text) < 4 and session.listed:
        if not 1 <= int(text) <= len(session.listed):
            raise NotFoundError(f"There is no row {text}.", f"The list had {len(session.listed)} rows: /history")
        return await session.db(session.store.get, session.listed[int(text) - 1])
    return await session.db(session.store.find, text)


def _target(typed: str, name: str) -> Path:
    path = Path(typed or name).expanduser()
    return path / name if path.is_dir() else path


def _limit(text: str) -> int:
    if text.isdigit() and int(text) > 0:
        return int(text)
    raise UsageError(f"--limit {text} is no count.", "Write a whole number.")


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text)
