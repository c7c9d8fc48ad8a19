"""Results of tools that were cleared from a long context, though the client still shows or sends them.

`clear_tool_uses` has the provider leave out the oldest results of tools (platform.claude.com, context
editing), and harnesses prune their requests in the same way without a word in their logs. The blocks look
as before, but the bill grows by less than they do, or falls. How many results are gone, the answer may say
(`context_management.applied_edits`); otherwise it follows from how much is missing, as what a turn adds to
the bill shows how large its blocks are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, islice

import numpy as np

from tokenprof.attribute.estimator.estimate import (
    BlockFeatures,
    Estimator,
    Observations,
    fit,
    local_tokens,
    unfitted,
)
from tokenprof.data_classes.frozen import frozen, replaced
from tokenprof.facts.shared_prefix import Trail
from tokenprof.facts.types import Block, Turn

LEAST_TOKENS, LEAST_TOKENS_OF_A_TURN = 1_000, 300
"""If less than this is missing, in all or since the turn before, it has other reasons: thinking that was
dropped, providers' own tokens, estimates."""

LEAST_SHARE, LEAST_Z = 0.5, 4.0
"""If less is missing than this share of the new blocks, or than so many standard deviations of their sizes,
these may be what is wrong."""

LEAST_RATIO = 0.8
"""Billed tokens per local one, at the least: a bill that grows by less lacks something."""

FIT_SHARE, FIT_SHARE_OF_GROWTH = 0.5, 0.25
"""What may be left of what is missing, once results are taken for it: of a bill that fell, and of another."""

SCALES = 0.3, 3.0
"""Growth that estimates are so far from is not that of the blocks alone."""

LAID_OUT_AGAIN = 32
"""How often each block may be laid out again, on average, because something before it was cleared."""

Prompts = Sequence[Trail[Block]]


def is_result(block: Block) -> bool:
    """Whether a block is what a tool returned."""
    return block.link is not None and block.section == "messages" and block.role != "assistant"


def oldest_that_fit(tokens: Sequence[float], missing: float) -> int:
    """Return how many of some sizes, from the first on, come nearest to what is missing."""
    sums = [0.0, *accumulate(tokens)]
    return min(range(len(sums)), key=lambda count: abs(sums[count] - missing))


def _may_have_cleared(turns: Sequence[Turn], prompts: Prompts, indices: Sequence[int]) -> bool:
    """Whether any of a model's bills lacks enough to look at all of them."""
    missing = 0.0
    for index in indices:
        turn = turns[index]
        if turn.cleared_tool_uses:
            return True
        if (grown := _growth(turn, turns)) is not None:
            added = () if turn.hidden_prefix else prompts[index][turn.kept :]
            least = LEAST_RATIO * sum(local_tokens(block) for block in added if not block.deferred)
            missing += max(least - grown, 0.0)
    return missing >= LEAST_TOKENS


def _growth(turn: Turn, turns: Sequence[Turn], base: int | None = None) -> int | None:
    """Return what a turn was billed more than the one that it extends, if one model was billed for both."""
    at = turn.base if base is None else base
    if at is None or turn.compacted or turn.usage is None:
        return None
    earlier = turns[at]
    if earlier.usage is None or (earlier.provider, earlier.model) != (turn.provider, turn.model):
        return None
    return turn.usage.input_tokens - earlier.usage.input_tokens


@frozen
class _Sized:
    """A prompt as the bills show it: the size of each block, and of all together, cleared ones included.

    `cleared` are the indices of blocks, `cleared_tokens` their sizes together.
    """

    sizes: Trail[float]
    tokens: float
    cleared: frozenset[int] = frozenset()
    cleared_tokens: float = 0.0

    def begin(self, same: int, thinking: Iterable[int]) -> _Sized:
        """Return the first `same` blocks of the prompt, less the thinking among them."""
        gone = sum(self.sizes[at] for at in thinking if at < same)
        if same == len(self.sizes):
            return replaced(self, tokens=self.tokens - gone)
        cleared = frozenset(at for at in self.cleared if at < same)
        return _Sized(
            self.sizes.then(same, ()),
            self.tokens - sum(self.sizes[same:]) - gone,
            cleared,
            sum(self.sizes[at] for at in cleared),
        )

    def then(self, added: Sequence[float]) -> _Sized:
        """Return the prompt with more blocks at its end."""
        sizes = self.sizes.then(len(self.sizes), added)
        return replaced(self, sizes=sizes, tokens=self.tokens + sum(added))


@dataclass(slots=True)
class ClearedResults:
    """Follows the bills of one model turn by turn, and says which results each prompt has lost."""

    turns: Sequence[Turn]
    prompts: Prompts
    estimator: Estimator
    _sized: dict[int, _Sized] = field(default_factory=dict)
    _to_lay_out: int = 0

    def in_prompt(self, index: int) -> frozenset[int]:
        """Return which blocks of a prompt were cleared, by index."""
        return self._sized[index].cleared

    def take(self, index: int, base: int | None, same: int, thinking: Collection[int]) -> int:
        """Take in the bill of a turn, and return how many results it shows to be cleared since turn `base`.

        That is 0 if the answer says itself how many were.

        The first `same` blocks are those of `base`. `thinking` are blocks of this prompt that the provider
        left out, and did not leave out of that one.
        """
        turn, prompt = self.turns[index], self.prompts[index]
        self._to_lay_out += LAID_OUT_AGAIN * (len(prompt) - same)
        usual, variance = self._expected(prompt[same:])
        for at in thinking:
            if at >= same:
                usual[at - same] = 0.0
        if base is None:
            billed = sum(usual) if turn.usage is None else turn.usage.input_tokens
            first = _Sized(Trail(usual), billed)
            self._sized[index] = _as_told(turn, prompt, first) or first
            return 0
        before = self._sized[base].begin(same, thinking)
        if (told := _as_told(turn, prompt, before.then(usual))) is not None:
            self._sized[index] = told
            return 0
        # What the client has taken out itself, the bill does not tell from what was cleared.
        grown = _growth(turn, self.turns, base) if same == len(self.prompts[base]) else None
        if grown is None:
            self._sized[index] = before.then(usual)
            return 0
        grown += round(self._sized[base].tokens - before.tokens)
        missing = sum(usual) - grown
        least = max(LEAST_TOKENS_OF_A_TURN, LEAST_SHARE * sum(usual), LEAST_Z * variance**0.5)
        is_sure = not turn.hidden_prefix and all(map(_is_counted, prompt[same:]))
        if missing < least or not (is_sure or -grown >= LEAST_TOKENS):
            self._sized[index] = before.then(_as_billed(usual, grown))
            return 0
        self._sized[index] = now = self._cleared(index, before, usual, grown)
        return len(now.cleared) - len(before.cleared)

    def _cleared(self, index: int, before: _Sized, usual: list[float], grown: int) -> _Sized:
        """Take the oldest results for what is missing, as far as that accounts for it."""
        turn, prompt, sizes = self.turns[index], self.prompts[index], before.sizes
        now = before.then(usual)
        results = [at for at in range(len(sizes)) if is_result(prompt[at])]
        # All that was ever cleared is judged again, so that an error does not shift what is cleared next.
        in_all = now.tokens - (turn.usage.input_tokens if turn.usage else 0)
        count = max(oldest_that_fit([sizes[at] for at in results], in_all), len(before.cleared))
        cleared = frozenset(results[:count])
        tokens = sum(sizes[at] for at in cleared)
        left = in_all - tokens
        again = len(prompt) - min(cleared - before.cleared, default=0)
        missing = in_all - before.cleared_tokens
        fits = abs(left) <= missing * (FIT_SHARE if grown < 0 else FIT_SHARE_OF_GROWTH)
        if missing < LEAST_TOKENS or cleared == before.cleared or not fits or again > self._to_lay_out:
            return now
        self._to_lay_out -= again
        return replaced(now, tokens=now.tokens - left, cleared=cleared, cleared_tokens=tokens)

    def _expected(self, blocks: Sequence[Block]) -> tuple[list[float], float]:
        """Return the expected sizes of new blocks, and the variance of all together."""
        features = BlockFeatures.of(blocks)
        sizes = self.estimator.expected(features)
        sizes[[at for at, block in enumerate(blocks) if block.deferred]] = 0.0
        whole = features.rows.sum(axis=0)
        variance = self.estimator.variance(features, sizes).sum() + whole @ self.estimator.covariance @ whole
        return sizes.tolist(), float(variance)


def _as_told(turn: Turn, prompt: Trail[Block], now: _Sized) -> _Sized | None:
    """Return a prompt without as many results as its answer says were cleared; None if it says nothing."""
    if turn.cleared_tool_uses is None:
        return None
    results = (at for at, block in enumerate(prompt) if is_result(block))
    cleared = frozenset(islice(results, turn.cleared_tool_uses))
    tokens = sum(now.sizes[at] for at in cleared)
    whole = now.tokens if turn.usage is None else turn.usage.input_tokens + tokens
    return replaced(now, tokens=whole, cleared=cleared, cleared_tokens=tokens)


def _is_counted(block: Block) -> bool:
    """Whether the size of a block is known well enough for a bill that grows by less to mean something.

    That of an image or a file is not, nor that of thinking, whose words may not be those that are billed.
    """
    return block.deferred or (bool(block.features.tokens) and block.kind != "thinking")


def _as_billed(usual: list[float], grown: int) -> list[float]:
    """Return the sizes of new blocks by what they added to the bill, unless it holds something else."""
    whole = sum(usual)
    if not whole or not SCALES[0] < grown / whole < SCALES[1]:
        return usual
    return [size * grown / whole for size in usual]


def follow_clearing(turns: Sequence[Turn], prompts: Prompts, indices: Sequence[int]) -> ClearedResults | None:
    """Return what follows the bills of a model, or None if they all grow as the prompts do.

    Sizes are expected as those that grow say: what each added, against the blocks that were new.
    """
    if not _may_have_cleared(turns, prompts, indices):
        return None
    start = unfitted(turns[indices[0]].provider, turns[indices[0]].model)
    rows, tokens, variances = [], [], []
    for index in indices:
        turn = turns[index]
        grown = _growth(turn, turns)
        added = [block for block in prompts[index][turn.kept :] if not block.deferred]
        if grown is None or not added:
            continue
        features = BlockFeatures.of(added)
        expected = start.expected(features)
        if SCALES[0] < grown / max(float(expected.sum()), 1.0) < SCALES[1]:
            rows.append(features.rows.sum(axis=0))
            tokens.append(float(grown))
            variances.append(float(start.variance(features, expected).sum()))
    observed = Observations(np.array(rows), np.array(tokens), np.array(variances)) if rows else None
    model, provider = turns[indices[0]].model, turns[indices[0]].provider
    return ClearedResults(turns, prompts, fit(model, provider, observed))
