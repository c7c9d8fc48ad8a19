"""From the tree and its pins to a size, a state and bounds for every node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tokenprof.attribute.estimate import (
    Estimator,
    Observation,
    block_variance,
    features_of,
    fit,
    local_tokens,
)
from tokenprof.attribute.model import Size
from tokenprof.attribute.paths import OutputHint
from tokenprof.attribute.priors import COEFFICIENTS, prior_for
from tokenprof.attribute.solve import Row, clusters, condition, largest_remainder
from tokenprof.attribute.tree import Segment, Tree

BOUND_Z = 1.96
"""Bounds are meant to hold nineteen times in twenty, so that nine in ten holds with room."""

SLACK_SD_TOKENS = 1e6
SAME_TEXT_VARIANCE = 0.3
SAME_NAME_VARIANCE_SHARE = 0.2


@dataclass(slots=True)
class _Belief:
    mean: float
    variance: float


def solve_sizes(tree: Tree, provider: str, model: str, hints: Sequence[OutputHint]) -> dict[int, Size]:
    """Return the size of every node of a tree.

    Segments that share no node are solved apart, in the order in which the run made them known, so
    that what one has taught of a text serves the next in which the text appears.
    """
    segments = tree.segments()
    exact = _exact_nodes(segments)
    unknown_parts = [tuple(n for n in s.nodes if n not in exact) for s in segments]
    estimator = _fit(tree, provider, model, segments, unknown_parts, exact, hints)
    beliefs = _prior_beliefs(tree, estimator)
    known_texts: dict[str, _Belief] = {}
    known_names: dict[tuple[str, str], tuple[float, float]] = {}
    real: dict[int, _Belief] = {node: _Belief(float(tokens), 0.0) for node, tokens in exact.items()}
    for node in exact:
        _learn(tree, node, real[node], known_texts, known_names)
    rows = [
        Row(unknown, s.tokens - sum(exact.get(n, 0) for n in s.nodes))
        for s, unknown in zip(segments, unknown_parts, strict=True)
    ]
    hint_rows = [
        Row(
            tuple(n for n in h.nodes if n not in exact),
            h.tokens - sum(exact.get(n, 0) for n in h.nodes),
            h.variance,
        )
        for h in hints
    ]
    all_rows = [row for row in [*rows, *hint_rows] if row.unknowns]
    for cluster in clusters(row.unknowns for row in all_rows):
        _solve_cluster(tree, [all_rows[i] for i in cluster], beliefs, real, known_texts, known_names)
    for index in range(1, len(tree.nodes)):
        if index not in real:
            real[index] = _informed(tree, index, beliefs[index], known_texts, known_names)
    return _rounded(tree, segments, exact, real)


def _exact_nodes(segments: Sequence[Segment]) -> dict[int, int]:
    """Return nodes whose size follows from the totals alone: the only unknown one of a segment."""
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


def _fit(
    tree: Tree,
    provider: str,
    model: str,
    segments: Sequence[Segment],
    unknown_parts: Sequence[tuple[int, ...]],
    exact: Mapping[int, int],
    hints: Sequence[OutputHint],
) -> Estimator:
    """Fit the estimator on all segments that hold no slack (an unseen part could be of any size)."""
    prior = prior_for(provider, model)
    start = np.array([prior.mean[name] for name in COEFFICIENTS])
    observations = []
    for segment in segments:
        blocks = [tree.nodes[n].block for n in segment.nodes if not tree.nodes[n].slack]
        present = [block for block in blocks if block is not None]
        if len(present) != len(segment.nodes) or any(b.kind == "provider_overhead" for b in present):
            continue
        variance = sum(
            block_variance(prior, max(float(start @ features_of(block)), 0.0), block) for block in present
        )
        total_features = np.sum([features_of(block) for block in present], axis=0)
        observations.append(Observation(total_features, float(segment.tokens), variance))
    return fit(model, provider, observations)


def _prior_beliefs(tree: Tree, estimator: Estimator) -> dict[int, _Belief]:
    prior = estimator.prior
    beliefs = {}
    for index, node in enumerate(tree.nodes):
        if node.block is None:
            continue
        if node.block.kind == "provider_overhead":
            mean, sd = prior.tools_preamble_tokens
            beliefs[index] = _Belief(mean, sd**2)
        elif node.slack:
            beliefs[index] = _Belief(0.0, SLACK_SD_TOKENS**2)
        else:
            features = features_of(node.block)
            expected = estimator.expected(features)
            common = float(features @ estimator.covariance @ features)
            beliefs[index] = _Belief(expected, estimator.variance(expected, node.block) + 0.25 * common)
    return beliefs


def _informed(
    tree: Tree,
    node: int,
    belief: _Belief,
    known_texts: Mapping[str, _Belief],
    known_names: Mapping[tuple[str, str], tuple[float, float]],
) -> _Belief:
    """Sharpen a prior belief by what the run has shown of the same text, or of an earlier wording of it."""
    block = tree.nodes[node].block
    same = known_texts.get(tree.nodes[node].key)
    if same is not None:
        return _Belief(same.mean, same.variance + SAME_TEXT_VARIANCE)
    if block is not None and block.kind in ("tool", "system", "skills_index"):
        earlier = known_names.get((block.kind, block.name))
        if earlier is not None and earlier[1] > 0:
            ratio = earlier[0] / earlier[1]
            return _Belief(local_tokens(block) * ratio, belief.variance * SAME_NAME_VARIANCE_SHARE)
    return belief


def _learn(
    tree: Tree,
    node: int,
    belief: _Belief,
    known_texts: dict[str, _Belief],
    known_names: dict[tuple[str, str], tuple[float, float]],
) -> None:
    key, block = tree.nodes[node].key, tree.nodes[node].block
    if block is None or tree.nodes[node].slack:
        return
    if key not in known_texts or belief.variance < known_texts[key].variance:
        known_texts[key] = belief
    known_names[block.kind, block.name] = (belief.mean, local_tokens(block))


def _solve_cluster(
    tree: Tree,
    rows: Sequence[Row],
    beliefs: Mapping[int, _Belief],
    real: dict[int, _Belief],
    known_texts: dict[str, _Belief],
    known_names: dict[tuple[str, str], tuple[float, float]],
) -> None:
    members = sorted({n for row in rows for n in row.unknowns})
    place = {node: i for i, node in enumerate(members)}
    prior = [_informed(tree, n, beliefs[n], known_texts, known_names) for n in members]
    mean, variance = condition(
        np.array([b.mean for b in prior]),
        np.array([max(b.variance, 1e-9) for b in prior]),
        np.array([float(_floor(tree, n)) for n in members]),
        [Row(tuple(place[n] for n in row.unknowns), row.total, row.variance) for row in rows],
    )
    for node, m, v in zip(members, mean, variance, strict=True):
        real[node] = _Belief(float(m), float(v))
        _learn(tree, node, real[node], known_texts, known_names)


def _floor(tree: Tree, node: int) -> int:
    """Return the least a node can hold: something, if there is any text."""
    block = tree.nodes[node].block
    return 1 if block is not None and block.features.bytes and not tree.nodes[node].slack else 0


def _rounded(
    tree: Tree,
    segments: Sequence[Segment],
    exact: Mapping[int, int],
    real: Mapping[int, _Belief],
) -> dict[int, Size]:
    """Round sizes so that every segment's integers sum to its exact total, and put bounds on them."""
    whole: dict[int, int] = dict(exact)
    totals: dict[int, int] = {}
    for segment in segments:
        open_nodes = [n for n in segment.nodes if n not in whole]
        left = segment.tokens - sum(whole[n] for n in segment.nodes if n in whole)
        if left < 0 or not open_nodes:
            continue
        parts = largest_remainder(
            [real[n].mean for n in open_nodes], left, [_floor(tree, n) for n in open_nodes]
        )
        for node, tokens in zip(open_nodes, parts, strict=True):
            whole[node] = tokens
            totals[node] = segment.tokens
    sizes = {}
    for index in range(1, len(tree.nodes)):
        belief = real[index]
        tokens = whole.get(index, round(belief.mean))
        if index in exact:
            sizes[index] = Size(tokens, tokens, tokens, True)
            continue
        margin = BOUND_Z * belief.variance**0.5 + 0.5
        low = max(_floor(tree, index), int(belief.mean - margin))
        high = int(belief.mean + margin) + 1
        high = min(high, totals.get(index, high))
        sizes[index] = Size(tokens, min(low, tokens), max(high, tokens), False)
    return sizes
