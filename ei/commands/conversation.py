"""Commands on the conversation in front: a fresh one, another reply, branches, taking back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ei.commands.base import Command, Invocation, Page, Reply, Table
from ei.commands.info import came_of, facts
from ei.commands.models import known_references
from ei.commands.parse import options, reference_of, words_with_object
from ei.commands.words import ago, clip, plural
from ei.errors import UsageError
from ei.storage.ids import short

if TYPE_CHECKING:
    from ei.conversations.values import Message
    from ei.engine.session import Session

LONGEST_TITLE = 200
MOST_SHOWN = 50
"""How many messages are printed at most where a variant is chosen after which much was said."""


async def run_new(call: Invocation) -> Reply:
    session = call.session
    await session.refresh()
    before = session.conversation
    await session.fresh()
    data = {"persona": session.persona.name}
    if before is None or not before.messages or session.incognito:
        return Reply(data=data)
    return Reply.line(f"A fresh conversation. The one before is kept: /history {short(before.id)}", "dim", data)


async def run_title(call: Invocation) -> Reply:
    session = call.session
    conversation = await session.here()
    title = clip(" ".join(call.text.split()), LONGEST_TITLE)
    if not title:
        await session.refresh()
        assert session.conversation is not None
        return Reply.line(session.conversation.name, data={"title": session.conversation.title or None})
    cleared = title == "--clear"
    await session.db(session.store.rename, conversation.id, "" if cleared else title)
    await session.refresh()
    assert session.conversation is not None
    what = "This conversation is called by its first line again" if cleared else "This conversation is called"
    return Reply.line(f"{what}: {session.conversation.name}", "good", {"title": session.conversation.title or None})


async def run_retry(call: Invocation) -> Reply:
    given = options(words_with_object(call.text), (), ("--with",), "For example: /retry --with ollama:qwen3:8b")
    if given.rest:
        raise UsageError("/retry takes no text.", "To change what you said: /edit. Another model: /retry --with SPEC")
    written = given.values.get("--with")
    await call.session.retry(None if written is None else reference_of(written))
    return Reply()


async def run_continue(call: Invocation) -> Reply:
    await call.session.go_on()
    return Reply()


async def run_edit(call: Invocation) -> Reply:
    session = call.session
    await session.idle()
    text = call.text
    last = await session.last_of("user")
    if not text:
        text = (await call.ui.edit(last.text, ".md") or "").strip()
    if not text or text == last.text.strip():
        return Reply.line("Nothing was changed.", "dim")
    await session.edit(text)
    return Reply()


async def run_undo(call: Invocation) -> Reply:
    session = call.session
    await session.idle()
    taken = await session.db(session.store.undo, (await session.here()).id)
    if not taken:
        return Reply.line("There is nothing to take back.", "dim")
    await session.moved()
    return Reply.line(f"Taken back: {_turn(taken)}. /redo brings it back.", "good", _ids(taken))


async def run_redo(call: Invocation) -> Reply:
    session = call.session
    await session.idle()
    back = await session.db(session.store.redo, (await session.here()).id)
    if not back:
        return Reply.line("There is nothing to bring back.", "dim")
    await session.moved()
    return Reply.line(f"Back again: {_turn(back)}.", "good", _ids(back))


async def run_fork(call: Invocation) -> Reply:
    session = call.session
    await session.refresh()
    conversation = await session.here()
    at, turns = None, 0
    if call.text:
        turns = int(call.text) if call.text.isascii() and call.text.isdigit() else 0
        if not turns:
            raise UsageError(
                f"/fork {call.text} means nothing.", "Write /fork, or /fork N to leave out the last N turns."
            )
        path = await session.db(session.store.path, conversation.id)
        asked = [message for message in path if message.role == "user"]
        if len(asked) <= turns or asked[-turns].parent is None:
            raise UsageError(
                f"There {'is' if len(asked) == 1 else 'are'} only {plural(len(asked), 'turn')} here.",
                "Leave out fewer, or start anew with /new.",
            )
        at = asked[-turns].parent
    elif conversation.head is None:
        raise UsageError("There is nothing here to branch from.", "Say something first, or bring it back with /redo.")
    fork = await session.db(session.store.fork, conversation.id, at)
    await session.resume(fork.id)
    without = {0: "", 1: ", without the last turn"}.get(turns, f", without the last {turns} turns")
    return Reply.line(
        f"This is a branch of its own now{without}; the other one stays: /history {short(conversation.id)}",
        "good",
        {"conversation_id": fork.id, "forked_from": conversation.id},
    )


async def run_variants(call: Invocation) -> Reply:
    session = call.session
    await session.idle()
    match call.words:
        case ("mine", *rest):
            message = await session.last_of("user")
            words = tuple(rest)
        case words:
            message = await session.last_of("assistant")
    siblings = await session.db(session.store.siblings, message.id)
    mine = message.role == "user"
    of = "your last message" if mine else f"{message.author}'s reply"
    if len(siblings) == 1:
        if not words and not mine and (await session.last_of("user")).variants > 1:
            return Reply.line("This reply has no other variants, but your message has: /variants mine", "dim")
        how = "/edit writes one." if mine else "/retry writes one."
        return Reply.line(f"There is one variant of {of}. {how}", "dim", [message.text])
    index = next(i for i, sibling in enumerate(siblings) if sibling.id == message.id)
    if words:
        number = _number(words[0], len(siblings))
    elif call.ui.interactive:
        pages = [await _page(session, m, in_use=m.id == message.id) for m in siblings]
        chosen = await call.ui.browse(f"Variants of {of}", pages, index)
        if chosen is None:
            return Reply.line("It stays as it was.", "dim")
        number = chosen
        if number == index:
            await _show_from(session, message)
    else:
        took = [" · ".join(facts(await came_of(session, m))) for m in siblings]
        rows = tuple((str(i + 1), m.model, took[i], clip(" ".join(m.text.split()))) for i, m in enumerate(siblings))
        return Reply((Table(("", "model", "took", "text"), rows, index, spare=("took",)),), [m.text for m in siblings])
    if number == index:
        return Reply.line(f"Variant {number + 1} stays.", "dim")
    await session.idle()  # the page may have been open for long
    await session.db(session.store.choose, siblings[number].id)
    await session.moved()
    await _show_from(session, siblings[number])
    return Reply.line(f"Variant {number + 1} of {len(siblings)} of {of} is in use now.", "good")


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
        and session.conversation.head is not None
        and not await call.ui.confirm("Leave incognito? This conversation is gone for good then.")
    ):
        return Reply.line("Still incognito." if session.incognito else "Conversations are saved already.", "dim")
    await session.set_incognito(on)
    if on:
        return Reply.line("Incognito: nothing said from here on is written anywhere. /incognito off ends it.", "good")
    return Reply.line("Conversations are saved again.", "good")


def complete_retry(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    """`--with`, then references."""
    if len(words) >= 2 and words[-2] == "--with":
        return known_references(session)
    return [("--with", "another model")] if len(words) <= 1 else []


COMMANDS = (
    Command(
        "new",
        "Start a fresh conversation with this persona",
        ("new  the one before stays in the history",),
        run_new,
        "conversation",
    ),
    Command(
        "retry",
        "Have the last message answered again; the first reply stays as a variant",
        (
            "retry  as it was asked for, by what is set now",
            "retry --with SPEC  by another model, tier or profile, this once",
        ),
        run_retry,
        "conversation",
        examples=("retry --with anthropic:claude-haiku-4-5", "retry --with tier:smart"),
        complete=complete_retry,
    ),
    Command(
        "continue",
        "Go on after a reply that was cut or stopped",
        ("continue  the rest joins the conversation as a reply of its own",),
        run_continue,
        "conversation",
    ),
    Command(
        "variants",
        "See the replies to the same message and choose one",
        (
            "variants  look at them and choose",
            "variants N  choose that one",
            "variants mine [N]  those of your last message, written by /edit",
        ),
        run_variants,
        "conversation",
        complete=lambda session, words: [("mine", "of your last message")] if len(words) <= 1 else [],
    ),
    Command(
        "edit",
        "Change your last message and ask again; the first one stays as a branch",
        ("edit  in your editor", "edit TEXT  to this text"),
        run_edit,
        "conversation",
    ),
    Command(
        "undo", "Take back the last turn", ("undo  your last message and what followed it",), run_undo, "conversation"
    ),
    Command("redo", "Bring back what /undo took", ("redo  until something new is said",), run_redo, "conversation"),
    Command(
        "fork",
        "Go on from here in a conversation of its own",
        ("fork  all of this conversation", "fork N  without the last N turns"),
        run_fork,
        "conversation",
        aliases=("branch",),
    ),
    Command(
        "title",
        "Name this conversation",
        ("title  what it is called", "title TEXT  call it so", "title --clear  by its first line again"),
        run_title,
        "conversation",
        complete=lambda session, words: [("--clear", "call it by its first line")] if len(words) <= 1 else [],
    ),
    Command(
        "incognito",
        "Talk without anything being saved",
        ("incognito [on|off]  turns it round where neither is said",),
        run_incognito,
        "conversation",
        complete=lambda session, words: [("on", "save nothing"), ("off", "save again")] if len(words) <= 1 else [],
    ),
)


async def _page(session: Session, message: Message, *, in_use: bool) -> Page:
    age = ago(session.services.now() - message.created_ms / 1000)
    said = [message.model, *facts(await came_of(session, message)), age if age == "now" else f"{age} ago"]
    said += [message.error or (message.state.value if message.state.value != "complete" else "")]
    return Page(" · ".join(filter(None, [*said, "in use" if in_use else ""])), message.text)


async def _show_from(session: Session, message: Message) -> None:
    """Prints a message on the path and what follows it."""
    conversation = await session.here()
    await session.show_recap(min(max(conversation.messages - message.depth + 1, 1), MOST_SHOWN))


def _turn(messages: Sequence[Message]) -> str:
    """A turn in a few words: its first line, and how many messages it has."""
    first = messages[0].text.strip().splitlines()
    return f"{clip(first[0]) if first else '(no text)'} ({plural(len(messages), 'message')})"


def _ids(messages: Sequence[Message]) -> list[str]:
    return [message.id for message in messages]


def _number(word: str, count: int) -> int:
    if word.isascii() and word.isdigit() and 1 <= int(word) <= count:
        return int(word) - 1
    raise UsageError(f"There is no variant {word}.", f"Choose from 1 to {count}.")
