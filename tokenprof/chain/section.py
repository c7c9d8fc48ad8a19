"""The chain section of a report, typed: where a run's billed dollars go, and its cost-shaped bill.

Figures are rounded to the digits that a report states, so that a section read back from JSON equals the one
that was written. `tokenprof.chain.chain.Chain` holds the unrounded ones; `make_section` rounds them.
"""

from __future__ import annotations

from decimal import Decimal
from math import log
from typing import Literal

from tokenprof.chain.bridge import Bridge
from tokenprof.chain.choices import SalesPath
from tokenprof.chain.cost_shaped_price import ShapedTurn
from tokenprof.costing.evidence import EvidenceEffect
from tokenprof.data_classes.frozen import frozen
from tokenprof.hw_model.description import HourTenure
from tokenprof.hw_model.estimate import Estimate
from tokenprof.pricing.chain.figures import Figure, PublishedMargin
from tokenprof.pricing.chain.interval import Interval
from tokenprof.pricing.chain.layers import WaterfallStepName


@frozen
class StepPart:
    """A part of a step of the waterfall [USD], such as the memory of the chips."""

    name: str
    usd: Interval


@frozen
class SectionStep:
    """One step of the waterfall: who gets it [USD], and its share of what was paid.

    `internal_usd` is a margin that stays inside one company here; a market would pay it. It is in no sum.
    """

    name: WaterfallStepName
    usd: Interval
    share: Interval
    internal_usd: Interval | None
    source: str
    parts: tuple[StepPart, ...]


@frozen
class SectionLayer:
    """What a layer pays for its input and gets for its output [USD]; internal if it sells to itself."""

    layer: str
    supplier: str
    sells: str
    kind: Literal["market", "internal"]
    cost_usd: Interval
    price_usd: Interval
    price_to_cost: Interval
    gross_margin: Interval


@frozen
class SectionSpread:
    """The run's price over the break-even anchor's price for the same tokens, and its parts [USD]."""

    anchor: str
    anchor_usd: Decimal
    spread_usd: Decimal
    efficiency_loss_usd: Interval
    training_amortisation_usd: Interval
    brand_premium_usd: Interval
    residual_usd: Interval


@frozen
class SectionServer:
    """Who serves a provider's models (None: nobody has said), and what its hours cost [USD per hour].

    `hours` is `owned`, `rented` or `given`; `trains` says that the models are the server's own.
    """

    provider: str
    supplier: str | None
    hours: HourTenure
    usd_per_hour: Interval
    trains: bool
    source: str


@frozen
class SectionEvidence:
    """What published evidence makes of the cost: see `tokenprof.costing.evidence.Posterior`."""

    hardware_usd: Estimate
    price_to_cost: Estimate
    effective_draws: float
    effects: tuple[EvidenceEffect, ...]

    def leading(self, prior: float) -> EvidenceEffect | None:
        """Return the piece in use that alone moves the ratio `prior` furthest; None if none is in use."""
        in_use = [row for row in self.effects if row.in_use and row.price_to_cost is not None]
        return max(in_use, key=lambda row: _moved(row, prior), default=None)


def _moved(effect: EvidenceEffect, prior: float) -> float:
    return 0.0 if effect.price_to_cost is None else abs(log(effect.price_to_cost.mid / prior))


@frozen
class SectionPaths:
    """What the same run costs the user by each path [USD]."""

    direct_usd: Decimal
    aggregator: str
    aggregator_usd: Decimal
    plan: str
    sessions_per_month: int
    plan_usd: Decimal | None


@frozen
class SectionPlan:
    """A subscription plan beside the run: see `tokenprof.chain.plans_and_spread.PlanFigures`."""

    plan: str
    usd_per_month: Decimal
    credit_usd_per_month: Decimal
    usd_per_session: Decimal
    break_even_sessions: int
    sessions_at_compute_cost: Interval
    price_to_compute: Interval
    source: str
    sessions_at_limit: Decimal | None = None


@frozen
class NamedSource:
    """An assumption of several figures, of which a report states only the source."""

    name: str
    source: str


@frozen
class ShapedBill:
    """The run's bill shared out in proportion to its compute, turn by turn, and what that rests on."""

    total_usd: Decimal
    basis: str
    turns: tuple[ShapedTurn, ...]


@frozen
class ChainSection:
    """Where a run's billed dollars go.

    `turns` are those followed, `turns_left_out` those without a price or a model, `is_lower_bound` says that
    the bill is at least what is shown. `paid_usd` is what the user pays by `path`, `compute_usd` the cost at
    the hours that the servers pay, `owner_usd` at the owner's. `waterfall` starts from what the hours cost,
    `by_accounts` from what suppliers of this kind spend. Margins are shares of what the supplier takes in,
    None if it takes in nothing. `applications` are margins of those who resell tokens in a product.
    `spreads` has one row for each anchor, the chosen one first. `cost_shaped`,
    `bridge` and `evidence` are None in a report that was written without them; `posterior_bridge` counts the
    draws by the evidence.
    """

    path: SalesPath
    turns: int
    turns_left_out: int
    is_lower_bound: bool
    billed_usd: Decimal
    paid_usd: Decimal
    compute_usd: Interval
    owner_usd: Interval | None
    servers: tuple[SectionServer, ...]
    waterfall: tuple[SectionStep, ...]
    by_accounts: tuple[SectionStep, ...]
    layers: tuple[SectionLayer, ...]
    inference_margin: Interval | None
    all_in_margin: Interval | None
    published_margins: tuple[PublishedMargin, ...]
    spreads: tuple[SectionSpread, ...]
    paths: SectionPaths
    plans: tuple[SectionPlan, ...]
    applications: tuple[PublishedMargin, ...]
    assumptions: tuple[Figure | NamedSource, ...]
    cost_shaped: ShapedBill | None
    bridge: Bridge | None = None
    posterior_bridge: Bridge | None = None
    evidence: SectionEvidence | None = None
