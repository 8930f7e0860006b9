"""One reply's text and reasoning as they arrive: pieces joined, thinking told apart, kept for an estimate."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ei.messages import ReasoningDelta, StreamEvent, TextDelta, TextWasReasoning
from ei.providers.thinking import ThinkingParser


class ReplyText:
    """Gives the events for pieces of text and of reasoning. reasoning_first: as in `ChatRequest`."""

    def __init__(self, reasoning_first: bool = False) -> None:
        self._thinking = ThinkingParser(reasoning_first)
        self._joiner = Joiner()
        self._reasoning_joiner = Joiner()
        self._text: list[str] = []
        self._reasoning: list[str] = []

    @property
    def began(self) -> bool:
        """Whether anything was given out."""
        return bool(self._text or self._reasoning)

    @property
    def text(self) -> str:
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        return "".join(self._reasoning)

    def say(self, piece: str) -> list[StreamEvent]:
        """A piece of the content, in which `<think>` may stand."""
        text = self._joiner.feed(piece) if piece else ""
        return self._record(self._thinking.feed(text)) if text else []

    def reason(self, piece: str) -> list[StreamEvent]:
        """A piece that the wire says is reasoning."""
        text = self._reasoning_joiner.feed(piece) if piece else ""
        if text:
            self._thinking.reasoning_comes_apart()
        return self._record([ReasoningDelta(text)]) if text else []

    def end(self, finish: str | None = "stop") -> list[StreamEvent]:
        """What was held back. finish: why the model stopped, as the wire says it."""
        out = self.reason(self._reasoning_joiner.end()) + self.say(self._joiner.end())
        out += self._record(self._thinking.end())
        if self._thinking.assumed_reasoning and not self.text and finish not in ("length", "max_tokens"):
            out += self._record([TextDelta(self.reasoning)] if self.reasoning else [])
        return out

    def _record(self, events: Iterable[TextDelta | ReasoningDelta | TextWasReasoning]) -> list[StreamEvent]:
        out: list[StreamEvent] = []
        for event in events:
            match event:
                case TextDelta(text):
                    self._text.append(text)
                case ReasoningDelta(text):
                    self._reasoning.append(text)
                case TextWasReasoning():
                    self._reasoning += self._text
                    self._text.clear()
            out.append(event)
        return out


def whole(text: str) -> str:
    """A text in one piece, its halves of characters joined or replaced by U+FFFD."""
    joiner = Joiner()
    return joiner.feed(text) + joiner.end()


class Joiner:
    """Joins the halves of a character that were sent in two pieces; what stays half becomes U+FFFD.

    A server that writes JSON escapes may split an emoji's surrogates, which could be neither stored nor shown.
    """

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """The text that is whole by now."""
        if not self._held and piece.isascii():
            return piece
        text = self._held + piece
        self._held = text[-1] if text and "\ud800" <= text[-1] <= "\udbff" else ""
        if self._held:
            text = text[:-1]
        if _SURROGATE.search(text):
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return text

    def end(self) -> str:
        held, self._held = self._held, ""
        return "\ufffd" if held else ""


_SURROGATE = re.compile("[\ud800-\udfff]")
