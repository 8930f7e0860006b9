"""Takes keys out of texts: those of the environment, and every one that was used in this run."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterable

SHORTEST = 6
"""What is shorter is no key, and would tear holes into any text."""
HIDDEN = "[key]"


def no_secrets() -> Iterable[str]:
    """For a Redactor that knows only what it is told."""
    return ()


def unchanged(text: str) -> str:
    """For where nothing is known that must be hidden."""
    return text


class Redactor:
    """Holds what it hides, in memory only. known: the secrets of the environment and of settings, as they are now."""

    def __init__(self, known: Callable[[], Iterable[str]] = no_secrets) -> None:
        self._known = known
        self._learned: set[str] = set()
        self._forms: dict[str, tuple[str, ...]] = {}
        self._lock = threading.Lock()

    def learn(self, secret: str) -> None:
        """From now on this is hidden, too."""
        with self._lock:
            self._learned.add(secret)

    def hide(self, text: str) -> str:
        """The text with `[key]` in place of every secret, however a server may have written it down."""
        with self._lock:
            secrets = {*self._learned, *self._known()}
            forms = {form for secret in secrets for form in self._forms_of(secret)}
        return hide(text, forms)

    def hide_in(self, value: object) -> object:
        """A JSON-ready value with its texts as `hide` gives them."""
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, dict):
            return {self.hide(name) if isinstance(name, str) else name: self.hide_in(v) for name, v in value.items()}
        return [self.hide_in(inner) for inner in value] if isinstance(value, list | tuple) else value

    def _forms_of(self, secret: str) -> tuple[str, ...]:
        if secret not in self._forms:
            self._forms[secret] = forms_of(secret)
        return self._forms[secret]

    def __repr__(self) -> str:
        return "Redactor()"


def hide(text: str, forms: Iterable[str]) -> str:
    """The text with `[key]` in place of each of the forms, the longest first."""
    for form in sorted(forms, key=len, reverse=True):
        if form in text:
            text = text.replace(form, HIDDEN)
    return text


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
