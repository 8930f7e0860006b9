"""Several models answering the same message at the same time, of which one is kept and the others stay as variants."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, MutableSequence, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ei.conversations.values import Conversation, Message, State
from ei.conversations.writing import Extra
from ei.engine.again import idle, last_of
from ei.engine.answering import after
from ei.engine.contender import PRICED_AS, Contender
from ei.engine.estimating import agree_to_all
from ei.engine.events import TurnEnded
from ei.engine.pricing import cost_of_call
from ei.engine.privacy import stays
from ei.engine.services import on_database
from ei.engine.turn import LEASE_MS, Turn, TurnPlan
from ei.errors import EiError, UsageError
from ei.messages import Usage
from ei.models.interactions import REASONING, SUBAGENTS, Interaction
from ei.models.resolve import Resolution
from ei.providers.failures import not_ready
from ei.storage.ids import uuid7

if TYPE_CHECKING:
    from ei.engine.session import Session
    from ei.personas.values import Persona

FEWEST, MOST = 2, 8


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a comparison. current: the contender whose reply is in use now, None where none of them is.

    picked: whether the person chose it. elsewhere: another terminal went on meanwhile, and its branch is in use.
    """

    current: Contender | None
    picked: bool = False
    elsewhere: bool = False


class Comparison:
    """Asks all of them at once and keeps what comes; `keep` must be called in the end, also when nothing is picked."""

    def __init__(
        self,
        session: Session,
        conversation: Conversation,
        asked: Message,
        before: Message | None,
        speaker: Persona,
        contenders: Sequence[Contender],
        *,
        blind: bool,
    ) -> None:
        """asked: the message to be answered; before: its reply on the current path."""
        self.asked = asked
        self.contenders = tuple(contenders)
        self.blind = blind
        self.group = uuid7(int(session.services.now() * 1000))
        self._session = session
        self._store = session.store
        self._conversation = conversation
        self._before = before
        self._speaker = speaker
        self._owner = session.persona
        self._placed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run())

    @property
    def work(self) -> asyncio.Task[TurnEnded]:
        """Runs until the last of them has ended; cancelling it stops them, keeping their text."""
        return self._task

    @property
    def conversation(self) -> str:
        """Its id."""
        return self._conversation.id

    @property
    def title(self) -> str:
        """The message that is answered, on one line."""
        return " ".join(self.asked.text.split())

    @property
    def speaker(self) -> str:
        return self._speaker.name

    @property
    def columns(self) -> Sequence[Contender]:
        return self.contenders

    @property
    def running(self) -> bool:
        return not self._task.done()

    def stop(self) -> None:
        """Stops those that are still under way, keeping their text."""
        self._task.cancel()

    async def placed(self) -> None:
        """Waits until all replies have their place in the store. Raises StorageError."""
        await asyncio.shield(self._placed)

    async def ended(self) -> None:
        """Waits until none is under way."""
        await asyncio.wait({self._task})

    async def keep(self, index: int | None) -> Kept:
        """Goes on with the reply of that contender; None goes back to the reply that was there before.

        Where there was none, the first that is complete, else the first with a text, is gone on with. Those under way
        are stopped. Raises UsageError for one without a text; StorageError.
        """
        if index is not None and not self.contenders[index].pickable:
            raise UsageError(f"{self.contenders[index].name} has no reply to go on with.", "Pick another one.")
        if self.running:
            self.stop()
            await self.ended()
        ended: TurnEnded | None = None
        try:
            kept = await self._settled(index)
            ended = kept.current.ended if kept.current is not None else None
        finally:
            for contender in self.contenders:
                contender.reveal()
            await self._session.answering.release(self._store, self.conversation, ended)
        return kept

    # Inside -------------------------------------------------------------------------------------------------

    async def _run(self) -> TurnEnded:
        stopped = False
        placing = asyncio.ensure_future(on_database(self._store.database, self._place))
        try:
            try:
                messages = await asyncio.shield(placing)
            except asyncio.CancelledError:
                stopped, messages = True, await placing
        except BaseException as exc:
            self._placed.set_exception(exc)
            raise
        self._placed.set_result(None)
        tasks = [
            asyncio.create_task(self._turn(contender, message).run())
            for contender, message in zip(self.contenders, messages, strict=True)
        ]
        pricing = asyncio.create_task(self._price())
        if stopped:  # once each has begun, so that it ends in order
            asyncio.get_running_loop().call_soon(_cancel, tasks)
        while pending := [task for task in tasks if not task.done()]:
            try:
                await asyncio.wait(pending)
            except asyncio.CancelledError:
                _cancel(pending)
        pricing.cancel()
        for contender, task in zip(self.contenders, tasks, strict=True):
            if not task.cancelled() and (error := task.exception()) is not None:
                contender.error = error if isinstance(error, EiError) else EiError("Something went wrong in ei itself.")
        return tasks[0].result()

    def _place(self) -> tuple[Message, ...]:
        """Creates all replies in the database, in the order of the columns. Runs on its thread."""
        store, name = self._store, self._speaker.name
        made: list[Message] = []
        for contender in self.contenders:
            found = contender.resolution
            fields = Extra(
                model=str(found.model),
                reference=found.reference,
                resolved_by=found.rank.value,
                lease_owner=self._session.services.lease_owner,
                lease_ms=LEASE_MS,
                private=stays(self._owner, self._speaker),
            )
            beside = made[0] if made else self._before
            if beside is None:
                made.append(after(self.asked)(store, name, fields))
            else:
                made.append(store.add_variant(beside.id, (), State.STREAMING, author=name, **fields))
        # Where it all ends here, the conversation goes on with what was there.
        store.choose(self._conversation.head if self._before and self._conversation.head else made[0].id)
        return tuple(made)

    def _turn(self, contender: Contender, message: Message) -> Turn:
        plan = TurnPlan(
            self._store,
            self._conversation,
            self._owner,
            self._speaker,
            contender.resolution,
            interaction_of(self._owner, self._speaker),
            "compare",
            lambda: message,
            parameters=self._session.parameters_now(self._speaker.name),
            compared=self.group,
            blind=self.blind,
        )
        contender.message = message
        contender.turn = Turn(self._session.services, plan, contender.take)
        return contender.turn

    async def _price(self) -> None:
        """Finds out what each costs as soon as it is known how much was sent."""
        waiting = list(self.contenders)
        services = self._session.services
        while waiting:
            for contender in waiting.copy():
                sent = contender.turn.sent_tokens if contender.turn is not None else None
                if sent is None and not contender.over:
                    continue
                waiting.remove(contender)
                model = contender.resolution.model
                first = await asyncio.to_thread(cost_of_call, services, model, Usage(sent, output_tokens=0))
                much = await asyncio.to_thread(cost_of_call, services, model, Usage(sent, output_tokens=PRICED_AS))
                if first is not None and much is not None:
                    contender.price = (first, much - first)
            await asyncio.sleep(0.1)

    async def _settled(self, index: int | None) -> Kept:
        session, store = self._session, self._store
        now = await on_database(store.database, store.get, self.conversation)
        ours = {contender.message.id for contender in self.contenders if contender.message is not None}
        if now.head not in {*ours, self._conversation.head, self.asked.id}:
            return Kept(None, elsewhere=True)
        current = self._current(index)
        message = None if current is None else current.message
        head = message.id if message is not None else self._conversation.head
        if head is not None:
            await on_database(store.database, store.choose, head)
        complete = current is not None and current.state == "complete"
        model = str(current.resolution.model) if current is not None and complete else self._conversation.last_model
        await on_database(store.database, store.set_last_model, self.conversation, model)
        if index is not None and message is not None and store is session.services.conversations:
            await session.on_main(session.services.calls.mark_chosen, self.group, message.id)
        if session.store is store and session.conversation is not None and session.conversation.id == self.conversation:
            await session.moved()
        return Kept(current, picked=index is not None)

    def _current(self, index: int | None) -> Contender | None:
        if index is not None:
            return self.contenders[index]
        if self._before is not None:
            return None
        complete = [contender for contender in self.contenders if contender.state == "complete" and contender.pickable]
        pickable = [contender for contender in self.contenders if contender.pickable]
        return next(iter([*complete, *pickable, *self.contenders]))


async def compare(
    session: Session,
    written: Sequence[object],
    text: str = "",
    *,
    blind: bool = False,
    shuffle: Callable[[MutableSequence[Any]], None] = random.shuffle,
) -> Comparison:
    """Has the last message of the person, or `text`, answered by the models that the references mean.

    Everything is checked before anything is kept or sent. shuffle: puts them in another order, where their names are
    hidden. Raises UsageError, ConfigError, ProviderError, StorageError; CancelledError where the person does not want
    it at the price, NeedsAnswerError where nobody could be asked about that.
    """
    if not FEWEST <= len(written) <= MOST:
        raise UsageError(
            "Too many models to compare." if len(written) > MOST else "Comparing takes two models or more.",
            f"Name {FEWEST} to {MOST}: /compare SPEC SPEC, or with a text of your own: /compare SPEC SPEC -- TEXT",
        )
    if not text and session.conversation is None:
        raise UsageError("There is nothing to ask yet.", "Give the text too: /compare SPEC SPEC -- TEXT")
    if session.conversation is not None:
        await idle(session)
    asked = None if text else await last_of(session, "user")
    speaker = session.services.library.get(asked.to) if asked is not None and asked.to else session.persona
    found = await resolved(session, written, speaker)
    if blind:
        shuffle(found)
    contenders = [Contender(one, chr(ord("A") + number), blind=blind) for number, one in enumerate(found)]
    replied = await _reply_to(session, await session.here(), asked) if asked is not None else None
    await agree_to_all(session, found, speaker, interaction_of(session.persona, speaker), text, replied)
    if asked is None:
        asked = await session.answering.keep(text)
    conversation = await session.db(session.store.get, asked.conversation)
    before = await _reply_to(session, conversation, asked)
    comparison = Comparison(session, conversation, asked, before, speaker, contenders, blind=blind)
    session.answering.hold(conversation.id, comparison.work)
    try:
        await comparison.placed()
        await session.moved()
    except EiError:
        comparison.stop()
        await comparison.ended()
        await session.answering.release(session.store, conversation.id, None)
        raise
    return comparison


async def resolved(session: Session, written: Sequence[object], speaker: Persona) -> list[Resolution]:
    """What each reference means, without its fallbacks: another model must not answer in its place.

    Raises UsageError for one that cannot be read and for two that mean the same; ProviderError where nothing can be
    sent, PrivateError where it must not be.
    """
    services = session.services
    private = await session.privacy(speaker)
    named = partial(services.chooser.named, private=bool(private))
    interaction = interaction_of(session.persona, speaker)
    out: list[Resolution] = []
    seen: dict[tuple[str, str], str] = {}
    for one in written:
        found = await asyncio.to_thread(named, one, speaker, interaction)
        services.gate.check(found.model.provider, found.model.model, private=private)
        if problem := not_ready(services.chooser.connection(found.model.provider)):
            raise problem
        same = (str(found.model), found.profile.id if found.profile is not None else "")
        if same in seen:
            raise UsageError(
                f"{found.reference} is named twice."
                if seen[same] == found.reference
                else f"{seen[same]} and {found.reference} are both {found.model}.",
                "Name models that differ; /retry has one answer several times.",
            )
        seen[same] = found.reference
        out.append(replace(found, fallback=()))
    return out


def interaction_of(owner: Persona, speaker: Persona) -> Interaction:
    return REASONING if speaker.name == owner.name else SUBAGENTS


async def _reply_to(session: Session, conversation: Conversation, asked: Message) -> Message | None:
    """The reply to `asked` on the current path, None where there is none."""
    after_it: Message | None = None
    before: str | None = None
    while conversation.head != asked.id:
        page = await session.db(session.store.path, conversation.id, limit=20, before=before)
        for message in reversed(page):
            if message.id == asked.id:
                return after_it
            after_it = message
        if len(page) < 20:
            return None
        before = page[0].id
    return None


def _cancel(tasks: Sequence[asyncio.Task[TurnEnded]]) -> None:
    for task in tasks:
        task.cancel()
