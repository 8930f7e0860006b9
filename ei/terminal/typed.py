"""What was typed before, for the Up key and Ctrl-R."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from prompt_toolkit.history import History


class Typed(History):
    """What was typed before, loaded when the person first asks for it; keeping it is up to who gets the text."""

    def __init__(self, load: Callable[[], Sequence[str]]) -> None:
        super().__init__()
        self._load = load

    def load_history_strings(self) -> Iterable[str]:
        return reversed(self._load())

    def store_string(self, string: str) -> None:
        """Nothing: on_submit keeps it."""
