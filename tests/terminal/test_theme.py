"""Themes: every style can be read on its background, and a persona keeps her colour."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ei.terminal.theme import PLAIN, Background, Depth, Look, Theme, depth_of, fragments, rgb, theme

BACKGROUNDS: dict[Background, tuple[tuple[int, int, int], ...]] = {
    "dark": ((0, 0, 0), (0x1E, 0x1E, 0x1E), (0x28, 0x2A, 0x36), (0x30, 0x0A, 0x24), (0x00, 0x2B, 0x36)),
    "light": ((0xFF, 0xFF, 0xFF), (0xFA, 0xFA, 0xFA), (0xFD, 0xF6, 0xE3)),
}


def luminance(colour: tuple[int, int, int]) -> float:
    """WCAG 2.1, relative luminance."""
    red, green, blue = (
        part / 255 / 12.92 if part / 255 <= 0.04045 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in colour
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("background", ["dark", "light"])
def test_every_colour_can_be_read_on_the_usual_backgrounds(background: Background) -> None:
    """WCAG asks for 4.5 to 1."""
    used = theme(background)
    for look in (*used.looks.values(), *used.personas):
        if look.index is not None:
            behind = (rgb(look.behind),) if look.behind is not None else BACKGROUNDS[background]
            assert min(contrast(rgb(look.index), other) for other in behind) >= 4.5, look


def test_the_palette_is_the_one_of_xterm() -> None:
    assert [rgb(index) for index in (16, 21, 117, 231, 232, 255)] == [
        (0, 0, 0),
        (0, 0, 255),
        (135, 215, 255),
        (255, 255, 255),
        (8, 8, 8),
        (238, 238, 238),
    ]


@pytest.mark.parametrize(("depth", "sgr"), [("256", "1;4;38;5;117"), ("16", "1;4;96"), ("none", "")])
def test_a_style_is_written_for_each_depth_of_colour(depth: Depth, sgr: str) -> None:
    assert theme("dark", depth).sgr("heading.1") == sgr


def test_plain_has_no_escapes() -> None:
    assert theme("light", "none") is PLAIN
    assert PLAIN.paint("x", "error") == "x"
    assert PLAIN.persona("lena") == ""
    assert set(PLAIN.looks) == set(theme().looks) == set(theme("light").looks)


def test_styles_add_up() -> None:
    assert theme().sgr("plain", "bold", "link") == "1;4;38;5;117"
    assert theme().paint("x", "bold", "italic") == "\x1b[1;3mx\x1b[0m"


def test_the_shipped_personas_have_four_colours() -> None:
    for used in (theme("dark"), theme("light")):
        assert len({used.persona(name) for name in ("ei", "mike", "lena", "beta")}) == 4


def test_a_persona_keeps_her_colour_in_every_run() -> None:
    code = "from ei.terminal.theme import theme; print(theme().persona('lena'))"
    runs = {subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(2)}
    assert runs == {f"{theme().persona('lena')}\n".encode()}


def test_two_personas_on_one_colour_get_two() -> None:
    names = [f"persona{number}" for number in range(9)]
    used = theme()
    assert len({used.persona(name, names) for name in names}) == 9
    assert used.persona(names[0], names) == used.persona(names[0])
    assert used.persona("Lena") == used.persona("lena")


def test_a_style_means_the_same_to_prompt_toolkit() -> None:
    assert theme().prompt_styles()["heading"] == "bold #87d7ff"
    assert theme("dark", "16").prompt_styles()["toolbar"] == "ansigray bg:ansiblack"
    assert theme("dark", "16").prompt_styles()["error"] == "ansibrightred"
    assert PLAIN.prompt_styles()["error"] == ""


def test_prompt_toolkit_accepts_every_style() -> None:
    code = (
        "from prompt_toolkit.styles import Style\n"
        "from ei.terminal.theme import theme\n"
        "for ground in ('dark', 'light'):\n"
        "    for depth in ('256', '16', 'none'):\n"
        "        used = theme(ground, depth)\n"
        "        style = Style.from_dict(used.prompt_styles())\n"
        "        for name in used.looks: style.get_attrs_for_style_str('class:' + name)\n"
        "        for name in ('ei', 'x'): Style.from_dict({'p': used.persona_style(name)})\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_painted_row_becomes_fragments() -> None:
    used = theme()
    row = "  " + used.paint("lena", "heading") + " hi " + used.paint("x", "strike")
    assert fragments(row) == [("", "  "), ("bold #87d7ff", "lena"), ("", " hi "), ("strike", "x")]
    assert fragments("") == []


@pytest.mark.parametrize(
    ("environ", "depth"),
    [
        ({"TERM": "xterm-256color"}, "256"),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, "256"),
        ({"TERM": "xterm-kitty"}, "256"),
        ({"TERM": "linux"}, "16"),
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, "none"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "none"),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, "256"),
    ],
)
def test_the_environment_says_what_colours_there_are(environ: dict[str, str], depth: Depth) -> None:
    assert depth_of(environ) == depth


def test_themes_are_values() -> None:
    assert theme() == Theme("dark", "256", theme().looks, theme().personas)
    assert Look(117, 96).sgr("256") == "38;5;117"
