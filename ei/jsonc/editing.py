"""Changing one value of a JSONC text: every other byte stays, and so does every comment."""

from __future__ import annotations

import json
import re

from ei.errors import ConfigError
from ei.jsonc.reading import loads
from ei.jsonc.spans import BOM, COMMENT, INLINE_SPACE, LINE_END, KeyPath, Node, Step, Tree, child, mend, parse


def set_value(text: str, path: KeyPath, value: object, name: str = "") -> str:
    """text with value at path; comments, order, indentation and line ends stay, missing parents are made.

    A text without any value counts as `{}`. A position one after the last of a list appends. Comments inside a
    value that is replaced stay too. Raises FileSyntaxError when text does not parse, ConfigError when path leads
    through something that is neither object nor list, or value is not a finite JSON value.
    """
    value, path = mend(value), tuple(step if isinstance(step, int) else str(mend(step)) for step in path)
    tree = parse(text, name)
    if tree.root is None:
        gap = "" if not text.strip(BOM) or text.endswith(("\n", "\r")) else _newline(text)
        return text + gap + _dump(_nested(path, value), "  ", "", _newline(text), expand=True) + _newline(text)
    parent, node = None, tree.root
    for depth, step in enumerate(path):
        if text[node.start : node.end] == "null":
            return _replace(text, tree, parent, node, _nested(path[depth:], value))
        found = child(node, step)
        if found is None:
            if node.kind != ("{" if isinstance(step, str) else "["):
                wanted = "an object" if isinstance(step, str) else "a list"
                raise ConfigError(f"{_where(name)}{show_path(path[:depth]) or 'the whole'} is not {wanted}.")
            if isinstance(step, int) and step != len(node.members):
                raise ConfigError(f"{_where(name)}{show_path(path[: depth + 1])} does not exist.")
            return _insert(text, tree, node, step, _nested(path[depth + 1 :], value), depth + 1 < len(path))
        parent, node = node, found
    old = loads(text[node.start : node.end])
    if _same(old, value):
        return text
    if tree.comments_in(node.start, node.end) and type(old) is type(value) and isinstance(old, dict | list):
        return _merge(text, path, old, value)
    return _replace(text, tree, parent, node, value)


def remove_value(text: str, path: KeyPath, name: str = "") -> str:
    """text without the key or list element at path and its comma; all comments stay, absent is fine.

    Raises FileSyntaxError when text does not parse, ConfigError for the root.
    """
    if not path:
        raise ConfigError(f"{_where(name)}the whole cannot be removed.")
    while True:
        tree = parse(text, name)
        parent, node = None, tree.root
        for step in path:
            parent, node = node, None if node is None else child(node, step)
        if parent is None or node is None:
            return text
        text = _remove(text, tree, parent, node)
        # Equal keys all go: else the one before would come to light.
        if isinstance(path[-1], int) or sum(other.key == path[-1] for other in parent.members) == 1:
            return text


def show_path(path: KeyPath) -> str:
    """A path as a person writes it: `concepts[2].level_ideal`."""
    shown = ""
    for step in path:
        shown += f"[{step}]" if isinstance(step, int) else f".{step}" if shown else step
    return shown


_TAIL = rf"(?:{INLINE_SPACE}*+{COMMENT})*+"
_INLINE = rf"{INLINE_SPACE}*+"
_PLAIN_COLON = r"[ \t]*:[ \t]*"
_PLAIN_GAP = r"[ \t]*"
_SHORT = 80  # a list or object without others inside stays on one line up to this


def _insert(text: str, tree: Tree, node: Node, step: Step, value: object, expand: bool) -> str:
    """text with a new last member of node."""
    newline, unit = _newline(text, node.end), _unit(text, tree)
    if not node.members:
        return _insert_first(text, tree, node, step, value, expand)
    last = node.members[-1]
    before = node.members[-2].comma + 1 if len(node.members) > 1 else node.start + 1
    tail = _end(_TAIL, text, last.comma + 1 if last.comma >= 0 else last.end)
    remarks = tree.comments_in(last.end, tail)
    own_line = LINE_END.search(text, before, last.begin) is not None
    if own_line or (remarks and text.startswith("//", remarks[-1][0])):
        newline = _newline(text, last.begin)
        gap = newline + _indent(text, last.begin)
    else:
        gap = text[before : last.begin] if len(node.members) > 1 else " "
        gap = gap if re.fullmatch(_PLAIN_GAP, gap) else " "
    colon = text[last.key_end : last.start]
    label = _label(step, colon if re.fullmatch(_PLAIN_COLON, colon) else ": ")
    written = _dump(value, unit, _indent(text, last.begin), newline, flat=not own_line, expand=expand)
    ended = last.comma >= 0
    middle = ("" if ended else ",") + text[last.end : tail] + gap + label + written + ("," if ended else "")
    return text[: last.end] + middle + text[tail:]


def _insert_first(text: str, tree: Tree, node: Node, step: Step, value: object, expand: bool) -> str:
    remarks = tree.comments_in(node.start, node.end)
    at = remarks[-1][1] if remarks else node.start + 1
    rest = text[at : node.end - 1]
    unit, newline, label = _unit(text, tree), _newline(text, node.start), _label(step, ": ")
    if not LINE_END.search(text):
        return text[:at] + (" " if remarks else "") + label + _dump(value, unit, "", newline, flat=True) + text[at:]
    outer = _indent(text, node.start)
    inner = outer + unit
    added = newline + inner + label + _dump(value, unit, inner, newline, expand=expand)
    if not LINE_END.search(rest):
        added, rest = added + newline + outer, ""
    return text[:at] + added + rest + text[node.end - 1 :]


def _replace(text: str, tree: Tree, parent: Node | None, node: Node, value: object) -> str:
    """text with value instead of node; comments that were inside node come before it."""
    start = node.begin
    newline, unit, indent = _newline(text, start), _unit(text, tree), _indent(text, start)
    flat = parent is not None and not LINE_END.search(text, parent.start, start)
    flat = flat or (bool(node.members) and not LINE_END.search(text, node.start, node.end))
    kept = "".join(
        text[begin:end] + (newline + indent + unit if text.startswith("//", begin) else " ")
        for begin, end in tree.comments_in(node.start, node.end)
    )
    return text[: node.start] + kept + _dump(value, unit, indent, newline, flat=flat) + text[node.end :]


def _merge(text: str, path: KeyPath, old: dict[str, object] | list[object], new: object) -> str:
    """text with a list or object changed part by part, so that comments stay beside what they speak of."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old:
            if key not in new:
                text = remove_value(text, (*path, key))
        for key, value in new.items():
            if key not in old or not _same(old[key], value):
                text = set_value(text, (*path, key), value)
    elif isinstance(old, list) and isinstance(new, list):
        common = min(len(old), len(new))
        # Where elements were only taken out, those that follow the gap keep their places.
        head = next((i for i in range(common) if not _same(old[i], new[i])), common)
        kept = len(new) - head
        if len(new) < len(old) and (kept == 0 or _same(old[len(old) - kept :], new[head:])):
            for _ in range(len(old) - len(new)):
                text = remove_value(text, (*path, head))
            return text
        for index in range(len(old) - 1, common - 1, -1):
            text = remove_value(text, (*path, index))
        for index in range(head, len(new)):
            text = set_value(text, (*path, index), new[index])
    return text


def _remove(text: str, tree: Tree, parent: Node, node: Node) -> str:
    index = parent.members.index(node)
    start, end = node.begin, node.comma + 1 if node.comma >= 0 else node.end
    remarks = tree.comments_in(start, end)
    head, closed_up = text[:start], False
    if node.comma < 0 and index > 0:
        comma = parent.members[index - 1].comma
        closed_up = re.fullmatch(_PLAIN_GAP, text[comma + 1 : start]) is not None
        head = text[:comma] + ("" if closed_up else text[comma + 1 : start])
    rest = text[_end(_INLINE, text, end) :]
    if remarks:
        newline = _newline(text, start) + _indent(text, start)
        pieces = [text[begin:stop] + (newline if text.startswith("//", begin) else " ") for begin, stop in remarks]
        last = text[slice(*remarks[-1])]
        pieces[-1] = last + newline if last.startswith("//") and rest and not LINE_END.match(rest) else last
        return head + (" " if closed_up else "") + "".join(pieces) + (rest if last.startswith("//") else text[end:])
    if closed_up:
        return head + text[end:]
    line_start = max(head.rfind("\n"), head.rfind("\r")) + 1
    line_end = LINE_END.match(rest)
    if line_start and line_end and not head[line_start:].strip():
        return head[:line_start] + rest[line_end.end() :]
    return (head.rstrip(" \t") if line_end else head) + rest


def _nested(steps: KeyPath, value: object) -> object:
    for step in reversed(steps):
        if isinstance(step, int) and step:
            raise ConfigError(f"{show_path(steps)} does not exist.")
        value = [value] if isinstance(step, int) else {step: value}
    return value


def _dump(value: object, unit: str, indent: str, newline: str, *, flat: bool = False, expand: bool = False) -> str:
    """value as JSON. flat: on one line; expand: never on one line; indent: of the line that it begins on."""
    try:
        line = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError as exc:
        raise ConfigError("a number that is not finite cannot be written to a file.") from exc
    if flat or not value or not isinstance(value, dict | list):
        return line
    items = list(value.values()) if isinstance(value, dict) else value
    if not expand and len(line) <= _SHORT and not any(isinstance(item, dict | list) for item in items):
        return line
    return json.dumps(value, ensure_ascii=False, indent=unit).replace("\n", newline + indent)


def _same(one: object, other: object) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _label(step: Step, colon: str) -> str:
    return json.dumps(step, ensure_ascii=False) + colon if isinstance(step, str) else ""


def _newline(text: str, offset: int | None = None) -> str:
    """The line end in use before offset, else the first one of text, else a line feed."""
    at = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset))
    if at < 0:
        first = LINE_END.search(text)
        return first[0] if first and first[0] in ("\r\n", "\n", "\r") else "\n"
    return "\r\n" if text[at - 1 : at + 1] == "\r\n" else text[at]


def _indent(text: str, offset: int) -> str:
    """The white space that the line of offset begins with."""
    start = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
    return text[start : min(_end(_INLINE, text, start), offset)].removeprefix(BOM)


def _unit(text: str, tree: Tree) -> str:
    """One level of indentation, as the first member of the root has it."""
    root = tree.root
    if root and root.members and LINE_END.search(text, root.start, root.members[0].begin):
        return _indent(text, root.members[0].begin).removeprefix(_indent(text, root.start)) or "  "
    return "  "


def _end(pattern: str, text: str, offset: int) -> int:
    match = re.compile(pattern).match(text, offset)
    return match.end() if match else offset


def _where(name: str) -> str:
    return f"{name}: " if name else ""
