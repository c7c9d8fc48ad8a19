"""The chain as JSON: the section of every report, and what `tokenprof chain --format json` prints.

Money is a decimal string; a range is `{low, mid, high}`, equal where the figure is known. Billed and paid
dollars are never ranges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from tokenprof.chain.chain import Chain, Choices, NothingToPushDownError, chain_of
from tokenprof.chain.cost_shaped_price import cost_shaped
from tokenprof.chain.kv_between_turns import STAND_IN, gaps_of
from tokenprof.chain.owner_cost import at_utilisation, generations, on_chip
from tokenprof.costing.compute import Hardware
from tokenprof.costing.ledger import Ledger
from tokenprof.pricing.chain.figures import ChainData, Figure, PublishedMargin, load_chain_data
from tokenprof.pricing.chain.interval import Interval
from tokenprof.pricing.chain.layers import WaterfallStep
from tokenprof.report.money import interval_json, price_to_cost, usd

Json = dict[str, Any]

SCHEMA: Final = "tokenprof.chain/1"
UTILISATIONS: Final = (0.1, 0.2, 0.3, 0.5, 0.8, 1.0)
PLACES: Final = 12


def chain_section(
    ledger: Ledger,
    hardware: Hardware,
    data: ChainData | None = None,
    choices: Choices | None = None,
) -> Json | None:
    """Return where a run's billed dollars go, and its cost-shaped price; None where none can be followed."""
    figures = data or load_chain_data()
    try:
        chain = chain_of(ledger, hardware, figures, choices)
    except NothingToPushDownError:
        return None
    return chain_json(chain, figures) | {"cost_shaped": shape_json(ledger, hardware)}


def chain_json(chain: Chain, data: ChainData) -> Json:
    """Return a chain as JSON."""
    shares = chain.fall.shares()
    return {
        "schema": SCHEMA,
        "path": chain.choices.path,
        "turns": chain.turns,
        "turns_left_out": chain.left_out,
        "billed_usd": usd(chain.billed_usd),
        "paid_usd": usd(chain.paid_usd),
        "compute_usd": range_json(chain.compute_usd),
        "suppliers": dict(chain.suppliers),
        "waterfall": [
            _step(step, shares[step.name], chain.parts.get(step.name, {})) for step in chain.fall.steps
        ],
        "layers": [
            {
                "layer": layer.sale.layer,
                "supplier": layer.sale.supplier,
                "sells": layer.sells,
                "kind": layer.sale.kind,
                "cost_usd": range_json(layer.markup.cost),
                "price_usd": range_json(layer.markup.price),
                "price_to_cost": range_json(layer.markup.factor, 4),
                "gross_margin": range_json(layer.markup.margin, 4),
            }
            for layer in chain.layers
        ],
        "inference_margin": range_json(chain.inference_margin, 4),
        "all_in_margin": range_json(chain.all_in_margin, 4),
        "published_margins": [_figure(figure) for figure in data.margins.values()],
        "spread": {
            "anchor": chain.choices.anchor,
            "anchor_usd": usd(chain.spread.anchor_usd),
            "spread_usd": usd(chain.spread.spread_usd),
            "efficiency_loss": range_json(chain.spread.efficiency_loss),
            "training_amortisation": range_json(chain.spread.training_amortisation),
            "brand_premium": range_json(chain.spread.brand_premium),
            "residual": range_json(chain.spread.residual),
        },
        "paths": {
            "direct_usd": usd(chain.prices.direct_usd),
            "aggregator": chain.choices.aggregator,
            "aggregator_usd": usd(chain.prices.aggregator_usd),
            "plan": chain.choices.plan,
            "sessions_per_month": chain.choices.sessions_per_month,
            "plan_usd": usd(chain.prices.plan_usd),
        },
        "plans": [
            {
                "plan": item.plan.name,
                "usd_per_month": usd(item.plan.usd_per_month),
                "credit_usd_per_month": usd(item.plan.credit_usd_per_month),
                "usd_per_session": usd(item.usd_per_session),
                "break_even_sessions": item.break_even_sessions,
                "sessions_at_compute_cost": range_json(item.sessions_at_compute_cost, 1),
                "price_to_compute": range_json(item.price_to_compute, 2),
                "source": item.plan.source,
            }
            for item in chain.plans
        ],
        "assumptions": assumptions(chain, data),
    }


def _step(step: WaterfallStep, share: Interval, parts: Mapping[str, Interval]) -> Json:
    return {
        "name": step.name,
        "usd": range_json(step.usd),
        "share": range_json(share, 6),
        "internal_usd": None if step.internal_usd is None else range_json(step.internal_usd),
        "source": step.source,
        "parts": [{"name": name, "usd": range_json(part)} for name, part in parts.items()],
    }


def assumptions(chain: Chain, data: ChainData) -> list[Json]:
    """Return what a chain rests on beyond prices and hardware, as report rows."""
    training = data.share("training_per_inference")
    rows = [_figure(chain.rental) | {"name": f"USD per GPU-hour rented: {chain.rental.name}"}]
    rows.append(_figure(training) | {"name": "training per dollar of inference"})
    rows.append(_figure(data.share("brand_premium")) | {"name": "brand premium, share of the price"})
    sold = chain.chip_price
    if sold is not None:
        rows.append({"name": f"who gets what of a chip: {sold.chip}", "value": None, "source": sold.source})
    return rows


def _figure(figure: Figure | PublishedMargin) -> Json:
    return {
        "name": figure.name,
        "value": usd(figure.value.mid),
        "low": usd(figure.value.low),
        "high": usd(figure.value.high),
        "source": figure.source,
        "checked": figure.checked.isoformat(),
        "assumed": figure.assumed,
    }


def shape_json(ledger: Ledger, hardware: Hardware) -> Json:
    """Return the cost-shaped bill, turn by turn beside the real one."""
    turns = cost_shaped(ledger, hardware)
    whole = sum((turn.billed_usd for turn in turns), Decimal(0))
    return {
        "total_usd": usd(whole),
        "basis": "each turn's share of the run's compute, in each sampled world, scaled to the same total: a "
        "prompt is prefilled once while it stays cached, an output token costs by the context behind it",
        "turns": [
            {
                "index": turn.index,
                "billed_usd": usd(turn.billed_usd),
                "shaped_usd": range_json(turn.shaped_usd),
            }
            for turn in turns
        ],
    }


def sweeps_json(
    ledger: Ledger, hardware: Hardware, utilisation: float | None = None, deployment: str | None = None
) -> Json:
    """Return the same run at other utilisations (overbuild) and on other generations (trajectory).

    The billed amount stays; what changes is what the run costs to compute. `utilisation` and `deployment` are
    those that `hardware` was made with.
    """
    billed = sum((usd for usd in ledger.billed_usd if usd is not None), Decimal(0))
    used = [(share, at_utilisation(ledger.run, hardware, share, deployment)) for share in UTILISATIONS]
    chips = [(chip, on_chip(ledger.run, hardware, chip, utilisation)) for chip in generations(hardware)]
    return {
        "utilisation": [{"utilisation": share, **_costed(one, billed)} for share, one in used],
        "generations": [{"chip": chip, **_costed(one, billed)} for chip, one in chips if one is not None],
    }


def _costed(hardware: Hardware, billed: Decimal) -> Json:
    cost = hardware.usd(hardware.total)
    chips: Sequence[int] = [scenario.description.chips for scenario in hardware.scenarios.values()]
    return {
        "chips": chips[0] if len(chips) == 1 else None,
        "hardware_usd": interval_json(cost),
        "price_to_cost": price_to_cost(billed, cost),
    }


def gaps_json(ledger: Ledger, deployment: str = STAND_IN) -> Json:
    """Return where each recorded gap's KV would have waited cheapest, and what the bill charged after it."""
    return {
        "deployment": deployment,
        "gaps": [
            {
                "turn": gap.turn,
                "gap_s": gap.gap_s,
                "context_tokens": gap.context_tokens,
                "cheapest": gap.place,
                "usd": range_json(gap.usd),
                "kept_usd": {ttl: range_json(kept) for ttl, kept in gap.ttl_usd.items()},
                "billed_cache_usd": usd(gap.billed_usd),
            }
            for gap in gaps_of(ledger, deployment)
        ],
    }


def range_json(interval: Interval, places: int = PLACES) -> Json:
    """Return an interval as decimal strings, without trailing zeros."""
    return {name: _plain(getattr(interval, name), places) for name in ("low", "mid", "high")}


def _plain(figure: Decimal, places: int) -> str:
    rounded = round(figure, places) if figure.as_tuple().exponent < -places else figure  # type: ignore[operator]
    return format(rounded.normalize(), "f") if rounded else "0"
