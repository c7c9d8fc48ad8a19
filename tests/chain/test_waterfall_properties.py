"""Whatever is said about a run, its waterfalls are what is paid and its bridge closes, to the last digit."""

from decimal import Decimal

import pytest
from chain_runs import DATA, costed, run_of, task
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenprof.chain.bridge import bridge_of
from tokenprof.chain.chain import chain_of
from tokenprof.chain.choices import Choices
from tokenprof.chain.followed_turns import followed_turns
from tokenprof.pricing.chain.layers import WaterfallStepName
from tokenprof.pricing.usage import Usage

CLOSED = ("anthropic", "claude-opus-4-8", Usage(cache_read_tokens=50_000, output_tokens=500))
OPEN = ("moonshotai", "kimi-k2.5", Usage(uncached_input_tokens=20_000, output_tokens=500))
RUNS = {
    "rented": task(),
    "own racks": task(hours="own"),
    "on demand": task(hours="rent", contract="on demand"),
    "an integrated supplier": task(supplier="google"),
    "a host": task(supplier="fireworks"),
    "two providers": costed(run_of(CLOSED, OPEN)),
    "a described deployment": costed(run_of(OPEN, OPEN), "kimi-k2.5@8xh200"),
}
PLANS = sorted(
    name
    for name, plan in DATA.plans.items()
    if plan.is_personal and (not plan.providers or "anthropic" in plan.providers)
)

shares = st.decimals(min_value=0, max_value=3, places=6)
choices = st.builds(
    Choices,
    path=st.sampled_from(["direct", "aggregator", "plan"]),
    aggregator=st.sampled_from(sorted(DATA.aggregators)),
    plan=st.sampled_from(PLANS),
    sessions_per_month=st.integers(1, 100_000),
    credits_usd=st.decimals(min_value="0.01", max_value=10_000, places=2),
    training_per_revenue=st.none() | shares,
    discount=st.none() | st.decimals(min_value=0, max_value="0.99", places=4),
    overhead=st.none() | shares,
)


@pytest.mark.parametrize("run", RUNS)
@given(said=choices)
@settings(max_examples=25)
def test_both_waterfalls_are_what_is_paid_to_the_last_decimal(run, said):
    ledger, hardware = RUNS[run]
    if said.path == "plan" and run == "a described deployment" and DATA.plans[said.plan].providers:
        return
    chain = chain_of(ledger, hardware, DATA, said)
    for fall in (chain.fall, chain.by_accounts):
        assert sum(step.usd.mid for step in fall.steps) == chain.paid_usd
        assert all(step.usd.low <= step.usd.mid <= step.usd.high for step in fall.steps)
        assert sum(share.mid for share in fall.shares().values()) == pytest.approx(
            Decimal(1), abs=Decimal("1e-20")
        )
    # A margin that stays inside a company is in no sum.
    margin = next(step for step in chain.fall.steps if step.name is WaterfallStepName.GPU_HOUR_MARGIN)
    if margin.internal_usd is not None:
        assert margin.usd.mid == 0


@pytest.mark.parametrize("run", RUNS)
@given(said=choices)
@settings(max_examples=10)
def test_the_bridge_closes_in_logarithms_to_the_last_digit(run, said):
    ledger, hardware = RUNS[run]
    followed = followed_turns(ledger, hardware)
    for trains in (True, False):
        bridge = bridge_of(
            followed.billed_usd, hardware.scenarios, followed.work.by_model, DATA, said, trains=trains
        )
        assert (
            bridge.start_log + sum(step.log for step in bridge.steps) + bridge.residual_log
            == bridge.published_log
        )
        assert all(step.source for step in bridge.steps)
        assert bridge.residual > 0


def test_a_loss_is_a_negative_step_and_the_sum_still_holds():
    # A session's share of a plan that 100,000 runs use is far below what the hours cost.
    ledger, hardware = RUNS["rented"]
    chain = chain_of(ledger, hardware, DATA, Choices(path="plan", sessions_per_month=100_000))
    steps = {step.name: step.usd.mid for step in chain.fall.steps}
    assert steps[WaterfallStepName.UNEXPLAINED] < 0
    assert sum(steps.values()) == chain.paid_usd
    assert chain.inference_margin.mid < 0
