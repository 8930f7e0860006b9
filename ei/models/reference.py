"""The grammar of model references: what a person writes to choose a model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ei.errors import UsageError

BARE_PROVIDER = "local"
RESERVED = ("tier", "profile")


@dataclass(frozen=True, slots=True)
class ModelId:
    """One model of one provider, written `provider:model`."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}:{self.model}"


@dataclass(frozen=True, slots=True)
class ProviderNames:
    """The providers that exist here: names in the order shown, and other names for them."""

    names: tuple[str, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)

    def canonical(self, written: str) -> str | None:
        """The provider's own name for a name or an alias in any case, None where there is none."""
        name = written.strip().lower()
        return name if name in self.names else self.aliases.get(name)


def parse(written: object, providers: ProviderNames) -> ModelId:
    """The model that a reference names.

    written: a text (`provider:model`, or a bare model, which means `local:`) or an object `{"exact": TEXT}`.
    It is split once, at the first colon. Raises UsageError, with the nearest right form, for anything else.
    """
    if isinstance(written, Mapping):
        return _parse_object(written, providers)
    if not isinstance(written, str):
        raise UsageError(f"A model reference is a text, not {_kind(written)}.", "Write provider:model.")
    text = written.strip()
    if not text:
        raise UsageError("The model reference is empty.", "Write provider:model, for example ollama:qwen3:8b.")
    if bad := re.search(r"[\s\x00-\x1f\x7f-\x9f]", text):
        shown = text if bad[0] == " " else text.encode("unicode_escape").decode()
        raise UsageError(
            f'"{shown}" is no model reference: it has a space in it.', "Write provider:model without spaces."
        )
    prefix, colon, rest = text.partition(":")
    if not colon:
        return ModelId(BARE_PROVIDER, text)
    if prefix.lower() in RESERVED:
        raise UsageError(
            f"There are no {prefix.lower()}s to choose from yet.", "Name a model: provider:model, or see /model --list."
        )
    provider = providers.canonical(prefix)
    if provider is None:
        raise UsageError(f'Unknown provider "{prefix}".', did_you_mean(prefix, rest, providers))
    if not rest:
        raise UsageError(f'"{text}" names a provider and no model.', f"Write {provider}:MODEL.")
    return ModelId(provider, rest)


def written_form(reference: object) -> str:
    """A reference as one line of text, for a screen or a record."""
    return reference if isinstance(reference, str) else json.dumps(reference, ensure_ascii=False)


def did_you_mean(prefix: str, rest: str, providers: ProviderNames) -> str:
    """The nearest right form of a reference whose prefix is no provider.

    A prefix close to a provider's name is a slip of the finger; any other, and any with a digit, which no
    provider's name has, is most likely an Ollama tag.
    """
    import difflib

    known = [] if re.search(r"\d", prefix) else [*providers.names, *providers.aliases, *RESERVED]
    near = difflib.get_close_matches(prefix.lower(), known, n=1, cutoff=0.7)
    if near:
        name = providers.canonical(near[0]) or near[0]
        return f"Did you mean {name}:{rest or 'MODEL'}?"
    whole = f"{prefix}:{rest}"
    return f"Did you mean local:{whole} or ollama:{whole}?"


def suspicion(model: ModelId, providers: ProviderNames) -> str:
    """The likely right reference where a model's name repeats a provider (`google:gemini/gemini-2.5-flash`), else "".

    Routers and local servers do name models `maker/model`, so they are left alone unless they repeat themselves.
    """
    head, cut, tail = model.model.partition(":")
    if cut and tail and providers.canonical(head) == model.provider:
        return f"{model.provider}:{tail}"
    maker, cut, tail = model.model.partition("/")
    if not (cut and tail) or model.provider in _SLASHES:
        return ""
    known = providers.canonical(maker)
    if known == model.provider:
        return f"{model.provider}:{tail}"
    if maker == "models" and model.provider == "google":
        return f"google:{tail}"
    if known and model.provider in _NO_SLASHES:
        return f"{known}:{tail}"
    return ""


def nearest(name: str, names: Iterable[str], count: int = 3) -> list[str]:
    """The names most like `name`: those it is part of or that are part of it first, then by likeness."""
    import difflib

    candidates = list(names)
    short = name.lower().rsplit("/", 1)[-1]
    inside = [other for other in candidates if short and (short in other.lower() or other.lower() in short)]
    inside.sort(key=lambda other: abs(len(other) - len(short)))
    close = difflib.get_close_matches(name, candidates, n=count, cutoff=0.5)
    return list(dict.fromkeys(inside + close))[:count]


# Providers whose model names hold a slash by nature, and those whose names never do.
_SLASHES = ("local", "ollama", "openrouter", "together", "groq")
_NO_SLASHES = ("google", "openai", "anthropic", "x", "mistral", "deepseek")


def _parse_object(written: Mapping[str, object], providers: ProviderNames) -> ModelId:
    exact = written.get("exact")
    if isinstance(exact, str) and len(written) == 1:
        return parse(exact, providers)
    if "tier" in written or "profile" in written:
        name = "tiers" if "tier" in written else "profiles"
        raise UsageError(f"There are no {name} to choose from yet.", 'Name a model: {"exact": "provider:model"}.')
    raise UsageError(
        f"{json.dumps(dict(written))} is no model reference.", 'Write "provider:model" or {"exact": "provider:model"}.'
    )


def _kind(value: object) -> str:
    return {bool: "true or false", int: "a number", float: "a number", list: "a list", type(None): "nothing"}.get(
        type(value), "that"
    )
