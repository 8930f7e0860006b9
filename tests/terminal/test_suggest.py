"""What Tab offers."""

from __future__ import annotations

from pathlib import Path

import pytest

from ei.commands.table import all_commands
from ei.terminal.suggest import suggest
from tests.bench_session import bench


async def test_files_are_offered_where_a_command_takes_one(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out.md").touch()
    async with bench(tmp_path / "home") as b:
        found = suggest(b.session, all_commands(), f"/export {tmp_path}/o")
    assert found == [(f"{tmp_path}/out/", "folder", 8), (f"{tmp_path}/out.md", "file", 8)]


@pytest.mark.parametrize("typed", ["~nobody-is-called-so/", "~nobody-is-called-so/x", "/no/such/folder/"])
async def test_a_folder_that_is_none_offers_nothing(tmp_path: Path, typed: str) -> None:
    async with bench(tmp_path) as b:
        assert suggest(b.session, all_commands(), f"/export {typed}") == []
