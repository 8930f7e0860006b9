"""The person's own editor, on a text."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ei.errors import ConfigError

_TAKE_A_LINE = ("vi", "vim", "nvim", "nano", "pico", "emacs", "emacsclient", "micro", "joe", "mg", "kak")
_USUAL = ("editor", "nano", "vi", "vim", "notepad.exe")


def editor_command(wish: str | None) -> list[str]:
    """The command for an editor: what $VISUAL or $EDITOR says, else one that is usual and installed.

    Raises ConfigError when there is none, or when the one that is named is not there.
    """
    if wish and wish.strip():
        words = _split(wish)
        if shutil.which(words[0]) is None:
            raise ConfigError(f'The editor "{words[0]}" was not found.', "Set EDITOR to one that is installed.")
        return words
    for name in _USUAL:
        if shutil.which(name) is not None:
            return [name]
    raise ConfigError("No editor was found.", "Set EDITOR to the one you like, for example EDITOR=nano.")


def edit_text(command: Sequence[str], text: str, suffix: str) -> str:
    """Opens the editor on a private temporary file and gives what was saved. Blocks until the editor has ended.

    Raises ConfigError when the editor cannot be run or ends with an error; the file is removed in any case.
    """
    # A folder of its own, so that backups and swap files of the editor go too.
    with tempfile.TemporaryDirectory(prefix="ei-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / f"text{suffix}"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text.encode("utf-8", errors="replace"))
        edit_file(command, path)
        saved = path.read_bytes().decode("utf-8", errors="replace").removeprefix("\ufeff").replace("\r\n", "\n")
    # Editors end a file with a line end that the text did not have.
    return saved if text.endswith("\n") else saved.removesuffix("\n")


def edit_file(command: Sequence[str], path: Path, line: int = 0) -> None:
    """Opens the editor on a file and waits until it has ended. Raises ConfigError when it cannot be run or fails.

    line: where to begin, from 1, for editors that are known to take one.
    """
    at = [f"+{line}"] if line and Path(command[0]).stem in _TAKE_A_LINE else []
    try:
        status = subprocess.run([*command, *at, str(path)], check=False).returncode
    except OSError as error:
        raise ConfigError(f'The editor "{command[0]}" could not be started: {error.strerror}.') from error
    if status != 0:
        raise ConfigError(f'The editor "{command[0]}" ended with an error ({status}).', "Nothing was taken over.")


def _split(wish: str) -> list[str]:
    if sys.platform == "win32":
        return [wish.strip('"')] if shutil.which(wish.strip('"')) else shlex.split(wish, posix=False)
    return shlex.split(wish)
