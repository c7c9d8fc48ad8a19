"""Who serves the models of each provider of a run, whose hours it pays, and whether it trained them."""

from __future__ import annotations

from tokenprof.costing.compute import Hardware
from tokenprof.costing.served_hours import is_open
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.types import Run
from tokenprof.hw_model.description import HourBasis
from tokenprof.pricing.chain.figures import ChainData, Supplier


@frozen
class Server:
    """Who serves a provider's models. `supplier` is None if nobody has said or it has no row.

    `hours` is whose hours are paid for; `trains` says that the models are the server's own, so that it also
    pays for training them.
    """

    supplier: Supplier | None
    hours: HourBasis
    trains: bool

    @property
    def name(self) -> str | None:
        """The company's name; None if it is not known."""
        return None if self.supplier is None else self.supplier.name

    @property
    def owns_racks(self) -> bool:
        """Whether the hours are those of the server's own racks."""
        return self.hours.tenure == "owned"


MADE_BY = {"deepseek": "deepseek", "moonshotai": "kimi", "zai": "glm", "mistral": "mistral", "google": "gem"}
"""Makers of open weights, with how the names of their models begin."""


def servers_of(run: Run, hardware: Hardware, figures: ChainData) -> dict[str, Server]:
    """Return who serves the modelled turns of each provider, in the order in which the run first calls it."""
    found: dict[str, Server] = {}
    for turn in run.turns:
        scenario = hardware.scenarios.get((turn.provider, turn.model))
        if turn.provider in found or scenario is None:
            continue
        supplier = hardware.serving.server_of(turn.provider, turn.model, turn.seller)
        found[turn.provider] = Server(supplier, scenario.hours.basis, _trains(supplier, turn.model))
    return found


def _trains(supplier: Supplier | None, model: str) -> bool:
    """Return whether a model is its server's own. A closed one is; open weights are if their maker serves."""
    if supplier is not None and "L3a" not in supplier.layers:
        return False
    if not is_open(model):
        return True
    if supplier is None:
        return False
    named = model.rsplit("/", 1)[-1].lower()
    return named.startswith(MADE_BY.get(supplier.name, "?"))
