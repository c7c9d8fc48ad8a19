"""Sizes of blocks, given exact totals of segments: a Gaussian conditioned on the bill.

The size of each block has a prior from the estimator. The total of each segment is known exactly, and the
blocks of an assistant message together come close to the output tokens of the call that wrote them.
Conditioning a Gaussian on linear observations (Bishop 2006, eq. 2.113-2.117) spreads the difference
by how uncertain each block is, instead of scaling the whole prompt by one factor.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tokenprof.facts.quick_making import quickly_made

Vector = npt.NDArray[np.float64]

CLIP_ROUNDS = 6
SETTLED_VARIANCE = 1e-6
ROUNDING = 1e-9
"""Relative variance that keeps the equations solvable if rows repeat or contradict each other."""


@quickly_made
@dataclass(frozen=True, slots=True)
class SegmentRow:
    """One linear observation: the unknowns that it sums, their total, and its variance (0 if exact)."""

    unknowns: tuple[int, ...]
    total: float
    variance: float = 0.0


@dataclass(frozen=True, slots=True)
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
        low = posterior < unknowns.floor - 1e-9
        # What is settled stays a hair below its floor; another round would be the same.
        if not (low & ~settled).any():
            break
        settled |= low
        mean[low], own[low], features[low] = unknowns.floor[low], SETTLED_VARIANCE, 0.0
    return np.maximum(posterior, unknowns.floor), np.maximum(spread, 0.0)


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
    if not weights:
        return []
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
