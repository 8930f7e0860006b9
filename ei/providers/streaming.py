"""What the adapters share: reading a response to its end, whatever it is, and telling failures as our errors."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import replace
from typing import Protocol

from ei.errors import ProviderError
from ei.messages import StreamEvent
from ei.providers.failures import Call, cause, cut_off, from_error_object, from_exception, web_page
from ei.providers.quoting import clean
from ei.providers.sse import LONGEST, ServerEvent, SseDecoder, TooMuchError

DRAIN_SECONDS = 0.2


class Response(Protocol):
    """What is used of an SDK's HTTP response (httpx2)."""

    @property
    def headers(self) -> Mapping[str, str]: ...

    def aiter_bytes(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...


class Translator(Protocol):
    """One reply's translation from a wire. Its methods raise ProviderError for an error inside the stream."""

    @property
    def began(self) -> bool:
        """Whether a part of the reply came."""
        ...

    @property
    def complete(self) -> bool:
        """Whether the model said that it has finished."""
        ...

    @property
    def over(self) -> bool:
        """Whether nothing more comes that counts."""
        ...

    def feed(self, data: Mapping[str, object]) -> list[StreamEvent]:
        """One event of the stream."""
        ...

    def whole(self, data: Mapping[str, object]) -> list[StreamEvent]:
        """The reply as one object, from a server that does not stream."""
        ...

    def end(self) -> list[StreamEvent]:
        """What was held back, the usage, Finished."""
        ...


async def reply_events(
    send: Callable[[], Awaitable[Response]], translator: Translator, call: Call
) -> AsyncGenerator[StreamEvent, None]:
    """Sends the request and yields the reply's events. Raises ProviderError; the response is closed in any case."""
    async with AsyncExitStack() as stack:
        try:
            response = await send()
            stack.push_async_callback(response.aclose)
            kind = response.headers.get("content-type", "")
            if "html" in kind:
                raise web_page(call, 200)
            if "json" in kind and "ndjson" not in kind:
                for event in translate_body(await body_of(response), translator, call):
                    yield event
                return
            chunks = response.aiter_bytes()
            if isinstance(chunks, AsyncGenerator):
                stack.push_async_callback(chunks.aclose)
            async with aclosing((line_data if "ndjson" in kind else stream_data)(chunks)) as stream:
                async for data in stream:
                    for event in translator.feed(parsed(data, call)):
                        yield event
                    if translator.over:
                        break
            if not translator.complete:
                raise cut_off(replace(call, began=translator.began))
            for event in translator.end():
                yield event
            await drain(chunks)
        except ProviderError:
            raise
        except Exception as exc:
            now = replace(call, began=translator.began)
            raise from_exception(exc, now) from cause(exc, now)


async def stream_data(chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
    """The data of each event; OpenAI's [DONE] is given as the object DONE."""
    decoder = SseDecoder()
    async for chunk in chunks:
        for event in decoder.feed(chunk):
            yield object_of(event)
    for event in decoder.end():
        yield object_of(event)


async def line_data(chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
    """The lines of NDJSON, blank ones left out."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n") if b"\n" in chunk else (rest + chunk,)
        for line in lines:
            if line.strip():
                yield line.decode("utf-8", "replace")
        if len(rest) > LONGEST:
            raise TooMuchError(f"a line of more than {LONGEST} bytes")
    if rest.strip():
        yield rest.decode("utf-8", "replace")


def object_of(event: ServerEvent) -> str:
    return DONE if event.data.startswith("[DONE]") else event.data


DONE = '{"done": true}'


def translate_body(body: bytes, translator: Translator, call: Call) -> list[StreamEvent]:
    """A reply that came as one JSON object, or as events under the wrong content type."""
    if re.match(rb"\s*(data|event|id|retry)?:", body):
        decoder = SseDecoder()
        out: list[StreamEvent] = []
        for event in decoder.feed(body) + decoder.end():
            out += translator.feed(parsed(object_of(event), call))
        if not translator.complete:
            raise cut_off(replace(call, began=translator.began))
        return out + translator.end()
    data = parsed(body.decode("utf-8", "replace"), call)
    if data.get("error"):
        raise from_error_object(data["error"], call)
    return translator.whole(data) + translator.end()


def parsed(data: str, call: Call) -> Mapping[str, object]:
    """One event's JSON object. Raises ProviderError where it is none."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        said = clean(data, call.connection, 80)
        raise ProviderError(f"{call.name} sent something that is no reply: {said}", **call.common)
    return value


async def body_of(response: Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > LONGEST:
            raise TooMuchError(f"a reply of more than {LONGEST} bytes")
    return bytes(body)


async def drain(chunks: AsyncIterator[bytes]) -> None:
    """Reads what little follows the last event, so that the connection can be used again.

    The reply is complete: a failure now only means that the connection is closed.
    """
    import asyncio

    with suppress(Exception):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in chunks:
                pass


def text_of(value: object) -> str:
    """A text field of an event, "" where it is anything else."""
    return value if isinstance(value, str) else ""


def count_of(value: object) -> int | None:
    """A token count of an event, None where it is anything but a whole number from 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def mapping_of(value: object) -> Mapping[str, object]:
    """An object of an event, {} where it is anything else."""
    return value if isinstance(value, Mapping) else {}
