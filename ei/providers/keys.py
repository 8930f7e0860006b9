"""Keys as the rest sees them: a source that is opened when it is needed, and what is known of it until then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from ei.errors import ConfigError
from ei.settings.keys import reference_of

Kind = Literal["env", "keyring", "cmd", "file", "plain"]
KINDS: tuple[Kind, ...] = ("env", "keyring", "cmd", "file", "plain")
"""Where a key may be, the best first."""
WRITABLE: tuple[Kind, ...] = ("keyring", "file", "plain")
"""Where `Keys.put` can put one."""


class KeySource(Protocol):
    """A key of a connection. Equal sources give the same key, as far as can be told without opening them."""

    @property
    def reference(self) -> str:
        """Where it comes from: `env:NAME`, `keyring:NAME`, `cmd:…`, `file:NAME`, `plain:NAME`."""
        ...

    @property
    def known(self) -> bool:
        """Whether `reveal` gives it at once: nothing is asked, opened or run."""
        ...

    def reveal(self) -> str:
        """The key. May block: call it from a thread unless it is known. Raises EiError."""
        ...


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key that is in memory anyway: one of the environment."""

    text: str = field(repr=False)
    reference: str = ""

    @property
    def known(self) -> bool:
        return True

    def reveal(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key that is kept somewhere. version: changes when another key was put there; open: `Keys.reveal`."""

    reference: str
    version: tuple[object, ...]
    open: Callable[[str], str] = field(compare=False, repr=False)

    @property
    def known(self) -> bool:
        return False

    def reveal(self) -> str:
        return self.open(self.reference)


@dataclass(frozen=True, slots=True)
class KeyState:
    """What is known of a key without opening anything.

    where: in words. last4: its last four characters where they are known, else "". problem: one sentence why it
    cannot be used, or "".
    """

    reference: str
    kind: Kind
    where: str
    last4: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class StoreState:
    """One place for keys. label: in words; problem: one sentence why it cannot be used here, or ""."""

    kind: Kind
    label: str
    problem: str = ""

    @property
    def writable(self) -> bool:
        """Whether a key can be put there now."""
        return self.kind in WRITABLE and not self.problem


def split_reference(reference: str) -> tuple[Kind, str]:
    """(kind, name or command) of a reference. Raises ConfigError, which does not repeat it: it may be a key."""
    written = reference_of(reference)
    if written is None:
        raise ConfigError(
            "This is no reference to a key.", "Write env:NAME, keyring:NAME, cmd:COMMAND, file:NAME or plain:NAME."
        )
    kind, _, name = written.partition(":")
    return next(each for each in KINDS if each == kind), name


def in_words(reference: str) -> str:
    """A reference as it is shown: a command without its arguments."""
    kind, name = split_reference(reference)
    return f"cmd:{name.split()[0]} …" if kind == "cmd" and " " in name else f"{kind}:{name}"


def last_four(key: str) -> str:
    """The last four characters of a key that is long enough that they tell nothing, else ""."""
    return key[-4:] if len(key) >= 16 else ""


def clean_key(text: str) -> str:
    """Without the white space and the quotes that come along when a key is pasted."""
    return text.strip().strip("\"'").strip()


def is_key_text(key: str) -> bool:
    """Whether a text can be a key: letters, digits and signs of ASCII, without spaces."""
    return bool(key) and key.isascii() and key.isprintable() and " " not in key
