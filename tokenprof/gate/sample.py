"""What the gate keeps of one run: its measures, its tokens by model and class, and its blocks by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tokenprof.analysis.analysis import Analysis
    from tokenprof.costing.ledger import Ledger

MEASURES: Final = (
    "turns",
    "input_tokens",
    "output_tokens",
    "usd",
    "carry_usd",
    "cache_misses",
    "cache_read_share",
    "hardware_usd",
)
"""Everything that can have a budget. `carry_usd` is what blocks were billed after the turn they came in;
`cache_read_share` the part of all prompt tokens read from the cache; `hardware_usd` the middle estimate."""

FIXED_KINDS: Final = frozenset({"system", "tool", "skills_index", "memory"})
"""Blocks whose text the developer writes: their size is the same in every run until somebody edits them."""

NO_LOSS_CAUSES: Final = ("first_use", "below_minimum")
"""Causes of cache misses that lost nothing: nothing was there to read, or the prompt is too short."""

_PROMPT_KINDS_LEFT_OUT: Final = frozenset({"provider_overhead", "unattributed"})


@dataclass(frozen=True, slots=True)
class BlockGroup:
    """All blocks of one kind and name in a run.

    `count` blocks of `local_tokens` in all by the local vocabulary, which no provider changes;
    `billed_tokens` and `billed_usd` over the run (None if a price is not known).
    """

    kind: str
    name: str
    count: int
    local_tokens: int
    billed_tokens: int
    billed_usd: Decimal | None

    @property
    def key(self) -> str:
        """The name of the group in baselines and messages."""
        return f"{self.kind} {self.name}" if self.name != self.kind else self.kind

    @property
    def mean_tokens(self) -> float:
        """The mean local size of its blocks."""
        return self.local_tokens / self.count if self.count else 0.0


@dataclass(frozen=True, slots=True)
class RunSample:
    """One run as the gate compares it. An unknown measure is None, never 0.

    `incomplete` counts why its bill may be larger than measured, by reason; `reasons` are the sentences of a
    report that say it.
    """

    measures: Mapping[str, Decimal | None]
    usage: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    rates: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    blocks: Mapping[str, BlockGroup] = field(default_factory=dict)
    incomplete: Mapping[str, int] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()

    def usd_at(self, rates: Mapping[str, Mapping[str, Decimal]]) -> Decimal | None:
        """Return the cost of this run at other rates (model → class → USD per token); None without one."""
        total = Decimal(0)
        for model, counts in self.usage.items():
            for cls, tokens in counts.items():
                rate = rates.get(model, {}).get(cls)
                if rate is None:
                    return None
                total += tokens * rate
        return total


def sample_of(analysis: Analysis, *, hardware: bool = False) -> RunSample:
    """Return the sample of a run; without `hardware` its compute is not costed and so not known."""
    from tokenprof.report.warning_wording import warnings_of

    ledger = analysis.ledger
    turns = ledger.run.turns
    usages = [turn.usage for turn in turns if turn.usage is not None]
    unmeasured = len(usages) < len(turns)
    prompt = sum(usage.input_tokens for usage in usages)
    output = sum(usage.all_output_tokens for usage in usages)
    read = sum(usage.cache_read_tokens for usage in usages)
    billed = [usd for usd in ledger.billed_usd if usd is not None]
    estimate = analysis.hardware.usd(analysis.hardware.total) if hardware else None
    measures = {
        "turns": Decimal(len(turns)),
        "input_tokens": None if unmeasured else Decimal(prompt),
        "output_tokens": None if unmeasured else Decimal(output),
        "usd": sum(billed, Decimal(0)) if len(billed) == len(turns) else None,
        "carry_usd": _carry_usd(ledger),
        "cache_misses": Decimal(
            sum(miss is not None and miss.cause not in NO_LOSS_CAUSES for miss in analysis.misses)
        ),
        "cache_read_share": Decimal(read) / Decimal(prompt) if prompt and not unmeasured else None,
        "hardware_usd": None if estimate is None else Decimal(repr(estimate.mid)),
    }
    if ledger.run.problems:
        # Calls are missing, so no total is known.
        measures = dict.fromkeys(measures)
    incomplete = {str(found.reason): found.count for found in analysis.incomplete}
    reasons = warnings_of(analysis) if incomplete else ()
    return RunSample(measures, _usage(ledger), _rates(ledger), _groups(ledger), incomplete, reasons)


def _carry_usd(ledger: Ledger) -> Decimal | None:
    """Return what blocks were billed after the turn that brought them; None if a price is missing."""
    return ledger.first_bills.billed_after(
        {placed.id: placed.born_turn for placed in ledger.attribution.blocks.values()}
    )


def _usage(ledger: Ledger) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for turn in ledger.run.turns:
        for cls, tokens in turn.usage.by_class().items() if turn.usage else ():
            if tokens and cls != "fee":
                counts[turn.model][cls] += tokens
    return {model: dict(own) for model, own in counts.items()}


def _rates(ledger: Ledger) -> dict[str, dict[str, Decimal]]:
    from tokenprof.pricing.book import Price

    rates: dict[str, dict[str, Decimal]] = {}
    for turn, price in zip(ledger.run.turns, ledger.prices, strict=True):
        if isinstance(price, Price):
            own = rates.setdefault(turn.model, {})
            for cls in turn.usage.by_class() if turn.usage else ():
                if cls in price.rates:
                    own.setdefault(cls, price.rates[cls])
    return rates


def _groups(ledger: Ledger) -> dict[str, BlockGroup]:
    from tokenprof.costing.billed_sums import BilledSum

    groups: dict[str, BlockGroup] = {}
    seen: dict[str, set[str]] = defaultdict(set)
    for placed in ledger.attribution.blocks.values():
        block = placed.block
        if block.kind in _PROMPT_KINDS_LEFT_OUT:
            continue
        local = block.features.tokens.get("o200k_base") or round(block.features.bytes / 4)
        billed = ledger.blocks.get(placed.id, BilledSum())
        one = BlockGroup(block.kind, block.name, 1, local, billed.tokens, billed.billed_usd)
        # The same text in two contexts (a subagent's tools) is one thing that somebody wrote.
        again = block.kind in FIXED_KINDS and block.digest in seen[one.key]
        seen[one.key].add(block.digest)
        groups[one.key] = _added(groups.get(one.key), one, again=again)
    return groups


def _added(known: BlockGroup | None, one: BlockGroup, *, again: bool) -> BlockGroup:
    if known is None:
        return one
    unknown = known.billed_usd is None or one.billed_usd is None
    return BlockGroup(
        known.kind,
        known.name,
        known.count + (0 if again else 1),
        known.local_tokens + (0 if again else one.local_tokens),
        known.billed_tokens + one.billed_tokens,
        None if unknown else (known.billed_usd or Decimal(0)) + (one.billed_usd or Decimal(0)),
    )
