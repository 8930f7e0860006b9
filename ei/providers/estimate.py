"""Token counts guessed from text, for where a provider reports none."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ei.messages import ChatMessage, Usage

# Chinese, Japanese, Korean, and emoji: about one token a character in the tokenizers of the models in use.
_DENSE = re.compile(
    "[\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef\U0001f000-\U0003ffff]"
)
PER_MESSAGE = 4  # role and separators of the chat templates


def estimate_tokens(text: str) -> int:
    """About how many tokens a text has: a quarter of its characters, one for each of a dense script."""
    dense = len(_DENSE.findall(text))
    return dense + (len(text) - dense + 3) // 4


def estimate_prompt(messages: Iterable[ChatMessage]) -> int:
    """About how many tokens the messages have on the wire."""
    return sum(estimate_tokens(message.text) + PER_MESSAGE for message in messages)


def estimated_usage(messages: Iterable[ChatMessage], text: str, reasoning: str) -> Usage:
    """A Usage marked as an estimate, of what was sent and what came."""
    thought = estimate_tokens(reasoning)
    return Usage(
        input_tokens=estimate_prompt(messages),
        output_tokens=estimate_tokens(text) + thought,
        reasoning_tokens=thought or None,
        estimated=True,
    )
