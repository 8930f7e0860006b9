"""How messages look: a name beside the text, a line of facts below, and a reply that grows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from time import monotonic

from ei.commands.words import money, tokens
from ei.conversations.values import Message, State
from ei.engine.events import Outcome, TurnInfo
from ei.errors import EiError
from ei.messages import Usage
from ei.terminal.markdown import MarkdownStream, render
from ei.terminal.safe import safe
from ei.terminal.theme import Theme
from ei.terminal.width import cell_width, clip, wrap

YOU = "you"
LONGEST_NAME = 10
FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
REASONING_ROWS = 6


@dataclass(frozen=True, slots=True)
class Look:
    """How everything is drawn. reasoning: hidden, folded or full; people: names that share the palette."""

    theme: Theme
    reply_line: bool = True
    reasoning: str = "folded"
    people: tuple[str, ...] = ()

    def name(self, name: str) -> str:
        style = self.theme.sgr("user") if name == YOU else self.theme.persona(name, self.people)
        return f"\x1b[{style}m{safe(name)}\x1b[0m" if style else safe(name)


def gutter_of(names: Sequence[str], columns: int) -> int:
    """How far texts are indented beside these names: the longest of them, or little where there is no room."""
    if columns < 50:
        return 2
    return max(cell_width(name) for name in (YOU, *(n for n in names if cell_width(n) <= LONGEST_NAME))) + 2


def lead(look: Look, name: str, gutter: int) -> tuple[list[str], str]:
    """A row of its own for a name that is too long for the gutter, and what stands in the gutter of the first row."""
    size = cell_width(name)
    if size + 2 > gutter:
        return [look.name(name)], ""
    return [], look.name(name) + " " * (gutter - size)


def beside(look: Look, name: str, rows: Sequence[str], gutter: int) -> list[str]:
    """Rows of plain text with a name before the first one."""
    out, first = lead(look, name, gutter)
    indent = " " * gutter
    return out + [
        (first or indent) + row if index == 0 else indent + row if row else "" for index, row in enumerate(rows or [""])
    ]


def message_rows(look: Look, message: Message, gutter: int, width: int) -> list[str]:
    """A stored message as rows, with what became of it; a blank row first."""
    if message.role == "user":
        text = f"@{message.to} {message.text}" if message.to else message.text
        return ["", *beside(look, YOU, wrap(safe(text), width - gutter), gutter)]
    out = [""]
    note = state_note(message)
    indent = " " * gutter
    errors = [look.theme.paint(row, "error") for row in wrap(safe(message.error), width - gutter) if row]
    if message.reasoning and look.reasoning != "hidden":
        out += beside(look, message.author, reasoning_rows(look, message.reasoning, None, width - gutter), gutter)
        out += render(message.text, width, look.theme, gutter) if message.text else []
    elif message.text:
        above, first = lead(look, message.author, gutter)
        out += above + render(message.text, width, look.theme, gutter, first)
    elif errors:
        out += beside(look, message.author, errors, gutter)
        errors = []
    else:
        out += beside(look, message.author, [look.theme.paint(note or "said nothing", "meta")], gutter)
        note = ""
    out += [indent + row for row in errors]
    if look.reply_line or note:
        facts = [safe(message.model), note, variant_note(message)]
        out += [indent + look.theme.paint(row, "meta") for row in joined(facts, width - gutter)]
    return out


def state_note(message: Message) -> str:
    """What the line below says of a reply that did not end by itself."""
    match message.state:
        case State.CANCELLED:
            return "stopped · /continue goes on" if message.text else "stopped"
        case State.FAILED if message.text:
            return "cut off"
        case State.STREAMING:
            return "still being written in another terminal"
        case _:
            return ""


def variant_note(message: Message) -> str:
    """Which of several replies to the same message this is, "" where there is one."""
    return f"variant {message.variant} of {message.variants}" if message.variants > 1 else ""


def facts_of(turn: TurnInfo, message: Message, outcome: Outcome) -> list[str]:
    """Model, seconds, tokens, cost, and what became of a reply; an estimate is marked with ~."""
    time = f"{outcome.total_ms / 1000:.1f} s"
    return [safe(turn.model), time, used(outcome.usage), price_of(outcome), state_note(message), variant_note(message)]


def price_of(outcome: Outcome) -> str:
    """What a reply cost: `$0.0014`, `~$0.0014` where tokens were counted here, `$?` where nobody knows, `free` where
    it ran on this machine; "" where nothing was answered, which costs nothing."""
    if not outcome.cost and outcome.usage.input_tokens is None and outcome.usage.output_tokens is None:
        return ""
    if outcome.here and not outcome.cost:
        return "free"
    return f"{'~' if outcome.usage.estimated and outcome.cost else ''}{money(outcome.cost)}"


def joined(facts: Sequence[str], width: int) -> list[str]:
    """`provider:model · 1.2 s · ↑812 ↓43 · $0.0014` in as many rows as it takes; empty facts are left out."""
    rows: list[str] = []
    for fact in filter(None, facts):
        if rows and cell_width(rows[-1]) + 3 + cell_width(fact) <= width:
            rows[-1] += f" · {fact}"
        else:
            rows.append(clip(fact, width))
    return rows


def used(usage: Usage) -> str:
    """Tokens in and out as arrows, "" where nobody knows."""
    if usage.input_tokens is None and usage.output_tokens is None:
        return ""
    mark = "~" if usage.estimated else ""
    return f"↑{mark}{tokens(usage.input_tokens)} ↓{mark}{tokens(usage.output_tokens)}"


def reasoning_rows(look: Look, text: str, seconds: float | None, width: int) -> list[str]:
    """Reasoning apart from the reply: all of it dimmed and a blank row, or one line about it."""
    if look.reasoning == "full":
        return [*(look.theme.paint(row, "reasoning") for row in wrap(safe(text.strip()), width)), ""]
    time = f" for {seconds:.1f} s" if seconds is not None else ""
    words = len(text.split())
    return [look.theme.paint(clip(f"thought{time}, {words:,} words", width), "reasoning")]


class LiveReply:
    """A reply on its way: takes what comes, gives rows that are finished, and a tail of those that are not.

    While it is not shown it only keeps its text; `show` begins to draw it from its beginning.
    """

    def __init__(self, turn: TurnInfo, look: Callable[[], Look], now: Callable[[], float] = monotonic) -> None:
        self.turn = turn
        self._look = look
        self._now = now
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._began = now()
        self._thought: float | None = None
        self._next_try = 0.0
        self._notices: list[tuple[str, bool]] = []
        self._stream: MarkdownStream | None = None
        self._named = False
        self._apart = False
        self._gutter = 0
        self._width = 0

    def show(self, gutter: int, columns: int) -> list[str]:
        """Begins to draw: rows for what came so far."""
        self._gutter, self._width = gutter, columns
        self._stream, self._named, self._apart = None, False, False
        text, self._text = "".join(self._text), []
        return self.text(text) if text else []

    @property
    def shown(self) -> bool:
        """Whether it is being drawn."""
        return self._width > 0

    def hide(self) -> None:
        """Stops drawing; what comes is kept."""
        self._stream = None
        self._width = 0

    def resize(self, columns: int) -> None:
        if self._width and columns != self._width:
            self._width = columns
            if self._stream is not None:
                self._stream.resize(columns)

    def text(self, delta: str) -> list[str]:
        """More of the reply; rows that are finished by it."""
        if not self._text and self._reasoning:
            self._thought = self._now() - self._began
        self._text.append(delta)
        if not self._width:
            return []
        rows: list[str] = []
        if self._stream is None:
            if self._reasoning and self._look().reasoning != "hidden":
                rows = self._beside(reasoning_rows(self._look(), "".join(self._reasoning), self._thought, self._room))
            above, first = ([], "") if self._named else lead(self._look(), self.turn.speaker, self._gutter)
            rows += above
            self._named = True
            self._stream = MarkdownStream(self._width, self._look().theme, self._gutter, first)
        return self._set_apart([*rows, *self._stream.feed(delta)])

    def reasoning(self, delta: str) -> None:
        self._reasoning.append(delta)

    def text_was_reasoning(self) -> list[str]:
        """The text so far was reasoning: a note where it was drawn already."""
        shown = self._stream is not None
        rows = self._stream.finish() if self._stream is not None else []
        self._reasoning += self._text
        self._text = []
        self._stream = None
        if not self._width or not shown:
            return []
        note = self._look().theme.paint("(what stands above was the model's reasoning, not its reply)", "reasoning")
        return self._set_apart([*rows, *self._beside([note, ""])])

    def notice(self, text: str, *, quiet: bool = False) -> list[str]:
        """Something to be said of the reply: rows at once, or below its text once that has begun.

        quiet: dimmed, it need not be noticed.
        """
        if self._text:
            self._notices.append((text, quiet))
            return []
        return self._set_apart(self._told(text, quiet)) if self._width else []

    def switched(self, turn: TurnInfo) -> None:
        """Another model is asked now."""
        self.turn = turn
        self._began, self._next_try = self._now(), 0.0

    def waiting(self, seconds: float) -> None:
        """A further try begins in so many seconds."""
        self._began = self._next_try = self._now() + seconds

    def tail(self, columns: int) -> list[str]:
        """Rows that may still change, drawn anew each time."""
        rows = self._unfinished(columns)
        return rows if self._apart or not rows else ["", *rows]

    def _unfinished(self, columns: int) -> list[str]:
        look = self._look()
        self.resize(columns)
        if (left := self._next_try - self._now()) > 0 and not self._text:
            line = f"{self._frame()} trying again in {ceil(left)} s · Ctrl-C stops"
            return self._beside([look.theme.paint(row, "warn") for row in wrap(line, self._room)], peek=True)
        if self._text:
            return [*(self._stream.tail() if self._stream is not None else []), *self._held()]
        frame = self._frame()
        seconds = max(self._now() - self._began, 0.0)
        if self._reasoning and look.reasoning == "full":
            rows = wrap(safe("".join(self._reasoning)[-REASONING_ROWS * columns :].strip()), self._room)[
                -REASONING_ROWS:
            ]
            return self._beside([look.theme.paint(row, "reasoning") for row in rows], peek=True)
        what = "thinking" if self._reasoning else ""
        line = f"{frame} {what} {seconds:.0f} s" if seconds >= 1 else f"{frame} {what}".rstrip()
        return self._beside([look.theme.paint(line, "meta")], peek=True)

    def end(self, message: Message, outcome: Outcome, error: EiError | None) -> list[str]:
        """The rest of the reply and what is said of it."""
        look = self._look()
        rows = self._stream.finish() if self._stream is not None else []
        if self._stream is None and self._reasoning and look.reasoning != "hidden":
            rows = reasoning_rows(look, "".join(self._reasoning), self._thought, self._room)
        out = rows if self._stream is not None else self._beside(rows)
        out += self._held()
        if error is not None:
            told = [look.theme.paint(row, "error") for row in wrap(safe(error.sentence), self._room)]
            told += [look.theme.paint(row, "meta") for row in wrap(safe(error.hint), self._room)] if error.hint else []
            out += self._beside(told)
        facts = facts_of(self.turn, message, outcome) if look.reply_line else [state_note(message)]
        out += self._beside([look.theme.paint(row, "meta") for row in joined(facts, self._room)])
        return self._set_apart(out)

    def _set_apart(self, rows: list[str]) -> list[str]:
        """A blank row before the first rows of the reply; not before they come, so that nothing gets between."""
        if self._apart or not rows:
            return rows
        self._apart = True
        return ["", *rows]

    def _held(self) -> list[str]:
        return [row for text, quiet in self._notices for row in self._told(text, quiet)]

    def _told(self, text: str, quiet: bool) -> list[str]:
        look, indent = self._look(), " " * self._gutter
        return [indent + look.theme.paint(row, "meta" if quiet else "warn") for row in wrap(safe(text), self._room)]

    def _frame(self) -> str:
        return FRAMES[int(self._now() * 10) % len(FRAMES)]

    @property
    def _room(self) -> int:
        return max(self._width - self._gutter, 10)

    def _beside(self, rows: Sequence[str], *, peek: bool = False) -> list[str]:
        if not rows:
            return []
        if self._named:
            return [" " * self._gutter + row if row else "" for row in rows]
        if not peek:
            self._named = True
        return beside(self._look(), self.turn.speaker, rows, self._gutter)
