"""From the tree and its pins to a size with bounds for every node, exact or estimated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tokenprof.attribute.estimate import (
    Estimator,
    Observation,
    block_variance,
    features_of,
    fit,
    local_tokens,
    unfitted,
)
from tokenprof.attribute.model import ExactGroup, Size
from tokenprof.attribute.paths import OutputHint
from tokenprof.attribute.priors import COEFFICIENTS
from tokenprof.attribute.solve import SegmentRow, Unknowns, Vector, clusters, condition, largest_remainder
from tokenprof.attribute.tree import Segment, Tree
from tokenprof.facts.quick_making import quickly_made

BOUND_Z = 1.96
"""Bounds are meant to hold 95 times in 100, so that the promised 90 are met with room to spare."""

HIDDEN_SD_TOKENS = 1e6
SAME_TEXT_VARIANCE = 0.3
SAME_NAME_VARIANCE_SHARE = 0.2
REWORDED_KINDS = frozenset({"tool", "system", "skills_index"})
UNSEEN_Z = 3.0
"""An excess of this many standard deviations over a transcript's blocks is content that it lacks."""

EMPTY_VARIANCE = 1e-6

UNKNOWN_KINDS = frozenset({"server_state", "unattributed"})
"""Kinds of blocks that stand for content that nobody has seen, so that their size is anyone's guess."""


@quickly_made
@dataclass(frozen=True, slots=True)
class _Belief:
    """What is believed about a size; `features` are set if it comes from the estimator."""

    mean: float
    variance: float
    features: Vector | None = None


@dataclass(slots=True)
class _Knowledge:
    """What is known about sizes while a tree is solved, by node, by text, and by name (size, local count)."""

    nodes: dict[int, _Belief] = field(default_factory=dict)
    texts: dict[str, _Belief] = field(default_factory=dict)
    names: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)

    def learn(self, tree: Tree, node: int, belief: _Belief) -> None:
        self.nodes[node] = belief
        if tree.nodes[node].role != "sent":
            return
        key, block = tree.nodes[node].key, tree.block(node)
        if key not in self.texts or belief.variance < self.texts[key].variance:
            self.texts[key] = belief
        self.names[block.kind, block.name] = (belief.mean, local_tokens(block))

    def sharpen(self, tree: Tree, node: int, prior: _Belief) -> _Belief:
        """Sharpen a prior by what the run has shown for the same text, or for an earlier wording of it."""
        if tree.nodes[node].role != "sent":
            return prior
        same = self.texts.get(tree.nodes[node].key)
        if same is not None:
            return _Belief(same.mean, same.variance + SAME_TEXT_VARIANCE)
        block = tree.block(node)
        earlier = self.names.get((block.kind, block.name)) if block.kind in REWORDED_KINDS else None
        if earlier is not None and earlier[1] > 0:
            ratio = earlier[0] / earlier[1]
            return _Belief(local_tokens(block) * ratio, prior.variance * SAME_NAME_VARIANCE_SHARE + 1.0)
        return prior


def solve_sizes(
    tree: Tree, provider: str, model: str, hints: Sequence[OutputHint], first_group: int = 0
) -> dict[int, Size]:
    """Return the size of every node of a tree.

    Segments that share no node are solved separately, in the order in which the run revealed them, so
    that what one teaches about a text helps with the next one that contains it. Groups of blocks that are
    exact together are numbered from `first_group`.
    """
    segments = tree.segments()
    exact = _exact_nodes(tree, segments)
    features = {node: features_of(tree.block(node)) for node in range(1, len(tree.nodes))}
    estimator = _fitted(tree, provider, model, segments, hints, features)
    priors = _priors(tree, estimator, features)
    _fill_what_is_unseen(tree, estimator, segments, hints, priors)
    known = _Knowledge()
    for node, tokens in exact.items():
        known.learn(tree, node, _Belief(float(tokens), 0.0))
    rows = [_row(segment.nodes, segment.tokens, 0.0, exact) for segment in segments]
    for hint in hints:
        frame = _framing(tree, hint)
        framed = hint.tokens + float(frame @ estimator.coefficients)
        variance = hint.variance + float(frame @ estimator.covariance @ frame)
        rows.append(_row(hint.nodes, framed, variance, exact))
    rows = [row for row in rows if row.unknowns]
    for cluster in clusters(row.unknowns for row in rows):
        _solve_cluster(tree, estimator, [rows[i] for i in cluster], priors, known)
    for index in range(1, len(tree.nodes)):
        if index not in known.nodes:
            belief = known.sharpen(tree, index, priors[index])
            known.nodes[index] = _Belief(belief.mean, _variance(estimator, belief))
    return _rounded(tree, segments, exact, known.nodes, first_group)


def _row(nodes: Sequence[int], total: float, variance: float, exact: Mapping[int, int]) -> SegmentRow:
    unknown = tuple(n for n in nodes if n not in exact)
    return SegmentRow(unknown, total - sum(exact[n] for n in nodes if n in exact), variance)


def _exact_nodes(tree: Tree, segments: Sequence[Segment]) -> dict[int, int]:
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


def _fitted(
    tree: Tree,
    provider: str,
    model: str,
    segments: Sequence[Segment],
    hints: Sequence[OutputHint],
    features: Mapping[int, Vector],
) -> Estimator:
    """Fit the estimator on the totals that the bill gives for groups of blocks.

    The output of a call is one observation of the message that it became, less the framing of that message.
    The rest of its segment, with the framing, is another. Segments with unseen content are left out.
    """
    start = unfitted(provider, model)
    hinted = {node: index for index, hint in enumerate(hints) for node in hint.nodes}
    framing = [_framing(tree, hint) for hint in hints]
    observations = [
        _observe(tree, start, hint.nodes, hint.tokens, hint.variance, -framing[index], features)
        for index, hint in enumerate(hints)
    ]
    for segment in segments:
        told = {hinted[n] for n in segment.nodes if n in hinted}
        rest = [n for n in segment.nodes if n not in hinted and tree.nodes[n].role != "unseen"]
        if rest and all(tree.nodes[n].role == "sent" for n in rest):
            tokens = segment.tokens - sum(hints[i].tokens for i in told)
            variance = sum(hints[i].variance for i in told)
            frames = sum((framing[i] for i in told), np.zeros(len(COEFFICIENTS)))
            observations.append(_observe(tree, start, rest, tokens, variance, frames, features))
    return fit(model, provider, observations)


def _framing(tree: Tree, hint: OutputHint) -> Vector:
    """Return the features that the framing of a message adds to the output it repeats."""
    frame = np.zeros(len(COEFFICIENTS))
    if any(tree.block(node).opens_message for node in hint.nodes):
        frame[COEFFICIENTS.index("per_message")] = 1.0
    return frame


def _observe(
    tree: Tree,
    start: Estimator,
    nodes: Sequence[int],
    tokens: float,
    variance: float,
    more: Vector,
    features: Mapping[int, Vector],
) -> Observation:
    rows = [features[node] for node in nodes]
    own = sum(
        block_variance(start.prior, start.expected(row), tree.block(node))
        for row, node in zip(rows, nodes, strict=True)
    )
    return Observation(np.sum(rows, axis=0) + more, tokens, own + variance)


def _priors(tree: Tree, estimator: Estimator, features: Mapping[int, Vector]) -> dict[int, _Belief]:
    """Return what is believed about each node before the totals are known."""
    beliefs = {}
    for index in range(1, len(tree.nodes)):
        role, block = tree.nodes[index].role, tree.block(index)
        if role == "overhead":
            mean, sd = estimator.prior.tools_preamble_tokens
            beliefs[index] = _Belief(mean, sd**2)
        elif role == "hidden" or (role == "sent" and block.kind in UNKNOWN_KINDS):
            beliefs[index] = _Belief(0.0, HIDDEN_SD_TOKENS**2)
        elif role == "unseen":
            beliefs[index] = _Belief(0.0, EMPTY_VARIANCE)
        else:
            expected = estimator.expected(features[index])
            beliefs[index] = _Belief(expected, estimator.variance(expected, block), features[index])
    return beliefs


def _variance(estimator: Estimator, belief: _Belief) -> float:
    """Return the full variance of a belief: its own, plus that of the uncertain coefficients."""
    if belief.features is None:
        return belief.variance
    return belief.variance + float(belief.features @ estimator.covariance @ belief.features)


def _fill_what_is_unseen(
    tree: Tree,
    estimator: Estimator,
    segments: Sequence[Segment],
    hints: Sequence[OutputHint],
    priors: dict[int, _Belief],
) -> None:
    """Give an excess to the empty place of a segment that holds far more than its blocks explain."""
    told = {node: hint for hint in hints for node in hint.nodes}
    for segment in segments:
        unseen = [n for n in segment.nodes if tree.nodes[n].role == "unseen"]
        if not unseen or any(tree.nodes[n].role == "hidden" for n in segment.nodes):
            continue
        in_segment = {id(told[n]): told[n] for n in segment.nodes if n in told}.values()
        others = [priors[n] for n in segment.nodes if n not in told and tree.nodes[n].role != "unseen"]
        expected = sum(b.mean for b in others) + sum(h.tokens for h in in_segment)
        variance = sum(_variance(estimator, b) for b in others) + sum(h.variance for h in in_segment)
        excess = segment.tokens - expected
        if excess > UNSEEN_Z * variance**0.5:
            priors[unseen[-1]] = _Belief(excess, (0.5 * excess) ** 2)


def _solve_cluster(
    tree: Tree,
    estimator: Estimator,
    rows: Sequence[SegmentRow],
    priors: Mapping[int, _Belief],
    known: _Knowledge,
) -> None:
    members = sorted({n for row in rows for n in row.unknowns})
    place = {node: i for i, node in enumerate(members)}
    beliefs = [known.sharpen(tree, n, priors[n]) for n in members]
    nothing = np.zeros(len(estimator.coefficients))
    unknowns = Unknowns(
        mean=np.array([b.mean for b in beliefs]),
        variance=np.array([max(b.variance, 1e-9) for b in beliefs]),
        features=np.array([nothing if b.features is None else b.features for b in beliefs]),
        shared=estimator.covariance,
        floor=np.array([float(_floor(tree, n)) for n in members]),
    )
    mean, variance = condition(
        unknowns, [SegmentRow(tuple(place[n] for n in row.unknowns), row.total, row.variance) for row in rows]
    )
    for node, m, v in zip(members, mean, variance, strict=True):
        known.learn(tree, node, _Belief(float(m), float(v)))


def _floor(tree: Tree, node: int) -> int:
    """Return the least that a node can hold: 1 token if it has any text, else 0."""
    return 1 if tree.block(node).features.bytes else 0


def _rounded(
    tree: Tree,
    segments: Sequence[Segment],
    exact: Mapping[int, int],
    known: Mapping[int, _Belief],
    first_group: int,
) -> dict[int, Size]:
    """Round sizes so that they sum to the exact total of each segment, and add bounds."""
    whole: dict[int, int] = dict(exact)
    most: dict[int, int] = {}
    groups: dict[int, ExactGroup] = {}
    for number, segment in enumerate(segments, first_group):
        unknown = [n for n in segment.nodes if n not in whole]
        left = segment.tokens - sum(whole[n] for n in segment.nodes if n in whole)
        if left < 0 or not unknown:
            continue
        wanted = [
            known[n].mean if known[n].variance > EMPTY_VARIANCE else round(known[n].mean) for n in unknown
        ]
        parts = largest_remainder(wanted, left, [_floor(tree, n) for n in unknown])
        whole.update(zip(unknown, parts, strict=True))
        shown = [n for n in unknown if whole[n] or tree.nodes[n].role != "unseen"]
        groups.update(dict.fromkeys(shown, ExactGroup(number, len(shown), left)))
        most.update(dict.fromkeys(unknown, segment.tokens))
    return {
        index: _bounded(tree, index, whole, exact, known[index], most, groups.get(index))
        for index in range(1, len(tree.nodes))
    }


def _bounded(
    tree: Tree,
    node: int,
    whole: Mapping[int, int],
    exact: Mapping[int, int],
    belief: _Belief,
    most: Mapping[int, int],
    group: ExactGroup | None,
) -> Size:
    if node in exact:
        return Size(exact[node], exact[node], exact[node], True)
    tokens = whole.get(node, round(belief.mean))
    margin = BOUND_Z * belief.variance**0.5 + 0.5
    low = max(_floor(tree, node), int(belief.mean - margin))
    high = int(belief.mean + margin) + 1
    high = min(high, most.get(node, high))
    return Size(tokens, min(low, tokens), max(tokens, high), False, group)
