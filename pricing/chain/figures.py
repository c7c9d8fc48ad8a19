"""The dated, sourced figures of the chain above the chip: `data/chain.toml`, or a user's file instead."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from tokenprof.pricing.chain.gpu_hours import (
    OF_CONTRACT,
    HourPrice,
    HourRange,
    hour_range,
    shipped_hour_prices,
)
from tokenprof.pricing.chain.interval import Interval

Key = TypeVar("Key")
Found = TypeVar("Found")

MarginKind = Literal["inference", "gross", "theoretical"]


class ChainDataError(ValueError):
    """A chain file cannot be used, or lacks a figure that was asked for."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A range with its name, its source, the day it was checked, and whether it is our own judgement."""

    name: str
    value: Interval
    source: str
    checked: date
    assumed: bool = False


@dataclass(frozen=True, slots=True)
class PublishedMargin:
    """A gross margin as published, a share of revenue; the middle is the latest reading.

    `kind` says what it is of: `inference` (revenue less the cost of serving it), `gross` (all that a lab
    serves, free users included), `theoretical` (as if every token were sold at list price). `when` is the
    time it holds for, None if the source does not say.
    """

    name: str
    kind: MarginKind
    when: str | None
    value: Interval
    source: str
    checked: date | None
    assumed: bool = False


@dataclass(frozen=True, slots=True)
class Anchor:
    """A price at which a supplier is assumed to break even [USD per million tokens]."""

    name: str
    input_usd_per_mtok: Decimal
    cached_input_usd_per_mtok: Decimal
    output_usd_per_mtok: Decimal
    source: str
    checked: date


@dataclass(frozen=True, slots=True)
class Aggregator:
    """What a reseller of tokens takes: a share of each purchase, and a minimum [USD]."""

    name: str
    fee_share: Decimal
    minimum_usd: Decimal
    source: str
    checked: date


@dataclass(frozen=True, slots=True)
class SubscriptionPlan:
    """A subscription: its price and the API credit that it includes, both a month.

    `api_usd_at_limit` is what a month at the plan's limits would cost at list price [USD]; None if its limits
    are not known.
    """

    name: str
    usd_per_month: Decimal
    credit_usd_per_month: Decimal
    source: str
    checked: date
    api_usd_at_limit: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Supplier:
    """A company and the layers of the chain that it owns: chips, L1, L2, L3a, L3b, L4."""

    name: str
    layers: frozenset[str]
    source: str
    checked: date


@dataclass(frozen=True, slots=True)
class Account:
    """What a supplier took in and spent in a period, or what the kind of supplier does (`lab` or `host`).

    `spend_per_revenue` is dollars spent per dollar of revenue; of a host, the cost of revenue only. Rows of a
    supplier stand in the file with the latest first.
    """

    supplier: str
    kind: Literal["lab", "host"]
    period: str
    spend_per_revenue: Decimal
    source: str
    checked: date


@dataclass(frozen=True, slots=True)
class ChipPrice:
    """What is paid for an accelerator [USD], without its share of a server, and who gets it."""

    chip: str
    price_usd: Interval
    hbm_usd: Interval
    foundry_usd: Interval
    source: str
    checked: date


@dataclass(frozen=True, slots=True)
class Region:
    """What power costs somewhere, and the power of a site over that of its computers (PUE)."""

    name: str
    usd_per_kwh: Interval
    pue: Interval
    source: str
    checked: date


@dataclass(frozen=True, slots=True)
class ChainData:
    """All figures by name. `hours` are readings of what accelerator-hours cost and are rented for."""

    hours: tuple[HourPrice, ...]
    site: Mapping[str, Figure]
    building_parts: Mapping[str, Figure]
    chip_prices: Mapping[str, ChipPrice]
    regions: Mapping[str, Region]
    shares: Mapping[str, Figure]
    margins: Mapping[str, PublishedMargin]
    anchors: Mapping[str, Anchor]
    aggregators: Mapping[str, Aggregator]
    plans: Mapping[str, SubscriptionPlan]
    suppliers: Mapping[str, Supplier]
    accounts: tuple[Account, ...] = ()

    def rental(self, chip: str, contract: str = "reserved", when: date | None = None) -> HourRange:
        """Return the rent of a GPU-hour of a chip on a day [USD]. Raises `ChainDataError` without one."""
        found = hour_range(self.hours, chip, _tiers_of(contract), contract, when)
        if found is None:
            raise ChainDataError(f"No rent of {chip} is known, {contract}; add a row to a chain file.")
        return found

    def rents(self, contract: str, when: date | None = None) -> dict[str, HourRange]:
        """Return the rents of a day, by chip. Raises `ChainDataError` for a contract that nobody offers."""
        tiers = _tiers_of(contract)
        names = dict.fromkeys(row.chip for row in self.hours)
        found = {chip: hour_range(self.hours, chip, tiers, contract, when) for chip in names}
        return {chip: rent for chip, rent in found.items() if rent is not None}

    def share(self, name: str) -> Figure:
        """Return a share by name. Raises `ChainDataError`, with the known names."""
        return _find(self.shares, name, "share")

    def plan(self, name: str) -> SubscriptionPlan:
        """Return a plan by name. Raises `ChainDataError`, with the known names."""
        return _find(self.plans, name, "plan")

    def anchor(self, name: str) -> Anchor:
        """Return a break-even anchor by name. Raises `ChainDataError`, with the known names."""
        return _find(self.anchors, name, "anchor")

    def aggregator(self, name: str) -> Aggregator:
        """Return an aggregator by name. Raises `ChainDataError`, with the known names."""
        return _find(self.aggregators, name, "aggregator")

    def supplier(self, name: str) -> Supplier:
        """Return a supplier by name. Raises `ChainDataError`, with the known names."""
        return _find(self.suppliers, name, "supplier")


def _tiers_of(contract: str) -> tuple[str, ...]:
    if contract not in OF_CONTRACT:
        known = ", ".join(OF_CONTRACT)
        raise ChainDataError(f"Hours are not rented {contract!r}; the known contracts are {known}.")
    return OF_CONTRACT[contract]


def load_chain_data(path: Path | None = None) -> ChainData:
    """Read the shipped chain file, or another of the same form instead.

    Raises `ChainDataError` naming the file and what is wrong with it.
    """
    source = path or files("tokenprof.pricing") / "data" / "chain.toml"
    try:
        tables = tomllib.loads(source.read_text("utf-8"))
        return _read(tables)
    except OSError as error:
        raise ChainDataError(f"The chain file {source} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ChainDataError(f"The chain file {source} is not UTF-8 text; save it as UTF-8.") from error
    except KeyError as error:
        raise ChainDataError(f"The chain file {source} has a row without {error}.") from error
    except (ValueError, ArithmeticError, TypeError) as error:
        raise ChainDataError(f"The chain file {source} cannot be used: {error}") from error


def _read(tables: Mapping[str, Any]) -> ChainData:
    def rows(table: str) -> list[Mapping[str, Any]]:
        return list(tables.get(table, ()))

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
        plans={
            row["name"]: SubscriptionPlan(
                row["name"],
                Decimal(row["usd_per_month"]),
                Decimal(row["credit_usd_per_month"]),
                row["source"],
                row["checked"],
                Decimal(row["api_usd_at_limit"]) if "api_usd_at_limit" in row else None,
            )
            for row in rows("plan")
        },
        suppliers={
            row["name"]: Supplier(row["name"], frozenset(row["layers"]), row["source"], row["checked"])
            for row in rows("supplier")
        },
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


def _range(figures: list[str]) -> Interval:
    low, mid, high = (Decimal(figure) for figure in figures)
    return Interval(low, mid, high)


def _find(table: Mapping[Key, Found], key: Key, what: str) -> Found:
    if key not in table:
        known = ", ".join(sorted(str(known) for known in table))
        raise ChainDataError(
            f"No {what} is named {key!r}; the known ones are {known}. Add a row to a chain file."
        )
    return table[key]
