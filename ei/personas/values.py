"""A persona and its concepts as values, and how they are read from the data of a system.jsonc."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NoReturn, cast

from ei.errors import ConfigError
from ei.models.values import TIERS

ConceptType = Literal["static", "persona", "person", "topic"]
CONCEPT_TYPES: tuple[ConceptType, ...] = ("static", "persona", "person", "topic")

_NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Concept:
    """Something a persona cares about.

    id: stable, its name where the file gives none. type: `static` always holds, `persona` is a trait, `person`
    somebody, `topic` something to talk about. level_current: 0..1, how much it came up lately; level_ideal: 0..1,
    how much the persona would like it to; sentiment: -1..1.
    """

    id: str
    name: str
    description: str
    type: ConceptType
    level_current: float
    level_ideal: float
    sentiment: float
    last_updated: str = ""


@dataclass(frozen=True, slots=True)
class Persona:
    """What a system.jsonc says.

    name: its folder's. model: the reference as written (text or object), None where there is none; models: the same
    by interaction. last_updated: ISO 8601, or "". parameters: by our names (see messages.ChatRequest).
    fallback: references that answer where the model cannot, in this order. tiers: what a tier means for this persona,
    a reference by tier. prompt_note: a text for any model, or texts by provider or model family.
    """

    name: str
    path: Path
    entity: str = "system"
    aliases: tuple[str, ...] = ()
    model: object | None = None
    models: Mapping[str, object] = field(default_factory=lambda: _NOTHING)
    short_description: str = ""
    long_description: str = ""
    last_updated: str = ""
    concepts: tuple[Concept, ...] = ()
    parameters: Mapping[str, object] = field(default_factory=lambda: _NOTHING)
    private: bool = False
    fallback: tuple[object, ...] = ()
    tiers: Mapping[str, object] = field(default_factory=lambda: _NOTHING)
    prompt_note: object = None


@dataclass(frozen=True, slots=True)
class BrokenPersona:
    """A persona whose file cannot be used, and why."""

    name: str
    path: Path
    error: ConfigError


def persona_from_data(name: str, data: object, path: Path) -> Persona:
    """The persona that a system.jsonc describes; data: what it parses to. Keys that are not known are passed over.

    Raises ConfigError that names the file and the key.
    """
    reader = _Reader(name, path)
    if not isinstance(data, Mapping):
        reader.refuse("the whole", 'an object, { "short_description": … }')
    return Persona(
        name=name,
        path=path,
        entity=reader.text(data, "entity") or "system",
        aliases=reader.aliases(data),
        model=reader.reference(data, "model"),
        models=reader.models(data),
        short_description=reader.text(data, "short_description"),
        long_description=reader.text(data, "long_description"),
        last_updated=reader.text(data, "last_updated"),
        concepts=tuple(reader.concept(item, f"concepts[{i}]") for i, item in enumerate(reader.items(data, "concepts"))),
        parameters=reader.parameters(data),
        private=reader.boolean(data, "private"),
        fallback=reader.fallback(data),
        tiers=reader.tiers(data),
        prompt_note=reader.prompt_note(data),
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Takes values of the right kind out of data, or refuses. An absent key and null are the same."""

    name: str
    path: Path

    def refuse(self, where: str, wanted: str) -> NoReturn:
        raise ConfigError(f"{self.path}: {where} must be {wanted}.", f"Mend it: /persona edit {self.name}")

    def text(self, data: Mapping[str, object], key: str, prefix: str = "") -> str:
        value = data.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.refuse(prefix + key, "text in quotes")
        return value

    def boolean(self, data: Mapping[str, object], key: str) -> bool:
        value = data.get(key)
        if value is not None and not isinstance(value, bool):
            self.refuse(key, "true or false")
        return bool(value)

    def items(self, data: Mapping[str, object], key: str) -> Sequence[object]:
        value = data.get(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            self.refuse(key, "a list, [ … ]")
        return value

    def mapping(self, data: Mapping[str, object], key: str) -> Mapping[str, object]:
        value = data.get(key)
        if value is None:
            return _NOTHING
        if not isinstance(value, Mapping):
            self.refuse(key, "an object, { … }")
        return MappingProxyType(dict(value))

    def number(
        self, data: Mapping[str, object], key: str, prefix: str, low: float, high: float, default: float
    ) -> float:
        value = data.get(key, default)
        # Written so that not-a-number fails it.
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            self.refuse(prefix + key, f"a number from {low:g} to {high:g}")
        return float(value)

    def aliases(self, data: Mapping[str, object]) -> tuple[str, ...]:
        found = []
        for index, alias in enumerate(self.items(data, "aliases")):
            if not isinstance(alias, str) or not alias.strip():
                self.refuse(f"aliases[{index}]", "text in quotes")
            found.append(alias.strip())
        return tuple(found)

    def reference(self, data: Mapping[str, object], key: str, prefix: str = "") -> object | None:
        value = data.get(key)
        if value is not None and not isinstance(value, str | Mapping):
            self.refuse(
                prefix + key,
                'text such as "local:google/gemma-3-12b", or an object such as {"exact": "openai:gpt-5-mini"}',
            )
        return None if value == "" else value

    def models(self, data: Mapping[str, object]) -> Mapping[str, object]:
        written = self.mapping(data, "models")
        found = {key: self.reference(written, key, "models.") for key in written}
        return MappingProxyType({key: value for key, value in found.items() if value is not None})

    def fallback(self, data: Mapping[str, object]) -> tuple[object, ...]:
        found = []
        for index, item in enumerate(self.items(data, "fallback")):
            written = {f"fallback[{index}]": item or None}
            reference = self.reference(written, f"fallback[{index}]")
            if reference is None:
                self.refuse(f"fallback[{index}]", 'a model reference, such as "tier:fast" or "profile:backup"')
            found.append(reference)
        return tuple(found)

    def tiers(self, data: Mapping[str, object]) -> Mapping[str, object]:
        written = self.mapping(data, "tiers")
        for tier in written:
            if tier not in TIERS:
                self.refuse(f"tiers.{tier}", f"named like a tier: {', '.join(TIERS)}")
        found = {tier: self.reference(written, tier, "tiers.") for tier in written}
        return MappingProxyType({tier: value for tier, value in found.items() if value is not None})

    def prompt_note(self, data: Mapping[str, object]) -> object:
        match data.get("prompt_note"):
            case None | "":
                return None
            case str() as text:
                return text
            case Mapping() as notes if all(isinstance(note, str) for note in notes.values()):
                return MappingProxyType(dict(notes))
            case _:
                wanted = 'text, or an object of texts by provider or model family, { "anthropic": "…" }'
                return self.refuse("prompt_note", wanted)

    def parameters(self, data: Mapping[str, object]) -> Mapping[str, object]:
        found = self.mapping(data, "parameters")
        for key, high in (("temperature", 2.0), ("top_p", 1.0)):
            if found.get(key) is not None:
                self.number(found, key, "parameters.", 0, high, 0)
        for key, low in (("max_tokens", 1), ("seed", None)):
            value = found.get(key)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or (low and value < low)):
                self.refuse(f"parameters.{key}", "a whole number" + (f" of at least {low}" if low else ""))
        self.text(found, "reasoning_effort", "parameters.")
        match found.get("stop"):
            case None | str():
                pass
            case list() as stops if all(isinstance(item, str) for item in stops):
                pass
            case _:
                self.refuse("parameters.stop", "text, or a list of texts")
        return MappingProxyType({key: value for key, value in found.items() if value is not None})

    def concept(self, data: object, where: str) -> Concept:
        if not isinstance(data, Mapping):
            self.refuse(where, "an object, { … }")
        prefix = f"{where}."
        name = self.text(data, "name", prefix).strip()
        if not name:
            self.refuse(f"{prefix}name", "text in quotes")
        kind = data.get("type", "topic")
        if kind not in CONCEPT_TYPES:
            self.refuse(f"{prefix}type", 'one of "static", "persona", "person", "topic"')
        return Concept(
            id=self.text(data, "id", prefix) or name,
            name=name,
            description=self.text(data, "description", prefix),
            type=cast(ConceptType, kind),
            level_current=self.number(data, "level_current", prefix, 0, 1, 0.0),
            level_ideal=self.number(data, "level_ideal", prefix, 0, 1, 0.5),
            sentiment=self.number(data, "sentiment", prefix, -1, 1, 0.0),
            last_updated=self.text(data, "last_updated", prefix),
        )
