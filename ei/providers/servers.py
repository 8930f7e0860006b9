"""Which model servers run on this machine: each address is asked, and what it answers tells who it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ei.providers.addresses import BadAddressError, is_loopback, join, split
from ei.providers.model_rows import read_page

if TYPE_CHECKING:
    import httpx

Kind = Literal["lmstudio", "ollama", "llamacpp", "vllm", "openai"]
"""openai: something else that speaks OpenAI's API."""

LABELS: Mapping[Kind, str] = {
    "lmstudio": "LM Studio",
    "ollama": "Ollama",
    "llamacpp": "llama.cpp",
    "vllm": "vLLM",
    "openai": "a model server",
}
USUAL: tuple[str, ...] = (
    "http://127.0.0.1:1234/v1",  # LM Studio
    "http://127.0.0.1:11434/v1",  # Ollama
    "http://127.0.0.1:8080/v1",  # llama.cpp
    "http://127.0.0.1:8000/v1",  # vLLM
)
"""Where they answer unless somebody told them otherwise."""
SECONDS = 1.0
"""How long an address may take, all its answers included."""
MOST_BYTES = 4_000_000
PATHS: Mapping[str, str] = {
    "models": "/v1/models",
    "tags": "/api/tags",
    "ollama": "/api/version",
    "props": "/props",
    "version": "/version",
    "studio": "/api/v1/models",
    "studio0": "/api/v0/models",
}
LOADING = "it is still loading its model"


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers. url: its base URL, with /v1. models: the names of those that chat.

    needs_key: it does not say what it has to somebody without one. problem: why it cannot be asked now, or "".
    """

    kind: Kind
    url: str
    models: tuple[str, ...] = ()
    needs_key: bool = False
    problem: str = ""

    @property
    def label(self) -> str:
        return LABELS[self.kind]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came from one path. body: JSON as value, None for anything else."""

    status: int
    body: object = None


async def find_servers(urls: Iterable[str] = USUAL, seconds: float = SECONDS) -> tuple[Server, ...]:
    """The model servers at these base URLs, in their order, each address once; all are asked at the same time.

    Only addresses of this machine are asked, never through a proxy; no key is sent, and no redirect is followed.
    """
    addresses = {address_of(url): url.rstrip("/") for url in reversed(tuple(urls)) if is_loopback(url)}
    if not addresses:
        return ()
    client = await asyncio.to_thread(_client, seconds)
    async with client:
        wanted = tuple(reversed(addresses.values()))
        answers = await asyncio.gather(*(_answers(client, url, seconds) for url in wanted))
    found = (identify(url, answer) for url, answer in zip(wanted, answers, strict=True))
    return tuple(server for server in found if server is not None)


def identify(url: str, answers: Mapping[str, Answer]) -> Server | None:
    """Who answers at a base URL, by what came from each of `PATHS`; None for what is no model server.

    Sources: https://github.com/ggml-org/llama.cpp/tree/master/tools/server (which answers /api/tags as well),
    https://docs.ollama.com/api, https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html,
    https://lmstudio.ai/docs/developer/rest (which answers 200 with an error to paths that it does not know).
    """
    models = answers.get("models", Answer(0))
    owners = {row.get("owned_by") for row in _rows(models, "data")}
    refused = models.status in (401, 403)
    names = tuple(model.id for model in read_page(models.body) if model.chat) if _has(models, "data") else ()
    kind: Kind
    if _has(answers.get("props"), "default_generation_settings") or "llamacpp" in owners or _loads(models):
        kind = "llamacpp"
    elif "vllm" in owners or (refused and isinstance(_value(answers.get("version"), "version"), str)):
        kind = "vllm"
    elif _is_ollama(answers):
        kind = "ollama"
        names = tuple(model.id for model in read_page(answers["tags"].body) if model.chat)
    elif "organization_owner" in owners or _is_studio(answers):
        kind = "lmstudio"
    elif _has(models, "data") or refused:
        kind = "openai"
    else:
        return None
    return Server(kind, url, names, refused, LOADING if _loads(models) else "")


def address_of(url: str) -> tuple[str, int, str]:
    """(host, port, path) by which two spellings of one address of this machine are the same."""
    try:
        scheme, host, port, path = split(url)
    except BadAddressError:
        return url, 0, ""
    here = "127.0.0.1" if is_loopback(f"http://{join(host, None)}") else host
    return here, port or (443 if scheme == "https" else 80), path.rstrip("/").removesuffix("/v1")


# Asking.


def _client(seconds: float) -> httpx.AsyncClient:
    """Slow, since it loads a lot: call it from a thread."""
    import httpx

    return httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=seconds)


async def _answers(client: httpx.AsyncClient, url: str, seconds: float) -> dict[str, Answer]:
    """What came in time from each of the paths of a server."""
    root = url.removesuffix("/v1")
    came = await asyncio.gather(*(_get(client, root + path, seconds) for path in PATHS.values()))
    return {name: answer for name, answer in zip(PATHS, came, strict=True) if answer is not None}


async def _get(client: httpx.AsyncClient, url: str, seconds: float) -> Answer | None:
    import httpx

    body = bytearray()
    try:
        # A server that sends a byte now and then must not hold it up either.
        async with asyncio.timeout(seconds), client.stream("GET", url, headers={"Accept": "application/json"}) as reply:
            async for piece in reply.aiter_bytes():
                body += piece
                if len(body) > MOST_BYTES:
                    return None
    except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError):
        return None
    try:
        return Answer(reply.status_code, json.loads(body))
    except (ValueError, RecursionError):
        return Answer(reply.status_code)


# Telling them apart.


def _value(answer: Answer | None, name: str) -> object:
    if answer is None or answer.status != 200 or not isinstance(answer.body, Mapping):
        return None
    return answer.body.get(name)


def _has(answer: Answer | None, name: str) -> bool:
    return isinstance(_value(answer, name), list | Mapping)


def _rows(answer: Answer | None, name: str) -> list[Mapping[str, object]]:
    rows = _value(answer, name)
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def _is_ollama(answers: Mapping[str, Answer]) -> bool:
    return isinstance(_value(answers.get("tags"), "models"), list) and isinstance(
        _value(answers.get("ollama"), "version"), str
    )


def _is_studio(answers: Mapping[str, Answer]) -> bool:
    new = any("key" in row for row in _rows(answers.get("studio"), "models"))
    return new or any("publisher" in row or "state" in row for row in _rows(answers.get("studio0"), "data"))


def _loads(models: Answer) -> bool:
    """Whether it is a llama.cpp that is not ready yet: 503 with `{"error": {"message": "Loading model"}}`."""
    error = models.body.get("error") if models.status == 503 and isinstance(models.body, Mapping) else None
    return isinstance(error, Mapping) and error.get("message") == "Loading model"
