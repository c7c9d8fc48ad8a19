"""Sizes in whole tokens: rounded so that they add up to the exact total of each segment, with bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tokenprof.attribute.model import ExactGroup, Size
from tokenprof.attribute.solve import largest_remainder
from tokenprof.attribute.tree import NodeColumns, Segment

BOUND_Z = 1.96
"""Bounds are meant to hold 95 times in 100, so that the promised 90 are met with room to spare."""

EMPTY_VARIANCE = 1e-6


def rounded(
    columns: NodeColumns,
    segments: Sequence[Segment],
    exact: Mapping[int, int],
    means: Mapping[int, float],
    variances: Mapping[int, float],
    first_group: int,
) -> list[Size]:
    """Return the sizes of all nodes, given those that are exact and the means and variances of all.

    Groups of blocks that are exact together are numbered from `first_group`.
    """
    whole: dict[int, int] = dict(exact)
    most: dict[int, int] = {}
    groups: dict[int, ExactGroup] = {}
    floors, roles = columns.floors, columns.roles
    for number, segment in enumerate(segments, first_group):
        unknown = [n for n in segment.nodes if n not in whole]
        if not unknown:
            continue
        left = segment.tokens - sum([whole[n] for n in segment.nodes if n in whole])
        if left < 0:
            continue
        wanted = [means[n] if variances[n] > EMPTY_VARIANCE else round(means[n]) for n in unknown]
        parts = largest_remainder(wanted, left, [floors[n] for n in unknown])
        whole.update(zip(unknown, parts, strict=True))
        shown = [n for n in unknown if whole[n] or roles[n] != "unseen"]
        groups.update(dict.fromkeys(shown, ExactGroup(number, len(shown), left)))
        most.update(dict.fromkeys(unknown, segment.tokens))
    nodes = range(len(roles))
    mean = np.array([means[node] for node in nodes])
    margin = BOUND_Z * np.sqrt([variances[node] for node in nodes]) + 0.5
    lows = np.maximum(floors, np.trunc(mean - margin)).astype(np.int64).tolist()
    highs = (np.trunc(mean + margin).astype(np.int64) + 1).tolist()
    sizes = []
    for node, low, high in zip(nodes, lows, highs, strict=True):
        tokens = whole.get(node)
        if node in exact:
            sizes.append(Size(exact[node], exact[node], exact[node], True))
            continue
        if tokens is None:
            tokens = round(means[node])
        high = min(high, most.get(node, high))
        sizes.append(Size(tokens, min(low, tokens), max(tokens, high), False, groups.get(node)))
    return sizes
