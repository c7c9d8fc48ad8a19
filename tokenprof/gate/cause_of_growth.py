"""What costs more than in the baseline: block groups, by what they are billed over their life."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final

from tokenprof.gate.bootstrap import LEAST_RUNS
from tokenprof.gate.sample import FIXED_KINDS, BlockGroup, RunSample

CAUSES_NAMED: Final = 3

LEAST_PART: Final = 0.01
"""A cause is not named if it costs less than this part of the most expensive one, unless it is certain."""


@dataclass(frozen=True, slots=True)
class Cause:
    """A block group that costs more than in the baseline: per run, over its whole life."""

    subject: str
    text: str
    billed_tokens: float
    billed_usd: float | None


def groups_of(samples: Sequence[RunSample]) -> dict[str, BlockGroup]:
    """Return every block group of some samples, by its key."""
    groups: dict[str, BlockGroup] = {}
    for sample in samples:
        groups |= sample.blocks
    return groups


def size_of(samples: Sequence[RunSample], key: str) -> float | None:
    """Return the usual local size of a group's text: of all its blocks together for fixed kinds."""
    sizes = [sample.blocks[key].local_tokens for sample in samples if key in sample.blocks]
    return float(median(sizes)) if sizes else None


def causes_of(before: Sequence[RunSample], now: Sequence[RunSample], grown: Sequence[str]) -> list[Cause]:
    """Return the block groups that cost more per run, the most expensive first.

    Those that are `grown`, their size beyond chance, are among them even if others cost more; if there are
    enough runs to tell, they come before the others.
    """
    named = list(grown)
    causes = []
    for key in dict.fromkeys([*named, *groups_of(before), *groups_of(now)]):
        tokens = _growth(before, now, key, lambda group: float(group.billed_tokens))
        if tokens <= 0 and key not in named:
            continue
        usd = _growth(before, now, key, lambda g: None if g.billed_usd is None else float(g.billed_usd))
        unbilled = _growth_not_billed(before, now, key)
        cost = unbilled or (tokens, usd)
        causes.append(Cause(key, _cause_text(before, now, key, *cost, billed=unbilled is None), *cost))
    causes.sort(key=lambda cause: (cause.billed_usd or 0.0, cause.billed_tokens), reverse=True)
    if min(len(before), len(now)) >= LEAST_RUNS:
        # With enough runs to tell, what did not grow beyond chance is noise, however much it came to.
        causes.sort(key=lambda cause: cause.subject not in named)
    certain = [cause for cause in causes if cause.subject in named]
    largest = causes[0] if causes else None
    causes = [cause for cause in causes if cause in certain or _matters(cause, largest)]
    shown = [cause.subject for cause in dict.fromkeys([*certain, *causes])][:CAUSES_NAMED]
    return [cause for cause in causes if cause.subject in shown]


def _matters(cause: Cause, largest: Cause | None) -> bool:
    """Whether a cause comes to a hundredth of the first one."""
    if largest is None or cause.billed_usd is None or not largest.billed_usd:
        return largest is not None and cause.billed_tokens >= LEAST_PART * largest.billed_tokens
    return cause.billed_usd >= LEAST_PART * largest.billed_usd


def _growth_not_billed(
    before: Sequence[RunSample], now: Sequence[RunSample], key: str
) -> tuple[float, float | None] | None:
    """Return what a longer text would add to the bill, if the bills of the new runs do not show it.

    Replayed replies carry the usage of the recorded prompt, not that of the prompt sent in this run.
    """
    group, sizes = groups_of(now).get(key), (size_of(before, key), size_of(now, key))
    turns = [fmean([float(s.measures.get("turns") or 0) for s in side] or [0.0]) for side in (before, now)]
    if group is None or group.kind not in FIXED_KINDS or not sizes[0] or not sizes[1] or not turns[0]:
        return None
    grown, longer = sizes[1] / sizes[0] - 1, turns[1] / turns[0]
    tokens = _mean(before, key, lambda g: float(g.billed_tokens)) * longer
    if grown <= 0 or _mean(now, key, lambda g: float(g.billed_tokens)) > tokens * (1 + grown / 2):
        return None
    known = [float(usd) for s in before if key in s.blocks and (usd := s.blocks[key].billed_usd) is not None]
    return tokens * grown, fmean(known) * longer * grown if known else None


def _cause_text(
    before: Sequence[RunSample],
    now: Sequence[RunSample],
    key: str,
    tokens: float,
    usd: float | None,
    *,
    billed: bool,
) -> str:
    counts = [_mean(side, key, lambda group: float(group.count)) for side in (before, now)]
    sizes = [_mean_size(side, key) for side in (before, now)]
    parts = []
    if not counts[0]:
        parts.append("is new")
    elif sizes[0] and abs(sizes[1] / sizes[0] - 1) > 0.005:
        parts.append(f"grew from {sizes[0]:,.0f} to {sizes[1]:,.0f} tokens each")
    if counts[0] and abs(counts[1] - counts[0]) > 0.05:
        parts.append(f"came {counts[1]:,.1f} times a run, not {counts[0]:,.1f}")
    cost = f"{tokens:+,.0f} billed tokens a run over its life"
    if usd is not None:
        cost += f", {'+' if usd >= 0 else '−'}${abs(usd):,.4f}"
    if not billed:
        cost += ", judged by its size (the bills do not show it: replayed replies keep the recorded usage)"
    return f"{key} {' and '.join(parts) or 'was carried longer'}: {cost}"


def _mean(samples: Sequence[RunSample], key: str, of: Callable[[BlockGroup], float]) -> float:
    return fmean([of(s.blocks[key]) if key in s.blocks else 0.0 for s in samples]) if samples else 0.0


def _mean_size(samples: Sequence[RunSample], key: str) -> float:
    groups = [sample.blocks[key] for sample in samples if key in sample.blocks]
    count = sum(group.count for group in groups)
    return sum(group.local_tokens for group in groups) / count if count else 0.0


def _growth(
    before: Sequence[RunSample], now: Sequence[RunSample], key: str, of: Callable[[BlockGroup], float | None]
) -> float:
    return _mean(now, key, lambda g: of(g) or 0.0) - _mean(before, key, lambda g: of(g) or 0.0)
