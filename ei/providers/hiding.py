"""Takes keys out of a reply while it comes, so that a server that gives one back finds no way for it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import replace

from ei.messages import (
    Finished,
    OpaqueData,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    ToolCalled,
)
from ei.providers.base import Connection
from ei.providers.keys import KnownKey
from ei.providers.redactor import IN_A_TALK, PieceFilter, hide, hide_in


def forms_for(connection: Connection) -> tuple[str, ...]:
    """What must not come back from that connection, the longest first."""
    own = (connection.key.text,) if isinstance(connection.key, KnownKey) else ()
    return connection.redactor.forms(own, IN_A_TALK)


async def hidden(events: AsyncIterator[StreamEvent], connection: Connection) -> AsyncGenerator[StreamEvent, None]:
    """The events with `[key]` in place of every key, also of one that comes in pieces."""
    forms: tuple[str, ...] | None = None
    text = PieceFilter(())
    kind: type[TextDelta] | type[ReasoningDelta] = TextDelta
    try:
        async for event in events:
            if forms is None:
                forms = forms_for(connection)  # not before the key was opened
                text = PieceFilter(forms)
            if isinstance(event, TextDelta | ReasoningDelta):
                if type(event) is not kind and (held := text.end()):
                    yield kind(held)
                kind = type(event)
                if piece := text.feed(event.text):
                    yield kind(piece)
                continue
            if held := text.end():
                yield kind(held)
            yield clean_event(event, forms)
    except Exception:
        # What was held back came before it broke off.
        if held := text.end():
            yield kind(held)
        raise
    if held := text.end():
        yield kind(held)


def clean_event(event: StreamEvent, forms: tuple[str, ...]) -> StreamEvent:
    """One event that is no piece of a text."""
    match event:
        case ToolCalled(part):
            return ToolCalled(replace(part, name=hide(part.name, forms), arguments=hide(part.arguments, forms)))
        case Finished(_, str(model)):
            return replace(event, model=hide(model, forms))
        case OpaqueData(part):
            data = hide_in(dict(part.data), forms)
            return OpaqueData(replace(part, data=data if isinstance(data, Mapping) else part.data))
        case _:
            return event
