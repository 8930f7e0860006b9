"""Commands where nobody can be asked."""

from __future__ import annotations

import asyncio
import io
import os
import stat
import sys
from pathlib import Path

import pytest

from ei.commands.base import Choice, Document, Form, Line, Reply
from ei.errors import ConfigError, ExitCode, NeedsAnswerError
from ei.terminal.clipboard import copy_text
from ei.terminal.editor import edit_text, editor_command
from ei.terminal.plain import PlainUi


async def test_a_question_is_agreed_to_only_with_yes() -> None:
    assert await PlainUi(yes=True).confirm("Delete it?")
    with pytest.raises(NeedsAnswerError, match=r"Delete it\? .*--yes") as raised:
        await PlainUi().confirm("Delete it?")
    assert raised.value.exit_code == ExitCode.NEEDS_ANSWER


async def test_everything_else_that_needs_a_person_is_refused() -> None:
    ui = PlainUi()
    assert not ui.interactive
    assert not ui.answer(True)
    for question in (
        ui.ask("Name?"),
        ui.form(Form("Values", ())),
        ui.choose("Which?", [Choice("a", "a")]),
        ui.edit("text"),
        ui.browse("Pages", [], 0),
    ):
        with pytest.raises(NeedsAnswerError):
            await question


async def test_a_secret_is_a_line_of_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(" a-key \nmore\n"))
    assert await PlainUi().secret("Key?") == "a-key"
    for stdin in (io.StringIO(""), None):
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(NeedsAnswerError):
            await PlainUi().secret("Key?")


async def test_an_editor_needs_a_stdin_that_is_open(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "stdin", None)  # what Python has for a stream that was closed
    with pytest.raises(NeedsAnswerError, match=r"An editor needs a terminal\.") as raised:
        await PlainUi().edit_file(tmp_path / "file")
    assert raised.value.exit_code is ExitCode.NEEDS_ANSWER


def test_a_pipe_gets_text_as_it_is() -> None:
    out = io.StringIO()
    PlainUi(out=out).show(Reply((Line("one", "error"), Document("# two\n\n**bold**\n"))))
    assert out.getvalue() == "one\n# two\n\n**bold**\n"


def test_quiet_says_nothing() -> None:
    out, err = io.StringIO(), io.StringIO()
    ui = PlainUi(quiet=True, out=out, err=err)
    ui.show(Reply.line("one"))
    with ui.progress("working") as progress:
        progress.update("more")
    assert (out.getvalue(), err.getvalue()) == ("", "")


def test_letters_that_the_pipe_cannot_take_do_not_stop_it() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    PlainUi(out=out).show(Reply.line("naïve ❤"))
    assert raw.getvalue() == b"na?ve ?\n"


def editor(folder: Path, body: str) -> list[str]:
    """A program that stands in for an editor."""
    script = folder / "editor.py"
    script.write_text(f"import os, pathlib, stat, sys\npath = pathlib.Path(sys.argv[1])\n{body}\n")
    return [sys.executable, str(script)]


def test_the_editor_works_on_a_private_file_that_is_gone_afterwards(tmp_path: Path) -> None:
    note = tmp_path / "note"
    body = f"pathlib.Path({str(note)!r}).write_text(f'{{path}} {{path.stat().st_mode}}'); path.write_text('new\\n')"
    assert edit_text(editor(tmp_path, body), "old", ".md") == "new"
    path, mode = note.read_text().split()
    assert path.endswith(".md")
    assert stat.S_IMODE(int(mode)) == 0o600
    assert not Path(path).parent.exists()


def test_line_ends_and_letters_survive_the_editor(tmp_path: Path) -> None:
    body = "path.write_bytes(path.read_bytes().replace(b'\\n', b'\\r\\n'))"
    assert edit_text(editor(tmp_path, body), "naïve ❤\ntwo\n", ".md") == "naïve ❤\ntwo\n"


def test_an_editor_that_fails_changes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ended with an error"):
        edit_text(editor(tmp_path, "sys.exit(3)"), "old", ".md")


def test_an_editor_that_is_named_must_be_there() -> None:
    assert editor_command(f"{sys.executable} -x") == [sys.executable, "-x"]
    with pytest.raises(ConfigError, match='"no-such-editor" was not found'):
        editor_command("no-such-editor --wait")


def test_without_any_editor_the_person_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match="Set EDITOR"):
        editor_command(None)


async def test_the_clipboard_is_reached_through_a_program_or_through_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not await copy_text("text")
    assert await copy_text("naïve", sent.append)
    assert sent == ["\x1b]52;c;bmHDr3Zl\x07"]
    assert not await copy_text("x" * 200_000, sent.append)
    for name in ("xsel", "pbcopy"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n/bin/cat > {tmp_path}/copied\n")
        program.chmod(0o755)
    if os.name == "posix":
        assert await copy_text("naïve ❤", sent.append)
        assert (tmp_path / "copied").read_text() == "naïve ❤"
        assert len(sent) == 1


async def test_a_slow_clipboard_program_does_not_hold_up_anything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if os.name != "posix":  # the program is a shell script
        return
    go_on = tmp_path / "go-on"
    for name in ("xsel", "pbcopy"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\nuntil [ -e {go_on} ]; do /bin/sleep 0.02; done\n")
        program.chmod(0o755)
    copying = asyncio.create_task(copy_text("text"))
    await asyncio.sleep(0.1)
    assert not copying.done()
    go_on.touch()
    assert await copying
