"""The work of every block and class over a run, summed from spans and not from entries.

A cached token costs the same wherever it stands in its prompt, so the reads of a block are its size times a
sum over turns. A computed token also attends to the new tokens before it, so the cost of a block is a
quadratic in its position, whose coefficients are sums over turns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tokenprof.attribute.prompt_spans import CLASS_NUMBER, Flags, Ints, PromptSpans
from tokenprof.data_classes.frozen import frozen
from tokenprof.hw_model.cost import ServingScenario, TurnWork
from tokenprof.pricing.usage import CLASSES, OUTPUT_CLASSES

Floats = npt.NDArray[np.float64]

READ, PREFILL, DECODE = 0, 1, 2
"""Rows of a turn's parts: what it read, computed and wrote."""

CACHE_READ, FEE = CLASS_NUMBER["cache_read"], CLASS_NUMBER["fee"]
OUTPUT = tuple(CLASS_NUMBER[cls.value] for cls in OUTPUT_CLASSES)
PROBE_TOKENS = float(1 << 20)


@frozen
class PrefillCost:
    """What the first x new tokens of a prompt cost to compute, in proportion: linear · x + square · x²."""

    linear: float
    square: float

    @classmethod
    def of(cls, scenario: ServingScenario) -> PrefillCost:
        """Return the two coefficients, from the cost of one token and of many."""
        one, many = scenario.prefill_weights(0, 1), scenario.prefill_weights(0, int(PROBE_TOKENS))
        square = (many - PROBE_TOKENS * one) / (PROBE_TOKENS * PROBE_TOKENS - PROBE_TOKENS)
        return cls(one - square, square)

    def between(self, start: Floats, end: Floats) -> Floats:
        """Return the cost of the new tokens from `start` to `end`, counted from the first new one."""
        size = end - start
        return size * (self.linear + self.square * (end + start))


@frozen
class TurnUnits:
    """What a token costs in each turn of a model, one row of features per turn of the run.

    `read` and `decode` are per token. A computed token is charged `prefill` times its weight.
    """

    cached_tokens: Floats
    read: Floats
    prefill: Floats
    decode: Floats


class BlockWork(Mapping[str, Floats]):
    """The features of blocks on one model, by id. Blocks that the model never processed are left out."""

    def __init__(self, numbers: Mapping[str, int], features: Floats, worked: Flags) -> None:
        self._numbers, self._features, self._worked = numbers, features, worked

    def __getitem__(self, block_id: str) -> Floats:
        number = self._numbers[block_id]
        if not self._worked[number]:
            raise KeyError(block_id)
        features: Floats = self._features[number]
        return features

    def known(self, block_id: str) -> Floats | None:
        """Return the features of a block, None if it is left out: `get` without an exception inside."""
        number = self._numbers.get(block_id)
        return None if number is None or not self._worked[number] else self._features[number]

    def __iter__(self) -> Iterator[str]:
        return (block_id for block_id, number in self._numbers.items() if self._worked[number])

    def __len__(self) -> int:
        return int(self._worked.sum())


@frozen
class ModelWork:
    """The features of what one model processed, by block and by class."""

    blocks: BlockWork
    classes: Mapping[str, Floats]


def model_work(
    shares: PromptSpans,
    numbers: Mapping[str, int],
    scenario: ServingScenario,
    works: Sequence[TurnWork | None],
    parts: Mapping[int, Floats],
) -> ModelWork:
    """Return the features of the blocks and classes of one model's turns.

    `numbers` are the blocks' numbers by id, `works` what each turn of the run asked for, and `parts` the
    features of the model's turns, a row for reading, one for computing, one for writing.
    """
    cost = PrefillCost.of(scenario)
    units = _units(cost, works, parts)
    ours = np.zeros(len(works), bool)
    ours[list(parts)] = True
    at_place = _at_places(shares, cost, units, ours)
    features = np.zeros((len(shares.block_ids), at_place.shape[1]))
    np.add.at(features, shares.block, at_place)
    singles = np.flatnonzero(ours[shares.singles.turn])
    of_single = _of_singles(shares, cost, units, singles)
    np.add.at(features, shares.singles.block[singles], of_single)
    blocks = BlockWork(numbers, features, shares.are_in(ours))
    return ModelWork(blocks, _by_class(shares, cost, units, ours, singles, of_single))


def _units(cost: PrefillCost, works: Sequence[TurnWork | None], parts: Mapping[int, Floats]) -> TurnUnits:
    width = next(iter(parts.values())).shape[1]
    cached = np.zeros(len(works))
    read, prefill, decode = (np.zeros((len(works), width)) for _ in range(3))
    for turn, of_turn in parts.items():
        work = works[turn]
        if work is None:
            continue
        cached[turn] = work.cached_tokens
        if work.cached_tokens:
            read[turn] = of_turn[READ] / work.cached_tokens
        if work.output_tokens:
            decode[turn] = of_turn[DECODE] / work.output_tokens
        if work.new_tokens:
            whole = cost.between(np.zeros(1), np.array([float(work.new_tokens)]))
            prefill[turn] = of_turn[PREFILL] / whole
    return TurnUnits(cached, read, prefill, decode)


def _at_places(shares: PromptSpans, cost: PrefillCost, units: TurnUnits, ours: Flags) -> Floats:
    """Return the features of what spans cover at each place."""
    spans, places = shares.spans, len(shares.block)
    of_model = ours[spans.turn]
    reads = of_model & (spans.cls == CACHE_READ)
    computed = of_model & (spans.cls != CACHE_READ)
    size = shares.tokens.astype(float)[:, None]
    middle = (2 * shares.start + shares.tokens).astype(float)[:, None]
    turn = spans.turn[computed]
    weight = units.prefill[turn]
    # Between start and end, the weight is size · (linear + square · (start + end - 2 · cached)).
    constant = weight * (cost.linear - 2 * cost.square * units.cached_tokens[turn])[:, None]
    found = size * _sums(spans.first[reads], spans.after[reads], units.read[spans.turn[reads]], places)
    found += size * _sums(spans.first[computed], spans.after[computed], constant, places)
    found += size * middle * _sums(spans.first[computed], spans.after[computed], cost.square * weight, places)
    return found


def _of_singles(shares: PromptSpans, cost: PrefillCost, units: TurnUnits, singles: Ints) -> Floats:
    """Return the features of single shares."""
    columns = shares.singles
    turn, cls = columns.turn[singles], columns.cls[singles]
    tokens = columns.tokens[singles].astype(float)
    start = columns.start[singles] - units.cached_tokens[turn]
    found = units.prefill[turn] * cost.between(start, start + tokens)[:, None]
    read, written = cls == CACHE_READ, np.isin(cls, OUTPUT)
    found[read] = units.read[turn[read]] * tokens[read, None]
    found[written] = units.decode[turn[written]] * tokens[written, None]
    found[cls == FEE] = 0.0
    return found


def _by_class(
    shares: PromptSpans,
    cost: PrefillCost,
    units: TurnUnits,
    ours: Flags,
    singles: Ints,
    of_single: Floats,
) -> dict[str, Floats]:
    spans = shares.spans
    of_model = np.flatnonzero(ours[spans.turn])
    turn, cls = spans.turn[of_model], spans.cls[of_model]
    before = np.concatenate([[0], np.cumsum(shares.tokens)])
    tokens = (before[spans.after[of_model]] - before[spans.first[of_model]]).astype(float)
    start = shares.start[spans.first[of_model]] - units.cached_tokens[turn]
    of_span = units.prefill[turn] * cost.between(start, start + tokens)[:, None]
    read = cls == CACHE_READ
    of_span[read] = units.read[turn[read]] * tokens[read, None]
    single_cls = shares.singles.cls[singles]
    found = {}
    for number, name in enumerate(CLASSES):
        in_spans, in_singles = cls == number, single_cls == number
        if in_spans.any() or in_singles.any():
            found[name.value] = of_span[in_spans].sum(axis=0) + of_single[in_singles].sum(axis=0)
    return found


def _sums(first: Ints, after: Ints, values: Floats, places: int) -> Floats:
    """Return, for each place, the sum of the values of the intervals [first, after) that cover it.

    Each interval is put on the few nodes of a binary tree that make it up, and nodes are handed down to the
    places below them. Values are only ever added: a running sum that takes off what ends would lose small
    values after large ones.
    """
    found = np.zeros((places, values.shape[1]))
    used = np.flatnonzero(values.any(axis=0))
    values = values[:, used]
    width = 1 << max(places - 1, 0).bit_length()
    nodes = np.zeros((2 * width, len(used)))
    left, right = first + width, after + width
    while len(left):
        odd = (left & 1) == 1
        np.add.at(nodes, left[odd], values[odd])
        left = (left + 1) >> 1
        odd = (right & 1) == 1
        np.add.at(nodes, right[odd] - 1, values[odd])
        right = right >> 1
        inside = left < right
        left, right, values = left[inside], right[inside], values[inside]
    level = 1
    while level < width:
        nodes[2 * level : 4 * level] += np.repeat(nodes[level : 2 * level], 2, axis=0)
        level *= 2
    found[:, used] = nodes[width : width + places]
    return found
