"""A turn's shares, held as its place on a prompt that many turns have in common.

A context grows by a few blocks a turn and is billed whole each time. What is kept per turn is therefore
how far along a common row of blocks its prompt reaches; the shares are drawn up when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

from tokenprof.attribute.classes import Piece, classify
from tokenprof.attribute.model import Share
from tokenprof.pricing.usage import Usage


@dataclass(slots=True)
class PieceRow:
    """Blocks in the order of a prompt, with the tokens up to and including each."""

    pieces: list[Piece] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def add(self, piece: Piece) -> None:
        """Put a block behind the others."""
        self.pieces.append(piece)
        self.ends.append((self.ends[-1] if self.ends else 0) + piece.tokens)

    def upto(self, length: int) -> PieceRow:
        """Return the row to extend behind its first `length` blocks: itself, where it ends there."""
        return self if length == len(self.pieces) else PieceRow(self.pieces[:length], self.ends[:length])


@dataclass(frozen=True, slots=True)
class TurnShares(Sequence[Share]):
    """The shares of one turn, in prompt order, then output: the first `length` blocks of `row`, then `extra`.

    `breakpoints` are cache breakpoints as (number of blocks of the row up to there, time to live).
    Iterating costs the length of the prompt; holding it costs what the turn added.
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

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @overload
    def __getitem__(self, index: int) -> Share: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Share, ...]: ...
    def __getitem__(self, index: int | slice) -> Share | tuple[Share, ...]:
        return tuple(self)[index]
