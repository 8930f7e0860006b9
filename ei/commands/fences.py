"""The code blocks of a Markdown text, as they are pasted: without fence and without the indentation of a list. Pure."""

from __future__ import annotations

import re

_OPENS = re.compile(r"([ \t]*(?:(?:>|[-*+]|\d{1,9}[.)])[ \t]+)*)(`{3,}|~{3,})([^`\n]*)$")


def code_blocks(text: str) -> list[str]:
    """What stands between fences, in order; one that is not closed goes to the end of the text."""
    blocks: list[str] = []
    lines: list[str] = []
    fence, margin = "", 0
    for line in text.splitlines():
        if not fence:
            if match := _OPENS.match(line):
                fence, margin, lines = match[2], len(match[1].expandtabs(4)), []
        elif re.fullmatch(rf"[ \t>]*{re.escape(fence[0])}{{{len(fence)},}}[ \t]*", line):
            blocks.append(_joined(lines))
            fence = ""
        else:
            lines.append(_without(line.expandtabs(4) if line[:1] == "\t" and margin else line, margin))
    return [*blocks, _joined(lines)] if fence else blocks


def _without(line: str, margin: int) -> str:
    """The line without as much of its beginning as the fence had before it, quote marks included."""
    kept = line
    while margin > 0 and kept[:1] in (" ", ">"):
        kept, margin = kept[1:], margin - 1
    return kept


def _joined(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
