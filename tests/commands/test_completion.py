"""Completion finds the personas where only the home folder says where they are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ei.commands.completion import completion_script
from ei.commands.shell import SHELLS
from tests.drive import Terminal

HERE = [shell for shell in SHELLS if shutil.which(shell)]
STARTED = {
    "bash": (["--norc", "--noprofile", "-i"], "PS1='ready '; source '{}'"),
    "zsh": (["-f", "-i"], "PS1='ready '; autoload -Uz compinit; compinit -u -D; source '{}'"),
}


@pytest.mark.parametrize("shell", HERE)
def test_personas_below_the_home_folder_are_completed(shell: str, tmp_path: Path) -> None:
    data = tmp_path / "Library/Application Support/ei" if sys.platform == "darwin" else tmp_path / ".local/share/ei"
    for name in ("lena", "mike"):
        (data / "personas" / name).mkdir(parents=True)
        (data / "personas" / name / "system.jsonc").write_text("{}", "utf-8")
    script = tmp_path / f"completion.{shell}"
    script.write_text(completion_script(shell), "utf-8")
    world = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    if shell == "fish":
        command = [shell, "--no-config", "-c", f"source '{script}'; complete -C 'ei persona mi'"]
        done = subprocess.run(command, env=world, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert (done.stdout.split("\t")[0].strip(), done.stderr) == ("mike", "")
        return
    options, setup = STARTED[shell]
    with Terminal([shell, *options], 80, 24, world, tmp_path) as t:
        t.type(setup.format(script) + "\r")
        t.wait_for(lambda t: "ready" in t.screen)
        t.type("ei persona mi\t")
        t.wait_for("ei persona mike")
