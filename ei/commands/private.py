"""/private: what stays on this machine, everything or a conversation, and which other hosts are one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ei.commands.base import Command, Invocation, Item, Line, Reply, Table
from ei.commands.parse import options
from ei.commands.words import clip, plural
from ei.errors import EiError, PrivateError, UsageError
from ei.models.interactions import REASONING

if TYPE_CHECKING:
    from ei.conversations.values import Message
    from ei.engine.own import Privacy
    from ei.engine.session import Session

QUOTED = 3
"""So many private messages are quoted before they may leave."""


async def run_private(call: Invocation) -> Reply:
    given = options(call.words, (), (), f"See {call.typed('help private')}.").rest
    await call.session.refresh()
    match given:
        case ():
            return await _show(call)
        case ("on" | "off" as word,):
            return await _everything(call, word == "on")
        case ("here",) | ("here", "on"):
            return await _here(call)
        case ("here", "off"):
            return await _here_off(call)
        case ("hosts",):
            return _hosts(call)
        case ("hosts", "add", host):
            return await _add(call, host)
        case ("hosts", "remove", host):
            return await _remove(call, host)
        case _:
            raise UsageError(
                f"{call.typed('private')} {' '.join(given)} means nothing.", f"See {call.typed('help private')}."
            )


def complete_private(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    match list(words[:-1]):
        case []:
            return [
                ("on", "everything stays on this machine"),
                ("off", "no longer everything"),
                ("here", "this conversation does"),
                ("hosts", "other hosts of your own"),
            ]
        case ["here"]:
            return [("off", "it may leave again")]
        case ["hosts"]:
            return [("add", "mark one"), ("remove", "no longer")]
        case ["hosts", "remove"]:
            return [(host, "") for host in _own(session)]
        case _:
            return []


PRIVATE = Command(
    name="private",
    summary="Keep what is said on this machine and on hosts of your own",
    usage=(
        "private  what is private now and why, and who may be asked",
        "private on|off  everything, in settings.jsonc",
        "private here  this conversation",
        "private here off  it may leave this machine again; asks first",
        "private hosts  the hosts that are your own beside this machine",
        "private hosts add HOST  a name, an address or a network; names are never resolved",
        "private hosts remove HOST  no longer",
    ),
    examples=("private on", "private here", "private hosts add 192.168.1.20"),
    run=run_private,
    group="models",
    complete=complete_private,
    shell=True,
)


async def _show(call: Invocation) -> Reply:
    from ei.engine.own import everything

    session = call.session
    services = session.services
    why = await session.privacy()
    chooser = services.chooser
    own = [name for name in chooser.endpoints() if chooser.is_own(name)]
    others = [name for name in chooser.endpoints() if name not in own]
    personas = [persona.name for persona in services.library.personas() if persona.private]
    lines: list[Item] = []
    if why:
        lines.append(Line(f"{why.sentence}: nothing of it leaves this machine and your own hosts.", "good"))
        lines += [Line(reason, "dim") for reason in _reasons(why)]
        lines += await _cannot_answer(session, why)
    else:
        lines.append(Line("Nothing is private here: what is said goes to whoever the model's provider is."))
    if personas:
        lines.append(Line(f"Private personas: {', '.join(personas)} (their files say so).", "dim"))
    rows = tuple((name, chooser.connection(name).base_url or "-", _whose(session, name)) for name in own)
    lines.append(Table(("may be asked", "address", "where"), rows, title="" if why else "Of what is private"))
    hosts = _own(session)
    lines.append(
        Line(
            f"Hosts of your own: {', '.join(hosts) if hosts else 'none'}. "
            f"To mark one: {call.typed('private hosts add HOST')}",
            "dim",
        )
    )
    if not why:
        lines.append(
            Line(f"{call.typed('private on')} keeps everything here, {call.typed('private here')} this talk.", "dim")
        )
    data = {
        "everything": bool(everything(services.config.current())),
        "where": why.everywhere or None,
        "conversation": None if session.conversation is None else bool(why),
        "marked": why.marked,
        "because_of": list(why.people),
        "private_messages": why.messages,
        "personas": personas,
        "own_hosts": list(hosts),
        "may_be_asked": own,
        "must_not": others if why else [],
    }
    return Reply(tuple(lines), data)


def _reasons(why: Privacy) -> list[str]:
    """All that makes it so, a line each."""
    out = [f"Everything is: {why.everywhere}."] if why.everywhere else []
    out += [f"{name} is: its file says so." for name in why.asked]
    out += [f"{name} is, who was asked here: its file says so." for name in why.present]
    out += ["You marked this conversation: /private here off ends that."] if why.marked else []
    if why.messages:
        said = "was said" if why.messages == 1 else "were said"
        out.append(f"{plural(why.messages, 'message')} in it {said} by or to somebody private.")
    return out


async def _cannot_answer(session: Session, why: Privacy) -> list[Line]:
    """One line where the model in use must not be asked."""
    chooser = session.services.chooser
    request = session.request
    try:
        found = await session.in_thread(
            chooser.peek, session.persona, session.conversation, REASONING, request, private=True
        )
        session.services.gate.check(found.model.provider, found.model.model, private=why)
    except PrivateError as exc:
        return [Line(f"{session.persona.name} cannot answer with {found.model}. {exc.hint}", "warn")]
    except EiError as exc:
        return [Line(str(exc), "warn")]
    return []


def _whose(session: Session, provider: str) -> str:
    return "this machine" if session.services.chooser.stays_here(provider) else "your own host"


async def _everything(call: Invocation, on: bool) -> Reply:
    from ei.engine.own import everything
    from ei.engine.settings_file import set_setting

    session = call.session
    config = session.services.config
    before = everything(config.current())
    if on and before.everywhere == "settings.jsonc":
        return Reply.line("Everything is private already.", "dim", {"private": True})
    await session.in_thread(set_setting, config, ("private",), on)
    session.settings_changed()
    now = everything(config.current())
    variable = config.current().variable("EI_PRIVATE")
    items: list[Item] = []
    if on and now:
        items.append(Line("Everything is private: nothing leaves this machine and your own hosts.", "good"))
        items += _under_way(session)
        items += await _cannot_answer(session, now)
    elif on and variable is not None:
        items.append(Line(f"EI_PRIVATE={variable.value} ({variable.source}) wins: nothing is private by it.", "warn"))
    elif now:
        items.append(Line(f"Everything still is: {now.everywhere} says so.", "warn"))
    elif before:
        items.append(Line("Not everything is private any more: what was said meanwhile may leave, too.", "good"))
        items += _still(await session.privacy())
    else:
        items.append(Line("Not everything is private.", "dim"))
    return Reply(tuple(items), {"private": bool(now)})


def _under_way(session: Session) -> list[Line]:
    """Replies that were asked before, by models elsewhere."""
    out = []
    for running in session.running().values():
        info = running.info
        if info is not None and not session.services.chooser.is_own(info.model.partition(":")[0]):
            out.append(Line(f"{info.speaker}'s reply by {info.model} was asked before; Ctrl-C stops it.", "warn"))
    return out


def _still(why: Privacy) -> list[Line]:
    return [Line(f"{why.sentence} still.", "warn")] if why else []


async def _here(call: Invocation) -> Reply:
    session = call.session
    conversation = await session.ensure_conversation()
    if conversation.private:
        return Reply.line("This conversation is private already.", "dim", {"private": True})
    await session.db(session.store.set_private, conversation.id, True)
    await session.refresh()
    session.settings_changed()
    why = await session.privacy()
    head = Line("This conversation is private: nothing of it leaves this machine and your own hosts.", "good")
    before: list[Item] = []
    path = await session.db(session.store.path, conversation.id)
    if away := _went_to(session, path):
        before.append(Line(f"What was said before went to {', '.join(away)}.", "dim"))
    return Reply((head, *before, *_under_way(session), *await _cannot_answer(session, why)), {"private": True})


async def _here_off(call: Invocation) -> Reply:
    session = call.session
    conversation = await session.here()
    why = await session.privacy()
    if why.asked:
        name = why.asked[0]
        raise UsageError(
            f"This conversation stays private: {name} is.",
            f'To end that, take "private" out of its file: {call.typed(f"persona edit {name}")}',
        )
    if not (why.marked or why.messages or why.present):
        if why:
            raise UsageError("This conversation alone is not private: everything is.", "/private off ends that.")
        return Reply.line("This conversation is not private.", "dim", {"private": False})
    messages = await session.db(session.store.messages, conversation.id)
    if messages and not call.yes:
        details = await _what_leaves(session, messages, why)
        if not await call.ui.confirm("May this conversation leave this machine again?", details):
            return Reply.line("It stays private.", "dim", {"private": True})
    await session.db(session.store.set_private, conversation.id, False)
    await session.refresh()
    session.settings_changed()
    head = Line("This conversation may leave this machine again.", "good")
    return Reply((head, *_still(await session.privacy())), {"private": False})


async def _what_leaves(session: Session, messages: Sequence[Message], why: Privacy) -> list[str]:
    """What would leave and to whom, a line each."""
    private = [m for m in messages if m.private or {m.author, m.to} & set(why.people)]
    among = f", {len(private):,} of them private" if private else ""
    out = [f"{plural(len(messages), 'message')} would go along{among}."]
    for message in private[:QUOTED]:
        who = message.author or (f"you to {message.to}" if message.to else "you")
        out.append(f"{who}: {clip(' '.join(message.text.split()), 70)}")
    if len(private) > QUOTED:
        out.append(f"and {len(private) - QUOTED:,} more")
    try:
        chooser = session.services.chooser
        request = session.request
        found = await session.in_thread(chooser.peek, session.persona, session.conversation, REASONING, request)
        if not chooser.is_own(found.model.provider):
            address = chooser.connection(found.model.provider).base_url
            out.append(f"The next message takes it to {found.model} at {address}.")
    except EiError:
        pass  # who would be asked is told when it is
    return out


def _went_to(session: Session, path: Sequence[Message]) -> list[str]:
    """The providers elsewhere that answered in it, as far as they still are providers here."""
    chooser = session.services.chooser
    names = dict.fromkeys(message.model.partition(":")[0] for message in path if message.model)
    return [name for name in names if name in chooser.endpoints() and not chooser.is_own(name)]


# Hosts ------------------------------------------------------------------------------------------------------


def _hosts(call: Invocation) -> Reply:
    hosts = _own(call.session)
    data = {"own_hosts": list(hosts)}
    if not hosts:
        how = f"To mark one: {call.typed('private hosts add HOST')}"
        return Reply((Line("No host but this machine is marked as your own."), Line(how, "dim")), data)
    rows = tuple((host, ", ".join(_reached(call.session, host)) or "no provider is there") for host in hosts)
    more = f"To end one: {call.typed('private hosts remove HOST')}"
    return Reply((Table(("host", "providers there"), rows), Line(more, "dim")), data)


async def _add(call: Invocation, written: str) -> Reply:
    from ei.engine.own import host_entry, is_own_host

    session = call.session
    host = host_entry(written)
    hosts = _own(session)
    if host in hosts:
        return Reply.line(f"{host} is marked as your own already.", "dim", {"own_hosts": list(hosts)})
    for known, provider in _of_others(session).items():
        if is_own_host(known, (host,)):
            raise UsageError(
                f"{known} is {provider}'s: what is sent there leaves your hands.",
                "A proxy or a server of your own has a name of its own.",
            )
    await _write(session, [*hosts, host])
    there = _reached(session, host)
    told = f"{', '.join(there)} may be asked what is private." if there else "No provider has its address there yet."
    head = Line(f"{host} is marked as your own. {told}", "good")
    ends = Line(f"To end that: {call.typed(f'private hosts remove {host}')}", "dim")
    return Reply((head, ends), {"own_hosts": [*hosts, host]})


async def _remove(call: Invocation, written: str) -> Reply:
    from ei.engine.own import host_entry

    session = call.session
    hosts = _own(session)
    host = written if written in hosts else host_entry(written)
    if host not in hosts:
        marked = f"Marked now: {', '.join(hosts)}." if hosts else "None is."
        raise UsageError(f"{host} is not marked as your own.", marked)
    left = [other for other in hosts if other != host]
    await _write(session, left)
    return Reply.line(f"{host} is not your own any more.", "good", {"own_hosts": left})


async def _write(session: Session, hosts: list[str]) -> None:
    from ei.engine.settings_file import set_setting

    await session.in_thread(set_setting, session.services.config, ("own_hosts",), hosts)
    session.settings_changed()


def _own(session: Session) -> tuple[str, ...]:
    from ei.engine.own import own_hosts

    return tuple(dict.fromkeys(own_hosts(session.services.config.current())))


def _reached(session: Session, host: str) -> list[str]:
    """The providers whose address is at a host that is marked so."""
    from ei.engine.own import is_own_host
    from ei.providers.addresses import BadAddressError, split

    chooser = session.services.chooser
    out = []
    for name in chooser.endpoints():
        try:
            if is_own_host(split(chooser.connection(name).base_url)[1], (host,)):
                out.append(name)
        except BadAddressError:
            continue
    return out


def _of_others(session: Session) -> Mapping[str, str]:
    """The hosts at which the providers on the network answer unless told otherwise, with their names."""
    from ei.providers.addresses import split
    from ei.providers.endpoints import ENDPOINTS

    return {split(each.base_url)[1]: each.label for each in ENDPOINTS if each.base_url and not each.local}
