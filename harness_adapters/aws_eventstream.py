"""AWS's binary event stream, as Bedrock sends a streamed answer: the JSON payloads of its messages.

A message is its whole length and its headers' length (4 bytes each, big-endian), a checksum of these, the
headers, the payload, and a checksum of it all. Bedrock's payload is `{"bytes": <an event's JSON in base64>}`.
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


def eventstream_payloads(data: bytes) -> Iterator[dict[str, Any]]:
    """Yield the events of a stream; a half-received last message is left out."""
    at = 0
    while at + _PRELUDE.size <= len(data):
        total_bytes, header_bytes, _ = _PRELUDE.unpack_from(data, at)
        if total_bytes < _PRELUDE.size + _CHECKSUM_BYTES or at + total_bytes > len(data):
            return
        payload = data[at + _PRELUDE.size + header_bytes : at + total_bytes - _CHECKSUM_BYTES]
        at += total_bytes
        event = _event(payload)
        if event is not None:
            yield event


def _event(payload: bytes) -> dict[str, Any] | None:
    try:
        wrapper = orjson.loads(payload)
        event = orjson.loads(b64decode(wrapper["bytes"])) if "bytes" in wrapper else wrapper
    except (ValueError, KeyError, TypeError):
        return None
    return event if isinstance(event, dict) else None
