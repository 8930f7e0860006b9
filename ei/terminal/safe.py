"""Untrusted text made harmless: what a model or a server sends never moves the cursor, hides or reorders text.

Escape sequences lose their introducer (ESC becomes ␛, an 8-bit one ⟨U+009B⟩) and stay readable as plain text. Other
control characters become their control picture. Characters that reorder text (bidirectional overrides), carry text
nobody sees (Unicode tags, runs of variation selectors) or show as nothing where something is expected are named, like
⟨U+202E⟩. Zero-width characters without a meaning where they stand are dropped; those that join emoji or letters stay.
"""

from __future__ import annotations

import re

_TAG = "\U000e0020-\U000e007e"
_CANCEL = "\U000e007f"
_FLAG = "\U0001f3f4"


def _tags(text: str) -> str:
    return "".join(chr(0xE0000 + ord(char)) for char in text)


_FLAGS = "|".join(_tags(region) for region in ("gbeng", "gbsct", "gbwls"))

_SPECIAL = re.compile(
    "\r\n?"
    f"|{_FLAG}(?:{_FLAGS}){_CANCEL}"
    "|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_OPEN_END = re.compile(f"(?:\r|{_FLAG}[{_TAG}]{{0,5}}[\ud800-\udbff]?|[\ud800-\udbff])\\Z")
"""What the next chunk may complete: a CR LF, a pair of surrogates, the flag of England, Scotland or Wales."""

_DROPPED = frozenset("\xad\u034f\u061c\u180e\u200b\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff")
_JOINERS = frozenset("\u200c\u200d")
_NAME_END = "\u27e9"
_KEYCAPS = frozenset("0123456789#*")


def safe(text: str) -> str:
    """The whole of an untrusted text, fit for a terminal: of control characters only newline and tab are left."""
    sanitizer = Sanitizer()
    return sanitizer.feed(text) + sanitizer.finish()


class Sanitizer:
    """The same as `safe`, for a text that arrives in chunks: the outputs joined are `safe` of the chunks joined."""

    __slots__ = ("_before", "_held")

    def __init__(self) -> None:
        self._held = ""
        self._before = ""

    def feed(self, chunk: str) -> str:
        """The harmless form of what is certain so far; at most seven characters wait for the next chunk."""
        return self._clean(self._held + chunk, final=False)

    def finish(self) -> str:
        """What was still waiting."""
        return self._clean(self._held, final=True)

    def _clean(self, text: str, *, final: bool) -> str:
        self._held = ""
        if not text:
            return ""
        if _SPECIAL.search(text) is None and not text.endswith(_FLAG):
            self._before = text[-1]
            return text
        if _SURROGATE.search(text) is not None:
            text = _PAIR.sub(_joined, text)
        if not final and (held := _OPEN_END.search(text)) is not None:
            self._held = held.group()
            text = text[: held.start()]
        parts: list[str] = []
        before, at = self._before, 0
        for found in _SPECIAL.finditer(text):
            if found.start() > at:
                parts.append(text[at : found.start()])
                before = text[found.start() - 1]
            if shown := _harmless(found.group(), before):
                parts.append(shown)
                before = shown[-1]
            at = found.end()
        parts.append(text[at:])
        self._before = text[-1] if at < len(text) else before
        return "".join(parts)


def _joined(pair: re.Match[str]) -> str:
    return pair.group().encode("utf-16", "surrogatepass").decode("utf-16")


def _harmless(found: str, before: str) -> str:
    """The stand-in for what `_SPECIAL` found; before is the character shown left of it, or ""."""
    char = found[0]
    code = ord(char)
    if char == "\r":
        return "\n"
    if char == _FLAG:
        return found
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    if char in "\u2028\u2029":
        return "\n"
    if char in _DROPPED:
        return ""
    if char in _JOINERS:
        return char if _shows(before) or before == "\ufe0f" else ""
    if 0xFE00 <= code <= 0xFE0F:
        if _selects(before) or before == _NAME_END:
            return _named(code)
        return char if _shows(before) or before in _KEYCAPS else ""
    if 0xE0100 <= code <= 0xE01EF and _ideograph(before):
        return char
    return _named(code)


def _named(code: int) -> str:
    return f"\u27e8U+{code:04X}{_NAME_END}"


def _selects(char: str) -> bool:
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"


def _shows(char: str) -> bool:
    """Whether it is a visible character beyond ASCII, which a joiner or a selector after it may change."""
    return char > "\x9f" and not char.isspace() and char not in _JOINERS and char != _NAME_END and not _selects(char)


def _ideograph(char: str) -> bool:
    return "\u3400" <= char <= "\u9fff" or "\uf900" <= char <= "\ufaff" or "\U00020000" <= char <= "\U0003ffff"
