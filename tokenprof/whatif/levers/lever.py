"""What a lever is: a change of a run's geometry, and what it takes to be unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, Protocol

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Turn
from tokenprof.whatif.geometry.planned_calls import Geometry

if TYPE_CHECKING:
    from tokenprof.costing.compute import ClassSoldAtCost

End = Literal["low", "mid", "high"]
"""The cheapest, the expected and the most expensive outcome that a lever's assumptions allow."""


class Payment(Protocol):
    """Who pays for calls other than by their list price."""

    def covers(self, turn: Turn) -> bool:
        """Whether it pays for a call."""

    def assumes(self, first: Turn) -> Iterator[str]:
        """Yield sentences on what the payment rests on."""

    def usd(self, first: Turn, list_usd: Decimal, end: End) -> Decimal:
        """Return what is paid for calls that cost `list_usd` at list price; `first` dates the terms."""


@frozen
class Lever:
    """A change of a run, as `NAME=VALUE`.

    `change` gives the changed geometry for one end of the lever's interval. `assumes` are sentences on what
    is taken to be unchanged or estimated. `is_exact` says that all ends are the same: nothing is estimated.
    `changes_model` says that calls move to another model, which is then served for them.
    `deployment` and `usd_per_gpu_hour` are set by a lever that serves the model on your own hardware,
    `payment` by one that has a plan pay the bill, whatever the other levers make of it, `sold_at_cost` by one
    that changes the price of a class.
    """

    name: str
    value: str
    change: Callable[[Geometry, End], Geometry]
    assumes: tuple[str, ...] = ()
    is_exact: bool = True
    changes_model: bool = False
    deployment: str | None = None
    usd_per_gpu_hour: float | None = None
    payment: Payment | None = None
    sold_at_cost: ClassSoldAtCost | None = None

    @property
    def text(self) -> str:
        """The lever as it is written: `ttl=1h`."""
        return f"{self.name}={self.value}"


def one_of_values(name: str, value: str, known: tuple[str, ...]) -> str:
    """Return a value that is one of the known ones. Raises `InputError` for another one."""
    if value not in known:
        raise InputError(f"{name}={value}: give {name}= one of {', '.join(known)}.")
    return value


def whole_tokens(name: str, value: str, text: str) -> int:
    """Return a positive number of tokens. Raises `InputError` for anything else."""
    try:
        tokens = int(text.replace("_", "").replace(",", ""))
    except ValueError:
        tokens = 0
    if tokens <= 0:
        raise InputError(f"{name}={value}: {text!r} is not a number of tokens above 0.")
    return tokens
