"""Parses requests that mostly repeat an earlier one, in time proportional to what is new.

An agent sends its whole history again with every call. Where the bytes of a request are those of an earlier
one, the earlier objects are used again, the very same ones, so that whoever reads them can tell by identity
what has not changed.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import orjson

from tokenprof.data_classes.often_made import often_made
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
    """The items of a request's array, all of which are JSON objects.

    Each entry of `noted` is a number of items, and what a reader noted after that many; the numbers rise.
    The items of a later request take over the entries for the items that they repeat.
    """

    __slots__ = ("noted",)

    def __init__(self, items: Iterable[Mapping[str, Any]] = (), noted: Iterable[tuple[int, Any]] = ()):
        super().__init__(items)
        self.noted = list(noted)


@often_made
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
        for place, known in enumerate(self._known):
            found = _continued(known, data)
            if found is not None:
                del self._known[place]
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
        after = {name: item for name, item in value.items() if name != key and name not in before}
        if len(before) + len(after) + 1 != len(value) or not _is_once(data, key):
            return None
        ends = _ends(data, found.end(), _array_in(data, key), items)
        if ends is None:
            return None
        first = {name: value[name] for name in before}
        if first != before:
            # A key stands before the array and once more after it.
            return None
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
    found = _new_items(known, data, at) or _new_items_and_rest(known, data, at)
    if found is None:
        return None
    array, new, after = found
    ends = _ends(data, at, array, new)
    if ends is None:
        return None
    items = Objects(known.items, [each for each in known.items.noted if each[0] <= same])
    items[same:] = new
    return _Body(data, known.key, known.start, known.ends[:same] + ends, items, known.before, after)


_Found = tuple[bytes | msgspec.Raw, list[Any], dict[str, Any]]
"""New items as they are written, parsed, and what follows them."""


def _new_items(known: _Body, data: bytes, at: int) -> _Found | None:
    """Return the items after a place, and what follows them, if that has the bytes that it had before."""
    rest = memoryview(known.data)[known.ends[-1] :]
    end = len(data) - len(rest)
    if end < at or not data.endswith(rest):
        return None
    # The rest closes the array, so what stands before it are items if brackets make it an array.
    array = b"[" + _without_comma(data[at:end]) + b"]"
    try:
        return array, orjson.loads(array), known.after
    except ValueError:
        return None


def _new_items_and_rest(known: _Body, data: bytes, at: int) -> _Found | None:
    """Return the items after a place, and what follows them."""
    tail = _without_comma(data[at:])
    opened = b'{"' + known.key.encode() + b'":[' + tail
    try:
        rest = orjson.loads(opened)
    except ValueError:
        return None
    new = rest.pop(known.key, None)
    if not isinstance(new, list) or not known.before.keys().isdisjoint(rest):
        return None
    if _ARRAY[known.key].search(tail):
        return None
    after = {name: _same(value, known.after.get(name)) for name, value in rest.items()}
    return _array_in(opened, known.key), new, after


def _without_comma(tail: bytes) -> bytes:
    tail = tail.lstrip(_SPACE)
    return tail[1:] if tail[:1] == b"," else tail


def _repeated(known: _Body, data: bytes) -> int:
    """Return how many of the first items stand in another body as well, at the same place."""
    then = memoryview(known.data)
    if not known.ends or not data.startswith(then[: known.start]):
        return 0
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


def _ends(data: bytes, at: int, array: bytes | msgspec.Raw, items: list[Any]) -> list[int] | None:
    """Return the offset after each of the `items` of an array, the first of which stands after `at`.

    None if one of them is not an object, or is nested too deeply.
    """
    if not _ONLY_OBJECTS.issuperset(map(type, items)):
        return None
    ends: list[int] = []
    try:
        for written in _WRITTEN_ITEMS.decode(array):
            at = data.index(b"{", at) + len(written)
            ends.append(at)
    except (msgspec.MsgspecError, RecursionError):
        return None
    return ends


def _array_in(data: bytes, key: str) -> bytes | msgspec.Raw:
    """Return an array as it is written in an object; nothing if the object is nested too deeply."""
    try:
        return _WRITTEN_VALUES.decode(data)[key]
    except (msgspec.MsgspecError, RecursionError):
        return b""


_WRITTEN_VALUES = msgspec.json.Decoder(dict[str, msgspec.Raw])
_WRITTEN_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_ONLY_OBJECTS = frozenset({dict})
