"""How many cells a text takes, and where a row of it may end: the one answer that all of the terminal uses.

Terminals draw grapheme clusters (a base character with what joins it: a heart with its variation selector, a family, a
flag, a keycap), so that is what is measured here, with the tables of `wcwidth`. prompt_toolkit adds up code points;
`install` makes it agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache

from wcwidth import iter_graphemes, wcswidth

LONGEST_CLUSTER = 32
"""Code points. A longer cluster is taken apart, so that the work on hostile text stays bounded."""

_CJK = ((0x2E80, 0x9FFF), (0xF900, 0xFAFF), (0xFF01, 0xFF9D), (0x20000, 0x3FFFF))
_NEVER_FIRST = frozenset(
    "、。，．・：；？！゛゜ヽヾゝゞ々ー’”）〕］｝〉》」』】°′″℃％…‥,.!?;:)]}ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ"
)
_NEVER_LAST = frozenset("‘“（〔［｛〈《「『【￥＄([{")


def cell_width(text: str) -> int:
    """The cells that text takes. Control characters count nothing: they must not be in what is drawn (see safe)."""
    if text.isascii():
        return len(text) if text.isprintable() else sum(char.isprintable() for char in text)
    if _plain().fullmatch(text):
        return max(0, wcswidth(text))
    return sum(map(cluster_width, clusters(text)))


def clusters(text: str) -> Iterator[str]:
    """The grapheme clusters of text, in order; joined they are the text again.

    Those that are too long, or wider than two cells (Hangul letters that make no syllable), are taken apart.
    """
    for cluster in iter_graphemes(text):
        if len(cluster) == 1:
            yield cluster
        elif len(cluster) > LONGEST_CLUSTER:
            for start in range(0, len(cluster), LONGEST_CLUSTER):
                yield from clusters(cluster[start : start + LONGEST_CLUSTER])
        elif cluster_width(cluster) > 2:
            yield from cluster
        else:
            yield cluster


@lru_cache(maxsize=4096)
def cluster_width(cluster: str) -> int:
    """The cells of one grapheme cluster."""
    return max(0, wcswidth(cluster))


def clip(text: str, width: int, ellipsis: str = "…") -> str:
    """text, or its beginning and the ellipsis where it takes more than width cells."""
    if cell_width(text) <= width:
        return text
    room = width - cell_width(ellipsis)
    if room < 0:
        return clip(ellipsis, width, "") if ellipsis else ""
    taken: list[str] = []
    for cluster in clusters(text):
        room -= cluster_width(cluster)
        if room < 0:
            break
        taken.append(cluster)
    return "".join(taken) + ellipsis


def pad(text: str, width: int) -> str:
    """text clipped to width cells and filled with spaces up to it."""
    text = clip(text, width)
    return text + " " * (width - cell_width(text))


def wrap(text: str, width: int) -> list[str]:
    """Rows of at most width cells, broken at spaces and around CJK characters, a longer word inside it.

    A newline ends a row, a tab is up to four spaces; an empty text is one empty row.
    """
    rows: list[str] = []
    for line in text.expandtabs(4).split("\n"):
        while (cut := break_row(line, width)) is not None:
            rows.append(line[: cut[0]].rstrip(" "))
            line = line[cut[1] :].lstrip(" ")
        rows.append(line.rstrip(" "))
    return rows


def break_row(text: str, width: int, *, final: bool = True) -> tuple[int, int] | None:
    """Where the first row of text ends and the rest begins, as offsets; None while all of it fits in width cells.

    Not final: more text follows and may join the last cluster, so that one does not count yet.
    """
    closed = len(text) - (0 if final else 1)
    if text.isascii():
        if closed <= width:
            return None
        if text[width] == " ":
            return width, width + 1
        space = text.rfind(" ", 0, width)
        if space < 0 or not text[:space].strip(" "):
            return width, width
        return space, space + 1
    if closed <= width // 2:
        return None
    return _break_clusters(text, width, final)


def chop(text: str, width: int) -> list[str]:
    """Rows of at most width cells, broken anywhere between two clusters; an empty text is one empty row."""
    if text.isascii():
        return [text[start : start + width] for start in range(0, len(text), width)] or [""]
    rows: list[str] = []
    start = at = cells = 0
    for cluster in clusters(text):
        size = cluster_width(cluster)
        if at > start and (cells + size > width or at - start >= 8 * width):
            rows.append(text[start:at])
            start, cells = at, 0
        cells += size
        at += len(cluster)
    rows.append(text[start:])
    return rows


def install() -> None:
    """Makes prompt_toolkit measure as `cell_width` does. Whoever starts the screen calls it.

    prompt_toolkit still walks a text by code points when it lays it out; give it `Clusters` to walk by clusters.
    """
    from prompt_toolkit import utils

    class Sizes(utils._CharSizesCache):
        def __missing__(self, string: str) -> int:
            size = cell_width(string)
            if len(string) <= self.LONG_STRING_MIN_LEN:
                self[string] = size
            return size

    utils._CHAR_SIZES_CACHE = Sizes()


class Clusters(str):
    """A text that is walked cluster by cluster, so that prompt_toolkit lays out each as one character."""

    __slots__ = ()

    def __iter__(self) -> Iterator[str]:
        return map(Clusters, clusters(str(self)))

    def split(self, sep: str | None = None, maxsplit: int = -1) -> list[str]:  # type: ignore[override]
        return [Clusters(part) for part in super().split(sep, maxsplit)]


def walked(text: str) -> str:
    """text as it is where each code point is a cluster, else as `Clusters`."""
    return text if text.isascii() or _plain().fullmatch(text) else Clusters(text)


@cache
def _plain() -> re.Pattern[str]:
    """Matches a text beyond ASCII in which each code point is a cluster. Compiled when the first one comes."""
    return re.compile(
        "[ -~\xa0-\xac\xae-\u02ff\u0370-\u0482\u048a-\u052f\u2010-\u2027\u2030-\u205e\u20a0-\u20bf\u2190-\u21ff"
        "\u2400-\u2426\u2500-\u25fc\u3000-\u3029\u3030-\u303d\u3041-\u3096\u309b-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
        "\uac00-\ud7a3\uff01-\uff9d]*"
    )


def _break_clusters(text: str, width: int, final: bool) -> tuple[int, int] | None:
    """`break_row` for text beyond ASCII."""
    if len(text) <= 8 * width and cell_width(text) <= width:
        return None
    parts = list(clusters(text))
    if not final:
        parts.pop()
    at = cells = 0
    best: tuple[int, int] | None = None
    previous = ""
    for part in parts:
        cells += cluster_width(part)
        if at and (cells > width or at >= 8 * width):
            if part == " ":
                return at, at + 1
            if previous and _breaks(previous, part):
                return at, at
            return best or (at, at)
        if part == " ":
            if previous.strip(" "):
                best = at, at + 1
        elif previous and _breaks(previous, part):
            best = at, at
        previous = part if part != " " or previous.strip(" ") else ""
        at += len(part)
    return None


def _breaks(left: str, right: str) -> bool:
    """Whether a row may end between two clusters that are not spaces."""
    if not (_cjk(left[0]) or _cjk(right[0])) or left == " ":
        return False
    return left[0] not in _NEVER_LAST and right[0] not in _NEVER_FIRST


def _cjk(char: str) -> bool:
    code = ord(char)
    return any(first <= code <= last for first, last in _CJK)
