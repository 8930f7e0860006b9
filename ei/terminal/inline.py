"""The inside of a markdown paragraph, read as it arrives: emphasis, code, links, addresses, mathematics.

What is certain becomes runs at once. What is not (a `**` whose partner has not come) waits, within a window of so many
characters and lines; what has found no partner there is decided: code and links are then text, emphasis is drawn with
its markers shown. Decisions rest on the text alone, never on how it was cut into chunks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ei.terminal.flow import Run, Runs
from ei.terminal.theme import Theme

_DEEPEST = 8
WINDOW_LINES = 3
"""Lines that something unfinished may span before it is decided."""

_NEXT = re.compile(r"[\\`*_~$]|!?\[|https?://")
_HELD = re.compile(r"(?:!|h(?:t(?:t(?:p(?:s?(?::/?)?)?)?)?)?)\Z")
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_TICKS = re.compile("`+")
_RUNS = {char: re.compile(rf"\\.|`+|\{char}+", re.DOTALL) for char in "*_~"}
_ADDRESS = re.compile(r"https?://[^\s<>`]*")
_BRACKETS = re.compile(r"\\.|`+|\[|\]", re.DOTALL)
_TARGET = re.compile(
    r"\(\s*(?:<([^<>\n]*)>|((?:[^\s()\\]|\\.|\((?:[^\s()\\]|\\.|\([^\s()]*\))*\))*))"
    r"(?:\s+(?:\"[^\"]*\"|'[^']*'|\([^()]*\)))?\s*\)"
)


@dataclass(slots=True)
class _Open:
    """Emphasis that has begun; shown: its markers are drawn, since its end was not in sight."""

    char: str
    size: int
    shown: bool


@dataclass(frozen=True, slots=True)
class Looks:
    """SGR parameters of what an inline text is made of."""

    base: str
    bold: str
    italic: str
    strike: str
    code: str
    link: str
    url: str

    @staticmethod
    def of(theme: Theme, *base: str) -> Looks:
        """The theme's, over the styles named in base."""
        names = ("bold", "italic", "strike", "code", "link", "url")
        return Looks(theme.sgr(*base), *(theme.sgr(name) for name in names))


class Inline:
    """Reads one paragraph. window: characters that something unfinished may span before it is decided."""

    def __init__(self, looks: Looks, window: int) -> None:
        self._looks = looks
        self.window = window
        self._text = ""
        self._at = 0
        self._before = ""
        self._open: list[_Open] = []
        self._runs: Runs = []
        self._final = False
        self._guess = False

    def feed(self, text: str) -> Runs:
        """More of the paragraph; gives the runs that are certain now."""
        self._text += text
        return self._read()

    def finish(self) -> Runs:
        """The end of the paragraph; gives the runs that were still waiting."""
        self._final = True
        return self._read()

    def peek(self) -> Runs:
        """What waits as it will probably look; changes nothing."""
        if not self._text:
            return []
        twin = Inline(self._looks, self.window)
        twin._text, twin._before, twin._open = self._text, self._before, [replace(entry) for entry in self._open]
        twin._final = twin._guess = True
        return twin._read()

    def _read(self) -> Runs:
        text, size = self._text, len(self._text)
        self._at = 0
        while self._at < size:
            found = _NEXT.search(text, self._at)
            end = found.start() if found else size
            if not found and not self._final and (held := _HELD.search(text, max(self._at, size - 8))):
                end = held.start()
            if end > self._at:
                self._put(text[self._at : end], self._style())
                self._step(end)
            if not found or not self._special(found.group()):
                break
        self._text = text[self._at :]
        runs, self._runs = self._runs, []
        return runs

    def _put(self, text: str, sgr: str) -> None:
        if self._runs and self._runs[-1][1] == sgr:
            self._runs[-1] = (self._runs[-1][0] + text, sgr)
        else:
            self._runs.append((text, sgr))

    def _step(self, end: int) -> None:
        """What is before end has been read."""
        self._before = self._text[end - 1]
        self._at = end

    def _take(self, end: int, text: str, sgr: str | None = None) -> bool:
        if text:
            self._put(text, self._style() if sgr is None else sgr)
        self._step(end)
        return True

    def _style(self) -> str:
        looks = self._looks
        codes = [looks.base] if looks.base else []
        for entry in self._open:
            code = looks.strike if entry.char == "~" else looks.bold if entry.size == 2 else looks.italic
            if code and code not in codes:
                codes.append(code)
        return ";".join(codes)

    def _over(self, code: str) -> str:
        style = self._style()
        return f"{style};{code}" if style and code else style or code

    def _reach(self, start: int) -> tuple[int, bool]:
        """Where the window of something that begins at start ends, and whether nothing more will come into it."""
        size = len(self._text)
        end = min(size, start + self.window)
        at = start
        for _ in range(WINDOW_LINES):
            at = self._text.find("\n", at, end) + 1
            if not at:
                return end, end < size or self._final
        return at - 1, at - 1 < size

    def _special(self, mark: str) -> bool:
        """Reads what begins with mark at the current place; False where it must wait for more."""
        if mark == "\\":
            return self._escape()
        if mark == "`":
            return self._code()
        if mark == "$":
            return self._math()
        if mark in "*_~":
            return self._emphasis(mark)
        if mark[0] == "h":
            return self._address()
        return self._link(mark)

    def _escape(self) -> bool:
        text, at = self._text, self._at
        if at + 1 == len(text):
            return self._final and self._take(at + 1, "\\")
        char = text[at + 1]
        if char in "([":
            end, complete = self._reach(at)
            close = text.find("\\)" if char == "(" else "\\]", at + 2, end)
            if close >= 0:
                return self._take(close + 2, text[at : close + 2])
            if not complete and not self._guess:
                return False
        if char in _PUNCTUATION:
            return self._take(at + 2, char)
        return self._take(at + 1, "" if char == "\n" else "\\")

    def _code(self) -> bool:
        text, at = self._text, self._at
        marks = _TICKS.match(text, at)
        assert marks is not None
        inner = marks.end()
        if inner == len(text) and not self._final:
            return False
        end, complete = self._reach(at)
        close = self._ticks(inner, end, inner - at, complete)
        if close is None:
            if not complete:
                return False
            if self._guess:
                return self._take(len(text), text[inner:].replace("\n", " "), self._over(self._looks.code))
            return self._take(inner, text[at:inner])
        content = text[inner:close].replace("\n", " ")
        if len(content) > 2 and content[0] == content[-1] == " " and content.strip(" "):
            content = content[1:-1]
        return self._take(close + inner - at, content, self._over(self._looks.code))

    def _ticks(self, start: int, end: int, size: int, complete: bool) -> int | None:
        """Where the run of exactly size backticks begins that ends a code span, within start to end."""
        for run in _TICKS.finditer(self._text, start, end):
            if run.end() - run.start() == size and (complete or run.end() < end):
                return run.start()
        return None

    def _math(self) -> bool:
        text, at = self._text, self._at
        if at + 1 == len(text) and not self._final:
            return False
        end, complete = self._reach(at)
        if text.startswith("$$", at):
            close = text.find("$$", at + 2, end)
            if close >= 0:
                return self._take(close + 2, text[at : close + 2])
            if complete or self._guess:
                return self._take(at + 2, "$$")
            return False
        follows = text[at + 1 : at + 2]
        if not follows or follows.isspace() or follows.isdigit():
            return self._take(at + 1, "$")
        line_end = text.find("\n", at, end)
        if line_end >= 0:
            end, complete = line_end, True
        close = text.find("$", at + 1, end)
        if close + 1 == end and not complete:
            close = -1
        if close < 0:
            return (complete or self._guess) and self._take(at + 1, "$")
        if text[close - 1].isspace() or text[close + 1 : close + 2].isdigit():
            return self._take(at + 1, "$")
        return self._take(close + 1, text[at : close + 1])

    def _emphasis(self, char: str) -> bool:
        text, at = self._text, self._at
        end = at
        while end < len(text) and text[end] == char:
            end += 1
        if end == len(text) and not self._final:
            return False
        size = end - at
        before, after = self._before, text[end : end + 1]
        closes = bool(before) and not before.isspace() and not (char == "_" and after.isalnum())
        opens = bool(after) and not after.isspace() and not (char == "_" and before.isalnum())
        if closes and (entries := self._closed_by(char, size)):
            used = sum(entry.size for entry in entries)
            if any(entry.shown for entry in entries):
                self._put(char * used, self._style())
            for entry in entries:
                self._open.remove(entry)
            return self._take(end, char * (size - used))
        if not opens or size > 3 or (char == "~" and size != 2) or self._within(char, size):
            return self._take(end, char * size)
        reach, complete = self._reach(at)
        closer = self._closer(end, reach, complete, char, size)
        if closer is None and not self._guess:
            return False
        cut_short = reach < len(text) or not self._final
        if closer is False and not cut_short and not self._guess:
            return self._take(end, char * size)
        shown = closer is False and not self._guess
        sizes = (2, 1) if size == 3 else (size,)
        self._open += [_Open(char, part, shown) for part in sizes]
        return self._take(end, char * size if shown else "")

    def _within(self, char: str, size: int) -> bool:
        return any(entry.char == char and (entry.size == size or size == 3) for entry in self._open)

    def _closed_by(self, char: str, size: int) -> list[_Open]:
        """The emphasis that a run of this size ends."""
        entries = [entry for entry in self._open if entry.char == char]
        if exact := [entry for entry in entries if entry.size == size]:
            return exact[-1:]
        return entries if size == 3 else []

    def _closer(self, start: int, end: int, complete: bool, char: str, size: int) -> bool | None:
        """Whether start to end holds what ends emphasis begun before start; None where more text may tell."""
        text = self._text
        at = start
        needed = size
        while (found := _RUNS[char].search(text, at, end)) is not None:
            mark, at = found.group(), found.end()
            if mark[0] == "\\":
                continue
            if at == end and not complete:
                return None
            if mark[0] == "`":
                close = self._ticks(at, end, len(mark), complete)
                if close is not None:
                    at = close + len(mark)
                elif not complete:
                    return None
                continue
            before, after = text[found.start() - 1], text[at : at + 1]
            if found.start() == start or before.isspace() or (char == "_" and after.isalnum()):
                continue
            if len(mark) == size or len(mark) == 3:
                return True
            needed -= len(mark) if size == 3 and len(mark) < 3 else 0
            if needed <= 0:
                return True
        return False if complete else None

    def _address(self) -> bool:
        text, at = self._text, self._at
        end, complete = self._reach(at)
        found = _ADDRESS.match(text, at, end)
        stop = found.end() if found else at
        if stop == end and not complete and not self._guess:
            return False
        while stop > at and text[stop - 1] in ".,;:!?'\"*_~)]" and not (text[stop - 1] == ")" and "(" in text[at:stop]):
            stop -= 1
        if stop - at <= len("http://"):
            return self._take(at + 1, "h")
        return self._take(stop, text[at:stop], self._over(self._looks.link))

    def _link(self, mark: str) -> bool:
        text, at = self._text, self._at
        start = at + len(mark)
        end, complete = self._reach(at)
        close = self._bracket(start, end, complete)
        if close is None and not complete and not self._guess:
            return False
        if close is None or close < 0:
            return self._take(start, mark)
        if close + 1 >= end and not complete and not self._guess:
            return False
        target = _TARGET.match(text, close + 1, end)
        if target is None:
            if text.startswith("(", close + 1) and not complete and not self._guess:
                return False
            return self._take(start, mark)
        label = text[start:close]
        url = target.group(1) or target.group(2) or ""
        style = self._over(self._looks.link)
        if mark == "[":
            runs = inline(label, replace(self._looks, base=style, url="", link=""))
        else:
            label = f"[image: {label}]" if label else "[image]"
            runs = [(label, style)]
        for part, sgr in runs:
            self._put(part, sgr)
        if url and url not in (label, f"mailto:{label}") and not url.startswith("#"):
            self._put(f" ({url})" if label else url, self._over(self._looks.url))
        self._step(target.end())
        return True

    def _bracket(self, start: int, end: int, complete: bool) -> int | None:
        """Where the bracket that was open at start closes, within end; -1 for too many in each other."""
        depth, at = 1, start
        while (found := _BRACKETS.search(self._text, at, end)) is not None:
            mark, at = found.group(), found.end()
            if mark == "[":
                depth += 1
                if depth > _DEEPEST:
                    return -1
            elif mark == "]":
                depth -= 1
                if not depth:
                    return found.start()
            elif mark[0] == "`":
                close = self._ticks(at, end, len(mark), complete)
                if close is not None:
                    at = close + len(mark)
                elif not complete:
                    return None
        return None


def inline(text: str, looks: Looks) -> list[Run]:
    """The runs of a whole paragraph."""
    reader = Inline(looks, len(text) + 1)
    return [*reader.feed(text), *reader.finish()]
