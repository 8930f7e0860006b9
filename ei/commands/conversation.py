"""Commands on the conversation in front: a fresh one, another reply, branches, taking back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ei.commands.base import Command, Invocation, Page, Reply, Table
from ei.commands.parse import options
from ei.commands.words import ago, clip, plural
from ei.errors import UsageError

if TYPE_CHECKING:
    from ei.conversations.values import Message
    from ei.engine.session import Session

NOTHING = "There is nothing here yet."


async def run_new(call: Invocation) -> Reply:
    await call.session.fresh()
    return Reply(data={"persona": call.session.persona.name})


async def run_title(call: Invocation) -> Reply:
    conversation = await call.session.here()
    if not call.text:
        return Reply.line(conversation.name, data={"title": conversation.title})
    await call.session.db(call.session.store.rename, conversation.id, call.text)
    await call.session.refresh()
    return Reply.line(f"This conversation is called: {call.text}", "good")


async def run_retry(call: Invocation) -> Reply:
    given = options(call.words, (), ("--with",), "retry [--with SPEC]")
    if given.rest:
        raise UsageError("/retry takes no text.", "To change what you said: /edit. Another model: /retry --with SPEC")
    await call.session.retry(given.values.get("--with"))
    return Reply()


async def run_continue(call: Invocation) -> Reply:
    await call.session.go_on()
    return Reply()


async def run_edit(call: Invocation) -> Reply:
    text = call.text
    if not text:
        last = await call.session.last_of("user")
        edited = await call.ui.edit(last.text, ".md")
        if edited is None or not edited.strip():
            return Reply.line("Nothing was changed.", "dim")
        text = edited.strip()
    await call.session.edit(text)
    return Reply()


async def run_undo(call: Invocation) -> Reply:
    conversation = await call.session.here()
    taken = await call.session.db(call.session.store.undo, conversation.id)
    if not taken:
        return Reply.line("There is nothing to take back.", "dim")
    await call.session.refresh()
    first = taken[0].text.splitlines()[0] if taken[0].text else ""
    return Reply.line(f"Taken back: {clip(first)} ({plural(len(taken), 'message')}). /redo brings it back.", "good")


async def run_redo(call: Invocation) -> Reply:
    conversation = await call.session.here()
    back = await call.session.db(call.session.store.redo, conversation.id)
    if not back:
        return Reply.line("There is nothing to bring back.", "dim")
    await call.session.refresh()
    return Reply.line(f"Back again: {plural(len(back), 'message')}.", "good")


async def run_fork(call: Invocation) -> Reply:
    session = call.session
    conversation = await session.here()
    fork = await session.db(session.store.fork, conversation.id, None)
    await session.resume(fork.id)
    return Reply.line(
        f"This is a branch of its own now; the other one stays: /history {short(conversation.id)}", "good"
    )


async def run_variants(call: Invocation) -> Reply:
    session = call.session
    reply = await session.last_of("assistant")
    siblings = await session.db(session.store.siblings, reply.id)
    index = next(i for i, message in enumerate(siblings) if message.id == reply.id)
    if call.words:
        number = _number(call.words[0], len(siblings))
    elif len(siblings) == 1:
        return Reply.line("This reply has no other variants. /retry writes one.", "dim")
    elif call.ui.interactive:
        chosen = await call.ui.browse(
            f"Variants of {reply.author}'s reply", [_page(session, m) for m in siblings], index
        )
        if chosen is None:
            return Reply.line("The variant stays as it was.", "dim")
        number = chosen
    else:
        rows = tuple((str(i + 1), m.model, clip(m.text.replace("\n", " "))) for i, m in enumerate(siblings))
        return Reply((Table(("", "model", "text"), rows, index),), [m.text for m in siblings])
    if number == index:
        return Reply.line(f"Variant {number + 1} stays.", "dim")
    await session.db(session.store.choose, siblings[number].id)
    await session.refresh()
    await session.show_recap(1)
    return Reply.line(f"Variant {number + 1} of {len(siblings)} is the reply now.", "good")


async def run_incognito(call: Invocation) -> Reply:
    session = call.session
    on = {"on": True, "off": False, "": not session.incognito}.get(call.text.lower())
    if on is None:
        raise UsageError(f"/incognito {call.text} means nothing.", "Write /incognito on or /incognito off.")
    if on == session.incognito:
        return Reply.line(f"Incognito is {'on' if on else 'off'} already.", "dim")
    if (
        not on
        and session.conversation is not None
        and not await call.ui.confirm("Leave incognito? This conversation is gone for good then.")
    ):
        return Reply.line("Still incognito.", "dim")
    await session.set_incognito(on)
    if on:
        return Reply.line("Incognito: nothing said from here on is written anywhere. /incognito off ends it.", "good")
    return Reply.line("Conversations are saved again.", "good")


def complete_retry(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    from ei.commands.models import complete_model

    if len(words) >= 2 and words[-2] == "--with":
        return [pair for pair in complete_model(session, ("",)) if ":" in pair[0]]
    return [("--with", "another model")]


def short(id: str) -> str:
    """An id as it is shown and typed: its last characters, since the first ones are the time."""
    return id[-8:]


COMMANDS = (
    Command("new", "Start a fresh conversation with this persona", ("new",), run_new, "conversation"),
    Command(
        "retry",
        "Have the last message answered again; the first reply stays as a variant",
        ("retry", "retry --with SPEC  by another model"),
        run_retry,
        "conversation",
        examples=("retry --with anthropic:claude-haiku-4-5",),
        complete=complete_retry,
    ),
    Command("continue", "Go on after a reply that was cut or stopped", ("continue",), run_continue, "conversation"),
    Command(
        "variants",
        "See the replies to the same message and choose one",
        ("variants", "variants N  choose that one"),
        run_variants,
        "conversation",
    ),
    Command(
        "edit",
        "Change your last message and ask again; the first one stays as a branch",
        ("edit  in your editor", "edit TEXT"),
        run_edit,
        "conversation",
    ),
    Command("undo", "Take back the last turn", ("undo",), run_undo, "conversation"),
    Command("redo", "Bring back what /undo took", ("redo",), run_redo, "conversation"),
    Command(
        "fork", "Go on from here in a conversation of its own", ("fork",), run_fork, "conversation", aliases=("branch",)
    ),
    Command("title", "Name this conversation", ("title TEXT",), run_title, "conversation"),
    Command(
        "incognito",
        "Talk without anything being saved",
        ("incognito [on|off]",),
        run_incognito,
        "conversation",
        complete=lambda session, words: [("on", "save nothing"), ("off", "save again")],
    ),
)


def _page(session: Session, message: Message) -> Page:
    age = ago(session.services.now() - message.created_ms / 1000)
    note = f" · {message.error}" if message.error else ""
    return Page(f"{message.model} · {age}{note}", message.text)


def _number(word: str, count: int) -> int:
    if word.isascii() and word.isdigit() and 1 <= int(word) <= count:
        return int(word) - 1
    raise UsageError(f"There is no variant {word}.", f"Choose from 1 to {count}.")
