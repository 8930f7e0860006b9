"""Opens the key of a connection, at the moment when something is sent."""

from __future__ import annotations

from dataclasses import replace

from ei.errors import EiError, MissingKeyError, ProviderError
from ei.providers.base import Connection
from ei.providers.keys import KnownKey


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
            f"{connection.name} has no API key it can use.", connection.hide(str(exc)), provider=connection.name
        )
        error.exit_code = exc.exit_code
        raise error from None
    except Exception as exc:
        # Whatever a library says of a key may hold it.
        hint = f"Its key in {connection.key_source} could not be opened ({type(exc).__name__})."
        raise MissingKeyError(f"{connection.name} has no API key it can use.", hint, provider=connection.name) from None


async def opened(connection: Connection) -> Connection:
    """As `open_now`, in a thread where it may block."""
    import asyncio

    if connection.key is None or connection.key.known:
        return connection
    return await asyncio.to_thread(open_now, connection)
