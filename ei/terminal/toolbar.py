"""The line at the bottom: who answers, with what, how full it is, what it cost, who has news."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ei.commands.words import money, tokens
from ei.terminal.width import cell_width, clip

SHORTEST = 12
"""Cells that a part which is cut must have."""


@dataclass(frozen=True, slots=True)
class Status:
    """What the toolbar says. here, today: what was spent, "" for nothing; why: the word for what chose the model.

    pulls: what is being installed, in short. private: what is said goes to this machine and one's own hosts only.
    """

    persona: str
    model: str
    why: str = ""
    context_tokens: int | None = None
    context_limit: int | None = None
    here: str = ""
    today: str = ""
    unread: Mapping[str, int] = field(default_factory=dict)
    busy: tuple[str, ...] = ()
    incognito: bool = False
    pulls: str = ""
    private: bool = False


def toolbar(status: Status, width: int) -> list[tuple[str, str]]:
    """(style, text) fragments at most `width` cells wide; parts are dropped from the right where they do not fit.

    Why a model answers gives way to what it costs.
    """
    shown, out = _fitted(_parts(status), width)
    if status.why and shown < len(_parts(status)):
        more, leaner = _fitted(_parts(replace(status, why="")), width)
        if more > shown:
            return leaner
    return out


def _fitted(parts: Sequence[tuple[str, ...]], width: int) -> tuple[int, list[tuple[str, str]]]:
    """How many of the parts are shown, and the fragments."""
    out: list[tuple[str, str]] = []
    room, shown = width - 1, 0
    for style, *forms in parts:
        gap = 3 if out else 0
        fitting = next((form for form in forms if cell_width(form) + gap <= room), "")
        if not fitting and forms[-1] and (not out or room - gap >= SHORTEST):
            fitting = clip(forms[-1], max(room - gap, 1))
        if not fitting:
            break
        if out:
            out.append(("class:toolbar", " · "))
        out.append((style, fitting))
        room -= cell_width(fitting) + gap
        if fitting not in forms:
            break
        shown += 1
    return shown, [("class:toolbar", " "), *out]


def _parts(status: Status) -> Sequence[tuple[str, ...]]:
    """(style, text, a shorter text, …) of each part; "" as the last is for what says something else when it is cut."""
    plain = "class:toolbar"
    out: list[tuple[str, ...]] = [("class:toolbar class:toolbar.persona", status.persona)]
    if status.incognito:
        out.append(("class:toolbar class:warn", "incognito: nothing is saved", "incognito"))
    if status.private:
        out.append(("class:toolbar class:accent", "private: stays here", "private"))
    if status.model:
        out.append((plain, *([f"{status.model} ({status.why})"] if status.why else []), status.model))
    out += [("class:toolbar class:accent", f"{name} ●{count}") for name, count in status.unread.items()]
    out += [(plain, f"{name} …") for name in status.busy]
    if status.pulls:
        out.append((plain, status.pulls))
    if status.context_tokens is not None:
        limit = f"/{tokens(status.context_limit)}" if status.context_limit else ""
        out.append((plain, f"{tokens(status.context_tokens)}{limit}"))
    if status.here or status.today:
        today = f"today {status.today or money(0)}"
        out.append((plain, f"{status.here or money(0)} {today}", today, ""))
    return out
