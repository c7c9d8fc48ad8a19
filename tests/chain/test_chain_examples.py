"""Every row of the published analyses on the bill and the chain, by the product's own functions."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from chain_runs import BOOK, DATA

from tokenprof.chain.claims.example_site_rows import site_of
from tokenprof.chain.claims.worked_examples import CLAIM_SOURCES, all_examples
from tokenprof.hw_model.equations.gpu_hour import site_cost
from tokenprof.pricing.chain.interval import Interval
from tokenprof.pricing.chain.published_claims import against_range, differs, within

ROWS = all_examples(BOOK, DATA)


def rows(row_id: str) -> list:
    return [row for row in ROWS if row.id == row_id]


def numbers(text: str) -> list[float]:
    return [float(figure) for figure in re.findall(r"-?\d+\.\d+|-?\d+", text)]


def test_every_row_of_the_bill_and_of_the_chain_is_there_in_order():
    assert list(dict.fromkeys(row.id for row in ROWS)) == list(CLAIM_SOURCES)


def test_every_claim_and_every_analysis_is_a_row_of_the_documentation():
    text = (Path(__file__).parents[2] / "docs" / "chain.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| ([\w-]+) \|", text, re.MULTILINE))
    cited = set(CLAIM_SOURCES) | {source for sources in CLAIM_SOURCES.values() for source in sources}
    assert cited - documented == set()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.id} {row.claim[:30]}")
def test_a_row_has_a_figure_and_what_it_rests_on_and_a_difference_where_something_was_published(row):
    assert numbers(row.ours) or row.id == "vert-1"
    assert row.assumptions
    # Nothing of the split of l3-2 was published, and one row of dollar-1 holds by construction.
    if row.published and row.id != "l3-2" and "so no test" not in row.assumptions:
        assert row.difference


@pytest.mark.parametrize(
    ("row_id", "tolerance_percent"),
    [
        *((f"bill-{number}", 0) for number in range(1, 7)),
        ("l1-1", 0), ("l1-2", 0), ("l1-3", 0.2), ("l1-4", 0.7), ("l1-5", 0.4), ("l2-1", 0),
    ],
)  # fmt: skip
def test_published_figures_are_met_within_their_rounding(row_id, tolerance_percent):
    published = [row for row in rows(row_id) if row.published]
    assert published
    for row in published:
        off = 0.0 if row.difference == "none" else abs(numbers(row.difference)[0])
        assert off <= tolerance_percent, row


def test_l1_the_megawatt_costs_six_and_a_half_million_a_year_and_an_h100_hour_about_a_dollar():
    cost = site_cost(site_of(DATA))
    assert cost.building_usd_per_year == 600_000
    assert cost.chips_usd_per_year == 5_250_000
    assert cost.power_usd_per_year == pytest.approx(700_800)
    assert cost.invested_usd == 41_250_000
    assert round(cost.usd_per_accelerator_hour, 1) == 1.0
    assert round(cost.chips_share, 1) == 0.8


def test_l1_6_a_more_expensive_building_raises_the_floor_and_both_are_shown():
    (row,) = rows("l1-6")
    floors = [float(figure) for figure in re.findall(r"M: (\d\.\d+)", row.ours)]
    assert floors == sorted(floors)
    assert len(set(floors)) == 3


def test_hold_1_a_held_second_is_billed_forty_times_its_output():
    billed, held = rows("hold-1")
    assert (billed.published, billed.ours) == ("40x", "40x")
    low, high = numbers(held.ours)
    assert high == pytest.approx(2 * low, rel=0.01)


def test_shape_1_the_longer_context_costs_more_by_shape_and_the_total_stays():
    (row,) = rows("shape-1")
    first, last = row.ours.split(";")
    assert numbers(first)[-1] < numbers(last)[-1]


def test_ttl_1_the_longer_the_gap_the_further_out_the_cheapest_place():
    (row,) = rows("ttl-1")
    order = ["hbm", "host", "ssd", "drop"]
    places = [order.index(place) for place in re.findall(r"s: (\w+) \$", row.ours)]
    assert len(places) == 4
    assert places == sorted(places)


def test_margin_1_the_published_margins_are_not_outside_ours_and_margin_2_is_lower():
    (inference,), (all_in,) = rows("margin-1"), rows("margin-2")
    # Margins near 1 all look alike, so it is the cost that is compared: 30 cents against ours.
    assert inference.difference.startswith("as cost per dollar: published is ")
    assert inference.difference.endswith("our range is too wide to test it")
    assert numbers(all_in.ours)[2] < numbers(inference.ours)[2]


def test_sub_1_compute_pays_for_more_sessions_than_list_price():
    listed, computed = rows("sub-1")
    assert listed.ours == "14"
    assert numbers(computed.ours)[2] > 14


def test_l3_2_the_parts_of_the_spread_add_up_to_it_with_a_named_residual():
    (row,) = rows("l3-2")
    spread = numbers(row.ours.split(":")[0])[0]
    middles = [float(figure) for figure in re.findall(r"\((-?\d+\.?\d*)\)", row.ours)]
    assert "$7.50 over $0.168" in row.claim
    assert spread == pytest.approx(7.332)
    assert len(middles) == 4
    assert sum(middles) == pytest.approx(spread, abs=5e-4)


def test_l3_3_long_requests_cost_more_than_short_ones_with_the_same_tokens():
    few, many = rows("l3-3")
    hours = [numbers(row.ours.split("cost")[1])[0] for row in (few, many)]
    assert hours[0] > hours[1]
    assert all("L2 for" in row.ours and "L3 bills" in row.ours for row in (few, many))


def test_vert_1_margins_are_paid_only_where_a_layer_s_buyer_is_another_company():
    paid = {re.search(r"of ([\w-]+) sold", row.claim)[1]: row.ours for row in rows("vert-1")}
    assert paid == {
        "anthropic": "paid L2, L3a, L4; internal L1",
        "x-ai": "paid L3a, L4; internal L1, L2",
        "aws": "paid L4; internal L1, L2, L3b",
        "fireworks": "paid L2, L3b, L4; internal L1",
        "google": "paid L4; internal L1, L2, L3a",
        "openai": "paid L2, L4; internal L1, L3a",
    }


def test_dollar_1_says_which_row_tests_nothing_and_the_others_can_fail():
    by_accounts, prior, posterior = rows("dollar-1")
    assert by_accounts.difference is None
    assert "so no test" in by_accounts.assumptions
    shares = [float(figure) for figure in re.findall(r"[a-z] (-?\d\.?\d*)(?:,|;)", by_accounts.assumptions)]
    assert sum(shares) == pytest.approx(1, abs=5e-4)
    # 28 % of what Anthropic spends of a dollar of revenue: 10.341 of 10.9 billion.
    assert numbers(prior.published)[0] == pytest.approx(0.28 * 10.341 / 10.9, abs=1e-4)
    # Evidence moves the figure towards what is published.
    assert abs(numbers(posterior.difference)[0]) <= abs(numbers(prior.difference)[0])


def test_a_range_that_holds_almost_anything_tests_nothing():
    def ours(low: str, mid: str, high: str) -> Interval:
        return Interval(Decimal(low), Decimal(mid), Decimal(high))

    assert (
        against_range(ours("1", "2", "4"), Decimal(3))
        == "published is 1.5 times our middle, inside our range"
    )
    assert (
        against_range(ours("1", "2", "4"), Decimal(8)) == "published is 4 times our middle, outside our range"
    )
    assert against_range(ours("0.05", "0.5", "2.15"), Decimal("0.7")).endswith("too wide to test it")
    assert against_range(ours("-1", "2", "4"), Decimal(3)).endswith("too wide to test it")


def test_util_1_cost_falls_with_use_and_traj_1_names_each_generation():
    (use,), (generations,) = rows("util-1"), rows("traj-1")
    middles = [float(figure) for figure in re.findall(r"%: \$(\d+\.\d+)", use.ours)]
    assert middles == sorted(middles, reverse=True)
    assert middles[0] == pytest.approx(10 * middles[-1], rel=0.05)
    on = dict(re.findall(r"(\w[\w ]*) \$(\d+\.\d+)", generations.ours))
    assert float(on["B200"]) < float(on["H100"])


def test_open_1_states_how_far_the_book_is_from_the_article():
    hosts = rows("open-1")
    assert ["beyond the range" in (row.difference or "") for row in hosts] == [True, True]
    assert "own API +8.8 %" in (hosts[0].difference or "")


@pytest.mark.parametrize(
    ("published", "ours", "said"),
    [("100", "100.00", "none"), ("100", "98", "-2.0 %"), ("8", "10", "+25.0 %")],
)
def test_differences_are_relative_to_what_was_published(published, ours, said):
    assert differs((published, Decimal(ours))) == said


def test_a_range_has_an_inside_and_two_outsides():
    assert within("1", "2", Decimal("1.5")) == "within the range"
    assert within("1", "2", Decimal("0.9")) == "-10.0 % beyond the range"
    assert within("1", "2", Decimal("3")) == "+50.0 % beyond the range"
