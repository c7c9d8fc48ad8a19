"""Levers that change what is paid and not what is sent: plans, contracts, and a class sold at cost."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_call import one_call

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.rows.repricing import repricing
from tokenprof.costing.served_hours import shipped_chain_data
from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Run, Turn
from tokenprof.pricing.chain.figures import SubscriptionPlan
from tokenprof.pricing.chain.interval import Interval
from tokenprof.pricing.chain.plan_bill import plan_usd_a_month
from tokenprof.pricing.usage import Usage

TURN = one_call(Usage(uncached_input_tokens=100_000, cache_read_tokens=1_000_000, output_tokens=20_000))
"""One call of $1.50: 0.1 million fresh tokens at $5, a million read at $0.50, 20,000 written at $25."""

OWN = SubscriptionPlan("own", Decimal(100), Decimal(50), "a contract", date(2026, 11, 1))


def analysis(*turns: Turn) -> Analysis:
    return Analysis(Run(turns))


def month(plan: SubscriptionPlan, seats: int, list_usd: str) -> tuple[str, str, str]:
    found = plan_usd_a_month(plan, seats, Decimal(list_usd))
    return tuple(f"{end.normalize():f}" for end in (found.low, found.mid, found.high))  # type: ignore[return-value]


def test_a_month_within_the_limits_costs_the_seats() -> None:
    plan = replace(OWN, api_usd_within_limit=Interval.exactly(1000))
    assert month(plan, 2, "2000") == ("200", "200", "200")


def test_what_goes_beyond_limits_and_credits_is_billed_at_list_price() -> None:
    """Two seats include $2,000 by their limits (1,000 to 3,000 a seat) and $100 of credit."""
    plan = replace(OWN, api_usd_within_limit=Interval(Decimal(500), Decimal(1000), Decimal(3000)))
    assert month(plan, 2, "2500") == ("200", "600", "1600")


def test_unknown_limits_include_everything_or_nothing() -> None:
    assert month(OWN, 1, "300") == ("100", "350", "350")


def test_a_discount_is_paid_on_top_of_a_commitment_at_least() -> None:
    plan = replace(
        OWN,
        usd_per_month=Decimal(0),
        credit_usd_per_month=Decimal(0),
        api_usd_within_limit=Interval.exactly(0),
        discount=Interval(Decimal("0.1"), Decimal("0.2"), Decimal("0.3")),
        commitment_usd_per_month=Decimal(750),
    )
    assert month(plan, 1, "1000") == ("750", "800", "900")
    assert month(plan, 1, "10") == ("750", "750", "750")


@given(st.decimals(0, 10**6, places=2), st.integers(1, 50), st.sampled_from(shipped_chain_data().plan_terms))
def test_every_plan_is_an_interval_that_grows_with_usage(
    list_usd: Decimal, seats: int, plan: SubscriptionPlan
) -> None:
    found, more = (plan_usd_a_month(plan, seats, usd) for usd in (list_usd, list_usd + 1))
    assert seats * plan.usd_per_month <= found.low <= found.mid <= found.high
    assert found.high <= more.high
    assert found.high <= seats * plan.usd_per_month + max(list_usd, plan.commitment_usd_per_month)


def test_a_run_pays_its_share_of_the_month() -> None:
    """A hundred runs of $1.50 are $150 at list price, inside the limits of a plan of $100."""
    found = analysis(TURN).what_if("plan=claude-max:100")
    assert found.before_usd == Decimal("1.50")
    assert (found.after_usd, found.low_usd, found.high_usd) == (1, 1, 1)
    assert found.saving_kind == "list-price only"


def test_a_plan_pays_what_is_left_after_the_other_levers() -> None:
    """2,000 runs in batches cost $1,500: $146 beyond the limit of $1,354, or nothing beyond $3,670."""
    found = analysis(TURN).what_if("plan=claude-max:2000", "tier=batch")
    assert found.after_usd == (Decimal(100) + Decimal(146)) / 2000
    assert found.low_usd == Decimal(100) / 2000


def test_terms_are_those_of_the_day_of_the_run() -> None:
    """From 2026-10-07 on, $100 of credit come on top of the limits."""
    later = replace(TURN, started_at=datetime(2026, 11, 1, tzinfo=UTC))
    early, late = (analysis(turn).what_if("plan=claude-max:1000") for turn in (TURN, later))
    assert early.after_usd == (100 + Decimal(1500 - 1354)) / 1000
    assert late.after_usd == (100 + Decimal(1500 - 1354 - 100)) / 1000
    assert "monthly API credit" in " ".join(late.assumes)
    assert "monthly API credit" not in " ".join(early.assumes)


def test_calls_of_models_that_a_plan_does_not_sell_stay_at_list_price() -> None:
    other = replace(TURN, id="n", provider="openai", model="gpt-5.4", requested_model="gpt-5.4", context="d")
    alone = analysis(other).totals.billed_usd
    assert alone is not None
    assert analysis(TURN, other).what_if("plan=claude-max:100").after_usd == 1 + alone
    with pytest.raises(InputError, match="does not sell any of the models"):
        analysis(other).what_if("plan=claude-max:100")


@pytest.mark.parametrize(
    ("lever", "sentence"),
    [
        ("plan=claude-max", "write NAME:RUNS, such as claude-max:40"),
        ("plan=claude-max:0", "write NAME:RUNS"),
        ("plan=claude-maxx:4", "No plan is named 'claude-maxx'; the known ones are"),
        ("plan=claude-team-premium:4x2", "claude-team-premium is sold for 5 seats or more"),
        ("at-cost=input", "give at-cost= one of cache_read, output"),
    ],
)
def test_mistakes_name_the_way_out(lever: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        analysis(TURN).what_if(lever)


@pytest.mark.parametrize("cls", ["cache_read", "output"])
def test_a_class_sold_at_cost_is_the_repricing_risk_of_the_report(cls: str) -> None:
    run = analysis(TURN)
    risk = next(each for each in repricing(run.rows) if each.cls == cls)
    found = run.what_if(f"at-cost={cls}")
    assert [float(end or 0) for end in (found.low_usd, found.after_usd, found.high_usd)] == pytest.approx(
        [risk.bill_usd.low, risk.bill_usd.mid, risk.bill_usd.high]
    )


def test_both_classes_at_cost_leave_the_others_at_list_price() -> None:
    read, output = repricing(analysis(TURN).rows)
    found = analysis(TURN).what_if("at-cost=cache_read", "at-cost=output")
    assert found.after_usd is not None
    # $0.50 of fresh input is left at list price.
    in_all = read.bill_usd.mid + output.bill_usd.mid - float(found.before_usd)
    assert float(found.after_usd) == pytest.approx(in_all)


def test_a_tier_halves_what_is_left_at_list_price() -> None:
    """A dollar of fresh input and output is left; what reads cost to compute stays."""
    alone, batch = (
        analysis(TURN).what_if("at-cost=cache_read", *more).after_usd for more in ((), ("tier=batch",))
    )
    assert alone is not None
    assert batch is not None
    assert alone - batch == Decimal("0.5")
