"""A run as the comparison sees it: billed tokens and dollars by block group, passage, model and class.

Blocks of two runs cannot be matched one by one, so they are gathered by agent, kind and name. Each group is
split by *passage*: tokens that enter a prompt for the first time, tokens that are carried through later
calls, output, and fees. Without that split, a block carried for longer would look better cached.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Final, Literal

from tokenprof.attribute.estimate import local_tokens
from tokenprof.attribute.model import Placed
from tokenprof.costing.billed_sums import NOTHING
from tokenprof.costing.ledger import Ledger, LedgerEntry
from tokenprof.facts.types import Turn
from tokenprof.pricing.selectors import STANDARD_VALUES
from tokenprof.pricing.usage import OUTPUT_CLASSES, TokenClass

if TYPE_CHECKING:
    from tokenprof.pricing.rates import Price

Passage = Literal["entered", "carried", "output", "fee"]
"""How tokens came to be billed; a fee counts uses instead of tokens."""

EXACT_DIGITS: Final = 60
"""Digits to add and scale money with."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What selects a price: who sold the model, its name, and the tier if it was not the standard one."""

    provider: str
    model: str
    tier: str = ""


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class CostProfile:
    """The part of a run that has a bill.

    `turns`, `contexts` and `models` are by agent. `prompt_blocks` and `output_blocks` are by agent, kind and
    name. `prices` and `examples` hold the price and the turn of the last call of each model. `billed_usd` is
    the bill; `turns_left_out` have none.
    """

    cells: Mapping[CellKey, Cell]
    prompt_blocks: Mapping[tuple[str, str, str], GroupBlocks]
    output_blocks: Mapping[tuple[str, str, str], GroupBlocks]
    turns: Mapping[str, int]
    contexts: Mapping[str, int]
    models: Mapping[str, frozenset[str]]
    prices: Mapping[ServedModel, Price] = field(default_factory=dict)
    examples: Mapping[ServedModel, Turn] = field(default_factory=dict)
    billed_usd: Decimal = NOTHING
    turns_left_out: int = 0

    @property
    def model_names(self) -> tuple[str, ...]:
        """The models, in alphabetical order; a tier other than the standard one is added."""
        names = {f"{each.model} ({each.tier})" if each.tier else each.model for each in self.prices}
        return tuple(sorted(names))

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


def cost_profile(ledger: Ledger, *, by_agent: bool = True) -> CostProfile:
    """Return the profile of a ledger. Turns without a bill are left out and counted."""
    cells: dict[CellKey, Cell] = defaultdict(lambda: defaultdict(BilledTokens))
    blocks: dict[str, dict[tuple[str, str, str], GroupBlocks]] = {
        "prompt": defaultdict(GroupBlocks),
        "output": defaultdict(GroupBlocks),
    }
    turns: dict[str, int] = defaultdict(int)
    contexts: dict[str, set[str]] = defaultdict(set)
    models: dict[str, set[str]] = defaultdict(set)
    prices: dict[ServedModel, Price] = {}
    examples: dict[ServedModel, Turn] = {}
    seen: set[tuple[str, str, str]] = set()
    names = _lasting_names(ledger.attribution.blocks)
    total, left_out = NOTHING, 0
    with localcontext() as context:
        context.prec = EXACT_DIGITS
        for index, turn in enumerate(ledger.run.turns):
            billed = ledger.billed_usd[index]
            if billed is None:
                left_out += 1
                continue
            total += billed
            agent = (turn.agent or "") if by_agent else ""
            turns[agent] += 1
            contexts[agent].add(turn.context)
            models[agent].add(turn.model)
            served = served_model(turn)
            examples[served] = turn
            prices[served] = ledger.prices[index]  # type: ignore[assignment]  # a bill needs a price
            fresh: set[tuple[str, str, str]] = set()
            for entry in ledger.entries[index]:
                placed = ledger.attribution.blocks[entry.block]
                side = "output" if entry.cls in OUTPUT_CLASSES else "prompt"
                mark = (side, agent, names[entry.block])
                is_new = mark not in seen
                if is_new:
                    fresh.add(mark)
                key = CellKey(agent, placed.block.kind, placed.block.name, _passage(entry, is_new=is_new))
                cell = cells[key][served, entry.cls]
                cell.tokens += entry.count if key.passage == "fee" else entry.tokens
                cell.usd += entry.billed_usd or NOTHING
            for mark in fresh:
                placed = ledger.attribution.blocks[mark[2]]
                group = blocks[mark[0]][agent, placed.block.kind, placed.block.name]
                group.count += 1
                group.local_tokens += local_tokens(placed.block)
            seen |= fresh
    return CostProfile(
        cells={key: dict(cell) for key, cell in cells.items()},
        prompt_blocks=dict(blocks["prompt"]),
        output_blocks=dict(blocks["output"]),
        turns=dict(turns),
        contexts={agent: len(own) for agent, own in contexts.items()},
        models={agent: frozenset(own) for agent, own in models.items()},
        prices=prices,
        examples=examples,
        billed_usd=total,
        turns_left_out=left_out,
    )


def served_model(turn: Turn) -> ServedModel:
    """Return what selects a turn's price, as it was served."""
    return ServedModel(turn.provider, turn.model, ", ".join(_tier(turn)))


def _tier(turn: Turn) -> Iterator[str]:
    selectors = turn.selectors
    if selectors.batch:
        yield "batch"
    for name, standard in STANDARD_VALUES.items():
        value = getattr(selectors, name)
        if value and value not in standard and value != "batch":
            yield value
        elif value == "batch" and not selectors.batch:
            yield "batch"


def _passage(entry: LedgerEntry, *, is_new: bool) -> Passage:
    if entry.cls == TokenClass.FEE:
        return "fee"
    if entry.cls in OUTPUT_CLASSES:
        return "output"
    return "entered" if is_new else "carried"


def _lasting_names(blocks: Mapping[str, Placed]) -> dict[str, str]:
    """Return, by block id, the id of the first wording of the block.

    A system prompt that changes in every turn is one block that is never cached, not a new one in each turn.
    """
    first: dict[str, str] = {}
    for block_id, placed in blocks.items():
        earlier = placed.replaces
        first[block_id] = first.get(earlier, earlier) if earlier in blocks and earlier else block_id
    return first
