"""/persona and /prompt: who speaks, and from what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ei.commands.base import Command, Document, Invocation, Item, Line, Reply, Table
from ei.commands.parse import options
from ei.commands.words import ago, plural
from ei.engine.parameters import in_words
from ei.errors import CancelledError, EiError, FileSyntaxError, NeedsAnswerError, UsageError
from ei.models.interactions import REASONING
from ei.personas.values import BrokenPersona

if TYPE_CHECKING:
    from ei.engine.session import Session
    from ei.personas.library import Library
    from ei.personas.values import Persona

VERBS = ("new", "edit", "archive", "restore", "clone")


async def run_persona(call: Invocation) -> Reply:
    words = call.words
    match words:
        case ():
            return await _list(call)
        case ("new", *rest):
            return await _new(call, rest)
        case ("edit", *rest):
            return await _edit(call, " ".join(rest))
        case ("archive", *rest):
            return await _archive(call, " ".join(rest))
        case ("restore", *rest):
            return await _restore(call, rest)
        case ("clone", *rest):
            return await _clone(call, rest)
        case _:
            await call.session.switch(" ".join(words))
            name = call.session.persona.name
            told = (Line(f"{name} is in front now: {call.session.persona.short_description}", "good"),)
            return Reply(told if call.shell else (), {"persona": name})


def complete_persona(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    """Names and verbs; after a verb, the names it goes with."""
    library = session.services.library
    names = [(p.name, p.short_description) for p in library.personas()]
    match words:
        case () | (_,):
            meanings = ("draft a new one", "open its file", "put it away", "bring one back", "copy this one")
            return [*names, *zip(VERBS, meanings, strict=True)]
        case ("restore", _):
            return [(entry.name, f"archived {entry.archived_at}") for entry in library.archived()]
        case ("edit" | "archive", _):
            broken = [(entry.name, "broken") for entry in library.all() if isinstance(entry, BrokenPersona)]
            return [*names, *broken]
        case ("clone", _, last) if last.startswith("-") or not last:
            return [("--with-history", "its conversations too")]
        case _:
            return []


PERSONA = Command(
    name="persona",
    summary="List personas, or talk with another one",
    usage=(
        "persona  all of them",
        "persona NAME  talk with that one (a beginning of the name is enough)",
        "persona new NAME [IDEA]  draft one from an idea, look at it, save it or not",
        "persona edit [NAME]  open its file in your editor",
        "persona clone NEW [--with-history]  a copy of this one",
        "persona archive [NAME]  put it away; nothing is deleted",
        "persona restore [NAME] [NEWNAME]  bring it back; without a name, who is there",
    ),
    examples=("persona lena", "persona new ada a calm pilot", "persona clone mike2 --with-history"),
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
    items.append(Line("── user: what you say next", "accent"))
    total = f"{plural(len(sent.messages), 'message')}, about {sent.tokens:,} tokens, {sent.characters:,} characters"
    if sent.left_out:
        total += f"; the {plural(sent.left_out, 'oldest message', 'oldest messages')} would not fit"
    parameters = sent.parameters
    chosen = [f"{name} {in_words(value)} ({parameters.wished[name].where})" for name, value in parameters.sent.items()]
    chosen += [f"{name} {in_words(value)} (extra_params)" for name, value in parameters.extra.items()]
    items += [Line(remark.text, "warn") for remark in parameters.remarks]
    items.append(Line(", ".join([f"{total}; to {sent.model}", *chosen]), "dim"))
    data = {
        "model": sent.model,
        "messages": [{"role": m.role, "name": m.name, "content": m.text} for m in sent.messages],
        "parameters": dict(parameters.sent),
        "parameters_from": {name: parameters.wished[name].where for name in parameters.sent},
        "extra_params": dict(parameters.extra),
        "tokens": sent.tokens,
        "characters": sent.characters,
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


async def _list(call: Invocation) -> Reply:
    session = call.session
    saved, chooser, now = session.services.conversations, session.services.chooser, session.services.now()
    talks = await session.on_main(saved.stats)
    if chooser.found is None:
        await chooser.look(private=bool(await session.privacy()))
    rows: list[tuple[str, ...]] = []
    wrong: list[Item] = []
    data: list[object] = []
    current = None
    for entry in session.services.library.all():
        if isinstance(entry, BrokenPersona):
            wrong.append(Line(f"{entry.name} is broken: {entry.error}", "error"))
            data.append({"name": entry.name, "broken": str(entry.error)})
            continue
        here = session.conversation if entry.name == session.persona.name else None
        model, problem = "?", ""
        try:
            here = here or await session.on_main(saved.current, entry.name)
            model = str(chooser.peek(entry, here, REASONING).model)
        except EiError as exc:
            problem = f"{entry.name} cannot answer: {exc}"
            wrong.append(Line(problem, "error"))
        if entry.name == session.persona.name:
            current = len(rows)
        unread = session.unread.get(entry.name, 0)
        talked = talks[entry.name].last_talk_ms if entry.name in talks else None
        age = "-" if talked is None else ago(now - talked / 1000)
        rows.append((entry.name, model, age, f"●{unread}" if unread else "", entry.short_description))
        data.append(
            {
                "name": entry.name,
                "aliases": list(entry.aliases),
                "description": entry.short_description,
                "model": None if problem else model,
                "problem": problem or None,
                "last_talk_ms": talked,
                "unread": unread,
            }
        )
    table = Table(
        ("persona", "model", "last talk", "new", "description"), tuple(rows), current, spare=("last talk", "model")
    )
    hint = Line(f"{call.typed('persona NAME')} talks with one, {call.typed('persona new NAME')} drafts another.", "dim")
    return Reply((table, *wrong, hint), data)


async def _new(call: Invocation, words: Sequence[str]) -> Reply:
    given = options(words, (), ("--idea",), f"{call.typed('persona new NAME')} [IDEA]")
    if not given.rest:
        raise UsageError(
            "What is the new persona called?", f"For example: {call.typed('persona new ada a calm pilot')}"
        )
    from ei.engine.drafting import draft_persona

    session, library = call.session, call.session.services.library
    name = _free_name(library, given.rest[0])
    idea = given.values.get("--idea", "") or " ".join(given.rest[1:])
    if not idea.strip() and not call.ui.interactive:
        raise NeedsAnswerError(
            f"Nobody can be asked here what {name} is like.",
            f"Say it behind the name: {call.typed(f'persona new {name}')} IDEA",
        )
    if not idea.strip():
        idea = await call.ui.ask(f"One line about {name}: who is it?")
    if not idea.strip():
        raise UsageError("Without an idea there is no persona.", "Say in one line who it is.")
    if not call.yes and not call.ui.interactive:
        raise NeedsAnswerError(
            "A draft is looked at before it is saved, and nobody can be asked here.", "Add --yes to save it unseen."
        )
    with call.ui.progress(f"Drafting {name}") as progress:
        draft = await draft_persona(session, name, idea, progress.update)
    if draft.problem:
        call.ui.show(Reply.line(draft.problem, "warn"))
    by = () if draft.problem else (Line(f"Drafted by {draft.model}", "dim"),)
    call.ui.show(Reply((Document(draft.text, "jsonc"), *by)))
    persona = await _agreed(call, name, draft.text)
    if persona is None:
        return Reply.line(f"{name} was not saved.", "dim")
    await session.switch(persona.name)
    return Reply.line(f"{persona.name} is here: {persona.short_description}", "good", {"persona": persona.name})


async def _agreed(call: Invocation, name: str, text: str) -> Persona | None:
    """The persona once the person agreed to the draft, None when they did not; no edit is lost on the way."""
    library = call.session.services.library

    def complain(exc: EiError) -> None:
        where = (
            f"The draft, line {exc.line}, column {exc.column}: {exc.problem}"
            if isinstance(exc, FileSyntaxError)
            else ""
        )
        call.ui.show(Reply.line(where or str(exc), "error"))

    while True:
        key = "yes" if call.yes else await _wish(call, name)
        if key == "edit":
            text = await call.ui.edit(text, ".jsonc") or text
            try:
                library.check_text(name, text)
                call.ui.show(Reply.line("The draft is as you left it.", "dim"))
            except EiError as exc:
                complain(exc)
        elif key == "yes":
            try:
                return library.create(name, text)
            except EiError as exc:
                if call.yes:
                    raise
                complain(exc)
        elif key == "no":
            return None


async def _wish(call: Invocation, name: str) -> str:
    """yes, edit or no; asked in one line, so that the draft above can be read meanwhile."""
    try:
        answer = (await call.ui.ask(f"Save {name} (yes, edit, no)?", "yes")).strip().lower()
    except CancelledError:
        return "no"
    return next((word for word in ("yes", "edit", "no") if answer and word.startswith(answer)), "")


async def _edit(call: Invocation, name: str) -> Reply:
    session = call.session
    path = session.services.library.path_of(name or session.persona.name)
    await call.ui.edit_file(path)
    name = path.parent.name
    try:
        persona = session.services.library.get(name)
        session.services.chooser.peek(persona, None, REASONING)
    except EiError as exc:
        return Reply.line(f"Saved, but {name} cannot be used like this: {exc}", "error")
    return Reply.line(f"{name} is as you left it; it shows in the next reply.", "good")


async def _archive(call: Invocation, name: str) -> Reply:
    session, library = call.session, call.session.services.library
    name = library.path_of(name or session.persona.name).parent.name
    others = [p for p in library.personas() if p.name != name]
    if not others:
        raise UsageError(f"{name} is the only persona here.", f"Make another first: {call.typed('persona new NAME')}")
    if any(
        running.info and name in (running.info.persona, running.info.speaker) for running in session.running().values()
    ):
        raise UsageError(f"A reply of {name} is under way.", "Wait for it, or stop it with Ctrl-C.")
    library.archive(name)
    if name == session.persona.name:
        await session.switch((await session.next_of(others)).name)
    back = call.typed(f"persona restore {name}")
    return Reply.line(f"{name} is put away. {back} brings it back.", "good", {"persona": name})


async def _restore(call: Invocation, words: Sequence[str]) -> Reply:
    library = call.session.services.library
    match words:
        case ():
            entries = library.archived()
            if not entries:
                return Reply.line("Nobody is archived.", "dim", [])
            table = Table(("persona", "archived"), tuple((entry.name, entry.archived_at) for entry in entries))
            hint = Line(f"{call.typed('persona restore NAME')} brings one back, the newest of a name.", "dim")
            return Reply((table, hint), [{"name": e.name, "archived_at": e.archived_at} for e in entries])
        case (name,) | (name, _):
            new = _free_name(library, words[1]) if len(words) > 1 else None
            try:
                entry = library.restore(name, new)
            except UsageError as exc:
                if new is None and any(e.name == name for e in library.archived()):
                    other = f"Bring it back under another name: {call.typed(f'persona restore {name} NEWNAME')}"
                    raise UsageError(exc.sentence, other) from exc
                raise
            data = {"persona": entry.name}
            if isinstance(entry, BrokenPersona):
                return Reply(
                    (Line(f"{entry.name} is back.", "good"), Line(f"It is broken: {entry.error}", "error")), data
                )
            talks = call.typed(f"persona {entry.name}")
            return Reply.line(f"{entry.name} is back. {talks} talks with it.", "good", data)
        case _:
            raise UsageError("One persona at a time.", f"Write: {call.typed('persona restore NAME')}")


async def _clone(call: Invocation, words: Sequence[str]) -> Reply:
    usage = call.typed("persona clone NEW [--with-history]")
    given = options(words, ("--with-history",), (), usage)
    if len(given.rest) != 1:
        raise UsageError("What is the copy called?", f"For example: {call.typed('persona clone mike2')}")
    session, library = call.session, call.session.services.library
    source = session.persona.name
    persona = library.clone(source, _free_name(library, given.rest[0]))
    history = ""
    if given.has("--with-history"):
        count = await session.on_main(session.services.conversations.copy_persona, source, persona.name)
        history = f" with {plural(count, 'conversation')}"
    talks = call.typed(f"persona {persona.name}")
    return Reply.line(
        f"{persona.name} is a copy of {source}{history}. {talks} talks with it.", "good", {"persona": persona.name}
    )


def _free_name(library: Library, typed: str) -> str:
    """The name as a new persona gets it. Raises UsageError for one that is taken, or that /persona understands."""
    name = library.check_name(typed)
    if name in VERBS:
        raise UsageError(f'"{name}" is a word of /persona itself.', "Take another name.")
    return name
