"""A run as the comparison sees it: billed tokens and dollars by block group, passage, model and class.

Blocks of two runs cannot be matched one by one, so they are gathered by agent, kind and name. Each group is
split by *passage*: tokens that enter a prompt for the first time, tokens that are carried through later
calls, output, and fees. Without that split, a block carried for longer would look better cached.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Literal

from tokenprof.costing.billed_sums import NOTHING
from tokenprof.costing.cache_losses import CacheMissCause
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.own_decimals import EXACT_DIGITS, own_decimals
from tokenprof.pricing.usage import TokenClass

Passage = Literal["entered", "carried", "output", "fee"]
"""How tokens came to be billed; a fee counts uses instead of tokens."""


@frozen
class ServedModel:
    """What selects a price: who sold the model, its name, and the tier if it was not the standard one."""

    provider: str
    model: str
    tier: str = ""


@frozen
class CellKey:
    """A block group of one agent in one passage."""

    agent: str
    kind: str
    name: str
    passage: Passage

    @property
    def group(self) -> tuple[str, str, str]:
        """The agent, kind and name."""
        return self.agent, self.kind, self.name


@dataclass(slots=True)
class BilledTokens:
    """Tokens of one model and class, and what they were billed, in USD."""

    tokens: int = 0
    usd: Decimal = NOTHING


Cell = dict[tuple[ServedModel, str], BilledTokens]
"""The tokens of a block group in one passage, by model and class."""


@dataclass(slots=True)
class GroupBlocks:
    """The blocks of a group, each counted once: how many, and their size by the local vocabulary."""

    count: int = 0
    local_tokens: float = 0.0


@frozen
class MissedCache:
    """The cache misses that have one cause: how many calls, what they lost, the block that lost most."""

    why: CacheMissCause
    calls: float
    lost_usd: Decimal
    block_kind: str = ""
    name: str = ""


@frozen(slots=False)
class CostProfile:
    """The part of a run that has a bill; `turns_left_out` have none.

    `turns` and `contexts` are by agent, `prompt_blocks` and `output_blocks` by agent, kind and name. `rates`
    are USD per token by model and class, of the last call of each model. `missed` are the misses that lost
    something, one for each cause. `in_tokens`: every token is valued at 1, so "dollars" are tokens.
    """

    cells: Mapping[CellKey, Cell] = field(default_factory=dict)
    prompt_blocks: Mapping[tuple[str, str, str], GroupBlocks] = field(default_factory=dict)
    output_blocks: Mapping[tuple[str, str, str], GroupBlocks] = field(default_factory=dict)
    turns: Mapping[str, int] = field(default_factory=dict)
    contexts: Mapping[str, int] = field(default_factory=dict)
    rates: Mapping[ServedModel, Mapping[str, Decimal]] = field(default_factory=dict)
    missed: tuple[MissedCache, ...] = ()
    turns_left_out: int = 0
    in_tokens: bool = False

    @cached_property
    def billed_usd(self) -> Decimal:
        """The bill."""
        with own_decimals(EXACT_DIGITS):
            return sum((each.usd for cell in self.cells.values() for each in cell.values()), NOTHING)

    @cached_property
    def models(self) -> Mapping[str, frozenset[str]]:
        """The names of the models that each agent used."""
        found: dict[str, set[str]] = defaultdict(set)
        for key, cell in self.cells.items():
            found[key.agent] |= {served.model for served, _ in cell}
        return {agent: frozenset(own) for agent, own in found.items()}

    @property
    def model_names(self) -> tuple[str, ...]:
        """The models, in alphabetical order; a tier other than the standard one is added."""
        used = {served for cell in self.cells.values() for served, _ in cell}
        return tuple(sorted({f"{each.model} ({each.tier})" if each.tier else each.model for each in used}))

    @property
    def cache_read_share(self) -> float:
        """The share of all prompt tokens that were read from the cache."""
        tokens: dict[str, int] = defaultdict(int)
        for key, cell in self.cells.items():
            for (_, cls), billed in cell.items():
                tokens[cls] += billed.tokens if key.passage in ("entered", "carried") else 0
        prompt = sum(tokens.values())
        return tokens[TokenClass.CACHE_READ] / prompt if prompt else 0.0

    def chances_to_carry(self, agent: str) -> int:
        """Return how many calls of an agent could carry something over from the call before."""
        return self.turns.get(agent, 0) - self.contexts.get(agent, 0)
