"""Runs compared with a baseline: chance, certainty, and the causes that are named."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal

import pytest
from made_samples import RATES, profile, sample

from tokenprof.difference.profile_sums import in_tokens
from tokenprof.gate.baseline import scenario_of
from tokenprof.gate.bootstrap import difference, outlier, student_cdf
from tokenprof.gate.compare import Settings, compare
from tokenprof.gate.sample import BlockGroup, RunSample


def noisy(rng: random.Random, **change: float) -> RunSample:
    result = change.get("result", 400.0) * rng.lognormvariate(0, 0.1)
    return sample(rng.gauss(12, 2), result, int(change.get("system", 2000)))


def test_a_price_that_rose_is_told_apart_and_fails_only_when_asked() -> None:
    dearer = {"m": {cls: rate * 2 for cls, rate in RATES["m"].items()}}
    before, now = scenario_of([sample()]), [sample(rates=dearer)]
    settings = Settings(measures=("turns", "input_tokens", "usd"))
    verdict = compare(before, now, settings)
    assert verdict.status == "ok"
    assert any("List prices moved" in note and "+100.0%" in note for note in verdict.notes)
    assert compare(before, now, replace(settings, fail_on_price_rise=True)).status == "regression"


def test_noise_is_not_a_regression_but_a_text_that_grew_is() -> None:
    rng = random.Random(4)
    before = scenario_of([noisy(rng) for _ in range(10)])
    assert compare(before, [noisy(rng) for _ in range(10)]).status != "regression"
    verdict = compare(before, [noisy(rng, system=2200) for _ in range(10)])
    assert verdict.status == "regression"
    assert verdict.causes[0].block == "system main"
    verdict = compare(before, [noisy(rng, result=600) for _ in range(10)])
    assert verdict.regressions[0].subject == verdict.causes[0].block == "tool_result read"


def test_a_text_that_grew_under_replayed_bills_is_costed_by_its_size() -> None:
    """200 tokens more in each of 10 calls, at $5 a million, whether the bills show it or not."""
    longer = {**sample().blocks, "system main": BlockGroup("system", "main", 1, 2200)}
    replayed = replace(sample(), blocks=longer, profile=profile(10, 4000, 2200, system_billed=2000))
    verdict = compare(scenario_of([sample()]), [replayed])
    assert [change.subject for change in verdict.regressions] == ["system main"]
    [cause] = verdict.causes
    assert cause.billed_usd == pytest.approx(Decimal("0.01"))
    assert cause.text == (
        "+$0.01 a run: system main grew 2.0k → 2.2k tokens and was carried through 9 calls; judged by "
        "its size (the bills do not show it: replayed replies keep the recorded usage)"
    )
    [billed] = compare(scenario_of([sample()]), [sample(system=2200)]).causes
    assert billed.billed_usd == Decimal("0.01")
    assert "judged by its size" not in billed.text


def test_without_a_price_a_cause_is_counted_in_tokens() -> None:
    """The same growth as 2,000 tokens, though the prices that the baseline had are known."""
    unpriced = replace(sample(system=2200), profile=in_tokens(sample(system=2200).profile))
    [cause] = compare(scenario_of([sample()]), [unpriced]).causes
    assert (cause.billed_tokens, cause.billed_usd) == (2000, None)
    assert cause.text.startswith("+2,000 billed tokens a run: system main grew 2.0k → 2.2k tokens")


def test_more_calls_are_a_cause_of_their_own() -> None:
    """Ten more calls carry the system prompt ten times more; nothing else has changed."""
    [cause] = compare(scenario_of([sample()]), [replace(sample(turns=20), blocks=sample().blocks)]).causes[:1]
    assert cause.kind == "calls"
    assert cause.block is None
    assert cause.text.endswith("a run: 20 calls, not 10, each billed for its whole context")


def test_runs_of_unequal_number_are_compared_by_their_means() -> None:
    """Two runs of 10 and 12 calls against three of 11: as many calls, and a prompt of 500 tokens more."""
    before = scenario_of([sample(turns=10), sample(turns=12)])
    verdict = compare(before, [sample(turns=11, system=2500)] * 3)
    cause = verdict.causes[0]
    assert cause.block == "system main"
    assert cause.billed_usd == pytest.approx(Decimal(11 * 500) * RATES["m"]["uncached_input"])


def test_one_run_is_compared_with_the_spread_of_many() -> None:
    rng = random.Random(5)
    before = scenario_of([noisy(rng) for _ in range(10)])
    assert compare(before, [noisy(rng)]).status != "regression"
    assert compare(before, [sample(turns=40)]).status == "regression"


def test_too_few_runs_to_tell_are_said_to_be_too_few() -> None:
    rng = random.Random(6)
    runs = [sample(rng.gauss(12, 4)) for _ in range(6)]
    verdict = compare(scenario_of(runs[:3]), runs[3:])
    assert verdict.status == "insufficient data"
    assert verdict.power is not None
    assert verdict.power < 0.8


def test_what_went_or_shrank_is_a_note_and_what_is_new_is_not() -> None:
    lean = replace(sample(), blocks={})
    gone = compare(scenario_of([sample()]), [lean])
    assert any("system main (2,000 tokens) is gone" in note for note in gone.notes)
    new = compare(scenario_of([lean]), [sample()])
    assert new.regressions[0].text == "system main 0 → 2,000 tokens (new)"


def test_student_s_t_is_that_of_the_tables() -> None:
    for t, degrees, chance in ((0.0, 5, 0.5), (1.0, 1, 0.75), (2.015, 5, 0.95), (-2.764, 10, 0.01)):
        assert student_cdf(t, degrees) == pytest.approx(chance, abs=1e-4)


def test_equal_runs_do_not_differ_and_a_difference_of_constants_is_certain() -> None:
    rng = random.Random(1)
    side = [(rng.lognormvariate(5, 0.2), 1.0) for _ in range(10)]
    same = difference(side, side)
    assert same is not None
    assert same.change == pytest.approx(0)
    assert same.p == pytest.approx(0.5, abs=0.01)
    grown = difference([(100.0, 1.0)] * 3, [(110.0, 1.0)] * 3)
    assert grown is not None
    assert (grown.p, round(grown.change, 3)) == (0.0, 0.1)
    assert difference(side[:2], side) is None
    assert outlier(side[:2], side) is None
