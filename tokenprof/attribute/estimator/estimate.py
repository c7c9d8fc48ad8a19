"""How many tokens a block probably has, judging by what was measured of its text.

A linear model over a few features: the local token count, the same count again for some kinds of content,
the densities that local vocabularies misjudge, and a fixed cost per message, tool call, tool result and
schema. The coefficients start from priors and are fitted on the run, where each segment's exact total is
an observation of the sum of its blocks (Bayesian linear regression; Bishop, Pattern Recognition and Machine
Learning, 2006, eq. 3.49-3.51).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tokenprof.attribute.estimator.priors import COEFFICIENTS, TokenizerPrior, prior_for
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.types import Block

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

BYTES_PER_TOKEN = 4.0
"""The last resort if no local vocabulary is available."""

PIXELS_PER_TOKEN = 750.0
"""Anthropic's rule for images: width × height / 750 (platform.claude.com, vision)."""

FIT_ROUNDS = 15
OUTLIER_Z = 1.0


def local_tokens(block: Block) -> float:
    """Return the local token count of a block's text, or an estimate from its pixels or bytes."""
    tokens = block.features.tokens
    if tokens:
        return float(tokens.get("o200k_base", next(iter(tokens.values()))))
    if block.features.pixels:
        return block.features.pixels / PIXELS_PER_TOKEN
    return block.features.bytes / BYTES_PER_TOKEN


_RESULT_KINDS = frozenset({"tool_result", "skill", "document", "memory"})


def features_of(block: Block) -> tuple[float, ...]:
    """Return the features of a block, in the order of `priors.COEFFICIENTS`."""
    tokens = local_tokens(block)
    f = block.features
    kind = block.kind
    is_call = kind == "tool_call" or (kind == "output" and block.role == "assistant" and block.name != "text")
    return (
        tokens,
        tokens if kind == "tool" else 0.0,
        tokens if is_call else 0.0,
        tokens if kind in _RESULT_KINDS else 0.0,
        tokens if kind == "thinking" or block.role == "reasoning" else 0.0,
        f.tokens.get("cl100k_base", tokens) - tokens if f.tokens else 0.0,
        f.digits,
        f.punctuation,
        f.uppercase,
        f.spaces,
        f.newlines,
        f.non_ascii,
        1.0 if block.opens_message and block.section == "messages" else 0.0,
        1.0 if is_call else 0.0,
        1.0 if kind == "tool_result" or (kind == "skill" and block.link) else 0.0,
        1.0 if kind == "tool" else 0.0,
        1.0,
    )


@frozen
class BlockFeatures:
    """The features of several blocks, a row each, and whether a vocabulary has counted each block's text."""

    rows: Matrix
    counted: Flags

    @classmethod
    def of(cls, blocks: Sequence[Block]) -> BlockFeatures:
        """Return the features of some blocks."""
        rows = np.array([features_of(block) for block in blocks], np.float64)
        counted = np.array([bool(block.features.tokens) for block in blocks], bool)
        return cls(rows.reshape(len(blocks), len(COEFFICIENTS)), counted)


@frozen
class Observations:
    """Groups of blocks whose total size is known: their summed features, the totals and their variances."""

    features: Matrix
    tokens: Vector
    variance: Vector


@frozen
class Estimator:
    """The fitted model: coefficients, their covariance, and the scale of the unexplained noise."""

    prior: TokenizerPrior
    coefficients: Vector
    covariance: Matrix
    noise_scale: float

    def expected(self, blocks: BlockFeatures) -> Vector:
        """Return the expected tokens of each block."""
        return np.maximum(blocks.rows @ self.coefficients, 0.0)

    def variance(self, blocks: BlockFeatures, expected: Vector) -> Vector:
        """Return the variance of each size around its expectation, for given coefficients [tokens²]."""
        relative = np.where(blocks.counted, self.prior.relative_sd, self.prior.relative_sd_uncounted)
        of_text = (relative * expected) ** 2 / (1 + expected / self.prior.averaging_tokens)
        return np.asarray((of_text + self.prior.absolute_sd**2) * self.noise_scale)


def fit(model: str, provider: str, observed: Observations | None = None) -> Estimator:
    """Return the estimator for a model, fitted on the observations of one run.

    Outliers (content that the source does not show) get less weight, and the noise scale is learnt from
    the residuals; both are shrunk towards the prior.
    """
    prior = prior_for(provider, model)
    mean = np.array([prior.mean[name] for name in COEFFICIENTS])
    precision = np.diag([prior.sd[name] ** -2 for name in COEFFICIENTS])
    coefficients, covariance, scale = mean, _inverse(precision), 1.0
    if observed is None or not len(observed.tokens):
        return Estimator(prior, coefficients, covariance, scale)
    x, y, variance = observed.features, observed.tokens, observed.variance
    weight = np.ones(len(y))
    for _ in range(FIT_ROUNDS):
        w = weight / (variance * scale)
        covariance = _inverse(precision + (x * w[:, None]).T @ x)
        coefficients = covariance @ (precision @ mean + x.T @ (w * y))
        z = np.abs(y - x @ coefficients) / np.sqrt(variance * scale)
        weight = np.minimum(1.0, OUTLIER_Z / np.maximum(z, 1e-9))
        degrees = prior.noise_degrees
        squared = float(np.sum(np.minimum(z, OUTLIER_Z) ** 2) * scale)
        scale = (degrees + squared) / (degrees + len(y))
    return Estimator(prior, coefficients, covariance, scale)


def _inverse(matrix: Matrix) -> Matrix:
    return np.asarray(np.linalg.inv(matrix), np.float64)


@functools.lru_cache(maxsize=256)
def unfitted(provider: str, model: str) -> Estimator:
    """Return the estimator for a model before it has seen any of the run."""
    return fit(model, provider)
