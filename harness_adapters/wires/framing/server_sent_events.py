"""Server-sent events: the JSON payloads of a streamed answer, whichever provider sends it.

Source: WHATWG HTML, "Server-sent events", 9.2.6 (interpreting an event stream).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tokenprof.record.wire_values import Wire, loads_leniently

DONE: Wire = {"type": "[DONE]"}
"""The event for the line that ends an OpenAI stream."""

UNREADABLE_EVENT: Wire = {"type": "[unreadable]"}
"""An event whose payload is not JSON: its bytes are damaged, or a server keeps the line busy with words."""

FIELDS = (b":", b"event", b"id", b"retry")
"""How lines without data may begin."""

_PIECE_BYTES = 65_536
"""How much is cut into lines at a time: the interpreter does nothing else meanwhile."""


def events_of(data: bytes) -> Iterator[Wire]:
    """Yield the payload of each event that is a JSON object, and `DONE` for the closing line.

    What is not JSON is `UNREADABLE_EVENT`.

    A last event that was cut off is left out, and so are comments and events without data.
    """
    lines: list[bytes] = []
    for line in _lines(data.removeprefix(b"\xef\xbb\xbf")):
        if line.startswith(b"data:"):
            lines.append(line[5:].removeprefix(b" "))
        elif line == b"data":
            lines.append(b"")
        elif line and not line.startswith(FIELDS):
            yield UNREADABLE_EVENT
        elif not line and lines:
            event = _event(b"\n".join(lines))
            lines = []
            if event is not None:
                yield event
    # Some servers leave out the blank line after the last event.
    event = _event(b"\n".join(lines)) if lines else None
    if event is not None:
        yield event


def _lines(data: bytes) -> Iterator[bytes]:
    """Yield the lines of a stream, which may end with LF, CR or both."""
    start = 0
    while True:
        end = _next_line_end(data, start + _PIECE_BYTES)
        piece = data[start:] if end < 0 else data[start:end]
        yield from piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        if end < 0:
            return
        start = end + (2 if data[end : end + 2] == b"\r\n" else 1)


def _next_line_end(data: bytes, at: int) -> int:
    """Return the place of the next line end, of which CR LF is one; -1 if the stream has no more."""
    if data[at - 1 : at + 1] == b"\r\n":
        at -= 1
    line_feed = data.find(b"\n", at)
    carriage_return = data.find(b"\r", at, line_feed if line_feed >= 0 else len(data))
    return carriage_return if carriage_return >= 0 else line_feed


def _event(payload: bytes) -> Wire | None:
    if payload.strip() == b"[DONE]":
        return DONE
    try:
        event: Any = loads_leniently(payload)
    except ValueError:
        return UNREADABLE_EVENT
    return event if isinstance(event, dict) else None


class JoinedAnswer(dict[str, Any]):
    """An answer as its API would give it whole; `notes` say what its events contradict each other in."""

    def __init__(self, answer: Mapping[str, Any], notes: tuple[str, ...] = ()) -> None:
        super().__init__(answer)
        self.notes = notes
