"""Code coloured line by line as it arrives: a Pygments lexer whose state is kept from one line to the next.

Pygments lexes whole texts. Two things carry over a line's end: the stack of states, which its loop keeps to itself, and
what one regular expression matches over several lines (a block comment, a docstring). The first is kept by a loop of
our own over the lexer's rules; for the second each language is asked once which of the usual pairs it reads as one
token, and an unclosed one is coloured as such until its end comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ei.terminal.flow import Run, Runs
from ei.terminal.theme import Theme

if TYPE_CHECKING:
    from pygments.lexer import Lexer

LONGEST_LINE = 1000
"""Characters. A longer line is not coloured: some rules take time that grows with its square."""

_GLANCE = 30
_ALIASES = {"jsonc": "json", "json5": "json", "shell": "sh", "zsh": "sh", "node": "js", "plaintext": "text"}
_PAIRS = (("/*", "*/"), ("<!--", "-->"), ('"""', '"""'), ("'''", "'''"), ("`", "`"), ("{-", "-}"), ("(*", "*)"))


@dataclass(slots=True)
class _State:
    """Where a lexer stands: its stack; what ends an unclosed comment or string; the style of the rest of the line."""

    stack: list[str] = field(default_factory=lambda: ["root"])
    until: str = ""
    until_sgr: str = ""
    rest: str = ""

    def copy(self) -> _State:
        return replace(self, stack=self.stack.copy())


class Highlighter:
    """Colours the lines of one block of code, in order. An unknown language stays as it is."""

    def __init__(self, language: str, theme: Theme) -> None:
        self._theme = theme
        self._lexer = _lexer(language.lower()) if language and theme.depth != "none" else None
        self._pairs = _pairs(self._lexer) if self._lexer is not None else ()
        self._state = _State()
        self._glanced = ("", _State(), Runs())
        self._sgrs: dict[object, str] = {}

    def line(self, text: str, *, ended: bool = True) -> Runs:
        """The runs of the next line, without its newline. Not ended: its first part, more of it comes."""
        runs = self._read(text, ended)
        self._glanced = ("", self._state.copy(), [])
        return runs

    def glance(self, text: str) -> Runs:
        """The runs of a line that is still arriving, as they look now; it is not read yet.

        Of a long one only the end is looked at again, so a colour may change when the line is read.
        """
        seen, state, runs = self._glanced
        if not text.startswith(seen):
            seen, state, runs = "", self._state.copy(), []
        kept, self._state = self._state, state
        try:
            rest = text[len(seen) :]
            while len(rest) > 2 * _GLANCE:
                cut = rest.rfind(" ", 1, _GLANCE) + 1 or _GLANCE
                runs = [*runs, *self._read(rest[:cut], False)]
                seen, rest = seen + rest[:cut], rest[cut:]
            self._glanced = (seen, self._state.copy(), runs)
            return [*runs, *self._read(rest, False)]
        finally:
            self._state = kept

    def _read(self, text: str, ended: bool) -> Runs:
        base = self._theme.sgr("block")
        if self._lexer is None or not text or len(text) > LONGEST_LINE:
            return [(text, base)] if text else []
        try:
            return _merged(self._colour(text, ended))
        except Exception:
            # A lexer that trips over half a construct costs its colour, never the text.
            self._lexer = None
            return [(text, base)]

    def _colour(self, text: str, ended: bool) -> Iterator[Run]:
        state = self._state
        if state.rest:
            yield text, state.rest
            state.rest = "" if ended else state.rest
            return
        if state.until:
            end = text.find(state.until)
            if end < 0:
                yield text, state.until_sgr
                return
            end += len(state.until)
            yield text[:end], state.until_sgr
            text, state.until = text[end:], ""
        cut = self._unclosed(text)
        head = text if cut is None else text[: cut[0]]
        room = len(head)
        token: object = None
        for token, value in self._lex(head + "\n" if ended and cut is None else head):
            if room > 0:
                yield value[:room], self._sgr(token)
                room -= len(value)
        if cut is not None:
            state.until, state.until_sgr = cut[1], self._sgr(cut[2])
            yield text[cut[0] :], state.until_sgr
        elif not ended and _kind(str(token)) == "Comment":
            state.rest = self._sgr(token)

    def _unclosed(self, text: str) -> tuple[int, str, object] | None:
        """Where a comment or string begins that this line does not end: (offset, what ends it, its token type)."""
        for opening, closing, kind in self._pairs:
            at = text.rfind(opening)
            if at < 0 or text.find(closing, at + len(opening)) >= 0:
                continue
            if opening == closing and text.count(opening) % 2 == 0:
                continue
            stack, offset = self._state.stack.copy(), 0
            try:
                for token, value in self._lex(text[:at] + opening + " " + closing + "\n"):
                    if offset == at and value:
                        if value.rstrip() == f"{opening} {closing}" and _kind(str(token)) == kind:
                            return at, closing, token
                        break
                    offset += len(value)
            finally:
                self._state.stack = stack
        return None

    def _lex(self, text: str) -> Iterator[tuple[Any, str]]:
        from pygments.lexer import DelegatingLexer, ExtendedRegexLexer, LexerContext, RegexLexer

        lexer: Any = self._lexer
        if isinstance(lexer, ExtendedRegexLexer):
            if type(lexer).get_tokens_unprocessed is ExtendedRegexLexer.get_tokens_unprocessed:
                context = LexerContext(text, 0, self._state.stack)
                yield from ((token, value) for _, token, value in lexer.get_tokens_unprocessed(context=context))
                self._state.stack = context.stack
                return
        elif isinstance(lexer, RegexLexer) and not isinstance(lexer, DelegatingLexer):
            yield from _tokens(lexer, text, self._state.stack)
            return
        yield from ((token, value) for _, token, value in lexer.get_tokens_unprocessed(text))

    def _sgr(self, token: Any) -> str:
        """The style of the nearest ancestor of a token type that the theme knows."""
        found = self._sgrs.get(token)
        if found is None:
            codes = self._theme.codes
            parts = [part.lower() for part in token]
            if parts[:1] == ["literal"]:
                parts = parts[1:]
            found = self._theme.sgr("block")
            while parts:
                if (name := "token." + ".".join(parts)) in codes:
                    found = codes[name]
                    break
                parts.pop()
            self._sgrs[token] = found
        return found


def highlighted(text: str, language: str, theme: Theme) -> list[Runs]:
    """The lines of a whole text as runs."""
    highlighter = Highlighter(language, theme)
    return [highlighter.line(line) for line in text.split("\n")]


def warm(language: str = "python") -> None:
    """Loads Pygments and one lexer, so that the first block of code does not wait for it. Meant for a thread."""
    _lexer(language)


def _tokens(lexer: Any, text: str, stack: list[str]) -> Iterator[tuple[Any, str]]:
    """`RegexLexer.get_tokens_unprocessed` with a stack that outlives the call; it changes in place."""
    from pygments.token import Error, Whitespace, _TokenType

    rules = lexer._tokens
    at = 0
    while at < len(text):
        for match, action, state in rules[stack[-1]]:
            found = match(text, at)
            if found is None:
                continue
            if type(action) is _TokenType:
                yield action, found.group()
            elif action is not None:
                yield from ((token, value) for _, token, value in action(lexer, found))
            at = found.end()
            if state is not None:
                _move(stack, state)
            break
        else:
            if text[at] == "\n":
                stack[:] = ["root"]
                yield Whitespace, "\n"
            else:
                yield Error, text[at]
            at += 1


def _move(stack: list[str], state: object) -> None:
    """A rule's transition, as Pygments defines them: names to push, a number to pop, "#pop" and "#push"."""
    if isinstance(state, int):
        del stack[max(1, len(stack) + state) :]
    elif state == "#push":
        stack.append(stack[-1])
    elif isinstance(state, tuple):
        for name in state:
            if name == "#pop":
                if len(stack) > 1:
                    stack.pop()
            else:
                stack.append(stack[-1] if name == "#push" else name)


def _kind(token: str) -> str:
    return next((kind for kind in ("Comment", "String") if kind in token), "")


def _merged(runs: Iterator[Run]) -> Runs:
    found: Runs = []
    for text, sgr in runs:
        if found and (found[-1][1] == sgr or not text.strip(" ")):
            found[-1] = (found[-1][0] + text, found[-1][1])
        elif text:
            found.append((text, sgr))
    return found


@lru_cache(maxsize=64)
def _lexer(language: str) -> Lexer | None:
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(_ALIASES.get(language, language))
    except ClassNotFound:
        return None


@lru_cache(maxsize=64)
def _pairs(lexer: Lexer) -> tuple[tuple[str, str, str], ...]:
    """Which pairs this language reads as one comment or one string over a line's end, and which of both."""
    found = []
    for opening, closing in _PAIRS:
        probe = f"{opening} a\nb {closing}"
        try:
            tokens = [(str(token), value) for _, token, value in lexer.get_tokens_unprocessed(probe) if value]
        except Exception:
            continue
        if len(tokens) == 1 and tokens[0][1] == probe and (kind := _kind(tokens[0][0])):
            found.append((opening, closing, kind))
    return tuple(found)
