"""The shares of a turn, stored as how far its prompt reaches along a row of blocks that many turns share.

A context grows by a few blocks per turn and is billed whole each time, so a list of shares per turn would
grow with the square of the run. The shares are computed when they are iterated over.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import overload

from tokenprof.attribute.classes import PROMPT_ORDER, Piece, classify
from tokenprof.attribute.model import Share
from tokenprof.facts.quick_making import quickly_made
from tokenprof.pricing.usage import Usage


@dataclass(slots=True)
class PieceRow:
    """The blocks of a prompt in order, with the tokens up to and including each."""

    pieces: list[Piece] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def add(self, piece: Piece) -> None:
        """Append a block."""
        self.pieces.append(piece)
        self.ends.append((self.ends[-1] if self.ends else 0) + piece.tokens)

    def upto(self, length: int) -> PieceRow:
        """Return a row that ends after the first `length` blocks, to be extended: this one if it does."""
        return self if length == len(self.pieces) else PieceRow(self.pieces[:length], self.ends[:length])


@quickly_made
@dataclass(frozen=True, slots=True)
class PartOfBlock:
    """Some tokens of a block, from position `start` of the prompt on; `place` is its index on the row."""

    block: str
    tokens: int
    start: int
    place: int | None = None


@quickly_made
@dataclass(frozen=True, slots=True)
class ClassSpan:
    """What one class covers of a prompt: blocks `first` to `after` - 1 of the row, and `parts` of others.

    A class whose tokens have several prices (text, audio, images) has a span for each; `portion` counts them.
    """

    cls: str
    portion: int
    first: int
    after: int
    parts: tuple[PartOfBlock, ...]


@dataclass(frozen=True, slots=True)
class TurnShares(Sequence[Share]):
    """The shares of one turn: the first `length` blocks of `row`, then `extra`, then the output.

    `breakpoints` are cache breakpoints as (number of blocks before it, time to live). Iterating takes time in
    proportion to the prompt; memory only grows with what the turn added.
    """

    row: PieceRow = field(default_factory=PieceRow)
    length: int = 0
    extra: tuple[Piece, ...] = ()
    usage: Usage = field(default_factory=Usage)
    output: tuple[Share, ...] = ()
    breakpoints: tuple[tuple[int, str], ...] = ()

    def __iter__(self) -> Iterator[Share]:
        pieces = [*self.row.pieces[: self.length], *self.extra]
        for piece, cls, tokens, start in classify(pieces, self.usage):
            yield Share(piece.block, cls, tokens, piece.exact, start)
        yield from self.output

    def spans(self, portions: Mapping[str, Sequence[int]] = MappingProxyType({})) -> Iterator[ClassSpan]:
        """Yield what each class covers of the prompt, in order. The time does not grow with the prompt.

        Spans and parts together have the tokens of the prompt's shares. `portions` are the tokens of each
        portion of a class that has several.
        """
        row_tokens = self.row.ends[self.length - 1] if self.length else 0
        begin = 0
        for cls in PROMPT_ORDER:
            for portion, tokens in enumerate(portions.get(cls) or (self.usage.tokens_of(cls),)):
                if not tokens:
                    continue
                end = begin + tokens
                first, after, parts = self._on_row(begin, min(end, row_tokens))
                if end > row_tokens:
                    parts += self._after_row(row_tokens, begin, end)
                yield ClassSpan(cls, portion, first, after, tuple(parts))
                begin = end

    def _on_row(self, begin: int, end: int) -> tuple[int, int, list[PartOfBlock]]:
        """Return the blocks of the row that positions [begin, end) cover whole, and those that they cut."""
        parts: list[PartOfBlock] = []
        if begin >= end:
            return 0, 0, parts
        ends = self.row.ends
        first = bisect_right(ends, begin, 0, self.length)
        after = bisect_right(ends, end, first, self.length)
        if begin > (ends[first - 1] if first else 0):
            tokens = min(ends[first], end) - begin
            parts.append(PartOfBlock(self.row.pieces[first].block, tokens, begin, first))
            first += 1
            after = max(after, first)
        start = ends[after - 1] if after else 0
        if after < self.length and start < end:
            parts.append(PartOfBlock(self.row.pieces[after].block, end - start, start, after))
        return first, after, parts

    def _after_row(self, row_tokens: int, begin: int, end: int) -> list[PartOfBlock]:
        """Return what positions [begin, end) cover of the pieces after the row."""
        parts = []
        at = row_tokens
        for piece in self.extra:
            start, stop = max(at, begin), min(at + piece.tokens, end)
            if start < stop:
                parts.append(PartOfBlock(piece.block, stop - start, start))
            at += piece.tokens
        return parts

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @overload
    def __getitem__(self, index: int) -> Share: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Share, ...]: ...
    def __getitem__(self, index: int | slice) -> Share | tuple[Share, ...]:
        return tuple(self)[index]
