"""What went wrong with a provider, as an error of `ei.errors` with the sentence that the person reads.

Neither SDK is imported here: their exceptions (and httpx's) are told apart by the names of their classes, their
`status_code`, `response` and `body`. `tests/providers/test_failures.py` holds that every class is mapped.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from ei.errors import (
    BusyError,
    CutOffError,
    MissingKeyError,
    NotReadyError,
    ProviderError,
    RefusedKeyError,
    RejectedParameterError,
    TooLongError,
    UnknownModelError,
    UnreachableError,
)
from ei.providers.addresses import is_loopback
from ei.providers.base import Connection, Endpoint
from ei.providers.credentials import is_withheld, key_variable, to_set, url_variable
from ei.providers.quoting import clean, code_of, dumped, ended, error_fields, is_page, said
from ei.providers.refusals import mentioned_parameter, not_supported, too_long, unknown_model


class Names(TypedDict):
    provider: str
    model: str


@dataclass(frozen=True, slots=True)
class Call:
    """What failed. sent: the names in the request's body. began: whether a part of the reply had come."""

    connection: Connection
    model: str = ""
    sent: Collection[str] = ()
    began: bool = False

    @property
    def name(self) -> str:
        return self.connection.name

    @property
    def common(self) -> Names:
        """What every error tells of the call."""
        return {"provider": self.connection.name, "model": self.model}


class VendorError(Exception):
    """Stands in for an SDK's exception as the cause of ours: its class and its words, without any key."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer that is no reply. body: parsed JSON, or text."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: object = None


def missing_key(connection: Connection) -> MissingKeyError:
    """The error for a provider that needs a key and has none."""
    name = connection.name
    sentence = f"{name} has no API key." if not connection.key_problem else f"{name} has no API key it can use."
    hint = f"Set {key_variable(connection.endpoint)}, or: {to_set(connection.endpoint)}"
    if connection.key_problem:
        # One that is withheld would be, wherever it is kept.
        give = "" if is_withheld(connection.key_problem) else f" To give it another: {to_set(connection.endpoint)}"
        hint = f"{connection.key_problem}{give}"
    return MissingKeyError(sentence, hint, provider=name)


def not_ready(connection: Connection) -> ProviderError | None:
    """Why nothing can be sent, or None."""
    if connection.problem:
        return NotReadyError(connection.problem, connection.problem_hint, provider=connection.name)
    return None if connection.ready else missing_key(connection)


def from_exception(exc: BaseException, call: Call) -> ProviderError:
    """Any exception of an SDK, of httpx or of the translation, as ours."""
    if isinstance(exc, ProviderError):
        return exc
    status = getattr(exc, "status_code", None)
    response = getattr(exc, "response", None)
    if isinstance(status, int) and status != 200 and "APIResponseValidationError" not in kinds(exc):
        headers = {str(k).lower(): str(v) for k, v in dict(getattr(response, "headers", None) or {}).items()}
        body = getattr(exc, "body", None)
        return from_answer(Answer(status, headers, body if body is not None else words_of(exc)), call)
    if "APIError" in kinds(exc) and isinstance(getattr(exc, "body", None), Mapping):
        return from_error_object(exc.body, call)  # type: ignore[attr-defined]
    return from_connection_failure(exc, call)


def cause(exc: BaseException, call: Call) -> VendorError:
    """For `raise … from`: the same traceback, words that cannot hold the key."""
    name = f"{type(exc).__module__}.{type(exc).__qualname__}"
    return VendorError(f"{name}: {clean(words_of(exc), call.connection)}").with_traceback(exc.__traceback__)


def from_answer(answer: Answer, call: Call) -> ProviderError:
    """An HTTP answer with a status that is no success (or a page where a reply should be)."""
    name, status = call.name, answer.status
    words = said(answer.body, call.connection)
    if 300 <= status < 400:
        hint = f"Check {url_variable(call.connection.endpoint)}: the address has moved, or a login page is in between."
        return ProviderError(f"{name} answered with a redirect ({status}).", hint, status=status, **call.common)
    if status == 402 or code_of(answer.body) in UNPAID:
        hint = f"{ended(words) if words else ''} Check the plan and the credit of that account.".strip()
        return ProviderError(f"{name} wants to be paid first ({status}).", hint, status=status, **call.common)
    if status in (401, 403):
        return refused_key(call, status, words)
    error = refusal(answer, call, words)
    if error is not None:
        return error
    if is_busy(status):
        wait = retry_after(answer)
        hint = f"It said: {ended(words)} {AGAIN_LATER}" if words else AGAIN_LATER
        return BusyError(f"{name} is busy ({status}).", hint, status=status, retry_after=wait, **call.common)
    if is_page(answer.body):
        return web_page(call, status)
    if status == 404:
        hint = f"Check {url_variable(call.connection.endpoint)}; most addresses end in /v1."
        return ProviderError(
            f"{name} has nothing at {call.connection.base_url} (404).", hint, status=404, **call.common
        )
    return ProviderError(f"{name} answered {status}: {words or 'nothing more'}", status=status, **call.common)


def from_error_object(error: object, call: Call) -> ProviderError:
    """An error that came inside a stream, under HTTP 200."""
    if isinstance(error, Mapping) and isinstance(error.get("error"), Mapping):
        error = error["error"]
    if not isinstance(error, Mapping):
        error = {"message": str(error)}
    code, kind = error.get("code"), str(error.get("type", ""))
    status = code if isinstance(code, int) and 400 <= code < 600 else STATUS_OF_TYPE.get(kind, 0)
    if isinstance(code, str) and code.isdigit():
        status = int(code)
    if not status and code in STATUS_OF_TYPE:
        status = STATUS_OF_TYPE[str(code)]
    if status and not call.began:
        return from_answer(Answer(status, {}, error), call)
    words = said(error, call.connection) or kind or "nothing more"
    if call.began:
        sentence = f"{call.name} broke off its reply: {ended(words)}"
        return CutOffError(sentence, AGAIN, status=status or None, **call.common)
    refused = refusal(Answer(400, {}, error), call, words)
    return refused or ProviderError(f"{call.name} answered: {words}", **call.common)


def cut_off(call: Call) -> CutOffError:
    """The stream ended before the model had finished."""
    if call.began:
        sentence, hint = f"The reply of {call.name} was cut off.", AGAIN
    else:
        sentence, hint = f"{call.name} closed the connection before it answered.", "Try again: /retry"
    return CutOffError(sentence, hint, **call.common)


def web_page(call: Call, status: int) -> ProviderError:
    """HTML where a reply should be."""
    hint = f"Is a proxy or a login page in between? Check {url_variable(call.connection.endpoint)}."
    sentence = f"{call.name} answered with a web page instead of a reply ({status})."
    return ProviderError(sentence, hint, status=status, **call.common)


def no_such_model(call: Call, near: Collection[str], status: int | None = 404) -> UnknownModelError:
    """near: names that may be meant, the likeliest first."""
    shown = sorted(near, key=list(near).index)[:3]
    hint = "See what it has: /model --list"
    if shown:
        hint = f"Did you mean {' or '.join(shown)}?"
    if call.connection.endpoint.wire == "ollama":
        command = to_install(call.connection.endpoint, call.model)
        hint = f"{hint} Or install {call.model}: {command}" if shown else f"To install it: {command}"
    sentence = f'{call.name} has no model "{call.model}".'
    return UnknownModelError(sentence, hint, status=status, near=tuple(shown), **call.common)


def to_install(endpoint: Endpoint, model: str) -> str:
    """The command that fetches a model which an Ollama does not have: ours asks the one that is called ollama."""
    return f"/ollama pull {model}" if endpoint.name == "ollama" else f"ollama pull {model} (on its machine)"


AGAIN = "The text so far is kept. /continue goes on, /retry asks again."

UNPAID = (
    "insufficient_quota",
    "billing_hard_limit_reached",
    "contract_spend_limit_reached",
    "enforced_spend_limit_reached",
)

AGAIN_LATER = "Try again in a while: /retry"

STATUS_OF_TYPE = {
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "invalid_request_error": 400,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "api_error": 500,
    "server_error": 500,
    "internal_server_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


# Statuses.


def is_busy(status: int) -> bool:
    """Whether the same request may succeed later."""
    return status in (408, 409, 425, 429) or (status >= 500 and status not in (501, 505))


def refused_key(call: Call, status: int, words: str) -> RefusedKeyError:
    variable = key_variable(call.connection.endpoint)
    if call.connection.key is None:
        return RefusedKeyError(
            f"{call.name} asks for an API key ({status}).", f"Set {variable}.", status=status, **call.common
        )
    hint = f"Check {call.connection.key_source or variable}."
    if status == 403 and words:
        hint = f"{hint} It said: {words}"
    return RefusedKeyError(f"{call.name} refused the API key ({status}).", hint, status=status, **call.common)


def refusal(answer: Answer, call: Call, words: str) -> ProviderError | None:
    """What the answer's words tell: too long, no such model, a parameter that is not accepted; else None."""
    body, status, name = answer.body, answer.status, call.name
    full = said(body, call.connection, longest=2000)
    fields = error_fields(body)
    size = too_long(status, full, fields)
    if size is not None:
        asked, limit = size
        room = f" ({limit:,} tokens)" if limit else ""
        sentence = f"The conversation is longer than {name}:{call.model} can read{room}."
        hint = "Start a new one with /new, or choose a model that reads more."
        return TooLongError(sentence, hint, status=status, limit=limit, asked=asked, **call.common)
    if unknown_model(status, full, fields, call.model):
        return no_such_model(call, (), status)
    if status in (400, 422) or (status in (500, 501) and not_supported(full)):
        parameter = mentioned_parameter(full, body, call.sent)
        if parameter:
            sentence = f"{name}:{call.model} does not accept {parameter} ({status}): {words}"
            return RejectedParameterError(sentence, status=status, parameter=parameter, **call.common)
    return None


def retry_after(answer: Answer, now: float | None = None) -> float | None:
    """Seconds that the server asks to wait: Retry-After (seconds or an HTTP date, RFC 9110 10.2.3), retry-after-ms,
    or Google's retryDelay in the body. now: seconds since the epoch. None where nothing sensible is said."""
    milliseconds = number(answer.headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    header = answer.headers.get("retry-after", "").strip()
    seconds = number(header)
    if seconds is None and header:
        seconds = seconds_until(header, now)
    if seconds is None and (match := re.search(r'"retryDelay":\s*"([\d.]+)s"', dumped(answer.body))):
        seconds = number(match[1])
    return seconds


def number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\s*\d{1,9}(\.\d{1,9})?\s*", text) else None


def seconds_until(date: str, now: float | None) -> float | None:
    import time
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, moment - (time.time() if now is None else now))


# Connections.


def from_connection_failure(exc: BaseException, call: Call) -> ProviderError:
    """Nothing was answered, or the answer could not be read to its end."""
    names = {name for link in chain(exc) for name in kinds(link)}
    connection = call.connection
    url = connection.base_url
    if names & {"ConnectTimeout", "PoolTimeout"}:
        return UnreachableError(f"{url} did not answer in time.", reach_hint(connection), **call.common)
    if names & {"TimeoutException", "APITimeoutError", "TimeoutError"} and "ConnectError" not in names:
        if call.began:
            return cut_off(call)
        return UnreachableError(
            f"{call.name} took too long to answer.", "Try again: /retry", reached=True, **call.common
        )
    if names & {"SSLError", "SSLCertVerificationError"}:
        hint = "Is a proxy in between? If it is your own, make its certificate known to this machine."
        return UnreachableError(f"No safe connection to {url}: {tls_words(exc)}.", hint, **call.common)
    if "gaierror" in names:
        hint = f"Is this machine online? Check {url_variable(connection.endpoint)}."
        return UnreachableError(f"The address {url} is not known on the network.", hint, **call.common)
    if names & {"ConnectError", "ProxyError", "UnsupportedProtocol", "InvalidURL"}:
        return UnreachableError(f"Nothing answers at {url}.", reach_hint(connection), **call.common)
    if names & {"TransportError", "StreamError", "APIConnectionError", "ConnectionError", "IncompleteRead"}:
        return cut_off(call)
    words = clean(words_of(exc), connection)
    return ProviderError(f"{call.name} could not be asked: {words or type(exc).__name__}", **call.common)


def reach_hint(connection: Connection) -> str:
    if connection.endpoint.wire == "ollama":
        return f"Is Ollama running? Start it, or check {url_variable(connection.endpoint)}."
    if connection.endpoint.local:
        return "Is LM Studio or Ollama running?"
    if is_loopback(connection.base_url):
        return "Is that server running?"
    return f"Is this machine online? Check {url_variable(connection.endpoint)}."


def tls_words(exc: BaseException) -> str:
    for link in chain(exc):
        message = getattr(link, "verify_message", None)
        if isinstance(message, str) and message:
            return message
    return "its encryption failed"


def chain(exc: BaseException) -> Iterator[BaseException]:
    """The exception and everything that led to it."""
    waiting, seen = [exc], set()
    while waiting:
        link = waiting.pop()
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        waiting += [other for other in (link.__cause__, link.__context__) if other is not None]
        if isinstance(link, BaseExceptionGroup):
            waiting += link.exceptions


def words_of(exc: BaseException) -> str:
    try:
        return str(exc)
    except Exception:
        return ""


def kinds(exc: BaseException) -> set[str]:
    """The names of an exception's class and all its bases."""
    return {base.__name__ for base in type(exc).__mro__}
