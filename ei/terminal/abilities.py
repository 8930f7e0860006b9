"""What a terminal can do, by what its environment says."""

from __future__ import annotations

from collections.abc import Mapping

_CUTS = ("linux", "rxvt", "st", "st-256color", "vt100", "vt102", "vt220", "eterm")


def reflows(environ: Mapping[str, str]) -> bool:
    """Whether a narrower window wraps the rows on the screen anew: most do; xterm, the console and screen cut them."""
    if environ.get("XTERM_VERSION"):
        return False
    term = environ.get("TERM", "").lower()
    if "TMUX" in environ:
        return True
    return not (term.startswith(("screen", "rxvt")) or term in _CUTS)


def is_dumb(environ: Mapping[str, str]) -> bool:
    """Whether the terminal only takes lines, so that nothing can be drawn in place."""
    return environ.get("TERM", "").lower() in ("dumb", "unknown")


def answers_colours(environ: Mapping[str, str]) -> bool:
    """Whether the terminal may be asked for its colours: the Linux console of old kernels prints the question."""
    return not is_dumb(environ) and environ.get("TERM", "").lower() != "linux"
