"""/delete: a message, a conversation or all of a persona, asked for first and really gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ei.commands.base import Command, Invocation, Line, Reply
from ei.commands.finding import find_conversation, known_name, on
from ei.commands.parse import options
from ei.commands.words import clip, plural
from ei.errors import UsageError

if TYPE_CHECKING:
    from ei.conversations.store import ConversationStore
    from ei.conversations.values import Conversation, Deleted, Message
    from ei.engine.session import Session

KEPT = Reply.line("Nothing was deleted.", "dim", {"deleted": False})


async def run_delete(call: Invocation) -> Reply:
    session = call.session
    words = options(call.words, (), (), f"See {call.typed('help delete')}.").rest
    match words:
        case () | ("message",):
            return await _delete_message(call, session.store, await session.last_of(None))
        case ("message", id):
            saved = session.services.conversations
            return await _delete_message(call, saved, await on(saved, saved.find_message, id))
        case ("conversation",):
            return await _delete_conversation(call, session.store, await session.here())
        case ("conversation", id):
            return await _delete_conversation(
                call, session.services.conversations, await find_conversation(session, id)
            )
        case ("persona", name):
            return await _delete_persona(call, name)
        case ("persona",):
            raise UsageError("Which persona?", f"For example: {call.typed('delete persona NAME')}")
        case _:
            forms = ", ".join(call.typed(f"delete {what}") for what in ("message", "conversation", "persona NAME"))
            raise UsageError("What is to be deleted?", f"Write one of: {forms}")


def complete_delete(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    """What can be deleted; after `persona`, whom."""
    if len(words) <= 1:
        return [("message", "the last one"), ("conversation", "this one"), ("persona", "everything of one")]
    if len(words) == 2 and words[0] == "persona":
        return [(entry.name, "all of it") for entry in session.services.library.all()]
    return []


DELETE = Command(
    "delete",
    "Delete a message, a conversation or all of a persona: really gone",
    (
        "delete message  the last one, of you or of the persona",
        "delete message ID  that one",
        "delete conversation [ID]  this one, or that one, or row N of /history",
        "delete persona NAME  its file, its archived copies, every conversation with it",
    ),
    run_delete,
    "search and files",
    examples=("delete message", "delete persona beta"),
    complete=complete_delete,
    shell=True,
)


async def _delete_message(call: Invocation, store: ConversationStore, message: Message) -> Reply:
    await _quiet(store, message.conversation)
    found = await on(store, store.describe_deletion, message=message.id)
    text = " ".join(message.text.split())
    question = f'Delete the message of {message.author or "you"}, "{clip(text)}"?'
    if not await _sure(call, question, found):
        return KEPT
    return await _gone(call, "The message is deleted.", await on(store, store.delete_message, message.id))


async def _delete_conversation(call: Invocation, store: ConversationStore, conversation: Conversation) -> Reply:
    await _quiet(store, conversation.id)
    found = await on(store, store.describe_deletion, conversation=conversation.id)
    question = f'Delete the conversation with {conversation.persona}, "{clip(conversation.name)}"?'
    if not await _sure(call, question, found):
        return KEPT
    done = await on(store, store.delete_conversation, conversation.id)
    await _forget(call, conversation=conversation.id)
    return await _gone(call, "The conversation is deleted.", done)


async def _delete_persona(call: Invocation, typed: str) -> Reply:
    session, library = call.session, call.session.services.library
    store = session.services.conversations
    name = await known_name(session, typed, exact=True)
    if not [persona for persona in library.personas() if persona.name != name]:
        raise UsageError(f"{name} is the only persona here.", f"Make another first: {call.typed('persona new NAME')}")
    for running in session.running().values():
        if running.info is None or name in (running.info.persona, running.info.speaker):
            raise UsageError(f"A reply of {name} is under way.", "Wait for it, or stop it with Ctrl-C.")
    found = await on(store, store.describe_deletion, persona=name)
    copies = sum(entry.name == name for entry in library.archived())
    here = any(entry.name == name for entry in library.all())
    files = " and ".join(["its file"] * here + [plural(copies, "archived copy", "archived copies")] * bool(copies))
    if not await _sure(call, f"Delete everything of {name}?", found, files):
        return KEPT
    done = await on(store, store.delete_persona, name)
    if session.incognito:
        await on(session.store, session.store.delete_persona, name)
    if files:
        library.delete(name, archived=True)
    await _forget(call, persona=name)
    return await _gone(call, f"{name} is gone, with every conversation.", done)


async def _forget(call: Invocation, **what: str) -> None:
    """What was replaced there cannot be taken back any more, and is not remembered."""
    from ei.engine.replaced import forget

    await call.session.in_thread(forget, call.session.services, **what)


async def _quiet(store: ConversationStore, conversation: str) -> None:
    """Raises UsageError while a reply is being written there, here or in another terminal."""
    await on(store, store.reclaim)
    if await on(store, store.streaming, conversation) is not None:
        raise UsageError("A reply is under way there.", "Wait for it or stop it with Ctrl-C, then delete.")


async def _sure(call: Invocation, question: str, found: Deleted, files: str = "") -> bool:
    counted = (
        (found.conversations, "conversation", ""),
        (found.messages, "message", ""),
        (found.guest_replies, "reply as a guest elsewhere", "replies as a guest elsewhere"),
    )
    goes = [files] * bool(files) + [plural(count, what, many) for count, what, many in counted if count]
    details = [f"What goes: {', '.join(goes)}."] if goes else []
    return call.yes or await call.ui.confirm(question, [*details, "It is really gone then: no archive keeps it."])


async def _gone(call: Invocation, text: str, done: Deleted) -> Reply:
    await call.session.after_deletion()
    data = {
        "deleted": True,
        "conversations": done.conversations,
        "messages": done.messages,
        "guest_replies": done.guest_replies,
        "clean": done.clean,
    }
    if done.clean:
        return Reply.line(text, "good", data)
    note = "Its traces leave the database file when no other ei reads it; that is tried again at the next start."
    return Reply((Line(text, "good"), Line(note, "warn")), data)
