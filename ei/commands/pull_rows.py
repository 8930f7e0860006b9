"""A pull in words and as a bar, for one row of any width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ei.engine.pull_meter import PullProgress
from ei.engine.pulled import size_text

if TYPE_CHECKING:
    from ei.engine.pulled import Pull

EIGHTHS = " ▏▎▍▌▋▊▉"
WIDEST = 40
NARROWEST = 8
NAME = 40


def pull_row(pull: Pull, width: int) -> str:
    """`qwen3:8b ▕███▍      ▏ 43 % 2.2/5.2 GB 34 MB/s 1 min 28 s left`, at most so many cells.

    Where it is narrow the time goes first, then speed, bytes, and the bar.
    """
    name = pull.shown if len(pull.shown) <= NAME else f"…{pull.shown[1 - NAME :]}"
    percent = pull.progress.percent
    if pull.state == "waiting":
        return _cut(f"{name} waits for the others", width)
    if pull.state == "paused":
        return _cut(f"{name} waits for your answer at {percent or 0} %", width)
    if percent is None:
        return _cut(f"{name} {pull.progress.status or 'begins'}", width)
    if pull.progress.missing == 0:
        return _cut(f"{name} {percent} % {pull.progress.status}", width)
    facts = [f"{percent:>3} %", bytes_text(pull.progress)]
    if pull.progress.speed is not None:
        facts.append(f"{size_text(round(pull.progress.speed))}/s")
        facts.append(f"{time_text(pull.progress.seconds_left)} left" if pull.progress.seconds_left else "")
    for count in range(len(facts), 0, -1):
        after = " ".join(fact for fact in facts[:count] if fact)
        room = width - len(name) - len(after) - 4
        # The bar keeps its width while numbers grow and shrink, as far as there is room.
        if room >= NARROWEST or count == 1:
            break
    if room < NARROWEST:
        return _cut(f"{name} {after}", width)
    return f"{name} ▕{bar(pull.progress, min(room, WIDEST, max(width * 3 // 10, NARROWEST)))}▏ {after}"


def bar(progress: PullProgress, cells: int) -> str:
    """As much of so many cells as came, in eighths of a cell."""
    full = progress.completed * cells * 8 // progress.total if progress.total else 0
    whole, rest = divmod(min(full, cells * 8), 8)
    part = EIGHTHS[rest] if rest else ""
    return ("█" * whole + part).ljust(cells)


def bytes_text(progress: PullProgress) -> str:
    """`2.2/5.2 GB`: what came, and of how much; the unit once where both have it."""
    came, total = size_text(progress.completed), size_text(progress.total)
    number, _, unit = came.partition(" ")
    return f"{number}/{total}" if total.endswith(f" {unit}") else f"{came}/{total}"


def time_text(seconds: float | None) -> str:
    """A duration as two words at most: 9 s, 1 min 28 s, 2 h 5 min; over four days are told as such."""
    if seconds is None:
        return ""
    whole = max(round(seconds), 1)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 and whole < 600 else f"{whole // 60} min"
    if whole < 4 * 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return "over 4 days"


def in_short(pulls: Sequence[Pull]) -> str:
    """For the toolbar: `⇣ qwen3:8b 43 %`, `⇣ 2 models 43 %`; "" where nothing is pulled."""
    if not pulls:
        return ""
    total = sum(pull.progress.total for pull in pulls)
    percent = sum(pull.progress.completed for pull in pulls) * 100 // total if total else None
    name = pulls[0].shown if len(pulls) == 1 else f"{len(pulls)} models"
    return f"⇣ {name}" + (f" {percent} %" if percent is not None else "")


def end_line(pull: Pull) -> tuple[str, str]:
    """(one line that says how it ended, its style)."""
    again = f"/ollama {'update' if pull.update else 'pull'} {pull.shown}"
    match pull.state:
        case "installed" if pull.before == pull.after != "":
            return f"{pull.shown} is up to date ({pull.after[:12]}).", "good"
        case "installed" if pull.before:
            changed = f"{pull.before[:12]} → {pull.after[:12]}"
            return f"{pull.shown} is updated: {changed}, {size_text(pull.progress.total)}.", "good"
        case "installed":
            took = f"{size_text(pull.progress.total)} in {time_text(pull.seconds)}"
            return f"{pull.shown} is installed: {took}. To talk with it: /model ollama:{pull.shown}", "good"
        case "failed" if pull.error is not None:
            return str(pull.error), "error"
        case _:
            percent, came = pull.progress.percent, pull.progress.completed
            kept = f"at {percent} %; what came is kept. It goes on with" if came else "before it began. Again:"
            return f"{pull.shown} stopped {kept} {again}", "warn"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"
