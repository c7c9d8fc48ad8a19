"""Two trees of spending as one, so that a picture can show what changed between two runs, and where."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from tokenprof.data_classes.frozen import frozen
from tokenprof.pictures.views.spending_tree import TreeColumns

DEPTH: Final = 2
"""Calls and blocks of two runs are not the same ones; agents, tools and kinds can be compared."""


@frozen
class ComparedTree:
    """The run, its agents, and their tools and kinds, with what each was billed in both runs [USD]."""

    parent: tuple[int, ...]
    name: tuple[str, ...]
    before_usd: tuple[Decimal, ...]
    now_usd: tuple[Decimal, ...]


def compared_tree(before: TreeColumns, now: TreeColumns) -> ComparedTree:
    """Return the upper levels of two trees as one, the larger nodes first."""
    first, second = _by_path(before), _by_path(now)
    paths = list(dict.fromkeys([*first, *second]))
    nothing = Decimal(0)
    paths.sort(key=lambda path: (len(path), -max(first.get(path, nothing), second.get(path, nothing)), path))
    place = {path: at for at, path in enumerate(paths)}
    return ComparedTree(
        parent=tuple(place[path[:-1]] if len(path) > 1 else -1 for path in paths),
        name=tuple(path[-1] for path in paths),
        before_usd=tuple(first.get(path, nothing) for path in paths),
        now_usd=tuple(second.get(path, nothing) for path in paths),
    )


def _by_path(tree: TreeColumns) -> dict[tuple[str, ...], Decimal]:
    paths: list[tuple[str, ...]] = []
    found: dict[tuple[str, ...], Decimal] = {}
    for at, parent in enumerate(tree.parent):
        paths.append((*(paths[parent] if parent >= 0 else ()), tree.name[at]))
        if len(paths[at]) <= DEPTH + 1:
            found[paths[at]] = tree.billed_usd[at]
    return found
