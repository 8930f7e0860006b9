"""Answering again: retry, going on after a cut, editing the last message; and what would be sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ei.conversations.store import ConversationStore
from ei.conversations.values import Message, State
from ei.conversations.writing import Extra
from ei.engine.context import fit, system_prompt, to_messages
from ei.errors import UsageError
from ei.messages import ChatMessage, Role, TextPart
from ei.models.reference import parse
from ei.providers.estimate import estimate_tokens

if TYPE_CHECKING:
    from ei.engine.session import Session

GO_ON = (
    "(Your last reply was cut off. Go on exactly where it stopped, without repeating anything and without a remark.)"
)


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be sent now. tokens: estimated; left_out: oldest messages that do not fit."""

    messages: tuple[ChatMessage, ...]
    tokens: int
    characters: int
    left_out: int
    model: str


async def retry(session: Session, written: str | None) -> None:
    """Has the last message of the person answered again, by the model `written` where it is given.

    A reply that is there stays as a variant. Raises UsageError when there is nothing to answer.
    """
    await _idle(session)
    request: object = None
    if written is not None:
        request = str(parse(written, session.services.chooser.names()))
    last = await last_of(session, None)
    if last.role == "user":
        speaker = session.services.library.find(last.to) if last.to else session.persona
        await session.answer(speaker, "retry", session.after(last), request=request)
        return

    def place(store: ConversationStore, speaker: str, fields: Extra) -> Message:
        return store.add_variant(last.id, (), State.STREAMING, author=speaker, **fields)

    speaker = session.services.library.find(last.author)
    await session.answer(speaker, "retry", place, request=request)


async def go_on(session: Session) -> None:
    """Has the last reply continued. Raises UsageError when the last message is none or was complete."""
    await _idle(session)
    last = await last_of(session, None)
    if last.role != "assistant":
        raise UsageError("The last message has no reply yet.", "/retry asks for one.")
    if not last.text:
        raise UsageError("The last reply has no text to go on from.", "/retry asks again.")
    speaker = session.services.library.find(last.author)
    await session.answer(speaker, "continue", session.after(last), asked=GO_ON)


async def edit(session: Session, text: str) -> None:
    """Puts `text` in the place of the person's last message and asks again; the first one stays as a branch."""
    await _idle(session)
    old = await last_of(session, "user")
    new = await session.db(session.store.add_variant, old.id, (TextPart(text),), to=old.to)
    await session.sent(new)
    speaker = session.services.library.find(old.to) if old.to else session.persona
    await session.answer(speaker, "edit", session.after(new))


async def last_of(session: Session, role: Role | None) -> Message:
    """The newest message of that role on the current path (None: of any). Raises UsageError when there is none."""
    conversation = await session.here()
    before: str | None = None
    while True:
        page = await session.db(session.store.path, conversation.id, limit=20, before=before)
        for message in reversed(page):
            if role is None or message.role == role:
                return message
        if len(page) < 20:
            raise UsageError("There is nothing here yet.", "Say something first.")
        before = page[0].id


async def preview(session: Session) -> Preview:
    """What the persona in front would be sent for the next message."""
    await session.refresh()
    persona, conversation = session.persona, session.conversation
    system = system_prompt(persona, datetime.fromtimestamp(session.services.now()))
    path = await session.db(session.store.path, conversation.id) if conversation else ()
    host = persona.name if any(message.to for message in path) else ""
    fitted = fit(to_messages(system, path, persona.name, host=host), 1 << 60, estimate_tokens)
    model = str((await session.resolution()).model)
    characters = sum(len(message.text) for message in fitted.messages)
    return Preview(fitted.messages, fitted.tokens, characters, fitted.left_out, model)


async def _idle(session: Session) -> None:
    await session.refresh()
    conversation = await session.here()
    if await session.busy(conversation.id):
        raise UsageError("A reply is under way.", "Wait for it, or stop it with Ctrl-C.")
