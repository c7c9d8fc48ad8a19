"""The chain from GPU-hours to the application: published rows, limiting cases, conservation."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenprof.pricing.book import default_book
from tokenprof.pricing.chain.accounts import revenue_split, top_down
from tokenprof.pricing.chain.chain_file import load_chain_data
from tokenprof.pricing.chain.figures import ChainDataError, SubscriptionPlan
from tokenprof.pricing.chain.interval import Interval, add_up, gross_margin
from tokenprof.pricing.chain.layers import (
    OWNER_PARTS,
    HourDollars,
    PaidBill,
    WaterfallStepName,
    anchor_usd,
    break_even_sessions,
    decompose_spread,
    end_prices,
    first_party_cost,
    markup,
    route_of,
    sales,
    sessions_a_plan_pays_for,
    third_party_cost,
    tool_payments,
    waterfall,
)
from tokenprof.pricing.chain.published_claims import examples

DATA = load_chain_data()
MAX = DATA.plan("claude-max")


def interval(low, mid, high) -> Interval:
    return Interval(Decimal(low), Decimal(mid), Decimal(high))


def test_l2_1_reserved_h100_hours_are_marked_up_two_to_three_times():
    rented = markup(Interval.exactly("1.0"), DATA.rental("H100").usd)
    assert (rented.factor.low, rented.factor.high) == (2, 3)
    assert rented.margin.low == Decimal("0.5")
    assert round(rented.margin.high, 2) == Decimal("0.67")


def test_l3_1_a_host_pays_for_inference_and_a_lab_for_training_too():
    inference = Interval.exactly("0.30")
    assert third_party_cost(inference).total_usd == inference
    lab = first_party_cost(inference, Interval.exactly("0.45"))
    assert lab.training_usd.mid == Decimal("0.45")
    assert lab.total_usd.mid == Decimal("0.75")


def test_l3_2_the_spread_over_the_anchor_is_its_parts_and_a_named_residual():
    anchored = anchor_usd(DATA.anchor("deepseek-v3"), 1_000_000, 1_000_000)
    assert anchored == Decimal("0.42")
    parts = decompose_spread(Decimal("30"), anchored, interval("1", "2", "6"), interval("1", "3", "12"), DATA)
    assert parts.spread_usd == Decimal("29.58")
    named = add_up((parts.efficiency_loss, parts.training_amortisation, parts.brand_premium, parts.residual))
    assert named.mid == parts.spread_usd
    assert parts.efficiency_loss == interval("0.58", "1.58", "5.58")
    assert parts.training_amortisation == interval("1", "3", "12")


def test_l3_2_at_the_anchor_with_its_own_compute_nothing_is_lost_to_efficiency():
    parts = decompose_spread(
        Decimal("0.42"), Decimal("0.42"), Interval.exactly("0.42"), Interval.exactly("0.1"), DATA
    )
    assert parts.spread_usd == 0
    assert parts.efficiency_loss == Interval.exactly(0)


def test_l4_1_three_paths_for_the_same_tokens():
    paths = end_prices(Decimal(100), DATA.aggregator("openrouter"), MAX, 20)
    assert (paths.aggregator_usd, paths.direct_usd, paths.plan_usd) == (Decimal("105.5"), 100, 5)
    small = end_prices(Decimal(1), DATA.aggregator("openrouter"))
    assert (small.aggregator_usd, small.plan_usd) == (Decimal("1.80"), None)
    # The least fee of 0.80 is spread over the $10 of credit that are bought at once.
    of_ten = end_prices(Decimal(1), DATA.aggregator("openrouter"), credits_usd=Decimal(10))
    assert of_ten.aggregator_usd == Decimal("1.08")
    of_hundred = end_prices(Decimal(1), DATA.aggregator("openrouter"), credits_usd=Decimal(100))
    assert of_hundred.aggregator_usd == Decimal("1.055")


def test_l4_2_per_call_prices_leave_out_tools_that_have_none():
    paid = tool_payments({"search": 12, "read_file": 40}, {"search": Decimal("0.005")})
    assert paid == {"search": Decimal("0.060")}


@pytest.mark.parametrize(("session_usd", "sessions"), [("7.50", 14), ("100", 1), ("50", 2), ("49.99", 3)])
def test_sub_1_sessions_a_month_at_which_a_plan_breaks_even(session_usd, sessions):
    assert break_even_sessions(MAX, Decimal(session_usd)) == sessions
    assert break_even_sessions(MAX, Decimal(session_usd)) * Decimal(session_usd) >= MAX.usd_per_month


def test_sub_1_sessions_that_a_plan_pays_for_at_the_cost_of_compute():
    assert sessions_a_plan_pays_for(MAX, interval("1", "2", "4")) == interval("25", "50", "100")


def test_sub_1_a_session_that_costs_nothing_has_no_break_even():
    with pytest.raises(ValueError, match="must cost something"):
        break_even_sessions(MAX, Decimal(0))


@pytest.mark.parametrize(
    ("model", "seller", "market"),
    [
        ("anthropic", "openrouter", ["L2", "L3a", "L4"]),  # rents from coreweave, which owns its racks
        ("x-ai", "openrouter", ["L3a", "L4"]),  # own racks: no GPU-hour is bought
        ("x-ai", "x-ai", ["L4"]),  # sells its own application: tokens are internal too
        ("fireworks", None, ["L2", "L3b"]),
        ("google", "google", ["L4"]),
    ],
)
def test_vert_1_only_margins_between_companies_are_paid(model, seller, market):
    route = route_of(
        DATA.supplier(model), DATA.supplier("coreweave"), DATA.supplier(seller) if seller else None
    )
    assert [sale.layer for sale in sales(route) if sale.kind == "market"] == market


PARTS = {
    "chips": interval("0.8", "1.6", "4"),
    "building": interval("0.1", "0.2", "0.4"),
    "power": interval("0.1", "0.2", "0.4"),
}


HOURS = HourDollars(PARTS, interval("2", "3", "4"), interval("2", "3", "4"))


def test_dollar_1_the_middles_of_the_steps_are_the_billed_amount():
    fall = waterfall(
        PaidBill(Decimal("20"), fee_usd=Decimal("1.1")), HOURS, Interval.exactly("0.4"), "accounts"
    )
    assert sum(step.usd.mid for step in fall.steps) == 20
    by_name = {step.name: step.usd.mid for step in fall.steps}
    # 2.0 of racks, rented for 3.0 more, and 0.4 of the 18.9 that the lab takes in for training
    assert (by_name["GPU-hour margin"], by_name["training"]) == (3, Decimal("7.56"))
    assert by_name[WaterfallStepName.UNEXPLAINED] == Decimal("6.34")
    assert fall.shares()["chips"].mid == Decimal("0.08")


def test_dollar_1_an_integrated_supplier_pays_no_gpu_hour_margin_and_a_host_no_training():
    own_racks = HourDollars(PARTS, Interval.exactly(0), interval("2", "3", "4"))
    own = {step.name: step for step in waterfall(PaidBill(Decimal("20")), own_racks, None).steps}
    assert own["GPU-hour margin"].usd == Interval.exactly(0)
    assert "internal" in own["GPU-hour margin"].source
    # 3.0 that a renter would pay, shown and counted nowhere
    assert own["GPU-hour margin"].internal_usd is not None
    assert own["GPU-hour margin"].internal_usd.mid == 3
    assert sum(step.usd.mid for step in own.values()) == 20
    assert own["training"].usd == Interval.exactly(0)


def test_dollar_1_nothing_can_be_pushed_down_from_a_bill_of_nothing():
    with pytest.raises(ValueError, match="positive amount"):
        waterfall(PaidBill(Decimal(0)), HOURS, None)


AMOUNTS = st.decimals(min_value=0, max_value=10**6, places=9)
INTERVALS = st.lists(AMOUNTS, min_size=3, max_size=3).map(lambda figures: Interval(*sorted(figures)))


MARGINS = st.lists(st.decimals(min_value=-(10**6), max_value=10**6, places=9), min_size=3, max_size=3).map(
    lambda figures: Interval(*sorted(figures))
)


@settings(max_examples=200)
@given(
    st.decimals(min_value=Decimal("0.000001"), max_value=10**6, places=6),
    st.dictionaries(st.sampled_from(OWNER_PARTS), INTERVALS, min_size=1),
    MARGINS,
    st.sampled_from([None, "anthropic", "openai", "fireworks", "cerebras"]),
    st.booleans(),
)
def test_dollar_1_both_waterfalls_add_up_whatever_the_inputs(billed, parts, margin, supplier, trains):
    hours, bill = HourDollars(parts, margin), PaidBill(billed)
    split = revenue_split(DATA, supplier, trains=trains)
    for fall in (
        waterfall(bill, hours, split.training if trains else None),
        top_down(bill, split, hours, trains=trains),
    ):
        assert sum(step.usd.mid for step in fall.steps) == billed
        whole = add_up(step.usd for step in fall.steps)
        assert whole.low <= billed <= whole.high


def test_the_range_of_an_hour_is_that_of_the_readings_in_force_on_the_day():
    # Three years: 1.78 in August and 1.30 in April 2026; one year: 2.35 in March 2026, 1.70 in October 2025.
    now = DATA.rental("H100", "contract", date(2026, 11, 1)).usd
    assert (now.low, now.mid, now.high) == (Decimal("1.3"), Decimal("1.74"), Decimal("2.35"))
    before = DATA.rental("H100", "contract", date(2026, 1, 1)).usd
    assert before == Interval.exactly("1.7")
    with pytest.raises(ChainDataError, match="No rent of Trainium2 is known"):
        DATA.rental("Trainium2", "contract")
    with pytest.raises(ChainDataError, match="Hours are not rented 'by the minute'"):
        DATA.rents("by the minute")


@settings(max_examples=200)
@given(INTERVALS, INTERVALS, st.lists(st.sampled_from(["low", "mid", "high"]), min_size=2, max_size=2))
def test_arithmetic_on_ranges_contains_every_choice_of_points(left, right, ends):
    one, other = getattr(left, ends[0]), getattr(right, ends[1])
    assert (left + right).low <= one + other <= (left + right).high
    assert (left - right).low <= one - other <= (left - right).high
    product = left * right
    assert product.low <= one * other <= product.high
    if right.low > 0:
        assert gross_margin(right, left).low <= 1 - one / other <= gross_margin(right, left).high


def test_a_range_out_of_order_is_an_error():
    with pytest.raises(ValueError, match="must rise"):
        interval("2", "1", "3")


def test_every_figure_has_a_source_and_a_day():
    for table in (
        DATA.shares,
        DATA.margins,
        DATA.anchors,
        DATA.aggregators,
        DATA.plans,
        DATA.suppliers,
    ):
        assert table
        for row in table.values():
            assert row.source
            assert row.checked.year >= 2026


def test_a_users_chain_file_takes_the_place_of_the_shipped_one(tmp_path):
    path = tmp_path / "chain.toml"
    path.write_text(
        '[[plan]]\nname = "ours"\nusd_per_month = "49"\ncredit_usd_per_month = "0"\n'
        'source = "x"\nchecked = 2026-11-23\n'
    )
    own = load_chain_data(path)
    assert isinstance(own.plan("ours"), SubscriptionPlan)
    with pytest.raises(ChainDataError, match="No plan is named 'claude-max'; the known ones are ours"):
        own.plan("claude-max")


RENTAL = """[[rental]]
chip = "h100"
contract = "spot"
low = "1"
mid = "1.5"
high = "2"
source = "x"
checked = 2026-11-23
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[plan]]\nname = 'x'\n", "has a row without 'usd_per_month'"),
        ("[[", "cannot be used"),
        (f"a = {'9' * 5000}", "cannot be used"),
        (f"a = {'[' * 20_000}", "cannot be used"),
        ("rental = [1]", "cannot be used"),
        ("plan = {}\nshare = [[]]", "cannot be used"),
        (RENTAL.replace("1.5", "nan"), "cannot be used"),
        (RENTAL.replace("1.5", "0.5"), "An interval must rise from low to high, but it is 1, 0.5, 2"),
        (RENTAL.replace('"h100"', "1"), "cannot be used"),
        (None, "cannot be read"),
    ],
)
def test_a_wrong_chain_file_is_an_error_naming_it(tmp_path, text, message):
    path = tmp_path / "wrong.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ChainDataError, match=message) as error:
        load_chain_data(path)
    assert "wrong.toml" in str(error.value)


def test_a_chain_file_in_another_encoding_and_a_margin_of_an_unknown_kind_are_errors(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text(RENTAL, "utf-16")
    with pytest.raises(ChainDataError, match="is not UTF-8 text; save it as UTF-8"):
        load_chain_data(path)
    path.write_text(
        '[[margin]]\nname = "ours"\nkind = "net"\nlow = "0.1"\nmid = "0.2"\nhigh = "0.3"\nsource = "x"\n'
        "checked = 2026-11-23\n"
    )
    with pytest.raises(ChainDataError, match="margin 'ours' is of kind 'net', not inference, gross"):
        load_chain_data(path)


def test_intervals_refuse_what_would_turn_their_ends_around():
    loss = Interval(Decimal(-1), Decimal(1), Decimal(2))
    gain, nothing = Interval.exactly(2), Interval.exactly(0)
    for wrong in (lambda: loss * gain, lambda: gain * loss):
        with pytest.raises(ValueError, match="only if neither is negative"):
            wrong()
    for wrong in (lambda: loss / gain, lambda: gain / nothing, lambda: gain / loss):
        with pytest.raises(ValueError, match="only by a positive one"):
            wrong()
    with pytest.raises(ValueError, match="needs a positive price"):
        gross_margin(nothing, gain)


def test_published_rows_are_reproduced_beside_their_figures():
    rows = {(row.id, row.claim): row for row in examples(default_book(), DATA)}
    ids = [row_id for row_id, _ in rows]
    assert set(ids) >= {
        "bill-1",
        "bill-6",
        "hold-1",
        "l2-1",
        "l3-1",
        "l4-1",
        "l4-2",
        "vert-1",
        "open-1",
        "sub-1",
    }
    for row in rows.values():
        if row.id.startswith(("bill", "hold")):
            assert row.ours == row.published or Decimal(row.ours) == Decimal(row.published or "0")
    hosts = [row for row in rows.values() if row.id == "open-1"]
    assert [row.ours for row in hosts] == ["1.74 / 0.435, 0.35", "3.48 / 0.87, 0.14"]


def test_a_session_of_payments_settles_many_calls_at_once():
    session = DATA.payments["MPP session (Tempo, vouchers in escrow)"]
    assert session.fee_usd(0, Decimal(0)) == 0
    assert session.fee_usd(100, Decimal(1)) == Decimal("0.001")
    assert session.fee_usd(101, Decimal(1)) == Decimal("0.002")
