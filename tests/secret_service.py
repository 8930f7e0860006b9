"""A real Secret Service for the tests of the keyring: Debian's gnome-keyring on a D-Bus session of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = ("dbus-run-session", "gnome-keyring-daemon")
RUN = """
if [ -n "$KEYRING_PASSWORD" ]; then
  printf %s "$KEYRING_PASSWORD" | gnome-keyring-daemon --foreground --unlock --components=secrets >/dev/null 2>&1 &
else
  gnome-keyring-daemon --foreground --components=secrets >/dev/null 2>&1 &
fi
daemon=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
  dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.GetNameOwner \
    string:org.freedesktop.secrets >/dev/null 2>&1 && break
  sleep 0.1
done
"$@"
code=$?
kill "$daemon"
wait "$daemon" 2>/dev/null
exit "$code"
"""


def needs_secret_service() -> None:
    """Skips a test where the programs are not there, or fails it where EI_REQUIRE_KEYRING says that they must be."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if not missing:
        return
    reason = f"no Secret Service: {' and '.join(missing)} not installed"
    if os.environ.get("EI_REQUIRE_KEYRING"):
        pytest.fail(reason)
    pytest.skip(reason)


def with_secret_service(
    home: Path, program: str, password: str = "opens the keyring", variables: dict[str, str] | None = None
) -> str:
    """What a Python program prints that runs beside a Secret Service, whose files are in home.

    password: of the keyring, which is unlocked with it; "" leaves it as it is, and nobody can be asked for it.
    """
    needs_secret_service()
    run = home / "run"
    run.mkdir(parents=True, exist_ok=True)
    run.chmod(0o700)
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "PYTHONPATH")}
    own = {"HOME": str(home), "XDG_DATA_HOME": str(home), "XDG_RUNTIME_DIR": str(run), "KEYRING_PASSWORD": password}
    done = subprocess.run(
        ["dbus-run-session", "--", "sh", "-c", RUN, "sh", sys.executable, "-c", program],
        env={**kept, **own, **(variables or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
