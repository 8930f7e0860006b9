"""/budget: what may be spent in a day, a month, with a provider, by a persona, in a conversation, and what then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ei.commands.base import Command, Invocation, Item, Line, Reply, Table
from ei.commands.parse import options, reference_of, words_with_object
from ei.errors import UsageError

if TYPE_CHECKING:
    from ei.engine.session import Session
    from ei.usage.budget import Budget, Scope, Standing, Then
    from ei.usage.budgets import BudgetStore

EXAMPLE = "For example: /budget set day 2.00, or: /budget set month 20 --then switch tier:fast"
CELLS = 12
THEN = {
    "ask": "a card asks; yes lets one request through",
    "stop": "nothing is sent",
    "switch": "another reference answers instead",
}
MEANS = {
    "day": "a local day",
    "month": "a local month",
    "provider": "a month with one provider",
    "persona": "a month of one persona's replies",
    "conversation": "one conversation, all the time; without an id the one in front",
}


async def run_budget(call: Invocation) -> Reply:
    words = call.words if call.shell else words_with_object(call.text)
    match list(words[:1]):
        case []:
            return await _show(call)
        case ["set"]:
            return await _set(call, words[1:])
        case ["clear"]:
            return await _clear(call, words[1:])
        case ["allow"]:
            return await _allow(call, words[1:])
    raise UsageError(f"/budget {words[0]} means nothing.", EXAMPLE)


def complete_budget(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    """Sub-commands, scopes, then names and what happens at the limit."""
    from ei.commands.models import known_references

    match list(words):
        case [] | [_]:
            return [
                ("set", "set a budget"),
                ("clear", "take one away"),
                ("allow", "a model of unknown price, uncounted"),
            ]
        case ["set" | "clear", _]:
            return list(MEANS.items())
        case ["set" | "clear", "provider", _]:
            return [(name, endpoint.label) for name, endpoint in session.services.chooser.endpoints().items()]
        case ["set" | "clear", "persona", _]:
            return [(persona.name, persona.short_description) for persona in session.services.library.personas()]
        case ["set", *_, "--then", _]:
            return list(THEN.items())
        case ["set", *_, "--then", "switch", _] | ["allow", _] | ["allow", "--not", _]:
            return known_references(session)
        case ["set", _, _, *_]:
            return [("--then", "what happens at the limit")]
    return []


async def _show(call: Invocation) -> Reply:
    store = _store(call.session)
    standings = await call.session.on_main(store.standings)
    allowed = await call.session.on_main(store.allowed)
    data = {"budgets": [as_data(one) for one in standings], "allowed": list(allowed)}
    if not standings:
        line = f"Nothing limits what may be spent. For example: {call.typed('budget set day 2.00')}"
        return Reply((Line(line), *_told_of_allowed(allowed)), data)
    columns = ("budget", "limit", "spent", "reserved", "left", "then", "")
    rows = tuple(_row(call.session, one) for one in standings)
    items: list[Item] = [Table(columns, rows, spare=("", "reserved"))]
    unknown = max(one.unknown for one in standings)
    if unknown:
        items.append(Line(f"Not counted: calls whose cost nobody knows ({unknown:,}).", "dim"))
    return Reply((*items, *_told_of_allowed(allowed)), data)


async def _set(call: Invocation, words: Sequence[str]) -> Reply:
    from ei.usage.budget import Budget

    session = call.session
    given = options(words, (), ("--then",), EXAMPLE)
    scope, name, rest = await _scope(session, given.rest, takes_amount=True)
    if not rest:
        raise UsageError("How much may be spent?", EXAMPLE)
    amount = amount_of(rest[0])
    before = next((one.budget for one in await _standings(session) if _same(one.budget, scope, name)), None)
    then: Then
    if "--then" not in given.values:
        if rest[1:]:
            raise UsageError(f"{rest[1]} is one word too many.", EXAMPLE)
        then = before.then if before is not None else "ask"
        reference = before.reference if before is not None else None
    else:
        then = _then_of(given.values["--then"])
        reference = _reference(session, then, rest[1:])
    budget = Budget(scope, amount, name, then, reference)
    await session.on_main(_store(session).set, budget)
    standing = next(one for one in await _standings(session) if _same(one.budget, scope, name))
    return Reply(_told_of_set(call, standing), as_data(standing))


async def _clear(call: Invocation, words: Sequence[str]) -> Reply:
    session = call.session
    example = "For example: /budget clear day"
    scope, name, rest = await _scope(session, options(words, (), (), example).rest, takes_amount=False)
    if rest:
        raise UsageError(f"{rest[0]} is one word too many.", example)
    title = _title(session, scope, name)
    if not await session.on_main(_store(session).clear, scope, name):
        raise UsageError(f"{title} has no budget.", "/budget lists them.")
    return Reply.line(f"{title} has no budget any more.", data={"scope": scope, "name": name})


async def _allow(call: Invocation, words: Sequence[str]) -> Reply:
    from ei.models.reference import exact

    session, example = call.session, "For example: /budget allow openrouter:x/y"
    given = options(words, (), ("--not",), example)
    away = given.values.get("--not")
    if len(given.rest) + (away is not None) != 1:
        raise UsageError("Which model?", example)
    model = str(exact(away or given.rest[0], session.services.chooser.names()))
    changed = await session.on_main(_store(session).allow, model, away is None)
    data = {"model": model, "allowed": away is None}
    if away is not None:
        word = "is held from now on" if changed else "was not allowed"
        return Reply.line(f"{model} {word} where its price is not known.", data=data)
    return Reply.line(
        f"{model} may be used under a budget although its price is not known; what it costs is not counted.", data=data
    )


def amount_of(text: str) -> int:
    """Dollars as typed (`2`, `2.50`, `$0.05`) as nano-dollars. Raises UsageError."""
    from decimal import Decimal, InvalidOperation

    try:
        dollars = Decimal(text.removeprefix("$").replace(",", "") if text.isascii() else "")
    except InvalidOperation:
        raise UsageError(f"{text} is no amount of dollars.", EXAMPLE) from None
    if not dollars.is_finite() or not 0 <= dollars <= 1_000_000:
        raise UsageError(f"{text} is no amount of dollars from 0 to 1,000,000.", EXAMPLE)
    return int(dollars * 1_000_000_000)


def bar(standing: Standing) -> str:
    """What of a budget is spent, reserved, left."""
    limit = standing.budget.amount
    if not limit:
        return "█" * CELLS
    spent = min(-(-standing.spent * CELLS // limit), CELLS)
    reserved = min(-(-(standing.spent + standing.reserved) * CELLS // limit), CELLS) - spent
    return "█" * spent + "▒" * reserved + "░" * (CELLS - spent - reserved)


def as_data(standing: Standing) -> dict[str, object]:
    """A budget, JSON-ready; money in dollars."""
    budget = standing.budget
    return {
        "scope": budget.scope,
        "name": budget.name,
        "period": standing.period.key,
        "limit_usd": budget.amount / 1e9,
        "spent_usd": standing.spent / 1e9,
        "reserved_usd": standing.reserved / 1e9,
        "left_usd": standing.left / 1e9,
        "unknown_cost_calls": standing.unknown,
        "then": budget.then,
        "reference": budget.reference,
    }


def _row(session: Session, standing: Standing) -> tuple[str, ...]:
    from ei.usage.budget import sum_text

    budget = standing.budget
    spent = f"{sum_text(standing.spent)} ({standing.percent} %)"
    money = (sum_text(budget.amount), spent, sum_text(standing.reserved), sum_text(standing.left))
    return (_title(session, budget.scope, budget.name), *money, _then(budget), bar(standing))


def _then(budget: Budget) -> str:
    from ei.models.reference import written_form

    return f"switch to {written_form(budget.reference)}" if budget.then == "switch" else budget.then


def _then_of(word: str) -> Then:
    match word:
        case "ask" | "stop" | "switch":
            return word
    raise UsageError(f"--then {word} means nothing.", "There are: --then ask, --then stop, --then switch REF.")


def _told_of_set(call: Invocation, standing: Standing) -> tuple[Item, ...]:
    from ei.usage.budget import sum_text

    budget = standing.budget
    title = _title(call.session, budget.scope, budget.name)
    period = {"day": " a day", "provider": " a month", "persona": " a month", "month": ""}.get(budget.scope, "")
    lines: list[Item] = [
        Line(
            f"Budget of {title}: {sum_text(budget.amount)}{period}; {sum_text(standing.spent)} is spent. "
            f"At the limit: {_then(budget)}."
        )
    ]
    if standing.unknown:
        lines.append(Line(f"Calls whose cost nobody knows are not in it ({standing.unknown:,}).", "dim"))
    if standing.left == 0:
        lines.append(Line("Nothing is left of it now.", "warn"))
    return tuple(lines)


def _told_of_allowed(allowed: Sequence[str]) -> tuple[Item, ...]:
    if not allowed:
        return ()
    return (Line(f"Used although the price is not known, and not counted: {', '.join(allowed)}.", "dim"),)


def _title(session: Session, scope: Scope, name: str) -> str:
    if scope == "conversation":
        here = session.conversation is not None and session.conversation.id == name
        return "this conversation" if here else f"conversation {name[-8:]}"
    return {"day": "today", "month": "this month"}.get(scope, f"{scope} {name}")


def _reference(session: Session, then: str, rest: Sequence[str]) -> object:
    """What is to answer instead. Raises UsageError where that cannot be read, or none is to be."""
    from ei.models.expand import find_profile
    from ei.models.reference import ProfileReference, parse

    if then != "switch":
        if rest:
            raise UsageError(f"{rest[0]} is one word too many.", EXAMPLE)
        return None
    if len(rest) != 1:
        raise UsageError("Switch to which model?", EXAMPLE)
    written = reference_of(rest[0])
    chooser = session.services.chooser
    found = parse(written, chooser.names())
    if isinstance(found, ProfileReference):
        find_profile(found.id, chooser.profiles())
    return written


async def _scope(session: Session, words: Sequence[str], *, takes_amount: bool) -> tuple[Scope, str, Sequence[str]]:
    """(scope, name, the words after it). Raises UsageError, NotFoundError."""
    if not words or words[0] not in MEANS:
        raise UsageError(
            f"There is no budget of {words[0]}." if words else "A budget of what?", f"There are: {', '.join(MEANS)}."
        )
    rest = list(words[1:])
    match words[0]:
        case "day":
            return "day", "", rest
        case "month":
            return "month", "", rest
        case "conversation":
            return "conversation", await _conversation(session, rest, takes_amount=takes_amount), rest
    if not rest:
        raise UsageError(f"Which {words[0]}?", f"/budget set {words[0]} NAME AMOUNT")
    name = rest.pop(0)
    if words[0] == "persona":
        return "persona", session.services.library.find(name).name, rest
    names: Mapping[str, str] = session.services.chooser.names().aliases
    name = names.get(name.lower(), name.lower())
    if name not in session.services.chooser.endpoints():
        raise UsageError(f"There is no provider {name}.", "/provider lists them.")
    return "provider", name, rest


async def _conversation(session: Session, rest: list[str], *, takes_amount: bool) -> str:
    """The id of the conversation meant; takes its word off `rest` where there is one."""
    if session.incognito:
        raise UsageError("A conversation that is not saved has no budget of its own.", "/budget set day 2.00 holds it.")
    if len(rest) > int(takes_amount) and (not takes_amount or _is_amount(rest[1])):
        return (await session.db(session.store.find, rest.pop(0))).id
    return (await session.here()).id


def _is_amount(text: str) -> bool:
    try:
        amount_of(text)
    except UsageError:
        return False
    return True


def _same(budget: Budget, scope: Scope, name: str) -> bool:
    return (budget.scope, budget.name) == (scope, name)


async def _standings(session: Session) -> tuple[Standing, ...]:
    return await session.on_main(_store(session).standings)


def _store(session: Session) -> BudgetStore:
    return session.services.gate.spending.budgets


BUDGET = Command(
    "budget",
    "What may be spent, and what happens at the limit",
    (
        "budget  what is set, spent, set aside and left",
        "budget set day AMOUNT  so many dollars a local day",
        "budget set month AMOUNT  so many a local month",
        "budget set provider NAME AMOUNT  so many a month with one provider",
        "budget set persona NAME AMOUNT  so many a month for one persona's replies",
        "budget set conversation AMOUNT  so many in the one in front",
        "budget set SCOPE AMOUNT --then ask|stop  at the limit a card asks, or nothing is sent",
        "budget set SCOPE AMOUNT --then switch REF  at the limit that model, tier or profile answers instead",
        "budget clear SCOPE  takes a budget away",
        "budget allow MODEL  uses a model of unknown price under a budget, uncounted; --not MODEL ends that",
    ),
    run_budget,
    "models",
    examples=("budget set day 2.00", "budget set month 20 --then switch tier:fast", "budget set persona lena 1"),
    complete=complete_budget,
    shell=True,
)
