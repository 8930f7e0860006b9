"""Parameters of a request: who says what, which of them counts, and what the model in use takes of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ei.messages import NO_PARAMETERS
from ei.models.profiles import Profile
from ei.personas.values import Persona

SAMPLING = frozenset({"temperature", "top_p"})
"""What a model that has no sampling does not take."""
NAMES = ("temperature", "top_p", "max_tokens", "seed", "stop", "reasoning_effort")
"""Every parameter that has a name of ours, as `messages.ChatRequest` tells them."""
HERE, NOW = "this conversation", "for now"
"""Places where a parameter is written, in words."""
NAMES_OF_LENGTH = frozenset({"max_tokens", "max_completion_tokens"})
"""How servers call the longest reply: a model that rejected one of these names takes the other."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter as it was written at the place that counts. where: that place, in words a person can act on.

    chosen: a person wrote it; else it is a default, and left out without a word where a model does not take it.
    """

    name: str
    value: object
    where: str
    chosen: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """What is known of what a model takes: names that it does not, and the longest reply in tokens, None unknown."""

    refused: frozenset[str] = frozenset()
    max_output: int | None = None


@dataclass(frozen=True, slots=True)
class Remark:
    """Why something that a person chose is not sent as it is, in one sentence. parameter: its name."""

    parameter: str
    text: str


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a request carries.

    wished: what was written, whether or not it is sent. sent: by our names. defaults: of those the ones nobody chose.
    extra: fields of the body as they are. remarks: what a person chose and the model does not take. limits: what it
    takes.
    """

    wished: Mapping[str, Parameter]
    sent: Mapping[str, object]
    defaults: frozenset[str] = frozenset()
    extra: Mapping[str, object] = field(default_factory=lambda: NO_PARAMETERS)
    remarks: tuple[Remark, ...] = ()
    limits: Limits = Limits()


def wished(
    interaction: Mapping[str, object],
    interaction_name: str,
    profile: Profile | None = None,
    persona: Persona | None = None,
    here: Mapping[str, object] = NO_PARAMETERS,
    now: Mapping[str, object] = NO_PARAMETERS,
) -> dict[str, Parameter]:
    """What counts of what is written, a later place before an earlier one, by our names.

    interaction: what settings say for it. here: the conversation's. now: what `/set` says for now. What a profile has
    by default counts only where nobody wrote anything.
    """
    own = profile.parameters if profile is not None else NO_PARAMETERS
    usual = profile.defaults if profile is not None else frozenset()
    from_profile = f"profile:{profile.id}" if profile is not None else ""
    places = (
        (f"{from_profile}, by default", {name: own[name] for name in own if name in usual}, False),
        (f"interactions.{interaction_name} in settings.jsonc", interaction, True),
        (from_profile, {name: own[name] for name in own if name not in usual}, True),
        (f"{persona.name}'s system.jsonc" if persona else "", persona.parameters if persona else NO_PARAMETERS, True),
        (HERE, here, True),
        (NOW, now, True),
    )
    return {
        name: Parameter(name, value, where, chosen)
        for where, values, chosen in places
        for name, value in values.items()
        if value is not None
    }


def taken(
    wished: Mapping[str, Parameter],
    limits: Limits,
    model: str,
    extra: Mapping[str, object] = NO_PARAMETERS,
) -> Parameters:
    """What of the wishes is sent to a model (`provider:model`), and what is to be said of the rest."""
    sent: dict[str, object] = {}
    remarks = []
    for name, parameter in wished.items():
        value, remark = parameter.value, ""
        if name in limits.refused:
            remark = f"{model} does not take {name}; it is left out."
        else:
            most = limits.max_output
            if name == "max_tokens" and isinstance(value, int) and most and value > most:
                remark = f"{model} writes at most {most:,} tokens; max_tokens of {value:,} is cut to that."
                value = most
            sent[name] = value
        if remark and parameter.chosen:
            remarks.append(Remark(name, remark))
    defaults = frozenset(name for name in sent if not wished[name].chosen)
    return Parameters(wished, sent, defaults, extra, tuple(remarks), limits)


def refused_by(rejects: Iterable[str], sampling: bool | None) -> frozenset[str]:
    """Names of what a model does not take. rejects: what it was seen to reject; sampling: whether it takes any."""
    names = frozenset(rejects)
    if not names >= NAMES_OF_LENGTH:
        names -= NAMES_OF_LENGTH
    return names | (SAMPLING if sampling is False else frozenset())


def in_words(value: object) -> str:
    """The value of a parameter for a screen."""
    if isinstance(value, list | tuple):
        return ", ".join(in_words(each) for each in value)
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return repr(value) if isinstance(value, str) and (not value or value != value.strip()) else str(value)
