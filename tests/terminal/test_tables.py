"""What commands answer, as rows."""

from __future__ import annotations

import re

import pytest

from ei.commands.base import Document, Line, Reply, Table
from ei.terminal.tables import render_reply
from ei.terminal.theme import PLAIN, theme
from ei.terminal.width import cell_width

PERSONAS = Table(
    ("persona", "model", "unread"),
    (("ei", "google:gemini-2.5-pro", "0"), ("mike", "ollama:qwen3:8b", "2 new, of which one is rather long")),
    current=1,
    title="Personas",
)


def plain(*items: Line | Table | Document, width: int = 60) -> list[str]:
    return render_reply(Reply(items), width, PLAIN)


def test_lines_keep_their_order_and_style() -> None:
    reply = Reply((Line("Configured providers:"), Line("  local  ✓ up", "good")))
    assert render_reply(reply, 60, theme()) == ["Configured providers:", "  \x1b[38;5;114mlocal  ✓ up\x1b[0m"]


def test_a_long_line_is_wrapped_below_where_it_began() -> None:
    assert plain(Line("  one two three four"), width=12) == ["  one two", "  three four"]


def test_columns_are_aligned_and_the_row_in_use_is_marked() -> None:
    assert plain(PERSONAS, width=80) == [
        "Personas",
        "  persona  model                  unread",
        "  ei       google:gemini-2.5-pro  0",
        "› mike     ollama:qwen3:8b        2 new, of which one is rather long",
    ]


def test_the_last_column_wraps_first() -> None:
    assert plain(PERSONAS, width=52)[1:] == [
        "  persona  model                  unread",
        "  ei       google:gemini-2.5-pro  0",
        "› mike     ollama:qwen3:8b        2 new, of which",
        "                                  one is rather long",
    ]


def test_a_table_without_room_becomes_lines() -> None:
    assert plain(PERSONAS, width=20) == [
        "Personas",
        "persona: ei",
        "model:",
        "google:gemini-2.5-pr",
        "o",
        "unread: 0",
        "",
        "› persona: mike",
        "model:",
        "ollama:qwen3:8b",
        "unread: 2 new, of",
        "which one is rather",
        "long",
    ]


@pytest.mark.parametrize("width", [20, 33, 60, 100])
def test_nothing_is_wider_than_the_screen_and_no_word_is_lost(width: int) -> None:
    rows = plain(PERSONAS, Table(("a", "b"), (("x" * 40, "中文" * 30),)), width=width)
    assert max(map(cell_width, rows)) <= width
    text = "".join(rows).replace(" ", "")
    assert all(word in text for word in ("gemini", "qwen3:8b", "rather"))
    assert text.count("x") == 40
    assert text.count("中") == 30


def test_the_row_in_use_is_bold() -> None:
    rows = render_reply(Reply((PERSONAS,)), 80, theme())
    assert [row for row in rows if "\x1b[1mmike\x1b[0m" in row] == rows[-1:]


def test_an_empty_table_is_its_title() -> None:
    assert plain(Table(("a",), (), title="Nothing yet")) == ["Nothing yet"]


def test_untrusted_text_is_made_harmless_everywhere() -> None:
    bad = "x\x1b[2J\x9b"
    rows = plain(
        Line(bad),
        Table((bad,), ((bad,),), title=bad),
        Document(bad),
        Document(bad, "text"),
        Document(f'{{"{bad}": 1}}', "jsonc"),
    )
    assert len(rows) == 11
    assert not any(re.search("[\x00-\x1f\x7f-\x9f]", row) for row in rows)


def test_a_document_is_drawn_in_its_language() -> None:
    markdown = Document("# Title\n\n- *one*\n")
    code = Document('{\n  // why\n  "model": "local:x"\n}\n', "jsonc")
    assert plain(markdown) == ["Title", "", "• one"]
    assert plain(code) == ["{", "  // why", '  "model": "local:x"', "}"]
    coloured = render_reply(Reply((code,)), 60, theme())
    assert coloured[1] == "  \x1b[3;38;5;247m// why\x1b[0m"
    assert plain(Document("a *b*\n c", "text")) == ["a *b*", " c"]


def test_a_column_with_nothing_in_it_is_left_out() -> None:
    table = Table(("persona", "new", "text"), (("ei", "", "listens"), ("mike", "", "")))
    assert plain(table) == ["persona  text", "ei       listens", "mike"]


def test_columns_that_can_be_spared_are_left_out_where_the_window_is_narrow() -> None:
    row = ("1", "184ef2fe", "local:google/gemma-3-12b", "A walk in the rain")
    table = Table(("", "id", "model", "title"), (row,), spare=("model", "id"))
    assert plain(table)[1] == "1  184ef2fe  local:google/gemma-3-12b  A walk in the rain"
    assert plain(table, width=40) == ["   id        title", "1  184ef2fe  A walk in the rain"]
    assert plain(table, width=16) == ["   title", "1  A walk in the", "   rain"]


def test_a_column_that_is_to_stay_whole_is_not_wrapped_while_another_can_be_spared() -> None:
    rows = (("a rather long name", "1", "2", "3"),)
    for whole, first in ((None, "a rather     1    2    3"), ("name", "a rather long name  3")):
        table = Table(("name", "one", "two", "3"), rows, spare=("two", "one"), whole=whole)
        shown = [row.rstrip() for row in render_reply(Reply((table,)), 24, PLAIN)]
        assert shown[1] == first
