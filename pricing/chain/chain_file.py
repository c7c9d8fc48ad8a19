"""Read the figures of the chain above the chip: `data/chain.toml`, or a user's file instead."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

from tokenprof.pricing import DATA
from tokenprof.pricing.chain.figures import (
    Account,
    Aggregator,
    Anchor,
    ChainData,
    ChainDataError,
    ChipPrice,
    Figure,
    MarginKind,
    PaymentProtocol,
    PublishedMargin,
    Region,
    SubscriptionPlan,
    Supplier,
)
from tokenprof.pricing.chain.gpu_hours import HourPrice, shipped_hour_prices
from tokenprof.pricing.chain.interval import Interval


def load_chain_data(path: Path | None = None) -> ChainData:
    """Read the shipped chain file, or another of the same form instead.

    Raises `ChainDataError` naming the file and what is wrong with it.
    """
    source = path or DATA / "chain.toml"
    try:
        tables = tomllib.loads(source.read_text("utf-8"))
        return _read(tables)
    except OSError as error:
        raise ChainDataError(f"The chain file {source} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ChainDataError(f"The chain file {source} is not UTF-8 text; save it as UTF-8.") from error
    except KeyError as error:
        raise ChainDataError(f"The chain file {source} has a row without {error}.") from error
    except (ValueError, ArithmeticError, TypeError, AttributeError, RecursionError) as error:
        raise ChainDataError(f"The chain file {source} cannot be used: {error}") from error


def _read(tables: Mapping[str, Any]) -> ChainData:
    def rows(table: str) -> list[Mapping[str, Any]]:
        return list(tables.get(table, ()))

    plans = tuple(sorted(map(_plan, rows("plan")), key=lambda plan: plan.since or date.min))
    return ChainData(
        hours=_hours(rows("rental")),
        site={row["name"]: _figure(row, row["name"]) for row in rows("site")},
        building_parts={row["name"]: _figure(row, row["name"]) for row in rows("building_part")},
        chip_prices={
            row["chip"]: ChipPrice(
                row["chip"],
                _range(row["price_usd"]),
                _range(row["hbm_usd"]),
                _range(row["foundry_usd"]),
                row["source"],
                row["checked"],
            )
            for row in rows("chip_price")
        },
        regions={
            row["name"]: Region(
                row["name"], _range(row["usd_per_kwh"]), _range(row["pue"]), row["source"], row["checked"]
            )
            for row in rows("region")
        },
        shares={row["name"]: _figure(row, row["name"]) for row in rows("share")},
        margins={row["name"]: _margin(row) for row in rows("margin")},
        anchors={
            row["name"]: Anchor(
                row["name"],
                Decimal(row["input_usd_per_mtok"]),
                Decimal(row.get("cached_input_usd_per_mtok", row["input_usd_per_mtok"])),
                Decimal(row["output_usd_per_mtok"]),
                row["source"],
                row["checked"],
            )
            for row in rows("anchor")
        },
        aggregators={
            row["name"]: Aggregator(
                row["name"],
                Decimal(row["fee_share"]),
                Decimal(row["minimum_usd"]),
                row["source"],
                row["checked"],
            )
            for row in rows("aggregator")
        },
        plans={plan.name: plan for plan in plans},
        plan_terms=plans,
        suppliers={
            row["name"]: Supplier(row["name"], frozenset(row["layers"]), row["source"], row["checked"])
            for row in rows("supplier")
        },
        applications={row["name"]: _margin(row) for row in rows("application")},
        payments={
            row["name"]: PaymentProtocol(
                row["name"],
                Decimal(row["usd_per_payment"]),
                Decimal(row["fee_share"]),
                int(row["calls_per_payment"]),
                row["source"],
                row["checked"],
            )
            for row in rows("payment")
        },
        buildouts={row["name"]: _figure(row, row["name"]) for row in rows("buildout")},
        tool_host={row["name"]: _figure(row, row["name"]) for row in rows("tool_host")},
        accounts=tuple(
            Account(
                row["supplier"],
                row["kind"],
                row["period"],
                Decimal(row["spend_usd"]) / Decimal(row["revenue_usd"]),
                row["source"],
                row["checked"],
            )
            for row in rows("account")
        ),
    )


def _hours(rows: list[Mapping[str, Any]]) -> tuple[HourPrice, ...]:
    """Return the shipped readings, with those of a chain file in place of the same chip and contract's."""
    own = tuple(
        HourPrice(
            row["chip"],
            row["contract"],
            _figure(row, row["chip"]).value,
            row["checked"],
            "assumed" if row.get("assumed") else "",
            row["source"],
        )
        for row in rows
    )
    replaced = {(row.chip.lower(), row.tier) for row in own}
    kept = (row for row in shipped_hour_prices() if (row.chip.lower(), row.tier) not in replaced)
    return (*own, *kept)


def _figure(row: Mapping[str, Any], name: str) -> Figure:
    value = Interval(Decimal(row["low"]), Decimal(row["mid"]), Decimal(row["high"]))
    return Figure(name, value, row["source"], row["checked"], row.get("assumed", False))


def _margin(row: Mapping[str, Any]) -> PublishedMargin:
    kind: MarginKind = row.get("kind", "gross")
    if kind not in get_args(MarginKind):
        raise ValueError(f"margin {row['name']!r} is of kind {kind!r}, not {', '.join(get_args(MarginKind))}")
    figure = _figure(row, row["name"])
    return PublishedMargin(
        figure.name, kind, row.get("when"), figure.value, figure.source, figure.checked, figure.assumed
    )


def _plan(row: Mapping[str, Any]) -> SubscriptionPlan:
    limit = row.get("api_usd_at_limit")
    return SubscriptionPlan(
        row["name"],
        Decimal(row["usd_per_month"]),
        Decimal(row["credit_usd_per_month"]),
        row["source"],
        row["checked"],
        None if limit is None else _range(limit if isinstance(limit, list) else [limit] * 3),
        tuple(row.get("providers", ())),
        int(row.get("least_seats", 1)),
        _range(row["discount"]) if "discount" in row else None,
        Decimal(row.get("commitment_usd_per_month", 0)),
        row.get("since"),
    )


def _range(figures: list[str]) -> Interval:
    low, mid, high = (Decimal(figure) for figure in figures)
    return Interval(low, mid, high)
