"""Failures of SDKs, HTTP and networks as errors with one sentence."""

from __future__ import annotations

import contextlib
import inspect
import logging
import socket
import ssl
import threading
import traceback
from collections.abc import Iterator, Mapping

import anthropic
import httpx
import httpx2
import openai
import pytest
from anthropic._error_classes import ERROR_CLASSES

from ei.errors import (
    BusyError,
    CutOffError,
    ProviderError,
    RefusedKeyError,
    RejectedParameterError,
    TooLongError,
    UnknownModelError,
    UnreachableError,
)
from ei.providers.base import Connection, Endpoint
from ei.providers.credentials import withheld_sentence
from ei.providers.endpoints import GOOGLE, LOCAL, OLLAMA, OPENAI
from ei.providers.failures import Answer, Call, cause, from_answer, from_exception, missing_key, no_such_model
from ei.providers.openai_chat import OpenAIChat
from ei.providers.quoting import clean
from tests.providers.helpers import KEY, asks, given, heard, openai_at
from tests.wire import Status, WireServer

CONNECTION = Connection(OPENAI, OPENAI.base_url, key=given(KEY), key_source="EI_OPENAI_API_KEY")
SENT = ("model", "messages", "stream", "temperature", "max_completion_tokens", "stream_options")
CALL = Call(CONNECTION, "gpt-x", SENT)


def answered(status: int, body: object = None, headers: Mapping[str, str] | None = None) -> ProviderError:
    return from_answer(Answer(status, headers or {}, body), CALL)


def said(message: str, **fields: object) -> dict[str, object]:
    return {"error": {"message": message, **fields}}


# The table of sentences.


def test_no_key() -> None:
    error = missing_key(Connection(OPENAI, OPENAI.base_url))
    assert str(error) == "openai has no API key. Set EI_OPENAI_API_KEY, or: /provider openai"


def test_a_key_that_was_named_but_is_not_there_says_why() -> None:
    problem = "providers.openai.key names X, which is not set."
    error = missing_key(Connection(OPENAI, OPENAI.base_url, key_problem=problem))
    assert str(error) == f"openai has no API key it can use. {problem} To give it another: /provider openai"
    withheld = withheld_sentence(OPENAI, "OPENAI_API_KEY")
    error = missing_key(Connection(OPENAI, OPENAI.base_url, key_problem=withheld))
    assert str(error) == f"openai has no API key it can use. {withheld}"


def test_refused_key() -> None:
    assert str(answered(401)) == "openai refused the API key (401). Check EI_OPENAI_API_KEY."
    forbidden = answered(403, said("Country not supported"))
    assert str(forbidden) == (
        "openai refused the API key (403). Check EI_OPENAI_API_KEY. It said: Country not supported"
    )
    assert isinstance(forbidden, RefusedKeyError)


def test_a_server_that_asks_for_a_key_where_none_was_sent() -> None:
    call = Call(Connection(LOCAL, LOCAL.base_url), "m")
    assert str(from_answer(Answer(401), call)) == "local asks for an API key (401). Set EI_LLM_API_KEY."


def test_unknown_model() -> None:
    call = Call(Connection(GOOGLE, GOOGLE.base_url, key=given(KEY)), "gemini/gemini-2.5-flash")
    assert str(no_such_model(call, ("gemini-2.5-flash",))) == (
        'google has no model "gemini/gemini-2.5-flash". Did you mean gemini-2.5-flash?'
    )
    assert str(no_such_model(Call(Connection(OLLAMA, OLLAMA.base_url), "qwen3:8b"), ())) == (
        'ollama has no model "qwen3:8b". To install it: /ollama pull qwen3:8b'
    )


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 520, 529])
def test_busy(status: int) -> None:
    error = answered(status, "<html>Bad gateway</html>")
    assert isinstance(error, BusyError)
    assert str(error) == f"openai is busy ({status}). Try again in a while: /retry"


def test_a_server_that_says_why_it_is_busy_is_quoted() -> None:
    error = answered(503, said("Loading model"))
    assert str(error) == "openai is busy (503). It said: Loading model. Try again in a while: /retry"


@pytest.mark.parametrize("status", [402, 429])
def test_an_account_without_credit_is_not_busy(status: int) -> None:
    error = answered(status, said("You exceeded your current quota", code="insufficient_quota"))
    assert not isinstance(error, BusyError)
    assert str(error) == (
        f"openai wants to be paid first ({status}). You exceeded your current quota. "
        "Check the plan and the credit of that account."
    )


def test_anything_else_is_one_line_of_what_was_said() -> None:
    error = answered(418, said("I am\na \x1b[31mteapot\x07 " + "x" * 500))
    assert error.sentence.startswith("openai answered 418: I am a [31mteapot xxx")
    assert len(error.sentence) < 230
    assert error.sentence.endswith("…")


def test_a_wrong_address_is_no_unknown_model() -> None:
    error = answered(404, {"detail": "Not Found"})
    assert str(error) == (
        "openai has nothing at https://api.openai.com/v1 (404). Check EI_OPENAI_BASE_URL; most addresses end in /v1."
    )


# What the words mean.


LLAMA = {
    "code": 400,
    "message": "request (1221 tokens) exceeds the available context size (512 tokens), try increasing it",
    "type": "exceed_context_size_error",
    "n_prompt_tokens": 1221,
    "n_ctx": 512,
}
OPENAI_LONG = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."
ANTHROPIC_LONG = "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"
GOOGLE_LONG = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
MISTRAL_LONG = "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length"
STUDIO_LONG = (
    "Trying to keep the first 5000 tokens. However, the model is loaded with a context length of only 4096 tokens"
)
ROUTER_LONG = "This endpoint's maximum context length is 32768 tokens. However, you requested about 40000 tokens"


@pytest.mark.parametrize(
    ("status", "body", "asked", "limit"),
    [
        (400, {"error": LLAMA}, 1221, 512),
        (400, said(OPENAI_LONG, code="context_length_exceeded", param="messages"), 9000, 8192),
        (400, said("prompt is too long: 215000 tokens > 200000 maximum"), 215_000, 200_000),
        (400, said(ANTHROPIC_LONG), None, 200_000),
        (400, [{"error": {"code": 400, "message": GOOGLE_LONG}}], 1_200_000, 1_048_576),
        (400, {"object": "error", "message": MISTRAL_LONG}, 40_000, 32_768),
        (400, {"error": STUDIO_LONG}, None, 4096),
        (400, said(ROUTER_LONG), 40_000, 32_768),
        (422, said("`inputs` tokens + `max_new_tokens` must be <= 8193"), None, 8193),
        (413, said("Request too large for model `x` on tokens per minute"), None, None),
        (413, "<html>", None, None),
    ],
)
def test_a_request_that_is_too_long_is_told_in_every_wording(
    status: int, body: object, asked: int | None, limit: int | None
) -> None:
    error = answered(status, body)
    assert isinstance(error, TooLongError)
    assert (error.asked, error.limit) == (asked, limit)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, said("The model `gpt-x` does not exist or you do not have access to it.", code="model_not_found")),
        (404, {"type": "error", "error": {"type": "not_found_error", "message": "model: gpt-x"}}),
        (404, [{"error": {"code": 404, "message": "models/gpt-x is not found for API version v1main"}}]),
        (404, said('model "gpt-x" not found, try pulling it first')),
        (404, said("The API deployment for this resource does not exist.", code="DeploymentNotFound")),
        (400, {"object": "error", "message": "Invalid model: gpt-x", "type": "invalid_model", "code": "1500"}),
        (400, said("gpt-x is not a valid model ID", code=400)),
        (400, said("Model Not Exist", param=None, code="invalid_request_error")),
    ],
)
def test_an_unknown_model_is_told_in_every_wording(status: int, body: object) -> None:
    error = answered(status, body)
    assert isinstance(error, UnknownModelError)
    assert error.sentence == 'openai has no model "gpt-x".'


OPENAI_REJECTS = "Unsupported value: 'temperature' does not support 0.7 with this model."
RENAMED = "Unsupported parameter: 'max_completion_tokens' is not supported. Use 'max_tokens' instead."
EXTRA = {"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}
TOO_HIGH = {"loc": ["body", "temperature"], "msg": "ensure this value is less than or equal to 1"}


@pytest.mark.parametrize(
    ("status", "body", "parameter"),
    [
        (400, said(OPENAI_REJECTS, param="temperature", code="unsupported_value"), "temperature"),
        (400, said(RENAMED, code="unsupported_parameter"), "max_completion_tokens"),
        (422, {"object": "error", "message": {"detail": [EXTRA]}}, "stream_options"),
        (422, {"detail": [TOO_HIGH]}, "temperature"),
        (400, said("Field 'temperature': [json.exception.type_error.302] type must be number"), "temperature"),
        (400, said("temperature: Extra inputs are not permitted"), "temperature"),
        (400, said("Only user and assistant roles are supported; system role not supported"), "system"),
        (400, said("messages.1.content.0: Invalid `signature` in `thinking` block"), "signatures"),
    ],
)
def test_a_rejected_parameter_is_named_in_every_wording(status: int, body: object, parameter: str) -> None:
    error = answered(status, body)
    assert isinstance(error, RejectedParameterError)
    assert error.parameter == parameter


def test_of_two_parameters_that_exclude_each_other_the_lesser_goes() -> None:
    call = Call(CONNECTION, "m", ("temperature", "top_p"))
    error = from_answer(Answer(400, {}, said("`temperature` and `top_p` cannot both be specified")), call)
    assert isinstance(error, RejectedParameterError)
    assert error.parameter == "top_p"


def test_a_parameter_that_was_not_sent_is_not_named() -> None:
    assert type(answered(400, said("Unsupported parameter: 'logprobs'", param="logprobs"))) is ProviderError


# Every exception of both SDKs.

REQUEST = httpx2.Request("POST", "https://api.example/v1")
EXPECTED: dict[str, type[ProviderError]] = {
    "BadRequestError": ProviderError,
    "AuthenticationError": RefusedKeyError,
    "OAuthError": RefusedKeyError,
    "PaymentRequiredError": ProviderError,
    "PermissionDeniedError": RefusedKeyError,
    "NotFoundError": ProviderError,
    "RequestTimeoutError": BusyError,
    "ConflictError": BusyError,
    "PreconditionFailedError": ProviderError,
    "ContentTooLargeError": TooLongError,
    "UnprocessableEntityError": ProviderError,
    "RateLimitError": BusyError,
    "RequestHeaderFieldsTooLargeError": ProviderError,
    "ClientClosedRequestError": ProviderError,
    "InternalServerError": BusyError,
    "HTTPNotImplementedError": ProviderError,
    "ServiceUnavailableError": BusyError,
    "GatewayTimeoutError": BusyError,
    "OverloadedError": BusyError,
    "APIStatusError": BusyError,
    "APIConnectionError": CutOffError,
    "APITimeoutError": UnreachableError,
    "APIResponseValidationError": ProviderError,
    "APIWebhookValidationError": ProviderError,
    "APIError": ProviderError,
    "OpenAIError": ProviderError,
    "AnthropicError": ProviderError,
    "RetryableError": ProviderError,
    "CredentialsError": ProviderError,
    "IdentityTokenFileError": ProviderError,
    "LengthFinishReasonError": ProviderError,
    "ContentFilterFinishReasonError": ProviderError,
    "InvalidWebhookSignatureError": ProviderError,
    "SubjectTokenProviderError": ProviderError,
    "WebSocketConnectionClosedError": ProviderError,
    "WebSocketQueueFullError": ProviderError,
    "ContractSpendLimitReachedError": ProviderError,
    "EnforcedSpendLimitReachedError": ProviderError,
    "_AmbiguousModuleClientUsageError": ProviderError,
}
ROOTS = ("OpenAIError", "AnthropicError", "APIError", "APIStatusError")
STATUS = {"OAuthError": 401, "InternalServerError": 500, "APIStatusError": 500, "APIResponseValidationError": 200}
CODES: dict[type[Exception], str] = {cls: code for (_, code), cls in ERROR_CLASSES.items() if code}


def with_subclasses(cls: type[Exception]) -> set[type[Exception]]:
    return {cls}.union(*(with_subclasses(sub) for sub in cls.__subclasses__()))


def sdk_exceptions() -> list[type[Exception]]:
    found = with_subclasses(openai.OpenAIError) | with_subclasses(anthropic.AnthropicError)
    for module in (openai, anthropic, openai._exceptions, anthropic._exceptions):
        found |= {value for _, value in inspect.getmembers(module, inspect.isclass) if issubclass(value, Exception)}
    own = {cls for cls in found if cls.__module__.split(".")[0] in ("openai", "anthropic")}
    return sorted(own, key=lambda cls: f"{cls.__module__}.{cls.__qualname__}")


def expected_of(cls: type[Exception]) -> tuple[str, type[ProviderError]]:
    """(the class of the table that decides, what it becomes): the nearest of its bases that the table names."""
    return next((base.__name__, EXPECTED[base.__name__]) for base in cls.__mro__ if base.__name__ in EXPECTED)


def is_of_the_api(cls: type[Exception]) -> bool:
    """Whether the SDK shows it to its users; what its helpers raise is a mistake in a program and stays general."""
    return cls.__module__ in ("openai", "anthropic", "openai._exceptions", "anthropic._exceptions")


def made(cls: type[Exception]) -> Exception:
    """An instance as the SDK would raise it, as far as its constructor can be guessed."""
    status = getattr(cls, "status_code", None)
    if not isinstance(status, int):
        status = next((STATUS[base.__name__] for base in cls.__mro__ if base.__name__ in STATUS), None)
    body = {"error": {"message": "words", "details": {"error_code": CODES.get(cls)}}}
    attempts: list[dict[str, object]] = []
    if status is not None:
        response = httpx2.Response(status, request=REQUEST, json=body)
        attempts += [{"message": "words", "response": response, "body": body}, {"response": response, "body": body}]
    attempts += [
        {"message": "words", "request": REQUEST, "body": None},
        {"message": "words", "request": REQUEST},
        {"request": REQUEST},
        {"message": "words", "unsent_messages": []},
    ]
    for keywords in attempts:
        with contextlib.suppress(TypeError):
            return cls(**keywords)
    bare = cls.__new__(cls)
    bare.args = ("words",)
    return bare


@pytest.mark.parametrize("cls", sdk_exceptions(), ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
def test_every_exception_of_the_sdks_becomes_ours(cls: type[Exception]) -> None:
    name, expected = expected_of(cls)
    told = name == cls.__name__ or name not in ROOTS or not is_of_the_api(cls)
    assert told, "a new kind of exception: say in EXPECTED what it becomes"
    error = from_exception(made(cls), CALL)
    assert type(error) is expected
    assert error.provider == "openai"
    assert "openai" in error.sentence


TRANSPORT: dict[str, type[ProviderError]] = {
    "ConnectError": UnreachableError,
    "ConnectTimeout": UnreachableError,
    "PoolTimeout": UnreachableError,
    "ProxyError": UnreachableError,
    "UnsupportedProtocol": UnreachableError,
    "TimeoutException": UnreachableError,
    "ReadTimeout": UnreachableError,
    "WriteTimeout": UnreachableError,
    "DecodingError": ProviderError,
    "TooManyRedirects": ProviderError,
}


@pytest.mark.parametrize("base", [httpx.RequestError, httpx2.RequestError], ids=lambda base: base.__module__)
def test_every_failure_of_the_transport_becomes_ours(base: type[Exception]) -> None:
    for cls in with_subclasses(base) - {base}:
        assert type(from_exception(cls("words"), CALL)) is TRANSPORT.get(cls.__name__, CutOffError)


def test_a_timeout_amid_a_reply_cuts_it_off() -> None:
    error = from_exception(httpx2.ReadTimeout("slow"), Call(CONNECTION, "m", (), began=True))
    assert isinstance(error, CutOffError)


# Networks that really behave so.


async def asked(url: str, endpoint: Endpoint = OPENAI) -> ProviderError:
    provider = OpenAIChat(Connection(endpoint, url, key=given(KEY)))
    reply = await heard(provider.stream(asks()))
    await provider.close()
    assert reply.error is not None
    return reply.error


def closed_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


async def test_nothing_answers_at_a_local_address() -> None:
    url = f"http://127.0.0.1:{closed_port()}/v1"
    error = await asked(url, LOCAL)
    assert isinstance(error, UnreachableError)
    assert str(error) == f"Nothing answers at {url}. Is LM Studio or Ollama running?"


async def test_nothing_answers_at_another_address() -> None:
    url = f"http://127.0.0.1:{closed_port()}/v1"
    assert str(await asked(url)) == f"Nothing answers at {url}. Is that server running?"


async def test_a_name_that_no_network_knows() -> None:
    error = await asked("http://nowhere.invalid/v1")
    assert str(error) == (
        "The address http://nowhere.invalid/v1 is not known on the network. "
        "Is this machine online? Check EI_OPENAI_BASE_URL."
    )


async def test_a_server_that_does_not_speak_tls() -> None:
    with WireServer() as server:
        error = await asked(server.url.replace("http://", "https://"))
    assert isinstance(error, UnreachableError)
    assert error.sentence.startswith("No safe connection to https://127.0.0.1:")


@pytest.fixture
def silent_listener() -> Iterator[int]:
    """Accepts connections and closes them at once, without a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                try:
                    listener.accept()[0].close()
                except TimeoutError:
                    continue

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listener.getsockname()[1])
        stop.set()
        thread.join()


async def test_a_server_that_hangs_up_without_a_word(silent_listener: int) -> None:
    error = await asked(f"http://127.0.0.1:{silent_listener}/v1")
    assert isinstance(error, CutOffError)
    assert str(error) == "openai closed the connection before it answered. Try again: /retry"


def test_an_untrusted_certificate_says_what_is_wrong_with_it() -> None:
    untrusted = ssl.SSLCertVerificationError(1, "certificate verify failed")
    untrusted.verify_message = "self-signed certificate"
    failed = httpx2.ConnectError("failed")
    failed.__cause__ = untrusted
    error = from_exception(failed, CALL)
    assert error.sentence == "No safe connection to https://api.openai.com/v1: self-signed certificate."


# Keys.


async def test_no_key_reaches_an_error_its_cause_or_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    echo = f"Your key {KEY} is wrong, Bearer {KEY}, header hush-hush"
    with WireServer() as server:
        caplog.set_level(logging.DEBUG, "ei")
        for status in (400, 401, 403, 404, 418, 429, 500):
            server.script(Status(status, echo))
            provider = openai_at(server)
            reply = await heard(provider.stream(asks(temperature=1)))
            await provider.close()
            assert reply.error is not None
            assert KEY not in "".join(traceback.format_exception(reply.error))
            assert KEY not in repr(reply.error) + str(reply.error) + repr(reply.error.__cause__)
    assert KEY not in caplog.text


def test_headers_and_things_that_look_like_keys_are_taken_out() -> None:
    connection = Connection(OPENAI, OPENAI.base_url, key=given("short-key"), headers={"X-Token": "hush-hush"})
    text = "short-key and hush-hush and sk-proj-abcdef0123456789 and AIzaSyA0123456789abcdef"
    assert clean(text, connection) == "[key] and [key] and [key] and [key]"


def test_the_cause_keeps_the_class_and_the_place_of_what_failed() -> None:
    def fails() -> None:
        raise ValueError(f"bad {KEY}")

    try:
        fails()
    except ValueError as exc:
        kept = cause(exc, CALL)
    assert str(kept) == "builtins.ValueError: bad [key]"
    assert "fails" in "".join(traceback.format_tb(kept.__traceback__))
