"""AWS's binary event stream, as Bedrock sends a streamed answer: the JSON payloads of its messages.

A message is its whole length and its headers' length (4 bytes each, big-endian), a checksum of these, the
headers, the payload, and a checksum of it all. A header is its name's length (1 byte), the name, the kind of
its value (7: text) and, for text, its length (2 bytes) and bytes. InvokeModel's payload is
`{"bytes": <an event's JSON in base64>}`; Converse's is the event, named by a header.
Source: Smithy specification, "Event stream encoding".
"""

from __future__ import annotations

import struct
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import orjson

EVENTSTREAM = "application/vnd.amazon.eventstream"

_PRELUDE = struct.Struct(">III")
_CHECKSUM_BYTES = 4
_TEXT = b"\x07"


def eventstream_payloads(data: bytes) -> Iterator[dict[str, Any]]:
    """Yield the events of a stream; a half-received last message is left out."""
    for _, event in eventstream_messages(data):
        yield event


def eventstream_messages(data: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name of each event, or exception, and the event; a half-received last one is left out."""
    at = 0
    while at + _PRELUDE.size <= len(data):
        total_bytes, header_bytes, _ = _PRELUDE.unpack_from(data, at)
        if total_bytes < _PRELUDE.size + _CHECKSUM_BYTES or at + total_bytes > len(data):
            return
        headers = _text_headers(data[at + _PRELUDE.size : at + _PRELUDE.size + header_bytes])
        payload = data[at + _PRELUDE.size + header_bytes : at + total_bytes - _CHECKSUM_BYTES]
        at += total_bytes
        event = _event(payload)
        if event is not None:
            yield headers.get(":event-type") or headers.get(":exception-type") or "", event


def _text_headers(data: bytes) -> dict[str, str]:
    """Return a message's headers up to the first that is not text; its kind and its name are text."""
    headers: dict[str, str] = {}
    at = 0
    while at < len(data):
        kind_at = at + 1 + data[at]
        value_at = kind_at + 3
        if data[kind_at : kind_at + 1] != _TEXT or value_at > len(data):
            break
        end = value_at + int.from_bytes(data[kind_at + 1 : value_at], "big")
        headers[_text(data[at + 1 : kind_at])] = _text(data[value_at:end])
        at = end
    return headers


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _event(payload: bytes) -> dict[str, Any] | None:
    try:
        wrapper = orjson.loads(payload)
        event = orjson.loads(b64decode(wrapper["bytes"])) if "bytes" in wrapper else wrapper
    except (ValueError, KeyError, TypeError):
        return None
    return event if isinstance(event, dict) else None
