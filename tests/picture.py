"""Makes tests/picture.svg, the README's picture: the real program on a pseudo-terminal, talking with stand-in servers.

python -m tests.picture [FILE]
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

from pyte.screens import Char

from tests.bench_session import NOBODY
from tests.drive import Terminal
from tests.wire import Answer, Request, WireServer

COLUMNS, ROWS = 96, 35
LENA, MIKE = "google:gemini-2.5-pro", "local:google/gemma-3-12b"

STORY = (
    "Once, a puddle held the whole street **upside down**, and a girl in one wet sock stepped over the baker's "
    "chimney so as not to wake him. He heard her anyway, and put a second cup on the table."
)
SOCK = (
    "It hung on the baker's oven door until Thursday, smelling of rye. She never asked for it back; he never offered. "
    "By spring it had a pair, and nobody could say who had knitted it."
)
GUTTER = """Cheap check first.

1. **Bucket** under the drip, so the step stays dry.
2. Look along the joint while it rains. Wet underneath: the **seal** is gone, four euros.
3. Leaves in the outlet? Pull them out by hand, and have somebody hold the ladder."""
BUCKET = "Twenty-eight times the bucket went down the garden, and the **twenty-ninth** it came back with a frog"

TALK = {
    "The rain finally stopped. Tell me two sentences about it?": Answer(STORY, delay=0.02, usage=(612, 48)),
    "And what became of the sock?": Answer(SOCK, delay=0.03, first_delay=0.3, usage=(688, 51)),
    "The gutter drips on my doorstep. What first?": Answer(GUTTER, delay=0.01, first_delay=0.3, usage=(540, 67)),
    "a last line for the bucket?": Answer(BUCKET + ", which stayed. " + "And so on. " * 200, delay=0.03),
}

# The look of the window; the rows inside are drawn from the emulator's cells.
CELL, LINE, SIZE, MARGIN, BAR = 8.43, 19.0, 14.0, 18.0, 40.0
PAPER, INK, EDGE = "#15181e", "#d0d3d8", "#2c313a"
FONTS = "ui-monospace, SFMono-Regular, 'SF Mono', Menlo, Consolas, 'Liberation Mono', 'DejaVu Sans Mono', monospace"
BASIC = {
    "black": "#3b4252", "red": "#e06c75", "green": "#98c379", "brown": "#e5c07b", "blue": "#61afef",
    "magenta": "#c678dd", "cyan": "#56b6c2", "white": "#d0d3d8",
}  # fmt: skip


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("picture.svg")
    with tempfile.TemporaryDirectory() as home, WireServer() as server:
        draw(path, Path(home), server)


def draw(path: Path, home: Path, server: WireServer) -> None:
    """Plays the scene with its files in `home`, answered by `server`, and writes the picture."""
    server.always(lambda request: TALK[asked(request)])
    cells, cursor = scene(home, server)
    path.write_text(svg(cells, cursor), encoding="utf-8")


def asked(request: Request) -> str:
    """The line of the scene that a request ends with."""
    last = request.messages[-1][1]
    return max(TALK, key=last.rfind)


def scene(home: Path, server: WireServer) -> tuple[list[list[Char]], tuple[int, int]]:
    """Types the scene; gives the screen's cells at its end, and where the cursor stands."""
    with program(home, server) as first:  # the first screen is a page of its own
        first.wait_for("Welcome")
        for line in ("/persona lena", f"/model {LENA}"):
            enter(first, line)
        first.wait_for("Model for lena set to")
        enter(first, "/quit")
        first.wait_exit()
    story, sock, gutter, bucket = TALK
    with program(home, server) as terminal:
        terminal.wait_for("── lena")
        enter(terminal, story)
        terminal.wait_for("↑612")
        enter(terminal, sock)
        terminal.wait_for("Thursday")
        enter(terminal, "/persona mike")
        terminal.wait_for("── mike")
        enter(terminal, f"/model {MIKE}")
        terminal.wait_for(f"Model for mike set to: {MIKE}")
        enter(terminal, gutter)
        terminal.wait_for("↑540", 20)
        terminal.wait_for("lena ●1", 20)
        enter(terminal, f"@lena {bucket}")
        terminal.wait_for("Twenty-eight")
        terminal.type("and mike, does rain water keep")
        terminal.wait_for("a frog")
        terminal.wait_for("water keep")
        return terminal.cells, terminal.cursor


def program(home: Path, server: WireServer) -> Terminal:
    """The program on a terminal of its own, with its folders in `home` and every provider it may ask stood in for."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT") if name in os.environ}
    environment = kept | {
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "EI_DATA_PATH": str(home / "data"),
        "EI_CONFIG": str(home / "config"),
        "EI_LLM_BASE_URL": server.url,
        "EI_GOOGLE_BASE_URL": server.url,
        "EI_GOOGLE_API_KEY": "a-stand-in",
        "EI_OLLAMA_BASE_URL": NOBODY,
        "EI_MODELS_SYNC": "off",
    }
    return Terminal([sys.executable, "-m", "ei"], COLUMNS, ROWS, environment, home)


def enter(terminal: Terminal, line: str) -> None:
    terminal.type(line)
    terminal.press("enter")


@dataclass(frozen=True, slots=True)
class Run:
    """Cells side by side that look the same. column: where it begins; width: in cells."""

    column: int
    width: int
    text: str
    ink: str
    paper: str
    style: str


def runs(row: Sequence[Char]) -> Iterator[Run]:
    """A row as runs; the blanks at its end are left out where nothing is behind them."""
    column = 0
    for (ink, paper, style), same in groupby(row, look):
        cells = list(same)
        text = "".join(cell.data for cell in cells)
        if text.strip() or paper:
            yield Run(column, len(cells), text, ink, paper, style)
        column += len(cells)


def look(cell: Char) -> tuple[str, str, str]:
    """(colour, colour behind or "", CSS declarations) of a cell."""
    ink, paper = colour(cell.fg) or INK, colour(cell.bg)
    if cell.reverse:
        ink, paper = paper or PAPER, ink
    marks = [mark for on, mark in ((cell.underscore, "underline"), (cell.strikethrough, "line-through")) if on]
    style = "font-weight:bold;" * cell.bold + "font-style:italic;" * cell.italics
    return ink, paper, style + (f"text-decoration:{' '.join(marks)};" if marks else "")


def colour(name: str) -> str:
    """pyte's name of a colour as CSS has it; "" for the default."""
    if name == "default":
        return ""
    return BASIC.get(name.removeprefix("bright"), f"#{name}")


def svg(rows: Sequence[Sequence[Char]], cursor: tuple[int, int]) -> str:
    """The rows in a window, as an SVG that needs no font of its own: each run is stretched to its cells."""
    width, height = COLUMNS * CELL + 2 * MARGIN, len(rows) * LINE + BAR + MARGIN
    out = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
            f'height="{height:.0f}" role="img" aria-label="ei in a terminal: two personas, each with its own model">'
        ),
        (
            f'<rect x="0.5" y="0.5" width="{width - 1:.0f}" height="{height - 1:.0f}" rx="9" fill="{PAPER}" '
            f'stroke="{EDGE}"/>'
        ),
        *(f'<circle cx="{22 + 20 * n}" cy="20" r="6" fill="#3a404b"/>' for n in range(3)),
        f'<g font-family="{FONTS}" font-size="{SIZE:g}" xml:space="preserve" style="white-space:pre">',
    ]
    for y, row in enumerate(rows):
        top = BAR + y * LINE
        for run in runs(row):
            x, wide = MARGIN + run.column * CELL, run.width * CELL
            if run.paper:
                out.append(f'<rect x="{x:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{LINE:g}" fill="{run.paper}"/>')
            out += words(run, top + LINE * 0.72)
    column, line = cursor
    out.append(
        f'<rect x="{MARGIN + column * CELL:.1f}" y="{BAR + line * LINE + 1.5:.1f}" width="{CELL:g}" '
        f'height="{LINE - 3:g}" fill="{INK}" opacity="0.75"/>'
    )
    return "\n".join([*out, "</g>", "</svg>"]) + "\n"


def words(run: Run, baseline: float) -> Iterator[str]:
    """The run's text without the blanks around it, as wide as its cells are."""
    text = run.text.strip()
    if not text:
        return
    column = run.column + len(run.text) - len(run.text.lstrip())
    blanks = len(run.text) - len(text)
    style = f' style="{run.style}"' if run.style else ""
    yield (
        f'<text x="{MARGIN + column * CELL:.1f}" y="{baseline:.1f}" textLength="{(run.width - blanks) * CELL:.1f}" '
        f'lengthAdjust="spacingAndGlyphs" fill="{run.ink}"{style}>{escape(text)}</text>'
    )


if __name__ == "__main__":
    main()
