"""The list of models that a server has: fetched with plain httpx, read in every shape that was seen."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from ei.errors import ProviderError
from ei.providers.addresses import is_loopback
from ei.providers.base import Connection, ListedModel
from ei.providers.failures import Answer, Call, cause, from_answer, from_exception, not_ready, web_page

if TYPE_CHECKING:
    import httpx

SECONDS = 20.0
CONNECT_SECONDS = 5.0
MOST_BYTES = 32 * 1024 * 1024
MOST_PAGES = 50
MOST_MODELS = 20_000
LONGEST_ID = 300
NEAR_SECONDS = 4.0
SAME = 2.0  # the score of a name that differs in what is before its last slash, or in its tag


async def list_models(connection: Connection, seconds: float = SECONDS) -> tuple[ListedModel, ...]:
    """Everything the server lists, in its order, each once. Raises ProviderError, also when it took longer."""
    import asyncio

    problem = not_ready(connection)
    if problem is not None:
        raise problem
    call = Call(connection)
    try:
        async with asyncio.timeout(seconds):
            return await fetch(connection, call)
    except ProviderError:
        raise
    except Exception as exc:
        raise from_exception(exc, call) from cause(exc, call)


async def near_names(connection: Connection, model: str) -> tuple[str, ...]:
    """Names in the server's list that may be meant, () where it cannot be asked at once."""
    try:
        listed = await list_models(connection, NEAR_SECONDS)
    except ProviderError:
        return ()
    return nearest(model, [row.id for row in listed])


def nearest(name: str, ids: Iterable[str]) -> tuple[str, ...]:
    """At most three ids like the name, the likeliest first: the same after its last slash or colon, or similar."""
    from difflib import SequenceMatcher

    wanted, scored = name.lower(), []
    for id in ids:
        if id == name:
            continue
        low = id.lower()
        if tail(low) == tail(wanted) or tail(wanted) in (low, low.partition(":")[0]):
            score = SAME
        elif len(tail(wanted)) >= 4 and low.startswith(tail(wanted)):
            score = 1.5
        else:
            score = max(
                SequenceMatcher(None, wanted, low).ratio(), SequenceMatcher(None, tail(wanted), tail(low)).ratio()
            )
        if score >= 0.6:
            scored.append((-score, len(id), id))
    best = sorted(scored)[:3]
    return tuple(id for score, _, id in best if score == best[0][0] or best[0][0] > -SAME)


def tail(name: str) -> str:
    return name.rpartition("/")[2]


# Fetching.


async def fetch(connection: Connection, call: Call) -> tuple[ListedModel, ...]:
    import httpx

    url = first_page(connection)
    timeout = httpx.Timeout(SECONDS, connect=CONNECT_SECONDS)
    here = is_loopback(connection.base_url)
    plain = here and url.startswith("http://")
    found: dict[str, ListedModel] = {}
    async with httpx.AsyncClient(
        timeout=timeout, follow_redirects=False, trust_env=not here, verify=not plain
    ) as client:
        for _ in range(MOST_PAGES):
            page = await get(client, url, connection, call)
            for model in read_page(page):
                found.setdefault(model.id, model)
            following = next_page(page, url)
            if following is None or len(found) > MOST_MODELS:
                break
            url = following
    return tuple(found.values())[:MOST_MODELS]


async def get(client: httpx.AsyncClient, url: str, connection: Connection, call: Call) -> object:
    async with client.stream("GET", url, headers=request_headers(connection)) as response:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MOST_BYTES:
                raise ProviderError(f"{call.name} sent a list of models that is too large to read.", **call.common)
    text = body.decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    if response.status_code != 200:
        raise from_answer(Answer(response.status_code, dict(response.headers), value), call)
    if isinstance(value, str):
        if value.lstrip().startswith("<"):
            raise web_page(call, 200)
        raise ProviderError(f"{call.name} sent something that is no list of models.", **call.common)
    return value


def first_page(connection: Connection) -> str:
    base = connection.base_url
    if connection.endpoint.wire == "anthropic":
        return f"{base}/v1/models?limit=1000"
    if base.endswith("/v1beta/openai"):
        return f"{base.removesuffix('/openai')}/models?pageSize=1000"  # Google's own list tells the context
    return f"{base}/models"


def request_headers(connection: Connection) -> dict[str, str]:
    headers = {"accept": "application/json"}
    if connection.key is not None:
        headers["authorization"] = f"Bearer {connection.key}"
    if connection.endpoint.wire == "anthropic":
        headers["anthropic-version"] = "2023-06-01"
        if connection.key is not None:
            headers["x-api-key"] = connection.key
    elif connection.key is not None and connection.base_url.endswith("/v1beta/openai"):
        headers["x-goog-api-key"] = connection.key
        del headers["authorization"]
    return headers | dict(connection.headers)


# Reading.


def read_page(page: object) -> list[ListedModel]:
    """The models of one page: `{"data": […]}` (OpenAI), `{"models": […]}` (Google), or a bare array (Together)."""
    rows = page
    if isinstance(page, Mapping):
        rows = page.get("data") if isinstance(page.get("data"), list) else page.get("models")
    if not isinstance(rows, list):
        return []
    return [model for row in rows if isinstance(row, Mapping) and (model := read_row(row)) is not None]


def next_page(page: object, url: str) -> str | None:
    """The address of the page after this one, on the same server; None after the last."""
    if not isinstance(page, Mapping):
        return None
    links = page.get("links")
    following = links.get("next") if isinstance(links, Mapping) else None
    if isinstance(following, str) and following:
        joined = urljoin(url, following)
        return joined if urlsplit(joined)[:2] == urlsplit(url)[:2] else None  # the key goes to no other server
    if page.get("has_more") is True and isinstance(page.get("last_id"), str):
        return with_query(url, "after_id", str(page["last_id"]))
    if isinstance(page.get("nextPageToken"), str) and page["nextPageToken"]:
        return with_query(url, "pageToken", str(page["nextPageToken"]))
    return None


def with_query(url: str, name: str, value: str) -> str:
    from urllib.parse import parse_qsl, urlencode

    base, _, query = url.partition("?")
    pairs = dict(parse_qsl(query)) | {name: value}
    return f"{base}?{urlencode(pairs)}"


_CONTEXT_FIELDS = (
    "context_window",
    "context_length",
    "max_model_len",
    "max_context_length",
    "max_input_tokens",
    "inputTokenLimit",
)
_META_FIELDS = ("n_ctx", "n_ctx_train")


def read_row(row: Mapping[str, object]) -> ListedModel | None:
    """One row; None where it names nothing that can be asked for."""
    id = row.get("id") or row.get("name")
    if not isinstance(id, str):
        return None
    id = id.removeprefix("models/")
    if not 0 < len(id) <= LONGEST_ID or not id.isprintable() or id != id.strip():
        return None
    return ListedModel(id, context_of(row), chats(id, row))


def context_of(row: Mapping[str, object]) -> int | None:
    """The context in tokens; llama.cpp's n_ctx is what it was started with, n_ctx_train what the model could."""
    meta = row.get("meta")
    candidates = [row.get(name) for name in _CONTEXT_FIELDS]
    if isinstance(meta, Mapping):
        candidates += [meta.get(name) for name in _META_FIELDS]
    for value in candidates:
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**9:
            return value
    return None


_NO_CHAT_TYPES = frozenset({"embedding", "embeddings", "image", "audio", "video", "moderation", "rerank", "transcribe"})
_NO_CHAT_NAME = re.compile(
    r"embed|\bbge-|\be5-|\bgte-|whisper|\btts\b|-tts|dall-e|gpt-image|imagen|-image\b|\bveo-|\bsora|moderation|rerank"
    r"|transcribe|realtime|-audio|speech|\blyria|^(?:babbage|davinci)|\baqa$|stable-diffusion|\bflux",
    re.IGNORECASE,
)


def chats(id: str, row: Mapping[str, object]) -> bool:
    """Whether the model answers messages with text, by what the row says, else by its name."""
    kind = row.get("type")
    if isinstance(kind, str) and kind.lower() in _NO_CHAT_TYPES:
        return False
    if kind in ("chat", "language", "llm", "vlm"):
        return True
    capabilities = row.get("capabilities")
    if isinstance(capabilities, Mapping) and isinstance(capabilities.get("completion_chat"), bool):
        return bool(capabilities["completion_chat"])
    methods = row.get("supportedGenerationMethods")
    if isinstance(methods, list) and "generateContent" not in methods:
        return False
    architecture = row.get("architecture")
    outputs = architecture.get("output_modalities") if isinstance(architecture, Mapping) else None
    if isinstance(outputs, list) and outputs and "text" not in outputs:
        return False
    return not _NO_CHAT_NAME.search(id)
