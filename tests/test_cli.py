"""The command line through its front door: options, help, streams of any kind, and what is broken."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

import ei as package
from ei.cli import CommandLine, parse
from ei.commands.shell import help_text
from ei.errors import ExitCode, UsageError
from tests.run_ei import Ei


@pytest.fixture
def ei(tmp_path: Path) -> Ei:
    return Ei(tmp_path, EI_LLM_MODEL="builtin:eliza")


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], CommandLine()),
        (["-p", "lena"], CommandLine(persona="lena")),
        (["--persona=lena", "--resume", "abcd"], CommandLine(persona="lena", resume="abcd")),
        (["ask", "what", "now"], CommandLine("ask", ("what", "now"))),
        (["-p", "lena", "ask", "hi", "-m", "x:y"], CommandLine("ask", ("hi",), persona="lena", model="x:y")),
        (["ask", "-f", "a", "--file=b", "hi"], CommandLine("ask", ("hi",), files=("a", "b"))),
        (["ask", "--json", "--no-save", "hi"], CommandLine("ask", ("hi",), json=True, no_save=True)),
        (["ask", "--", "--json"], CommandLine("ask", ("--json",))),
        (["ask", "a=b"], CommandLine("ask", ("a=b",))),
        (["delete", "persona", "lena", "-y"], CommandLine("delete", ("persona", "lena"), yes=True)),
        (["model", "--here", "x:y"], CommandLine("model", ("--here", "x:y"))),
        (["model", "-m", "x:y"], CommandLine("model", ("-m", "x:y"))),
        (["search", "--", "-5"], CommandLine("search", ("--", "-5"))),
        (["search", "--", "rain"], CommandLine("search", ("rain",))),
        (["-m=x:y"], CommandLine(model="x:y")),
    ],
)
def test_options_may_stand_before_and_after_a_command(argv: list[str], expected: CommandLine) -> None:
    assert parse(argv) == expected


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (["--jason"], "--json"),
        (["ask", "--persna", "x"], "--persona"),
        (["ask", "-x"], "after --"),
        (["--versio"], "--version"),
        (["-p"], "ei --help"),
    ],
)
def test_an_option_that_is_none_is_refused_with_the_nearest(argv: list[str], hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(argv)
    assert hint in raised.value.hint


def test_words_in_bytes_of_utf8_are_read_whatever_the_locale_made_of_them() -> None:
    assert parse(["ask", "caf\udcc3\udca9"]).words == ("café",)


@pytest.mark.parametrize("argv", [["--version"], ["-V"], ["-p", "lena", "--version"]])
def test_the_version_is_printed(ei: Ei, argv: list[str]) -> None:
    assert ei(*argv).out == f"ei {package.__version__}\n"


def test_help_lists_the_commands_the_options_and_the_exit_codes(ei: Ei) -> None:
    asked = ei("--help")
    assert (asked.code, asked.err) == (0, "")
    for wanted in (
        "\n  ask ",
        "\n  model ",
        "\n  delete ",
        "--no-save",
        "--resume ID",
        *(str(c.value) for c in ExitCode),
    ):
        assert wanted in asked.out
    assert ei("help").out == ei("-h").out == asked.out


def test_help_on_one_command_shows_its_forms_and_its_own_options(ei: Ei) -> None:
    asked = ei("model", "--help")
    assert "ei model SPEC" in asked.out
    assert "--json" in asked.out
    assert "--no-save" not in asked.out
    assert ei("help", "model").out == asked.out
    assert "-f, --file FILE" in ei("ask", "--help").out
    assert "compinit" in ei("completion", "--help").out


@pytest.mark.parametrize(
    ("argv", "sentence", "hint"),
    [
        (["modle"], "There is no command modle.", "Did you mean ei model?"),
        (["per"], "There is no command per.", "Did you mean ei persona?"),
        (["help", "exprt"], "There is no command exprt.", "Did you mean ei export?"),
        (["tell me a story"], "There is no command tell me a story.", 'ei ask "…"'),
        (["undo"], "/undo belongs into a conversation.", "Start ei and type it there."),
        (["completion"], "There is no completion for no shell.", "bash, zsh or fish"),
        (["completion", "powershell"], "There is no completion for powershell.", "bash, zsh or fish"),
        (["-m", "x:y", "model"], "-m is for asking, not for ei model.", "ei model --help"),
        (["-f", "a.txt", "history"], "-f is for asking, not for ei history.", "ei history --help"),
        (["history", "--no-save"], "--no-save is for asking, not for ei history.", "ei history --help"),
        ([], "There is nothing to ask.", "ei ask"),
    ],
)
def test_what_is_not_understood_is_one_sentence_and_exit_code_2(
    ei: Ei, argv: list[str], sentence: str, hint: str
) -> None:
    ran = ei(*argv)
    assert (ran.code, ran.out) == (ExitCode.USAGE, "")
    first, second = ran.err.splitlines()
    assert first == f"ei: {sentence}"
    assert hint in second


# Streams.


@pytest.mark.parametrize("argv", [["--help"], ["history"], ["ask", "hi"], ["ask", "--json", "hi"], ["model", "--list"]])
def test_a_reader_that_has_left_is_no_error(ei: Ei, argv: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    started = ei.start(*argv, stdout=write)
    os.close(write)
    _, err = started.communicate(timeout=30)
    assert (started.returncode, err) == (0, b"")


@pytest.mark.parametrize("argv", [["--help"], ["history", "--json"], ["model"], ["ask", "hi"], ["ask", "--json", "hi"]])
def test_a_full_disk_behind_stdout_is_one_sentence(ei: Ei, argv: list[str], tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():  # only Linux has one; elsewhere a file that is open for reading refuses as well
        full = tmp_path / "read-only"
        full.touch()
    with full.open("rb") as out:
        handle = os.open(full, os.O_WRONLY) if full.is_char_device() else out.fileno()
        started = ei.start(*argv, stdout=handle)
        _, err = started.communicate(timeout=30)
    assert started.returncode == ExitCode.CONFIG
    assert err.decode().startswith("ei: The output cannot be written: ")
    assert "Traceback" not in err.decode()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("words", ["--help", "ask hi", "model"])
def test_streams_that_are_closed_are_no_traceback(ei: Ei, closed: str, words: str) -> None:
    shell = shutil.which("sh")
    assert shell is not None
    script = f'exec "$@" {words} {closed}'
    done = subprocess.run(
        [shell, "-c", script, "sh", *ei.command()],
        input=b"" if "<" not in closed else None,
        capture_output=True,
        env=ei.variables,
        cwd=ei.folder,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    "locale",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"LC_ALL": "POSIX"},
        {"PYTHONIOENCODING": "cp1252"},
    ],
)
def test_a_locale_that_lacks_letters_stops_nothing(ei: Ei, locale: dict[str, str]) -> None:
    for argv in (["--help"], ["prompt"], ["ask", "naïve ❤ 天气"], ["ask", "--json", "naïve ❤ 天气"], ["nö"]):
        ran = ei(*argv, env=locale)
        assert "Traceback" not in ran.err
        assert ran.code == (ExitCode.USAGE if argv == ["nö"] else 0)
    assert ei("search", "天气", "--json", env=locale).json[0]["match"] == "天气"


def test_an_argument_that_is_no_text_is_one_sentence(ei: Ei) -> None:
    ran = ei("ask", b"caf\xe9")
    assert (ran.code, ran.out) == (ExitCode.USAGE, "")
    assert ran.err.splitlines()[0] == 'ei: "caf?" is not UTF-8 text.'


# What is broken.


def test_broken_settings_are_told_with_file_line_and_column(ei: Ei) -> None:
    path = ei.settings('{\n  "display": {\n    "keys": vi\n  }\n}\n')
    for argv in (["ask", "hi"], ["model"], ["settings"]):
        ran = ei(*argv)
        assert (ran.code, ran.out) == (ExitCode.CONFIG, "")
        assert f"{path}, line 3, column 13" in ran.err
        assert "Traceback" not in ran.err
    failed = ei("ask", "--json", "hi")
    assert failed.code == ExitCode.CONFIG
    assert "line 3, column 13" in failed.json["error"]["message"]


def test_a_setting_that_cannot_be_is_told_by_its_key(ei: Ei) -> None:
    ei.settings('{"display": {"keys": "nano"}}')
    ran = ei("ask", "hi")
    assert ran.code == ExitCode.CONFIG
    assert "display.keys must be one of: emacs, vi" in ran.err


def test_a_broken_persona_is_told_with_its_line_and_the_others_work(ei: Ei) -> None:
    assert ei("persona").code == 0
    path = ei.data / "personas" / "lena" / "system.jsonc"
    path.write_text('{\n  "entity": oops\n}\n', "utf-8")
    asked = ei("ask", "-p", "lena", "hi")
    assert (asked.code, asked.out) == (ExitCode.CONFIG, "")
    assert f"{path}, line 2, column 13" in asked.err
    assert ei("ask", "-p", "mike", "hi").code == 0
    listed = ei("persona")
    assert listed.code == 0
    assert "lena is broken" in listed.out
    assert path.read_text("utf-8") == '{\n  "entity": oops\n}\n'


def test_a_data_folder_that_cannot_be_is_one_sentence(ei: Ei) -> None:
    file = ei.home / "file"
    file.write_text("here")
    for where in (file, file / "below"):
        ran = ei("ask", "hi", env={"EI_DATA_PATH": str(where)})
        assert ran.code == ExitCode.CONFIG
        assert f"The data folder {where} cannot be made" in ran.err
        assert "EI_DATA_PATH" in ran.err


@pytest.mark.parametrize("name", ["personas", "ei.db"])
def test_a_data_folder_in_which_nothing_can_be_made_is_one_sentence(ei: Ei, name: str) -> None:
    # What root could write, too, is no obstacle for root: so something else stands in the way.
    ei.data.mkdir()
    in_the_way = ei.data / name
    if name == "ei.db":
        in_the_way.mkdir()
    else:
        in_the_way.write_text("here")
    for argv in (["ask", "hi"], ["history"]):
        ran = ei(*argv)
        assert ran.code in (ExitCode.CONFIG, ExitCode.PROVIDER)
        assert str(in_the_way) in ran.err
        assert len(ran.err.splitlines()) <= 2
        assert "Traceback" not in ran.err


def test_a_database_of_a_newer_ei_is_one_sentence(ei: Ei) -> None:
    assert ei("ask", "hi").code == 0
    with sqlite3.connect(ei.data / "ei.db") as database:
        database.execute("UPDATE schema_version SET version = 999")
    database.close()
    ran = ei("ask", "hi")
    assert (ran.code, ran.out) == (ExitCode.PROVIDER, "")
    assert "was written by a newer ei (schema 999" in ran.err
    assert "(schema 999; this one knows " in ei("ask", "--json", "hi").json["error"]["message"]


def test_a_file_that_is_no_database_is_one_sentence(ei: Ei) -> None:
    ei.data.mkdir()
    (ei.data / "ei.db").write_text("not a database, " * 100)
    ran = ei("history")
    assert ran.code == ExitCode.PROVIDER
    assert "is damaged or is not a database" in ran.err


def test_what_nobody_foresaw_is_one_sentence_and_a_traceback_in_the_log(ei: Ei) -> None:
    (ei.data / "personas" / "ei").mkdir(parents=True)
    broken = ei.home / "sitecustomize.py"
    broken.write_text(
        "import ei.personas.library as x\ndef oops(self): raise LookupError('zebra')\nx.Library.seed = oops\n"
    )
    ran = ei("history", env={"PYTHONPATH": f"{ei.home}{os.pathsep}{ei.variables['PYTHONPATH']}"})
    assert (ran.code, ran.out) == (ExitCode.PROVIDER, "")
    assert ran.err.splitlines()[0] == "ei: Something went wrong in ei itself (LookupError)."
    assert str(ei.data / "ei.log") in ran.err
    assert "zebra" in (ei.data / "ei.log").read_text("utf-8")


def test_the_help_that_ships_is_what_the_commands_say() -> None:
    """Made anew by: python -c "from ei.commands.shell import help_text; print(help_text())" > ei/help.txt"""
    shipped = Path(package.__file__).with_name("help.txt")
    assert shipped.read_text("utf-8") == f"{help_text()}\n"
