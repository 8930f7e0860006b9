"""What was typed before, for the Up key and Ctrl-R."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

from prompt_toolkit.history import History

_PAUSE = 0.2
_TRIES = 50


class Typed(History):
    """What was typed before; keeping it is up to who gets the text.

    load: gives what earlier sessions left, the newest last. It is asked once the screen is drawn, and again for a
    while as long as it gives nothing: what keeps it may still be on its way.
    """

    def __init__(self, load: Callable[[], Sequence[str]]) -> None:
        super().__init__()
        self._load = load

    def remember(self, text: str) -> None:
        """Adds what was sent, unless it is the same again."""
        if self._loaded_strings[:1] != [text]:
            self.append_string(text)

    async def load(self) -> AsyncGenerator[str, None]:
        """The texts, the newest first."""
        recent = list(self._loaded_strings)
        for text in recent:
            yield text
        if self._loaded:
            return
        tries = 0
        while not (earlier := list(self.load_history_strings())) and tries < _TRIES:
            tries += 1
            await asyncio.sleep(_PAUSE)
        self._loaded = True
        # Who keeps what was sent may have kept what this session sent already.
        earlier = [text for text in earlier if text not in recent]
        self._loaded_strings.extend(earlier)
        for text in earlier:
            yield text

    def load_history_strings(self) -> Iterable[str]:
        return reversed(self._load())

    def store_string(self, string: str) -> None:
        """Nothing: who gets the text keeps it."""
