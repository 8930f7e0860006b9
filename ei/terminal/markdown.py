"""Markdown drawn as it streams in: rows that are final are given once, only the unfinished rest is drawn again.

A line is looked at until it is clear what it is (lines.py), then its text goes straight to the leaf it belongs to
(blocks.py). What is kept is the open quotes and list items and one open leaf, so the cost of a chunk depends on the
chunk alone. Beside CommonMark: a newline in a paragraph stays a newline; a nested list may be indented by two; code
stands at the left edge without decoration, wherever it is, so that it can be copied; HTML is text.
"""

from __future__ import annotations

from dataclasses import dataclass

from ei.terminal.blocks import Drawn, Heading, Leaf, Paragraph, Table, Verbatim
from ei.terminal.inline import Looks
from ei.terminal.lines import LIMIT, Start, classify, quoted, spaces, untabbed
from ei.terminal.page import Container, Page
from ei.terminal.safe import Sanitizer
from ei.terminal.theme import Theme
from ei.terminal.width import clip

DEEPEST = 10
"""Quotes and lists in each other; a marker further in is text."""

_BULLETS = ("•", "◦", "▪")


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a line is: how many open containers it continues, those it opens, and its leaf."""

    line: str
    depth: int
    opened: tuple[Start, ...]
    leaf: Start
    margins: tuple[int, ...] = ()
    base: int = 0


@dataclass(slots=True)
class _Fence:
    """What ends the open verbatim block: a run of ticks on a line of its own, or a mark anywhere."""

    ticks: str = ""
    mark: str = ""
    indent: int = 0
    seen: str = ""
    over: bool = False


class MarkdownStream:
    """One reply. Text is made harmless here (safe.py); rows are strings of at most width cells, each with its resets.

    width: cells of the screen, at least 8. indent: cells left of everything but code. lead: a painted string that
    stands in the indent of the first row (a persona's name), or in a row of its own where it does not fit.
    """

    def __init__(self, width: int, theme: Theme, indent: int = 0, lead: str = "") -> None:
        self._theme = theme
        self._page = Page(width, theme, indent, lead)
        self._sanitizer = Sanitizer()
        self._leaf: Leaf | None = None
        self._fence: _Fence | None = None
        self._line = ""
        self._decided = False
        self._swallow = False
        self._blank = False

    def feed(self, text: str) -> list[str]:
        """More of the reply, cut anywhere; gives the rows that are final now, each once."""
        self._push(self._sanitizer.feed(text))
        return self._page.take()

    def finish(self) -> list[str]:
        """The end of the reply; gives the rows that were still to come."""
        self._push(self._sanitizer.finish())
        if self._decided:
            self._newline()
        elif self._line:
            self._begin(complete=True)
        self._close()
        self._page.unfold(0)
        self._page.finish()
        return self._page.take()

    def tail(self) -> list[str]:
        """The rows that are not final as they look now; what they cost does not grow with what has streamed."""
        return self._page.preview(self._leaf.tail() if self._leaf is not None else [])

    def resize(self, width: int) -> None:
        """Another width for all rows that are not final yet."""
        self._page.resize(width)
        if self._leaf is not None:
            self._leaf.resize(self._page.width if self._fence is not None else self._page.room())

    # -- text to lines -------------------------------------------------------------------------------------------

    def _push(self, text: str) -> None:
        start, size = 0, len(text)
        while start < size:
            end = text.find("\n", start)
            stop = size if end < 0 else end
            if self._decided:
                self._text(text[start:stop])
                if end >= 0:
                    self._newline()
            else:
                self._line += text[start:stop]
                self._begin(complete=end >= 0)
            start = stop + 1

    def _text(self, chunk: str) -> None:
        """More of a line whose leaf is known."""
        if self._swallow or not chunk or self._leaf is None:
            return
        if self._fence is not None and self._fence.mark:
            self._watch(self._fence, chunk)
        self._leaf.text(chunk)
        if isinstance(self._leaf, Table) and self._leaf.oversize:
            self._untable()
        self._drain()

    def _newline(self) -> None:
        swallowed, leaf = self._swallow, self._leaf
        self._decided = self._swallow = False
        if swallowed or leaf is None:
            return
        if isinstance(leaf, Table) and leaf.waiting and leaf.candidate[0] is not None and not leaf.underlined():
            head, line = leaf.candidate
            self._leaf = None
            self._paragraph(head or "")
            self._close()
            self._leaf = leaf = self._table(line)
        leaf.newline()
        self._drain()
        if isinstance(leaf, Heading) or (self._fence is not None and self._fence.over):
            self._close()
        elif self._fence is not None:
            self._fence.seen = ""

    def _watch(self, fence: _Fence, chunk: str) -> None:
        """Notes when the mark that ends a block of mathematics has come."""
        seen = fence.seen + chunk
        if fence.mark in seen:
            fence.over = True
        fence.seen = seen[-1:]

    # -- lines to blocks -----------------------------------------------------------------------------------------

    def _begin(self, *, complete: bool) -> None:
        """Looks at the current line; when it is clear what it is, opens and closes what it asks for."""
        if self._fence is not None:
            taken = self._verbatim(complete)
            if taken is None:
                return
            if taken:
                self._line = ""
                return
        plan = self._plan(complete)
        if plan is None:
            return
        self._line = ""
        self._apply(plan)
        if complete and self._decided:
            self._newline()

    def _verbatim(self, complete: bool) -> bool | None:
        """A line of an open verbatim block: True when it was one, False when the block had ended, None for unclear."""
        fence = self._fence
        assert fence is not None
        line = untabbed(self._line)
        at = 0
        for container in self._page.stack:
            if not container.quote:
                continue
            after = quoted(line, at)
            if after is None:
                if not complete and len(line) < LIMIT and not line[at:].strip(" "):
                    return None
                self._close()
                return False
            at = after
        if not complete and line[at - 1 : at] == ">":
            return None
        rest = line[at : at + LIMIT]
        whole = complete or len(rest) == LIMIT
        body = rest.strip(" \t")
        if not whole and (not body or (fence.ticks and not body.strip(fence.ticks[0]))):
            return None
        if fence.ticks and len(body) >= len(fence.ticks) and not body.strip(fence.ticks[0]):
            self._close()
            self._decided = self._swallow = not complete
            return True
        if fence.mark and not body:
            self._close()
            return False
        begin = at + min(fence.indent, spaces(line, at))
        self._decided = True
        self._text(line[begin:])
        if complete:
            self._newline()
        return True

    def _plan(self, complete: bool) -> _Plan | None:
        line = untabbed(self._line)
        at = depth = base = 0
        margins: list[int] = []
        for container in self._page.stack:
            if container.quote:
                after = quoted(line, at)
                if after is None:
                    if not complete and len(line) - at < 4 and not line[at:].strip(" "):
                        return None
                    break
                if after == len(line) and not complete and line.endswith(">"):
                    return None
                at = base = after
            else:
                margin = spaces(line, at)
                if at + margin == len(line):
                    if not complete and margin < LIMIT:
                        return None
                elif margin < container.need:
                    break
                else:
                    margins.append(min(margin, container.content))
                    at += min(margin, container.content)
            depth += 1
        opened: list[Start] = []
        while True:
            going_on = isinstance(self._leaf, Paragraph) and not opened
            start = classify(line, at, complete, paragraph=going_on)
            if start is None:
                return None
            if start.kind not in ("quote", "item"):
                break
            if depth + len(opened) >= DEEPEST:
                start = Start("text", at + spaces(line, at))
                break
            opened.append(start)
            at = start.at
            if start.kind == "quote":
                base = at
        return _Plan(line, depth, tuple(opened), start, tuple(margins), base)

    def _apply(self, plan: _Plan) -> None:
        leaf, line = plan.leaf, plan.line
        lazy = not any(container.quote for container in self._page.stack[plan.depth :])
        if leaf.kind == "blank" and not plan.opened:
            self._close()
            if not lazy:
                self._page.unfold(plan.depth)
            self._blank = True
            return
        if leaf.kind == "text" and not plan.opened and isinstance(self._leaf, Paragraph) and lazy:
            self._decided = True
            self._text(line[leaf.at :])
            return
        same = not plan.opened and plan.depth == len(self._page.stack)
        if leaf.kind == "table" and same and isinstance(self._leaf, Table):
            self._decided = True
            self._text(line[leaf.at :])
            return
        if isinstance(self._leaf, Table) and self._leaf.waiting:
            self._untable()
            if leaf.kind == "text":
                self._apply(plan)
                return
        self._close()
        self._page.unfold(plan.depth)
        items = [container for container in self._page.stack if not container.quote]
        for container, margin in zip(items, plan.margins, strict=False):
            container.content = min(container.content, max(margin, container.need))
        if self._blank:
            self._page.gap()
            self._blank = False
        for start in plan.opened:
            self._open(start)
        if leaf.kind != "blank":
            self._start(leaf, line, plan.base)

    def _open(self, start: Start) -> None:
        if start.kind == "quote":
            self._page.stack.append(Container(quote=True))
            return
        marker = start.marker
        if len(marker) == 1:
            level = sum(not container.quote and container.first[0] in _BULLETS for container in self._page.stack)
            marker = _BULLETS[level % len(_BULLETS)]
        need = start.indent + 2
        self._page.stack.append(
            Container(quote=False, first=f"{marker} ", need=need, content=start.indent + len(start.marker) + 1)
        )

    def _start(self, start: Start, line: str, base: int) -> None:
        """Opens the leaf that a line begins."""
        theme = self._theme
        rest = line[start.at :]
        if start.kind == "rule":
            self._page.emit(Drawn([("─" * self._page.room(), theme.sgr("rule"))]))
            self._decided = self._swallow = True
            return
        if start.kind == "fence":
            language = start.info.split(" ", 1)[0].split("{", 1)[0].strip(",")
            if start.info:
                self._page.emit(Drawn([(clip(start.info, self._page.room()), theme.sgr("label"))]))
            else:
                self._page.show_marker()
            self._leaf = Verbatim(self._page.width, theme, language)
            self._fence = _Fence(ticks=start.marker, indent=start.at - base)
            self._decided = self._swallow = True
            return
        self._decided = True
        if start.kind in ("math", "code"):
            self._page.show_marker()
            self._leaf = Verbatim(self._page.width, theme)
            mark = {"$$": "$$", "\\[": "\\]"}.get(start.marker, "")
            self._fence = _Fence(mark=mark, indent=start.at - base, over=not mark)
            if start.marker:
                self._leaf.text(start.marker)
                rest = rest[len(start.marker) :]
            self._text(rest)
        elif start.kind == "table":
            self._leaf = self._table("")
            self._text(rest)
        else:
            if start.kind == "heading":
                looks = Looks.of(theme, "heading.1" if len(start.marker) == 1 else "heading")
                self._leaf = Heading(self._page.room(), looks)
            self._paragraph(rest)
            self._drain()

    def _table(self, line: str) -> Table:
        table = Table(self._page.room(), self._theme, Looks.of(self._theme, *self._base()))
        table.text(line)
        return table

    def _untable(self) -> None:
        """What looked like a table is text."""
        assert isinstance(self._leaf, Table)
        head, line = self._leaf.candidate
        self._leaf = None
        if head is not None:
            self._paragraph(head).newline()
        if line:
            self._paragraph(line)

    def _paragraph(self, text: str) -> Leaf:
        """More text in the open leaf, a paragraph where there is none."""
        if self._leaf is None:
            self._leaf = Paragraph(self._page.room(), Looks.of(self._theme, *self._base()))
        self._leaf.text(text)
        return self._leaf

    def _base(self) -> tuple[str, ...]:
        return ("quote",) if self._page.quoted() else ("plain",)

    def _close(self) -> None:
        if isinstance(self._leaf, Table) and self._leaf.waiting:
            self._untable()
        if self._leaf is not None:
            self._leaf.close()
            self._drain()
        self._leaf = self._fence = None

    def _drain(self) -> None:
        if self._leaf is not None:
            for row in self._leaf.take():
                self._page.emit(row)


def render(text: str, width: int, theme: Theme, indent: int = 0, lead: str = "") -> list[str]:
    """The rows of a whole document: what the stream gives for it, however it is cut."""
    stream = MarkdownStream(width, theme, indent, lead)
    return [*stream.feed(text), *stream.finish()]
