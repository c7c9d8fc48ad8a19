"""Reasons why a model lies outside the band of the market test: from facts, by rule."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest


@pytest.fixture
def rules(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks" / "economics"))
    import market_reasons

    return market_reasons


@pytest.fixture
def dear(rules):
    """Input sold at 1 USD by three hosts, ten times its cost, and nothing known that would explain it."""
    return rules.ClassFacts(
        output=False, host_usd=(0.9, 1.0, 1.1), maker_usd=None, list_output_over_input=4.0,
        cost_output_over_input=8.0, ratio=10.0, ratio_low=6.0, ratio_high=20.0, other_ratio=6.0,
        blend_ratio=8.0, breaks_even_at=0.06, tokens_per_s=None, ratio_at_drawn_speed=10.0,
        weight_bytes=400e9, released=date(2024, 12, 26), replaced_by=None, at=date(2026, 11, 22),
    )  # fmt: skip


@pytest.fixture
def cheap(dear):
    """Output sold at half of its cost."""
    return replace(
        dear, output=True, ratio=0.5, ratio_low=0.3, ratio_high=0.7, ratio_at_drawn_speed=0.5, blend_ratio=0.6
    )


def test_a_row_that_no_rule_fits_is_not_explained(rules, dear, cheap):
    assert rules.reasons(dear) == (rules.NOT_EXPLAINED,)
    assert rules.reasons(cheap) == (rules.NOT_EXPLAINED,)


def test_the_range_of_our_own_cost_explains_nothing_by_itself(rules, dear):
    found = rules.reasons(replace(dear, ratio_low=4.0))
    assert found == (rules.NOT_EXPLAINED, "P10-P90 of our cost: 4.0-20.0")


def test_inside_the_band_nothing_is_said(rules, dear):
    assert rules.reasons(replace(dear, ratio=5.0, maker_usd=1.0)) == ()
    assert rules.reasons(replace(dear, ratio=0.8, maker_usd=1.0)) == ()


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"maker_usd": 1.04}, "hosts ask the maker's own list price ($1.04)"),
        # The cheapest host asks 0.4 of the median: 10 x 0.4.
        ({"host_usd": (0.4, 1.0, 1.1)}, "hosts differ 2.8x; the cheapest ($0.40) is at 4.0"),
        ({"host_usd": (0.9, 1.1)}, "2 hosts only"),
        ({"released": date(2026, 6, 1)}, "new: 174 days old"),
        ({"weight_bytes": 14e9}, "small (14 GB): one replica breaks even at 6% of its hours sold"),
        (
            {"blend_ratio": 3.0},
            "both classes together 3.0: the list asks 4.0x for output over input, compute 8x",
        ),
        (
            {"tokens_per_s": 25.0, "ratio_at_drawn_speed": 2.0},
            "measured at 25 tokens/s; at usual speeds 2.0",
        ),
    ],
)
def test_each_fact_that_explains_a_high_price_is_said_with_its_figure(rules, dear, facts, said):
    assert rules.reasons(replace(dear, **facts)) == (said,)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"list_output_over_input": 1.5}, "one rate for input and output: input pays 6.0"),
        # The most expensive host asks twice the median.
        ({"host_usd": (0.9, 1.0, 2.0)}, "hosts differ 2.2x; the most expensive ($2.00) is at 1.0"),
        ({"replaced_by": ("Kimi-K3", date(2026, 7, 27))}, "Kimi-K3 replaced it on 2026-07-27"),
    ],
)
def test_each_fact_that_explains_a_low_price_is_said_with_its_figure(rules, cheap, facts, said):
    assert rules.reasons(replace(cheap, **facts)) == (said,)


def test_a_fact_that_just_misses_says_nothing(rules, dear, cheap):
    """A maker 6 % away, a model half a year and a day old, 41 GB, output at 1.6 times input."""
    for facts in ({"maker_usd": 1.0 / 1.06}, {"released": date(2026, 5, 25)}, {"weight_bytes": 41e9}):
        assert rules.reasons(replace(dear, **facts)) == (rules.NOT_EXPLAINED,)
    assert rules.reasons(replace(cheap, list_output_over_input=1.6)) == (rules.NOT_EXPLAINED,)


def test_a_company_that_the_book_has_twice_is_one_host(rules):
    from market_prices import prices_by_host

    market = prices_by_host()
    # Novita's own rows and those of a marketplace.
    assert "Novita" in market["GLM-5"]
    assert not any("huggingface" in host for hosts in market.values() for host in hosts)
