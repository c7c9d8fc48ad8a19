"""What a user, or who serves a model, says about the fleet in place of what is assumed of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tokenprof.hw_model.fleet.techniques import NOTHING_SAID, Techniques, has_latent

__all__ = [
    "BY_THE_USER",
    "PRECISIONS_TO_ASK_FOR",
    "AssumptionError",
    "RentOfChip",
    "RentedHours",
    "ServingSettings",
    "Techniques",
    "has_latent",
]

BY_THE_USER: Final = "given by the user"
"""The source of a figure that a user sets."""

PRECISIONS_TO_ASK_FOR: Final = ("bf16", "fp8", "fp4")
"""The dtypes of weights that a user may ask for."""


class AssumptionError(ValueError):
    """A figure given by the user is outside its range; the message names it and what is allowed."""


@dataclass(frozen=True, slots=True)
class RentOfChip:
    """What an accelerator-hour of a chip is rented for: low, usual and high [USD], with the source."""

    low_usd: float
    mid_usd: float
    high_usd: float
    source: str


@dataclass(frozen=True, slots=True)
class RentedHours:
    """What hours are rented for on the market: `terms` names the contract, `by_chip` has the known rents.

    A chip without a row is taken to be rented at the usual ratio of rent to the owner's cost.
    """

    terms: str
    by_chip: Mapping[str, RentOfChip]


@dataclass(frozen=True, slots=True)
class ServingSettings:
    """What is said about how a model is served; None for what nobody says, which is then drawn or assumed.

    `deployment` is a text such as `deepseek-v3@8xh200`. `utilisation` is the share of the fleet's hours that
    are sold, above 0 and at most 1. `usd_per_gpu_hour` replaces the cost of an accelerator-hour on every chip
    [USD]. `rents` are those of the market; `pays_rent` says that the server pays them, rather than own its
    racks. `chip` moves the work to one chip, `precision` is the dtype of the weights, `tokens_per_s` the
    speed to each user in place of the run's clock. The next four are those of `gpu_hour.Ownership`, and
    `tool_latency_s` is the time between an answer and the next prompt. `techniques` says which of them are in
    use; a given deployment names its own. Raises AssumptionError for a figure outside its range.
    """

    deployment: str | None = None
    utilisation: float | None = None
    usd_per_gpu_hour: float | None = None
    rents: RentedHours | None = None
    pays_rent: bool = False
    chip: str | None = None
    precision: str | None = None
    tokens_per_s: float | None = None
    cost_of_capital: float | None = None
    life_years: float | None = None
    colo_usd_per_kw_month: float | None = None
    usd_per_kwh: float | None = None
    tool_latency_s: float | None = None
    techniques: Techniques = NOTHING_SAID

    def __post_init__(self) -> None:
        # Written so that NaN, which compares false with everything, is refused too.
        if self.utilisation is not None and not 0 < self.utilisation <= 1:
            raise AssumptionError(
                f"a utilisation of {self.utilisation} is not possible; give a share above 0 and at most 1"
            )
        hour = self.usd_per_gpu_hour
        if hour is not None and not 0 < hour < float("inf"):
            raise AssumptionError(
                f"{hour} USD per accelerator-hour is not possible; give a price above 0, for example 2.5"
            )
        if self.precision is not None and self.precision not in PRECISIONS_TO_ASK_FOR:
            raise AssumptionError(
                f"weights cannot be asked for in {self.precision!r}; "
                f"give one of {', '.join(PRECISIONS_TO_ASK_FOR)}"
            )
