"""Questions that wait above the input line while typing goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from prompt_toolkit.formatted_text import StyleAndTextTuples

from ei.terminal.width import cell_width, wrap

BAR = "▌ "
"""What stands before each row of a card."""

GRACE_SECONDS = 0.4
"""A key that was already on its way when a card came up does not answer it."""


@dataclass(eq=False, slots=True)
class Card:
    """One question. answer: the future that yes or no settles."""

    question: str
    details: tuple[str, ...]
    answer: asyncio.Future[bool]
    shown_at: float = field(default=0.0)


class Cards:
    """The questions that wait, the oldest first. changed: called when something has to be drawn again."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._waiting: list[Card] = []
        self._changed = changed

    @property
    def current(self) -> Card | None:
        """The question that the next answer is for."""
        return self._waiting[0] if self._waiting else None

    async def ask(self, question: str, details: Sequence[str]) -> bool:
        """Waits for yes or no; the card goes away when the caller is cancelled."""
        loop = asyncio.get_running_loop()
        card = Card(question, tuple(details), loop.create_future())
        self._waiting.append(card)
        self._show_first()
        try:
            return await card.answer
        finally:
            self._waiting.remove(card)
            self._show_first()

    def answer(self, yes: bool) -> bool:
        """Answers the oldest card; False when none waits."""
        card = next((card for card in self._waiting if not card.answer.done()), None)
        if card is None:
            return False
        card.answer.set_result(yes)
        return True

    def takes_keys(self) -> bool:
        """Whether a plain y or n answers now."""
        card = self.current
        return card is not None and asyncio.get_running_loop().time() - card.shown_at >= GRACE_SECONDS

    def cancel(self, error: Exception) -> None:
        """Ends every waiting question with an error."""
        for card in self._waiting:
            if not card.answer.done():
                card.answer.set_exception(error)

    def fragments(self, most: int, width: int) -> StyleAndTextTuples:
        """The oldest card, drawn for a terminal of width cells, with at most so many details."""
        card = self.current
        if card is None:
            return []
        width -= cell_width(BAR)
        rows: StyleAndTextTuples = [("class:card.question", "\n".join(wrap(card.question, width)))]
        details = list(card.details)
        if len(details) > most:
            kept = max(most - 1, 0)
            details = [*details[:kept], f"… and {len(details) - kept} more"]
        rows += [("class:card.detail", f"\n{row}") for detail in details for row in wrap(detail, width)]
        rows += [
            ("class:card.keys", "\n"),
            ("class:card.key", "y"),
            ("class:card.keys", " yes · "),
            ("class:card.key", "n"),
            ("class:card.keys", " no (or /yes, /no)"),
        ]
        if len(self._waiting) > 1:
            rows.append(("class:card.keys", f" · {len(self._waiting) - 1} more after this"))
        return rows

    def _show_first(self) -> None:
        card = self.current
        if card is not None and not card.shown_at:
            card.shown_at = asyncio.get_running_loop().time()
        self._changed()
