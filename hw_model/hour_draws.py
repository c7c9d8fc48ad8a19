"""What the accelerator-hours of a scenario cost, draw by draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Array
from tokenprof.hw_model.description import HourBasis
from tokenprof.hw_model.equations.gpu_hour import OwnerHour


@dataclass(frozen=True)
class HourDraws:
    """What an accelerator-hour costs in each draw [USD], and how much of a cost is not the hour's price.

    `owner` is the owner's hour by part, `paid_usd` what the server of the model pays, `rent_usd` what the
    hour is rented for on the market, whoever pays it (None if no rent is known). `utilisation` is the
    share of hours sold. `service_factor` is by what costs were multiplied beyond the equations: the model's
    own error. Of a deployment given in full only the last has more than one element.
    """

    owner: OwnerHour
    paid_usd: Array
    rent_usd: Array | None
    utilisation: Array
    service_factor: Array
    basis: HourBasis

    @property
    def owner_over_paid(self) -> Array:
        """The owner's hour divided by the hour that is paid."""
        return np.asarray(self.owner.total_usd / self.paid_usd)
