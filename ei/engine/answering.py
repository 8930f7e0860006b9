"""Replies under way: one at a time in a conversation, in several conversations at once; and what waits for them."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ei.conversations.store import ConversationStore
from ei.conversations.values import Conversation, Message, State
from ei.conversations.writing import Extra
from ei.engine.choice import LAST_USED
from ei.engine.events import (
    Elsewhere,
    Event,
    GivenBack,
    MessageSent,
    QueueChanged,
    Refused,
    TurnEnded,
    TurnInfo,
    TurnReasoning,
    TurnStarted,
    TurnSwitched,
    TurnText,
)
from ei.engine.privacy import is_private, stays
from ei.engine.services import on_database
from ei.engine.turn import LEASE_MS, Turn, TurnPlan
from ei.errors import EiError, HeadMovedError, NotFoundError, StorageError
from ei.messages import TextPart
from ei.models.interactions import REASONING, SUBAGENTS
from ei.models.reference import ModelId
from ei.models.resolve import Rank, Resolution
from ei.personas.values import Persona

if TYPE_CHECKING:
    from ei.engine.session import Session

Place = Callable[[ConversationStore, str, Extra], Message]
"""(store, speaker, fields) -> the message of a reply, created where it belongs."""

POLL_SECONDS = 0.5
UNASKED = frozenset({Rank.GLOBAL.value, Rank.OLLAMA.value, Rank.COMPANION.value})
"""Steps that choose where nobody chose: what they found is not remembered as the model used last."""
CATCH_UP = 200
TRIES = 8


@dataclass(frozen=True, slots=True)
class Running:
    """A reply under way."""

    info: TurnInfo | None
    task: asyncio.Task[TurnEnded]


class Answering:
    """Starts, stops and follows replies for a session, and sends what was queued when they have ended."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.seen_head: dict[str, str | None] = {}
        self.next_request: object | None = None
        self._running: dict[str, Running] = {}
        self._held: set[str] = set()
        self._waiters: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[TurnEnded]] = set()
        self._told: dict[str, set[str]] = {}
        self._private_told: set[str] = set()
        self._companion_told = False
        self._closing = False
        self._sending = asyncio.Lock()

    async def send(self, text: str, to: str = "") -> None:
        """Keeps a message and has it answered; while a reply is under way it is queued instead.

        to: name of the guest who is asked, "" for the conversation's own persona. Raises StorageError when it
        cannot be kept: nothing was sent then.
        """
        session = self._session
        await session.refresh()
        speaker = session.services.library.find(to) if to else session.persona
        conversation = await session.ensure_conversation()
        parts = (TextPart(text),)
        guest = speaker.name if speaker.name != session.persona.name else ""
        owner = session.services.lease_owner
        before = await session.db(session.store.queued, conversation.id, owner)
        if before or await self.busy(conversation.id):
            private = stays(session.persona, speaker)
            await session.db(session.store.queue, conversation.id, parts, to=guest, lease_owner=owner, private=private)
            await self._tell_private(conversation.id, speaker)
            await self._publish_queue(conversation.id)
            self._wait_for(conversation.id)
            return
        message = await self._append(conversation.id, parts, guest, private=stays(session.persona, speaker))
        session.publish(MessageSent(message))
        await self._tell_private(message.conversation, speaker)
        self.start(message.conversation, session.persona, speaker, "guest" if guest else "message", after(message))

    async def busy(self, conversation: str) -> bool:
        """Whether a reply is under way in that conversation, here or in another terminal."""
        if conversation in self._running or conversation in self._held:
            return True
        return await self._session.db(self._session.store.streaming, conversation) is not None

    def stop(self, conversation: str | None = None) -> bool:
        """Stops the reply of the conversation in front (or that one). False when none was under way."""
        id = conversation or (self._session.conversation.id if self._session.conversation else "")
        running = self._running.get(id)
        if running is None:
            return False
        running.task.cancel()
        return True

    async def give_back(self, *, left_by_others: bool = False) -> str:
        """Takes what waits in the conversation in front out of the queue and returns its text.

        left_by_others: also what another ei queued there; while that one runs, it sends its own.
        """
        session = self._session
        if session.conversation is None:
            return ""
        owner = None if left_by_others else session.services.lease_owner
        waiting = await session.db(session.store.queued, session.conversation.id, owner)
        for message in waiting:
            await session.db(session.store.unqueue, message.id)
        if waiting:
            session.publish(QueueChanged(session.conversation.id, ()))
        return "\n".join(f"@{message.to} {message.text}" if message.to else message.text for message in waiting)

    def running(self) -> dict[str, Running]:
        """Replies under way by conversation."""
        return dict(self._running)

    async def finished(self, conversation: str) -> TurnEnded:
        """Waits for the reply under way in that conversation. Raises NotFoundError when there is none."""
        running = self._running.get(conversation)
        if running is None:
            raise NotFoundError("No reply is under way.")
        return await asyncio.shield(running.task)

    async def keep(self, text: str) -> Message:
        """Keeps a message of the person in the conversation in front without having it answered, and shows it."""
        conversation = await self._session.ensure_conversation()
        message = await self._append(conversation.id, (TextPart(text),), "", private=stays(self._session.persona))
        self._session.publish(MessageSent(message))
        return message

    def hold(self, conversation: str, work: asyncio.Task[TurnEnded]) -> None:
        """Takes a conversation for busy until `release`. work: can be stopped like a reply until it ends by itself."""
        self._held.add(conversation)
        self._running[conversation] = Running(None, work)
        self._tasks.add(work)
        work.add_done_callback(self._tasks.discard)
        work.add_done_callback(_retrieve)
        work.add_done_callback(lambda _: self._running.pop(conversation, None))

    async def release(self, store: ConversationStore, conversation: str, ended: TurnEnded | None) -> None:
        """Ends what `hold` began; what waits is sent where a reply ended well.

        ended: the reply to go on with, which is told now from its beginning; None where nothing new is to be shown.
        """
        self._running.pop(conversation, None)
        if ended is not None:
            turn, message = ended.turn, ended.message
            self._publish_turn(TurnStarted(turn))
            if message.reasoning:
                self._publish_turn(TurnReasoning(turn, message.reasoning))
            if message.text:
                self._publish_turn(TurnText(turn, message.text))
            self._publish_turn(ended)
        self._held.discard(conversation)
        await self._after_reply(store, conversation, ended)

    async def stop_all(self) -> None:
        """Stops every reply, keeping its text."""
        tasks = [running.task for running in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Stops what runs, keeping its text and what waits."""
        self._closing = True
        for waiter in self._waiters.values():
            waiter.cancel()
        await self.stop_all()
        await asyncio.gather(*self._tasks, *self._waiters.values(), return_exceptions=True)

    async def bring_back_queue(self, conversation: str) -> None:
        session = self._session
        # What waited when another ei ended is the person's to send: sending it unasked could cost money.
        # Where nobody listens (a command of the shell) it could only be lost.
        if not session.heard or conversation in self._running:
            return
        if not await session.db(session.store.queued, conversation):
            return
        if await self.busy(conversation):
            await self._publish_queue(conversation)
            self._wait_for(conversation)
            return
        text = await self.give_back(left_by_others=True)
        session.publish(GivenBack(text))
        session.tell("A message that was waiting is back on the input line.")

    async def _append(self, conversation: str, parts: tuple[TextPart, ...], to: str, *, private: bool) -> Message:
        session = self._session
        for _ in range(TRIES):
            current = await session.db(session.store.get, conversation)
            await self.catch_up(current)
            try:
                message = await session.db(
                    session.store.append, conversation, current.head, "user", "", parts, to=to, private=private
                )
            except HeadMovedError:
                continue
            self.seen_head[conversation] = message.id
            return message
        raise StorageError("Another terminal keeps writing to this conversation.", "Try again in a moment.")

    async def _send_queued(self, conversation: str, id: str) -> Message:
        session = self._session
        for _ in range(TRIES):
            current = await session.db(session.store.get, conversation)
            try:
                return await session.db(session.store.send_queued, id, current.head)
            except HeadMovedError:
                continue
        raise StorageError("Another terminal keeps writing to this conversation.", "Your message waits; try again.")

    async def catch_up(self, current: Conversation) -> bool:
        """Shows what another terminal added to this conversation meanwhile; False when nothing was added."""
        session = self._session
        seen = self.seen_head.get(current.id, current.head)
        if seen == current.head:
            return False
        path = await session.db(session.store.path, current.id, limit=CATCH_UP)
        ids = [message.id for message in path]
        new = path[ids.index(seen) + 1 :] if seen in ids else path
        self.seen_head[current.id] = current.head
        session.publish(Elsewhere(current.id, new))
        return True

    def start(
        self,
        conversation: str,
        owner: Persona,
        speaker: Persona,
        trigger: str,
        place: Place,
        *,
        asked: str = "",
        request: object = None,
    ) -> None:
        if request is None:
            request, self.next_request = self.next_request or self._session.request, None
        task = asyncio.create_task(self._answer(conversation, owner, speaker, trigger, place, asked, request))
        self._running[conversation] = Running(None, task)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_retrieve)

    async def _answer(
        self, id: str, owner: Persona, speaker: Persona, trigger: str, place: Place, asked: str, request: object
    ) -> TurnEnded:
        session = self._session
        store = session.store
        ended: TurnEnded | None = None
        try:
            conversation = await on_database(store.database, store.get, id)
            own = conversation if speaker.name == owner.name else None
            interaction = REASONING if own is not None else SUBAGENTS
            services = session.services
            private = await is_private(services, store, id, (owner, speaker))
            resolution = await services.chooser.resolve(speaker, own, interaction, request, private=bool(private))
            # Here already: a reply that nobody was asked for is none. It is asked again before anything is sent.
            services.gate.check(resolution.model.provider, resolution.model.model, private=private)
            self._tell_companion(resolution, speaker)
            fields = Extra(
                model=str(resolution.model),
                reference=resolution.reference,
                resolved_by=resolution.rank.value,
                lease_owner=session.services.lease_owner,
                lease_ms=LEASE_MS,
                private=stays(owner, speaker),
            )
            plan = TurnPlan(
                store,
                conversation,
                owner,
                speaker,
                resolution,
                interaction,
                trigger,
                lambda: place(store, speaker.name, fields),
                asked,
                session.parameters_now(speaker.name),
                may_cost_more=session.may_cost_more,
            )
            turn = Turn(session.services, plan, self._publish_turn, self._told.setdefault(id, set()))
            ended = await turn.run()
            return ended
        except asyncio.CancelledError:
            if not self._closing:
                session.tell(f"Stopped before {speaker.name} was asked. /retry asks again.")
            raise
        except Exception as exc:
            error = exc if isinstance(exc, EiError) else _unexpected(session, exc)
            session.publish(Refused(id, speaker.name, error))
            raise
        finally:
            self._running.pop(id, None)
            await self._after_reply(store, id, ended)

    def _publish_turn(self, event: Event) -> None:
        session = self._session
        match event:
            case TurnStarted(turn) | TurnSwitched(turn):
                running = self._running.get(turn.conversation)
                if running is not None:
                    self._running[turn.conversation] = replace(running, info=turn)
            case TurnEnded(turn, _, outcome):
                if session.conversation is not None and turn.conversation == session.conversation.id:
                    usage = outcome.usage
                    if usage.input_tokens is not None and usage.output_tokens is not None:
                        session.context_tokens = usage.input_tokens + usage.output_tokens
        session.publish(event)

    async def _after_reply(self, store: ConversationStore, id: str, ended: TurnEnded | None) -> None:
        session = self._session
        if store is not session.store:
            return
        try:
            complete = ended is not None and ended.message.state is State.COMPLETE
            chosen = ended is not None and ended.turn.resolved_by not in UNASKED and not ended.turn.instead_of
            if complete and ended is not None and chosen and not session.incognito:
                provider, _, name = ended.turn.model.partition(":")
                used = ModelId(provider, name).written
                await on_database(session.services.database, session.services.state.set, LAST_USED, used)
            if session.conversation is not None and session.conversation.id == id:
                await session.refresh()
                self.seen_head[id] = (await session.db(store.get, id)).head
                await session.db(store.mark_read, id)
            await session.count_unread()
            await self._next_in_queue(id, complete)
        except EiError as exc:
            session.tell(str(exc), "error")

    async def _next_in_queue(self, id: str, complete: bool) -> None:
        session = self._session
        async with self._sending:
            waiting = await session.db(session.store.queued, id, session.services.lease_owner)
            if not waiting or self._closing or id in self._running or id in self._held:
                return
            if not complete:
                if session.conversation is not None and session.conversation.id == id:
                    session.publish(GivenBack(await self.give_back()))
                return
            conversation = await session.db(session.store.get, id)
            message = await session.db(session.store.send_queued, waiting[0].id, conversation.head)
            self.seen_head[id] = message.id
            owner = session.persona_of(conversation)
            speaker = session.services.library.find(message.to) if message.to else owner
            await self._publish_queue(id)
            session.publish(MessageSent(message))
            self.start(id, owner, speaker, "guest" if message.to else "message", after(message))

    def _wait_for(self, conversation: str) -> None:
        """Sends what waits once a reply that another terminal streams has ended."""
        session = self._session
        if conversation in self._running or conversation in self._waiters:
            return

        async def wait() -> None:
            try:
                while await self.busy(conversation):
                    await asyncio.sleep(POLL_SECONDS)
                    await session.db(session.store.reclaim)
                current = await session.db(session.store.get, conversation)
                await self.catch_up(current)
                await self._next_in_queue(conversation, True)
            except EiError as exc:
                session.tell(str(exc), "error")
            finally:
                self._waiters.pop(conversation, None)

        self._waiters[conversation] = asyncio.create_task(wait())

    async def _publish_queue(self, conversation: str) -> None:
        session = self._session
        session.publish(QueueChanged(conversation, await session.db(session.store.queued, conversation)))

    async def _tell_private(self, conversation: str, speaker: Persona) -> None:
        """Says once that what a private guest is asked makes a whole conversation private."""
        session = self._session
        if not stays(speaker) or stays(session.persona) or conversation in self._private_told:
            return
        self._private_told.add(conversation)
        before = await session.db(session.store.keeping, conversation)
        if not before.marked and before.messages == 1:
            session.tell(
                f"{speaker.name} is private, so this conversation is from now on: it stays on this machine. /private",
                "warn",
            )

    def _tell_companion(self, resolution: Resolution, speaker: Persona) -> None:
        if resolution.rank is Rank.COMPANION and not self._companion_told:
            self._companion_told = True
            self._session.tell(
                f"No model is set and no local server answers, so {speaker.name} answers with the small built-in "
                "companion. For a real one: /model ollama:qwen3:8b, or set a key such as EI_OPENAI_API_KEY and "
                "/model openai:MODEL. /model tells more.",
                "warn",
            )


def after(message: Message) -> Place:
    """Places a reply behind the message it answers, or behind what another terminal put there meanwhile."""

    def place(store: ConversationStore, speaker: str, fields: Extra) -> Message:
        head: str | None = message.id
        for _ in range(TRIES):
            try:
                return store.append(message.conversation, head, "assistant", speaker, (), State.STREAMING, **fields)
            except HeadMovedError:
                head = store.get(message.conversation).head
        raise StorageError("Another terminal keeps writing to this conversation.", "Try /retry in a moment.")

    return place


def _unexpected(session: Session, exc: Exception) -> EiError:
    """The last line of defence: one sentence for the person, the rest for the log."""
    session.services.log("".join(traceback.format_exception(exc)))
    return EiError(f"Something went wrong in ei itself: {type(exc).__name__}.", "The details are in its log.")


def _retrieve(task: asyncio.Task[TurnEnded]) -> None:
    # The error was published already; asking for it keeps asyncio from logging it a second time.
    if not task.cancelled():
        task.exception()
