"""/ollama: the models on the person's own Ollama: what is installed, what there is, what is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ei.commands.base import Command, Invocation, Item, Line, Reply, Table
from ei.commands.ollama_pulls import run_pull, run_update
from ei.commands.ollama_rows import (
    age_text,
    bytes_or_unknown,
    card,
    context_text,
    family_data,
    installed_data,
    loaded_data,
    memory,
    sizes_text,
    until,
)
from ei.commands.parse import options
from ei.commands.words import clip, plural, tokens
from ei.engine.pulled import OLLAMA, full_name, size_text
from ei.errors import ProviderError, UnknownModelError, UsageError
from ei.models.families import families, search, size_of
from ei.models.reference import nearest

if TYPE_CHECKING:
    from ei.engine.session import Session
    from ei.providers.ollama_api import Installed, OllamaApi

LICENSE = 100


async def run_ollama(call: Invocation) -> Reply:
    first, rest = (call.words[0], call.words[1:]) if call.words else ("list", ())
    match first:
        case "list" | "ls":
            return await _list(call, rest)
        case "search":
            return await _search(call, rest)
        case "pull" | "install":
            return await run_pull(call, rest)
        case "update":
            return await run_update(call, rest)
        case "rm" | "remove":
            return await _remove(call, rest)
        case "show":
            return await _show(call, rest)
        case "ps":
            return await _loaded(call, rest)
        case "stop":
            return await _stop(call, rest)
    near = nearest(first, _WORDS, 1)
    hint = f"Did you mean {call.typed(f'ollama {near[0]}')}?" if near else f"See {call.typed('help ollama')}."
    raise UsageError(f"There is no ollama {first}.", hint)


# What is there.


async def _list(call: Invocation, words: Sequence[str]) -> Reply:
    import asyncio

    _none(call, words)
    session = call.session
    async with await _open(session) as ollama:
        installed, loaded = await asyncio.gather(ollama.tags(), ollama.loaded())
        contexts = await _contexts(session, ollama, installed)
    used = await session.on_main(session.services.calls.last_used, OLLAMA)
    held = {full_name(model.name).lower(): model for model in loaded}
    now = session.services.now()
    rows, data = [], []
    for model in sorted(installed, key=lambda each: -(each.modified_ms or 0)):
        last = _last_used(used, model.name)
        here = held.get(full_name(model.name).lower())
        rows.append(
            (
                model.name,
                bytes_or_unknown(model.size) if not model.remote else f"runs at {model.remote}",
                model.parameter_size,
                model.quantization,
                tokens(contexts.get(model.name)) if contexts.get(model.name) else "?",
                age_text(now, model.modified_ms),
                age_text(now, last) or "never",
                memory(here) if here else "",
            )
        )
        data.append(
            installed_data(model)
            | {
                "context": contexts.get(model.name),
                "last_used_ms": last,
                "loaded": loaded_data(here) if here else None,
            }
        )
    where = _where(session)
    if not rows:
        hint = f"{call.typed('ollama search')} shows what there is, {call.typed('ollama pull qwen3:8b')} installs one."
        return Reply((Line(f"Ollama{where} has no models yet.", "warn"), Line(hint, "dim")), [])
    columns = ("model", "size", "parameters", "quantisation", "context", "modified", "last used here", "loaded now")
    total = sum(model.size or 0 for model in installed)
    line = f"{plural(len(rows), 'model')}, {size_text(total)}{where}."
    spare = ("parameters", "modified", "quantisation", "context")
    return Reply((Table(columns, tuple(rows), spare=spare), Line(line, "dim")), data)


async def _contexts(session: Session, ollama: OllamaApi, installed: Sequence[Installed]) -> Mapping[str, int | None]:
    """The context of each model: what the registry knows, and what Ollama tells of the others."""
    import asyncio

    known = {m.name: m.context for m in await session.on_main(session.services.registry.all) if m.provider == OLLAMA}
    few = asyncio.Semaphore(4)

    async def one(name: str) -> int | None:
        if known.get(name):
            return known[name]
        async with few:
            try:
                return (await ollama.show(name)).context
            except ProviderError:
                return None

    names = [model.name for model in installed]
    return dict(zip(names, await asyncio.gather(*map(one, names)), strict=True))


async def _show(call: Invocation, words: Sequence[str]) -> Reply:
    import asyncio

    from ei.engine.referring import references

    session = call.session
    name = _one(call, words, "show")
    async with await _open(session) as ollama:
        model = await _installed(call, ollama, name)
        shown, loaded = await asyncio.gather(ollama.show(model.name), ollama.loaded())
    used = await session.on_main(session.services.calls.last_used, OLLAMA)
    uses = _uses(await session.in_thread(references, session.services), model.name)
    now = session.services.now()
    held = next((each for each in loaded if full_name(each.name).lower() == full_name(model.name).lower()), None)
    last = _last_used(used, model.name)
    facts = (
        ("model", model.name),
        ("family", shown.family or model.family),
        ("parameters", shown.parameter_size or model.parameter_size),
        ("quantisation", shown.quantization or model.quantization),
        ("context", context_text(shown)),
        ("can", ", ".join(sorted(shown.capabilities or ()))),
        ("size", bytes_or_unknown(model.size)),
        ("runs at", model.remote or shown.remote),
        ("digest", model.digest[:12]),
        ("modified", age_text(now, model.modified_ms)),
        ("last used here", age_text(now, last) or "never"),
        ("loaded now", memory(held) if held else "no"),
        ("used by", ", ".join(uses)),
        ("settings", "; ".join(" ".join(line.split()) for line in shown.parameters.splitlines() if line.strip())),
        ("system", clip(" ".join(shown.system.split()), LICENSE)),
        ("license", clip(next((line.strip() for line in shown.license.splitlines() if line.strip()), ""), LICENSE)),
    )
    data = installed_data(model) | {
        "context": shown.context,
        "num_ctx": shown.num_ctx,
        "capabilities": None if shown.capabilities is None else sorted(shown.capabilities),
        "last_used_ms": last,
        "loaded": loaded_data(held) if held else None,
        "used_by": list(uses),
        "parameters": shown.parameters,
        "template": shown.template,
        "system": shown.system,
        "license": shown.license,
    }
    return Reply((Table(("", ""), tuple(fact for fact in facts if fact[1])),), data)


# What there is to install.


async def _search(call: Invocation, words: Sequence[str]) -> Reply:
    given = options(words, (), (), f"See {call.typed('help ollama')}.").rest
    found = search(given)
    data = [family_data(family) for family in found]
    other = f"Any other name can be pulled, too: {call.typed('ollama pull NAME')} · https://ollama.com/search"
    if not found:
        near = nearest(given[0].lower(), [family.name for family in families()])
        hint = f" Near it: {', '.join(near)}." if near else ""
        nothing = f"No family that ships with ei has {' and '.join(given)} in it.{hint}"
        return Reply((Line(nothing, "warn"), Line(other, "dim")), [])
    rows = tuple(
        (family.name, family.maker, family.good_at, ", ".join(family.can), sizes_text(family)) for family in found
    )
    items: tuple[Item, ...] = (
        Table(("family", "by", "good at", "can", "sizes"), rows, spare=("by", "can", "good at")),
        Line(f"{call.typed(f'ollama pull {found[0].names[0]}')} installs one. {other}", "dim"),
    )
    return Reply(items, data)


# What is loaded, and taking away.


async def _loaded(call: Invocation, words: Sequence[str]) -> Reply:
    _none(call, words)
    async with await _open(call.session) as ollama:
        loaded = await ollama.loaded()
    data = [loaded_data(model) for model in loaded]
    if not loaded:
        return Reply.line(f"Ollama{_where(call.session)} has nothing loaded.", "dim", data)
    now = call.session.services.now()
    rows = tuple(
        (
            model.name,
            bytes_or_unknown(model.size),
            card(model),
            tokens(model.context_length),
            until(now, model.expires_at),
        )
        for model in loaded
    )
    return Reply((Table(("model", "memory", "on the graphics card", "context", "stays for"), rows),), data)


async def _stop(call: Invocation, words: Sequence[str]) -> Reply:
    name = _one(call, words, "stop")
    async with await _open(call.session) as ollama:
        model = await _installed(call, ollama, name)
        if all(full_name(each.name).lower() != full_name(model.name).lower() for each in await ollama.loaded()):
            return Reply.line(f"{model.name} is not loaded.", "dim", {"model": model.name, "stopped": False})
        await ollama.stop(model.name)
    return Reply.line(f"{model.name} is no longer in memory.", "good", {"model": model.name, "stopped": True})


async def _remove(call: Invocation, words: Sequence[str]) -> Reply:
    from ei.engine.referring import references
    from ei.engine.syncing import sync

    session = call.session
    name = _one(call, words, "rm")
    async with await _open(session) as ollama:
        model = await _installed(call, ollama, name, guess=not call.yes)
        uses = _uses(await session.in_thread(references, session.services), model.name)
        details = [f"Used by {', '.join(uses)}."] if uses else []
        details += [f"It frees {size_text(model.size)}{_where(session)}."] if model.size else []
        if not (call.yes or await call.ui.confirm(f"Remove {model.name} from Ollama?", details)):
            return Reply.line(f"{model.name} stays.", "dim", {"model": model.name, "removed": False})
        await session.pulls.stop(model.name)
        await ollama.delete(model.name)
    await sync(session.services, [OLLAMA])
    lines = [Line(f"{model.name} is removed.", "good")]
    if uses:
        again = call.typed(f"models replace ollama:{model.name} NEW")
        lines.append(Line(f"Still named by {', '.join(uses)}. To name another there: {again}", "warn"))
    return Reply(tuple(lines), {"model": model.name, "removed": True, "used_by": list(uses)})


# Which one is meant, and who uses it.


async def _open(session: Session) -> OllamaApi:
    from ei.engine.pulling import open_ollama

    return await session.in_thread(open_ollama, session.services)


async def _installed(call: Invocation, ollama: OllamaApi, name: str, *, guess: bool = True) -> Installed:
    """The installed model of that name, or with `guess` the only one that begins so.

    Raises UnknownModelError with the nearest.
    """
    models = await ollama.tags()
    wanted = full_name(name).lower()
    for model in models:
        if full_name(model.name).lower() == wanted:
            return model
    begins = [model for model in models if model.name.lower().startswith(name.lower().removeprefix("ollama:"))]
    if guess and len(begins) == 1:
        return begins[0]
    near = [model.name for model in begins] or nearest(name, [model.name for model in models])
    hint = f"Did you mean {' or '.join(near[:4])}?" if near else f"See {call.typed('ollama')}."
    raise UnknownModelError(f"{name} is not installed{_where(call.session)}.", hint, provider=OLLAMA, model=name)


def _uses(references: Mapping[str, Sequence[str]], name: str) -> tuple[str, ...]:
    """Where a model is referred to, with its tag or without."""
    wanted = full_name(name).lower()
    found: dict[str, None] = {}
    for id, wheres in references.items():
        provider, _, model = id.partition(":")
        if provider == OLLAMA and (model if ":" in model.rpartition("/")[2] else f"{model}:latest").lower() == wanted:
            found |= dict.fromkeys(wheres)
    return tuple(found)


def _last_used(used: Mapping[str, int], name: str) -> int | None:
    return max((at for model, at in used.items() if model in (name, name.removesuffix(":latest"))), default=None)


def _one(call: Invocation, words: Sequence[str], what: str) -> str:
    rest = options(words, (), (), f"See {call.typed('help ollama')}.").rest
    if len(rest) != 1:
        raise UsageError("Which model?", call.typed(f"ollama {what} NAME"))
    full_name(rest[0])
    return rest[0].removeprefix("ollama:")


def _none(call: Invocation, words: Sequence[str]) -> None:
    if options(words, (), (), f"See {call.typed('help ollama')}.").rest:
        raise UsageError("Nothing is to be typed after it.", f"See {call.typed('help ollama')}.")


def _where(session: Session) -> str:
    from ei.engine.pulling import remote_host

    host = remote_host(session.services)
    return f" on {host}" if host else ""


# The command.

_WORDS: Mapping[str, str] = {
    "search": "families that can be installed",
    "pull": "install a model",
    "show": "all that Ollama tells of one",
    "rm": "remove one from the disk",
    "update": "pull again what is installed",
    "ps": "what is loaded now",
    "stop": "take one out of memory",
}


def complete_ollama(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    """Subcommands first; then what is installed as far as it is known, or the families that ship."""
    before = words[:-1]
    if not before:
        return list(_WORDS.items())
    match before[0]:
        case "pull" | "install":
            pulls = [(pull.shown, "under way") for pull in session.pulls.running]
            if "--stop" in before:
                return pulls
            names = [
                (name, f"{size_text(size)} · {family.good_at}" if (size := size_of(name)) else family.good_at)
                for family in families()
                for name in family.names
            ]
            return [*([("--stop", "end one; what came is kept")] if pulls else []), *names]
        case "show" | "rm" | "stop" | "update":
            models = session.services.registry.all(True)
            names = [(model.name, "") for model in models if model.provider == OLLAMA]
            return [*names, ("--all", "all that are installed")] if before[0] == "update" else names
        case _:
            return []


OLLAMA_COMMAND = Command(
    name="ollama",
    summary="Models of your own Ollama: install, look at, update, remove",
    usage=(
        "ollama  what is installed: size, context, used when, loaded now",
        "ollama search [WORDS]  well-known families, their sizes and what they are good at",
        "ollama pull MODEL…  install it beside the conversation; again after a stop, it goes on where it was",
        "ollama pull  what is being installed; --stop MODEL ends one and keeps what came",
        "ollama update [MODEL|--all]  pull again, and say what changed",
        "ollama show MODEL  all that Ollama tells of it, and who uses it",
        "ollama rm MODEL  remove it from the disk; asks, and names who uses it",
        "ollama ps  what is loaded now, and how long it stays",
        "ollama stop MODEL  take it out of memory",
    ),
    examples=("ollama search code small", "ollama pull qwen3:8b", "ollama update --all"),
    run=run_ollama,
    group="models",
    complete=complete_ollama,
    shell=True,
)
