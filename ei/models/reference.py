"""The grammar of model references: what a person writes to choose a model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ei.errors import UsageError
from ei.models.values import CAPABILITIES, TIERS

BARE_PROVIDER = "local"
RESERVED = ("tier", "profile")
"""Prefixes of references that no provider may have."""


@dataclass(frozen=True, slots=True)
class ModelId:
    """One model of one provider, written `provider:model`."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}:{self.model}"

    @property
    def written(self) -> object:
        """As a reference that `parse` reads: a text, or an object for a name with spaces."""
        return {"exact": str(self)} if " " in self.model else str(self)


Pick = Literal["default", "cheapest", "newest", "random"]
PICKS: tuple[Pick, ...] = ("default", "cheapest", "newest", "random")


@dataclass(frozen=True, slots=True)
class TierReference:
    """A tier, which becomes a real model when it is asked for.

    tier: of TIERS. prefer: providers that are taken first, in this order; only: providers beside which none counts,
    () for any. needs: of CAPABILITIES, all of them. context: the least context in tokens, 0 for any. max_input,
    max_output: the most that a model may cost, nano-dollars per million tokens, None for any. pick: which of those that
    are left.
    """

    tier: str
    prefer: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    needs: frozenset[str] = frozenset()
    context: int = 0
    max_input: int | None = None
    max_output: int | None = None
    pick: Pick = "default"

    def __str__(self) -> str:
        return f"tier:{self.tier}" + (f"@{self.prefer[0]}" if self.prefer else "")


@dataclass(frozen=True, slots=True)
class ProfileReference:
    """A named bundle of model and parameters, written `profile:ID`."""

    id: str

    def __str__(self) -> str:
        return f"profile:{self.id}"


Reference = ModelId | TierReference | ProfileReference


@dataclass(frozen=True, slots=True)
class ProviderNames:
    """The providers that exist here: names in the order shown, and other names for them."""

    names: tuple[str, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)

    def canonical(self, written: str) -> str | None:
        """The provider's own name for a name or an alias in any case, None where there is none."""
        name = written.strip().lower()
        return name if name in self.names else self.aliases.get(name)


def parse(written: object, providers: ProviderNames) -> Reference:
    """What a reference names: one model, a tier, or a profile.

    written: a text (`provider:model`, a bare model, which means `local:`, `tier:NAME`, `tier:NAME@PROVIDER`,
    `profile:ID`) or an object (`{"exact": TEXT}`, `{"profile": ID}`, `{"tier": NAME, …}` with `provider`,
    `preferProvider`, `needs`, `maxPrice`, `pick`). A text is split once, at the first colon. Raises UsageError, with
    the nearest right form, for anything else; whether such a profile or model exists is not looked at.
    """
    if isinstance(written, Mapping):
        return _parse_object(written, providers)
    if not isinstance(written, str):
        raise UsageError(f"A model reference is a text, not {_kind(written)}.", "Write provider:model.")
    return _parse_text(written, providers)


def _parse_text(written: str, providers: ProviderNames, *, spaces: bool = False) -> Reference:
    """spaces: whether a name may have some, as those of a few local servers do."""
    text = written.strip()
    if not text:
        raise UsageError("The model reference is empty.", "Write provider:model, for example ollama:qwen3:8b.")
    if bad := re.search(r"[^\S ]|[\x00-\x1f\x7f-\x9f]" if spaces else r"[\s\x00-\x1f\x7f-\x9f]", text):
        shown = text if bad[0] == " " else text.encode("unicode_escape").decode()
        raise UsageError(
            f'"{shown}" is no model reference: it has a space in it.',
            'Write provider:model without spaces, or {"exact": "provider:a name with spaces"}.',
        )
    prefix, colon, rest = text.partition(":")
    if not colon:
        return ModelId(BARE_PROVIDER, text)
    if prefix.lower() == "tier":
        tier, at, provider = rest.partition("@")
        return TierReference(_tier(tier), (_provider(provider, providers),) if at else ())
    if prefix.lower() == "profile":
        if not rest:
            raise UsageError('"profile:" names no profile.', "Write profile:ID; /profile lists them.")
        return ProfileReference(rest)
    provider_name = providers.canonical(prefix)
    if provider_name is None:
        raise UsageError(f'Unknown provider "{prefix}".', did_you_mean(prefix, rest, providers))
    if not rest:
        raise UsageError(f'"{text}" names a provider and no model.', f"Write {provider_name}:MODEL.")
    return ModelId(provider_name, rest)


def exact(written: object, providers: ProviderNames) -> ModelId:
    """The one model that a reference names. Raises UsageError as `parse`, and for a tier or a profile."""
    found = parse(written, providers)
    if isinstance(found, ModelId):
        return found
    raise UsageError(f"{found} is no model by itself.", "Name one model: provider:model.")


def provider_or_model(written: str, providers: ProviderNames) -> str:
    """The provider's own name where one is named, else `provider:model`. Raises UsageError for what is neither."""
    provider = providers.canonical(written)
    if provider is not None:
        return provider
    if ":" in written:
        return str(exact(written, providers))
    near = nearest(written.lower(), [*providers.names, *providers.aliases], 1)
    hint = f"Did you mean {near[0]}?" if near else "A model is written provider:model."
    raise UsageError(f'"{written}" is neither a provider nor a model.', hint)


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


TIER_KEYS = ("tier", "provider", "preferProvider", "needs", "maxPrice", "pick")
NANO = 1_000_000_000


def _parse_object(written: Mapping[str, object], providers: ProviderNames) -> Reference:
    exact_text, profile = written.get("exact"), written.get("profile")
    if isinstance(exact_text, str) and len(written) == 1:
        return _parse_text(exact_text, providers, spaces=True)
    if isinstance(profile, str) and profile and len(written) == 1:
        return ProfileReference(profile)
    if "tier" not in written:
        raise UsageError(
            f"{json.dumps(dict(written), ensure_ascii=False)} is no model reference.",
            'Write "provider:model", {"exact": "provider:model"}, {"tier": "fast"} or {"profile": "ID"}.',
        )
    if unknown := [key for key in written if key not in TIER_KEYS]:
        raise UsageError(f'A tier has no "{unknown[0]}".', f"It may say: {', '.join(TIER_KEYS)}.")
    needs, context = _needs(written.get("needs"))
    max_input, max_output = _max_price(written.get("maxPrice"))
    pick = next((each for each in PICKS if each == written.get("pick", "default")), None)
    if pick is None:
        raise UsageError(
            f'"pick" of a tier is one of: {", ".join(PICKS)}.', 'For example: {"tier": "fast", "pick": "cheapest"}.'
        )
    only = written.get("provider")
    return TierReference(
        _tier(written["tier"]),
        _providers("preferProvider", written.get("preferProvider"), providers),
        () if only == "any" else _providers("provider", only, providers),
        needs,
        context,
        max_input,
        max_output,
        pick,
    )


def _tier(written: object) -> str:
    if isinstance(written, str) and written.strip().lower() in TIERS:
        return written.strip().lower()
    raise UsageError(f'There is no tier "{written}".', f"There are: {', '.join(TIERS)}.")


def _provider(written: object, providers: ProviderNames) -> str:
    name = providers.canonical(written) if isinstance(written, str) else None
    if name is None:
        import difflib

        near = difflib.get_close_matches(str(written).lower(), [*providers.names, *providers.aliases], n=1)
        raise UsageError(
            f'Unknown provider "{written}".',
            f"Did you mean {near[0]}?" if near else f"There are: {', '.join(providers.names)}.",
        )
    return name


def _providers(key: str, written: object, providers: ProviderNames) -> tuple[str, ...]:
    if written is None:
        return ()
    names = [written] if isinstance(written, str) else written
    if not isinstance(names, list) or not names:
        raise UsageError(f'"{key}" of a tier is the name of a provider, or a list of names.', 'For example: "groq".')
    return tuple(dict.fromkeys(_provider(name, providers) for name in names))


def _needs(written: object) -> tuple[frozenset[str], int]:
    """Capabilities and least context: a list of names, or an object with `capabilities` and `context`."""
    given = dict(written) if isinstance(written, Mapping) else {"capabilities": written or []}
    names, context = given.pop("capabilities", []), given.pop("context", 0)
    if isinstance(names, list) and isinstance(context, int) and not isinstance(context, bool) and not given:
        known = frozenset(name for name in CAPABILITIES if name in names)
        if len(known) == len(names) and context >= 0:
            return known, context
    raise UsageError(
        f'"needs" of a tier lists what a model must be able to do: {", ".join(CAPABILITIES)}.',
        'For example: ["tools"], or {"capabilities": ["tools"], "context": 100000}.',
    )


def _max_price(written: object) -> tuple[int | None, int | None]:
    """Dollars per million tokens: a number is of output, an object says `input`, `output` or both."""
    prices = dict(written) if isinstance(written, Mapping) else {} if written is None else {"output": written}
    found = {name: _nano(prices.pop(name)) for name in ("input", "output") if name in prices}
    if prices or None in found.values():
        raise UsageError(
            '"maxPrice" of a tier is dollars per million tokens.', 'For example: 2.5, or {"input": 1, "output": 5}.'
        )
    return found.get("input"), found.get("output")


def _nano(dollars: object) -> int | None:
    if isinstance(dollars, bool) or not isinstance(dollars, int | float) or not 0 <= dollars < 10**6:
        return None
    return round(dollars * NANO)


def _kind(value: object) -> str:
    return {bool: "true or false", int: "a number", float: "a number", list: "a list", type(None): "nothing"}.get(
        type(value), "that"
    )
