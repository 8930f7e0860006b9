"""Where each value of a JSONC or JSON5 text begins and ends: a tree of spans over regex tokens.

The grammar is that of https://spec.json5.org; what breaks it is explained in words, at its line and column.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import NoReturn

from ei.errors import FileSyntaxError

Step = str | int
KeyPath = tuple[Step, ...]
"""Where a value is: keys of objects and positions in lists, from the root."""

BOM = "\ufeff"
_LINE_COMMENT = r"//[^\n\r\u2028\u2029]*+"
_BLOCK_COMMENT = r"/\*[^*]*+(?:\*(?!/)[^*]*+)*+\*/"
INLINE_SPACE = r"[ \t\v\f\xa0\ufeff\u1680\u2000-\u200a\u202f\u205f\u3000]"
SPACE = rf"(?:{INLINE_SPACE}|[\n\r\u2028\u2029])"
COMMENT = rf"(?:{_LINE_COMMENT}|{_BLOCK_COMMENT})"
LINE_END = re.compile(r"\r\n|[\n\r\u2028\u2029]")


@dataclass(slots=True, eq=False)
class Node:
    """One value. kind: `{`, `[`, or "" for anything else; text[start:end] is it."""

    kind: str
    start: int
    end: int
    members: list[Member] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Member:
    """A member of an object or an element of a list. start: of its key, or of the element; comma: offset or -1."""

    key: str
    start: int
    key_end: int
    node: Node
    comma: int = -1


@dataclass(slots=True, eq=False)
class Tree:
    root: Node | None = None
    comments: list[tuple[int, int]] = field(default_factory=list)
    deepest: tuple[int, int] = (0, 0)
    """How many levels, and where the innermost begins."""

    def comments_in(self, start: int, end: int) -> list[tuple[int, int]]:
        return [span for span in self.comments if start <= span[0] and span[1] <= end]


_STRING = r""""(?:[^"\\\n\r]++|\\(?:\r\n|[\s\S]))*+"|'(?:[^'\\\n\r]++|\\(?:\r\n|[\s\S]))*+'"""
_TOKEN = (
    rf"{SPACE}*+(?:([{{}}\[\]:,])|({_STRING})|({COMMENT})"
    r"|([^\x00-\x20{}\[\]:,\"'/\xa0\ufeff\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]++)|(\S|[\x00-\x1f]))"
)
_MARK, _TEXT, _REMARK, _WORD, _STRAY = 1, 2, 3, 4, 5  # the groups of _TOKEN
_NUMBER = r"[+-]?(?:Infinity|NaN|0[xX][0-9a-fA-F]+|(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
_LITERAL = rf"true|false|null|{_NUMBER}"
_NAME = r"(?:[^\W\d]|\$|\\u[0-9a-fA-F]{4})(?:[\w$\u200c\u200d]|\\u[0-9a-fA-F]{4})*"
_CLOSING = {"{": "}", "[": "]"}
_SPOKEN = {",": "this comma", ":": "this colon"}


def parse(text: str, name: str) -> Tree:
    """The spans of all values. Deep nesting is no trouble here. Raises FileSyntaxError with words of our own."""
    tree = Tree()
    stack: list[Node] = []
    state = "value"  # what comes next: value, key, colon, separator (after a value), end
    key, key_start, key_end = "", -1, -1
    # Compiled at first use, not at import: only files that need an edit or an explanation come here.
    for match in re.compile(_TOKEN).finditer(text):
        kind = match.lastindex or 0
        start, end = match.span(kind)
        mark = text[start] if kind == _MARK else ""
        if kind == _REMARK:
            tree.comments.append((start, end))
        elif kind == _STRAY:
            fail(text, name, start, _unreadable(text, start))
        elif mark and mark in "}]":
            if not stack or not _closes(mark, stack[-1], state):
                fail(text, name, start, _misplaced(text, mark, stack, state))
            stack.pop().end = end
            state = "separator" if stack else "end"
        elif state == "separator":
            if mark != ",":
                fail(text, name, start, _misplaced(text, mark, stack, state))
            stack[-1].members[-1].comma = start
            state = "key" if stack[-1].kind == "{" else "value"
        elif state == "colon":
            if mark != ":":
                fail(text, name, start, "a colon is missing after the key.")
            state = "value"
        elif state == "end" or (mark and (state == "key" or mark in ",:")):
            fail(text, name, start, _misplaced(text, mark, stack, state))
        elif state == "key":
            if kind == _WORD and not re.fullmatch(_NAME, match[_WORD]):
                fail(text, name, start, f"{match[_WORD][:40]} is not a key; it needs quotes.")
            key, key_start, key_end = _key(match[kind], kind), start, end
            state = "colon"
        else:
            if kind == _WORD and not re.fullmatch(_LITERAL, match[_WORD]):
                fail(text, name, start, f"{match[_WORD][:40]} is not a value; text needs quotes.")
            node = Node(mark, start, end)
            if not stack:
                tree.root = node
            elif stack[-1].kind == "{":
                stack[-1].members.append(Member(key, key_start, key_end, node))
            else:
                stack[-1].members.append(Member("", start, start, node))
            if mark:
                stack.append(node)
                tree.deepest = max(tree.deepest, (len(stack), start))
            state = ("key" if mark == "{" else "value") if mark else "separator" if stack else "end"
    if stack:
        fail(text, name, len(text), f"the {stack[-1].kind} of line {_line(text, stack[-1].start)} is never closed.")
    return tree


def mend(value: object) -> object:
    """value with surrogate pairs joined and lone halves replaced, since neither can be written as UTF-8."""
    match value:
        case str():
            if value.isascii():
                return value
            return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        case dict():
            return {mend(key): mend(item) for key, item in value.items()}
        case list() | tuple():
            return [mend(item) for item in value]
        case _:
            return value


def _closes(mark: str, node: Node, state: str) -> bool:
    empty_or_after_comma = "key" if node.kind == "{" else "value"
    return mark == _CLOSING[node.kind] and state in ("separator", empty_or_after_comma)


def _misplaced(text: str, mark: str, stack: list[Node], state: str) -> str:
    if state == "end" or not stack:
        return f"unexpected {mark}" if not stack and mark in ("}", "]") else "there is more after the end of the value."
    opened = stack[-1]
    if mark in ("}", "]") and mark != _CLOSING[opened.kind]:
        return f"{mark} does not close the {opened.kind} of line {_line(text, opened.start)}."
    if state == "separator":
        return "a comma is missing before this." if mark != ":" else "there is a colon too many."
    missing = "a colon" if state == "colon" else f"a {state}"
    return f"{missing} is missing before {_SPOKEN.get(mark, mark)}."


def _key(token: str, kind: int) -> str:
    if "\\" not in token:
        return token if kind == _WORD else token[1:-1]
    try:
        return str(mend(json.loads(token)))
    except ValueError:
        import json5

    try:
        return str(mend(next(iter(json5.loads(f"{{{token}:0}}")))))
    except ValueError:  # an escape that is none: who reads the whole says where
        return token


def _unreadable(text: str, offset: int) -> str:
    if text[offset] in "\"'":
        return "this text has no closing quote on its line."
    if text.startswith("/*", offset):
        return "this comment is never closed."
    return f"unexpected character {text[offset]!a}."


def child(node: Node, step: Step) -> Member | None:
    if isinstance(step, int):
        return node.members[step] if node.kind == "[" and 0 <= step < len(node.members) else None
    if node.kind != "{":
        return None
    return next((member for member in reversed(node.members) if member.key == step), None)


def fail(text: str, name: str, offset: int, problem: str) -> NoReturn:
    line, start = 1, len(BOM) if text.startswith(BOM) else 0
    for end in LINE_END.finditer(text, 0, offset):
        line, start = line + 1, end.end()
    raise FileSyntaxError(name or "text", line, max(offset - start, 0) + 1, problem)


def _line(text: str, offset: int) -> int:
    return sum(1 for _ in LINE_END.finditer(text, 0, offset)) + 1
