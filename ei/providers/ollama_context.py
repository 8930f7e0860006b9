"""How long a context an Ollama model is loaded with: pure.

Ollama loads a model for one length of context, 4,096 tokens unless asked (more with much video memory), whatever the
model can do; what is longer it cuts silently. Another length loads the model anew, which takes seconds and forgets
what it had read. So the length follows the conversation in wide steps, and never goes back while the model is loaded.
"""

from __future__ import annotations

MOST_UNASKED = 32_768
"""Beyond this, memory for the context grows into gigabytes: longer ones are for the person to ask for."""
REPLY_ROOM = 4096
"""Tokens that are kept for a reply where nobody limited it: thinking counts, too."""
FIRST_STEPS = (4096, 8192)
STEP = 16_384
MARGIN = 1.2
"""Requests are estimated from characters: names, numbers and code have more tokens than that."""


def most_context(of_model: int | None, setting: int | None, own: int | None = None, loaded: int | None = None) -> int:
    """The longest context that may be asked for, in tokens.

    of_model: what the model was made for. setting: what the person allows. own: what its Modelfile asks for. loaded:
    what it is loaded with now. Unless the person says otherwise these two are taken to be what the machine can bear.
    """
    allowed = setting or max(MOST_UNASKED, own or 0, loaded or 0)
    return min(allowed, of_model) if of_model else allowed


def room_for(max_tokens: object, most: int) -> int:
    """How many tokens of the context a reply is given: never more than a quarter of the longest."""
    wanted = max_tokens if isinstance(max_tokens, int) and max_tokens > 0 else REPLY_ROOM
    return min(wanted, most // 4)


def context_for(tokens: int, room: int, most: int, loaded: int = 0) -> int:
    """The context to ask for. tokens: estimated, of the request; loaded: what the model is loaded with, 0 for not."""
    return min(max(step(int(tokens * MARGIN) + room), loaded), most)


def larger(context: int, asked: int | None, room: int, most: int) -> int | None:
    """The next one to try where a request did not fit `context`; None where no longer one is allowed, or would do.

    asked: how many tokens the server counted, None where it did not say.
    """
    if context >= most or (asked is not None and asked >= most):
        return None
    return min(max(step(asked + room if asked is not None else context * 2), step(context + 1)), most)


def step(tokens: int) -> int:
    """The step that so many tokens fit: 4,096, 8,192, then multiples of 16,384."""
    return next((first for first in FIRST_STEPS if tokens <= first), -(-tokens // STEP) * STEP)
