"""Sizes of blocks, given exact totals of segments: a Gaussian conditioned on the bill.

The size of each block has a prior from the estimator. The total of each segment is known exactly, and the
blocks of an assistant message together come close to the output tokens of the call that wrote them.
Conditioning a Gaussian on linear observations (Bishop 2006, eq. 2.113-2.117) spreads the difference
by how uncertain each block is, instead of scaling the whole prompt by one factor.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from tokenprof.data_classes.frozen import frozen

Vector = npt.NDArray[np.float64]

CLIP_ROUNDS = 6
SETTLED_VARIANCE = 1e-6
BELOW = 1e-9
"""A mean that is less than this far below its floor is at its floor."""

ROUNDING = 1e-9
"""Relative variance that keeps the equations solvable if rows repeat or contradict each other."""

MOST_ROWS = 2
MOST_UNKNOWNS = 24
"""Systems that are not larger are solved in plain floats: numpy takes longer to be called."""

Floats = list[float]


@frozen
class SegmentRow:
    """One linear observation: the unknowns that it sums, their total, and its variance (0 if exact)."""

    unknowns: tuple[int, ...]
    total: float
    variance: float = 0.0


@frozen
class Unknowns:
    """Unknown sizes: their means, their own variances, and features with shared coefficients.

    If a coefficient is wrong, all blocks of a kind err together, so errors are correlated: the covariance
    of sizes is `features @ shared @ featuresᵀ + diag(variance)`. `floor` is the least that each can be.
    """

    mean: Vector
    variance: Vector
    features: Vector
    shared: Vector
    floor: Vector


def condition(unknowns: Unknowns, rows: Sequence[SegmentRow]) -> tuple[Vector, Vector]:
    """Return posterior means and variances of sizes given `rows`; no mean is below its floor."""
    mean, own, features = unknowns.mean.copy(), unknowns.variance.copy(), unknowns.features.copy()
    design = np.zeros((len(rows), len(mean)))
    for index, row in enumerate(rows):
        for unknown in row.unknowns:
            design[index, unknown] += 1.0
    totals = np.array([row.total for row in rows])
    noise = np.array([row.variance for row in rows])
    posterior, spread = mean, own
    settled = np.zeros(len(mean), bool)
    for _ in range(CLIP_ROUNDS):
        common = features @ unknowns.shared
        with_rows = common @ (design @ features).T + own[:, None] * design.T
        innovation = design @ with_rows
        diagonal = innovation.reshape(-1)[:: len(rows) + 1]
        diagonal += noise + ROUNDING * (1.0 + diagonal)
        gain = np.linalg.solve(innovation, with_rows.T).T
        posterior = mean + gain @ (totals - design @ mean)
        spread = np.einsum("ij,ij->i", common, features) + own - np.einsum("ij,ij->i", gain, with_rows)
        low = posterior < unknowns.floor - BELOW
        # What is settled stays a hair below its floor; another round would be the same.
        if not (low & ~settled).any():
            break
        settled |= low
        mean[low], own[low], features[low] = unknowns.floor[low], SETTLED_VARIANCE, 0.0
    return np.maximum(posterior, unknowns.floor), np.maximum(spread, 0.0)


def condition_few(
    mean: Floats,
    own: Floats,
    common: list[Floats],
    floor: Floats,
    alone: Sequence[int],
    rows: Sequence[SegmentRow],
) -> tuple[Floats, Floats]:
    """Return what `condition` does, for one or two rows over a few sizes.

    A step of a conversation gives one total for the blocks that it added, and one more for those that the
    model wrote, so there are as many such systems as calls. `own` are the variances of the sizes, `common`
    the covariances that shared coefficients add to them, except for the sizes in `alone`. The lists are
    changed.
    """
    sizes = range(len(mean))
    _leave_out(common, alone)
    settled: set[int] = set()
    posterior, spread = mean, own
    for _ in range(CLIP_ROUNDS):
        first = _with_row(common, own, rows[0])
        due = rows[0].total - sum([mean[at] for at in rows[0].unknowns])
        pivot = _innovation(first, rows[0])
        by_first = [each / pivot for each in first]
        posterior = [mean[at] + by_first[at] * due for at in sizes]
        spread = [common[at][at] + own[at] - by_first[at] * first[at] for at in sizes]
        if len(rows) == MOST_ROWS:
            # What the second row says beyond the first one.
            overlap = sum([first[at] for at in rows[1].unknowns])
            second = _with_row(common, own, rows[1])
            more = [second[at] - by_first[at] * overlap for at in sizes]
            pivot = _innovation(second, rows[1]) - overlap * overlap / pivot
            due = rows[1].total - sum([posterior[at] for at in rows[1].unknowns])
            posterior = [posterior[at] + more[at] / pivot * due for at in sizes]
            spread = [spread[at] - more[at] / pivot * more[at] for at in sizes]
        low = [at for at in sizes if posterior[at] < floor[at] - BELOW]
        if settled.issuperset(low):
            break
        settled.update(low)
        _leave_out(common, low)
        for at in low:
            mean[at], own[at] = floor[at], SETTLED_VARIANCE
    return list(map(max, posterior, floor)), [max(each, 0.0) for each in spread]


def _with_row(common: Sequence[Floats], own: Floats, row: SegmentRow) -> Floats:
    """Return the covariance of each size with the sum of a row."""
    found = [sum([line[at] for at in row.unknowns]) for line in common]
    for at in row.unknowns:
        found[at] += own[at]
    return found


def _innovation(with_row: Floats, row: SegmentRow) -> float:
    """Return the variance of the sum of a row, as it is observed."""
    variance = sum([with_row[at] for at in row.unknowns])
    return variance + row.variance + ROUNDING * (1.0 + variance)


def _leave_out(common: list[Floats], sizes: Sequence[int]) -> None:
    for at in sizes:
        common[at] = [0.0] * len(common)
        for line in common:
            line[at] = 0.0


def clusters(rows: Iterable[tuple[int, ...]]) -> list[list[int]]:
    """Group the indices of rows that share an unknown; groups are in the order of their first row."""
    leader: dict[int, int] = {}
    group: list[int] = []

    def find(index: int) -> int:
        while group[index] != index:
            group[index] = group[group[index]]
            index = group[index]
        return index

    for index, unknowns in enumerate(rows):
        group.append(index)
        for unknown in unknowns:
            if unknown in leader:
                a, b = find(leader[unknown]), find(index)
                group[max(a, b)] = min(a, b)
            else:
                leader[unknown] = index
    found: dict[int, list[int]] = {}
    for index in range(len(group)):
        found.setdefault(find(index), []).append(index)
    return list(found.values())


def largest_remainder(weights: Sequence[float], total: int, floor: Sequence[int] | None = None) -> list[int]:
    """Return integers that sum to `total`, each as near its weight as possible.

    Weights are wanted sizes; they are scaled if they do not sum to `total`. No part is less than its floor
    (0 if None), unless the total is too small for that.
    """
    if len(weights) < 2:
        return [total] * len(weights)
    least = list(floor) if floor is not None else [0] * len(weights)
    if sum(least) > total:
        least = [0] * len(weights)
    wanted = [max(w, 0.0) for w in weights]
    scale = sum(wanted)
    wanted = [w * total / scale for w in wanted] if scale > 0 else [total / len(weights)] * len(weights)
    parts = [max(int(w), low) for w, low in zip(wanted, least, strict=True)]
    short = total - sum(parts)
    by_remainder = sorted(range(len(parts)), key=lambda i: wanted[i] - parts[i], reverse=short > 0)
    while short:
        for index in by_remainder:
            if short == 0:
                break
            if short > 0:
                parts[index] += 1
                short -= 1
            elif parts[index] > least[index]:
                parts[index] -= 1
                short += 1
    return parts
