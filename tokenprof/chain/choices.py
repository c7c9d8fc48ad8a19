"""What the user chooses about the chain, and who sells the tokens on."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from tokenprof.data_classes.frozen import frozen
from tokenprof.pricing.chain.figures import ChainData, Supplier
from tokenprof.pricing.chain.interval import Interval
from tokenprof.pricing.chain.layers import PaidBill

SalesPath = Literal["direct", "aggregator", "plan"]


@frozen
class Choices:
    """What the user says about the chain; everything else is read from the chain file.

    `compute` owns the racks that the supplier rents, if it rents (None: not known). `sessions_per_month` such
    runs share the price of `plan`; `credits_usd` is the credit bought at a time at the aggregator [USD].
    `anchor` is the price taken to break even. `training_per_revenue` is training spend per dollar that the
    supplier takes in (None: by its accounts), `discount` the share of the list price that is not collected
    (None: nothing is known of this bill), `overhead` the cost beyond accelerators over that of accelerators
    (None: the range of the chain file). Raises `ValueError` if fewer than one session shares a plan.
    """

    path: SalesPath = "direct"
    aggregator: str = "openrouter"
    plan: str = "claude-max"
    sessions_per_month: int = 20
    credits_usd: Decimal = Decimal(100)
    compute: str | None = None
    anchor: str = "deepseek-v4-flash"
    training_per_revenue: Decimal | None = None
    discount: Decimal | None = None
    overhead: Decimal | None = None

    def __post_init__(self) -> None:
        if self.sessions_per_month < 1:
            raise ValueError(
                f"A plan cannot be shared by {self.sessions_per_month} runs a month; choose at least 1."
            )

    def training(self, by_accounts: Interval) -> Interval:
        """Return training spend per dollar of revenue: the user's, else that of the accounts."""
        given = self.training_per_revenue
        return by_accounts if given is None else Interval.exactly(given)


def paid_bill(paid_usd: Decimal, billed_usd: Decimal, choices: Choices) -> PaidBill:
    """Return what is paid for some turns, what a reseller keeps of it, and what is not collected [USD]."""
    fee_usd = paid_usd - billed_usd if choices.path == "aggregator" else Decimal(0)
    discount = Decimal(0) if choices.path == "plan" else choices.discount or Decimal(0)
    return PaidBill(paid_usd, fee_usd, billed_usd * discount)


def seller_of(serving: Supplier, figures: ChainData, choices: Choices) -> Supplier | None:
    """Return who sells the tokens on: an aggregator, the model's own supplier under a plan, or nobody."""
    if choices.path == "direct":
        return None
    if choices.path == "plan":
        return serving
    aggregator = figures.aggregator(choices.aggregator)
    name = aggregator.name.partition(",")[0]
    unlisted = Supplier(name, frozenset({"L4"}), aggregator.source, aggregator.checked)
    return figures.suppliers.get(name, unlisted)
