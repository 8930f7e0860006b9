"""What Ollama's refusals mean; it words them its own way, and puts the words of what it runs inside them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from ei.errors import ProviderError, RejectedParameterError, UnknownModelError
from ei.providers.credentials import url_variable
from ei.providers.failures import Answer, Call, from_answer, from_error_object
from ei.providers.quoting import ended, said

_NO_THINKING = re.compile(r"does not support thinking|think value .* is not supported|invalid think value", re.I)
_NO_TOOLS = re.compile(r"does not support tools", re.I)
_NO_MEMORY = re.compile(
    r"more system memory|out of memory|not enough memory|failed to allocate|unable to allocate|cudaMalloc failed", re.I
)
_NOT_RUN = re.compile(
    r"runner process|runner has unexpectedly stopped|llama-server|(?:error|unable to|failed to) load(?:ing)? ?(?:the )?"
    r"model",
    re.I,
)
_NO_SUCH_PULL = re.compile(r"file does not exist|manifest unknown|not found|invalid model name", re.I)
_FULL_DISK = re.compile(r"no space left|disk is full|not enough space|disk quota", re.I)


def ollama_error(answer: Answer, call: Call) -> ProviderError:
    """An HTTP answer with a status that is no success."""
    body = unwrapped(answer.body)
    found = _special(body, call, answer.status)
    if found is not None:
        return found
    if answer.status in (404, 405) and not isinstance(body, Mapping):
        hint = (
            f"Check {url_variable(call.connection.endpoint)}. Other servers on this machine are asked as local:MODEL."
        )
        sentence = f"What answers at {call.connection.base_url} is no Ollama ({answer.status})."
        return ProviderError(sentence, hint, status=answer.status, **call.common)
    return from_answer(Answer(answer.status, answer.headers, body), call)


def ollama_line_error(error: object, call: Call) -> ProviderError:
    """An error that came as a line of a stream, under HTTP 200."""
    body = unwrapped({"error": error})
    found = None if call.began else _special(body, call, None)
    if found is not None:
        return found
    return from_error_object(body["error"] if isinstance(body, Mapping) and "error" in body else body, call)


def pull_error(error: object, call: Call) -> ProviderError:
    """An error line inside a pull."""
    words = said(unwrapped({"error": error}), call.connection)
    if _FULL_DISK.search(words):
        sentence = f"The disk is full where Ollama keeps its models: {call.model} did not fit."
        hint = f"Free some space (/ollama rm NAME); what came is kept, and goes on with: /ollama pull {call.model}"
        return ProviderError(sentence, hint, **call.common)
    if _NO_SUCH_PULL.search(words):
        sentence = f'Ollama\'s library has no model "{call.model}".'
        hint = "See what it has: /ollama search WORDS, or https://ollama.com/library"
        return UnknownModelError(sentence, hint, **call.common)
    hint = f"What came is kept; try again: /ollama pull {call.model}"
    return ProviderError(f"{call.name} could not fetch {call.model}: {ended(words)}", hint, **call.common)


def unwrapped(body: object) -> object:
    """The body with the error object that its `error` may hold as text: what llama.cpp's server said."""
    error = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, str) or not error.lstrip().startswith("{"):
        return body
    try:
        inner = json.loads(error)
    except (ValueError, RecursionError):
        return body
    return inner if isinstance(inner, Mapping) and inner else body


def _special(body: object, call: Call, status: int | None) -> ProviderError | None:
    """What only Ollama says: no thinking, no tools, no memory for the model, a model that cannot be run."""
    words = said(body, call.connection)
    refused = {"reasoning_effort": _NO_THINKING, "tools": _NO_TOOLS}
    for parameter, pattern in refused.items():
        if pattern.search(words):
            sentence = f"{call.name}:{call.model} does not accept {parameter}: {words}"
            return RejectedParameterError(sentence, status=status, parameter=parameter, **call.common)
    if status not in (None, 500, 503):
        return None
    if _NO_MEMORY.search(words):
        sentence = f"There is not enough memory for {call.name}:{call.model}: {ended(words)}"
        hint = "Stop what is loaded (/ollama ps), take a smaller model, or a smaller providers.ollama.num_ctx."
        return ProviderError(sentence, hint, status=status, **call.common)
    if _NOT_RUN.search(words):
        hint = "Ollama's own log says more; another model may work: /model"
        return ProviderError(
            f"{call.name} could not run {call.model}: {ended(words)}", hint, status=status, **call.common
        )
    return None
