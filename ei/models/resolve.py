"""Which model a call will use: pure, with every step that was looked at and why it won or lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ei.errors import UsageError
from ei.models.choosing import NOT_HERE, TierChoice
from ei.models.expand import NothingFitsError, World, expand
from ei.models.profiles import Profile
from ei.models.reference import ModelId, written_form

GLOBAL_DEFAULT = ModelId("local", "google/gemma-3-12b")
COMPANION = ModelId("builtin", "eliza")


class Rank(StrEnum):
    """The steps in their order; the value is the word that the toolbar shows."""

    REQUEST = "request"
    CONVERSATION = "conversation"
    PERSONA = "persona"
    INTERACTION = "interaction"
    ENVIRONMENT = "environment"
    DEFAULT = "default"
    GLOBAL = "global default"
    OLLAMA = "found here"
    COMPANION = "built in"


RANKS = tuple(Rank)


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is written at one place. where: in words a person can act on. written: None where nothing is set."""

    rank: Rank
    where: str
    written: object = None


@dataclass(frozen=True, slots=True)
class Answering:
    """What was found to answer on this machine; None where nobody looked.

    local: whether something answers at the local server's address. ollama: a running Ollama's first chat
    model, "" where none is installed. kept: those of the two that must not be asked, because they run elsewhere and
    what is asked is private.
    """

    local: bool | None = None
    ollama: str | None = None
    kept: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Step:
    """One place that was looked at. number: 1 to 9 as documented."""

    number: int
    rank: Rank
    where: str
    written: str
    wins: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """The model that a call will use.

    reference: as written where it won. instead_of: see `resolve`. profile, choice, path: how the reference became
    this model (see `expand.Expanded`). fallback: references that may answer where the model cannot.
    """

    model: ModelId
    reference: str
    rank: Rank
    where: str
    steps: tuple[Step, ...]
    instead_of: ModelId | None = None
    profile: Profile | None = None
    choice: TierChoice | None = None
    path: tuple[str, ...] = ()
    fallback: tuple[object, ...] = ()


def resolve(candidates: Sequence[Candidate], world: World, answering: Answering) -> Resolution:
    """The first candidate that is set wins; with none set, the global default, or what answers instead of it.

    candidates: in order of rank, each with what is written there or None. A winner that cannot be read is an
    error that names the place, never passed over: UsageError.
    instead_of in the result: the global default where something else answers because nothing was set and
    nothing answers there.
    """
    winner = next((candidate for candidate in candidates if candidate.written is not None), None)
    if winner is not None:
        try:
            found = expand(winner.written, world)
        except NothingFitsError:
            raise  # it says it all
        except UsageError as exc:
            raise UsageError(f"{winner.where}: {exc.sentence}", exc.hint) from exc
        steps = _steps(candidates, winner)
        rest = [Candidate(Rank.GLOBAL, "the global default", str(GLOBAL_DEFAULT))]
        steps += [_step(candidate, False, "something above is set") for candidate in rest]
        fallback = found.profile.fallback if found.profile is not None else ()
        reference = written_form(winner.written)
        return Resolution(
            found.model,
            reference,
            winner.rank,
            winner.where,
            tuple(steps),
            None,
            found.profile,
            found.choice,
            found.path,
            fallback,
        )
    steps = _steps(candidates, None)
    if answering.local is not False:
        reason = "nothing else is set" if answering.local is None else "nothing else is set, and it answers"
        steps.append(_step(Candidate(Rank.GLOBAL, "the global default", str(GLOBAL_DEFAULT)), True, reason))
        return Resolution(GLOBAL_DEFAULT, str(GLOBAL_DEFAULT), Rank.GLOBAL, "the global default", tuple(steps))
    silent = Candidate(Rank.GLOBAL, "the global default", str(GLOBAL_DEFAULT))
    steps.append(_step(silent, False, NOT_HERE if "local" in answering.kept else "nothing answers there"))
    if answering.ollama:
        model = ModelId("ollama", answering.ollama)
        steps.append(
            _step(Candidate(Rank.OLLAMA, "a running Ollama", str(model)), True, "its first installed chat model")
        )
        return Resolution(model, str(model), Rank.OLLAMA, "a running Ollama", tuple(steps), GLOBAL_DEFAULT)
    missing = "it has no chat model" if answering.ollama == "" else "it does not run here"
    if "ollama" in answering.kept:
        missing = NOT_HERE
    steps.append(_step(Candidate(Rank.OLLAMA, "a running Ollama"), False, missing))
    companion = Candidate(Rank.COMPANION, "the built-in companion", str(COMPANION))
    steps.append(_step(companion, True, "it needs no server, no key and no network"))
    return Resolution(COMPANION, str(COMPANION), Rank.COMPANION, companion.where, tuple(steps), GLOBAL_DEFAULT)


def _steps(candidates: Sequence[Candidate], winner: Candidate | None) -> list[Step]:
    steps: list[Step] = []
    passed = False
    for candidate in candidates:
        if candidate is winner:
            steps.append(_step(candidate, True, "the first that is set"))
            passed = True
        else:
            overruled = passed and candidate.written is not None
            steps.append(_step(candidate, False, "something above is set" if overruled else "not set"))
    return steps


def _step(candidate: Candidate, wins: bool, reason: str) -> Step:
    written = "" if candidate.written is None else written_form(candidate.written)
    return Step(RANKS.index(candidate.rank) + 1, candidate.rank, candidate.where, written, wins, reason)
