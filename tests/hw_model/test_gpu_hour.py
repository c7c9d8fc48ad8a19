"""The hour of an accelerator, bottom up."""

from dataclasses import replace

import pytest

from tokenprof.hw_model.catalogue.lookup import find_chip
from tokenprof.hw_model.gpu_hour import Ownership, Site, capital_recovery_factor, site_cost

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


def test_l1_6_the_more_expensive_building_widens_the_floor():
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


@pytest.mark.parametrize(
    ("chip", "published"), [("H100", 1.69), ("H200", 1.74), ("B200", 2.34), ("GB200", 2.75), ("MI300X", 1.40)]
)
def test_an_owned_hour_is_near_the_published_total_cost_of_ownership(chip, published):
    assert Ownership().usd_per_chip_hour(find_chip(chip)) == pytest.approx(published, rel=0.15)
