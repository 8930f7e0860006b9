"""Whether the terminal is dark or light: from its environment, or by asking it without losing a key."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output

Background = Literal["dark", "light"]

_QUESTION = "\x1b]11;?\x1b\\"
_ANSWER = re.compile(r"\x1b\]11;([^\x07\x1b]*)(?:\x07|\x1b\\)")
_START = "\x1b]11;"
_LONGEST = 64


def by_variable(colorfgbg: str) -> Background | None:
    """What COLORFGBG says, as rxvt and Konsole set it ("0;15": text, background); None where it says nothing."""
    last = colorfgbg.rsplit(";", 1)[-1]
    if not last.isdecimal():
        return None
    return "light" if int(last) in (7, *range(9, 16)) else "dark"


def by_colour(answer: str) -> Background | None:
    """What a terminal's answer means: "rgb:ffff/ffff/ffff" or "#ffffff" (xterm's OSC 11); None when unreadable."""
    if match := re.fullmatch(r"rgba?:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4}).*", answer):
        parts = [int(part, 16) / (16 ** len(part) - 1) for part in match.groups()]
    elif match := re.fullmatch(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", answer):
        parts = [int(part, 16) / 255 for part in match.groups()]
    else:
        return None
    red, green, blue = parts
    # ITU-R BT.601: how bright a colour looks.
    return "light" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "dark"


async def by_asking(input: Input, output: Output, timeout: float = 1.0) -> Background | None:
    """Asks the terminal for its background while keys go on arriving; None when it does not answer in time.

    An answer that comes later is not taken for typing either.
    """
    parser = getattr(input, "vt100_parser", None)
    if parser is None:
        return None
    answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def found(answer: str) -> None:
        if not answered.done():
            answered.set_result(answer)

    if not isinstance(parser, AnswerFilter):
        parser = AnswerFilter(parser)
        input.vt100_parser = parser  # type: ignore[attr-defined]
    parser.found = found
    output.write_raw(_QUESTION)
    output.flush()
    with contextlib.suppress(TimeoutError):
        return by_colour(await asyncio.wait_for(answered, timeout))
    return None


class AnswerFilter:
    """Stands before prompt_toolkit's parser of keys and takes the terminal's answer out of what is typed."""

    def __init__(self, parser: Any) -> None:
        self._parser = parser
        self._held = ""
        self.found: Callable[[str], None] = lambda answer: None

    def feed(self, data: str) -> None:
        """Passes data on, without an answer in it; holds back what may be the beginning of one."""
        data, self._held = self._held + data, ""
        if match := _ANSWER.search(data):
            self.found(match[1])
            data = data[: match.start()] + data[match.end() :]
        else:
            start = data.rfind("\x1b]")
            rest = data[start:] if start >= 0 else ""
            if rest and len(rest) < _LONGEST and (_START.startswith(rest) or rest.startswith(_START)):
                data, self._held = data[:start], rest
        self._parser.feed(data)

    def flush(self) -> None:
        """Nothing came for a moment: Alt-] was a key."""
        if self._held == "\x1b]":
            self._parser.feed(self._held)
            self._held = ""
        self._parser.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)
