"""Server-sent events out of bytes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ei.providers.sse import LONGEST, ServerEvent, SseDecoder, TooMuchError

STREAM = (
    "\ufeff: hello\n\nevent: ping\r\ndata: {}\r\n\r\ndata: é 日本 🙂\rdata:second\r\rid: 1\n\n"
    "data: with\u2028separator\n\nevent: last\ndata: x"
).encode()
EVENTS = [
    ServerEvent("ping", "{}"),
    ServerEvent("", "é 日本 🙂\nsecond"),
    ServerEvent("", "with\u2028separator"),
    ServerEvent("last", "x"),
]


def decoded(pieces: list[bytes]) -> list[ServerEvent]:
    decoder = SseDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)] + decoder.end()


def test_a_stream_is_read_whole() -> None:
    assert decoded([STREAM]) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_a_stream_split_anywhere_gives_the_same_events(cuts: list[int]) -> None:
    places = sorted({*cuts, 0, len(STREAM)})
    assert decoded([STREAM[a:b] for a, b in pairwise(places)]) == EVENTS


def test_byte_by_byte_gives_the_same_events() -> None:
    assert decoded([STREAM[i : i + 1] for i in range(len(STREAM))]) == EVENTS


def test_an_event_that_never_ends_is_refused() -> None:
    line = b"data: " + b"x" * (LONGEST // 2) + b"\n"
    with pytest.raises(TooMuchError):
        decoded([line, line, line])
    with pytest.raises(TooMuchError):
        SseDecoder().feed(b"x" * (LONGEST + 1))
