"""The runs of a scenario compared with its baseline: what grew beyond chance and tolerance, and why.

There are three kinds of evidence. Texts that developers write (system prompt, schemas) have the same size
in every run, so their growth is certain despite any noise elsewhere. Everything else is judged by
resampling whole runs if there are enough of them. If there are only one or two, as when a cassette is
replayed, it is judged by the tolerance alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final, Literal

from tokenprof.gate.baseline import BaselineScenario
from tokenprof.gate.bootstrap import LEAST_RUNS, Difference, difference, outlier
from tokenprof.gate.budget import number
from tokenprof.gate.divergence import moved_apart
from tokenprof.gate.sample import FIXED_KINDS, BlockGroup, RunSample

Status = Literal["regression", "ok", "insufficient data"]

CAUSES_NAMED: Final = 3

LEAST_PART: Final = 0.01
"""A cause is not named if it costs less than this part of the most expensive one, unless it is certain."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What counts as a regression.

    Growth must exceed `tolerance` (a fraction: the practical floor) and, if there are several runs, must be
    less likely by chance than `alpha` over all compared figures (the statistical floor). `detect` is the
    growth that you want to be sure to find; if the chance of finding it is below `power`, the result is
    *insufficient data* rather than no regression.
    """

    tolerance: float = 0.05
    measures: tuple[str, ...] = ("turns", "input_tokens", "output_tokens")
    alpha: float = 0.01
    detect: float = 1.0
    power: float = 0.8
    fail_on_price_rise: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A figure that grew: a measure of the run, or the size of a block."""

    subject: str
    kind: Literal["measure", "content", "size", "price"]
    before: float
    now: float
    p: float | None

    @property
    def change(self) -> float:
        """The growth as a fraction; infinite if the baseline is 0."""
        return self.now / self.before - 1 if self.before else float("inf")

    @property
    def text(self) -> str:
        """The change as a sentence."""
        if self.kind == "measure":
            values = f"{number(self.subject, self.before)} → {number(self.subject, self.now)}"
        elif self.kind == "price":
            values = f"${self.before:,.4f} → ${self.now:,.4f} for the same tokens"
        else:
            values = f"{self.before:,.0f} → {self.now:,.0f} tokens"
        grown = f"+{self.change:.1%}" if self.before else "new"
        chance = "" if self.p is None else f", by chance in {max(self.p, 0.0001):.2%} of cases"
        return f"{self.subject} {values} ({grown}{chance})"


@dataclass(frozen=True, slots=True)
class Cause:
    """A block group that costs more than in the baseline: per run, over its whole life."""

    subject: str
    text: str
    billed_tokens: float
    billed_usd: float | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on a scenario. `power` is the chance of finding a growth of `Settings.detect`."""

    status: Status
    regressions: tuple[Change, ...] = ()
    causes: tuple[Cause, ...] = ()
    notes: tuple[str, ...] = ()
    power: float | None = None
    runs: tuple[int, int] = (0, 0)


def compare(
    scenario: BaselineScenario, now: Sequence[RunSample], settings: Settings | None = None
) -> Verdict:
    """Return the verdict on new runs of a scenario."""
    rules = settings or Settings()
    before = scenario.samples
    found = list(_content(before, now, rules))
    tests = list(_tests(scenario, now, rules))
    alpha = rules.alpha / max(len(tests), 1)
    for subject, kind, then, later, result in tests:
        if later <= then * (1 + rules.tolerance):
            continue
        if result is None and kind == "measure":
            found.append(Change(subject, kind, then, later, None))
        elif result is not None and result.p < alpha:
            found.append(Change(subject, kind, then, later, result.p))
    prices = list(_prices(scenario, now))
    if rules.fail_on_price_rise:
        found += [change for change in prices if change.change > rules.tolerance]
    found.sort(key=_gravity)
    powers = [
        r.power(rules.detect, alpha) for _, kind, _, _, r in tests if kind == "measure" and r is not None
    ]
    power = min(powers, default=None)
    status: Status = "regression" if found else "ok"
    if not found and power is not None and power < rules.power:
        status = "insufficient data"
    return Verdict(
        status,
        tuple(found),
        tuple(_causes(before, now, found)) if found else (),
        (*_notes(before, now, prices, rules), *moved_apart(scenario, now, rules.tolerance)),
        power,
        (len(before), len(now)),
    )


def _gravity(change: Change) -> tuple[int, float]:
    order = {"content": 0, "size": 1, "measure": 2, "price": 3}
    return order[change.kind], change.p if change.p is not None else -change.change


def _content(before: Sequence[RunSample], now: Sequence[RunSample], rules: Settings) -> Iterator[Change]:
    """Yield the developer's texts that are new or have grown. Chance plays no part in these."""
    for key, group in _union(now).items():
        if group.kind not in FIXED_KINDS:
            continue
        then, later = _size(before, key), _size(now, key)
        if later is None:
            continue
        if then is None:
            if before:
                yield Change(key, "content", 0.0, later, None)
        elif later > then * (1 + rules.tolerance):
            yield Change(key, "content", then, later, None)


def _union(samples: Sequence[RunSample]) -> dict[str, BlockGroup]:
    groups: dict[str, BlockGroup] = {}
    for sample in samples:
        groups |= sample.blocks
    return groups


def _size(samples: Sequence[RunSample], key: str) -> float | None:
    """Return the usual local size of a group's text: of all its blocks together for fixed kinds."""
    sizes = [sample.blocks[key].local_tokens for sample in samples if key in sample.blocks]
    return float(median(sizes)) if sizes else None


_Test = tuple[str, Literal["measure", "size"], float, float, Difference | None]


def _tests(scenario: BaselineScenario, now: Sequence[RunSample], rules: Settings) -> Iterator[_Test]:
    """Yield every figure to judge with its means and, if there are enough runs, how far it moved."""
    before = scenario.samples
    for measure in rules.measures:
        read = _reader(measure, scenario)
        sides = [[value for s in side if (value := read(s)) is not None] for side in (before, now)]
        if all(sides):
            then, later = (fmean(side) for side in sides)
            result = _judge([[(value, 1.0) for value in side] for side in sides])
            yield measure, "measure", then, later, result
    if min(len(before), len(now)) < LEAST_RUNS:
        return
    for key, group in _union(now).items():
        if group.kind in FIXED_KINDS or group.kind in ("output", "tool_call", "assistant", "thinking"):
            continue
        pairs = [
            [(float(s.blocks[key].local_tokens), float(s.blocks[key].count)) for s in side if key in s.blocks]
            for side in (before, now)
        ]
        if min(map(len, pairs)) >= LEAST_RUNS:
            result = _judge(pairs)
            if result is not None:
                then, later = (sum(t for t, _ in side) / sum(n for _, n in side) for side in pairs)
                yield key, "size", then, later, result


def _reader(measure: str, scenario: BaselineScenario) -> Callable[[RunSample], float | None]:
    """Return a function that reads a measure from a sample, with dollars at the baseline's prices."""

    def read(sample: RunSample) -> float | None:
        value = sample.usd_at(scenario.rates) if measure == "usd" else sample.measures.get(measure)
        return None if value is None else float(value)

    return read


def _judge(sides: Sequence[Sequence[tuple[float, float]]]) -> Difference | None:
    before, now = sides
    if len(now) < LEAST_RUNS:
        return outlier(before, now)
    return difference(before, now)


def _prices(scenario: BaselineScenario, now: Sequence[RunSample]) -> Iterator[Change]:
    """Yield what the new runs cost more at today's prices than at the baseline's, if anything."""
    pairs = [(s.usd_at(scenario.rates), s.usd_at(s.rates)) for s in now]
    known = [(float(old), float(new)) for old, new in pairs if old is not None and new is not None]
    if not known:
        return
    old, new = (fmean(side) for side in zip(*known, strict=True))
    if old and abs(new / old - 1) > 1e-6:
        yield Change("list prices", "price", old, new, None)


def _causes(before: Sequence[RunSample], now: Sequence[RunSample], found: Sequence[Change]) -> list[Cause]:
    """Return the block groups that cost more per run, the most expensive first.

    Those whose size grew beyond chance are among them even if others cost more; if there are enough runs to
    tell, they come before the others.
    """
    named = [change.subject for change in found if change.kind in ("content", "size")]
    causes = []
    for key in dict.fromkeys([*named, *_union(before), *_union(now)]):
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
    group, sizes = _union(now).get(key), (_size(before, key), _size(now, key))
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


def _notes(
    before: Sequence[RunSample], now: Sequence[RunSample], prices: Sequence[Change], rules: Settings
) -> Iterator[str]:
    """Yield notes that are not regressions: prices, what shrank, what is gone."""
    for change in prices:
        moved = f"{'+' if change.change >= 0 else '−'}{abs(change.change):.1%}"
        gated = "" if rules.fail_on_price_rise else " Not gated; the comparison is at the baseline's prices."
        yield (
            f"List prices moved: ${change.before:,.4f} at the baseline's, ${change.now:,.4f} at today's "
            f"({moved}) a run.{gated}"
        )
    for key, group in _union(before).items():
        if group.kind not in FIXED_KINDS:
            continue
        then, later = _size(before, key), _size(now, key)
        if then and later is None and now:
            yield f"{key} ({then:,.0f} tokens) is gone."
        elif then and later is not None and later < then * (1 - rules.tolerance):
            yield f"{key} shrank from {then:,.0f} to {later:,.0f} tokens."


def means(samples: Sequence[RunSample], measures: Sequence[str]) -> Mapping[str, float | None]:
    """Return the mean of each measure over samples; None if any sample does not know it."""
    found: dict[str, float | None] = {}
    for measure in measures:
        values = [sample.measures.get(measure) for sample in samples]
        known = [float(value) for value in values if value is not None]
        found[measure] = fmean(known) if known and len(known) == len(values) else None
    return found
