"""Server-sent events out of bytes that arrive split anywhere."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST = 16 * 1024 * 1024


class TooMuchError(ValueError):
    """One event is larger than anything a model sends."""


@dataclass(frozen=True, slots=True)
class ServerEvent:
    name: str
    data: str


class SseDecoder:
    """Bytes in, events out (WHATWG HTML, section 9.2.6): lines end with LF, CR LF or CR, a blank one ends an event.

    An event without data (a comment sent to keep the connection) is passed over. Bytes that are no UTF-8 are replaced.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._name = ""
        self._data: list[str] = []
        self._size = 0
        self._first = True

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """The events that these bytes complete. Raises TooMuchError."""
        self._buffer += chunk
        if b"\n" not in chunk and b"\r" not in chunk:
            self._limit(len(self._buffer))
            return []
        held_return = self._buffer.endswith(b"\r")  # its LF may be in the next bytes
        text = self._buffer[:-1] if held_return else self._buffer
        *lines, rest = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._buffer = rest + (b"\r" if held_return else b"")
        return [event for line in lines if (event := self._line(line)) is not None]

    def end(self) -> list[ServerEvent]:
        """The last event, where the stream ended without the blank line after it."""
        rest, self._buffer = self._buffer.rstrip(b"\r"), b""
        events = [self._line(rest), self._line(b"")] if rest else [self._line(b"")]
        return [event for event in events if event is not None]

    def _line(self, raw: bytes) -> ServerEvent | None:
        if self._first:
            self._first = False
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        if not raw:
            name, data = self._name, self._data
            self._name, self._data, self._size = "", [], 0
            return ServerEvent(name, "\n".join(data)) if data else None
        field, _, value = raw.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._size += len(value)
            self._limit(self._size)
            self._data.append(value)
        elif field == "event":
            self._name = value
        return None

    def _limit(self, size: int) -> None:
        if size > LONGEST:
            raise TooMuchError(f"an event of more than {LONGEST} bytes")
