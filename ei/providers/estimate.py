"""Token counts guessed from text, for where a provider reports none, and how a model's real counts mend the guess."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

from ei.messages import ChatMessage, TextPart, Usage

# Chinese, Japanese, Korean, and emoji: about one token a character in the tokenizers of the models in use.
_DENSE = re.compile(
    "[\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef\U0001f000-\U0003ffff]"
)
_ASCII = re.compile("[\x00-\x7f]+")
PER_MESSAGE = 4  # role and separators of the chat templates
FEWEST_CHARACTERS = 200
"""Of less text the wrapping of the messages is too large a part for a count to say anything."""
LONGEST_MEMORY = 20
"""A count is worth at least one in so many: servers change their models under one name."""
FURTHEST = 3.0
"""A count that is so many times the guess, or so much less, is of something else: hidden prompts, tools, images."""


@dataclass(frozen=True, slots=True)
class Characters:
    """How many characters a text has: ascii ones, dense ones (Chinese, Japanese, Korean, emoji), others."""

    ascii: int = 0
    other: int = 0
    dense: int = 0


@dataclass(frozen=True, slots=True)
class Density:
    """Tokens per character, by kind of character. counts: how many real counts it was learned from, 0 for a guess."""

    ascii: float = 0.25
    other: float = 0.4
    dense: float = 1.0
    counts: int = 0

    def tokens(self, characters: Characters) -> int:
        """About how many tokens these characters are, rounded up."""
        found = self.ascii * characters.ascii + self.other * characters.other + self.dense * characters.dense
        return ceil(found - 1e-9)  # a sum of fractions may end a hair above what it is


USUAL = Density()


def characters_of(text: str) -> Characters:
    """Counts the characters of a text."""
    if text.isascii():
        return Characters(len(text))
    dense = len(_DENSE.findall(text))
    plain = sum(map(len, _ASCII.findall(text)))
    return Characters(plain, len(text) - plain - dense, dense)


def estimate_tokens(text: str, density: Density = USUAL) -> int:
    """About how many tokens a text has: unless learned better, a quarter of its ASCII characters, 2 in 5 of others
    and one for each of a dense script."""
    return density.tokens(characters_of(text))


def estimate_prompt(messages: Iterable[ChatMessage], density: Density = USUAL) -> int:
    """About how many tokens the messages have on the wire."""
    return sum(estimate_tokens(message.text, density) + PER_MESSAGE for message in messages)


def estimated_usage(messages: Iterable[ChatMessage], text: str, reasoning: str, density: Density = USUAL) -> Usage:
    """A Usage marked as an estimate, of what was sent and what came."""
    thought = estimate_tokens(reasoning, density)
    return Usage(
        input_tokens=estimate_prompt(messages, density),
        output_tokens=estimate_tokens(text, density) + thought,
        reasoning_tokens=thought or None,
        estimated=True,
    )


def observed(density: Density, messages: Iterable[ChatMessage], input_tokens: int) -> Density:
    """The density after one more real count: of the input that these messages were.

    What the count differs from the guess is put on the kinds of characters by their part in it, the first time as a
    whole, later as a running average. What says nothing leaves it as it was: little text, parts that are no text, a
    count too far off.
    """
    messages = tuple(messages)
    if not all(isinstance(part, TextPart) for message in messages for part in message.parts):
        return density
    found = characters_of("".join(message.text for message in messages))
    tokens = input_tokens - PER_MESSAGE * len(messages)
    parts = (USUAL.ascii * found.ascii, USUAL.other * found.other, USUAL.dense * found.dense)
    if found.ascii + found.other + found.dense < FEWEST_CHARACTERS:
        return density
    if not sum(parts) / FURTHEST <= tokens <= sum(parts) * FURTHEST:
        return density
    guesses = (density.ascii * found.ascii, density.other * found.other, density.dense * found.dense)
    guessed = sum(guesses)
    rate = 1 / min(density.counts + 1, LONGEST_MEMORY)

    def mended(value: float, guess: float) -> float:
        return value * (1 + rate * guess / guessed * (tokens / guessed - 1))

    return Density(
        mended(density.ascii, guesses[0]),
        mended(density.other, guesses[1]),
        mended(density.dense, guesses[2]),
        density.counts + 1,
    )


def density_to_data(density: Density) -> list[float]:
    """JSON-ready: tokens per ASCII, other and dense character, then the number of counts."""
    return [round(density.ascii, 5), round(density.other, 5), round(density.dense, 5), density.counts]


def density_from_data(data: object) -> Density:
    """The inverse of `density_to_data`; the usual one for anything else."""
    match data:
        case [int() | float() as ascii, int() | float() as other, int() | float() as dense, int() as counts] if (
            min(ascii, other, dense) > 0 and counts > 0
        ):
            return Density(ascii, other, dense, counts)
        case _:
            return USUAL
