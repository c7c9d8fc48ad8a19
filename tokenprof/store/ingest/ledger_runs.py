"""The ledger of a log without turn × block pairs: a row for each block, class and run of consecutive turns.

The prompts of a chain extend one another, and a class covers an interval of each. Between two turns only the
ends of the intervals move, so a block is written once, read for many turns, and written again after a miss:
a few rows, however many turns there are. Its bill over a run of turns is its tokens times the sum of the
rates of those turns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tokenprof.attribute import Attribution
from tokenprof.attribute.find_spans import find_spans
from tokenprof.attribute.prompt_spans import PromptSpans
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.types import Run
from tokenprof.pricing.usage import CLASSES, OUTPUT_CLASSES, TokenClass, Usage
from tokenprof.store.schema.columns import MEDIA, UNCLEAR


@frozen
class Rectangle:
    """Places `first_place` to `after_place` - 1 in steps `first_step` to `after_step` - 1 of a chain."""

    first_place: int
    after_place: int
    first_step: int
    after_step: int


@frozen
class ChainPlace:
    """Where a turn is: its chain of prompts, and the step on it."""

    path: int
    step: int


@dataclass(slots=True)
class LedgerColumns:
    """The columns of the ledger of one log while they grow; `media` and `cls` are texts, the rest numbers."""

    block: list[int] = field(default_factory=list)
    path: list[int] = field(default_factory=list)
    first_step: list[int] = field(default_factory=list)
    after_step: list[int] = field(default_factory=list)
    cls: list[str] = field(default_factory=list)
    media: list[str] = field(default_factory=list)
    fee: list[str] = field(default_factory=list)
    units: list[int] = field(default_factory=list)
    start_tokens: list[int] = field(default_factory=list)

    def add(
        self,
        blocks: Sequence[int],
        units: Sequence[int],
        starts: Sequence[int],
        path: int,
        steps: tuple[int, int],
        cls: str,
        media: str,
    ) -> None:
        """Add blocks that have one class in the same run of turns."""
        count = len(blocks)
        self.block += blocks
        self.units += units
        self.start_tokens += starts
        self.path += [path] * count
        self.first_step += [steps[0]] * count
        self.after_step += [steps[1]] * count
        self.cls += [cls] * count
        self.media += [media] * count
        self.fee += [""] * count

    def add_fee(self, block: int, pieces: int, place: ChainPlace, name: str) -> None:
        """Add what was charged by the piece in one turn."""
        self.add(
            [block], [pieces], [0], place.path, (place.step, place.step + 1), TokenClass.FEE.value, MEDIA[0]
        )
        self.fee[-1] = name


def media_portions(usage: Usage) -> Mapping[str, tuple[int, int, int]]:
    """Return the tokens of text, audio and images in each class that the counts say this of."""
    if not (usage.audio_input_tokens or usage.audio_output_tokens or usage.image_output_tokens):
        return {}
    found = {}
    fresh = usage.uncached_input_tokens
    if usage.audio_input_tokens and usage.input_tokens == fresh:
        found[TokenClass.UNCACHED_INPUT.value] = (
            fresh - usage.audio_input_tokens,
            usage.audio_input_tokens,
            0,
        )
    audio, image = usage.audio_output_tokens, usage.image_output_tokens
    text = usage.output_tokens - audio - image
    if (audio or image) and text >= 0 and not (audio and usage.reasoning_tokens):
        found[TokenClass.OUTPUT.value] = (text, audio, image)
    return found


def media_of(usage: Usage | None, cls: str, portion: int) -> str:
    """Return what a portion of a class of a turn holds."""
    if usage is None:
        return MEDIA[0]
    is_output = cls in OUTPUT_CLASSES
    other = usage.audio_output_tokens + usage.image_output_tokens if is_output else usage.audio_input_tokens
    if not other or cls not in (TokenClass.UNCACHED_INPUT, TokenClass.OUTPUT):
        return MEDIA[0]
    return MEDIA[portion] if cls in media_portions(usage) else UNCLEAR


def ledger_of(run: Run, attribution: Attribution) -> tuple[LedgerColumns, dict[str, int], list[ChainPlace]]:
    """Return the ledger of a run, the numbers of its blocks by id, and the chain place of each turn."""
    portions = {
        turn: found
        for turn, facts in enumerate(run.turns)
        if facts.usage is not None and (found := media_portions(facts.usage))
    }
    spans = find_spans(attribution, portions)
    numbers = {block_id: number for number, block_id in enumerate(spans.block_ids)}
    for block_id in attribution.blocks:
        numbers.setdefault(block_id, len(numbers))
    places = chain_places(spans)
    columns = LedgerColumns()
    _add_spans(columns, run, spans, places)
    _add_singles(columns, run, spans, places, list(numbers), attribution)
    return columns, numbers, places


def chain_places(spans: PromptSpans) -> list[ChainPlace]:
    """Return the place of each turn. A turn without a measured prompt is on a chain of its own."""
    found: list[ChainPlace | None] = [None] * spans.turns
    for path, row in enumerate(spans.rows):
        for step, turn in enumerate(row.turns.tolist()):
            found[turn] = ChainPlace(path, step)
    alone = iter(range(len(spans.rows), len(spans.rows) + spans.turns))
    return [place or ChainPlace(next(alone), 0) for place in found]


def _add_spans(columns: LedgerColumns, run: Run, spans: PromptSpans, places: Sequence[ChainPlace]) -> None:
    intervals: dict[tuple[int, int, str], _Intervals] = {}
    listed = spans.spans
    rows = zip(
        listed.turn.tolist(),
        listed.cls.tolist(),
        listed.portion.tolist(),
        listed.first.tolist(),
        listed.after.tolist(),
        strict=True,
    )
    for turn, cls, portion, first, after in rows:
        place = places[turn]
        media = media_of(run.turns[turn].usage, CLASSES[cls].value, portion)
        intervals.setdefault((place.path, cls, media), _Intervals()).take(place.step, first, after)
    for (path, cls, media), collected in intervals.items():
        for found in collected.rectangles():
            here = slice(found.first_place, found.after_place)
            filled = np.flatnonzero(spans.tokens[here])
            blocks, tokens, starts = (
                each[here][filled].tolist() for each in (spans.block, spans.tokens, spans.start)
            )
            steps = found.first_step, found.after_step
            columns.add(blocks, tokens, starts, path, steps, CLASSES[cls].value, media)


def _add_singles(
    columns: LedgerColumns,
    run: Run,
    spans: PromptSpans,
    places: Sequence[ChainPlace],
    ids: Sequence[str],
    attribution: Attribution,
) -> None:
    singles = spans.singles
    rows = zip(
        singles.turn.tolist(),
        singles.cls.tolist(),
        singles.portion.tolist(),
        singles.block.tolist(),
        singles.tokens.tolist(),
        singles.start.tolist(),
        singles.count.tolist(),
        strict=True,
    )
    for turn, cls, portion, block, tokens, start, count in rows:
        place, name = places[turn], CLASSES[cls].value
        if name == TokenClass.FEE:
            columns.add_fee(block, count, place, attribution.blocks[ids[block]].block.name)
        elif tokens:
            media = media_of(run.turns[turn].usage, name, portion)
            steps = place.step, place.step + 1
            columns.add([block], [tokens], [start], place.path, steps, name, media)


class _Intervals:
    """One interval of places a step, given in the order of the steps; a step may have none."""

    def __init__(self) -> None:
        self._open: list[tuple[int, int, int]] = []
        self._done: list[Rectangle] = []
        self._next_step = 0

    def take(self, step: int, first: int, after: int) -> None:
        """Take the interval of a step."""
        if step != self._next_step:
            self._close(0, 0)
        self._close(first, after)
        left = self._open[0][0] if self._open else after
        right = self._open[-1][1] if self._open else first
        if not self._open:
            self._open = [(first, after, step)]
        else:
            if first < left:
                self._open.insert(0, (first, left, step))
            if right < after:
                self._open.append((right, after, step))
        self._next_step = step + 1

    def _close(self, first: int, after: int) -> None:
        """End what is open outside an interval; it was last billed in the step before the next one."""
        while self._open and self._open[-1][1] > after:
            begin, end, since = self._open.pop()
            kept = max(begin, after)
            self._done.append(Rectangle(kept, end, since, self._next_step))
            if begin < kept:
                self._open.append((begin, kept, since))
        while self._open and self._open[0][0] < first:
            begin, end, since = self._open.pop(0)
            kept = min(end, first)
            self._done.append(Rectangle(begin, kept, since, self._next_step))
            if kept < end:
                self._open.insert(0, (kept, end, since))

    def rectangles(self) -> Iterator[Rectangle]:
        """Yield what was covered, each place of each step once."""
        self._close(0, 0)
        yield from self._done
