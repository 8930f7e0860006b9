"""Completion: a plain function adapted to prompt_toolkit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

Complete = Callable[[str], Sequence[tuple[str, str, int]]]
"""Text before the cursor -> (word, what it means, where in that text the word begins)."""


class FunctionCompleter(Completer):
    """Offers what the function gives. Only lines that are one line long are completed by it."""

    def __init__(self, complete: Complete) -> None:
        self._complete = complete

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        before = document.text_before_cursor
        for word, meaning, start in self._complete(before):
            yield Completion(word, start_position=min(start - len(before), 0), display_meta=meaning)
