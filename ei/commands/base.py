"""What a command is: one value beside its handler, the reply it gives, and the way it asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from ei.engine.session import Session

Style = Literal["plain", "dim", "good", "warn", "error", "title", "accent"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of plain text (untrusted text is made harmless by whoever draws it)."""

    text: str
    style: Style = "plain"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings; a row marked in `current` is the one in use. The last column may wrap.

    spare: headings of columns that are left out where the window is too narrow, the first one first. whole: the heading
    of a column that is not wrapped as long as another can be spared.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    current: int | None = None
    title: str = ""
    spare: tuple[str, ...] = ()
    whole: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A longer text in a language ("markdown", "jsonc", "text") shown with highlighting."""

    text: str
    language: str = "markdown"


Item = Line | Table | Document


@dataclass(frozen=True, slots=True)
class Reply:
    """What a command answers. data: the same as JSON-ready value, for `--json` and the API.

    failed: what was tried does not work, which the exit code of a shell's command tells (as a provider's error).
    """

    items: tuple[Item, ...] = ()
    data: object = None
    failed: bool = False

    @staticmethod
    def line(text: str, style: Style = "plain", data: object = None) -> Reply:
        return Reply((Line(text, style),), data)

    @staticmethod
    def lines(lines: Iterable[str], style: Style = "plain", data: object = None) -> Reply:
        return Reply(tuple(Line(line, style) for line in lines), data)


@dataclass(frozen=True, slots=True)
class Choice:
    """One row of a picker: key is what comes back; the rest is shown and searched."""

    key: str
    label: str
    detail: str = ""
    group: str = ""
    dimmed: str = ""
    """Why it cannot be chosen now, or ""."""
    cells: tuple[str, ...] = ()
    """What stands under the headings of its offer, in place of the detail."""
    words: str = ""
    """It is found by these, too; they are not shown."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A column of a picker beside the labels.

    spare: where the window is narrow, the highest is left out first. right: aligned so. legend: what its letters
    mean, shown at the bottom as long as the column is.
    """

    name: str
    spare: int = 0
    right: bool = False
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """Another key of a picker that chooses, beside Enter. letter: pressed with Ctrl. label: what it is for."""

    name: str
    letter: str
    label: str


@dataclass(frozen=True, slots=True)
class Offer:
    """What a picker shows. current: the key of the row in use. query: words by which it is narrowed from the start.

    enter: what Enter is for. facts: a line that says all of a row, by its key, while it is the one to be chosen.
    """

    title: str
    choices: Sequence[Choice]
    current: str = ""
    query: str = ""
    headings: tuple[Heading, ...] = ()
    enter: str = "chooses"
    ways: tuple[Way, ...] = ()
    facts: Callable[[str], str] | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """The key of a row, and the name of the way in which it was chosen, "" for Enter."""

    key: str
    way: str = ""


def fits(value: object) -> str:
    """Nothing is wrong with it."""
    return ""


@dataclass(frozen=True, slots=True)
class Field:
    """One line of a form.

    key: under which its value comes back. value: what stands there at first. kind: a "secret" is hidden while it is
    typed. choices: of a "choice"; a dimmed one cannot be chosen. hint: what it means, shown while the line is edited.
    example: stands dimly in an empty line. problem: what is wrong with a value, as one sentence, or "".
    """

    key: str
    label: str
    kind: Literal["text", "secret", "choice"] = "text"
    value: str = field(default="", repr=False)
    choices: tuple[Choice, ...] = ()
    hint: str = ""
    example: str = ""
    problem: Callable[[str], str] = fits


def all_fit(values: Mapping[str, str]) -> tuple[str, str]:
    """Nothing is wrong with them."""
    return "", ""


@dataclass(frozen=True, slots=True)
class Form:
    """Several values that are typed in one place. about: lines that stand above them.

    problem: what is wrong with them together: the key of the line to mend and one sentence, or two empty texts.
    """

    title: str
    fields: tuple[Field, ...]
    about: tuple[str, ...] = ()
    problem: Callable[[Mapping[str, str]], tuple[str, str]] = all_fit


@dataclass(frozen=True, slots=True)
class Page:
    """One of several texts that are looked at in turn; text is Markdown."""

    title: str
    text: str


class Column(Protocol):
    """One of several replies that are compared, as far as it has come.

    name: the model, or a letter while names are hidden. pieces: its text so far, cut as it came, which grows;
    restarts: how often it was taken back and began anew, in another list. state: how far it is. note: what is to be
    said of it, "". seconds: how long it takes, or took. estimated: whether tokens and cost (nano-dollars) are
    guesses; None where unknown. pickable: whether it can be gone on with.
    """

    @property
    def name(self) -> str: ...
    @property
    def pieces(self) -> Sequence[str]: ...
    @property
    def restarts(self) -> int: ...
    @property
    def state(self) -> Literal["asked", "thinking", "writing", "complete", "stopped", "failed"]: ...
    @property
    def note(self) -> str: ...
    @property
    def seconds(self) -> float: ...
    @property
    def input_tokens(self) -> int | None: ...
    @property
    def output_tokens(self) -> int | None: ...
    @property
    def cost(self) -> int | None: ...
    @property
    def estimated(self) -> bool: ...
    @property
    def pickable(self) -> bool: ...


class Comparing(Protocol):
    """Replies that come side by side. title: what they answer."""

    @property
    def title(self) -> str: ...
    @property
    def columns(self) -> Sequence[Column]: ...
    @property
    def running(self) -> bool:
        """Whether any of them is under way."""
        ...

    def stop(self) -> None:
        """Stops those that are under way; their text stays."""
        ...


class Progress(Protocol):
    def update(self, text: str) -> None: ...


class Ui(Protocol):
    """How a handler asks. Where nobody can be asked, each method but `show` raises NeedsAnswerError."""

    @property
    def interactive(self) -> bool: ...

    async def confirm(self, question: str, details: Sequence[str] = ()) -> bool:
        """A card that waits for /yes, /no or a key."""
        ...

    async def ask(self, prompt: str, default: str = "") -> str:
        """One line of text. Raises CancelledError when the person leaves it."""
        ...

    async def secret(self, prompt: str) -> str:
        """One line that is not shown while typed."""
        ...

    async def choose(self, title: str, choices: Sequence[Choice], current: str = "") -> str | None:
        """The key of the row chosen, None when the person left."""
        ...

    async def pick(self, offer: Offer) -> Chosen | None:
        """As `choose`, from rows with columns and in more ways than one."""
        ...

    async def form(self, form: Form) -> Mapping[str, str] | None:
        """What was typed into a form, by the keys of its lines; None when the person left it."""
        ...

    async def edit(self, text: str, suffix: str = ".md") -> str | None:
        """Opens $EDITOR on text; None when nothing was changed."""
        ...

    async def edit_file(self, path: Path, line: int = 0) -> None:
        """Opens $EDITOR on a file of the person's, at a line (from 1) where the editor is known to take one."""
        ...

    async def browse(self, title: str, pages: Sequence[Page], index: int) -> int | None:
        """A full-screen view of the pages; the index of the one chosen, None when the person left."""
        ...

    async def compare(self, comparing: Comparing) -> int | None:
        """A full-screen view of replies side by side while they come; the one picked, None when the person left."""
        ...

    def answer(self, yes: bool) -> bool:
        """Answers the card that waits; False when none does."""
        ...

    def progress(self, label: str) -> AbstractContextManager[Progress]: ...

    def show(self, reply: Reply) -> None:
        """Prints something before the command has ended."""
        ...

    async def copy(self, text: str) -> bool:
        """Puts text on the person's clipboard; False where that is not possible."""
        ...


@dataclass(frozen=True, slots=True)
class Invocation:
    """One use of a command. text: all after the name, stripped. words: the same, split as a shell does.

    yes: questions are answered with yes. shell: it was called as `ei NAME`, outside a conversation.
    """

    session: Session
    ui: Ui
    text: str
    words: tuple[str, ...] = ()
    yes: bool = False
    shell: bool = False

    def typed(self, command: str) -> str:
        """How a command is typed where this one was: `/model` in the chat, `ei model` in a shell."""
        return f"ei {command}" if self.shell else f"/{command}"


Handler = Callable[[Invocation], Awaitable[Reply]]
Completer = Callable[["Session", Sequence[str]], Sequence[tuple[str, str]]]
"""(session, words typed so far after the name, the last one unfinished) -> (word, what it means) for the last."""

Group = Literal["personas", "models", "conversation", "search and files", "program"]


@dataclass(frozen=True, slots=True)
class Command:
    """A slash command, and with `shell` the subcommand `ei NAME`.

    usage: forms, one a line, without the slash ("model SPEC"), each followed by two spaces and a few words.
    available: None, or tells why the command cannot be used now ("" when it can).
    """

    name: str
    summary: str
    usage: tuple[str, ...]
    run: Handler
    group: Group
    aliases: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    complete: Completer | None = None
    available: Callable[[Session], str] | None = None
    shell: bool = False
    keys: tuple[str, ...] = field(default=())
