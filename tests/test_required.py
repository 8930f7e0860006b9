"""A test that needs a real model server is skipped with its reason, or fails where that server is demanded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(("required", "code", "word"), [("", 0, "skipped"), ("1", 1, "error")])
def test_without_a_server_the_llama_tests_are_skipped_or_fail(required: str, code: int, word: str) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("EI_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/chat/test_llama_chat.py"]
    done = subprocess.run(
        [*command, "-k", "picked"], cwd=ROOT, env=env | {"EI_REQUIRE_LLAMA": required}, capture_output=True, text=True
    )
    assert done.returncode == code, done.stdout
    assert f"1 {word}" in done.stdout
    assert "EI_LLAMA_SERVER and EI_LLAMA_MODEL are not set" in done.stdout


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is a Secret Service on Linux only")
@pytest.mark.parametrize(("required", "code", "word"), [("", 0, "skipped"), ("1", 1, "failed")])
def test_without_a_secret_service_the_tests_of_the_keyring_are_skipped_or_fail(
    tmp_path: Path, required: str, code: int, word: str
) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("EI_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/providers/test_keys_keyring.py"]
    done = subprocess.run(
        [*command, "-k", "another_process"],
        cwd=ROOT,
        env=env | {"EI_REQUIRE_KEYRING": required, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stdout
    assert f"1 {word}" in done.stdout
    assert "no Secret Service: dbus-run-session and gnome-keyring-daemon not installed" in done.stdout
