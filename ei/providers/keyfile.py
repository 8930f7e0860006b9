"""Keys in files of the config folder: one encrypted with a passphrase, one in the clear for who asks for it by name.

The encrypted file: JSON with `kdf` (scrypt, RFC 7914: n, r, p, salt), `check`, `names`, `nonce`, `data`. scrypt gives
64 bytes: the first 32 are the key of AES-256-GCM (NIST SP 800-38D), the hash of the others is `check`, which tells a
wrong passphrase from a damaged file. `data` is {"NAME": "KEY"}; all other fields are authenticated with it. The names
stand in the clear, so that a missing key is told without the passphrase. Bytes are in base 64.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ei.errors import ConfigError
from ei.platform import lock_file, others_may_read, write_file

ENCRYPTED = "keys.enc"
PLAIN = "keys.plain.json"
PRIVATE = 0o600
COST = {"name": "scrypt", "n": 1 << 17, "r": 8, "p": 1}
MOST_COST = {"n": 1 << 20, "r": 16, "p": 4}
"""A file that asks for more is refused: it would take gigabytes to find out that it is none of ours."""
FORMAT = "ei-keys"
VERSION = 1
MOST_BYTES = 4_000_000

Stamp = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class Opened:
    """What a passphrase came to, for one salt."""

    kdf: Mapping[str, object]
    cipher_key: bytes = field(repr=False)
    check: bytes = field(repr=False)


class EncryptedFile:
    """The keys in an encrypted file. passphrase: asks for it; True when a file is made with it. Asked once, then what
    it came to is kept in memory, for as long as the file keeps its salt."""

    def __init__(self, path: Path, passphrase: Callable[[bool], str]) -> None:
        self.path = path
        self._passphrase = passphrase
        self._opened: Opened | None = None
        self._names: tuple[Stamp, tuple[str, ...]] | None = None
        self._lock = threading.RLock()

    def stamp(self) -> Stamp:
        """Changes whenever the file does; None where there is none."""
        return stamp_of(self.path)

    def unusable(self) -> str:
        """Why no encrypted file can be used here, in one sentence, or ""."""
        try:
            import cryptography.hazmat.primitives.ciphers.aead
            import cryptography.hazmat.primitives.kdf.scrypt  # noqa: F401
        except ImportError:
            return "The library cryptography cannot be used here."
        return ""

    def problem_of(self, name: str) -> str:
        """Why the key of that name cannot be had, without opening the file, or ""."""
        # Without the lock, which is held while the passphrase is asked for: who asks for it may want to know this.
        stamp, known = self.stamp(), self._names
        try:
            if known is None or known[0] != stamp:
                known = self._names = (stamp, self._read().names if stamp else ())
        except ConfigError as exc:
            return exc.sentence
        return "" if name in known[1] else f"{self.path} has no key named {name}."

    @property
    def locked(self) -> bool:
        """Whether the passphrase has to be told before a key of it can be had."""
        opened = self._opened
        try:
            return self.stamp() is not None and (opened is None or dict(opened.kdf) != dict(self._read().kdf))
        except ConfigError:
            return False

    def get(self, name: str) -> str:
        """The key of that name. Raises ConfigError, and what asking for the passphrase raises."""
        with self._lock:
            if self.stamp() is None:
                raise ConfigError(f"There is no file {self.path}.", "Put the key there: /provider")
            read = self._read()
            if name not in read.names:
                raise ConfigError(f"{self.path} has no key named {name}.", "Put it there: /provider")
            keys = self._decrypt(read)
            return keys[name]

    def put(self, name: str, key: str) -> None:
        """Keeps a key; the file is made where there is none. Raises ConfigError, and what asking raises."""
        self._change(lambda keys: {**keys, name: key}, "")

    def remove(self, name: str) -> None:
        """Deletes a key, and with the last one the file. Raises ConfigError, and what asking raises."""
        self._change(lambda keys: {other: key for other, key in keys.items() if other != name}, name)

    def _change(self, change: Callable[[Mapping[str, str]], Mapping[str, str]], gone: str) -> None:
        with self._lock:
            if problem := self.unusable():
                raise ConfigError(problem, "Install it: pip install cryptography")
            # Asked before others have to wait for the lock.
            if self.stamp() is not None:
                self._open(self._read())
            elif gone:
                raise ConfigError(f"{self.path} has no key named {gone}.")
            else:
                self._opened = derive(self._passphrase(True), {**COST, "salt": encode(secrets.token_bytes(16))})
            with changing(self.path):
                read = self._read() if self.stamp() is not None else None
                keys = self._decrypt(read) if read is not None else {}
                if gone and gone not in keys:
                    raise ConfigError(f"{self.path} has no key named {gone}.")
                changed = change(keys)
                if changed:
                    assert self._opened is not None
                    write_file(self.path, encrypt(changed, self._opened), PRIVATE)
                else:
                    self.path.unlink(missing_ok=True)
                    self._opened = None

    def _open(self, read: Sealed) -> Opened:
        """The cipher key of the file; asks for the passphrase unless it was told for this salt."""
        if self._opened is None or dict(self._opened.kdf) != dict(read.kdf):
            opened = derive(self._passphrase(False), read.kdf)
            if not hmac.compare_digest(opened.check, read.check):
                raise ConfigError(f"The passphrase does not open {self.path}.", "Try again, or check EI_PASSPHRASE.")
            self._opened = opened
        return self._opened

    def _decrypt(self, read: Sealed) -> dict[str, str]:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        opened = self._open(read)
        try:
            text = AESGCM(opened.cipher_key).decrypt(read.nonce, read.data, read.header)
            keys = json.loads(text)
        except (InvalidTag, ValueError):
            raise damaged(self.path) from None
        return {name: str(key) for name, key in keys.items()}

    def _read(self) -> Sealed:
        return sealed(read_small(self.path), self.path)


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted file as it was read. header: what is authenticated beside the data."""

    kdf: Mapping[str, object]
    names: tuple[str, ...]
    check: bytes
    nonce: bytes
    data: bytes
    header: bytes


def sealed(text: bytes, path: Path) -> Sealed:
    """The parts of an encrypted file. Raises ConfigError for what is none."""
    try:
        fields = json.loads(text)
        if fields["format"] != FORMAT:
            raise ValueError
        if fields["version"] != VERSION:
            raise ConfigError(f"{path} is of a later version of ei.", "Update ei.")
        kdf, names = fields["kdf"], fields["names"]
        if kdf["name"] != "scrypt" or not all(isinstance(name, str) for name in names):
            raise ValueError
        for part, most in MOST_COST.items():
            if not isinstance(kdf[part], int) or not 1 <= kdf[part] <= most:
                raise ValueError
        return Sealed(
            {part: kdf[part] for part in (*COST, "salt")},
            tuple(names),
            decode(fields["check"]),
            decode(fields["nonce"]),
            decode(fields["data"]),
            header_of(kdf, names, fields["check"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise damaged(path) from None


def derive(passphrase: str, kdf: Mapping[str, object]) -> Opened:
    """The cipher key that a passphrase comes to. Takes about half a second and 128 MB, which is what it is for."""
    import unicodedata

    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    n, r, p = (int(str(kdf[part])) for part in ("n", "r", "p"))
    try:
        made = Scrypt(salt=decode(str(kdf["salt"])), length=64, n=n, r=r, p=p)
        both = made.derive(unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogateescape"))
    except (ValueError, MemoryError):
        raise ConfigError("The file of keys cannot be opened: its scrypt parameters do not work here.") from None
    return Opened(kdf, both[:32], hashlib.sha256(both[32:]).digest())


def encrypt(keys: Mapping[str, str], opened: Opened) -> bytes:
    """The bytes of an encrypted file; each call draws a nonce of its own."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    names, check, nonce = sorted(keys), encode(opened.check), secrets.token_bytes(12)
    header = header_of(opened.kdf, names, check)
    data = AESGCM(opened.cipher_key).encrypt(nonce, json.dumps(dict(keys)).encode(), header)
    fields = {
        "format": FORMAT,
        "version": VERSION,
        "kdf": dict(opened.kdf),
        "check": check,
        "names": names,
        "nonce": encode(nonce),
        "data": encode(data),
    }
    return (json.dumps(fields, indent=2) + "\n").encode()


def header_of(kdf: Mapping[str, object], names: list[str], check: str) -> bytes:
    return json.dumps([FORMAT, VERSION, dict(sorted(kdf.items())), names, check], sort_keys=True).encode()


def encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def decode(text: str) -> bytes:
    """Raises ValueError."""
    return base64.b64decode(text, validate=True)


class PlainFile:
    """Keys in the clear, in a file that only its owner may read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()

    def stamp(self) -> Stamp:
        """Changes whenever the file does; None where there is none."""
        return stamp_of(self.path)

    def problem(self) -> str:
        """Why the file is not read, in one sentence, or ""; it need not be there."""
        try:
            status = self.path.stat()
        except OSError:
            return ""
        if others_may_read(status.st_mode):
            return f"{self.path} is not read: others on this machine can read it."
        return ""

    def problem_of(self, name: str) -> str:
        """Why the key of that name cannot be had, or ""."""
        try:
            self.get(name)
        except ConfigError as exc:
            return exc.sentence
        return ""

    def get(self, name: str) -> str:
        """The key of that name. Raises ConfigError."""
        keys = self._read()
        if name not in keys:
            raise ConfigError(f"{self.path} has no key named {name}.", "Put it there: /provider")
        return keys[name]

    def put(self, name: str, key: str) -> None:
        """Keeps a key. Raises ConfigError."""
        with self._lock, changing(self.path):
            self._write({**self._read(), name: key})

    def remove(self, name: str) -> None:
        """Deletes a key, and with the last one the file. Raises ConfigError."""
        with self._lock, changing(self.path):
            keys = self._read()
            if name not in keys:
                raise ConfigError(f"{self.path} has no key named {name}.")
            del keys[name]
            if keys:
                self._write(keys)
            else:
                self.path.unlink(missing_ok=True)

    def _read(self) -> dict[str, str]:
        if problem := self.problem():
            raise ConfigError(problem, f"If nobody else used it: chmod 600 {self.path}; else make the keys anew.")
        if self.stamp() is None:
            return {}
        try:
            keys = json.loads(read_small(self.path))
        except (ValueError, RecursionError):
            keys = None
        if not isinstance(keys, dict) or not all(isinstance(key, str) for key in keys.values()):
            raise ConfigError(f'{self.path} is not of the form {{"NAME": "KEY"}}.', "Mend it, or delete it.")
        return keys

    def _write(self, keys: Mapping[str, str]) -> None:
        write_file(self.path, (json.dumps(dict(sorted(keys.items())), indent=2) + "\n").encode(), PRIVATE)


@contextlib.contextmanager
def changing(path: Path) -> Iterator[None]:
    """Alone among all processes while a file of keys is changed. Raises ConfigError for what the disk says."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with lock_file(path.with_name(f".{path.name}.lock")):
            yield
    except TimeoutError:
        raise ConfigError(f"Another ei is changing {path}.", "Try again.") from None
    except OSError as exc:
        raise ConfigError(f"{path} cannot be written: {exc.strerror or exc}.", "Nothing was changed.") from None


def read_small(path: Path) -> bytes:
    """Raises ConfigError for a file that cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES)
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror or exc}.") from None


def stamp_of(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def damaged(path: Path) -> ConfigError:
    return ConfigError(f"{path} is damaged, or somebody changed it.", "Put a copy back, or delete it and add the keys.")
