"""The run as stacks with a weight: what flame graphs are drawn from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import ROUND_HALF_EVEN, Decimal

from tokenprof.data_classes.frozen import frozen
from tokenprof.pictures.views.spending_tree import TreeColumns


@frozen
class Stack:
    """A block with everything above it, the run first, and what it stands for."""

    frames: tuple[str, ...]
    billed_usd: Decimal
    tokens: int
    compute_usd: float


def stacks_of(tree: TreeColumns) -> Iterator[Stack]:
    """Yield a stack for every leaf of a tree, in its order."""
    inner = set(tree.parent)
    for at in range(len(tree.parent)):
        if at in inner:
            continue
        frames, node = [], at
        while node >= 0:
            frames.append(tree.name[node])
            node = tree.parent[node]
        yield Stack(tuple(reversed(frames)), tree.billed_usd[at], tree.tokens[at], tree.compute_usd[at])


def in_whole_units(amounts: Iterable[Decimal], unit: Decimal) -> Iterator[int]:
    """Yield amounts as whole numbers of a unit; the sum of any first n is right to half a unit."""
    exact, given = Decimal(0), 0
    for amount in amounts:
        exact += amount / unit
        upto = int(exact.to_integral_value(ROUND_HALF_EVEN))
        yield upto - given
        given = upto
