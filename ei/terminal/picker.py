"""A full-screen list to choose from, narrowed by typing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import Layout
from prompt_toolkit.layout.containers import HSplit, Window
from prompt_toolkit.layout.controls import BufferControl, FormattedTextControl, UIContent, UIControl
from prompt_toolkit.utils import get_cwidth

from ei.commands.base import Choice
from ei.terminal.device import Device
from ei.terminal.width import clip

_GAPS = 100
_GAPS_FROM = 3
"""Shorter words with gaps would fit nearly every row."""
_LEAST_DETAIL = 6
"""Cells below which a detail says nothing."""


class Matcher:
    """Finds rows by words typed in any order: those that hold the words, else those with gaps between letters."""

    def __init__(self, choices: Sequence[Choice]) -> None:
        self._haystacks = [f"{c.label} {c.detail} {c.group}".lower() for c in choices]
        self._labels = [c.label.lower() for c in choices]
        self._last: tuple[str, list[int]] = ("", list(range(len(choices))))

    def find(self, query: str) -> list[int]:
        """Indices of the rows that fit, best first; in the given order where they fit as well."""
        query = " ".join(query.lower().split())
        if not query:
            return list(range(len(self._haystacks)))
        before, candidates = self._last
        if not query.startswith(before):
            candidates = list(range(len(self._haystacks)))
        words = query.split()
        patterns = [re.compile(_with_gaps(word)) for word in words]
        ranked: list[tuple[int, int]] = []
        for index in candidates:
            rank = self._rank(index, words, patterns)
            if rank is not None:
                ranked.append((rank, index))
        ranked.sort()
        self._last = (query, sorted(index for _, index in ranked))
        best = [index for rank, index in ranked if rank < _GAPS]
        return best or [index for _, index in ranked]

    def _rank(self, index: int, words: Sequence[str], patterns: Sequence[re.Pattern[str]]) -> int | None:
        haystack, label = self._haystacks[index], self._labels[index]
        rank = 0
        for word, pattern in zip(words, patterns, strict=True):
            if word in label:
                rank += 0 if label.startswith(word) else 1
            elif word in haystack:
                rank += 2
            elif len(word) >= _GAPS_FROM and pattern.search(haystack):
                rank += _GAPS
            else:
                return None
        return rank


def _with_gaps(word: str) -> str:
    return "".join(f"[^{re.escape(letter)}]*{re.escape(letter)}" for letter in word)


class _List(UIControl):
    """The rows that fit the window, and only those: cost does not grow with the list."""

    def __init__(self, choices: Sequence[Choice], current: str) -> None:
        self.choices = choices
        self.current = current
        self.found: list[int] = list(range(len(choices)))
        self.at = 0
        self.height = 10
        self.grouped = True
        self._top = 0
        self._label_width = min(max((get_cwidth(c.label) for c in choices), default=0), 48)

    def chosen(self) -> Choice | None:
        return self.choices[self.found[self.at]] if self.found else None

    def move(self, by: int) -> None:
        self.at = max(0, min(self.at + by, len(self.found) - 1))

    def show(self, found: list[int], grouped: bool) -> None:
        self.found, self.grouped, self.at, self._top = found, grouped, 0, 0

    def select(self, key: str) -> None:
        for position, index in enumerate(self.found):
            if self.choices[index].key == key:
                self.at = position
                return

    def create_content(self, width: int, height: int) -> UIContent:
        self.height = height
        self._scroll(height)
        rows: list[StyleAndTextTuples] = []
        group = None
        for position in range(self._top, len(self.found)):
            if len(rows) >= height:
                break
            choice = self.choices[self.found[position]]
            if self.grouped and choice.group and choice.group != group:
                rows.append([("class:picker.group", choice.group)])
                group = choice.group
                if len(rows) >= height:
                    break
            rows.append(self._row(choice, position == self.at, width))
        if not rows:
            rows.append([("class:picker.dimmed", "  nothing fits")])
        return UIContent(get_line=lambda line: rows[line], line_count=len(rows), show_cursor=False)

    def _scroll(self, height: int) -> None:
        self._top = min(self._top, self.at)
        while self._top < self.at and self._rows_until(self.at) > height:
            self._top += max(1, (self.at - self._top) // 2 if self.at - self._top > height else 1)

    def _rows_until(self, position: int) -> int:
        """Rows from the top one to a position, headings counted; a far one counts as too many."""
        if position - self._top > 2 * self.height:
            return position
        rows, group = 0, None
        for each in range(self._top, position + 1):
            choice = self.choices[self.found[each]]
            rows += 1 + int(self.grouped and bool(choice.group) and choice.group != group)
            group = choice.group
        return rows

    def _row(self, choice: Choice, here: bool, width: int) -> StyleAndTextTuples:
        """A row as wide as the window at most; why it cannot be used says more than its detail."""
        base = "class:picker.dimmed" if choice.dimmed else "class:picker.row"
        if here:
            base += " class:picker.selected"
        mark = "●" if choice.key == self.current else " "
        label = clip(_one_line(choice.label), max(width - 3, 1))
        row: StyleAndTextTuples = [(f"{base} class:picker.mark", f"{'❯' if here else ' '}{mark} "), (base, label)]
        beside = _one_line(choice.dimmed or choice.detail)
        room = width - 3 - get_cwidth(label)
        pad = max(self._label_width - get_cwidth(label), 0) + 2
        if pad + get_cwidth(beside) > room:
            pad = 2
        if beside and room - pad >= _LEAST_DETAIL:
            style = "class:picker.reason" if choice.dimmed else "class:picker.detail"
            row.append((f"{base} {style}", " " * pad + clip(beside, room - pad)))
        return row


def _one_line(text: str) -> str:
    return " ".join(text.split())


def picker(device: Device, title: str, choices: Sequence[Choice], current: str) -> Application[str | None]:
    """The application; its result is the key that was chosen, or None.

    Enter on a dimmed row chooses it too: why it cannot be used now is told by whoever asked.
    """
    matcher = Matcher(choices)
    rows = _List(choices, current)
    rows.select(current)

    def narrow(_: Buffer) -> None:
        rows.show(matcher.find(search.text), not search.text.strip())
        if not search.text.strip():
            rows.select(current)

    search = Buffer(multiline=False, on_text_changed=narrow, name="picker")
    layout = Layout(
        HSplit(
            [
                Window(FormattedTextControl([("class:picker.title", title)]), height=1),
                Window(
                    BufferControl(search),
                    height=1,
                    get_line_prefix=lambda line, wrapped: [("class:picker.prompt", "search ❯ ")],
                ),
                Window(rows, wrap_lines=False),
                Window(
                    FormattedTextControl(
                        lambda: [
                            (
                                "class:picker.keys",
                                f"{len(rows.found)} of {len(choices)} · ↑↓ PgUp PgDn move · Enter chooses · Esc leaves",
                            )
                        ]
                    ),
                    height=1,
                ),
            ]
        ),
        focused_element=search,
    )
    return device.page(layout, _bindings(rows))


_MOVES: Mapping[str, int] = {"up": -1, "c-p": -1, "down": 1, "c-n": 1, "tab": 1, "s-tab": -1}


def _bindings(rows: _List) -> KeyBindings:
    keys = KeyBindings()

    def moves(names: Iterable[str], by: int) -> None:
        for name in names:

            @keys.add(name, eager=True)
            def _(event: KeyPressEvent, by: int = by) -> None:
                rows.move(by)

    for name, by in _MOVES.items():
        moves((name,), by)

    @keys.add("pageup", eager=True)
    def _(event: KeyPressEvent) -> None:
        rows.move(-max(rows.height - 1, 1))

    @keys.add("pagedown", eager=True)
    def _(event: KeyPressEvent) -> None:
        rows.move(max(rows.height - 1, 1))

    @keys.add("c-home", eager=True)
    def _(event: KeyPressEvent) -> None:
        rows.move(-len(rows.choices))

    @keys.add("c-end", eager=True)
    def _(event: KeyPressEvent) -> None:
        rows.move(len(rows.choices))

    @keys.add("enter", eager=True)
    @keys.add("c-j", eager=True)
    def _(event: KeyPressEvent) -> None:
        chosen = rows.chosen()
        if chosen is not None:
            event.app.exit(result=chosen.key)

    @keys.add("escape", eager=True)
    @keys.add("c-c", eager=True)
    @keys.add("c-g", eager=True)
    def _(event: KeyPressEvent) -> None:
        event.app.exit(result=None)

    return keys
