"""What one model call consumed, as disjoint counts.

Providers count in two ways: `input_tokens` of Anthropic leaves the cached part out, that of everybody else
includes it. In a `Usage` each token is in exactly one class, so classes can be added up and priced without
knowing where they came from. `tokenprof.pricing.normalise` makes them from what providers send.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from operator import attrgetter
from typing import Final


class TokenClass(StrEnum):
    """A billed class. The classes are disjoint, and in the order in which reports show them.

    Members are strings: they compare, hash, format and serialise as their names in reports. As the key of a
    JSON object use `.value`, since orjson takes only plain strings there.
    """

    UNCACHED_INPUT = "uncached_input"
    CACHE_READ = "cache_read"
    CACHE_WRITE_5M = "cache_write_5m"
    CACHE_WRITE_1H = "cache_write_1h"
    CACHE_WRITE_30M = "cache_write_30m"
    CACHE_WRITE_12H = "cache_write_12h"
    CACHE_WRITE = "cache_write"
    OUTPUT = "output"
    REASONING = "reasoning"
    FEE = "fee"


CLASSES = tuple(TokenClass)
"""All billed classes, in the order of `TokenClass`."""

OUTPUT_CLASSES = (TokenClass.OUTPUT, TokenClass.REASONING)
"""The classes of what the model wrote."""

TOKEN_CLASSES = tuple(cls for cls in TokenClass if cls is not TokenClass.FEE)
"""The classes that count tokens; a fee counts pieces."""

INPUT_CLASSES = tuple(cls for cls in TOKEN_CLASSES if cls not in OUTPUT_CLASSES)
"""The classes that make up the prompt."""


class UsageError(ValueError):
    """Usage that cannot be right: a value that is not a count, or two counts that contradict each other."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Disjoint token counts of one call (or a sum of calls), and counts of what is billed by the piece.

    `cache_write_tokens` are writes whose time to live the source does not give. `output_tokens` is all
    output that is not reasoning. `fees` counts server-tool uses and the like, by name, each name once.
    The audio and image counts say how much of the prompt and of the output is of that kind, which some models
    price separately; they are parts of the other counts, not further tokens. Raises `UsageError` if a count
    is not a non-negative int, if a fee is named twice, or if a part exceeds what it is part of.
    """

    uncached_input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cache_write_30m_tokens: int = 0
    cache_write_12h_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    fees: tuple[tuple[str, int], ...] = ()
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0
    image_output_tokens: int = 0

    def __post_init__(self) -> None:
        values = _token_values(self)
        if not _ONLY_INTEGERS.issuperset(map(type, values)) or min(values) < 0:
            for name, value in zip(_TOKEN_FIELDS, values, strict=True):
                check_count(name, value)
        if self.fees:
            for name, count in self.fees:
                check_count(f"fees[{name}]", count)
            if len({name for name, _ in self.fees}) != len(self.fees):
                raise UsageError(f"Usage.fees names a fee twice: {self.fees}. Add the counts up first.")
        if self.audio_input_tokens or self.audio_output_tokens or self.image_output_tokens:
            self._check_parts()

    def _check_parts(self) -> None:
        for part, whole in (
            ("audio_input", self.input_tokens),
            ("audio_output", self.all_output_tokens),
            ("image_output", self.all_output_tokens),
        ):
            if getattr(self, f"{part}_tokens") > whole:
                raise UsageError(f"Usage key '{part}_tokens' exceeds the {whole} tokens it is part of.")

    @property
    def input_tokens(self) -> int:
        """The whole prompt: the sum of the seven input classes."""
        return sum(_input_values(self))

    @property
    def all_output_tokens(self) -> int:
        """Everything the model wrote: output and reasoning."""
        return self.output_tokens + self.reasoning_tokens

    @property
    def fee_count(self) -> int:
        """How many pieces are billed as fees, over all names."""
        return sum(count for _, count in self.fees)

    def tokens_of(self, cls: TokenClass | str) -> int:
        """Return the tokens of a class; 0 for `fee`, which has pieces and no tokens.

        Raises `UsageError` for a name that is not one of `TokenClass`.
        """
        read = _tokens_of.get(cls)
        if read is not None:
            return read(self)
        if cls != TokenClass.FEE:
            raise UsageError(f"There is no billed class '{cls}'; the classes are {', '.join(CLASSES)}.")
        return 0

    def token_counts(self) -> tuple[int, ...]:
        """Return the tokens of each of `TOKEN_CLASSES`, in their order."""
        return _class_values(self)

    def by_class(self) -> dict[str, int]:
        """Return the tokens of every class by its plain name, all ten names present."""
        return {cls.value: self.tokens_of(cls) for cls in TokenClass}

    def __add__(self, other: Usage) -> Usage:
        values = zip(_TOKEN_FIELDS, _token_values(self), _token_values(other), strict=True)
        fees = add_fees(self.fees, other.fees) if self.fees or other.fees else ()
        return Usage(**{name: ours + theirs for name, ours, theirs in values}, fees=fees)


def sum_of_usages(usages: Iterable[Usage]) -> Usage:
    """Return several usages as one; that of none is 0 in each class."""
    each = list(usages)
    counts = map(sum, zip(*map(_token_values, each), strict=True))
    return Usage(**dict(zip(_TOKEN_FIELDS, counts, strict=False)), fees=add_fees(*(one.fees for one in each)))


def check_count(name: str, value: object) -> int:
    """Return `value` if it is a count, else raise `UsageError` naming it.

    A bool is an int to Python, but it is not a count.
    """
    if type(value) is not int or value < 0:
        raise UsageError(f"Usage key '{name}' must be a non-negative integer, but it is {shown(value)}.")
    return value


def shown(value: object) -> str:
    """Return a value for a sentence: a number as it is, and only the kind of anything that may be a text."""
    if isinstance(value, str):
        return repr(value) if _NUMBER.fullmatch(value) else "a text"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, int) and abs(value) >= 10**MOST_DIGITS:
        return f"a number of more than {MOST_DIGITS} digits"
    return repr(value)


MOST_DIGITS: Final = 40
_NUMBER: Final = re.compile(rf"[-+]?[0-9]{{1,{MOST_DIGITS}}}(\.[0-9]{{1,{MOST_DIGITS}}})?")


def add_fees(*fees: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    """Return the counts of several fee lists added up by name, names in order, zero counts left out."""
    totals: dict[str, int] = {}
    for name, count in (pair for part in fees for pair in part):
        totals[name] = totals.get(name, 0) + count
    return tuple(sorted((name, count) for name, count in totals.items() if count))


_ONLY_INTEGERS = frozenset({int})
_TOKEN_FIELDS = tuple(field.name for field in fields(Usage) if field.name != "fees")

# Every turn of every run passes here many times; one call in C instead of a lookup by name for each field.
_token_values = attrgetter(*_TOKEN_FIELDS)
_tokens_of: dict[str, Callable[[Usage], int]] = {cls: attrgetter(f"{cls}_tokens") for cls in TOKEN_CLASSES}
_class_values: Callable[[Usage], tuple[int, ...]] = attrgetter(*(f"{cls}_tokens" for cls in TOKEN_CLASSES))
_input_values: Callable[[Usage], tuple[int, ...]] = attrgetter(*(f"{cls}_tokens" for cls in INPUT_CLASSES))
