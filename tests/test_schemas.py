"""The JSON Schemas that editors check a person's files by are where those files say."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

import ei
from ei import jsonc
from ei.personas.drafts import draft_text
from tests.bench_session import bench

PACKAGE = Path(ei.__file__).parent


def named_in(path: Path) -> str:
    """What `$schema` says in a JSONC file."""
    value = jsonc.read(path).value
    assert isinstance(value, dict)
    return str(value["$schema"])


async def test_settings_name_a_schema_that_is_there(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.command("/settings init")
        named = urlsplit(named_in(b.services.config.paths.settings))
    assert named.scheme == "file"
    assert Path(url2pathname(named.path)).read_bytes() == (PACKAGE / "settings.schema.json").read_bytes()


async def test_settings_that_a_command_began_name_it_too(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.command("/settings display.keys vi")
        assert named_in(b.services.config.paths.settings).endswith("/schemas/settings.schema.json")


async def test_every_persona_names_a_schema_that_is_there(tmp_path: Path) -> None:
    expected = (PACKAGE / "personas" / "persona.schema.json").read_bytes()
    async with bench(tmp_path) as b:
        b.services.library.create("ada", draft_text("ada", "A pilot.", "You fly.", ()))
        found = b.services.library.personas()
        assert len(found) == 6
        for persona in found:
            assert (persona.path.parent / named_in(persona.path)).read_bytes() == expected


async def test_a_schema_of_an_older_version_is_renewed(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        copy = b.services.config.paths.schemas / "settings.schema.json"
    copy.write_text("{}", "utf-8")
    async with bench(tmp_path):
        assert copy.read_bytes() == (PACKAGE / "settings.schema.json").read_bytes()


@pytest.mark.parametrize("blocked", ["schemas", "schemas/settings.schema.json"])
async def test_what_is_in_the_schemas_way_keeps_nobody_from_talking(tmp_path: Path, blocked: str) -> None:
    way = tmp_path / "data" / blocked
    way.parent.mkdir(parents=True)
    if blocked == "schemas":
        way.write_text("mine", "utf-8")
    else:
        way.mkdir()
    async with bench(tmp_path, EI_LLM_MODEL="builtin:eliza") as b:
        assert (await b.say("Hello")).text
