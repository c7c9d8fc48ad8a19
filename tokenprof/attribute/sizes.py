"""From the tree and its pins to a size with bounds for every node, exact or estimated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tokenprof.attribute.estimator.estimate import Estimator, Matrix, Vector
from tokenprof.attribute.fitted import PER_MESSAGE, fitted, is_framed
from tokenprof.attribute.model import Size
from tokenprof.attribute.paths import OutputHint
from tokenprof.attribute.round_sizes import EMPTY_VARIANCE, rounded
from tokenprof.attribute.solve import (
    MOST_ROWS,
    MOST_UNKNOWNS,
    SegmentRow,
    Unknowns,
    clusters,
    condition,
    condition_few,
)
from tokenprof.attribute.tree import NodeColumns, Segment, Tree
from tokenprof.data_classes.frozen import frozen

HIDDEN_SD_TOKENS = 1e6
LEAST_VARIANCE = 1e-9
SAME_TEXT_VARIANCE = 0.3
SAME_NAME_VARIANCE_SHARE = 0.2
MOST_ROWS_TOGETHER = 128
"""Larger systems are solved in parts of so many rows, since solving takes the cube of the rows."""

UNSEEN_Z = 3.0
"""An excess of this many standard deviations over a transcript's blocks is content that it lacks."""


@frozen
class _Priors:
    """What is believed about each node before the totals are known.

    `own` is its variance for given coefficients. `common` is the variance that uncertain coefficients add; it
    is None for nodes whose size is not the estimator's, and those do not err with the others.
    """

    means: list[float]
    own: list[float]
    common: list[float | None]

    def variance(self, node: int) -> float:
        """Return the full variance of a node's size."""
        return self.own[node] + (self.common[node] or 0.0)


@dataclass(slots=True)
class _Knowledge:
    """What is known about sizes while a tree is solved, by node, by text, and by name (size, local count)."""

    columns: NodeColumns
    priors: _Priors
    means: dict[int, float] = field(default_factory=dict)
    variances: dict[int, float] = field(default_factory=dict)
    texts: dict[str, tuple[float, float]] = field(default_factory=dict)
    names: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)

    def learn(self, node: int, mean: float, variance: float) -> None:
        self.means[node], self.variances[node] = mean, variance
        text, name = self.columns.texts[node], self.columns.names[node]
        if text is None:
            return
        known = self.texts.get(text)
        if known is None or variance < known[1]:
            self.texts[text] = mean, variance
        if name is not None:
            self.names[name] = mean, self.columns.local_tokens[node]

    def sharpen(self, node: int) -> tuple[float, float, bool]:
        """Sharpen a prior by what the run has shown for the same text, or for an earlier wording of it.

        Returns the mean, the variance for given coefficients, and whether coefficients matter.
        """
        text, name = self.columns.texts[node], self.columns.names[node]
        same = self.texts.get(text) if text is not None else None
        if same is not None:
            return same[0], same[1] + SAME_TEXT_VARIANCE, False
        mean, own = self.priors.means[node], self.priors.own[node]
        earlier = self.names.get(name) if name is not None else None
        if earlier is not None and earlier[1] > 0:
            ratio = earlier[0] / earlier[1]
            return self.columns.local_tokens[node] * ratio, own * SAME_NAME_VARIANCE_SHARE + 1.0, False
        return mean, own, self.priors.common[node] is not None


def solve_sizes(
    tree: Tree, provider: str, model: str, hints: Sequence[OutputHint], first_group: int = 0
) -> list[Size]:
    """Return the size of every node of a tree.

    Segments that share no node are solved separately, in the order in which the run revealed them, so
    that what one teaches about a text helps with the next one that contains it. Groups of blocks that are
    exact together are numbered from `first_group`.
    """
    segments = tree.segments()
    exact = _exact_nodes(segments)
    columns = NodeColumns.of(tree)
    estimator = fitted(columns, provider, model, segments, hints)
    priors = _priors(columns, estimator)
    _fill_what_is_unseen(columns, segments, hints, priors)
    known = _Knowledge(columns, priors)
    for node, size in exact.items():
        known.learn(node, float(size), 0.0)
    rows = [_row(segment.nodes, segment.tokens, 0.0, exact) for segment in segments]
    for hint in hints:
        tokens, variance = hint.tokens, hint.variance
        if is_framed(columns, hint):
            tokens += float(estimator.coefficients[PER_MESSAGE])
            variance += float(estimator.covariance[PER_MESSAGE, PER_MESSAGE])
        rows.append(_row(hint.nodes, tokens, variance, exact))
    rows = [row for row in rows if row.unknowns]
    together = [[rows[at] for at in cluster] for cluster in clusters(row.unknowns for row in rows)]
    for members, own_rows, common in _with_covariances(together, columns.features.rows, estimator.covariance):
        if len(own_rows) <= MOST_ROWS_TOGETHER:
            _solve_cluster(known, estimator, members, own_rows, common)
        else:
            _solve_in_parts(known, estimator, own_rows)
    for node in range(len(tree.nodes)):
        if node not in known.means:
            mean, own, depends = known.sharpen(node)
            known.means[node] = mean
            known.variances[node] = own + (priors.common[node] or 0.0 if depends else 0.0)
    return rounded(columns, segments, exact, known.means, known.variances, first_group)


def _row(nodes: Sequence[int], total: float, variance: float, exact: Mapping[int, int]) -> SegmentRow:
    unknown = tuple(n for n in nodes if n not in exact)
    return SegmentRow(unknown, total - sum(exact[n] for n in nodes if n in exact), variance)


def _exact_nodes(segments: Sequence[Segment]) -> dict[int, int]:
    """Return the nodes whose size follows from the totals alone: the only unknown one in a segment."""
    exact: dict[int, int] = {}
    waiting = list(segments)
    progress = True
    while progress:
        progress, still = False, []
        for segment in waiting:
            unknown = [n for n in segment.nodes if n not in exact]
            if len(unknown) == 1:
                tokens = segment.tokens - sum(exact[n] for n in segment.nodes if n in exact)
                if tokens >= 0:
                    exact[unknown[0]] = tokens
                    progress = True
            elif unknown:
                still.append(segment)
        waiting = still
    return exact


def _priors(columns: NodeColumns, estimator: Estimator) -> _Priors:
    expected = estimator.expected(columns.features)
    features = columns.features.rows
    common = np.einsum("ij,ij->i", features @ estimator.covariance, features)
    priors = _Priors(
        expected.tolist(), estimator.variance(columns.features, expected).tolist(), common.tolist()
    )
    for node, role in enumerate(columns.roles):
        if role == "overhead":
            mean, sd = estimator.prior.tools_preamble_tokens
            of_node = mean, sd**2
        elif role == "hidden" or (role == "sent" and columns.is_guess[node]):
            of_node = 0.0, HIDDEN_SD_TOKENS**2
        elif role == "unseen":
            of_node = 0.0, EMPTY_VARIANCE
        else:
            continue
        priors.means[node], priors.own[node] = of_node
        priors.common[node] = None
    return priors


def _fill_what_is_unseen(
    columns: NodeColumns, segments: Sequence[Segment], hints: Sequence[OutputHint], priors: _Priors
) -> None:
    """Give an excess to the empty place of a segment that holds far more than its blocks explain."""
    told = {node: hint for hint in hints for node in hint.nodes}
    roles = columns.roles
    for segment in segments:
        unseen = [n for n in segment.nodes if roles[n] == "unseen"]
        if not unseen or any(roles[n] == "hidden" for n in segment.nodes):
            continue
        in_segment = {id(told[n]): told[n] for n in segment.nodes if n in told}.values()
        others = [n for n in segment.nodes if n not in told and roles[n] != "unseen"]
        expected = sum(priors.means[n] for n in others) + sum(h.tokens for h in in_segment)
        variance = sum(map(priors.variance, others)) + sum(h.variance for h in in_segment)
        excess = segment.tokens - expected
        if excess > UNSEEN_Z * variance**0.5:
            priors.means[unseen[-1]], priors.own[unseen[-1]] = excess, (0.5 * excess) ** 2


def _with_covariances(
    together: Sequence[Sequence[SegmentRow]], features: Matrix, shared: Matrix
) -> Iterator[tuple[list[int], Sequence[SegmentRow], list[list[float]] | None]]:
    """Yield clusters with their nodes and, for small ones, the covariances that shared coefficients give.

    The covariances of all clusters of one size are multiplied out together.
    """
    members = [sorted({n for row in rows for n in row.unknowns}) for rows in together]
    by_size: dict[int, list[int]] = defaultdict(list)
    for at, (nodes, rows) in enumerate(zip(members, together, strict=True)):
        if len(nodes) <= MOST_UNKNOWNS and len(rows) <= MOST_ROWS:
            by_size[len(nodes)].append(at)
    covariances: list[list[list[float]] | None] = [None] * len(together)
    for alike in by_size.values():
        of_nodes = features[np.array([members[at] for at in alike])]
        found = (of_nodes @ shared @ of_nodes.swapaxes(1, 2)).tolist()
        for at, common in zip(alike, found, strict=True):
            covariances[at] = common
    return zip(members, together, covariances, strict=True)


def _solve_cluster(
    known: _Knowledge,
    estimator: Estimator,
    members: Sequence[int],
    rows: Sequence[SegmentRow],
    common: list[list[float]] | None,
) -> None:
    place = {node: at for at, node in enumerate(members)}
    rows = [SegmentRow(tuple(place[n] for n in row.unknowns), row.total, row.variance) for row in rows]
    beliefs = [known.sharpen(node) for node in members]
    means = [mean for mean, _, _ in beliefs]
    own = [max(variance, LEAST_VARIANCE) for _, variance, _ in beliefs]
    floors = [float(known.columns.floors[node]) for node in members]
    alone = [at for at, (_, _, depends) in enumerate(beliefs) if not depends]
    if common is not None:
        found = condition_few(means, own, common, floors, alone, rows)
    else:
        features = known.columns.features.rows[members]
        features[alone] = 0.0
        of_all = Unknowns(np.array(means), np.array(own), features, estimator.covariance, np.array(floors))
        found = _as_lists(*condition(of_all, rows))
    for node, mean, variance in zip(members, *found, strict=True):
        known.learn(node, mean, variance)


def _solve_in_parts(known: _Knowledge, estimator: Estimator, rows: Sequence[SegmentRow]) -> None:
    """Solve a large cluster some rows at a time, as when very many prompts fork at one place.

    What a part gives for a node holds in the later parts, where it is no more certain than it was found.
    """
    # Nodes are numbered from the root, so what many rows share, and what is said about it, comes first.
    in_order = sorted(rows, key=lambda row: max(row.unknowns))
    for first in range(0, len(in_order), MOST_ROWS_TOGETHER):
        part = [_given(known, row) for row in in_order[first : first + MOST_ROWS_TOGETHER]]
        part = [row for row in part if row.unknowns]
        if part:
            members = sorted({node for row in part for node in row.unknowns})
            _solve_cluster(known, estimator, members, part, None)


def _given(known: _Knowledge, row: SegmentRow) -> SegmentRow:
    """Return what a row says about the nodes that are not known yet."""
    settled = [node for node in row.unknowns if node in known.means]
    return SegmentRow(
        tuple(node for node in row.unknowns if node not in known.means),
        row.total - sum(known.means[node] for node in settled),
        row.variance + sum(known.variances[node] for node in settled),
    )


def _as_lists(mean: Vector, variance: Vector) -> tuple[list[float], list[float]]:
    return mean.tolist(), variance.tolist()
