"""Values off the wire, read leniently, and the events of a stream.

A request may hold anything that the host has put there; nothing here raises on content.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

Wire = Mapping[str, Any]

DONE: Wire = {"type": "[DONE]"}
"""Stands for the line that ends a chat stream."""


def text_of(value: object) -> str:
    """Return a value if it is text, else the empty text."""
    return value if isinstance(value, str) else ""


def sequence(value: object) -> list[Wire]:
    """Return the objects of a list; empty for what is no list."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []


def mapping(value: object) -> Wire:
    """Return a value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def loads_or_text(text: str) -> object:
    """Return the value of a JSON text; the text itself where it is not JSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def events_of(data: bytes) -> Iterator[Wire]:
    """Yield the payloads of a stream's events, `DONE` for its closing line; a half one is left out."""
    for frame in data.replace(b"\r\n", b"\n").split(b"\n\n"):
        payload = b"\n".join(line[5:].lstrip() for line in frame.split(b"\n") if line.startswith(b"data:"))
        if payload.strip() == b"[DONE]":
            yield DONE
            continue
        try:
            event = orjson.loads(payload) if payload else None
        except orjson.JSONDecodeError:
            continue
        if isinstance(event, dict):
            yield event


def joined_text(parts: Sequence[Wire]) -> str:
    """Return the texts of content parts, one below the other."""
    return "\n".join(filter(None, (text_of(part.get("text")) for part in parts)))


def utc_time(value: object) -> datetime | None:
    """Return a time given as ISO text or as seconds since the epoch, in UTC; None for what is neither."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        at = datetime.fromisoformat(text_of(value))
    except (ValueError, OverflowError, OSError):
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
