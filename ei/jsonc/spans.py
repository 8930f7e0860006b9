"""Where each value of a JSONC or JSON5 text begins and ends: a tree of spans over regex tokens.

The grammar is that of https://spec.json5.org; what breaks it is explained in words, at its line and column.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
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


class Node:
    """One value. kind: `{`, `[`, or "" for anything else; text[start:end] is it.

    In an object, text[begin:key_end] is its key as written and `key` the key; in a list, begin is start.
    comma: offset of the comma after it, or -1. A plain class, since a file has thousands of them.
    """

    __slots__ = ("begin", "comma", "end", "key", "key_end", "kind", "members", "start")

    def __init__(self, kind: str, start: int, end: int, key: str, begin: int, key_end: int) -> None:
        self.kind = kind
        self.start = start
        self.end = end
        self.key = key
        self.begin = begin
        self.key_end = key_end
        self.comma = -1
        self.members: Sequence[Node] = _NONE


_NONE: tuple[Node, ...] = ()


@dataclass(slots=True, eq=False)
class Tree:
    root: Node | None = None
    comments: list[tuple[int, int]] = field(default_factory=list)
    deepest: tuple[int, int] = (0, 0)
    """How many levels, and where the innermost begins."""

    def comments_in(self, start: int, end: int) -> list[tuple[int, int]]:
        return [span for span in self.comments if start <= span[0] and span[1] <= end]


_STRING = r""""(?:[^"\\\n\r]++|\\(?:\r\n|[\s\S]))*+"|'(?:[^'\\\n\r]++|\\(?:\r\n|[\s\S]))*+'"""
_WORD = r"[^\x00-\x20{}\[\]:,\"'/\xa0\ufeff\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]++"
# A colon or comma is taken along with what it follows: half as many steps.
_TOKEN = rf"{SPACE}*+([{{}}\[\]:,]|{_STRING}|{COMMENT}|{_WORD}|\S|[\x00-\x1f])(?:{SPACE}*+([:,]))?"
_NUMBER = r"[+-]?(?:Infinity|NaN|0[xX][0-9a-fA-F]+|(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
_LITERAL = rf"true|false|null|{_NUMBER}"
_NAME = r"(?:[^\W\d]|\$|\\u[0-9a-fA-F]{4})(?:[\w$\u200c\u200d]|\\u[0-9a-fA-F]{4})*"
_CLOSING = {"{": "}", "[": "]"}
_SPOKEN = {",": "this comma", ":": "this colon"}


def parse(text: str, name: str) -> Tree:
    """The spans of all values. Deep nesting is no trouble here. Raises FileSyntaxError with words of our own."""
    tree = Tree()
    stack: list[Node] = []
    levels: list[list[Node]] = []  # the members of each node on the stack
    state = "value"  # what comes next: value, key, colon, separator (after a value), end
    key, begin, key_end = "", -1, -1
    is_literal = re.compile(_LITERAL).fullmatch
    # Compiled at first use, not at import: only files that need an edit or an explanation come here.
    for match in re.compile(_TOKEN).finditer(text):
        start, end = match.span(1)
        first = text[start]
        if first == "/" and end > start + 1:
            tree.comments.append((start, end))
        elif (first in "\"'/" and end == start + 1) or first < " ":
            fail(text, name, start, _unreadable(text, start))
        elif first in "}]":
            if not stack or not _closes(first, stack[-1], state):
                fail(text, name, start, _misplaced(text, first, stack, state))
            stack.pop().end = end
            levels.pop()
            state = "separator" if stack else "end"
        elif first in ":,":
            state = _after(text, name, start, stack, state)
        elif state == "key" and first not in "{[":
            key, begin, key_end = _key(text, name, start, end), start, end
            state = "colon"
        elif state == "value":
            in_object = bool(stack) and stack[-1].kind == "{"
            kind = first if first in "{[" else ""
            if not kind and first not in "\"'" and not is_literal(text, start, end):
                fail(text, name, start, f"{text[start:end][:40]} is not a value; text needs quotes.")
            node = (
                Node(kind, start, end, key, begin, key_end) if in_object else Node(kind, start, end, "", start, start)
            )
            if stack:
                levels[-1].append(node)
            else:
                tree.root = node
            state = "separator" if stack else "end"
            if kind:
                members: list[Node] = []
                node.members = members
                stack.append(node)
                levels.append(members)
                if len(stack) > tree.deepest[0]:
                    tree.deepest = (len(stack), start)
                state = "key" if kind == "{" else "value"
        else:
            fail(text, name, start, _misplaced(text, first, stack, state))
        if match[2]:
            state = _after(text, name, match.start(2), stack, state)
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


def _after(text: str, name: str, offset: int, stack: list[Node], state: str) -> str:
    """The state after a colon or a comma at offset."""
    mark = text[offset]
    if state == "colon" and mark == ":":
        return "value"
    if state == "separator" and mark == ",":
        stack[-1].members[-1].comma = offset
        return "key" if stack[-1].kind == "{" else "value"
    return fail(text, name, offset, _misplaced(text, mark, stack, state))


def _closes(mark: str, node: Node, state: str) -> bool:
    empty_or_after_comma = "key" if node.kind == "{" else "value"
    return mark == _CLOSING[node.kind] and state in ("separator", empty_or_after_comma)


def _misplaced(text: str, mark: str, stack: list[Node], state: str) -> str:
    if state == "end" or not stack:
        return (
            "there is more after the end of the value." if state == "end" or mark not in "}]" else f"unexpected {mark}"
        )
    if mark in "}]" and mark != _CLOSING[stack[-1].kind]:
        return f"{mark} does not close the {stack[-1].kind} of line {_line(text, stack[-1].start)}."
    if state == "colon":
        return "a colon is missing after the key."
    if state == "separator":
        return "there is a colon too many." if mark == ":" else "a comma is missing before this."
    return f"a {state} is missing before {_SPOKEN.get(mark, mark)}."


def _key(text: str, name: str, start: int, end: int) -> str:
    token = text[start:end]
    quoted = token[0] in "\"'"
    if not quoted and not re.fullmatch(_NAME, token):
        fail(text, name, start, f"{token[:40]} is not a key; it needs quotes.")
    if "\\" not in token:
        return token[1:-1] if quoted else token
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


def child(node: Node, step: Step) -> Node | None:
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
