"""The steps of a waterfall that can be taken further apart: who gets what of a chip, and of a building."""

from __future__ import annotations

from decimal import Decimal

from tokenprof.costing.compute import Hardware
from tokenprof.hw_model.catalogue.lookup import find_chip
from tokenprof.pricing.chain.figures import ChainData, ChipPrice
from tokenprof.pricing.chain.interval import Interval
from tokenprof.pricing.chain.layers import Waterfall, WaterfallStepName


def price_of_chip(hardware: Hardware, data: ChainData) -> ChipPrice | None:
    """Return who gets what of the deployment's chip; of the data file's first where that is not known."""
    for scenario in hardware.scenarios.values():
        if scenario.description.chip in data.chip_prices:
            return data.chip_prices[scenario.description.chip]
    return next(iter(data.chip_prices.values()), None)


def finer_parts(
    fall: Waterfall, sold: ChipPrice | None, data: ChainData
) -> dict[WaterfallStepName, dict[str, Interval]]:
    """Return chips and building taken further apart, where the data file has sourced shares.

    Chips, against the capital of the chip's catalogue row: memory makers, foundry and packaging, the
    designer, and servers with their network. Building: `[[building_part]]`.
    """
    usd = {step.name: step.usd for step in fall.steps}
    found: dict[WaterfallStepName, dict[str, Interval]] = {}
    if sold is not None and WaterfallStepName.CHIPS in usd:
        capital = Decimal(str(find_chip(sold.chip).capex_usd[1]))
        designer = Interval.exactly(sold.price_usd.mid) - sold.hbm_usd - sold.foundry_usd
        shares = {
            "memory (HBM)": sold.hbm_usd,
            "foundry, packaging and test": sold.foundry_usd,
            "chip designer": designer,
            "servers and network": Interval.exactly(capital - sold.price_usd.mid),
        }
        found[WaterfallStepName.CHIPS] = {
            name: _share(usd[WaterfallStepName.CHIPS], part, capital) for name, part in shares.items()
        }
    if data.building_parts and WaterfallStepName.BUILDING in usd:
        whole = sum((part.value.mid for part in data.building_parts.values()), Decimal(0))
        found[WaterfallStepName.BUILDING] = {
            name: _share(usd[WaterfallStepName.BUILDING], part.value, whole)
            for name, part in data.building_parts.items()
        }
    return found


def _share(usd: Interval, part: Interval, whole: Decimal) -> Interval:
    return (usd * Interval(part.low / whole, part.mid / whole, part.high / whole)).rounded()
