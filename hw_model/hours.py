"""What the accelerator-hours of a scenario cost, draw by draw: to their owner, and to who rents them."""

from __future__ import annotations

from typing import Final

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Array
from tokenprof.hw_model.catalogue.chips import Chip
from tokenprof.hw_model.catalogue.lookup import chips
from tokenprof.hw_model.description import Assumption, HourBasis, HourTenure
from tokenprof.hw_model.equations.gpu_hour import OwnerHour, OwnerRanges, Ownership, Range
from tokenprof.hw_model.equations.quantiles import median, percentiles
from tokenprof.hw_model.estimate import Estimate
from tokenprof.hw_model.fleet.sampling import quantile_of_log_triangle
from tokenprof.hw_model.hour_draws import HourDraws
from tokenprof.hw_model.serving_settings import BY_THE_USER, RentedHours, ServingSettings

OWNED_SOURCE: Final = "the owner's hour: capital recovery, building and power, equation 2.9"

_APART: Final = 1e-6
"""How far the ends of a rent are at least apart, as a share: a triangle needs a width."""


def owner_ranges(settings: ServingSettings) -> OwnerRanges:
    """Return what an owner's finances are drawn from, with what the user says in place of our ranges."""
    usual = OwnerRanges()

    def known(given: float | None, otherwise: Range) -> Range:
        return otherwise if given is None else (given, given, given)

    return OwnerRanges(
        known(settings.cost_of_capital, usual.cost_of_capital),
        known(settings.life_years, usual.life_years),
        known(settings.colo_usd_per_kw_month, usual.colo_usd_per_kw_month),
        known(settings.usd_per_kwh, usual.usd_per_kwh),
    )


def hour_draws(
    owner: OwnerHour,
    chip: Array,
    settings: ServingSettings,
    *,
    utilisation: Array,
    service_factor: Array,
    seed: int = 0,
) -> HourDraws:
    """Return what the hours of draws cost, whoever pays for them.

    `chip` is the index of each draw's chip in the catalogue. A price by the user replaces everything, rents
    replace the owner's cost. A rent is drawn between its low and high (log-triangular around the usual one),
    at one quantile of all chips in a draw, because their markets move together; a single draw takes the usual
    one.
    """
    total = np.asarray(owner.total_usd, dtype=float)
    tenure: HourTenure = "owned"
    source, paid, rent = OWNED_SOURCE, total, None
    if settings.rents is not None:
        rent, of_rent = _rents(total, chip, settings.rents, seed)
        if settings.pays_rent:
            tenure, source, paid = "rented", of_rent, rent
    if settings.usd_per_gpu_hour is not None:
        tenure, source = "given", BY_THE_USER
        paid = np.full(total.shape, settings.usd_per_gpu_hour)
    basis = HourBasis(tenure, _spread(paid), _spread(total), source)
    return HourDraws(owner, paid, rent, np.broadcast_to(utilisation, paid.shape), service_factor, basis)


def _rents(owned: Array, chip: Array, rented: RentedHours, seed: int) -> tuple[Array, str]:
    """Return the rent of each draw's chip [USD/h], and where it comes from."""
    catalogue = list(chips().values())
    usual = usual_rent_over_owned(rented)
    used = sorted({int(index) for index in chip.tolist()})
    bounds = np.zeros((len(catalogue), 3))
    sources: list[str] = []
    stand_ins: list[str] = []
    for index in used:
        row = rented.by_chip.get(catalogue[index].name)
        if row is None:
            stand_ins.append(catalogue[index].name)
            continue
        bounds[index] = row.low_usd, row.mid_usd, row.high_usd
        sources.append(f"{catalogue[index].name} {row.mid_usd:g} ({row.low_usd:g}-{row.high_usd:g})")
    row_of = bounds[chip.astype(int)]
    known = row_of[:, 1] > 0
    safe = np.where(known[:, None], row_of, 1.0)
    low = np.minimum(safe[:, 0], safe[:, 1] * (1 - _APART))
    high = np.maximum(safe[:, 2], safe[:, 1] * (1 + _APART))
    draws = len(owned)
    quantile = np.random.default_rng([seed, 2]).random(draws) if draws > 1 else None
    rent = (
        safe[:, 1]
        if quantile is None
        else quantile_of_log_triangle(np.stack([low, safe[:, 1], high], axis=1), quantile)
    )
    said = [f"{rented.terms}, USD/h: {', '.join(sources)}"] if sources else []
    if stand_ins:
        said.append(f"{', '.join(stand_ins)} at {usual:.2f} times the owner's hour (no rent is known)")
    return np.where(known, rent, owned * usual), "; ".join(said)


def usual_rent_over_owned(rented: RentedHours) -> float:
    """Return the median ratio of rent to the owner's hour over chips whose rent is known; 1 without any."""
    owner = Ownership()
    ratios = [
        row.mid_usd / owner.usd_per_chip_hour(chips()[name])
        for name, row in rented.by_chip.items()
        if name in chips()
    ]
    return median(np.array(ratios)) if ratios else 1.0


def hour_assumptions(hours: HourDraws, chip: Chip | None, settings: ServingSettings) -> list[Assumption]:
    """Return the rows on the price of an hour that a report lists. `chip` is that of a given deployment."""
    basis = hours.basis
    if basis.tenure == "given":
        return [Assumption("USD per accelerator-hour", basis.paid.mid, BY_THE_USER, unit="USD/h")]
    rows = [_hour_row(f"USD per accelerator-hour, {basis.tenure}", basis.paid, basis.source)]
    if basis.tenure == "rented":
        rows.append(_hour_row("USD per accelerator-hour, its owner's cost", basis.owner, OWNED_SOURCE))
    if chip is not None:
        rows += owner_ranges(settings).usual().assumptions(chip)
    return rows


def error_assumption(hours: HourDraws) -> Assumption:
    """Return the row on this model's own error: by what costs are multiplied beyond the equations."""
    low, mid, high = (float(f"{v:.4g}") for v in percentiles(hours.service_factor, (10, 50, 90)))
    return Assumption(
        "error of this model", mid, "measured over predicted, held-out services (section 5)", low, high
    )


def _hour_row(name: str, usd: Estimate, source: str) -> Assumption:
    if usd.low == usd.high:
        return Assumption(name, round(usd.mid, 3), source, unit="USD/h")
    return Assumption(name, round(usd.mid, 3), source, round(usd.low, 3), round(usd.high, 3), "USD/h")


def _spread(values: Array) -> Estimate:
    return Estimate(*percentiles(values, [10, 50, 90]).tolist())
