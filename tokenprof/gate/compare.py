"""The runs of a scenario compared with its baseline: what grew beyond chance and tolerance, and why.

There are three kinds of evidence. Texts that developers write (system prompt, schemas) have the same size
in every run, so their growth is certain despite any noise elsewhere. Everything else is judged by
resampling whole runs if there are enough of them. If there are only one or two, as when a cassette is
replayed, it is judged by the tolerance alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Final, Literal

from tokenprof.data_classes.frozen import frozen
from tokenprof.gate.baseline import BaselineScenario
from tokenprof.gate.bootstrap import LEAST_RUNS, Difference, difference, outlier
from tokenprof.gate.budget import number
from tokenprof.gate.causes import Cause, causes_of, model_usd
from tokenprof.gate.divergence import moved_apart
from tokenprof.gate.sample import FIXED_KINDS, RunSample, groups_of, size_of

Status = Literal["regression", "ok", "insufficient data"]

NO_PROFILE: Final = (
    "No cause is named: this baseline was written by a version that did not keep what a cause is worked out "
    "from. Accept it again with --update and causes are named from then on."
)


@frozen
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


@frozen
class Change:
    """A figure that grew: a measure of the run, the size of a block, or the bill with another model."""

    subject: str
    kind: Literal["measure", "content", "size", "price", "model"]
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
        elif self.kind == "model":
            values = f"${self.before:,.4f} → ${self.now:,.4f} a run"
        else:
            values = f"{self.before:,.0f} → {self.now:,.0f} tokens"
        grown = f"+{self.change:.1%}" if self.before else "new"
        chance = "" if self.p is None else f", by chance in {max(self.p, 0.0001):.2%} of cases"
        return f"{self.subject} {values} ({grown}{chance})"


@frozen
class Verdict:
    """The verdict on a scenario. `power` is the chance of finding a growth of `Settings.detect`.

    `not_compared` are the measures that one side does not know.
    """

    status: Status
    regressions: tuple[Change, ...] = ()
    causes: tuple[Cause, ...] = ()
    notes: tuple[str, ...] = ()
    power: float | None = None
    runs: tuple[int, int] = (0, 0)
    not_compared: tuple[str, ...] = ()


def compare(
    scenario: BaselineScenario, now: Sequence[RunSample], settings: Settings | None = None
) -> Verdict:
    """Return the verdict on new runs of a scenario."""
    rules = settings or Settings()
    before = scenario.samples
    found = [*_content(before, now, rules), *_costlier_models(scenario, now, rules)]
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
    causes: Sequence[Cause] = ()
    if found and scenario.profile is not None:
        beyond_chance = {each.kind if each.kind in ("model", "price") else each.subject for each in found}
        causes = causes_of((scenario.profile, len(before)), now, beyond_chance)
    notes = [*_notes(before, now, prices, rules), *moved_apart(scenario, now, rules.tolerance)]
    if found and scenario.profile is None:
        notes.append(NO_PROFILE)
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
        tuple(causes),
        tuple(notes),
        power,
        (len(before), len(now)),
        tuple(measure for measure in rules.measures if measure not in {test[0] for test in tests}),
    )


def _gravity(change: Change) -> tuple[int, float]:
    order = {"model": 0, "content": 1, "size": 2, "measure": 3, "price": 4}
    return order[change.kind], change.p if change.p is not None else -change.change


def models_changed(before: Sequence[RunSample], now: Sequence[RunSample]) -> tuple[list[str], list[str]]:
    """Return the models that only the new runs used, and those that only the baseline did."""
    then, later = ({model for sample in side for model in sample.usage} for side in (before, now))
    return sorted(later - then), sorted(then - later)


def _costlier_models(
    scenario: BaselineScenario, now: Sequence[RunSample], rules: Settings
) -> Iterator[Change]:
    """Yield a change of models that makes a run cost more, which no count of tokens shows.

    It must do so by itself: a run that grew for other reasons is not the model's doing. Without a profile
    of the baseline, which would tell, the whole growth counts.
    """
    new, gone = models_changed(scenario.samples, now)
    bills = [[sample.measures.get("usd") for sample in side] for side in (scenario.samples, now)]
    if not new or not all(bills) or any(usd is None for side in bills for usd in side):
        return
    then, later = (fmean([float(usd or 0) for usd in side]) for side in bills)
    profile = scenario.profile
    alone = None if profile is None else model_usd((profile, len(scenario.samples)), now)
    with_model = later if alone is None else then + float(alone)
    if min(later, with_model) > then * (1 + rules.tolerance):
        instead = f" instead of {', '.join(gone)}" if gone else ""
        yield Change(f"model {', '.join(new)}{instead}", "model", then, with_model, None)


def _content(before: Sequence[RunSample], now: Sequence[RunSample], rules: Settings) -> Iterator[Change]:
    """Yield the developer's texts that are new or have grown. Chance plays no part in these."""
    for key, group in groups_of(now).items():
        if group.kind not in FIXED_KINDS:
            continue
        then, later = size_of(before, key), size_of(now, key)
        if later is None:
            continue
        if then is None:
            if before:
                yield Change(key, "content", 0.0, later, None)
        elif later > then * (1 + rules.tolerance):
            yield Change(key, "content", then, later, None)


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
    for key, group in groups_of(now).items():
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
    """Return a function that reads a measure from a sample, with dollars at the baseline's prices.

    Models that the baseline does not have are taken at the prices of the sample.
    """

    def read(sample: RunSample) -> float | None:
        rates = {**sample.rates, **scenario.rates}
        value = sample.usd_at(rates) if measure == "usd" else sample.measures.get(measure)
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


def _notes(
    before: Sequence[RunSample], now: Sequence[RunSample], prices: Sequence[Change], rules: Settings
) -> Iterator[str]:
    """Yield notes that are not regressions: prices, what shrank, what is gone."""
    new, gone = models_changed(before, now)
    if new:
        yield f"Another model: {', '.join(new)}" + (f" instead of {', '.join(gone)}." if gone else ".")
    for change in prices:
        moved = f"{'+' if change.change >= 0 else '−'}{abs(change.change):.1%}"
        gated = "" if rules.fail_on_price_rise else " Not gated; the comparison is at the baseline's prices."
        yield (
            f"List prices moved: ${change.before:,.4f} at the baseline's, ${change.now:,.4f} at today's "
            f"({moved}) a run.{gated}"
        )
    for key, group in groups_of(before).items():
        if group.kind not in FIXED_KINDS:
            continue
        then, later = size_of(before, key), size_of(now, key)
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
