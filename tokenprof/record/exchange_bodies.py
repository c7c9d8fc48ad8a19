"""The two bodies of an exchange, read as what they are and not as what their headers say."""

from __future__ import annotations

from typing import Any

from tokenprof.record.exchange import Exchange
from tokenprof.record.wire_values import Wire, loads_leniently, mapping

UNREAD_REQUEST = "The request cannot be read, so its prompt is not shown; the counts are those of the answer."

_EVENTS = (b"data:", b"event:", b"id:", b"retry:", b":")
_JSON = (b"{", b"[")


def request_of(exchange: Exchange) -> Wire:
    """Return the body of a request; empty if there is none or it is not a JSON object."""
    try:
        return mapping(loads_leniently(exchange.request)) if exchange.request else {}
    except (ValueError, RecursionError):
        return {}


def notes_of_request(exchange: Exchange, body: Wire) -> tuple[str, ...]:
    """Return a note if a request has a body that could not be read."""
    return (UNREAD_REQUEST,) if exchange.request.strip() and not body else ()


def is_event_stream(exchange: Exchange, data: bytes) -> bool:
    """Whether an answer is server-sent events. Relays send them as JSON, and JSON as them."""
    head = data.lstrip()[:8]
    if "text/event-stream" in exchange.headers.get("content-type", ""):
        return not head.startswith(_JSON)
    return head.startswith(_EVENTS)


def answer_of(data: bytes) -> Any:
    """Return the value of a JSON answer; None if it is not JSON."""
    try:
        return loads_leniently(data)
    except (ValueError, RecursionError):
        return None
