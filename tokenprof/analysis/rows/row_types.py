"""The rows of a report: what a run was billed and what it cost to compute, by turn, block, class and group.

Everything that reads an analysis (renderers, the JSON report, frames, gates) reads these. Money is `Decimal`
USD, hardware dollars are an `Estimate` in USD; None means unknown, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from tokenprof.attribute.model import ExactGroup as ExactGroup
from tokenprof.costing.cache_misses import CacheMiss
from tokenprof.costing.cache_prediction import CachePrediction
from tokenprof.costing.ledger import Ledger
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.types import BlockKind, Section, TurnStatus
from tokenprof.hw_model.estimate import Estimate
from tokenprof.pricing.chain.figures import PublishedMargin
from tokenprof.pricing.usage import Usage

SizeState = Literal["exact", "estimated"]
"""Whether the bill pins a size, or shares out a total that it pins."""


@frozen
class EntryRow:
    """One block's tokens of one class in one turn. `count` is the number of uses a fee is charged for."""

    turn: int
    block: str
    cls: str
    tokens: int
    billed_usd: Decimal | None
    hardware_usd: Estimate | None
    state: SizeState
    count: int = 0


@frozen
class TurnRow:
    """One billed response.

    `context_tokens` is the whole prompt. `price_to_cost` is `billed_usd` over `hardware_usd`. The three
    hardware costs stand side by side and are never added: at full cost, with idle KV priced at what it keeps
    out, and at what one more call costs a fleet that runs anyway. `unpriced_classes` are the classes that
    lack a price while others have one. `seller` is who sold the call if not `provider`, `stated_usd` what
    the seller says it cost, `notes` what the counts leave out or why they are missing. `entries` are drawn up
    when iterated. `output_tokens_estimate` is the size of an output without a final count, as a later prompt
    repeats it; it is not in `usage` and not in the bill.
    """

    index: int
    id: str | None
    agent: str | None
    context: str
    parent: str | None
    provider: str
    model: str | None
    requested_model: str | None
    at: datetime | None
    duration_s: float | None
    ttft_s: float | None
    status: TurnStatus
    attempts: int
    tags: Mapping[str, str]
    usage: Usage | None
    context_tokens: int | None
    output_incomplete: bool
    output_rest_in: str | None
    billed_usd: Decimal | None
    hardware_usd: Estimate | None
    hardware_opportunity_usd: Estimate | None
    hardware_marginal_usd: Estimate | None
    price_to_cost: Estimate | None
    cache_miss: CacheMiss | None
    cache_prediction: CachePrediction | None
    unpriced_classes: tuple[str, ...] = ()
    seller: str | None = None
    stated_usd: Decimal | None = None
    notes: tuple[str, ...] = ()
    output_tokens_estimate: Estimate | None = None
    hardware_owned_usd: Estimate | None = None
    entries: Sequence[EntryRow] = field(default=(), compare=False, repr=False)

    @property
    def is_measured(self) -> bool:
        """Whether the provider reported usage."""
        return self.usage is not None

    @property
    def is_unpriced(self) -> bool:
        """Whether usage is known and a price for all of it is not."""
        return self.usage is not None and self.billed_usd is None


@frozen
class ChildRow:
    """A finer part of a block: a line of a skills index, a field of a schema. Its size is an estimate."""

    name: str
    digest: str | None = None
    tokens: int | None = None
    state: SizeState = "estimated"


@frozen
class BlockRow:
    """A block of the context and what it was billed over the run.

    `tokens` is the size of one occurrence, `tokens_low` and `tokens_high` bound it. `billed_usd` is None if
    one of its tokens has no price; `at_least_usd` is then the part that is known. `turns_carried` is the
    number of turns that were billed for it. `uses` names the skills that a tool call touches. `link` is the
    same on a tool call and its result, `content_digest` on two calls with equal arguments and on two results
    with equal texts. `label` says what a call or its result is about, if labels were asked for. The sizes of
    the blocks of a context with one `exact_group` are estimates that add up to an exact number of tokens.
    """

    id: str
    kind: BlockKind
    name: str
    digest: str | None
    context: str | None
    section: Section | None
    born_turn: int | None
    last_turn: int | None
    evicted_by: str | None
    tokens: int | None
    tokens_low: int | None
    tokens_high: int | None
    state: SizeState
    billed_tokens: int | None
    billed_usd: Decimal | None
    hardware_usd: Estimate | None
    replaces: str | None
    children: tuple[ChildRow, ...] = ()
    uses: tuple[str, ...] | None = None
    at_least_usd: Decimal | None = None
    turns_carried: int = 0
    link: str | None = None
    content_digest: str | None = None
    label: str | None = None
    exact_group: ExactGroup | None = None

    @property
    def known_usd(self) -> Decimal | None:
        """The bill as far as it is known: `billed_usd`, or else `at_least_usd`."""
        return self.billed_usd if self.billed_usd is not None else self.at_least_usd

    @property
    def is_lower_bound(self) -> bool:
        """Whether `known_usd` leaves tokens out."""
        return self.billed_usd is None and self.at_least_usd is not None


@frozen
class ClassRow:
    """A price class over the run. `at_least_usd` is what is known if one of its tokens has no price."""

    cls: str
    tokens: int
    billed_usd: Decimal | None
    hardware_usd: Estimate | None
    price_to_cost: Estimate | None
    count: int = 0
    at_least_usd: Decimal | None = None

    @property
    def known_usd(self) -> Decimal | None:
        """The bill as far as it is known: `billed_usd`, or else `at_least_usd`."""
        return self.billed_usd if self.billed_usd is not None else self.at_least_usd

    @property
    def is_lower_bound(self) -> bool:
        """Whether `known_usd` leaves tokens out."""
        return self.billed_usd is None and self.at_least_usd is not None


@frozen
class GroupRow:
    """What a tool, skill, MCP server or agent cost in all. Groups of different kinds overlap.

    `load_turns` are the turns that did nothing but load what the group holds, `load_turns_usd` their bill,
    which is not part of `billed_usd`. `block_count` is how many blocks there are where they are not listed.
    """

    kind: Literal["tool", "skill", "mcp_server", "agent"]
    name: str
    blocks: tuple[str, ...]
    billed_tokens: int
    billed_usd: Decimal | None
    hardware_usd: Estimate | None
    load_turns: tuple[int, ...] = ()
    load_turns_usd: Decimal | None = None
    block_count: int = 0


IncompleteReason = Literal["unmeasured", "unpriced", "output_incomplete", "noted", "missing", "warned"]
"""Why a bill may be larger than shown: turns without counts, without a price, with only the beginning of
their output, with something that the counts leave out; calls that could not be recorded; and warnings."""


@frozen
class Incompleteness:
    """One reason why a bill is not known to be whole, and how many turns (or warnings) it is about."""

    reason: IncompleteReason
    count: int


@frozen
class Totals:
    """The run as a whole. `billed_usd` sums the turns that have a bill; the counts say how many have none.

    `missing_calls` were made but could not be recorded: with any, every sum is a lower bound.
    `incomplete` lists why the bill may be larger than shown; it is empty if nothing is missing.
    `stated_usd` sums what sellers themselves say that calls cost; None if none does. `hardware_usd` is at
    the hours that the servers of the models pay, `hardware_owned_usd` at their owners' cost.
    """

    turns: int
    usage: Usage | None
    billed_usd: Decimal | None
    unpriced_turns: int
    unmeasured_turns: int
    partial_turns: int
    incomplete_output_turns: int
    hardware_usd: Estimate | None
    hardware_opportunity_usd: Estimate | None
    hardware_marginal_usd: Estimate | None
    price_to_cost: Estimate | None
    missing_calls: int = 0
    incomplete: tuple[Incompleteness, ...] = ()
    stated_usd: Decimal | None = None
    hardware_owned_usd: Estimate | None = None


@frozen
class Driver:
    """An assumption and the share of the estimate's variance that it explains."""

    name: str
    share_of_variance: float


@frozen
class CostRatio:
    """How many times more one thing costs than another: to compute, and as billed."""

    name: str
    compute: Estimate
    billed: Decimal | None


@frozen
class KvHeld:
    """How long the KV of a run was held: token-seconds while it was in use and while it waited in gaps.

    `gaps_usd` is what keeping it in the accelerators' memory through all gaps costs on the basis
    *opportunity*, `gaps_host_memory_usd` what keeping it in host memory costs. Both are None in a report of
    an earlier release, and for a run without gaps.
    """

    active_token_seconds: float
    idle_token_seconds: float
    idle_share: float | None
    gap_usd_per_s_at_longest_context: Estimate | None
    gaps_usd: Estimate | None = None
    gaps_host_memory_usd: Estimate | None = None


@frozen
class ComputeSummary:
    """What is known about the compute of the run's most expensive model beyond its dollars.

    `implied_gross_margin` is the share of the bill left after compute. `within_published_range` is None for a
    model of known shape.
    """

    model: str
    implied_gross_margin: Estimate | None
    published_gross_margins: tuple[PublishedMargin, ...]
    within_published_range: bool | None
    drivers: tuple[Driver, ...]
    ratios: tuple[CostRatio, ...]
    kv: KvHeld


@frozen
class RunRows:
    """All rows of a run: what findings look at and renderers draw.

    `ledger` is what the rows were made of; None for the rows of a saved report.
    """

    totals: Totals
    classes: tuple[ClassRow, ...]
    turns: tuple[TurnRow, ...]
    blocks: tuple[BlockRow, ...]
    groups: tuple[GroupRow, ...]
    compute: ComputeSummary | None
    ledger: Ledger | None = field(default=None, compare=False, repr=False)

    def block_by_id(self) -> dict[str, BlockRow]:
        """Return the blocks by their ids."""
        return {block.id: block for block in self.blocks}
