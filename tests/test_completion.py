"""Completion scripts: what they offer, asked of the real shells that are installed here."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ei.commands.base import Command, Invocation, Reply
from ei.commands.completion import FILES, PERSONAS, completion_script, vocabulary, words_of
from ei.commands.shell import SHELLS
from ei.errors import UsageError
from tests.drive import Terminal
from tests.run_ei import Ei

BREAKS = " \t\n\"'@><=;|&(:"  # what bash has in COMP_WORDBREAKS


async def nothing(call: Invocation) -> Reply:
    return Reply()


def command(*usage: str) -> Command:
    return Command("pet", "Keep animals", usage, nothing, "program", shell=True)


def test_words_come_from_the_usage_lines() -> None:
    words = words_of(
        command(
            "pet  all of them",
            "pet NAME  one of them",
            "pet feed [NAME] [--twice]  give it something",
            "pet new NAME  get one",
            "pet --at SPEC",
            "pet [md|json] [FILE]",
        )
    )
    assert words.after["pet"] == {PERSONAS: "", "feed": "give it something", "new": "get one"}
    assert words.after["feed"] == {PERSONAS: ""}
    assert "new" not in words.after
    assert "openai:gpt-5.1" in words.after["--at"]
    assert set(words.anywhere) == {"md", "json", FILES}
    assert {"--twice", "--at", "--json", "-y"} <= set(words.options)


def test_every_command_of_the_shell_can_be_completed() -> None:
    known = vocabulary()
    assert set(known[""].after[""]) >= {
        "ask",
        "completion",
        "persona",
        "model",
        "history",
        "search",
        "export",
        "delete",
    }
    assert set(known) == {"", "help", *known[""].after[""]}
    assert "undo" not in known
    assert known["delete"].after["persona"] == {PERSONAS: ""}
    assert known["settings"].after["display.keys"] == {"emacs": "", "vi": ""}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_names_every_command_and_option(shell: str) -> None:
    script = completion_script(shell)
    for words in vocabulary().values():
        for offered in (*words.after.values(), words.anywhere):
            for word in offered.keys() - {PERSONAS, FILES}:
                assert word in script or word.replace(":", "\\:") in script
        for option in words.options:
            assert re.search(rf"(?<![\w-])({re.escape(option)}|-[sl] {option.lstrip('-')})(?![\w-])", script), option
    assert "EI_DATA_PATH" in script
    assert "Library/Application Support" in script


def test_another_shell_is_refused() -> None:
    with pytest.raises(UsageError, match="no completion for tcsh"):
        completion_script("tcsh")


# The real shells.


@pytest.fixture
def home(tmp_path: Path) -> Ei:
    ei = Ei(tmp_path)
    for name in ("lena", "lenny", "mike"):
        folder = ei.data / "personas" / name
        folder.mkdir(parents=True)
        (folder / "system.jsonc").write_text("{}")
    (ei.data / "personas" / "no-persona").mkdir()
    (ei.folder / "notes one.txt").touch()
    (ei.folder / "other.txt").touch()
    return ei


ASKED: dict[str, set[str]] = {
    "ei mo": {"model", "models"},
    "ei persona cl": {"clone"},
    "ei persona ": {"new", "edit", "clone", "archive", "restore", "lena", "lenny", "mike"},
    "ei persona edit l": {"lena", "lenny"},
    "ei persona new ": set(),
    "ei -p mi": {"mike"},
    "ei --persona=le": {"lena", "lenny"},
    "ei -p lena mod": {"model", "models"},
    "ei -p lena --json persona ar": {"archive"},
    "ei ask -p le": {"lena", "lenny"},
    "ei ask -f ot": {"other.txt"},
    "ei ask --no": {"--no-save"},
    "ei model ant": {"anthropic:claude-haiku-4-5"},
    "ei model openai:g": {"openai:gpt-5.1"},
    "ei model --here goo": {"google:gemini-2.5-pro"},
    "ei model --list goo": {"google"},
    "ei model wh": {"why"},
    "ei -m ant": {"anthropic:claude-haiku-4-5"},
    "ei delete ": {"message", "conversation", "persona"},
    "ei delete persona mi": {"mike"},
    "ei history --persona mi": {"mike"},
    "ei history --al": {"--all"},
    "ei settings display.th": {"display.theme"},
    "ei settings display.keys ": {"emacs", "vi"},
    "ei completion ": {"bash", "zsh", "fish"},
    "ei help set": {"settings", "setup"},
    "ei --resume ": set(),
}


STARTS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
}
BEGINS = {"bash": "bind 'set bell-style none'", "zsh": "autoload -U compinit; compinit -u -D"}


def shell_at_terminal(home: Ei, shell: str, rows: int = 24) -> Terminal:
    """A shell that has read its script and waits for a line."""
    script = home.home / f"ei.{shell}"
    script.write_text(completion_script(shell), "utf-8")
    environment = {**home.variables, "TERM": "xterm-256color", "PS1": "$ ", "PROMPT": "$ "}
    terminal = Terminal(STARTS[shell], 160, rows, env=environment, cwd=home.folder)
    terminal.wait_for("$", timeout=20)
    terminal.type(f"{BEGINS[shell]}; source {script}; clear; echo rea''dy\r")
    terminal.wait_for("ready", timeout=20)
    return terminal


def by_bash(home: Ei, lines: list[str]) -> list[set[str]]:
    """What bash's completion function offers for each line, as whole words."""
    script = home.home / "ei.bash"
    script.write_text(completion_script("bash"), "utf-8")
    asked = "\n".join(f"ask {quoted(line)}" for line in lines)
    done = run(
        home,
        ["bash", "--norc", "-c"],
        f"source {quoted(str(script))}\nCOMP_WORDBREAKS={quoted(BREAKS)}\n"
        'ask() { COMP_LINE=$1; COMP_POINT=${#1}; COMPREPLY=(); _ei; printf "%s\\n" "${COMPREPLY[@]}" --; }\n' + asked,
    )
    found = [set(filter(None, part.split("\n"))) for part in done.split("--\n")[:-1]]
    # bash replaces only what stands after the last : or =.
    return [
        {line.rpartition(" ")[2].rpartition("=")[2].rpartition(":")[0] + ":" + w if ":" in line else w for w in words}
        for line, words in zip(lines, found, strict=True)
    ]


def by_fish(home: Ei, lines: list[str]) -> list[set[str]]:
    """What fish offers for each line."""
    script = home.home / "ei.fish"
    script.write_text(completion_script("fish"), "utf-8")
    asked = "\n".join(f"complete -C {quoted(line)}; echo end" for line in lines)
    done = run(home, ["fish", "--no-config", "-c"], f"source {script}\n{asked}")
    found = [
        [w.partition("\t")[0] for w in part.split("\n") if w]
        for part in re.split("^end$", done, flags=re.MULTILINE)[:-1]
    ]
    return [{word.removeprefix("--persona=") for word in words} for words in found]


def run(home: Ei, shell: list[str], script: str) -> str:
    done = subprocess.run(
        [*shell, script], env=home.variables, cwd=home.folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def by_zsh(home: Ei, lines: list[str]) -> list[set[str]]:
    """What zsh lists for each line, read from its screen: words, two spaces apart or before what they mean."""
    found = []
    with shell_at_terminal(home, "zsh", rows=50) as terminal:
        terminal.type("bindkey '^I' list-choices; clear\r")
        for line in lines:
            for _ in range(4):  # loading its functions takes it a silent moment
                terminal.press("ctrl-u", "ctrl-l")
                terminal.type(line)
                terminal.settle(0.04)
                terminal.press("tab")
                terminal.settle(0.12)
                rows = [row.partition(" -- ")[0] for row in terminal.screen[1:]]
                listed = {word for row in rows for word in re.split(r"\s{2,}", row.strip()) if word}
                if listed or not ASKED[line]:
                    break
            found.append(listed)
    return found


ASKING: dict[str, Callable[[Ei, list[str]], list[set[str]]]] = {"bash": by_bash, "zsh": by_zsh, "fish": by_fish}
HERE = [shell for shell in SHELLS if shutil.which(shell)]


def test_the_shells_that_are_here_offer_what_fits(home: Ei) -> None:
    assert HERE, "no shell that completes is installed"
    for shell in HERE:
        offered = dict(zip(ASKED, ASKING[shell](home, list(ASKED)), strict=True))
        assert (shell, offered) == (shell, ASKED)


@pytest.mark.parametrize("shell", sorted(STARTS.keys() & set(HERE)))
def test_tab_completes_in_the_shell_itself(home: Ei, shell: str) -> None:
    """Typed into the shell: colons, an equals sign, and a file with a space."""
    with shell_at_terminal(home, shell) as terminal:
        for typed, wanted in (
            ("ei mod", "ei model "),
            ("ei -m openai:gp", "ei -m openai:gpt-5.1"),
            ("ei --model=openai:gp", "ei --model=openai:gpt-5.1"),
            ("ei persona edit mi", "ei persona edit mike"),
            ("ei ask -f notes", "ei ask -f notes\\ one.txt"),
        ):
            terminal.type(typed)
            terminal.settle(0.05)
            terminal.press("tab")
            terminal.wait_for(f"$ {wanted.rstrip()}")
            terminal.press("ctrl-u")
            terminal.settle(0.05)
