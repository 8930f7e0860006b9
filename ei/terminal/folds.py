"""Long pastes in the input line: shown as one word, sent as they are."""

from __future__ import annotations

from bisect import bisect_right

from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.formatted_text.utils import fragment_list_to_text
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput

from ei.terminal.width import clusters, walked

FOLD_LINES = 8
FOLD_CHARACTERS = 2000
_FIRST = 0x100000
"""Folds stand in the buffer as characters of the last private-use plane, so that one key deletes one."""


class Folds:
    """The pastes that are folded now."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def fold(self, text: str) -> str:
        """What to insert for a paste: the text itself, or one character that stands for it when it is long."""
        if text.count("\n") < FOLD_LINES and len(text) <= FOLD_CHARACTERS and not self._holds(text):
            return text
        text = self.expand(text)
        code = _FIRST
        while chr(code) in self._texts or chr(code) in text:
            code += 1
        self._texts[chr(code)] = text
        return chr(code)

    def expand(self, text: str) -> str:
        """A text with every fold opened."""
        for character, full in self._texts.items():
            text = text.replace(character, full)
        return text

    def clear(self) -> None:
        """Forgets all folds, once the text is sent."""
        self._texts.clear()

    def label(self, character: str) -> str:
        """What is shown for a fold, "" for any other character."""
        text = self._texts.get(character)
        if text is None:
            return ""
        lines = text.count("\n") + (not text.endswith("\n"))
        return f"[pasted {lines} lines]" if lines > 1 else f"[pasted {len(text)} characters]"

    def _holds(self, text: str) -> bool:
        return any(character in text for character in self._texts)


class FoldProcessor(Processor):
    """Draws each fold as its label and each cluster of code points (an emoji family) as one character.

    It comes last: what follows would take the clusters apart. The cursor's column stays right.
    """

    def __init__(self, folds: Folds, style: str = "class:fold") -> None:
        self._folds = folds
        self._style = style

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        fragments = transformation_input.fragments
        text = fragment_list_to_text(fragments)
        if walked(text) is text and not any(map(self._folds.label, text)):
            return Transformation(fragments)
        styles = [style for style, part, *_ in fragments for _ in part]
        shown: StyleAndTextTuples = []
        columns: list[int] = []  # for each code point of the source where it is drawn
        column = 0
        for cluster in clusters(text):
            style = styles[len(columns)]
            columns += [column] * len(cluster)
            if label := self._folds.label(cluster):
                shown.append((f"{style} {self._style}", label))
                column += len(label)
            else:
                shown.append((style, walked(cluster)))
                column += 1
        end = len(columns)

        def to_display(source: int) -> int:
            return columns[source] if source < end else column + source - end

        def to_source(display: int) -> int:
            return bisect_right(columns, display) - 1 if display < column else end + display - column

        return Transformation(shown, source_to_display=to_display, display_to_source=to_source)
