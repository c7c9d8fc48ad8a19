"""The dated, sourced figures of the chain above the chip; `chain_file` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Literal, TypeVar

from tokenprof.pricing.chain.gpu_hours import (
    OF_CONTRACT,
    HourPrice,
    HourRange,
    hour_range,
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
    """A subscription or a contract: its price and the API credit that it includes, both a month and a seat.

    `providers` are those whose models it sells, by wire; empty for any. `api_usd_within_limit` is what a
    month at a seat's limits would cost at list price [USD]; None if the limits are not known. What is beyond
    them is billed at list price, less `discount`, a share; `commitment_usd_per_month` has to be spent in any
    case. The terms are those from `since` (None: from the beginning).
    """

    name: str
    usd_per_month: Decimal
    credit_usd_per_month: Decimal
    source: str
    checked: date
    api_usd_within_limit: Interval | None = None
    providers: tuple[str, ...] = ()
    least_seats: int = 1
    discount: Interval | None = None
    commitment_usd_per_month: Decimal = Decimal(0)
    since: date | None = None

    @property
    def api_usd_at_limit(self) -> Decimal | None:
        """The middle reading of what its limits allow."""
        return None if self.api_usd_within_limit is None else self.api_usd_within_limit.mid

    @property
    def is_personal(self) -> bool:
        """Whether one person can subscribe to it."""
        return self.least_seats == 1 and self.discount is None


@dataclass(frozen=True, slots=True)
class PaymentProtocol:
    """How a tool is paid per call: what one payment costs [USD], and a share of what is paid.

    `calls_per_payment` is how many calls one payment can settle; 1 if each is paid by itself.
    """

    name: str
    usd_per_payment: Decimal
    fee_share: Decimal
    calls_per_payment: int
    source: str
    checked: date

    def fee_usd(self, calls: int, paid_usd: Decimal) -> Decimal:
        """Return what it costs to pay an amount [USD] for a number of calls."""
        payments = -(-calls // self.calls_per_payment)
        return payments * self.usd_per_payment + paid_usd * self.fee_share


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
    """All figures by name. `hours` are readings of what accelerator-hours cost and are rented for.

    `applications` are margins of those who resell tokens in a product of their own, `buildouts` published
    capital spending and revenue, in billions of USD, `tool_host` what it costs to run tools somewhere.
    `plans` have the newest terms, `plan_terms` all that were ever in force.
    """

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
    applications: Mapping[str, PublishedMargin] = field(default_factory=dict)
    payments: Mapping[str, PaymentProtocol] = field(default_factory=dict)
    buildouts: Mapping[str, Figure] = field(default_factory=dict)
    tool_host: Mapping[str, Figure] = field(default_factory=dict)
    plan_terms: tuple[SubscriptionPlan, ...] = ()

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

    def plan_on(self, name: str, day: date) -> SubscriptionPlan:
        """Return the terms of a plan on a day, or the first known ones. Raises `ChainDataError` as `plan`."""
        newest = self.plan(name)
        terms = [each for each in self.plan_terms if each.name == name]
        in_force = [each for each in terms if each.since is None or each.since <= day]
        return (in_force or terms or [newest])[-1 if in_force else 0]

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


def _find(table: Mapping[Key, Found], key: Key, what: str) -> Found:
    if key not in table:
        known = ", ".join(sorted(str(known) for known in table))
        raise ChainDataError(
            f"No {what} is named {key!r}; the known ones are {known}. Add a row to a chain file."
        )
    return table[key]
