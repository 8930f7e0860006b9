"""The operating system's keyring: Secret Service or KWallet on Linux, Keychain on macOS, Credential Locker on Windows.

Only these: the library `keyring` would also take what else is installed, and such a thing may keep keys in the clear.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from ei.errors import ConfigError

SERVICE = "ei"
PROBE_SECONDS = 5.0
ASKED_SECONDS = 120.0
"""So long somebody may look for the password of a keyring that asks for it in a window of its own."""
BACKENDS = {
    "darwin": (("keyring.backends.macOS", "Keyring"),),
    "win32": (("keyring.backends.Windows", "WinVaultKeyring"),),
}
ON_LINUX = (
    ("keyring.backends.SecretService", "Keyring"),
    ("keyring.backends.libsecret", "Keyring"),
    ("keyring.backends.kwallet", "DBusKeyring"),
)
LABELS = {"darwin": "the Keychain of this Mac", "win32": "the Credential Manager of Windows"}
ELSEWHERE = "Keep the key elsewhere: env:NAME, cmd:COMMAND or file:NAME."

T = TypeVar("T")


class OsKeyring:
    """Imports the library when first used. Its methods block, the longest while a keyring asks for its password."""

    def __init__(self) -> None:
        self._backend: Any = None
        self._lock = threading.Lock()

    def label(self) -> str:
        """What it is called here; known without looking."""
        return LABELS.get(sys.platform, "the keyring of this desktop")

    def problem(self) -> str:
        """Why it cannot be used here, in one sentence, or ""."""
        try:
            self._find()
        except ConfigError as exc:
            return exc.sentence
        return ""

    def get(self, name: str) -> str:
        """The key of that name. Raises ConfigError."""
        backend = self._find()
        key = self._within(ASKED_SECONDS, lambda: backend.get_password(SERVICE, name))
        if key is None:
            raise ConfigError(f"{self.label().capitalize()} has no key named {name}.", "Put it there: /provider")
        return str(key)

    def put(self, name: str, key: str) -> None:
        """Keeps a key and looks whether it is there. Raises ConfigError."""
        backend = self._find()
        self._within(ASKED_SECONDS, lambda: backend.set_password(SERVICE, name, key))
        if self._within(ASKED_SECONDS, lambda: backend.get_password(SERVICE, name)) != key:
            raise ConfigError(f"{self.label().capitalize()} did not keep the key.", ELSEWHERE)

    def remove(self, name: str) -> None:
        """Deletes a key. Raises ConfigError."""
        backend = self._find()
        if self._within(ASKED_SECONDS, lambda: backend.get_password(SERVICE, name)) is None:
            raise ConfigError(f"{self.label().capitalize()} has no key named {name}.")
        self._within(ASKED_SECONDS, lambda: backend.delete_password(SERVICE, name))

    def _find(self) -> Any:
        with self._lock:
            if self._backend is None:
                self._backend = self._within(PROBE_SECONDS, _first_that_works)
            if self._backend is None:
                if sys.platform.startswith("linux"):
                    raise ConfigError("There is no keyring here: no Secret Service answers on this machine.", ELSEWHERE)
                raise ConfigError("There is no keyring here.", ELSEWHERE)
            return self._backend

    def _within(self, seconds: float, work: Callable[[], T]) -> T:
        """Runs it in a thread that may hang for good. Raises ConfigError, without the words of the library."""
        result: list[T] = []
        failure: list[BaseException] = []

        def run() -> None:
            try:
                result.append(work())
            except BaseException as exc:
                failure.append(exc)

        thread = threading.Thread(target=run, name="keyring", daemon=True)
        thread.start()
        thread.join(seconds)
        if result:
            return result[0]
        name = self.label().capitalize()
        if not failure:
            raise ConfigError(
                f"{name} did not answer in {seconds:g} s.", "It may be locked: unlock it, then try again."
            )
        kind = type(failure[0]).__name__
        if "Lock" in kind or "dismissed" in str(failure[0]).lower():
            raise ConfigError(f"{name} is locked.", f"Unlock it, then try again. {ELSEWHERE}")
        self._backend = None  # it may have gone away, and come again
        raise ConfigError(f"{name} could not be used ({kind}).", ELSEWHERE)


def _first_that_works() -> Any:
    """The keyring of this system, None where there is none."""
    for module, name in BACKENDS.get(sys.platform, ON_LINUX):
        try:
            backend = getattr(importlib.import_module(module), name)
            if backend.priority > 0:
                return backend()
        except Exception:  # whatever it needs is not there
            continue
    return None
