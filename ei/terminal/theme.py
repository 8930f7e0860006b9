"""Themes: what each named style looks like on a dark and on a light background, and as plain text.

A colour is a pair: an index into the fixed part of the 256-colour palette (16 to 255, the same RGB in every terminal)
and, for terminals with 16 colours, the SGR code of a basic one, whose RGB the person's own settings choose.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Literal

from ei.terminal.width import walked

Depth = Literal["256", "16", "none"]
Background = Literal["dark", "light"]


@dataclass(frozen=True, slots=True)
class Look:
    """One style: a palette index and a basic SGR code (30-37, 90-97) for the text, the same behind it, attributes."""

    index: int | None = None
    basic: int | None = None
    bold: bool = False
    italic: bool = False
    underline: bool = False
    strike: bool = False
    behind: int | None = None
    basic_behind: int | None = None

    def sgr(self, depth: Depth) -> str:
        """The SGR parameters, such as "1;38;5;75"; "" where nothing is to be set (ECMA-48, xterm's 38;5)."""
        if depth == "none":
            return ""
        flags = ((self.bold, "1"), (self.italic, "3"), (self.underline, "4"), (self.strike, "9"))
        codes = [code for on, code in flags if on]
        if depth == "256":
            codes += [f"38;5;{self.index}"] if self.index is not None else []
            codes += [f"48;5;{self.behind}"] if self.behind is not None else []
        else:
            codes += [str(self.basic)] if self.basic is not None else []
            codes += [str(self.basic_behind + 10)] if self.basic_behind is not None else []
        return ";".join(codes)

    def prompt(self, depth: Depth) -> str:
        """The same as a prompt_toolkit style string."""
        return _prompt(self.sgr(depth))


@dataclass(frozen=True)
class Theme:
    """Named styles for one background and one depth of colour."""

    name: str
    depth: Depth
    looks: Mapping[str, Look] = field(repr=False)
    personas: tuple[Look, ...] = field(repr=False)

    @cached_property
    def codes(self) -> Mapping[str, str]:
        """Style name -> SGR parameters."""
        return MappingProxyType({name: look.sgr(self.depth) for name, look in self.looks.items()})

    def sgr(self, *names: str) -> str:
        """The SGR parameters of these styles together, later ones winning; an unknown name is a KeyError."""
        return ";".join(code for name in names if (code := self.codes[name]))

    def paint(self, text: str, *names: str) -> str:
        """text in these styles, with a reset at its end."""
        return painted(text, self.sgr(*names))

    def persona(self, name: str, among: Sequence[str] = ()) -> str:
        """The SGR parameters of a persona's name: bold, in a colour that stays hers in each theme.

        among: the personas that exist, so that two whose names fall on one colour get two; the earlier one keeps it.
        """
        return self.personas[_slot(name, tuple(among), len(self.personas))].sgr(self.depth)

    def persona_style(self, name: str, among: Sequence[str] = ()) -> str:
        """The same as a prompt_toolkit style string."""
        return self.personas[_slot(name, tuple(among), len(self.personas))].prompt(self.depth)

    def prompt_styles(self) -> dict[str, str]:
        """Class name -> prompt_toolkit style string, for `Style.from_dict`."""
        return {name: look.prompt(self.depth) for name, look in self.looks.items()}


def theme(background: Background = "dark", depth: Depth = "256") -> Theme:
    """The theme for a background; depth "none" (NO_COLOR, a dumb terminal, a pipe) is plain text."""
    if depth == "none":
        return PLAIN
    looks, personas = (_DARK, _DARK_PERSONAS) if background == "dark" else (_LIGHT, _LIGHT_PERSONAS)
    return Theme(background, depth, MappingProxyType(looks), personas)


def depth_of(environ: Mapping[str, str], *, windows: bool = False) -> Depth:
    """What colours a terminal shows, by its environment (no-color.org; COLORTERM and TERM as terminals set them)."""
    term = environ.get("TERM", "")
    if environ.get("NO_COLOR") or term == "dumb":
        return "none"
    if environ.get("COLORTERM") in ("truecolor", "24bit") or environ.get("WT_SESSION") or "256" in term or windows:
        return "256"
    modern = ("kitty", "alacritty", "foot", "wezterm", "ghostty", "iterm", "direct")
    return "256" if any(name in term for name in modern) else "16"


def painted(text: str, sgr: str) -> str:
    """text in SGR parameters, with a reset at its end; without parameters text itself."""
    return f"\x1b[{sgr}m{text}\x1b[0m" if sgr and text else text


def fragments(row: str) -> list[tuple[str, str]]:
    """A row as this package draws it (text and SGR sequences) as prompt_toolkit's formatted text."""
    found: list[tuple[str, str]] = []
    first, *rest = row.split("\x1b[")
    if first:
        found.append(("", walked(first)))
    for part in rest:
        sgr, _, text = part.partition("m")
        if text:
            found.append((_prompt(sgr), walked(text)))
    return found


def rgb(index: int) -> tuple[int, int, int]:
    """The RGB of a palette index from 16 to 255 (xterm's 256-colour chart)."""
    if index >= 232:
        grey = 8 + 10 * (index - 232)
        return grey, grey, grey
    red, rest = divmod(index - 16, 36)
    green, blue = divmod(rest, 6)
    return _STEPS[red], _STEPS[green], _STEPS[blue]


_STEPS = (0, 95, 135, 175, 215, 255)
_ANSI = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "gray")
_ANSI_BRIGHT = (
    "ansibrightblack",
    "ansibrightred",
    "ansibrightgreen",
    "ansibrightyellow",
    "ansibrightblue",
    "ansibrightmagenta",
    "ansibrightcyan",
    "ansiwhite",
)
_WORDS = {"1": "bold", "3": "italic", "4": "underline", "7": "reverse", "9": "strike"}


@lru_cache(maxsize=512)
def _prompt(sgr: str) -> str:
    """SGR parameters as a prompt_toolkit style string; those that `Look.sgr` never writes are left out."""
    words: list[str] = []
    codes = iter(sgr.split(";"))
    for code in codes:
        if code in _WORDS:
            words.append(_WORDS[code])
        elif code in ("38", "48"):
            next(codes, "")
            colour = "#{:02x}{:02x}{:02x}".format(*rgb(int(next(codes, "16"))))
            words.append(colour if code == "38" else f"bg:{colour}")
        elif code.isdecimal() and int(code) >= 30:
            tens, unit = divmod(int(code), 10)
            name = _ANSI_BRIGHT[unit] if tens >= 9 else f"ansi{_ANSI[unit]}"
            words.append(name if tens in (3, 9) else f"bg:{name}")
    return " ".join(words)


@lru_cache(maxsize=256)
def _slot(name: str, among: tuple[str, ...], slots: int) -> int:
    """Which colour a name has. A hash of its own: Python's differs from run to run."""
    taken: set[int] = set()
    wanted = name.casefold()
    for other in (*dict.fromkeys(known.casefold() for known in among), wanted):
        slot = zlib.crc32(other.encode("utf-8", "replace")) % slots
        while slot in taken and len(taken) < slots:
            slot = (slot + 1) % slots
        taken.add(slot)
        if other == wanted:
            return slot
    raise AssertionError("unreachable: the name itself is the last of those walked")


_PERSONA_COLOURS = (
    # on dark, basic; on light, basic
    (216, 93, 94, 33),  # apricot
    (183, 95, 90, 35),  # lavender
    (211, 91, 125, 31),  # rose
    (209, 91, 124, 31),  # coral
    (150, 92, 22, 32),  # leaf
    (116, 96, 23, 36),  # teal
    (147, 94, 56, 34),  # periwinkle
    (117, 96, 25, 34),  # sky
    (222, 93, 58, 33),  # gold
)
_DARK_PERSONAS = tuple(Look(dark, basic, bold=True) for dark, basic, _, _ in _PERSONA_COLOURS)
_LIGHT_PERSONAS = tuple(Look(light, basic, bold=True) for _, _, light, basic in _PERSONA_COLOURS)

_PAIRS: dict[str, tuple[Look, Look]] = {
    "plain": (Look(), Look()),
    "dim": (Look(247, 37), Look(241, 90)),
    "good": (Look(114, 92), Look(22, 32)),
    "warn": (Look(221, 93), Look(94, 33)),
    "error": (Look(210, 91), Look(124, 31)),
    "title": (Look(bold=True), Look(bold=True)),
    "accent": (Look(117, 96), Look(25, 34)),
    "user": (Look(255, 97, bold=True), Look(235, 30, bold=True)),
    "meta": (Look(247, 37), Look(241, 90)),
    "rule": (Look(247, 37), Look(241, 90)),
    "queued": (Look(247, 37, italic=True), Look(241, 90, italic=True)),
    "reasoning": (Look(247, 37, italic=True), Look(241, 90, italic=True)),
    "marker": (Look(117, 96, bold=True), Look(25, 34, bold=True)),
    "prompt": (Look(117, 96, bold=True), Look(25, 34, bold=True)),
    "toolbar": (Look(250, 37, behind=236, basic_behind=30), Look(238, 30, behind=254, basic_behind=37)),
    "toolbar.strong": (
        Look(255, 97, bold=True, behind=236, basic_behind=30),
        Look(233, 30, bold=True, behind=254, basic_behind=37),
    ),
    "toolbar.warn": (Look(221, 93, behind=236, basic_behind=30), Look(88, 31, behind=254, basic_behind=37)),
    # markdown
    "bold": (Look(bold=True), Look(bold=True)),
    "italic": (Look(italic=True), Look(italic=True)),
    "strike": (Look(strike=True), Look(strike=True)),
    "code": (Look(223, 93), Look(94, 35)),
    "block": (Look(), Look()),
    "heading": (Look(117, 96, bold=True), Look(25, 34, bold=True)),
    "heading.1": (Look(117, 96, bold=True, underline=True), Look(25, 34, bold=True, underline=True)),
    "quote": (Look(250, 37, italic=True), Look(240, 90, italic=True)),
    "bar": (Look(247, 37), Look(241, 90)),
    "bullet": (Look(117, 96), Look(25, 34)),
    "link": (Look(117, 96, underline=True), Look(25, 34, underline=True)),
    "url": (Look(247, 37), Look(241, 90)),
    "label": (Look(247, 37), Look(241, 90)),
    "table.head": (Look(bold=True), Look(bold=True)),
    # tokens of code, by the names of Pygments' token types in lower case
    "token.comment": (Look(247, 37, italic=True), Look(241, 90, italic=True)),
    "token.keyword": (Look(183, 95), Look(90, 35)),
    "token.keyword.constant": (Look(216, 93), Look(94, 33)),
    "token.string": (Look(150, 92), Look(22, 32)),
    "token.string.doc": (Look(150, 92, italic=True), Look(22, 32, italic=True)),
    "token.number": (Look(216, 93), Look(94, 33)),
    "token.operator.word": (Look(183, 95), Look(90, 35)),
    "token.name.function": (Look(117, 96), Look(25, 34)),
    "token.name.class": (Look(222, 93, bold=True), Look(58, 33, bold=True)),
    "token.name.decorator": (Look(222, 93), Look(58, 33)),
    "token.name.builtin": (Look(116, 96), Look(23, 36)),
    "token.name.tag": (Look(117, 96), Look(25, 34)),
    "token.name.attribute": (Look(222, 93), Look(58, 33)),
    "token.name.variable": (Look(116, 96), Look(23, 36)),
    "token.name.exception": (Look(210, 91), Look(124, 31)),
    "token.generic.deleted": (Look(210, 91), Look(124, 31)),
    "token.generic.inserted": (Look(114, 92), Look(22, 32)),
    "token.generic.heading": (Look(117, 96, bold=True), Look(25, 34, bold=True)),
    "token.generic.subheading": (Look(117, 96), Look(25, 34)),
    "token.generic.prompt": (Look(247, 37), Look(241, 90)),
    "token.generic.output": (Look(250, 37), Look(240, 90)),
    "token.generic.emph": (Look(italic=True), Look(italic=True)),
    "token.generic.strong": (Look(bold=True), Look(bold=True)),
}
_DARK = {name: pair[0] for name, pair in _PAIRS.items()}
_LIGHT = {name: pair[1] for name, pair in _PAIRS.items()}

PLAIN = Theme("plain", "none", MappingProxyType(dict.fromkeys(_PAIRS, Look())), (Look(),) * len(_PERSONA_COLOURS))
