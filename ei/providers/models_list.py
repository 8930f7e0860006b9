"""The list of models that a server has: fetched with plain httpx, page by page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from ei.errors import BusyError, ProviderError, RefusedKeyError, UnreachableError
from ei.providers.addresses import is_loopback
from ei.providers.base import DIRECT, Connection
from ei.providers.failures import Answer, Call, cause, from_answer, from_exception, not_ready, web_page
from ei.providers.hiding import forms_for
from ei.providers.listed import ListedModel
from ei.providers.model_rows import read_page, with_details
from ei.providers.opening import opened
from ei.providers.redactor import hide_in

if TYPE_CHECKING:
    import httpx

SECONDS = 20.0
CONNECT_SECONDS = 5.0
MOST_BYTES = 32 * 1024 * 1024
MOST_PAGES = 200
MOST_MODELS = 20_000
MOST_DETAILED = 200
LARGE_BYTES = 100_000
"""From this size on a list is read in a thread: no key waits for it."""
NEAR_SECONDS = 4.0
SAME = 2.0  # the score of a name that differs in what is before its last slash, or in its tag


async def list_models(
    connection: Connection, seconds: float = SECONDS, details: bool = True
) -> tuple[ListedModel, ...]:
    """Everything the server lists, in its order, each once. Raises ProviderError, also when it took longer.

    details: whether a server that tells more of each model alone is asked for that, too.
    """
    import asyncio

    problem = not_ready(connection)
    if problem is not None:
        raise problem
    connection = await opened(connection)
    call = Call(connection)
    try:
        async with asyncio.timeout(seconds):
            return await fetch(connection, call, details)
    except ProviderError:
        raise
    except Exception as exc:
        raise from_exception(exc, call) from cause(exc, call)


async def near_names(connection: Connection, model: str) -> tuple[str, ...]:
    """Names in the server's list that may be meant, () where it cannot be asked at once."""
    try:
        listed = await list_models(connection, NEAR_SECONDS, details=False)
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


async def fetch(connection: Connection, call: Call, details: bool = True) -> tuple[ListedModel, ...]:
    """The provider's fuller list where it has one, else the one that its wire has."""
    import asyncio

    # Loading the client and the certificates takes longer than a key may wait.
    client = await asyncio.to_thread(new_client, connection)
    async with client:
        fuller = await catalogue(client, connection, call)
        if fuller is None:
            return await pages(client, first_page(connection), connection, call)
        if details and connection.endpoint.details:
            return await detailed(client, fuller, connection, call)
        return fuller


def new_client(connection: Connection) -> httpx.AsyncClient:
    """Slow: call it from a thread."""
    import httpx

    here = is_loopback(connection.base_url)
    plain = here and connection.base_url.startswith("http://")
    timeout = httpx.Timeout(SECONDS, connect=CONNECT_SECONDS)
    mounts = DIRECT if connection.own else None
    return httpx.AsyncClient(
        timeout=timeout, follow_redirects=False, trust_env=not here, mounts=mounts, verify=not plain
    )


async def pages(client: httpx.AsyncClient, url: str, connection: Connection, call: Call) -> tuple[ListedModel, ...]:
    """The models of this page and of all that follow it, each once."""
    import asyncio

    found: dict[str, ListedModel] = {}
    for _ in range(MOST_PAGES):
        page = await get(client, url, connection, call)
        for model in await asyncio.to_thread(read_page, page):
            found.setdefault(model.id, model)
        following = next_page(page, url)
        if following is None or len(found) > MOST_MODELS:
            break
        url = following
    return tuple(found.values())[:MOST_MODELS]


async def catalogue(client: httpx.AsyncClient, connection: Connection, call: Call) -> tuple[ListedModel, ...] | None:
    """The fuller list that this kind of server has beside the one of its wire; None where this one has none.

    Another server at that address (a proxy, llama.cpp in LM Studio's place) answers in many ways that mean no.
    """
    if not connection.endpoint.catalogue:
        return None
    url = root_of(connection.base_url) + connection.endpoint.catalogue
    try:
        page = await get(client, url, connection, call)
    except (RefusedKeyError, BusyError, UnreachableError):
        raise
    except ProviderError:
        return None
    if not isinstance(page, Mapping) or not isinstance(page.get("models"), list):
        return None
    return tuple({model.id: model for model in read_page(page)}.values())


async def detailed(
    client: httpx.AsyncClient, models: tuple[ListedModel, ...], connection: Connection, call: Call
) -> tuple[ListedModel, ...]:
    """The models with what the server tells of each one alone; what it does not tell stays unknown."""
    import asyncio

    url, few = root_of(connection.base_url) + connection.endpoint.details, asyncio.Semaphore(4)

    async def one(model: ListedModel) -> ListedModel:
        async with few:
            try:
                return with_details(model, await get(client, url, connection, call, {"model": model.id}))
            except ProviderError:
                return model

    return tuple(await asyncio.gather(*(one(model) for model in models[:MOST_DETAILED]))) + models[MOST_DETAILED:]


def root_of(base_url: str) -> str:
    return base_url.rstrip("/").removesuffix("/v1")


async def get(
    client: httpx.AsyncClient, url: str, connection: Connection, call: Call, asked: Mapping[str, object] | None = None
) -> object:
    """What the server says at that address; asked: sent as JSON, by POST. Raises ProviderError."""
    import asyncio

    method = "GET" if asked is None else "POST"
    async with client.stream(method, url, headers=request_headers(connection), json=asked) as response:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MOST_BYTES:
                raise ProviderError(f"{call.name} sent a list of models that is too large to read.", **call.common)
    work = partial(harmless, body, forms_for(connection))
    value = await asyncio.to_thread(work) if len(body) > LARGE_BYTES else work()
    if response.status_code != 200:
        raise from_answer(Answer(response.status_code, dict(response.headers), value), call)
    if isinstance(value, str):
        if value.lstrip().startswith("<"):
            raise web_page(call, 200)
        raise ProviderError(f"{call.name} sent something that is no list of models.", **call.common)
    return value


def decode(body: bytes | bytearray) -> object:
    """JSON as a value, anything else as the text that it is."""
    text = body.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def harmless(body: bytes | bytearray, forms: tuple[str, ...]) -> object:
    """The same without any key that the server gives back."""
    value = decode(body)
    return hide_in(value, forms) if any(form.encode("utf-8", "replace") in body for form in forms) else value


def first_page(connection: Connection) -> str:
    base = connection.base_url
    if connection.endpoint.wire == "anthropic":
        return f"{base}/v1/models?limit=1000"
    if base.endswith("/v1beta/openai"):
        return f"{base.removesuffix('/openai')}/models?pageSize=1000"  # Google's own list tells the context
    return f"{base}/models"


def request_headers(connection: Connection) -> dict[str, str]:
    headers = {"accept": "application/json"}
    key = connection.key.reveal() if connection.key is not None else None
    if key is not None:
        headers["authorization"] = f"Bearer {key}"
    if connection.endpoint.wire == "anthropic":
        headers["anthropic-version"] = "2023-06-01"
        if key is not None:
            headers["x-api-key"] = key
    elif key is not None and connection.base_url.endswith("/v1beta/openai"):
        headers["x-goog-api-key"] = key
        del headers["authorization"]
    return headers | dict(connection.headers)


# Reading.


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
