"""Opens the key of a connection, at the moment when something is sent."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar, cast

from ei.errors import EiError, MissingKeyError, ProviderError
from ei.providers.base import Connection
from ei.providers.keys import KnownKey

T = TypeVar("T")


def open_now(connection: Connection) -> Connection:
    """The connection with its key at hand. Blocks where the key is not known: call it from a thread.

    Raises MissingKeyError where the key cannot be had.
    """
    key = connection.key
    if key is None or key.known:
        return connection
    try:
        return replace(connection, key=KnownKey(key.reveal(), key.reference))
    except ProviderError:
        raise
    except EiError as exc:
        error = MissingKeyError(
            f"{connection.name} has no API key it can use.",
            connection.redactor.hide(str(exc)),
            provider=connection.name,
        )
        error.exit_code = exc.exit_code
        raise error from None
    except Exception as exc:
        # Whatever a library says of a key may hold it.
        hint = f"Its key in {connection.key_source} could not be opened ({type(exc).__name__})."
        raise MissingKeyError(f"{connection.name} has no API key it can use.", hint, provider=connection.name) from None


async def opened(connection: Connection) -> Connection:
    """As `open_now`, in a thread where it may block."""
    if connection.key is None or connection.key.known:
        return connection
    return await off_the_loop(lambda: open_now(connection))


async def off_the_loop(work: Callable[[], T]) -> T:
    """What `work` gives, from a thread that nobody has to wait for at the end: a keyring may never answer."""
    import asyncio

    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, failure: BaseException | None) -> None:
        if future.done():
            return
        if failure is not None:
            future.set_exception(failure)
        else:
            future.set_result(cast(T, result))

    def run() -> None:
        result, failure = None, None
        try:
            result = work()
        except BaseException as exc:
            failure = exc
        with suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, name="keys", daemon=True).start()
    return await future
