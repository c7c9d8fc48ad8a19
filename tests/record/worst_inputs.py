"""Inputs that make a pattern work as much as it can, made from the pattern itself.

Each part of a pattern that repeats is reached by the shortest text before it, repeated, and followed by a
character that ends the match. A text that is common to many patterns cannot do that: `X:` and many spaces
reach what follows the colon of a header, and spaces alone do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

MANY = 32
"""A part that may be repeated so often counts as one without a bound."""

REPEATED = " a0-/:\n"
ENDS = ("", "\0", "\n")

_REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)
_CATEGORIES = {
    codes.CATEGORY_DIGIT: str.isdigit,
    codes.CATEGORY_SPACE: str.isspace,
    codes.CATEGORY_WORD: lambda char: char.isalnum() or char == "_",
}
_NOT_CATEGORIES = {
    codes.CATEGORY_NOT_DIGIT: codes.CATEGORY_DIGIT,
    codes.CATEGORY_NOT_SPACE: codes.CATEGORY_SPACE,
    codes.CATEGORY_NOT_WORD: codes.CATEGORY_WORD,
}


def worst_inputs(pattern: re.Pattern[Any]) -> Iterator[tuple[str, str, str]]:
    """Yield, for each repeated part of a pattern, a text before it, one to repeat, and one after it."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    seen = set()
    for before, repeated in _repeated(list(_parser.parse(source, pattern.flags)), ""):
        for piece in (repeated, before + repeated):
            for end in ENDS:
                if piece and (before, piece, end) not in seen:
                    seen.add((before, piece, end))
                    yield before, piece, end


def _repeated(nodes: list[Any], before: str) -> Iterator[tuple[str, str]]:
    for code, value in nodes:
        if code in _REPEATS:
            _, most, body = value
            if most > MANY:
                yield from ((before, piece) for piece in _pieces(list(body)))
            yield from _repeated(list(body), before)
        elif code is codes.SUBPATTERN:
            yield from _repeated(list(value[3]), before)
        elif code is codes.BRANCH:
            for branch in value[1]:
                yield from _repeated(list(branch), before)
        elif code in (codes.ASSERT, codes.ASSERT_NOT) and value[0] == 1:
            yield from _repeated(list(value[1]), before)
        elif code is codes.ATOMIC_GROUP:
            yield from _repeated(list(value), before)
        before += _example([(code, value)])


def _pieces(body: list[Any]) -> Iterator[str]:
    """Yield texts that the body of a repetition matches."""
    if len(body) == 1 and body[0][0] in (codes.IN, codes.ANY, codes.NOT_LITERAL):
        yield from (char for char in REPEATED if _matches(body[0], char))
    yield _example(body)


def _example(nodes: list[Any]) -> str:
    """Return a short text that these parts of a pattern match."""
    found = ""
    for code, value in nodes:
        if code is codes.LITERAL:
            found += chr(value)
        elif code in (codes.IN, codes.NOT_LITERAL, codes.ANY):
            found += next(
                (char for char in map(chr, (97, *range(32, 127))) if _matches((code, value), char)), ""
            )
        elif code in _REPEATS:
            found += _example(list(value[2])) * value[0]
        elif code is codes.SUBPATTERN:
            found += _example(list(value[3]))
        elif code is codes.BRANCH:
            found += _example(list(value[1][0]))
        elif code is codes.ATOMIC_GROUP:
            found += _example(list(value))
    return found


def _matches(node: Any, char: str) -> bool:
    code, value = node
    if code is codes.ANY:
        return char != "\n"
    if code is codes.LITERAL:
        return bool(chr(value) == char)
    if code is codes.NOT_LITERAL:
        return bool(chr(value) != char)
    if code is codes.RANGE:
        return bool(value[0] <= ord(char) <= value[1])
    if code is codes.CATEGORY:
        if value in _NOT_CATEGORIES:
            return not _CATEGORIES[_NOT_CATEGORIES[value]](char)
        return bool(_CATEGORIES[value](char))
    is_negated = any(item[0] is codes.NEGATE for item in value)
    return any(_matches(item, char) for item in value if item[0] is not codes.NEGATE) != is_negated
