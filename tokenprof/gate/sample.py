"""What the gate keeps of one run: its measures, its tokens by model and class, and its blocks by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from decimal import Decimal
from statistics import median
from typing import TYPE_CHECKING, Final

from tokenprof.data_classes.frozen import frozen
from tokenprof.difference.cost_profile import CostProfile
from tokenprof.facts.own_decimals import in_own_decimals

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

NO_TEXT_KINDS: Final = frozenset({"provider_overhead", "unattributed"})
"""Blocks that stand for tokens whose text is not known."""


def group_key(kind: str, name: str) -> str:
    """Return the name of a block group in baselines and messages."""
    return f"{kind} {name}" if name != kind else kind


@frozen
class BlockGroup:
    """All blocks of one kind and name in a run.

    `count` blocks of `local_tokens` in all by the local vocabulary, which no provider changes.
    """

    kind: str
    name: str
    count: int
    local_tokens: int

    @property
    def key(self) -> str:
        """The name of the group in baselines and messages."""
        return group_key(self.kind, self.name)


@frozen
class RunSample:
    """One run as the gate compares it. An unknown measure is None, never 0.

    `profile` is in dollars if every turn with usage has a price, else in tokens. `incomplete` counts why its
    bill may be larger than measured, by reason; `reasons` are the sentences of a report that say it.
    """

    measures: Mapping[str, Decimal | None]
    usage: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    rates: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    blocks: Mapping[str, BlockGroup] = field(default_factory=dict)
    incomplete: Mapping[str, int] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    profile: CostProfile = field(default_factory=CostProfile)

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


def groups_of(samples: Sequence[RunSample]) -> dict[str, BlockGroup]:
    """Return every block group of some samples, by its key."""
    groups: dict[str, BlockGroup] = {}
    for sample in samples:
        groups |= sample.blocks
    return groups


def size_of(samples: Sequence[RunSample], key: str) -> float | None:
    """Return the usual local size of a group's text: of all its blocks together for fixed kinds."""
    sizes = [sample.blocks[key].local_tokens for sample in samples if key in sample.blocks]
    return float(median(sizes)) if sizes else None


@in_own_decimals
def sample_of(analysis: Analysis, *, hardware: bool = False) -> RunSample:
    """Return the sample of a run; without `hardware` its compute is not costed and so not known."""
    from tokenprof.difference.profile_of_run import cost_profile
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
    profile = cost_profile(analysis, in_tokens=len(billed) < len(usages))
    return RunSample(measures, _usage(ledger), _rates(ledger), _groups(ledger), incomplete, reasons, profile)


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
    groups: dict[str, BlockGroup] = {}
    seen: dict[str, set[str]] = defaultdict(set)
    for placed in ledger.attribution.blocks.values():
        block = placed.block
        if block.kind in NO_TEXT_KINDS:
            continue
        local = block.features.tokens.get("o200k_base") or round(block.features.bytes / 4)
        key = group_key(block.kind, block.name)
        known = groups.get(key, BlockGroup(block.kind, block.name, 0, 0))
        # The same text in two contexts (a subagent's tools) is one thing that somebody wrote.
        again = block.kind in FIXED_KINDS and block.digest in seen[key]
        seen[key].add(block.digest)
        groups[key] = (
            known if again else replace(known, count=known.count + 1, local_tokens=known.local_tokens + local)
        )
    return groups
