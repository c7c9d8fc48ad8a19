"""What each layer of a run's chain pays for its input and gets for its output, from GPU-hours up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Final

from tokenprof.chain.choices import Choices, seller_of
from tokenprof.chain.servers import Server
from tokenprof.chain.waterfall import owner_cost_of, steps_by_name
from tokenprof.data_classes.frozen import frozen
from tokenprof.pricing.chain.figures import ChainData, Supplier
from tokenprof.pricing.chain.interval import ONE, Interval, gross_margin
from tokenprof.pricing.chain.layers import (
    Markup,
    Sale,
    Waterfall,
    WaterfallStepName,
    markup,
    route_of,
    sales,
)


@frozen
class Layer:
    """One layer's input cost against its output price, and whether that margin is a transaction at all."""

    sale: Sale
    sells: str
    markup: Markup


def layers_of(
    fall: Waterfall,
    rental_per_owner_cost: Interval | None,
    servers: Mapping[str, Server],
    billed_usd: Decimal,
    figures: ChainData,
    choices: Choices,
    parts: Mapping[WaterfallStepName, Mapping[str, Interval]],
) -> tuple[Layer, ...]:
    """Return each layer's input cost against its output price for a run, from accelerators up.

    A layer that sells to its own company makes no transaction; its row is marked internal. A run on several
    providers is shown as if the first one's server served all of it. Nobody is named who is not known.
    Raises `ChainDataError` for a company that the chain file lacks.
    """
    server = next(iter(servers.values()))
    serving = server.supplier or Supplier(
        UNKNOWN_SERVER, frozenset({"L3a"} if server.trains else {"L3b"}), "not known", date.min
    )
    route = route_of(
        serving,
        _owner_of_racks(figures, choices),
        seller_of(serving, figures, choices),
        "L3a" if server.trains else "L3b",
        owns_racks=server.owns_racks,
    )
    sold = _markups(fall, rental_per_owner_cost, billed_usd, choices)
    rows = tuple(Layer(sale, *sold[sale.layer]) for sale in sales(route) if sale.layer in sold)
    return (*_makers(parts), *rows)


def _makers(parts: Mapping[WaterfallStepName, Mapping[str, Interval]]) -> tuple[Layer, ...]:
    """Return the row of the chips: what the designer pays for them and sells them for."""
    chips = parts.get(WaterfallStepName.CHIPS)
    if chips is None:
        return ()
    cost = chips["memory (HBM)"] + chips["foundry, packaging and test"]
    price = cost + chips["chip designer"]
    # The range of all three is that of the hours, so the margin is that of the middles.
    margin = gross_margin(Interval.exactly(price.mid), Interval.exactly(cost.mid))
    factor = Interval.exactly(price.mid / cost.mid) if cost.mid > 0 else Interval.exactly(ONE)
    return (Layer(Sale("L0", DESIGNER, "market"), "accelerators", Markup(cost, price, factor, margin)),)


DESIGNER: Final = "the chip designer"
UNKNOWN_SERVER: Final = "the model's server (not named)"
UNKNOWN_OWNER: Final = "the owner of the racks (not named)"


def _owner_of_racks(figures: ChainData, choices: Choices) -> Supplier:
    if choices.compute is not None:
        return figures.supplier(choices.compute)
    return Supplier(UNKNOWN_OWNER, frozenset({"L1", "L2"}), "not public", date.min)


def _markups(
    fall: Waterfall, rental_per_owner_cost: Interval | None, billed_usd: Decimal, choices: Choices
) -> dict[str, tuple[str, Markup]]:
    """Return what each layer sells, and at what markup. Racks are handed to L2 of the same owner at cost."""
    steps = steps_by_name(fall)
    owner, training = owner_cost_of(fall), steps[WaterfallStepName.TRAINING].usd
    margin = steps[WaterfallStepName.GPU_HOUR_MARGIN]
    rent_at_market = _not_below_zero(owner + (margin.internal_usd or margin.usd))
    hours = _not_below_zero(owner + margin.usd)
    billed, paid = Interval.exactly(billed_usd), Interval.exactly(fall.billed_usd)
    # Rent and cost are of the same hours, so their ratio is known better than either.
    over_cost = rental_per_owner_cost or Interval.exactly(ONE)
    rent_margin = gross_margin(over_cost, Interval.exactly(ONE))
    resold = ("tokens, resold", markup(billed, paid))
    if choices.path == "plan":
        # Whoever serves the model also sells the plan, so the tokens have a cost on the way and no price.
        resold = ("a session of a plan", markup(hours + training, paid))
    return {
        "L1": (
            "racks with building and power",
            Markup(owner, owner, Interval.exactly(ONE), Interval.exactly(0)),
        ),
        "L2": ("GPU-hours", Markup(owner, rent_at_market, over_cost, rent_margin)),
        "L3a": ("tokens", markup(hours + training, billed)),
        "L3b": ("tokens", markup(hours, billed)),
        "L4": resold,
    }


def _not_below_zero(usd: Interval) -> Interval:
    """Return a sum of ranges whose parts do not move together, without what is below 0."""
    return usd.at_least(Decimal("1e-12"))
