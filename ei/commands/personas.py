"""/persona and /prompt: who speaks, and from what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ei.commands.base import Choice, Command, Document, Invocation, Item, Line, Reply, Table
from ei.commands.parse import options
from ei.commands.words import ago
from ei.errors import EiError, UsageError

if TYPE_CHECKING:
    from ei.engine.session import Session

SAVE = (
    Choice("yes", "yes", "save it and talk"),
    Choice("edit", "edit", "open the draft in your editor first"),
    Choice("no", "no", "throw it away"),
)
VERBS = ("new", "edit", "archive", "restore", "clone")


async def run_persona(call: Invocation) -> Reply:
    words = call.words
    match words:
        case ():
            return await _list(call.session)
        case ("new", *rest):
            return await _new(call, rest)
        case ("edit", *rest):
            return await _edit(call, " ".join(rest))
        case ("archive", *rest):
            return await _archive(call, " ".join(rest))
        case ("restore", *rest):
            return _restore(call, rest)
        case ("clone", *rest):
            return await _clone(call, rest)
        case (name,):
            await call.session.switch(name)
            return Reply(data={"persona": call.session.persona.name})
        case _:
            raise UsageError(f'There is no persona "{call.text}".', "See /persona for all of them.")


def complete_persona(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    names = [(p.name, p.short_description) for p in session.services.library.personas()]
    if len(words) <= 1:
        meanings = ("draft a new one", "open its file", "put it away", "bring one back", "copy this one")
        return [*names, *zip(VERBS, meanings, strict=True)]
    if words[0] == "restore":
        return [(entry.name, "archived") for entry in session.services.library.archived()]
    return names if words[0] in ("edit", "archive") else []


PERSONA = Command(
    name="persona",
    summary="List personas, or talk with another one",
    usage=(
        "persona  all of them",
        "persona NAME  talk with that one (a beginning of the name is enough)",
        "persona new NAME  draft one from an idea",
        "persona edit [NAME]  open its file in your editor",
        "persona clone NEW [--with-history]  a copy of this one",
        "persona archive [NAME]  put it away; nothing is deleted",
        "persona restore [NAME]  bring it back",
    ),
    examples=("persona lena", "persona new ada", "persona clone mike2 --with-history"),
    run=run_persona,
    group="personas",
    aliases=("personas", "p"),
    complete=complete_persona,
    shell=True,
)


async def run_prompt(call: Invocation) -> Reply:
    sent = await call.session.preview()
    items: list[Item] = []
    for message in sent.messages:
        who = message.role if message.name is None else f"{message.role} ({message.name})"
        items += [Line(f"── {who}", "accent"), Document(message.text, "text")]
    total = f"{len(sent.messages)} messages, about {sent.tokens:,} tokens, {sent.characters:,} characters"
    if sent.left_out:
        total += f"; the {sent.left_out} oldest do not fit and are left out"
    model = sent.model
    items.append(Line(f"{total}; to {model}", "dim"))
    data = {
        "model": model,
        "messages": [{"role": m.role, "content": m.text} for m in sent.messages],
        "tokens": sent.tokens,
        "left_out": sent.left_out,
    }
    return Reply(tuple(items), data)


PROMPT = Command(
    name="prompt",
    summary="See exactly what would be sent, and its size",
    usage=("prompt  the persona's prompt and the conversation, as the model gets them",),
    run=run_prompt,
    group="personas",
    shell=True,
)


async def _list(session: Session) -> Reply:
    from ei.personas.values import BrokenPersona

    talks = await session.db(session.store.stats)
    rows: list[tuple[str, ...]] = []
    broken: list[Item] = []
    data: list[object] = []
    current = None
    for entry in session.services.library.all():
        if isinstance(entry, BrokenPersona):
            broken.append(Line(f"{entry.name} is broken: {entry.error}", "error"))
            data.append({"name": entry.name, "broken": str(entry.error)})
            continue
        try:
            model = str((await session.resolution(entry)).model)
        except EiError as exc:
            model = exc.sentence
        if entry.name == session.persona.name:
            current = len(rows)
        unread = session.unread.get(entry.name, 0)
        talked = talks[entry.name].last_talk_ms if entry.name in talks else None
        rows.append(
            (
                entry.name,
                model,
                ago(session.services.now() - talked / 1000) if talked else "-",
                f"●{unread}" if unread else "",
                entry.short_description,
            )
        )
        data.append(
            {
                "name": entry.name,
                "aliases": list(entry.aliases),
                "description": entry.short_description,
                "model": model,
                "last_talk_ms": talked,
                "unread": unread,
            }
        )
    table = Table(("persona", "model", "last talk", "new", "description"), tuple(rows), current)
    return Reply((table, *broken), data)


async def _new(call: Invocation, words: Sequence[str]) -> Reply:
    given = options(words, (), ("--idea",), "persona new NAME")
    if len(given.rest) != 1:
        raise UsageError("What is the new persona called?", "For example: /persona new ada")
    from ei.engine.drafting import draft_persona

    session, name = call.session, given.rest[0].lower()
    session.services.library.check_name(name)
    idea = given.values.get("--idea") or await call.ui.ask(f"One line about {name}: who is it?")
    if not idea.strip():
        raise UsageError("Without an idea there is no persona.", "Say in one line who it is.")
    with call.ui.progress(f"Drafting {name}") as progress:
        draft = await draft_persona(session, name, idea, progress.update)
    if draft.problem:
        call.ui.show(Reply.line(draft.problem, "warn"))
    call.ui.show(Reply((Document(draft.text, "jsonc"), Line(f"Drafted by {draft.model}", "dim"))))
    text = draft.text
    while not call.yes:
        key = await call.ui.choose(f"Save {name}?", SAVE)
        if key in (None, "no"):
            return Reply.line(f"{name} was not saved.", "dim")
        if key == "yes":
            break
        edited = await call.ui.edit(text, ".jsonc")
        if edited is not None:
            try:
                session.services.library.check_text(name, edited)
                text = edited
            except EiError as exc:
                call.ui.show(Reply.line(str(exc), "error"))
                text = edited
    persona = session.services.library.create(name, text)
    await session.switch(persona.name)
    return Reply.line(f"{persona.name} is here: {persona.short_description}", "good", {"persona": persona.name})


async def _edit(call: Invocation, name: str) -> Reply:
    session = call.session
    path = session.services.library.path_of(name or session.persona.name)
    await call.ui.edit_file(path)
    return _checked(session, path.parent.name)


def _checked(session: Session, name: str) -> Reply:
    try:
        session.services.library.get(name)
    except EiError as exc:
        return Reply.line(f"Saved, but {name} cannot be used like this: {exc}", "error")
    return Reply.line(f"{name} is as you left it; it shows in the next reply.", "good")


async def _archive(call: Invocation, name: str) -> Reply:
    session = call.session
    persona = session.services.library.find(name or session.persona.name)
    others = [p for p in session.services.library.personas() if p.name != persona.name]
    if not others:
        raise UsageError(f"{persona.name} is the only persona here.", "Make another first: /persona new NAME")
    session.services.library.archive(persona.name)
    if persona.name == session.persona.name:
        await session.switch(others[0].name)
    return Reply.line(f"{persona.name} is put away. /persona restore {persona.name} brings it back.", "good")


def _restore(call: Invocation, words: Sequence[str]) -> Reply:
    library = call.session.services.library
    if not words:
        entries = library.archived()
        if not entries:
            return Reply.line("Nobody is archived.", "dim", [])
        rows = tuple((entry.name, entry.archived_at) for entry in entries)
        return Reply(
            (Table(("persona", "archived"), rows), Line("/persona restore NAME brings one back.", "dim")), rows
        )
    persona = library.restore(words[0])
    return Reply.line(f"{persona.name} is back.", "good", {"persona": persona.name})


async def _clone(call: Invocation, words: Sequence[str]) -> Reply:
    given = options(words, ("--with-history",), (), "persona clone NEW [--with-history]")
    if len(given.rest) != 1:
        raise UsageError("What is the copy called?", "For example: /persona clone mike2")
    session = call.session
    source = session.persona.name
    persona = session.services.library.clone(source, given.rest[0])
    count = 0
    if given.has("--with-history"):
        count = await session.db(session.store.copy_persona, source, persona.name)
    history = f" with {count} conversation{'s' if count != 1 else ''}" if given.has("--with-history") else ""
    return Reply.line(f"{persona.name} is a copy of {source}{history}. /persona {persona.name} talks with it.", "good")
