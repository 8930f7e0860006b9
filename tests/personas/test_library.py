"""The library of personas: finding, making, changing, putting away."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from ei.errors import ConfigError, FileSyntaxError, UsageError
from ei.personas.library import Library
from ei.personas.values import BrokenPersona, Persona

NOW = 1_795_161_600.0  # 2026-11-20 08:00:00 UTC
LENA = """\
// the storyteller
{
  "aliases": ["story", "teller"], // other names
  "short_description": "Tells stories.",
}
"""


@pytest.fixture
def library(tmp_path: Path) -> Library:
    library = Library(tmp_path / "personas", tmp_path / "archive", tmp_path / "shipped", lambda: NOW)
    write(library, "ei", '{"short_description": "Listens.", "aliases": ["Émile"]}')
    write(library, "lena", LENA)
    write(library, "leo", '{"aliases": ["mike"]}')
    write(library, "mike", '{"aliases": ["practical"]}')
    return library


def write(library: Library, name: str, text: str) -> Path:
    path = library.folder / name / "system.jsonc"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def names(library: Library) -> list[str]:
    return [entry.name for entry in library.all()]


def refused(error: pytest.ExceptionInfo[UsageError]) -> tuple[str, str]:
    return error.value.sentence, error.value.hint


# Finding


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("lena", "lena"),
        (" LENA ", "lena"),
        ("Teller", "lena"),
        ("len", "lena"),
        ("sto", "lena"),
        ("mike", "mike"),
        ("e\u0301mi", "ei"),
        ("pract", "mike"),
    ],
)
def test_a_persona_is_found_by_name_alias_or_a_unique_beginning(library: Library, text: str, name: str) -> None:
    assert library.find(text).name == name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("le", ('"le" may be any of lena, leo.', "Write more of the name.")),
        ("mi", ('"mi" may be any of leo, mike.', "Write more of the name.")),
        ("lnea", ('There is no persona "lnea".', "Did you mean lena? /persona lists them.")),
        ("practicle", ('There is no persona "practicle".', "Did you mean practical? /persona lists them.")),
        ("zzz", ('There is no persona "zzz".', "/persona lists them.")),
        ("", ("Which persona?", "There are: ei, lena, leo, mike.")),
    ],
)
def test_what_nobody_or_several_are_called_is_a_plain_error(
    library: Library, text: str, expected: tuple[str, str]
) -> None:
    with pytest.raises(UsageError) as caught:
        library.find(text)
    assert refused(caught) == expected


def test_get_takes_names_only(library: Library) -> None:
    assert library.get("LENA").name == "lena"
    for other in ("story", "len", "../personas/lena", "lena/", ".", "..", "", str(library.folder / "lena")):
        with pytest.raises(UsageError):
            library.get(other)


def test_a_broken_file_is_listed_with_its_line_and_the_others_work(library: Library) -> None:
    path = write(library, "lena", '{\n  "aliases": ["x"]\n  "model": 1\n}')
    write(library, "otto", '{"concepts": [{"name": "x", "sentiment": 2}]}')
    broken = [entry for entry in library.all() if isinstance(entry, BrokenPersona)]
    assert [entry.name for entry in broken] == ["lena", "otto"]
    assert broken[0].error.sentence == f"{path}, line 3, column 3: a comma is missing before this."
    assert "concepts[0].sentiment must be a number from -1 to 1" in broken[1].error.sentence
    assert [entry.name for entry in library.personas()] == ["ei", "leo", "mike"]
    assert library.path_of("len") == path
    with pytest.raises(FileSyntaxError):
        library.find("lena")
    with pytest.raises(FileSyntaxError):
        library.set_value("lena", ("model",), "local:x")
    assert path.read_text(encoding="utf-8") == '{\n  "aliases": ["x"]\n  "model": 1\n}'


def test_a_file_is_read_again_only_when_it_changed(library: Library) -> None:
    before = library.all()
    assert all(one is other for one, other in zip(before, library.all(), strict=True))
    write(library, "lena", '{"short_description": "Tells other stories."}')
    assert library.get("lena").short_description == "Tells other stories."
    assert library.get("mike") is before[3]
    write(library, "nora", "{}")
    assert names(library) == ["ei", "lena", "leo", "mike", "nora"]


def test_folders_without_a_file_and_hidden_ones_are_no_personas(library: Library) -> None:
    (library.folder / "empty").mkdir()
    (library.folder / "notes.txt").touch()
    write(library, ".hidden", "{}")
    assert names(library) == ["ei", "lena", "leo", "mike"]


def test_a_library_without_a_folder_is_empty(tmp_path: Path) -> None:
    library = Library(tmp_path / "personas", tmp_path / "archive", tmp_path / "shipped")
    library.seed()
    assert (library.all(), library.archived()) == ((), ())


if sys.platform != "win32":

    def test_a_link_that_leads_out_of_the_folder_is_broken(library: Library, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "system.jsonc").write_text("{}", encoding="utf-8")
        (library.folder / "spy").symlink_to(outside)
        (library.folder / "file").mkdir()
        (library.folder / "file" / "system.jsonc").symlink_to(outside / "system.jsonc")
        (library.folder / "twin").symlink_to(library.folder / "lena")
        assert [entry.name for entry in library.all() if isinstance(entry, BrokenPersona)] == ["file", "spy"]
        with pytest.raises(ConfigError, match="leads out of the folder"):
            library.set_value("spy", ("model",), "local:x")
        library.delete("spy")
        assert (outside / "system.jsonc").read_text(encoding="utf-8") == "{}"


# Changing


def test_setting_a_value_changes_nothing_else(library: Library) -> None:
    persona = library.set_value("lena", ("model",), "local:x")
    assert persona.model == "local:x"
    text = persona.path.read_text(encoding="utf-8")
    assert text == LENA.replace('stories.",\n', 'stories.",\n  "model": "local:x",\n')
    assert library.get("lena") == persona
    assert library.remove_value("Lena", ("model",)).model is None
    assert persona.path.read_text(encoding="utf-8") == LENA


def test_a_value_that_does_not_fit_is_not_written(library: Library) -> None:
    with pytest.raises(ConfigError, match="parameters.temperature must be a number from 0 to 2"):
        library.set_value("lena", ("parameters", "temperature"), 7)
    assert library.path_of("lena").read_text(encoding="utf-8") == LENA


def test_a_value_that_does_not_fit_can_be_mended(library: Library) -> None:
    write(library, "leo", '{"private": "yes"}')
    assert library.set_value("leo", ("private",), True).private is True


def test_a_new_persona_is_there_at_once(library: Library) -> None:
    persona = library.create("Nora", "// new\n{}\n")
    assert persona == Persona("nora", library.folder / "nora" / "system.jsonc")
    assert persona.path.read_text(encoding="utf-8") == "// new\n{}\n"
    assert library.find("nor") == persona


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("LENA", "There is a persona lena already."),
        ("Story", '"story" is another name of lena.'),
        ("../nora", "'../nora' cannot be a persona's name."),
        ("nul", '"nul" is a name that Windows keeps for itself.'),
    ],
)
def test_a_name_that_is_taken_or_none_is_refused(library: Library, name: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        library.create(name, "{}")
    assert caught.value.sentence == sentence
    assert names(library) == ["ei", "lena", "leo", "mike"]


@pytest.mark.parametrize("text", ["{", '{"aliases": 1}', ""])
def test_text_that_makes_no_persona_leaves_nothing_behind(library: Library, text: str) -> None:
    with pytest.raises(ConfigError):
        library.create("nora", text)
    assert not (library.folder / "nora").exists()


def test_a_clone_keeps_comments_and_leaves_the_aliases(library: Library) -> None:
    clone = library.clone("lena", "nora")
    assert (clone.name, clone.aliases) == ("nora", ())
    assert clone.path.read_text(encoding="utf-8") == LENA.replace('["story", "teller"]', "[]")
    assert library.get("lena").aliases == ("story", "teller")


# Putting away


def test_an_archived_persona_comes_back_as_it_was(library: Library) -> None:
    moved = library.archive("Lena")
    assert moved == library.archive_folder / "lena-20261120080000"
    assert names(library) == ["ei", "leo", "mike"]
    with pytest.raises(UsageError) as caught:
        library.find("lena")
    assert refused(caught) == ('"lena" is archived.', "/persona restore lena brings it back.")
    assert library.restore("LENA").name == "lena"
    assert library.path_of("lena").read_text(encoding="utf-8") == LENA
    assert library.archived() == ()


def test_the_archive_never_writes_over_anything_and_gives_the_newest_first(library: Library) -> None:
    library.archive("lena")
    write(library, "lena", '{"short_description": "the second"}')
    library.archive("lena")
    write(library, "lena-b", "{")
    library.archive("lena-b")
    entries = library.archived()
    assert [entry.name for entry in entries] == ["lena", "lena", "lena-b"]
    assert [entry.stamp for entry in entries] == ["20261120080000", "20261120080001", "20261120080000"]
    assert all(len(entry.archived_at) == len("2026-11-20 08:00") for entry in entries)
    second = library.restore("lena")
    assert isinstance(second, Persona)
    assert second.short_description == "the second"
    with pytest.raises(UsageError, match="There is a persona lena already"):
        library.restore("lena")
    first = library.restore("lena", "old-lena")
    assert (first.name, first.path.read_text(encoding="utf-8")) == ("old-lena", LENA)
    assert isinstance(library.restore("lena-b"), BrokenPersona)


def test_restoring_what_is_not_archived_names_what_is(library: Library) -> None:
    with pytest.raises(UsageError) as caught:
        library.restore("nora")
    assert refused(caught) == ('No persona "nora" is archived.', "")
    library.archive("leo")
    with pytest.raises(UsageError) as caught:
        library.restore("nora")
    assert refused(caught) == ('No persona "nora" is archived.', "Archived: leo.")


def test_deleting_is_for_good(library: Library) -> None:
    library.archive("lena")
    copy = write(library, "lena", LENA).parent
    archived = library.archived()[0].path
    assert library.delete("lena") == (copy,)
    assert archived.exists()
    assert library.exact_name("LENA") == "lena"
    assert library.delete("lena", archived=True) == (archived,)
    assert not archived.exists()
    for name in ("lena", "../personas/mike"):
        with pytest.raises(UsageError):
            library.delete(name, archived=True)
    assert names(library) == ["ei", "leo", "mike"]


# The cast


def ship(library: Library, name: str, text: str) -> None:
    path = library.shipped / name / "system.jsonc"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def text_of(library: Library, name: str) -> str:
    return (library.folder / name / "system.jsonc").read_text(encoding="utf-8")


def test_the_cast_is_copied_on_the_first_run(tmp_path: Path) -> None:
    library = Library(tmp_path / "data" / "personas", tmp_path / "archive", tmp_path / "shipped")
    ship(library, "ei", "// v1\n{}")
    ship(library, "beta", "{}")
    library.seed()
    assert names(library) == ["beta", "ei"]
    assert text_of(library, "ei") == "// v1\n{}"


def test_a_newer_cast_replaces_only_what_nobody_changed(library: Library) -> None:
    ship(library, "ada", "// v1\n{}")
    ship(library, "bob", "// v1\n{}")
    ship(library, "lena", "// v1\n{}")
    library.seed()
    library.set_value("bob", ("model",), "local:x")
    for name in ("ada", "bob", "lena"):
        ship(library, name, "// version 2\n{}")
    library.seed()
    assert text_of(library, "ada") == "// version 2\n{}"
    assert text_of(library, "bob") == '// v1\n{\n  "model": "local:x"\n}'
    assert text_of(library, "lena") == LENA
    library.delete("lena")
    ship(library, "ada", "// the third\n{}")
    library.seed()
    assert text_of(library, "ada") == "// the third\n{}"
    assert "lena" not in names(library)


def test_one_of_the_cast_that_was_put_away_stays_away(library: Library) -> None:
    ship(library, "ada", "// v1\n{}")
    ship(library, "bob", "// v1\n{}")
    library.seed()
    library.archive("ada")
    library.delete("bob")
    for text in ("// v1\n{}", "// version 2\n{}"):
        ship(library, "ada", text)
        ship(library, "bob", text)
        library.seed()
        assert names(library) == ["ei", "lena", "leo", "mike"]
    (library.folder / ".cast.json").write_text("not json", encoding="utf-8")
    library.seed()
    assert names(library) == ["bob", "ei", "lena", "leo", "mike"]


def test_a_start_without_news_writes_nothing(library: Library) -> None:
    ship(library, "ada", "{}")
    library.seed()
    manifest = (library.folder / ".cast.json").stat()
    library.seed()
    assert (library.folder / ".cast.json").stat() == manifest
    assert sorted(entry.name for entry in library.folder.iterdir()) == [
        ".cast.json",
        "ada",
        "ei",
        "lena",
        "leo",
        "mike",
    ]


def test_two_first_runs_at_once_copy_the_cast_once(tmp_path: Path) -> None:
    library = Library(tmp_path / "personas", tmp_path / "archive", tmp_path / "shipped")
    for number in range(20):
        ship(library, f"p{number}", "{}")
    program = (
        "import sys; from pathlib import Path; from ei.personas.library import Library\n"
        "base = Path(sys.argv[1]); library = Library(base / 'personas', base / 'archive', base / 'shipped')\n"
        "library.seed(); print(len(library.personas()))\n"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [run.communicate()[0] for run in runs] == ["20\n"] * 3


def test_reading_the_library_imports_nothing_heavy(library: Library) -> None:
    program = (
        "import sys; from pathlib import Path; from ei.personas.library import Library\n"
        "base = Path(sys.argv[1]); library = Library(base / 'personas', base / 'archive', base / 'shipped')\n"
        "library.seed(); library.find('lena'); library.set_value('lena', ('model',), 'x')\n"
        "print({'json5', 'difflib', 'asyncio', 'shutil', 'sqlite3', 'datetime'} & set(sys.modules))\n"
    )
    base = library.folder.parent
    library.seed()
    run = subprocess.run([sys.executable, "-c", program, str(base)], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


def test_the_shipped_cast_is_whole_and_names_are_its_own() -> None:
    shipped = Path(__file__).parents[2] / "personas"
    library = Library(shipped, shipped / "none", shipped / "none")
    assert [entry for entry in library.all() if isinstance(entry, BrokenPersona)] == []
    cast = library.personas()
    assert {"ei", "mike", "lena", "beta"} <= {persona.name for persona in cast}
    called = sorted(name for persona in cast for name in (persona.name, *persona.aliases))
    assert [one for one, other in pairwise(called) if one == other] == []
    for persona in cast:
        ids = [concept.id for concept in persona.concepts]
        assert len(ids) == len(set(ids))
        assert any(concept.type == "static" for concept in persona.concepts)
        assert persona.short_description
        assert persona.long_description
