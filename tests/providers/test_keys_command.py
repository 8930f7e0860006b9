"""A key that a command prints."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ei.errors import ConfigError
from ei.providers.keycommand import run_for_key
from ei.settings.keys import key_problem, reference_of

PYTHON = f'"{sys.executable}"' if os.name == "nt" else sys.executable


def script(folder: Path, text: str) -> str:
    """A command that runs that Python text."""
    path = folder / "give.py"
    path.write_text(text, "utf-8")
    return f"{PYTHON} {path}"


def test_the_first_line_is_the_key(tmp_path: Path) -> None:
    command = script(tmp_path, "print(' sk-of-a-command  ')\nprint('user: somebody')")
    assert run_for_key(command, 20) == "sk-of-a-command"


def test_no_shell_reads_the_command(tmp_path: Path) -> None:
    command = script(tmp_path, "import sys; print(*sys.argv[1:], sep='|')")
    assert run_for_key(f"{command} 'a b' $HOME ; echo && x", 20) == "a b|$HOME|;|echo|&&|x"


def test_the_command_gets_no_input(tmp_path: Path) -> None:
    assert run_for_key(script(tmp_path, "import sys; print(len(sys.stdin.read()))"), 20) == "0"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("import sys; print('sk-hush'); sys.exit('sk-hush is wrong')", "failed (exit code 1)."),
        ("import sys; sys.stderr.write('sk-hush')", "printed nothing."),
        ("print(); print('sk-hush')", "printed nothing."),
        ("while True: print('sk-hush')", "prints much more than a key."),
    ],
)
def test_what_goes_wrong_is_one_sentence_that_repeats_nothing(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        run_for_key(script(tmp_path, text), 20)
    assert caught.value.sentence.endswith(problem)
    assert "sk-hush" not in str(caught.value)


def test_a_command_that_does_not_end_is_stopped_with_what_it_started(tmp_path: Path) -> None:
    beside = tmp_path / "beside"
    inner = f"import time, pathlib; time.sleep(1.5); pathlib.Path({str(beside)!r}).touch()"
    text = (
        f"import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', {inner!r}])\n"
        "print('sk-hush', flush=True); time.sleep(60)\n"
    )
    began = time.monotonic()
    with pytest.raises(ConfigError, match=r"took longer than 0\.7 s") as caught:
        run_for_key(script(tmp_path, text), 0.7)
    assert time.monotonic() - began < 10
    assert "sk-hush" not in str(caught.value)
    if os.name == "posix":
        time.sleep(1.2)
        assert not beside.exists()


def test_a_command_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="The command no-such-program-here, which is to give a key, was not found"):
        run_for_key("no-such-program-here read x", 5)
    with pytest.raises(ConfigError, match="a quote that is not closed"):
        run_for_key("pass show 'openai", 5)


@pytest.mark.skipif(os.name != "posix", reason="there are no terminals to take there")
def test_the_command_cannot_take_the_terminal(tmp_path: Path) -> None:
    command = script(
        tmp_path, "import os\ntry: os.open('/dev/tty', os.O_RDWR); print('took')\nexcept OSError: print('no')"
    )
    assert run_for_key(command, 20) == "no"


def test_a_command_that_holds_the_key_itself_is_no_reference() -> None:
    assert reference_of("cmd:op read op://vault/8f3kdj2mq9s7x4v6b1n5c0z2aa/credential") is not None
    assert reference_of("cmd:echo sk-proj-0123456789") is None
    assert "0123456789" not in key_problem("cmd:echo sk-proj-0123456789")


def test_nothing_heavy_is_imported_to_know_of_keys() -> None:
    program = (
        "import sys; import ei.providers.keystore, ei.providers.keys, ei.providers.opening, ei.providers.hiding;"
        "heavy = {'asyncio', 'keyring', 'cryptography', 'httpx', 'importlib.metadata'};"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
