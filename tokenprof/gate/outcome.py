"""What the gate says about a scenario: breaches of its budget, and its verdict against the baseline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from tokenprof.data_classes.frozen import frozen
from tokenprof.difference.cost_profile import BilledTokens
from tokenprof.facts.inert_text import inert_line
from tokenprof.facts.own_decimals import in_own_decimals, own_decimals
from tokenprof.gate.baseline import BaselineScenario
from tokenprof.gate.budget import Breach, breaches, number
from tokenprof.gate.compare import Settings, Verdict, compare, means
from tokenprof.gate.sample import NO_TEXT_KINDS, RunSample, group_key

SHOWN_MEASURES = ("usd", "input_tokens", "output_tokens", "turns", "cache_misses", "cache_read_share")
BLOCKS_SHOWN = 3
REASONS_SHOWN = 4

INCOMPLETE = {
    "unmeasured": "turns without usage: {}",
    "unpriced": "turns without a price: {}",
    "output_incomplete": "turns without a final output count: {}",
    "noted": "turns with something that their counts leave out: {}",
    "missing": "calls missing from the recording: {}",
    "warned": "warnings: {}",
}
"""How each reason is named, with its count."""


@frozen
class Outcome:
    """The runs of a scenario compared with its limits; `verdict` is None if it has no baseline."""

    name: str
    samples: tuple[RunSample, ...]
    breaches: tuple[Breach, ...] = ()
    verdict: Verdict | None = None
    before: BaselineScenario | None = None
    wants_baseline: bool = True
    is_strict: bool = False
    may_be_missing: bool = True

    @property
    def lacks_baseline(self) -> bool:
        """Whether the scenario must have a baseline and has none."""
        return self.wants_baseline and self.verdict is None and not self.may_be_missing

    @property
    def failed(self) -> bool:
        """Whether the build should fail."""
        regressed = self.verdict is not None and self.verdict.status == "regression"
        not_compared = self.verdict is not None and bool(self.verdict.not_compared)
        unknown = self.lacks_baseline or (self.is_strict and (bool(self.incomplete) or not_compared))
        return bool(self.breaches) or regressed or unknown

    @property
    def incomplete(self) -> dict[str, int]:
        """Why the bills may be larger than measured, with the number of turns or warnings over all runs."""
        counts: dict[str, int] = {}
        for sample in self.samples:
            for reason, count in sample.incomplete.items():
                counts[reason] = counts.get(reason, 0) + count
        return counts

    @property
    def status(self) -> str:
        """`regression`, `over budget`, `insufficient data`, `ok`, or `no baseline`."""
        if self.verdict is not None and self.verdict.status == "regression":
            return "regression"
        if self.breaches:
            return "over budget"
        if self.lacks_baseline:
            return "no baseline"
        if self.failed:
            return "incomplete"
        if self.verdict is None:
            return "no baseline" if self.wants_baseline else "ok"
        return self.verdict.status

    @property
    def headline(self) -> str:
        """The outcome as one sentence."""
        if self.verdict is not None and self.verdict.status == "regression":
            causes = self.verdict.causes
            first = causes[0].text if causes else self.verdict.regressions[0].text
            more = len(self.verdict.regressions) - 1 + len(self.breaches)
            return f"{self.name}: {first}" + (f", and {more} more" if more else "")
        if self.breaches:
            more = len(self.breaches) - 1
            return f"{self.name}: {self.breaches[0].text}" + (f", and {more} more" if more else "")
        if self.lacks_baseline:
            return f"{self.name}: there is no baseline for it, so nothing was compared"
        usd = means(self.samples, ["usd"])["usd"]
        cost = "unpriced" if usd is None else number("usd", usd)
        return f"{self.name}: {self.status}, {cost} a run"


@in_own_decimals
def judge(
    name: str,
    samples: Sequence[RunSample],
    *,
    budget: Mapping[str, Decimal] | None = None,
    baseline: BaselineScenario | None = None,
    settings: Settings | None = None,
    wants_baseline: bool = True,
    is_strict: bool = False,
    may_be_missing: bool = True,
) -> Outcome:
    """Return the outcome of a scenario. Every run must stay within the budget.

    With `is_strict`, a run whose bill may be larger than measured fails; without `may_be_missing`, a scenario
    that wants a baseline and has none.
    """
    over: dict[str, Breach] = {}
    for sample in samples:
        for breach in breaches(sample, budget or {}):
            worst = over.get(breach.measure)
            if worst is None or _worse(breach, worst):
                over[breach.measure] = breach
    verdict = compare(baseline, samples, settings) if baseline is not None and baseline.samples else None
    return Outcome(
        name,
        tuple(samples),
        tuple(over.values()),
        verdict,
        baseline,
        wants_baseline,
        is_strict,
        may_be_missing,
    )


def _worse(one: Breach, other: Breach) -> bool:
    if one.actual is None or other.actual is None:
        return one.actual is None
    return abs(one.actual - one.limit) > abs(other.actual - other.limit)


def explain(outcome: Outcome) -> Iterator[str]:
    """Yield lines that say what happened and what to do, without need of anything else.

    Names of scenarios and blocks in them are inert: no line breaks, no control characters.
    """
    with own_decimals():
        lines = tuple(_lines(outcome))
    yield from map(inert_line, lines)


def _lines(outcome: Outcome) -> Iterator[str]:
    yield outcome.headline
    if outcome.incomplete:
        shown = ", ".join(INCOMPLETE[reason].format(count) for reason, count in outcome.incomplete.items())
        way_out = "" if outcome.is_strict else "; --strict fails on this"
        yield f"  incomplete: {shown}. The true cost may be higher{way_out}."
        yield from _reasons(outcome.samples)
    for breach in outcome.breaches:
        yield f"  over budget: {breach.text}"
    if outcome.breaches:
        yield from _most_expensive(outcome.samples[-1])
    verdict = outcome.verdict
    if verdict is not None:
        if verdict.not_compared:
            way_out = "" if outcome.is_strict else "; --strict fails on this"
            names = ", ".join(verdict.not_compared)
            yield f"  not compared, since one side does not know it: {names}{way_out}."
        for change in verdict.regressions:
            yield f"  grew: {change.text}"
        for cause in verdict.causes:
            yield f"  cause: {cause.text}"
        for note in verdict.notes:
            yield f"  note: {note}"
        if verdict.status == "insufficient data" and verdict.power is not None:
            before, now = verdict.runs
            yield (
                f"  {now} runs against {before} would find a doubling in {verdict.power:.0%} of cases; "
                "more runs (repeat=N) decide more."
            )
    if outcome.failed and verdict is not None and verdict.status == "regression":
        yield "  If this is meant, run with --tokenprof-update (`tokenprof check … --update`) and commit it."
    elif outcome.breaches:
        yield "  Lower the cost, or raise the budget where it is set."
    elif outcome.lacks_baseline:
        yield (
            "  If it is new, write its baseline with --update, or let it pass with --allow-missing "
            "(in pytest --tokenprof-update, --tokenprof-allow-missing)."
        )
    elif outcome.status == "no baseline":
        yield "  There is no baseline for it yet: write one with --tokenprof-update."


def _reasons(samples: Sequence[RunSample]) -> Iterator[str]:
    """Yield the sentences that say why bills are incomplete, each once, up to a number."""
    found = list(dict.fromkeys(reason for sample in samples for reason in sample.reasons))
    yield from (f"    {reason}" for reason in found[:REASONS_SHOWN])
    if len(found) > REASONS_SHOWN:
        yield f"    … and {len(found) - REASONS_SHOWN} more: `tokenprof report` shows all."


def _most_expensive(sample: RunSample) -> Iterator[str]:
    """Yield a line with the blocks that were billed the most over their lives."""
    sums: dict[str, BilledTokens] = defaultdict(BilledTokens)
    for key, cell in sample.profile.cells.items():
        if key.kind in NO_TEXT_KINDS:
            continue
        group = sums[group_key(key.kind, key.name)]
        group.tokens += sum(each.tokens for each in cell.values() if key.passage != "fee")
        group.usd += sum((each.usd for each in cell.values()), Decimal(0))
    most = sorted(sums, key=lambda key: sums[key].usd, reverse=True)[:BLOCKS_SHOWN]
    shown = [
        f"{key} {sums[key].tokens:,} billed tokens"
        + ("" if sample.profile.in_tokens else f" ({number('usd', sums[key].usd)})")
        for key in most
    ]
    if shown:
        yield f"  most expensive over the run: {', '.join(shown)}"


def table(outcome: Outcome) -> Iterator[tuple[str, str, str, str]]:
    """Yield rows of (measure, baseline, now, change), each a mean per run."""
    before = means(outcome.before.samples if outcome.before else (), SHOWN_MEASURES)
    now = means(outcome.samples, SHOWN_MEASURES)
    for measure in SHOWN_MEASURES:
        then, later = before[measure], now[measure]
        if then is None and later is None:
            continue
        change = ""
        if then and later is not None:
            change = f"{later / then - 1:+.1%}"
        yield (
            measure,
            "" if then is None else number(measure, then),
            "not known" if later is None else number(measure, later),
            change,
        )
