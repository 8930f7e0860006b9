"""A small HTTP server on 127.0.0.1 that speaks the OpenAI and the Anthropic wire, as scripted.

    with WireServer() as server:
        server.reply("Hello there", usage=(12, 2))           # said to every request from now on
        server.script(Status(529, retry_after=1), Answer("Hi"))  # said first, one each, in this order
        ... a client at server.url (OpenAI) or server.anthropic_url ...
        assert server.requests[0].body["model"] == "tiny"

What it does (one value each): Answer streams a reply; Status answers with an HTTP error; Cut breaks off;
StreamError sends an error inside the stream; Hang says nothing more; Raw sends the bytes given. A function
of the Request that returns one of these is one, too. `python -m tests.wire --help` serves from the shell.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import select
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

from tests.wire_formats import (
    Answer,
    Behaviour,
    Cut,
    Hang,
    Model,
    Raw,
    Request,
    Scripted,
    Status,
    StreamError,
    ToolUse,
    anthropic_stream,
    data,
    event,
    openai_stream,
    plain_answer,
    prompt_tokens,
)

__all__ = ["Answer", "Cut", "Hang", "Model", "Raw", "Request", "Status", "StreamError", "ToolUse", "WireServer"]

OPENAI_PATH = "/v1/chat/completions"
AZURE_PATH = "/openai/v1/chat/completions"
ANTHROPIC_PATH = "/v1/messages"
LINGER_NONE = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)  # closing sends a reset


class WireServer:
    """The server. Started by `with` or start(); every answer comes from script() first, then on(), then reply().

    key: refuses requests with another one (401). context: tokens (words) that fit, a longer request gets
    llama.cpp's 400. strict_models: 404 for a model that models() did not name. list_shape: "data" as OpenAI,
    "array" as Together, "pages" as Anthropic (page_size rows a page), "links" as OpenRouter.
    """

    def __init__(
        self,
        *,
        key: str = "",
        context: int | None = None,
        strict_models: bool = False,
        list_shape: Literal["data", "array", "pages", "links"] = "data",
        page_size: int = 2,
        port: int = 0,
    ) -> None:
        self.key = key
        self.context = context
        self.strict_models = strict_models
        self.list_shape = list_shape
        self.page_size = page_size
        self.requests: list[Request] = []
        self.connections = 0
        self.listed: tuple[Model, ...] = (Model("tiny"),)
        self.list_behaviour: Behaviour | None = None
        self.pages: Scripted | None = None
        """Answers everything but requests for a reply, where it is set."""
        self.rejected: dict[str, int] = {}
        self._default: Scripted = Answer("Hello there.")
        self._queue: deque[Scripted] = deque()
        self._by_model: dict[str, Scripted] = {}
        self._changed = threading.Condition()
        self.closing = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._port = port
        self._http: _Http | None = None
        self._thread: threading.Thread | None = None

    # What the tests use.

    def reply(self, text: str, **fields: Any) -> None:
        """Answers with this text from now on; fields as in Answer."""
        self._default = Answer(text, **fields)

    def always(self, behaviour: Scripted) -> None:
        """Does this from now on."""
        self._default = behaviour

    def on(self, model: str, behaviour: Scripted | str) -> None:
        """Does this for requests to that model."""
        self._by_model[model] = Answer(behaviour) if isinstance(behaviour, str) else behaviour

    def script(self, *behaviours: Scripted | str) -> None:
        """Does these for the next requests, one each, before anything else."""
        self._queue.extend(Answer(b) if isinstance(b, str) else b for b in behaviours)

    def models(self, *models: Model | str) -> None:
        """What the list of models carries."""
        self.listed = tuple(Model(m) if isinstance(m, str) else m for m in models)

    def rejects(self, parameter: str, status: int = 400) -> None:
        """Refuses every request whose body has that field, naming it."""
        self.rejected[parameter] = status

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        """The base URL for an OpenAI client."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def anthropic_url(self) -> str:
        """The base URL for an Anthropic client."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def chats(self) -> list[Request]:
        """The requests for a reply, without those for the list of models."""
        return [r for r in self.requests if r.method == "POST"]

    @property
    def last(self) -> Request:
        """The latest request for a reply."""
        return self.chats[-1]

    def wait_for(self, chats: int, timeout: float = 10.0) -> None:
        """Waits until so many requests for a reply came. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.chats) >= chats, timeout):
                raise TimeoutError(f"{len(self.chats)} of {chats} requests came")

    def start(self) -> Self:
        self._http = _Http(("127.0.0.1", self._port), self, self.handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), name="wire", daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Drops every connection and stops listening; the address refuses connections from then on."""
        self.closing.set()
        self._server.shutdown()
        for connection in tuple(self._sockets):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        if self._thread is not None:
            self._thread.join(5)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    # What the handler uses.

    @property
    def handler(self) -> type[Handler]:
        """What answers the connections."""
        return Handler

    @property
    def _server(self) -> _Http:
        assert self._http is not None, "the server was not started"
        return self._http

    def next_for(self, request: Request) -> Behaviour:
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
            refusal = self._refusal(request)
            if refusal is not None:
                return refusal
            chosen = self._queue.popleft() if self._queue else self._by_model.get(request.model, self._default)
        return chosen(request) if callable(chosen) else chosen

    def _refusal(self, request: Request) -> Behaviour | None:
        if self.key and request.key != self.key:
            return Status(401, "Invalid API key provided.", "authentication_error", "invalid_api_key")
        if self.strict_models and request.model not in [m.id for m in self.listed]:
            return Status(404, f"The model `{request.model}` does not exist", "not_found_error", "model_not_found")
        for parameter, status in self.rejected.items():
            if parameter in request.body:
                message = f"Unsupported parameter: '{parameter}' is not supported with this model."
                return Status(status, message, "invalid_request_error", "unsupported_parameter", param=parameter)
        if self.context is not None and (tokens := prompt_tokens(request)) > self.context:
            error = {
                "code": 400,
                "message": f"request ({tokens} tokens) exceeds the available context size ({self.context} tokens)",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": tokens,
                "n_ctx": self.context,
            }
            return Status(400, body={"error": error})
        return None

    def opened(self, connection: socket.socket) -> None:
        self.connections += 1
        self._sockets.add(connection)

    def ended(self, connection: socket.socket) -> None:
        self._sockets.discard(connection)


class ClientLeft(Exception):
    pass


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], wire: WireServer, handler: type[Handler]) -> None:
        self.wire = wire
        super().__init__(address, handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients leave when they like."""


class Handler(BaseHTTPRequestHandler):
    server: _Http
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.wire.opened(self.connection)

    def finish(self) -> None:
        self.server.wire.ended(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        request = self._read()
        wire = self.server.wire
        wire.requests.append(request)
        if wire.pages is not None:
            self._perform(request, wire.pages(request) if callable(wire.pages) else wire.pages)
        elif wire.list_behaviour is not None:
            self._perform(request, wire.list_behaviour)
        elif wire.key and request.key != wire.key:
            self._perform(request, Status(401, "Invalid API key provided."))
        elif request.path.rstrip("/").endswith("/models"):
            self._json(200, model_list(wire, request))
        else:
            self._perform(request, Status(404, "no such page"))

    def do_POST(self) -> None:
        request = self._read()
        if request.path not in (OPENAI_PATH, AZURE_PATH, ANTHROPIC_PATH):
            self.server.wire.requests.append(request)
            pages = self.server.wire.pages
            found = pages(request) if callable(pages) else pages
            self._perform(request, found or Status(404, "no such page"))
            return
        self._perform(request, self.server.wire.next_for(request))

    def _read(self) -> Request:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            body = json.loads(raw) if raw else {}
        except ValueError:
            body = {}
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, path, query, headers, body, raw, time.monotonic())

    def _perform(self, request: Request, behaviour: Behaviour) -> None:
        try:
            self._do(request, behaviour)
        except (ClientLeft, OSError):
            request.client_left = True
            self.close_connection = True

    def _do(self, request: Request, behaviour: Behaviour) -> None:
        anthropic = request.path == ANTHROPIC_PATH
        match behaviour:
            case Status():
                self._sleep(behaviour.delay)
                self._status(behaviour, anthropic)
            case Raw():
                self.send_response(behaviour.status)
                self.send_header("content-type", behaviour.content_type)
                self.send_header("content-length", str(len(behaviour.body)))
                self.end_headers()
                self._write(behaviour.body, behaviour.split_bytes)
            case Answer():
                self._sleep(behaviour.first_delay)
                if behaviour.ignore_stream or not request.body.get("stream"):
                    self._json(200, plain_answer(request, behaviour, anthropic), behaviour.headers)
                    return
                self._begin_stream(behaviour.headers)
                parts = (anthropic_stream if anthropic else openai_stream)(request, behaviour)
                if behaviour.split_bytes:
                    self._chunked(b"".join(part for part, _ in parts), behaviour.split_bytes)
                else:
                    for part, pause in parts:
                        if pause:
                            self._sleep(behaviour.delay)
                        self._chunked(part)
                self._end_stream()
            case Cut() | StreamError() | Hang():
                self._begin_stream({})
                delay = 0.0 if isinstance(behaviour, Hang) else behaviour.delay
                partial = Answer(behaviour.text, usage=None, finish=None, done=False, delay=delay)
                for part, pause in (anthropic_stream if anthropic else openai_stream)(request, partial):
                    if pause:
                        self._sleep(delay)
                    self._chunked(part)
                self._break_off(behaviour, anthropic)

    def _break_off(self, behaviour: Cut | StreamError | Hang, anthropic: bool) -> None:
        match behaviour:
            case Cut(how="end"):
                self._end_stream()
            case Cut(how=how):
                if how == "reset":
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
                    self.connection.close()
                self.close_connection = True
            case StreamError(message=message, type=kind, code=code):
                error = {"type": kind, "message": message} | ({} if code is None else {"code": code})
                if anthropic:
                    self._chunked(event("error", {"type": "error", "error": error}))
                else:
                    self._chunked(data({"error": error}))
                self._end_stream()
            case Hang():
                self._sleep(3600)

    def _status(self, status: Status, anthropic: bool) -> None:
        headers = dict(status.headers)
        if status.retry_after is not None:
            headers["retry-after"] = str(status.retry_after)
        if isinstance(status.body, str):
            content = status.body.encode()
            self.send_response(status.code)
            self._headers({"content-type": "text/html", "content-length": str(len(content))} | headers)
            self._write(content)
            return
        message = status.message or f"status {status.code}"
        if anthropic:
            error: dict[str, object] = {"type": status.type or "api_error", "message": message}
            default: Mapping[str, object] = {"type": "error", "error": error, "request_id": "req_1"}
        else:
            error = {"message": message, "type": status.type, "param": status.param, "code": status.error_code}
            default = {"error": error}
        self._json(status.code, default if status.body is None else status.body, headers)

    def _json(self, code: int, value: object, headers: Mapping[str, str] | None = None) -> None:
        content = json.dumps(value).encode()
        self.send_response(code)
        self._headers({"content-type": "application/json", "content-length": str(len(content))} | dict(headers or {}))
        self._write(content)

    def _headers(self, headers: Mapping[str, str]) -> None:
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _begin_stream(self, headers: Mapping[str, str]) -> None:
        self.send_response(200)
        self._headers({"content-type": "text/event-stream", "transfer-encoding": "chunked"} | dict(headers))

    def _chunked(self, body: bytes, size: int | None = None) -> None:
        step = size or len(body) or 1
        for start in range(0, len(body), step):
            part = body[start : start + step]
            self._write(f"{len(part):x}\r\n".encode() + part + b"\r\n")

    def _end_stream(self) -> None:
        self._write(b"0\r\n\r\n")

    def _write(self, content: bytes, size: int | None = None) -> None:
        step = size or len(content) or 1
        for start in range(0, len(content), step):
            self.wfile.write(content[start : start + step])
            self.wfile.flush()

    def _sleep(self, seconds: float) -> None:
        """Sleeps, and raises ClientLeft as soon as the client or the server ends."""
        end = time.monotonic() + seconds
        while (rest := end - time.monotonic()) > 0:
            readable, _, _ = select.select([self.connection], [], [], min(rest, 0.05))
            if self.server.wire.closing.is_set() or (readable and not self.connection.recv(1, socket.MSG_PEEK)):
                raise ClientLeft
            if readable:
                time.sleep(min(rest, 0.01))


def model_list(wire: WireServer, request: Request) -> object:
    rows: list[dict[str, object]] = [{"id": m.id, "object": "model", **m.fields} for m in wire.listed]
    query = dict(pair.partition("=")[::2] for pair in request.query.split("&") if pair)
    ids = [m.id for m in wire.listed]
    match wire.list_shape:
        case "array":
            return rows
        case "pages":
            after = query.get("after_id")
            start = ids.index(after) + 1 if after in ids else 0
            page = rows[start : start + wire.page_size]
            more = start + wire.page_size < len(rows)
            return {"data": page, "has_more": more, "last_id": page[-1]["id"] if page else None}
        case "links":
            start = int(query.get("offset", "0"))
            end = start + wire.page_size
            following = f"/v1/models?offset={end}" if end < len(rows) else None
            return {"data": rows[start:end], "links": {"next": following}}
        case _:
            return {"object": "list", "data": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description="Serves both wires on 127.0.0.1 until it is interrupted.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--text", default="Hello there.", help="what it answers")
    parser.add_argument("--words", type=int, help="answers so many words instead")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds between words")
    parser.add_argument("--model", action="append", default=[], help="a model it lists")
    arguments = parser.parse_args()
    text = " ".join(f"word{n}" for n in range(arguments.words)) if arguments.words else arguments.text
    with WireServer(port=arguments.port) as server:
        server.reply(text, delay=arguments.delay)
        server.models(*(arguments.model or ["tiny"]))
        print(server.url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
