"""What an hour of an accelerator costs its owner, from purchase price, life, cost of capital and power (2.9).

This is layer L1 of the value chain. Rental prices are reported beside it, never mixed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tokenprof.hw_model.catalogue.chips import Chip
from tokenprof.hw_model.plan import Number

HOURS_PER_YEAR: Final = 8760.0


def capital_recovery_factor(rate: Number, life_years: Number) -> Number:
    """Return the yearly payment on a dollar of capital over its life; 1/life without interest."""
    if np.any(np.asarray(life_years) <= 0):
        raise ValueError(
            f"a life of {life_years} years cannot be written off; give a positive number of years"
        )
    interest = np.asarray(rate, dtype=float)
    free = interest == 0
    factor = np.where(free, 1.0 / life_years, interest / (1.0 - (1.0 + interest) ** -life_years + free))
    return factor if factor.ndim else float(factor)


@dataclass(frozen=True, slots=True)
class Ownership:
    """How an accelerator is owned and housed. A colocation price that contains power replaces both terms."""

    cost_of_capital: Number = 0.10
    life_years: Number = 4.0
    maintenance_share_per_year: float = 0.02
    colo_usd_per_kw_month: Number = 100.0
    usd_per_kwh: Number = 0.08
    # The catalogue's all-in kW is at the utility meter, cooling included, so no PUE is applied to it.
    load: float = 0.8

    def usd_per_hour(self, capex_usd: Number, all_in_kw: Number) -> Number:
        """Return the owner's cost of one accelerator-hour, idle or busy [USD] (2.9)."""
        recovery = capital_recovery_factor(self.cost_of_capital, self.life_years)
        yearly = capex_usd * (recovery + self.maintenance_share_per_year)
        housing = 12.0 * self.colo_usd_per_kw_month * all_in_kw
        return (yearly + housing) / HOURS_PER_YEAR + self.load * all_in_kw * self.usd_per_kwh

    def usd_per_chip_hour(self, chip: Chip) -> float:
        """Return the owner's cost of an hour of a catalogue chip at its middle price [USD]."""
        return float(self.usd_per_hour(chip.capex_usd[1], chip.all_in_kw))

    def assumptions(self, chip: Chip) -> list[dict[str, Any]]:
        """Return the inputs as report rows {name, value, low, high, source}."""
        low, mid, high = chip.capex_usd
        ours = "assumed; change it in tokenprof.hw_model.gpu_hour.Ownership"
        rows = [
            ("cost of capital, a year", self.cost_of_capital, ours),
            ("life, years", self.life_years, "InferenceX-app@77ca49a: 4-year life"),
            ("maintenance, share of capital a year", self.maintenance_share_per_year, ours),
            ("colocation without power, USD per kW-month", self.colo_usd_per_kw_month, ours),
            ("electricity, USD per kWh", self.usd_per_kwh, "published range 0.05-0.12"),
            ("all-in kW per accelerator", chip.all_in_kw, chip.sources["all_in_kw"]),
        ]
        capital = {"name": "capital per accelerator, USD", "value": mid, "low": low, "high": high}
        return [
            {**capital, "source": chip.sources["capex_usd"]},
            *({"name": name, "value": value, "source": source} for name, value, source in rows),
        ]


@dataclass(frozen=True, slots=True)
class Site:
    """A building full of accelerators, written off in a straight line unless a cost of capital is given."""

    building_usd: float
    building_life_years: float
    accelerators: int
    usd_per_accelerator: float
    accelerator_life_years: float
    power_kw: float
    usd_per_kwh: float
    cost_of_capital: float = 0.0


@dataclass(frozen=True, slots=True)
class SiteCost:
    """Yearly costs of a site [USD], and what they come to per accelerator-hour."""

    building_usd_per_year: float
    chips_usd_per_year: float
    power_usd_per_year: float
    invested_usd: float
    accelerators: int

    @property
    def total_usd_per_year(self) -> float:
        """All costs of a year."""
        return self.building_usd_per_year + self.chips_usd_per_year + self.power_usd_per_year

    @property
    def usd_per_accelerator_hour(self) -> float:
        """The floor under the price of an accelerator-hour, every hour sold."""
        return self.total_usd_per_year / self.accelerators / HOURS_PER_YEAR

    @property
    def chips_share(self) -> float:
        """The chips' share of the yearly cost."""
        return self.chips_usd_per_year / self.total_usd_per_year


def site_cost(site: Site) -> SiteCost:
    """Return what a site costs a year; with no cost of capital this is the published 1 MW example (2.9)."""
    chips_usd = site.accelerators * site.usd_per_accelerator
    return SiteCost(
        building_usd_per_year=float(
            site.building_usd * capital_recovery_factor(site.cost_of_capital, site.building_life_years)
        ),
        chips_usd_per_year=float(
            chips_usd * capital_recovery_factor(site.cost_of_capital, site.accelerator_life_years)
        ),
        power_usd_per_year=site.power_kw * HOURS_PER_YEAR * site.usd_per_kwh,
        invested_usd=site.building_usd + chips_usd,
        accelerators=site.accelerators,
    )
