"""HTTP servers on 127.0.0.1 that answer as LM Studio, llama.cpp and vLLM do; Ollama is in tests/ollama.py.

with studio("google/gemma-3-12b") as server, llamacpp("tiny") as other: ...
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator, Mapping

from tests.wire import Raw, Request, Status, WireServer

JSON = "application/json"


def studio(*models: str, old: bool = False) -> WireServer:
    """LM Studio, which answers 200 with an error to what it does not know. old: before its own API had a version 1."""
    own = {"data": [{"id": name, "type": "llm", "publisher": "x", "state": "loaded"} for name in models]}
    new = {"models": [{"type": "llm", "key": name, "max_context_length": 4096} for name in models]}
    pages = {"/api/v0/models": own} if old else {"/api/v0/models": own, "/api/v1/models": new}
    return _server({"/v1/models": listed(models, "organization_owner"), **pages}, {"error": "Unexpected endpoint"})


def llamacpp(*models: str) -> WireServer:
    """llama.cpp, which answers Ollama's list as well."""
    rows = listed(models, "llamacpp")
    tags = {"models": [{"name": name, "model": name} for name in models], **rows}
    return _server({"/v1/models": rows, "/api/tags": tags, "/props": {"default_generation_settings": {"n_ctx": 4096}}})


def loading() -> WireServer:
    """llama.cpp that is not ready yet."""
    server = WireServer()
    server.pages = Status(503, body={"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}})
    return server


def vllm(*models: str, key: str = "") -> WireServer:
    """vLLM, which asks for a key below /v1 alone."""
    return _server({"/v1/models": listed(models, "vllm"), "/version": {"version": "0.11.2"}}, key=key)


def listed(models: tuple[str, ...], owner: str) -> dict[str, object]:
    return {"object": "list", "data": [{"id": name, "object": "model", "owned_by": owner} for name in models]}


@contextlib.contextmanager
def silent() -> Iterator[str]:
    """The base URL of a server that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as waiting:
        yield f"http://127.0.0.1:{waiting.getsockname()[1]}/v1"


def _server(pages: Mapping[str, object], other: object = None, key: str = "") -> WireServer:
    server = WireServer(key=key)

    def answer(request: Request) -> Raw | Status:
        if key and request.path.startswith("/v1/") and request.key != key:
            return Status(401, "Unauthorized")
        body = pages.get(request.path, other)
        return Status(404, "Not Found") if body is None else Raw(json.dumps(body).encode(), JSON)

    server.pages = answer
    return server
