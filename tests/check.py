"""Installs what the tests need and runs every check: ruff, mypy, pytest.

python3.11 tests/check.py [PYTEST ARGUMENTS]. Uses the virtual environment it runs in, else makes `.venv`.
Tests of a real keyring want Debian's `dbus` and `gnome-keyring`; EI_REQUIRE_KEYRING=1 fails them where these are
missing, instead of leaving them out.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS_FAILED = 1  # pytest's exit code
BIN = "Scripts" if os.name == "nt" else "bin"


def main() -> int:
    python = Path(sys.executable) if sys.prefix != sys.base_prefix else _make_environment()
    _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--editable", f"{ROOT}[test]")
    failed = False
    for check in (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",)):
        failed |= _tell(python, *check) != 0
    tests = _tell(python, "pytest", "-n", "auto", *sys.argv[1:])
    if tests == TESTS_FAILED:
        # Tests that type at a terminal can be too slow beside others: what failed has one more chance, alone.
        print("Once more, one at a time, what failed:", flush=True)
        tests = _tell(python, "pytest", "--last-failed", *sys.argv[1:])
    return int(failed or tests != 0)


def _tell(python: Path, *check: str) -> int:
    print(f"$ {' '.join(check)}", flush=True)
    return subprocess.run([python, "-m", *check], cwd=ROOT, check=False).returncode


def _make_environment() -> Path:
    folder = ROOT / ".venv"
    python = folder / BIN / ("python.exe" if os.name == "nt" else "python")
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    return python


def _run(*command: str | Path) -> None:
    subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    sys.exit(main())
