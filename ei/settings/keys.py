"""References to keys: what may stand where a key is meant, and what looks like a key itself."""

from __future__ import annotations

import re

NOT_YET = ("keyring", "cmd", "file")
"""Kinds of references that are understood and cannot be followed."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BEGINNING = re.compile(
    r"(?:bearer|basic)\s|(?:sk|pk|rk|gsk|xai|ghp|gho|hf|pplx|tgp|nvapi|fw|r8)[-_][\w-]{6}|AIza|AKIA|eyJ[\w-]{10}",
    re.IGNORECASE,
)


def variable_of(written: str) -> str | None:
    """The environment variable that a reference names, as `NAME` or `env:NAME`; None for anything else."""
    name = written.strip().removeprefix("env:")
    return name if _NAME.fullmatch(name) and not looks_secret(name) else None


def key_problem(value: object) -> str:
    """What is wrong with a reference to a key, in a few words that never repeat it, or ""."""
    if not isinstance(value, str):
        return "must be a text: the name of an environment variable"
    kind = value.strip().partition(":")[0].lower()
    if kind in NOT_YET and ":" in value:
        return f"cannot be a {kind}: reference yet; name an environment variable"
    if not value.strip() or variable_of(value) is not None:
        return ""
    return "must be the name of an environment variable, such as WORK_LLM_KEY, never the key itself"


def looks_secret(text: str) -> bool:
    """Whether a text looks like a key rather than like the name of a variable: how it begins, or a long mixture."""
    if _BEGINNING.match(text):
        return True
    letters = text.replace("_", "")
    digits = sum(char.isdigit() for char in letters)
    mixed = letters != letters.upper() and letters != letters.lower()
    return (len(letters) >= 16 and mixed and digits >= 2) or (len(letters) >= 20 and digits >= 5)
