"""Rows of a full-screen page of which those that stay as they are cost nothing to draw again."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Sequence

from prompt_toolkit.application.current import get_app
from prompt_toolkit.layout.containers import Container
from prompt_toolkit.layout.dimension import Dimension
from prompt_toolkit.layout.mouse_handlers import MouseHandlers
from prompt_toolkit.layout.screen import _CHAR_CACHE, Char, Screen, WritePosition

from ei.terminal.width import clusters

Row = tuple[tuple[str, str], ...]
"""(style, text) of the parts of a row; no control characters, nothing wider than the window."""

_BLANK = Char(" ", "")


class _Cells(dict[int, Char]):
    """The cells of a row as prompt_toolkit's renderer compares them.

    still: it stands where it stood, so that there is nothing to compare: the renderer looks as far as the last of the
    items, of which there are none then.
    """

    __slots__ = ("still",)

    def __init__(self, row: Row) -> None:
        self.still = False
        cells: list[Char] = []
        for style, text in row:
            if text.isascii():
                cells += [_CHAR_CACHE[char, style] for char in text]
                continue
            for cluster in clusters(text):
                char = _CHAR_CACHE[cluster, style]
                cells.append(char)
                cells += [_CHAR_CACHE["", style]] * (char.width - 1)
        super().__init__(enumerate(cells))

    def __missing__(self, column: int) -> Char:
        return _BLANK

    def items(self) -> ItemsView[int, Char]:  # type: ignore[override]
        nothing: dict[int, Char] = {}
        return nothing.items() if self.still else super().items()


class StillRows(Container):
    """Draws rows over the whole width: what `rows` gives for (width, height), at least `least` of them.

    most: how many there may be for a width; None where they take all that is left.
    """

    def __init__(
        self, rows: Callable[[int, int], Sequence[Row]], least: int = 1, most: Callable[[int], int] | None = None
    ) -> None:
        self._rows = rows
        self._least = least
        self._most = most
        self._drawn: dict[int, tuple[Row, _Cells]] = {}
        self._width = 0

    def reset(self) -> None:
        self._drawn = {}

    def preferred_width(self, max_available_width: int) -> Dimension:
        return Dimension()

    def preferred_height(self, width: int, max_available_height: int) -> Dimension:
        return Dimension(min=self._least) if self._most is None else Dimension.exact(self._most(width))

    def write_to_screen(
        self,
        screen: Screen,
        mouse_handlers: MouseHandlers,
        write_position: WritePosition,
        parent_style: str,
        erase_bg: bool,
        z_index: int | None,
    ) -> None:
        app, width, height = get_app(), write_position.width, write_position.height
        drawn, self._drawn = self._drawn, {}
        # All is drawn anew where the renderer does so, too.
        anew = app.is_done or app.renderer.last_rendered_screen is None or width != self._width
        self._width = width
        for _, cells in drawn.values():
            cells.still = False
        for y, row in enumerate(self._rows(width, height)[:height], write_position.ypos):
            before = drawn.get(y)
            if before is not None and before[0] == row and not anew:
                cells = before[1]
                cells.still = True
            else:
                cells = _Cells(row)
            self._drawn[y] = (row, cells)
            screen.data_buffer[y] = cells  # type: ignore[assignment]
        screen.height = max(screen.height, write_position.ypos + height)

    def get_children(self) -> list[Container]:
        return []
