"""Server-sent events: the JSON payloads of a streamed answer, whichever provider sends it.

Source: WHATWG HTML, "Server-sent events", 9.2.6 (interpreting an event stream).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tokenprof.record.wire_values import Wire, loads_leniently

DONE: Wire = {"type": "[DONE]"}
"""The event for the line that ends an OpenAI stream."""

UNREADABLE_EVENT: Wire = {"type": "[unreadable]"}
"""An event whose payload is not JSON: its bytes are damaged, or a server keeps the line busy with words."""

FIELDS = (b":", b"event", b"id", b"retry")
"""How lines without data may begin."""

_LINE_END = re.compile(rb"\r\n|\n|\r")


def events_of(data: bytes) -> Iterator[Wire]:
    """Yield the payload of each event that is a JSON object, and `DONE` for the closing line.

    What is not JSON is `UNREADABLE_EVENT`.

    A last event that was cut off is left out, and so are comments and events without data.
    """
    lines: list[bytes] = []
    for line in _LINE_END.split(data.removeprefix(b"\xef\xbb\xbf")):
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
