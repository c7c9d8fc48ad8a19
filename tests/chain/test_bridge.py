"""The bridge from marginal cost to published margins, and what evidence does to the cost."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from chain_runs import DATA, GROWING, TASK, costed, run_of, task

from tokenprof.chain.bridge import MARGINAL
from tokenprof.chain.choices import Choices
from tokenprof.chain.make_section import chain_section
from tokenprof.costing.evidence import (
    EVIDENCE,
    FollowedCost,
    posterior_of,
    weighted_percentiles,
)
from tokenprof.pricing.usage import Usage
from tokenprof.report.terminal.chain_bridge import bridge_sentence
from tokenprof.report.terminal.chain_waterfall import bars_of

OPEN = ("moonshotai", "kimi-k2.5", Usage(uncached_input_tokens=20_000, output_tokens=500))
RUNS = {
    "closed": TASK,
    "growing": GROWING,
    "own racks": task(hours="own"),
    "open": costed(run_of(OPEN, OPEN)),
    "described": costed(run_of(OPEN, OPEN), "kimi-k2.5@8xh200"),
}


def section_of(run, **said):
    found = chain_section(*RUNS[run], **said)
    assert found is not None
    return found


@pytest.mark.parametrize("run", RUNS)
def test_the_steps_and_the_residual_add_up_in_logarithms_to_the_last_digit(run):
    section = section_of(run)
    for bridge in (section.bridge, section.posterior_bridge):
        total = bridge.start_log + sum(step.log for step in bridge.steps) + bridge.residual_log
        assert total == bridge.published_log
        assert all(step.source for step in bridge.steps)
        assert bridge.published_source
        # And in dollars: each level is the one above times its factor.
        level = bridge.start
        for step in bridge.steps:
            level *= step.factor.mid
            assert float(step.level_after) == pytest.approx(float(level), rel=1e-6)
        assert float(level * bridge.residual) == pytest.approx(float(bridge.published.mid), rel=1e-6)


@pytest.mark.parametrize("run", RUNS)
def test_the_bridge_passes_through_the_headline(run):
    section = section_of(run)
    assert float(section.bridge.full_cost_per_list) == pytest.approx(
        float(section.compute_usd.mid / section.billed_usd), rel=1e-3
    )


def test_on_own_racks_no_rent_is_paid_and_the_margins_of_a_lab_stand_at_the_end():
    rented, owned = section_of("closed").bridge, section_of("own racks").bridge
    (of_rented,), (of_owned,) = (
        [step for step in bridge.steps if step.name == "rent beyond the owner's cost"]
        for bridge in (rented, owned)
    )
    assert of_owned.factor.mid == 1
    assert of_rented.factor.mid > 1
    assert owned.published == rented.published == DATA.share("inference_per_revenue").value


def test_the_discount_and_the_overhead_are_the_user_s_to_set():
    usual = section_of("closed").bridge
    said = Choices(discount=Decimal("0.2"), overhead=Decimal("0.5"))
    given = section_of("closed", choices=said).bridge
    factors = {step.name: step.factor for step in given.steps}
    assert factors["overheads not modelled"].mid == Decimal("1.5")
    assert factors["list price to revenue"].mid == Decimal("1.25")
    assert factors["list price to revenue"].is_exact
    assert given.start == usual.start


def test_each_piece_of_evidence_can_be_switched_off_and_none_is_left_is_the_prior():
    whole = section_of("closed").evidence
    assert all(piece.in_use for piece in whole.effects)
    prior = section_of("closed", without_evidence=tuple(EVIDENCE))
    assert not any(piece.in_use for piece in prior.evidence.effects)
    compute = prior.compute_usd
    assert prior.evidence.hardware_usd.mid == pytest.approx(float(compute.mid), rel=1e-6)
    assert prior.evidence.price_to_cost.low == pytest.approx(float(prior.billed_usd / compute.high), rel=1e-6)
    for name in EVIDENCE:
        without = section_of("closed", without_evidence=(name,)).evidence
        assert [piece.name for piece in without.effects if not piece.in_use] == [name]
        assert without.price_to_cost != whole.price_to_cost


def test_published_margins_say_nothing_about_a_host_of_open_weights():
    (piece,) = (
        row for row in chain_section(*costed(run_of(OPEN), supplier="fireworks")).evidence.effects
        if row.name == "published-margins"
    )  # fmt: skip
    assert not piece.in_use
    assert piece.price_to_cost is None


def two_draws(cost: float, dear: float, billed: float = 1.0) -> FollowedCost:
    usd = np.array([cost, dear])
    return FollowedCost(billed, usd, {"output": billed}, {"output": usd}, np.ones(2), True)


def test_a_draw_that_costs_more_than_its_price_counts_for_less_by_hand():
    only = ("hosts", "published-margins")
    # At its price a draw has even odds: 0.1 + 0.9 / 2. Far above it only the tenth that is sold below cost.
    posterior = posterior_of(two_draws(1.0, 1e6), DATA, only)
    assert posterior.weights == pytest.approx(np.array([0.55, 0.1]) / 0.65)
    assert posterior.effective_draws == pytest.approx(0.65**2 / (0.55**2 + 0.1**2))


def test_a_draw_at_the_published_margin_outweighs_one_far_from_it():
    only = ("hosts", "price-covers-cost")
    # 0.35 of revenue at 0.65 of list, with 15 % of overhead: 0.198 per list dollar.
    at = 0.35 * 0.65 / 1.15
    near, far = posterior_of(two_draws(at, 100 * at), DATA, only).weights
    assert near > 0.999
    assert far > 0


def test_weighted_percentiles_are_values_of_draws():
    values = np.array([3.0, 1.0, 2.0])
    assert weighted_percentiles(values, np.array([0.0, 0.0, 1.0])) == (2.0, 2.0, 2.0)
    assert weighted_percentiles(values, np.full(3, 1 / 3)) == (1.0, 2.0, 3.0)


def test_bars_of_a_loss_run_back_to_the_left_of_zero():
    # 150 % of the dollar is cost, so half of it is a loss: a third of the width lies below 0.
    bars = bars_of([Decimal("-0.5"), Decimal("1"), Decimal("0.5")], 15)
    assert bars == ["░░░░░│", "██████████", "     │    █████"]
    # At no loss the bars fill the width, one after another.
    assert bars_of([Decimal("0.5"), Decimal("0"), Decimal("0.5")], 10) == ["█████", "", "     █████"]


def test_the_short_form_names_every_level_and_what_is_left():
    from rich.console import Console

    section = section_of("closed")
    said = " ".join(line.plain.strip() for line in bridge_sentence(section, Console(width=80)))
    assert said.startswith("Bridge: per list dollar ")
    assert "is not explained" in said
    assert MARGINAL not in said
    assert bridge_sentence(replace(section, bridge=None), Console(width=80)) == []
