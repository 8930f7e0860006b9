"""What answers on this machine: the local server, Ollama, and others on their usual ports."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

SECONDS = 0.7
NEIGHBOURS: Mapping[str, str] = {
    "llama.cpp": "http://127.0.0.1:8080/v1",
    "vLLM": "http://127.0.0.1:8000/v1",
}


@dataclass(frozen=True, slots=True)
class Found:
    """local: whether the local server's address answers. ollama: its chat models, None where it does not run.

    neighbours: (name, base URL) of servers on other usual ports. url fields: where was looked.
    """

    local: bool
    ollama: tuple[str, ...] | None
    neighbours: tuple[tuple[str, str], ...] = ()
    local_url: str = ""
    ollama_url: str = ""


async def look(local_url: str, ollama_url: str, neighbours: Mapping[str, str] = NEIGHBOURS) -> Found:
    """Asks each address for its models at the same time, at most `SECONDS` each. No key is sent.

    local_url, ollama_url: base URLs with /v1; "" is not asked. Wire: `GET /v1/models`, and Ollama's `GET /api/tags`.
    """
    tags = ollama_url.rstrip("/").removesuffix("/v1") + "/api/tags" if ollama_url else ""
    others = [(name, url) for name, url in neighbours.items() if url.rstrip("/") != local_url.rstrip("/")]
    answers = await asyncio.gather(
        asyncio.to_thread(_get, local_url and local_url.rstrip("/") + "/models"),
        asyncio.to_thread(_get, tags),
        *(asyncio.to_thread(_get, url + "/models") for _, url in others),
    )
    local, ollama, *rest = answers
    return Found(
        local is not None,
        None if ollama is None else _chat_models(ollama),
        tuple(
            other for other, answer in zip(others, rest, strict=True) if isinstance(answer, dict) and "data" in answer
        ),
        local_url,
        ollama_url,
    )


def _get(url: str) -> object | None:
    # The standard client: this runs right after the prompt is up, where httpx would cost 0.12 s of the one core.
    import http.client

    if not url:
        return None
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=SECONDS)
        try:
            connection.request("GET", parts.path, headers={"Accept": "application/json"})
            body = connection.getresponse().read(4_000_000)
        finally:
            connection.close()
        return dict(json.loads(body)) if body.lstrip().startswith(b"{") else {}
    except (OSError, http.client.HTTPException, ValueError):
        return None


def _chat_models(tags: object) -> tuple[str, ...]:
    models = tags.get("models") if isinstance(tags, dict) else None
    names = [m.get("name") for m in models if isinstance(m, dict)] if isinstance(models, list) else []
    return tuple(name for name in names if isinstance(name, str) and "embed" not in name and "bge-" not in name)
