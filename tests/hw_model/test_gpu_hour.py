"""The hour of an accelerator, bottom up."""

from dataclasses import replace

import pytest

from tokenprof.hw_model.catalogue.lookup import find_chip
from tokenprof.hw_model.equations.gpu_hour import Ownership, Site, capital_recovery_factor, site_cost

ONE_MEGAWATT = Site(
    building_usd=15e6,
    building_life_years=25,
    accelerators=750,
    usd_per_accelerator=35_000,
    accelerator_life_years=5,
    power_kw=1_000,
    usd_per_kwh=0.08,
)


def test_l1_the_published_megawatt():
    cost = site_cost(ONE_MEGAWATT)
    assert cost.building_usd_per_year == pytest.approx(0.6e6)
    assert cost.chips_usd_per_year == pytest.approx(5.25e6)
    assert cost.power_usd_per_year == pytest.approx(0.7e6, abs=0.05e6)
    assert cost.total_usd_per_year == pytest.approx(6.55e6, abs=0.005e6)
    assert cost.invested_usd == pytest.approx(41.25e6)
    assert cost.usd_per_accelerator_hour == pytest.approx(1.0, abs=0.01)
    assert cost.chips_share == pytest.approx(0.8, abs=0.005)


def test_l1_6_a_more_expensive_building_raises_the_floor():
    low, high = (
        site_cost(replace(ONE_MEGAWATT, building_usd=usd)).usd_per_accelerator_hour for usd in (20e6, 30e6)
    )
    assert site_cost(ONE_MEGAWATT).usd_per_accelerator_hour < low < high


def test_capital_recovery():
    assert capital_recovery_factor(0.0, 5) == 0.2
    # One year's loan is repaid with its interest.
    assert capital_recovery_factor(0.1, 1) == pytest.approx(1.1)
    assert capital_recovery_factor(0.1, 4) == pytest.approx(0.31547, abs=1e-5)
    with pytest.raises(ValueError, match="positive number of years"):
        capital_recovery_factor(0.1, 0)


def test_an_owned_hour_is_the_sum_of_chips_building_and_power_by_hand():
    owner = Ownership(
        cost_of_capital=0.0,
        life_years=4.0,
        maintenance_share_per_year=0.02,
        colo_usd_per_kw_month=73.0,
        usd_per_kwh=0.1,
        load=0.5,
    )
    hour = owner.parts_usd_per_hour(capex_usd=35_040.0, all_in_kw=2.0)
    # 35,040 * (1/4 + 0.02) / 8,760; 12 * 73 * 2 / 8,760; 0.5 * 2 kW * 0.1.
    assert hour.chips_usd == pytest.approx(1.08)
    assert hour.building_usd == pytest.approx(0.2)
    assert hour.power_usd == pytest.approx(0.1)
    assert owner.usd_per_hour(35_040.0, 2.0) == pytest.approx(1.38)


@pytest.mark.parametrize(
    ("chip", "published"),
    [("H100", 1.55), ("H200", 1.59), ("B200", 2.07), ("GB200", 2.26), ("GB300", 2.79), ("MI355X", 2.09)],
)
def test_an_owned_hour_is_that_of_a_neocloud_in_the_published_cost_model_of_august_2026(chip, published):
    assert Ownership().usd_per_chip_hour(find_chip(chip)) == pytest.approx(published, rel=0.01)
