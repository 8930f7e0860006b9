"""A small HTTP server on 127.0.0.1 that behaves like Ollama, with models to chat with and models to fetch.

    with OllamaServer() as server:
        server.install("qwen3:8b", context=40_960, capabilities=("completion", "tools", "thinking"))
        server.publish("gemma3:4b", 3_000_000, 500)     # can be pulled: one layer for each size
        server.reply("Hello there", reasoning="Who is it?")
        ... a client at server.url ...
        assert server.last.body["options"]["num_ctx"] == 8192
        assert server.loads == [("qwen3:8b", 8192)]     # loaded once

What it says in a chat is scripted as in tests/wire.py (Answer, Status, Cut, StreamError, Hang, Raw). Tokens are words.
`python -m tests.ollama --help` serves from the shell. Source of the wire: https://docs.ollama.com/api.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.wire import Answer, Cut, Hang, Raw, Request, Status, StreamError, ToolUse, WireServer
from tests.wire import Handler as WireHandler
from tests.wire_formats import Behaviour, pieces, prompt_tokens

__all__ = ["Answer", "Cut", "Hang", "Installed", "OllamaServer", "Raw", "Status", "StreamError", "ToolUse"]

CHAT = "/api/chat"
DEFAULT_CONTEXT = 4096
KEPT_SECONDS = 300.0
FOREVER = timedelta(days=365 * 290)
NDJSON = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class Layer:
    """A blob of a model: what it is told by, and its size in bytes."""

    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Installed:
    """One model as /api/tags and /api/show tell it. context None: /api/show does not say it."""

    name: str
    layers: tuple[Layer, ...]
    context: int | None = 40_960
    capabilities: tuple[str, ...] = ("completion",)
    family: str = "qwen3"
    parameter_size: str = "8.2B"
    quantization: str = "Q4_K_M"
    modified_at: str = "2026-11-01T10:00:00.123456789+01:00"
    parameters: str = ""
    remote_host: str = ""

    @property
    def size(self) -> int:
        return sum(layer.size for layer in self.layers)

    @property
    def digest(self) -> str:
        """Of its manifest."""
        return hashlib.sha256("".join(layer.digest for layer in self.layers).encode()).hexdigest()

    @property
    def details(self) -> dict[str, object]:
        return {
            "parent_model": "",
            "format": "gguf",
            "family": self.family,
            "families": [self.family],
            "parameter_size": self.parameter_size,
            "quantization_level": self.quantization,
        }


@dataclass(slots=True)
class InMemory:
    """A loaded model; expires None: never."""

    context: int
    expires: datetime | None


@dataclass(frozen=True, slots=True)
class PullFailure:
    """What breaks a pull after so many bytes: an error line with `message`, or with "" the connection is dropped."""

    message: str
    after: int = 0


@dataclass(slots=True)
class Pulling:
    """How pulls go. step: bytes for each line; delay: seconds between lines; silent: `completed` is left out of the
    first lines of a layer; failures by name, each met once."""

    step: int = 1_000_000
    delay: float = 0.0
    silent: bool = True
    failures: dict[str, PullFailure] = field(default_factory=dict)


class OllamaServer(WireServer):
    """The server. Started by `with` or start().

    most_context: a larger num_ctx does not fit the memory (500). load_seconds: how long loading takes.
    truncates: an old Ollama, which knows nothing of `truncate` and silently cuts what is too long.
    tokens_per_word: how many tokens a word is. loads: (name, num_ctx) of every time a model was loaded.
    partial: bytes that are there of layers that were begun, by digest.
    """

    def __init__(
        self,
        *,
        key: str = "",
        port: int = 0,
        version: str = "0.12.6",
        most_context: int | None = None,
        load_seconds: float = 0.0,
        truncates: bool = False,
        tokens_per_word: int = 1,
    ) -> None:
        super().__init__(key=key, port=port)
        self.version = version
        self.most_context = most_context
        self.load_seconds = load_seconds
        self.truncates = truncates
        self.tokens_per_word = tokens_per_word
        self.installed: dict[str, Installed] = {}
        self.library: dict[str, Installed] = {}
        self.memory: dict[str, InMemory] = {}
        self.loads: list[tuple[str, int]] = []
        self.partial: dict[str, int] = {}
        self.pulling = Pulling()
        self.lock = threading.RLock()

    # What the tests use.

    def install(self, name: str, *sizes: int, **fields: Any) -> Installed:
        """Makes a model installed; sizes: of its layers in bytes; fields as in Installed."""
        model = made(name, sizes or (5_225_388_164,), **fields)
        self.installed[full(name)] = model
        return model

    def publish(self, name: str, *sizes: int, **fields: Any) -> Installed:
        """Makes a model one that can be pulled; again with other sizes, a newer version of it."""
        model = made(name, sizes or (3_000_000, 500), **fields)
        self.library[full(name)] = model
        return model

    def load(self, name: str, context: int = DEFAULT_CONTEXT) -> None:
        """Loads a model as another client would have."""
        self.memory[full(name)] = InMemory(context, datetime.now(UTC) + timedelta(seconds=KEPT_SECONDS))

    def asked(self, path: str) -> list[Request]:
        """The requests to that path."""
        return [request for request in self.requests if request.path == path]

    @property
    def url(self) -> str:
        """Where it answers, without /v1."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def chats(self) -> list[Request]:
        """The requests for a reply."""
        return self.asked(CHAT)

    # What the handler uses.

    @property
    def handler(self) -> type[WireHandler]:
        return _Handler

    def find(self, name: str) -> Installed | None:
        return self.installed.get(full(name))

    def in_memory(self) -> dict[str, InMemory]:
        """What is loaded now."""
        now = datetime.now(UTC)
        self.memory = {name: held for name, held in self.memory.items() if held.expires is None or held.expires > now}
        return self.memory

    def keep(self, name: str, context: int, keep_alive: object) -> None:
        expires = expiry(keep_alive)
        if expires is not None and expires <= datetime.now(UTC):
            self.memory.pop(full(name), None)
        else:
            self.memory[full(name)] = InMemory(context, expires)


class _Handler(WireHandler):
    @property
    def ollama(self) -> OllamaServer:
        wire = self.server.wire
        assert isinstance(wire, OllamaServer)
        return wire

    def do_GET(self) -> None:
        self._answer(self._read())

    def do_DELETE(self) -> None:
        self._answer(self._read())

    def do_POST(self) -> None:
        request = self._read()
        if request.path.startswith("/v1/"):
            self._perform(request, self.ollama.next_for(request))
        else:
            self._answer(request)

    def _answer(self, request: Request) -> None:
        ollama = self.ollama
        if request.path != CHAT:
            ollama.requests.append(request)
        if ollama.key and request.key != ollama.key:
            self._perform(request, error(401, "unauthorized"))
            return
        match request.method, request.path:
            case "GET", "/":
                self._perform(request, Raw(b"Ollama is running", "text/plain"))
            case "GET", "/api/version":
                self._json(200, {"version": ollama.version})
            case "GET", "/api/tags":
                self._json(200, {"models": [tag(model) for model in ollama.installed.values()]})
            case "GET", "/v1/models":
                rows = [{"id": model.name, "object": "model"} for model in ollama.installed.values()]
                self._json(200, {"object": "list", "data": rows})
            case "GET", "/api/ps":
                self._json(200, {"models": [process(ollama, *each) for each in ollama.in_memory().items()]})
            case "POST", "/api/show":
                model = ollama.find(name_in(request))
                self._json(200, shown(model)) if model else self._perform(request, not_found(request))
            case "DELETE", "/api/delete":
                self._delete(request)
            case "POST", "/api/generate":
                self._generate(request)
            case "POST", "/api/pull":
                self._stream(request, pull(ollama, request))
            case "POST", "/api/chat":
                self._perform(request, ollama.next_for(request))
            case _:
                self._perform(request, Raw(b"404 page not found", "text/plain", 404))

    def _do(self, request: Request, behaviour: Behaviour) -> None:
        if request.path != CHAT or isinstance(behaviour, Raw):
            super()._do(request, behaviour)
            return
        if isinstance(behaviour, Status):
            message = behaviour.message or f"status {behaviour.code}"
            body = {"error": message} if behaviour.body is None else behaviour.body
            super()._do(request, replace(behaviour, body=body))
            return
        refusal, counted = self._load(request)
        if refusal is not None:
            super()._do(request, refusal)
            return
        match behaviour:
            case Answer():
                self._sleep(behaviour.first_delay)
                lines = list(chat_lines(self.ollama, request, behaviour, counted))
                if not request.body.get("stream", True):
                    self._json(200, lines[-1][0], behaviour.headers)
                    return
                self._begin(behaviour.headers)
                for line, pause in lines:
                    if pause:
                        self._sleep(behaviour.delay)
                    self._chunked(ndjson(line), behaviour.split_bytes)
                self._end_stream()
            case Cut() | StreamError() | Hang():
                self._begin({})
                delay = 0.0 if isinstance(behaviour, Hang) else behaviour.delay
                for piece in pieces(behaviour.text, None):
                    self._sleep(delay)
                    self._chunked(ndjson(said(request, {"content": piece})))
                if isinstance(behaviour, StreamError):
                    self._chunked(ndjson({"error": behaviour.message}))
                    self._end_stream()
                else:
                    self._break_off(behaviour, False)

    def _load(self, request: Request) -> tuple[Status | None, int]:
        """(why the chat is refused, how many tokens of the prompt count)."""
        ollama, body = self.ollama, request.body
        model = ollama.find(request.model)
        if model is None:
            return not_found(request), 0
        if body.get("tools") and "tools" not in model.capabilities:
            return error(400, f"registry.ollama.ai/library/{full(model.name)} does not support tools"), 0
        if body.get("think") and "thinking" not in model.capabilities:
            return error(400, f'"{model.name}" does not support thinking'), 0
        context = int((body.get("options") or {}).get("num_ctx") or DEFAULT_CONTEXT)
        if ollama.most_context is not None and context > ollama.most_context:
            return error(500, "model requires more system memory (30.1 GiB) than is available (15.4 GiB)"), 0
        held = ollama.in_memory().get(full(model.name))
        if held is None or held.context != context:
            ollama.loads.append((model.name, context))
            self._sleep(ollama.load_seconds)
        ollama.keep(model.name, context, body.get("keep_alive"))
        tokens = prompt_tokens(request) * ollama.tokens_per_word
        if tokens < context:
            return None, tokens
        if body.get("truncate") is False and not ollama.truncates:
            said = f"request ({tokens} tokens) exceeds the available context size ({context} tokens), try increasing it"
            inner = {"code": 400, "message": said, "type": "exceed_context_size_error"}
            inner |= {"n_prompt_tokens": tokens, "n_ctx": context}
            return error(400, json.dumps({"error": inner})), 0
        return None, context // 2

    def _delete(self, request: Request) -> None:
        ollama = self.ollama
        if ollama.find(name_in(request)) is None:
            self._perform(request, not_found(request))
            return
        del ollama.installed[full(name_in(request))]
        ollama.memory.pop(full(name_in(request)), None)
        self.send_response(200)
        self._headers({"content-length": "0"})

    def _generate(self, request: Request) -> None:
        """Without a prompt: loads a model, or with keep_alive 0 takes it out of the memory."""
        ollama, model = self.ollama, self.ollama.find(request.model)
        if model is None:
            self._perform(request, not_found(request))
            return
        held = ollama.in_memory().get(full(model.name))
        context = int((request.body.get("options") or {}).get("num_ctx") or DEFAULT_CONTEXT)
        ollama.keep(model.name, held.context if held else context, request.body.get("keep_alive"))
        unload = request.body.get("keep_alive") in (0, "0", "0s")
        done = {"response": "", "done": True, "done_reason": "unload" if unload else "load"}
        self._json(200, {"model": request.model, "created_at": stamp(), **done})

    def _stream(self, request: Request, lines: Iterator[Mapping[str, object] | None]) -> None:
        """Writes lines, the pulls' delay between them; None drops the connection."""
        try:
            self._begin({})
            for line in lines:
                if line is None:
                    self.close_connection = True
                    return
                self._chunked(ndjson(line))
                self._sleep(self.ollama.pulling.delay)
            self._end_stream()
        except Exception:
            request.client_left = True
            self.close_connection = True

    def _begin(self, headers: Mapping[str, str]) -> None:
        self._begin_stream({"content-type": NDJSON, **headers})


# Chatting.


def chat_lines(
    ollama: OllamaServer, request: Request, answer: Answer, counted: int
) -> Iterator[tuple[Mapping[str, object], bool]]:
    """The lines of a reply, and whether a pause comes before each."""
    model = ollama.find(request.model)
    assert model is not None
    asked = request.body.get("think")
    thinks = bool(answer.reasoning) and asked is not False and "thinking" in model.capabilities
    words = pieces(answer.text, answer.chunks)
    longest = int((request.body.get("options") or {}).get("num_predict") or -1)
    cut = 0 <= longest < len(words)
    for piece in pieces(answer.reasoning, None) if thinks else ():
        yield said(request, {"content": "", "thinking": piece}), True
    for piece in words[:longest] if cut else words:
        yield said(request, {"content": piece}), True
    for tool in answer.tools:
        call = {"function": {"name": tool.name, "arguments": json.loads(tool.arguments)}}
        yield said(request, {"content": "", "tool_calls": [call]}), True
    if not answer.done:
        return
    reason = "length" if cut else answer.finish
    last: dict[str, object] = said(request, {"content": ""}) | {"done": True}
    last |= {"done_reason": reason} if reason else {}
    last |= {"total_duration": 900_000_000, "load_duration": 40_000_000}
    last |= {"prompt_eval_duration": 200_000_000, "eval_duration": 600_000_000}
    match answer.usage:
        case "auto":
            counts = {"prompt_eval_count": counted, "eval_count": len((answer.text + " " + answer.reasoning).split())}
        case (int(into), int(out)):
            counts = {"prompt_eval_count": into, "eval_count": out}
        case None:
            counts = {}
        case mapping:
            assert isinstance(mapping, Mapping)
            counts = dict(mapping)  # type: ignore[arg-type]
    yield last | counts, False


def said(request: Request, message: Mapping[str, object]) -> dict[str, object]:
    return {
        "model": request.model,
        "created_at": stamp(),
        "message": {"role": "assistant", **message},
        "done": False,
    }


# Pulling.


def pull(ollama: OllamaServer, request: Request) -> Iterator[Mapping[str, object] | None]:
    """The lines of a pull; what came stays in `partial` when the client leaves."""
    name, pulling = name_in(request), ollama.pulling
    failure = pulling.failures.pop(full(name), None)
    yield {"status": "pulling manifest"}
    model = ollama.library.get(full(name))
    if model is None:
        yield {"error": "pull model manifest: file does not exist"}
        return
    held = ollama.find(name)
    have = {layer.digest for layer in held.layers} if held else set()
    came = 0
    for layer in model.layers:
        line: dict[str, object] = {"status": f"pulling {layer.digest[7:19]}", "digest": layer.digest}
        line["total"] = layer.size
        if layer.digest in have:
            yield {**line, "completed": layer.size}
            continue
        if pulling.silent:
            yield line
        if ollama.partial.get(layer.digest):
            yield {**line, "completed": ollama.partial[layer.digest]}
        while ollama.partial.get(layer.digest, 0) < layer.size:
            if failure is not None and came >= failure.after:
                yield {"error": failure.message} if failure.message else None
                return
            step = min(pulling.step, layer.size - ollama.partial.get(layer.digest, 0))
            came += step
            ollama.partial[layer.digest] = ollama.partial.get(layer.digest, 0) + step
            yield {**line, "completed": ollama.partial[layer.digest]}
    yield {"status": "verifying sha256 digest"}
    yield {"status": "writing manifest"}
    for layer in model.layers:
        ollama.partial.pop(layer.digest, None)
    ollama.installed[full(name)] = replace(model, modified_at=stamp())
    yield {"status": "success"}


# Rows.


def tag(model: Installed) -> Mapping[str, object]:
    row: dict[str, object] = {
        "name": full(model.name),
        "model": full(model.name),
        "modified_at": model.modified_at,
        "size": model.size,
        "digest": model.digest,
        "details": model.details,
    }
    return row | ({"remote_model": model.name, "remote_host": model.remote_host} if model.remote_host else {})


def shown(model: Installed) -> Mapping[str, object]:
    info: dict[str, object] = {"general.architecture": model.family, "general.parameter_count": 8_190_735_360}
    if model.context is not None:
        info[f"{model.family}.context_length"] = model.context
    return {
        "license": "Apache License 2.0",
        "modelfile": f"FROM {model.name}",
        "parameters": model.parameters,
        "template": "{{ .Prompt }}",
        "details": model.details,
        "model_info": info,
        "capabilities": list(model.capabilities),
        "modified_at": model.modified_at,
    } | ({"remote_host": model.remote_host} if model.remote_host else {})


def process(ollama: OllamaServer, name: str, held: InMemory) -> Mapping[str, object]:
    model = ollama.installed[name]
    size = model.size + held.context * 100_000
    expires = held.expires or datetime.now(UTC) + FOREVER
    row = {name: value for name, value in tag(model).items() if name != "modified_at"}
    return row | {
        "size": size,
        "expires_at": expires.isoformat(),
        "size_vram": size // 2,
        "context_length": held.context,
    }


def not_found(request: Request) -> Status:
    return error(404, f"model '{name_in(request)}' not found")


def error(code: int, message: str) -> Status:
    return Status(code, message, body={"error": message})


def name_in(request: Request) -> str:
    return str(request.body.get("model") or request.body.get("name") or "")


def made(name: str, sizes: tuple[int, ...], **fields: Any) -> Installed:
    layers = [
        Layer("sha256:" + hashlib.sha256(f"{name}/{number}/{size}".encode()).hexdigest(), size)
        for number, size in enumerate(sizes)
    ]
    return Installed(name, tuple(layers), **fields)


def full(name: str) -> str:
    """With the tag that is meant where none is written."""
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def expiry(keep_alive: object) -> datetime | None:
    """When a model leaves the memory, None for never; as Ollama reads it: seconds, or a text with a unit."""
    seconds = KEPT_SECONDS
    if isinstance(keep_alive, int | float):
        seconds = keep_alive
    elif isinstance(keep_alive, str):
        units = {"s": 1, "m": 60, "h": 3600}
        seconds = float(keep_alive[:-1]) * units[keep_alive[-1]]
    return None if seconds < 0 else datetime.now(UTC) + timedelta(seconds=seconds)


def stamp() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def ndjson(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Behaves like Ollama on 127.0.0.1 until it is interrupted.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--text", default="Hello there.", help="what it answers")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds between words")
    parser.add_argument("--model", action="append", default=[], help="a model that is installed")
    parser.add_argument("--publish", action="append", default=[], help="a model that can be pulled")
    parser.add_argument("--pull-delay", type=float, default=0.05, help="seconds between a pull's lines")
    arguments = parser.parse_args()
    with OllamaServer(port=arguments.port) as server:
        server.reply(arguments.text, delay=arguments.delay)
        server.pulling.delay = arguments.pull_delay
        for name in arguments.model or ["tiny"]:
            server.install(name, capabilities=("completion", "tools", "thinking"))
        for name in arguments.publish:
            server.publish(name, 40_000_000, 500)
        print(server.url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)


if __name__ == "__main__":
    main()
