"""Answering again: retry, going on after a cut, editing the last message; and what would be sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ei.conversations.store import ConversationStore
from ei.conversations.values import Message, State
from ei.conversations.writing import Extra
from ei.engine.composing import Composer, composer_for, interaction_parameters
from ei.engine.parameters import Limits, Parameters, taken, wished
from ei.engine.privacy import stays
from ei.errors import UsageError
from ei.messages import NO_PARAMETERS, ChatMessage, Role, TextPart
from ei.models.interactions import REASONING, SUBAGENTS
from ei.models.reference import parse, written_form
from ei.models.resolve import Rank

if TYPE_CHECKING:
    from ei.engine.session import Session
    from ei.personas.values import Persona

GO_ON = (
    "(Your last reply was cut off. Go on exactly where it stopped, without repeating anything and without a remark.)"
)


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be sent now, before the next message. tokens: estimated; left_out: oldest that do not fit.

    parameters: what would go with it, where each comes from, and what the model does not take.
    """

    messages: tuple[ChatMessage, ...]
    tokens: int
    characters: int
    left_out: int
    model: str
    parameters: Parameters


async def retry(session: Session, written: object | None) -> None:
    """Has the last message of the person answered again, by the model `written` (a reference) where it is given.

    Without it, and where the person chose none for the next reply, a reply that was asked for with a reference for
    that once is asked for with it again; any other is answered by what wins now. A reply that is there stays as a
    variant. Raises UsageError when there is nothing to answer, or the reference means nothing now.
    """
    await idle(session)
    last = await last_of(session, None)
    replied = last.role != "user"
    speaker = session.services.library.get(last.author) if replied else _asked_of(session, last)
    request = written
    if written is None and session.pending_once is None and replied and last.resolved_by == Rank.REQUEST.value:
        request = _as_written(last.reference)
    if request is not None:
        request = await _checked(session, request, speaker, said=written is not None)
    if not replied:
        await session.answer(speaker, "retry", session.after(last), request=request)
        return

    def place(store: ConversationStore, speaker: str, fields: Extra) -> Message:
        return store.add_variant(last.id, (), State.STREAMING, author=speaker, **fields)

    before = None if last.parent is None else await session.db(session.store.message, last.parent)
    goes_on = before is not None and before.role == "assistant" and before.author == last.author
    await session.answer(speaker, "retry", place, asked=GO_ON if goes_on else "", request=request)


async def go_on(session: Session) -> None:
    """Has the last reply continued, also one that ended by itself. Raises UsageError when the last message is none."""
    await idle(session)
    last = await last_of(session, None)
    if last.role != "assistant":
        raise UsageError("The last message has no reply yet.", "/retry asks for one.")
    if not last.text.strip():
        raise UsageError("The last reply has no text to go on from.", "/retry asks again.")
    speaker = session.services.library.get(last.author)
    await session.answer(speaker, "continue", session.after(last), asked=GO_ON)


async def edit(session: Session, text: str) -> None:
    """Puts `text` in the place of the person's last message and asks again; the first one stays as a branch."""
    await idle(session)
    old = await last_of(session, "user")
    speaker = _asked_of(session, old)
    new = await session.db(
        session.store.add_variant,
        old.id,
        (TextPart(text),),
        to=old.to,
        private=old.private or stays(session.persona, speaker),
    )
    await session.sent(new)
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
            if before is None and not page:
                raise UsageError("There is nothing here yet.", "Say something first.")
            raise UsageError(
                "There is no reply here yet." if role == "assistant" else "You said nothing here yet.",
                "/retry asks for one." if role == "assistant" else "Say something first.",
            )
        before = page[0].id


async def preview(session: Session) -> Preview:
    """What the persona in front would be sent for the next message, but for that message."""
    await session.refresh()
    conversation = session.conversation
    composer = await composer_in_front(session)
    material = await composer.material(conversation.id if conversation else None)
    sent = material.fitted(material.budget)
    characters = sum(len(message.text) for message in sent.messages)
    return Preview(sent.messages, sent.tokens, characters, sent.left_out, str(composer.model), composer.parameters)


async def composer_in_front(session: Session) -> Composer:
    """Who builds what the persona in front would be sent next. Raises UsageError where no model is meant."""
    persona = session.persona
    return await composer_for(
        session.services,
        session.store,
        persona,
        persona,
        REASONING,
        await session.resolution(request=session.pending_once),
        session.conversation,
        session.parameters_now(persona.name),
    )


def wished_in_front(session: Session) -> Parameters:
    """What is written of the parameters of the next message, whatever model it goes to."""
    here = session.conversation.parameters if session.conversation is not None else NO_PARAMETERS
    of_all, now = interaction_parameters(session.services, REASONING), session.parameters_now(session.persona.name)
    return taken(wished(of_all, REASONING.name, None, session.persona, here, now), Limits(), "")


async def idle(session: Session) -> None:
    """Raises UsageError while a reply is under way in the conversation in front, here or in another terminal."""
    await session.refresh()
    conversation = await session.here()
    await session.db(session.store.reclaim)
    if await session.busy(conversation.id):
        raise UsageError("A reply is under way.", "Wait for it, or stop it with Ctrl-C.")
    if await session.answering.catch_up(conversation):
        raise UsageError("This conversation went on in another terminal.", "What is new is shown now; say it again.")


def _asked_of(session: Session, message: Message) -> Persona:
    """Who is to answer a message of the person. Raises UsageError, ConfigError where that one is not here."""
    return session.services.library.get(message.to) if message.to else session.persona


async def _checked(session: Session, written: object, speaker: Persona, *, said: bool) -> object:
    """The reference as it is kept, where it means a model now; else UsageError, before anything is sent.

    said: the person named it just now, not when the first reply was asked for.
    """
    chooser = session.services.chooser
    interaction = REASONING if speaker.name == session.persona.name else SUBAGENTS
    try:
        # In a thread: a tier is looked up in the registry.
        private = bool(await session.privacy(speaker))
        await session.in_thread(chooser.named, written, speaker, interaction, private=private)
    except UsageError as exc:
        if said:
            raise
        hint = f"{exc.hint} By another model: /retry --with SPEC".strip()
        raise UsageError(f"The reply was asked of {written_form(written)}. {exc.sentence}", hint) from exc
    return str(parse(written, chooser.names())) if isinstance(written, str) else written


def _as_written(reference: str) -> object | None:
    """The inverse of `written_form`; None for a reference that was not kept."""
    if not reference.startswith("{"):
        return reference or None
    found: object = json.loads(reference)
    return found
