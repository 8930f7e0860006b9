"""Tells reasoning from reply where a model writes both into one text, between `<think>` and `</think>`.

What local servers were seen to send: the pair, at the start of the reply; an opening tag that is never closed
(all is reasoning); only the closing tag, since the chat template had put the opening one into the prompt.
"""

from __future__ import annotations

import re

from ei.messages import ReasoningDelta, TextDelta, TextWasReasoning

Event = TextDelta | ReasoningDelta | TextWasReasoning

NAMES = ("think", "thinking")
OPENING = {f"<{name}>": f"</{name}>" for name in NAMES}
CLOSING = tuple(OPENING.values())


class ThinkingParser:
    """Fed with pieces of a reply's text, gives the events; however it is split, they add up to the same.

    An opening tag counts only before the first letter of the reply, a closing tag without an opening one only
    once, outside of code, and not where the text spoke of the opening tag before: a reply may speak of tags.
    White space around the tags belongs to neither part.

    reasoning_first: this model was seen to send the closing tag only, so its text is reasoning until that comes.
    """

    def __init__(self, reasoning_first: bool = False) -> None:
        self._reasoning_first = reasoning_first
        self._held = ""  # not yet decided: white space, or what may become a tag
        self._state = "start"  # start, reasoning, after (a closing tag), text
        self._closing: tuple[str, ...] = CLOSING
        self._assumed = False
        self._closed = False
        self._reasoned = False  # something of this block was given out
        self._spoken: list[str] = []  # the text so far, while a lone closing tag may still come
        self._lone_closing = True

    def feed(self, piece: str) -> list[Event]:
        """What is decided by this piece."""
        self._held += piece
        out: list[Event] = []
        while self._step(out):
            pass
        return out

    def end(self) -> list[Event]:
        """What was held back, once nothing more comes."""
        held, self._held = self._held, ""
        if self._state == "reasoning":
            return [ReasoningDelta(held.rstrip())] if held.rstrip() else []
        if self._state == "after":
            held = held.lstrip()
        return [TextDelta(held)] if held else []

    @property
    def assumed_reasoning(self) -> bool:
        """Whether all was taken for reasoning without any tag: the model did not reason this time."""
        return self._state == "reasoning" and self._assumed and not self._closed

    def reasoning_comes_apart(self) -> None:
        """Reasoning came in a field of its own: then the text is the reply from its start."""
        self._reasoning_first = False

    def _step(self, out: list[Event]) -> bool:
        """Decides as much of what is held as the state allows; True when the state changed."""
        match self._state:
            case "start" | "after":
                return self._begin()
            case "reasoning":
                return self._reason(out)
            case _:
                return self._speak(out)

    def _begin(self) -> bool:
        """Before the first letter of the reply."""
        rest = self._held.lstrip()
        if not rest:
            return False
        for tag, closing in OPENING.items():
            if rest.startswith(tag):
                self._held = rest[len(tag) :]
                self._closing = (closing,)
                self._state = "reasoning"
                self._lone_closing = False
                return True
        if any(tag.startswith(rest) for tag in OPENING):
            return False
        if self._state == "start" and self._reasoning_first:
            self._state, self._assumed, self._lone_closing = "reasoning", True, False
            return True
        if self._state == "after":
            self._held = rest
        self._state = "text"
        return True

    def _reason(self, out: list[Event]) -> bool:
        if not self._reasoned:
            self._held = self._held.lstrip()
        found = first(self._held, self._closing)
        if found is not None:
            at, tag = found
            self._emit_reasoning(out, self._held[:at].rstrip())
            self._held = self._held[at + len(tag) :]
            self._state, self._closed, self._reasoned = "after", True, False
            return True
        keep = len(self._held) - partial(self._held, self._closing)
        keep = len(self._held[:keep].rstrip())
        self._emit_reasoning(out, self._held[:keep])
        self._held = self._held[keep:]
        return False

    def _emit_reasoning(self, out: list[Event], text: str) -> None:
        if text:
            self._reasoned = True
            out.append(ReasoningDelta(text))

    def _speak(self, out: list[Event]) -> bool:
        if not self._lone_closing:
            self._emit_text(out, self._held)
            self._held = ""
            return False
        found = first(self._held, CLOSING)
        if found is None:
            keep = len(self._held) - partial(self._held, CLOSING)
            self._emit_text(out, self._held[:keep])
            self._held = self._held[keep:]
            return False
        at, tag = found
        self._emit_text(out, self._held[:at])
        before = "".join(self._spoken)
        self._lone_closing = False
        self._spoken.clear()
        if in_code(before) or any(opening in before for opening in OPENING):
            self._held = self._held[at:]
            return True
        out.append(TextWasReasoning())
        self._held = self._held[at + len(tag) :]
        self._state = "after"
        return True

    def _emit_text(self, out: list[Event], text: str) -> None:
        if text:
            if self._lone_closing:
                self._spoken.append(text)
            out.append(TextDelta(text))


def first(text: str, tags: tuple[str, ...]) -> tuple[int, str] | None:
    """Where the first of the tags stands, and which it is."""
    return min(((at, tag) for tag in tags if (at := text.find(tag)) >= 0), default=None)


def partial(text: str, tags: tuple[str, ...]) -> int:
    """How many characters at the end of text may be the beginning of one of the tags."""
    at = text.rfind("<")
    if at < 0:
        return 0
    rest = text[at:]
    return len(rest) if any(tag.startswith(rest) and tag != rest for tag in tags) else 0


def in_code(before: str) -> bool:
    """Whether what follows `before` stands in a fenced block or between backticks."""
    fences = re.findall(r"^ {0,3}(?:```|~~~)", before, re.MULTILINE)
    line = before.rpartition("\n")[2]
    return len(fences) % 2 == 1 or line.count("`") % 2 == 1
