"""One person's session: which persona is in front, what is being answered, what waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import ParamSpec, TypeVar

from ei.conversations.store import ConversationStore
from ei.conversations.values import Conversation, Message
from ei.engine import again
from ei.engine.answering import Answering, Place, Running, after
from ei.engine.composing import learned_about
from ei.engine.contexts import loaded_context
from ei.engine.events import (
    Elsewhere,
    Event,
    Leave,
    MessageSent,
    Opened,
    Pulling,
    SettingsChanged,
    Told,
    TurnEnded,
)
from ei.engine.own import Privacy
from ei.engine.pricing import context_of
from ei.engine.privacy import is_private
from ei.engine.pulling import Pulls
from ei.engine.services import Services, on_database
from ei.errors import EiError, NotFoundError, UsageError
from ei.messages import Role
from ei.models.interactions import REASONING, Interaction
from ei.models.reference import ModelId
from ei.models.resolve import Resolution
from ei.personas.values import Persona
from ei.storage.database import Database
from ei.storage.state import ACTIVE_PERSONA

P = ParamSpec("P")
T = TypeVar("T")
RECAP = 200


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
        self.may_cost_more: Callable[[str, Sequence[str]], Awaitable[bool]] | None = None
        """Asks the person whether a model may answer that costs more than the one asked for; None: nobody can be."""
        self._parameters_now: dict[str, dict[str, object]] = {}
        self.known_models: dict[str, tuple[str, ...]] = {}
        self.listed: tuple[str, ...] = ()
        self.last_search: tuple[str, int, str | None] | None = None
        self._listeners: list[Callable[[Event], None]] = []
        self.answering = Answering(self)
        self.pulls = Pulls(services, lambda pull: self.publish(Pulling(pull)))
        self._private: Database | None = None

    # Listening ----------------------------------------------------------------------------------------------

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Calls `listener` with every event from now on, in order, in the event loop's thread."""
        self._listeners.append(listener)

    @property
    def heard(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

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
        self.answering.seen_head[conversation.id] = conversation.head
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
            await self.answering.stop_all()
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
        before = self.conversation
        if before is None:
            return
        try:
            now = await self.db(self.store.get, before.id)
        except NotFoundError as exc:
            if self._is_front(before.id):
                await self._front(self.persona, None)
            raise UsageError(
                "This conversation was deleted in another terminal.", "What you say next begins a new one."
            ) from exc
        # The person may have gone elsewhere while it was read.
        if self._is_front(now.id):
            self.conversation = now

    async def moved(self) -> None:
        """Takes note that a command moved the head of the conversation in front."""
        await self.refresh()
        if self.conversation is not None:
            self.answering.seen_head[self.conversation.id] = self.conversation.head

    # Talking ------------------------------------------------------------------------------------------------

    async def send(self, text: str, to: str = "") -> None:
        """As `Answering.send`."""
        await self.answering.send(text, to)

    async def busy(self, conversation: str) -> bool:
        """Whether a reply is under way in that conversation, here or in another terminal."""
        return await self.answering.busy(conversation)

    def stop(self, conversation: str | None = None) -> bool:
        """Stops the reply of the conversation in front (or that one). False when none was under way."""
        return self.answering.stop(conversation)

    async def give_back(self) -> str:
        """Takes what waits in the conversation in front out of the queue and returns its text."""
        return await self.answering.give_back()

    def running(self) -> dict[str, Running]:
        """Replies under way by conversation."""
        return self.answering.running()

    async def finished(self, conversation: str) -> TurnEnded:
        """Waits for the reply under way in that conversation. Raises NotFoundError when there is none."""
        return await self.answering.finished(conversation)

    def once(self, reference: object) -> None:
        """Chooses a model for the next reply only."""
        self.answering.next_request = reference

    def parameters_now(self, persona: str) -> Mapping[str, object]:
        """The parameters that this session alone sets for a persona, by our names."""
        return self._parameters_now.get(persona, {})

    def set_parameter_now(self, persona: str, name: str, value: object | None) -> None:
        """Sets one for the rest of this session; None clears it."""
        mine = {**self.parameters_now(persona), name: value}
        self._parameters_now[persona] = {key: each for key, each in mine.items() if each is not None}

    @property
    def pending_once(self) -> object | None:
        return self.answering.next_request

    async def close(self) -> None:
        """Stops what runs, keeping its text and what waits, and lets go of what was opened for it."""
        await self.pulls.close()
        await self.answering.close()
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
        self.answering.seen_head[message.conversation] = message.id
        await self.refresh()
        self.publish(MessageSent(message))

    def after(self, message: Message) -> Place:
        """Places a reply behind `message`."""
        return after(message)

    async def show_recap(self, count: int) -> None:
        """Shows the newest messages of the conversation in front again."""
        conversation = await self.here()
        self.answering.seen_head[conversation.id] = conversation.head
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
        """The context in tokens of the model that answered last in front, None where nobody said.

        Raises NotFoundError where the conversation was deleted elsewhere, StorageError.
        """
        if self.context_tokens is None or self.conversation is None:
            return None
        # Read anew: a reply that has just ended wrote there which model it was.
        answered = (await self.db(self.store.get, self.conversation.id)).last_model
        if not answered:
            return None
        provider, _, model = answered.partition(":")
        last = ModelId(provider, model)
        loaded = await loaded_context(self.services, last)
        if loaded is not None:
            return loaded
        seen = (await learned_about(self.services, last)).get("context")
        return seen if isinstance(seen, int) else await asyncio.to_thread(context_of, self.services, last)

    async def in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs what locks, writes and syncs a file beside the loop, so that keys go on being answered."""
        return await asyncio.to_thread(work, *args, **kwargs)

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
        self.answering.start(self.conversation.id, self.persona, speaker, trigger, place, asked=asked, request=request)

    async def resolution(
        self, persona: Persona | None = None, interaction: Interaction = REASONING, request: object = None
    ) -> Resolution:
        """The model that would answer now; request: a reference for this once."""
        persona = persona or self.persona
        conversation = self.conversation if persona.name == self.persona.name else None
        private = bool(await self.privacy(persona))
        return await self.services.chooser.resolve(
            persona, conversation, interaction, request or self.request, private=private
        )

    async def privacy(self, *speakers: Persona) -> Privacy:
        """Whether what is said in front stays on this machine, and why. speakers: who else is to answer."""
        conversation = self.conversation.id if self.conversation is not None else None
        return await is_private(self.services, self.store, conversation, (self.persona, *speakers))

    def leave(self) -> None:
        self.publish(Leave())

    # Inside -------------------------------------------------------------------------------------------------

    async def db(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a store's method on the database of the conversations in use."""
        return await on_database(self.store.database, work, *args, **kwargs)

    async def _front(self, persona: Persona, conversation: Conversation | None) -> None:
        if not self.incognito:
            await on_database(self.services.database, self.services.state.set, ACTIVE_PERSONA, persona.name)
        if conversation is not None:
            await self.db(self.store.mark_read, conversation.id)
        unread = {} if self.incognito else await self.db(self.store.unread)
        recap = await self._recap(conversation.id) if conversation is not None else ()
        # Nothing is waited for from here to the end of Opened: whoever draws and whoever sends see one front.
        self.persona, self.conversation = persona, conversation
        self.answering.next_request, self.context_tokens = None, None
        self.unread = {name: count for name, count in unread.items() if name != persona.name}
        if conversation is not None:
            self.answering.seen_head[conversation.id] = recap[-1].id if recap else conversation.head
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
            await self.answering.bring_back_queue(conversation.id)

    async def _recap(self, conversation: str) -> tuple[Message, ...]:
        """The newest messages, read while no reply began or ended in that conversation."""
        while True:
            before = self.answering.running().get(conversation)
            recap = await self.db(self.store.path, conversation, limit=RECAP)
            now = self.answering.running().get(conversation)
            if (before and before.task) is (now and now.task):
                return recap

    def _is_front(self, conversation: str) -> bool:
        return self.conversation is not None and self.conversation.id == conversation

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

    async def ensure_conversation(self) -> Conversation:
        """The conversation in front, begun now where there was none."""
        if self.conversation is None:
            conversation = await self.db(self.store.create, self.persona.name)
            await self.db(self.store.set_current, self.persona.name, conversation.id)
            self.answering.seen_head[conversation.id] = None
            self.conversation = conversation
        return self.conversation

    async def count_unread(self) -> None:
        """Counts anew what came in conversations that are not in front."""
        self.unread = {} if self.incognito else await self.db(self.store.unread)
        if self.conversation is not None:
            self.unread.pop(self.persona.name, None)
