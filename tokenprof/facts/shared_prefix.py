"""Sequences that extend each other and store what they have in common only once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Generic, TypeVar, overload

T = TypeVar("T")


def shared_length(ours: Sequence[object], theirs: Sequence[object]) -> int:
    """Return how many leading items two sequences have in common."""
    at, most = 0, min(len(ours), len(theirs))
    if type(ours) is type(theirs):
        # Slices are compared as fast as memory allows.
        if ours[:most] == theirs[:most]:
            return most
        # Each is twice as long as the one before.
        length = 1
        while at < most and ours[at : at + length] == theirs[at : at + length]:
            at, length = min(at + length, most), 2 * length
        most = min(at + length, most)
        while most - at > 1:
            middle = (at + most) // 2
            if ours[at:middle] == theirs[at:middle]:
                at = middle
            else:
                most = middle
    for our, their in zip(ours[at:most], theirs[at:most], strict=True):
        if our is not their and our != their:
            break
        at += 1
    return at


class Trail(Sequence[T], Generic[T]):
    """The first `length` items of a list that longer trails may share.

    The prompts of a run extend each other by a few blocks and are billed whole. As trails, a thousand of them
    need the memory of the last one. `then` costs what it adds, unless two trails continue from the same
    place.
    """

    __slots__ = ("_items", "_length")

    def __init__(self, items: Iterable[T] = ()):
        self._items = list(items)
        self._length = len(self._items)

    def then(self, kept: int, more: Iterable[T]) -> Trail[T]:
        """Return a trail of the first `kept` items, followed by `more`."""
        kept = min(kept, self._length)
        grown: Trail[T] = Trail.__new__(Trail)
        # Only the longest of the trails that share a list may add to it.
        grown._items = self._items if kept == len(self._items) else self._items[:kept]
        grown._items.extend(more)
        grown._length = len(grown._items)
        return grown

    def shared_with(self, other: Trail[T]) -> int:
        """Return how many leading items two trails have in common; at once if one continues the other."""
        if self._items is other._items:
            return min(self._length, other._length)
        return shared_length(self, other)

    def continues(self, other: Trail[T]) -> bool:
        """Whether this trail was made out of all of another one; found out without looking at any item."""
        return self._items is other._items and self._length >= other._length

    def count_below(self: Trail[int], bound: int) -> int:
        """Return how many items are less than `bound`, of items that never fall."""
        return bisect_left(self._items, bound, 0, self._length)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[T]:
        return islice(self._items, self._length)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        if type(index) is int and 0 <= index < self._length:
            return self._items[index]
        if isinstance(index, slice):
            start, stop, step = index.indices(self._length)
            return tuple(self._items[start:stop:step] if stop >= 0 else self._items[: self._length][index])
        if not -self._length <= index < self._length:
            raise IndexError(f"item {index} of a trail of {self._length}")
        return self._items[index if index >= 0 else self._length + index]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Trail({list(self)!r})"
