"""Rows l1-1 to l1-6: what a megawatt of AI capacity costs, down to the floor of an H100-hour."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from tokenprof.hw_model.catalogue.lookup import find_chip
from tokenprof.hw_model.equations.gpu_hour import Ownership, Site, site_cost
from tokenprof.pricing.chain.figures import ChainData
from tokenprof.pricing.chain.published_claims import Example, differs, plain


def site_of(figures: ChainData, building_usd_per_mw: Decimal | None = None) -> Site:
    """Return the published megawatt of AI capacity; `building_usd_per_mw` replaces its building's price."""
    published = {name: row.value.mid for name, row in figures.site.items()}
    return Site(
        building_usd=float(building_usd_per_mw or published["building_usd_per_mw"]),
        building_life_years=float(published["building_life_years"]),
        accelerators=int(published["chips_per_mw"]),
        usd_per_accelerator=float(published["chip_usd"]),
        accelerator_life_years=float(published["chip_life_years"]),
        power_kw=1000.0,
        usd_per_kwh=float(published["usd_per_kwh"]),
    )


def site_rows(figures: ChainData) -> Iterator[Example]:
    """Yield the published arithmetic of a megawatt, then the same hour with a cost of capital."""
    cost = site_cost(site_of(figures))
    source = figures.site["building_usd_per_mw"].source
    for row_id, what, published, ours in (
        ("l1-1", "the building of 1 MW, $ M a year", "0.6", cost.building_usd_per_year / 1e6),
        ("l1-2", "its 750 H100, $ M a year", "5.25", cost.chips_usd_per_year / 1e6),
        ("l1-3", "its power, $ M a year", "0.7", cost.power_usd_per_year / 1e6),
        ("l1-4", "all of it, $ M a year", "6.55", cost.total_usd_per_year / 1e6),
        ("l1-4", "invested, $ M", "41", cost.invested_usd / 1e6),
        ("l1-5", "floor of an H100-hour, USD", "1.0", cost.usd_per_accelerator_hour),
        ("l1-5", "the chips' share of it", "0.80", cost.chips_share),
    ):
        figure = Decimal(f"{ours:.6g}")
        yield Example(row_id, what, published, plain(figure), source, differs((published, figure)))
    yield _with_cost_of_capital(figures)
    yield _by_building_price(figures)


def _with_cost_of_capital(figures: ChainData) -> Example:
    """Return the floor bottom up, with a cost of capital, by chip and price of power."""
    found = []
    for name in ("H100", "B200", "GB200"):
        hours = [
            Ownership(usd_per_kwh=float(region.usd_per_kwh.mid)).usd_per_chip_hour(find_chip(name))
            for region in figures.regions.values()
        ]
        found.append(f"{name} {min(hours):.2f} to {max(hours):.2f}")
    regions = "; ".join(f"{name} ${region.usd_per_kwh.mid}/kWh" for name, region in figures.regions.items())
    return Example(
        "l1-5",
        "the hour's floor with a cost of capital of 10 % a year, by chip and price of power, USD",
        None,
        "; ".join(found),
        f"capital recovery over 4 years, 2 % maintenance, colocation; {regions}",
    )


def _by_building_price(figures: ChainData) -> Example:
    prices = (Decimal(15_000_000), Decimal(20_000_000), Decimal(30_000_000))
    costs = [site_cost(site_of(figures, usd_per_mw)) for usd_per_mw in prices]
    floors = "; ".join(
        f"${price / 1_000_000:.0f} M: {cost.usd_per_accelerator_hour:.3f}, chips {cost.chips_share:.0%}"
        for price, cost in zip(prices, costs, strict=True)
    )
    return Example(
        "l1-6",
        "the same floor by what the building costs per MW ($15 M in the synthesis, $20-30 M in the baseline)",
        None,
        floors,
        figures.site["building_usd_per_mw"].source,
    )
