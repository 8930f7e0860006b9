"""Files of JSONC: read with a stamp, changed under a lock, never overwritten when they do not parse."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ei.errors import ConfigError, DiskFullError, EiError, FileChangedError
from ei.jsonc.reading import loads
from ei.jsonc.spans import COMMENT, SPACE, fail
from ei.platform import lock_file, write_file

Stamp = tuple[int, int, int]
"""What tells one state of a file from another: modified (nanoseconds), size, inode."""

_ATTEMPTS = 5
_BLANK = rf"(?:{SPACE}|{COMMENT})*+"


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read: its text with every line end as it is, and what the text means."""

    path: Path
    text: str
    value: object
    stamp: Stamp


def stamp_of(path: Path) -> Stamp:
    """The stamp of the file at path, links followed. Raises OSError."""
    return _stamp(path.stat())


def read(path: Path) -> Document:
    """The file at path. Raises FileNotFoundError, FileSyntaxError, ConfigError where it cannot be read."""
    data, status = _read(path)
    text = _decode(data, path)
    return Document(path, text, loads(text, str(path)), _stamp(status))


def update(
    path: Path, edit: Callable[[str], str], check: Callable[[object], object] | None = None, *, create: bool = True
) -> str:
    """Applies edit to the text of the file at path and gives the new text.

    check: is called with the new value before it is written, to refuse it by an error. create: a file that is not
    there counts as empty, else FileNotFoundError. A link stays a link, and the mode stays. When somebody else
    changed the file meanwhile it is read and edited again, so edit may be called several times.

    Raises FileSyntaxError when the file, or what edit made of it, does not parse (then nothing is written),
    FileChangedError when it does not stop changing, DiskFullError, ConfigError for other trouble with the file.
    """
    target = Path(os.path.realpath(path))
    with file_errors(path), _locked(target, path):
        for _ in range(_ATTEMPTS):
            before, status = _read_if_there(target, create)
            text = _decode(before or b"", path)
            if not re.fullmatch(_BLANK, text):
                loads(text, str(path))
            changed = edit(text)
            value = loads(changed, str(path))
            if check is not None:
                check(value)
            if before is not None and changed == text:
                return text
            data = changed.encode("utf-8", "replace")
            if _read_if_there(target, create)[0] == before:
                write_file(target, data, None if status is None else stat.S_IMODE(status.st_mode))
                return changed
    raise FileChangedError(f"{path} is being changed by another program.", "Try again when it is done.")


@contextmanager
def file_errors(path: Path, doing: str = "written") -> Iterator[None]:
    """Turns an OSError about a file into the error that a person reads; FileNotFoundError goes through."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as exc:
        raise _file_error(path, exc, doing) from exc


def _stamp(status: os.stat_result) -> Stamp:
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def _read(path: Path) -> tuple[bytes, os.stat_result]:
    with file_errors(path, "read"), path.open("rb") as file:
        # The stamp is taken first: a change while we read then shows as a change afterwards.
        status = os.fstat(file.fileno())
        return file.read(), status


def _read_if_there(path: Path, create: bool) -> tuple[bytes | None, os.stat_result | None]:
    try:
        return _read(path)
    except FileNotFoundError:
        if not create:
            raise
        return None, None


def _decode(data: bytes, path: Path) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError(f"{path} is UTF-16 text, which is not read.", "Save it as UTF-8.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as exc:
        fail(data[: exc.start].decode("utf-8"), str(path), exc.start, "this is not UTF-8; save the file as UTF-8.")


@contextmanager
def _locked(target: Path, path: Path) -> Iterator[None]:
    try:
        with lock_file(target.with_name(f".{target.name}.lock")):
            yield
    except TimeoutError as exc:
        raise FileChangedError(f"{path} is being changed by another ei.", "Try again in a moment.") from exc


def _file_error(path: Path, exc: OSError, doing: str) -> EiError:
    if exc.errno in (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return DiskFullError(f"The disk is full: {path} was not {doing}.", "Make room and try again.")
    return ConfigError(f"{path} cannot be {doing}: {exc.strerror or exc}.")
