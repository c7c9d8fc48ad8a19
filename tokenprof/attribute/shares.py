"""The shares of a turn, stored as how far its prompt reaches along a row of blocks that many turns share.

A context grows by a few blocks per turn and is billed whole each time, so a list of shares per turn would
grow with the square of the run. The shares are computed when they are iterated over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

from tokenprof.attribute.classes import Piece, classify
from tokenprof.attribute.model import Share
from tokenprof.data_classes.frozen import frozen, replaced
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


@frozen
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

    def of_first(self, blocks: int) -> TurnShares:
        """Return only the shares of the first `blocks` blocks of the prompt, and of the output."""
        return replaced(self, length=min(self.length, blocks), extra=())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @overload
    def __getitem__(self, index: int) -> Share: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Share, ...]: ...
    def __getitem__(self, index: int | slice) -> Share | tuple[Share, ...]:
        return tuple(self)[index]
