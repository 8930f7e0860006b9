"""The error tree: each error carries one sentence and one hint, and knows its exit code.

EiError
├── UsageError                 what was typed cannot be understood
├── ConfigError                settings, persona files, the environment
│   ├── FileSyntaxError        a JSONC file does not parse: path, line, column
│   └── FileChangedError       a file changed between reading and writing
├── StorageError               the database
│   ├── DiskFullError          nothing can be written
│   ├── NotFoundError          no such conversation or message
│   └── HeadMovedError         another process appended first
├── ProviderError              a model's server: provider, model, HTTP status
│   ├── NotReadyError          nothing can be sent as things are set
│   │   └── MissingKeyError
│   ├── RefusedKeyError        401, 403
│   ├── UnknownModelError      404: the nearest names
│   ├── BusyError              429, 529, 5xx: when to try again
│   ├── UnreachableError       nobody answers at the address
│   ├── LeftAloneError         it failed so often that it is not asked now
│   ├── PrivateError           what is private would leave this machine
│   ├── BudgetError            a budget has too little left for it
│   ├── CutOffError            the stream ended early
│   ├── TooLongError           the request is larger than the model's context
│   └── RejectedParameterError 400, 422 that names a parameter
├── NeedsAnswerError           a question, and nobody could be asked
└── CancelledError             the person stopped it
"""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path


class ExitCode(IntEnum):
    """What the process leaves with."""

    OK = 0
    PROVIDER = 1
    USAGE = 2
    CONFIG = 3
    NEEDS_ANSWER = 4
    CANCELLED = 130


class EiError(Exception):
    """Anything that went wrong and that the person should read.

    sentence: one clear sentence. hint: what to do next, one sentence or a command, or "".
    """

    exit_code: ExitCode = ExitCode.PROVIDER

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.sentence} {self.hint}".strip()


class UsageError(EiError):
    exit_code = ExitCode.USAGE


class ConfigError(EiError):
    exit_code = ExitCode.CONFIG


class FileSyntaxError(ConfigError):
    """A file that does not parse. line and column count from 1."""

    def __init__(self, path: Path | str, line: int, column: int, problem: str) -> None:
        super().__init__(f"{path}, line {line}, column {column}: {problem}", "Mend that line; nothing was changed.")
        self.path = path
        self.line = line
        self.column = column
        self.problem = problem


class FileChangedError(ConfigError):
    pass


class StorageError(EiError):
    pass


class DiskFullError(StorageError):
    pass


class NotFoundError(StorageError):
    exit_code = ExitCode.USAGE


class HeadMovedError(StorageError):
    pass


class ProviderError(EiError):
    """A model could not answer. status is the HTTP status, or None where there was none."""

    def __init__(
        self, sentence: str, hint: str = "", *, provider: str = "", model: str = "", status: int | None = None
    ) -> None:
        super().__init__(sentence, hint)
        self.provider = provider
        self.model = model
        self.status = status


class NotReadyError(ProviderError):
    """Nothing was sent, since nothing can be as things are set."""


class MissingKeyError(NotReadyError):
    exit_code = ExitCode.CONFIG


class RefusedKeyError(ProviderError):
    pass


class UnknownModelError(ProviderError):
    """near: names of models of that provider that may be meant, the likeliest first."""

    def __init__(
        self,
        sentence: str,
        hint: str = "",
        *,
        provider: str = "",
        model: str = "",
        status: int | None = None,
        near: tuple[str, ...] = (),
    ) -> None:
        super().__init__(sentence, hint, provider=provider, model=model, status=status)
        self.near = near


class BusyError(ProviderError):
    """retry_after: seconds that the server asked to wait, or None."""

    def __init__(
        self,
        sentence: str,
        hint: str = "",
        *,
        provider: str = "",
        model: str = "",
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(sentence, hint, provider=provider, model=model, status=status)
        self.retry_after = retry_after


class UnreachableError(ProviderError):
    """reached: the request went out and only the answer did not come in time, so it may be charged."""

    def __init__(
        self,
        sentence: str,
        hint: str = "",
        *,
        provider: str = "",
        model: str = "",
        status: int | None = None,
        reached: bool = False,
    ) -> None:
        super().__init__(sentence, hint, provider=provider, model=model, status=status)
        self.reached = reached


class LeftAloneError(ProviderError):
    pass


class PrivateError(ProviderError):
    """What is private would have left this machine."""


class BudgetError(ProviderError):
    """Nothing was sent, since a budget has too little left. switch: the reference that is to answer instead, as the
    person wrote it, None where none is. budget: what the budget is called ("the budget of the day")."""

    def __init__(
        self,
        sentence: str,
        hint: str = "",
        *,
        provider: str = "",
        model: str = "",
        switch: object = None,
        budget: str = "",
    ) -> None:
        super().__init__(sentence, hint, provider=provider, model=model)
        self.switch = switch
        self.budget = budget


class CutOffError(ProviderError):
    pass


class TooLongError(ProviderError):
    """limit: the context size in tokens, asked: the request's size, where the server said them."""

    def __init__(
        self,
        sentence: str,
        hint: str = "",
        *,
        provider: str = "",
        model: str = "",
        status: int | None = None,
        limit: int | None = None,
        asked: int | None = None,
    ) -> None:
        super().__init__(sentence, hint, provider=provider, model=model, status=status)
        self.limit = limit
        self.asked = asked


class RejectedParameterError(ProviderError):
    """parameter: what the model does not accept, to be put into `messages.ChatRequest.dropped`.

    Our name of a parameter, or the name of something an adapter sends unasked ("stream_options").
    """

    def __init__(
        self,
        sentence: str,
        hint: str = "",
        *,
        provider: str = "",
        model: str = "",
        status: int | None = None,
        parameter: str = "",
    ) -> None:
        super().__init__(sentence, hint, provider=provider, model=model, status=status)
        self.parameter = parameter


class NeedsAnswerError(EiError):
    exit_code = ExitCode.NEEDS_ANSWER


class CancelledError(EiError):
    exit_code = ExitCode.CANCELLED
