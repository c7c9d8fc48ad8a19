"""What the user chooses about the chain, and the companies and contracts that those choices name."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from tokenprof.costing.compute import Hardware
from tokenprof.hw_model.catalogue.lookup import find_chip
from tokenprof.hw_model.equations.gpu_hour import Ownership
from tokenprof.pricing.chain.figures import ChainData, Figure, Supplier
from tokenprof.pricing.chain.interval import Interval

SalesPath = Literal["direct", "aggregator", "plan"]

BEST_KNOWN_CHIP: Final = "H100"
"""The chip whose rental market stands in for one that has no rental row."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user says about the chain; everything else is read from the chain file.

    `supplier` serves the model; None means the run's own provider, if the chain file has it. `compute` owns
    the racks that the supplier rents, if it rents, under `contract`. `sessions_per_month` such runs share the
    price of `plan`; `credits_usd` is the credit bought at a time at the aggregator [USD]. `anchor` is the
    price taken to break even. Raises `ValueError` if fewer than one session shares a plan.
    """

    path: SalesPath = "direct"
    aggregator: str = "openrouter"
    plan: str = "claude-max"
    sessions_per_month: int = 20
    credits_usd: Decimal = Decimal(100)
    supplier: str | None = None
    compute: str = "coreweave"
    contract: str = "reserved"
    anchor: str = "DeepSeek V3 at launch"

    def __post_init__(self) -> None:
        if self.sessions_per_month < 1:
            raise ValueError(
                f"A plan cannot be shared by {self.sessions_per_month} runs a month; choose at least 1."
            )


def supplier_of(provider: str, figures: ChainData, choices: Choices) -> str | None:
    """Return who serves a provider's models; None, taken as a lab that rents, if nobody has said.

    Raises `ChainDataError` for a supplier that the chain file lacks.
    """
    if choices.supplier is not None:
        return figures.supplier(choices.supplier).name
    return provider if provider in figures.suppliers else None


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


def rental_over_cost(hardware: Hardware, figures: ChainData, contract: str) -> tuple[Figure, Interval]:
    """Return the rent of an accelerator-hour [USD/h], and that rent divided by the owner's cost of the hour.

    The chip is the deployment's if its rent is known, else `BEST_KNOWN_CHIP`. Raises `ChainDataError` for a
    contract that the chain file lacks.
    """
    names = {scenario.description.chip for scenario in hardware.scenarios.values()}
    chip = names.pop() if len(names) == 1 else BEST_KNOWN_CHIP
    contracts = [(chip.lower(), contract), (chip.lower(), "three years")]
    key = next((key for key in contracts if key in figures.rentals), None)
    if key is None:
        chip, key = BEST_KNOWN_CHIP, (BEST_KNOWN_CHIP.lower(), contract)
    rental = figures.rental(*key)
    owned = Interval.exactly(Decimal(f"{Ownership().usd_per_chip_hour(find_chip(chip)):.9g}"))
    return rental, rental.value / owned
