"""/set: what a model is sent beside the words (temperature and the like), for now, a conversation or a persona."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from ei.commands.base import Command, Invocation, Line, Reply, Table
from ei.commands.parse import Options, options
from ei.engine.parameters import HERE as AT_HERE
from ei.engine.parameters import NAMES, Parameter, Parameters, in_words
from ei.engine.parameters import NOW as AT_NOW
from ei.errors import EiError, UsageError

if TYPE_CHECKING:
    from ei.engine.session import Session

ALIASES: Mapping[str, str] = MappingProxyType(
    {"temp": "temperature", "max": "max_tokens", "tokens": "max_tokens", "effort": "reasoning_effort", "topp": "top_p"}
)
MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "temperature": "0 to 2: how freely it chooses its words",
        "top_p": "0 to 1: how many of the likeliest words it chooses from",
        "max_tokens": "the longest reply, in tokens",
        "seed": "a whole number: the same one may give the same reply",
        "stop": "texts at which a reply ends",
        "reasoning_effort": "how long it thinks before it speaks",
    }
)
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
HERE, PERSONA, CLEAR = "--here", "--persona", "--clear"
LARGEST = 2**63


async def run_set(call: Invocation) -> Reply:
    session = call.session
    given = options(call.words, (HERE, PERSONA, CLEAR), (), "See /help set.")
    words = given.rest
    if given.has(HERE) and given.has(PERSONA):
        raise UsageError(f"{HERE} and {PERSONA} do not go together.", "See /help set.")
    if words and "=" in words[0]:
        name, _, value = words[0].partition("=")
        words = (name, *([value] if value else []), *words[1:])
    name = name_of(words[0]) if words else ""
    if given.has(CLEAR):
        if len(words) > 1:
            raise UsageError(f"{CLEAR} takes no value.", f"To set one: /set {name} VALUE")
        return await _clear(session, name, given)
    if len(words) > 1:
        return await _set(session, name, value_of(name, words[1:]), given)
    if given.flags:
        raise UsageError(
            "Which value?", f"For example: /set {name or 'temperature'} {_example(name)} {min(given.flags)}"
        )
    return await _list(session, name)


def name_of(written: str) -> str:
    """The parameter that is meant, in any case and by its short names. Raises UsageError naming the nearest."""
    name = written.strip().lower().replace("-", "_")
    name = ALIASES.get(name, name)
    if name in NAMES:
        return name
    import difflib

    near = difflib.get_close_matches(name, [*NAMES, *ALIASES], n=1, cutoff=0.6)
    hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(NAMES)}."
    raise UsageError(f'There is no parameter "{written}".', hint)


def value_of(name: str, words: Sequence[str]) -> object:
    """The value that the words give a parameter. Raises UsageError saying what it takes."""
    if name == "stop":
        texts = [word.replace("\\n", "\n").replace("\\t", "\t") for word in words]
        if not all(texts):
            raise UsageError("stop is one text or several, none of them empty.", 'For example: /set stop "THE END"')
        return texts[0] if len(texts) == 1 else texts
    takes, read = READERS[name]
    value = read(words[0].strip()) if len(words) == 1 else None
    if value is None:
        raise UsageError(f"{name} is {takes}.", f"For example: /set {name} {_example(name)}")
    return value


def complete_set(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    """Names, the values of those that have few, and where it is to hold."""
    before, last = words[:-1], words[-1] if words else ""
    flags = [
        (HERE, "keep it with this conversation"),
        (PERSONA, "keep it in the persona's system.jsonc"),
        (CLEAR, "take it away again"),
    ]
    named = [word for word in before if not word.startswith("-")]
    if last.startswith("-") or len(named) > 1:
        return [pair for pair in flags if pair[0] not in before]
    if not named:
        return list(MEANINGS.items())
    if ALIASES.get(named[0], named[0]) == "reasoning_effort" and CLEAR not in before:
        return [(effort, "") for effort in EFFORTS]
    return [pair for pair in flags if pair[0] not in before]


SET = Command(
    name="set",
    summary="See or change temperature, the longest reply and the like",
    usage=(
        "set  every parameter, and where it comes from",
        "set NAME VALUE  for now: until you leave ei",
        "set NAME VALUE --here  keep it with this conversation",
        "set NAME VALUE --persona  keep it with this persona, in its system.jsonc",
        "set NAME --clear  take it away again; with --here or --persona, there",
        "set --clear  take away all that is set for now; with --here, for this conversation",
    ),
    examples=("set temperature 0.3", "set max_tokens 500 --here", 'set stop "THE END"', "set temperature --clear"),
    run=run_set,
    group="models",
    complete=complete_set,
)


def _number(low: float, high: float) -> Callable[[str], object]:
    def read(text: str) -> object:
        try:
            value = float(text)
        except ValueError:
            return None
        if not (math.isfinite(value) and low <= value <= high):
            return None
        return int(value) if value.is_integer() else value

    return read


def _whole(low: int, high: int = LARGEST) -> Callable[[str], object]:
    def read(text: str) -> object:
        try:
            value = int(text.replace(",", "_"))
        except ValueError:
            return None
        return value if low <= value < high else None

    return read


def _effort(text: str) -> object:
    return text.lower() if text.lower() in EFFORTS else None


READERS: Mapping[str, tuple[str, Callable[[str], object]]] = MappingProxyType(
    {
        "temperature": ("a number from 0 to 2", _number(0, 2)),
        "top_p": ("a number from 0 to 1", _number(0, 1)),
        "max_tokens": ("a whole number of at least 1", _whole(1)),
        "seed": ("a whole number", _whole(-LARGEST)),
        "reasoning_effort": (f"one of: {', '.join(EFFORTS)}", _effort),
    }
)
"""(what it takes, its value read from a text or None) by name."""


def _example(name: str) -> str:
    return {"top_p": "0.9", "max_tokens": "500", "seed": "1", "reasoning_effort": "low", "stop": "END"}.get(name, "0.3")


async def _set(session: Session, name: str, value: object, given: Options) -> Reply:
    await session.refresh()
    persona = session.persona.name
    shown = in_words(value)
    if given.has(HERE):
        conversation = await session.ensure_conversation()
        await session.db(session.store.set_parameters, conversation.id, {**conversation.parameters, name: value})
        head, place = f"{name} for this conversation with {persona} set to {shown}.", AT_HERE
    elif given.has(PERSONA):
        library = session.services.library
        await session.in_thread(library.set_value, persona, ("parameters", name), value)
        head, place = f"{name} for {persona} set to {shown}.", f"{persona}'s system.jsonc"
    else:
        session.set_parameter_now(persona, name, value)
        head, place = f"{name} for {persona} is {shown} for now, until you leave.", AT_NOW
    await session.refresh()
    parameters, problem = await _in_front(session)
    counts = parameters.wished.get(name)
    warnings = [Line(remark.text, "warn") for remark in parameters.remarks if remark.parameter == name]
    if counts is not None and counts.where != place:
        ends = {AT_NOW: f" /set {name} --clear ends that.", AT_HERE: f" /set {name} --clear --here ends that."}
        text = f"{in_words(counts.value)} still wins; it comes from {_from(counts)}.{ends.get(counts.where, '')}"
        warnings.insert(0, Line(text, "warn"))
    warnings += problem
    data = {
        "parameter": name,
        "value": value,
        "where": place,
        "sent": parameters.sent.get(name),
        "warnings": [line.text for line in warnings],
    }
    return Reply((Line(head, "good"), *warnings), data)


async def _clear(session: Session, name: str, given: Options) -> Reply:
    await session.refresh()
    persona, what = session.persona.name, name or "All parameters"
    if given.has(PERSONA):
        if not name:
            raise UsageError("Which parameter?", f"For example: /set temperature {CLEAR} {PERSONA}")
        await session.in_thread(session.services.library.remove_value, persona, ("parameters", name))
        head = f"{name} for {persona} cleared."
    elif given.has(HERE):
        if (conversation := session.conversation) is not None:
            left = {key: value for key, value in conversation.parameters.items() if name and key != name}
            await session.db(session.store.set_parameters, conversation.id, left)
        head = f"{what} for this conversation cleared."
    else:
        for each in [name] if name else list(session.parameters_now(persona)):
            session.set_parameter_now(persona, each, None)
        head = f"{what} for now cleared."
    await session.refresh()
    parameters, problem = await _in_front(session)
    if name:
        counts = parameters.wished.get(name)
        head += f" Using {in_words(counts.value)} from {_from(counts)}." if counts else " The model's own counts."
    return Reply((Line(head, "good"), *problem), {"parameter": name or None, "sent": dict(parameters.sent)})


async def _list(session: Session, only: str = "") -> Reply:
    await session.refresh()
    parameters, problem = await _in_front(session)
    names = [only] if only else list(dict.fromkeys([*NAMES, *parameters.wished]))
    rows: list[tuple[str, ...]] = []
    data: list[object] = []
    for name in names:
        wish = parameters.wished.get(name)
        note = _note(name, wish, parameters)
        value, where = ("-", "the model's own") if wish is None else (in_words(wish.value), wish.where)
        rows.append((name, value, where, note))
        data.append(
            {
                "parameter": name,
                "value": wish.value if wish else None,
                "where": wish.where if wish else None,
                "chosen": wish.chosen if wish else False,
                "sent": parameters.sent.get(name),
            }
        )
    if not only:
        for name, extra in parameters.extra.items():
            rows.append((name, in_words(extra), "extra_params of the profile", ""))
            data.append({"parameter": name, "value": extra, "where": "extra_params", "chosen": True, "sent": extra})
    headings: tuple[str, ...] = ("parameter", "value", "from", "the model")
    if not any(row[-1] for row in rows):
        headings, rows = headings[:-1], [row[:-1] for row in rows]
    hint = Line("/set NAME VALUE sets one for now, --here for this conversation, --persona for good.", "dim")
    return Reply((Table(headings, tuple(rows)), *problem, *([] if only else [hint])), data)


def _note(name: str, wish: Parameter | None, parameters: Parameters) -> str:
    if name in parameters.limits.refused:
        return "does not take it"
    if wish is not None and name in parameters.sent and parameters.sent[name] != wish.value:
        return f"writes at most {parameters.sent[name]:,}"
    return ""


async def _in_front(session: Session) -> tuple[Parameters, list[Line]]:
    """What would go with the next message, and why that is not known in full where the model is not."""
    from ei.engine.again import composer_in_front, wished_in_front

    try:
        return (await composer_in_front(session)).parameters, []
    except EiError as exc:
        return wished_in_front(session), [Line(f"What would answer is not known: {exc}", "warn")]


def _from(parameter: Parameter) -> str:
    return "what is set for now" if parameter.where == AT_NOW else parameter.where
