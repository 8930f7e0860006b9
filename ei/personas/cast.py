"""How the cast that ships comes into the folder of personas, once, and never over what a person wrote.

A small manifest beside the personas remembers each file of the cast as it was last copied (its hash, and the
shipped file's stamp, so that a start without news costs a few `stat`). One that is in the manifest and not in the
folder was archived or deleted, and stays away.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from ei import jsonc
from ei.errors import FileChangedError
from ei.platform import lock_file, write_file

MANIFEST = ".cast.json"
_FILE = "system.jsonc"
_THEIRS = ""  # the hash of a file that the person had before the cast came: it matches none


def is_current(folder: Path, shipped: Path) -> bool:
    """Whether every shipped file was looked at before as it is now."""
    noted = _manifest(folder)
    return all(noted.get(name, {}).get("shipped") == stamp for name, stamp in _shipped(shipped).items())


def bring_in(folder: Path, shipped: Path, archived: Collection[str]) -> None:
    """Copies what never was copied, and replaces what is as it was copied where a newer one ships.

    archived: names of personas put away, which do not come back. Raises ConfigError, DiskFullError.
    """
    with jsonc.file_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with lock_file(folder / ".cast.lock"):
                noted = _manifest(folder)
                for name, stamp in _shipped(shipped).items():
                    data = (shipped / name / _FILE).read_bytes()
                    copied = _copy(data, folder / name / _FILE, noted.get(name, {}).get("hash"), name in archived)
                    noted[name] = {"hash": copied, "shipped": stamp}
                write_file(folder / MANIFEST, json.dumps(noted, indent=1).encode())
        except TimeoutError as exc:
            raise FileChangedError(f"{folder} is being filled by another ei.", "Try again in a moment.") from exc


def _copy(data: bytes, target: Path, noted: object, archived: bool) -> str:
    """Brings one file in where it may; gives the hash to remember. noted: the hash remembered, None for a new one."""
    here = _hash(target.read_bytes()) if target.exists() else None
    digest = _hash(data)
    if here == digest:
        return digest
    if noted is None and here is None and not archived:
        target.parent.mkdir(exist_ok=True)
    elif here is None or here != noted:
        return noted if isinstance(noted, str) else _THEIRS
    write_file(target, data)
    return digest


def _shipped(shipped: Path) -> dict[str, list[int]]:
    """Name and stamp of each persona that ships."""
    found = {}
    for path in sorted(shipped.glob(f"*/{_FILE}")):
        status = path.stat()
        found[path.parent.name] = [status.st_mtime_ns, status.st_size]
    return found


def _manifest(folder: Path) -> dict[str, dict[str, object]]:
    try:
        data = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return {}
    return {name: entry for name, entry in data.items() if isinstance(entry, dict)} if isinstance(data, dict) else {}


def _hash(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()
