"""One person's session: which persona is in front, what is being answered, what waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ParamSpec, TypeVar

from ei.conversations.store import ConversationStore
from ei.conversations.values import Conversation, Message, State
from ei.conversations.writing import Extra
from ei.engine import again
from ei.engine.choice import LAST_USED
from ei.engine.events import (
    Elsewhere,
    Event,
    GivenBack,
    Leave,
    MessageSent,
    Opened,
    QueueChanged,
    Refused,
    SettingsChanged,
    Told,
    TurnEnded,
    TurnInfo,
    TurnStarted,
)
from ei.engine.services import Services, on_database
from ei.engine.turn import LEASE_MS, Turn, TurnPlan
from ei.errors import EiError, HeadMovedError, NotFoundError, StorageError, UsageError
from ei.messages import Role, TextPart
from ei.models.interactions import REASONING, Interaction
from ei.models.metadata import known_context
from ei.models.reference import ModelId
from ei.models.resolve import Rank, Resolution
from ei.personas.values import Persona
from ei.storage.database import Database
from ei.storage.state import ACTIVE_PERSONA

P = ParamSpec("P")
T = TypeVar("T")
Place = Callable[[ConversationStore, str, Extra], Message]

POLL_SECONDS = 0.5
RECAP = 200
UNASKED = frozenset({Rank.GLOBAL.value, Rank.OLLAMA.value, Rank.COMPANION.value})
"""Steps that choose where nobody chose: what they found is not remembered as the model used last."""
TRIES = 8


@dataclass(frozen=True, slots=True)
class Running:
    """A reply under way."""

    info: TurnInfo | None
    task: asyncio.Task[TurnEnded]


class Session:
    """Everything a person does goes through here; what happens is published to the listeners, in order.

    Methods that take text raise before anything was sent when it could not be kept, so that the caller still has it.
    """

    def __init__(self, services: Services, persona: Persona) -> None:
        self.services = services
        self.persona = persona
        self.conversation: Conversation | None = None
        self.store: ConversationStore = services.conversations
        self.incognito = False
        self.unread: dict[str, int] = {}
        self.context_tokens: int | None = None
        self.request: object | None = None
        self.known_models: dict[str, tuple[str, ...]] = {}
        self.listed: tuple[str, ...] = ()
        self.last_search: tuple[str, int, str | None] | None = None
        self._listeners: list[Callable[[Event], None]] = []
        self._running: dict[str, Running] = {}
        self._pending_once: object | None = None
        self._waiters: dict[str, asyncio.Task[None]] = {}
        self._seen_head: dict[str, str | None] = {}
        self._companion_told = False
        self._closing = False
        self._told: dict[str, set[str]] = {}
        self._private: Database | None = None

    # Listening ----------------------------------------------------------------------------------------------

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Calls `listener` with every event from now on, in order, in the event loop's thread."""
        self._listeners.append(listener)

    def publish(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)

    def tell(self, text: str, style: str = "dim") -> None:
        self.publish(Told(text, style))

    # Where the person is ------------------------------------------------------------------------------------

    async def open(self, persona: str | None = None, conversation: str | None = None) -> None:
        """Goes where the person left, or to that persona's current conversation, or to that conversation."""
        if conversation:
            await self.resume(conversation)
            return
        if persona:
            await self.switch(persona)
            return
        await self._front(self.persona, await self.db(self.store.current, self.persona.name))

    async def switch(self, name: str) -> None:
        """Brings another persona to the front with its current conversation. Raises UsageError, ConfigError."""
        persona = self.services.library.find(name)
        await self._front(persona, await self.db(self.store.current, persona.name))

    async def resume(self, id: str) -> Conversation:
        """Brings a conversation to the front, by its id or the last characters of it. Raises NotFoundError."""
        conversation = await self.db(self.store.find, id)
        persona = self.persona_of(conversation)
        await self.db(self.store.set_current, persona.name, conversation.id)
        await self._front(persona, conversation)
        return conversation

    async def join(self, id: str) -> Conversation:
        """Goes on in a conversation for one question, without making it the one that is opened next time.

        Raises NotFoundError. What waits there in another terminal's queue stays there.
        """
        conversation = await self.db(self.store.find, id)
        self.persona, self.conversation = self.persona_of(conversation), conversation
        self._seen_head[conversation.id] = conversation.head
        await self._say_what_changed(conversation)
        return conversation

    async def fresh(self) -> None:
        """Starts anew with this persona; the conversation before stays in the history."""
        await self.db(self.store.leave_current, self.persona.name)
        await self._front(self.persona, None)

    async def set_incognito(self, on: bool) -> None:
        """Talks without saving anything: the same store over a database in memory, gone when it ends."""
        if on == self.incognito:
            return
        if on:
            self._private = Database(None)
            self.store = ConversationStore(self._private)
        else:
            for running in list(self._running.values()):
                running.task.cancel()
            await asyncio.gather(*(running.task for running in self._running.values()), return_exceptions=True)
            self.store = self.services.conversations
            if self._private is not None:
                self._private.close()
                self._private = None
        self.incognito = on
        await self._front(self.persona, None if on else await self.db(self.store.current, self.persona.name))

    def persona_of(self, conversation: Conversation) -> Persona:
        """Who a conversation is with. Raises UsageError that says how to go on where that persona is not here."""
        name, library = conversation.persona, self.services.library
        try:
            return library.get(name)
        except UsageError as exc:
            archived = any(entry.name == name for entry in library.archived())
            hint = (
                f"/persona restore {name} brings {name} back."
                if archived
                else f"To go on, make a persona of that name: /persona new {name}. "
                f"To read it, in a shell: ei history {conversation.id[-8:]}"
            )
            raise UsageError(f"This conversation is with {name}, who is not here.", hint) from exc

    async def refresh(self) -> None:
        """Reads persona and conversation anew: files edited by hand and other terminals are noticed here."""
        self.persona = self.services.library.get(self.persona.name)
        if self.conversation is not None:
            try:
                self.conversation = await self.db(self.store.get, self.conversation.id)
            except NotFoundError as exc:
                await self._front(self.persona, None)
                raise UsageError(
                    "This conversation was deleted in another terminal.", "What you say next begins a new one."
                ) from exc

    async def moved(self) -> None:
        """Takes note that a command moved the head of the conversation in front."""
        await self.refresh()
        if self.conversation is not None:
            self._seen_head[self.conversation.id] = self.conversation.head

    # Talking ------------------------------------------------------------------------------------------------

    async def send(self, text: str, to: str = "") -> None:
        """Keeps a message and has it answered; while a reply is under way it is queued instead.

        to: name of the guest who is asked, "" for the conversation's own persona. Raises StorageError when it
        cannot be kept: nothing was sent then.
        """
        await self.refresh()
        speaker = self.services.library.find(to) if to else self.persona
        conversation = await self.ensure_conversation()
        parts = (TextPart(text),)
        guest = speaker.name if speaker.name != self.persona.name else ""
        if await self.busy(conversation.id):
            owner = self.services.lease_owner
            await self.db(self.store.queue, conversation.id, parts, to=guest, lease_owner=owner)
            await self._publish_queue(conversation.id)
            self._wait_for(conversation.id)
            return
        message = await self._append(conversation.id, parts, guest)
        self.publish(MessageSent(message))
        self._start(message.conversation, self.persona, speaker, "guest" if guest else "message", _after(message))

    async def busy(self, conversation: str) -> bool:
        """Whether a reply is under way in that conversation, here or in another terminal."""
        if conversation in self._running:
            return True
        return await self.db(self.store.streaming, conversation) is not None

    def stop(self, conversation: str | None = None) -> bool:
        """Stops the reply of the conversation in front (or that one). False when none was under way."""
        id = conversation or (self.conversation.id if self.conversation else "")
        running = self._running.get(id)
        if running is None:
            return False
        running.task.cancel()
        return True

    async def give_back(self, *, left_by_others: bool = False) -> str:
        """Takes what waits in the conversation in front out of the queue and returns its text.

        left_by_others: also what another ei queued there; while that one runs, it sends its own.
        """
        if self.conversation is None:
            return ""
        owner = None if left_by_others else self.services.lease_owner
        waiting = await self.db(self.store.queued, self.conversation.id, owner)
        for message in waiting:
            await self.db(self.store.unqueue, message.id)
        if waiting:
            self.publish(QueueChanged(self.conversation.id, ()))
        return "\n".join(f"@{message.to} {message.text}" if message.to else message.text for message in waiting)

    def once(self, reference: object) -> None:
        """Chooses a model for the next reply only."""
        self._pending_once = reference

    @property
    def pending_once(self) -> object | None:
        return self._pending_once

    def running(self) -> dict[str, Running]:
        """Replies under way by conversation."""
        return dict(self._running)

    async def finished(self, conversation: str) -> TurnEnded:
        """Waits for the reply under way in that conversation. Raises NotFoundError when there is none."""
        running = self._running.get(conversation)
        if running is None:
            raise NotFoundError("No reply is under way.")
        return await asyncio.shield(running.task)

    async def close(self) -> None:
        """Stops what runs, keeping its text and what waits, and lets go of what was opened for it."""
        self._closing = True
        for waiter in self._waiters.values():
            waiter.cancel()
        tasks = [running.task for running in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._waiters.values(), return_exceptions=True)
        if self._private is not None:
            self._private.close()

    # For the commands ------------------------------------------------------------------------------------------

    async def here(self) -> Conversation:
        """The conversation in front. Raises UsageError when nothing was said yet."""
        if self.conversation is None:
            raise UsageError("There is nothing here yet.", "Say something first, or go back with /history.")
        return self.conversation

    async def retry(self, written: object | None) -> None:
        await again.retry(self, written)

    async def go_on(self) -> None:
        await again.go_on(self)

    async def edit(self, text: str) -> None:
        await again.edit(self, text)

    async def idle(self) -> None:
        await again.idle(self)

    async def last_of(self, role: Role | None) -> Message:
        return await again.last_of(self, role)

    async def preview(self) -> again.Preview:
        return await again.preview(self)

    async def sent(self, message: Message) -> None:
        """Shows a message of the person that was put into the conversation in front."""
        self._seen_head[message.conversation] = message.id
        await self.refresh()
        self.publish(MessageSent(message))

    def after(self, message: Message) -> Place:
        """Places a reply behind `message`."""
        return _after(message)

    async def show_recap(self, count: int) -> None:
        """Shows the newest messages of the conversation in front again."""
        conversation = await self.here()
        self._seen_head[conversation.id] = conversation.head
        self.publish(Elsewhere(conversation.id, await self.db(self.store.path, conversation.id, limit=count)))

    async def next_of(self, personas: Sequence[Persona]) -> Persona:
        """Who comes to the front where the one who was there is gone: whom the person talked with last."""
        talks = await self.on_main(self.services.conversations.stats)
        return max(personas, key=lambda p: (talks[p.name].last_talk_ms or 0) if p.name in talks else 0)

    async def after_deletion(self) -> None:
        """Goes on in what is left."""
        library = self.services.library
        try:
            self.persona = library.get(self.persona.name)
        except EiError:
            self.persona = await self.next_of(library.personas())
        conversation = self.conversation
        if conversation is not None:
            try:
                conversation = await self.db(self.store.get, conversation.id)
            except NotFoundError:
                conversation = await self.db(self.store.current, self.persona.name)
        await self._front(self.persona, conversation)

    async def recent_models(self) -> tuple[str, ...]:
        """References that answered lately, newest first."""
        calls = await on_database(self.services.database, self.services.calls.calls, limit=500)
        return tuple(dict.fromkeys(f"{call.provider}:{call.model}" for call in calls if call.outcome == "complete"))

    async def on_main(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a store's method on the main database, also while the conversation is in memory only."""
        return await on_database(self.services.database, work, *args, **kwargs)

    async def context_limit(self) -> int | None:
        """The context in tokens of the model that answered last in front, None where nobody said."""
        if self.context_tokens is None or self.conversation is None or not self.conversation.last_model:
            return None
        provider, _, model = self.conversation.last_model.partition(":")
        learned = await self.on_main(self.services.learned.get, self.conversation.last_model)
        seen = learned.get("context")
        return seen if isinstance(seen, int) else await asyncio.to_thread(known_context, ModelId(provider, model))

    def settings_changed(self) -> None:
        """Tells whoever draws that settings may look different now."""
        self.publish(SettingsChanged())

    async def answer(
        self,
        speaker: Persona,
        trigger: str,
        place: Place,
        *,
        asked: str = "",
        request: object = None,
    ) -> None:
        """Starts a reply in the conversation in front that `place` puts where it belongs."""
        assert self.conversation is not None
        self._start(self.conversation.id, self.persona, speaker, trigger, place, asked=asked, request=request)

    async def resolution(self, persona: Persona | None = None, interaction: Interaction = REASONING) -> Resolution:
        """The model that would answer now."""
        persona = persona or self.persona
        conversation = self.conversation if persona.name == self.persona.name else None
        return await self.services.chooser.resolve(persona, conversation, interaction, self.request)

    def leave(self) -> None:
        self.publish(Leave())

    # Inside -------------------------------------------------------------------------------------------------

    async def db(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a store's method on the database of the conversations in use."""
        return await on_database(self.store.database, work, *args, **kwargs)

    async def _front(self, persona: Persona, conversation: Conversation | None) -> None:
        self.persona, self.conversation = persona, conversation
        self._pending_once, self.context_tokens = None, None
        if not self.incognito:
            await on_database(self.services.database, self.services.state.set, ACTIVE_PERSONA, persona.name)
        recap: tuple[Message, ...] = ()
        if conversation is not None:
            recap = await self.db(self.store.path, conversation.id, limit=RECAP)
            self._seen_head[conversation.id] = conversation.head
            await self.db(self.store.mark_read, conversation.id)
        await self._count_unread()
        self.publish(
            Opened(
                persona.name,
                conversation.id if conversation else None,
                recap,
                conversation.messages if conversation else 0,
            )
        )
        if conversation is not None:
            await self._say_what_changed(conversation)
            await self._bring_back_queue(conversation.id)

    async def _say_what_changed(self, conversation: Conversation) -> None:
        """One line when another model would answer now, before anything is spent."""
        if not conversation.last_model:
            return
        try:
            now = await self.resolution()
        except EiError as exc:
            self.tell(str(exc), "warn")
            return
        if str(now.model) != conversation.last_model:
            self.tell(
                f"{conversation.last_model} answered here last; {now.model} would answer now ({now.where}).", "warn"
            )

    async def _bring_back_queue(self, conversation: str) -> None:
        # What waited when another ei ended is the person's to send: sending it unasked could cost money.
        # Where nobody listens (a command of the shell) it could only be lost.
        if not self._listeners or conversation in self._running:
            return
        if not await self.db(self.store.queued, conversation):
            return
        if await self.busy(conversation):
            await self._publish_queue(conversation)
            self._wait_for(conversation)
            return
        text = await self.give_back(left_by_others=True)
        self.publish(GivenBack(text))
        self.tell("A message that was waiting is back on the input line.")

    async def ensure_conversation(self) -> Conversation:
        """The conversation in front, begun now where there was none."""
        if self.conversation is None:
            conversation = await self.db(self.store.create, self.persona.name)
            await self.db(self.store.set_current, self.persona.name, conversation.id)
            self._seen_head[conversation.id] = None
            self.conversation = conversation
        return self.conversation

    async def _append(self, conversation: str, parts: tuple[TextPart, ...], to: str) -> Message:
        for _ in range(TRIES):
            current = await self.db(self.store.get, conversation)
            await self._catch_up(current)
            try:
                message = await self.db(self.store.append, conversation, current.head, "user", "", parts, to=to)
            except HeadMovedError:
                continue
            self._seen_head[conversation] = message.id
            return message
        raise StorageError("Another terminal keeps writing to this conversation.", "Try again in a moment.")

    async def _catch_up(self, current: Conversation) -> None:
        """Shows what another terminal added to this conversation meanwhile."""
        seen = self._seen_head.get(current.id, current.head)
        if seen == current.head:
            return
        path = await self.db(self.store.path, current.id, limit=RECAP)
        ids = [message.id for message in path]
        new = path[ids.index(seen) + 1 :] if seen in ids else path
        self._seen_head[current.id] = current.head
        self.publish(Elsewhere(current.id, new))

    def _start(
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
            request, self._pending_once = self._pending_once or self.request, None
        task = asyncio.create_task(self._answer(conversation, owner, speaker, trigger, place, asked, request))
        self._running[conversation] = Running(None, task)
        task.add_done_callback(_retrieve)

    async def _answer(
        self, id: str, owner: Persona, speaker: Persona, trigger: str, place: Place, asked: str, request: object
    ) -> TurnEnded:
        store = self.store
        ended: TurnEnded | None = None
        try:
            conversation = await on_database(store.database, store.get, id)
            own = conversation if speaker.name == owner.name else None
            resolution = await self.services.chooser.resolve(speaker, own, REASONING, request)
            self._tell_companion(resolution, speaker)
            fields = Extra(
                model=str(resolution.model),
                reference=resolution.reference,
                resolved_by=resolution.rank.value,
                lease_owner=self.services.lease_owner,
                lease_ms=LEASE_MS,
            )
            plan = TurnPlan(
                store,
                conversation,
                owner,
                speaker,
                resolution,
                REASONING,
                trigger,
                lambda: place(store, speaker.name, fields),
                asked,
            )
            turn = Turn(self.services, plan, self._publish_turn, self._told.setdefault(id, set()))
            ended = await turn.run()
            return ended
        except EiError as exc:
            self.publish(Refused(id, speaker.name, exc))
            raise
        finally:
            self._running.pop(id, None)
            await self._after_reply(store, id, ended)

    def _publish_turn(self, event: Event) -> None:
        match event:
            case TurnStarted(turn):
                running = self._running.get(turn.conversation)
                if running is not None:
                    self._running[turn.conversation] = replace(running, info=turn)
            case TurnEnded(turn, _, outcome):
                if self.conversation is not None and turn.conversation == self.conversation.id:
                    usage = outcome.usage
                    if usage.input_tokens is not None and usage.output_tokens is not None:
                        self.context_tokens = usage.input_tokens + usage.output_tokens
        self.publish(event)

    async def _after_reply(self, store: ConversationStore, id: str, ended: TurnEnded | None) -> None:
        if store is not self.store:
            return
        try:
            complete = ended is not None and ended.message.state is State.COMPLETE
            if complete and ended is not None and not self.incognito and ended.turn.resolved_by not in UNASKED:
                await on_database(self.services.database, self.services.state.set, LAST_USED, ended.turn.model)
            if self.conversation is not None and self.conversation.id == id:
                await self.refresh()
                assert self.conversation is not None
                self._seen_head[id] = self.conversation.head
                await self.db(store.mark_read, id)
            await self._count_unread()
            await self._next_in_queue(id, complete)
        except EiError as exc:
            self.tell(str(exc), "error")

    async def _next_in_queue(self, id: str, complete: bool) -> None:
        waiting = await self.db(self.store.queued, id, self.services.lease_owner)
        if not waiting or self._closing:
            return
        if not complete:
            if self.conversation is not None and self.conversation.id == id:
                self.publish(GivenBack(await self.give_back()))
            return
        conversation = await self.db(self.store.get, id)
        message = await self.db(self.store.send_queued, waiting[0].id, conversation.head)
        self._seen_head[id] = message.id
        owner = self.persona_of(conversation)
        speaker = self.services.library.find(message.to) if message.to else owner
        await self._publish_queue(id)
        self.publish(MessageSent(message))
        self._start(id, owner, speaker, "guest" if message.to else "message", _after(message))

    def _wait_for(self, conversation: str) -> None:
        """Sends what waits once a reply that another terminal streams has ended."""
        if conversation in self._running or conversation in self._waiters:
            return

        async def wait() -> None:
            try:
                while await self.busy(conversation):
                    await asyncio.sleep(POLL_SECONDS)
                    await self.db(self.store.reclaim)
                current = await self.db(self.store.get, conversation)
                await self._catch_up(current)
                await self._next_in_queue(conversation, True)
            except EiError as exc:
                self.tell(str(exc), "error")
            finally:
                self._waiters.pop(conversation, None)

        self._waiters[conversation] = asyncio.create_task(wait())

    async def _publish_queue(self, conversation: str) -> None:
        self.publish(QueueChanged(conversation, await self.db(self.store.queued, conversation)))

    async def _count_unread(self) -> None:
        self.unread = {} if self.incognito else await self.db(self.store.unread)
        if self.conversation is not None:
            self.unread.pop(self.persona.name, None)

    def _tell_companion(self, resolution: Resolution, speaker: Persona) -> None:
        if resolution.rank is Rank.COMPANION and not self._companion_told:
            self._companion_told = True
            self.tell(
                f"No model is set and no local server answers, so {speaker.name} answers with the small built-in "
                "companion. For a real one: /model ollama:qwen3:8b, or set a key such as EI_OPENAI_API_KEY and "
                "/model openai:MODEL. /model tells more.",
                "warn",
            )


def _after(message: Message) -> Place:
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


def _retrieve(task: asyncio.Task[TurnEnded]) -> None:
    # The error was published already; asking for it keeps asyncio from logging it a second time.
    if not task.cancelled():
        task.exception()
