"""The estimator fitted on a run: what the bill says about groups of blocks, as observations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tokenprof.attribute.estimator.estimate import Estimator, Observations, fit, unfitted
from tokenprof.attribute.estimator.priors import COEFFICIENTS
from tokenprof.attribute.paths import OutputHint
from tokenprof.attribute.tree import NodeColumns, Segment

PER_MESSAGE = COEFFICIENTS.index("per_message")


def fitted(
    columns: NodeColumns, provider: str, model: str, segments: Sequence[Segment], hints: Sequence[OutputHint]
) -> Estimator:
    """Fit the estimator on the totals that the bill gives for groups of blocks.

    The output of a call is one observation of the message that it became, less the framing of that message.
    The rest of its segment, with the framing, is another. Segments with unseen content are left out.
    """
    hinted = {node: index for index, hint in enumerate(hints) for node in hint.nodes}
    framed = [is_framed(columns, hint) for hint in hints]
    groups = _Groups()
    for hint, is_message in zip(hints, framed, strict=True):
        groups.add(hint.nodes, hint.tokens, hint.variance, -1 if is_message else 0)
    for segment in segments:
        rest = [n for n in segment.nodes if n not in hinted and columns.roles[n] != "unseen"]
        if rest and all(columns.roles[n] == "sent" for n in rest):
            told = {hinted[n] for n in segment.nodes if n in hinted}
            tokens = segment.tokens - sum(hints[i].tokens for i in told)
            groups.add(rest, tokens, sum(hints[i].variance for i in told), sum(framed[i] for i in told))
    return fit(model, provider, groups.observed(columns, unfitted(provider, model)))


def is_framed(columns: NodeColumns, hint: OutputHint) -> bool:
    """Whether a prompt adds the framing of a message to the output that it repeats."""
    return any(columns.opens_message[node] for node in hint.nodes)


@dataclass(slots=True)
class _Groups:
    """Groups of nodes, one after the other, with what the bill says about each; `frames` count messages."""

    nodes: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    tokens: list[float] = field(default_factory=list)
    variances: list[float] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)

    def add(self, nodes: Sequence[int], tokens: float, variance: float, frames: int) -> None:
        self.starts.append(len(self.nodes))
        self.nodes += nodes
        self.tokens.append(tokens)
        self.variances.append(variance)
        self.frames.append(frames)

    def observed(self, columns: NodeColumns, start: Estimator) -> Observations | None:
        """Return the groups as observations, each with the variance that its blocks have by `start`."""
        if not self.nodes:
            return None
        own = start.variance(columns.features, start.expected(columns.features))
        features = np.add.reduceat(columns.features.rows[self.nodes], self.starts)
        features[:, PER_MESSAGE] += self.frames
        variance = np.add.reduceat(own[self.nodes], self.starts) + self.variances
        return Observations(features, np.array(self.tokens, np.float64), variance)
