"""Takes keys out of texts: those of the environment, and every one that was used in this run."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterable

SHORTEST = 6
"""What is shorter is no key, and would tear holes into any text."""
IN_A_TALK = 12
"""Shorter ones stand in for a key where none is needed, and are words that a reply may have (lm-studio)."""
HIDDEN = "[key]"


def no_secrets() -> Iterable[str]:
    """For a Redactor that knows only what it is told."""
    return ()


class Redactor:
    """Holds what it hides, in memory only. known: the keys of the environment and of settings, as they are now."""

    def __init__(self, known: Callable[[], Iterable[str]] = no_secrets) -> None:
        self._known = known
        self._learned: set[str] = set()
        self._made: dict[str, tuple[str, ...]] = {}
        self._lock = threading.Lock()

    def learn(self, secret: str) -> None:
        """From now on this is hidden, too."""
        with self._lock:
            self._learned.add(secret)

    def forms(self, also: Iterable[str] = (), shortest: int = SHORTEST) -> tuple[str, ...]:
        """Every way in which a secret may stand in a text, the longest first. also: further secrets; shortest: how many
        characters each has at least."""
        known = [*self._known(), *also]
        with self._lock:
            forms = {form for secret in {*self._learned, *known} for form in self._forms_of(secret)}
            forms = {form for form in forms if len(form) >= shortest}
        return tuple(sorted(forms, key=len, reverse=True))

    def hide(self, text: str, also: Iterable[str] = (), shortest: int = SHORTEST) -> str:
        """The text with `[key]` in place of every secret, however it is written down there; the rest as `forms`."""
        return hide(text, self.forms(also, shortest))

    def hide_in(self, value: object) -> object:
        """A JSON-ready value that holds what was talked of, with its texts as `hide` gives them."""
        return hide_in(value, self.forms(shortest=IN_A_TALK))

    def _forms_of(self, secret: str) -> tuple[str, ...]:
        if secret not in self._made:
            self._made[secret] = forms_of(secret)
        return self._made[secret]

    def __repr__(self) -> str:
        return "Redactor()"


class PieceFilter:
    """Takes secrets out of a text that comes in pieces: what may be the beginning of one is held back.

    forms: the longest first.
    """

    def __init__(self, forms: tuple[str, ...]) -> None:
        self._forms = forms
        self._held = ""

    def feed(self, piece: str) -> str:
        """What is known to be harmless by now."""
        text = hide(self._held + piece, self._forms)
        keep = beginning_at_the_end(text, self._forms)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def end(self) -> str:
        """What was held back, once nothing more comes."""
        held, self._held = self._held, ""
        return held


def hide(text: str, forms: Iterable[str]) -> str:
    """The text with `[key]` in place of each of the forms, which come the longest first."""
    for form in forms:
        if form in text:
            text = text.replace(form, HIDDEN)
    return text


def hide_in(value: object, forms: tuple[str, ...]) -> object:
    """The same for every text of a JSON-ready value."""
    if isinstance(value, str):
        return hide(value, forms)
    if isinstance(value, dict):
        return {hide_in(name, forms): hide_in(inner, forms) for name, inner in value.items()}
    return [hide_in(inner, forms) for inner in value] if isinstance(value, list | tuple) else value


def beginning_at_the_end(text: str, forms: Iterable[str]) -> int:
    """How many characters at the end of the text may be the beginning of one of the forms."""
    forms = tuple(forms)
    longest, first = max(map(len, forms), default=0), {form[0] for form in forms}
    for start in range(max(0, len(text) - longest + 1), len(text)):
        if text[start] in first and any(form.startswith(text[start:]) for form in forms):
            return len(text) - start
    return 0


def forms_of(secret: str) -> tuple[str, ...]:
    """How a secret may stand in a text: as it is, in JSON, in a URL, in base 64. () for what is too short."""
    from urllib.parse import quote, quote_plus

    if len(secret) < SHORTEST:
        return ()
    raw = secret.encode("utf-8", "surrogateescape")
    encoded = {base64.b64encode(raw).decode().rstrip("="), base64.urlsafe_b64encode(raw).decode().rstrip("=")}
    written = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    linked = {quote(raw, safe=""), quote(raw), quote_plus(raw)}
    return tuple({secret, *encoded, *written, *linked})
