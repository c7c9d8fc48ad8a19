"""Sized blocks in prompt order, in rows that the calls of a context share.

The prompts of a context grow out of one another, so that each is the beginning of a row. A lever changes a
row once, however many calls stand on it: a run costs time in proportion to its turns and blocks, not to the
pairs of them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import accumulate

from tokenprof.data_classes.frozen import frozen, replaced
from tokenprof.facts.types import Block

INSERTED = -1
"""The origin of a block that a lever put in."""


@frozen
class SizedBlock:
    """A block at its place in a prompt.

    `key` is what the cache matches. `block` is None for a place that holds nothing and for tokens that
    belong to no block on the wire. `low_tokens` and `high_tokens` bound the recorded size. `billed_as` is the
    class of a block that a lever put in; None for a recorded one, which keeps the classes of its place.
    """

    id: str
    key: str
    tokens: int
    block: Block | None
    low_tokens: int
    high_tokens: int
    billed_as: str | None = None

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
        return replaced(self, key=f"{self.key}@{tokens}", tokens=tokens)

    def is_in(self, section: str) -> bool:
        """Whether the block stands in a section; tokens without a block count as messages."""
        return (self.block.section if self.block else "messages") == section


@frozen(slots=False, eq=False)
class SizedRow:
    """Blocks in prompt order. `origins` are their places on the recorded row of `recorded_length` blocks."""

    blocks: tuple[SizedBlock, ...]
    origins: tuple[int, ...]
    recorded_length: int

    @cached_property
    def ends(self) -> list[int]:
        """The tokens of the first n blocks, for every n from 0."""
        return _sums([block.tokens for block in self.blocks])

    @cached_property
    def kept_ends(self) -> list[int]:
        """The tokens that are left of the first n recorded blocks, for every n from 0."""
        left = [0] * self.recorded_length
        for origin, block in zip(self.origins, self.blocks, strict=True):
            if origin != INSERTED:
                left[origin] = block.tokens
        return _sums(left)

    @cached_property
    def inserted(self) -> tuple[int, ...]:
        """The places of the blocks that levers put in."""
        if INSERTED not in self.origins:
            return ()
        return tuple(at for at, origin in enumerate(self.origins) if origin == INSERTED)

    @cached_property
    def tools_end(self) -> int:
        """The number of blocks at the head that are tools."""
        return self._head("tools")

    @cached_property
    def history_start(self) -> int:
        """The place of the first block of the messages; the length of the row if it has none."""
        return next((at for at, each in enumerate(self.blocks) if each.is_in("messages")), len(self.blocks))

    @cached_property
    def last_in_section(self) -> dict[str, list[int]]:
        """The places of the blocks of the tools and of the system prompt."""
        found: dict[str, list[int]] = {"tools": [], "system": []}
        for at, each in enumerate(self.blocks):
            if each.block and each.block.section in found:
                found[each.block.section].append(at)
        return found

    def with_inserted(self, at: int, blocks: Sequence[SizedBlock]) -> SizedRow:
        """Return the row with blocks put in before place `at`."""
        return SizedRow(
            (*self.blocks[:at], *blocks, *self.blocks[at:]),
            (*self.origins[:at], *(INSERTED for _ in blocks), *self.origins[at:]),
            self.recorded_length,
        )

    def _head(self, section: str) -> int:
        return next((at for at, each in enumerate(self.blocks) if not each.is_in(section)), len(self.blocks))


@frozen
class ChangedRow:
    """A row with some of its blocks changed.

    `kept` is how many of the first n blocks are left, for every n from 0; None if none was left out, or if
    those from `cut[0]` to before `cut[1]` were. `first_change` is the place of the first block that differs;
    None if the row is as it was.
    """

    row: SizedRow
    kept: Sequence[int] | None
    first_change: int | None
    cut: tuple[int, int] = (0, 0)

    def length(self, before: int) -> int:
        """Return how many blocks are left of the first `before`."""
        if self.kept is not None:
            return self.kept[before]
        start, stop = self.cut
        return before if before <= start else max(start, before - (stop - start))

    def changes(self, length: int) -> bool:
        """Whether any of the first `length` blocks differs."""
        return self.first_change is not None and self.first_change < length


def changed_row(row: SizedRow, change: Callable[[SizedBlock], SizedBlock | None]) -> ChangedRow:
    """Return a row with each block changed, or left out if `change` returns None."""
    changed = [change(block) for block in row.blocks]
    first = next(
        (at for at, (new, old) in enumerate(zip(changed, row.blocks, strict=True)) if new is not old), None
    )
    if first is None:
        return ChangedRow(row, None, None)
    kept = [(new, origin) for new, origin in zip(changed, row.origins, strict=True) if new is not None]
    new_row = SizedRow(
        tuple(block for block, _ in kept), tuple(origin for _, origin in kept), row.recorded_length
    )
    if len(kept) == len(changed):
        return ChangedRow(new_row, None, first)
    return ChangedRow(new_row, _sums([int(new is not None) for new in changed]), first)


def cut_row(row: SizedRow, start: int, stop: int) -> ChangedRow:
    """Return a row without the blocks from `start` to before `stop`."""
    if start >= stop:
        return ChangedRow(row, None, None)
    left = SizedRow(
        row.blocks[:start] + row.blocks[stop:], row.origins[:start] + row.origins[stop:], row.recorded_length
    )
    return ChangedRow(left, None, start, (start, stop))


def count_below(places: Sequence[int], length: int) -> int:
    """Return how many of some ascending places lie before `length`."""
    return bisect_left(places, length)


def _sums(counts: Iterable[int]) -> list[int]:
    return list(accumulate(counts, initial=0))
