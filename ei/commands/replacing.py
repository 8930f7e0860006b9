"""/models replace: another model wherever one is named, shown and asked first, and taken back on demand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ei.commands.base import Invocation, Item, Line, Reply, Table
from ei.commands.parse import Options, options, reference_of, words_with_object
from ei.commands.words import plural
from ei.errors import UsageError
from ei.models.expand import NothingFitsError
from ei.models.interactions import REASONING
from ei.models.reference import ModelId, Reference, nearest, parse, suspicion, written_form

if TYPE_CHECKING:
    from ei.engine.replaced import Change
    from ei.engine.replacing import Done, Left, Plan
    from ei.engine.session import Session


async def run_replace(call: Invocation) -> Reply:
    """`replace OLD NEW`, `replace --undo`. Raises UsageError, ConfigError, StorageError, NeedsAnswerError."""
    example = f"For example: {call.typed('models replace openai:gpt-4o openai:gpt-5.1')}"
    given = options(words_with_object(call.text)[1:], ("--undo", "--yes"), (), example)
    if given.has("--undo"):
        return await _undo(call, given)
    if len(given.rest) != 2:
        raise UsageError("Which model, and what instead?", example)
    return await _replace(call, given)


def complete_replace(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    """First what is referred to, with where; then what could stand there."""
    from ei.engine.missing import successors
    from ei.engine.referring import references

    services = session.services
    used = references(services)
    if not words:
        return [*((id, f"used by {', '.join(wheres)}") for id, wheres in used.items()), ("--undo", "take it back")]
    if len(words) > 1 or words[0].startswith("-"):
        return []
    models = services.registry.all(active_only=True)
    old = services.registry.get(words[0])
    best = [(model.id, model.tier) for model in successors(old, models)] if old else []
    rest = [(model.id, model.tier) for model in models if model.id != words[0] and model.chat]
    return list(dict([*best, *rest]).items())


async def _replace(call: Invocation, given: Options) -> Reply:
    from ei.engine.replacing import carry_out, plan_replacement

    session = call.session
    services = session.services
    names = services.chooser.names()
    old = parse(reference_of(given.rest[0]), names)
    new = reference_of(given.rest[1])
    target = parse(new, names)
    if old == target:
        raise UsageError(f"Both are {old}.", "Name another one as the second.")
    warnings = await _warnings(session, new, target)
    plan = await session.in_thread(plan_replacement, services, old, new)
    left = (*plan.left, *_of_this_chat(call, old, plan.new))
    if not plan.changes:
        return await _nothing(call, old, plan, left)
    if not (call.yes or given.has("--yes")):
        call.ui.show(_planned(plan, left, warnings))
        question = f"Replace {plan.old} by {plan.new} in {plural(len(plan.changes), 'place')}?"
        if not await call.ui.confirm(question):
            return Reply.line("Nothing was changed.", "dim", _data(plan.old, plan.new, (), left))
    done = await session.in_thread(carry_out, services, plan)
    await _look_again(session)
    head = f"{plan.old} is {plan.new} in {plural(len(done.changed), 'place')} now."
    left = (*done.left, *left[len(plan.left) :])
    items = _told(head if done.changed else "Nothing was changed.", done.changed, left)
    items += [Line(warning, "warn") for warning in warnings]
    if done.changed:
        items.append(Line(f"To take it back: {call.typed('models replace --undo')}", "dim"))
    return Reply(tuple(items), _data(plan.old, plan.new, done.changed, left))


async def _undo(call: Invocation, given: Options) -> Reply:
    from ei.engine.replacing import undo_replacement

    if given.rest:
        raise UsageError("--undo takes the last replacement back, whatever it was.", "Give it alone.")
    session = call.session
    done: Done = await session.in_thread(undo_replacement, session.services)
    await _look_again(session)
    head = f"{done.new} stands again in {plural(len(done.changed), 'place')}, instead of {done.old}."
    items = _told(head if done.changed else "Nothing was there to take back.", done.changed, done.left)
    return Reply(tuple(items), _data(done.old, done.new, done.changed, done.left))


async def _nothing(call: Invocation, old: Reference, plan: Plan, left: Sequence[Left]) -> Reply:
    """Nothing that can be changed names it: what could be meant, or what to do by hand."""
    from ei.engine.referring import references

    items: list[Item] = [Line(f"Nothing that can be changed here names {plan.old}.", "warn")]
    if left:
        items.append(_table_of_left(left))
    else:
        used = await call.session.in_thread(references, call.session.services)
        near = nearest(str(old), used) or list(used)[:3]
        if near:
            items.append(Line(f"In use are: {', '.join(near)}.", "dim"))
    return Reply(tuple(items), _data(plan.old, plan.new, (), left))


def _of_this_chat(call: Invocation, old: Reference, new: str) -> list[Left]:
    """What names it for this run of the program alone, or in a chat that is not saved."""
    from ei.engine.replacing import Left

    session = call.session
    names = session.services.chooser.names()

    def is_old(written: object) -> bool:
        try:
            return written is not None and parse(written, names) == old
        except UsageError:
            return False

    out = []
    if is_old(session.request):
        out.append(Left("--model of this chat", written_form(session.request), f"Start it with --model {new}"))
    if is_old(session.pending_once):
        out.append(Left("the next reply", written_form(session.pending_once), f"To change it: /model --once {new}"))
    here = session.conversation.model_here if session.incognito and session.conversation else None
    if is_old(here):
        out.append(Left("this chat, which is not saved", written_form(here), f"To change it: /model --here {new}"))
    return out


async def _warnings(session: Session, new: object, target: Reference) -> list[str]:
    """What is odd about the new reference, one line each. Raises UsageError where it can mean nothing."""
    services = session.services
    try:
        found = await session.in_thread(services.chooser.named, new, session.persona, REASONING)
    except NothingFitsError as exc:
        return [str(exc)]
    if not isinstance(target, ModelId):
        return list(found.path)
    out = []
    if better := suspicion(target, services.chooser.names()):
        out.append(f"Did you mean {better}?")
    connection = services.chooser.connection(target.provider)
    if not connection.ready:
        out.append(f"{target.provider} is not ready: {connection.key_problem or connection.problem or 'no API key'}.")
    models = await session.on_main(services.registry.all)
    model = next((model for model in models if model.id == str(target)), None)
    same = [other.id for other in models if other.name == new]
    if same and str(target) not in same:
        out.append(f"{new} alone means {target}. Did you mean {same[0]}?")
    of_provider = [other.name for other in models if other.provider == target.provider and other.active]
    if model is not None and not model.active:
        out.append(f"{target} is no longer in the list of {target.provider}.")
    elif model is not None and model.disabled:
        out.append(f"{target} is disabled here.")
    elif model is not None and model.shutdown:
        out.append(f"{target} will be gone from {model.shutdown}.")
    elif model is None and of_provider:
        near = nearest(target.model, of_provider, 1)
        guess = f" Did you mean {target.provider}:{near[0]}?" if near else ""
        out.append(f"{target.provider} does not list {target.model}.{guess}")
    return out


async def _look_again(session: Session) -> None:
    await session.refresh()
    session.settings_changed()


def _planned(plan: Plan, left: Sequence[Left], warnings: Sequence[str]) -> Reply:
    rows = tuple((change.where, written_form(change.before), written_form(change.after)) for change in plan.changes)
    items: list[Item] = [Table(("where", "stands there", "becomes"), rows)]
    if left:
        items += [Line("What stays as it is:", "warn"), _table_of_left(left)]
    return Reply((*items, *(Line(warning, "warn") for warning in warnings)))


def _told(head: str, changed: Sequence[Change], left: Sequence[Left]) -> list[Item]:
    items: list[Item] = [Line(head, "good" if changed else "warn")]
    if changed:
        rows = tuple((change.where, written_form(change.before), written_form(change.after)) for change in changed)
        items.append(Table(("where", "was", "is now"), rows))
    if left:
        items += [Line("Left as it was:", "warn"), _table_of_left(left)]
    return items


def _table_of_left(left: Sequence[Left]) -> Table:
    return Table(("where", "stands there", "what to do"), tuple((x.where, x.written, x.what_to_do) for x in left))


def _data(old: str, new: str, changed: Sequence[Change], left: Sequence[Left]) -> dict[str, object]:
    return {
        "old": old,
        "new": new,
        "changed": [{"where": c.where, "from": c.before, "to": c.after} for c in changed],
        "left": [{"where": x.where, "written": x.written or None, "what_to_do": x.what_to_do} for x in left],
    }
