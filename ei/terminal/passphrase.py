"""How the passphrase of the encrypted keys is asked for, out of the thread that needs it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError as Stopped
from typing import Any, Protocol

from ei.errors import CancelledError, NeedsAnswerError


class Asks(Protocol):
    """What is used of a Ui."""

    @property
    def interactive(self) -> bool: ...

    def secret(self, prompt: str) -> Coroutine[Any, Any, str]: ...


def by_ui(ui: Asks) -> Callable[[str], str]:
    """For `Keys.passphrase`: asks on the Ui, on the loop that runs now; to be called from other threads only.

    Raises CancelledError where the person leaves it, NeedsAnswerError where nobody can be asked.
    """
    loop = asyncio.get_running_loop()

    def ask(prompt: str) -> str:
        if not ui.interactive:
            raise NeedsAnswerError("The file of keys needs its passphrase.", "Set EI_PASSPHRASE, or use a terminal.")
        try:
            return asyncio.run_coroutine_threadsafe(ui.secret(prompt), loop).result()
        except (Stopped, RuntimeError):
            raise CancelledError("The passphrase was not told.") from None

    return ask
