"""JSON as other programs really write it: what the strict parser refuses is tried again with Python's own.

Python's parser also reads control characters inside texts, half of a surrogate pair, NaN and Infinity, and
several values in a row. What no JSON could hold is replaced: half a pair by U+FFFD, and a number that is not
finite by null.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from tokenprof.facts.whole_characters import with_whole_characters

MOST_ATTEMPTS = 16
"""How many places of one damaged line are tried as the beginning of a whole record."""

MOST_OPENINGS = 8
LONGEST_EXACT_INTEGER_DIGITS = 18

_BETWEEN_VALUES = " \t\r\n\0\ufeff"
_OPENING = re.compile(rb'\{\s*"[^"\\]{1,40}"')
_ANY_OPENING = re.compile(r'\{\s*"')
_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")


def parse_json(data: bytes) -> Any:
    """Return the one JSON value that `data` holds. Raises ValueError if it holds none, or more than one."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        text = _decoded(data)
        value, end = _value_at(text, 0)
        if end != len(text):
            raise
        return value


class RecordFinder:
    """Finds the JSON objects of the lines of one file; remembers how its records begin.

    `parse` returns the value on a line, or as much of it as is needed; it raises ValueError if the line is
    not JSON.
    """

    def __init__(self, parse: Callable[[bytes], Any] = orjson.loads) -> None:
        self._parse = parse
        self._openings: tuple[bytes, ...] = ()

    def records_of(self, line: bytes) -> tuple[list[dict[str, Any]], str | None]:
        """Return the objects on a line or in its list, and what was lost of it (None if nothing was).

        An interrupted write leaves two records on one line, or half of one before the next. A crash leaves
        blocks of zero bytes.
        """
        value = self.whole_record(line)
        if value is not None:
            return [value], None
        try:
            value = self._parse(line)
        except ValueError as error:
            return self._salvaged(line, str(error))
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            return value, None
        return [], "it is not a JSON object"

    def whole_record(self, line: bytes) -> dict[str, Any] | None:
        """Return the object that a line is, as nearly all are; None if it is anything else."""
        try:
            value = self._parse(line)
        except ValueError:
            return None
        if type(value) is not dict:
            return None
        if not line.startswith(self._openings):
            self._note_opening(line)
        return value

    def _note_opening(self, line: bytes) -> None:
        if len(self._openings) >= MOST_OPENINGS:
            return
        opening = _OPENING.match(line[:80].lstrip())
        if opening and opening.group() not in self._openings:
            self._openings += (opening.group(),)

    def _salvaged(self, line: bytes, reason: str) -> tuple[list[dict[str, Any]], str | None]:
        text = _decoded(line)
        if not text:
            return [], f"it holds {line.count(0):,} zero bytes and nothing else"
        found: list[dict[str, Any]] = []
        lost = 0
        at = 0
        for _ in range(MOST_ATTEMPTS):
            values, end = _values_from(text, at)
            # What ends amid other text is an object inside a record that was cut, not a record.
            if values and (at == 0 or end == len(text)):
                found += values
                at = end
            if at == len(text):
                break
            beginning = self._next_opening(text, at + (0 if values and at == end else 1))
            if beginning is None:
                break
            lost += beginning - at
            at = beginning
        lost += len(text) - at
        if not found:
            return [], f"it is not JSON ({reason})"
        if "\0" in text:
            # Parts of two records around what was never written to the disk may look like one.
            return found, f"{text.count(chr(0)):,} zero bytes stand within it"
        return found, f"{lost:,} characters of it belong to no whole record" if lost else None

    def _next_opening(self, text: str, start: int) -> int | None:
        known = "|".join(re.escape(opening.decode("utf-8", "replace")) for opening in self._openings)
        match = (re.compile(known) if known else _ANY_OPENING).search(text, start)
        return match.start() if match else None


def _values_from(text: str, start: int) -> tuple[list[dict[str, Any]], int]:
    """Return the objects that stand one after the other from `start` on, and where the last one ends."""
    found: list[dict[str, Any]] = []
    at = start
    for value, end in _values(text, start):
        if not isinstance(value, dict):
            break
        found.append(value)
        at = end
    return found, at


def _values(text: str, start: int) -> Iterator[tuple[Any, int]]:
    at = start
    while at < len(text):
        try:
            value, at = _value_at(text, at)
        except ValueError:
            return
        yield value, at


def _value_at(text: str, start: int) -> tuple[Any, int]:
    """Return the value at a place, and where the next one would begin."""
    try:
        value, end = _DECODER.raw_decode(text, start)
        if _HALF_PAIR.search(text, start, end):
            value = _encodable(value)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    while end < len(text) and text[end] in _BETWEEN_VALUES:
        end += 1
    return value, end


def _decoded(data: bytes) -> str:
    try:
        text = data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
    return text.strip(_BETWEEN_VALUES)


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return with_whole_characters(value)
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    return value


def _integer(digits: str) -> int | float | None:
    return int(digits) if len(digits) <= LONGEST_EXACT_INTEGER_DIGITS else _finite(digits)


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


_DECODER = json.JSONDecoder(
    strict=False, parse_constant=lambda _: None, parse_int=_integer, parse_float=_finite
)
