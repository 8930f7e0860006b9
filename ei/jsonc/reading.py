"""Reading JSONC: comments and trailing commas are taken away, and the standard parser does the rest.

What that does not understand is JSON5, which `json5` reads, or it is wrong, which `spans.parse` explains.
"""

from __future__ import annotations

import json
import re

from ei.errors import FileSyntaxError
from ei.jsonc.spans import BOM, COMMENT, fail, mend, parse


def loads(text: str, name: str = "") -> object:
    """The value that JSONC or JSON5 text stands for; of equal keys the last wins. name: the file, for errors.

    Raises FileSyntaxError.
    """
    try:
        try:
            value: object = json.loads(_TRAILING_COMMA.sub(r"\1\2", _OUTSIDE.sub(r"\1 ", text.removeprefix(BOM))))
        except ValueError:
            value = _loads_json5(text, name)
        return mend(value) if _SURROGATE.search(text) else value
    except RecursionError:
        levels, offset = parse(text, name).deepest
        fail(text, name, offset, f"this is nested {levels} levels deep, more than can be read.")


# A string that is not closed on its line is kept as it is, so that the standard parser refuses it.
_OUTSIDE = re.compile(rf"""((?:[^"/]++|"(?:[^"\\\n\r]++|\\[\s\S])*+(?:"|(?=[\n\r])|\\?\Z)|/(?![/*]))++)|{COMMENT}""")
_TRAILING_COMMA = re.compile(
    r"""((?:[^",\[{:]++|"(?:[^"\\]++|\\[\s\S])*+"|[,\[{:](?![ \t\n\r]*+[,}\]]))++)"""
    r"""|([\[{:,][ \t\n\r]*+,)|,(?=[ \t\n\r]*+[}\]])"""
)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_JSON5_ERROR = re.compile(r"[^:]*:(\d+) (.*) at column (\d+)", re.DOTALL)


def _loads_json5(text: str, name: str) -> object:
    tree = parse(text, name)
    if tree.root is None:
        fail(text, name, len(text), "nothing but comments is in here." if tree.comments else "the file is empty.")
    import json5

    try:
        value: object = json5.loads(text.removeprefix(BOM))
    except ValueError as exc:
        problem = _JSON5_ERROR.fullmatch(str(exc))
        if problem is None:
            fail(text, name, tree.root.start, "a number in here is too long to read.")
        raise FileSyntaxError(name or "text", int(problem[1]), int(problem[3]), f"{problem[2]}.") from exc
    return value
