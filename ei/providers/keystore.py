"""Where keys are kept: reads, writes and moves them, and tells of each what can be told without opening it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ei.errors import ConfigError, NeedsAnswerError, UsageError
from ei.providers.keyfile import ENCRYPTED, PLAIN, EncryptedFile, PlainFile
from ei.providers.keys import (
    WRITABLE,
    KeyState,
    StoredKey,
    StoreState,
    clean_key,
    in_words,
    is_key_text,
    last_four,
    split_reference,
)
from ei.providers.oskeyring import OsKeyring
from ei.providers.redactor import Redactor
from ei.settings.keys import is_key_name

if TYPE_CHECKING:
    from ei.config import Variable

PASSPHRASE = "EI_PASSPHRASE"
COMMAND_SECONDS = 30.0
SHORTEST_PASSPHRASE = 8
PASSPHRASE_TRIES = 3


class Keys:
    """All keys of one person. Its methods may block (a passphrase, a keyring that asks): call them from a thread.

    folder: where settings are. lookup: a variable by its name. redactor: learns every key that is opened here.
    passphrase: asks the person, hidden, and blocks until they answered; its argument is the question. None where
    nobody can be asked. Raises CancelledError when the person leaves it.
    """

    def __init__(
        self,
        folder: Path,
        lookup: Callable[[str], Variable | None],
        redactor: Redactor,
        environment: Mapping[str, str] | None = None,
        passphrase: Callable[[str], str] | None = None,
    ) -> None:
        self.redactor = redactor
        self.passphrase = passphrase
        self._lookup = lookup
        self._environment = environment
        self._keyring = OsKeyring()
        self._encrypted = EncryptedFile(folder / ENCRYPTED, self._ask)
        self._plain = PlainFile(folder / PLAIN)
        self._changes: dict[str, int] = {}
        self._lock = threading.Lock()

    def kinds(self) -> tuple[StoreState, ...]:
        """Every place for keys, the best first, with the reason why one cannot be used here."""
        return (
            StoreState("env", "an environment variable"),
            StoreState("keyring", self._keyring.label(), self._keyring.problem()),
            StoreState("cmd", "a command that prints it"),
            StoreState("file", f"the encrypted file {self._encrypted.path}", self._encrypted.unusable()),
            StoreState("plain", f"the unencrypted file {self._plain.path}", self._plain.problem()),
        )

    def describe(self, reference: str) -> KeyState:
        """What is known of a key; nothing is unlocked, asked or run. Raises ConfigError for what is no reference."""
        kind, name = split_reference(reference)
        if kind == "env":
            variable = self._lookup(name)
            if variable is None or not clean_key(variable.value):
                return KeyState(f"env:{name}", kind, name, problem=f"{name} is not set.")
            where = name if variable.source == "environment" else f"{name} ({variable.source})"
            return KeyState(f"env:{name}", kind, where, last_four(clean_key(variable.value)))
        if kind == "keyring":
            return KeyState(f"{kind}:{name}", kind, f"{self._keyring.label()}, {name}")
        if kind == "cmd":
            return KeyState(f"{kind}:{name}", kind, f"the command {in_words(reference).removeprefix('cmd:')}")
        if kind == "file":
            return KeyState(
                f"{kind}:{name}", kind, f"{self._encrypted.path}, {name}", problem=self._encrypted.problem_of(name)
            )
        problem = self._plain.problem_of(name)
        last4 = "" if problem else last_four(self._plain.get(name))
        return KeyState(f"{kind}:{name}", kind, f"{self._plain.path}, {name}", last4, problem)

    def source(self, reference: str) -> StoredKey:
        """The key as a connection carries it; nothing is opened. Raises ConfigError for what is no reference."""
        kind, name = split_reference(reference)
        reference = f"{kind}:{name}"
        stamp = {"file": self._encrypted.stamp, "plain": self._plain.stamp}.get(kind, lambda: None)()
        return StoredKey(reference, (self._changes.get(reference, 0), stamp), self.reveal)

    def asks(self, reference: str) -> bool:
        """Whether opening this key would ask the person for the passphrase now."""
        return reference.startswith("file:") and self._set_passphrase() is None and self._encrypted.locked

    def reveal(self, reference: str) -> str:
        """The key itself. Raises ConfigError with one sentence that never repeats it, NeedsAnswerError where a
        passphrase is needed and nobody can be asked, CancelledError where the person did not want to tell it."""
        kind, name = split_reference(reference)
        match kind:
            case "env":
                variable = self._lookup(name)
                text = "" if variable is None else variable.value
                if not text:
                    raise ConfigError(f"{name} is not set.", f"Set {name}.")
            case "keyring":
                text = self._keyring.get(name)
            case "cmd":
                # Imported here: few have keys of commands, and running one takes a library that others do without.
                from ei.providers.keycommand import run_for_key

                text = run_for_key(name, COMMAND_SECONDS, self._environment)
            case "file":
                text = self._encrypted.get(name)
            case _:
                text = self._plain.get(name)
        key = clean_key(text)
        self.redactor.learn(key)
        if not is_key_text(key):
            raise ConfigError(
                f"What {in_words(reference)} gives is no key: it has a space or a letter such as é, or it is empty."
            )
        return key

    def put(self, kind: str, name: str, key: str) -> str:
        """Keeps a key under a name and returns its reference; one that was there before is replaced.

        Raises UsageError for a kind, name or key that cannot be, ConfigError where it could not be kept.
        """
        if kind not in WRITABLE:
            other = "Set it outside of ei." if kind == "env" else f"Choose {', '.join(WRITABLE)}."
            raise UsageError(f"A key cannot be put into {kind}.", other)
        if not is_key_name(name):
            raise UsageError("A key cannot have this name.", "Use letters, digits, . _ and -, at most 64.")
        text = clean_key(key)
        self.redactor.learn(text)
        if not is_key_text(text):
            raise UsageError("This is no key: it is empty, or it has a space or a letter such as é.")
        self._store(kind).put(name, text)
        return self._changed(f"{kind}:{name}")

    def remove(self, reference: str) -> None:
        """Deletes a key from where it is kept. Raises UsageError where that is not ours to do, ConfigError."""
        kind, name = split_reference(reference)
        if kind not in WRITABLE:
            what = f"the variable {name}" if kind == "env" else "the command"
            raise UsageError(f"ei cannot delete what {what} gives.", "Take it away where it was set.")
        self._store(kind).remove(name)
        self._changed(f"{kind}:{name}")

    def move(self, reference: str, kind: str, name: str = "") -> str:
        """Puts a key elsewhere, then deletes it where it was if that is ours to do. Returns the new reference.

        name: the one it gets, its own unless told (which a command has none of). Raises as `put` and `reveal`.
        """
        old, own = split_reference(reference)
        if old == kind:
            raise UsageError(f"This key is in {in_words(reference)} already.")
        if not name and old == "cmd":
            raise UsageError("A key that a command gives has no name.", "Give it one.")
        new = self.put(kind, name or own, self.reveal(reference))
        if old in WRITABLE:
            self.remove(reference)
        return new

    def _store(self, kind: str) -> OsKeyring | EncryptedFile | PlainFile:
        if kind == "keyring":
            return self._keyring
        return self._encrypted if kind == "file" else self._plain

    def _changed(self, reference: str) -> str:
        with self._lock:
            self._changes[reference] = self._changes.get(reference, 0) + 1
        return reference

    def _set_passphrase(self) -> Variable | None:
        """The variable with the passphrase; never out of a folder that somebody else wrote."""
        variable = self._lookup(PASSPHRASE)
        return None if variable is None or variable.folder else variable

    def _ask(self, new: bool) -> str:
        """The passphrase; new: a file is made with it, so it is asked twice."""
        if (variable := self._set_passphrase()) is not None:
            self.redactor.learn(variable.value)
            return variable.value
        if self.passphrase is None:
            raise NeedsAnswerError("The file of keys needs its passphrase.", f"Set {PASSPHRASE}, or use a terminal.")
        typed = _chosen(self.passphrase) if new else self.passphrase("Passphrase of your keys")
        self.redactor.learn(typed)
        return typed


def _chosen(ask: Callable[[str], str]) -> str:
    """A new passphrase, typed twice. Raises UsageError after so many tries: the key was typed already, so one slip must
    not lose it."""
    wrong, hint = "", ""
    for _ in range(PASSPHRASE_TRIES):
        typed = ask(f"{wrong} New passphrase for your keys".lstrip())
        if len(typed) < SHORTEST_PASSPHRASE:
            wrong, hint = f"The passphrase is too short: it needs {SHORTEST_PASSPHRASE} characters at least.", ""
        elif ask("The same passphrase again") != typed:
            wrong, hint = "The two passphrases are not the same.", "Nothing was kept; try again."
        else:
            return typed
    raise UsageError(wrong, hint)
