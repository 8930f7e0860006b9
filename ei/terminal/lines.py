"""What the beginning of a markdown line means, told as soon as enough of the line is there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

LIMIT = 200
"""Characters of a line that may be needed to tell what it is; what is still open then is decided on them alone."""

Kind = Literal["blank", "text", "heading", "rule", "quote", "item", "fence", "table", "math", "code"]

_LEADING = re.compile(rf"[ \t]{{0,{LIMIT}}}")
_QUOTE = re.compile(r" {0,3}>")
_ITEM = re.compile(r"([-*+]|\d{1,9}[.)])(?: {1,4}(?! )| (?=  )|\t|$)")
_TASK = re.compile(r"\d{1,9}(?:[.)] *)?\Z")
_RULE = re.compile(r"([-*_])[ \t]*(?:\1[ \t]*){2,}\Z")
_HEADING = re.compile(r"(#{1,6})(?:[ \t]+|\Z)")
_TICKS = re.compile(r"(`{3,}|~{3,})[ \t]*(.*)")


@dataclass(frozen=True, slots=True)
class Start:
    """The kind of a line and the offset where its content begins.

    marker: of a heading its `#`, of an item its bullet or number, of a fence its ticks. info: a fence's info string.
    indent: the spaces left of the marker.
    """

    kind: Kind
    at: int
    marker: str = ""
    info: str = ""
    indent: int = 0


def untabbed(line: str) -> str:
    """The line with the tabs of its indentation as spaces up to the next multiple of four."""
    if "\t" not in line:
        return line
    leading = _LEADING.match(line)
    assert leading is not None
    return leading.group().expandtabs(4) + line[leading.end() :]


def quoted(line: str, at: int) -> int | None:
    """The offset after the quote marker that begins at `at`, or None without one."""
    found = _QUOTE.match(line, at)
    if found is None:
        return None
    return found.end() + (1 if line.startswith(" ", found.end()) else 0)


def spaces(line: str, at: int) -> int:
    """How many spaces begin at `at`, no more than `LIMIT`."""
    found = _LEADING.match(line, at)
    assert found is not None
    return found.end() - at


def classify(line: str, at: int, complete: bool, *, paragraph: bool) -> Start | None:
    """What begins at offset `at`; None while more of the line is needed to tell.

    complete: the line's end is there. paragraph: a paragraph is open, which this line may go on.
    """
    indent = spaces(line, at)
    begin = at + indent
    body = line[begin : begin + LIMIT]
    whole = complete or len(body) == LIMIT
    if not body:
        if complete:
            return Start("blank", begin)
        return Start("text", begin) if indent == LIMIT else None
    first = body[0]
    if first in "-*+" or first.isdecimal():
        return _marked(body, begin, indent, whole, paragraph)
    if indent >= 4:
        return Start("text", begin) if paragraph else Start("code", at + 4)
    if first == ">":
        if body == ">" and not complete:
            return None
        return Start("quote", quoted(line, at) or begin)
    if first == "#":
        if not whole and not body.strip("#").strip(" \t"):
            return None
        found = _HEADING.match(body)
        return Start("heading", begin + found.end(), found.group(1)) if found else Start("text", begin)
    if first == "_" and not body.strip("_ \t"):
        if not whole:
            return None
        return Start("rule" if _RULE.match(body) else "text", begin)
    if first == "=" and paragraph and not body.strip("=").strip(" \t"):
        return Start("rule", begin) if whole else None
    if first in "`~":
        return _fence(body, begin, indent, whole)
    if first == "|":
        return Start("table", begin)
    if first in "$\\":
        mark = "$$" if first == "$" else "\\["
        if body == first and not complete:
            return None
        return Start("math", begin, mark) if body.startswith(mark) else Start("text", begin)
    return Start("text", begin)


def _marked(body: str, begin: int, indent: int, whole: bool, paragraph: bool) -> Start | None:
    """A line that begins with `-`, `*`, `+` or a digit: a rule, an item, or neither."""
    first = body[0]
    text = Start("code", begin - indent + 4) if indent >= 4 and not paragraph else Start("text", begin)
    if not body.strip(first).strip(" \t") or not body.strip(first + " \t"):
        if not whole:
            return None
        if first in "-*" and _RULE.match(body):
            return Start("rule", begin)
        if paragraph and len(body.rstrip()) == 1:
            return text
    if not whole and _TASK.match(body):
        return None
    found = _ITEM.match(body)
    if found is None:
        return text
    return Start("item", begin + found.end(), found.group(1), indent=indent)


def _fence(body: str, begin: int, indent: int, whole: bool) -> Start | None:
    first = body[0]
    found = _TICKS.match(body)
    if found is None:
        return None if not whole and not body.strip(first) else Start("text", begin)
    if first == "`" and "`" in found.group(2):
        return Start("text", begin)
    if not whole:
        return None
    return Start("fence", begin, found.group(1), " ".join(found.group(2).split()), indent)
