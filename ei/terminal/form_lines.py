"""A form where there are only lines: one question after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from ei.commands.base import Field, Form
from ei.terminal.safe import safe

CLEARED = "-"
"""Typed to empty a line."""


async def by_lines(
    form: Form,
    say: Callable[[str], None],
    ask: Callable[[str, str], Awaitable[str]],
    secret: Callable[[str], Awaitable[str]] | None,
) -> Mapping[str, str]:
    """Asks for each line of a form until nothing is wrong with it, and with all of them together.

    say: prints one line. ask: (question, what an empty answer means) -> answer; both raise CancelledError when the
    person leaves. secret: asks without showing what is typed; None where that is not possible, and such lines are
    left as they are.
    """
    for line in (form.title, *form.about, f"An empty line leaves what stands in brackets; {CLEARED} empties it."):
        say(safe(line))
    values = {field.key: field.value for field in form.fields}
    waiting = list(form.fields)
    while waiting:
        for field in waiting:
            values[field.key] = await _one(field, values[field.key], say, ask, secret)
        key, problem = form.problem(values)
        waiting = [field for field in form.fields if field.key == key]
        if problem:
            say(safe(problem))
    return values


async def _one(
    field: Field,
    value: str,
    say: Callable[[str], None],
    ask: Callable[[str, str], Awaitable[str]],
    secret: Callable[[str], Awaitable[str]] | None,
) -> str:
    if field.kind == "secret" and secret is None:
        say(f"{safe(field.label)}: not asked for, since this terminal cannot hide what is typed.")
        return value
    if field.hint:
        say(f"({safe(field.hint)})")
    while True:
        if field.kind == "secret":
            assert secret is not None
            answer = await secret(f"{field.label} (not shown):")
        else:
            answer = await ask(f"{field.label}{_choices(field)}:", value)
        answer = "" if answer.strip() == CLEARED else answer.strip()
        problem = _not_chosen(field, answer) or field.problem(answer)
        if not problem:
            return answer
        say(safe(problem))


def _choices(field: Field) -> str:
    return f" ({', '.join(choice.key for choice in field.choices if not choice.dimmed)})" if field.choices else ""


def _not_chosen(field: Field, answer: str) -> str:
    if field.kind != "choice":
        return ""
    chosen = next((choice for choice in field.choices if choice.key == answer), None)
    return "It is none of these." if chosen is None else chosen.dimmed
