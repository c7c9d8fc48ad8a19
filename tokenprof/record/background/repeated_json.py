"""Parses requests that mostly repeat an earlier one, in time proportional to what is new.

An agent sends its whole history again with every call. Where the bytes of a request are those of an earlier
one, the earlier objects are used again, the very same ones, so that whoever reads them can tell by identity
what has not changed.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from tokenprof.record.background.giving_way import LARGE_BYTES, give_way

ARRAYS = ("messages", "input", "contents")
"""The keys of a request under which the APIs take a history."""

SMALLEST_BYTES = 8_192
"""Below this size, parsing a request again is as fast."""

MOST_BODIES = 8
MOST_BYTES = 32 * 2**20

_ARRAY = {key: re.compile(rb'"' + key.encode() + rb'"\s{0,8}:\s{0,8}\[') for key in ARRAYS}
_SPACE = b" \t\r\n"


class Objects(list[Mapping[str, Any]]):
    """The items of a request's array, all of which are JSON objects."""


@dataclass(frozen=True, slots=True, eq=False)
class _Body:
    """A parsed request: `ends` are the offsets after the items of its array, which starts at `start`."""

    data: bytes
    key: str
    start: int
    ends: list[int]
    items: Objects
    before: dict[str, Any]
    after: dict[str, Any]

    def value(self) -> dict[str, Any]:
        return {**self.before, self.key: self.items, **self.after}


class RepeatedBodies:
    """Remembers the last requests of one recording; they are the host's own bytes, kept alive."""

    def __init__(self) -> None:
        self._known: deque[_Body] = deque()

    def loads(self, data: bytes) -> Any:
        """Return the value of a JSON body. Raises ValueError if it is not JSON that the fast parser takes."""
        if len(data) < SMALLEST_BYTES:
            return orjson.loads(data)
        for known in self._known:
            found = _continued(known, data)
            if found is not None:
                self._known.remove(known)
                return self._kept(found)
        value = orjson.loads(data)
        _give_way_after(data)
        body = _split(data, value)
        return value if body is None else self._kept(body)

    def _kept(self, body: _Body) -> dict[str, Any]:
        self._known.appendleft(body)
        size = 0
        for place, known in enumerate(self._known):
            size += len(known.data)
            if place and (place >= MOST_BODIES or size > MOST_BYTES):
                while len(self._known) > place:
                    self._known.pop()
                break
        return body.value()


def _split(data: bytes, value: Any) -> _Body | None:
    """Return a parsed body with the places of its items; None if they cannot be told for certain."""
    if not isinstance(value, dict):
        return None
    key = next((key for key in ARRAYS if isinstance(value.get(key), list)), "")
    for found in _ARRAY[key].finditer(data) if key else ():
        try:
            # What stands before the array is an object if it ends here, so the array is one of its values.
            before = orjson.loads(data[: found.start()] + b'"":0}')
        except ValueError:
            continue
        del before[""]
        items = value[key]
        ends = _ends(data, found.end(), items)
        after = {name: item for name, item in value.items() if name != key and name not in before}
        if ends is None or len(before) + len(after) + 1 != len(value) or not _is_once(data, key):
            return None
        first = {name: value[name] for name in before}
        return _Body(data, key, found.end(), ends, Objects(items), first, after)
    return None


def _is_once(data: bytes, key: str) -> bool:
    """Whether a key is certain to stand once on top: the last of several counts, and would be another."""
    return sum(1 for _ in _ARRAY[key].finditer(data)) == 1


def _continued(known: _Body, data: bytes) -> _Body | None:
    """Return a body that repeats some of the items of another one; None if it does not."""
    same = _repeated(known, data)
    if not same:
        return None
    at = known.ends[same - 1]
    tail = data[at:].lstrip(_SPACE)
    tail = tail[1:] if tail[:1] == b"," else tail
    try:
        rest = orjson.loads(b'{"' + known.key.encode() + b'":[' + tail)
    except ValueError:
        return None
    new = rest.pop(known.key, None)
    if not isinstance(new, list) or not known.before.keys().isdisjoint(rest):
        return None
    if _ARRAY[known.key].search(tail):
        return None
    first = data.find(b"{", at) if new else at
    ends = _ends(data, first, new) if new else []
    if ends is None:
        return None
    after = {name: _same(value, known.after.get(name)) for name, value in rest.items()}
    items = Objects(known.items)
    items[same:] = new
    return _Body(data, known.key, known.start, known.ends[:same] + ends, items, known.before, after)


def _repeated(known: _Body, data: bytes) -> int:
    """Return how many of the first items stand in another body as well, at the same place."""
    if not known.ends or not data.startswith(known.data[: known.start]):
        return 0
    then = memoryview(known.data)
    low, high = 0, len(known.ends)
    at = known.start
    # Most requests repeat all of it.
    middle = high
    while low < high:
        end = known.ends[middle - 1]
        if data.startswith(then[at:end], at):
            low, at = middle, end
        else:
            high = middle - 1
        middle = (low + high + 1) // 2
    return low


def _same(value: Any, before: Any) -> Any:
    """Return an earlier object in place of a value that reads the same."""
    if type(before) is not type(value):
        return value
    if isinstance(value, dict | list):
        # Not by equality, for which 1 and true are the same.
        written = _compact(value)
        return before if written is not None and written == _compact(before) else value
    return before if before == value else value


def _give_way_after(data: bytes) -> None:
    if len(data) > LARGE_BYTES:
        give_way()


def _compact(value: Any) -> bytes | None:
    """Return a value as the fast writer writes it; None for what is nested too deeply for it."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return None


def _ends(data: bytes, at: int, items: list[Any]) -> list[int] | None:
    """Return the offset after each item of an array; None if one is not an object, or is not found."""
    ends: list[int] = []
    text: str | None = None
    offset = 0
    for place, item in enumerate(items):
        if not isinstance(item, dict):
            return None
        while place and data[at : at + 1] in (b",", b" ", b"\n", b"\t", b"\r"):
            at += 1
        compact = _compact(item)
        if compact is None:
            return None
        _give_way_after(compact)
        if data.startswith(compact, at):
            at += len(compact)
        else:
            # Written in another style: with spaces, with characters as escapes.
            if text is None:
                if not data[at:].isascii():
                    return None
                text, offset = data[at:].decode("ascii"), at
            try:
                found, end = _DECODER.raw_decode(text, at - offset)
            except (ValueError, RecursionError):
                return None
            if found != item:
                return None
            at = offset + end
        ends.append(at)
    return ends if data[at:].lstrip(_SPACE)[:1] == b"]" or not items else None


_DECODER = json.JSONDecoder()
