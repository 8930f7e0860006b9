"""Keys in the operating system's keyring, with a real Secret Service and without one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.secret_service import with_secret_service

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is a Secret Service on Linux only")

USE = """
import pathlib, sys
from ei.errors import EiError
from ei.providers import oskeyring
from ei.providers.keystore import Keys
from ei.providers.redactor import Redactor
redactor = Redactor()
keys = Keys(pathlib.Path(sys.argv[0]).parent, lambda name: None, redactor)
"""


@linux
def test_a_key_is_kept_found_replaced_and_deleted(tmp_path: Path) -> None:
    printed = with_secret_service(
        tmp_path,
        USE
        + """
reference = keys.put("keyring", "openai", " sk-first-0123456789 ")
print(reference, keys.reveal(reference), keys.describe(reference).problem == "")
first = keys.source(reference)
keys.put("keyring", "openai", "sk-second-0123456789")
print(keys.reveal(reference), keys.source(reference) == first, redactor.hide("it is sk-first-0123456789"))
print([kind.writable for kind in keys.kinds() if kind.kind == "keyring"])
keys.remove(reference)
for again in (keys.reveal, keys.remove):
    try:
        again(reference)
    except EiError as exc:
        print(exc.sentence)
""",
    )
    assert printed.splitlines() == [
        "keyring:openai sk-first-0123456789 True",
        "sk-second-0123456789 False it is [key]",
        "[True]",
        "The keyring of this desktop has no key named openai.",
        "The keyring of this desktop has no key named openai.",
    ]


@linux
def test_another_process_finds_the_key(tmp_path: Path) -> None:
    with_secret_service(tmp_path, USE + 'keys.put("keyring", "work", "sk-kept-0123456789")')
    assert with_secret_service(tmp_path, USE + 'print(keys.reveal("keyring:work"))') == "sk-kept-0123456789\n"


@linux
def test_a_locked_keyring_that_nobody_unlocks_is_one_sentence(tmp_path: Path) -> None:
    with_secret_service(tmp_path, USE + 'keys.put("keyring", "work", "sk-kept-0123456789")')
    printed = with_secret_service(
        tmp_path,
        USE
        + """
try:
    keys.reveal("keyring:work")
except EiError as exc:
    print(exc.sentence)
""",
        password="",
    )
    assert printed == "The keyring of this desktop is locked.\n"


@linux
def test_without_a_secret_service_one_sentence_says_so_and_what_else_there_is() -> None:
    program = USE + (
        "print([kind.problem for kind in keys.kinds() if kind.kind == 'keyring'])\n"
        "try: keys.put('keyring', 'work', 'sk-kept-0123456789')\n"
        "except EiError as exc: print(exc)\n"
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith(("DBUS_", "XDG_"))}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)
    sentence = "There is no keyring here: no Secret Service answers on this machine."
    instead = "Keep the key elsewhere: env:NAME, cmd:COMMAND or file:NAME."
    assert done.stdout.splitlines() == [f"['{sentence}']", f"{sentence} {instead}"]


def test_a_keyring_that_keeps_keys_in_the_clear_is_not_taken(tmp_path: Path) -> None:
    """Whatever else a person's settings of the library name: only the system's own keyring is used."""
    program = USE + "print([kind.problem != '' for kind in keys.kinds() if kind.kind == 'keyring'])\n"
    env = {name: value for name, value in os.environ.items() if not name.startswith(("DBUS_", "XDG_"))}
    env |= {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)
    if sys.platform.startswith("linux"):
        assert done.stdout == "[True]\n"
    assert "null" not in done.stderr


def test_a_keyring_that_does_not_answer_is_not_waited_for() -> None:
    program = USE + (
        "import time\n"
        "class Silent:\n"
        "    def get_password(self, service, name): time.sleep(30)\n"
        "oskeyring.ASKED_SECONDS = 0.2\n"
        "keys._keyring._backend = Silent()\n"
        "try: keys.reveal('keyring:work')\n"
        "except EiError as exc: print(exc.sentence)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    assert done.stdout.endswith(" did not answer in 0.2 s.\n"), done.stderr
