"""Picking a model from all that are known: for the persona, for this conversation, or for the next reply."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ei.commands.base import Choice, Heading, Invocation, Offer, Reply, Way
from ei.commands.installing import KEY, install, install_facts, install_rows
from ei.commands.model_rows import letters, speed_text
from ei.commands.models import NONE, set_model
from ei.commands.parse import Options
from ei.commands.providers import why_not
from ei.commands.words import tokens
from ei.engine.pulled import OLLAMA
from ei.errors import EiError, NeedsAnswerError, StorageError, UsageError
from ei.models.choosing import NOT_HERE, is_sent_on
from ei.models.expand import World, expand
from ei.models.interactions import REASONING
from ei.models.values import TIERS, Model, Prices, Speed, dollars

if TYPE_CHECKING:
    from ei.engine.services import Services
    from ei.engine.session import Session
    from ei.models.reference import ModelId
    from ei.models.resolve import Resolution

T = TypeVar("T")
LISTS_SECONDS = 4.0
"""How long the providers may take for their first lists, while somebody waits for the picker."""
ANSWERS_SECONDS = 0.2
CALLS = 600
"""So many of the newest calls tell what was used lately and how quick it was."""
RECENT = 5
HERE, ONCE = "here", "once"
WAYS = (Way(HERE, "t", "this conversation"), Way(ONCE, "o", "next reply"))
LEGEND = "t tools, v vision, s structured, r reasoning, e embeddings"
HEADINGS = (
    Heading("tier", spare=4),
    Heading("ctx", spare=2, right=True),
    Heading("$ in/out", spare=1, right=True),
    Heading("can", spare=3, legend=LEGEND),
    Heading("speed", spare=5, right=True),
    Heading("data", spare=6),
)
NOWHERE = ""
SENT_ON = "Private: its server sends on what it gets: see /private."


async def pick(call: Invocation, given: Options = NONE, query: str = "") -> Reply:
    """A picker over tiers, profiles and models, narrowed by `query`; what is chosen is set.

    Enter sets it where the flags of `given` say, the other keys for this conversation and for the next reply. Raises
    NeedsAnswerError where nobody can be asked.
    """
    if not call.ui.interactive:
        raise NeedsAnswerError("A list to pick from needs the chat.", "See ei model --list, then: ei model SPEC")
    session = call.session
    await session.refresh()
    problems = await _lists_fetched(call)
    try:
        now: Resolution | None = await session.resolution()
    except EiError:
        now = None  # what is written now cannot be read: one more reason to pick another
    private = bool(await session.privacy())
    offer = await asyncio.to_thread(_undisturbed, partial(_offer, session, now, problems, private))
    own = next((way for way in WAYS if given.has(f"--{way.name}")), None)
    ways = tuple(way for way in WAYS if way is not own and not (call.shell and way.name == ONCE))
    chosen = await call.ui.pick(
        replace(offer, query=query, enter=own.label if own else f"for {session.persona.name}", ways=ways)
    )
    if chosen is None:
        return Reply()
    if chosen.key.startswith(KEY):
        return await install(call, chosen.key)
    where = given if not chosen.way else Options(frozenset({f"--{chosen.way}"}), {}, ())
    # A text cannot name a model with spaces in its name.
    return await set_model(call, {"exact": chosen.key} if " " in chosen.key else chosen.key, where)


async def _lists_fetched(call: Invocation) -> Mapping[str, str]:
    """Asks the providers for their models where none are known yet, and a server here that now answers.

    Gives why a provider has no list, for those that were asked.
    """
    from ei.engine.syncing import ready, sync

    services = call.session.services
    known = await call.session.on_main(services.registry.synced)
    if known:
        missing = [name for name in ready(services) if name not in known and services.chooser.stays_here(name)]
        answers = await asyncio.gather(*(_answers(services.chooser.connection(name).base_url) for name in missing))
        names = [name for name, here in zip(missing, answers, strict=True) if here]
        if not names:
            return {}
    else:
        names = list(ready(services))
    with call.ui.progress("Asking the providers for their models") as progress:
        try:
            result = await sync(services, names, progress.update, LISTS_SECONDS)
        except StorageError as exc:
            return dict.fromkeys(names, exc.sentence)
    for news in result.news:
        call.session.tell(news.text, "warn")
    return {asked.provider: asked.problem for asked in result.asked if asked.problem}


async def _answers(url: str) -> bool:
    """Whether somebody listens at an address on this machine."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    try:
        async with asyncio.timeout(ANSWERS_SECONDS):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


@dataclass(frozen=True, slots=True)
class Place:
    """What a provider is to the person. data: "local", or who gets what is said; goes: the same as a phrase.

    problem: why it cannot be asked, with what to do, or "".
    """

    group: str
    data: str
    goes: str
    here: bool
    problem: str = ""


def place_of(services: Services, name: str, down: str = "", *, private: bool = False) -> Place:
    """Where what is said to a provider goes. down: why it is asked last now, "". private: it must stay with the person.

    Raises ConfigError.
    """
    from ei.providers.addresses import BadAddressError, split

    chooser = services.chooser
    endpoint, connection = chooser.endpoints()[name], chooser.connection(name)
    problem = "" if endpoint.wire == "builtin" else why_not(connection)

    def host_of(url: str) -> str:
        try:
            return split(url)[1]
        except BadAddressError:
            return NOWHERE

    host = host_of(connection.base_url)
    if chooser.stays_here(name):
        data, goes = "local", "stays on this machine"
    elif connection.own:
        data, goes = host, f"stays on {host}, a host of your own"
    elif host and host == host_of(endpoint.base_url) and not endpoint.profile:
        data, goes = endpoint.label.split()[0], f"data goes to {host}"
    else:
        data, goes = host or "?", f"data goes to {host}" if host else ""
    if private and not connection.own:
        problem = f"{NOT_HERE[0].upper()}{NOT_HERE[1:]}: see /private."
    state = f"asked last now: {down}" if down else "cannot be asked now" if problem else ""
    group = " · ".join(part for part in (name, endpoint.label, goes, state) if part)
    return Place(group, data, goes, data == "local", problem)


class _Rows:
    """Makes the rows of an offer; what many models share is put into words once."""

    def __init__(self, places: Mapping[str, Place], speeds: Mapping[str, Speed], private: bool) -> None:
        self._places = places
        self._private = private
        self._speeds = speeds
        self._can: dict[frozenset[str] | None, tuple[str, str]] = {}
        self._contexts: dict[int | None, str] = {}

    def row(self, model: Model, group: str, key: str = "", label: str = "") -> Choice:
        """The row of a model; key, label: of the tier or profile that it stands for."""
        id, place = model.id, self._places[model.provider]
        can = self._can.get(model.capabilities)
        if can is None:
            words = " ".join(model.capabilities or ()).replace("_", " ")
            can = self._can[model.capabilities] = (letters(model), words)
        context = self._contexts.get(model.context)
        if context is None:
            context = self._contexts[model.context] = window(model.context)
        speed = self._speeds.get(id)
        here = place.here and not is_sent_on(model.name)
        cells = (
            f"{model.tier}*" if model.default else model.tier,
            context,
            price(model.prices, here),
            can[0],
            pace(speed) if speed is not None else "",
            place.data if here or not place.here else "cloud",
        )
        found_by = f"{model.label} {can[1]} {' '.join(model.aliases)}{'' if here else ' cloud'}"
        problem = place.problem or (SENT_ON if self._private and is_sent_on(model.name) else "")
        return Choice(key or id, label or id, "", group or place.group, problem, cells, found_by)


def window(context: int | None) -> str:
    """A context in tokens: 128k and 1M also where it is counted in powers of two, "?" where nobody says."""
    if context and context % 1000 and context % 1024 == 0:
        thousands = context // 1024
        return f"{thousands // 1024}M" if thousands % 1024 == 0 else f"{thousands}k"
    return tokens(context) if context else "?"


def price(prices: Prices, here: bool) -> str:
    """`$3/$15`: in and out per million tokens; "free" on one's own machine, "?" where nobody says."""
    if (here and prices.source != "person") or (prices.input, prices.output) == (0, 0):
        return "free"
    if prices.input is None and prices.output is None:
        return "?"
    return f"{dollars(prices.input)}/{dollars(prices.output)}"


def pace(speed: Speed) -> str:
    """`80/s`: tokens per second as seen here, else the seconds to the first token."""
    if speed.tokens_per_second is not None:
        return f"{speed.tokens_per_second:.0f}/s"
    return f"{speed.first_token_ms / 1000:.1f} s" if speed.first_token_ms is not None else ""


def _undisturbed(make: Callable[[], T]) -> T:
    """Makes thousands of rows at once: the collector would look at all of them again and again, for twice the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        return make()
    finally:
        if collects:
            gc.enable()


def _rank(name: str, wishes: Sequence[str]) -> int:
    """Where a model stands among those of its provider: what the person prefers comes first."""
    return wishes.index(name) if name in wishes else len(wishes)


def _offer(session: Session, now: Resolution | None, problems: Mapping[str, str], private: bool = False) -> Offer:
    """All that can be picked: tiers and profiles, what was used lately, then each provider's models.

    problems: why a provider gave no list just now. private: what is said stays with the person.
    """
    from ei.usage.speed import speeds

    services = session.services
    chooser = services.chooser
    calls = services.calls.calls(limit=CALLS)
    speed = speeds(calls)
    world = chooser.world(session.persona, REASONING, private=private)
    market = world.market()
    endpoints = chooser.endpoints()
    places = {name: place_of(services, name, market.standings[name].down, private=private) for name in endpoints}
    known = {model.id: model for model in market.models if model.provider in endpoints}
    usable = [model for model in known.values() if model.chat and model.active and not model.disabled]
    order = {name: index for index, name in enumerate(endpoints)}
    wishes = {name: chooser.preferred(name) for name in endpoints}
    usable.sort(key=lambda model: (order[model.provider], _rank(model.name, wishes[model.provider])))
    rows = _Rows(places, speed, private)
    out = list(_named(services, replace(world, market=lambda: market), known, rows))
    meant = {choice.key: choice.label.rpartition(" ")[2] for choice in out}
    lately = dict.fromkeys(f"{call.provider}:{call.model}" for call in calls if call.outcome == "complete")
    recent = [id for id in lately if id.partition(":")[0] in endpoints and _is_offered(known.get(id))]
    out += [rows.row(known.get(id) or _unlisted(id), "recent") for id in recent[:RECENT]]
    out += [rows.row(model, "") for model in usable]
    listed = {model.provider for model in usable}
    examples = [_example(services, name, places[name], problems.get(name, "")) for name in endpoints]
    out += [row for row, name in zip(examples, endpoints, strict=True) if name not in listed and row is not None]
    if OLLAMA in services.registry.synced():
        # Where one was found that answers.
        out += install_rows([model.name for model in known.values() if model.provider == OLLAMA and model.active])
    current, title = "", f"Model for {session.persona.name}"
    if now is not None:
        reference, id = now.reference, str(now.model)
        current = reference if any(reference == choice.key for choice in out) else id
        title += f" · now {reference}" + (f", today {id}" if reference.startswith(("tier:", "profile:")) else "")
        if not any(choice.key == current for choice in out) and now.model.provider in endpoints:
            why = _why_gone(known.get(id))
            out.insert(0, replace(rows.row(known.get(id) or _unlisted(id), "in use"), dimmed=why))
    return Offer(title, out, current, headings=HEADINGS, facts=_Facts(known, places, speed, meant, chooser.like))


def _named(services: Services, world: World, known: Mapping[str, Model], rows: _Rows) -> Iterator[Choice]:
    """The tiers and the profiles, with what each means today."""
    names = [("tiers", f"tier:{tier}") for tier in TIERS]
    names += [("profiles", f"profile:{id}") for id in services.chooser.profiles()]
    for group, reference in names:
        try:
            model = expand(reference, world).model
        except UsageError as exc:
            yield Choice(reference, reference, "", group, exc.sentence)
            continue
        found = known.get(str(model)) or _as_here(known.get(str(services.chooser.like(model))), model)
        yield rows.row(found, group, reference, f"{reference} → {model}")


def _as_here(like: Model | None, model: ModelId) -> Model:
    """A model at a profile's own address or key, with what is known of the one it is like."""
    return replace(like or _unlisted(str(model)), provider=model.provider, name=model.model)


def _unlisted(id: str) -> Model:
    provider, _, name = id.partition(":")
    return Model(provider, name)


def _is_offered(model: Model | None) -> bool:
    return model is None or (model.active and model.chat and not model.disabled)


def _why_gone(model: Model | None) -> str:
    if model is None:
        return ""
    return "" if model.active and not model.disabled else "you disabled it" if model.disabled else "no longer listed"


def _example(services: Services, name: str, place: Place, problem: str) -> Choice | None:
    """A row for a provider of which no model is known."""
    endpoint = services.chooser.endpoints()[name]
    if endpoint.profile or endpoint.wire == "builtin":
        return None
    id = f"{name}:{endpoint.example or 'MODEL'}"
    return Choice(id, id, "for example; /models sync asks for its list", place.group, place.problem or problem)


@dataclass(frozen=True)
class _Facts:
    """All that is known of a row, on one line. meant: the model that a row means, by its key."""

    known: Mapping[str, Model]
    places: Mapping[str, Place]
    speeds: Mapping[str, Speed]
    meant: Mapping[str, str]
    like: Callable[[ModelId], ModelId]

    def __call__(self, key: str) -> str:
        from ei.models.reference import ModelId

        if key.startswith(KEY):
            return install_facts(key)
        id = self.meant.get(key, key)
        provider, _, name = id.partition(":")
        place = self.places.get(provider)
        if place is None:
            return ""
        model = self.known.get(id) or self.known.get(str(self.like(ModelId(provider, name))))
        parts: Sequence[str] = () if model is None else self._of(model, place)
        measured = speed_text(self.speeds.get(id))
        seen = f"seen here: {measured}" if measured else ""
        return " · ".join(part for part in (*parts, seen, place.goes, place.problem) if part)

    def _of(self, model: Model, place: Place) -> Sequence[str]:
        cost = price(model.prices, place.here and not is_sent_on(model.name))
        return (
            model.label if model.label != model.name else "",
            model.tier and f"{model.tier}{', its default' if model.default else ''}",
            f"{window(model.context)} context" if model.context else "",
            {"free": "free", "?": "price unknown"}.get(cost, f"{cost} per million tokens"),
            ", ".join(sorted(model.capabilities or ())).replace("_", " "),
            f"ends {model.shutdown}" if model.shutdown else "",
        )
