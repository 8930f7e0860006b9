"""The person's own editor on a file: opened at a line only where it is known to take one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ei.terminal.editor import edit_file


@pytest.mark.parametrize(("name", "line", "expected"), [("vim", 7, ["+7"]), ("vim", 0, []), ("unknown", 7, [])])
def test_a_line_is_given_to_an_editor_that_takes_one(tmp_path: Path, name: str, line: int, expected: list[str]) -> None:
    editor, seen = tmp_path / name, tmp_path / "seen"
    editor.write_text(f"#!{sys.executable}\nimport sys\nopen({str(seen)!r}, 'w').write('\\n'.join(sys.argv[1:]))\n")
    editor.chmod(0o700)
    edit_file([str(editor)], tmp_path / "file", line)
    assert seen.read_text().split("\n") == [*expected, str(tmp_path / "file")]
