"""/ollama pull and update: models are installed beside the conversation; in a shell the command waits for them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ei.commands.base import Invocation, Line, Progress, Reply, Style, Table
from ei.commands.parse import options
from ei.commands.pull_rows import end_line, in_short, pull_row
from ei.engine.pulled import full_name, size_text
from ei.errors import UsageError
from ei.models.families import size_of

if TYPE_CHECKING:
    from ei.engine.pulled import Pull

FRAME_SECONDS = 0.1


async def run_pull(call: Invocation, words: Sequence[str]) -> Reply:
    """Installs models, lists what is being installed, or stops it."""
    given = options(words, ("--stop",), (), f"See {call.typed('help ollama')}.")
    if given.has("--stop"):
        return await _stop(call, given.rest)
    if not given.rest:
        return _under_way(call)
    return await pull(call, given.rest)


async def run_update(call: Invocation, words: Sequence[str]) -> Reply:
    """Pulls again what is installed."""
    import asyncio

    from ei.engine.pulling import open_ollama

    given = options(words, ("--all",), (), f"See {call.typed('help ollama')}.")
    if given.has("--all") == bool(given.rest):
        forms = f"{call.typed('ollama update MODEL')}, or {call.typed('ollama update --all')} for all of them"
        raise UsageError("Which model is to be updated?", forms)
    async with await asyncio.to_thread(open_ollama, call.session.services) as ollama:
        installed = [model.name for model in await ollama.tags() if not model.remote]
    wanted = {full_name(name).lower(): name for name in given.rest}
    names = [name for name in installed if full_name(name).lower() in wanted] if given.rest else installed
    missing = [name for key, name in wanted.items() if key not in {full_name(each).lower() for each in names}]
    if missing:
        raise UsageError(f"{missing[0]} is not installed.", f"To install it: {call.typed(f'ollama pull {missing[0]}')}")
    if not names:
        return Reply.line("Nothing is installed that could be updated.", "dim", [])
    return await pull(call, names, update=True)


async def pull(call: Invocation, names: Sequence[str], *, update: bool = False) -> Reply:
    """Begins to install these models; in a shell it waits for their end. Raises what kept the only one from it."""
    from ei.engine.pulling import remote_host

    pulls = call.session.pulls
    names = list(dict.fromkeys(full_name(name) for name in names))
    host = remote_host(call.session.services)
    if call.shell:
        return await _waited(call, names, update)
    already = {each.name for each in pulls.running}
    begun = [pulls.start(name, call.ui.confirm, update=update) for name in names]
    lines = []
    for each in begun:
        size = None if update else size_of(each.shown)
        about = f", about {size_text(size)}" if size else ""
        if each.name in already:
            lines.append(f"{each.shown} is being pulled already.")
        elif not update:
            lines.append(f"Pulling {each.shown}{about}{f' to {host}' if host else ''}.")
    if update and len(begun) == 1:
        lines.append(f"Looking for a newer {begun[0].shown}{f' on {host}' if host else ''}.")
    elif update:
        lines.append(f"Looking for newer versions of {len(begun)} models{f' on {host}' if host else ''}.")
    lines.append("Go on talking; Ctrl-C on an empty line stops it and keeps what came.")
    return Reply(tuple(Line(line, "dim") for line in lines), [pull_data(each) for each in begun])


def pull_data(pull: Pull) -> dict[str, object]:
    """A pull as JSON-ready value."""
    return {
        "model": pull.shown,
        "state": pull.state,
        "total_bytes": pull.progress.total,
        "completed_bytes": pull.progress.completed,
        "digest_before": pull.before or None,
        "digest": pull.after or None,
        "changed": pull.after != pull.before if pull.state == "installed" else None,
        "seconds": round(pull.seconds, 3),
        "error": None if pull.error is None else {"message": pull.error.sentence, "hint": pull.error.hint},
    }


def _under_way(call: Invocation) -> Reply:
    running = call.session.pulls.running
    if not running:
        hint = f"{call.typed('ollama search')} shows what there is, {call.typed('ollama pull NAME')} installs it."
        return Reply((Line("Nothing is being pulled.", "dim"), Line(hint, "dim")), [])
    lines = [Line(pull_row(each, 100)) for each in running]
    stop = f"{call.typed(f'ollama pull --stop {running[-1].shown}')} stops one and keeps what came."
    return Reply((*lines, Line(stop, "dim")), [pull_data(each) for each in running])


async def _stop(call: Invocation, names: Sequence[str]) -> Reply:
    pulls = call.session.pulls
    running = pulls.running
    if not names and len(running) == 1:
        names = (running[0].name,)
    if not names:
        few = ", ".join(each.shown for each in running)
        hint = f"Under way: {few}" if few else "Nothing is being pulled."
        raise UsageError("Which pull is to be stopped?", hint)
    for name in names:
        if not await pulls.stop(name):
            raise UsageError(f"{name} is not being pulled.", f"See {call.typed('ollama pull')}.")
    return Reply(data=[pull_data(found) for name in names if (found := pulls.find(name)) is not None])


async def _waited(call: Invocation, names: Sequence[str], update: bool) -> Reply:
    """All of them, with one row of progress; a question takes the row's place."""
    import asyncio

    pulls = call.session.pulls
    with ExitStack() as stack:
        rows: list[Progress] = [stack.enter_context(call.ui.progress(""))]

        async def ask(question: str, details: Sequence[str]) -> bool:
            stack.close()
            rows.clear()
            try:
                return call.yes or await call.ui.confirm(question, details)
            finally:
                rows.append(stack.enter_context(call.ui.progress("")))

        for name in names:
            pulls.start(name, ask, update=update)
        waiting = {asyncio.ensure_future(pulls.finished(name)) for name in names}
        try:
            while waiting:
                _, waiting = await asyncio.wait(waiting, timeout=FRAME_SECONDS)
                if rows and pulls.running:
                    rows[-1].update(_row(pulls.running))
        except asyncio.CancelledError:
            stack.close()
            await pulls.close()
            stopped = [found for name in names if (found := pulls.find(name)) is not None]
            call.ui.show(Reply(tuple(_line(each) for each in stopped if each.state == "stopped")))
            raise
    ended = [found for name in names if (found := pulls.find(name)) is not None]
    failed = next((each.error for each in ended if each.error is not None), None)
    lines = tuple(_line(each) for each in ended if each.error is not failed or failed is None)
    if failed is not None:
        call.ui.show(Reply(lines))
        raise failed
    data = [pull_data(each) for each in ended]
    if not update or len(ended) == 1:
        return Reply(lines, data)
    table = tuple((each.shown, each.before[:12], each.after[:12], _what_changed(each)) for each in ended)
    return Reply((Table(("model", "before", "now", ""), table),), data)


def _row(running: Sequence[Pull]) -> str:
    import shutil

    width = shutil.get_terminal_size().columns - 1
    return pull_row(running[0], width) if len(running) == 1 else in_short(running)


def _line(pull: Pull) -> Line:
    from ei.commands.shell import as_typed

    text, style = end_line(pull)
    styles: dict[str, Style] = {"good": "good", "warn": "warn", "error": "error"}
    return Line(as_typed(text), styles[style])


def _what_changed(pull: Pull) -> str:
    if pull.state != "installed":
        return "stopped"
    return "as it was" if pull.before == pull.after else f"updated, {size_text(pull.progress.total)}"
