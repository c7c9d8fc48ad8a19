"""Who serves a model, and whose accelerator-hours that company pays: its own racks, or rented ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from datetime import date
from functools import cache
from typing import Final, Literal

from tokenprof.data_classes.frozen import frozen
from tokenprof.hw_model.cost import RentedHours, RentOfChip, ServingSettings, known_model
from tokenprof.pricing.chain.chain_file import load_chain_data
from tokenprof.pricing.chain.figures import ChainData, Supplier
from tokenprof.pricing.chain.gpu_hours import CONTRACT
from tokenprof.pricing.sellers import SHAPES

HoursAsked = Literal["own", "rent"]

OF_SELLER: Final[Mapping[str, str]] = {
    "aws.bedrock": "aws",
    "gcp.vertex_ai": "google",
    "gemini": "google",
    "vertex_ai": "google",
}
"""Names of sellers in prices whose racks are a company's by another name."""


@cache
def shipped_chain_data() -> ChainData:
    """Return the figures of the shipped chain file, read once."""
    return load_chain_data()


@frozen
class Serving:
    """What is said about how the models of a run are served; what nobody says is looked up or drawn.

    `hours` says whose hours are paid, whoever serves the model; None leaves it to the supplier's row in
    `figures` (None: those that ship). `contract` names the terms of rented hours, `supplier` who serves every
    model (None: the seller or provider of its calls).
    """

    settings: ServingSettings = field(default_factory=ServingSettings)
    hours: HoursAsked | None = None
    contract: str = CONTRACT
    supplier: str | None = None
    figures: ChainData | None = None

    @property
    def rows(self) -> ChainData:
        """The rows of the market that are in force."""
        return self.figures if self.figures is not None else shipped_chain_data()

    def of_model(self, provider: str, model: str, seller: str | None, when: date | None) -> ServingSettings:
        """Return the settings of one model, with the rents of the day, and whether its server pays them.

        A deployment that the user described is the user's own. Raises `pricing.chain.figures.ChainDataError`
        for a contract that nobody offers.
        """
        rents = self.rows.rents(self.contract, when)
        by_chip = {
            chip: RentOfChip(float(row.usd.low), float(row.usd.mid), float(row.usd.high), row.source)
            for chip, row in rents.items()
        }
        pays_rent = self.hours == "rent" or (
            self.hours is None
            and self.settings.deployment is None
            and not self.owns_racks(provider, model, seller)
        )
        market = RentedHours(f"rented, {self.contract}", by_chip)
        return replace(self.settings, rents=market, pays_rent=pays_rent)

    def owns_racks(self, provider: str, model: str, seller: str | None) -> bool:
        """Return whether whoever serves a model owns the racks; a company without a row is taken to rent."""
        served_by = self.server_of(provider, model, seller)
        return served_by is not None and "L1" in served_by.layers

    def server_of(self, provider: str, model: str, seller: str | None) -> Supplier | None:
        """Return who serves a model; None if nobody has said or the company has no row.

        The API's shape does not show who serves open weights, so its maker is not taken for their server.
        """
        suppliers = self.rows.suppliers
        if self.supplier is not None:
            return self.rows.supplier(self.supplier)
        if seller is not None:
            found = suppliers.get(OF_SELLER.get(seller, seller))
            if found is not None and found.layers & {"L3a", "L3b"}:
                return found
            return None
        if provider in SHAPES and is_open(model):
            return None
        return suppliers.get(OF_SELLER.get(provider, provider))


def is_open(model: str) -> bool:
    """Return whether a model's weights are public, so that others than its maker may serve it."""
    return known_model(model) is not None
