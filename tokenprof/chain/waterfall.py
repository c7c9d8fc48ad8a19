"""A run's waterfall: those of its suppliers added up, and its steps taken further apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from tokenprof.costing.compute import Hardware
from tokenprof.hw_model.catalogue.lookup import find_chip
from tokenprof.pricing.chain.figures import ChainData, ChipPrice
from tokenprof.pricing.chain.interval import Interval, add_up
from tokenprof.pricing.chain.layers import OWNER_PARTS, Waterfall, WaterfallStep, WaterfallStepName


def steps_by_name(fall: Waterfall) -> dict[WaterfallStepName, WaterfallStep]:
    """Return the steps of a waterfall by name."""
    return {step.name: step for step in fall.steps}


def owner_cost_of(fall: Waterfall) -> Interval:
    """Return the owner's cost of the hours [USD]: chips, building and power."""
    steps = steps_by_name(fall)
    return add_up(steps[name].usd for name in OWNER_PARTS)


def add_falls(paid_usd: Decimal, falls: Sequence[Waterfall]) -> Waterfall:
    """Return the waterfalls of several suppliers as one, step by step of the same name."""
    steps: dict[WaterfallStepName, WaterfallStep] = {}
    for step in (step for fall in falls for step in fall.steps):
        known = steps.get(step.name)
        if known is None:
            steps[step.name] = step
            continue
        internal = [each for each in (known.internal_usd, step.internal_usd) if each is not None]
        sources = known.source if known.source == step.source else f"{known.source}; {step.source}"
        steps[step.name] = WaterfallStep(
            step.name, known.usd + step.usd, sources, add_up(internal) if internal else None
        )
    return Waterfall(paid_usd, tuple(steps.values()))


def price_of_chip(hardware: Hardware, figures: ChainData) -> ChipPrice | None:
    """Return how the price of the deployment's chip splits, or that of the chain file's first chip.

    None if the chain file prices no chip.
    """
    for scenario in hardware.scenarios.values():
        if scenario.description.chip in figures.chip_prices:
            return figures.chip_prices[scenario.description.chip]
    return next(iter(figures.chip_prices.values()), None)


def finer_parts(
    fall: Waterfall, chip_price: ChipPrice | None, figures: ChainData
) -> dict[WaterfallStepName, Mapping[str, Interval]]:
    """Return the parts of the steps for chips and building [USD], if the chain file has shares of them.

    Chips are split in proportion to the capital of an accelerator (its catalogue row): memory, foundry and
    packaging, the designer, and the server with its network. The building is split by `[[building_part]]`.
    """
    steps = steps_by_name(fall)
    found: dict[WaterfallStepName, Mapping[str, Interval]] = {}
    if chip_price is not None and WaterfallStepName.CHIPS in steps:
        capital = Decimal(str(find_chip(chip_price.chip).capex_usd[1]))
        price = chip_price.price_usd.mid
        capital_parts = {
            "memory (HBM)": chip_price.hbm_usd,
            "foundry, packaging and test": chip_price.foundry_usd,
            "chip designer": Interval.exactly(price) - chip_price.hbm_usd - chip_price.foundry_usd,
            "servers and network": Interval.exactly(capital - price),
        }
        found[WaterfallStepName.CHIPS] = _split(steps[WaterfallStepName.CHIPS].usd, capital_parts, capital)
    if figures.building_parts and WaterfallStepName.BUILDING in steps:
        shares = {name: part.value for name, part in figures.building_parts.items()}
        whole = sum((share.mid for share in shares.values()), Decimal(0))
        found[WaterfallStepName.BUILDING] = _split(steps[WaterfallStepName.BUILDING].usd, shares, whole)
    return found


def _split(usd: Interval, parts: Mapping[str, Interval], whole: Decimal) -> dict[str, Interval]:
    """Return dollars split in proportion to parts of a whole."""
    return {
        name: (usd * Interval(part.low / whole, part.mid / whole, part.high / whole)).rounded()
        for name, part in parts.items()
    }
