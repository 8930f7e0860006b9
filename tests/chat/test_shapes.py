"""What fits the window: narrow ones, windows that change, very long replies, tables, wide characters."""

from __future__ import annotations

import re

import pytest
from wcwidth import wcswidth

from tests.chat.homes import Home, ask, ended, prompt_line, say, shown, times, toolbar
from tests.wire import Answer, WireServer

MARKDOWN = """# A heading

Some **bold** text that is long enough to be wrapped in a narrow window, with `code` in it.

- a first point that is long enough to be wrapped, too
- a second point

```python
print("a line of code")
```

| fruit | colour | price |
|---|---|---|
| apple | green | 1 |
| pear | yellow | 12 |

The end."""


@pytest.mark.parametrize("columns", [60, 40])
def test_a_narrow_window_has_no_broken_rows(talking: Home, server: WireServer, columns: int) -> None:
    server.reply(MARKDOWN)
    with talking.ei(columns=columns, rows=80) as t:
        ask(t, "A question that is long enough to be wrapped in a window as narrow as this one is")
        say(t, "/help")
        t.wait_for("/help COMMAND tells more")
        say(t, "/persona")
        t.wait_for("/persona NAME")
        assert all(wcswidth(line) <= columns for line in t.everything)
        # A row that a word was torn from begins at the edge; every text here has an indent or is a word's beginning.
        assert not wrapped_by_the_terminal(t.raw.decode(), columns)
        assert shown(t, 'print("a line of code")')
        assert wcswidth(toolbar(t)) <= columns
        assert "ei" in toolbar(t)


def test_the_toolbar_drops_parts_from_the_right(talking: Home, server: WireServer) -> None:
    server.reply("Hello.", usage=(1200, 50))
    with talking.ei(columns=100) as t:
        ask(t, "Hi")
        t.wait_for(lambda t: toolbar(t).startswith(" ei · local:tiny (environment) · 1.2k"))
        t.resize(40, 40)
        t.wait_for(lambda t: toolbar(t).startswith(" ei · local:tiny · 1.2k"))  # the reason goes before the numbers
        t.resize(20, 40)
        t.settle()
        assert toolbar(t) == " ei · local:tiny"
        assert prompt_line(t) == ""


def test_a_reply_of_5000_lines_arrives_whole_and_in_order(talking: Home, server: WireServer) -> None:
    text = "\n".join(f"- line {n}" for n in range(5000))
    server.always(Answer(text, chunks=400))
    with talking.ei(rows=24) as t:
        ask(t, "go", timeout=60)
        numbers = [int(match[1]) for line in t.everything if (match := re.search(r"line (\d+)$", line))]
        assert numbers == list(range(5000))


def test_a_paragraph_taller_than_the_window_is_whole(talking: Home, server: WireServer) -> None:
    words = [f"word{n}" for n in range(1500)]
    server.always(Answer(" ".join(words), delay=0.0005))
    with talking.ei(columns=60, rows=12) as t:
        ask(t, "go", timeout=30)
        assert re.findall(r"word\d+", "\n".join(t.everything)) == words


def test_a_long_table_arrives_whole_and_in_order(talking: Home, server: WireServer) -> None:
    rows = "\n".join(f"| {n} | name {n} | {'some longer text ' * 3}{n} |" for n in range(300))
    server.always(Answer(f"Before.\n\n| n | name | text |\n|---|---|---|\n{rows}\n\nAfter.", chunks=200))
    with talking.ei(columns=80, rows=24) as t:
        ask(t, "go", timeout=30)
        numbers = [int(match[1]) for line in t.everything if (match := re.search(r"\bname (\d+)\b", line))]
        assert numbers == list(range(300))
        assert times(t, "Before.") == times(t, "After.") == 1


def test_a_window_resized_while_a_reply_streams_shows_every_word_once(talking: Home, server: WireServer) -> None:
    words = [f"word{n}" for n in range(120)]
    server.always(Answer(" ".join(words), delay=0.015))
    with talking.ei(columns=100, rows=24) as t:
        say(t, "go")
        t.type("half typed")
        for number, columns in ((10, 60), (25, 90), (45, 40), (60, 100), (80, 72)):
            t.wait_for(f"word{number} ")
            t.resize(columns, 24)
        t.wait_for(lambda t: ended(t) == 1)
        t.settle()
        joined = "".join(re.sub(r"^ {2,5}(?=\S)", " ", line) for line in t.everything)
        assert re.findall(r"word\d+(?=\D)", joined) == words
        assert sum("❯ half typed" in line for line in t.everything) == 1


def test_wide_characters_and_emoji_keep_their_columns(talking: Home, server: WireServer) -> None:
    table = "\n".join(f"| {cell} | end |" for cell in ("日本語", "naïve", "🙂🙂", "👨‍👩‍👧", "❤️", "🇩🇪", "한국어", "é"))
    server.reply(f"Look:\n\n| text | last |\n|---|---|\n{table}\n\n日本語のテキストは長い。" + "文" * 60)
    with talking.ei(columns=60) as t:
        ask(t, "名前は何ですか 🙂")
        assert shown(t, "you  名前は何ですか 🙂")
        rows = [line for line in t.everything if re.search(r"\bend\b", line)]
        assert len(rows) == 8
        assert len({wcswidth(line[: line.index("end")]) for line in rows}) == 1
        assert all(wcswidth(line) <= 60 for line in t.everything)
        assert "".join(t.everything).replace(" ", "").count("文") == 60
        t.type("👨‍👩‍👧 日本 ok")
        t.wait_for("❯ 👨‍👩‍👧 日本 ok")
        assert t.cursor[0] == wcswidth("ei ❯ 👨‍👩‍👧 日本 ok")


def test_code_is_copied_without_decoration(talking: Home, server: WireServer) -> None:
    import base64

    server.reply("Here:\n\n```python\nif True:\n    print('hi')\n```\n\nDone.")
    with talking.ei() as t:
        ask(t, "code?")
        say(t, "/copy code")
        t.wait_for("Copied")
        sent = re.search(rb"\x1b\]52;c;([A-Za-z0-9+/=]+)(?:\x07|\x1b\\)", t.raw)
        assert sent
        assert base64.b64decode(sent[1]) == b"if True:\n    print('hi')\n"
        start = next(n for n, line in enumerate(t.everything) if "if True:" in line)
        assert t.everything[start + 1].strip() == "print('hi')"


def wrapped_by_the_terminal(raw: str, columns: int) -> list[str]:
    """Rows that were written wider than the window, so that the terminal wrapped them."""
    text = re.sub(r"\x1b(?:\[[0-9;:?]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\)|.)", "", raw)
    return [row for row in re.split(r"[\r\n]+", text) if wcswidth(row) > columns]
