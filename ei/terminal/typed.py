"""What was typed before, for the Up key and Ctrl-R."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from prompt_toolkit.history import History


class Typed(History):
    """What was typed before, loaded once the screen is drawn; keeping it is up to who gets the text.

    load: gives what earlier sessions left, the newest last.
    """

    def __init__(self, load: Callable[[], Sequence[str]]) -> None:
        super().__init__()
        self._load = load

    def remember(self, text: str) -> None:
        """Adds what was sent, unless it is the same again."""
        if self.get_strings()[-1:] != [text]:
            self.append_string(text)

    def load_history_strings(self) -> Iterable[str]:
        return reversed(self._load())

    def store_string(self, string: str) -> None:
        """Nothing: on_submit keeps it."""
