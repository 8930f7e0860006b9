"""Which model or provider is meant by the words typed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ei.commands.base import Invocation
from ei.commands.parse import Options, reference_of
from ei.commands.words import plural
from ei.errors import UsageError
from ei.models.reference import ProviderNames, nearest, parse
from ei.models.values import Model


async def one_model(call: Invocation, words: Sequence[str], form: str) -> Model:
    """The one model that these words name: by id, by an alias, or the only one in which they occur."""
    if len(words) != 1:
        raise UsageError("Which model?", f"{call.typed(f'models {form}')}")
    session, registry = call.session, call.session.services.registry
    text = words[0]
    models = await session.on_main(registry.all)
    by_id = {model.id: model for model in models}
    names = session.services.chooser.names()
    prefix, colon, rest = text.partition(":")
    provider = names.canonical(prefix) if colon else None
    if provider is not None and (exact := by_id.get(f"{provider}:{rest}")):
        return exact
    tests: tuple[Callable[[Model], bool], ...] = (
        lambda model: model.id == text or model.name == text,
        lambda model: (rest if provider else text) in model.aliases and provider in (None, model.provider),
        lambda model: model.active and text.lower() in model.id.lower(),
        lambda model: text.lower() in model.id.lower(),
    )
    for fits in tests:
        found = [model for model in models if fits(model)]
        if len(found) == 1:
            return found[0]
        if found:
            few = ", ".join(model.id for model in found[:4])
            raise UsageError(f'"{text}" fits {plural(len(found), "model")}.', f"Give more of its name: {few}")
    near = nearest(text, by_id)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"What no list names: {call.typed(f'models add {text}')}"
    raise UsageError(f"The registry has no model {text}.", hint)


def reference_typed(word: str, names: ProviderNames) -> object:
    """The model reference that one word of a command line is, as it is kept: in its right form, or an object.

    Raises UsageError where it cannot be read.
    """
    written = reference_of(word)
    found = parse(written, names)
    return str(found) if isinstance(written, str) else written


def provider_named(call: Invocation, written: str) -> str:
    """The provider of that name or alias. Raises UsageError with the nearest."""
    known = call.session.services.chooser.names()
    name, names = known.canonical(written), known.names
    if name is None:
        near = nearest(written.lower(), names, 1)
        hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(names)}."
        raise UsageError(f'Unknown provider "{written}".', hint)
    return name


def count_of(given: Options, name: str, what: str = "tokens", example: str = "128k") -> int | None:
    """A number of an option: 4096, 128k, 1M; what: of what. Raises UsageError for anything else."""
    text = given.values.get(name)
    if text is None:
        return None
    unit = {"k": 1000, "m": 1_000_000}.get(text[-1:].lower(), 1)
    number = text[:-1] if unit > 1 else text
    if not (number.isascii() and number.isdigit()) or not 0 < int(number) * unit < 10**9:
        raise UsageError(f"{name} takes a number of {what}, not {text}.", f"For example: {name} {example}")
    return int(number) * unit
