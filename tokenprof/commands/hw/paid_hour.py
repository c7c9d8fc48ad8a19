"""What an accelerator-hour costs in the pages of `tokenprof hw`: as given, rented, or its owner's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError

if TYPE_CHECKING:
    from tokenprof.analysis.assumptions import Assumptions
    from tokenprof.hw_model.catalogue.chips import Chip
    from tokenprof.hw_model.equations.gpu_hour import Ownership


@frozen
class PaidHour:
    """Whose hours are paid: `given_usd` on every chip, else rent on the terms of `contract`, else `owner`."""

    owner: Ownership
    given_usd: float | None = None
    contract: str | None = None

    def usd(self, chip: Chip) -> float:
        """Return the price of an hour of a chip [USD].

        Raises InputError if nobody is known to rent it out.
        """
        if self.given_usd is not None:
            return self.given_usd
        if self.contract is None:
            return self.owner.usd_per_chip_hour(chip)
        rent = rent_usd(chip.name, self.contract)
        if rent is None:
            raise InputError(
                f"Nobody is known to rent {chip.name} out, {self.contract}; give its price with "
                "--usd-per-gpu-hour."
            )
        return rent

    def usd_or_none(self, chip: Chip) -> float | None:
        """Return the price of an hour of a chip [USD]; None if nobody is known to rent it out."""
        try:
            return self.usd(chip)
        except InputError:
            return None

    @property
    def short(self) -> str:
        """Whose hours are paid, for a heading."""
        if self.given_usd is not None:
            return f"hours at ${self.given_usd:g}"
        return "owner's hours" if self.contract is None else f"rented hours ({self.contract})"

    @property
    def in_words(self) -> str:
        """Whose hours are paid, in words, with what an owner's rest on."""
        if self.given_usd is not None:
            return f"{self.short} an accelerator, as you set it"
        if self.contract is not None:
            return self.short
        owner = self.owner
        return (
            f"the {self.short} (2.9: {100 * float(owner.cost_of_capital):g} % over "
            f"{float(owner.life_years):g} years, ${float(owner.colo_usd_per_kw_month):g} per kW-month, "
            f"${float(owner.usd_per_kwh):g} per kWh)"
        )


def paid_hour(said: Assumptions) -> PaidHour:
    """Return whose hours the settings say are paid."""
    from tokenprof.analysis.scenario import serving_of
    from tokenprof.hw_model.hours import owner_ranges
    from tokenprof.pricing.chain.gpu_hours import CONTRACT

    owner = owner_ranges(serving_of(said).settings).usual()
    contract = (said.contract or CONTRACT) if said.hours == "rent" else None
    return PaidHour(owner, said.usd_per_gpu_hour, contract)


def rent_usd(chip: str, contract: str) -> float | None:
    """Return what an hour of a chip is rented for today [USD]; None if nobody is known to."""
    from tokenprof.pricing.chain.gpu_hours import OF_CONTRACT, hour_range, shipped_hour_prices

    rent = hour_range(shipped_hour_prices(), chip, OF_CONTRACT[contract], contract)
    return None if rent is None else float(rent.usd.mid)
