"""Ollama's own API beside the chat: what is installed, what a model can do, what is loaded, fetching and removing.

Wire: https://docs.ollama.com/api (tags, show, ps, pull, delete, generate, version).
"""

from __future__ import annotations

import re
import threading
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from ei.errors import CutOffError, ProviderError
from ei.providers.base import Connection
from ei.providers.failures import Answer, Call, cause, from_exception, not_ready, web_page
from ei.providers.models_list import decode, new_client, request_headers, root_of
from ei.providers.ollama_failures import ollama_error, ollama_line_error, pull_error
from ei.providers.opening import opened
from ei.providers.sse import TooMuchError
from ei.providers.streaming import Response, count_of, line_data, mapping_of, parsed, text_of

if TYPE_CHECKING:
    import httpx

SECONDS = 20.0
LONG_SECONDS = 1800.0
"""Checking what was fetched is silent, and takes minutes where a model is large and its disk slow."""
MOST_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Installed:
    """A model that is there.

    size: bytes on disk. digest: of its manifest, hex; modified_ms: milliseconds since 1970, None where not said.
    family, parameter_size ("8.2B"), quantization ("Q4_K_M"): "" where not said. remote: the host where it really runs
    (a cloud model of Ollama's), "" where that is this server.
    """

    name: str
    size: int | None = None
    digest: str = ""
    modified_ms: int | None = None
    family: str = ""
    parameter_size: str = ""
    quantization: str = ""
    remote: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a server tells of one model.

    context: the longest it was made for, in tokens. num_ctx: what its own Modelfile asks for, None where it asks for
    nothing. capabilities: in Ollama's words (completion, tools, thinking, vision, embedding), None where not said.
    parameters: of its Modelfile, one a line.
    """

    context: int | None = None
    num_ctx: int | None = None
    capabilities: frozenset[str] | None = None
    family: str = ""
    parameter_size: str = ""
    quantization: str = ""
    parameters: str = ""
    template: str = ""
    system: str = ""
    license: str = ""
    remote: str = ""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in memory.

    size: bytes in all; size_vram: of them on a graphics card. context_length: tokens it was loaded for.
    expires_at: when it is let go of, seconds since 1970; far in the future where it stays.
    """

    name: str
    size: int | None = None
    size_vram: int | None = None
    context_length: int | None = None
    expires_at: float | None = None
    digest: str = ""


@dataclass(frozen=True, slots=True)
class PullLine:
    """One line of a pull. digest: of the layer it speaks of, "" for none; total, completed: bytes of that layer."""

    status: str
    digest: str = ""
    total: int | None = None
    completed: int | None = None


class OllamaApi:
    """A thin client. Every method raises ProviderError and nothing else of the network."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.root = root_of(connection.base_url)
        self._client: httpx.AsyncClient | None = None
        self._opened: Connection | None = None
        self._lock = threading.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def version(self) -> str:
        return text_of(mapping_of(await self.ask("GET", "/api/version")).get("version"))

    async def tags(self) -> tuple[Installed, ...]:
        """What is installed, as the server orders it."""
        rows = mapping_of(await self.ask("GET", "/api/tags")).get("models")
        return tuple(found for row in _rows(rows) if (found := installed_of(row)).name)

    async def show(self, name: str) -> Shown:
        """What one model is and can do. Raises UnknownModelError where it is not installed."""
        return shown_of(mapping_of(await self.ask("POST", "/api/show", {"model": name}, model=name)))

    async def loaded(self) -> tuple[Loaded, ...]:
        """What is in memory now."""
        rows = mapping_of(await self.ask("GET", "/api/ps")).get("models")
        return tuple(found for row in _rows(rows) if (found := loaded_of(row)).name)

    async def delete(self, name: str) -> None:
        """Removes a model from the disk. Raises UnknownModelError where it is not installed."""
        await self.ask("DELETE", "/api/delete", {"model": name}, model=name)

    async def stop(self, name: str) -> None:
        """Takes a model out of the memory. Raises UnknownModelError where it is not installed."""
        await self.ask("POST", "/api/generate", {"model": name, "keep_alive": 0}, model=name)

    async def pull(self, name: str) -> AsyncGenerator[PullLine, None]:
        """Fetches a model, or its newer version; goes on where an earlier pull ended. Ends after `success`.

        Closing it stops the pull; what came is kept. Raises UnknownModelError where the library has no such model,
        CutOffError where the server went away.
        """
        call = Call(self.connection, name)
        done = False
        try:
            response = await self.open("/api/pull", {"model": name, "stream": True}, call, LONG_SECONDS)
            try:
                async with aclosing(lines_of(response)) as lines:
                    async for line in lines:
                        data = parsed(line, call)
                        if data.get("error"):
                            raise pull_error(data["error"], call)
                        done = done or data.get("status") == "success"
                        yield pull_line_of(data)
            finally:
                await response.aclose()
        except ProviderError:
            raise
        except Exception as exc:
            found = from_exception(exc, replace(call, began=True))
            raise (broken_pull(call) if isinstance(found, CutOffError) else found) from cause(exc, call)
        if not done:
            raise broken_pull(call)

    async def close(self) -> None:
        client, self._client, self._opened = self._client, None, None
        if client is not None:
            await client.aclose()

    # Below the methods: one request.

    def warm(self) -> None:
        """Imports httpx and builds the client; may be called from any thread, and again."""
        with self._lock:
            if self._client is None:
                self._client = new_client(self.connection)

    async def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        model: str = "",
        seconds: float = SECONDS,
    ) -> object:
        """What the server answers, as a value; {} where it answers nothing."""
        call = Call(self.connection, model)
        try:
            response = await self.open(path, body, call, seconds, method)
            try:
                content = await content_of(response)
            finally:
                await response.aclose()
            value = decode(content) if content else {}
            if not isinstance(value, dict):
                raise no_ollama(call, value)
            if value.get("error"):
                raise ollama_line_error(value["error"], call)
            return value
        except ProviderError:
            raise
        except Exception as exc:
            raise from_exception(exc, call) from cause(exc, call)

    async def open(
        self, path: str, body: Mapping[str, object] | None, call: Call, seconds: float, method: str = "POST"
    ) -> httpx.Response:
        """The response, not yet read. Raises ProviderError for a status that is no success, and httpx's errors."""
        import asyncio

        problem = not_ready(self.connection)
        if problem is not None:
            raise problem
        if self._opened is None:
            self._opened = await opened(self.connection)
        if self._client is None:
            await asyncio.to_thread(self.warm)
        client = self._client
        assert client is not None
        timeout: Any = {"connect": 10.0, "read": seconds, "write": 60.0, "pool": 10.0}
        request = client.build_request(
            method,
            self.root + path,
            headers=request_headers(self._opened),
            json=body,
            extensions={"timeout": timeout},
        )
        response = await client.send(request, stream=True)
        if response.status_code == 200:
            return response
        try:
            content = decode(await content_of(response))
        finally:
            await response.aclose()
        raise ollama_error(Answer(response.status_code, dict(response.headers), content), call)


async def loaded(connection: Connection) -> tuple[Loaded, ...]:
    """What that Ollama has in memory now. Raises ProviderError."""
    async with OllamaApi(connection) as api:
        return await api.loaded()


def same_model(one: str, other: str) -> bool:
    """Whether two names mean one model: without a tag, `latest` is meant, and case does not count."""
    return full_name(one) == full_name(other)


def full_name(name: str) -> str:
    """The name with its tag, in small letters."""
    low = name.lower()
    return low if ":" in low.rpartition("/")[2] else f"{low}:latest"


# Reading bytes.


async def content_of(response: Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MOST_BYTES:
            raise TooMuchError(f"an answer of more than {MOST_BYTES} bytes")
    return bytes(body)


async def lines_of(response: Response) -> AsyncGenerator[str, None]:
    """The lines of NDJSON, blank ones left out."""
    chunks = response.aiter_bytes()
    try:
        async with aclosing(line_data(chunks)) as lines:
            async for line in lines:
                yield line
    finally:
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()


def no_ollama(call: Call, value: object) -> ProviderError:
    if isinstance(value, str) and value.lstrip().startswith("<"):
        return web_page(call, 200)
    return ProviderError(f"{call.name} sent something that is no answer of Ollama's.", **call.common)


def broken_pull(call: Call) -> CutOffError:
    hint = f"What came is kept; it goes on with: /ollama pull {call.model}"
    return CutOffError(f"The download of {call.model} broke off.", hint, **call.common)


# Reading values. Anything may be missing or of another type: then it is not known.


def installed_of(row: Mapping[str, object]) -> Installed:
    details = mapping_of(row.get("details"))
    moment = seconds_of(row.get("modified_at"))
    return Installed(
        name_of(row),
        count_of(row.get("size")),
        text_of(row.get("digest")).removeprefix("sha256:"),
        None if moment is None else int(moment * 1000),
        *_of_details(details),
        remote=_line(row.get("remote_host")),
    )


def shown_of(data: Mapping[str, object]) -> Shown:
    info, said = mapping_of(data.get("model_info")), data.get("capabilities")
    lengths = [count_of(value) for name, value in info.items() if str(name).endswith(".context_length")]
    parameters = text_of(data.get("parameters"))
    own = re.search(r"^num_ctx\s+(\d{1,9})\s*$", parameters, re.MULTILINE)
    return Shown(
        next((length for length in lengths if length), None),
        int(own[1]) or None if own else None,
        frozenset(word for word in said if isinstance(word, str)) if isinstance(said, list) else None,
        *_of_details(mapping_of(data.get("details"))),
        parameters,
        text_of(data.get("template")),
        text_of(data.get("system")),
        text_of(data.get("license")),
        _line(data.get("remote_host")),
    )


def loaded_of(row: Mapping[str, object]) -> Loaded:
    return Loaded(
        name_of(row),
        count_of(row.get("size")),
        count_of(row.get("size_vram")),
        count_of(row.get("context_length")) or None,
        seconds_of(row.get("expires_at")),
        text_of(row.get("digest")).removeprefix("sha256:"),
    )


def pull_line_of(data: Mapping[str, object]) -> PullLine:
    return PullLine(
        _line(data.get("status")),
        text_of(data.get("digest")),
        count_of(data.get("total")),
        count_of(data.get("completed")),
    )


def name_of(row: Mapping[str, object]) -> str:
    return _line(row.get("name")) or _line(row.get("model"))


def seconds_of(value: object) -> float | None:
    """RFC 3339 as seconds since 1970; Go writes nanoseconds, and the year 1 for no time at all."""
    from datetime import datetime

    try:
        moment = datetime.fromisoformat(text_of(value))
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo is not None and moment.year >= 1970 else None


def _of_details(details: Mapping[str, object]) -> tuple[str, str, str]:
    family, size, quantization = (_line(details.get(key)) for key in ("family", "parameter_size", "quantization_level"))
    return family, size, quantization


def _line(value: object) -> str:
    """A text of one line that can be shown; "" for anything else."""
    text = text_of(value).strip()
    return text[:300] if text.isprintable() else ""


def _rows(value: object) -> list[Mapping[str, object]]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []
