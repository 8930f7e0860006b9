"""What a persona may be called, and which name is meant."""

from __future__ import annotations

from collections.abc import Iterable

from ei.errors import UsageError

LONGEST = 40
_RESERVED = frozenset(["con", "prn", "aux", "nul", *(f"com{i}" for i in range(10)), *(f"lpt{i}" for i in range(10))])
"""Names that Windows keeps for devices; refused everywhere, since folders travel."""


def fold(text: str) -> str:
    """text as names are compared: without regard to case or to how an accent is composed."""
    text = text.strip()
    if text.isascii():
        return text.casefold()
    import unicodedata

    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def check_name(name: str) -> str:
    """The lower-case form of a name for a new persona. Raises UsageError where it cannot be one."""
    name = name.strip().lower()
    if not name.isascii():
        import unicodedata

        name = unicodedata.normalize("NFC", name)
    hint = f"Letters, digits, - and _ make a name, up to {LONGEST} of them, for example: ada"
    if not name:
        raise UsageError("A persona needs a name.", hint)
    if len(name) > LONGEST:
        raise UsageError(f"That name is {len(name)} characters long.", hint)
    if not name[0].isalnum() or not all(_allowed(char) for char in name):
        raise UsageError(f"{name!r} cannot be a persona's name.", hint)
    if name in _RESERVED:
        raise UsageError(f'"{name}" is a name that Windows keeps for itself.', "Take another one.")
    return name


def nearest(text: str, names: Iterable[str]) -> str | None:
    """The name that text is most likely a slip of, None where none is near."""
    import difflib

    folded = {fold(name): name for name in names}
    found = difflib.get_close_matches(fold(text), folded, n=1, cutoff=0.5)
    return folded[found[0]] if found else None


def _allowed(char: str) -> bool:
    if char.isalnum() or char in "-_":
        return True
    if char.isascii():
        return False
    import unicodedata

    # The vowel signs of many scripts are marks.
    return unicodedata.category(char).startswith("M")
