"""The completion scripts complete in the shells that are installed here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ei.commands.completion import completion_script
from tests.drive import Terminal

STARTED = {"bash": ["--norc", "--noprofile", "-i"], "zsh": ["-f", "-i"]}
HERE = [shell for shell in STARTED if shutil.which(shell)]
SETUP = {
    "bash": "PS1='ready '; source '{}'",
    "zsh": "PS1='ready '; autoload -Uz compinit; compinit -u -D; source '{}'",
}


@pytest.fixture
def world(tmp_path: Path) -> dict[str, str]:
    """Only HOME says where the data is; lena and mike are there."""
    data = tmp_path / "Library/Application Support/ei" if sys.platform == "darwin" else tmp_path / ".local/share/ei"
    for name in ("lena", "mike"):
        (data / "personas" / name).mkdir(parents=True)
        (data / "personas" / name / "system.jsonc").write_text("{}", "utf-8")
    return {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8"}


@pytest.mark.parametrize("shell", HERE)
def test_tab_completes_commands_personas_and_options(shell: str, world: dict[str, str], tmp_path: Path) -> None:
    script = tmp_path / f"completion.{shell}"
    script.write_text(completion_script(shell), "utf-8")
    with Terminal([shell, *STARTED[shell]], 80, 24, world, tmp_path) as t:
        t.type(SETUP[shell].format(script) + "\r")
        t.wait_for(lambda t: "ready" in t.screen)
        for typed, expected in (
            ("ei mo", "ei model"),
            ("ei -p le", "ei -p lena"),
            ("ei persona mi", "ei persona mike"),
            ("ei completion fi", "ei completion fish"),
            ("ei ask --no", "ei ask --no-save"),
            ("ei model --her", "ei model --here"),
        ):
            t.type(f"{typed}\t")
            t.wait_for(expected)
            t.press("ctrl-u")


@pytest.mark.parametrize("shell", [shell for shell in ("fish",) if shutil.which(shell)])
def test_fish_completes_them_too(shell: str, world: dict[str, str], tmp_path: Path) -> None:
    script = tmp_path / "ei.fish"
    script.write_text(completion_script(shell), "utf-8")
    asked = {"ei mo": "model", "ei -p le": "lena", "ei persona mi": "mike", "ei completion fi": "fish"}
    lines = "; ".join(f"complete -C '{typed}'" for typed in asked)
    done = subprocess.run(
        [shell, "--no-config", "-c", f"source '{script}'; {lines}"],
        env=world,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == list(asked.values())
