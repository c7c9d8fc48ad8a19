"""What an hour of an accelerator costs its owner, from purchase price, life, cost of capital and power (2.9).

This is layer L1 of the value chain. Rental prices are reported beside it, never mixed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Number
from tokenprof.hw_model.catalogue.chips import Chip
from tokenprof.hw_model.equations.assumption import Assumption

HOURS_PER_YEAR: Final = 8760.0
SECONDS_PER_HOUR: Final = 3600.0
MONTHS_PER_YEAR: Final = 12.0

# Low, usual and high, as published or assumed: `Ownership` takes the usual one, closed models draw from all.
COST_OF_CAPITAL: Final = (0.06, 0.10, 0.14)
LIFE_YEARS: Final = (3.5, 4.0, 6.0)
COLO_USD_PER_KW_MONTH: Final = (80.0, 100.0, 140.0)
USD_PER_KWH: Final = (0.05, 0.08, 0.12)


def capital_recovery_factor(rate: Number, life_years: Number) -> Number:
    """Return the yearly payment per dollar of capital that recovers it over its life (2.9) [1/year].

    `rate` is the cost of capital, a share a year; 1/life if it is 0. Raises ValueError for a life that is not
    above 0.
    """
    if np.any(np.asarray(life_years) <= 0):
        raise ValueError(
            f"a life of {life_years} years cannot be written off; give a positive number of years"
        )
    interest = np.asarray(rate, dtype=float)
    free = interest == 0
    factor = np.where(free, 1.0 / life_years, interest / (1.0 - (1.0 + interest) ** -life_years + free))
    return factor if factor.ndim else float(factor)


@dataclass(frozen=True, slots=True)
class OwnerHour:
    """What an accelerator-hour costs its owner [USD]: chips with maintenance, building, and power (2.9)."""

    chips_usd: Number
    building_usd: Number
    power_usd: Number

    @property
    def total_usd(self) -> Number:
        """The whole hour."""
        return self.chips_usd + self.building_usd + self.power_usd


Range = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class OwnerRanges:
    """Low, usual and high of an owner's finances and power, to draw from; equal where they are given."""

    cost_of_capital: Range = COST_OF_CAPITAL
    life_years: Range = LIFE_YEARS
    colo_usd_per_kw_month: Range = COLO_USD_PER_KW_MONTH
    usd_per_kwh: Range = USD_PER_KWH

    def drawn(self, rng: np.random.Generator, draws: int) -> Ownership:
        """Return an owner per draw, each figure uniform between its ends."""
        return Ownership(
            cost_of_capital=rng.uniform(self.cost_of_capital[0], self.cost_of_capital[2], draws),
            life_years=rng.uniform(self.life_years[0], self.life_years[2], draws),
            colo_usd_per_kw_month=rng.uniform(
                self.colo_usd_per_kw_month[0], self.colo_usd_per_kw_month[2], draws
            ),
            usd_per_kwh=rng.uniform(self.usd_per_kwh[0], self.usd_per_kwh[2], draws),
        )

    def usual(self) -> Ownership:
        """Return the owner with the usual figures."""
        return Ownership(
            self.cost_of_capital[1],
            self.life_years[1],
            colo_usd_per_kw_month=self.colo_usd_per_kw_month[1],
            usd_per_kwh=self.usd_per_kwh[1],
        )


@dataclass(frozen=True, slots=True)
class Ownership:
    """How an accelerator is owned and housed.

    `cost_of_capital` and `maintenance_share_per_year` are shares of the capital a year, `load` is mean power
    over all-in power. If a colocation price contains power, set `usd_per_kwh` to 0.
    """

    cost_of_capital: Number = COST_OF_CAPITAL[1]
    life_years: Number = LIFE_YEARS[1]
    maintenance_share_per_year: float = 0.02
    colo_usd_per_kw_month: Number = COLO_USD_PER_KW_MONTH[1]
    usd_per_kwh: Number = USD_PER_KWH[1]
    # The catalogue's all-in kW is at the utility meter, cooling included, so no PUE is applied to it.
    load: float = 0.8

    def parts_usd_per_hour(self, capex_usd: Number, all_in_kw: Number) -> OwnerHour:
        """Return what an accelerator-hour costs its owner, idle or busy, part by part (2.9) [USD].

        `capex_usd` is the capital per accelerator with its share of server and network, `all_in_kw` the power
        per accelerator at the utility meter.
        """
        recovery = capital_recovery_factor(self.cost_of_capital, self.life_years)
        return OwnerHour(
            chips_usd=capex_usd * (recovery + self.maintenance_share_per_year) / HOURS_PER_YEAR,
            building_usd=MONTHS_PER_YEAR * self.colo_usd_per_kw_month * all_in_kw / HOURS_PER_YEAR,
            power_usd=self.load * all_in_kw * self.usd_per_kwh,
        )

    def usd_per_hour(self, capex_usd: Number, all_in_kw: Number) -> Number:
        """Return what an accelerator-hour costs its owner, idle or busy (2.9) [USD]."""
        return self.parts_usd_per_hour(capex_usd, all_in_kw).total_usd

    def usd_per_chip_hour(self, chip: Chip) -> float:
        """Return what an hour of a catalogue chip costs its owner at the chip's middle price (2.9) [USD]."""
        return float(self.usd_per_hour(chip.capex_usd[1], chip.all_in_kw))

    def assumptions(self, chip: Chip) -> list[Assumption]:
        """Return the inputs of `usd_per_chip_hour`, each with its source."""
        low, mid, high = chip.capex_usd
        ours = "assumed; change it in tokenprof.hw_model.equations.gpu_hour.Ownership"
        kwh = f"published range {USD_PER_KWH[0]}-{USD_PER_KWH[2]}"
        rows = [
            ("cost of capital, a year", self.cost_of_capital, ours, None),
            ("life, years", self.life_years, "InferenceX-app@77ca49a: 4-year life", "years"),
            ("maintenance, share of capital a year", self.maintenance_share_per_year, ours, None),
            ("colocation without power, USD per kW-month", self.colo_usd_per_kw_month, ours, "USD/kW-month"),
            ("electricity, USD per kWh", self.usd_per_kwh, kwh, "USD/kWh"),
        ]
        source = chip.sources["capex_usd"]
        return [
            Assumption("capital per accelerator, USD", mid, source, low, high, "USD"),
            *(Assumption(name, float(value), said, unit=unit) for name, value, said, unit in rows),
            Assumption("all-in kW per accelerator", chip.all_in_kw, chip.sources["all_in_kw"], unit="kW"),
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
