"""The figures of findings, one frozen dataclass per kind. The sentences are in `report.finding_wording`.

`CODES` are the codes under which a kind is reported. The blocks and turns that a finding is about are in
`Finding.blocks` and `Finding.turns`; a field `turns` here counts them. The type of a field says how it adds
over sessions (`facts.adding`).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Final, Literal, get_args

from tokenprof.costing.cache_losses import CacheMissCause
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.adding import LOST, AnyPart, Count, KnownUsd, Largest, Usd
from tokenprof.facts.types import BlockKind
from tokenprof.hw_model.estimate import Estimate

CacheDifference = Literal["read-less", "read-more", "written-otherwise"]
"""How a bill differs from the published cache rules."""

MISS_CAUSES: Final[tuple[CacheMissCause, ...]] = tuple(
    cause for cause in get_args(CacheMissCause) if cause != "first_use"
)
"""The causes of cache misses that are reported. The first use of a prefix has nothing to read."""


@frozen
class NamedBlock:
    """A block by its kind and its name as recorded, and what a call is about if labels were asked for."""

    kind: BlockKind
    name: str
    label: str | None = None


@frozen
class BilledName:
    """What everything of one name was billed together; None if no price is known."""

    name: str
    billed_usd: KnownUsd


@frozen
class UnpricedModel:
    """A model without a price, or without a price for `classes` only (empty: for all of them)."""

    provider: str
    model: str | None
    classes: tuple[str, ...] = ()


@frozen
class NamedMargin:
    """A published margin, a share of revenue: whose it is, and the range of its readings."""

    name: str
    low: float
    high: float


@frozen
class UnmeasuredTurns:
    """Turns without usage."""

    CODES: ClassVar = ("unmeasured-turns",)
    turns: Count


@frozen
class UnpricedTurns:
    """Turns that have usage but no price for all of it, and the models that lack one."""

    CODES: ClassVar = ("unpriced-turns",)
    turns: Count
    models: tuple[UnpricedModel, ...]


@frozen
class IncompleteOutput:
    """Turns whose output was not counted to its end."""

    CODES: ClassVar = ("output-incomplete",)
    turns: Count


@frozen
class CacheUnlikeRules:
    """Turns, out of `turns_compared`, that were not billed as the published cache rules say.

    `tokens` is how many more or fewer were read from the cache in all; 0 if only the writes differ.
    """

    CODES: ClassVar = ("cache-read-less", "cache-read-more", "cache-written-otherwise")
    difference: CacheDifference
    turns: Count
    turns_compared: Count
    tokens: Count


@frozen
class UnplacedTokens:
    """Billed tokens that no recorded block accounts for, out of all `billed_tokens`."""

    CODES: ClassVar = ("unplaced-tokens",)
    tokens: Count
    billed_tokens: Count


@frozen
class CacheMisses:
    """The cache misses of one cause.

    `tokens` were billed again, starting at `first_blocks`. `extra_usd` is what that cost beyond reading them
    from the cache: None if no price is known, a lower bound if only some prices are.
    """

    CODES: ClassVar = tuple(f"cache-miss-{cause.replace('_', '-')}" for cause in MISS_CAUSES)
    cause: CacheMissCause
    turns: Count
    tokens: Count
    first_blocks: tuple[NamedBlock, ...]
    extra_usd: KnownUsd
    is_lower_bound: AnyPart


@frozen
class LowCacheHitRate:
    """Prompt tokens that an earlier turn had too, and how many of them were read from the cache."""

    CODES: ClassVar = ("low-cache-hit-rate",)
    resent_tokens: Count
    read_tokens: Count


@frozen
class ToolsNeverCalled:
    """Tools whose schemas were billed and that no turn of their agent called, the most expensive first."""

    CODES: ClassVar = ("tools-never-called",)
    tools: tuple[BilledName, ...]


@frozen
class SkillsIndexUnused:
    """A skills index whose agent loaded no skill. `lines` are those of the longest if there are several."""

    CODES: ClassVar = ("skills-index-unused",)
    lines: Largest
    billed_usd: KnownUsd


@frozen
class SkillsUntouched:
    """Skills after which no call touched a file or tool that they name, the most expensive first."""

    CODES: ClassVar = ("skills-untouched",)
    skills: tuple[BilledName, ...]


@frozen
class DuplicateText:
    """A text of `tokens` tokens that stood `copies` times in one prompt, in `turns` turns.

    `extra_blocks` are the copies beside the first, `billed_usd` what those were billed; None if no price is
    known.
    """

    CODES: ClassVar = ("duplicate-text",)
    block: NamedBlock
    tokens: Largest
    copies: Largest
    extra_blocks: Count
    turns: Count
    billed_usd: KnownUsd


@frozen
class CalledAgain:
    """A tool that was asked the same in `calls` calls: what the repeated ones and their results were billed.

    `label` says what it was asked, if labels were asked for. `unchanged` of the results had a text that was
    in the context already.
    """

    tool: str
    label: str | None
    calls: Count
    unchanged: Count
    billed_usd: KnownUsd


@frozen
class RepeatedResults:
    """Results whose text was in the context already, and what they and their calls were billed."""

    CODES: ClassVar = ("repeated-results",)
    results: Count
    calls: tuple[CalledAgain, ...]
    billed_usd: KnownUsd


@frozen
class RepeatedCalls:
    """Calls with arguments tried before, with another result, and what they and their results were billed."""

    CODES: ClassVar = ("repeated-calls",)
    repeats: Count
    calls: tuple[CalledAgain, ...]
    billed_usd: KnownUsd
    is_estimated: AnyPart


@frozen
class CarriedBlock:
    """A block that is a large part of the bill because `turns` turns were billed for it.

    `first_usd` is its bill in the first of them, `again_usd` in all later ones; they add up to `billed_usd`.
    """

    CODES: ClassVar = ("carried-block",)
    block: NamedBlock
    billed_usd: Usd
    first_usd: Usd
    again_usd: Usd
    turns: Count
    is_estimated: AnyPart


@frozen
class CachedContextDominates:
    """What reading the context from the cache was billed, beside the model's output and the whole bill."""

    CODES: ClassVar = ("cached-context-dominates",)
    cache_read_usd: Usd
    output_usd: KnownUsd
    billed_usd: Usd


@frozen
class PriceFarFromCompute:
    """The class whose bill is the furthest from its compute, at full cost."""

    CODES: ClassVar = ("price-far-from-compute",)
    cls: str
    billed_usd: Decimal
    hardware_usd: Estimate
    price_to_cost: Estimate


@frozen
class MarginBeyondPublished:
    """A gross margin that lies outside the range that published ones suggest, all as shares of revenue.

    `published` are margins of the same kind: revenue less the cost of serving.
    """

    CODES: ClassVar = ("margin-beyond-published",)
    implied_gross_margin: Estimate
    expected_low: float
    expected_high: float
    published: tuple[NamedMargin, ...]


@frozen
class SkillLoadedLate:
    """A skill that was loaded after `turns_before` of the `turns` turns of its context."""

    CODES: ClassVar = ("skill-loaded-late",)
    skill: str
    turns_before: Count
    turns: Count


@frozen
class LoadsOnDemand:
    """What loading on demand cost, beside having the same content in every prompt.

    `all_up_front_usd` is the bill with all `indexed_skills` in every prompt; None if their size is not known
    or all of them were loaded. Above `break_even_loads` loads that is cheaper than loading on demand; None if
    it never is.
    """

    CODES: ClassVar = ("disclosure",)
    loads: Count
    extra_turns: Count
    billed_usd: Usd
    turns: Count
    up_front_usd: Usd
    up_front_turns: Count
    indexed_skills: Largest
    all_up_front_usd: Annotated[Decimal | None, LOST]
    break_even_loads: Annotated[float | None, LOST]


FindingFigures = (
    UnmeasuredTurns
    | UnpricedTurns
    | IncompleteOutput
    | CacheUnlikeRules
    | UnplacedTokens
    | CacheMisses
    | LowCacheHitRate
    | ToolsNeverCalled
    | SkillsIndexUnused
    | SkillsUntouched
    | DuplicateText
    | RepeatedResults
    | RepeatedCalls
    | CarriedBlock
    | CachedContextDominates
    | PriceFarFromCompute
    | MarginBeyondPublished
    | SkillLoadedLate
    | LoadsOnDemand
)
"""The figures of any finding; their type decides which sentence is written."""
