"""AWS's event stream, written: what a loopback Bedrock sends."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import orjson


def framed(name: str, event: dict[str, Any], kind: str = "event") -> bytes:
    """Frame an event as AWS does: lengths, checksum, headers, payload, checksum."""
    headers = b"".join(
        bytes([len(key)]) + key.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for key, value in (
            (f":{kind}-type", name),
            (":content-type", "application/json"),
            (":message-type", kind),
        )
    )
    payload = orjson.dumps(event)
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    head = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return head + struct.pack(">I", zlib.crc32(head))
