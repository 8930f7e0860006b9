"""Markdown as it streams in: what is drawn, and that neither chunks nor length change it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ei.terminal.flow import SoftRow
from ei.terminal.markdown import MarkdownStream, render
from ei.terminal.theme import PLAIN, theme
from ei.terminal.width import cell_width

SGR = re.compile("\x1b\\[[0-9;]*m")
TALLEST_TAIL = 12

PIECES = (
    "word ", "a", "longerword", "*", "**", "***", "_", "__", "`", "``", "```", "```py\n", "~~~", "~~", "\n", "\n\n",
    "- ", "  ", "    ", "1. ", "9) ", "> ", "# ", "###### ", "|", " | ", "\n|--|:-:|\n", "| a | b |\n", "[", "]", "(",
    "[x](http://y.z)", ")", "!", "https://a.b/c_d*", "http", "h", "\\", "\\[", "\\]", "\\(", "$", "$$", "$x$", "===",
    "---", "+ ", "\t", "中文字", "、", "❤️", "👨‍👩‍👧", "🇩🇪", "\u0301", "<br>", "\x1b[31m", "\r\n", "\x9b", "\u202e",
    "x" * 50, " " * 30, "def f():", '"""', "/* ", "*/", "한국어", "\u200d", "\ufe0f", "\n```\n", "\n$$\n",
)  # fmt: skip
documents = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=60).map("".join)
widths = st.sampled_from((8, 20, 40, 80))


def rows(text: str, width: int = 40, indent: int = 0) -> list[str]:
    return render(text, width, PLAIN, indent)


def bare(row: str) -> str:
    return SGR.sub("", row)


def streamed(text: str, places: Sequence[int], width: int, indent: int, lead: str) -> tuple[list[str], list[list[str]]]:
    """All rows, and each tail, of a text cut at these places."""
    stream = MarkdownStream(width, theme(), indent, lead)
    ends = sorted({place % (len(text) + 1) for place in places} | {0, len(text)})
    found: list[str] = []
    tails: list[list[str]] = []
    for start, end in pairwise(ends):
        found += stream.feed(text[start:end])
        tails.append(stream.tail())
    return found + stream.finish(), tails


@settings(max_examples=300, deadline=None)
@given(documents, st.lists(st.integers(0, 2000), max_size=60), widths, st.sampled_from((0, 6)))
def test_chunks_do_not_matter_and_nothing_leaves_its_room(
    text: str, places: list[int], width: int, indent: int
) -> None:
    whole, _ = streamed(text, (), width, indent, "lena")
    parts, tails = streamed(text, places, width, indent, "lena")
    assert parts == whole
    for row in (*whole, *(row for tail in tails for row in tail)):
        assert cell_width(bare(row)) <= width
        assert not re.search("[\x00-\x1f\x7f-\x9f]", bare(row))
        assert row.count("\x1b[") % 2 == 0
    assert max(map(len, tails), default=0) <= TALLEST_TAIL


@settings(max_examples=50, deadline=None)
@given(documents)
def test_a_theme_changes_no_text(text: str) -> None:
    assert [bare(row) for row in render(text, 40, theme("light", "16"))] == render(text, 40, PLAIN)


@pytest.mark.parametrize(
    "piece",
    [
        "lorem ipsum ", "abcdefgh", "*a ", "**a ", "[a ", "`a ", "-", "> ", " ", "#", "| a | b |\n", "中文", "\u0301",
        "👨\u200d", "$a", "\\(", "~~a ", "![", "[a](", "a\n", "*a\nb ", "**中文 ",
    ],
)  # fmt: skip
@pytest.mark.parametrize("before", ["", "```python\n", "| a |\n|---|\n", "> - "])
def test_whatever_streams_in_the_tail_stays_short(piece: str, before: str) -> None:
    stream = MarkdownStream(80, theme())
    stream.feed(before)
    for _ in range(150):
        stream.feed(piece * 10)
        assert len(stream.tail()) <= TALLEST_TAIL


def calls(text: str) -> int:
    """How many functions are called to stream a text in chunks of four, drawn every five of them."""
    count = 0

    def note(_frame: Any, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    stream = MarkdownStream(80, theme())
    sys.setprofile(note)
    try:
        for number, start in enumerate(range(0, len(text), 4)):
            stream.feed(text[start : start + 4])
            if number % 5 == 0:
                stream.tail()
        stream.finish()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    "text",
    ["some *words* of `a` paragraph ", "- item\n", "x" * 30, "def f(x): return 1\n", "| a | b |\n", "**a ", "中文"],
)
@pytest.mark.parametrize("before", ["", "```python\n", "| a |\n|---|\n"])
def test_the_work_for_a_token_does_not_grow_with_what_has_streamed(text: str, before: str) -> None:
    calls(before + text * 10)
    short = calls(before + text * (4000 // len(text)))
    long = calls(before + text * (16000 // len(text)))
    assert long / short < 4 * 1.3


# -- what is drawn ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("# Title\ntext", ["Title", "text"]),
        ("#hashtag", ["#hashtag"]),
        ("one\ntwo  \nthree\\\nfour", ["one", "two", "three", "four"]),
        ("one\n\n\n\ntwo\n\n", ["one", "", "two"]),
        ("a **b** *c* ~~d~~ `e` __f__ _g_ ***h***", ["a b c d e f g h"]),
        ("snake_case_name 2 * 3 * 4 **", ["snake_case_name 2 * 3 * 4 **"]),
        ("*a **b** c*", ["a b c"]),
        ("**重点（说明）**后面", ["重点（说明）后面"]),
        ("``a ` b`` and `` ` ``", ["a ` b and `"]),
        ("`unmatched and *a*", ["`unmatched and a"]),
        (r"\*not\* \# \q", [r"*not* # \q"]),
        ("[text](http://x.y) [1] [a][b]", ["text (http://x.y) [1] [a][b]"]),
        ("[http://x.y](http://x.y)", ["http://x.y"]),
        ('[**b** c](<u v> "t") ![alt](i.png)', ["b c (u v) [image: alt] (i.png)"]),
        ("see https://a.b/c_d_e*f*, ok", ["see https://a.b/c_d_e*f*, ok"]),
        (r"$a*b*c$ \(x_1*y*\) $5 and $6", [r"$a*b*c$ \(x_1*y*\) $5 and $6"]),
        ("<b>html</b> &amp;", ["<b>html</b> &amp;"]),
        ("- a\n- b\n  - c\n    1. d\n* e", ["• a", "• b", "  ◦ c", "    1. d", "• e"]),
        ("1. a\n  - b\n    - c\n2. d", ["1. a", "   • b", "     ◦ c", "2. d"]),
        ("- a\n\n  more\n\nout", ["• a", "", "  more", "", "out"]),
        ("- a\nlazy", ["• a", "  lazy"]),
        ("-\n- x", ["•", "• x"]),
        ("- [ ] todo\n- [x] done", ["• [ ] todo", "• [x] done"]),
        ("10. ten\n11. eleven", ["10. ten", "11. eleven"]),
        ("> a\n> > b\n>\n> c\nout", ["▎ a", "▎ ▎ b", "▎", "▎ c", "out"]),
        ("> - a\n>   b", ["▎ • a", "▎   b"]),
        ("- > a", ["• ▎ a"]),
        ("a\n===\nb", ["a", "─" * 40, "b"]),
        ("***", ["─" * 40]),
        ("$$\na_b * c * d\n$$\nx *y*", ["$$", "a_b * c * d", "$$", "x y"]),
        ("\\[ a *b* \\]\n*x*", ["\\[ a *b* \\]", "x"]),
        ("text\n\n    indented  code\n", ["text", "", "indented  code"]),
        ("", []),
        ("\n\n", []),
    ],
)
def test_markdown_is_drawn(text: str, shown: list[str]) -> None:
    assert rows(text) == shown


def test_paragraphs_and_items_wrap_with_a_hanging_indent() -> None:
    assert rows("- the quick brown fox\n  - jumps over", 14) == ["• the quick", "  brown fox", "  ◦ jumps over"]


def test_styles_reach_over_rows_and_are_reset_in_each() -> None:
    assert render("a **bold thing** b", 8, theme()) == ["a \x1b[1mbold\x1b[0m", "\x1b[1mthing\x1b[0m b"]
    assert render("**a *b* c**", 40, theme()) == ["\x1b[1ma \x1b[0m\x1b[1;3mb\x1b[0m\x1b[1m c\x1b[0m"]


def test_emphasis_without_an_end_in_sight_is_drawn_with_its_markers() -> None:
    text = "*" + "word " * 100
    assert rows(text + "end* after", 80)[0].startswith("*word")
    assert rows(text + "end* after", 80)[-1].endswith("end* after")
    assert render(text, 80, theme())[0].startswith("\x1b[3m*word")


def test_emphasis_that_ends_nowhere_in_a_short_paragraph_is_text() -> None:
    assert render("use **kwargs here", 40, theme()) == ["use **kwargs here"]


def test_code_stands_at_the_left_edge_without_decoration() -> None:
    text = "1. item:\n   ```python\n   def f():\n       return 1\n\n   ```\n2. next"
    assert rows(text, 40, 6) == ["      1. item:", "         python", "def f():", "    return 1", "", "      2. next"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("```\na\n```\nb", ["a", "b"]),
        ("~~~ text\n```\n~~~\nb", ["text", "```", "b"]),
        ("````\n```\n````", ["```"]),
        ("```py\nopen", ["py", "open"]),
        ("```inline``` x", ["inline x"]),
        ("> ```\n> a\n> ```\n> b", ["a", "▎ b"]),
        ("```\n\ta\tb\n```", ["    a   b"]),
        ("```\na\n\n\nb\n```", ["a", "", "", "b"]),
        ("```\n" + "x" * 50 + "\n```", ["x" * 40, "x" * 10]),
    ],
)
def test_fences(text: str, shown: list[str]) -> None:
    assert rows(text) == shown


def test_rows_of_one_long_line_of_code_know_that_they_go_on() -> None:
    found = rows("```\n" + "x" * 90 + "\ny\n```")
    assert [isinstance(row, SoftRow) for row in found] == [True, True, False, False]


def test_code_keeps_its_colours_over_lines() -> None:
    shown = render('```python\nx = 1\n"""a\nb"""\n```\n```js\n/* a\nb */ let c = 1\n```', 40, theme())
    assert shown == [
        "\x1b[38;5;247mpython\x1b[0m",
        "x = \x1b[38;5;216m1\x1b[0m",
        '\x1b[3;38;5;150m"""a\x1b[0m',
        '\x1b[3;38;5;150mb"""\x1b[0m',
        "\x1b[38;5;247mjs\x1b[0m",
        "\x1b[3;38;5;247m/* a\x1b[0m",
        "\x1b[3;38;5;247mb */ \x1b[0m\x1b[38;5;183mlet \x1b[0mc = \x1b[38;5;216m1\x1b[0m",
    ]


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("python", 'def f(x):\n    """doc\n    more\n    """\n    return f"{x!r}"  # why'),
        ("c", '/* a\n b */ int main() { char *s = "/*"; }'),
        ("js", "const x = `a ${y}\n b`; // t"),
        ("html", "<!-- a\n b --><div class='x'>t</div>\n<script>\nlet x = 1;\n</script>"),
        ("go", "var s = `a\nfunc b`\nfunc main() {}"),
        ("yaml", "a: |\n  b\nc: [1, x]"),
        ("jsonc", '{"a": 1, // x\n "b": [true]}'),
        ("sh", 'cat <<EOF\n$x\nEOF\necho "$y'),
        ("ruby", 'def a\n  "x #{y}"\nend'),
        ("php", "<?php\n/* a\n b */ echo 1;"),
        ("console", "$ ls\nfile"),
        ("diff", "+ a\n- b"),
        ("nonsense", "a b"),
    ],
)
def test_colouring_changes_no_code(language: str, code: str) -> None:
    shown = render(f"```{language}\n{code}\n```", 80, theme())
    assert [bare(row) for row in shown[1:]] == code.rstrip("\n").split("\n")


def test_a_table_is_aligned() -> None:
    text = "| name | n | x |\n|:-----|--:|:-:|\n| a | 1 | **y** |\n| bcd | 22 | `a\\|b` |\nafter"
    assert rows(text) == [
        "name   n   x",
        "────  ──  ───",
        "a      1   y",
        "bcd   22  a|b",
        "after",
    ]


def test_a_table_that_is_too_wide_wraps_its_cells() -> None:
    text = "| name | what |\n|---|---|\n| a | some longer text<br>and more |\n"
    assert rows(text, 20) == ["name  what", "────  ──────────────", "a     some longer", "      text", "      and more"]


def test_a_table_without_room_for_its_words_becomes_lines() -> None:
    text = "| first | second | third |\n|---|---|---|\n| uno | due | tre |\n| a | b | c |\n"
    assert rows(text, 12) == ["first: uno", "second: due", "third: tre", "", "first: a", "second: b", "third: c"]


def test_a_long_table_is_drawn_in_pieces_with_the_same_columns() -> None:
    stream = MarkdownStream(40, PLAIN)
    found = stream.feed("| number | square |\n|---|---|\n")
    for number in range(100):
        found += stream.feed(f"| {number} | {number * number} |\n")
        assert len(stream.tail()) <= 6
    assert len(found) == 2 + 80
    found += stream.finish()
    assert len(found) == 2 + 100
    assert found[-1] == "99      9801"


@pytest.mark.parametrize(
    "text", ["| just text", "| a | b |\n| c | d |", "| a |\nplain", "|x| is a length\n\n|y| too", "| a |\n- b"]
)
def test_pipes_that_make_no_table_are_text(text: str) -> None:
    assert rows(text) == text.replace("- ", "• ").split("\n")


def test_the_tail_shows_what_will_be_drawn() -> None:
    stream = MarkdownStream(40, PLAIN, 6, "lena")
    assert stream.tail() == ["lena"]
    assert stream.feed("Once, a **pud") == []
    assert stream.tail() == ["lena  Once, a pud"]
    assert stream.feed("dle** held the whole street upside down") == ["lena  Once, a puddle held the whole"]
    assert stream.tail() == ["      street upside down"]
    assert stream.feed("\n\n```py\nx = 1") == ["      street upside down", "", "      py"]
    assert stream.tail() == ["x = 1"]
    assert stream.feed("\n```\n| a |\n|-x") == ["x = 1"]
    assert stream.tail() == ["      | a |", "      |-x"]
    assert stream.finish() == ["      | a |", "      |-x"]
    assert stream.tail() == []


def test_a_name_without_room_stands_above() -> None:
    stream = MarkdownStream(40, PLAIN, 4, "magdalena")
    assert stream.feed("hello\n\n") + stream.finish() == ["magdalena", "    hello"]
    assert render("```\nx", 40, PLAIN, 6, "lena  ") == ["lena", "x"]
    assert render("x", 40, PLAIN, 6, "lena  ") == ["lena  x"]
    assert MarkdownStream(40, PLAIN, 6, "lena").finish() == ["lena"]


def test_another_width_holds_for_all_that_is_not_final() -> None:
    stream = MarkdownStream(40, PLAIN)
    first = stream.feed("one two three four five six seven eight nine ten")
    stream.resize(12)
    assert first == ["one two three four five six seven eight"]
    assert stream.tail() == ["nine ten"]
    assert stream.feed(" eleven twelve") + stream.finish() == ["nine ten", "eleven", "twelve"]


def test_a_narrower_width_breaks_the_row_that_was_growing() -> None:
    stream = MarkdownStream(80, PLAIN)
    assert stream.feed("one two three four five six") == []
    stream.resize(12)
    assert stream.tail() == ["one two", "three four", "five six"]
    assert stream.feed("") + stream.finish() == ["one two", "three four", "five six"]


def test_a_terminal_shows_the_rows_as_they_are() -> None:
    text = "# Title\n\n- **one** `two`\n\n| a | b |\n|---|--:|\n| 中文 | 1 |\n\n```python\nreturn {'a': 1}\n```\n> bye"
    screen = pyte.Screen(40, 24)
    pyte.Stream(screen).feed("\r\n".join(render(text, 40, theme())))
    shown = [line.rstrip() for line in screen.display]
    assert [line for line in shown if line] == [
        "Title", "• one two", "a     b", "────  ─", "中文  1", "python", "return {'a': 1}", "▎ bye",
    ]  # fmt: skip
    assert screen.buffer[0][0].bold
    assert screen.buffer[2][2].bold
    assert not screen.buffer[2][6].bold


def test_a_terminal_joins_the_soft_rows_of_a_long_line() -> None:
    found = rows("```\n" + "abcdefgh" * 6 + "\nz\n```", 20)
    screen = pyte.Screen(20, 6)
    pyte.Stream(screen).feed("".join(row if isinstance(row, SoftRow) else row + "\r\n" for row in found))
    assert [line.rstrip() for line in screen.display[:4]] == found


def test_what_a_model_sends_is_made_harmless() -> None:
    assert rows("a\x1b[2Jb\n\n```\x1b]0;x\x07\nc\x9b\n```") == ["a␛[2Jb", "", "␛]0;x␇", "c⟨U+009B⟩"]


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys, ei.terminal.markdown, ei.terminal.tables\n"
        "assert not {'rich', 'pygments', 'prompt_toolkit', 'asyncio'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
