"""The calls of a run as a cache sees them: sized blocks in prompt order, breakpoints, times, output."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from tokenprof.attribute.classes import Piece
from tokenprof.attribute.find_spans import PROMPT_CLASSES, find_spans
from tokenprof.attribute.prompt_spans import NO_PLACE, Ints
from tokenprof.attribute.shares import PieceRow, TurnShares
from tokenprof.data_classes.frozen import frozen, replaced
from tokenprof.facts.types import Turn, block_key
from tokenprof.pricing.usage import CLASSES, Usage
from tokenprof.whatif.geometry.block_rows import ChangedRow, SizedBlock, SizedRow, changed_row

if TYPE_CHECKING:
    from tokenprof.costing.ledger import Ledger


@frozen
class PartOfBlock:
    """Some tokens of a block; `place` is its index on the row, None for a block after it."""

    block: str
    tokens: int
    place: int | None


@dataclass(slots=True)
class ClassSpan:
    """What one class covers of a prompt: blocks `first` to `after` - 1 of the row, and `parts` of others."""

    cls: str
    first: int = 0
    after: int = 0
    parts: list[PartOfBlock] = field(default_factory=list)


@frozen
class PlannedCall:
    """One call as it was recorded, or as a lever changed it.

    The prompt in cache order is the first `length` blocks of `row`, then `tail`, which is never cached.
    `marks` are cache breakpoints: the index of the last block covered, and the time to live. `usage` is as
    recorded, with the output that the call is planned to have; `spans` are the places that its classes cover.
    `ttl` is the time to live that a lever gives to every write. `missed_tokens` are those that the recorded
    call could have read from the cache if nothing before them had changed, `kept_tokens` those of them that a
    lever has it read.
    """

    index: int
    turn: Turn
    row: SizedRow
    length: int
    tail: tuple[SizedBlock, ...]
    marks: tuple[tuple[int, str], ...]
    usage: Usage
    spans: tuple[ClassSpan, ...] = ()
    ttl: str | None = None
    missed_tokens: int = 0
    kept_tokens: int = 0

    @property
    def blocks(self) -> tuple[SizedBlock, ...]:
        """The prompt in cache order, without its tail."""
        return self.row.blocks[: self.length]

    @property
    def tokens(self) -> int:
        """The size of the whole prompt."""
        return self.row.ends[self.length] + sum(block.tokens for block in self.tail)

    def on(self, changed: ChangedRow) -> PlannedCall:
        """Return the call on its changed row. A breakpoint on a block that is left out moves to the block
        before it."""
        if not changed.changes(self.length):
            return self
        marks: dict[int, str] = {}
        for at, ttl in self.marks:
            reach = changed.length(at + 1) - 1
            if reach >= 0 and marks.get(reach) != "1h":
                marks[reach] = ttl
        length = changed.length(self.length)
        return replaced(self, row=changed.row, length=length, marks=tuple(sorted(marks.items())))

    def moved_by(self, row: SizedRow, at: int, count: int) -> PlannedCall:
        """Return the call on a row into which `count` blocks were put before place `at` of its own row.

        Breakpoints stay on their blocks. A prompt that ends before that place is as it was.
        """
        if self.length < at:
            return self
        marks = tuple((mark + count if mark >= at else mark, ttl) for mark, ttl in self.marks)
        return replaced(self, row=row, length=self.length + count, marks=marks)


@frozen(slots=False)
class Geometry:
    """The calls of a run that have a bill, in time order."""

    calls: tuple[PlannedCall, ...]

    def contexts(self) -> Iterator[tuple[str, list[PlannedCall]]]:
        """Yield the message histories with their calls, in order."""
        by_context: dict[str, list[PlannedCall]] = {}
        for call in self.calls:
            by_context.setdefault(call.turn.context, []).append(call)
        yield from by_context.items()

    @cached_property
    def rows(self) -> Mapping[SizedRow, Sequence[int]]:
        """The rows, each with the lengths of the prompts on it."""
        found: dict[SizedRow, list[int]] = {}
        for call in self.calls:
            found.setdefault(call.row, []).append(call.length)
        return found

    def each(self, change: Callable[[PlannedCall], PlannedCall]) -> Geometry:
        """Return the geometry with every call changed."""
        return Geometry(tuple(change(call) for call in self.calls))

    def each_row(self, change: Callable[[SizedRow], ChangedRow]) -> Geometry:
        """Return the geometry with every row changed."""
        changed = {row: change(row) for row in self.rows}
        return Geometry(tuple(call.on(changed[call.row]) for call in self.calls))

    def each_block(self, change: Callable[[SizedBlock], SizedBlock | None]) -> Geometry:
        """Return the geometry with every block changed, or left out if `change` returns None."""
        return self.each_row(lambda row: changed_row(row, change))


def geometry_of(ledger: Ledger, missed_tokens: Mapping[int, int] = MappingProxyType({})) -> Geometry:
    """Return the geometry of a ledger. Turns without a bill are left out.

    `missed_tokens` are, by turn, tokens that would have been read from the cache if nothing had changed.
    """
    maker = _RowMaker(ledger)
    spans = _class_spans(ledger)
    calls = []
    for index, turn in enumerate(ledger.run.turns):
        shares = ledger.attribution.shares[index]
        if turn.usage is None or ledger.billed_usd[index] is None or not isinstance(shares, TurnShares):
            continue
        calls.append(
            PlannedCall(
                index=index,
                turn=turn,
                row=maker.row(shares.row),
                length=shares.length,
                tail=tuple(maker.sized(piece) for piece in shares.extra),
                marks=tuple((reach - 1, ttl) for reach, ttl in shares.breakpoints if reach),
                usage=turn.usage,
                spans=spans[index],
                missed_tokens=missed_tokens.get(index, 0),
            )
        )
    return Geometry(tuple(calls))


def _class_spans(ledger: Ledger) -> list[tuple[ClassSpan, ...]]:
    """Return, by turn, what each class covers of its prompt, in the order of the prompt."""
    found = find_spans(ledger.attribution, {})
    offsets = np.zeros(found.turns, np.int64)
    for row in found.rows:
        offsets[row.turns] = row.offset
    spans, singles = found.spans, found.singles
    covered: list[dict[int, ClassSpan]] = [{} for _ in range(found.turns)]
    for turn, cls, first, after in _tuples(
        spans.turn, spans.cls, spans.first - offsets[spans.turn], spans.after - offsets[spans.turn]
    ):
        covered[turn][cls] = ClassSpan(CLASSES[cls], first, after)
    sent = np.isin(singles.cls, PROMPT_CLASSES)
    places = np.where(singles.place == NO_PLACE, NO_PLACE, singles.place - offsets[singles.turn])
    columns = singles.turn, singles.cls, singles.block, singles.tokens, places
    for turn, cls, block, tokens, place in _tuples(*(column[sent] for column in columns)):
        of_turn = covered[turn].setdefault(cls, ClassSpan(CLASSES[cls]))
        of_turn.parts.append(
            PartOfBlock(found.block_ids[block], tokens, None if place == NO_PLACE else place)
        )
    order = PROMPT_CLASSES.tolist()
    return [tuple(of_turn[cls] for cls in order if cls in of_turn) for of_turn in covered]


def _tuples(*columns: Ints) -> Iterator[tuple[int, ...]]:
    return zip(*(column.tolist() for column in columns), strict=True)


class _RowMaker:
    """Makes each row of a ledger once, and each block of a size once."""

    def __init__(self, ledger: Ledger) -> None:
        self._blocks = ledger.attribution.blocks
        self._rows: dict[int, SizedRow] = {}
        self._made: dict[tuple[str, int], SizedBlock] = {}

    def row(self, recorded: PieceRow) -> SizedRow:
        found = self._rows.get(id(recorded))
        if found is None:
            pieces = recorded.pieces
            blocks = tuple(self.sized(piece) for piece in pieces)
            found = self._rows[id(recorded)] = SizedRow(blocks, tuple(range(len(pieces))), len(pieces))
        return found

    def sized(self, piece: Piece) -> SizedBlock:
        key = piece.block, piece.tokens
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = self._size(*key)
        return found

    def _size(self, block_id: str, tokens: int) -> SizedBlock:
        placed = self._blocks.get(block_id)
        if placed is None:
            return SizedBlock(block_id, "", tokens, None, tokens, tokens)
        is_whole = placed.size.tokens == tokens
        low, high = (placed.size.low, placed.size.high) if is_whole else (tokens, tokens)
        return SizedBlock(block_id, block_key(placed.block), tokens, placed.block, low, high)
