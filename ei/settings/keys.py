"""References to keys: what may stand where a key is meant, and what looks like a key itself."""

from __future__ import annotations

import re

STORED = ("keyring", "file", "plain", "cmd")
"""Kinds of references beside `env`: the system's keyring, the encrypted file, the plain file, a command."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LONGEST_COMMAND = 2000
_BEGINNING = re.compile(
    r"(?:bearer|basic)\s|(?:sk|pk|rk|gsk|xai|ghp|gho|hf|pplx|tgp|nvapi|fw|r8)[-_][\w-]{6}|AIza|AKIA|eyJ[\w-]{10}",
    re.IGNORECASE,
)


def variable_of(written: str) -> str | None:
    """The environment variable that a reference names, as `NAME` or `env:NAME`; None for anything else."""
    name = written.strip().removeprefix("env:")
    return name if _VARIABLE.fullmatch(name) and not looks_secret(name) else None


def reference_of(written: object) -> str | None:
    """A reference in its one form, `KIND:NAME` (cmd: with the command as written); None for what is none.

    A variable may stand there without `env:`.
    """
    if not isinstance(written, str):
        return None
    if (variable := variable_of(written)) is not None:
        return f"env:{variable}"
    kind, colon, name = written.strip().partition(":")
    kind, name = kind.lower(), name.strip()
    if not colon or kind not in STORED:
        return None
    if kind == "cmd":
        fits = name.isprintable() and 0 < len(name) <= _LONGEST_COMMAND
        return f"cmd:{name}" if fits and not any(map(_BEGINNING.match, re.split(r"[\s\"'=]+", name))) else None
    return f"{kind}:{name}" if is_key_name(name) else None


def is_key_name(name: str) -> bool:
    """Whether a key can be kept under that name: letters, digits, `.`, `_`, `-`, at most 64; not a key itself."""
    return bool(_NAME.fullmatch(name)) and not looks_secret(name)


def key_problem(value: object) -> str:
    """What is wrong with a reference to a key, in a few words that never repeat it, or ""."""
    if not isinstance(value, str):
        return "must be a text: the name of an environment variable"
    if not value.strip() or reference_of(value) is not None:
        return ""
    kind = value.strip().partition(":")[0].lower()
    if kind == "cmd" and ":" in value:
        return "must be a command in one line that prints a key, such as cmd:op read op://vault/item/key"
    if kind in STORED and ":" in value:
        return f"must have a name of letters, digits, . _ and - after {kind}:, never the key itself"
    return "must be the name of an environment variable, such as WORK_LLM_KEY, never the key itself"


def looks_secret(text: str) -> bool:
    """Whether a text looks like a key rather than like the name of a variable: how it begins, or a long mixture."""
    if _BEGINNING.match(text):
        return True
    letters = text.replace("_", "")
    digits = sum(char.isdigit() for char in letters)
    mixed = letters != letters.upper() and letters != letters.lower()
    return (len(letters) >= 16 and mixed and digits >= 2) or (len(letters) >= 20 and digits >= 5)
