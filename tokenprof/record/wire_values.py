"""Values as they come off a wire or out of a log, read leniently.

A request holds whatever the host has put there, and a log whatever its tool wrote, so nothing here raises an
error for a value of the wrong kind.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeGuard, TypeVar

import orjson

from tokenprof.facts.whole_characters import with_whole_characters
from tokenprof.record.background.giving_way import give_way
from tokenprof.record.background.repeated_json import Objects as Objects

Item = TypeVar("Item")

_ITEMS_IN_A_BREATH = 256
_OTHERS = frozenset({str, int, float, bool, type(None), list, tuple, bytes})
_LISTS = (list, tuple)
_ONLY_DICTS = frozenset({dict})

Wire = Mapping[str, Any]
"""A JSON object as it was parsed."""


def text_of(value: object) -> str:
    """Return a value if it is text, else the empty text."""
    return value if type(value) is str or isinstance(value, str) else ""


def int_of(value: object) -> int | None:
    """Return an integer, which OTLP JSON writes as text; None for anything else, `true` included."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    is_integral_float = isinstance(value, float) and value.is_integer()
    if not is_integral_float and not isinstance(value, str):
        return None
    try:
        return int(value)  # type: ignore[call-overload, no-any-return]
    except ValueError:
        return None


def sequence(value: object) -> list[Wire]:
    """Return the objects in a list; nothing for a value that is not a list."""
    if type(value) is Objects or (type(value) is list and _ONLY_DICTS.issuperset(map(type, value))):
        return value
    return [item for item in value if is_object(item)] if isinstance(value, _LISTS) else []


def is_object(value: object) -> TypeGuard[Wire]:
    """Whether a value is a JSON object. Checking the usual types first is ten times as fast."""
    kind = type(value)
    return kind is dict or (kind not in _OTHERS and isinstance(value, Mapping))


def mapping(value: object) -> Wire:
    """Return a value if it is an object, else an empty one."""
    return value if type(value) is dict or is_object(value) else {}


def loads_or_text(text: str) -> object:
    """Return the value of a JSON text; the text itself if it is not JSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def loads_leniently(data: bytes) -> Any:
    """Return the value of a JSON body as lenient servers read it; ValueError if it is not JSON at all.

    JavaScript writes half of a character that it cut in two as a lone escape, and Python writes bare NaN.
    `encodable` says what they become.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return encodable(json.loads(data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")))


def dumps_leniently(value: object) -> bytes:
    """Return a value as JSON that any parser takes, whatever text of the host's is in it."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return orjson.dumps(encodable(value))


def encodable(value: Any) -> Any:
    """Return a JSON value without what the fast parser and writer refuse.

    Half of a character becomes the replacement character, a number that is not finite null, and an integer
    above 64 bits text.
    """
    if isinstance(value, str):
        return with_whole_characters(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(value)
    if isinstance(value, dict):
        return {encodable(key): encodable(item) for key, item in value.items()}
    return [encodable(item) for item in value] if isinstance(value, list) else value


def opened(value: object) -> Any:
    """Return a value that may be an object or a list as JSON text, parsed; any other value as it is."""
    return loads_or_text(value) if isinstance(value, str) and value.lstrip()[:1] in ("{", "[") else value


def joined_text(parts: Sequence[Wire]) -> str:
    """Return the texts of content parts, one below the other."""
    return "\n".join(filter(None, (text_of(part.get("text")) for part in parts)))


def content_items(content: object) -> list[Wire]:
    """Return a message's content as a list of items; plain text is one text item, unless it is empty."""
    if type(content) is list and _ONLY_DICTS.issuperset(map(type, content)):
        return content[:]
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    if is_object(content):
        return [content]
    return [
        item if is_object(item) else {"type": "text", "text": item}
        for item in (content if isinstance(content, _LISTS) else ())
        if is_object(item) or (isinstance(item, str) and item)
    ]


def readable(data: bytes) -> bytes:
    """Return JSON, or server-sent events of JSON, in a form that the fast parser takes.

    Providers and hosts send what it refuses: lone surrogates, NaN, numbers too large for 64 bits. They become
    the replacement character, null and text. What is not JSON at all is returned as it is.
    """
    if data.lstrip()[:1] in (b"{", b"["):
        return _readable_json(data)
    lines = data.split(b"\n")
    return b"\n".join(
        b"data: " + _readable_json(line[5:].strip()) if line.startswith(b"data:") else line for line in lines
    )


def _readable_json(data: bytes) -> bytes:
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        # A body that is not JSON, or nested too deeply, is left as it is.
        with contextlib.suppress(ValueError, TypeError, RecursionError):
            return orjson.dumps(loads_leniently(data))
    return data


def breathing(items: Iterable[Item]) -> Iterator[Item]:
    """Yield items that are found in a long text; now and then other threads of the host run between them."""
    for number, item in enumerate(items, start=1):
        yield item
        if not number % _ITEMS_IN_A_BREATH:
            give_way()
