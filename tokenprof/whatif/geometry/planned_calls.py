"""The calls of a run as a cache sees them: sized blocks in prompt order, breakpoints, times, output."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tokenprof.attribute.shares import TurnShares
from tokenprof.facts.types import Block, Turn, block_key
from tokenprof.pricing.usage import INPUT_CLASSES, Usage

if TYPE_CHECKING:
    from tokenprof.costing.ledger import Ledger

BilledAs = tuple[tuple[str, int], ...]
"""The classes that the tokens of a block were billed in, in order."""


@dataclass(frozen=True, slots=True)
class SizedBlock:
    """A block at its place in one prompt.

    `key` is what the cache matches. `block` is None for a place that holds nothing and for tokens that
    belong to no block on the wire. `low_tokens` and `high_tokens` bound the recorded size. `billed_as` is how
    it was billed as recorded.
    """

    id: str
    key: str
    tokens: int
    block: Block | None
    low_tokens: int
    high_tokens: int
    billed_as: BilledAs = ()

    @property
    def kind(self) -> str:
        """The kind of the block; empty if there is no block."""
        return self.block.kind if self.block else ""

    @property
    def name(self) -> str:
        """The name of the block; empty if there is no block."""
        return self.block.name if self.block else ""

    def resized(self, tokens: int) -> SizedBlock:
        """Return the block with another size, under a key of its own."""
        return replace(self, key=f"{self.key}@{tokens}", tokens=tokens)


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call as it was recorded, or as a lever changed it.

    `blocks` are the prompt in cache order, `tail` tokens at its end that are never cached. `marks` are cache
    breakpoints: the index of the last block covered, and the time to live. `usage` is as recorded, with the
    output that the call is planned to have. `ttl` is the time to live that a lever gives to every write.
    """

    index: int
    turn: Turn
    blocks: tuple[SizedBlock, ...]
    tail: tuple[SizedBlock, ...]
    marks: tuple[tuple[int, str], ...]
    usage: Usage
    ttl: str | None = None

    @property
    def tokens(self) -> int:
        """The size of the whole prompt."""
        return sum(block.tokens for block in (*self.blocks, *self.tail))

    def with_blocks(self, change: Callable[[SizedBlock], SizedBlock | None]) -> PlannedCall:
        """Return the call with each block changed, or left out if `change` returns None.

        A breakpoint on a block that is left out moves to the block before it.
        """
        changed = [change(block) for block in self.blocks]
        if all(new is old for new, old in zip(changed, self.blocks, strict=True)):
            return self
        kept: list[SizedBlock] = []
        reach: list[int] = []
        for found in changed:
            if found is not None:
                kept.append(found)
            reach.append(len(kept) - 1)
        marks: dict[int, str] = {}
        for at, ttl in self.marks:
            if reach[at] >= 0 and marks.get(reach[at]) != "1h":
                marks[reach[at]] = ttl
        return replace(self, blocks=tuple(kept), marks=tuple(sorted(marks.items())))

    def with_inserted(self, at: int, blocks: Sequence[SizedBlock]) -> PlannedCall:
        """Return the call with blocks put in before place `at`; breakpoints stay on their blocks."""
        marks = tuple((mark + len(blocks) if mark >= at else mark, ttl) for mark, ttl in self.marks)
        return replace(self, blocks=(*self.blocks[:at], *blocks, *self.blocks[at:]), marks=marks)


@dataclass(frozen=True, slots=True)
class Geometry:
    """The calls of a run that have a bill, in time order."""

    calls: tuple[PlannedCall, ...]

    def contexts(self) -> Iterator[tuple[str, list[PlannedCall]]]:
        """Yield the message histories with their calls, in order."""
        by_context: dict[str, list[PlannedCall]] = {}
        for call in self.calls:
            by_context.setdefault(call.turn.context, []).append(call)
        yield from by_context.items()

    def each(self, change: Callable[[PlannedCall], PlannedCall]) -> Geometry:
        """Return the geometry with every call changed."""
        return Geometry(tuple(change(call) for call in self.calls))

    def each_block(self, change: Callable[[SizedBlock], SizedBlock | None]) -> Geometry:
        """Return the geometry with every block changed, or left out if `change` returns None."""
        return self.each(lambda call: call.with_blocks(change))


def geometry_of(ledger: Ledger) -> Geometry:
    """Return the geometry of a ledger. Turns without a bill are left out."""
    blocks = ledger.attribution.blocks
    calls = []
    made: dict[tuple[str, int, BilledAs], SizedBlock] = {}

    def sized(block_id: str, tokens: int, billed_as: BilledAs) -> SizedBlock:
        """Return a block; most are carried from call to call, so that each is made once."""
        known = made.get((block_id, tokens, billed_as))
        if known is not None:
            return known
        placed = blocks.get(block_id)
        if placed is None:
            return SizedBlock(block_id, "", tokens, None, tokens, tokens)
        is_whole = placed.size.tokens == tokens
        low, high = (placed.size.low, placed.size.high) if is_whole else (tokens, tokens)
        key = block_key(placed.block)
        found = SizedBlock(block_id, key, tokens, placed.block, low, high, billed_as)
        return made.setdefault((block_id, tokens, billed_as), found)

    for index, turn in enumerate(ledger.run.turns):
        shares = ledger.attribution.shares[index]
        if turn.usage is None or ledger.billed_usd[index] is None or not isinstance(shares, TurnShares):
            continue
        billed: dict[str, BilledAs] = {}
        for share in shares:
            if share.cls in INPUT_CLASSES:
                billed[share.block] = (*billed.get(share.block, ()), (share.cls, share.tokens))
        calls.append(
            PlannedCall(
                index=index,
                turn=turn,
                blocks=tuple(
                    sized(p.block, p.tokens, billed.get(p.block, ()))
                    for p in shares.row.pieces[: shares.length]
                ),
                tail=tuple(sized(p.block, p.tokens, billed.get(p.block, ())) for p in shares.extra),
                marks=tuple((reach - 1, ttl) for reach, ttl in shares.breakpoints if reach),
                usage=turn.usage,
            )
        )
    return Geometry(tuple(calls))
