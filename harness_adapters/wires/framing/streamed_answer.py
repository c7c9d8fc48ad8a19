"""The bytes of an answer as one value, or as the events of a stream in whichever framing it came.

Providers stream server-sent events, AWS its binary messages, Gemini a JSON list, small servers and relays a
JSON object per line. Each adapter reads events alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tokenprof.data_classes.frozen import frozen
from tokenprof.harness_adapters.wires.framing.aws_eventstream import EVENTSTREAM, eventstream_payloads
from tokenprof.harness_adapters.wires.framing.server_sent_events import UNREADABLE_EVENT, events_of
from tokenprof.record.content_coding import answer_of, decoded_body, is_event_stream
from tokenprof.record.exchange import Exchange
from tokenprof.record.wire_values import Wire


@frozen
class StreamedAnswer:
    """The events of a streamed answer, in order."""

    events: Iterable[Wire]


def answer_in(exchange: Exchange) -> StreamedAnswer | Any:
    """Return the events of a streamed answer, or the value of a whole one; None if it is neither.

    Raises ValueError for a content coding that is unknown, or that decodes to more than a call holds.
    """
    data = decoded_body(exchange)
    if EVENTSTREAM in exchange.headers.get("content-type", ""):
        return StreamedAnswer(list(eventstream_payloads(data)))
    if is_event_stream(exchange, data):
        return StreamedAnswer(list(events_of(data)))
    value = answer_of(data)
    if isinstance(value, list):
        return StreamedAnswer([event for event in value if isinstance(event, Mapping)])
    return _object_per_line(data) if value is None else value


def _object_per_line(data: bytes) -> StreamedAnswer | None:
    """Return the objects on the lines of an answer; None if the first line is not a whole one."""
    lines = [line for line in data.splitlines() if line.strip()]
    if len(lines) < 2 or not isinstance(answer_of(lines[0]), Mapping):
        return None
    values = [answer_of(line) for line in lines]
    return StreamedAnswer([value if isinstance(value, Mapping) else UNREADABLE_EVENT for value in values])
