"""Why evidence moves the ratio of a run, in the run's own figures."""

import numpy as np
import pytest
from chain_runs import DATA

from tokenprof.chain.section import SectionEvidence
from tokenprof.costing.evidence import EVIDENCE, FollowedCost, posterior_of


def draws(output, *, cached=None, trains=False, service=None):
    """A run billed 1 USD of output, and 1 USD of cached input if its draws are given."""
    output = np.array(output)
    cost = {"output": output} | ({} if cached is None else {"cache_read": np.array(cached)})
    billed = dict.fromkeys(cost, 1.0)
    total = np.sum(list(cost.values()), axis=0)
    return FollowedCost(
        sum(billed.values()),
        total,
        billed,
        cost,
        np.ones(len(output)) if service is None else service,
        trains,
    )


def because(cost, name):
    (piece,) = (row for row in posterior_of(cost, DATA).effects if row.name == name)
    return piece.because


def test_the_class_that_is_billed_below_its_compute_is_named_with_its_figure():
    # Output is billed at half of its compute in the middle draw; cached input far above it in all.
    found = because(draws([1.0, 2.0, 8.0], cached=[0.01, 0.01, 0.01]), "price-covers-cost")
    assert found.startswith("output is billed at 0.5 times its compute in the middle draw")


def test_evidence_that_rules_nothing_out_says_so():
    found = because(draws([0.01, 0.02, 0.03]), "price-covers-cost")
    assert found == "every class is billed above its compute in nearly all draws, so little is ruled out"


def test_a_lab_s_margin_stands_beside_the_cost_of_the_run():
    # 0.1 of list, 15 % of overhead, 0.65 of list collected: 17.7 cents per dollar of revenue, below 35.
    cheap = because(draws([0.1, 0.1, 0.1], trains=True), "published-margins")
    assert cheap.endswith("this run's compute with overheads comes to 17.7¢")
    assert because(draws([1.0, 1.0, 1.0]), "published-margins") == ""


def test_hosts_move_the_model_s_own_error_by_market_over_margin():
    # 2.85 / 1.7 = 1.68
    found = because(draws([1.0, 1.0, 1.0], service=np.array([0.5, 1.0, 2.0])), "hosts")
    assert found.endswith("so costs are taken to be 1.7 times the model's")


@pytest.mark.parametrize("name", EVIDENCE)
def test_a_reason_stands_wherever_evidence_is_in_use(name):
    for trains in (True, False):
        cost = draws([0.1, 1.0, 3.0], cached=[0.1, 0.2, 0.3], trains=trains)
        (piece,) = (row for row in posterior_of(cost, DATA).effects if row.name == name)
        assert bool(piece.because) is piece.in_use


def test_the_piece_that_moves_the_ratio_furthest_leads():
    cost = draws([1.0, 2.0, 8.0], cached=[0.01, 0.01, 0.01])
    whole = posterior_of(cost, DATA)
    section = SectionEvidence(whole.hardware_usd, whole.price_to_cost, whole.effective_draws, whole.effects)
    alone = {row.name: row.price_to_cost.mid for row in whole.effects if row.in_use}
    # Two USD are billed for 2.01 of compute in the middle draw.
    furthest = max(alone, key=lambda name: abs(np.log(alone[name] / (2 / 2.01))))
    assert section.leading(2 / 2.01).name == furthest
    assert SectionEvidence(whole.hardware_usd, whole.price_to_cost, 3.0, ()).leading(1.0) is None
